//! `vibrissa simulate`

pub mod live;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;

use super::corpora::Part;
use super::offline::in_parallel;
use crate::corpus::Split;
use crate::corpus::mabe::card::{BODY_LENGTH_CM, Card};
use crate::corpus::mabe::store::Store;
use crate::corpus::poses::deeplabcut_csv::CONFIDENCE_MIN;
use crate::live::session::Endpoints;
use crate::simulate::preset::Preset;
use crate::simulate::recording::record;
use crate::simulate::spec::{Lab, Simulation};

/// Recordings that are in memory together: so many, and so many frames of all of them, at least one recording.
const AT_ONCE: usize = 8;
const FRAMES_AT_ONCE: f64 = 1e6;

/// Simulate animals that do things to one another, with the truth about who did what to whom: as a corpus, or live.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to simulate; by default the labs of configs/simulation/labs.toml, which are built in.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only these labs (may be given several times).
    #[arg(long, value_name = "NAME")]
    lab: Vec<String>,
    /// How well the animals are tracked: clean, rig or awful, or a file such as src/simulate/presets/rig.toml; by default
    /// what the configuration says.
    #[arg(long, value_name = "NAME|FILE")]
    preset: Option<String>,
    /// Another seed than the configuration's.
    #[arg(long)]
    seed: Option<u64>,
    /// Minutes of each recording, instead of the configuration's.
    #[arg(long, value_name = "N")]
    minutes: Option<f64>,
    /// The corpus to write: a new or empty folder.
    #[arg(long, value_name = "DIR", required_unless_present = "live", conflicts_with = "live")]
    out: Option<PathBuf>,
    /// Only recordings of this part.
    #[arg(long, value_enum, default_value_t = Part::All, conflicts_with = "live")]
    split: Part,
    /// Publish cages over zenoh instead, at their cameras' rates, until Ctrl-C; every frame says that it is simulated.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    rig: live::Args,
    #[command(flatten)]
    endpoints: Endpoints,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut simulation = match &args.config {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            Simulation::parse(&text).with_context(|| file.display().to_string())?
        }
        None => Simulation::built_in(),
    };
    simulation.seed = args.seed.unwrap_or(simulation.seed);
    simulation.keep_labs(&args.lab)?;
    simulation.set_minutes(args.minutes.unwrap_or(simulation.minutes))?;
    let mut preset = preset(args.preset.as_ref().unwrap_or(&simulation.preset))?;
    preset.unordered |= args.rig.unordered;
    match &args.out {
        Some(_) if args.rig.is_given() || args.endpoints != Endpoints::default() => {
            bail!(
                "--out writes a corpus: --rig, --cages, --seconds, --truth, --unordered, --json, --listen and --connect go with --live"
            )
        }
        Some(out) => write(&simulation, &preset, args.split, out),
        None => live::run(&simulation, &preset, &args.rig, &args.endpoints),
    }
}

pub fn preset(name: &str) -> anyhow::Result<Preset> {
    if let Some(preset) = Preset::named(name) {
        return Ok(preset);
    }
    let expected =
        || format!("--preset: expected one of {:?} or a file that ends in .toml, got {name:?}", Preset::NAMES);
    ensure!(Path::new(name).extension().is_some_and(|ending| ending == "toml"), expected());
    let text = std::fs::read_to_string(name).with_context(|| name.to_owned())?;
    Preset::parse(&text).with_context(|| name.to_owned())
}

/// One recording that is to be made.
struct Take<'a> {
    lab: &'a Lab,
    split: Split,
    number: u32,
}

impl Take<'_> {
    fn name(&self) -> String {
        format!("{}-{:?}-{}", self.lab.name, self.split, self.number).to_lowercase()
    }
}

fn write(simulation: &Simulation, preset: &Preset, part: Part, out: &Path) -> anyhow::Result<()> {
    let mut takes = Vec::new();
    for lab in &simulation.labs {
        for (split, count) in simulation.recordings.by_split() {
            if part.holds(split) {
                takes.extend((1..=count).map(|number| Take { lab, split, number }));
            }
        }
    }
    ensure!(!takes.is_empty(), "{}: no recordings of the split {part:?}", simulation.name);
    let card = Card {
        name: simulation.name.clone(),
        source: format!(
            "SIMULATED by vibrissa {}: seed {}, preset {}",
            env!("CARGO_PKG_VERSION"),
            simulation.seed,
            preset.name
        ),
        species: "simulated rodent".to_owned(),
        confidence_min: CONFIDENCE_MIN,
        body_length_cm: BODY_LENGTH_CM,
        body_length_px: None,
        label_sets: simulation.ethogram.label_sets().to_vec(),
        skeletons: Vec::new(),
    };
    let mut store = Store::create(out, card)?;
    let bar = ProgressBar::new(takes.len() as u64);
    let (mut frames, mut bouts) = (0, 0);
    let longest = takes.iter().map(|take| simulation.minutes * 60.0 * take.lab.rate_hz()).fold(1.0, f64::max);
    let at_once = ((FRAMES_AT_ONCE / longest) as usize).clamp(1, AT_ONCE);
    for some in takes.chunks(at_once) {
        let recorded = in_parallel(some, |take| {
            let seed = simulation.seed_of(&take.lab.name, take.split, take.number);
            Ok(record(simulation, take.lab, preset, &take.name(), seed))
        })?;
        for (take, annotated) in some.iter().zip(&recorded) {
            frames += annotated.recording.frames.len();
            bouts += store.put(&take.name(), take.split, Path::new(&take.name()), annotated)?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let rows = store.rows();
    store.finish()?;
    println!("{}: {} recordings of {frames} frames, {rows} rows, {bouts} bouts", out.display(), takes.len());
    Ok(())
}
