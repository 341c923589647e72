//! `vibrissa compare`

mod measure;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use self::measure::{FALSE_PER_HOUR_MAX, Scored};
use super::corpora::{self, Part};
use super::train::{self, material, stop_when_interrupted};
use crate::compare::{Comparison, Outcome, Ranked};
use crate::corpus::cache::Cache;
use crate::corpus::session::Session;
use crate::corpus::{Annotated, Corpus};
use crate::features;
use crate::model::Model;
use crate::model::blueprint::SystemName;
use crate::train::Material;
use crate::train::checkpoint::Checkpoint;
use crate::train::config::{Boosting, LossConfig, OptimiserConfig, Schedule, TrainConfig};

/// Draws of a bootstrap, and their seed.
const RESAMPLES: usize = 2000;
const RANDOM_SEED: u64 = 1;

/// Train several systems on a corpus, each with several seeds, and show what each is worth on recordings that none of
/// them saw: one table, with intervals. It goes on where it was interrupted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An imported corpus or another folder in the layout of MABe (it holds train.csv); or folders with poses and
    /// annotations, laid out as the configuration's description says.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    corpus: Vec<PathBuf>,
    /// How to train, whatever system: one schedule for all networks, one `[boosting]` for all trees.
    #[arg(long, default_value = "configs/train.toml", value_name = "FILE")]
    config: PathBuf,
    /// Systems, separated by commas, out of lstm, cnn, xgboost, xgboost-per-behavior and hhstf; or all.
    #[arg(long, default_value = "all", value_name = "SYSTEMS", value_parser = Systems::parse)]
    systems: Systems,
    /// Trainings of each system, with seeds that follow the configuration's.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Which recordings are scored: test or validation. Whatever is chosen by those of the test split is no longer measured by
    /// them; those that validate have chosen epochs, thresholds and triggers and flatter every system.
    #[arg(long, value_enum, default_value_t = Part::Test)]
    split: Part,
    /// Where models, outcomes and the tables are written; what is there already is not made anew.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where recordings are kept in ticks. [default: the folder `cache` in the output directory]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Another number of epochs than the configuration's.
    #[arg(long)]
    epochs: Option<u32>,
}

/// Systems in the order in which they are trained: the quick ones first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Systems(Vec<SystemName>);

impl Systems {
    fn parse(text: &str) -> anyhow::Result<Self> {
        if text == "all" {
            use SystemName::{Cnn, Hhstf, Lstm, Xgboost, XgboostPerBehavior};
            return Ok(Self(vec![XgboostPerBehavior, Xgboost, Cnn, Lstm, Hhstf]));
        }
        let mut systems: Vec<SystemName> = Vec::new();
        for name in text.split(',') {
            let system = name.trim().parse()?;
            anyhow::ensure!(!systems.contains(&system), "expected every system once, got {system} twice");
            systems.push(system);
        }
        Ok(Self(systems))
    }
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = train::configuration(&args.config)?;
    config.schedule.epochs = args.epochs.unwrap_or(config.schedule.epochs);
    let corpus = train::corpus(&args.corpus, &config, &args.config)?;
    let cache = Cache::at(&args.cache.clone().unwrap_or_else(|| args.out.join("cache")));
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let _lock = lock(&args.out)?;
    let compared = Compared::read(&corpus, &cache, &config, args)?;
    let (stop, mut outcomes) = (stop_when_interrupted()?, Vec::new());
    let runs = (0..args.seeds).flat_map(|seed| args.systems.0.iter().map(move |system| (seed, *system)));
    for (seed, system) in runs {
        let mut config = config.clone();
        config.choose(system);
        config.schedule.seed = config.schedule.seed.wrapping_add(seed);
        config.check().with_context(|| system.to_string())?;
        outcomes.extend(compared.outcome(&config, &stop)?);
        if stop.load(Ordering::Relaxed) {
            println!("interrupted: the same command goes on from here");
            break;
        }
    }
    anyhow::ensure!(!outcomes.is_empty(), "{}: no system was scored yet", args.out.display());
    write(&args.out, &Comparison::new(outcomes)?)
}

/// Held while this value lives: two processes would train into the same folders.
fn lock(out: &Path) -> anyhow::Result<std::fs::File> {
    let path = out.join("compare.lock");
    let file = std::fs::File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            anyhow::bail!("{}: expected a folder that nobody else works in, got one in use", out.display())
        }
        Err(std::fs::TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Writes the tables and the figure, and prints the first.
fn write(out: &Path, comparison: &Comparison) -> anyhow::Result<()> {
    let ranked = Ranked::new(comparison, RESAMPLES, RANDOM_SEED)?;
    let (markdown, figure, mut csv) = (ranked.markdown(), ranked.figure(), Vec::new());
    ranked.write_csv(&mut csv)?;
    for (name, bytes) in
        [("compare.md", markdown.as_bytes()), ("compare.svg", figure.as_bytes()), ("compare.csv", csv.as_slice())]
    {
        let path = out.join(name);
        std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    }
    println!("{markdown}\nwrote {}, with compare.csv and compare.svg beside it", out.join("compare.md").display());
    Ok(())
}

/// What all systems are trained and scored on.
struct Compared<'a> {
    corpus: &'a Corpus,
    material: Material,
    /// Those that are scored, with their ticks.
    recordings: Vec<Annotated>,
    sessions: Vec<Session>,
    part: Part,
    out: &'a Path,
    /// Of everything that systems are trained and scored on.
    fingerprint: String,
}

/// How far a training is, beside its model.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    /// Of what is trained, how, and on what.
    fingerprint: String,
    /// From the beginning of what was kept, but for attempts that were killed.
    training_secs: f64,
    /// The hash of the finished model; none before its end.
    model: Option<String>,
}

const RUN_FILE: &str = "run.json";
const OUTCOME_FILE: &str = "outcome.json";

impl<'a> Compared<'a> {
    fn read(corpus: &'a Corpus, cache: &Cache, config: &TrainConfig, args: &'a Args) -> anyhow::Result<Self> {
        anyhow::ensure!(
            matches!(args.split, Part::Test | Part::Validation),
            "expected recordings that no system is trained on (the split test or validation), got {:?}",
            args.split
        );
        let material = material(corpus, cache, config.schedule.crop_ticks as usize)?;
        let (mut recordings, mut sessions) = (Vec::new(), Vec::new());
        for entry in corpora::entries(corpus, args.split)? {
            let annotated = corpora::load(corpus, &entry)?;
            let session = Session::new(&annotated, corpus.ethogram())?;
            // Where nobody looked for anything there is nothing to score.
            if !session.cells.is_empty() {
                recordings.push(annotated);
                sessions.push(session);
            }
        }
        anyhow::ensure!(!sessions.is_empty(), "{}: no annotated recordings to score", corpus.name());
        let fingerprint = shared_fingerprint(&material, &sessions, config)?;
        Ok(Self { corpus, material, recordings, sessions, part: args.split, out: &args.out, fingerprint })
    }

    /// Trains and scores a system unless that was done before; `None` where it was interrupted.
    fn outcome(&self, config: &TrainConfig, stop: &AtomicBool) -> anyhow::Result<Option<Outcome>> {
        let (system, seed) = (config.architecture.system(), config.schedule.seed);
        let folder = self.out.join(format!("{system}-{seed}"));
        let own = own_fingerprint(&self.material, config)?;
        let Some(Run { training_secs, model: Some(hash), .. }) = self.train(config, &folder, &own, stop)? else {
            return Ok(None);
        };
        let fingerprint = format!("{}:{own} {hash}", self.fingerprint);
        let path = folder.join(OUTCOME_FILE);
        let is_whole = |known: &Outcome| known.fingerprint == fingerprint && known.check().is_ok();
        if let Some(known) = read_json::<Outcome>(&path).filter(is_whole) {
            println!("{system}, seed {seed}: scored before");
            return Ok(Some(known));
        }
        println!("{system}, seed {seed}: scoring {} recordings", self.sessions.len());
        let scored = Scored {
            corpus: self.corpus,
            recordings: &self.recordings,
            sessions: &self.sessions,
            validation: &self.material.validation,
            part: self.part,
            threads: config.schedule.threads as usize,
        };
        let mut outcome = scored.measure(&Arc::new(Model::load(&folder)?), &folder)?;
        (outcome.training_secs, outcome.recipe) = (training_secs, recipe(config));
        outcome.fingerprint = fingerprint;
        outcome.check()?;
        write_json(&path, &outcome)?;
        Ok(Some(outcome))
    }

    /// Trains a system unless that was done before.
    fn train(
        &self,
        config: &TrainConfig,
        folder: &Path,
        fingerprint: &str,
        stop: &AtomicBool,
    ) -> anyhow::Result<Option<Run>> {
        let path = folder.join(RUN_FILE);
        let (system, seed) = (config.architecture.system(), config.schedule.seed);
        let checkpoint = Checkpoint::of(folder);
        let known = read_json::<Run>(&path).filter(|run| run.fingerprint == fingerprint);
        let mut run = if let Some(run) = known {
            run
        } else {
            // Nothing of another run may be taken for a part of this one.
            checkpoint.remove()?;
            Run { fingerprint: fingerprint.to_owned(), training_secs: 0.0, model: None }
        };
        if let Some(finished) = &run.model {
            let got = match Model::load(folder) {
                Ok(model) if model.hash() == finished => return Ok(Some(run)),
                Ok(model) => format!("the model {}", model.hash()),
                Err(error) => error.to_string(),
            };
            eprintln!("warning: {}: expected the model {finished}, got {got}: trained anew", folder.display());
            checkpoint.remove()?;
            run = Run { training_secs: 0.0, model: None, ..run };
        }
        println!("{system}, seed {seed}: training");
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        write_json(&path, &run)?;
        let started = Instant::now();
        let is_resumed = checkpoint.exists();
        let mut trained = crate::train::train(&self.material, config, folder, is_resumed, stop);
        if let (true, Err(error), false) = (is_resumed, &trained, stop.load(Ordering::Relaxed)) {
            eprintln!("warning: {error:#}: trained from the beginning");
            checkpoint.remove()?;
            run.training_secs = 0.0;
            trained = crate::train::train(&self.material, config, folder, false, stop);
        }
        // Nothing is left of trees that were interrupted.
        let before = if is_resumed { run.training_secs } else { 0.0 };
        run.training_secs = before + started.elapsed().as_secs_f64();
        if stop.load(Ordering::Relaxed) {
            if let Err(error) = trained {
                eprintln!("{system}, seed {seed}: {error:#}");
            }
            write_json(&path, &run)?;
            return Ok(None);
        }
        trained.with_context(|| format!("{system}, seed {seed}"))?;
        run.model = Some(Model::load(folder)?.hash().to_owned());
        write_json(&path, &run)?;
        Ok(Some(run))
    }
}

/// Of all that is scored, and of what it is chosen by.
fn shared_fingerprint(material: &Material, scored: &[Session], config: &TrainConfig) -> anyhow::Result<String> {
    let mut hasher = blake3::Hasher::new();
    let (corpus, ethogram, versions) = (&material.corpus, &material.ethogram, (features::VERSION, FALSE_PER_HOUR_MAX));
    hasher.update(format!("{corpus} {ethogram:?} {:?} {versions:?}", config.delays_ticks).as_bytes());
    for session in material.validation.iter().chain(scored) {
        hasher.update(session.digest()?.as_bytes());
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

/// Of how a system is trained, its seed included, and of what it is trained on. What trees do not look at makes no other
/// trees, nor the other way round.
fn own_fingerprint(material: &Material, config: &TrainConfig) -> anyhow::Result<String> {
    let mut config = config.clone();
    if config.architecture.is_network() {
        config.boosting = Boosting::default();
    } else {
        config.schedule = Schedule { seed: config.schedule.seed, ..Schedule::default() };
        (config.optimiser, config.loss) = (OptimiserConfig::default(), LossConfig::default());
    }
    let mut hasher = blake3::Hasher::new();
    let (defaults, software) = (&material.defaults, env!("CARGO_PKG_VERSION"));
    let of_material = format!("{config:?} {:?} {} {defaults:?}", material.ethogram, material.confidence_min);
    hasher.update(of_material.as_bytes()).update(format!("{software} {}", features::VERSION).as_bytes());
    for session in material.train.iter().chain(&material.validation) {
        hasher.update(session.digest()?.as_bytes());
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

/// What a system was given to learn, in words.
fn recipe(config: &TrainConfig) -> String {
    let Schedule { epochs, steps_per_epoch, crops_per_step, crop_ticks, .. } = config.schedule;
    let Boosting { rounds, patience_rounds, depth, rows_max, .. } = config.boosting;
    if config.architecture.is_network() {
        format!("{epochs} epochs of {steps_per_epoch} steps of {crops_per_step} crops of {crop_ticks} ticks")
    } else {
        format!("at most {rounds} rounds (patience {patience_rounds}), depth {depth}, at most about {rows_max} rows")
    }
}

/// `None` where there is no such file, or one that cannot be read: what it told is found out anew.
fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let bytes = std::fs::read(path).ok()?;
    let value = serde_json::from_slice(&bytes);
    value.map_err(|error| eprintln!("warning: {}: {error}: taken for absent", path.display())).ok()
}

/// Whole or not at all.
fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let (staged, within) = (path.with_extension("partial"), || path.display().to_string());
    let mut file = std::fs::File::create(&staged).with_context(within)?;
    file.write_all(&serde_json::to_vec_pretty(value)?).and_then(|()| file.sync_all()).with_context(within)?;
    std::fs::rename(&staged, path).with_context(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_named_once_each() {
        let parsed = |text: &str| Systems::parse(text).map(|systems| systems.0).map_err(|error| error.to_string());
        assert_eq!(parsed("hhstf, lstm"), Ok(vec![SystemName::Hhstf, SystemName::Lstm]));
        assert_eq!(parsed("all").map(|all| all.len()), Ok(SystemName::ALL.len()));
        assert!(parsed("gru").unwrap_err().contains("got \"gru\""));
        assert!(parsed("lstm,lstm").unwrap_err().contains("got lstm twice"));
    }
}
