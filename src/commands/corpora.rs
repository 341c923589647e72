//! Corpora as commands are given them.

use std::path::{Path, PathBuf};

use crate::corpus::mabe::dataset::Dataset;
use crate::corpus::{Annotated, Corpus, Description, Entry, Split};

/// The corpus in `dirs`: one folder in the layout of MABe (it holds `train.csv`), or files by a description.
pub fn open(dirs: &[PathBuf], description: Option<&Path>) -> anyhow::Result<Corpus> {
    let corpus = match (dirs, description) {
        ([dir], _) if Dataset::is_at(dir) => Corpus::of_layout(dir)?,
        (_, Some(description)) => Corpus::of_files(dirs, &Description::read(description)?)?,
        (_, None) => {
            anyhow::bail!("{dirs:?}: expected a folder with {}, or a description of the files", Dataset::SHEET)
        }
    };
    say_warnings(&corpus);
    Ok(corpus)
}

/// The corpus in a folder in the layout of MABe.
pub fn open_layout(dir: &Path) -> anyhow::Result<Corpus> {
    let corpus = Corpus::of_layout(dir)?;
    say_warnings(&corpus);
    Ok(corpus)
}

fn say_warnings(corpus: &Corpus) {
    let absent = corpus.absent_ids();
    if !absent.is_empty() {
        // A slip of the pen in the split would let a test recording train.
        eprintln!("warning: {}: no recordings have the ids {absent:?} of its split", corpus.name());
    }
    for warning in corpus.warnings() {
        eprintln!("warning: {warning}");
    }
}

/// Loads a recording and says on standard error what was repaired on the way.
pub fn load(corpus: &Corpus, entry: &Entry) -> anyhow::Result<Annotated> {
    let annotated = corpus.load(entry)?;
    for repair in &annotated.repairs {
        eprintln!("repaired: {repair}");
    }
    Ok(annotated)
}

/// Which recordings of a corpus a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    Train,
    Validation,
    Test,
    All,
}

impl Part {
    pub fn holds(self, split: Split) -> bool {
        match self {
            Self::Train => split == Split::Train,
            Self::Validation => split == Split::Validation,
            Self::Test => split == Split::Test,
            Self::All => true,
        }
    }
}

/// The recordings of a part of a corpus: at least one.
pub fn entries(corpus: &Corpus, part: Part) -> anyhow::Result<Vec<Entry>> {
    let entries: Vec<Entry> = corpus.entries().iter().filter(|entry| part.holds(entry.split)).cloned().collect();
    anyhow::ensure!(!entries.is_empty(), "{}: no recordings of the split {part:?}", corpus.name());
    Ok(entries)
}
