//! `vibrissa demo`

mod animals;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam::channel::{Receiver, Sender, bounded};

use super::detect::{report, say, shout};
use crate::acquire::wire::Encoding;
use crate::keys::{CageName, Rigs};
use crate::live::LiveError;
use crate::live::detector::{Config, Detector};
use crate::live::interrupt::interrupts;
use crate::live::listener::Listener;
use crate::live::publisher::{Play, Played, play};
use crate::live::session::{Endpoints, Patience, listening};
use crate::model::Model;
use crate::output::event::{Animals as Whom, EdgeWord, Event};
use crate::stream::Origin;

const WELCOME: &str = "\
Vibrissa watches two simulated rats. A rig in this process publishes their keypoints 30 times a second over zenoh,
on this machine only; a detector takes them, advances its network tick by tick, writes every onset and offset of a
behavior to its journal and then publishes it. What you see:

  12.3 s  rat1 + rat2  social  BEGINS ...   an event, as any program that subscribes receives it; \"delay\" is how long
                                            the detector looked on before it decided
  demo/cage1  frames ... | age ...          a line about the cage: counts since the start, and latencies as median/99th
                                            percentile. \"age\" is from capture to arrival

The rats are drawn by chance and behave like no real ones: the verdicts mean nothing.
";

/// Where the simulated animals come from.
const SEED: u64 = 7;

/// Watch two simulated animals: rig, zenoh and detector in one process.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long.
    #[arg(long, default_value_t = 30, value_name = "N")]
    seconds: u64,
    /// The model directory.
    #[arg(long, default_value = "models/rat-dyads", value_name = "DIR")]
    model: PathBuf,
    /// Where to keep the journal; otherwise it lies in the system's folder for temporary files.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Arc::new(Model::load(&args.model)?);
    say(WELCOME);
    say(&format!("model {} ({})", model.name(), model.hash()));
    let kept = args.journal.is_some();
    let name = format!("vibrissa-demo-{}.jsonl", std::process::id());
    let journal = args.journal.clone().unwrap_or_else(|| std::env::temp_dir().join(name));
    let near =
        Endpoints { listen: vec!["tcp/127.0.0.1:0".to_owned()], connect: Vec::new() }.open(Patience::Detector)?;
    let far = Endpoints { listen: Vec::new(), connect: listening(&near) }.open(Patience::Rig)?;
    let confidence_min = model.card().confidence_min;
    let detector = Detector::start(&near, model, &Config { confidence_min, ..Config::new(journal.clone()) })?;
    let listener = Listener::new(&far, &Rigs::All)?;
    let (stop, stopped) = bounded(1);
    let rig = start_rig(far.clone(), stopped)?;
    let start = Instant::now();
    let watched = watch(&detector, &listener.events, start, Duration::from_secs(args.seconds));
    let played = end_rig(rig, stop)?;
    let tallies = detector.stop().context("detection did not end in order")?;
    listener.events.try_iter().for_each(|event| say(&line(&event, start)));
    say("");
    report(&tallies, true);
    if kept {
        say(&format!("journal: {}", journal.display()));
    } else {
        std::fs::remove_file(&journal).with_context(|| journal.display().to_string())?;
    }
    watched?;
    let taken: u64 = tallies.snapshot().iter().map(|(_, tally)| tally.counts.frames).sum();
    say(&format!("the rig published {} frames, the detector took {taken}", played.frames));
    if taken == 0 {
        bail!("no frame came through");
    }
    Ok(())
}

fn start_rig(session: zenoh::Session, stop: Receiver<()>) -> anyhow::Result<JoinHandle<Result<Played, LiveError>>> {
    let (stream, cage) = (animals::stream()?, CageName::new("demo", "cage1")?);
    let how = Play { cage, origin: Origin::Simulated, speed: 1.0, lossless: false, encoding: Encoding::Binary };
    let run = move || play(&session, &stream, animals::Animals::new(SEED), &how, &stop);
    Ok(thread::Builder::new().name("rig".to_owned()).spawn(run)?)
}

/// Lets the rig send its END mark.
fn end_rig(rig: JoinHandle<Result<Played, LiveError>>, stop: Sender<()>) -> anyhow::Result<Played> {
    drop(stop);
    match rig.join() {
        Ok(played) => Ok(played?),
        Err(_) => bail!("the rig's thread panicked"),
    }
}

/// Prints events as they come and a line every few seconds.
fn watch(detector: &Detector, events: &Receiver<Event>, start: Instant, time: Duration) -> anyhow::Result<()> {
    let interrupts = interrupts()?;
    let mut next_report = start + Duration::from_secs(5);
    while start.elapsed() < time {
        crossbeam::select! {
            recv(events) -> event => if let Ok(event) = event { say(&line(&event, start)); },
            recv(interrupts) -> _ => break,
            default(Duration::from_millis(100)) => {}
        }
        if !detector.is_running() {
            bail!("the inference thread ended by itself");
        }
        if Instant::now() >= next_report {
            next_report += Duration::from_secs(5);
            shout(detector.journal_failing().as_deref());
            report(detector.tallies(), false);
        }
    }
    Ok(())
}

fn line(event: &Event, start: Instant) -> String {
    let verdict = &event.verdict;
    let whom = match &verdict.animals {
        Whom::Directed { agent, target } => format!("{agent} → {target}"),
        Whom::Undirected { animals: [first, second] } => format!("{first} + {second}"),
        Whom::Alone { agent } => agent.clone(),
    };
    let edge = match verdict.edge {
        EdgeWord::Onset => "BEGINS",
        EdgeWord::Offset => "ends",
        EdgeWord::Retraction => "is taken back",
        EdgeWord::Abandoned => "was lost sight of",
    };
    let (secs, delay_secs) = (start.elapsed().as_secs_f64(), f64::from(verdict.delay) / crate::time::TICK_RATE_HZ);
    let (behavior, score) = (&verdict.behavior, verdict.score);
    format!("{secs:6.1} s  {whom}  {behavior}  {edge}  (score {score:.2}, delay {delay_secs:.1} s)")
}
