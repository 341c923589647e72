//! Scores by behavior and delay, as a table in Markdown.

use std::fmt;

use crate::behavior::{Behavior, Bout, Ethogram, Kind};
use crate::corpus::Annotated;
use crate::score::interval::RecordingTallies;
use crate::score::{BoutScores, FrameScores};
use crate::time::DelayTicks;

/// Scores at each delay, over all recordings added.
pub struct Table {
    ethogram: Ethogram,
    delays: Vec<DelayTicks>,
    frames: Vec<FrameScores>,
    bouts: Vec<BoutScores>,
    /// By delay, every recording for itself.
    recordings: Vec<Vec<RecordingTallies>>,
}

impl Table {
    pub fn new(ethogram: &Ethogram, delays: &[DelayTicks]) -> Self {
        Self {
            frames: delays.iter().map(|_| FrameScores::new(ethogram)).collect(),
            bouts: delays.iter().map(|_| BoutScores::new(ethogram)).collect(),
            recordings: vec![Vec::new(); delays.len()],
            ethogram: ethogram.clone(),
            delays: delays.to_vec(),
        }
    }

    /// Adds a recording at a delay, by its index: the bouts that were predicted, and the same as they were told.
    pub fn add(&mut self, delay: usize, annotated: &Annotated, predicted: &[Bout], told: &[Bout]) {
        self.frames[delay].add(&annotated.labels, predicted);
        let mut alone = FrameScores::new(&self.ethogram);
        alone.add(&annotated.labels, predicted);
        self.recordings[delay].push(RecordingTallies::new(&alone, &self.ethogram));
        self.bouts[delay].add(&annotated.labels, told, annotated.recording.stream.rate_hz());
    }

    pub fn ethogram(&self) -> &Ethogram {
        &self.ethogram
    }

    pub fn delays(&self) -> &[DelayTicks] {
        &self.delays
    }

    /// At a delay, by its index: the recordings in the order in which they were added.
    pub fn recordings(&self, delay: usize) -> &[RecordingTallies] {
        &self.recordings[delay]
    }

    /// At a delay, by its index.
    pub fn bouts(&self, delay: usize) -> &BoutScores {
        &self.bouts[delay]
    }

    /// F1 of a behavior at each delay.
    pub fn f1(&self, behavior: Behavior) -> Vec<f64> {
        self.frames.iter().map(|scores| scores.tally(behavior).f1()).collect()
    }

    /// Whether anybody looked for any behavior of a label set, by its index.
    pub fn is_asked(&self, set: usize) -> bool {
        self.frames.first().is_some_and(|scores| scores.is_asked(set))
    }

    /// Of the frames on which a directed behavior was told, how many those are on which it is true with the roles
    /// exchanged.
    fn exchanged(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let directed: Vec<Behavior> = self
            .ethogram
            .behaviors()
            .filter(|(_, _, spec)| spec.kind == Kind::Directed)
            .map(|(behavior, ..)| behavior)
            .collect();
        if directed.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nroles exchanged, of the frames told of directed behaviors:")?;
        for (delay, scores) in self.delays.iter().zip(&self.frames) {
            let told = |behavior: &Behavior| {
                let tally = scores.tally(*behavior);
                tally.true_positives + tally.false_positives
            };
            let told: u64 = directed.iter().map(told).sum();
            let exchanged: u64 = directed.iter().map(|behavior| scores.exchanged(*behavior)).sum();
            let percent = 100.0 * exchanged as f64 / told.max(1) as f64;
            writeln!(f, "  delay {:>2}: {exchanged} of {told} ({percent:.2}%)", delay.0)?;
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ethogram, delays, frames, bouts, .. } = self;
        let heads: Vec<String> = delays.iter().map(|delay| format!("F1@{}", delay.0)).collect();
        let at = delays.first().map_or(0, |delay| delay.0);
        let of = |f1: &dyn Fn(&FrameScores) -> f64| {
            frames.iter().map(|scores| format!("{:.3}", f1(scores))).collect::<Vec<_>>().join(" | ")
        };
        writeln!(
            f,
            "| label set | behavior | {} | bouts | hit@{at} | false/h@{at} | told s@{at} |",
            heads.join(" | ")
        )?;
        writeln!(f, "|---|---|{}---|---|---|---|", "---|".repeat(heads.len()))?;
        for (behavior, set, spec) in ethogram.behaviors().filter(|(_, set, _)| self.is_asked(*set)) {
            let Some(scores) = bouts.first() else { continue };
            let tally = scores.tally(behavior);
            let latency = tally.median_onset_latency_secs().map_or("–".into(), |secs| format!("{secs:.2}"));
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {:.1} | {latency} |",
                ethogram.label_sets()[set].name,
                spec.name,
                of(&|scores| scores.tally(behavior).f1()),
                tally.annotated,
                tally.hit,
                tally.false_per_hour(),
            )?;
        }
        for (index, set) in ethogram.label_sets().iter().enumerate().filter(|(index, _)| self.is_asked(*index)) {
            writeln!(f, "| {} | *mean* | {} | | | | |", set.name, of(&|scores| scores.set_f1(index)))?;
        }
        let means: Vec<String> = frames.iter().map(|scores| format!("**{:.3}**", scores.mean_f1())).collect();
        writeln!(f, "| *all* | *mean* | {} | | | | |", means.join(" | "))?;
        self.exchanged(f)
    }
}
