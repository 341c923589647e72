//! Frames into the order of their numbers.

use super::ticks::Refused;
use crate::poses::Frame;

/// A frame may come this many numbers late and is still put into its place. A gap is therefore certain only once a
/// frame further ahead than this has come.
pub const REORDER_FRAMES: u64 = 2;

/// Gives frames on in strictly ascending order, at once while no number is missing, and holds at most
/// [`REORDER_FRAMES`] of them. What it gives on depends on which frames came, not on their order within the horizon.
/// The first frame is given on at once, and nothing before it is accepted.
#[derive(Clone, Debug, Default)]
pub struct Reorder {
    progress: Option<Progress>,
    /// Ascending, all behind a number that may still come.
    held: Vec<Frame>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    /// Highest number that came.
    newest: u64,
    /// Number last given on.
    released: u64,
    /// Bit i: number `newest` − i came. Tells a doubled frame from a late one.
    received: u64,
}

impl Reorder {
    /// Numbers from `number` up to the newest frame; zero where `number` would be the newest itself.
    pub fn behind(&self, number: u64) -> u64 {
        self.progress.map_or(0, |progress| progress.newest.saturating_sub(number))
    }

    /// Number last given on.
    pub fn released(&self) -> Option<u64> {
        self.progress.map(|progress| progress.released)
    }

    /// Goes on behind a frame that was given on before.
    pub fn resume(&mut self, newest: u64) {
        self.progress = Some(Progress { newest, released: newest, received: 1 });
    }

    /// Takes a frame and gives on what it completes.
    ///
    /// # Errors
    /// A frame that came before, or that comes too late; the state is then what it was.
    pub fn push(&mut self, frame: &Frame, mut release: impl FnMut(&Frame)) -> Result<(), Refused> {
        let number = frame.number;
        let Some(progress) = &mut self.progress else {
            self.progress = Some(Progress { newest: number, released: number, received: 1 });
            release(frame);
            return Ok(());
        };
        progress.receive(number)?;
        if self.held.is_empty() && number - 1 == progress.released {
            progress.released = number;
            release(frame);
            return Ok(());
        }
        let place = self.held.partition_point(|held| held.number < number);
        self.held.insert(place, frame.clone());
        while let Some(first) = self.held.first() {
            let follows = first.number - 1 == progress.released;
            let nothing_before_may_come = progress.newest - first.number >= REORDER_FRAMES;
            if !follows && !nothing_before_may_come {
                break;
            }
            progress.released = first.number;
            release(first);
            self.held.remove(0);
        }
        Ok(())
    }

    /// Gives on what is held; afterwards as new.
    pub fn flush(&mut self, mut release: impl FnMut(&Frame)) {
        for frame in self.held.drain(..) {
            release(&frame);
        }
        self.progress = None;
    }
}

impl Progress {
    fn receive(&mut self, number: u64) -> Result<(), Refused> {
        if number > self.newest {
            let ahead = u32::try_from(number - self.newest).unwrap_or(u32::MAX);
            self.received = self.received.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = number;
            return Ok(());
        }
        let newest = self.newest;
        let bit = u32::try_from(newest - number).ok().and_then(|behind| 1_u64.checked_shl(behind)).unwrap_or(0);
        if self.received & bit != 0 {
            return Err(Refused::Duplicate { number });
        }
        if newest - number > REORDER_FRAMES || number < self.released {
            return Err(Refused::Late { number, newest });
        }
        self.received |= bit;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn released(reorder: &mut Reorder, number: u64) -> Result<Vec<u64>, Refused> {
        let mut numbers = Vec::new();
        let frame = Frame { number, capture_nanos: None, keypoints: Vec::new() };
        reorder.push(&frame, |frame| numbers.push(frame.number))?;
        assert!(reorder.held.len() as u64 <= REORDER_FRAMES);
        Ok(numbers)
    }

    #[test]
    fn frames_within_the_horizon_find_their_place() {
        let late = |number, newest| Err(Refused::Late { number, newest });
        let mut reorder = Reorder::default();
        for (number, expected) in [
            (10, Ok(vec![10])),
            (9, late(9, 10)),
            (11, Ok(vec![11])),
            (11, Err(Refused::Duplicate { number: 11 })),
            (13, Ok(vec![])),
            (13, Err(Refused::Duplicate { number: 13 })),
            (14, Ok(vec![])),
            (12, Ok(vec![12, 13, 14])),
            (17, Ok(vec![])),
            (16, Ok(vec![])),
            (18, Ok(vec![16, 17, 18])),
            (15, late(15, 18)),
            (16, Err(Refused::Duplicate { number: 16 })),
            (300, Ok(vec![])),
            (301, Ok(vec![])),
            (298, late(298, 301)),
            (18, late(18, 301)),
            (302, Ok(vec![300, 301, 302])),
            (303, Ok(vec![303])),
        ] {
            assert_eq!(released(&mut reorder, number), expected, "{number}");
        }
    }

    #[test]
    fn the_ends_of_the_numbers_do_not_overflow() {
        let mut reorder = Reorder::default();
        assert_eq!(released(&mut reorder, 0), Ok(vec![0]));
        assert_eq!(released(&mut reorder, u64::MAX), Ok(vec![]));
        assert_eq!(released(&mut reorder, u64::MAX), Err(Refused::Duplicate { number: u64::MAX }));
        assert_eq!(released(&mut reorder, u64::MAX - 1), Ok(vec![]));
        assert_eq!(released(&mut reorder, 1), Err(Refused::Late { number: 1, newest: u64::MAX }));
        assert_eq!(released(&mut reorder, u64::MAX - 2), Ok(vec![u64::MAX - 2, u64::MAX - 1, u64::MAX]));
    }
}
