//! What a cage remembers, and what a reset starts anew.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Note;
use super::room::Seat;
use crate::behavior::{Individual, Subject};
use crate::buffer::ring::TickRing;
use crate::features::Extractor;
use crate::features::range::{Outside, Quantity, RangeWatch};
use crate::model::bundle::Model;
use crate::model::inputs::InputsBuilder;
use crate::model::ops::kernels::sigmoid_all;
use crate::model::wiring::Wiring;
use crate::output::Transition;
use crate::output::decoder::Decoder;
use crate::output::ledger::Ledger;
use crate::poses::Keypoint;
use crate::presence::{Attendance, Presence};
use crate::skeleton::INDIVIDUALS_MAX;
use crate::stream::StreamDescription;
use crate::time::{Tick, WINDOW_TICKS};

#[derive(Debug)]
pub(super) struct Memory {
    pub ring: TickRing,
    pub extractor: Extractor,
    pub presence: Presence,
    pub attendance: Attendance,
    pub decoder: Decoder,
    pub ledger: Ledger,
    pub range: Option<RangeWatch>,
    pub newest: Option<Tick>,
    /// Of the newest real tick.
    pub capture_nanos: Option<i64>,
    /// Confidence of every slot at the last ticks, newest first, at most [`WINDOW_TICKS`]; and at the one that comes.
    pub identity: VecDeque<[f32; INDIVIDUALS_MAX]>,
    pub identity_next: [f32; INDIVIDUALS_MAX],
    warm_ticks: u32,
    warm: bool,
    /// Whose quantities are out of range, as it was told last.
    outside: Vec<(Quantity, Option<Individual>, Option<String>)>,
    until_range: u32,
}

/// How often a cage's input is held against the model's range.
const RANGE_TICKS: u32 = 30;

impl Memory {
    pub fn fresh(model: &Model, stream: &StreamDescription) -> Self {
        let (individuals, keypoints) = (stream.individuals().len(), stream.skeleton().keypoints().len());
        let range = model.card().range.as_ref();
        Self {
            ring: TickRing::new(stream.point_count()),
            extractor: Extractor::new(
                stream.skeleton().clone(),
                individuals,
                model.card().architecture.has_statistics(),
            ),
            presence: Presence::new(individuals, keypoints, model.delays()),
            attendance: Attendance::new(individuals, keypoints),
            decoder: Decoder::new(model.ethogram(), individuals, model.delays(), model.rules()),
            ledger: Ledger::new(model.delays(), model.rules()),
            range: range.map(|range| RangeWatch::new(range, stream.skeleton(), individuals)),
            newest: None,
            capture_nanos: None,
            identity: VecDeque::with_capacity(WINDOW_TICKS),
            identity_next: [1.0; INDIVIDUALS_MAX],
            warm_ticks: model.warm_ticks(),
            warm: false,
            outside: Vec::new(),
            until_range: RANGE_TICKS,
        }
    }

    /// Starts anew but for the numbers of the bouts, which go on.
    pub fn forget(&mut self, model: &Model, stream: &StreamDescription) {
        let ledger = self.ledger.clone();
        *self = Self { ledger, ..Self::fresh(model, stream) };
    }

    /// Takes in a tick of I × K points in body lengths, and adds what the network reads of it to `inputs`.
    pub fn see(&mut self, points: &[Keypoint], inputs: &mut InputsBuilder, note: &mut dyn FnMut(Note)) {
        self.ring.push(points);
        self.presence.push(points);
        self.attendance.push(points, |attended| note(Note::Attended(attended)));
        if self.identity.len() == WINDOW_TICKS {
            self.identity.pop_back();
        }
        self.identity.push_front(self.identity_next);
        let warm = self.attendance.shortest_ticks() >= self.warm_ticks;
        if warm != self.warm {
            self.warm = warm;
            note(Note::Warm(warm));
        }
        inputs.push(self.extractor.advance(&self.ring));
        self.look_at_range(points, note);
    }

    /// Says which quantities left the model's range and which came back, looking once a second.
    fn look_at_range(&mut self, points: &[Keypoint], note: &mut dyn FnMut(Note)) {
        let Some(range) = &mut self.range else { return };
        range.tick(points);
        self.until_range -= 1;
        if self.until_range > 0 {
            return;
        }
        self.until_range = RANGE_TICKS;
        let subject = |outside: &Outside| (outside.quantity, outside.individual, outside.part.map(str::to_owned));
        let subjects: Vec<_> = range.outside().map(|outside| subject(&outside)).collect();
        if subjects != self.outside {
            note(Note::Range(range.outside().map(|outside| outside.to_string()).collect()));
            self.outside = subjects;
        }
    }

    /// Gives the new transitions of a tick, those from `told_before` on, the numbers that hold across delays, and what
    /// the decoder does not know.
    pub fn settle(&mut self, decided: Tick, told_before: usize, transitions: &mut Vec<Transition>) {
        let mut new = transitions.split_off(told_before);
        self.ledger.take(decided, &mut new);
        self.complete(&mut new);
        transitions.append(&mut new);
    }

    /// The end of a stream: ends every bout, see [`Decoder::flush`].
    pub fn flush(&mut self, decided: Tick, last: Tick, transitions: &mut Vec<Transition>) {
        let mut new = Vec::new();
        self.decoder.flush(decided, last, &mut new);
        self.ledger.flush(decided, &mut new);
        self.complete(&mut new);
        transitions.append(&mut new);
    }

    /// Ends every bout with what every delay has seen of it by now.
    pub fn end_at_once(&mut self, transitions: &mut Vec<Transition>) {
        if let Some(newest) = self.newest {
            self.flush(newest, newest, transitions);
        }
    }

    fn complete(&self, transitions: &mut [Transition]) {
        for transition in transitions {
            transition.decided_capture_nanos = self.capture_nanos;
            transition.history_ticks = self.attendance.history_ticks(transition.cell.subject);
            let ticks = transition.decided.0.saturating_sub(transition.onset.0) as usize + 1;
            transition.identity = self.identity_since(transition.cell.subject, ticks);
        }
    }

    fn identity_since(&self, subject: Subject, ticks: usize) -> f32 {
        let slots = match subject {
            Subject::One(one) => [one, one],
            Subject::Ordered { agent: a, target: b } | Subject::Both { first: a, second: b } => [a, b],
        };
        let of_tick = |confidence: &[f32; INDIVIDUALS_MAX]| {
            slots.iter().map(|slot| confidence[usize::from(slot.0)]).fold(1.0, f32::min)
        };
        self.identity.iter().take(ticks).map(of_tick).fold(1.0, f32::min)
    }

    /// Brings a fresh memory to where it would be after `ticks` ticks, of which `ring` holds the last ones. The
    /// network sees as many of them as begin with one of its periods. Gives the scores of the last one.
    pub fn replay(
        &mut self,
        seat: &mut Seat,
        wiring: &Wiring,
        ring: &TickRing,
        ticks: u64,
    ) -> Result<Option<Vec<f32>>, candle_core::Error> {
        let before = ticks.saturating_sub(ring.len() as u64);
        let (room, mut scores) = (Arc::clone(seat.room()), None);
        // The first tick that it sees has a number at which a period begins, as the first of all has.
        let unseen = before.next_multiple_of(room.period_ticks()) - before;
        for (index, points) in ring.iter().enumerate() {
            let mut inputs = InputsBuilder::new(wiring.individuals, wiring.keypoints);
            self.see(points, &mut inputs, &mut |_| {});
            if index as u64 >= unseen {
                scores = Some(room.step(inputs, wiring, &mut [&mut *seat])?);
            }
        }
        self.newest = ticks.checked_sub(1).map(Tick);
        // What was noticed on the way was told to nobody.
        (self.warm, self.until_range) = (false, 1);
        self.outside.clear();
        Ok(scores.map(|mut scores| {
            sigmoid_all(&mut scores);
            scores
        }))
    }

    /// Goes on with the numbers, times and confidences of another memory of the same cage.
    pub fn succeed(&mut self, other: &Self) {
        self.ring = other.ring.clone();
        self.ledger.go_on_from(&other.ledger);
        self.identity.clone_from(&other.identity);
        self.identity_next = other.identity_next;
        self.capture_nanos = other.capture_nanos;
        self.attendance.clone_from(&other.attendance);
        self.warm = other.warm;
        self.outside.clone_from(&other.outside);
    }
}
