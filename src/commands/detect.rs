//! `vibrissa detect`

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::live::detector::{Config, Detector};
use crate::live::interrupt::interrupts;
use crate::live::keys::Rigs;
use crate::live::session::{Endpoints, Patience, listening};
use crate::live::tally::Tallies;
use crate::model::Model;

/// How often the command looks whether it is done.
const LOOK: Duration = Duration::from_millis(100);

/// Detect behavior in the poses that rigs publish, until Ctrl-C.
///
/// Listens on this machine only (tcp/127.0.0.1:7447) unless --listen or --connect says otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model directory.
    #[arg(long, default_value = "models/rat-dyads", value_name = "DIR")]
    model: PathBuf,
    /// The rig to serve, or '*' for all.
    #[arg(long, default_value = "*", value_name = "RIG")]
    rig: Rigs,
    #[command(flatten)]
    endpoints: Endpoints,
    /// Every event is written here before it is published.
    #[arg(long, default_value = "vibrissa-events.jsonl", value_name = "FILE")]
    journal: PathBuf,
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

pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Arc::new(Model::load(&args.model)?);
    let session = args.endpoints.clone().or_listen().open(Patience::Detector)?;
    let confidence_min = model.card().confidence_min;
    say(&format!("model {} ({})", model.name(), model.hash()));
    let config = Config { rigs: args.rig.clone(), confidence_min, ..Config::new(args.journal.clone()) };
    let detector = Detector::start(&session, model, &config)?;
    let recovery = detector.recovery();
    if recovery.torn_bytes > 0 {
        say(&format!("journal: cut off {} bytes of an event that was never published", recovery.torn_bytes));
    }
    say(&format!("journal {}, next event {}", args.journal.display(), recovery.sequence_next));
    say(&format!("waiting for poses on {} at {}", config.rigs.poses(), listening(&session).join(", ")));
    let ended = watch(&detector, args.seconds, args.until_idle, Duration::from_secs(args.report));
    say("ending: finishing the frames that wait");
    let tallies = detector.stop().context("detection did not end in order")?;
    report(&tallies, true);
    ended
}

/// Prints lines until it is time to end.
fn watch(detector: &Detector, seconds: Option<u64>, until_idle: bool, every: Duration) -> anyhow::Result<()> {
    let interrupts = interrupts()?;
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut next_report = Instant::now() + every;
    while interrupts.recv_timeout(LOOK) == Err(crossbeam::channel::RecvTimeoutError::Timeout) {
        let now = Instant::now();
        if !detector.is_running() {
            bail!("the inference thread ended by itself");
        }
        if now >= next_report {
            next_report = now + every;
            shout(detector.journal_failing().as_deref());
            report(detector.tallies(), false);
            detector.tallies().renew_latencies();
        }
        if end.is_some_and(|end| now >= end) || (until_idle && idle(detector.tallies())) {
            break;
        }
    }
    Ok(())
}

/// Whether frames came, and every cage that sent some is closed.
fn idle(tallies: &Tallies) -> bool {
    let cages = tallies.snapshot();
    let mut served = cages.iter().filter(|(_, tally)| tally.counts.frames > 0).peekable();
    served.peek().is_some() && served.all(|(_, tally)| tally.closed)
}

/// A line for each open cage, or for every one.
pub(super) fn report(tallies: &Tallies, closed_as_well: bool) {
    for (cage, tally) in tallies.snapshot() {
        if !tally.closed || closed_as_well {
            say(&format!("{cage}  {tally}"));
        }
    }
    let others = tallies.others();
    if others.refused_in_all() > 0 {
        say(&format!("without a cage: refused {:?}", others.refused));
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
