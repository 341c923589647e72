//! One cage from frame to transition: a plain value that does no IO and reads no clock.

mod memory;

use std::sync::Arc;

use candle_core::Tensor;

use self::memory::Memory;
use crate::acquire::identity::Swap;
use crate::behavior::Cell;
use crate::buffer::ring::TickRing;
use crate::buffer::ticks::Anchor;
use crate::buffer::ticks::{Refused, Ticked, Ticker};
use crate::model::bundle::Model;
use crate::model::device::device;
use crate::model::ops::kernels::sigmoid;
use crate::model::wiring::{UnknownPart, Wiring};
use crate::output::Transition;
use crate::poses::{Frame, Keypoint};
use crate::presence::Attended;
use crate::stream::StreamDescription;
use crate::time::Tick;

/// Everything that is remembered of one cage. Opening it again is resetting it.
#[derive(Debug)]
pub struct Cage {
    model: Arc<Model>,
    stream: StreamDescription,
    wiring: Wiring,
    cells: Vec<Cell>,
    ticker: Ticker,
    memory: Memory,
    /// Reused between frames.
    ticked: Vec<Ticked>,
    in_body_lengths: Vec<Keypoint>,
}

/// What a frame brought about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advance {
    pub transitions: Vec<Transition>,
    /// Steps that the network took.
    pub ticks: u32,
    /// Gaps so long that everything started anew.
    pub resets: u32,
    pub notes: Vec<Note>,
}

/// Something about a cage that is no behavior, but that whoever relies on its verdicts has to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    Attended(Attended),
    /// Animals may have exchanged their names.
    Swapped(Swap),
    /// The history of every animal that is there has become long enough, see [`Model::warm_ticks`], or no longer is.
    Warm(bool),
    /// What is out of the model's range from now on, in words with what was got and expected; empty when all is within
    /// again.
    Range(Vec<String>),
}

/// What a cage needs to go on where another one stopped: see [`Cage::resume`].
#[derive(Clone, Debug)]
pub struct Past {
    pub anchor: Anchor,
    /// The last ticks, in body lengths.
    pub ring: TickRing,
    /// Every delay has spoken about all of them, and none speaks of them again.
    pub settled: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    UnknownPart(#[from] UnknownPart),
    #[error("the network failed: {0}")]
    Network(#[from] candle_core::Error),
}

impl CoreError {
    /// A short word to count refusals by.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.cause(),
            Self::UnknownPart(_) => "unknown-part",
            Self::Network(_) => "network",
        }
    }
}

impl Cage {
    /// A cage that has seen nothing yet.
    ///
    /// # Errors
    /// A skeleton with parts that the model does not know.
    pub fn open(model: Arc<Model>, stream: &StreamDescription) -> Result<Self, CoreError> {
        let individuals = stream.individuals().len();
        let parts = model.card().vocabulary.indices(stream.skeleton())?;
        let wiring = Wiring::new(stream.skeleton(), parts, individuals, model.ethogram(), &device())?;
        Ok(Self {
            wiring,
            cells: model.ethogram().cells(individuals),
            ticker: Ticker::new(stream),
            memory: Memory::fresh(&model, stream)?,
            ticked: Vec::new(),
            in_body_lengths: Vec::with_capacity(stream.point_count()),
            stream: stream.clone(),
            model,
        })
    }

    /// A cage that goes on where another one of the same stream stopped, with what it would have known: the network
    /// has seen the ticks of `past`, and tick numbers go on. The bouts that ran are not known any more; whatever still
    /// happens begins anew.
    ///
    /// # Errors
    /// As [`Cage::open`], and a failing network.
    pub fn resume(model: Arc<Model>, stream: &StreamDescription, past: &Past) -> Result<Self, CoreError> {
        let mut cage = Self::open(model, stream)?;
        cage.memory.replay(&cage.model, &cage.wiring, &past.ring, past.anchor.next)?;
        if past.settled {
            cage.memory.decoder.begin(Tick(past.anchor.next));
        }
        cage.ticker.resume(past.anchor);
        Ok(cage)
    }

    /// Goes on with another model, whose state is rebuilt from the last ticks. Bouts that run end, with the numbers of
    /// all bouts going on; what still happens begins anew, decided by the new model.
    ///
    /// # Errors
    /// A skeleton with parts that the new model does not know, or a failing network; the cage is then as before.
    pub fn replace_model(&mut self, model: Arc<Model>) -> Result<Advance, CoreError> {
        let parts = model.card().vocabulary.indices(self.stream.skeleton())?;
        let individuals = self.stream.individuals().len();
        let wiring = Wiring::new(self.stream.skeleton(), parts, individuals, model.ethogram(), &device())?;
        let mut memory = Memory::fresh(&model, &self.stream)?;
        let ticks = self.memory.newest.map_or(0, |newest| newest.0 + 1);
        memory.replay(&model, &wiring, &self.memory.ring, ticks)?;
        let mut advance = Advance::default();
        self.memory.end_at_once(&mut advance.transitions);
        memory.succeed(&self.memory);
        self.cells = model.ethogram().cells(individuals);
        (self.memory, self.wiring, self.model) = (memory, wiring, model);
        Ok(advance)
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The last ticks, in body lengths.
    pub fn ring(&self) -> &TickRing {
        &self.memory.ring
    }

    /// Where the ticks lie among the frames; `None` before the first.
    pub fn anchor(&self) -> Option<Anchor> {
        self.ticker.anchor()
    }

    /// The shortest history of the animals that are there, in ticks.
    pub fn history_ticks(&self) -> u32 {
        self.memory.attendance.shortest_ticks()
    }

    /// What scores are about, in their order.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// Takes a frame as far as its ticks allow.
    ///
    /// # Errors
    /// A refused frame changes nothing. A failing network leaves the cage to be opened anew.
    pub fn push(&mut self, frame: &Frame) -> Result<Advance, CoreError> {
        self.push_watched(frame, &mut |_, _| {})
    }

    /// As [`Cage::push`]; `watch` sees the scores of every tick: D × N in the order of the model's delays and of
    /// [`Cage::cells`]. The score of delay D is about the tick D before.
    pub fn push_watched(&mut self, frame: &Frame, watch: &mut dyn FnMut(Tick, &[f32])) -> Result<Advance, CoreError> {
        let mut ticked = std::mem::take(&mut self.ticked);
        let taken = self.ticker.push(frame, &mut ticked);
        let advance = taken.map_err(CoreError::from).and_then(|identified| {
            self.memory.identity_next = identified.confidence;
            let mut advance = self.take_ticks(&ticked, watch)?;
            advance.notes.extend(identified.swaps.into_iter().map(Note::Swapped));
            Ok(advance)
        });
        ticked.clear();
        self.ticked = ticked;
        advance
    }

    /// The end of the stream: takes the ticks that waited for another frame, then as many missing ones as the longest
    /// delay needs to speak about the last real one, and ends every bout. Afterwards the cage is as new, but for the
    /// numbers of its bouts.
    ///
    /// # Errors
    /// A failing network.
    pub fn flush(&mut self) -> Result<Advance, CoreError> {
        self.flush_watched(&mut |_, _| {})
    }

    /// As [`Cage::flush`], with the scores of the ticks on the way.
    pub fn flush_watched(&mut self, watch: &mut dyn FnMut(Tick, &[f32])) -> Result<Advance, CoreError> {
        let mut ticked = Vec::new();
        self.ticker.flush(&mut ticked);
        let mut advance = self.take_ticks(&ticked, watch)?;
        self.end_bouts(&mut advance, watch)?;
        self.memory.forget(&self.model, &self.stream)?;
        Ok(advance)
    }

    fn take_ticks(&mut self, ticked: &[Ticked], watch: &mut dyn FnMut(Tick, &[f32])) -> Result<Advance, CoreError> {
        let mut advance = Advance::default();
        for ticked in ticked {
            match ticked {
                Ticked::Reset => {
                    self.end_bouts(&mut advance, watch)?;
                    self.memory.forget(&self.model, &self.stream)?;
                    advance.resets += 1;
                }
                Ticked::Tick { tick, keypoints, capture_nanos } => {
                    self.memory.capture_nanos = *capture_nanos;
                    self.step(*tick, keypoints, &mut advance, watch)?;
                    self.memory.newest = Some(*tick);
                }
            }
        }
        Ok(advance)
    }

    fn step(
        &mut self,
        tick: Tick,
        keypoints: &[Keypoint],
        advance: &mut Advance,
        watch: &mut dyn FnMut(Tick, &[f32]),
    ) -> Result<(), CoreError> {
        let told_before = advance.transitions.len();
        let scale = (1.0 / self.stream.body_length_px()) as f32;
        let confidence_min = self.model.card().confidence_min;
        self.in_body_lengths.clear();
        self.in_body_lengths.extend(
            keypoints
                .iter()
                .map(|point| Keypoint::observed(point.x, point.y, point.confidence, confidence_min).scaled(scale)),
        );
        let memory = &mut self.memory;
        let inputs = memory.see(&self.in_body_lengths, &self.wiring, &mut |note| advance.notes.push(note))?;
        let logits = self.model.network().step(&inputs, &self.wiring, &mut memory.network)?;
        let mut scores = scores_of(&logits)?;
        memory.presence.mask(self.model.delays(), &self.cells, &mut scores);
        watch(tick, &scores);
        memory.decoder.push(tick, &scores, &mut advance.transitions);
        memory.settle(tick, told_before, &mut advance.transitions);
        advance.ticks += 1;
        Ok(())
    }

    fn end_bouts(&mut self, advance: &mut Advance, watch: &mut dyn FnMut(Tick, &[f32])) -> Result<(), CoreError> {
        let Some(last) = self.memory.newest else { return Ok(()) };
        self.memory.decoder.end(last);
        let longest = self.model.delays().iter().map(|delay| delay.0).max().unwrap_or(0);
        let missing = vec![Keypoint::MISSING; self.stream.point_count()];
        for beyond in 1..=u64::from(longest) {
            self.step(Tick(last.0 + beyond), &missing, advance, watch)?;
        }
        self.memory.flush(Tick(last.0 + u64::from(longest)), last, &mut advance.transitions);
        self.memory.newest = None;
        Ok(())
    }
}

/// Scores within [0, 1] of the logits of one tick.
fn scores_of(logits: &Tensor) -> Result<Vec<f32>, candle_core::Error> {
    let mut scores = logits.flatten_all()?.to_vec1::<f32>()?;
    for score in &mut scores {
        *score = sigmoid(*score);
    }
    Ok(scores)
}
