//! How much a page shows. With all limits reached it stays within some 20 MB, or 50 where every character of every name
//! has to be escaped.

use std::fmt::Write;

use super::Told;
use crate::words::count;

/// Most rules that are told, each in the order of the plan.
pub(super) const RULES_MAX: usize = 16;
/// Most recordings that are named.
pub(super) const RECORDINGS_NAMED_MAX: usize = 100;
/// Most recordings that are drawn, and most drawings: one for each rule in each of them.
const RECORDINGS_MAX: usize = 40;
const DRAWINGS_MAX: usize = 160;
/// Most conditions of a rule, behaviors of its aim and causes of refusals.
pub(super) const CONDITIONS_MAX: usize = 24;
pub(super) const CAUSES_MAX: usize = 8;

/// Most animals or pairs of a drawing.
pub(super) const LANES_MAX: usize = 12;
/// Most marks of a kind in a drawing, and in all of them together.
const MARKS_MAX: usize = 1_500;
const MARKS_OF_PAGE_MAX: usize = 12_000;

/// Most rows of a list, and of all of them together.
const LIST_MAX: usize = 40;
const LISTS_OF_PAGE_MAX: usize = 8_000;

/// Most marks of a kind in each of so many drawings.
pub(super) fn marks_max(drawings: usize) -> usize {
    (MARKS_OF_PAGE_MAX / drawings.max(1)).min(MARKS_MAX)
}

/// Most rows of a list beside each of so many drawings, which has two.
pub(super) fn list_max(drawings: usize) -> usize {
    (LISTS_OF_PAGE_MAX / 2 / drawings.max(1)).min(LIST_MAX)
}

/// Most recordings that are drawn with so many rules.
pub(super) fn recordings_max(told: &Told) -> usize {
    (DRAWINGS_MAX / told.rehearsal.rules.len().clamp(1, RULES_MAX)).min(RECORDINGS_MAX)
}

/// Drawings of a page.
pub(super) fn drawings(told: &Told) -> usize {
    told.rehearsal.recordings.len().min(recordings_max(told)) * told.rehearsal.rules.len().min(RULES_MAX)
}

pub(super) fn write(page: &mut String, told: &Told) {
    let drawings = drawings(told);
    let _ = writeln!(
        page,
        "<p class=\"lead\">The verdicts and the comparison count everything. Drawn and listed are the first \
         {RULES_MAX} rules in the first {} recordings, each for at most {LANES_MAX} animals or pairs, \
         with at most {} marks of a kind; where there are more, those that lie close together are drawn as one, and \
         it is said how close. A list has at most {} rows, and says how many more there are. Names longer than 64 \
         characters are cut. Outside of a recording nothing is drawn. Times are minutes, seconds and tenths from a \
         recording's first tick.</p>",
        count(recordings_max(told) as u64),
        count(marks_max(drawings) as u64),
        count(list_max(drawings) as u64),
    );
}
