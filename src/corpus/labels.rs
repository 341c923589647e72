//! Annotations to labels: what happened, and where somebody looked.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use super::annotations::{Annotation, Annotations, Span};
use super::description::{AbsentChannel, Coverage, Meaning, SetRule};
use super::error::{CorpusError, Place, quoted};
use super::spans;
use super::timeline::Timeline;
use crate::behavior::{Behavior, Bout, Cell, Individual, Kind, PAIR, Subject};

/// What stands for the target of a self behavior in a whitelist.
pub const SELF: &str = "self";

/// How far a video's rate may be off the stated one.
const RATE_TOLERANCE: f64 = 0.02;

/// The annotations of one label set over one recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetLabels {
    /// Frames by number that train and score, ascending and disjoint; on all others nothing is known.
    pub scored: Vec<Range<u64>>,
    /// The whitelist: cells whose absence from a scored frame means that the behavior did not happen.
    pub annotated: Vec<Cell>,
    /// What happened, in frames by number, clipped to the recording, ascending by start; those of one cell are
    /// disjoint. A bout may lie outside the scored frames.
    pub bouts: Vec<Bout>,
}

impl SetLabels {
    /// Frames on which one animal or ordered pair has two behaviors at once.
    pub fn overlapping_frames(&self) -> u64 {
        let mut by_subject: HashMap<Subject, BTreeMap<Behavior, Vec<Range<u64>>>> = HashMap::new();
        for bout in &self.bouts {
            let behaviors = by_subject.entry(bout.cell.subject).or_default();
            behaviors.entry(bout.cell.behavior).or_default().push(bout.start..bout.stop);
        }
        let overlaps = |behaviors: BTreeMap<Behavior, Vec<Range<u64>>>| {
            let all: Vec<_> = behaviors.into_values().map(spans::union).collect();
            let length: u64 = all.iter().map(|set| spans::length(set)).sum();
            length - spans::length(&spans::union(all.concat()))
        };
        by_subject.into_values().map(overlaps).sum()
    }
}

/// What the annotations of one recording are read against.
pub(super) struct Reader<'a> {
    /// Frame numbers of the recording, from its first to one past its last.
    pub extent: Range<u64>,
    pub timeline: &'a Timeline,
    pub individuals: &'a [String],
    /// Other names that the annotations use for the individuals.
    pub aliases: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    /// Labels of each set, in order; behaviors are numbered through.
    pub fn read(&self, sets: &[SetRule], annotations: &Annotations) -> Result<Vec<SetLabels>, CorpusError> {
        check_labels(sets, annotations)?;
        self.check_rate(annotations)?;
        let mut all: Vec<SetLabels> = Vec::with_capacity(sets.len());
        let mut first = 0;
        for set in sets {
            let absent = set.channel.as_ref().is_some_and(|channel| !annotations.channels.contains(channel));
            let mut labels = match set.absent_channel {
                AbsentChannel::Error if absent => {
                    let expected = format!("the channel {:?}", set.channel.as_deref().unwrap_or_default());
                    return Err(Place::file(&annotations.file).fault(expected, format!("{:?}", annotations.channels)));
                }
                AbsentChannel::Unannotated if absent => SetLabels::default(),
                AbsentChannel::Background if absent => SetLabels {
                    scored: spans::union(vec![self.extent.clone()]),
                    annotated: self.cells(set, first, &annotations.file)?,
                    bouts: Vec::new(),
                },
                _ => self.set(set, first, annotations)?,
            };
            if let Some(within) = &set.scored_within
                && let Some(index) = sets.iter().position(|other| other.name == *within)
            {
                labels.scored = spans::intersection(&labels.scored, &all[index].scored);
            }
            first += set.behaviors.len() as u16;
            all.push(labels);
        }
        Ok(all)
    }

    /// What became of annotations that do not lie within the recording.
    ///
    /// # Errors
    /// Annotations none of which lies within it: they are about something else, or on another clock.
    pub fn repairs(&self, annotations: &Annotations) -> Result<Vec<String>, CorpusError> {
        let (mut clipped, mut outside) = (Vec::new(), Vec::new());
        for interval in &annotations.intervals {
            let frames = self.timeline.frames(&interval.span);
            let within = spans::clip(&frames, &self.extent);
            if within.is_empty() {
                outside.push(interval.row);
            } else if within != frames {
                clipped.push(interval.row);
            }
        }
        if outside.len() == annotations.intervals.len() && !outside.is_empty() {
            let expected = format!("annotations within the recording's frames {:?}", self.extent);
            return Err(Place::file(&annotations.file).fault(expected, format!("{} outside", outside.len())));
        }
        let say = |rows: &[u64], what: &str| {
            rows.first().map(|first| format!("{} annotations {what} (the first in row {first})", rows.len()))
        };
        let clipped = say(&clipped, "reach beyond the recording: clipped");
        Ok(clipped.into_iter().chain(say(&outside, "lie outside the recording: left out")).collect())
    }

    /// Frames of a video mean frames of the recording only where both run at one rate.
    fn check_rate(&self, annotations: &Annotations) -> Result<(), CorpusError> {
        for interval in &annotations.intervals {
            let Some(rate_hz) = self.timeline.rate_if_numbered() else { return Ok(()) };
            let Span::Video { frames, secs } = &interval.span else { continue };
            let (counted, expected) = (frames.end as f64, secs.end * rate_hz);
            if (counted - expected).abs() > 2.0 + RATE_TOLERANCE * expected {
                let expected = format!("an image index of about {expected:.0} at {} s, by {rate_hz} Hz", secs.end);
                return Err(Place::row(&annotations.file, interval.row).fault(expected, format!("{counted}")));
            }
        }
        Ok(())
    }

    fn set(&self, set: &SetRule, first: u16, annotations: &Annotations) -> Result<SetLabels, CorpusError> {
        let annotated = self.cells(set, first, &annotations.file)?;
        let (mut labelled, mut excluded, mut looked) = (Vec::new(), Vec::new(), Vec::new());
        let mut bouts: BTreeMap<Cell, Vec<Range<u64>>> = BTreeMap::new();
        for interval in annotations.intervals.iter().filter(|interval| reads(set, interval)) {
            let Some(meaning) = set.meaning(&interval.label) else { continue };
            let frames = spans::clip(&self.timeline.frames(&interval.span), &self.extent);
            match meaning {
                Meaning::Excluded => excluded.push(frames),
                Meaning::Background => labelled.push(frames),
                Meaning::Looked => looked.push(frames),
                Meaning::Behavior(index) => {
                    let behavior = Behavior(first + index as u16);
                    let subject = self.subject(set, index, interval, &annotations.file)?;
                    if !annotated.contains(&Cell { behavior, subject }) {
                        let expected = format!("what the set {:?} lists as annotated", set.name);
                        let got = format!("{:?} of {:?}, {:?}", interval.label, interval.agent, interval.target);
                        return Err(Place::row(&annotations.file, interval.row).fault(expected, got));
                    }
                    labelled.push(frames.clone());
                    bouts.entry(Cell { behavior, subject }).or_default().push(frames);
                }
            }
        }
        let by_format = if set.channel.is_some() { &Coverage::Labelled } else { &Coverage::Recording };
        let seen = match set.coverage.as_ref().unwrap_or(by_format) {
            Coverage::Labelled => spans::union(labelled),
            Coverage::Recording => spans::union(vec![self.extent.clone()]),
            Coverage::Within(_) => spans::union(looked),
        };
        let scored = spans::difference(&seen, &spans::union(excluded));
        Ok(SetLabels { scored, annotated, bouts: disjoint(bouts) })
    }

    /// Whom an annotation is about.
    fn subject(
        &self,
        set: &SetRule,
        behavior: usize,
        interval: &Annotation,
        file: &Path,
    ) -> Result<Subject, CorpusError> {
        let place = || Place::row(file, interval.row);
        let kind = set.behaviors[behavior].kind;
        let (agent, target) = match (&interval.agent, &interval.target) {
            // A pair by itself, as `BORIS` rows of ours name it.
            (None, Some(pair)) if pair.contains(PAIR) && matches!(kind, Kind::Mutual | Kind::Undirected) => {
                let (one, other) = pair.split_once(PAIR).unwrap_or((pair, pair));
                (Some(one.to_owned()), Some(other.to_owned()))
            }
            // What an animal does by itself it does to nobody, whomever its set is about.
            (agent, target) if kind == Kind::OfSelf => (agent.clone().or_else(|| set.agent.clone()), target.clone()),
            (agent, target) => {
                (agent.clone().or_else(|| set.agent.clone()), target.clone().or_else(|| set.target.clone()))
            }
        };
        let agent = self.slot(agent.as_ref(), &set.name, place)?;
        let target = self.slot(target.as_ref(), &set.name, place)?;
        let spec = &set.behaviors[behavior];
        self.subject_of(kind, agent, target).ok_or_else(|| {
            let needed = if kind == Kind::OfSelf { "one animal" } else { "two animals" };
            let named = |slot: Option<Individual>| slot.map(|slot| &self.individuals[usize::from(slot.0)]);
            let expected = format!("{needed} for {:?} of the set {:?}", spec.name, set.name);
            place().fault(expected, format!("agent {:?}, target {:?}", named(agent), named(target)))
        })
    }

    fn slot(
        &self,
        name: Option<&String>,
        set: &str,
        place: impl Fn() -> Place,
    ) -> Result<Option<Individual>, CorpusError> {
        let Some(name) = name else { return Ok(None) };
        let known = self.aliases.get(name).unwrap_or(name);
        let found = self.individuals.iter().position(|individual| individual == known);
        let slot = found.ok_or_else(|| {
            place().fault(format!("for the label set {set:?} one of {:?}", self.individuals), quoted(name))
        })?;
        Ok(Some(Individual(slot as u8)))
    }

    /// The subject of a kind that two animals make up; in a cage of two the other animal goes without saying.
    fn subject_of(&self, kind: Kind, agent: Option<Individual>, target: Option<Individual>) -> Option<Subject> {
        let of_two = self.individuals.len() == 2;
        let other = |one: Individual| of_two.then_some(Individual(1 - one.0));
        match (kind, agent, target) {
            (Kind::OfSelf, Some(agent), target) if target.is_none_or(|target| target == agent) => {
                Some(Subject::One(agent))
            }
            (Kind::Directed, Some(agent), target) => {
                let target = target.or_else(|| other(agent))?;
                (target != agent).then_some(Subject::Ordered { agent, target })
            }
            (Kind::Mutual | Kind::Undirected, Some(one), second) => {
                let second = second.or_else(|| other(one))?;
                (one != second).then_some(Subject::Both { first: one.min(second), second: one.max(second) })
            }
            (Kind::Mutual | Kind::Undirected, None, None) if of_two => {
                Some(Subject::Both { first: Individual(0), second: Individual(1) })
            }
            _ => None,
        }
    }

    /// The whitelist of a set.
    fn cells(&self, set: &SetRule, first: u16, file: &Path) -> Result<Vec<Cell>, CorpusError> {
        if let Some(listed) = &set.annotated {
            let cells = listed.iter().map(|entry| self.listed(set, first, entry, file));
            return cells.collect::<Result<Vec<_>, _>>().map(sorted);
        }
        let place = || Place::file(file);
        let (agent, target) =
            (self.slot(set.agent.as_ref(), &set.name, place)?, self.slot(set.target.as_ref(), &set.name, place)?);
        let mut cells = Vec::new();
        for (behavior, spec) in (first..).map(Behavior).zip(&set.behaviors) {
            let target = target.filter(|_| spec.kind != Kind::OfSelf);
            let one = agent.and_then(|_| self.subject_of(spec.kind, agent, target));
            let subjects = match one {
                Some(subject) => vec![subject],
                // A channel is about one pair or one animal.
                None if set.channel.is_some() => {
                    let subject = self.subject_of(spec.kind, agent, target).ok_or_else(|| {
                        let expected = format!("an agent and a target for the behavior {:?}", spec.name);
                        place().fault(expected, format!("only {:?}", self.individuals))
                    })?;
                    vec![subject]
                }
                None => Subject::all(spec.kind, self.individuals.len()),
            };
            cells.extend(subjects.into_iter().map(|subject| Cell { behavior, subject }));
        }
        Ok(cells)
    }

    /// The cell of a whitelist entry `agent,target,behavior`.
    fn listed(&self, set: &SetRule, first: u16, entry: &str, file: &Path) -> Result<Cell, CorpusError> {
        let place = || Place::file(file);
        let words: Vec<&str> = entry.split(',').map(str::trim).collect();
        let &[agent, target, behavior] = &words[..] else {
            return Err(place().fault("in annotated \"agent,target,behavior\"", quoted(entry)));
        };
        let index = set.behaviors.iter().position(|spec| spec.name == behavior).ok_or_else(|| {
            place().fault(format!("in annotated a behavior of the set {:?}", set.name), quoted(entry))
        })?;
        let slot = |name: &str| self.slot(Some(&name.to_owned()), &set.name, place);
        let (agent, target) = (slot(agent)?, if target == SELF { None } else { slot(target)? });
        let subject = self
            .subject_of(set.behaviors[index].kind, agent, target)
            .ok_or_else(|| place().fault("in annotated an entry that fits the behavior's kind", quoted(entry)))?;
        Ok(Cell { behavior: Behavior(first + index as u16), subject })
    }
}

/// Every label must mean something to a set that reads it.
fn check_labels(sets: &[SetRule], annotations: &Annotations) -> Result<(), CorpusError> {
    for interval in &annotations.intervals {
        let mut readers = sets.iter().filter(|set| reads(set, interval)).peekable();
        if readers.peek().is_none() || readers.clone().any(|set| set.meaning(&interval.label).is_some()) {
            continue;
        }
        let names: Vec<&str> = readers.clone().map(|set| set.name.as_str()).collect();
        let known: Vec<&String> = readers.flat_map(SetRule::labels).collect();
        let channel = interval.channel.as_ref().map_or(String::new(), |channel| format!("in channel {channel} "));
        let expected = format!("{channel}a label of the sets {names:?}, {known:?}");
        return Err(Place::row(&annotations.file, interval.row).fault(expected, quoted(&interval.label)));
    }
    Ok(())
}

/// Whether a set looks at an annotation.
fn reads(set: &SetRule, interval: &Annotation) -> bool {
    set.channel.is_none() || set.channel == interval.channel
}

/// Disjoint bouts by start, none empty.
pub fn disjoint(bouts: BTreeMap<Cell, Vec<Range<u64>>>) -> Vec<Bout> {
    let bouts = bouts.into_iter().flat_map(|(cell, ranges)| {
        spans::union(ranges).into_iter().map(move |range| Bout { cell, start: range.start, stop: range.end })
    });
    let mut bouts: Vec<Bout> = bouts.collect();
    bouts.sort_by_key(|bout| bout.start);
    bouts
}

/// Each cell once, in the order of an ethogram.
pub(super) fn sorted(mut cells: Vec<Cell>) -> Vec<Cell> {
    cells.sort_unstable();
    cells.dedup();
    cells
}

#[cfg(test)]
mod tests;
