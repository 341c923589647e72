//! One cage from frame to transition: a plain value that does no IO and reads no clock.

use std::sync::Arc;

use candle_core::Tensor;

use crate::behavior::Cell;
use crate::buffer::ring::TickRing;
use crate::buffer::ticks::{Refused, Ticked, Ticker};
use crate::features::Extractor;
use crate::model::backbone::BackboneState;
use crate::model::bundle::Model;
use crate::model::device::device;
use crate::model::inputs::InputsBuilder;
use crate::model::ops::kernels::sigmoid;
use crate::model::wiring::{UnknownPart, Wiring};
use crate::output::Transition;
use crate::output::decoder::Decoder;
use crate::poses::{Frame, Keypoint};
use crate::presence::Presence;
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

/// What a reset starts anew.
#[derive(Debug)]
struct Memory {
    ring: TickRing,
    extractor: Extractor,
    network: BackboneState,
    presence: Presence,
    decoder: Decoder,
    newest: Option<Tick>,
    /// Of the newest real tick.
    capture_nanos: Option<i64>,
}

/// What a frame brought about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Advance {
    pub transitions: Vec<Transition>,
    /// Steps that the network took.
    pub ticks: u32,
    /// Gaps so long that everything started anew.
    pub resets: u32,
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
            Self::UnknownPart(_) => "unknown part",
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
        let advance = taken.map_err(CoreError::from).and_then(|()| self.take_ticks(&ticked, watch));
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
        let Memory { ring, extractor, network, presence, decoder, capture_nanos, .. } = &mut self.memory;
        let told_before = advance.transitions.len();
        let scale = (1.0 / self.stream.body_length_px()) as f32;
        let confidence_min = self.model.card().confidence_min;
        self.in_body_lengths.clear();
        self.in_body_lengths.extend(
            keypoints
                .iter()
                .map(|point| Keypoint::observed(point.x, point.y, point.confidence, confidence_min).scaled(scale)),
        );
        ring.push(&self.in_body_lengths);
        let mut inputs = InputsBuilder::new(self.wiring.individuals, self.wiring.keypoints);
        inputs.push(extractor.advance(ring));
        let inputs = inputs.finish(1, 1, &device())?;
        let logits = self.model.network().step(&inputs, &self.wiring, network)?;
        let mut scores = scores_of(&logits)?;
        presence.push(&self.in_body_lengths);
        presence.mask(self.model.delays(), &self.cells, &mut scores);
        watch(tick, &scores);
        decoder.push(tick, &scores, &mut advance.transitions);
        for transition in &mut advance.transitions[told_before..] {
            transition.decided_capture_nanos = *capture_nanos;
        }
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
        let told_before = advance.transitions.len();
        self.memory.decoder.flush(Tick(last.0 + u64::from(longest)), last, &mut advance.transitions);
        for transition in &mut advance.transitions[told_before..] {
            transition.decided_capture_nanos = self.memory.capture_nanos;
        }
        self.memory.newest = None;
        Ok(())
    }
}

impl Memory {
    fn fresh(model: &Model, stream: &StreamDescription) -> Result<Self, CoreError> {
        let individuals = stream.individuals().len();
        Ok(Self {
            ring: TickRing::new(stream.point_count()),
            extractor: Extractor::new(stream.skeleton().clone(), individuals),
            network: model.network().zero_state(1, individuals, &device())?,
            presence: Presence::new(individuals, stream.skeleton().keypoints().len(), model.delays()),
            decoder: Decoder::new(model.ethogram(), individuals, model.delays(), model.rules()),
            newest: None,
            capture_nanos: None,
        })
    }

    /// Starts anew but for the numbers of the bouts, which go on.
    fn forget(&mut self, model: &Model, stream: &StreamDescription) -> Result<(), CoreError> {
        let decoder = self.decoder.clone();
        *self = Self { decoder, ..Self::fresh(model, stream)? };
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
