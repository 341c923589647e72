//! `vibrissa rehearse`

mod distance;
mod labels;
mod spans;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use self::labels::Labelled;
use super::corpora::{self, Part};
use super::evaluate::check_unseen;
use super::offline::in_parallel;
use crate::acquire::description::StreamId;
use crate::core::{Cage, CoreError, Note};
use crate::corpus::recording::name_of;
use crate::corpus::{self, Annotated};
use crate::live::clock::Moment;
use crate::model::Model;
use crate::rehearsal::play::Player;
use crate::rehearsal::{Decision, OfRule, Outcome, Recording, Rehearsal, Scored, page, score};
use crate::stream::Origin;
use crate::time::Tick;
use crate::trigger::permit::{PERMIT_VERSION, Permit, Rehearsed};
use crate::trigger::plan::Plan;
use crate::trigger::standing::{KnownAge, Publisher, Standing};
use crate::trigger::watch::{Candidate, Watch};

/// Play labelled recordings of a rig through a model and a plan, and write what would have been triggered: a page, and the
/// permit that arming asks for.
///
/// Poses count as live and fresh. Each recording is a session of its own, in which every rule is played alone, armed
/// throughout and in its phase. Labelled time in which nothing could trigger (warming up, after swap alarms, out of the
/// model's range) is not counted. That the recordings are of the plan's rig is your word.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model directory.
    #[arg(long, default_value = "models/rat-dyads", value_name = "DIR")]
    model: PathBuf,
    /// The plan, see configs/triggers.
    #[arg(long, value_name = "FILE")]
    triggers: PathBuf,
    /// An imported corpus or another folder in the layout of MABe (it holds train.csv); or folders with poses and
    /// annotations, laid out as the description says. Recordings that the model was trained on are refused.
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    corpus: Vec<PathBuf>,
    /// What the files of folders that are not in the layout of MABe cannot say.
    #[arg(long, default_value = "configs/corpora/rat-dyads.toml", value_name = "FILE")]
    description: PathBuf,
    /// Which recordings are played.
    #[arg(long, value_enum, default_value_t = Part::Test)]
    split: Part,
    /// The folder to write rehearsal.html and permit.json into.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let model = Arc::new(Model::load(&args.model)?);
    let plan = Plan::read(&args.triggers).with_context(|| args.triggers.display().to_string())?;
    let corpus = corpora::open(&args.corpus, Some(&args.description))?;
    let entries = corpora::entries(&corpus, args.split)?;
    for entry in &entries {
        check_unseen(&model, &[&name_of(&entry.poses), &entry.id])?;
    }
    let labelled = Labelled::new(&plan, corpus.ethogram()).with_context(|| args.triggers.display().to_string())?;
    let played = in_parallel(&entries, |entry| {
        let annotated = corpora::load(&corpus, entry)?;
        play(&plan, &model, &annotated, &labelled).with_context(|| annotated.recording.name.clone())
    })?;
    let (rehearsal, permit) = summarise(&plan, &model, played)?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    write(&args.out.join("rehearsal.html"), page::page(&rehearsal).as_bytes())?;
    write(&args.out.join("permit.json"), &serde_json::to_vec_pretty(&permit)?)?;
    for (index, rule) in permit.rules.iter().enumerate() {
        say(rule, &refusals(&rehearsal, index));
    }
    println!("wrote {} with permit.json beside it", args.out.join("rehearsal.html").display());
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// What came of a rule, and of what else it began to hold for.
fn say(rule: &Rehearsed, refused: &BTreeMap<&str, u64>) {
    let Rehearsed { name, labelled_hours, triggers, hits, bouts, false_per_hour, false_per_hour_max } = rule;
    let passes = if rule.passed() { "passes" } else { "DOES NOT PASS" };
    println!(
        "{name}: {passes}: {triggers} triggers in {labelled_hours:.2} labelled hours, at {hits} of {bouts} bouts, \
         {false_per_hour:.1} false an hour (at most {false_per_hour_max})"
    );
    if !refused.is_empty() {
        let causes: Vec<String> = refused.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
        println!("{name}: refused {}", causes.join(", "));
    }
}

/// How many candidates of a rule were refused, by cause.
fn refusals(rehearsal: &Rehearsal, rule: usize) -> BTreeMap<&str, u64> {
    let mut refused = BTreeMap::new();
    for decision in rehearsal.recordings.iter().flat_map(|recording| &recording.rules[rule].decisions) {
        if let Outcome::Refused { cause, .. } = &decision.outcome {
            *refused.entry(cause.as_str()).or_default() += 1;
        }
    }
    refused
}

/// A recording that was played.
struct Played {
    recording: Recording,
    /// By rule and distance; empty of rules about one animal.
    by_distance: Vec<Vec<Vec<Decision>>>,
}

/// A plan that is played, and what it watches.
struct Voice<'a> {
    watch: Watch,
    fresh: Watch,
    player: Player<'a>,
}

impl<'a> Voice<'a> {
    fn new(plan: &Plan, model: &Model, recording: &'a corpus::Recording) -> anyhow::Result<Self> {
        let watch = Watch::new(plan, model.card(), &recording.stream)?;
        let player = Player::new(plan, recording.stream.individuals(), &sound());
        Ok(Self { fresh: watch.clone(), watch, player })
    }

    /// Takes what a frame brought; ticks of the recording are `first` more than those of the cage.
    fn take(&mut self, first: u64, scores: &[(Tick, Vec<f32>)], cage: &Cage, standing: Standing) {
        let candidates = self.watch.follow(scores, cage.ring());
        for (tick, _) in scores {
            let of_tick = candidates.iter().filter(|candidate| candidate.tick == *tick);
            let of_tick: Vec<Candidate> = of_tick.cloned().collect();
            self.player.see(Tick(first + tick.0), standing, &of_tick);
        }
    }
}

/// Each rule is played alone: in another phase or cage it would not meet the others, and it has to pass by itself.
fn play(plan: &Plan, model: &Arc<Model>, annotated: &Annotated, labelled: &Labelled) -> anyhow::Result<Played> {
    let recording = &annotated.recording;
    let individuals = recording.stream.individuals();
    let (mut own, mut near, mut subjects) = (Vec::new(), Vec::new(), Vec::new());
    for (index, rule) in plan.rules.iter().enumerate() {
        let voice = Voice::new(&Plan { rules: vec![rule.clone()], ..plan.clone() }, model, recording)?;
        subjects.push(voice.watch.subjects().into_iter().next().unwrap_or_default());
        own.push(voice);
        let plans = if labelled.is_about_two(index, plan) { distance::plans(plan, index) } else { Vec::new() };
        let voices: anyhow::Result<Vec<_>> = plans.iter().map(|plan| Voice::new(plan, model, recording)).collect();
        near.push(voices?);
    }
    let (mut ticks, mut unsound) = (0, Vec::new());
    for (first, frames) in recording.stretches() {
        let (mut cage, mut standing) = (Cage::open(Arc::clone(model), &recording.stream)?, sound());
        for voice in own.iter_mut().chain(near.iter_mut().flatten()) {
            voice.watch.clone_from(&voice.fresh);
        }
        for frame in frames {
            let mut scores = Vec::new();
            let pushed = cage.push_watched(frame, &mut |tick, of_tick| scores.push((tick, of_tick.to_vec())));
            match pushed {
                Ok(advance) => note(&mut standing, &advance.notes, scores.len() as u64),
                Err(CoreError::Refused(_)) => continue,
                Err(error) => return Err(error.into()),
            }
            standing.warming = cage.history_ticks() < model.warm_ticks();
            for voice in own.iter_mut().chain(near.iter_mut().flatten()) {
                voice.take(first, &scores, &cage, standing);
            }
            if standing.against(standing.publisher).is_some() {
                unsound.extend(scores.iter().map(|(tick, _)| first + tick.0..first + tick.0 + 1));
            }
            ticks = scores.last().map_or(ticks, |(tick, _)| first + tick.0 + 1);
        }
    }
    let unsound = spans::tidy(unsound);
    let decisions = |voice: Voice<'_>| voice.player.finish().into_iter().next().unwrap_or_default();
    let (mut rules, mut by_distance) = (Vec::new(), Vec::new());
    for (rule, (own, near)) in own.into_iter().zip(near).enumerate() {
        let of_rule = labelled.of_rule(rule, &subjects[rule], annotated, &unsound)?;
        rules.push(OfRule { decisions: labelled.told(rule, decisions(own), individuals), ..of_rule });
        let near = near.into_iter().map(|voice| labelled.told(rule, decisions(voice), individuals));
        by_distance.push(near.collect());
    }
    Ok(Played { recording: Recording { name: recording.name.clone(), ticks, rules }, by_distance })
}

/// A cage of which all is well.
fn sound() -> Standing {
    Standing {
        publisher: Publisher { run: Some(0), stream: StreamId(0), origin: Origin::Live },
        warming: false,
        stale: None,
        age: KnownAge::Known,
        swap_ticks_ago: None,
        out_of_range: false,
        waited_millis: 0,
        journal_failing: false,
    }
}

/// What a frame brought about, as it would be known live.
fn note(standing: &mut Standing, notes: &[Note], ticks: u64) {
    for note in notes {
        match note {
            Note::Swapped(_) => standing.swap_ticks_ago = Some(0),
            Note::Range(what) => standing.out_of_range = !what.is_empty(),
            Note::Attended(_) | Note::Warm(_) => {}
        }
    }
    standing.swap_ticks_ago = standing.swap_ticks_ago.map(|ago| ago + ticks);
}

/// The rehearsal and its permit, with the distance that does best for each rule.
fn summarise(plan: &Plan, model: &Model, mut played: Vec<Played>) -> anyhow::Result<(Rehearsal, Permit)> {
    let (mut said, mut rehearsed) = (Vec::new(), Vec::new());
    for (index, rule) in plan.rules.iter().enumerate() {
        let bouts: Vec<_> = played.iter().flat_map(|played| &played.recording.rules[index].bouts).collect();
        labels::check_delay(rule, &bouts)?;
        let total = |triggers: &dyn Fn(&Played) -> Vec<Decision>| {
            played.iter().fold(Scored::default(), |mut total, played| {
                total.add(&score(&played.recording.rules[index], &triggers(played)));
                total
            })
        };
        let own = total(&|played| played.recording.rules[index].decisions.clone());
        let distances = played.first().map_or(0, |played| played.by_distance[index].len());
        let of_distances: Vec<Scored> =
            (0..distances).map(|distance| total(&|played| played.by_distance[index][distance].clone())).collect();
        let best = distance::best(&of_distances, &own, rule.false_per_hour_max);
        for played in &mut played {
            played.recording.rules[index].by_distance =
                best.map_or(Vec::new(), |distance| std::mem::take(&mut played.by_distance[index][distance]));
        }
        said.push(words::of_rule(rule, best.map(distance::said)));
        rehearsed.push(Rehearsed {
            name: rule.name.clone(),
            labelled_hours: own.labelled_hours,
            triggers: own.triggers,
            hits: own.hits,
            bouts: own.bouts,
            false_per_hour: own.false_per_hour(),
            false_per_hour_max: rule.false_per_hour_max,
        });
    }
    let recordings: Vec<Recording> = played.into_iter().map(|played| played.recording).collect();
    let permit = Permit {
        version: PERMIT_VERSION,
        rig: plan.rig.clone(),
        plan: plan.name.clone(),
        plan_hash: plan.hash.clone(),
        model: model.hash().to_owned(),
        recordings: recordings.iter().map(|recording| recording.name.clone()).collect(),
        rules: rehearsed,
        unix_nanos: Moment::now().unix_nanos,
    };
    let rehearsal = Rehearsal {
        plan: plan.name.clone(),
        plan_hash: plan.hash.clone(),
        rig: plan.rig.clone(),
        model: model.name().to_owned(),
        model_hash: model.hash().to_owned(),
        rules: said,
        recordings,
    };
    Ok((rehearsal, permit))
}
