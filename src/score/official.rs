//! The official score of the `MABe` 2025 challenge, to the last digit.
//!
//! Frames of each (video, agent, target, action) are a set. What a submission says of videos that the solution lacks,
//! or of what the video's whitelist does not list, is not looked at; in the rest one pair has at most one action on a
//! frame, or there is no score. True and false positives and false negatives are pooled over a lab by action; the lab's
//! score is the plain mean of F-beta over its actions, the score the plain mean over labs. An action counts that is in
//! the truth or was predicted, even by a row without frames.
//!
//! The official program joins a key with `_` and takes for the action what follows the *last* one: `sniff_face` is
//! pooled with `face` ([`pooled_action`]). Keys themselves are compared part by part here, so that only animals whose
//! names hold `_` and coincide when joined would be told apart where it confuses them.
//!
//! # The last digit
//! The official program adds F-beta in the order of a set of texts, which a Python process draws by chance, and plainly
//! (before Python 3.12, which compensates): two of its runs may differ in the last digit. An exact sum, or one in the
//! order of names, misses that digit in some of its recorded runs. Here actions are added in the order of a hash of
//! their names, labs from the highest on, plainly too. So a score is one that the official program prints under some
//! order, and depends neither on the order of rows nor on the names of labs. The hash's seed means nothing more than
//! that with it all runs on record come out; another run may differ by an ulp or two, as it may from itself.
//!
//! # Scored intervals
//! Where a video has them, both sides are cut to them *before* all this: a row of which nothing is left is no row, so an
//! action whose truth lies wholly outside is not true there, and counts only where something else names it. A row
//! without frames stays where its frame is scored. The whitelist stays. A lab without any row left has no score and is
//! left out of the mean.
//!
//! # Cost
//! Nothing here depends on the lengths of intervals: n rows cost O(n log n), a row of 2⁶³ frames as much as one of 1.

pub(super) mod ranges;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::{AddAssign, Range};

use crate::corpus::mabe::solution::{Series, Solution, Submission, Video};

/// Why there is no score.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    #[error("expected at least one bout in the {side}, got none")]
    Empty { side: &'static str },
    #[error("{0}")]
    TwoActions(Box<Collision>),
    #[error("expected at least one bout in the scored frames, got none")]
    NothingScored,
}

/// A frame on which a submission gives one pair two actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collision {
    pub video: String,
    pub agent: String,
    pub target: String,
    pub actions: [String; 2],
    pub frame: i64,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { video, agent, target, actions: [first, second], frame } = self;
        write!(
            f,
            "video {video}: expected of the submission at most one action of {agent} towards {target} on a frame, "
        )?;
        write!(f, "got {first:?} and {second:?} on frame {frame}")
    }
}

/// Frames by agreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub true_positives: u128,
    pub false_positives: u128,
    pub false_negatives: u128,
}

impl Counts {
    fn of(truth: &[Range<i64>], predicted: &[Range<i64>]) -> Self {
        let true_positives = ranges::shared(truth, predicted);
        Self {
            true_positives,
            false_positives: ranges::length(predicted) - true_positives,
            false_negatives: ranges::length(truth) - true_positives,
        }
    }

    /// (1 + β²)·tp / ((1 + β²)·tp + β²·fn + fp), evaluated in this order; 0 where the divisor is.
    pub fn f_beta(&self, beta: f64) -> f64 {
        let squared = beta * beta;
        let [found, missed, wrong] =
            [self.true_positives, self.false_negatives, self.false_positives].map(|count| count as f64);
        let weighted = (1.0 + squared) * found;
        share(weighted, weighted + squared * missed + wrong)
    }

    /// True positives among the predicted; 0 where nothing was predicted.
    pub fn precision(&self) -> f64 {
        share(self.true_positives as f64, (self.true_positives + self.false_positives) as f64)
    }

    /// True positives among the true; 0 where nothing is true.
    pub fn recall(&self) -> f64 {
        share(self.true_positives as f64, (self.true_positives + self.false_negatives) as f64)
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.true_positives += other.true_positives;
        self.false_positives += other.false_positives;
        self.false_negatives += other.false_negatives;
    }
}

/// Both sides of one key, as far as they count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairing<'a> {
    /// Index of the solution's videos.
    pub video: usize,
    pub agent: &'a str,
    pub target: &'a str,
    pub action: &'a str,
    pub truth: Side,
    pub predicted: Side,
}

/// One side of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// The frames, as a set.
    pub frames: Vec<Range<i64>>,
    /// Where each bout begins in `frames`. Rows that overlap or adjoin are one bout; it may be in parts where not all of
    /// it is scored.
    firsts: Vec<usize>,
}

impl Side {
    /// A side from its rows, cut to the scored frames (a set); `None` where no row is left.
    fn new(rows: &[Range<i64>], scored: Option<&[Range<i64>]>) -> Option<Self> {
        let bouts = ranges::union(rows.to_vec());
        let Some(scored) = scored else {
            return (!rows.is_empty()).then(|| Self { firsts: (0..bouts.len()).collect(), frames: bouts });
        };
        let mut side = Self::default();
        for bout in &bouts {
            let first = side.frames.len();
            side.frames.extend(ranges::parts(bout, scored));
            if side.frames.len() > first {
                side.firsts.push(first);
            }
        }
        let within = |frame: i64| scored[..scored.partition_point(|range| range.start <= frame)].last();
        let is_scored = |frame: i64| within(frame).is_some_and(|range| frame < range.end);
        let stays = !side.frames.is_empty() || rows.iter().any(|row| row.is_empty() && is_scored(row.start));
        stays.then_some(side)
    }

    /// The scored parts of each bout, ascending; none is empty.
    pub fn bouts(&self) -> impl ExactSizeIterator<Item = &[Range<i64>]> {
        let stop = |index: usize| self.firsts.get(index + 1).copied().unwrap_or(self.frames.len());
        self.firsts.iter().enumerate().map(move |(index, first)| &self.frames[*first..stop(index)])
    }
}

/// A solution and a submission side by side.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    solution: &'a Solution,
    /// Of each video the scored frames, as a set.
    scored: Vec<Option<Vec<Range<i64>>>>,
    pairings: Vec<Pairing<'a>>,
    /// Rows that were not looked at.
    pub ignored: Ignored,
}

/// Rows of a submission that do not count, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// Of videos that the solution lacks.
    pub foreign: usize,
    /// Of what no lab's whitelist of their video lists.
    pub unlisted: usize,
}

impl<'a> Comparison<'a> {
    /// # Errors
    /// Sides that cannot be scored: one without rows, a pair predicted with two actions at once, nothing left.
    ///
    /// # Panics
    /// On a series whose `video` is none of its side.
    pub fn new(solution: &'a Solution, submission: &'a Submission) -> Result<Self, ScoreError> {
        for (side, empty) in [("solution", solution.series.is_empty()), ("submission", submission.series.is_empty())] {
            if empty {
                return Err(ScoreError::Empty { side });
            }
        }
        let scored = solution.videos.iter().map(|video| video.scored.clone().map(ranges::union)).collect();
        let mut comparison = Self { solution, scored, pairings: Vec::new(), ignored: Ignored::default() };
        let mut truth: Vec<Vec<&Series>> = vec![Vec::new(); solution.videos.len()];
        for series in &solution.series {
            truth[series.video].push(series);
        }
        let mut predicted = HashMap::<&str, Vec<&Series>>::new();
        for series in &submission.series {
            predicted.entry(&submission.videos[series.video]).or_default().push(series);
        }
        for (video, truth) in truth.iter().enumerate() {
            let id = solution.videos[video].id.as_str();
            comparison.add_video(video, truth, predicted.get(id).map_or(&[][..], Vec::as_slice))?;
        }
        comparison.ignored.unlisted = unlisted(&solution.videos, &predicted);
        for video in &solution.videos {
            predicted.remove(video.id.as_str());
        }
        comparison.ignored.foreign = predicted.values().flatten().map(|series| series.intervals.len()).sum();
        if comparison.pairings.is_empty() { Err(ScoreError::NothingScored) } else { Ok(comparison) }
    }

    fn add_video(&mut self, video: usize, truth: &[&'a Series], predicted: &[&'a Series]) -> Result<(), ScoreError> {
        let scored = self.scored[video].as_deref();
        let mut pairings: BTreeMap<(&str, &str, &str), [Option<Side>; 2]> = BTreeMap::new();
        let key = |series: &'a Series| (series.agent.as_str(), series.target.as_str(), series.action.as_str());
        for series in truth {
            pairings.entry(key(series)).or_default()[0] = Side::new(&series.intervals, scored);
        }
        for series in predicted {
            let (agent, target, action) = key(series);
            if self.solution.videos[video].whitelist.contains(&format!("{agent},{target},{action}")) {
                pairings.entry(key(series)).or_default()[1] = Side::new(&series.intervals, scored);
            }
        }
        pairings.retain(|_, sides| sides.iter().any(Option::is_some));
        let first = self.pairings.len();
        self.pairings.extend(pairings.into_iter().map(|((agent, target, action), sides)| {
            let [truth, predicted] = sides.map(Option::unwrap_or_default);
            Pairing { video, agent, target, action, truth, predicted }
        }));
        // In the order of the map: all actions of a pair stand together.
        let mut of_pairs = self.pairings[first..].chunk_by(|a, b| (a.agent, a.target) == (b.agent, b.target));
        of_pairs.try_for_each(|pair| one_action_a_frame(pair, &self.solution.videos[video]))
    }

    /// What is compared, video by video.
    pub fn pairings(&self) -> &[Pairing<'a>] {
        &self.pairings
    }

    pub fn solution(&self) -> &'a Solution {
        self.solution
    }

    /// The scored frames of a video of the solution, as a set; `None`: all.
    ///
    /// # Panics
    /// On a video that the solution does not have.
    pub fn scored(&self, video: usize) -> Option<&[Range<i64>]> {
        self.scored[video].as_deref()
    }

    /// The official score. `beta` must be finite.
    pub fn score(&self, beta: f64) -> Score {
        let mut labs = BTreeMap::<&str, BTreeMap<(u64, &str), Counts>>::new();
        for pairing in &self.pairings {
            let actions = labs.entry(&self.solution.videos[pairing.video].lab).or_default();
            let action = pooled_action(pairing.action);
            *actions.entry((place_in_sum(action), action)).or_default() += pairing.counts();
        }
        let lab = |(lab, actions): (&&str, &BTreeMap<_, Counts>)| LabScore {
            lab: (*lab).to_string(),
            value: mean(actions.values().map(|counts| counts.f_beta(beta))),
        };
        let labs: Vec<LabScore> = labs.iter().map(lab).collect();
        let mut values: Vec<f64> = labs.iter().map(|lab| lab.value).collect();
        values.sort_unstable_by(|a, b| b.total_cmp(a));
        Score { value: mean(values.into_iter()), labs }
    }
}

impl Pairing<'_> {
    pub fn counts(&self) -> Counts {
        Counts::of(&self.truth.frames, &self.predicted.frames)
    }
}

/// The official score, and what it is the mean of.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    pub value: f64,
    /// By name.
    pub labs: Vec<LabScore>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LabScore {
    pub lab: String,
    pub value: f64,
}

/// Predicted rows that no lab lists which annotated their video.
fn unlisted(videos: &[Video], predicted: &HashMap<&str, Vec<&Series>>) -> usize {
    let mut whitelists = HashMap::<&str, Vec<&HashSet<String>>>::new();
    for video in videos {
        whitelists.entry(&video.id).or_default().push(&video.whitelist);
    }
    let of_video = |(id, whitelists): (&&str, &Vec<&HashSet<String>>)| -> usize {
        let listed = |series: &Series| {
            let key = format!("{},{},{}", series.agent, series.target, series.action);
            whitelists.iter().any(|whitelist| whitelist.contains(&key))
        };
        let rows = predicted.get(id).into_iter().flatten();
        rows.filter(|series| !listed(series)).map(|series| series.intervals.len()).sum()
    };
    whitelists.iter().map(of_video).sum()
}

/// Under which name the official score pools an action: what follows its last `_`.
pub fn pooled_action(action: &str) -> &str {
    action.rsplit_once('_').map_or(action, |(_, last)| last)
}

/// By what actions are ordered when their F-beta are added: the FNV-1a hash of the name, seeded. See the module.
fn place_in_sum(action: &str) -> u64 {
    const SEED: u64 = 607;
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;
    action.bytes().fold(OFFSET ^ SEED, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// The mean of values, added plainly in their order; 0 of none.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len();
    share(values.fold(0.0, |sum, value| sum + value), count as f64)
}

/// # Errors
/// Two actions that one pair (all of whose pairings in a video these are) was predicted with on one frame.
fn one_action_a_frame(pair: &[Pairing], video: &Video) -> Result<(), ScoreError> {
    let of_pairing = |(index, pairing): (usize, &Pairing)| -> Vec<(Range<i64>, usize)> {
        pairing.predicted.frames.iter().map(|range| (range.clone(), index)).collect()
    };
    let mut all: Vec<(Range<i64>, usize)> = pair.iter().enumerate().flat_map(of_pairing).collect();
    all.sort_unstable_by_key(|(range, index)| (range.start, *index));
    // One action's ranges are disjoint, so whichever two neighbours share a frame are of two actions.
    match all.windows(2).find(|both| both[1].0.start < both[0].0.end) {
        None => Ok(()),
        Some(both) => Err(ScoreError::TwoActions(Box::new(Collision {
            video: video.id.clone(),
            agent: pair[0].agent.to_string(),
            target: pair[0].target.to_string(),
            actions: [both[0].1, both[1].1].map(|index| pair[index].action.to_string()),
            frame: both[1].0.start,
        }))),
    }
}
