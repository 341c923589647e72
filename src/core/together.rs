//! Cages that step together: whatever waits for the network is gathered, stepped at once, and handed back.

use std::sync::Arc;

use super::room::Seat;
use super::{Advance, Cage, CoreError};
use crate::model::inputs::InputsBuilder;
use crate::model::ops::kernels::sigmoid_all;
use crate::poses::Frame;
use crate::time::Tick;

/// What sees the scores of every tick.
type Watch<'a> = Box<dyn FnMut(Tick, &[f32]) + 'a>;

/// A frame for a cage, and what came of it. Each cage has one turn at a time.
pub struct Turn<'a> {
    cage: &'a mut Cage,
    watch: Watch<'a>,
    result: Result<Advance, CoreError>,
}

impl<'a> Turn<'a> {
    /// Begins as [`Cage::push_watched`] does; the rest is for [`step_together`].
    pub fn push(cage: &'a mut Cage, frame: &Frame, watch: impl FnMut(Tick, &[f32]) + 'a) -> Self {
        let result = cage.begin(frame);
        Self { cage, watch: Box::new(watch), result }
    }

    /// Begins as [`Cage::flush_watched`] does.
    pub(super) fn flush(cage: &'a mut Cage, watch: impl FnMut(Tick, &[f32]) + 'a) -> Self {
        let result = Ok(cage.begin_flush());
        Self { cage, watch: Box::new(watch), result }
    }

    /// Goes on with a turn whose network failed, after the cage was moved into another room by [`Cage::move_to`].
    pub fn resume(cage: &'a mut Cage, watch: impl FnMut(Tick, &[f32]) + 'a) -> Self {
        let (mut watch, mut advance): (Watch<'a>, _) = (Box::new(watch), cage.unfinished.take().unwrap_or_default());
        if let Some((tick, mut scores)) = cage.rescued.take() {
            cage.conclude(tick, &mut scores, &mut advance, &mut watch);
        }
        Self { cage, watch, result: Ok(advance) }
    }

    /// The network failed: what came of the frame so far is kept for [`Turn::resume`].
    fn fail(&mut self, error: CoreError) {
        self.cage.unfinished = std::mem::replace(&mut self.result, Err(error)).ok();
    }

    /// What [`Cage::push_watched`] says.
    pub fn finish(self) -> Result<Advance, CoreError> {
        self.result
    }
}

/// Cages of one room and one wiring, which the network steps at once.
struct Group {
    inputs: InputsBuilder,
    /// Places among the turns.
    members: Vec<(usize, Tick)>,
}

/// Finishes turns, tick by tick: the cages that wait for a tick step at once. What comes of a cage is the same, bit for
/// bit, as when it steps alone.
pub fn step_together(turns: &mut [Turn<'_>]) {
    loop {
        let mut groups: Vec<Group> = Vec::new();
        for index in 0..turns.len() {
            let (before, rest) = turns.split_at_mut(index);
            let turn = &mut rest[0];
            let Ok(advance) = &mut turn.result else { continue };
            let group = groups.iter_mut().find(|group| before[group.members[0].0].cage.steps_with(turn.cage));
            let prepared = if let Some(group) = group {
                let tick = turn.cage.prepare(advance, &mut group.inputs);
                tick.map(|tick| group.members.extend(tick.map(|tick| (index, tick))))
            } else {
                let mut inputs = turn.cage.inputs();
                let tick = turn.cage.prepare(advance, &mut inputs);
                tick.map(|tick| groups.extend(tick.map(|tick| Group { inputs, members: vec![(index, tick)] })))
            };
            if let Err(error) = prepared {
                turn.fail(error);
            }
        }
        if groups.is_empty() {
            return;
        }
        for group in groups {
            group.step(turns);
        }
    }
}

impl Group {
    fn step(self, turns: &mut [Turn<'_>]) {
        let first = &turns[self.members[0].0].cage;
        let (room, wiring) = (Arc::clone(first.seat.room()), Arc::clone(&first.wiring));
        let mut members = self.members.iter().map(|(index, _)| *index).peekable();
        let seats = turns.iter_mut().enumerate().filter(|(index, _)| members.next_if_eq(index).is_some());
        let mut seats: Vec<&mut Seat> = seats.map(|(_, turn)| &mut turn.cage.seat).collect();
        match room.step(self.inputs, &wiring, &mut seats) {
            Ok(mut scores) => {
                sigmoid_all(&mut scores);
                let of_cage = scores.len() / self.members.len();
                for ((index, tick), scores) in self.members.into_iter().zip(scores.chunks_exact_mut(of_cage)) {
                    let turn = &mut turns[index];
                    if let Ok(advance) = &mut turn.result {
                        turn.cage.conclude(tick, scores, advance, &mut turn.watch);
                    }
                }
            }
            Err(error) => {
                let said = error.to_string();
                for (index, tick) in self.members {
                    turns[index].cage.stalled = Some(tick);
                    turns[index].fail(candle_core::Error::Msg(said.clone()).into());
                }
            }
        }
    }
}
