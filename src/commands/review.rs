//! `vibrissa review`

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use toml::{Table, Value};

use super::offline::{Decoded, in_parallel};
use super::predict::{chosen_delay, write_boris};
use super::recordings::Facts;
use crate::behavior::{Behavior, Bout};
use crate::buffer::ticks::frames_per_tick;
use crate::corpus::Recording;
use crate::corpus::annotations::boris;
use crate::corpus::recording::name_of;
use crate::corpus::timeline::Timeline;
use crate::model::Model;
use crate::review::report::{REVIEWED, Session, events, write_csv};
use crate::review::{Doubts, Heads, Plan, Watched, select};

/// Find the stretches of recordings about which a model is least sure, for a person to look at in BORIS.
///
/// Writes review.csv (what to look at, where in the video, and why), and in predicted/ for each recording NAME.csv (BORIS
/// tabular events) and NAME.paste.txt (for "Paste events" of BORIS) with the bouts as predicted. Export the corrected
/// events as corrected/NAME.csv; with description.toml `import` makes a corpus of them. Only what lies under the event
/// "reviewed" is scored there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model directory.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Pose files of any format that `inspect` knows; `import` later expects them in one folder.
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// The folder to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many stretches, over all recordings.
    #[arg(long, default_value_t = Plan::default().count, value_name = "N")]
    count: usize,
    /// How long each is, in seconds.
    #[arg(long, default_value_t = Plan::default().stretch_secs, value_name = "SECS")]
    secs: f64,
    /// Decision delay in ticks of 1/30 s whose bouts are shown; the model's largest by default.
    #[arg(long, value_name = "TICKS")]
    delay: Option<u32>,
    /// Only this label set (repeatable); all by default.
    #[arg(long = "lab", value_name = "NAME")]
    labs: Vec<String>,
    #[command(flatten)]
    facts: Facts,
}

/// A recording that was predicted.
struct Predicted {
    recording: Recording,
    bouts: Vec<Bout>,
    timeline: Timeline,
    doubts: Doubts,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Arc::new(Model::load(&args.model)?);
    let delay = chosen_delay(&model, args.delay)?;
    let plan = Plan { stretch_secs: args.secs, count: args.count, ..Plan::default() }.checked()?;
    let ethogram = model.ethogram();
    for lab in &args.labs {
        let known: Vec<&str> = ethogram.label_sets().iter().map(|set| set.name.as_str()).collect();
        anyhow::ensure!(known.contains(&lab.as_str()), "--lab: expected one of {known:?}, got {lab:?}");
    }
    let asked = |behavior: Behavior| {
        let set = &ethogram.label_sets()[ethogram.label_set_of(behavior)].name;
        args.labs.is_empty() || args.labs.contains(set)
    };
    let names: Vec<&str> =
        ethogram.behaviors().filter(|(behavior, ..)| asked(*behavior)).map(|(.., spec)| spec.name.as_str()).collect();
    if let Some(doubled) = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
        anyhow::bail!("{:?} is in two label sets, which BORIS cannot tell apart: choose with --lab", doubled.1);
    }
    let predicted = in_parallel(&args.recordings, |path| {
        let recording = args.facts.read(path, &model)?;
        let cells = ethogram.cells(recording.stream.individuals().len());
        let heads = Heads { cells: &cells, delays: model.delays(), rules: model.rules(), delay };
        let mut watched = Watched::new(&plan, heads, asked)?;
        let decoded = Decoded::run_watched(&model, &recording, &mut |tick, scores| watched.push(tick, scores))?;
        decoded.warn(&recording);
        let mut bouts = decoded.bouts(delay, &recording);
        bouts.retain(|bout| asked(bout.cell.behavior));
        // The poses are done with; a night of recordings must not lie in memory.
        let doubts = watched.finish(&plan);
        let timeline = Timeline::of(&recording);
        Ok(Predicted { bouts, doubts, timeline, recording: without_points(recording) })
    })?;
    let doubts: Vec<Doubts> = predicted.iter().map(|one| one.doubts.clone()).collect();
    let picks = select(&doubts, &plan)?;
    let sessions: Vec<Session> = predicted
        .iter()
        .map(|Predicted { recording, bouts, timeline, .. }| Session {
            name: &recording.name,
            ethogram,
            individuals: recording.stream.individuals(),
            timeline,
            frames: recording.extent(),
            frames_per_tick: frames_per_tick(recording.stream.rate_hz()),
            bouts,
        })
        .collect();
    let (predicted_dir, corrected_dir) = (args.out.join("predicted"), args.out.join("corrected"));
    for folder in [&predicted_dir, &corrected_dir] {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let table = args.out.join("review.csv");
    write_csv(BufWriter::new(File::create(&table).with_context(|| table.display().to_string())?), &picks, &sessions)?;
    let mut tables = 0;
    for (index, session) in sessions.iter().enumerate() {
        let events = events(&picks, index, session);
        if !events.is_empty() {
            let rate_hz = predicted[index].recording.stream.rate_hz();
            write_boris(&predicted_dir, &of_boris(session, rate_hz, events), false)?;
            tables += 1;
        }
    }
    let description = args.out.join("description.toml");
    std::fs::write(&description, self::description(args, &model, &predicted)?)
        .with_context(|| description.display().to_string())?;
    let unwatched: u64 = doubts.iter().map(|doubts| doubts.unwatched_ticks).sum();
    if unwatched > 0 {
        eprintln!("warning: {unwatched} ticks were not looked at: a recording is too long to remember");
    }
    println!("{}: {} stretches of {tables} recordings", args.out.display(), picks.len());
    Ok(())
}

/// The recording with its first and last frame only, which say how long it is.
fn without_points(mut recording: Recording) -> Recording {
    let last = recording.frames.len().saturating_sub(1);
    let mut index = 0;
    recording.frames.retain(|_| {
        index += 1;
        index == 1 || index == last + 1
    });
    recording
}

fn of_boris(session: &Session, rate_hz: f64, events: Vec<crate::review::report::Event>) -> boris::Session {
    let bout = |event: crate::review::report::Event| boris::Bout {
        agent: event.agent,
        target: event.target,
        behavior: event.behavior,
        start_secs: event.start_secs,
        stop_secs: event.stop_secs,
    };
    boris::Session {
        observation: session.name.to_owned(),
        media: session.name.to_owned(),
        rate_hz,
        length_secs: session.timeline.secs_of(session.frames.end),
        bouts: events.into_iter().map(bout).collect(),
    }
}

/// A description by which `import` finds the poses and the corrected tables.
fn description(args: &Args, model: &Model, predicted: &[Predicted]) -> anyhow::Result<String> {
    let text = |text: &str| Value::String(text.to_owned());
    let table = |entries: Vec<(&str, Value)>| -> Table {
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    };
    let file_name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let endings: BTreeSet<String> = args
        .recordings
        .iter()
        .map(|path| file_name(path).strip_prefix(&name_of(path)).map(str::to_owned).unwrap_or_default())
        .collect();
    let out = std::fs::canonicalize(&args.out).with_context(|| args.out.display().to_string())?;
    let layout = table(vec![
        ("pose_endings", Value::Array(endings.into_iter().map(Value::String).collect())),
        ("annotation_directory", text(&out.join("corrected").to_string_lossy())),
        ("annotation_file", text("{id}.csv")),
        ("without_annotations", text("leave-out")),
    ]);
    let streams = || predicted.iter().map(|one| &one.recording.stream);
    let mut stream = Table::new();
    let mut description = table(vec![
        ("name", text("reviewed")),
        ("source", text(&format!("predictions of {}, corrected by hand", model.name()))),
        ("species", text("unknown")),
        ("layout", Value::Table(layout)),
    ]);
    // What all recordings share; what they do not, stands beside each.
    if let Some(first) = streams().next() {
        if streams().all(|stream| stream.rate_hz() == first.rate_hz()) {
            stream.insert("rate_hz".into(), Value::Float(first.rate_hz()));
        }
        if streams().all(|stream| stream.body_length_px() == first.body_length_px()) {
            stream.insert("body_length_px".into(), Value::Float(first.body_length_px()));
        }
        if streams().all(|stream| stream.skeleton() == first.skeleton()) {
            description.insert("skeleton".into(), Value::try_from(first.skeleton())?);
        }
    }
    if let Some(prefixes) = args.facts.prefixes() {
        let prefixes = prefixes.iter().cloned().map(Value::String).collect();
        stream.insert("individual_prefixes".into(), Value::Array(prefixes));
    }
    description.insert("stream".into(), Value::Table(stream));
    let sets = model.ethogram().label_sets().iter();
    let sets = sets.filter(|set| args.labs.is_empty() || args.labs.contains(&set.name)).map(|set| {
        Ok(Value::Table(table(vec![
            ("name", text(&set.name)),
            ("behaviors", Value::try_from(&set.behaviors)?),
            ("coverage", Value::Table(table(vec![("within", text(REVIEWED))]))),
        ])))
    });
    description.insert("label_sets".into(), Value::Array(sets.collect::<anyhow::Result<_>>()?));
    Ok(toml::to_string(&description)?)
}
