//! `vibrissa combine`

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::train::{self, material};
use crate::behavior::LabelSet;
use crate::corpus::cache::Cache;
use crate::model::ensemble::{Ensemble, MEMBERS_MAX, Member};
use crate::model::{Card, Model};
use crate::train::Material;
use crate::train::finish::{Learned, finish};

/// Make one model of several: it answers the mean of what they answer. Its calibration, thresholds and triggers are
/// fitted on the validation recordings of the corpus, as those of any model.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The models, at least two, of the same label sets, delays and body parts.
    #[arg(long = "model", required = true, num_args = 1.., value_name = "MODEL")]
    models: Vec<PathBuf>,
    /// An imported corpus or another folder in the layout of MABe (it holds train.csv); or folders with poses and
    /// annotations, laid out as the configuration's description says. The models were trained on its training recordings.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    corpus: Vec<PathBuf>,
    /// Which bouts are too few for a threshold, and what the files of a corpus cannot say.
    #[arg(long, default_value = "configs/train.toml", value_name = "FILE")]
    config: PathBuf,
    /// The model directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where recordings are kept in ticks. [default: the folder `cache` in the model directory]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = train::configuration(&args.config)?;
    anyhow::ensure!(
        (2..=MEMBERS_MAX).contains(&args.models.len()),
        "members: expected 2 to {MEMBERS_MAX}, got {}",
        args.models.len()
    );
    let members = args.models.iter().map(|model| member(model, &args.out)).collect::<anyhow::Result<Vec<_>>>()?;
    let card = members[0].card().clone();
    let cards: Vec<Card> = members.iter().map(|member| member.card().clone()).collect();
    let ensemble = Ensemble::new(members)?;
    ensemble.blueprint().check().context("these models together")?;
    let corpus = train::corpus(&args.corpus, &config, &args.config)?;
    let cache = Cache::at(&args.cache.clone().unwrap_or_else(|| args.out.join("cache")));
    let material = material(&corpus, &cache, config.schedule.crop_ticks as usize)?;
    let trained = trained(&cards, &material)?;
    anyhow::ensure!(
        material.ethogram.label_sets() == card.label_sets,
        "{}: expected the label sets of the models, {:?}, got {:?}",
        corpus.name(),
        names(&card.label_sets),
        names(material.ethogram.label_sets())
    );
    (config.architecture, config.delays_ticks) = (ensemble.blueprint(), card.delays_ticks);
    let (weights, vocabulary, best_epoch) = (ensemble.into(), card.vocabulary, cards.len() as u32);
    let learned = Learned { weights, vocabulary, epochs: Vec::new(), best_epoch, trained };
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    finish(&Material { confidence_min: card.confidence_min, ..material }, &config, &args.out, learned)
}

/// Each label set with its behaviors.
fn names(label_sets: &[LabelSet]) -> Vec<String> {
    let behaviors = |set: &LabelSet| set.behaviors.iter().map(|behavior| behavior.name.clone()).collect::<Vec<_>>();
    label_sets.iter().map(|set| format!("{}: {}", set.name, behaviors(set).join(", "))).collect()
}

fn member(directory: &Path, out: &Path) -> anyhow::Result<Member> {
    let is_same = out.canonicalize().is_ok_and(|out| directory.canonicalize().is_ok_and(|member| member == out));
    anyhow::ensure!(!is_same, "{}: expected another folder than those of the models to write to", out.display());
    Ok(Member::of(&Model::load(directory)?))
}

/// What any member was trained on. Thresholds that are fitted to such recordings would be too bold.
fn trained(members: &[Card], material: &Material) -> anyhow::Result<Vec<String>> {
    let trained: Vec<String> = members.iter().flat_map(|card| &card.provenance.train_recordings).cloned().collect();
    for session in &material.validation {
        anyhow::ensure!(
            !trained.contains(&session.name),
            "{}: expected a validation recording that no model was trained on",
            session.name
        );
    }
    Ok(trained)
}
