//! The inference thread: it owns every cage, times what it does, and passes on what was decided.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::acquire::wire::Content;
use crate::live::cages::{Cages, Outcome};
use crate::live::clock::{CLOCK_UNIX, Moment};
use crate::live::herald::{Outbox, Outgoing};
use crate::live::intake::{Arrival, Intake};
use crate::live::keys::CageName;
use crate::live::lock;
use crate::live::queue::{LaneQueue, Popped, Pushed, WhenFull};
use crate::live::scribe::{Decided, Inbox, JournalHealth};
use crate::live::status::{Notice, State};
use crate::live::tally::{Latency, Tallies};

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
            let expired = self.cages.expire(now);
            self.pass_on(expired);
            self.tell_health(&mut failing);
            if now >= running {
                running = now + RUNNING;
                self.tell_all(&State::Running);
            }
        }
        let last = self.cages.close_all();
        self.pass_on(last);
        self.inbox.close();
    }

    fn arrival(&mut self, arrival: &Arrival) {
        let started = Moment::now();
        let outcome = self.cages.take(arrival, started);
        let took = started.monotonic.elapsed();
        self.tallies.with(&arrival.cage, |tally| {
            tally.record(Latency::Wait, started.since(&arrival.arrived));
            if outcome.ticks > 0 {
                tally.record(Latency::Inference, took / outcome.ticks);
            }
            let Content::Frame { frame, .. } = &arrival.packet.content else { return };
            if outcome.frames > 0 {
                tally.closed = false;
                tally.counts.points += frame.keypoints.len() as u64;
                tally.counts.points_missing +=
                    frame.keypoints.iter().filter(|point| !point.is_present()).count() as u64;
            }
            let on_our_clock = arrival.described.stream.clock() == Some(CLOCK_UNIX);
            if let Some(capture_nanos) = frame.capture_nanos.filter(|_| on_our_clock) {
                match u64::try_from(arrival.arrived.unix_nanos.saturating_sub(capture_nanos)) {
                    Ok(age_nanos) => tally.record(Latency::Age, Duration::from_nanos(age_nanos)),
                    Err(_) => tally.counts.clock_ahead += 1,
                }
            }
        });
        self.tallies.with(&arrival.cage, |tally| {
            let counts = &mut tally.counts;
            counts.frames += outcome.frames;
            counts.ticks += u64::from(outcome.ticks);
            counts.resets += u64::from(outcome.resets);
            if let Some(cause) = outcome.refused {
                counts.refuse(cause);
            }
        });
        self.pass_on(outcome);
    }

    /// Sends decisions to the journal and notices to the wire.
    fn pass_on(&self, outcome: Outcome) {
        let decided = Moment::now();
        for decision in outcome.decisions {
            let verdict = decision.verdict(self.cages.model(), decided.unix_nanos);
            let cage = decision.cage;
            self.tallies.with(&cage, |tally| tally.counts.decided += 1);
            let entry = Decided { cage: cage.clone(), verdict, decided: decided.monotonic };
            if let Pushed::Displaced(lost) | Pushed::Closed(lost) = self.inbox.push(&cage, entry, WhenFull::DropOldest)
            {
                self.tallies.with(&lost.cage, |tally| tally.counts.unjournaled += 1);
            }
        }
        for notice in &outcome.notices {
            self.tell(notice);
        }
        for cage in &outcome.closed {
            self.tallies.with(cage, |tally| tally.closed = true);
        }
    }

    /// Tells every cage when the journal begins to fail or works again.
    fn tell_health(&self, told: &mut Option<String>) {
        let failing = self.health.failing();
        if failing.is_some() != told.is_some() {
            self.tell_all(&match &failing {
                Some(reason) => State::JournalFailing { reason: reason.clone() },
                None => State::JournalRestored,
            });
        }
        *told = failing;
    }

    fn tell_all(&self, state: &State) {
        for (cage, described) in self.cages.open() {
            self.tell(&Notice { cage: cage.clone(), origin: described.stream.origin(), state: state.clone() });
        }
    }

    fn tell(&self, notice: &Notice) {
        let counts = self.tallies.counts(&notice.cage);
        let json = notice.to_json(&counts, self.cages.model().hash(), Moment::now().unix_nanos);
        self.outbox.send(Outgoing::Status { cage: notice.cage.clone(), json }, &self.tallies);
    }
}
