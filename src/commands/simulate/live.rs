//! Simulated cages on zenoh.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam::channel::{Receiver, bounded};

use crate::acquire::wire::Encoding;
use crate::behavior::{Bout, Cell, Kind};
use crate::commands::detect::say;
use crate::corpus::Split;
use crate::keys::{CAGES_MAX, CageName};
use crate::live::interrupt::interrupts;
use crate::live::publisher::{Cue, Play, play_cues};
use crate::live::session::{Endpoints, Patience};
use crate::output::event::Animals;
use crate::simulate::film::{Film, Shot};
use crate::simulate::preset::Preset;
use crate::simulate::recording::{Truth, is_label};
use crate::simulate::spec::{Lab, Simulation};
use crate::stream::{CLOCK_UNIX, Identities, Origin, StreamDescription};

/// Live cages are other animals than those of any corpus: their numbers among a lab's recordings begin here.
const LIVE_FIRST: u32 = 1_000_000;

/// What the rig is called.
const RIG: &str = "simulated";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the simulated rig.
    #[arg(long, default_value = RIG, value_name = "RIG")]
    rig: String,
    /// Cages of that rig, cage1, cage2, …; the labs take turns.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=CAGES_MAX as i64))]
    cages: u32,
    /// End after so many seconds.
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Write what really happened here: a CSV with a row for each bout, as it ends.
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Publish the animals of each frame in any order, as a pose estimator without a tracker does.
    #[arg(long)]
    pub unordered: bool,
    /// Publish frames as JSON rather than in the binary layout.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Whether anything was asked for that only live cages have.
    pub fn is_given(&self) -> bool {
        let asked = self.seconds.is_some() || self.truth.is_some() || self.unordered || self.json;
        asked || self.cages != 1 || self.rig != RIG
    }
}

pub fn run(simulation: &Simulation, preset: &Preset, args: &Args, endpoints: &Endpoints) -> anyhow::Result<()> {
    let names: Vec<CageName> =
        (1..=args.cages).map(|number| CageName::new(&args.rig, &format!("cage{number}"))).collect::<Result<_, _>>()?;
    let log = args.truth.as_deref().map(TruthLog::create).transpose()?;
    let interrupts = interrupts()?;
    let session = endpoints.clone().or_connect().open(Patience::Rig)?;
    say(&format!(
        "{} cages of {} SIMULATED animals, preset {}, seed {}",
        names.len(),
        simulation.name,
        preset.name,
        simulation.seed
    ));
    let (stop, stopped) = bounded::<()>(0);
    let encoding = if args.json { Encoding::Json } else { Encoding::Binary };
    let frames = thread::scope(|scope| -> anyhow::Result<u64> {
        let mut rigs = Vec::new();
        for (index, cage) in names.iter().enumerate() {
            let lab = &simulation.labs[index % simulation.labs.len()];
            let seed = simulation.seed_of(&lab.name, Split::Test, LIVE_FIRST + index as u32);
            let (session, log, stopped) = (&session, log.as_ref(), stopped.clone());
            let name = format!("rig {}", cage.cage());
            let rig = Rig { simulation, lab, preset, cage: cage.clone(), seed };
            let run =
                move || rig.publish(session, encoding, &stopped, |edge| log.iter().for_each(|log| log.write(&edge)));
            rigs.push(thread::Builder::new().name(name).spawn_scoped(scope, run)?);
        }
        wait(args.seconds, &interrupts, || rigs.iter().any(thread::ScopedJoinHandle::is_finished));
        drop(stop);
        let mut frames = 0;
        for rig in rigs {
            match rig.join() {
                Ok(published) => frames += published?,
                Err(_) => bail!("a rig's thread panicked"),
            }
        }
        Ok(frames)
    })?;
    say(&format!("published {frames} frames"));
    log.map_or(Ok(()), TruthLog::finish)
}

fn wait(seconds: Option<u64>, interrupts: &Receiver<()>, ended: impl Fn() -> bool) {
    let end = seconds.and_then(|seconds| Instant::now().checked_add(Duration::from_secs(seconds)));
    while interrupts.recv_timeout(Duration::from_millis(50)) == Err(crossbeam::channel::RecvTimeoutError::Timeout) {
        if end.is_some_and(|end| Instant::now() >= end) || ended() {
            return;
        }
    }
}

/// A simulated cage.
#[derive(Clone, Debug)]
pub struct Rig<'a> {
    pub simulation: &'a Simulation,
    pub lab: &'a Lab,
    pub preset: &'a Preset,
    pub cage: CageName,
    pub seed: u64,
}

/// Something that truly begins or ends.
#[derive(Clone, Debug)]
pub struct TruthEdge {
    pub cage: CageName,
    pub label_set: String,
    pub behavior: String,
    pub kind: Kind,
    pub animals: Animals,
    /// The camera's frame at which it begins, or the first after it.
    pub frame: u64,
    pub begins: bool,
    /// Of an end, the frame at which it had begun.
    pub began: u64,
    pub rate_hz: f64,
}

impl Rig<'_> {
    /// Publishes the animals at their camera's rate until `stop` is closed; gives the number of frames. `happens` hears what
    /// truly begins and ends, a moment before the frame is due.
    pub fn publish(
        &self,
        session: &zenoh::Session,
        encoding: Encoding,
        stop: &Receiver<()>,
        mut happens: impl FnMut(TruthEdge),
    ) -> anyhow::Result<u64> {
        let Self { simulation, lab, preset, .. } = *self;
        let how = Play { cage: self.cage.clone(), origin: Origin::Simulated, speed: 1.0, lossless: false, encoding };
        let stream = stream(lab, preset)?;
        let mut truth = Truth::new(simulation, lab);
        let mut tell = |frame, begun: Vec<Cell>, ended: Vec<Bout>| {
            for bout in ended {
                happens(self.edge(bout.cell, bout.stop, Some(bout.start)));
            }
            for cell in begun {
                happens(self.edge(cell, frame, None));
            }
        };
        let watch = |shot: &Shot| {
            let (begun, ended) = truth.push(shot.number, &shot.deeds);
            tell(shot.number, begun, ended);
        };
        let shots = Film::new(lab, &lab.habitat, preset, self.seed);
        let cues = Arrivals { shots, watch, rate_hz: lab.rate_hz(), waiting: BTreeMap::new(), next: 0 };
        let frames = play_cues(session, &stream, cues, &how, stop)?.frames;
        tell(0, Vec::new(), truth.end());
        Ok(frames)
    }

    fn edge(&self, cell: Cell, frame: u64, began: Option<u64>) -> TruthEdge {
        let ethogram = &self.simulation.ethogram;
        let spec = ethogram.spec(cell.behavior);
        TruthEdge {
            cage: self.cage.clone(),
            label_set: ethogram.label_sets()[ethogram.label_set_of(cell.behavior)].name.clone(),
            behavior: spec.name.clone(),
            kind: spec.kind,
            animals: Animals::new(cell.subject, self.lab.stream().individuals()),
            frame,
            begins: began.is_none(),
            began: began.unwrap_or(frame),
            rate_hz: self.lab.rate_hz(),
        }
    }
}

/// A lab's stream as it is published: with a clock, and unordered where the tracker gives no order.
fn stream(lab: &Lab, preset: &Preset) -> anyhow::Result<StreamDescription> {
    let stream = lab.stream();
    let identities = if preset.unordered { Identities::Unordered } else { Identities::Stable };
    let (skeleton, names) = (stream.skeleton().clone(), stream.individuals().to_vec());
    let clock = Some(CLOCK_UNIX.to_owned());
    let described =
        StreamDescription::new(skeleton, names, stream.rate_hz(), stream.body_length_px(), clock, Origin::Simulated)?;
    Ok(described.with_identities(identities))
}

/// Frames in the order in which they arrive: a late one comes after its successors.
struct Arrivals<W> {
    shots: Film,
    watch: W,
    rate_hz: f64,
    /// Frames on their way, by when they arrive and by number.
    waiting: BTreeMap<(Duration, u64), Cue>,
    /// The next shot.
    next: u64,
}

impl<W: FnMut(&Shot)> Iterator for Arrivals<W> {
    type Item = Cue;

    fn next(&mut self) -> Option<Cue> {
        loop {
            let captured = Duration::from_secs_f64(self.next as f64 / self.rate_hz);
            // What arrives before the next is captured has nothing to wait for.
            if self.waiting.first_key_value().is_some_and(|((arrives, _), _)| *arrives <= captured) {
                return self.waiting.pop_first().map(|(_, cue)| cue);
            }
            let shot = self.shots.next()?;
            (self.watch)(&shot);
            self.next = shot.number + 1;
            if let Some(frame) = shot.frame {
                let after = captured + shot.latency;
                let age_nanos = Some(i64::try_from(shot.latency.as_nanos()).unwrap_or(i64::MAX));
                self.waiting.insert((after, shot.number), Cue { frame, after, age_nanos });
            }
        }
    }
}

/// The file of what really happened.
struct TruthLog {
    file: PathBuf,
    rows: Arc<Mutex<csv::Writer<File>>>,
}

/// Columns of the truth. Frames are the camera's numbers, `stop_frame` is the first after the bout.
const TRUTH_COLUMNS: [&str; 10] = [
    "rig",
    "cage",
    "label_set",
    "behavior",
    "kind",
    "agent",
    "target",
    "start_frame",
    "stop_frame",
    "frames_per_second",
];

impl TruthLog {
    fn create(file: &Path) -> anyhow::Result<Self> {
        let mut rows = csv::Writer::from_path(file).with_context(|| file.display().to_string())?;
        rows.write_record(TRUTH_COLUMNS)?;
        Ok(Self { file: file.to_path_buf(), rows: Arc::new(Mutex::new(rows)) })
    }

    fn write(&self, edge: &TruthEdge) {
        if edge.begins || !is_label(edge.frame - edge.began, edge.rate_hz) {
            return;
        }
        let [agent, target] = match &edge.animals {
            Animals::Directed { agent, target } => [agent.as_str(), target],
            Animals::Undirected { animals: [first, second] } => [first.as_str(), second],
            Animals::Alone { agent } => [agent.as_str(), ""],
        };
        let (start, stop, rate) = (edge.began.to_string(), edge.frame.to_string(), edge.rate_hz.to_string());
        let (cage, kind) = (&edge.cage, edge.kind.name());
        let row = [cage.rig(), cage.cage(), &edge.label_set, &edge.behavior, kind, agent, target, &start, &stop, &rate];
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk is told at the end.
        let _ = rows.write_record(row);
        let _ = rows.flush();
    }

    fn finish(self) -> anyhow::Result<()> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.flush().with_context(|| self.file.display().to_string())
    }
}
