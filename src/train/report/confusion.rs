//! What is taken for what, tick by tick.

use std::ops::Range;

use super::Measured;
use super::compared::Compared;
use crate::behavior::Subject;
use crate::corpus::spans;
use crate::report::Confusion;

/// A table for each label set that somebody looked for and each delay.
///
/// It counts ticks of *subjects*: single animals, and ordered pairs where the set has directed behaviors (a behavior of
/// the pair without direction is then one of both orders), else pairs. Of several behaviors of a subject at one tick the
/// first in the order of the ethogram counts, on either side. A tick counts where any behavior of the subject was looked
/// for; what was not looked for there is none.
pub fn all(measured: Measured<'_>, compared: &[Compared]) -> Vec<Confusion> {
    let sets = measured.ethogram.label_sets().iter().enumerate();
    let asked = sets.filter(|(set, _)| compared.iter().any(|one| one.session.has_set(measured.ethogram, *set)));
    let mut confusions = Vec::new();
    for (set, label_set) in asked {
        for (delay, &delay_ticks) in measured.delays().iter().enumerate() {
            let mut ticks = vec![vec![0; label_set.behaviors.len() + 1]; label_set.behaviors.len() + 1];
            for one in compared {
                count(measured, one, (set, delay), &mut ticks);
            }
            let behaviors = label_set.behaviors.iter().map(|spec| spec.name.clone()).collect();
            confusions.push(Confusion { label_set: label_set.name.clone(), delay: delay_ticks, behaviors, ticks });
        }
    }
    confusions
}

fn count(measured: Measured<'_>, compared: &Compared, (set, delay): (usize, usize), ticks: &mut [Vec<u64>]) {
    let sets = measured.ethogram.label_sets();
    let first: usize = sets[..set].iter().map(|set| set.behaviors.len()).sum();
    let none = sets[set].behaviors.len();
    // Ascending by behavior: the first cell of a subject that is on is what it counts as.
    let cells: Vec<(usize, usize, Subject)> = compared
        .session
        .cells
        .iter()
        .enumerate()
        .filter_map(|(index, cell)| {
            let behavior = usize::from(cell.behavior.0).checked_sub(first).filter(|behavior| *behavior < none)?;
            Some((index, behavior, cell.subject))
        })
        .collect();
    let reach = compared.reach(delay) as usize;
    for subject in subjects(cells.iter().map(|(.., subject)| *subject)) {
        let (mut truth, mut told, mut looked) = (vec![none; reach], vec![none; reach], vec![false; reach]);
        // The first behavior is written last.
        for &(cell, behavior, _) in cells.iter().rev().filter(|(.., other)| other.overlaps(subject)) {
            for range in compared.scored(delay, cell) {
                let clipped = |of: &[Range<u64>], into: &mut [usize]| {
                    for part in spans::intersection(of, std::slice::from_ref(&range)) {
                        into[part.start as usize..part.end as usize].fill(behavior);
                    }
                };
                clipped(&compared.truth[cell], &mut truth);
                clipped(&compared.told[delay][cell], &mut told);
                looked[range.start as usize..range.end as usize].fill(true);
            }
        }
        for ((truth, told), _) in truth.into_iter().zip(told).zip(looked).filter(|(_, looked)| *looked) {
            ticks[truth][told] += 1;
        }
    }
}

/// Each subject once; no pair without direction beside its ordered ones.
fn subjects(all: impl Iterator<Item = Subject>) -> Vec<Subject> {
    let mut all: Vec<Subject> = all.collect();
    all.sort_unstable();
    all.dedup();
    let is_ordered = |subject: &Subject| matches!(subject, Subject::Ordered { .. });
    let ordered: Vec<Subject> = all.iter().copied().filter(is_ordered).collect();
    all.retain(|subject| is_ordered(subject) || !ordered.iter().any(|other| other.overlaps(*subject)));
    all
}
