//! An inference thread: it owns its cages, and passes on what was decided about them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::keys::CageName;
use crate::live::cages::{Cages, Outcome};
use crate::live::clock::Moment;
use crate::live::delivery::Delivery;
use crate::live::intake::{Arrival, Intake};
use crate::live::lock;
use crate::live::queue::{LaneQueue, Popped};
use crate::live::scribe::JournalHealth;
use crate::live::status::State;
use crate::model::Model;

/// How often idle cages and the journal's health are looked at.
const BEAT: Duration = Duration::from_millis(100);

/// How often each open cage says that it is running.
const RUNNING: Duration = Duration::from_secs(5);

/// Cages whose frames are taken at once: with more, each would wait longer for the verdict than it costs less.
pub const CAGES_TOGETHER_MAX: usize = 32;

/// A model that the cages of a thread are to go on with, where there is one.
pub type Successor = Arc<Mutex<Option<Arc<Model>>>>;

/// What an inference thread works with.
pub struct Inference {
    pub cages: Cages,
    pub arrivals: Arc<LaneQueue<CageName, Arrival>>,
    pub intake: Arc<Mutex<Intake>>,
    pub delivery: Delivery,
    pub health: JournalHealth,
    pub successor: Successor,
    /// See [`Cages::new`]; descriptions are forgotten after the same time.
    pub idle: Duration,
}

impl Inference {
    /// Works until the queue of arrivals is closed and drained; then closes every cage.
    pub fn work(mut self) {
        let mut beat = Instant::now() + BEAT;
        let mut running = Instant::now() + RUNNING;
        let mut told = 0;
        let (mut failing, mut rescue) = (None, Instant::now());
        loop {
            let deadline = if self.cages.has_suspended() { self.rescue(&mut rescue).min(beat) } else { beat };
            match self.arrivals.pop_round(CAGES_TOGETHER_MAX, deadline) {
                Popped::Item(arrivals) => self.take(&arrivals),
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
            self.delivery.pass_on(passed);
            self.replace_models();
            self.tell_health(&mut failing);
            if now >= running {
                running = now + RUNNING;
                self.cages.states().for_each(|notice| self.delivery.tell(&notice));
                self.delivery.count_open(&mut told, self.cages.count());
            }
        }
        let last = self.cages.close_all();
        self.delivery.pass_on(last);
    }

    /// Takes a new model where there is one, and rebuilds one cage for it: the others wait no longer than that takes.
    fn replace_models(&mut self) {
        if let Some(model) = lock(&self.successor).take() {
            self.cages.set_model(model);
        }
        let mut outcome = Outcome::default();
        self.cages.replace_next(&mut outcome);
        self.delivery.pass_on(outcome);
    }

    /// Rebuilds a cage whose device was lost, when it is time to. Then frames of the others are taken for as long as that
    /// took: they fall behind no further. Gives when it is time again.
    fn rescue(&mut self, due: &mut Instant) -> Instant {
        let began = Instant::now();
        if began >= *due
            && let Some((cage, outcome)) = self.cages.rescue_next()
        {
            self.delivery.rescued(&cage, outcome);
            *due = Instant::now() + began.elapsed();
        }
        *due
    }

    /// Takes frames of different cages. Each waits for the others that it steps with, which is part of its inference.
    fn take(&mut self, arrivals: &[Arrival]) {
        self.cages.watched = self.delivery.outbox.scores_are_watched();
        self.cages.journal_failing = self.health.failing().is_some();
        let started = Moment::now();
        let Self { cages, delivery, .. } = self;
        cages.take(arrivals, started, &mut |arrival, outcome| {
            delivery.tally(arrival, &outcome, started);
            delivery.pass_on(outcome);
        });
    }

    /// Tells every cage when the journal begins to fail or works again.
    fn tell_health(&self, told: &mut Option<String>) {
        let failing = self.health.failing();
        if failing.is_some() != told.is_some() {
            let state = match &failing {
                Some(reason) => State::JournalFailing { reason: reason.clone() },
                None => State::JournalRestored,
            };
            self.cages.all(&state).iter().for_each(|notice| self.delivery.tell(notice));
        }
        *told = failing;
    }
}
