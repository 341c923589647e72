//! The derivation of the numbers from annotations.

use std::collections::{BTreeMap, BTreeSet};

use super::text::fault;
use super::{
    ANSWERS_SECS_MAX, Action, Ethology, EthologyError, FOLLOWS_SECS_MAX, Kinds, LAB_WEIGHT_MAX, LogNormal,
    PAIR_SEEN_MIN, SEEN_MIN, Transitions,
};

/// Rates at which frames may be counted, as those of a stream or beyond.
const RATE_HZ_MAX: f64 = 10_000.0;
/// A recording of more than a century is none.
const HOURS_MAX: f64 = 1e6;
/// Bouts that are looked through for the one that follows: annotations where more begin within another bout are no
/// behavior, and would take time squared.
const LOOKED_THROUGH_MAX: usize = 256;

/// A recording as one lab annotated it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotated {
    pub lab: String,
    /// Frames per second by which the intervals count.
    pub rate_hz: f64,
    /// How long somebody looked.
    pub hours: f64,
    /// What was looked for.
    pub looked_for: Vec<Deed>,
    pub intervals: Vec<Interval>,
}

/// Who does what to whom; an animal that does it alone is its own target.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deed {
    pub agent: String,
    pub target: String,
    pub action: String,
}

/// A bout as it was annotated: the frames [start, stop).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    pub start: u64,
    pub stop: u64,
    pub deed: Deed,
}

/// What one lab says of one action.
#[derive(Default)]
struct Lab<'a> {
    hours: f64,
    animal_hours: f64,
    lengths_secs: Vec<f64>,
    of_self: u64,
    mutual: u64,
    /// Bouts whose opposite direction was looked for, or that have none.
    kinds_told: u64,
    followers: Chances<'a>,
    answers: Chances<'a>,
}

/// How often what came after an action, of the times it could have been seen.
#[derive(Default)]
struct Chances<'a> {
    bouts: u64,
    with_any: u64,
    /// Bouts after which the action was looked for, and after which it came.
    of: BTreeMap<&'a str, (u64, u64)>,
}

impl<'a> Chances<'a> {
    fn add(&mut self, looked_for: &BTreeSet<&'a str>, came: Option<&'a str>) {
        self.bouts += 1;
        self.with_any += u64::from(came.is_some());
        for action in looked_for {
            let (could, did) = self.of.entry(*action).or_default();
            *could += 1;
            *did += u64::from(came == Some(*action));
        }
    }
}

/// What was looked for and found in one recording.
struct Recording<'a> {
    rate_hz: f64,
    deeds: BTreeSet<(&'a str, &'a str, &'a str)>,
    /// Actions of an agent, with whomever.
    of_agent: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Actions of an agent on a target.
    of_pair: BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>,
    /// By start, of each agent.
    bouts_of_agent: BTreeMap<&'a str, Vec<&'a Interval>>,
    /// By start, of each agent on each target.
    bouts_of_pair: BTreeMap<(&'a str, &'a str), Vec<&'a Interval>>,
}

type Labs<'a> = BTreeMap<&'a str, Lab<'a>>;

pub(super) fn measure(recordings: &[Annotated]) -> Result<Ethology, EthologyError> {
    let mut actions: BTreeMap<&str, Labs> = BTreeMap::new();
    for (index, annotated) in recordings.iter().enumerate() {
        let within = |what: &str, got: f64, is_in: bool, expected: String| {
            let key = format!("recording {} of {:?}: {what}", index + 1, annotated.lab);
            if is_in { Ok(()) } else { Err(fault(&key, &expected, got.to_string())) }
        };
        let (rate_hz, hours) = (annotated.rate_hz, annotated.hours);
        within("rate_hz", rate_hz, rate_hz > 0.0 && rate_hz <= RATE_HZ_MAX, format!("above 0, to {RATE_HZ_MAX}"))?;
        within("hours", hours, (0.0..=HOURS_MAX).contains(&hours), format!("0 to {HOURS_MAX}"))?;
        add(annotated, &mut actions);
    }
    let bouts = |labs: &Labs| labs.values().map(Lab::bouts).sum::<u64>();
    actions.retain(|_, labs| bouts(labs) >= SEEN_MIN);
    let known: BTreeSet<&str> = actions.keys().copied().collect();
    let summed = actions.iter().map(|(name, labs)| ((*name).to_owned(), action(labs, bouts(labs), &known)));
    Ok(Ethology { actions: summed.collect() })
}

fn add<'a>(annotated: &'a Annotated, actions: &mut BTreeMap<&'a str, Labs<'a>>) {
    let recording = Recording::of(annotated);
    let mut agents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (agent, _, action) in &recording.deeds {
        agents.entry(*action).or_default().insert(*agent);
    }
    for (action, agents) in agents {
        let lab = actions.entry(action).or_default().entry(&annotated.lab).or_default();
        lab.hours += annotated.hours;
        lab.animal_hours += annotated.hours * agents.len() as f64;
    }
    for bouts in recording.bouts_of_agent.values() {
        for (index, bout) in bouts.iter().enumerate() {
            let labs = actions.entry(&bout.deed.action).or_default();
            labs.entry(&annotated.lab).or_default().add(bout, &bouts[index + 1..], &recording);
        }
    }
}

impl<'a> Recording<'a> {
    fn of(annotated: &'a Annotated) -> Self {
        let names = |deed: &'a Deed| (deed.agent.as_str(), deed.target.as_str(), deed.action.as_str());
        let mut recording = Self {
            rate_hz: annotated.rate_hz,
            deeds: annotated.looked_for.iter().map(names).collect(),
            of_agent: BTreeMap::new(),
            of_pair: BTreeMap::new(),
            bouts_of_agent: BTreeMap::new(),
            bouts_of_pair: BTreeMap::new(),
        };
        for (agent, target, action) in &recording.deeds {
            recording.of_agent.entry(*agent).or_default().insert(*action);
            recording.of_pair.entry((*agent, *target)).or_default().insert(*action);
        }
        let is_meant = |bout: &&'a Interval| bout.start < bout.stop && recording.deeds.contains(&names(&bout.deed));
        let mut bouts: Vec<&Interval> = annotated.intervals.iter().filter(is_meant).collect();
        bouts.sort_unstable();
        for bout in bouts {
            let (agent, target, _) = names(&bout.deed);
            recording.bouts_of_agent.entry(agent).or_default().push(bout);
            recording.bouts_of_pair.entry((agent, target)).or_default().push(bout);
        }
        recording
    }

    /// Whether one bout begins while another lasts, or no later than so long after it.
    fn begins_within(&self, next: &Interval, bout: &Interval, secs: f64) -> bool {
        next.start > bout.start && next.start as f64 <= bout.stop as f64 + secs * self.rate_hz
    }

    /// Bouts of a bout's target on its agent, around the moment when it begins; by start.
    fn in_return(&self, bout: &'a Interval) -> &[&'a Interval] {
        let pair = (bout.deed.target.as_str(), bout.deed.agent.as_str());
        let bouts = self.bouts_of_pair.get(&pair).map_or(&[][..], Vec::as_slice);
        let begun = bouts.partition_point(|other| other.start <= bout.start);
        &bouts[begun.saturating_sub(LOOKED_THROUGH_MAX)..bouts.len().min(begun + LOOKED_THROUGH_MAX)]
    }
}

/// Whether two bouts are of one action and share a frame.
fn is_same_at_once(a: &Interval, b: &Interval) -> bool {
    a.deed.action == b.deed.action && a.start < b.stop && b.start < a.stop
}

impl<'a> Lab<'a> {
    fn bouts(&self) -> u64 {
        self.lengths_secs.len() as u64
    }

    /// `later` are the agent's bouts after this one, by start.
    fn add(&mut self, bout: &'a Interval, later: &[&'a Interval], recording: &Recording<'a>) {
        let Deed { agent, target, action } = &bout.deed;
        self.lengths_secs.push((bout.stop - bout.start) as f64 / recording.rate_hz);
        let is_follower =
            |next: &&&Interval| next.stop > bout.stop && recording.begins_within(next, bout, FOLLOWS_SECS_MAX);
        let follower = later.iter().take(LOOKED_THROUGH_MAX).find(is_follower);
        if let Some(looked_for) = recording.of_agent.get(agent.as_str()) {
            self.followers.add(looked_for, follower.map(|next| next.deed.action.as_str()));
        }
        if agent == target {
            self.of_self += 1;
            self.kinds_told += 1;
            return;
        }
        if recording.deeds.contains(&(target, agent, action)) {
            self.kinds_told += 1;
            let is_mutual = recording.in_return(bout).iter().any(|other| is_same_at_once(other, bout));
            self.mutual += u64::from(is_mutual);
        }
        let is_answer =
            |next: &&&Interval| recording.begins_within(next, bout, ANSWERS_SECS_MAX) && !is_same_at_once(next, bout);
        if let Some(looked_for) = recording.of_pair.get(&(target.as_str(), agent.as_str())) {
            let answer = recording.in_return(bout).iter().find(is_answer);
            self.answers.add(looked_for, answer.map(|next| next.deed.action.as_str()));
        }
    }
}

fn action(labs: &Labs, bouts: u64, known: &BTreeSet<&str>) -> Action {
    let found: Vec<&Lab> = labs.values().filter(|lab| lab.bouts() > 0).collect();
    let (length, quantiles_secs) = lengths(&found);
    let per_hour = |hours: fn(&Lab) -> f64| {
        let watched = labs.values().filter(|lab| hours(lab) > 0.0);
        rounded(median(watched.map(|lab| lab.bouts() as f64 / hours(lab)).collect()))
    };
    let share = |part: fn(&Lab) -> u64| mean(found.iter().map(|lab| (part(lab), lab.kinds_told)));
    let (of_self, mutual) = (share(|lab| lab.of_self), share(|lab| lab.mutual));
    Action {
        bouts,
        labs: found.len() as u64,
        length,
        quantiles_secs,
        bouts_per_hour: per_hour(|lab| lab.hours),
        bouts_per_animal_hour: per_hour(|lab| lab.animal_hours),
        kinds: Kinds {
            of_self: rounded(of_self),
            directed: rounded((1.0 - of_self - mutual).max(0.0)),
            mutual: rounded(mutual),
        },
        followers: transitions(&found.iter().map(|lab| &lab.followers).collect::<Vec<_>>(), known),
        answers: transitions(&found.iter().map(|lab| &lab.answers).collect::<Vec<_>>(), known),
    }
}

/// The fit of lengths, by maximum likelihood, and their quantiles.
fn lengths(labs: &[&Lab]) -> (LogNormal, [f64; 3]) {
    let weighed = |lab: &&Lab| {
        let weight = weight(lab.bouts()) / lab.bouts() as f64;
        lab.lengths_secs.iter().map(move |secs| (*secs, weight)).collect::<Vec<_>>()
    };
    let mut lengths: Vec<(f64, f64)> = labs.iter().flat_map(weighed).collect();
    lengths.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let total: f64 = lengths.iter().map(|(_, weight)| weight).sum();
    let mean = lengths.iter().map(|(secs, weight)| weight * secs.ln()).sum::<f64>() / total;
    let variance = lengths.iter().map(|(secs, weight)| weight * (secs.ln() - mean).powi(2)).sum::<f64>() / total;
    let quantile = |share: f64| {
        let mut below = 0.0;
        let reaches = |(_, weight): &&(f64, f64)| {
            below += weight;
            // A sum of weights falls short of what it should be in its last digits.
            below >= (share - 1e-9) * total
        };
        let found = lengths.iter().find(reaches).or(lengths.last());
        rounded(found.map_or(0.0, |(secs, _)| *secs))
    };
    let fit = LogNormal { median_secs: rounded(mean.exp()), spread: rounded(variance.sqrt()) };
    (fit, [0.05, 0.5, 0.95].map(quantile))
}

/// Transitions to known actions: each action's share is the mean over the labs that looked for it.
fn transitions(labs: &[&Chances], known: &BTreeSet<&str>) -> Transitions {
    let mut next: Vec<(&str, f64, u64)> = Vec::new();
    for action in known {
        let of = || labs.iter().filter_map(|lab| lab.of.get(action));
        let count = of().map(|(_, did)| did).sum();
        if count >= PAIR_SEEN_MIN {
            next.push((action, mean(of().map(|(could, did)| (*did, *could))), count));
        }
    }
    if next.iter().map(|(.., count)| count).sum::<u64>() < SEEN_MIN {
        return Transitions::default();
    }
    let total: f64 = next.iter().map(|(_, share, _)| share).sum();
    next.sort_by(|(_, a, _), (_, b, _)| b.total_cmp(a));
    Transitions {
        share: rounded(mean(labs.iter().map(|lab| (lab.with_any, lab.bouts)))),
        next: next.iter().map(|(action, share, _)| ((*action).to_owned(), rounded(share / total))).collect(),
        counts: next.iter().map(|(.., count)| *count).collect(),
    }
}

fn weight(bouts: u64) -> f64 {
    bouts.min(LAB_WEIGHT_MAX) as f64
}

/// The mean share over labs of some among all; 0 where there are none.
fn mean(labs: impl Iterator<Item = (u64, u64)>) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (some, all) in labs.filter(|(_, all)| *all > 0) {
        sum += weight(all) * some as f64 / all as f64;
        weights += weight(all);
    }
    if weights > 0.0 { sum / weights } else { 0.0 }
}

/// Of an even number the mean of the two in the middle; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// To three significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}
