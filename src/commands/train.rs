//! `vibrissa train`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use super::corpora;
use crate::corpus::catalog::defaults_of;
use crate::corpus::session::Session;
use crate::corpus::{Corpus, Split};
use crate::live::interrupt::interrupts;
use crate::model::bundle;
use crate::train::config::TrainConfig;
use crate::train::start::Donor;
use crate::train::{Material, train};

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
    /// The model directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Start from what another model has learned, rather than at random: all weights that both networks have, and body
    /// parts by their names. Behaviors of other label sets are learned anew.
    #[arg(long, value_name = "MODEL", conflicts_with = "resume")]
    from: Option<PathBuf>,
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
    let text = std::fs::read_to_string(&args.config).with_context(|| args.config.display().to_string())?;
    let mut config = TrainConfig::parse(&text).with_context(|| args.config.display().to_string())?;
    config.schedule.seed = args.seed.unwrap_or(config.schedule.seed);
    config.schedule.epochs = args.epochs.unwrap_or(config.schedule.epochs);
    config.check().context("on the command line")?;
    let donor = match &args.from {
        None => None,
        Some(model) => {
            let (card, weights, _) = bundle::read(model)?;
            Some(Donor { vocabulary: card.vocabulary, weights })
        }
    };
    let beside = args.config.parent().unwrap_or(".".as_ref());
    let description = config.description.as_ref().map(|description| beside.join(description));
    let corpus = corpora::open(&args.corpus, description.as_deref())?;
    let mut material = material(&corpus, config.schedule.crop_ticks as usize)?;
    material.donor = donor;
    let stop = stop_when_interrupted()?;
    train(&material, &config, &args.out, args.resume, &stop)
}

fn material(corpus: &Corpus, crop_ticks: usize) -> anyhow::Result<Material> {
    let mut defaults = None;
    let mut sessions = |split| -> anyhow::Result<Vec<Session>> {
        let mut sessions = Vec::new();
        for entry in corpus.split(split) {
            let annotated = corpora::load(corpus, entry)?;
            let session = Session::new(&annotated, corpus.ethogram())?;
            // Where nobody looked for anything there is nothing to learn.
            if !session.cells.is_empty() {
                defaults.get_or_insert_with(|| defaults_of(&annotated.recording));
                sessions.push(session);
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
fn stop_when_interrupted() -> anyhow::Result<Arc<AtomicBool>> {
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
