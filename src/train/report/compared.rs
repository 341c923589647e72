//! A session as it was annotated beside what a model tells of it.

use std::ops::Range;

use super::Measured;
use crate::behavior::{Behavior, Cell, Ethogram};
use crate::corpus::session::Session;
use crate::corpus::spans;
use crate::output::decoder::{self, Decoder};
use crate::score::Tally;
use crate::time::{DelayTicks, Tick};
use crate::train::rules::SessionScores;

/// Sets of ticks, by cell of a session.
pub type ByCell = Vec<Vec<Range<u64>>>;

/// Ticks are those of the session, whatever the delay at which something was said about them.
#[derive(Debug)]
pub struct Compared<'a> {
    pub session: &'a Session,
    scored: &'a SessionScores,
    delays: &'a [DelayTicks],
    pub truth: ByCell,
    pub labelled: ByCell,
    /// By delay.
    pub told: Vec<ByCell>,
}

impl<'a> Compared<'a> {
    /// Decodes a session at all delays.
    pub fn new(measured: Measured<'a>, session: &'a Session, scored: &'a SessionScores) -> Self {
        let delays = &measured.card.delays_ticks;
        let runs = |flags: &[bool]| (0..session.cells.len()).map(|cell| runs(flags, session, cell)).collect();
        let mut told = vec![vec![Vec::new(); session.cells.len()]; delays.len()];
        for set in 0..measured.ethogram.label_sets().len() {
            if session.has_set(measured.ethogram, set) {
                decode(measured, session, scored, set, &mut told);
            }
        }
        Self {
            session,
            scored,
            delays,
            truth: runs(&session.truth.to_vec()),
            labelled: runs(&session.labelled.to_vec()),
            told,
        }
    }

    /// Indices of the cells of a behavior.
    pub fn cells(&self, behavior: Behavior) -> impl Iterator<Item = usize> {
        let cells = self.session.cells.iter().enumerate();
        cells.filter(move |(_, cell)| cell.behavior == behavior).map(|(index, _)| index)
    }

    /// One past the last tick about which a delay has spoken by the end of the session.
    pub fn reach(&self, delay: usize) -> u64 {
        (self.session.ticks as u64).saturating_sub(self.delays[delay].0.into())
    }

    /// Ticks of a cell on which anybody looked and a delay has spoken.
    pub fn scored(&self, delay: usize, cell: usize) -> Vec<Range<u64>> {
        spans::intersection(&self.labelled[cell], std::slice::from_ref(&(0..self.reach(delay))))
    }

    /// The score about a tick.
    pub fn score(&self, delay: usize, cell: usize, about: u64) -> Option<f32> {
        let tick = (about + u64::from(self.delays[delay].0)) as usize;
        (tick < self.session.ticks)
            .then(|| self.scored.scores[(tick * self.scored.delays + delay) * self.scored.cells + cell])
    }

    /// Frames of a behavior at a delay, over all its cells.
    pub fn tally(&self, delay: usize, behavior: Behavior) -> Tally {
        let mut tally = Tally::default();
        for cell in self.cells(behavior) {
            let (told, truth) = (self.told[delay][cell].clone(), self.truth[cell].clone());
            tally += Tally::from_ranges(told, truth, &self.scored(delay, cell));
        }
        tally
    }
}

/// The maximal runs of a cell's flags.
fn runs(flags: &[bool], session: &Session, cell: usize) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let ticks = flags.iter().skip(cell).step_by(session.cells.len());
    for (tick, _) in (0_u64..).zip(ticks).filter(|(_, flag)| **flag) {
        match runs.last_mut() {
            Some(run) if run.end == tick => run.end += 1,
            _ => runs.push(tick..tick + 1),
        }
    }
    runs
}

/// Adds what the decoder tells of a label set: sets do not exclude each other, so that each has a decoder of its own.
fn decode(measured: Measured<'_>, session: &Session, scored: &SessionScores, set: usize, told: &mut [ByCell]) {
    let (sets, delays) = (measured.ethogram.label_sets(), measured.delays());
    let first: usize = sets[..set].iter().map(|set| set.behaviors.len()).sum();
    let ethogram = Ethogram::new(vec![sets[set].clone()]);
    let own = first..first + sets[set].behaviors.len();
    let rules: Vec<_> = measured.rules.iter().map(|rules| rules[own.clone()].to_vec()).collect();
    let mut decoder = Decoder::new(&ethogram, session.individuals, delays, &rules);
    let in_session = |cell: &Cell| {
        let cell = Cell { behavior: Behavior(cell.behavior.0 + first as u16), ..*cell };
        session.cells.iter().position(|candidate| *candidate == cell)
    };
    let places: Vec<Option<usize>> = ethogram.cells(session.individuals).iter().map(in_session).collect();
    let (mut row, mut transitions) = (Vec::with_capacity(delays.len() * places.len()), Vec::new());
    for (tick, scores) in (0_u64..).zip(scored.scores.chunks_exact(scored.delays * scored.cells)) {
        row.clear();
        for of_delay in scores.chunks_exact(scored.cells) {
            row.extend(places.iter().map(|place| place.map_or(0.0, |cell| of_delay[cell])));
        }
        decoder.push(Tick(tick), &row, &mut transitions);
    }
    if let Some(last) = (session.ticks as u64).checked_sub(1).map(Tick) {
        decoder.flush(last, last, &mut transitions);
    }
    for (told, &delay) in told.iter_mut().zip(delays) {
        for bout in decoder::bouts(transitions.iter(), delay) {
            if let Some(cell) = in_session(&bout.cell) {
                told[cell].push(bout.start..bout.stop);
            }
        }
    }
}
