//! `vibrissa record`

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use crossbeam::channel::RecvTimeoutError;
use zenoh::Session;

use super::detect::say;
use crate::corpus::log::file::Out;
use crate::keys::Rigs;
use crate::live::interrupt::interrupts;
use crate::live::recorder::{Config, Progress, Recorder};
use crate::live::session::{ENDPOINT, Endpoints, Patience, listening};

/// How often the command looks whether it is done, and whether writing fails.
const LOOK: Duration = Duration::from_millis(100);

/// Record poses, stream descriptions, events and statuses of live cages as they come, into MCAP files, until Ctrl-C.
///
/// Unless --listen or --connect says otherwise: listens on this machine (tcp/127.0.0.1:7447) as a detector does, or,
/// where a detector does so already, joins it. Start the detector first. Killing the recorder loses the last half
/// second at most. `vibrissa replay FILE` plays a log as it came.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A folder, in which every start makes a new file named by its time (UTC); or a file that ends in .mcap and is not
    /// there yet.
    #[arg(long, default_value = "vibrissa-logs", value_name = "PATH")]
    out: PathBuf,
    /// The rig to record, or '*' for all.
    #[arg(long, default_value = "*", value_name = "RIG")]
    rig: Rigs,
    /// Record the cages of this name only.
    #[arg(long, value_name = "CAGE")]
    cage: Option<String>,
    #[command(flatten)]
    endpoints: Endpoints,
    /// Begin another file after so many hours.
    #[arg(long, default_value_t = 24.0, value_name = "N", value_parser = parse_hours)]
    hours: f64,
    /// Begin another file after so many bytes.
    #[arg(long, default_value_t = 4 << 30, value_name = "N", value_parser = clap::value_parser!(u64).range(1 << 20..))]
    max_bytes: u64,
    /// End after so many seconds.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Seconds between two lines about a cage.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    report: u64,
}

fn parse_hours(text: &str) -> Result<f64, String> {
    let hours: f64 = text.parse().map_err(|_| format!("expected a number of hours, got {text:?}"))?;
    if !(0.001..=1000.0).contains(&hours) {
        return Err(format!("expected 0.001 to 1000 hours, got {hours}"));
    }
    Ok(hours)
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let interrupts = interrupts()?;
    let session = open(&args.endpoints)?;
    let config = Config {
        rigs: args.rig.clone(),
        cage: args.cage.clone(),
        out: Out::of(args.out.clone()),
        span_max: Duration::from_secs_f64(args.hours * 3600.0),
        bytes_max: args.max_bytes,
    };
    let recorder = Recorder::start(&session, &config)?;
    let mut files = 0;
    tell_files(&recorder.progress(), &mut files);
    say(&format!("recording {} at {}", args.rig.poses(), listening(&session).join(", ")));
    let every = Duration::from_secs(args.report);
    let end = args.seconds.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
    let mut next_report = Instant::now() + every;
    let mut failing = None;
    while interrupts.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if !recorder.is_running() {
            break;
        }
        let (now, progress) = (Instant::now(), recorder.progress());
        tell_files(&progress, &mut files);
        let due = now >= next_report;
        if progress.failing.is_some() && (due || progress.failing != failing) {
            shout(progress.failing.as_deref().unwrap_or_default());
        } else if progress.failing.is_none() && failing.is_some() {
            say("the log is written as it should be again");
        }
        failing.clone_from(&progress.failing);
        if due {
            next_report = now + every;
            report(&progress);
        }
        if end.is_some_and(|end| now >= end) {
            break;
        }
    }
    say("ending: writing what waits");
    let progress = recorder.stop()?;
    report(&progress);
    say(&format!("{} bytes in {}", progress.stored, names(&progress)));
    match progress.lost_in_all() {
        0 => Ok(()),
        lost => bail!("{lost} messages were left out, see above"),
    }
}

/// A session that rigs find: see the command's help.
fn open(endpoints: &Endpoints) -> anyhow::Result<Session> {
    if *endpoints == Endpoints::default() {
        if let Ok(session) = endpoints.clone().or_listen().open(Patience::Detector) {
            return Ok(session);
        }
        say(&format!("{ENDPOINT} is taken: joining who is there"));
    }
    Ok(endpoints.clone().or_connect().or_nearby().open(Patience::Detector)?)
}

/// Says which files were begun since the last time.
fn tell_files(progress: &Progress, told: &mut usize) {
    for file in progress.files.iter().skip(*told) {
        say(&format!("log {}", file.display()));
    }
    *told = progress.files.len();
}

fn names(progress: &Progress) -> String {
    progress.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn report(progress: &Progress) {
    for (cage, count) in &progress.cages {
        say(&format!("{cage}  {count}"));
    }
    if !progress.lost_elsewhere.is_empty() {
        let causes = progress.lost_elsewhere.iter().map(|(cause, count)| format!("{cause} {count}"));
        say(&format!("without a cage: LOST {}", causes.collect::<Vec<_>>().join(", ")));
    }
}

fn shout(reason: &str) {
    let _ = writeln!(std::io::stderr(), "THE LOG IS IN TROUBLE: {reason}");
}
