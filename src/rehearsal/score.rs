//! How triggers stand to annotated bouts.

use super::{Decision, OfRule};
use crate::time::TICK_RATE_HZ;

/// Triggers of a rule held against what somebody annotated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scored {
    pub labelled_hours: f64,
    pub triggers: u64,
    /// Within no bout about the same animals, in labelled time.
    pub false_triggers: u64,
    /// Where nobody looked.
    pub unlabelled: u64,
    pub bouts: u64,
    /// Bouts with a trigger within them.
    pub hits: u64,
    /// From the annotated onset to the first trigger within the bout, by recording and onset.
    pub latencies_secs: Vec<f64>,
}

impl Scored {
    pub fn false_per_hour(&self) -> f64 {
        if self.labelled_hours > 0.0 { self.false_triggers as f64 / self.labelled_hours } else { 0.0 }
    }

    /// The latency that this share of the hits is within; `None` without hits.
    pub fn latency_secs(&self, share: f64) -> Option<f64> {
        let mut sorted = self.latencies_secs.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        sorted.get(((last as f64 * share).round() as usize).min(last)).copied()
    }

    pub fn add(&mut self, other: &Self) {
        self.labelled_hours += other.labelled_hours;
        self.triggers += other.triggers;
        self.false_triggers += other.false_triggers;
        self.unlabelled += other.unlabelled;
        self.bouts += other.bouts;
        self.hits += other.hits;
        self.latencies_secs.extend(&other.latencies_secs);
    }
}

/// Holds triggers against what was annotated for a rule in one recording. `labelled` counts time once, however many
/// animals were looked at.
pub fn score(of_rule: &OfRule, triggers: &[Decision]) -> Scored {
    let mut scored = Scored { bouts: of_rule.bouts.len() as u64, ..Scored::default() };
    let mut labelled: Vec<(u64, u64)> = of_rule.labelled.iter().map(|span| (span.start, span.stop)).collect();
    labelled.sort_unstable();
    let (mut ticks, mut end) = (0, 0);
    for (start, stop) in labelled {
        ticks += stop.max(end).saturating_sub(start.max(end));
        end = end.max(stop);
    }
    scored.labelled_hours = ticks as f64 / TICK_RATE_HZ / 3600.0;
    let mut hit = vec![false; of_rule.bouts.len()];
    for trigger in triggers.iter().filter(|decision| decision.outcome.is_trigger()) {
        scored.triggers += 1;
        let within =
            |span: &super::Interval| (span.start..span.stop).contains(&trigger.tick) && span.animals == trigger.animals;
        let mut held = false;
        for (bout, hit) in of_rule.bouts.iter().zip(&mut hit).filter(|(bout, _)| within(bout)) {
            held = true;
            if !std::mem::replace(hit, true) {
                scored.latencies_secs.push((trigger.tick - bout.start) as f64 / TICK_RATE_HZ);
            }
        }
        if held {
            continue;
        }
        if of_rule.labelled.iter().any(within) {
            scored.false_triggers += 1;
        } else {
            scored.unlabelled += 1;
        }
    }
    scored.hits = hit.iter().filter(|hit| **hit).count() as u64;
    scored
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearsal::{Interval, Outcome};

    fn interval(start: u64, stop: u64, animals: &str) -> Interval {
        Interval { start, stop, animals: animals.to_owned() }
    }

    fn trigger(tick: u64, animals: &str) -> Decision {
        Decision { tick, animals: animals.to_owned(), outcome: Outcome::Stimulus }
    }

    #[test]
    fn triggers_are_held_against_bouts_of_the_same_animals() {
        let of_rule = OfRule {
            bouts: vec![interval(100, 160, "a → b"), interval(130, 200, "a → b"), interval(300, 330, "b → a")],
            labelled: vec![interval(90, 54_090, "a → b"), interval(90, 54_090, "b → a"), interval(9, 3, "b → a")],
            ..OfRule::default()
        };
        let refused = Outcome::Refused { cause: "stale".into(), why: String::new() };
        let triggers = [
            trigger(130, "a → b"),
            trigger(140, "a → b"),
            // Within a bout of the others, before it by a tick, where nobody looked, and none at all.
            trigger(150, "b → a"),
            trigger(299, "b → a"),
            trigger(89, "a → b"),
            Decision { outcome: refused, ..trigger(310, "b → a") },
        ];
        let scored = score(&of_rule, &triggers);
        assert_eq!((scored.triggers, scored.false_triggers, scored.unlabelled), (5, 2, 1));
        // The first lies in two bouts, and hits both.
        assert_eq!((scored.bouts, scored.hits), (3, 2));
        assert_eq!(scored.latencies_secs, [1.0, 0.0]);
        // Time counts once, however many pairs were looked at.
        assert!((scored.labelled_hours - 0.5).abs() < 1e-9 && (scored.false_per_hour() - 4.0).abs() < 1e-9);
        let mut twice = scored.clone();
        twice.add(&scored);
        assert_eq!((twice.triggers, twice.hits, twice.false_per_hour()), (10, 4, scored.false_per_hour()));
        assert_eq!((twice.latency_secs(0.0), twice.latency_secs(1.0)), (Some(0.0), Some(1.0)));
        assert_eq!(Scored::default().latency_secs(0.5), None);
    }
}
