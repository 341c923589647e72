//! `vibrissa trail`

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::live::clock::Moment;
use crate::output::event::Event;
use crate::trigger::aligned::{self, Anchor, Settings, Stimulated};
use crate::trigger::trail::{self, Decision, Entry, Sealed, TRAIL_BYTES_MAX, TRAIL_VERSION, Trail, Verdict};

/// Say what a closed loop did in an experimental session: what was armed, triggered and refused, and why.
///
/// Which triggers were shams is sealed until --unblind, which the trail notes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session.
    #[arg(value_name = "SESSION")]
    session: String,
    /// Where sessions keep their files.
    #[arg(long, default_value = "vibrissa-sessions", value_name = "DIR")]
    sessions: PathBuf,
    /// Also say which triggers were shams, what was given, and how soon outputs answered. Not while a detector runs.
    #[arg(long)]
    unblind: bool,
    /// Write what animals did around stimuli and shams into this folder: aligned.csv and aligned.svg.
    #[arg(long, value_name = "DIR", requires = "unblind")]
    aligned: Option<PathBuf>,
    /// The journal of the detector, for --aligned.
    #[arg(long, default_value = "vibrissa-events.jsonl", value_name = "FILE")]
    journal: PathBuf,
    /// Seconds before a trigger, for --aligned.
    #[arg(long, default_value_t = 5.0, value_name = "SECS")]
    before: f64,
    /// Seconds after it.
    #[arg(long, default_value_t = 10.0, value_name = "SECS")]
    after: f64,
    /// Seconds of a bin.
    #[arg(long, default_value_t = 0.5, value_name = "SECS")]
    bin: f64,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let [trail_path, sealed_path] = trail::paths(&args.sessions, &args.session);
    let entries: Vec<Entry> = trail::read(&trail_path)?;
    anyhow::ensure!(
        entries.iter().any(|entry| matches!(entry, Entry::Opened { version: TRAIL_VERSION, .. })),
        "{}: expected a trail of version {TRAIL_VERSION} that was opened, got none",
        trail_path.display()
    );
    println!("{}", summary(&entries).join("\n"));
    if !args.unblind {
        return Ok(());
    }
    // Whatever cannot be read is told before anybody is unblinded.
    let events = args.aligned.as_ref().map(|_| events(&args.journal)).transpose()?;
    // Held by a detector that serves the session: nobody is unblinded before its end.
    let (mut trail, entries) = Trail::open::<Entry>(&trail_path, TRAIL_BYTES_MAX)?;
    let sealed: Vec<Sealed> = trail::read(&sealed_path)?;
    trail.append(&Entry::Unblinded { unix_nanos: Moment::now().unix_nanos })?;
    trail.sync()?;
    println!("\n{}", unblinded(&entries, &sealed).join("\n"));
    if let (Some(out), Some(events)) = (&args.aligned, &events) {
        align(args, &entries, &sealed, events, out)?;
    }
    Ok(())
}

fn summary(entries: &[Entry]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut disarmed: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut armed, mut opened, mut cancelled) = (0, 0, 0);
    for entry in entries {
        match entry {
            Entry::Opened { session, rig, plan, plan_hash, model, software, .. } => {
                if opened == 0 {
                    said.push(format!(
                        "session {session} of rig {rig}: plan {plan} ({plan_hash}), model {model}, {software}"
                    ));
                }
                opened += 1;
            }
            Entry::Armed { .. } => armed += 1,
            Entry::Disarmed { why, .. } => *disarmed.entry(why).or_default() += 1,
            Entry::Stopped { why, .. } => said.push(format!("stopped: {why}")),
            Entry::Phase { name, .. } => said.push(format!("phase {name}")),
            Entry::Cancelled { .. } => cancelled += 1,
            Entry::Unblinded { .. } => said.push("unblinded before".to_owned()),
            Entry::Decision(_) => {}
        }
    }
    said.push(format!("begun {opened} times, armed {armed} times; disarmed: {}", causes(&disarmed)));
    said.extend(rules(entries));
    if cancelled > 0 {
        said.push(format!("{cancelled} triggers were put off and did not begin any more"));
    }
    said
}

/// What came of each rule, and how soon.
fn rules(entries: &[Entry]) -> Vec<String> {
    let mut rules: BTreeMap<&str, Vec<&Decision>> = BTreeMap::new();
    for decision in decisions(entries) {
        rules.entry(&decision.rule).or_default().push(decision);
    }
    let mut said = Vec::new();
    for (rule, decisions) in rules {
        let (mut triggers, mut refused) = (0, BTreeMap::new());
        for decision in &decisions {
            match &decision.verdict {
                Verdict::Triggered { .. } => triggers += 1,
                Verdict::Refused { cause, .. } => *refused.entry(cause.as_str()).or_default() += 1,
            }
        }
        said.push(format!("{rule}: {triggers} triggers; refused: {}", causes(&refused)));
        let millis = |of: &dyn Fn(&Decision) -> Option<i64>| {
            let nanos = decisions.iter().filter_map(|decision| of(decision));
            let mut millis: Vec<f64> = nanos.map(|nanos| nanos as f64 / 1e6).collect();
            millis.sort_by(f64::total_cmp);
            spread(&millis)
        };
        let age = |decision: &Decision| Some(decision.arrival_nanos.saturating_sub(decision.capture_nanos?));
        let deciding = |decision: &Decision| Some(decision.decision_nanos.saturating_sub(decision.arrival_nanos));
        said.push(format!("  capture to arrival (on two clocks) {}", millis(&age)));
        said.push(format!("  arrival to decision {}", millis(&deciding)));
    }
    said
}

fn causes(counts: &BTreeMap<&str, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts.iter().map(|(cause, count)| format!("{cause} {count}")).collect::<Vec<_>>().join(", ")
}

fn decisions(entries: &[Entry]) -> impl Iterator<Item = &Decision> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Decision(decision) => Some(decision),
        _ => None,
    })
}

/// Of ascending milliseconds.
fn spread(millis: &[f64]) -> String {
    let at = |share: f64| millis.get((millis.len().saturating_sub(1) as f64 * share).round() as usize);
    match (at(0.5), at(0.95)) {
        (Some(median), Some(most)) => format!("median {median:.1} ms, 95% {most:.1} ms"),
        _ => "not known".to_owned(),
    }
}

fn unblinded(entries: &[Entry], sealed: &[Sealed]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let commitments: Vec<&String> = entries.iter().filter_map(commitment).collect();
    let key = sealed.iter().find_map(|entry| match entry {
        Sealed::Key { allocation, .. } => Some(allocation.commitment()),
        _ => None,
    });
    let key = match key {
        None => "THE SEALED FILE HAS NO KEY",
        Some(key) if commitments.iter().all(|commitment| **commitment == key) => {
            "the sealed key is the one that the session began with"
        }
        Some(_) => "THE SEALED KEY IS ANOTHER THAN THE SESSION BEGAN WITH",
    };
    said.push(key.to_owned());
    let (mut arms, mut on_micros, mut answers) = ([0_u64; 2], 0, Vec::new());
    for entry in sealed {
        match entry {
            Sealed::Arm { sham, .. } => arms[usize::from(*sham)] += 1,
            Sealed::On { guard_micros, .. } => answers.push(*guard_micros as f64 / 1e3),
            Sealed::Off { on_micros: on, .. } => on_micros += on,
            Sealed::Failed { output, why, .. } => said.push(format!("output {output} failed: {why}")),
            Sealed::Key { .. } => {}
        }
    }
    answers.sort_by(f64::total_cmp);
    said.push(format!(
        "{} stimuli and {} shams; outputs were on for {:.3} s in all\nguard's order to the device's answer: {}",
        arms[0],
        arms[1],
        on_micros as f64 / 1e6,
        spread(&answers)
    ));
    said
}

fn commitment(entry: &Entry) -> Option<&String> {
    match entry {
        Entry::Opened { commitment, .. } => Some(commitment),
        _ => None,
    }
}

/// The whole events of a journal.
fn events(path: &Path) -> anyhow::Result<Vec<Event>> {
    let within = || path.display().to_string();
    let file = std::fs::File::open(path).with_context(within)?;
    let mut events = Vec::new();
    let mut lines = BufReader::new(file).lines().enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let line = line.with_context(within)?;
        match serde_json::from_str(&line) {
            Ok(event) => events.push(event),
            Err(error) => {
                // Half a line at its end is of a detector that was killed, or that writes at this moment.
                let is_last = lines.peek().is_none();
                anyhow::ensure!(
                    is_last && error.is_eof(),
                    "{}: line {}: expected an event: {error}",
                    path.display(),
                    index + 1
                );
            }
        }
    }
    Ok(events)
}

fn align(args: &Args, entries: &[Entry], sealed: &[Sealed], events: &[Event], out: &Path) -> anyhow::Result<()> {
    let rig = entries.iter().find_map(|entry| match entry {
        Entry::Opened { rig, .. } => Some(rig.as_str()),
        _ => None,
    });
    let rig = rig.context("expected a session that was begun")?;
    let anchors = decisions(entries).map(|decision| Anchor {
        cage: decision.cage.clone(),
        epoch: decision.epoch.clone(),
        tick: decision.tick,
        decision_nanos: decision.decision_nanos,
    });
    let anchors: Vec<Anchor> = anchors.collect();
    let journaled = aligned::bouts(events, rig, &anchors, None)?;
    let of_rig = events.iter().filter(|event| event.verdict.rig == rig).map(|event| event.verdict.decision_nanos);
    let ends = of_rig.clone().min().zip(of_rig.max());
    let (oldest, newest) =
        ends.with_context(|| format!("{}: expected events of rig {rig}, got none", args.journal.display()))?;
    let settings = Settings {
        before_secs: args.before,
        after_secs: args.after,
        bin_secs: args.bin,
        recorded_nanos: oldest..newest,
    };
    let aligned = aligned::align(&stimulated(entries, sealed), &journaled.bouts, settings)?;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let (csv, svg) = (out.join("aligned.csv"), out.join("aligned.svg"));
    let file = std::fs::File::create(&csv).with_context(|| csv.display().to_string())?;
    aligned::write_csv(&aligned, &mut BufWriter::new(file)).with_context(|| csv.display().to_string())?;
    std::fs::write(&svg, aligned::figure(&aligned)).with_context(|| svg.display().to_string())?;
    println!(
        "{} trials ({} overlap another, {} left out as the journal does not cover them): {} and {}",
        aligned.trials,
        aligned.overlapping,
        aligned.left_out,
        csv.display(),
        svg.display()
    );
    Ok(())
}

/// Every trigger with its arm.
fn stimulated(entries: &[Entry], sealed: &[Sealed]) -> Vec<Stimulated> {
    let arms: BTreeMap<u64, bool> = sealed
        .iter()
        .filter_map(|entry| match entry {
            Sealed::Arm { trigger, sham, .. } => Some((*trigger, *sham)),
            _ => None,
        })
        .collect();
    let of = |decision: &Decision| {
        let Verdict::Triggered { trigger } = decision.verdict else { return None };
        Some(Stimulated {
            trigger,
            cage: decision.cage.clone(),
            rule: decision.rule.clone(),
            animals: decision.animals.clone(),
            moment_nanos: decision.decision_nanos,
            sham: *arms.get(&trigger)?,
        })
    };
    decisions(entries).filter_map(of).collect()
}
