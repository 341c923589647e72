//! One cage from frame to transition: a plain value that does no IO and reads no clock.

mod memory;
mod room;
mod together;

use std::collections::VecDeque;
use std::sync::Arc;

use self::memory::Memory;
use self::room::Seat;
use crate::acquire::identity::Swap;
use crate::behavior::Cell;
use crate::buffer::ring::TickRing;
use crate::buffer::ticks::{Anchor, Refused, Ticked, Ticker, WHOLE_RATE_HZ};
use crate::model::bundle::Model;
use crate::model::inputs::InputsBuilder;
use crate::model::wiring::{UnknownPart, Wiring};
use crate::output::Transition;
use crate::poses::{Frame, Keypoint};
use crate::presence::Attended;
use crate::stream::StreamDescription;
use crate::time::Tick;

pub use self::room::{Room, Unit};
pub use self::together::{Turn, step_together};

/// Everything that is remembered of one cage. Opening it again is resetting it.
#[derive(Debug)]
pub struct Cage {
    stream: StreamDescription,
    wiring: Arc<Wiring>,
    cells: Vec<Cell>,
    ticker: Ticker,
    /// Where the network remembers the animals.
    seat: Seat,
    memory: Memory,
    /// What is left to do of the frame in hand; empty between frames.
    work: VecDeque<Work>,
    /// The tick at which the network failed, and what it would have said, once another network has seen it.
    stalled: Option<Tick>,
    rescued: Option<(Tick, Vec<f32>)>,
    /// What had come of the frame before that.
    unfinished: Option<Advance>,
    /// Reused between frames.
    ticked: Vec<Ticked>,
    in_body_lengths: Vec<Keypoint>,
}

/// A part of what a frame asks for, in order. Ticks wait for the network.
#[derive(Debug)]
enum Work {
    Tick {
        tick: Tick,
        keypoints: Vec<Keypoint>,
        capture_nanos: Option<i64>,
    },
    /// A tick behind the end of the stream, in which everything is missing.
    Beyond(Tick),
    /// The stream ends: what waits for later ticks is decided.
    End,
    /// The ticks behind the end were taken: every bout ends.
    Ended {
        last: Tick,
        decided: Tick,
    },
    /// Everything starts anew.
    Forget {
        is_reset: bool,
    },
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

impl Advance {
    /// What a later frame brought about, behind this.
    pub fn append(&mut self, later: Self) {
        self.transitions.extend(later.transitions);
        self.ticks += later.ticks;
        self.resets += later.resets;
        self.notes.extend(later.notes);
    }
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
    #[error("expected room for {expected} animals, got {got} free slots")]
    Full { expected: usize, got: usize },
    #[error("expected a room of model {expected}, got one of {got}")]
    OtherModel { expected: String, got: String },
    #[error("the network failed before, and was not rebuilt yet")]
    Suspended,
    #[error("the network failed: {0}")]
    Network(#[from] candle_core::Error),
}

impl CoreError {
    /// A short word to count refusals by.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.cause(),
            Self::UnknownPart(_) => "unknown-part",
            Self::Full { .. } => "full",
            Self::OtherModel { .. } => "other-model",
            Self::Suspended => "suspended",
            Self::Network(_) => "network",
        }
    }
}

impl Cage {
    /// A cage that has seen nothing yet, in a room of its own.
    ///
    /// # Errors
    /// A skeleton with parts that the model does not know.
    pub fn open(model: Arc<Model>, stream: &StreamDescription) -> Result<Self, CoreError> {
        Self::open_in(&Room::new(model, stream.individuals().len())?, stream)
    }

    /// A cage that has seen nothing yet, among others that may step together with it.
    ///
    /// # Errors
    /// A skeleton with parts that the model does not know, and a room without enough free slots.
    pub fn open_in(room: &Arc<Room>, stream: &StreamDescription) -> Result<Self, CoreError> {
        let individuals = stream.individuals().len();
        let wiring = room.wiring(stream)?;
        let seat = room.seat(individuals)?.ok_or(CoreError::Full { expected: individuals, got: room.free() })?;
        Ok(Self {
            wiring,
            cells: room.model().ethogram().cells(individuals),
            ticker: Ticker::new(stream),
            memory: Memory::fresh(room.model(), stream),
            seat,
            work: VecDeque::new(),
            stalled: None,
            rescued: None,
            unfinished: None,
            ticked: Vec::new(),
            in_body_lengths: Vec::with_capacity(stream.point_count()),
            stream: stream.clone(),
        })
    }

    /// Before the first frame: the cage begins one tick earlier, with a tick in which everything is missing. The
    /// half-rate middle of the network then works at the other ticks than in a cage that begins with the same frame, and
    /// the two cost alike together. False, and nothing is changed, where frames are no ticks or the first frame's number
    /// is 0.
    pub fn begin_one_tick_before(&mut self, first: u64) -> bool {
        if !WHOLE_RATE_HZ.contains(&self.stream.rate_hz()) || self.ticker.anchor().is_some() {
            return false;
        }
        let Some(before) = first.checked_sub(1) else { return false };
        self.ticker.resume(Anchor { base: before, next: 0, newest: before });
        true
    }

    /// A cage that goes on where another one of the same stream stopped, with what it would have known: the network
    /// has seen the ticks of `past`, and tick numbers go on. The bouts that ran are not known any more; whatever still
    /// happens begins anew.
    ///
    /// # Errors
    /// As [`Cage::open_in`], and a failing network.
    pub fn resume(room: &Arc<Room>, stream: &StreamDescription, past: &Past) -> Result<Self, CoreError> {
        let mut cage = Self::open_in(room, stream)?;
        cage.memory.replay(&mut cage.seat, &cage.wiring, &past.ring, past.anchor.next)?;
        if past.settled {
            cage.memory.decoder.begin(Tick(past.anchor.next));
        }
        cage.ticker.resume(past.anchor);
        Ok(cage)
    }

    /// Goes on in a room of another model, whose state is rebuilt from the last ticks. Bouts that run end, with the
    /// numbers of all bouts going on; what still happens begins anew, decided by the new model.
    ///
    /// # Errors
    /// As [`Cage::open_in`], or a failing network; the cage is then as before.
    pub fn replace_model(&mut self, room: &Arc<Room>) -> Result<Advance, CoreError> {
        let Self { mut memory, mut seat, wiring, cells, .. } = Self::open_in(room, &self.stream)?;
        let ticks = self.memory.newest.map_or(0, |newest| newest.0 + 1);
        memory.replay(&mut seat, &wiring, &self.memory.ring, ticks)?;
        let mut advance = Advance::default();
        self.memory.end_at_once(&mut advance.transitions);
        memory.succeed(&self.memory);
        (self.seat, self.memory, self.wiring, self.cells) = (seat, memory, wiring, cells);
        Ok(advance)
    }

    /// Goes on in another room of the same model, whose state is rebuilt from the last ticks: for a room whose network
    /// failed. Bouts go on as they were. The tick at which it failed is part of what is rebuilt; [`Turn::resume`] tells
    /// what comes of it.
    ///
    /// # Errors
    /// As [`Cage::open_in`], a room of another model, or a network that fails here, too; the cage is then as before.
    pub fn move_to(&mut self, room: &Arc<Room>) -> Result<(), CoreError> {
        let (expected, got) = (self.model().hash(), room.model().hash());
        if expected != got {
            return Err(CoreError::OtherModel { expected: expected.to_owned(), got: got.to_owned() });
        }
        let wiring = room.wiring(&self.stream)?;
        let individuals = self.stream.individuals().len();
        let mut seat = room.seat(individuals)?.ok_or(CoreError::Full { expected: individuals, got: room.free() })?;
        let newest = self.stalled.or(self.memory.newest);
        let ticks = newest.map_or(0, |newest| newest.0 + 1);
        // Only the network's state is wanted of it.
        let mut through = Memory::fresh(room.model(), &self.stream);
        let scores = through.replay(&mut seat, &wiring, &self.memory.ring, ticks)?;
        self.rescued = self.stalled.take().zip(scores);
        (self.seat, self.wiring) = (seat, wiring);
        Ok(())
    }

    pub fn stream(&self) -> &StreamDescription {
        &self.stream
    }

    /// What the network runs on.
    pub fn unit(&self) -> &Unit {
        self.seat.room().unit()
    }

    pub fn model(&self) -> &Arc<Model> {
        self.seat.room().model()
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
        let mut turn = [Turn::push(self, frame, watch)];
        step_together(&mut turn);
        let [turn] = turn;
        turn.finish()
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
        let mut turn = [Turn::flush(self, watch)];
        step_together(&mut turn);
        let [turn] = turn;
        turn.finish()
    }

    /// Takes a frame in and lays out the work that it asks for.
    fn begin(&mut self, frame: &Frame) -> Result<Advance, CoreError> {
        let taken = self.ticker.push(frame, &mut self.ticked);
        let identified = match taken {
            Ok(identified) => identified,
            Err(refused) => {
                self.ticked.clear();
                return Err(refused.into());
            }
        };
        self.memory.identity_next = identified.confidence;
        self.lay_out();
        let notes = identified.swaps.into_iter().map(Note::Swapped).collect();
        Ok(Advance { notes, ..Advance::default() })
    }

    fn begin_flush(&mut self) -> Advance {
        self.ticker.flush(&mut self.ticked);
        self.lay_out();
        self.work.extend([Work::End, Work::Forget { is_reset: false }]);
        Advance::default()
    }

    fn lay_out(&mut self) {
        // A network that failed may have left work behind.
        self.work.clear();
        (self.stalled, self.rescued, self.unfinished) = (None, None, None);
        for ticked in self.ticked.drain(..) {
            match ticked {
                Ticked::Reset => self.work.extend([Work::End, Work::Forget { is_reset: true }]),
                Ticked::Tick { tick, keypoints, capture_nanos } => {
                    self.work.push_back(Work::Tick { tick, keypoints, capture_nanos });
                }
            }
        }
    }

    /// Whether both cages can step at once.
    fn steps_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.seat.room(), other.seat.room()) && Arc::ptr_eq(&self.wiring, &other.wiring)
    }

    /// For the inputs of a group of such cages.
    fn inputs(&self) -> InputsBuilder {
        InputsBuilder::new(self.wiring.individuals, self.wiring.keypoints)
    }

    /// Does what needs no network. Gives the next tick that does, once its features are among `inputs`; `None` when the
    /// work is done.
    fn prepare(&mut self, advance: &mut Advance, inputs: &mut InputsBuilder) -> Result<Option<Tick>, CoreError> {
        while let Some(work) = self.work.pop_front() {
            match work {
                Work::Tick { tick, keypoints, capture_nanos } => {
                    self.memory.capture_nanos = capture_nanos;
                    self.memory.newest = Some(tick);
                    self.see(&keypoints, advance, inputs);
                    return Ok(Some(tick));
                }
                Work::Beyond(tick) => {
                    let missing = vec![Keypoint::MISSING; self.stream.point_count()];
                    self.see(&missing, advance, inputs);
                    return Ok(Some(tick));
                }
                Work::End => {
                    if let Some(last) = self.memory.newest {
                        self.memory.decoder.end(last);
                        let longest = self.model().delays().iter().map(|delay| delay.0).max().unwrap_or(0);
                        let decided = Tick(last.0 + u64::from(longest));
                        self.work.push_front(Work::Ended { last, decided });
                        (last.0 + 1..=decided.0).rev().for_each(|tick| self.work.push_front(Work::Beyond(Tick(tick))));
                    }
                }
                Work::Ended { last, decided } => {
                    self.memory.flush(decided, last, &mut advance.transitions);
                    self.memory.newest = None;
                }
                Work::Forget { is_reset } => {
                    self.memory.forget(self.seat.room().model(), &self.stream);
                    advance.resets += u32::from(is_reset);
                    // Last, as it may fail: a seat in another room is new anyway.
                    self.seat.clear()?;
                }
            }
        }
        Ok(None)
    }

    /// Takes in the points of a tick, in the stream's units.
    fn see(&mut self, keypoints: &[Keypoint], advance: &mut Advance, inputs: &mut InputsBuilder) {
        let scale = (1.0 / self.stream.body_length_px()) as f32;
        let confidence_min = self.model().card().confidence_min;
        self.in_body_lengths.clear();
        self.in_body_lengths.extend(
            keypoints
                .iter()
                .map(|point| Keypoint::observed(point.x, point.y, point.confidence, confidence_min).scaled(scale)),
        );
        self.memory.see(&self.in_body_lengths, inputs, &mut |note| advance.notes.push(note));
    }

    /// Decides on the scores of a tick, D × N.
    fn conclude(&mut self, tick: Tick, scores: &mut [f32], advance: &mut Advance, watch: &mut dyn FnMut(Tick, &[f32])) {
        let told_before = advance.transitions.len();
        let memory = &mut self.memory;
        memory.presence.mask(self.seat.room().model().delays(), &self.cells, scores);
        watch(tick, scores);
        memory.decoder.push(tick, scores, &mut advance.transitions);
        memory.settle(tick, told_before, &mut advance.transitions);
        advance.ticks += 1;
    }
}
