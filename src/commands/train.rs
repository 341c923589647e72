//! `vibrissa train`

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::corpus::{Corpus, Description, Split};
use crate::live::interrupt::interrupts;
use crate::stream::StreamDefaults;
use crate::train::config::TrainConfig;
use crate::train::sessions::Session;
use crate::train::{Material, train};

/// Train a model on annotated recordings.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders with poses and annotations.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    corpus: Vec<PathBuf>,
    /// How to train.
    #[arg(long, default_value = "configs/train.toml", value_name = "FILE")]
    config: PathBuf,
    /// The model directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
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
    let description = args.config.parent().unwrap_or(".".as_ref()).join(&config.description);
    let description = Description::read(&description)?;
    let corpus = Corpus::open(&args.corpus, &description)?;
    let absent = corpus.absent_ids();
    if !absent.is_empty() {
        // A slip of the pen in the split would let a test recording train.
        eprintln!("warning: {}: no recordings have the ids {absent:?} of its split", args.config.display());
    }
    let material = material(&corpus)?;
    let stop = stop_when_interrupted()?;
    train(&material, &config, &args.out, args.resume, &stop)
}

fn material(corpus: &Corpus) -> anyhow::Result<Material> {
    let description = corpus.description();
    let sessions = |split| -> anyhow::Result<Vec<Session>> {
        corpus.split(split).map(|entry| Session::new(&corpus.load(entry)?, corpus.ethogram())).collect()
    };
    let material = Material {
        train: sessions(Split::Train)?,
        validation: sessions(Split::Validation)?,
        ethogram: corpus.ethogram().clone(),
        corpus: description.name.clone(),
        source: description.source.clone(),
        defaults: StreamDefaults {
            rate_hz: description.stream.rate_hz,
            body_length_px: description.stream.body_length_px,
            skeleton: description.skeleton.clone(),
        },
        confidence_min: description.stream.confidence_min,
    };
    let hours = |sessions: &[Session]| {
        let ticks: usize = sessions.iter().map(|session| session.ticks).sum();
        ticks as f64 / crate::time::TICK_RATE_HZ / 3600.0
    };
    println!(
        "{}: {} recordings to train on ({:.1} h), {} to validate on ({:.1} h)",
        description.name,
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
