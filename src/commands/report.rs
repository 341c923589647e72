//! `vibrissa report`

use std::path::PathBuf;

use anyhow::Context;

use super::corpora;
use crate::corpus::session::Session;
use crate::corpus::{Corpus, Split};
use crate::model::Model;
use crate::report::{Part, html};
use crate::train::report::of_model;

/// Measure a model on the recordings of a split and write a page about it: curves, triggers, recordings, worst mistakes.
/// Thresholds, calibration and triggers are those of the model's card: nothing is fitted. `train` writes such a page of
/// its own, on validation.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model directory.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// An imported corpus or another folder in the layout of MABe (it holds train.csv); or folders with poses and
    /// annotations, laid out as the description says. It has all label sets of the model.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    corpus: Vec<PathBuf>,
    /// What the files of folders that are not in the layout of MABe cannot say.
    #[arg(long, default_value = "configs/corpora/rat-dyads.toml", value_name = "FILE")]
    description: PathBuf,
    /// Recordings that the model was trained on are refused in any split but `train`.
    #[arg(long, value_enum, default_value_t = Of::Validation)]
    split: Of,
    /// The page to write.
    #[arg(long, default_value = "report.html", value_name = "FILE")]
    out: PathBuf,
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    Train,
    Validation,
    Test,
}

impl Of {
    fn split(self) -> Split {
        match self {
            Self::Train => Split::Train,
            Self::Validation => Split::Validation,
            Self::Test => Split::Test,
        }
    }

    fn part(self) -> Part {
        match self {
            Self::Train => Part::Train,
            Self::Validation => Part::Validation,
            Self::Test => Part::Test,
        }
    }
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
    let sessions = sessions(&corpus, &model, args.split)?;
    let report = of_model(&model, args.split.part(), &sessions, usize::from(args.threads))?;
    std::fs::write(&args.out, html(&report)).with_context(|| args.out.display().to_string())?;
    println!("{} on {} {} recordings: {}", model.name(), sessions.len(), report.part.name(), args.out.display());
    Ok(())
}

fn sessions(corpus: &Corpus, model: &Model, of: Of) -> anyhow::Result<Vec<Session>> {
    let trained = &model.card().provenance.train_recordings;
    let mut sessions = Vec::new();
    for entry in corpus.split(of.split()) {
        let session = Session::new(&corpora::load(corpus, entry)?, corpus.ethogram())?;
        anyhow::ensure!(
            of == Of::Train || !trained.contains(&session.name) && !trained.contains(&entry.id),
            "{}: expected a recording that {} was not trained on",
            session.name,
            model.name()
        );
        // Where nobody looked for anything there is nothing to measure.
        if !session.cells.is_empty() {
            sessions.push(session);
        }
    }
    anyhow::ensure!(!sessions.is_empty(), "{}: no annotated recordings of the split {of:?}", corpus.name());
    Ok(sessions)
}
