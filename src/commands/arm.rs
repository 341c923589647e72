//! `vibrissa arm`, `disarm`, `stop` and `mark`: what an experimenter tells a closed loop.

use std::io::BufRead;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use crossbeam::channel::{Receiver, bounded, select};
use zenoh::{Session, Wait};

use super::detect::say;
use crate::behavior::pair_name;
use crate::keys::{CageName, KeyError};
use crate::live::control::REPLY_MAX;
use crate::live::interrupt::{hangups, interrupts};
use crate::live::session::{Endpoints, Patience};
use crate::output::event::Animals;
use crate::trigger::control::{Command, Reply};
use crate::trigger::message::Trigger;

/// How long a session may take to find the detector.
const FOUND_MAX: Duration = Duration::from_secs(5);

/// Triggers that may wait to be printed.
const TRIGGERS_MAX: usize = 256;

/// A cage as the command line names it: RIG/CAGE.
#[derive(Clone, Debug)]
struct Place(CageName);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rig, cage) = text.split_once('/').ok_or_else(|| format!("expected RIG/CAGE, got {text:?}"))?;
        CageName::new(rig, cage).map(Self).map_err(|error: KeyError| error.to_string())
    }
}

/// Let a running detector trigger in a cage, and stay: Enter, Ctrl-C and the end of the terminal stop everything.
///
/// The loop is bound to whoever publishes the cage's poses now. A stop holds until the detector is started anew.
#[derive(Debug, clap::Args)]
pub struct Arm {
    /// The cage.
    #[arg(value_name = "RIG/CAGE")]
    cage: Place,
    /// Name of the experimental session; one that is known goes on, with the doses that it gave.
    #[arg(long, value_name = "NAME")]
    session: String,
    /// Return once it is armed.
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    endpoints: Endpoints,
}

/// Let nothing trigger in a cage any more; what is on there goes off.
#[derive(Debug, clap::Args)]
pub struct Disarm {
    /// The cage.
    #[arg(value_name = "RIG/CAGE")]
    cage: Place,
    #[command(flatten)]
    endpoints: Endpoints,
}

/// Turn everything off, in all cages of the rig: nothing is armed again before the detector is started anew.
#[derive(Debug, clap::Args)]
pub struct Stop {
    /// The cage, or any other of its rig.
    #[arg(value_name = "RIG/CAGE")]
    cage: Place,
    /// What the trail is to say.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    endpoints: Endpoints,
}

/// Begin a phase of the plan, in all cages of the rig.
#[derive(Debug, clap::Args)]
pub struct Mark {
    /// The cage, or any other of its rig.
    #[arg(value_name = "RIG/CAGE")]
    cage: Place,
    /// The phase.
    #[arg(value_name = "PHASE")]
    name: String,
    #[command(flatten)]
    endpoints: Endpoints,
}

pub fn arm(args: &Arm) -> anyhow::Result<()> {
    let session = open(&args.endpoints)?;
    let cage = &args.cage.0;
    // First of all: a Ctrl-C that nobody listens to ends the process and leaves the cage armed.
    let (interrupted, hungup) = (interrupts()?, hangups()?);
    let (told, triggers) = bounded(TRIGGERS_MAX);
    let on_trigger = move |sample: zenoh::sample::Sample| {
        if let Ok(trigger) = serde_json::from_slice::<Trigger>(&sample.payload().to_bytes()) {
            let _ = told.try_send(trigger);
        }
    };
    let subscriber = session.declare_subscriber(cage.trigger()).callback(on_trigger).wait();
    let _subscriber = subscriber.map_err(|error| anyhow::anyhow!("subscribing to triggers: {error}"))?;
    let armed = ask(&session, cage, &Command::Arm { session: args.session.clone() });
    if armed.is_err() {
        // It may be armed all the same, where the answer came too late.
        let _ = ask(&session, cage, &Command::Disarm);
    }
    say(&armed?);
    if args.detach {
        return Ok(());
    }
    say("Enter, Ctrl-C and the end of this terminal stop everything");
    watch(&triggers, [&interrupted, &hungup, &entered()])?;
    say(&ask(&session, cage, &Command::Stop { why: Some("the stop key".to_owned()) })?);
    Ok(())
}

pub fn disarm(args: &Disarm) -> anyhow::Result<()> {
    say(&ask(&open(&args.endpoints)?, &args.cage.0, &Command::Disarm)?);
    Ok(())
}

pub fn stop(args: &Stop) -> anyhow::Result<()> {
    say(&ask(&open(&args.endpoints)?, &args.cage.0, &Command::Stop { why: args.why.clone() })?);
    Ok(())
}

pub fn mark(args: &Mark) -> anyhow::Result<()> {
    say(&ask(&open(&args.endpoints)?, &args.cage.0, &Command::Mark { name: args.name.clone() })?);
    Ok(())
}

fn open(endpoints: &Endpoints) -> anyhow::Result<Session> {
    Ok(endpoints.clone().or_connect().open(Patience::Rig)?)
}

/// Prints triggers until somebody asks for the stop.
fn watch(triggers: &Receiver<Trigger>, [interrupted, hungup, entered]: [&Receiver<()>; 3]) -> anyhow::Result<()> {
    loop {
        select! {
            recv(triggers) -> trigger => {
                let trigger = trigger.context("the session ended")?;
                let animals = match &trigger.animals {
                    Animals::Directed { agent, target } => format!("{agent} → {target}"),
                    Animals::Undirected { animals: [a, b] } => pair_name(a, b),
                    Animals::Alone { agent } => agent.clone(),
                };
                say(&format!("trigger {}  {}  {animals}  tick {}", trigger.trigger, trigger.rule, trigger.tick));
            }
            recv(interrupted) -> _ => return Ok(()),
            recv(hungup) -> _ => return Ok(()),
            recv(entered) -> _ => return Ok(()),
        }
    }
}

/// A channel that gets a message at the first line that is entered. A standard input that has ended says nothing.
fn entered() -> Receiver<()> {
    let (tell, told) = bounded(1);
    std::thread::spawn(move || {
        let mut line = String::new();
        match std::io::stdin().lock().read_line(&mut line) {
            Ok(length) if length > 0 => drop(tell.send(())),
            // The channel stays open: its end would be a word as well.
            _ => std::mem::forget(tell),
        }
    });
    told
}

/// Asks the detector that serves a cage, and gives what it says.
fn ask(session: &Session, cage: &CageName, command: &Command) -> anyhow::Result<String> {
    let querier = session.declare_querier(cage.control()).timeout(REPLY_MAX + Duration::from_secs(5)).wait();
    let querier = querier.map_err(|error| anyhow::anyhow!("asking: {error}"))?;
    let (tell, found) = bounded(1);
    let on_match = move |status: zenoh::matching::MatchingStatus| {
        if status.matching() {
            let _ = tell.try_send(());
        }
    };
    let listener = querier.matching_listener().callback(on_match).wait();
    let _listener = listener.map_err(|error| anyhow::anyhow!("asking: {error}"))?;
    let is_there = querier.matching_status().wait().is_ok_and(|status| status.matching());
    if !is_there && found.recv_timeout(FOUND_MAX).is_err() {
        bail!("{cage}: expected a detector with a plan for this rig, found none within {} s", FOUND_MAX.as_secs());
    }
    let replies =
        querier.get().payload(command.to_json()).wait().map_err(|error| anyhow::anyhow!("asking: {error}"))?;
    let reply = replies.recv().map_err(|_| anyhow::anyhow!("{cage}: no answer"))?;
    let sample = reply.result().map_err(|error| anyhow::anyhow!("{cage}: {error}"))?;
    let reply: Reply = serde_json::from_slice(&sample.payload().to_bytes()).context("the detector's answer")?;
    if reply.done { Ok(reply.said) } else { bail!("{}", reply.said) }
}
