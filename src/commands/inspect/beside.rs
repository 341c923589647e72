//! Two corpora beside each other.

use std::path::Path;

use anyhow::Context;

use super::Args;
use crate::commands::corpora;
use crate::commands::stdout::line;
use crate::corpus::Corpus;
use crate::inspect::likeness::{Measures, figure, text};

pub(super) fn run(args: &Args, other: &Path) -> anyhow::Result<()> {
    let corpora = [corpora::open(&args.paths, args.description.as_deref())?, corpora::open_layout(other)?];
    let measures = corpora.iter().map(measure).collect::<anyhow::Result<Vec<_>>>()?;
    let sides: Vec<(&str, &Measures)> = corpora.iter().map(Corpus::name).zip(&measures).collect();
    for text in text(&sides).lines() {
        line(text)?;
    }
    if let Some(folder) = &args.plot {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let file = folder.join("likeness.svg");
        std::fs::write(&file, figure(&sides)).with_context(|| file.display().to_string())?;
        line(format!("drawn: {}", file.display()))?;
    }
    Ok(())
}

fn measure(corpus: &Corpus) -> anyhow::Result<Measures> {
    let mut measures = Measures::new();
    for entry in corpus.entries() {
        measures.add(&corpora::load(corpus, entry)?, corpus.ethogram());
    }
    Ok(measures)
}
