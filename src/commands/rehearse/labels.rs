//! What somebody annotated of what rules aim at, in the words and ticks of a rehearsal.

use std::collections::BTreeSet;

use super::spans::{self, Spans};
use crate::behavior::{Behavior, Ethogram, Kind, Subject};
use crate::buffer::ticks::frames_per_tick;
use crate::corpus::Annotated;
use crate::rehearsal::play::{animals, tick_of};
use crate::rehearsal::{Decision, Interval, OfRule};
use crate::time::DelayTicks;
use crate::trigger::plan::{Plan, Rule};

/// The behaviors that each rule aims at, in the ethogram of the corpus.
pub struct Labelled {
    by_rule: Vec<Aimed>,
}

/// Empty where nobody said what a rule aims at.
struct Aimed {
    rule: String,
    behaviors: Vec<Behavior>,
    kind: Option<Kind>,
    /// Label set of each of the behaviors.
    sets: Vec<usize>,
}

impl Labelled {
    /// # Errors
    /// An aim that the corpus does not know, and one of several kinds.
    pub fn new(plan: &Plan, ethogram: &Ethogram) -> anyhow::Result<Self> {
        Ok(Self { by_rule: plan.rules.iter().map(|rule| Aimed::new(rule, ethogram)).collect::<Result<_, _>>()? })
    }

    /// Whether it can be held against the distance of two animals.
    pub fn is_about_two(&self, rule: usize, plan: &Plan) -> bool {
        self.by_rule[rule].kind.is_some_and(|kind| kind != Kind::OfSelf) || plan.rules[rule].is_about_pair()
    }

    /// Decisions under the names that annotations have for the animals.
    pub fn told(&self, rule: usize, decisions: Vec<(Subject, Decision)>, individuals: &[String]) -> Vec<Decision> {
        let aimed = &self.by_rule[rule];
        let told = decisions.into_iter().map(|(subject, decision)| {
            let animals = animals(aimed.annotated(subject).unwrap_or(subject), individuals);
            Decision { animals, ..decision }
        });
        told.collect()
    }

    /// What was annotated for a rule that may be about these subjects, without decisions. Labelled is what was looked
    /// for of all its behaviors and of all its subjects, where it could have triggered: not in the `unsound` ticks.
    ///
    /// # Errors
    /// Subjects that no annotation of its aim can be about.
    pub fn of_rule(
        &self,
        rule: usize,
        subjects: &[Subject],
        annotated: &Annotated,
        unsound: &Spans,
    ) -> anyhow::Result<OfRule> {
        let (aimed, recording) = (&self.by_rule[rule], &annotated.recording);
        let individuals = recording.stream.individuals();
        let first = recording.frames.first().map_or(0, |frame| frame.number);
        let tick = tick_of(first, frames_per_tick(recording.stream.rate_hz()));
        let Some(kind) = aimed.kind else { return Ok(OfRule::default()) };
        let subjects: BTreeSet<Subject> = subjects
            .iter()
            .map(|subject| aimed.annotated(*subject).ok_or_else(|| aimed.misfit(*subject, kind)))
            .collect::<Result<_, _>>()?;
        let mut labelled: Spans = std::iter::once(0..u64::MAX).collect();
        let mut bouts = Vec::new();
        for (behavior, set) in aimed.behaviors.iter().zip(&aimed.sets) {
            let labels = &annotated.labels[*set];
            for subject in &subjects {
                let is_it = |cell: &crate::behavior::Cell| cell.behavior == *behavior && cell.subject == *subject;
                let scored = labels.scored.iter().filter(|_| labels.annotated.iter().any(is_it));
                let looked = spans::tidy(scored.map(|range| tick(range.start)..tick(range.end)).collect());
                labelled = spans::intersect(&labelled, &looked);
                let animals = animals(*subject, individuals);
                let of_cell = labels.bouts.iter().filter(|bout| is_it(&bout.cell));
                bouts.extend(of_cell.map(|bout| Interval {
                    start: tick(bout.start),
                    stop: tick(bout.stop),
                    animals: animals.clone(),
                }));
            }
        }
        bouts.retain(|bout| bout.start < bout.stop);
        bouts.sort_by_key(|bout| (bout.start, bout.stop));
        let labelled = spans::subtract(&labelled, unsound);
        let of_subject = |subject: &Subject| {
            let animals = animals(*subject, individuals);
            let interval = move |span: &std::ops::Range<u64>| Interval {
                start: span.start,
                stop: span.end,
                animals: animals.clone(),
            };
            labelled.iter().map(interval).collect::<Vec<_>>()
        };
        let labelled = subjects.iter().flat_map(of_subject).collect();
        Ok(OfRule { bouts, labelled, ..OfRule::default() })
    }
}

impl Aimed {
    fn new(rule: &Rule, ethogram: &Ethogram) -> anyhow::Result<Self> {
        let mut aimed = Self { rule: rule.name.clone(), behaviors: Vec::new(), kind: None, sets: Vec::new() };
        let Some(aim) = rule.aim() else { return Ok(aimed) };
        for name in &aim.behaviors {
            let Some(behavior) = ethogram.find(&aim.label_set, name) else {
                let known = ethogram.behaviors();
                let known = known.map(|(_, set, spec)| format!("{} {}", ethogram.label_sets()[set].name, spec.name));
                let (known, set) = (known.collect::<Vec<_>>().join(", "), &aim.label_set);
                anyhow::bail!("rules.{}.aim: expected behaviors of the corpus ({known}), got {set} {name}", rule.name);
            };
            let kind = ethogram.spec(behavior).kind;
            let is_alike = |known: Kind| has_direction(known) == has_direction(kind);
            anyhow::ensure!(
                aimed.kind.is_none_or(|known| is_alike(known) && (known == Kind::OfSelf) == (kind == Kind::OfSelf)),
                "rules.{}.aim: expected behaviors of one kind, got {} beside {}",
                rule.name,
                kind.name(),
                aimed.kind.map_or("", Kind::name)
            );
            aimed.kind = Some(kind);
            aimed.behaviors.push(behavior);
            aimed.sets.push(ethogram.label_set_of(behavior));
        }
        Ok(aimed)
    }

    /// Whom an annotation of the aim is about, where the rule is about `subject`.
    fn annotated(&self, subject: Subject) -> Option<Subject> {
        match (subject, self.kind?) {
            (Subject::One(_), Kind::OfSelf)
            | (Subject::Ordered { .. }, Kind::Directed)
            | (Subject::Both { .. }, Kind::Mutual | Kind::Undirected) => Some(subject),
            (Subject::Ordered { agent, target }, Kind::Mutual | Kind::Undirected) => {
                Some(Subject::Both { first: agent.min(target), second: agent.max(target) })
            }
            _ => None,
        }
    }

    fn misfit(&self, subject: Subject, kind: Kind) -> anyhow::Error {
        let got = match subject {
            Subject::One(_) => "of one animal",
            Subject::Ordered { .. } => "of agent and target",
            Subject::Both { .. } => "of two animals without direction",
        };
        let (rule, kind) = (&self.rule, kind.name());
        anyhow::anyhow!(
            "rules.{rule}.aim: expected behaviors that the rule can be about, which is {got}, got {kind} ones"
        )
    }
}

fn has_direction(kind: Kind) -> bool {
    !matches!(kind, Kind::Mutual | Kind::Undirected)
}

/// A verdict that comes later than half of the annotated bouts have ended is none to act on.
///
/// # Errors
/// Such a rule, with the median.
pub fn check_delay(rule: &Rule, bouts: &[&Interval]) -> anyhow::Result<()> {
    let delay = rule.score.as_ref().map_or(DelayTicks(0), |score| score.delay_ticks);
    let mut ticks: Vec<u64> = bouts.iter().map(|bout| bout.stop - bout.start).collect();
    ticks.sort_unstable();
    let Some(median) = ticks.get(ticks.len() / 2) else { return Ok(()) };
    anyhow::ensure!(
        u64::from(delay.0) <= *median,
        "rules.{}.score.delay_ticks: expected at most {median}, the median bout of these recordings, got {}",
        rule.name,
        delay.0
    );
    Ok(())
}
