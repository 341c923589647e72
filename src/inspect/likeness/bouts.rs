//! How animals behave, by their labels.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{FOLLOWS_SECS, Histogram, Part, Quantity, Scale};
use crate::behavior::{Bout, Cell, Ethogram, Individual, Subject};
use crate::corpus::{SetLabels, spans};

/// What one side's labels say about the behavior of one name.
///
/// Only what was looked for counts: cells of a whitelist, in scored frames. A bout counts where its first frame is scored,
/// and with its whole length; its share of time is that of the scored frames alone.
#[derive(Clone, Debug, PartialEq)]
pub struct BehaviorMeasures {
    pub bouts: u64,
    /// Of bouts, in seconds.
    pub lengths: Histogram,
    /// Scored time in which it was looked for, of each animal (or ordered pair, or pair, as its kind asks) together.
    pub labelled_secs: f64,
    /// How much of that it took.
    pub active_secs: f64,
}

impl Default for BehaviorMeasures {
    fn default() -> Self {
        Self { bouts: 0, lengths: Histogram::new(Scale::SECS), labelled_secs: 0.0, active_secs: 0.0 }
    }
}

impl BehaviorMeasures {
    /// Bouts in an hour of each animal, ordered pair or pair; `None` where it was not looked for.
    pub fn bouts_per_hour(&self) -> Option<f64> {
        (self.labelled_secs > 0.0).then(|| self.bouts as f64 * 3600.0 / self.labelled_secs)
    }

    /// Share of the time of each animal, ordered pair or pair; `None` where it was not looked for.
    pub fn time_share(&self) -> Option<f64> {
        (self.labelled_secs > 0.0).then(|| self.active_secs / self.labelled_secs)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.bouts += other.bouts;
        self.lengths.merge(&other.lengths);
        self.labelled_secs += other.labelled_secs;
        self.active_secs += other.active_secs;
    }
}

/// Who acts: the agent, or a pair without direction.
type Actor = (Individual, Option<Individual>);

pub(super) fn measure(part: &mut Part, labels: &[SetLabels], rate_hz: f64, ethogram: &Ethogram) {
    let names: Vec<&str> = ethogram.behaviors().map(|(_, _, spec)| spec.name.as_str()).collect();
    let name = |cell: &Cell| names.get(usize::from(cell.behavior.0)).copied();
    for set in labels {
        let scored = spans::union(set.scored.clone());
        let scored_secs = spans::length(&scored) as f64 / rate_hz;
        let annotated: BTreeSet<&Cell> = set.annotated.iter().collect();
        for name in annotated.iter().filter_map(|cell| name(cell)) {
            part.behaviors.entry(name.to_owned()).or_default().labelled_secs += scored_secs;
        }
        let mut by_actor: BTreeMap<Actor, Vec<(u64, u64, &str)>> = BTreeMap::new();
        for bout in set.bouts.iter().filter(|bout| bout.start < bout.stop && annotated.contains(&bout.cell)) {
            let Some(name) = name(&bout.cell) else { continue };
            let (covered, is_onset_scored) = covered(&scored, bout);
            let behavior = part.behaviors.entry(name.to_owned()).or_default();
            behavior.active_secs += covered as f64 / rate_hz;
            if is_onset_scored {
                let secs = (bout.stop - bout.start) as f64 / rate_hz;
                behavior.bouts += 1;
                behavior.lengths.add(secs);
                part.sample(Quantity::BoutLength, secs);
                by_actor.entry(actor(bout.cell.subject)).or_default().push((bout.start, bout.stop, name));
            }
        }
        for bouts in by_actor.values_mut() {
            bouts.sort_unstable();
            add_transitions(part, bouts, FOLLOWS_SECS * rate_hz);
        }
    }
}

/// For each bout, the first that begins after it, if soon enough; of one actor, by onset.
fn add_transitions(part: &mut Part, bouts: &[(u64, u64, &str)], frames_max: f64) {
    for (_, stop, name) in bouts {
        let next = bouts.partition_point(|(start, ..)| start < stop);
        let Some((start, _, follower)) = bouts.get(next) else { continue };
        if (start - stop) as f64 <= frames_max {
            *part.transitions.entry(((*name).to_owned(), (*follower).to_owned())).or_default() += 1;
        }
    }
}

fn actor(subject: Subject) -> Actor {
    match subject {
        Subject::One(agent) | Subject::Ordered { agent, .. } => (agent, None),
        Subject::Both { first, second } => (first, Some(second)),
    }
}

/// How many frames of a bout are scored, and whether its first one is.
fn covered(scored: &[Range<u64>], bout: &Bout) -> (u64, bool) {
    let frames = bout.start..bout.stop;
    let first = scored.partition_point(|range| range.end <= frames.start);
    let within = scored[first..].iter().take_while(|range| range.start < frames.end);
    let count = within.map(|range| spans::clip(range, &frames)).map(|range| range.end - range.start).sum();
    (count, scored.get(first).is_some_and(|range| range.start <= frames.start))
}
