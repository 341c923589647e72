//! What a trained system is worth: bouts and times through the live core, triggers by the scores of whole sessions.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;

use crate::behavior::{Behavior, BehaviorSpec};
use crate::commands::corpora::Part;
use crate::commands::evaluate;
use crate::compare::{BoutOutcome, FORMAT, LabelSetNames, Outcome, RecordingOutcome, TriggerOutcome, counts_of};
use crate::core::Cage;
use crate::corpus::session::Session;
use crate::corpus::{Annotated, Corpus, Recording};
use crate::model::Model;
use crate::model::bundle::{CARD_FILE, Card};
use crate::model::device::one_thread_pool;
use crate::model::forest::INDEX_FILE;
use crate::model::trust::{TriggerAdvice, TriggerChoice};
use crate::model::weights::{WEIGHTS_FILE, Weights};
use crate::score::triggers::TriggerTally;
use crate::time::DelayTicks;
use crate::train::fit::{FALSE_PER_HOUR, measure_trigger};
use crate::train::rules::SessionScores;
use crate::train::validate::{self, Answering, Quality};

/// False triggers an hour of an animal or pair that are allowed on validation: one in ten minutes.
pub const FALSE_PER_HOUR_MAX: f64 = FALSE_PER_HOUR[1];

/// Frames before the clock starts, frames that are timed at once, and how often at most.
const WARMUP_FRAMES: usize = 600;
const TIMED_FRAMES: usize = 1000;
const TIMINGS_MAX: usize = 9;

/// Recordings to score systems on, and those that they were chosen by.
pub struct Scored<'a> {
    pub corpus: &'a Corpus,
    pub recordings: &'a [Annotated],
    /// The same in ticks.
    pub sessions: &'a [Session],
    pub validation: &'a [Session],
    pub part: Part,
    pub threads: usize,
}

impl Scored<'_> {
    /// All of an outcome but how the model was trained.
    ///
    /// # Errors
    /// A model of other label sets, and one that was trained on these recordings.
    pub fn measure(&self, model: &Arc<Model>, directory: &Path) -> anyhow::Result<Outcome> {
        let (ethogram, delays) = (model.ethogram(), model.delays());
        let table = evaluate::of_annotated(model, self.corpus.ethogram(), self.corpus.name(), self.recordings)?;
        let answering = Answering::of(model);
        let scores = validate::scores(answering, self.sessions, self.threads)?;
        let validated = validate::scores(answering, self.validation, self.threads)?;
        let recording = |(index, annotated): (usize, &Annotated)| RecordingOutcome {
            name: annotated.recording.name.clone(),
            asked: table.recordings(0)[index].asked.clone(),
            frames: (0..delays.len())
                .map(|delay| table.recordings(delay)[index].tallies.iter().copied().map(counts_of).collect())
                .collect(),
        };
        let bouts = |delay: usize| {
            ethogram.behaviors().map(|(behavior, ..)| of_bouts(table.bouts(delay).tally(behavior))).collect()
        };
        let card = model.card();
        Ok(Outcome {
            format: FORMAT,
            system: card.architecture.system().to_string(),
            seed: card.provenance.seed,
            fingerprint: String::new(),
            part: format!("{:?}", self.part).to_lowercase(),
            delays_ticks: delays.iter().map(|delay| delay.0).collect(),
            label_sets: ethogram
                .label_sets()
                .iter()
                .map(|set| LabelSetNames {
                    name: set.name.clone(),
                    behaviors: set.behaviors.iter().map(|behavior| behavior.name.clone()).collect(),
                })
                .collect(),
            recordings: self.recordings.iter().enumerate().map(recording).collect(),
            bouts: (0..delays.len()).map(bouts).collect(),
            triggers: self.triggers(card, model, &scores),
            cpu_micros_per_tick: cpu_micros_per_tick(model, &self.longest().recording)?,
            bytes: bytes(directory, model.weights())?,
            training_secs: 0.0,
            recipe: String::new(),
            chosen_at: card.provenance.epochs,
            validation_f1: Quality::of(self.validation, &validated, ethogram, delays).mean,
        })
    }

    /// The triggers that the card advises for [`FALSE_PER_HOUR_MAX`], by delay and behavior.
    fn triggers(&self, card: &Card, model: &Model, scores: &[SessionScores]) -> Vec<Vec<Option<TriggerOutcome>>> {
        let ethogram = model.ethogram();
        let of_delay = |(index, delay): (usize, DelayTicks)| {
            let of_behavior = |(behavior, set, spec): (Behavior, usize, &BehaviorSpec)| {
                let of_set = card.triggers.get(&ethogram.label_sets()[set].name)?;
                let advice: &TriggerAdvice = of_set.get(&spec.name)?.get(index)?;
                let is_asked = |choice: &&TriggerChoice| choice.false_per_hour_max == FALSE_PER_HOUR_MAX;
                let rule = advice.choices.iter().find(is_asked).filter(|_| advice.unfit.is_none())?.rule;
                Some(of_trigger(&measure_trigger(self.sessions, scores, (index, delay), behavior, rule)))
            };
            ethogram.behaviors().map(of_behavior).collect()
        };
        model.delays().iter().copied().enumerate().map(of_delay).collect()
    }

    fn longest(&self) -> &Annotated {
        let longest = self.recordings.iter().max_by_key(|annotated| annotated.recording.frames.len());
        longest.unwrap_or_else(|| unreachable!("at least one recording is scored"))
    }
}

fn of_bouts(tally: &crate::score::BoutTally) -> BoutOutcome {
    BoutOutcome {
        annotated: tally.annotated,
        hit: tally.hit,
        told: tally.told,
        false_bouts: tally.false_bouts,
        false_per_hour: tally.false_per_hour(),
        onset_latency_median_secs: tally.median_onset_latency_secs(),
    }
}

fn of_trigger(tally: &TriggerTally) -> TriggerOutcome {
    TriggerOutcome {
        false_per_hour_max: FALSE_PER_HOUR_MAX,
        bouts: tally.bouts,
        hits: tally.hits,
        false_per_hour: tally.false_per_hour(),
        latency_median_secs: tally.median_latency_secs(),
        latency_95_secs: tally.latency_95_secs(),
    }
}

/// Processor time of a tick of one cage, from frame to event: the median of several stretches of a recording.
fn cpu_micros_per_tick(model: &Arc<Model>, recording: &Recording) -> anyhow::Result<f64> {
    one_thread_pool("time")?.install(|| {
        let mut cage = Cage::open(Arc::clone(model), &recording.stream)?;
        let frames = &recording.frames;
        let (warm, timed) = frames.split_at(WARMUP_FRAMES.min(frames.len() / 2));
        for frame in warm {
            // A frame that is refused here is refused when it is scored, where it is told.
            let _ = cage.push(frame);
        }
        let mut micros = Vec::new();
        for frames in timed.chunks(TIMED_FRAMES.min(timed.len().max(1))).take(TIMINGS_MAX) {
            let (passed, ran, mut ticks) = (Instant::now(), thread_secs(), 0);
            for frame in frames {
                ticks += cage.push(frame).map_or(0, |advance| advance.ticks);
            }
            let ran = thread_secs().zip(ran).map(|(now, then)| now - then);
            let secs = ran.filter(|secs| *secs > 0.0).unwrap_or_else(|| passed.elapsed().as_secs_f64());
            // A rest of a stretch is too short to be timed.
            if ticks > 0 && (frames.len() >= TIMED_FRAMES / 2 || micros.is_empty()) {
                micros.push(secs * 1e6 / f64::from(ticks));
            }
        }
        micros.sort_unstable_by(f64::total_cmp);
        micros.get(micros.len() / 2).copied().with_context(|| format!("{}: no ticks to time", recording.name))
    })
}

/// Seconds that this thread has run, where the system tells.
fn thread_secs() -> Option<f64> {
    // What it tells is brought up to date when the thread is put aside.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanos / 1e9)
}

/// Of a model's card and weights.
fn bytes(directory: &Path, weights: &Weights) -> anyhow::Result<u64> {
    let mut files = vec![CARD_FILE];
    match weights {
        Weights::Tensors(_) => files.push(WEIGHTS_FILE),
        Weights::Forest(forest) => {
            files.push(INDEX_FILE);
            files.extend(forest.boosters().iter().map(|booster| booster.name.as_str()));
        }
        Weights::Ensemble(_) => unreachable!("ensembles are not trained, and so not compared"),
    }
    let size = |file: &str| {
        let path = directory.join(file);
        std::fs::metadata(&path).map(|metadata| metadata.len()).with_context(|| path.display().to_string())
    };
    files.into_iter().map(size).sum()
}
