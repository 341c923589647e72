//! The inference thread: it owns every cage, times what it does, and passes on what was decided.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::acquire::wire::Content;
use crate::keys::CageName;
use crate::live::cages::{Cages, Outcome};
use crate::live::clock::Moment;
use crate::live::herald::{Outbox, Outgoing};
use crate::live::intake::{Arrival, Intake};
use crate::live::keeper::{Keep, KeepQueue};
use crate::live::lock;
use crate::live::queue::{LaneQueue, Popped, Pushed, WhenFull};
use crate::live::scribe::{Decided, Inbox, JournalHealth};
use crate::live::status::{Notice, State};
use crate::live::tally::{Latency, Tallies};
use crate::live::timing::Age;
use crate::model::Model;

/// How often idle cages and the journal's health are looked at.
const BEAT: Duration = Duration::from_millis(100);

/// How often each open cage says that it is running.
const RUNNING: Duration = Duration::from_secs(5);

/// What the inference thread works with.
pub struct Inference {
    pub cages: Cages,
    pub arrivals: Arc<LaneQueue<CageName, Arrival>>,
    pub intake: Arc<Mutex<Intake>>,
    pub inbox: Arc<Inbox>,
    pub outbox: Arc<Outbox>,
    pub tallies: Arc<Tallies>,
    pub health: JournalHealth,
    pub kept: Arc<KeepQueue>,
    /// A model that every cage is to go on with.
    pub successor: Arc<Mutex<Option<Arc<Model>>>>,
    /// See [`Cages::new`]; descriptions are forgotten after the same time.
    pub idle: Duration,
}

impl Inference {
    /// Works until the queue of arrivals is closed and drained; then closes every cage, and the inbox of the journal.
    pub fn work(mut self) {
        let mut beat = Instant::now() + BEAT;
        let mut running = Instant::now() + RUNNING;
        let mut failing = None;
        loop {
            match self.arrivals.pop(beat) {
                Popped::Item(arrival) => self.arrival(&arrival),
                Popped::Empty => {}
                Popped::Closed => break,
            }
            let now = Instant::now();
            if now < beat {
                continue;
            }
            beat = now + BEAT;
            lock(&self.intake).expire(now, self.idle);
            let passed = self.cages.pass_time(now);
            self.pass_on(passed);
            self.replace_models();
            self.tell_health(&mut failing);
            if now >= running {
                running = now + RUNNING;
                self.cages.states().for_each(|notice| self.tell(&notice));
                metrics::gauge!("vibrissa_cages").set(self.cages.count() as f64);
            }
        }
        let last = self.cages.close_all();
        self.pass_on(last);
        self.inbox.close();
        self.kept.close();
    }

    /// Takes a new model where there is one, and rebuilds one cage for it: the others wait no longer than that takes.
    fn replace_models(&mut self) {
        if let Some(model) = lock(&self.successor).take() {
            self.cages.set_model(model);
        }
        let mut outcome = Outcome::default();
        self.cages.replace_next(&mut outcome);
        self.pass_on(outcome);
    }

    fn arrival(&mut self, arrival: &Arrival) {
        self.cages.watched = self.outbox.scores_are_watched();
        let started = Moment::now();
        let outcome = self.cages.take(arrival, started);
        let took = started.monotonic.elapsed();
        self.tallies.with(&arrival.cage, |tally| {
            tally.record(Latency::Wait, started.since(&arrival.arrived));
            if outcome.ticks > 0 && !outcome.opened {
                tally.record(Latency::Inference, took / outcome.ticks);
            }
            if let Content::Frame { frame, .. } = &arrival.packet.content
                && outcome.frames > 0
            {
                tally.closed = false;
                tally.counts.points += frame.keypoints.len() as u64;
                tally.counts.points_missing +=
                    frame.keypoints.iter().filter(|point| !point.is_present()).count() as u64;
            }
            match outcome.age {
                Some(Age::Absolute(age)) => tally.record(Latency::Age, age),
                Some(Age::OverMinimum(lag)) => tally.record(Latency::Lag, lag),
                Some(Age::Unknown) => tally.counts.age_unknown += 1,
                None => {}
            }
            tally.advance(outcome.frames, outcome.ticks, outcome.resets);
            if let Some(cause) = outcome.refused {
                tally.counts.refuse(cause);
            }
        });
        self.pass_on(outcome);
    }

    /// Sends decisions to the journal and notices to the wire.
    fn pass_on(&self, outcome: Outcome) {
        let decided = Moment::now();
        for decision in outcome.decisions {
            let verdict = decision.verdict(decided.unix_nanos);
            let cage = decision.cage;
            self.tallies.with(&cage, |tally| tally.counts.decided += 1);
            let entry = Decided { cage: cage.clone(), verdict, decided: decided.monotonic };
            if let Pushed::Displaced(lost) | Pushed::Closed(lost) = self.inbox.push(&cage, entry, WhenFull::DropOldest)
            {
                self.tallies.with(&lost.cage, |tally| tally.counts.lose_unjournaled());
            }
        }
        for (cage, keep) in outcome.kept {
            let displaced = self.kept.push(&cage.clone(), (cage, keep), WhenFull::DropOldest);
            if let Pushed::Displaced((cage, Keep::Tick(_))) = displaced {
                self.tallies.with(&cage, |tally| tally.counts.unkept += 1);
            }
        }
        for notice in &outcome.notices {
            if matches!(notice.state, State::SwapAlarm { .. }) {
                self.tallies.with(&notice.cage, |tally| tally.counts.swap_alarms += 1);
            }
            self.tell(notice);
        }
        for scored in outcome.scores {
            self.outbox.send(Outgoing::Scores(scored), &self.tallies);
        }
        for cage in &outcome.closed {
            self.tallies.with(cage, |tally| tally.closed = true);
        }
    }

    /// Tells every cage when the journal begins to fail or works again.
    fn tell_health(&self, told: &mut Option<String>) {
        let failing = self.health.failing();
        if failing.is_some() != told.is_some() {
            let state = match &failing {
                Some(reason) => State::JournalFailing { reason: reason.clone() },
                None => State::JournalRestored,
            };
            self.cages.all(&state).iter().for_each(|notice| self.tell(notice));
        }
        *told = failing;
    }

    fn tell(&self, notice: &Notice) {
        metrics::counter!("vibrissa_notices_total", "state" => notice.state.word()).increment(1);
        let counts = self.tallies.counts(&notice.cage);
        let json = notice.to_json(&counts, Moment::now().unix_nanos);
        self.outbox.send(Outgoing::Status { cage: notice.cage.clone(), json }, &self.tallies);
    }
}
