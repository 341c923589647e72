//! `vibrissa profile`

use std::path::PathBuf;

use super::corpora;
use crate::corpus::Split;
use crate::corpus::session::Session;
use crate::model::Model;
use crate::model::bundle;
use crate::model::trust::BoutLengths;
use crate::train::profile;
use crate::train::validate::Answering;

/// Measure what input a model knows, how long a history it needs and how long bouts are, and write that into its card. `train` does so at
/// its end; this is for a model that was trained before, or whose recordings have changed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model directory.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// An imported corpus or another folder in the layout of MABe (it holds train.csv); or folders with poses and
    /// annotations, laid out as the description says.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    corpus: Vec<PathBuf>,
    /// What the files of folders that are not in the layout of MABe cannot say.
    #[arg(long, default_value = "configs/corpora/rat-dyads.toml", value_name = "FILE")]
    description: PathBuf,
    /// Noise that training added to points, as `augmentation.jitter_max` in its configuration, in body lengths.
    #[arg(long, default_value_t = 0.02, value_name = "LENGTHS")]
    noise: f32,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Model::load(&args.model)?;
    let corpus = corpora::open(&args.corpus, Some(&args.description))?;
    anyhow::ensure!(
        corpus.ethogram() == model.ethogram(),
        "the corpus {} has other label sets than the model {}",
        corpus.name(),
        model.name()
    );
    let sessions = |split| -> anyhow::Result<Vec<Session>> {
        corpus.split(split).map(|entry| Ok(Session::new(&corpora::load(&corpus, entry)?, corpus.ethogram())?)).collect()
    };
    let (trained, validation) = (sessions(Split::Train)?, sessions(Split::Validation)?);
    let (card, delays) = (model.card(), model.delays());
    let warm_up = profile::warm_up(Answering::of(&model), &validation)?;
    println!("F1 on validation by history (delays {:?})", delays.iter().map(|delay| delay.0).collect::<Vec<_>>());
    for reliability in &warm_up.reliability {
        let secs = f64::from(reliability.history_ticks) / crate::time::TICK_RATE_HZ;
        let f1: Vec<String> = reliability.f1.iter().map(|f1| format!("{f1:.3}")).collect();
        println!("{secs:>5.1} s  {}", f1.join("  "));
    }
    println!("warm after {} ticks", warm_up.ticks);
    let range = profile::range(trained.iter().chain(&validation), args.noise)?;
    let bouts = profile::bouts(&trained.iter().chain(&validation).collect::<Vec<_>>(), model.ethogram());
    for (set, behaviors) in &bouts {
        for (name, BoutLengths { bouts, median_secs }) in behaviors {
            println!("{set} {name}: {bouts} bouts, the median {median_secs:.2} s");
        }
    }
    let card = bundle::Card { range: Some(range), warm_up: Some(warm_up), bouts, ..card.clone() };
    bundle::save_card(&args.model, &card)
}
