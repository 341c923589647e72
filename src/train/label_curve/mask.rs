//! Which labels an annotator would have given who stopped after some bouts of each behavior.

use std::ops::Range;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::behavior::Ethogram;
use crate::corpus::session::Session;

/// Labels that are left of those of some sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// By session, T × N as [`Session::labelled`], and never more than that.
    pub labelled: Vec<Vec<bool>>,
    /// Bouts of each behavior that are labelled from beginning to end.
    pub bouts: Vec<usize>,
    /// Ticks at which anything is labelled.
    pub ticks: usize,
}

/// A labelled bout of a session, by the column of its cell.
#[derive(Clone, Debug)]
struct Found {
    session: usize,
    cell: usize,
    behavior: usize,
    ticks: Range<usize>,
}

impl Mask {
    /// All of them.
    pub fn of_all(sessions: &[Session], ethogram: &Ethogram) -> Self {
        let whole = sessions.iter().map(|session| vec![true; session.ticks]).collect();
        Self::of_ticks(sessions, ethogram, &bouts(sessions), whole)
    }

    /// `count` bouts of each behavior, where there are so many, each in the middle of a stretch of twice its length; all that
    /// was labelled within the stretches, of any animal, stays so. As a stretch holds bouts of other behaviors too,
    /// some end up with more.
    ///
    /// Bouts are drawn in an order that only the seed decides, and in rounds of one for each behavior that has not
    /// enough yet: more bouts are the fewer ones and others.
    pub fn of_bouts(sessions: &[Session], ethogram: &Ethogram, count: usize, seed: u64) -> Self {
        let all = bouts(sessions);
        let mut whole: Vec<Vec<bool>> = sessions.iter().map(|session| vec![false; session.ticks]).collect();
        let mut by_behavior: Vec<Vec<&Found>> = vec![Vec::new(); ethogram.behavior_count()];
        for found in &all {
            by_behavior[found.behavior].push(found);
        }
        for (behavior, bouts) in (0..).zip(&mut by_behavior) {
            bouts.shuffle(&mut StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9) ^ behavior));
        }
        for round in 1..=count.min(by_behavior.iter().map(Vec::len).max().unwrap_or(0)) {
            for bouts in &by_behavior {
                let is_labelled = |found: &Found| whole[found.session][found.ticks.clone()].iter().all(|is| *is);
                if bouts.iter().filter(|found| is_labelled(found)).count() >= round {
                    continue;
                }
                if let Some(next) = bouts.iter().find(|found| !is_labelled(found)) {
                    let ticks = stretch(&next.ticks, sessions[next.session].ticks);
                    whole[next.session][ticks].fill(true);
                }
            }
        }
        Self::of_ticks(sessions, ethogram, &all, whole)
    }

    /// Labels at these ticks of each session.
    fn of_ticks(sessions: &[Session], ethogram: &Ethogram, all: &[Found], whole: Vec<Vec<bool>>) -> Self {
        let mut mask = Self { labelled: Vec::new(), bouts: vec![0; ethogram.behavior_count()], ticks: 0 };
        for (session, whole) in sessions.iter().zip(whole) {
            let count = session.cells.len().max(1);
            let before = session.labelled.to_vec();
            let rows = before.chunks_exact(count).zip(whole);
            let labelled: Vec<bool> =
                rows.flat_map(|(row, is_in)| row.iter().map(move |labelled| *labelled && is_in)).collect();
            mask.ticks += labelled.chunks_exact(count).filter(|row| row.contains(&true)).count();
            mask.labelled.push(labelled);
        }
        for found in all {
            let (labelled, count) = (&mask.labelled[found.session], sessions[found.session].cells.len());
            let is_whole = found.ticks.clone().all(|tick| labelled[tick * count + found.cell]);
            mask.bouts[found.behavior] += usize::from(is_whole);
        }
        mask
    }
}

/// A bout with as much background around it, half before and half after it; shifted where the session ends.
fn stretch(bout: &Range<usize>, ticks: usize) -> Range<usize> {
    let length = (2 * bout.len()).min(ticks);
    let start = bout.start.saturating_sub(bout.len() / 2).min(ticks - length);
    start..start + length
}

/// All labelled bouts, session by session and cell by cell.
fn bouts(sessions: &[Session]) -> Vec<Found> {
    let mut bouts = Vec::new();
    for (index, session) in sessions.iter().enumerate() {
        let count = session.cells.len();
        for (cell, of) in session.cells.iter().enumerate() {
            let is_on = |tick: usize| session.truth[tick * count + cell] && session.labelled[tick * count + cell];
            let mut tick = 0;
            while tick < session.ticks {
                let start = tick;
                while tick < session.ticks && is_on(tick) {
                    tick += 1;
                }
                if tick > start {
                    let behavior = usize::from(of.behavior.0);
                    bouts.push(Found { session: index, cell, behavior, ticks: start..tick });
                }
                tick += 1;
            }
        }
    }
    bouts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::Kind;
    use crate::corpus::flags::Flags;
    use crate::train::samples::{self, label_set};

    fn ethogram() -> Ethogram {
        Ethogram::new(vec![label_set("Lab", &[("attack", Kind::Directed), ("rear", Kind::OfSelf)])])
    }

    /// Two sessions of 600 ticks in which every cell has bouts of 6 to 8 ticks, each cell at its own times, and the last
    /// 50 ticks were never labelled.
    fn sessions() -> Vec<Session> {
        let session = |seed: usize| {
            let mut session = samples::session(0, &ethogram(), &ethogram().cells(2), 600);
            let (mut truth, mut labelled) = (session.truth.to_vec(), session.labelled.to_vec());
            let count = session.cells.len();
            for tick in 0..600 {
                for cell in 0..count {
                    let within = (tick + 600 - 10 * cell) % (45 + 5 * seed);
                    truth[tick * count + cell] = within < 6 + (cell + seed) % 3;
                    labelled[tick * count + cell] = tick < 550;
                }
            }
            (session.truth, session.labelled) = (truth.into_iter().collect(), labelled.into_iter().collect());
            session
        };
        vec![session(0), session(1)]
    }

    #[test]
    fn more_bouts_are_the_fewer_ones_and_others() {
        let (sessions, ethogram) = (sessions(), ethogram());
        let curve: Vec<Mask> =
            [1, 2, 5, 10].iter().map(|&count| Mask::of_bouts(&sessions, &ethogram, count, 7)).collect();
        for pair in curve.windows(2) {
            let flags = |mask: &Mask| mask.labelled.concat();
            assert!(flags(&pair[0]).iter().zip(flags(&pair[1])).all(|(fewer, more)| !fewer || more));
            assert!(pair[0].ticks < pair[1].ticks);
        }
        assert_eq!(curve[2], Mask::of_bouts(&sessions, &ethogram, 5, 7));
        assert_ne!(curve[2].labelled, Mask::of_bouts(&sessions, &ethogram, 5, 8).labelled, "the seed draws");
    }

    #[test]
    fn so_many_bouts_are_labelled_and_little_more() {
        let (sessions, ethogram) = (sessions(), ethogram());
        let all = Mask::of_all(&sessions, &ethogram);
        assert_eq!(all.labelled, [0, 1].map(|session: usize| sessions[session].labelled.to_vec()));
        assert_eq!(all.ticks, 2 * 550);
        for count in [1, 3, 8] {
            let mask = Mask::of_bouts(&sessions, &ethogram, count, 3);
            for (behavior, bouts) in mask.bouts.iter().enumerate() {
                let available = all.bouts[behavior];
                assert!(available > 20 && (count..=2 * count).contains(bouts), "{count}: {bouts} of {available}");
            }
            // Bouts of 6 to 8 ticks of two behaviors, with as much around them.
            assert!(mask.ticks <= 2 * count * 16, "{count}: {}", mask.ticks);
        }
        let most = Mask::of_bouts(&sessions, &ethogram, 10_000, 3);
        assert_eq!(most.bouts, all.bouts, "where there are not so many, all there are");
    }

    #[test]
    fn nothing_is_labelled_that_was_not_and_truth_stays() {
        let sessions = sessions();
        let before = sessions.clone();
        let mask = Mask::of_bouts(&sessions, &ethogram(), 10_000, 1);
        for ((session, labelled), before) in sessions.iter().zip(&mask.labelled).zip(&before) {
            assert!(session.labelled.iter().zip(labelled).all(|(was, is)| was || !is));
            assert_eq!((&session.truth, &session.labelled), (&before.truth, &before.labelled));
        }
        // One bout alone: what is labelled is its stretch, and nothing outside.
        let mut one = sessions[..1].to_vec();
        let count = one[0].cells.len();
        one[0].truth = Flags::new(one[0].truth.len());
        for tick in 100..107 {
            one[0].truth.set(tick * count);
        }
        let mask = Mask::of_bouts(&one, &ethogram(), 5, 1);
        let ticks: Vec<usize> = (0..600).filter(|tick| mask.labelled[0][tick * count]).collect();
        assert_eq!(ticks, (97..111).collect::<Vec<_>>());
        assert_eq!((mask.bouts, mask.ticks), (vec![1, 0], 14));
    }

    #[test]
    fn a_stretch_at_an_end_has_its_background_on_the_other_side() {
        assert_eq!([stretch(&(0..10), 50), stretch(&(45..50), 50), stretch(&(0..40), 50)], [0..20, 40..50, 0..50]);
    }
}
