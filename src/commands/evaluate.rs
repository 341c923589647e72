//! `vibrissa evaluate`

mod against;
mod rules;
pub(super) mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use self::against::Comparison;
use self::table::Table;
use super::corpora::{self, Part};
use super::offline::{Decoded, in_parallel};
use crate::behavior::{Behavior, Bout, Cell, Ethogram};
use crate::corpus::recording::name_of;
use crate::corpus::{Annotated, Corpus, Entry};
use crate::model::Model;
use crate::model::bundle;

/// Score a model on the recordings of a corpus that it was not trained on, through the live core; or, beside it, rules by
/// distances and speeds.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model directory.
    #[arg(long, value_name = "DIR", required_unless_present = "baseline")]
    model: Option<PathBuf>,
    /// An imported corpus or another folder in the layout of MABe (it holds train.csv); or folders with poses and
    /// annotations, laid out as the description says. Its labs may be some of those that the model knows.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    corpus: Vec<PathBuf>,
    /// What the files of folders that are not in the layout of MABe cannot say.
    #[arg(long, default_value = "configs/corpora/rat-dyads.toml", value_name = "FILE")]
    description: PathBuf,
    #[arg(long, value_enum, default_value_t = Part::Test)]
    split: Part,
    /// Write the scores into the model's card.
    #[arg(long, requires = "model")]
    record: bool,
    /// Bouts of another system on the same recordings, in the layout of the challenge's submissions: scored as well, and
    /// compared recording by recording.
    #[arg(long, value_name = "FILE", requires = "model")]
    against: Option<PathBuf>,
    /// Also score geometric rules (distances, facing, speeds), whose thresholds are fitted on validation recordings.
    #[arg(long)]
    baseline: bool,
    /// The corpus, in the layout of MABe, on whose validation recordings they are fitted; by default the one that is scored.
    #[arg(long, value_name = "DIR", requires = "baseline")]
    baseline_corpus: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let corpus = corpora::open(&args.corpus, Some(&args.description))?;
    let entries = corpora::entries(&corpus, args.split)?;
    let other = args.against.as_deref().map(|file| against::of_file(file, &corpus, &entries)).transpose()?;
    if let Some(directory) = &args.model {
        let model = Arc::new(Model::load(directory)?);
        if args.record {
            check_recordable(&model, &corpus)?;
        }
        let table = of_model(&model, &corpus, &entries)?;
        println!("{} on {} recordings ({:?})\n\n{table}", model.name(), entries.len(), args.split);
        if let (Some(other), Some(file)) = (&other, &args.against) {
            println!("{} on the same recordings\n\n{other}", file.display());
        }
        if entries.len() > 1 {
            println!("{}", Comparison::new(&table, other.as_ref())?);
        }
        if args.record {
            let name = format!("{:?}", args.split).to_lowercase();
            record(directory, &model, &name, &table).with_context(|| directory.display().to_string())?;
        }
    }
    if args.baseline {
        let fitted_on = args.baseline_corpus.as_deref().map(corpora::open_layout).transpose()?;
        let fitted_on = fitted_on.as_ref().unwrap_or(&corpus);
        let (rules, table) = rules::of_rules(fitted_on, &corpus, &entries)?;
        println!(
            "geometric rules, fitted on the validation recordings of {}, on {} recordings ({:?})\n\n{table}\n{rules}",
            fitted_on.name(),
            entries.len(),
            args.split
        );
    }
    Ok(())
}

/// A model's card holds scores of all that it knows, or none.
fn check_recordable(model: &Model, corpus: &Corpus) -> anyhow::Result<()> {
    anyhow::ensure!(
        corpus.ethogram() == model.ethogram(),
        "the corpus {} has not all the label sets of the model {}: nothing can be recorded",
        corpus.name(),
        model.name()
    );
    Ok(())
}

fn of_model(model: &Arc<Model>, corpus: &Corpus, entries: &[Entry]) -> anyhow::Result<Table> {
    for entry in entries {
        check_unseen(model, &[&name_of(&entry.poses), &entry.id])?;
    }
    let known = translation(model, corpus.ethogram(), corpus.name())?;
    let decoded = in_parallel(entries, |entry| {
        let annotated = corpora::load(corpus, entry)?;
        let decoded = Decoded::run(model, &annotated.recording)?;
        decoded.warn(&annotated.recording);
        Ok((annotated, decoded))
    })?;
    let mut table = Table::new(corpus.ethogram(), model.delays());
    for (annotated, decoded) in &decoded {
        add(&mut table, model, &known, annotated, decoded);
    }
    Ok(table)
}

/// The table of recordings that were read before, of a corpus with this ethogram and name.
pub(super) fn of_annotated(
    model: &Arc<Model>,
    ethogram: &Ethogram,
    corpus: &str,
    recordings: &[Annotated],
) -> anyhow::Result<Table> {
    for annotated in recordings {
        check_unseen(model, &[&annotated.recording.name])?;
    }
    let known = translation(model, ethogram, corpus)?;
    let decoded = in_parallel(recordings, |annotated| Decoded::run(model, &annotated.recording))?;
    let mut table = Table::new(ethogram, model.delays());
    for (annotated, decoded) in recordings.iter().zip(&decoded) {
        add(&mut table, model, &known, annotated, decoded);
    }
    Ok(table)
}

fn translation(model: &Model, ethogram: &Ethogram, corpus: &str) -> anyhow::Result<Translation> {
    let known = Translation::new(model.ethogram(), ethogram);
    known.with_context(|| format!("the corpus {corpus}, scored with {}", model.name()))
}

/// Refuses a recording, by any of its names, that a model was trained on.
pub(super) fn check_unseen(model: &Model, names: &[&String]) -> anyhow::Result<()> {
    let trained = &model.card().provenance.train_recordings;
    anyhow::ensure!(
        !names.iter().any(|name| trained.contains(name)),
        "{}: expected a recording that {} was not trained on",
        names.first().map_or("", |name| name),
        model.name()
    );
    Ok(())
}

fn add(table: &mut Table, model: &Model, known: &Translation, annotated: &Annotated, decoded: &Decoded) {
    for (index, &delay) in model.delays().iter().enumerate() {
        let predicted = known.bouts(&decoded.bouts(delay, &annotated.recording));
        let told = known.bouts(&decoded.told(delay, &annotated.recording));
        table.add(index, annotated, &predicted, &told);
    }
}

/// From the behaviors of one ethogram to the same ones of another that has some of its label sets.
pub(super) struct Translation {
    /// By behavior of the first.
    to: Vec<Option<Behavior>>,
}

impl Translation {
    /// # Errors
    /// A label set of the second that is no label set of the first.
    pub fn new(from: &Ethogram, to: &Ethogram) -> anyhow::Result<Self> {
        for set in to.label_sets() {
            let names: Vec<&str> = from.label_sets().iter().map(|set| set.name.as_str()).collect();
            let same = from.label_sets().iter().find(|known| known.name == set.name);
            let same = same.with_context(|| format!("expected label sets out of {names:?}, got {:?}", set.name))?;
            anyhow::ensure!(
                same == set,
                "{}: expected the behaviors {:?}, got {:?}",
                set.name,
                same.behaviors,
                set.behaviors
            );
        }
        let same = |(_, set, spec): (Behavior, usize, &crate::behavior::BehaviorSpec)| {
            to.find(&from.label_sets()[set].name, &spec.name)
        };
        Ok(Self { to: from.behaviors().map(same).collect() })
    }

    /// The bouts whose behavior both have.
    pub fn bouts(&self, bouts: &[Bout]) -> Vec<Bout> {
        let translated = |bout: &Bout| {
            let behavior = self.to.get(usize::from(bout.cell.behavior.0)).copied().flatten()?;
            Some(Bout { cell: Cell { behavior, ..bout.cell }, ..*bout })
        };
        bouts.iter().filter_map(translated).collect()
    }
}

fn record(directory: &Path, model: &Model, split: &str, table: &Table) -> anyhow::Result<()> {
    let mut card = model.card().clone();
    let mut by_set = BTreeMap::<String, BTreeMap<String, Vec<f64>>>::new();
    for (behavior, set, spec) in model.ethogram().behaviors() {
        if !table.is_asked(set) {
            let set = &model.ethogram().label_sets()[set].name;
            anyhow::bail!("expected recordings in which {set:?} was annotated, got none: nothing is recorded");
        }
        let f1 = table.f1(behavior).into_iter().map(|f1| (f1 * 1e4).round() / 1e4).collect();
        let set = model.ethogram().label_sets()[set].name.clone();
        by_set.entry(set).or_default().insert(spec.name.clone(), f1);
    }
    card.scores.insert(split.to_owned(), by_set);
    bundle::save_card(directory, &card)
}
