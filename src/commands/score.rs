//! `vibrissa score`

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::corpora::{self, Part};
use super::stdout::line;
use crate::corpus::CorpusError;
use crate::corpus::mabe::solution::{Solution, Submission, read_scored};
use crate::score::official::Comparison;
use crate::score::table::{EventRules, by_behavior, by_event};

/// Longest tolerance that may be asked for.
const TOLERANCE_SECS_MAX: f64 = 3600.0;
const RATE_HZ_MAX: f64 = 10_000.0;
/// Beyond it precision counts for nothing in any digit.
const BETA_MAX: f64 = 1e6;

/// The official `MABe` 2025 score of a submission: the last line is the number alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The truth: CSV with `lab_id` and `behaviors_labeled`, optionally `scored_frames` and `frames_per_second`.
    #[arg(long, value_name = "CSV", required_unless_present = "corpus")]
    solution: Option<PathBuf>,
    /// The truth: the annotations of an imported corpus (or another folder in the layout of MABe) instead. Recordings in
    /// which a lab found nothing count too, which a solution cannot list.
    #[arg(long, value_name = "DIR", conflicts_with = "solution")]
    corpus: Option<PathBuf>,
    /// Which recordings of the corpus.
    #[arg(long, value_enum, default_value_t = Part::Test, requires = "corpus")]
    split: Part,
    /// Also write the truth of the corpus as a solution.
    #[arg(long, value_name = "CSV", requires = "corpus")]
    save_solution: Option<PathBuf>,
    /// What was predicted, as `predict` writes it.
    #[arg(long, value_name = "CSV")]
    submission: PathBuf,
    /// Weight of recall against precision; the challenge's is 1.
    #[arg(long, default_value_t = 1.0, value_name = "BETA")]
    beta: f64,
    /// Score only these intervals of each video: CSV with `video_id`, `start_frame`, `stop_frame` (exclusive).
    #[arg(long, value_name = "CSV")]
    scored: Option<PathBuf>,
    /// Also by behavior: F, precision, recall, frames and bouts.
    #[arg(long)]
    per_behavior: bool,
    /// Also by event: F1 of bouts whose onset was met, its delay, false alarms.
    #[arg(long)]
    events: bool,
    /// How far the onset of an event may be off, in seconds.
    #[arg(long, value_delimiter = ',', default_value = "0.5,1,2", value_name = "SECS,…")]
    tolerance_secs: Vec<f64>,
    /// Frames in a second of videos for which the solution does not say it.
    #[arg(long, default_value_t = 30.0, value_name = "HZ")]
    rate_hz: f64,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let report = report(args)?;
    report.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    Ok(line(report.text.trim_end_matches('\n'))?)
}

struct Report {
    text: String,
    warnings: Vec<String>,
}

fn report(args: &Args) -> anyhow::Result<Report> {
    check(args)?;
    let (mut solution, truth) = solution(args)?;
    let submission = read(&args.submission, Submission::read)?;
    if let Some(path) = &args.scored {
        solution.restrict(&read(path, read_scored)?, path)?;
    }
    let comparison = Comparison::new(&solution, &submission)
        .with_context(|| format!("{} against {}", args.submission.display(), truth.display()))?;
    let score = comparison.score(args.beta);
    let mut text = String::new();
    if args.per_behavior {
        writeln!(text, "{}", behavior_table(&comparison, args.beta))?;
    }
    if args.events {
        let rules = EventRules { tolerances_secs: args.tolerance_secs.clone(), rate_hz: args.rate_hz };
        writeln!(text, "{}\n{}", rates_and_times(&solution, args.rate_hz), event_table(&comparison, &rules))?;
    }
    if args.per_behavior || args.events {
        let labs = score.labs.iter().map(|lab| vec![lab.lab.clone(), format!("{:.6}", lab.value)]);
        writeln!(text, "{}", markdown(&["lab", "score"], labs))?;
    }
    // As Python prints a float, and so that it is read back as the same.
    writeln!(text, "{:?}", score.value)?;
    let ignored = comparison.ignored;
    let reasons = [(ignored.foreign, "videos that the solution lacks"), (ignored.unlisted, "unlisted behaviors")];
    let of_rows =
        |(rows, of): (usize, &str)| format!("{}: {rows} rows of {of} do not count", args.submission.display());
    let warnings = reasons.into_iter().filter(|(rows, _)| *rows > 0).map(of_rows).collect();
    Ok(Report { text, warnings })
}

/// The truth, and what errors name it after.
fn solution(args: &Args) -> anyhow::Result<(Solution, PathBuf)> {
    match (&args.solution, &args.corpus) {
        (Some(path), _) => Ok((read(path, Solution::read)?, path.clone())),
        (None, Some(dir)) => {
            let corpus = corpora::open_layout(dir)?;
            let entries = corpora::entries(&corpus, args.split)?;
            let dataset = corpus.as_mabe().context("a corpus in the layout of MABe")?;
            let (text, silent) = dataset.solution(&entries)?;
            if let Some(path) = &args.save_solution {
                std::fs::write(path, &text).with_context(|| path.display().to_string())?;
            }
            let mut solution = Solution::read(&text[..], dir)?;
            solution.videos.extend(silent);
            Ok((solution, dir.clone()))
        }
        (None, None) => anyhow::bail!("expected --solution or --corpus"),
    }
}

fn check(args: &Args) -> anyhow::Result<()> {
    anyhow::ensure!((0.0..=BETA_MAX).contains(&args.beta), "--beta: expected 0 to {BETA_MAX}, got {}", args.beta);
    let rate_hz = args.rate_hz;
    anyhow::ensure!(
        rate_hz > 0.0 && rate_hz <= RATE_HZ_MAX,
        "--rate-hz: expected a rate above 0, up to {RATE_HZ_MAX}, got {rate_hz}"
    );
    for secs in &args.tolerance_secs {
        anyhow::ensure!(
            (0.0..=TOLERANCE_SECS_MAX).contains(secs),
            "--tolerance-secs: expected 0 to {TOLERANCE_SECS_MAX}, got {secs}"
        );
    }
    Ok(())
}

fn read<T>(path: &Path, reader: impl Fn(File, &Path) -> Result<T, CorpusError>) -> anyhow::Result<T> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(reader(file, path)?)
}

fn behavior_table(comparison: &Comparison, beta: f64) -> String {
    let measure = format!("F{beta}");
    let head = ["lab", "behavior", &measure, "precision", "recall", "tp", "fp", "fn", "true bouts", "predicted bouts"];
    let rows = by_behavior(comparison).into_iter().map(|((lab, behavior), tally)| {
        let frames = tally.frames;
        let shares = [frames.f_beta(beta), frames.precision(), frames.recall()].map(|share| format!("{share:.4}"));
        let counts = [frames.true_positives, frames.false_positives, frames.false_negatives];
        let bouts = [tally.true_bouts, tally.predicted_bouts].map(|bouts| bouts.to_string());
        let names = [lab.to_string(), behavior.to_string()];
        let counts = counts.map(|count| count.to_string());
        names.into_iter().chain(shares).chain(counts).chain(bouts).collect()
    });
    markdown(&head, rows)
}

fn event_table(comparison: &Comparison, rules: &EventRules) -> String {
    let measures = rules.tolerances_secs.iter().map(|secs| format!("F1 ±{secs} s"));
    // Delays are those of the loosest matching.
    let loosest =
        (0..rules.tolerances_secs.len()).max_by(|a, b| rules.tolerances_secs[*a].total_cmp(&rules.tolerances_secs[*b]));
    let head: Vec<String> = ["lab", "behavior"].map(str::to_string).into_iter().chain(measures).collect();
    let rest = ["delay s", "delay 95% s", "false/h", "hours", "true bouts", "predicted bouts"];
    let head: Vec<&str> = head.iter().map(String::as_str).chain(rest).collect();
    let number = |value: Option<f64>, digits: usize| value.map_or("–".into(), |value| format!("{value:.digits$}"));
    let rows = by_event(comparison, rules).into_iter().map(|((lab, behavior), tally)| {
        let f1 = (0..rules.tolerances_secs.len()).map(|at| number(Some(tally.f1(at)), 4)).collect::<Vec<String>>();
        let delay = |quantile| number(loosest.and_then(|at| tally.delay_secs(at, quantile)), 2);
        let rest = [
            delay(0.5),
            delay(0.95),
            number(tally.false_alarms_per_hour(), 1),
            number(Some(tally.scored_secs / 3600.0), 2),
            tally.true_bouts.to_string(),
            tally.predicted_bouts.to_string(),
        ];
        [lab.to_string(), behavior.to_string()].into_iter().chain(f1).chain(rest).collect()
    });
    markdown(&head, rows)
}

/// Where the seconds and hours of the events come from.
fn rates_and_times(solution: &Solution, rate_hz: f64) -> String {
    let count = solution.videos.len();
    let with_rate = solution.videos.iter().filter(|video| video.rate_hz.is_some()).count();
    let with_scored = solution.videos.iter().filter(|video| video.scored.is_some()).count();
    format!(
        "Frame rate: the solution's in {with_rate} of {count} videos, else {rate_hz} Hz. Hours: of the scored intervals \
         in {with_scored}, else from frame 0 to the last that either side names. Delays: of the loosest tolerance.\n"
    )
}

/// A table whose columns are aligned, names to the left and numbers to the right.
fn markdown(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.collect();
    let chars = |text: &str| text.chars().count();
    let width = |column: usize| rows.iter().map(|row| chars(&row[column])).max().unwrap_or(0).max(chars(head[column]));
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let is_name = |column: usize| matches!(head[column], "lab" | "behavior");
    let cell = |(column, text): (usize, &str)| {
        let width = widths[column];
        if is_name(column) { format!(" {text:<width$} |") } else { format!(" {text:>width$} |") }
    };
    let line = |cells: &[&str]| format!("|{}\n", cells.iter().copied().enumerate().map(cell).collect::<String>());
    let rule = |column: usize| {
        let dashes = "-".repeat(widths[column]);
        if is_name(column) { format!(" {dashes} |") } else { format!(" {}: |", &dashes[1..]) }
    };
    let mut table = line(head);
    table.extend(["|".to_string(), (0..head.len()).map(rule).collect(), "\n".to_string()]);
    table.extend(rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<&str>>())));
    table
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const SOLUTION: &str = "video_id,agent_id,target_id,action,start_frame,stop_frame,lab_id,behaviors_labeled\n\
        1,mouse1,mouse2,attack,0,90,Lab,\"[\"\"mouse1,mouse2,attack\"\", \"\"mouse1,mouse2,mount\"\"]\"\n";
    const SUBMISSION: &str = "video_id,agent_id,target_id,action,start_frame,stop_frame\n\
        1,mouse1,mouse2,attack,30,120\n\
        1,mouse1,mouse2,bogus,30,120\n\
        2,mouse1,mouse2,attack,30,120\n";

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn report_of(submission: &str, flags: &[&str]) -> anyhow::Result<Report> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (solution, submission) = (file("s.csv", SOLUTION), file("p.csv", submission));
        let scored = file("scored.csv", "video_id,start_frame,stop_frame\n1,60,90\n");
        let flags = flags.iter().map(|flag| if *flag == "scored.csv" { &scored } else { *flag });
        let words = ["score", "--solution", &solution, "--submission", &submission].into_iter().chain(flags);
        report(&Cli::try_parse_from(words)?.args)
    }

    fn last_line(text: &str) -> f64 {
        text.lines().last().unwrap().parse().unwrap()
    }

    #[test]
    fn the_last_line_is_the_number_whatever_is_told_before() {
        let plain = report_of(SUBMISSION, &[]).unwrap();
        assert_eq!(plain.text, format!("{:?}\n", 120.0 / 180.0));
        assert!(plain.warnings[0].ends_with("p.csv: 1 rows of videos that the solution lacks do not count"));
        assert!(plain.warnings[1].ends_with("p.csv: 1 rows of unlisted behaviors do not count"));
        let full = report_of(SUBMISSION, &["--per-behavior", "--events", "--tolerance-secs", "0.5,1"]).unwrap();
        assert_eq!(last_line(&full.text), 120.0 / 180.0);
        for line in [
            "| lab | behavior |     F1 | precision | recall | tp | fp | fn | true bouts | predicted bouts |",
            "| --- | -------- | -----: | --------: | -----: | -: | -: | -: | ---------: | --------------: |",
            "| Lab | attack   | 0.6667 |    0.6667 | 0.6667 | 60 | 30 | 30 |          1 |               1 |",
            "| lab | behavior | F1 ±0.5 s | F1 ±1 s | delay s | delay 95% s | false/h | hours | true bouts | predicted bouts |",
            "| Lab | attack   |    0.0000 |  1.0000 |    1.00 |        1.00 |     0.0 |  0.00 |          1 |               1 |",
            "| Lab | 0.666667 |",
        ] {
            assert!(full.text.lines().any(|other| other == line), "{line}\nis not in\n{}", full.text);
        }
        assert_eq!(report_of(SUBMISSION, &["--scored", "scored.csv"]).unwrap().text, "1.0\n");
        let beta = 5.0 * 60.0 / (5.0 * 60.0 + 4.0 * 30.0 + 30.0);
        assert_eq!(last_line(&report_of(SUBMISSION, &["--beta", "2"]).unwrap().text), beta);
    }

    #[test]
    fn where_there_is_no_score_the_reason_is_told() {
        let header = SUBMISSION.lines().next().unwrap();
        for (submission, flags, wanted) in [
            (header, &[][..], "expected at least one bout in the submission, got none"),
            (
                &SUBMISSION.replace("30,120", "130,120"),
                &[],
                "p.csv: row 2, column 6: expected a stop frame of 130 or later",
            ),
            (&SUBMISSION.replace("action,", "act,"), &[], "p.csv: row 1: expected a column \"action\""),
            (&SUBMISSION.replace("bogus", "mount"), &[], "got \"attack\" and \"mount\" on frame 30"),
            (SUBMISSION, &["--beta", "NaN"], "--beta: expected 0 to 1000000, got NaN"),
            (SUBMISSION, &["--rate-hz", "0"], "--rate-hz: expected a rate above 0, up to 10000, got 0"),
            (SUBMISSION, &["--tolerance-secs", "1,-2"], "--tolerance-secs: expected 0 to 3600, got -2"),
        ] {
            let error = format!("{:#}", report_of(submission, flags).map(|report| report.text).unwrap_err());
            assert!(error.contains(wanted), "{error}\nis not\n{wanted}");
        }
    }
}
