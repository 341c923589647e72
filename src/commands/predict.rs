//! `vibrissa predict`

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::offline::{Decoded, in_parallel};
use super::recordings::Facts;
use crate::corpus::submission::{Row, Writer};
use crate::model::Model;
use crate::time::DelayTicks;

/// Score recordings offline, by the same core that detects live, into MABe submission rows.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model directory.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Pose files: multi-animal DeepLabCut CSV, plain or gzipped.
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// The CSV file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Decision delay in ticks of 1/30 s; the model's largest by default.
    #[arg(long, value_name = "TICKS")]
    delay: Option<u32>,
    /// Only this label set (repeatable); all by default.
    #[arg(long = "lab", value_name = "NAME")]
    labs: Vec<String>,
    #[command(flatten)]
    facts: Facts,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Arc::new(Model::load(&args.model)?);
    let delay = chosen_delay(&model, args.delay)?;
    let sets = model.ethogram().label_sets();
    for lab in &args.labs {
        let known: Vec<&str> = sets.iter().map(|set| set.name.as_str()).collect();
        anyhow::ensure!(known.contains(&lab.as_str()), "--lab: expected one of {known:?}, got {lab:?}");
    }
    let rows = in_parallel(&args.recordings, |path| {
        let recording = args.facts.read(path, &model)?;
        let decoded = Decoded::run(&model, &recording)?;
        for (cause, count) in &decoded.refused {
            eprintln!("warning: {}: {count} frames refused ({cause})", recording.name);
        }
        let chosen = |behavior| {
            let set = &sets[model.ethogram().label_set_of(behavior)].name;
            args.labs.is_empty() || args.labs.contains(set)
        };
        let bouts = decoded.bouts(delay, &recording).into_iter().filter(|bout| chosen(bout.cell.behavior));
        Ok(bouts.map(|bout| Row::new(&recording.name, model.ethogram(), &bout)).collect::<Vec<_>>())
    })?;
    let file = File::create(&args.out).with_context(|| args.out.display().to_string())?;
    let mut writer = Writer::new(BufWriter::new(file))?;
    for row in rows.iter().flatten() {
        writer.write(row)?;
    }
    writer.finish()?;
    let count: usize = rows.iter().map(Vec::len).sum();
    eprintln!("{}: {count} bouts of {} recordings at delay {}", args.out.display(), args.recordings.len(), delay.0);
    Ok(())
}

/// The delay asked for, or the model's largest.
fn chosen_delay(model: &Model, asked: Option<u32>) -> anyhow::Result<DelayTicks> {
    let known = model.delays();
    match asked {
        None => known.last().copied().context("a model without delays"),
        Some(asked) => known.iter().copied().find(|delay| delay.0 == asked).with_context(|| {
            let known: Vec<u32> = known.iter().map(|delay| delay.0).collect();
            format!("--delay: expected one of the model's {known:?}, got {asked}")
        }),
    }
}
