//! `vibrissa ethology`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::stdout;
use crate::corpus::annotations::Span;
use crate::corpus::labels::SELF;
use crate::corpus::mabe::annotation;
use crate::corpus::mabe::sheet::{Row, Sheet};
use crate::simulate::ethology::{Annotated, Deed, Ethology, Interval};

/// Derive from annotations how long animals behave in a way, how often, and what follows what: the numbers that
/// simulated animals live by, as a TOML.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder in the layout of the MABe challenge: its table and its annotations. Poses are not looked at.
    #[arg(value_name = "DIR")]
    corpus: PathBuf,
    /// Where to write the TOML, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let sheet = Sheet::read(&args.corpus.join("train.csv"))?;
    if !sheet.repairs.is_empty() {
        eprintln!("repaired: {} entries of behaviors_labeled", sheet.repairs.len());
    }
    let mut recordings = Vec::new();
    for row in sheet.rows.iter().filter(|row| !row.whitelist.is_empty()) {
        let file = row.annotation_path(&args.corpus);
        if file.is_file() {
            recordings.push(annotated(row, &file)?);
        } else {
            // What was looked for and never written down says nothing of how often it happens.
            eprintln!("warning: left out: {} of {}: no annotations", row.video, row.lab);
        }
    }
    let ethology = Ethology::measure(&recordings)?;
    let found = ethology.actions().count();
    anyhow::ensure!(found > 0, "{}: no action was annotated often enough to say anything", args.corpus.display());
    let text = format!("{}\n{}", header(&recordings), ethology.to_toml());
    match &args.out {
        Some(file) => fs::write(file, text).with_context(|| file.display().to_string()),
        None => Ok(stdout::line(text.trim_end())?),
    }
}

/// What stands above the numbers: where they are from and what they mean.
fn header(recordings: &[Annotated]) -> String {
    let mut labs: Vec<&str> = recordings.iter().map(|recording| recording.lab.as_str()).collect();
    labs.sort_unstable();
    labs.dedup();
    let bouts: usize = recordings.iter().map(|recording| recording.intervals.len()).sum();
    format!(
        "\
# How long animals behave in a way, how often, and what follows what: {bouts} bouts in {} recordings of {} labs.
# Made by `vibrissa ethology DIR` from annotations in the layout of the MABe 2025 challenge, whose own are licensed
# CC BY 4.0 by report. The numbers are derived from the annotations; none of those is contained.
#
# median_secs, spread    log-normal fit of the bouts' lengths (spread: standard deviation of the natural logarithm)
# quantiles_secs         5 %, 50 % and 95 % of the lengths
# bouts_per_hour         while a lab looked for the action; median over labs
# bouts_per_animal_hour  the same, divided by the animals in which it was looked for
# kinds                  shares of bouts by one animal, on another, and by both at once
# followers              what the agent does next; share: of the bouts that anything followed
# answers                what the target does to the agent; share: of the bouts that anything answered
",
        recordings.len(),
        labs.len(),
    )
}

/// A recording as a lab annotated it. Annotations may end after the video does, by the table's word.
fn annotated(row: &Row, file: &Path) -> anyhow::Result<Annotated> {
    let rate_hz = clock_hz(row);
    let looked_for = row.whitelist.iter().map(|listed| {
        let target = if listed.target == SELF { &listed.agent } else { &listed.target };
        Deed { agent: listed.agent.clone(), target: target.clone(), action: listed.action.clone() }
    });
    let mut intervals = Vec::new();
    for annotation in annotation::read(file)?.intervals {
        if let (Some(agent), Some(target), Span::Frames(frames)) =
            (annotation.agent, annotation.target, annotation.span)
        {
            let deed = Deed { agent, target, action: annotation.label };
            intervals.push(Interval { start: frames.start, stop: frames.end, deed });
        }
    }
    let last = intervals.iter().map(|interval| interval.stop).max().unwrap_or(0) as f64;
    let frames = match &row.scored_frames {
        Some(scored) => scored.iter().map(|frames| frames.end.saturating_sub(frames.start) as f64).sum(),
        None => row.duration_secs.map_or(last, |secs| last.max(secs * row.rate_hz)),
    };
    let hours = frames / rate_hz / 3600.0;
    Ok(Annotated { lab: row.lab.clone(), rate_hz, hours, looked_for: looked_for.collect(), intervals })
}

/// Frames per second by which a recording's annotations count: `AdaptableSnail` annotated its recordings of 25 Hz on a
/// clock of 30 Hz, which ran out before they ended. An imported corpus says which frames are scored, and counts by the
/// recording's own.
fn clock_hz(row: &Row) -> f64 {
    let is_off = row.scored_frames.is_none() && row.lab == "AdaptableSnail" && (row.rate_hz - 25.0).abs() < 0.5;
    if is_off { 30.0 } else { row.rate_hz }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_genuine_recordings_count_by_another_clock() {
        let row = |lab: &str, rate_hz: f64| Row { lab: lab.to_owned(), rate_hz, ..Row::default() };
        assert_eq!(clock_hz(&row("AdaptableSnail", 25.0)), 30.0);
        assert_eq!(clock_hz(&row("AdaptableSnail", 30.0)), 30.0);
        assert_eq!(clock_hz(&row("CRIM13", 25.0)), 25.0);
        let imported = Row { scored_frames: Some(std::iter::once(0..90).collect()), ..row("AdaptableSnail", 25.0) };
        assert_eq!(clock_hz(&imported), 25.0);
    }

    #[test]
    fn the_header_counts_and_is_all_comment() {
        let of = |lab: &str, bouts: usize| Annotated {
            lab: lab.to_owned(),
            intervals: vec![Interval::default(); bouts],
            ..Annotated::default()
        };
        let header = header(&[of("b", 3), of("a", 2), of("b", 0)]);
        assert!(header.contains(": 5 bouts in 3 recordings of 2 labs."), "{header}");
        assert!(header.lines().all(|line| line.starts_with('#')));
    }
}
