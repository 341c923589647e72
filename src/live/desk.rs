//! The desk: one thread that decides what is triggered in one rig, keeps the session's files, and speaks with the guard.
//!
//! Its invariants:
//! - Nothing goes out that the dose book does not hold; what cannot be written is not triggered, and disarms.
//! - It waits for no subscriber, and for devices only while it arms and where a guard was lost. A stop does not wait for it.
//!   What it cannot keep up with disarms, and what waited for it is not decided on.
//! - Everything is off and disarmed at its beginning, at its end, and after any doubt about an output.

mod sitting;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded, never, select};

use self::sitting::Sitting;
use crate::guard::wire::{Order, Report};
use crate::keys::CageName;
use crate::live::cages::Ticked;
use crate::live::clock::Moment;
use crate::live::herald::{Outbox, Outgoing};
use crate::live::status::{Notice, State};
use crate::live::tally::Tallies;
use crate::live::{LiveError, lock, spawn};
use crate::stream::Origin;
use crate::trigger::arbiter::{Disarming, Sighting};
use crate::trigger::control::{Command, Reply};
use crate::trigger::permit::Permit;
use crate::trigger::plan::Plan;

/// Words that may wait for the desk; more disarm everything.
const WORDS_MAX: usize = 1024;

/// How often the desk looks at what time alone changes.
const BEAT: Duration = Duration::from_millis(50);

/// A cage of which nothing was heard for so long cannot be armed.
const PRESENT_MAX: Duration = Duration::from_millis(500);

/// How long the guard may have been silent before its outputs are given up on.
const GUARD_SILENCE_MAX: Duration = Duration::from_millis(500);

/// What a closed loop is told at the detector's start.
#[derive(Clone, Debug)]
pub struct Loop {
    pub plan: Arc<Plan>,
    /// Where sessions keep their files.
    pub folder: PathBuf,
    /// Of the last rehearsal; `None` arms nothing.
    pub permit: Option<Permit>,
    /// The program that is run as `PROGRAM guard`: this one.
    pub program: PathBuf,
}

/// Something for the desk.
pub enum Word {
    Ticked(Box<Ticked>),
    /// Nothing may stay armed there.
    Strange {
        cage: CageName,
        why: &'static str,
    },
    Command {
        cage: CageName,
        command: Command,
        reply: Option<Sender<Reply>>,
    },
    End,
}

/// The way to the desk.
#[derive(Clone, Debug)]
pub struct ToDesk {
    words: Sender<Word>,
    urgent: Arc<Urgent>,
}

/// What does not wait behind other words, nor for a desk that waits for a disk or a device.
#[derive(Debug, Default)]
struct Urgent {
    overflown: AtomicBool,
    ending: AtomicBool,
    /// Why everything is to stop.
    stop: Mutex<Option<String>>,
    /// To the guard, while there is one.
    orders: Mutex<Option<Sender<Order>>>,
}

impl Urgent {
    /// Everything off, whatever the desk does at the moment: it alone lights anything.
    fn all_off(&self) {
        if let Some(orders) = &*lock(&self.orders) {
            let _ = orders.try_send(Order::AllOff);
        }
    }
}

impl ToDesk {
    /// Hands a word over, without waiting. A stop is carried out at once and cannot be lost.
    pub fn say(&self, word: Word) {
        if let Word::Command { command: Command::Stop { why }, .. } = &word {
            lock(&self.urgent.stop).get_or_insert_with(|| why.clone().unwrap_or_else(|| "asked for".to_owned()));
            self.urgent.all_off();
        }
        if let Err(TrySendError::Full(_)) = self.words.try_send(word) {
            self.urgent.overflown.store(true, Ordering::Relaxed);
        }
    }

    /// Turns everything off and asks for the orderly end.
    pub fn end(&self) {
        self.urgent.ending.store(true, Ordering::Relaxed);
        self.urgent.all_off();
        // A full queue is woken up by what it holds.
        let _ = self.words.try_send(Word::End);
    }
}

/// Starts the thread; it ends at [`ToDesk::end`], and with the last [`ToDesk`].
pub fn start(
    closed_loop: Loop,
    outbox: Arc<Outbox>,
    tallies: Arc<Tallies>,
) -> Result<(ToDesk, JoinHandle<()>), LiveError> {
    let (words, waiting) = bounded(WORDS_MAX);
    let urgent = Arc::<Urgent>::default();
    let desk = Desk {
        closed_loop,
        outbox,
        tallies,
        began: Moment::now(),
        newest: HashMap::new(),
        sitting: None,
        stopped: None,
        urgent: Arc::clone(&urgent),
    };
    Ok((ToDesk { words, urgent }, spawn("trigger desk", move || desk.work(&waiting))?))
}

struct Desk {
    closed_loop: Loop,
    outbox: Arc<Outbox>,
    tallies: Arc<Tallies>,
    /// Where the steady time line begins.
    began: Moment,
    newest: HashMap<CageName, Box<Ticked>>,
    /// The session, from the first arming on.
    sitting: Option<Sitting>,
    /// A stop outlives the session that it ended.
    stopped: Option<String>,
    urgent: Arc<Urgent>,
}

impl Desk {
    fn work(mut self, words: &Receiver<Word>) {
        let nothing = never();
        while !self.urgent.ending.load(Ordering::Relaxed) {
            let reports = self.sitting.as_ref().and_then(Sitting::reports).unwrap_or_else(|| nothing.clone());
            select! {
                recv(words) -> word => match word {
                    Ok(word) => self.take(word),
                    Err(_) => break,
                },
                recv(reports) -> report => self.hear(report.ok()),
                default(self.wait()) => {}
            }
            self.look();
        }
        if let Some(sitting) = self.sitting.take() {
            let told = sitting.end(self.nanos());
            self.tell(told);
        }
    }

    /// The steady time line: the wall clock at the start, carried on by the monotonic one.
    fn nanos(&self) -> i64 {
        let since = i64::try_from(self.began.monotonic.elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.began.unix_nanos.saturating_add(since)
    }

    fn wait(&self) -> Duration {
        let due = self.sitting.as_ref().and_then(|sitting| sitting.arbiter.due_nanos());
        let until_due = due.map(|due| u64::try_from(due.saturating_sub(self.nanos())).unwrap_or(0));
        until_due.map_or(BEAT, Duration::from_nanos).min(BEAT)
    }

    /// What time alone changes.
    fn look(&mut self) {
        let now = self.nanos();
        let stop = lock(&self.urgent.stop).clone().filter(|_| self.stopped.is_none());
        if let Some(why) = stop {
            self.stop(&why);
        }
        let overflown = self.urgent.overflown.swap(false, Ordering::Relaxed);
        let unseen: Vec<CageName> = self.unseen();
        let Some(sitting) = &mut self.sitting else { return };
        let mut actions = Vec::new();
        for cage in &unseen {
            actions.extend(sitting.arbiter.lose_sight(cage, now));
        }
        actions.extend(sitting.arbiter.pass_time(now));
        if overflown {
            actions.extend(sitting.arbiter.disarm_all(&Disarming::Overloaded, now));
        }
        if sitting.guard_silence().is_some_and(|silence| silence > GUARD_SILENCE_MAX) {
            actions.extend(sitting.lose_guard("the guard does not answer", now));
        }
        let told = sitting.perform(actions, None, now);
        self.tell(told);
        // After all was told: how long it takes would tell stimuli from shams.
        if let Some(sitting) = &mut self.sitting {
            let told = sitting.replenish(now);
            self.tell(told);
        }
    }

    /// Cages of which no frame has arrived for too long.
    fn unseen(&self) -> Vec<CageName> {
        let is_old = |ticked: &Ticked| ticked.arrived.monotonic.elapsed() > PRESENT_MAX;
        self.newest.iter().filter(|(_, ticked)| is_old(ticked)).map(|(cage, _)| cage.clone()).collect()
    }

    fn hear(&mut self, report: Option<Report>) {
        let now = self.nanos();
        let Some(sitting) = &mut self.sitting else { return };
        let actions = match report {
            Some(report) => sitting.hear(&report, now),
            None => sitting.lose_guard("the guard ended", now),
        };
        let told = sitting.perform(actions, None, now);
        self.tell(told);
    }

    fn take(&mut self, word: Word) {
        match word {
            Word::Ticked(ticked) => self.see(ticked),
            Word::Strange { cage, why } => {
                let now = self.nanos();
                // Of a cage that has ended nothing is kept.
                self.newest.remove(&cage);
                let Some(sitting) = &mut self.sitting else { return };
                let actions = sitting.arbiter.disarm(&cage, &Disarming::Strange(why), now);
                let told = sitting.perform(actions, None, now);
                self.tell(told);
            }
            Word::Command { cage, command, reply } => {
                let done = self.carry_out(&cage, command);
                if let Some(reply) = reply {
                    let _ = reply.try_send(Reply::new(done));
                }
            }
            Word::End => {}
        }
    }

    fn see(&mut self, mut ticked: Box<Ticked>) {
        let now = self.nanos();
        // It waited for the desk as well: what is decided on is the present, or nothing is.
        let waited = ticked.arrived.monotonic.elapsed().as_millis();
        ticked.standing.waited_millis = u64::try_from(waited).unwrap_or(u64::MAX);
        if let Some(sitting) = &mut self.sitting {
            let sighting = Sighting {
                cage: &ticked.cage,
                individuals: ticked.described.stream.individuals(),
                standing: ticked.standing,
                candidates: &ticked.candidates,
            };
            let actions = sitting.arbiter.see(&sighting, now);
            let told = sitting.perform(actions, Some(&ticked), now);
            self.tell(told);
        }
        self.newest.insert(ticked.cage.clone(), ticked);
    }

    fn carry_out(&mut self, cage: &CageName, command: Command) -> Result<String, String> {
        let now = self.nanos();
        match command {
            Command::Arm { session } => self.arm(cage, &session),
            Command::Disarm => {
                let Some(sitting) = &mut self.sitting else { return Ok(format!("{cage}: not armed")) };
                let actions = sitting.arbiter.disarm(cage, &Disarming::Asked, now);
                let told = sitting.perform(actions, None, now);
                self.tell(told);
                Ok(format!("{cage}: disarmed"))
            }
            Command::Stop { why } => {
                let why = why.unwrap_or_else(|| "asked for".to_owned());
                self.stop(&why);
                Ok(format!("stopped ({why}): only a new start of the detector arms anything again"))
            }
            Command::Mark { name } => {
                let Some(sitting) = &mut self.sitting else {
                    return Err("expected a session, which begins when a cage is armed".to_owned());
                };
                let marked = sitting.mark(&name, now)?;
                Ok(format!("phase {marked}"))
            }
            Command::Tell => Ok(self.state(now)),
        }
    }

    fn stop(&mut self, why: &str) {
        let now = self.nanos();
        if self.stopped.is_none() {
            self.stopped = Some(why.to_owned());
            if let Some(sitting) = &mut self.sitting {
                let actions = sitting.arbiter.stop(why, now);
                let mut told = sitting.perform(actions, None, now);
                told.extend(sitting.note_stop(why, now));
                self.tell(told);
            }
        }
    }

    fn state(&self, now: i64) -> String {
        let stopped = self.stopped.as_ref().map(|why| format!("stopped ({why})"));
        let sitting = self.sitting.as_ref().map(|sitting| sitting.state(now));
        stopped.or(sitting).unwrap_or_else(|| "nothing was armed yet".to_owned())
    }

    fn arm(&mut self, cage: &CageName, session: &str) -> Result<String, String> {
        if let Some(why) = &self.stopped {
            return Err(format!("stopped ({why}): only a new start of the detector arms anything again"));
        }
        let newest = self.newest.get(cage).filter(|ticked| ticked.arrived.monotonic.elapsed() <= PRESENT_MAX);
        let Some(ticked) = newest else {
            return Err(format!("{cage}: expected frames, got none within {} ms", PRESENT_MAX.as_millis()));
        };
        if let Some(misfit) = &ticked.misfit {
            return Err(misfit.clone());
        }
        let Loop { plan, permit, .. } = &self.closed_loop;
        let permit =
            permit.as_ref().ok_or("expected a permit: rehearse the plan, and give its permit to the detector")?;
        permit.check(plan, &ticked.model).map_err(|error| error.to_string())?;
        let (standing, model, now) = (ticked.standing, ticked.model.clone(), self.nanos());
        if let Some(other) = self.sitting.take_if(|sitting| sitting.name() != session) {
            if other.arbiter.armed().next().is_some() {
                let name = other.name().to_owned();
                self.sitting = Some(other);
                return Err(format!("session {name} goes on: disarm its cages first"));
            }
            let told = other.end(now);
            self.tell(told);
        }
        let sitting = match self.sitting.take() {
            Some(sitting) => sitting,
            None => Sitting::open(&self.closed_loop, session, &model, &self.urgent, now)?,
        };
        let sitting = self.sitting.insert(sitting);
        sitting.prepare(now)?;
        sitting.arbiter.arm(cage, &standing).map_err(|error| format!("{cage}: {error}"))?;
        if let Err(why) = sitting.note_arming(cage, standing.publisher.run.unwrap_or_default()) {
            let actions = sitting.give_up(&why, now);
            let told = sitting.perform(actions, None, now);
            self.tell(told);
            return Err(why);
        }
        let outputs = sitting.outputs();
        self.tell(vec![Told::Armed { cage: cage.clone(), session: session.to_owned() }]);
        Ok(format!("{cage}: armed in session {session}; {outputs}"))
    }

    /// Publishes what came of it.
    fn tell(&self, told: Vec<Told>) {
        for told in told {
            match told {
                Told::Triggered { cage, json } => {
                    metrics::counter!("vibrissa_triggers_total").increment(1);
                    self.outbox.send(Outgoing::Trigger { cage, json }, &self.tallies);
                }
                Told::Refused { cause } => {
                    metrics::counter!("vibrissa_trigger_refusals_total", "cause" => cause).increment(1);
                }
                Told::Armed { cage, session } => self.say(&cage, State::Armed { session }),
                Told::Disarmed { cage, why } => self.say(&cage, State::Disarmed { why }),
            }
        }
    }

    fn say(&self, cage: &CageName, state: State) {
        metrics::counter!("vibrissa_notices_total", "state" => state.word()).increment(1);
        let newest = self.newest.get(cage);
        let origin = newest.map_or(Origin::Live, |ticked| ticked.standing.publisher.origin);
        let model = newest.map_or(String::new(), |ticked| ticked.model.clone());
        let notice = Notice { cage: cage.clone(), origin, model, state };
        let json = notice.to_json(&self.tallies.counts(cage), Moment::now().unix_nanos);
        self.outbox.send(Outgoing::Status { cage: cage.clone(), json }, &self.tallies);
    }
}

/// What is published of a session.
enum Told {
    Triggered { cage: CageName, json: String },
    Refused { cause: &'static str },
    Armed { cage: CageName, session: String },
    Disarmed { cage: CageName, why: String },
}
