//! One experimental session at the desk: its arbiter, its files, and the guard that owns its outputs.

mod acts;

use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::Receiver;

use super::{Loop, Told, Urgent};
use crate::guard::wire::{Order, Report};
use crate::guard::{Guard, HandleError};
use crate::keys::CageName;
use crate::live::clock::Moment;
use crate::live::lock;
use crate::trigger::allocation::Allocation;
use crate::trigger::allowance::Past;
use crate::trigger::arbiter::{Action, Arbiter, Before, Disarming};
use crate::trigger::dose_book::{BOOK_BYTES_MAX, DoseBook};
use crate::trigger::plan::Plan;
use crate::trigger::trail::{self, Entry, Sealed, TRAIL_BYTES_MAX, TRAIL_VERSION, Trail, Verdict};

/// Without a beat for so long, the guard turns everything off.
const SILENCE: Duration = Duration::from_millis(100);

/// How the names of dose books end.
const DOSES: &str = ".doses.jsonl";

/// How long the desk waits at its end for the word that everything is off.
const END_MAX: Duration = Duration::from_millis(500);

pub(super) struct Sitting {
    name: String,
    plan: Arc<Plan>,
    pub(super) arbiter: Arbiter,
    book: DoseBook,
    trail: Trail,
    sealed: Trail,
    /// The program that is run as `PROGRAM guard`.
    program: PathBuf,
    urgent: Arc<Urgent>,
    guard: Option<Guard>,
    /// Something could not be written.
    unwritable: bool,
    /// A reservation may have been used since the last was made.
    spent: bool,
}

impl Sitting {
    /// Opens the files of a session, or goes on with them.
    ///
    /// # Errors
    /// Files that cannot be written or are another's; in words.
    pub(super) fn open(
        closed_loop: &Loop,
        name: &str,
        model: &str,
        urgent: &Arc<Urgent>,
        now_nanos: i64,
    ) -> Result<Self, String> {
        let Loop { plan, folder, .. } = closed_loop;
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let said = |error: crate::trigger::trail::TrailError| error.to_string();
        let [trail_path, sealed_path] = trail::paths(folder, name);
        let (mut trail, entries) = Trail::open::<Entry>(&trail_path, TRAIL_BYTES_MAX).map_err(said)?;
        let (mut sealed, secrets) = Trail::open::<Sealed>(&sealed_path, TRAIL_BYTES_MAX).map_err(said)?;
        trail::seal(&sealed_path).map_err(said)?;
        let allocation = match secrets.iter().find_map(key_of) {
            Some(allocation) => allocation,
            None if secrets.is_empty() && entries.is_empty() => {
                let allocation = Allocation::new(rand::random());
                let (version, session) = (TRAIL_VERSION, name.to_owned());
                sealed.append(&Sealed::Key { version, session, allocation: allocation.clone() }).map_err(said)?;
                sealed.sync().map_err(said)?;
                allocation
            }
            None => return Err(format!("{}: expected the key of the session's draws first", sealed_path.display())),
        };
        let before = before(plan, &entries, &secrets)?;
        let dose_path = folder.join(format!("{name}{DOSES}"));
        let book = DoseBook::open(&dose_path, name, now_nanos, BOOK_BYTES_MAX);
        let (book, mut restored) = book.map_err(|error| error.to_string())?;
        restored.allowance.remember(now_nanos, elsewhere(folder, name, &plan.rig, now_nanos)?);
        // It tells stimuli from shams as well.
        trail::seal(&dose_path).map_err(said)?;
        let opened = Entry::Opened {
            version: TRAIL_VERSION,
            session: name.to_owned(),
            rig: plan.rig.clone(),
            plan: plan.name.clone(),
            plan_hash: plan.hash.clone(),
            model: model.to_owned(),
            commitment: allocation.commitment(),
            software: concat!("vibrissa ", env!("CARGO_PKG_VERSION")).to_owned(),
            unix_nanos: now_nanos,
        };
        trail.append(&opened).map_err(said)?;
        let arbiter = Arbiter::new(Arc::clone(plan), allocation, restored.allowance, before);
        let (name, plan, program) = (name.to_owned(), Arc::clone(plan), closed_loop.program.clone());
        let (urgent, guard) = (Arc::clone(urgent), None);
        Ok(Self { name, plan, arbiter, book, trail, sealed, program, urgent, guard, unwritable: false, spent: false })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whatever has to be before a cage is armed: a guard whose outputs answer, and a reserved stimulus for each.
    ///
    /// # Errors
    /// In words.
    pub(super) fn prepare(&mut self, now_nanos: i64) -> Result<(), String> {
        if self.unwritable || self.book.is_failing() {
            return Err("the session's files could not be written before: start the detector anew".to_owned());
        }
        if self.arbiter.has_failed_outputs()
            && let Some(doubtful) = self.let_go()
        {
            // A failed output stays failed with its guard. One that lingers may be what still drives it off.
            let _ = doubtful.close();
        }
        if self.guard.is_none() {
            self.start_guard().map_err(|error| error.to_string())?;
            self.arbiter.restore_outputs();
        }
        self.reserve(now_nanos).map_err(|error| error.to_string())?;
        self.trail.sync().map_err(|error| error.to_string())
    }

    /// Another guard, which has driven everything off.
    fn start_guard(&mut self) -> Result<(), HandleError> {
        let mut program = Program::new(&self.program);
        program.arg("guard");
        let guard = Guard::start(program, &self.plan.outputs, SILENCE)?;
        *lock(&self.urgent.orders) = Some(guard.orders());
        self.guard = Some(guard);
        Ok(())
    }

    /// The guard, to whom nobody gives orders any more: its pipe ends with it.
    fn let_go(&mut self) -> Option<Guard> {
        *lock(&self.urgent.orders) = None;
        self.guard.take()
    }

    /// Reserves what was used, once everything else is done: it waits for the disk.
    pub(super) fn replenish(&mut self, now_nanos: i64) -> Vec<Told> {
        if !std::mem::take(&mut self.spent) || self.arbiter.armed().next().is_none() {
            return Vec::new();
        }
        match self.reserve(now_nanos) {
            Ok(()) => Vec::new(),
            Err(error) => {
                let actions = self.give_up(&error, now_nanos);
                self.perform(actions, None, now_nanos)
            }
        }
    }

    /// One stimulus of every output, ahead of its need.
    fn reserve(&mut self, now_nanos: i64) -> Result<(), crate::trigger::dose_book::DoseBookError> {
        for output in self.plan.outputs.keys() {
            let of_output = self.plan.rules.iter().filter(|rule| rule.output == *output);
            let longest = of_output.map(|rule| rule.stimulus.on_millis()).max();
            if let Some(longest) = longest {
                self.book.reserve(now_nanos, output, longest)?;
            }
        }
        Ok(())
    }

    pub(super) fn reports(&self) -> Option<Receiver<Report>> {
        self.guard.as_ref().map(|guard| guard.reports().clone())
    }

    pub(super) fn guard_silence(&self) -> Option<Duration> {
        self.guard.as_ref().map(Guard::beat_age)
    }

    pub(super) fn outputs(&self) -> String {
        let outputs = self.guard.iter().flat_map(Guard::outputs);
        let said = outputs.map(|(name, readiness)| format!("{name}: {}", readiness.firmware));
        said.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn state(&self, now_nanos: i64) -> String {
        let armed: Vec<String> = self.arbiter.armed().map(ToString::to_string).collect();
        let armed = if armed.is_empty() { "nothing armed".to_owned() } else { format!("armed: {}", armed.join(", ")) };
        let phase = self.arbiter.phase(now_nanos).map(|phase| format!(", phase {phase}")).unwrap_or_default();
        format!("session {}: {armed}{phase}", self.name)
    }

    /// Takes in what the guard says: what it confirms is sealed.
    pub(super) fn hear(&mut self, report: &Report, now_nanos: i64) -> Vec<Action> {
        let sealed = match report {
            Report::On { id, unix_nanos, latency_micros, .. } => {
                Some(Sealed::On { trigger: *id, unix_nanos: *unix_nanos, guard_micros: *latency_micros })
            }
            Report::Off { id, on_micros, cause, unix_nanos, .. } => {
                let cause = format!("{cause:?}").to_lowercase();
                Some(Sealed::Off { trigger: *id, on_micros: *on_micros, cause, unix_nanos: *unix_nanos })
            }
            Report::Fault { output, reason, .. } => {
                let (output, why, unix_nanos) = (output.clone(), reason.clone(), Moment::now().unix_nanos);
                Some(Sealed::Failed { output, why, unix_nanos })
            }
            Report::Refused { .. } | Report::Silence { .. } | Report::Ready { .. } | Report::Beat { .. } => None,
        };
        let mut actions = self.arbiter.hear(report, now_nanos);
        if let Some(Err(error)) = sealed.map(|sealed| self.sealed.append(&sealed)) {
            actions.extend(self.give_up(&error, now_nanos));
        }
        actions
    }

    /// A guard that is gone or stuck: a new one drives everything off as it starts.
    pub(super) fn lose_guard(&mut self, why: &str, now_nanos: i64) -> Vec<Action> {
        let Some(lost) = self.let_go() else { return Vec::new() };
        drop(lost);
        let (why, unix_nanos) = (why.to_owned(), Moment::now().unix_nanos);
        let failed = Sealed::Failed { output: "all".to_owned(), why: why.clone(), unix_nanos };
        let written = self.sealed.append(&failed);
        let mut actions = self.arbiter.fail_all(&why, now_nanos);
        if let Err(error) = written {
            actions.extend(self.give_up(&error, now_nanos));
        }
        // What it had on may still be on. Where that fails, the next arming tries again.
        let _ = self.start_guard();
        actions
    }

    pub(super) fn mark(&mut self, name: &str, now_nanos: i64) -> Result<String, String> {
        if !self.plan.phases.iter().any(|phase| phase.name == name) {
            let known: Vec<&str> = self.plan.phases.iter().map(|phase| phase.name.as_str()).collect();
            return Err(format!("expected one of the phases {}, got {name}", known.join(", ")));
        }
        let entry = Entry::Phase { name: name.to_owned(), unix_nanos: Moment::now().unix_nanos };
        self.trail.append(&entry).map_err(|error| error.to_string())?;
        self.arbiter.mark(name, now_nanos);
        Ok(name.to_owned())
    }

    pub(super) fn note_arming(&mut self, cage: &CageName, run: u32) -> Result<(), String> {
        let entry = Entry::Armed { cage: cage.cage().to_owned(), run, unix_nanos: Moment::now().unix_nanos };
        self.trail.append(&entry).map_err(|error| error.to_string())
    }

    pub(super) fn note_stop(&mut self, why: &str, now_nanos: i64) -> Vec<Told> {
        let entry = Entry::Stopped { why: why.to_owned(), unix_nanos: Moment::now().unix_nanos };
        match self.trail.append(&entry) {
            Ok(()) => Vec::new(),
            Err(error) => {
                let actions = self.give_up(&error, now_nanos);
                self.perform(actions, None, now_nanos)
            }
        }
    }

    /// What cannot be written is not triggered: nothing is armed any more.
    pub(super) fn give_up(&mut self, error: &dyn std::fmt::Display, now_nanos: i64) -> Vec<Action> {
        self.unwritable = true;
        self.arbiter.disarm_all(&Disarming::Unwritable(error.to_string()), now_nanos)
    }

    /// Everything off, and what is known of it written down.
    pub(super) fn end(mut self, now_nanos: i64) -> Vec<Told> {
        let mut actions = vec![Action::Tell(Order::AllOff)];
        actions.extend(self.arbiter.disarm_all(&Disarming::SessionEnds, now_nanos));
        let mut told = self.perform(actions, None, now_nanos);
        let until = Instant::now() + END_MAX;
        while self.arbiter.is_lit()
            && let Some(Ok(report)) = self.reports().map(|reports| reports.recv_deadline(until))
        {
            let actions = self.hear(&report, now_nanos);
            told.extend(self.perform(actions, None, now_nanos));
        }
        if let Some(guard) = self.let_go() {
            // One that lingers may be what still drives an output off.
            let _ = guard.close();
        }
        for output in self.plan.outputs.keys() {
            if self.book.reserved_millis(output).is_some() {
                // Where that fails, the reservation counts as given.
                let _ = self.book.release(now_nanos, output);
            }
        }
        let _ = self.trail.sync();
        let _ = self.sealed.sync();
        told
    }
}

fn key_of(sealed: &Sealed) -> Option<Allocation> {
    match sealed {
        Sealed::Key { allocation, .. } => Some(allocation.clone()),
        _ => None,
    }
}

/// What other sessions gave on the rig. Sessions whose trail does not say that it is of another rig count.
fn elsewhere(folder: &Path, name: &str, rig: &str, now_nanos: i64) -> Result<Vec<Past>, String> {
    let within = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut given = Vec::new();
    for file in std::fs::read_dir(folder).map_err(within)? {
        let file = file.map_err(within)?.file_name();
        let session = file.to_str().and_then(|file| file.strip_suffix(DOSES));
        let Some(session) = session.filter(|session| *session != name) else { continue };
        let of_rig = trail::first::<Entry>(&trail::paths(folder, session)[0]);
        if matches!(of_rig, Ok(Some(Entry::Opened { rig: other, .. })) if other != rig) {
            continue;
        }
        let past = DoseBook::past(&folder.join(&file), now_nanos, BOOK_BYTES_MAX);
        given.extend(past.map_err(|error| error.to_string())?);
    }
    Ok(given)
}

/// What the session decided before, of this plan.
fn before(plan: &Plan, entries: &[Entry], sealed: &[Sealed]) -> Result<Before, String> {
    let mut before =
        Before { trigger_next: 1, opportunities: vec![0; plan.rules.len()], triggers: vec![0; plan.rules.len()] };
    for entry in entries {
        match entry {
            Entry::Opened { plan_hash, .. } if *plan_hash != plan.hash => {
                let (expected, got) = (&plan.hash, plan_hash);
                return Err(format!("expected a session of plan {expected}, got one of {got}: choose another name"));
            }
            Entry::Decision(decision) => {
                let rule = plan.rules.iter().position(|rule| rule.name == decision.rule);
                let Some(rule) = rule else { continue };
                match &decision.verdict {
                    Verdict::Triggered { trigger } => {
                        before.trigger_next = before.trigger_next.max(trigger + 1);
                        before.triggers[rule] += 1;
                        before.opportunities[rule] += 1;
                    }
                    Verdict::Refused { cause, .. } if cause == "not-drawn" => before.opportunities[rule] += 1,
                    Verdict::Refused { .. } => {}
                }
            }
            _ => {}
        }
    }
    // Of a detector that was killed in between, the sealed file may know more.
    let mut drawn = vec![0; plan.rules.len()];
    for entry in sealed {
        let Sealed::Arm { trigger, rule, .. } = entry else { continue };
        before.trigger_next = before.trigger_next.max(trigger + 1);
        if let Some(rule) = plan.rules.iter().position(|known| known.name == *rule) {
            drawn[rule] += 1;
        }
    }
    for (rule, drawn) in drawn.into_iter().enumerate() {
        before.triggers[rule] = before.triggers[rule].max(drawn);
        before.opportunities[rule] = before.opportunities[rule].max(before.triggers[rule]);
    }
    Ok(before)
}
