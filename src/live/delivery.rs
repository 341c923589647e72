//! From what comes of frames to the journal, the wire, the files and the counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::acquire::wire::Content;
use crate::keys::CageName;
use crate::live::cages::Outcome;
use crate::live::clock::Moment;
use crate::live::desk::{ToDesk, Word};
use crate::live::herald::{Outbox, Outgoing};
use crate::live::intake::Arrival;
use crate::live::keeper::{Keep, KeepQueue};
use crate::live::queue::{Pushed, WhenFull};
use crate::live::scribe::{Decided, Inbox};
use crate::live::status::{Notice, State};
use crate::live::tally::{Latency, Tallies};
use crate::live::timing::Age;

/// The ways out of the inference threads.
#[derive(Clone)]
pub struct Delivery {
    pub inbox: Arc<Inbox>,
    pub outbox: Arc<Outbox>,
    pub tallies: Arc<Tallies>,
    pub kept: Arc<KeepQueue>,
    /// Open cages of all inference threads, as they were told last.
    pub open: Arc<AtomicUsize>,
    /// Where a closed loop is served.
    pub desk: Option<ToDesk>,
}

impl Delivery {
    /// Tells how many cages a thread has open, which `told` it had before.
    pub fn count_open(&self, told: &mut usize, count: usize) {
        let before = self.open.fetch_add(count.wrapping_sub(*told), Ordering::Relaxed);
        metrics::gauge!("vibrissa_cages").set(before.wrapping_add(count).wrapping_sub(*told) as f64);
        *told = count;
    }

    /// Counts and times a packet that inference began with at `started`.
    pub fn tally(&self, arrival: &Arrival, outcome: &Outcome, started: Moment) {
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
    }

    /// Counts and sends what came of a cage that was rebuilt.
    pub fn rescued(&self, cage: &CageName, outcome: Outcome) {
        self.tallies.with(cage, |tally| tally.advance(outcome.frames, outcome.ticks, outcome.resets));
        self.pass_on(outcome);
    }

    fn to_desk(&self, word: Word) {
        if let Some(desk) = &self.desk {
            desk.say(word);
        }
    }

    /// Sends decisions to the journal and notices to the wire.
    pub fn pass_on(&self, mut outcome: Outcome) {
        let decided = Moment::now();
        // First of all: an animal may wait for it.
        if let Some(ticked) = outcome.ticked.take() {
            self.to_desk(Word::Ticked(Box::new(ticked)));
        }
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
        for mut scored in outcome.scores {
            scored.times.decided_nanos = decided.unix_nanos;
            self.outbox.send(Outgoing::Scores(scored), &self.tallies);
        }
        for cage in &outcome.closed {
            self.tallies.with(cage, |tally| tally.closed = true);
        }
        for (cage, why) in outcome.strange {
            self.to_desk(Word::Strange { cage, why });
        }
    }

    pub fn tell(&self, notice: &Notice) {
        metrics::counter!("vibrissa_notices_total", "state" => notice.state.word()).increment(1);
        let counts = self.tallies.counts(&notice.cage);
        let json = notice.to_json(&counts, Moment::now().unix_nanos);
        self.outbox.send(Outgoing::Status { cage: notice.cage.clone(), json }, &self.tallies);
    }
}
