//! The same comparison as the official score, told by behavior and by event.
//!
//! Both tables have a row for each lab and action under its full name (the official score pools some, see
//! [`super::official`]), and look at the same rows, cut in the same way. Bouts are runs of frames: rows of one key that
//! overlap or adjoin are one bout.
//!
//! # Events
//! A predicted bout answers a true one of its key if their *onsets* are no more than the tolerance apart; each answers
//! at most one, as many as possible do, and of all such matchings the nearest in sum is taken. This is the event-based
//! score of Mesaros, Heittola and Virtanen, *Metrics for polyphonic sound event detection*, Applied Sciences 6(6):162
//! (2016), §3.2.2, with onset only and optimal matching (`evaluate_offset=False` and `event_matching_type="optimal"` of
//! their `sed_eval`): what a trigger is judged by. Offsets and overlap do not matter for it. An onset that is not scored
//! is moved to the first scored frame of its bout.
//!
//! A *false alarm* is, as in the scores of recordings, a predicted bout that shares no frame with a true one of its key,
//! whatever the tolerance. Its rate is over the recorded hours of the videos in which the behavior was annotated for any
//! animals, not over hours × pairs.

mod matching;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::matching::{REACH_FRAMES_MAX, matched};
use super::official::{Comparison, Counts, Pairing, ranges};

const SECS_PER_HOUR: f64 = 3600.0;
/// What is added to a tolerance in frames, so that 0.29 s at 100 Hz is 29 frames in spite of rounding.
const ROUNDING_FRAMES: f64 = 1e-6;

/// Lab and action.
pub type BehaviorName<'a> = (&'a str, &'a str);

/// Agreement on one behavior of a lab.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BehaviorTally {
    pub frames: Counts,
    pub true_bouts: usize,
    pub predicted_bouts: usize,
}

/// Frames and bouts of each behavior, by name.
pub fn by_behavior<'a>(comparison: &Comparison<'a>) -> BTreeMap<BehaviorName<'a>, BehaviorTally> {
    let mut table = BTreeMap::<BehaviorName, BehaviorTally>::new();
    for pairing in comparison.pairings() {
        let tally = table.entry(name(comparison, pairing)).or_default();
        tally.frames += pairing.counts();
        tally.true_bouts += pairing.truth.bouts().len();
        tally.predicted_bouts += pairing.predicted.bouts().len();
    }
    table
}

fn name<'a>(comparison: &Comparison<'a>, pairing: &Pairing<'a>) -> BehaviorName<'a> {
    (&comparison.solution().videos[pairing.video].lab, pairing.action)
}

/// How events are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRules {
    /// How far apart onsets may lie, in seconds.
    pub tolerances_secs: Vec<f64>,
    /// Frames in a second of the videos that do not say it themselves; above 0.
    pub rate_hz: f64,
}

/// Agreement on the events of one behavior of a lab.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventTally {
    pub true_bouts: usize,
    pub predicted_bouts: usize,
    /// By tolerance: of each matched pair the predicted onset after the true one, in seconds.
    pub delays_secs: Vec<Vec<f64>>,
    /// Predicted bouts that share no frame with a true one.
    pub false_alarms: usize,
    /// Time in which they happened.
    pub scored_secs: f64,
}

impl EventTally {
    /// F1 of bouts at a tolerance, by its index; 0 where there is no bout.
    ///
    /// # Panics
    /// On an index of no tolerance.
    pub fn f1(&self, tolerance: usize) -> f64 {
        let bouts = self.true_bouts + self.predicted_bouts;
        if bouts == 0 { 0.0 } else { 2.0 * self.delays_secs[tolerance].len() as f64 / bouts as f64 }
    }

    /// A quantile (0 to 1) of the delays at a tolerance, between the two nearest; `None` without a match.
    ///
    /// # Panics
    /// On an index of no tolerance.
    pub fn delay_secs(&self, tolerance: usize, quantile: f64) -> Option<f64> {
        let mut delays = self.delays_secs[tolerance].clone();
        delays.sort_unstable_by(f64::total_cmp);
        let place = delays.len().checked_sub(1)? as f64 * quantile.clamp(0.0, 1.0);
        let (below, above) = (delays[place.floor() as usize], delays[place.ceil() as usize]);
        Some(below + (above - below) * place.fract())
    }

    /// False alarms in an hour; `None` where no time was scored.
    pub fn false_alarms_per_hour(&self) -> Option<f64> {
        (self.scored_secs > 0.0).then(|| self.false_alarms as f64 * SECS_PER_HOUR / self.scored_secs)
    }
}

/// Events of each behavior that was annotated or predicted, by name.
pub fn by_event<'a>(comparison: &Comparison<'a>, rules: &EventRules) -> BTreeMap<BehaviorName<'a>, EventTally> {
    let mut table = BTreeMap::<BehaviorName, EventTally>::new();
    let rate_hz = |video: usize| comparison.solution().videos[video].rate_hz.unwrap_or(rules.rate_hz);
    for pairing in comparison.pairings() {
        let tally = table.entry(name(comparison, pairing)).or_default();
        tally.delays_secs.resize(rules.tolerances_secs.len(), Vec::new());
        tally.add(pairing, &rules.tolerances_secs, rate_hz(pairing.video));
    }
    let lengths = lengths_frames(comparison);
    for (video, length) in lengths.into_iter().enumerate() {
        for behavior in annotated(comparison, video) {
            if let Some(tally) = table.get_mut(&behavior) {
                tally.scored_secs += length / rate_hz(video);
            }
        }
    }
    table
}

impl EventTally {
    fn add(&mut self, pairing: &Pairing, tolerances_secs: &[f64], rate_hz: f64) {
        let onsets = |side: &super::official::Side| side.bouts().map(|parts| parts[0].start).collect::<Vec<i64>>();
        let (truth, predicted) = (onsets(&pairing.truth), onsets(&pairing.predicted));
        self.true_bouts += truth.len();
        self.predicted_bouts += predicted.len();
        for (tolerance_secs, delays_secs) in tolerances_secs.iter().zip(&mut self.delays_secs) {
            let reach = (tolerance_secs * rate_hz + ROUNDING_FRAMES).clamp(0.0, f64::from(REACH_FRAMES_MAX));
            let delay_secs = |(i, j): (usize, usize)| (predicted[j] - truth[i]) as f64 / rate_hz;
            delays_secs.extend(matched(&truth, &predicted, reach as u32).into_iter().map(delay_secs));
        }
        let is_true = |part| ranges::parts(part, &pairing.truth.frames).next().is_some();
        self.false_alarms += pairing.predicted.bouts().filter(|parts| !parts.iter().any(is_true)).count();
    }
}

/// How long each video was scored, in frames: its scored intervals, or else from frame 0 to the last that either side
/// names.
fn lengths_frames(comparison: &Comparison) -> Vec<f64> {
    let mut stops = vec![0; comparison.solution().videos.len()];
    for pairing in comparison.pairings() {
        for range in [&pairing.truth, &pairing.predicted].into_iter().filter_map(|side| side.frames.last()) {
            stops[pairing.video] = range.end.max(stops[pairing.video]);
        }
    }
    let scored = |video| comparison.scored(video).map(|set| ranges::length(set) as f64);
    stops.iter().enumerate().map(|(video, stop)| scored(video).unwrap_or(*stop as f64)).collect()
}

/// The behaviors that were annotated in a video: those that its whitelist lists, and those of its truth.
fn annotated<'a>(comparison: &Comparison<'a>, index: usize) -> BTreeSet<BehaviorName<'a>> {
    let video = &comparison.solution().videos[index];
    let listed = video.whitelist.iter().filter_map(|entry| entry.splitn(3, ',').nth(2));
    let of_video = comparison.pairings().partition_point(|pairing| pairing.video < index);
    let pairings = comparison.pairings()[of_video..].iter().take_while(|pairing| pairing.video == index);
    let truth = pairings.filter(|pairing| pairing.truth.bouts().len() > 0).map(|pairing| pairing.action);
    listed.chain(truth).map(|action| (video.lab.as_str(), action)).collect()
}
