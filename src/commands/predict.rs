//! `vibrissa predict`

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use super::offline::{Decoded, in_parallel};
use super::recordings::Facts;
use crate::corpus::recording::name_of;
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
    for (index, path) in args.recordings.iter().enumerate() {
        let doubled = args.recordings[..index].iter().find(|other| name_of(other) == name_of(path));
        anyhow::ensure!(
            doubled.is_none(),
            "{}: a second recording of the video_id {:?}",
            path.display(),
            name_of(path)
        );
    }
    let file = File::create(&args.out).with_context(|| args.out.display().to_string())?;
    let rows_of = |path: &PathBuf| -> anyhow::Result<Vec<Row>> {
        let recording = args.facts.read(path, &model)?;
        let decoded = Decoded::run(&model, &recording)?;
        decoded.warn(&recording);
        let chosen = |behavior| {
            let set = &sets[model.ethogram().label_set_of(behavior)].name;
            args.labs.is_empty() || args.labs.contains(set)
        };
        let bouts = decoded.bouts(delay, &recording).into_iter().filter(|bout| chosen(bout.cell.behavior));
        Ok(bouts.map(|bout| Row::new(&recording.name, model.ethogram(), &bout)).collect())
    };
    // One bad recording must not cost the others of a night.
    let results = in_parallel(&args.recordings, |path| Ok(rows_of(path)))?;
    let mut writer = Writer::new(BufWriter::new(file))?;
    let (mut bouts, mut failed) = (0, 0);
    for result in results {
        match result {
            Ok(rows) => {
                bouts += rows.len();
                rows.iter().try_for_each(|row| writer.write(row))?;
            }
            Err(error) => {
                failed += 1;
                eprintln!("error: {error:#}");
            }
        }
    }
    writer.finish()?;
    let good = args.recordings.len() - failed;
    eprintln!("{}: {bouts} bouts of {good} recordings at delay {}", args.out.display(), delay.0);
    anyhow::ensure!(failed == 0, "{failed} of {} recordings could not be scored", args.recordings.len());
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
