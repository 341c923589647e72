//! The meter: takes what was seen, frame by frame.

use super::matching::{Book, FrameCounts, Match};
use super::offset::{Estimator, OwnClock, Ways};
use super::stages::{Record, Stage};
use super::summary::Summary;
use super::system::System;
use super::trend::Trends;
use super::{Answered, Asked, CAGES_MAX, Counted, LatencyError, RATE_HZ_MAX, RATE_HZ_MIN, Told};

/// Everything that was seen so far, in bounded memory.
#[derive(Clone, Debug)]
pub struct Meter {
    rate_hz: f64,
    pub(super) cages: Vec<Cage>,
    /// Of cages that are none of ours.
    pub(super) strange: FrameCounts,
    estimator: Estimator,
    pub(super) own: OwnClock,
    pub(super) trends: Trends,
    pub(super) busy: Busy,
    /// When the first frame was put, and the last; on our monotonic clock.
    span: Option<(i64, i64)>,
}

/// What was seen of one cage.
#[derive(Clone, Debug)]
pub(super) struct Cage {
    pub name: String,
    book: Book,
    pub record: Record,
    pub counts: FrameCounts,
}

/// How much of the time the detector infers, on its own clock. What it says of several cages at once counts once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Busy {
    since: Option<i64>,
    until: i64,
    nanos: i64,
}

impl Busy {
    fn take(&mut self, started: i64, decided: i64) {
        if self.since.is_none() {
            (self.since, self.until) = (Some(started), started);
        }
        self.nanos = self.nanos.saturating_add(decided.saturating_sub(started.max(self.until)).max(0));
        self.until = self.until.max(decided);
    }

    pub fn share(&self) -> Option<f64> {
        let span = self.until.saturating_sub(self.since?);
        (span > 0).then(|| self.nanos as f64 / span as f64)
    }
}

impl Meter {
    /// `cages` are names for the report, in the order of their indices; `rate_hz` is how often frames are put for each.
    ///
    /// # Errors
    /// No cages or more than [`CAGES_MAX`]; a rate that is not within [`RATE_HZ_MIN`] and [`RATE_HZ_MAX`].
    pub fn new(cages: Vec<String>, rate_hz: f64) -> Result<Self, LatencyError> {
        if !(1..=CAGES_MAX).contains(&cages.len()) {
            return Err(LatencyError::Cages(cages.len()));
        }
        if !(RATE_HZ_MIN..=RATE_HZ_MAX).contains(&rate_hz) {
            return Err(LatencyError::Rate(rate_hz));
        }
        let cage =
            |name| Cage { name, book: Book::new(rate_hz), record: Record::default(), counts: FrameCounts::default() };
        Ok(Self {
            rate_hz,
            cages: cages.into_iter().map(cage).collect(),
            strange: FrameCounts::default(),
            estimator: Estimator::default(),
            own: OwnClock::default(),
            trends: Trends::default(),
            busy: Busy::default(),
            span: None,
        })
    }

    /// Takes a frame that is about to be put.
    pub fn ask(&mut self, asked: &Asked) {
        let Some(cage) = self.cages.get_mut(asked.cage as usize) else {
            self.strange.asked += 1;
            return;
        };
        if !cage.book.ask(asked.frame, asked.put_nanos, &mut cage.counts) {
            return;
        }
        cage.record.take(Stage::DueToPut, asked.put_nanos.saturating_sub(asked.due_nanos));
        self.own.take(asked.put_nanos, asked.put_unix_nanos);
        let (first, last) = self.span.get_or_insert((asked.put_nanos, asked.put_nanos));
        (*first, *last) = ((*first).min(asked.put_nanos), (*last).max(asked.put_nanos));
    }

    /// Takes an answer. Its frame must have been taken before.
    pub fn answer(&mut self, answered: &Answered) {
        let Self { cages, estimator, .. } = self;
        let Some(cage) = cages.get_mut(answered.cage as usize) else {
            self.strange.answers += 1;
            self.strange.unknown += 1;
            return;
        };
        cage.counts.answers += 1;
        let put_nanos = match cage.book.answer(answered.frame) {
            Match::To { put_nanos } => put_nanos,
            Match::Unknown => {
                cage.counts.unknown += 1;
                return;
            }
            Match::Repeated => {
                cage.counts.repeated += 1;
                return;
            }
        };
        let Answered { started_unix_nanos: started, decided_unix_nanos: decided, .. } = *answered;
        let trip = answered.received_nanos.saturating_sub(put_nanos);
        let wait = started.saturating_sub(answered.arrived_unix_nanos);
        let inference = decided.saturating_sub(started);
        let sending = answered.sent_unix_nanos.saturating_sub(decided);
        if trip.min(wait).min(inference).min(sending) < 0 {
            cage.counts.impossible += 1;
            return;
        }
        for (stage, nanos) in [
            (Stage::ArrivedToInference, wait),
            (Stage::Inference, inference),
            (Stage::DecidedToSent, sending),
            (Stage::PutToReceived, trip),
            (Stage::AllButInference, trip.saturating_sub(inference)),
        ] {
            cage.record.take(stage, nanos);
        }
        self.trends.take(answered.received_nanos, trip, wait, inference);
        self.busy.take(started, decided);
        // By our monotonic clock, so that our wall clock being set while the frame is under way does no harm.
        let put_unix = answered.received_unix_nanos.saturating_sub(trip);
        let ways = Ways {
            cage: answered.cage,
            at_nanos: answered.received_nanos,
            out_nanos: answered.arrived_unix_nanos.saturating_sub(put_unix),
            back_nanos: answered.sent_unix_nanos.saturating_sub(answered.received_unix_nanos),
            trip_nanos: trip,
        };
        estimator.take(ways, &mut |cage, out, back| one_way(cages, cage, out, back));
    }

    /// Takes an event. Its frame must have been taken before.
    pub fn tell(&mut self, told: &Told) {
        let Some(cage) = self.cages.get_mut(told.cage as usize) else {
            self.strange.events += 1;
            self.strange.events_unknown += 1;
            return;
        };
        cage.counts.events += 1;
        let Some(put_nanos) = cage.book.put_nanos(told.frame) else {
            cage.counts.events_unknown += 1;
            return;
        };
        let trip = told.received_nanos.saturating_sub(put_nanos);
        let journal = told.published_unix_nanos.saturating_sub(told.decided_unix_nanos);
        if trip.min(journal) < 0 {
            cage.counts.impossible += 1;
            return;
        }
        cage.record.take(Stage::PutToEventReceived, trip);
        cage.record.take(Stage::DecidedToPublished, journal);
    }

    /// What it all says. Frames that have no answer yet count as unanswered: wait for the last ones before.
    pub fn finish(mut self, counted: Counted, system: System) -> Summary {
        let Self { cages, estimator, .. } = &mut self;
        let offset = estimator.finish(&mut |cage, out, back| one_way(cages, cage, out, back));
        for cage in cages.iter_mut() {
            cage.book.close(&mut cage.counts);
        }
        let span_secs = self.span.map_or(0.0, |(first, last)| last.saturating_sub(first) as f64 / 1e9);
        Summary::new(&self, self.rate_hz, span_secs, offset, counted, system)
    }
}

fn one_way(cages: &mut [Cage], cage: u32, out_nanos: i64, back_nanos: i64) {
    if let Some(cage) = cages.get_mut(cage as usize) {
        cage.record.take(Stage::PutToArrived, out_nanos);
        cage.record.take(Stage::SentToReceived, back_nanos);
    }
}
