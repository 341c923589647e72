//! `vibrissa latency`: how long verdicts take on this rig, measured through zenoh as any subscriber sees it.

mod dance;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;

use self::dance::Dance;
use super::settings::Settings;
use crate::commands::detect::say;
use crate::keys::{CAGES_MAX, CageName, Rigs};
use crate::latency::Meter;
use crate::latency::histogram::Glyphs;
use crate::latency::system::System;
use crate::live::interrupt::interrupts;
use crate::live::prober::{Plan, Prober};
use crate::live::session::{Endpoints, Patience};
use crate::model::bundle;
use crate::stream::{CLOCK_UNIX, Origin, StreamDescription};
use crate::time::TICK_RATE_HZ;

/// Where Linux describes itself.
const ROOT: &str = "/";

/// Measure how long a running detector takes from a frame to its verdict.
///
/// Publishes frames of made-up animals for cages of its own, marked as simulated, at 30 Hz, and times the answers: scores
/// for every frame, events where one comes. Run it on the machine that publishes your poses, beside your own cages, so that
/// it meets the network and the load that they meet.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Settings of the detector, see configs/detect.toml: its stream says which skeleton and animals to publish.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The detector's model, whose skeleton is published where no settings say otherwise.
    #[arg(long, default_value = "models/rat-dyads", value_name = "DIR")]
    model: PathBuf,
    /// Cages that are published.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=CAGES_MAX as i64))]
    cages: u32,
    /// How long to measure. Percentiles up to 99.9% need some 10,000 answers: 333 s of one cage, 34 s of ten.
    #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Seconds before that which are not measured.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=3600))]
    warm_up: u64,
    /// Put the frames of all cages at the same moment, as cameras on one trigger do, rather than one after the other.
    #[arg(long)]
    together: bool,
    /// Name of the rig under which cages are published; the detector must serve it.
    #[arg(long, default_value = "latency", value_name = "RIG")]
    rig: String,
    /// Write everything as JSON here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    endpoints: Endpoints,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let stream = stream(args)?;
    let cages: Vec<CageName> =
        (1..=args.cages).map(|number| CageName::new(&args.rig, &format!("cage{number}"))).collect::<Result<_, _>>()?;
    let names = cages.iter().map(|cage| cage.cage().to_owned()).collect();
    let mut meter = Meter::new(names, TICK_RATE_HZ)?;
    let rigs: Rigs = args.rig.parse().map_err(|error| anyhow::anyhow!("--rig: {error}"))?;
    let json = args.json.as_ref().map(|path| File::create(path).with_context(|| path.display().to_string()));
    let json = json.transpose()?;
    let interrupts = interrupts()?;
    let session = args.endpoints.clone().or_connect().open(Patience::Rig)?;
    let frames = |secs: u64| (secs as f64 * TICK_RATE_HZ) as u64;
    let plan = Plan {
        cages,
        stream: stream.clone(),
        frames_before: frames(args.warm_up),
        frames: frames(args.seconds),
        together: args.together,
    };
    let mut prober = Prober::new(&session, &rigs, plan)
        .context("is a detector running, and does it serve this rig? `vibrissa detect` starts one")?;
    say(&format!("measuring {} s of {} cages of rig {:?}", args.seconds, args.cages, args.rig));
    let before = System::probe(Path::new(ROOT));
    let dances: Vec<Dance> = (0..args.cages).map(|cage| Dance::new(&stream, cage)).collect();
    let counted = prober.measure(&mut meter, |cage, number| dances[cage as usize].frame(number), &interrupts)?;
    let summary = meter.finish(counted, System::probe(Path::new(ROOT)).since(&before));
    println!("{summary}");
    print!("{}", summary.histograms(width(), Glyphs::Unicode));
    if let Some(file) = json {
        serde_json::to_writer_pretty(file, &summary).context("writing --json")?;
    }
    Ok(())
}

/// Columns to draw in.
fn width() -> usize {
    ratatui::crossterm::terminal::size().map_or(100, |(columns, _)| usize::from(columns).clamp(60, 160))
}

fn stream(args: &Args) -> anyhow::Result<StreamDescription> {
    let clock = Some(CLOCK_UNIX.to_owned());
    let expected = args.config.as_deref().map(Settings::read).transpose()?.and_then(|settings| settings.stream);
    let (skeleton, names, body_length_px) = if let Some(stream) = expected {
        (stream.skeleton().clone(), stream.individuals().to_vec(), stream.body_length_px())
    } else {
        let (card, ..) = bundle::read(&args.model).context("expected a model's folder: --model DIR")?;
        let names = ["a", "b"].map(str::to_owned).to_vec();
        (card.defaults.skeleton, names, card.defaults.body_length_px)
    };
    Ok(StreamDescription::new(skeleton, names, TICK_RATE_HZ, body_length_px, clock, Origin::Simulated)?)
}
