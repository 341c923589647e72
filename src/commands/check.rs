//! `vibrissa check`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::recordings::Facts;
use super::settings::Settings;
use crate::buffer::ticks::{Ticked, Ticker};
use crate::corpus::Recording;
use crate::features::range::RangeWatch;
use crate::model::Model;
use crate::output::journal::{JOURNAL_BYTES_MAX, Journal};
use crate::stream::{Origin, StreamDefaults, StreamDescription};
use crate::time::{TICK_RATE_HZ, WINDOW_TICKS};
use crate::trigger::permit::Permit;
use crate::trigger::plan::Plan;
use crate::trigger::watch::Watch;

/// Check settings, a model and recordings, and whether they fit together, before anything depends on them.
///
/// Prints a line for everything that was looked at; fails when one of them does not hold.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Settings of the detector.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The model directory, instead of the one in the settings.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// The plan of a closed loop, instead of the one in the settings.
    #[arg(long, value_name = "FILE")]
    triggers: Option<PathBuf>,
    /// Recordings to hold against the model: multi-animal DeepLabCut CSV, plain or gzipped.
    #[arg(value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    #[command(flatten)]
    facts: Facts,
}

/// What was found so far.
#[derive(Default)]
struct Report {
    failures: usize,
}

impl Report {
    /// Says what came of looking at `what`.
    fn say<T>(&mut self, what: &str, found: anyhow::Result<(T, String)>) -> Option<T> {
        match found {
            Ok((value, line)) => {
                println!("ok    {what}: {line}");
                Some(value)
            }
            Err(error) => {
                self.failures += 1;
                println!("FAIL  {what}: {}", chain(&error));
                None
            }
        }
    }
}

/// An error with its causes; those that its text holds already are not said again.
fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        before if before.contains(&cause) => said,
        before => format!("{before}: {cause}"),
    })
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut report = Report::default();
    let settings = match &args.config {
        None => Some(Settings::default()),
        Some(path) => {
            let read = Settings::read(path).map_err(anyhow::Error::from);
            report.say("settings", read.map(|settings| (settings, path.display().to_string())))
        }
    };
    let directory = args.model.clone().or_else(|| settings.as_ref().map(|settings| settings.model.clone()));
    let model = directory.and_then(|directory| {
        let label_sets = settings.as_ref().map(|settings| settings.label_sets.clone()).unwrap_or_default();
        let found = Model::load_only(&directory, &label_sets).map_err(anyhow::Error::from);
        report.say("model", found.map(|model| (describe(&directory, &model), model)).map(|(line, model)| (model, line)))
    });
    if let (Some(settings), Some(_)) = (&settings, &args.config) {
        check_places(settings, &mut report);
    }
    if let (Some(settings), Some(model)) = (&settings, &model) {
        for misfit in settings.misfits(model) {
            report.say::<()>("fit", Err(anyhow::anyhow!(misfit)));
        }
        if settings.stream.is_some() && settings.misfits(model).is_empty() {
            report.say("fit", Ok(((), "the model knows every part of the expected skeleton".to_owned())));
        }
    }
    let triggers = args.triggers.as_ref().or(settings.as_ref().and_then(|settings| settings.triggers.as_ref()));
    if let (Some(path), Some(model)) = (triggers, &model) {
        let expected = settings.as_ref().and_then(|settings| settings.stream.as_ref());
        let permit = settings.as_ref().and_then(|settings| settings.permit.as_deref());
        check_plan(path, model, expected, permit, &mut report);
    }
    for path in &args.recordings {
        let Some(model) = &model else { break };
        let found = args.facts.read(path, model).and_then(|recording| look_at(&recording, model));
        report.say(&path.display().to_string(), found.map(|line| ((), line)));
    }
    match report.failures {
        0 => Ok(()),
        failures => bail!("{failures} of these do not hold"),
    }
}

fn describe(directory: &Path, model: &Model) -> String {
    let card = model.card();
    let delays: Vec<String> = model.delays().iter().map(|delay| delay.0.to_string()).collect();
    let sets: Vec<&str> = card.label_sets.iter().map(|set| set.name.as_str()).collect();
    let warm = match &card.warm_up {
        Some(warm_up) => format!("warm after {:.1} s", f64::from(warm_up.ticks) / TICK_RATE_HZ),
        None => "its warm-up was never measured: warm after 17.1 s".to_owned(),
    };
    let range = if card.range.is_some() { "knows its range" } else { "does not know its range of input" };
    format!(
        "{} ({}, {}): {} at delays {}, parts {:?}, {warm}, {range}",
        directory.display(),
        card.architecture.system(),
        model.hash(),
        sets.join(" and "),
        delays.join(", "),
        card.vocabulary.0,
    )
}

/// Whether journal, tick log and metrics have their places.
fn check_places(settings: &Settings, report: &mut Report) {
    let journal = &settings.journal;
    let opened = if journal.exists() {
        Journal::open(journal, JOURNAL_BYTES_MAX)
            .map(|(_, recovery)| ((), format!("{}, next event {}", journal.display(), recovery.sequence_next)))
            .map_err(anyhow::Error::from)
    } else {
        writable_beside(journal).map(|()| ((), format!("{}, new", journal.display())))
    };
    report.say("journal", opened);
    if let Some(ticks) = &settings.ticks {
        let existing = ticks.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        let found = writable_beside(&existing.join("x"));
        report.say("ticks", found.map(|()| ((), ticks.display().to_string())));
    }
    if let Some(address) = settings.metrics {
        let bound = std::net::TcpListener::bind(address).with_context(|| format!("metrics: {address}"));
        report.say("metrics", bound.map(|_| ((), format!("{address} is free"))));
    }
}

/// Whether a plan holds by itself, fits the model and the rig as it is described, and was rehearsed.
fn check_plan(
    path: &Path,
    model: &Model,
    expected: Option<&StreamDescription>,
    permit: Option<&Path>,
    report: &mut Report,
) {
    let read = Plan::read(path).map_err(anyhow::Error::from);
    let described = |plan: Plan| {
        let line = format!("{} ({}): {} rules for rig {}", plan.name, plan.hash, plan.rules.len(), plan.rig);
        (plan, line)
    };
    let Some(plan) = report.say("plan", read.map(described)) else { return };
    match expected.cloned().map_or_else(|| of_model(model, &plan), Ok) {
        Ok(stream) => {
            let watched = Watch::new(&plan, model.card(), &stream).map_err(anyhow::Error::from);
            let names = if expected.is_some() {
                ""
            } else {
                "; names of animals are looked at with a [stream] in the settings"
            };
            report.say("plan", watched.map(|_| ((), format!("the model knows all that its rules look at{names}"))));
        }
        Err(error) => drop(report.say::<()>("plan", Err(error))),
    }
    if let Some(permit) = permit {
        let checked = Permit::read(permit).and_then(|permit| permit.check(&plan, model.hash()));
        let line = format!("{}: every rule passed", permit.display());
        report.say("permit", checked.map(|()| ((), line)).map_err(anyhow::Error::from));
    }
}

/// A rig as the model was trained on, with the animals that the plan names, and two at least.
fn of_model(model: &Model, plan: &Plan) -> anyhow::Result<StreamDescription> {
    let StreamDefaults { rate_hz, body_length_px, skeleton } = model.card().defaults.clone();
    let named = plan.rules.iter().flat_map(|rule| [&rule.agent, &rule.target]).flatten().cloned();
    let mut names: Vec<String> = named.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let others = ["animal1", "animal2"].map(str::to_owned);
    names.extend(others.into_iter().take(2_usize.saturating_sub(names.len())));
    Ok(StreamDescription::new(skeleton, names, rate_hz, body_length_px, None, Origin::Live)?)
}

/// Whether a file can be made in the folder that `path` is to lie in.
fn writable_beside(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let probe = folder.join(format!(".vibrissa-check-{}", std::process::id()));
    std::fs::File::create(&probe).with_context(|| format!("{}: expected a folder to write in", folder.display()))?;
    std::fs::remove_file(&probe).with_context(|| probe.display().to_string())
}

/// What of a recording is out of the model's range, and for which share of its time.
fn look_at(recording: &Recording, model: &Model) -> anyhow::Result<String> {
    let stream = &recording.stream;
    model.card().vocabulary.indices(stream.skeleton())?;
    let Some(range) = &model.card().range else {
        return Ok(format!("{} frames; the model does not know its range of input", recording.frames.len()));
    };
    let mut watch = RangeWatch::new(range, stream.skeleton(), stream.individuals().len());
    let (mut ticker, mut ticked) = (Ticker::new(stream), Vec::new());
    for frame in &recording.frames {
        ticker.push(frame, &mut ticked)?;
    }
    ticker.flush(&mut ticked);
    let scale = (1.0 / stream.body_length_px()) as f32;
    let (mut ticks, mut outside) = (0_u64, std::collections::BTreeMap::<String, (u64, String)>::new());
    for ticked in &ticked {
        let Ticked::Tick { keypoints, .. } = ticked else { continue };
        let points: Vec<_> = keypoints.iter().map(|point| point.scaled(scale)).collect();
        watch.tick(&points);
        ticks += 1;
        for found in watch.outside() {
            let part = found.part.map(|part| format!("{part} ")).unwrap_or_default();
            let entry = outside.entry(format!("{part}{}", found.quantity)).or_default();
            *entry = (entry.0 + 1, found.to_string());
        }
    }
    let share = |count: u64| 100.0 * count as f64 / ticks.max(1) as f64;
    let worst = outside.values().map(|(count, _)| *count).max().unwrap_or(0);
    let what: Vec<String> =
        outside.values().map(|(count, last)| format!("{last} ({:.0}% of the time)", share(*count))).collect();
    // What lasts no longer than a window here and there is what every new recording may bring.
    if share(worst) > 10.0 && worst > WINDOW_TICKS as u64 {
        bail!("out of the model's range: {}", what.join("; "));
    }
    let rest = if what.is_empty() { String::new() } else { format!(", but for {}", what.join("; ")) };
    Ok(format!("{} frames, {ticks} ticks, within the model's range{rest}", recording.frames.len()))
}
