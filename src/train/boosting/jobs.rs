//! Which boosters are made, and the labels of each.

use super::table::{Label, Table};
use crate::behavior::{Behavior, Ethogram, Kind};
use crate::model::forest::rows::Reading;
use crate::time::DelayTicks;

/// A booster to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// By its index.
    pub delay: usize,
    pub of_self: bool,
    /// One; or, of a booster for a label set, all of the kinds that are of pairs or of single animals.
    pub behaviors: Vec<Behavior>,
    /// Whether classes exclude each other: that no behavior happens is the first.
    pub is_multiclass: bool,
}

impl Job {
    /// A label set, the behavior where it is of one, and the delay.
    pub fn name(&self, ethogram: &Ethogram, delays: &[DelayTicks]) -> String {
        let set = self.behaviors.first().map_or(0, |behavior| ethogram.label_set_of(*behavior));
        let set = &ethogram.label_sets()[set].name;
        let what = match self.behaviors.as_slice() {
            [one] if !self.is_multiclass => ethogram.spec(*one).name.as_str(),
            _ if self.of_self => "animals",
            _ => "pairs",
        };
        format!("{set}.{what}@{}", delays[self.delay].0)
    }
}

/// Those of a system: by delay, then in the order of the ethogram.
pub fn all(reading: Reading, ethogram: &Ethogram, delays: &[DelayTicks]) -> Vec<Job> {
    let is_of_self = |behavior: Behavior| ethogram.spec(behavior).kind == Kind::OfSelf;
    let mut jobs = Vec::new();
    for delay in 0..delays.len() {
        match reading {
            Reading::Rich => jobs.extend(ethogram.behaviors().map(|(behavior, ..)| Job {
                delay,
                of_self: is_of_self(behavior),
                behaviors: vec![behavior],
                is_multiclass: false,
            })),
            Reading::Basic => {
                for set in 0..ethogram.label_sets().len() {
                    for of_self in [false, true] {
                        let of_set = ethogram.behaviors().filter(|(_, label_set, _)| *label_set == set);
                        let behaviors: Vec<Behavior> =
                            of_set.map(|(behavior, ..)| behavior).filter(|one| is_of_self(*one) == of_self).collect();
                        if !behaviors.is_empty() {
                            jobs.push(Job { delay, of_self, behaviors, is_multiclass: true });
                        }
                    }
                }
            }
        }
    }
    jobs
}

/// The rows of a table that somebody labelled for a job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    pub rows: Vec<usize>,
    /// 1 or 0; or the class.
    pub values: Vec<f32>,
    /// By behavior of the job.
    pub positives: Vec<usize>,
}

impl Labels {
    /// Of one behavior, wherever it was looked for. Of several, where one of them is true, or all that were looked for in
    /// the recording are known to be false: of two at once the first counts. Classes cannot be masked one by one, so what
    /// nobody looked for in a recording is background there.
    pub fn of(job: &Job, table: &Table) -> Self {
        let columns = if job.of_self { &table.of_selves } else { &table.of_pairs };
        let mut labels = Self { positives: vec![0; job.behaviors.len()], ..Self::default() };
        for row in 0..columns.rows() {
            let of_row = |behavior: &Behavior| columns.label(row, job.delay, *behavior);
            let found = job.behaviors.iter().position(|behavior| of_row(behavior) == Label::True);
            let is_known = || {
                let mut known = job.behaviors.iter().map(of_row).filter(|label| *label != Label::NeverAsked).peekable();
                known.peek().is_some() && known.all(|label| label == Label::False)
            };
            if found.is_none() && !is_known() {
                continue;
            }
            if let Some(found) = found {
                labels.positives[found] += 1;
            }
            labels.rows.push(row);
            labels.values.push(found.map_or(0.0, |found| (found + 1) as f32));
        }
        labels
    }

    /// Of every behavior, within ± `most`; −`most` where nobody looked.
    pub fn log_odds(&self, most: f32) -> Vec<f32> {
        let all = self.rows.len();
        let odds = |positives: &usize| {
            let odds = ((*positives as f32 + 0.5) / ((all - positives) as f32 + 0.5)).ln();
            if all == 0 { -most } else { odds.clamp(-most, most) }
        };
        self.positives.iter().map(odds).collect()
    }
}
