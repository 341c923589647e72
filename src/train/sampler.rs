//! Which windows of the recordings a step looks at.
//!
//! A crop comes from one of four pools, by the shares of the schedule:
//!
//! | pool | share | a crop of it |
//! |---|---|---|
//! | rare | `rare_share` | has the onset of a bout of an evenly chosen behavior in its first nine tenths |
//! | short | `short_share` | begins at most [`SHORT_TICKS`] before such an onset, which so has a short history, as in a cage that was just opened |
//! | hard | `hard_share` | has a tick of a bin whose loss was high lately ([`super::hard`]) |
//! | background | the rest | has a tick at which something was labelled |
//!
//! With S label sets of which anything is in a pool, B behaviors of the set that ever happen and n onsets of the
//! behavior, each onset has the probability
//!
//! ```text
//! rare, short   1/S · 1/B · 1/n
//! ```
//!
//! so that neither a large label set drowns a small one, nor a frequent behavior a rare one. A tick of recording r at
//! which a set was labelled has in the background, with L(r) labelled ticks of that set in r,
//!
//! ```text
//! background    1/S · √L(r) / Σ √L · 1/L(r)
//! ```
//!
//! which lies between every recording and every hour counting alike: one long recording of one pair of animals has less
//! to teach than as many hours of many. Where in its crop the tick of the last two pools lies is drawn evenly, as far as
//! the ends of the recording allow. A pool that is empty leaves its share to the background.
//!
//! A draw depends on the generator (seed and step), and in the hard pool on the run's state; on nothing else.

use rand::RngExt;
use rand::rngs::StdRng;

use super::config::Schedule;
use super::crops::Crop;
use super::hard::{BIN_TICKS, HardBins};
use crate::behavior::Ethogram;
use crate::corpus::session::Session;

/// Most ticks of history of the onset that a crop of the short pool is drawn for: two seconds.
pub const SHORT_TICKS: usize = 60;

/// Draws crops.
#[derive(Debug)]
pub struct Sampler {
    /// (Session, tick) of onsets: label set → behavior → all of its own. None of the lists is empty.
    onsets: Vec<Vec<Vec<(usize, usize)>>>,
    /// As `onsets`, those that a crop can begin shortly before.
    short: Vec<Vec<Vec<(usize, usize)>>>,
    /// Label set → recordings. None of the lists is empty.
    background: Vec<Vec<Labelled>>,
    /// Ticks of each session.
    ticks: Vec<usize>,
    crop_ticks: usize,
    shares: [f64; 3],
}

/// Where a label set was labelled in a recording.
#[derive(Debug)]
struct Labelled {
    session: usize,
    /// (First tick, labelled ticks before it) of every run of labelled ticks.
    runs: Vec<(usize, usize)>,
    ticks: usize,
}

impl Labelled {
    /// The labelled tick of a place among them.
    fn tick(&self, place: usize) -> usize {
        let run = self.runs.partition_point(|&(_, before)| before <= place).saturating_sub(1);
        self.runs.get(run).map_or(0, |&(first, before)| first + (place - before))
    }
}

impl Sampler {
    /// # Errors
    /// No session, none in which anything is labelled, or one that is shorter than a crop.
    pub fn new(sessions: &[Session], ethogram: &Ethogram, schedule: &Schedule) -> anyhow::Result<Self> {
        let crop_ticks = schedule.crop_ticks as usize;
        anyhow::ensure!(!sessions.is_empty(), "expected at least one training recording, got none");
        if let Some(short) = sessions.iter().find(|session| session.ticks < crop_ticks) {
            anyhow::bail!("{}: expected at least the {crop_ticks} ticks of a crop, got {}", short.name, short.ticks);
        }
        let ticks: Vec<usize> = sessions.iter().map(|session| session.ticks).collect();
        let onsets = onsets(sessions, ethogram, |_, _| true);
        let short = |session: usize, tick: usize| tick <= ticks[session] - crop_ticks + SHORT_TICKS;
        let short = self::onsets(sessions, ethogram, short);
        let background = background(sessions, ethogram);
        anyhow::ensure!(!background.is_empty(), "expected labelled ticks in training recordings, got none");
        let shares = [schedule.rare_share, schedule.short_share, schedule.hard_share];
        Ok(Self { onsets, short, background, ticks, crop_ticks, shares })
    }

    pub fn draw(&self, hard: &HardBins, step: u32, rng: &mut StdRng) -> Crop {
        let augmentation_seed = rng.random();
        let [rare, short, of_hard] = self.shares;
        let pool: f64 = rng.random();
        let drawn = if pool < rare {
            self.rare(rng)
        } else if pool < rare + short {
            self.short(rng)
        } else if pool < rare + short + of_hard {
            self.hard(hard, step, rng)
        } else {
            None
        };
        let (session, first) = drawn.unwrap_or_else(|| self.background(rng));
        Crop { session, first, augmentation_seed }
    }

    fn rare(&self, rng: &mut StdRng) -> Option<(usize, usize)> {
        let &(session, tick) = any(any(any(&self.onsets, rng)?, rng)?, rng)?;
        let earliest = (tick + 1).saturating_sub(self.crop_ticks * 9 / 10);
        Some((session, rng.random_range(earliest..=tick).min(self.last(session))))
    }

    fn short(&self, rng: &mut StdRng) -> Option<(usize, usize)> {
        let &(session, tick) = any(any(any(&self.short, rng)?, rng)?, rng)?;
        let earliest = tick.saturating_sub(SHORT_TICKS);
        Some((session, rng.random_range(earliest..=tick.min(self.last(session)))))
    }

    fn hard(&self, hard: &HardBins, step: u32, rng: &mut StdRng) -> Option<(usize, usize)> {
        let (session, first) = hard.draw(step, rng)?;
        // A state may have been written by anybody.
        let ticks = *self.ticks.get(session)?;
        let tick = (first + rng.random_range(0..BIN_TICKS)).min(ticks - 1);
        Some((session, self.around(session, tick, rng)))
    }

    fn background(&self, rng: &mut StdRng) -> (usize, usize) {
        let set = &self.background[rng.random_range(0..self.background.len())];
        let weight = |labelled: &Labelled| (labelled.ticks as f64).sqrt();
        let mut left = rng.random::<f64>() * set.iter().map(weight).sum::<f64>();
        let is_it = |labelled: &&Labelled| {
            left -= weight(labelled);
            left < 0.0
        };
        // The last takes what rounding leaves.
        let labelled = set.iter().find(is_it).unwrap_or(&set[set.len() - 1]);
        let tick = labelled.tick(rng.random_range(0..labelled.ticks));
        (labelled.session, self.around(labelled.session, tick, rng))
    }

    /// The beginning of a crop with a tick anywhere in it.
    fn around(&self, session: usize, tick: usize, rng: &mut StdRng) -> usize {
        tick.saturating_sub(rng.random_range(0..self.crop_ticks)).min(self.last(session))
    }

    /// The last beginning of a crop.
    fn last(&self, session: usize) -> usize {
        self.ticks[session] - self.crop_ticks
    }
}

fn any<'a, T>(all: &'a [T], rng: &mut StdRng) -> Option<&'a T> {
    if all.is_empty() { None } else { Some(&all[rng.random_range(0..all.len())]) }
}

/// Label set → behavior → (session, tick) of its labelled onsets that are `wanted`, without empty lists.
fn onsets(
    sessions: &[Session],
    ethogram: &Ethogram,
    wanted: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<Vec<(usize, usize)>>> {
    let mut by_behavior = vec![Vec::new(); ethogram.behavior_count()];
    for (index, session) in sessions.iter().enumerate() {
        let count = session.cells.len();
        for tick in (0..session.ticks).filter(|&tick| wanted(index, tick)) {
            for (at, cell) in (tick * count..).zip(&session.cells) {
                let before = tick > 0 && session.truth[at - count];
                if session.truth[at] && session.labelled[at] && !before {
                    by_behavior[usize::from(cell.behavior.0)].push((index, tick));
                }
            }
        }
    }
    let mut by_set = vec![Vec::new(); ethogram.label_sets().len()];
    for ((_, set, _), onsets) in ethogram.behaviors().zip(by_behavior).filter(|(_, onsets)| !onsets.is_empty()) {
        by_set[set].push(onsets);
    }
    by_set.retain(|set| !set.is_empty());
    by_set
}

/// Label set → where each recording is labelled, without empty lists.
fn background(sessions: &[Session], ethogram: &Ethogram) -> Vec<Vec<Labelled>> {
    let mut by_set: Vec<Vec<Labelled>> = ethogram.label_sets().iter().map(|_| Vec::new()).collect();
    for (set, recordings) in by_set.iter_mut().enumerate() {
        for (index, session) in sessions.iter().enumerate() {
            let count = session.cells.len();
            let of_set = |cell: usize| ethogram.label_set_of(session.cells[cell].behavior) == set;
            let cells: Vec<usize> = (0..count).filter(|&cell| of_set(cell)).collect();
            let mut labelled = Labelled { session: index, runs: Vec::new(), ticks: 0 };
            let mut is_run = false;
            for tick in 0..session.ticks {
                let is_labelled = cells.iter().any(|cell| session.labelled[tick * count + cell]);
                if is_labelled && !is_run {
                    labelled.runs.push((tick, labelled.ticks));
                }
                labelled.ticks += usize::from(is_labelled);
                is_run = is_labelled;
            }
            if labelled.ticks > 0 {
                recordings.push(labelled);
            }
        }
    }
    by_set.retain(|recordings| !recordings.is_empty());
    by_set
}

#[cfg(test)]
mod tests;
