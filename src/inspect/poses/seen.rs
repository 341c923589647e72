//! Who was seen, how much of them, and how often they were lost.

use super::{Open, animal};
use crate::corpus::RawRecording;
use crate::inspect::{Stretches, ratio};
use crate::poses::Keypoint;

/// An animal that is unseen for at most this long was dropped by the tracker rather than hidden.
pub const FLICKER_SECS_MAX: f64 = 0.2;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Visibility {
    /// Share of frames in which every animal has a point.
    pub all_seen: f64,
    /// Share of frames in which no animal has one.
    pub none_seen: f64,
    /// By individual.
    pub animals: Vec<AnimalSeen>,
    /// By individual, then keypoint: share of frames in which the point is missing.
    pub missing: Vec<Vec<f64>>,
    /// By keypoint: share of missing points among the animals that were seen.
    pub missing_while_seen: Vec<f64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnimalSeen {
    /// Share of its points, over all frames.
    pub missing: f64,
    /// Share of frames in which it has no point at all.
    pub unseen: f64,
    /// Stretches without a point.
    pub absences: Stretches,
    /// Those of them that last at most [`FLICKER_SECS_MAX`].
    pub flickers: u64,
}

impl Visibility {
    pub(super) fn of(raw: &RawRecording, rate_hz: f64) -> Self {
        let (individuals, keypoints) = (raw.individuals.len(), raw.keypoints.len());
        let frames = raw.frames.len() as u64;
        let flicker_frames = ((FLICKER_SECS_MAX * rate_hz) as u64).max(1);
        let mut present = vec![vec![0_u64; keypoints]; individuals];
        let mut seen_frames = vec![0_u64; individuals];
        let mut open = vec![Open::default(); individuals];
        let mut animals = vec![AnimalSeen::default(); individuals];
        let (mut all, mut none) = (0, 0);
        let absent = |animal: &mut AnimalSeen, absence: std::ops::Range<u64>| {
            animal.flickers += u64::from(absence.end - absence.start <= flicker_frames);
            animal.absences.add(absence);
        };
        for frame in &raw.frames {
            let mut seen_count = 0;
            for slot in 0..individuals {
                let points = animal(raw, frame, slot);
                let seen = points.iter().any(Keypoint::is_present);
                for (count, point) in present[slot].iter_mut().zip(points) {
                    *count += u64::from(point.is_present());
                }
                seen_frames[slot] += u64::from(seen);
                seen_count += usize::from(seen);
                if let Some(absence) = open[slot].take(frame.number, !seen) {
                    absent(&mut animals[slot], absence);
                }
            }
            all += u64::from(seen_count == individuals);
            none += u64::from(seen_count == 0);
        }
        for (slot, animal) in animals.iter_mut().enumerate() {
            if let Some(absence) = open[slot].end() {
                absent(animal, absence);
            }
            animal.unseen = 1.0 - ratio(seen_frames[slot], frames);
            animal.missing = 1.0 - ratio(present[slot].iter().sum(), frames * keypoints as u64);
        }
        let seen_total: u64 = seen_frames.iter().sum();
        let of_keypoint = |keypoint: usize| present.iter().map(|counts| counts[keypoint]).sum::<u64>();
        Self {
            all_seen: ratio(all, frames),
            none_seen: ratio(none, frames),
            missing_while_seen: (0..keypoints).map(|keypoint| 1.0 - ratio(of_keypoint(keypoint), seen_total)).collect(),
            missing: present
                .iter()
                .map(|counts| counts.iter().map(|&count| 1.0 - ratio(count, frames)).collect())
                .collect(),
            animals,
        }
    }
}
