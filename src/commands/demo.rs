//! `vibrissa demo`

mod plain;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam::channel::{Receiver, Sender, bounded};
use zenoh::Wait;
use zenoh::sample::Locality;

use super::detect::{report, say};
use super::simulate::live::{Rig, TruthEdge};
use super::watch::{Known, show};
use crate::keys::{CageName, Rigs};
use crate::live::detector::{Config, Detector};
use crate::live::interrupt::interrupts;
use crate::live::session::{Endpoints, Patience, listening};
use crate::live::watcher::Watcher;
use crate::model::{Model, bundle};
use crate::simulate::preset::Preset;
use crate::simulate::spec::Simulation;
use crate::view::Terminal;

/// How long the demo lasts where there is no terminal to end it from, in seconds.
const SECONDS: u64 = 30;

/// How long the two sides of the demo may take to find each other.
const DETECTOR_WAIT: Duration = Duration::from_secs(10);

/// Edges of the truth that may wait to be looked at.
const TRUTH_MAX: usize = 1024;

/// Watch simulated animals being watched: rig, zenoh, detector and a view in one process, no data needed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long; by default until q in a terminal, else 30 s.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// The model directory.
    #[arg(long, default_value = "models/simulated", value_name = "DIR")]
    model: PathBuf,
    /// Which of the simulated labs: their animals, camera and skeleton.
    #[arg(long, default_value = "SimMars", value_name = "NAME")]
    lab: String,
    /// How well the animals are tracked: clean, rig or awful.
    #[arg(long, default_value = "rig", value_name = "NAME")]
    preset: String,
    /// Other animals, doing other things.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Print lines of text, also in a terminal.
    #[arg(long)]
    plain: bool,
    /// Where to keep the journal; otherwise it lies in the system's folder for temporary files.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut simulation = Simulation::built_in();
    simulation.seed = args.seed;
    simulation.keep_labs(std::slice::from_ref(&args.lab))?;
    let label_sets = told(&args.model, &simulation)?;
    let model = Arc::new(Model::load_only(&args.model, &label_sets)?);
    for lab in &simulation.labs {
        model.card().vocabulary.indices(lab.skeleton()).with_context(|| format!("the animals of {}", lab.name))?;
    }
    let preset = super::simulate::preset(&args.preset)?;

    let in_terminal = !args.plain && Terminal::is_available();
    if !in_terminal {
        say(plain::WELCOME);
        say(&format!("model {} ({})", model.name(), model.hash()));
    }
    let name = format!("vibrissa-demo-{}.jsonl", std::process::id());
    let journal = args.journal.clone().unwrap_or_else(|| std::env::temp_dir().join(name));
    let _passing = args.journal.is_none().then(|| Passing(journal.clone()));
    let near =
        Endpoints { listen: vec!["tcp/127.0.0.1:0".to_owned()], connect: Vec::new() }.open(Patience::Detector)?;
    let far = Endpoints { listen: Vec::new(), connect: listening(&near) }.open(Patience::Rig)?;
    let confidence_min = model.card().confidence_min;
    let config = Config { confidence_min, ..Config::new(journal.clone()) };
    let detector = Detector::start(&near, Arc::clone(&model), &config)?;
    let watcher = Watcher::new(&far, &Rigs::All)?;
    let cage = CageName::new("demo", "cage1")?;
    wait_for_detector(&far, &cage)?;
    let (stop, stopped) = bounded(0);
    let (rig, truth) = start_rig(far.clone(), cage, simulation, preset, stopped)?;

    let seconds = args.seconds.or((!in_terminal).then_some(SECONDS));
    let end = seconds.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
    let watched = if in_terminal {
        show(
            &watcher,
            &Known { model: Some(&model), detector: Some(&detector), truth: Some(&truth), label_sets: &label_sets },
            end,
        )
    } else {
        plain::watch(&detector, &watcher, &truth, &interrupts()?, end)
    };
    let published = end_rig(rig, stop);
    let tallies = detector.stop().context("detection did not end in order")?;
    if !in_terminal {
        plain::rest(&watcher);
    }
    say("");
    report(&tallies, true);
    if let Some(journal) = &args.journal {
        say(&format!("journal: {}", journal.display()));
    }
    watched?;
    let taken: u64 = tallies.snapshot().iter().map(|(_, tally)| tally.counts.frames).sum();
    say(&format!("the rig published {} frames, the detector took {taken}", published?));
    if taken == 0 {
        bail!("no frame came through");
    }
    Ok(())
}

/// The label sets by which the lab is annotated and that the model knows; none, which is all, where it knows none of them.
fn told(model: &Path, simulation: &Simulation) -> anyhow::Result<Vec<String>> {
    let (card, ..) = bundle::read(model).context("expected a model's folder: --model DIR")?;
    let sets = simulation.ethogram.label_sets();
    let annotated = simulation.labs.iter().flat_map(|lab| &lab.annotated_by).map(|set| sets[*set].name.clone());
    Ok(annotated.filter(|name| card.rules.contains_key(name)).collect())
}

/// Waits until the rig's side knows that the detector hears its descriptions and poses: no frame is to be lost in a demo.
fn wait_for_detector(session: &zenoh::Session, cage: &CageName) -> anyhow::Result<()> {
    let zenoh = |error| anyhow::anyhow!("looking for the detector: {error}");
    let deadline = Instant::now() + DETECTOR_WAIT;
    for key in [cage.stream(), cage.pose()] {
        // Of the watcher in this very session nothing is to be heard here.
        let heard = session.declare_publisher(key).allowed_destination(Locality::Remote).wait().map_err(zenoh)?;
        while !heard.matching_status().wait().map_err(zenoh)?.matching() {
            anyhow::ensure!(Instant::now() < deadline, "the detector was not seen within {DETECTOR_WAIT:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// A journal that nobody asked to keep: it goes when the demo ends, however it ends.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

type RigThread = JoinHandle<anyhow::Result<u64>>;

/// Publishes the animals of the first lab, and gives what really happens as it happens.
fn start_rig(
    session: zenoh::Session,
    cage: CageName,
    simulation: Simulation,
    preset: Preset,
    stop: Receiver<()>,
) -> anyhow::Result<(RigThread, Receiver<TruthEdge>)> {
    let (happens, truth) = bounded(TRUTH_MAX);
    let run = move || {
        let lab = simulation.labs.first().context("a simulation has labs")?;
        let rig = Rig { simulation: &simulation, lab, preset: &preset, cage, seed: simulation.seed };
        // Nobody waits for who looks on.
        rig.publish(&session, crate::acquire::wire::Encoding::Binary, &stop, |edge| drop(happens.try_send(edge)))
    };
    Ok((thread::Builder::new().name("rig".to_owned()).spawn(run)?, truth))
}

/// Lets the rig send its END mark.
fn end_rig(rig: RigThread, stop: Sender<()>) -> anyhow::Result<u64> {
    drop(stop);
    match rig.join() {
        Ok(published) => published,
        Err(_) => bail!("the rig's thread panicked"),
    }
}
