//! `vibrissa evaluate`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::corpora::{self, Part};
use super::offline::{Decoded, in_parallel};
use crate::corpus::recording::name_of;
use crate::model::Model;
use crate::model::bundle;
use crate::score::{BoutScores, FrameScores};

/// Score a model on the recordings of a corpus that it was not trained on, through the live core.
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
    #[arg(long, value_enum, default_value_t = Part::Test)]
    split: Part,
    /// Write the scores into the model's card.
    #[arg(long)]
    record: bool,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Arc::new(Model::load(&args.model)?);
    let corpus = corpora::open(&args.corpus, &args.description)?;
    anyhow::ensure!(
        corpus.ethogram() == model.ethogram(),
        "the corpus {} has other label sets than the model {}",
        corpus.name(),
        model.name()
    );
    let entries = corpora::entries(&corpus, args.split)?;
    for entry in &entries {
        let (name, trained) = (name_of(&entry.poses), &model.card().provenance.train_recordings);
        anyhow::ensure!(
            !trained.contains(&name) && !trained.contains(&entry.id),
            "{name}: expected a recording that {} was not trained on",
            model.name()
        );
    }
    let decoded = in_parallel(&entries, |entry| {
        let annotated = corpora::load(&corpus, entry)?;
        let decoded = Decoded::run(&model, &annotated.recording)?;
        decoded.warn(&annotated.recording);
        Ok((annotated, decoded))
    })?;

    let ethogram = model.ethogram();
    let mut frames: Vec<FrameScores> = model.delays().iter().map(|_| FrameScores::new(ethogram)).collect();
    let mut bouts: Vec<BoutScores> = model.delays().iter().map(|_| BoutScores::new(ethogram)).collect();
    for (annotated, decoded) in &decoded {
        for (index, &delay) in model.delays().iter().enumerate() {
            let predicted = decoded.bouts(delay, &annotated.recording);
            frames[index].add(&annotated.labels, &predicted);
            let told = decoded.told(delay, &annotated.recording);
            bouts[index].add(&annotated.labels, &told, annotated.recording.stream.rate_hz());
        }
    }
    println!("{} on {} recordings ({:?})\n", model.name(), entries.len(), args.split);
    print_table(&model, &frames, &bouts);
    if args.record {
        let name = format!("{:?}", args.split).to_lowercase();
        record(&args.model, &model, &name, &frames).with_context(|| args.model.display().to_string())?;
    }
    Ok(())
}

fn print_table(model: &Model, frames: &[FrameScores], bouts: &[BoutScores]) {
    let ethogram = model.ethogram();
    let heads: Vec<String> = model.delays().iter().map(|delay| format!("F1@{}", delay.0)).collect();
    let at = model.delays()[0].0;
    println!("| label set | behavior | {} | bouts | hit@{at} | false/h@{at} | told s@{at} |", heads.join(" | "));
    println!("|---|---|{}---|---|---|---|", "---|".repeat(heads.len()));
    for (behavior, set, spec) in ethogram.behaviors() {
        let f1: Vec<String> = frames.iter().map(|scores| format!("{:.3}", scores.tally(behavior).f1())).collect();
        let tally = bouts[0].tally(behavior);
        let latency = tally.median_onset_latency_secs().map_or("–".into(), |secs| format!("{secs:.2}"));
        println!(
            "| {} | {} | {} | {} | {} | {:.1} | {latency} |",
            ethogram.label_sets()[set].name,
            spec.name,
            f1.join(" | "),
            tally.annotated,
            tally.hit,
            tally.false_per_hour(),
        );
    }
    for (index, set) in ethogram.label_sets().iter().enumerate() {
        let f1: Vec<String> = frames.iter().map(|scores| format!("{:.3}", scores.set_f1(index))).collect();
        println!("| {} | *mean* | {} | | | | |", set.name, f1.join(" | "));
    }
    let f1: Vec<String> = frames.iter().map(|scores| format!("**{:.3}**", scores.mean_f1())).collect();
    println!("| *all* | *mean* | {} | | | | |", f1.join(" | "));
}

fn record(directory: &std::path::Path, model: &Model, split: &str, frames: &[FrameScores]) -> anyhow::Result<()> {
    let mut card = model.card().clone();
    let mut by_set = BTreeMap::<String, BTreeMap<String, Vec<f64>>>::new();
    for (behavior, set, spec) in model.ethogram().behaviors() {
        let f1 = frames.iter().map(|scores| (scores.tally(behavior).f1() * 1e4).round() / 1e4).collect();
        let set = model.ethogram().label_sets()[set].name.clone();
        by_set.entry(set).or_default().insert(spec.name.clone(), f1);
    }
    card.scores.insert(split.to_owned(), by_set);
    bundle::save_card(directory, &card)
}
