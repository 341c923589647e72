//! `vibrissa detect`

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam::channel::Receiver;

use super::settings::{Settings, THREADS_MAX, parse_metrics};
use crate::core::Unit;
use crate::keys::Rigs;
use crate::live::desk::Loop;
use crate::live::detector::{Config, Detector};
use crate::live::export;
use crate::live::interrupt::{hangups, interrupts};
use crate::live::session::{Endpoints, Patience, listening};
use crate::live::tally::Tallies;
use crate::model::Model;
use crate::model::device::Choice;

/// How often the command looks whether it is done.
const LOOK: Duration = Duration::from_millis(100);

/// Detect behavior in the poses that rigs publish, until Ctrl-C.
///
/// Listens on this machine only (tcp/127.0.0.1:7447) unless --listen or --connect says otherwise. SIGHUP reads the
/// model directory again: every cage goes on with the new model, from what it has seen.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Settings, see configs/detect.toml; each flag goes before them.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The model directory [default: models/rat-dyads].
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Tell only of this label set (repeatable) [default: all that the model knows].
    #[arg(long, value_name = "NAME")]
    lab: Vec<String>,
    /// The rig to serve, or '*' for all [default: *].
    #[arg(long, value_name = "RIG")]
    rig: Option<Rigs>,
    #[command(flatten)]
    endpoints: Endpoints,
    /// Every event is written here before it is published [default: vibrissa-events.jsonl].
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Folder for the last 17 s of every cage, from which a restarted detector goes on.
    #[arg(long, value_name = "DIR")]
    ticks: Option<PathBuf>,
    /// Serve metrics to Prometheus at this loopback address, such as 127.0.0.1:9464.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_metrics)]
    metrics: Option<SocketAddr>,
    /// Inference threads; one serves hundreds of cages [default: 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=THREADS_MAX as i64))]
    threads: Option<u8>,
    /// What networks run on: cpu, or cuda where the program was built with that feature [default: cpu].
    #[arg(long, value_name = "DEVICE")]
    device: Option<Choice>,
    /// What to trigger in a rig, see configs/triggers. Nothing is armed before `vibrissa arm` says so.
    #[arg(long, value_name = "FILE")]
    triggers: Option<PathBuf>,
    /// What a rehearsal of that plan wrote; without one nothing can be armed.
    #[arg(long, value_name = "FILE")]
    permit: Option<PathBuf>,
    /// Where experimental sessions keep trail and doses [default: vibrissa-sessions].
    #[arg(long, value_name = "DIR")]
    sessions: Option<PathBuf>,
    /// End after so many seconds.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// End when every cage that sent frames has ended or gone silent.
    #[arg(long)]
    until_idle: bool,
    /// Seconds between two lines about a cage.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    report: u64,
}

impl Args {
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = self.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let Self { model, lab, rig, endpoints, journal, ticks, metrics, triggers, permit, sessions, .. } = self.clone();
        if !lab.is_empty() {
            settings.label_sets = lab;
        }
        settings.model = model.unwrap_or(settings.model);
        settings.rig = rig.unwrap_or(settings.rig);
        settings.journal = journal.unwrap_or(settings.journal);
        settings.ticks = ticks.or(settings.ticks);
        settings.metrics = metrics.or(settings.metrics);
        settings.triggers = triggers.or(settings.triggers);
        settings.permit = permit.or(settings.permit);
        settings.sessions = sessions.unwrap_or(settings.sessions);
        settings.device = self.device.unwrap_or(settings.device);
        settings.threads = self.threads.map_or(settings.threads, usize::from);
        if endpoints != Endpoints::default() {
            settings.endpoints = endpoints;
        }
        Ok(settings)
    }
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let settings = args.settings()?;
    // First of all: a hangup that nobody listens to ends the process.
    let hangups = hangups()?;
    let model = Arc::new(Model::load_only(&settings.model, &settings.label_sets)?);
    let misfits = settings.misfits(&model);
    anyhow::ensure!(misfits.is_empty(), "{}: {}", settings.model.display(), misfits.join("; "));
    if let Some(address) = settings.metrics {
        export::serve(address)?;
        say(&format!("metrics at http://{address}/metrics"));
    }
    let closed_loop = settings.closed_loop()?;
    let session = settings.endpoints.clone().or_listen().open(Patience::Detector)?;
    let confidence_min = model.card().confidence_min;
    say(&format!("model {} ({})", model.name(), model.hash()));
    let (rigs, idle, ticks) = (settings.rig.clone(), settings.idle, settings.ticks.clone());
    let (threads, unit) = (settings.threads, Unit::open(settings.device)?);
    if let Some(Loop { plan, permit, .. }) = &closed_loop {
        let permit = if permit.is_some() { "" } else { "; without a permit, nothing can be armed" };
        say(&format!("plan {} ({}) for rig {}{permit}", plan.name, plan.hash, plan.rig));
    }
    let journal = Config::new(settings.journal.clone());
    let config = Config { rigs, confidence_min, idle, ticks, threads, unit, closed_loop, ..journal };
    let detector = Detector::start(&session, model, &config)?;
    let recovery = detector.recovery();
    if recovery.torn_bytes > 0 {
        say(&format!("journal: cut off {} bytes of an event that was never published", recovery.torn_bytes));
    }
    say(&format!("journal {}, next event {}", settings.journal.display(), recovery.sequence_next));
    say(&format!("waiting for poses on {} at {}", config.rigs.poses(), listening(&session).join(", ")));
    let ended = watch(&detector, args, &settings, &hangups);
    say("ending: finishing the frames that wait");
    let tallies = detector.stop().context("detection did not end in order")?;
    report(&tallies, true);
    ended
}

/// Prints lines until it is time to end.
fn watch(detector: &Detector, args: &Args, settings: &Settings, hangups: &Receiver<()>) -> anyhow::Result<()> {
    let interrupts = interrupts()?;
    let every = Duration::from_secs(args.report);
    // What lies beyond the clock's end is for ever.
    let end = args.seconds.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
    let mut next_report = Instant::now() + every;
    while interrupts.recv_timeout(LOOK) == Err(crossbeam::channel::RecvTimeoutError::Timeout) {
        let now = Instant::now();
        if hangups.try_recv().is_ok() {
            reload(detector, settings);
        }
        if !detector.is_running() {
            bail!("the inference thread ended by itself");
        }
        if now >= next_report {
            next_report = now + every;
            shout(detector.journal_failing().as_deref());
            report(detector.tallies(), false);
            detector.tallies().renew_latencies();
        }
        if end.is_some_and(|end| now >= end) || (args.until_idle && idle(detector.tallies())) {
            break;
        }
    }
    Ok(())
}

/// Reads the model directory again, as SIGHUP asks for. A model that cannot be used changes nothing.
fn reload(detector: &Detector, settings: &Settings) {
    match Model::load_only(&settings.model, &settings.label_sets) {
        Ok(model) if model.hash() == detector.model_hash() => say("the model has not changed"),
        Ok(model) => {
            say(&format!("model {} ({}) from now on", model.name(), model.hash()));
            detector.replace_model(Arc::new(model));
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the model stays as it is: {error}");
        }
    }
}

/// Whether frames came, and every cage that sent some is closed.
fn idle(tallies: &Tallies) -> bool {
    let cages = tallies.snapshot();
    let mut served = cages.iter().filter(|(_, tally)| tally.counts.frames > 0).peekable();
    served.peek().is_some() && served.all(|(_, tally)| tally.closed)
}

/// A line for each open cage, or for every one; names of which no frame was ever taken share a line.
pub(super) fn report(tallies: &Tallies, closed_as_well: bool) {
    let mut refused = tallies.others().refused;
    for (cage, tally) in tallies.snapshot() {
        if tally.counts.frames == 0 {
            for (cause, count) in tally.counts.refused {
                *refused.entry(cause).or_default() += count;
            }
        } else if !tally.closed || closed_as_well {
            say(&format!("{cage}  {tally}"));
        }
    }
    if !refused.is_empty() {
        let causes: Vec<String> = refused.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
        say(&format!("without a cage: refused {}", causes.join(", ")));
    }
}

pub(super) fn shout(journal_failing: Option<&str>) {
    if let Some(reason) = journal_failing {
        let _ = writeln!(std::io::stderr(), "THE JOURNAL CANNOT BE WRITTEN, NOTHING IS PUBLISHED: {reason}");
    }
}

/// Prints a line. A reader that went away must not end detection.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
