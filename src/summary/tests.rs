use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn directed(behavior: &str, agent: u8, target: u8) -> Sought {
    let subject = Subject::Ordered { agent: Individual(agent), target: Individual(target) };
    Sought { behavior: behavior.to_string(), kind: Kind::Directed, subject }
}

fn of_pair(behavior: &str, kind: Kind) -> Sought {
    let subject = Subject::Both { first: Individual(0), second: Individual(1) };
    Sought { behavior: behavior.to_string(), kind, subject }
}

fn rear() -> Sought {
    Sought { behavior: "rear".to_string(), kind: Kind::OfSelf, subject: Subject::One(Individual(0)) }
}

/// Two rats at 10 Hz, frames 100 to 400, of which 120 to 180 and 240 to 300 are scored.
fn session() -> Session {
    Session {
        name: "day 1, cage 2".to_string(),
        label_set: "Rats".to_string(),
        individuals: vec!["resident".to_string(), "intruder".to_string()],
        rate_hz: 10.0,
        frames: 100..400,
        scored: vec![240..300, 120..180],
        cells: vec![directed("attack", 1, 0), of_pair("clinch", Kind::Undirected), rear()],
        bouts: vec![
            (0, 150..160),
            (0, 130..140),
            (0, 138..142),
            (0, 170..250),
            (1, 100..125),
            (1, 125..127),
            (1, 299..400),
            (1, 200..210),
        ],
    }
}

fn measures(session: &Session, bin_secs: Option<f64>) -> Vec<Option<Measures>> {
    rows(session, bin_secs).unwrap().map(|row| row.measures).collect()
}

fn csv_of(sessions: &[Session], bin_secs: Option<f64>) -> Vec<String> {
    let mut out = Vec::new();
    write_csv(&mut out, sessions.iter().flat_map(|session| rows(session, bin_secs).unwrap())).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_string).collect()
}

#[test]
fn a_session_is_a_row_for_each_cell_also_for_what_never_happened() {
    let lines = csv_of(&[session()], None);
    let expected = [
        "session,label_set,behavior,kind,agent,target,pair,bin,bin_start_secs,bin_stop_secs,observation_start_secs,\
         observed_secs,latency_secs,count,cut_count,total_secs,share,mean_bout_secs,median_bout_secs,\
         longest_bout_secs,bouts_per_minute",
        "\"day 1, cage 2\",Rats,attack,directed,intruder,resident,intruder+resident,,0,18,12,12,1,4,2,4.2,0.35,1.05,1,\
         1.2,20",
        "\"day 1, cage 2\",Rats,clinch,undirected,,,intruder+resident,,0,18,12,12,0,2,2,0.8,0.066666667,0.4,0.4,0.7,10",
        "\"day 1, cage 2\",Rats,rear,self,resident,,,,0,18,12,12,,0,0,0,0,,,,0",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_bout_counts_where_it_begins_and_its_time_where_it_is() {
    let mut session = session();
    session.scored = vec![session.frames.clone()];
    session.bouts = vec![(0, 140..210), (0, 230..235)];
    let rows: Vec<Row> = rows(&session, Some(5.0)).unwrap().take(6).collect();
    let of = |index: usize| rows[index].measures.clone().unwrap();
    let counts = [0, 1, 2, 3, 4, 5].map(|index| (of(index).count, of(index).total_frames, of(index).latency_frames));
    assert_eq!(counts, [(1, 10, Some(40)), (0, 50, None), (1, 15, Some(30)), (0, 0, None), (0, 0, None), (0, 0, None)]);
    assert_eq!(of(0).durations.unwrap().mean_frames, 70.0);
    assert!(of(1).durations.is_none());
    assert_eq!(rows[5].bin_secs, 25.0..30.0);
    assert_eq!(rows.iter().map(|row| row.bin).collect::<Vec<_>>(), (1..=6).map(Some).collect::<Vec<_>>());
}

#[test]
fn what_nobody_observed_is_not_zero() {
    let lines = csv_of(&[session()], Some(3.0));
    let hole = "\"day 1, cage 2\",Rats,attack,directed,intruder,resident,intruder+resident,3,6,9,12,0,,,,,,,,,";
    assert_eq!(lines[3], hole);
    let mut nothing = session();
    nothing.scored.clear();
    for bin_secs in [None, Some(3.0)] {
        assert_eq!(measures(&nothing, bin_secs), [None, None, None]);
    }
    let tail = ",,0,0,,0,,,,,,,,,";
    assert!(csv_of(&[nothing], None)[1].ends_with(tail));
}

#[test]
fn a_bout_that_an_edge_of_the_scored_time_cuts_is_counted_and_told() {
    let mut session = session();
    session.bouts = vec![(0, 160..180), (0, 250..251)];
    let measures = measures(&session, None)[0].clone().unwrap();
    assert_eq!((measures.count, measures.cut_count, measures.total_frames), (2, 1, 21));
    let durations = measures.durations.unwrap();
    assert_eq!((durations.mean_frames, durations.median_frames, durations.longest_frames), (10.5, 10.5, 20));
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    let error = |change: &dyn Fn(&mut Session), bin_secs: Option<f64>| {
        let mut session = session();
        change(&mut session);
        rows(&session, bin_secs).err().unwrap().to_string()
    };
    let endless = |session: &mut Session| {
        session.frames = 0..1 << 30;
        session.scored = vec![session.frames.clone()];
    };
    let said = [
        error(&|session| session.rate_hz = f64::NAN, None),
        error(&|session| session.frames.end = u64::MAX, None),
        error(&|session| session.bouts.push((3, 1..2)), None),
        error(&|session| session.cells.push(rear()), None),
        error(&|session| session.cells.push(directed("bite", 0, 2)), None),
        error(&|session| session.cells.push(directed("bite", 1, 1)), None),
        error(&|session| session.cells[2].kind = Kind::Mutual, None),
        error(&|_| (), Some(0.05)),
        error(&|_| (), Some(f64::NAN)),
        error(&endless, Some(1.0)),
    ];
    let expected = [
        "expected a rate above 0 Hz, got NaN",
        "expected frames of 0 to 281474976710656, got one past 18446744073709551615",
        "bout 8: expected one of 3 cells, got the cell 3",
        "cell 3: expected each behavior of a subject once, got \"rear\" of One(Individual(0)) again",
        "cell 3: expected a subject of the kind Directed among 2 animals, got Ordered { agent: Individual(0), target: \
         Individual(2) }",
        "cell 3: expected a subject of the kind Directed among 2 animals, got Ordered { agent: Individual(1), target: \
         Individual(1) }",
        "cell 2: expected a subject of the kind Mutual among 2 animals, got One(Individual(0))",
        "expected bins of one frame (0.1 s) at least, got 0.05 s",
        "expected bins of one frame (0.1 s) at least, got NaN s",
        "expected at most 1048576 bins, got 107374183 of 1 s",
    ];
    for (said, expected) in said.iter().zip(expected) {
        assert_eq!(said.strip_prefix("day 1, cage 2: ").unwrap(), expected);
    }
}

fn ranges(count: usize) -> impl Strategy<Value = Vec<Range<u64>>> {
    let range = (0_u64..160, 0_u64..40).prop_map(|(start, length)| start..start + length);
    proptest::collection::vec(range, 0..count)
}

fn sessions() -> impl Strategy<Value = Session> {
    let bouts = proptest::collection::vec((0_usize..3, 0_u64..170, 0_u64..30), 0..20);
    (0_u64..40, 0_u64..160, ranges(5), bouts).prop_map(|(start, length, scored, bouts)| Session {
        frames: start..start + length,
        scored,
        bouts: bouts.into_iter().map(|(cell, start, length)| (cell, start..start + length)).collect(),
        ..session()
    })
}

/// Bins of 1 to 12.5 frames.
fn bins() -> impl Strategy<Value = f64> {
    (10_u32..126).prop_map(|tenths| f64::from(tenths) / 100.0)
}

/// The measures of a cell within some frames, frame by frame.
fn naive(session: &Session, cell: usize, within: &Range<u64>) -> (u64, Option<Measures>) {
    let scored = |frame| session.frames.contains(&frame) && session.scored.iter().any(|range| range.contains(&frame));
    let happens = |frame| session.bouts.iter().any(|(other, frames)| *other == cell && frames.contains(&frame));
    let on = |frame| scored(frame) && happens(frame);
    let before = |frame: u64| frame.checked_sub(1);
    let mut measures = Measures::default();
    let mut durations = Vec::new();
    for frame in within.clone().filter(|frame| on(*frame)) {
        measures.total_frames += 1;
        if before(frame).is_some_and(on) {
            continue;
        }
        let stop = (frame..=session.frames.end).find(|frame| !on(*frame)).unwrap();
        measures.count += 1;
        measures.cut_count += u64::from(!before(frame).is_some_and(scored) || !scored(stop));
        measures.latency_frames = measures.latency_frames.or(Some(frame - within.start));
        durations.push(stop - frame);
    }
    durations.sort_unstable();
    measures.durations = durations.last().map(|&longest_frames| Durations {
        mean_frames: durations.iter().sum::<u64>() as f64 / durations.len() as f64,
        median_frames: (durations[(durations.len() - 1) / 2] + durations[durations.len() / 2]) as f64 / 2.0,
        longest_frames,
    });
    let observed_frames = within.clone().filter(|frame| scored(*frame)).count() as u64;
    (observed_frames, (observed_frames > 0).then_some(measures))
}

proptest! {
    #[test]
    fn measures_are_those_of_counting_frame_by_frame(session in sessions(), bin_secs in proptest::option::of(bins())) {
        let scored = |frame: &u64| session.scored.iter().any(|range| range.contains(frame));
        let observation: Vec<u64> = session.frames.clone().filter(scored).collect();
        let ends = observation.first().zip(observation.last());
        let (start, stop) = ends.map_or((0, 0), |(first, last)| (*first, last + 1));
        let mut next = BTreeMap::<usize, u64>::new();
        for row in rows(&session, bin_secs).unwrap() {
            let cell = session.cells.iter().position(|sought| sought == row.sought).unwrap();
            let next = next.entry(cell).or_insert(start);
            let within = match row.bin {
                None => start..stop,
                Some(bin) => {
                    let step_frames = bin_secs.unwrap() * session.rate_hz;
                    *next..start + (bin as f64 * step_frames).round() as u64
                }
            };
            *next = within.end;
            let expected = naive(&session, cell, &within);
            prop_assert_eq!((row.observed_frames, row.measures), expected);
        }
        prop_assert_eq!(next.len(), 3);
        prop_assert!(next.values().all(|next| *next >= stop));
    }

    #[test]
    fn bins_sum_to_the_whole(session in sessions(), bin_secs in bins()) {
        let sums = |bin_secs: Option<f64>| {
            let mut sums = BTreeMap::<String, [u64; 4]>::new();
            for row in rows(&session, bin_secs).unwrap() {
                let sum = sums.entry(row.sought.behavior.clone()).or_default();
                let measures = row.measures.unwrap_or_default();
                let values = [row.observed_frames, measures.count, measures.cut_count, measures.total_frames];
                sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
            sums
        };
        prop_assert_eq!(sums(Some(bin_secs)), sums(None));
    }

    #[test]
    fn splitting_a_bout_and_the_order_of_things_change_nothing(
        session in sessions(),
        bin_secs in proptest::option::of(bins()),
        cut in 0_u64..200,
        turn in 0_usize..20,
    ) {
        let mut other = session.clone();
        for (cell, frames) in &session.bouts {
            if frames.contains(&cut) {
                other.bouts.retain(|bout| *bout != (*cell, frames.clone()));
                other.bouts.extend([(*cell, frames.start..cut), (*cell, cut..frames.end)]);
            }
        }
        other.bouts.reverse();
        other.scored.reverse();
        let turn = turn.min(other.bouts.len());
        other.bouts.rotate_left(turn);
        prop_assert_eq!(measures(&session, bin_secs), measures(&other, bin_secs));
    }

    #[test]
    fn the_table_has_a_row_for_each_cell_and_bin(session in sessions(), bin_secs in proptest::option::of(bins())) {
        let lines = csv_of(std::slice::from_ref(&session), bin_secs);
        prop_assert_eq!(lines.len() - 1, rows(&session, bin_secs).unwrap().count());
        let text = lines.join("\n");
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        for record in csv.records() {
            let record = record.unwrap();
            let number = |cell: &str| cell.is_empty() || cell.parse::<f64>().is_ok_and(f64::is_finite);
            prop_assert!(record.iter().skip(7).all(number));
        }
    }
}
