//! `vibrissa import`

use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::ProgressBar;

use crate::corpus::import::import;
use crate::corpus::{Corpus, Description};

/// Repairs that are printed one by one.
const REPAIRS_SHOWN: usize = 20;

/// Make a corpus of recordings and annotations of any format: a folder in the layout of the MABe challenge, with a
/// corpus.toml for what that has no place for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folders with poses and annotations.
    #[arg(required = true, value_name = "DIR")]
    sources: Vec<PathBuf>,
    /// What the files cannot say (rate, scale, skeleton, what the labels mean, the split); by default the TOML beside the
    /// first folder, DIR.toml.
    #[arg(long, value_name = "FILE")]
    description: Option<PathBuf>,
    /// The corpus to write: a new or empty folder.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let description = match &args.description {
        Some(file) => file.clone(),
        None => beside(&args.sources[0])?,
    };
    let description = Description::read(&description)?;
    let corpus = Corpus::of_files(&args.sources, &description)?;
    for warning in corpus.warnings() {
        eprintln!("warning: {warning}");
    }
    for id in corpus.absent_ids() {
        eprintln!("warning: {}: no recording has the id {id:?} of the split", corpus.name());
    }
    let bar = ProgressBar::new(corpus.entries().len() as u64);
    let imported = import(&corpus, &args.out, |entry| {
        bar.set_message(entry.id.clone());
        bar.inc(1);
    })?;
    bar.finish_and_clear();
    for repair in imported.repairs.iter().take(REPAIRS_SHOWN) {
        eprintln!("repaired: {repair}");
    }
    if imported.repairs.len() > REPAIRS_SHOWN {
        eprintln!("repaired: {} more", imported.repairs.len() - REPAIRS_SHOWN);
    }
    for error in &imported.failed {
        eprintln!("error: {error}");
    }
    println!(
        "{}: {} recordings of {} frames, {} rows, {} bouts",
        args.out.display(),
        imported.recordings,
        imported.frames,
        imported.rows,
        imported.bouts
    );
    let failed = imported.failed.len();
    anyhow::ensure!(failed == 0, "{failed} of {} files could not be imported", corpus.entries().len());
    Ok(())
}

/// The TOML beside a folder: `rats.toml` of `rats`.
fn beside(folder: &Path) -> anyhow::Result<PathBuf> {
    let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
    let name = folder.file_name().with_context(|| format!("{}: expected a folder with a name", folder.display()))?;
    let mut name = name.to_owned();
    name.push(".toml");
    Ok(folder.with_file_name(name))
}
