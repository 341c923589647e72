//! From a journal to bouts in wall clock time.

use std::collections::{BTreeMap, HashMap};

use super::clock::{Clock, Seen};
use super::{AlignError, Bout};
use crate::output::event::{EdgeWord, Event, Verdict};

/// Most events of a call.
pub const EVENTS_MAX: usize = 4_000_000;

/// A tick of a cage, and when it was decided on: what a trail knows of each candidate. It makes the times of ticks
/// exact around triggers, where journals may be silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub cage: String,
    /// Of the cage's life.
    pub epoch: String,
    pub tick: u64,
    pub decision_nanos: i64,
}

/// The bouts of a journal, and what became of those that it has no end of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journaled {
    /// By start.
    pub bouts: Vec<Bout>,
    /// Told by a shorter delay only: they did not happen.
    pub retracted: usize,
    /// Their detector was killed.
    pub abandoned: usize,
    /// They went on when the recording ended.
    pub open: usize,
}

/// What the longest delay said of a bout.
#[derive(Default)]
struct Told<'a> {
    /// Any event that says when it began and of whom.
    of: Option<&'a Verdict>,
    stop_tick: Option<u64>,
    abandoned: Option<u64>,
    is_retracted: bool,
}

/// The bouts of a rig as the longest delay told them, in any order of the events. A bout that was abandoned ends with
/// the newest event of its cage before that; one that goes on ends with the recording, at `stop_nanos`, or with the
/// newest event where that is not known. An offset whose onset is not among the events says both ends.
///
/// Times are those of the wall clock that decided, to a tick or two; every delay's events and the `anchors` tell when
/// ticks were.
///
/// # Errors
/// More than [`EVENTS_MAX`] events.
pub fn bouts(
    events: &[Event],
    rig: &str,
    anchors: &[Anchor],
    stop_nanos: Option<i64>,
) -> Result<Journaled, AlignError> {
    if events.len() > EVENTS_MAX {
        return Err(AlignError::Many { what: "events", expected: EVENTS_MAX, got: events.len() });
    }
    let of_rig = || events.iter().filter(|event| event.verdict.rig == rig);
    let clocks = clocks(of_rig(), anchors);
    let newest = of_rig().map(|event| event.verdict.decision_nanos).max();
    let end = stop_nanos.or(newest).unwrap_or(i64::MAX);
    let heard = heard(of_rig(), &clocks);
    let mut told: BTreeMap<&str, Told> = BTreeMap::new();
    for event in of_rig().filter(|event| event.verdict.settled) {
        let verdict = &event.verdict;
        let told = told.entry(&verdict.bout).or_default();
        match verdict.edge {
            EdgeWord::Onset => {}
            EdgeWord::Offset => told.stop_tick = told.stop_tick.or(verdict.stop_tick),
            EdgeWord::Abandoned => told.abandoned = told.abandoned.or(Some(event.sequence)),
            EdgeWord::Retraction => told.is_retracted = true,
        }
        told.of = told.of.or(Some(verdict));
    }
    let mut journaled = Journaled::default();
    for told in told.values() {
        let Some(of) = told.of.filter(|_| !told.is_retracted) else {
            journaled.retracted += 1;
            continue;
        };
        let cage = (of.cage.as_str(), life(of));
        let nanos = |tick: u64| clocks.get(&cage).and_then(|clock| clock.nanos(tick));
        let start_nanos = nanos(of.onset_tick).unwrap_or(of.decision_nanos);
        let (stop_nanos, is_cut) = if let Some(stop) = told.stop_tick {
            (nanos(stop).unwrap_or(of.decision_nanos), false)
        } else if let Some(sequence) = told.abandoned {
            journaled.abandoned += 1;
            (heard.get(of.cage.as_str()).and_then(|heard| heard.before(sequence)).unwrap_or(start_nanos), true)
        } else {
            journaled.open += 1;
            (end, true)
        };
        journaled.bouts.push(Bout {
            cage: of.cage.clone(),
            label_set: of.label_set.clone(),
            behavior: of.behavior.clone(),
            animals: of.animals.clone(),
            start_nanos,
            stop_nanos: stop_nanos.max(start_nanos),
            is_cut,
        });
    }
    journaled.bouts.sort_by_key(|bout| bout.start_nanos);
    Ok(journaled)
}

/// By cage and epoch.
fn clocks<'a>(events: impl Iterator<Item = &'a Event>, anchors: &'a [Anchor]) -> HashMap<(&'a str, &'a str), Clock> {
    let mut seen: HashMap<(&str, &str), Vec<Seen>> = HashMap::new();
    // What abandons a bout repeats the tick of its onset.
    for verdict in events.map(|event| &event.verdict).filter(|verdict| verdict.edge != EdgeWord::Abandoned) {
        let of_life = seen.entry((&verdict.cage, life(verdict))).or_default();
        of_life.push(Seen { tick: verdict.decision_tick, nanos: verdict.decision_nanos });
    }
    for anchor in anchors {
        let of_life = seen.entry((&anchor.cage, &anchor.epoch)).or_default();
        of_life.push(Seen { tick: anchor.tick, nanos: anchor.decision_nanos });
    }
    seen.into_iter().map(|(life, seen)| (life, Clock::new(seen))).collect()
}

/// The epoch in the name of a bout, `RIG/CAGE/EPOCH-NUMBER`.
fn life(verdict: &Verdict) -> &str {
    let name = verdict.bout.as_str();
    let name = name.rsplit_once('-').map_or(name, |(life, _)| life);
    name.rsplit_once('/').map_or(name, |(_, epoch)| epoch)
}

/// When a cage was heard of: by sequence, with the newest time up to there.
#[derive(Default)]
struct Heard(Vec<(u64, i64)>);

impl Heard {
    fn before(&self, sequence: u64) -> Option<i64> {
        let count = self.0.partition_point(|(heard, _)| *heard < sequence);
        Some(self.0[..count].last()?.1)
    }
}

fn heard<'a>(
    events: impl Iterator<Item = &'a Event>,
    clocks: &HashMap<(&str, &str), Clock>,
) -> HashMap<&'a str, Heard> {
    let mut heard: HashMap<&str, Heard> = HashMap::new();
    for event in events.filter(|event| event.verdict.edge != EdgeWord::Abandoned) {
        let verdict = &event.verdict;
        let clock = clocks.get(&(verdict.cage.as_str(), life(verdict)));
        let nanos = clock.and_then(|clock| clock.nanos(verdict.decision_tick)).unwrap_or(verdict.decision_nanos);
        heard.entry(&verdict.cage).or_default().0.push((event.sequence, nanos.min(verdict.decision_nanos)));
    }
    for Heard(times) in heard.values_mut() {
        times.sort_unstable();
        let mut newest = i64::MIN;
        for (_, nanos) in times {
            newest = newest.max(*nanos);
            *nanos = newest;
        }
    }
    heard
}
