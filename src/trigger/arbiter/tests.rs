use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::acquire::description::StreamId;
use crate::behavior::{Individual, Subject};
use crate::guard::wire::Cause;
use crate::stream::Origin;
use crate::time::Tick;
use crate::trigger::plan::tests::PLAN;
use crate::trigger::standing::KnownAge;

const MILLI: i64 = 1_000_000;

pub(super) fn standing() -> Standing {
    Standing {
        publisher: Publisher { run: Some(7), stream: StreamId(1), origin: Origin::Live },
        warming: false,
        stale: None,
        age: KnownAge::Known,
        swap_ticks_ago: None,
        out_of_range: false,
        waited_millis: 3,
        journal_failing: false,
    }
}

fn candidate(rule: usize, pair: bool, edge: Edge) -> Candidate {
    let (agent, target) = if pair { (Individual(0), Individual(1)) } else { (Individual(1), Individual(0)) };
    let subject = Subject::Ordered { agent, target };
    Candidate { rule, subject, tick: Tick(9), edge, score: Some(0.9), quantities: Vec::new() }
}

/// An arbiter with a cage, and an output that does as it is told.
struct Bench {
    arbiter: Arbiter,
    cage: CageName,
    names: Vec<String>,
    now: i64,
    /// By output: what is on, since when and until when.
    on: BTreeMap<String, (u64, i64, i64)>,
    /// Begin and end of all that was on, by output.
    given: Vec<(String, u64, i64, i64)>,
    booked: Vec<u64>,
    /// Triggers, by tick of decision.
    triggers: Vec<(i64, u64, bool)>,
    refused: Vec<&'static str>,
    disarmed: Vec<Disarming>,
}

impl Bench {
    fn new(plan: &str) -> Self {
        let plan = Arc::new(Plan::parse(plan).unwrap());
        let arbiter = Arbiter::new(plan, Allocation::new([5; 32]), Allowance::new(), Before::default());
        let names = vec!["rat1".to_owned(), "rat2".to_owned()];
        let cage = CageName::new("rig1", "cage1").unwrap();
        let (on, given, booked) = (BTreeMap::new(), Vec::new(), Vec::new());
        let (triggers, refused, disarmed) = (Vec::new(), Vec::new(), Vec::new());
        Self { arbiter, cage, names, now: 0, on, given, booked, triggers, refused, disarmed }
    }

    fn armed(plan: &str) -> Self {
        let mut bench = Self::new(plan);
        bench.arbiter.arm(&bench.cage.clone(), &standing()).unwrap();
        bench
    }

    fn see(&mut self, standing: Standing, candidates: &[Candidate]) {
        let (cage, names) = (self.cage.clone(), self.names.clone());
        let sighting = Sighting { cage: &cage, individuals: &names, standing, candidates };
        let actions = self.arbiter.see(&sighting, self.now);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Book { trigger, .. } => self.booked.push(trigger),
                Action::Tell(order) => self.order(&order),
                Action::Record(Decided { outcome: Outcome::Triggered { trigger, sham }, .. }) => {
                    self.triggers.push((self.now, trigger, sham));
                }
                Action::Record(Decided { outcome: Outcome::Refused(refused), .. }) => {
                    self.refused.push(refused.cause());
                }
                Action::Disarmed { why, .. } => self.disarmed.push(why),
                Action::Settle { .. } | Action::Cancel { .. } => {}
            }
        }
    }

    fn order(&mut self, order: &Order) {
        let mut light = |id: u64, output: &String, millis: u64| {
            assert!(self.booked.contains(&id), "trigger {id} was lit and not booked");
            let until = self.now + nanos(millis);
            match self.on.get_mut(output) {
                Some((on, _, end)) if *on == id => *end = until,
                Some((on, ..)) => panic!("{id} was lit while {on} is on"),
                None => drop(self.on.insert(output.clone(), (id, self.now, until))),
            }
        };
        match order {
            Order::Pulse { id, output, on_millis } => light(*id, output, *on_millis),
            Order::Train { id, output, period_millis, count, .. } => light(*id, output, period_millis * count),
            Order::Hold { id, output, lease_millis } => {
                // A guard does not light a stimulus again that has ended.
                if !self.given.iter().any(|(.., ended, _, _)| ended == id) {
                    light(*id, output, *lease_millis);
                }
            }
            Order::Release { output, .. } => self.end(&output.clone(), Cause::Released),
            Order::AllOff => {
                for output in self.on.keys().cloned().collect::<Vec<_>>() {
                    self.end(&output, Cause::Stop);
                }
            }
            Order::Hello { .. } | Order::Beat { .. } => panic!("{order:?}"),
        }
    }

    fn end(&mut self, output: &str, cause: Cause) {
        let Some((id, begin, end)) = self.on.remove(output) else { return };
        let end = end.min(self.now);
        self.given.push((output.to_owned(), id, begin, end));
        let on_micros = ((end - begin) / 1000) as u64;
        let report = Report::Off { id, output: output.to_owned(), on_micros, cause, unix_nanos: 0, monotonic_nanos: 0 };
        let actions = self.arbiter.hear(&report, self.now);
        self.perform(actions);
    }

    fn pass(&mut self, millis: u64) {
        let until = self.now + nanos(millis);
        while self.now < until {
            self.now = until.min(self.now + 10 * MILLI);
            let over: Vec<String> =
                self.on.iter().filter(|(_, (.., end))| *end <= self.now).map(|(output, _)| output.clone()).collect();
            for output in over {
                self.end(&output, Cause::Done);
            }
            let actions = self.arbiter.pass_time(self.now);
            self.perform(actions);
        }
    }
}

fn begins() -> [Candidate; 1] {
    [candidate(0, true, Edge::Begins)]
}

#[test]
fn a_candidate_of_an_armed_cage_is_a_stimulus_once_in_its_refractory_period() {
    let mut bench = Bench::armed(PLAN);
    bench.see(standing(), &begins());
    assert_eq!((bench.triggers.len(), bench.on.len()), (1, 1));
    bench.pass(600);
    assert_eq!(bench.given, [("laser".to_owned(), 1, 0, 500 * MILLI)]);
    bench.see(standing(), &begins());
    bench.pass(9_890);
    bench.see(standing(), &begins());
    assert_eq!(bench.refused, ["cage_refractory", "cage_refractory"]);
    bench.pass(20);
    bench.see(standing(), &begins());
    assert_eq!(bench.triggers.len(), 2);
}

#[test]
fn nothing_is_triggered_before_arming_after_disarming_and_after_a_stop() {
    let mut bench = Bench::new(PLAN);
    bench.see(standing(), &begins());
    bench.arbiter.arm(&bench.cage.clone(), &standing()).unwrap();
    let actions = bench.arbiter.disarm(&bench.cage.clone(), &Disarming::Asked, bench.now);
    bench.perform(actions);
    bench.see(standing(), &begins());
    let actions = bench.arbiter.stop("hurt", bench.now);
    bench.perform(actions);
    bench.see(standing(), &begins());
    assert_eq!(bench.refused, ["disarmed", "disarmed", "stopped"]);
    assert_eq!(bench.arbiter.arm(&bench.cage.clone(), &standing()), Err(ArmError::Stopped("hurt".into())));
    assert!(bench.triggers.is_empty());
}

#[test]
fn every_reason_to_do_nothing_refuses_and_a_strange_publisher_disarms() {
    let sound = standing();
    let cases = [
        (Standing { warming: true, ..sound }, "warming", false),
        (Standing { stale: Some("age"), ..sound }, "stale", false),
        (Standing { age: KnownAge::Unknown, ..sound }, "age-unknown", false),
        (Standing { swap_ticks_ago: Some(511), ..sound }, "swap-alarm", false),
        (Standing { out_of_range: true, ..sound }, "out-of-range", false),
        (Standing { waited_millis: 101, ..sound }, "overloaded", false),
        (Standing { journal_failing: true, ..sound }, "journal-failing", true),
        (Standing { publisher: Publisher { run: Some(8), ..sound.publisher }, ..sound }, "other-publisher", true),
        (
            Standing { publisher: Publisher { stream: StreamId(2), ..sound.publisher }, ..sound },
            "other-publisher",
            true,
        ),
        (Standing { publisher: Publisher { origin: Origin::Replay, ..sound.publisher }, ..sound }, "not-live", true),
        (Standing { publisher: Publisher { origin: Origin::Simulated, ..sound.publisher }, ..sound }, "not-live", true),
    ];
    for (standing, cause, disarms) in cases {
        let mut bench = Bench::armed(PLAN);
        bench.see(standing, &begins());
        assert_eq!(bench.refused, [cause]);
        assert_eq!(bench.disarmed.len(), usize::from(disarms), "{cause}");
        bench.see(sound, &begins());
        assert_eq!(bench.triggers.len(), usize::from(!disarms), "{cause}");
    }
    let mut bench = Bench::armed(PLAN);
    bench.see(Standing { swap_ticks_ago: Some(512), waited_millis: 100, ..sound }, &begins());
    assert_eq!(bench.triggers.len(), 1);
}

#[test]
fn what_cannot_be_armed_says_why() {
    let arm = |cage: &str, standing: Standing| {
        let mut arbiter = Bench::new(PLAN).arbiter;
        let (rig, cage) = cage.split_once('/').unwrap();
        arbiter.arm(&CageName::new(rig, cage).unwrap(), &standing).map_err(|error| error.to_string())
    };
    let sound = standing();
    assert_eq!(arm("rig1/c", sound), Ok(()));
    assert_eq!(arm("rig1/c", Standing { warming: true, ..sound }), Ok(()));
    assert!(arm("rig2/c", sound).unwrap_err().contains("expected a cage of rig rig1, got one of rig2"));
    let publisher = Publisher { run: None, ..sound.publisher };
    assert!(arm("rig1/c", Standing { publisher, ..sound }).unwrap_err().contains("without a run"));
    let publisher = Publisher { origin: Origin::Replay, ..sound.publisher };
    assert!(arm("rig1/c", Standing { publisher, ..sound }).unwrap_err().contains("not live"));
    assert!(arm("rig1/c", Standing { age: KnownAge::Unknown, ..sound }).unwrap_err().contains("age"));
}

/// The same with a gate of at most two seconds, half of them shams, put off by a fifth of a second.
fn gated(sham_share: &str, delay_millis: u64) -> String {
    let plan = PLAN.replace("{ kind = \"pulse\", on_millis = 500 }", "{ kind = \"gate\", on_millis_max = 2000 }");
    plan.replace("sham_share = 0.0", &format!("sham_share = {sham_share}\ndelay_millis = {delay_millis}"))
}

#[test]
fn a_gate_is_on_while_its_rule_holds_and_no_longer_than_its_lease() {
    let mut bench = Bench::armed(&gated("0.0", 0));
    bench.see(standing(), &begins());
    for _ in 0..10 {
        bench.pass(33);
        bench.see(standing(), &[candidate(0, true, Edge::Lasts)]);
    }
    bench.pass(33);
    bench.see(standing(), &[candidate(0, true, Edge::Ends)]);
    assert_eq!(bench.given, [("laser".to_owned(), 1, 0, 363 * MILLI)]);
    let mut bench = Bench::armed(&gated("0.0", 0));
    bench.see(standing(), &begins());
    bench.pass(1000);
    assert_eq!(bench.given, [("laser".to_owned(), 1, 0, LEASE_MILLIS as i64 * MILLI)], "no frames came any more");
}

#[test]
fn a_gate_ends_at_the_most_that_it_may_be_on_however_long_its_rule_holds() {
    let mut bench = Bench::armed(&gated("0.0", 0));
    bench.see(standing(), &begins());
    for _ in 0..100 {
        bench.pass(33);
        bench.see(standing(), &[candidate(0, true, Edge::Lasts)]);
    }
    let [(_, 1, 0, end)] = bench.given[..] else { panic!("{:?}", bench.given) };
    assert!((nanos(1_990)..=nanos(2_000)).contains(&end), "{end}");
    assert!(bench.disarmed.is_empty(), "{:?}", bench.disarmed);
}

#[test]
fn what_goes_on_and_what_was_put_off_ends_when_frames_cease() {
    for (plan, lit) in [(gated("0.0", 0), 1), (gated("0.0", 200), 0), (gated("1.0", 0), 0)] {
        let mut bench = Bench::armed(&plan);
        bench.see(standing(), &begins());
        bench.pass(20);
        let actions = bench.arbiter.lose_sight(&bench.cage.clone(), bench.now);
        bench.perform(actions);
        bench.pass(1000);
        assert_eq!((bench.on.len(), bench.given.len()), (0, lit));
        assert!(!bench.arbiter.is_lit() && bench.arbiter.due_nanos().is_none());
    }
}

#[test]
fn a_dose_that_is_used_up_tells_nothing_of_the_arms() {
    let mut bench = Bench::armed(&PLAN.replace("count_per_session_max = 100", "count_per_session_max = 1"));
    bench.see(standing(), &begins());
    bench.pass(20_000);
    bench.see(standing(), &begins());
    assert_eq!(bench.refused, ["dose"]);
    assert!(!Refused::Dose.to_string().contains(char::is_numeric));
}

#[test]
fn unsound_frames_end_what_is_on() {
    let mut bench = Bench::armed(&gated("0.0", 0));
    bench.see(standing(), &begins());
    bench.pass(33);
    bench.see(Standing { stale: Some("gap"), ..standing() }, &[candidate(0, true, Edge::Lasts)]);
    assert_eq!((bench.on.len(), bench.given.len()), (0, 1));
}

#[test]
fn what_was_put_off_begins_later_unless_something_comes_between() {
    let mut bench = Bench::armed(&gated("0.0", 200));
    bench.see(standing(), &begins());
    bench.pass(150);
    assert!(bench.on.is_empty() && bench.booked == [1]);
    bench.pass(60);
    assert_eq!(bench.on.len(), 1);
    let mut bench = Bench::armed(&gated("0.0", 200));
    bench.see(standing(), &begins());
    bench.see(standing(), &[candidate(0, true, Edge::Ends)]);
    bench.pass(1000);
    assert!(bench.on.is_empty() && bench.given.is_empty());
    bench.see(standing(), &begins());
    assert_eq!(bench.triggers.len(), 2, "what never began leaves no refractory period");
}

#[test]
fn a_sham_lights_nothing_and_rests_as_long_as_a_stimulus() {
    let mut bench = Bench::armed(&PLAN.replace("sham_share = 0.0", "sham_share = 1.0"));
    bench.see(standing(), &begins());
    assert!(bench.on.is_empty() && bench.triggers == [(0, 1, true)]);
    bench.pass(10_400);
    bench.see(standing(), &begins());
    assert_eq!(bench.refused, ["cage_refractory"]);
    bench.pass(200);
    bench.see(standing(), &begins());
    assert_eq!(bench.triggers.len(), 2);
}

#[test]
fn an_output_that_fails_or_says_nothing_disarms_and_counts_in_full() {
    let mut bench = Bench::armed(PLAN);
    bench.see(standing(), &begins());
    let fault = Report::Fault { output: "laser".into(), id: Some(1), reason: "unplugged".into() };
    let actions = bench.arbiter.hear(&fault, 5);
    assert!(actions.iter().any(|action| matches!(action, Action::Settle { on_millis: 500, .. })), "{actions:?}");
    bench.on.clear();
    bench.perform(actions);
    assert!(matches!(&bench.disarmed[..], [Disarming::Output { .. }]));
    assert!(matches!(bench.arbiter.arm(&bench.cage.clone(), &standing()), Err(ArmError::Output { .. })));
    bench.arbiter.restore_outputs();
    bench.arbiter.arm(&bench.cage.clone(), &standing()).unwrap();

    let mut bench = Bench::armed(PLAN);
    bench.see(standing(), &begins());
    bench.on.clear();
    bench.pass(500 + OVERDUE_MILLIS + 20);
    assert!(matches!(&bench.disarmed[..], [Disarming::Output { .. }]), "{:?}", bench.disarmed);
}

#[test]
fn a_rule_acts_in_its_phases_only() {
    let phases = "[[phases]]\nname = \"baseline\"\nsecs = 10\n\n[[phases]]\nname = \"stimulation\"\n\n[[rules]]\nphases = [\"stimulation\"]";
    let mut bench = Bench::armed(&PLAN.replace("[[rules]]", phases));
    bench.see(standing(), &begins());
    assert!(!bench.arbiter.mark("lunch", 0) && bench.arbiter.mark("baseline", 0));
    bench.see(standing(), &begins());
    assert_eq!(bench.arbiter.phase(9_999 * MILLI), Some("baseline"));
    assert_eq!(bench.arbiter.phase(10_000 * MILLI), None);
    assert!(bench.arbiter.mark("stimulation", 5));
    bench.see(standing(), &begins());
    assert_eq!((bench.refused.as_slice(), bench.triggers.len()), (&["phase", "phase"][..], 1));
}

#[derive(Clone, Debug)]
enum Act {
    Pass(u64),
    See { edge: u8, pair: bool, unsound: u8 },
    Arm,
    Disarm,
    Fault,
    Stop,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1_u64..4000).prop_map(Act::Pass),
        8 => (0_u8..3, any::<bool>(), 0_u8..8).prop_map(|(edge, pair, unsound)| Act::See { edge, pair, unsound }),
        3 => Just(Act::Arm),
        1 => Just(Act::Disarm),
        1 => Just(Act::Fault),
        1 => Just(Act::Stop),
    ];
    proptest::collection::vec(act, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever happens: nothing is on without a dose, for longer than planned, within a refractory period, beyond the
    /// hourly maximum, after a stop or while disarmed.
    #[test]
    fn no_sequence_of_events_gives_too_much(acts in acts(), kind in 0_u8..3) {
        let plan = match kind {
            0 => PLAN.to_owned(),
            1 => gated("0.5", 0),
            _ => gated("0.5", 200),
        };
        let mut bench = Bench::new(&plan);
        let (mut is_armed, mut is_stopped) = (false, false);
        for act in acts {
            let before = bench.triggers.len();
            match act {
                Act::Pass(millis) => bench.pass(millis),
                Act::See { edge, pair, unsound } => {
                    let standing = match unsound {
                        0 => Standing { stale: Some("age"), ..standing() },
                        1 => Standing { out_of_range: true, ..standing() },
                        _ => standing(),
                    };
                    let edge = [Edge::Begins, Edge::Lasts, Edge::Ends][usize::from(edge)];
                    bench.see(standing, &[candidate(0, pair, edge)]);
                    prop_assert!(bench.triggers.len() == before || (is_armed && !is_stopped && unsound > 1));
                }
                Act::Arm => {
                    bench.arbiter.restore_outputs();
                    is_armed |= bench.arbiter.arm(&bench.cage.clone(), &standing()).is_ok();
                }
                Act::Disarm => {
                    let actions = bench.arbiter.disarm(&bench.cage.clone(), &Disarming::Asked, bench.now);
                    bench.perform(actions);
                    is_armed = false;
                }
                Act::Fault => {
                    let now = bench.now;
                    bench.end("laser", Cause::Done);
                    let actions = bench.arbiter.fail_all("gone", now);
                    bench.perform(actions);
                    is_armed = false;
                }
                Act::Stop => {
                    let actions = bench.arbiter.stop("asked", bench.now);
                    bench.perform(actions);
                    (is_armed, is_stopped) = (false, true);
                }
            }
            if !is_armed {
                prop_assert!(bench.on.values().all(|(.., end)| *end <= bench.now), "on while disarmed");
            }
        }
        bench.pass(5000);
        prop_assert!(!bench.arbiter.is_lit(), "everything is settled");
        let longest = if kind == 0 { 500 } else { 2000 };
        for (output, id, begin, end) in &bench.given {
            prop_assert!(end - begin <= nanos(longest), "{id} on {output}: {begin} to {end}");
        }
        let mut given = bench.given.clone();
        given.sort_by_key(|(.., begin, _)| *begin);
        for pair in given.windows(2) {
            prop_assert!(pair[1].2 - pair[0].3 >= nanos(10_000), "{pair:?}");
        }
        for (index, (.., end)) in given.iter().enumerate() {
            let within = given[index..].iter().take_while(|(.., begin, _)| begin - end < nanos(3_600_000));
            prop_assert!(within.count() <= 4, "the plan allows 4 an hour");
        }
    }
}
