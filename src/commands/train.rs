//! `vibrissa train`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use super::corpora;
use crate::corpus::cache::Cache;
use crate::corpus::session::Session;
use crate::corpus::{Corpus, Split};
use crate::live::interrupt::interrupts;
use crate::model::Model;
use crate::model::blueprint::SystemName;
use crate::train::config::TrainConfig;
use crate::train::start::Donor;
use crate::train::{Material, label_curve, train};

/// Train a model on annotated recordings.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An imported corpus or another folder in the layout of MABe (it holds train.csv); or folders with poses and
    /// annotations, laid out as the configuration's description says.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    corpus: Vec<PathBuf>,
    /// How to train.
    #[arg(long, default_value = "configs/train.toml", value_name = "FILE")]
    config: PathBuf,
    /// Another system than the configuration's, with its usual sizes: lstm, cnn, xgboost, xgboost-per-behavior or hhstf.
    /// [default: what the configuration says, else hhstf]
    #[arg(long, value_name = "SYSTEM")]
    system: Option<SystemName>,
    /// The model directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where recordings are kept in ticks, so that each is decoded once and only what is looked at is in memory; it may be
    /// removed at any time. [default: the folder `cache` in the model directory]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Adapt another model, rather than start at random: the new one has its weights, body parts by their names, and its
    /// label sets beside those of the corpus, which it goes on telling (`[adaptation]` in the configuration says how).
    /// Sizes and delays are those of the other model.
    #[arg(long, value_name = "MODEL")]
    from: Option<PathBuf>,
    /// Train once for each of these numbers, with only so many bouts of each behavior labelled, and once with all: how
    /// good a model gets by how much is annotated. Writes OUT/labels-N for each, and OUT/label-curve.csv.
    #[arg(long, value_name = "BOUTS", value_delimiter = ',', conflicts_with = "resume")]
    label_curve: Vec<u32>,
    /// Go on from the checkpoint in the model directory.
    #[arg(long)]
    resume: bool,
    /// Another seed than the configuration's.
    #[arg(long)]
    seed: Option<u64>,
    /// Another number of epochs than the configuration's.
    #[arg(long)]
    epochs: Option<u32>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = configuration(&args.config)?;
    config.schedule.seed = args.seed.unwrap_or(config.schedule.seed);
    config.schedule.epochs = args.epochs.unwrap_or(config.schedule.epochs);
    if let Some(system) = args.system {
        config.choose(system);
    }
    config.check().context("on the command line")?;
    let donor = args.from.as_deref().map(donor).transpose()?;
    if let Some(donor) = &donor {
        let within = || args.config.display().to_string();
        config.start_from(&donor.card.architecture, &donor.card.delays_ticks).with_context(within)?;
    }
    let corpus = corpus(&args.corpus, &config, &args.config)?;
    let cache = Cache::at(&args.cache.clone().unwrap_or_else(|| args.out.join("cache")));
    let mut material = material(&corpus, &cache, config.schedule.crop_ticks as usize)?;
    if let Some(donor) = donor {
        material.start_from(donor)?;
    }
    let stop = stop_when_interrupted()?;
    if args.label_curve.is_empty() {
        return train(&material, &config, &args.out, args.resume, &stop);
    }
    label_curve::run(&mut material, &config, &args.label_curve, &args.out, &stop)
}

/// A checked configuration from its file.
pub(super) fn configuration(path: &Path) -> anyhow::Result<TrainConfig> {
    let within = || path.display().to_string();
    TrainConfig::parse(&std::fs::read_to_string(path).with_context(within)?).with_context(within)
}

/// The corpus in these folders, with the description that the configuration names beside its file.
pub(super) fn corpus(dirs: &[PathBuf], config: &TrainConfig, file: &Path) -> anyhow::Result<Corpus> {
    let beside = file.parent().unwrap_or(".".as_ref());
    let description = config.description.as_ref().map(|description| beside.join(description));
    corpora::open(dirs, description.as_deref())
}

/// A model that could also run: its weights are those of its card.
fn donor(directory: &Path) -> anyhow::Result<Donor> {
    let model = Model::load(directory)?;
    let weights = model.weights().tensors().with_context(|| directory.display().to_string())?.clone();
    Ok(Donor { card: model.card().clone(), weights })
}

pub(super) fn material(corpus: &Corpus, cache: &Cache, crop_ticks: usize) -> anyhow::Result<Material> {
    let mut defaults = None;
    let mut sessions = |split| -> anyhow::Result<Vec<Session>> {
        let mut sessions = Vec::new();
        for entry in corpus.split(split) {
            let cached = cache.load(corpus, entry, &mut |warning| eprintln!("warning: {warning}"))?;
            for repair in &cached.repairs {
                eprintln!("repaired: {repair}");
            }
            // Where nobody looked for anything there is nothing to learn.
            if !cached.session.cells.is_empty() {
                defaults.get_or_insert(cached.defaults);
                sessions.push(cached.session);
            }
        }
        Ok(sessions)
    };
    let (mut train, validation) = (sessions(Split::Train)?, sessions(Split::Validation)?);
    for session in &mut train {
        session.pad(crop_ticks);
    }
    let material = Material {
        train,
        validation,
        ethogram: corpus.ethogram().clone(),
        corpus: corpus.name().to_owned(),
        source: corpus.source().to_owned(),
        defaults: defaults.with_context(|| format!("{}: no annotated recordings", corpus.name()))?,
        confidence_min: corpus.confidence_min(),
        donor: None,
    };
    let sets = material.ethogram.label_sets().iter().enumerate();
    let unknown: Vec<&str> = sets
        .filter(|(set, _)| !material.validation.iter().any(|session| session.has_set(&material.ethogram, *set)))
        .map(|(_, set)| set.name.as_str())
        .collect();
    if !unknown.is_empty() {
        eprintln!(
            "warning: no recording validates {unknown:?}: no thresholds can be fitted, and the model never tells them"
        );
    }
    let hours = |sessions: &[Session]| {
        let ticks: usize = sessions.iter().map(|session| session.ticks).sum();
        ticks as f64 / crate::time::TICK_RATE_HZ / 3600.0
    };
    println!(
        "{}: {} recordings to train on ({:.1} h), {} to validate on ({:.1} h)",
        corpus.name(),
        material.train.len(),
        hours(&material.train),
        material.validation.len(),
        hours(&material.validation)
    );
    Ok(material)
}

/// Set at the first Ctrl-C or SIGTERM; the second ends the process at once.
pub(super) fn stop_when_interrupted() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, interrupted) = (Arc::clone(&stop), interrupts()?);
    std::thread::Builder::new().name("stop".into()).spawn(move || {
        // The channel never carries anything: it is closed.
        let _ = interrupted.recv();
        eprintln!("stopping after this step, then validating and fitting thresholds; again to stop at once");
        flag.store(true, Ordering::Relaxed);
    })?;
    Ok(stop)
}
