//! Annotation channels to labels: what happened, and where somebody looked.

use std::ops::Range;
use std::path::Path;

use super::caltech::Channel;
use super::description::{AbsentChannel, ChannelLabels, Meaning};
use super::error::{CorpusError, Place, quoted};
use super::spans;
use crate::behavior::{Behavior, Bout, Cell, Individual, Kind, Subject};

/// The annotations of one label set over one recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SetLabels {
    /// Frames by number that train and score, ascending and disjoint; on all others nothing is known.
    pub scored: Vec<Range<u64>>,
    /// The whitelist: cells whose absence from a scored frame means that the behavior did not happen.
    pub annotated: Vec<Cell>,
    /// What happened, in frames by number, clipped to the recording, ascending by start. A bout may lie outside the
    /// scored frames.
    pub bouts: Vec<Bout>,
}

/// What the channels of one annotation file are read against.
pub(super) struct Reader<'a> {
    /// The annotation file, for errors.
    pub file: &'a Path,
    /// Frame numbers of the recording, from its first to one past its last.
    pub extent: Range<u64>,
    pub individuals: &'a [String],
}

impl Reader<'_> {
    /// Labels of each set, in order; behaviors are numbered through.
    pub fn read(&self, sets: &[ChannelLabels], channels: &[Channel]) -> Result<Vec<SetLabels>, CorpusError> {
        let mut all: Vec<SetLabels> = Vec::with_capacity(sets.len());
        let mut first = 0;
        for set in sets {
            let mut labels = match channels.iter().find(|channel| channel.name == set.channel) {
                Some(channel) => self.channel(set, first, channel)?,
                None => self.absent(set, first, channels)?,
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

    fn channel(&self, set: &ChannelLabels, first: u16, channel: &Channel) -> Result<SetLabels, CorpusError> {
        let cells = self.cells(set, first)?;
        let mut scored = Vec::new();
        let mut bouts = Vec::new();
        for interval in &channel.intervals {
            let frames = spans::clip(&(interval.start..interval.stop), &self.extent);
            let Some(meaning) = set.meaning(&interval.label) else {
                let known: Vec<&String> = set.labels().collect();
                let expected = format!("in channel {} a label of the set {:?}, {known:?}", channel.name, set.name);
                return Err(Place::row(self.file, interval.row).fault(expected, quoted(&interval.label)));
            };
            if meaning != Meaning::Excluded {
                scored.push(frames.clone());
            }
            if let Meaning::Behavior(index) = meaning
                && !frames.is_empty()
            {
                bouts.push(Bout { cell: cells[index], start: frames.start, stop: frames.end });
            }
        }
        bouts.sort_unstable_by_key(|bout| bout.start);
        Ok(SetLabels { scored: spans::union(scored), annotated: cells, bouts })
    }

    fn absent(&self, set: &ChannelLabels, first: u16, channels: &[Channel]) -> Result<SetLabels, CorpusError> {
        match set.absent_channel {
            AbsentChannel::Unannotated => Ok(SetLabels::default()),
            AbsentChannel::Background => {
                let scored = spans::union(vec![self.extent.clone()]);
                Ok(SetLabels { scored, annotated: self.cells(set, first)?, bouts: Vec::new() })
            }
            AbsentChannel::Error => {
                let got: Vec<&String> = channels.iter().map(|channel| &channel.name).collect();
                Err(Place::file(self.file).fault(format!("the channel {:?}", set.channel), format!("{got:?}")))
            }
        }
    }

    /// The one cell of each behavior of a set: a channel speaks about one pair or one animal.
    fn cells(&self, set: &ChannelLabels, first: u16) -> Result<Vec<Cell>, CorpusError> {
        let slot = |name: &Option<String>| {
            let Some(name) = name else { return Ok(None) };
            let found = self.individuals.iter().position(|individual| individual == name);
            let slot = found.ok_or_else(|| {
                let expected = format!("for the label set {:?} one of {:?}", set.name, self.individuals);
                Place::file(self.file).fault(expected, quoted(name))
            })?;
            Ok(Some(Individual(slot as u8)))
        };
        let (agent, target) = (slot(&set.agent)?, slot(&set.target)?);
        let subject = |kind: Kind| match (kind, agent, target) {
            (Kind::OfSelf, Some(agent), _) => Some(Subject::One(agent)),
            (Kind::Directed, Some(agent), Some(target)) => Some(Subject::Ordered { agent, target }),
            (Kind::Mutual | Kind::Undirected, Some(agent), Some(target)) => {
                Some(Subject::Both { first: agent.min(target), second: agent.max(target) })
            }
            (Kind::Mutual | Kind::Undirected, None, None) if self.individuals.len() == 2 => {
                Some(Subject::Both { first: Individual(0), second: Individual(1) })
            }
            _ => None,
        };
        let behaviors = (first..).map(Behavior).zip(&set.behaviors);
        behaviors
            .map(|(behavior, spec)| {
                let subject = subject(spec.kind).ok_or_else(|| {
                    let expected = format!("an agent and a target for the behavior {:?}", spec.name);
                    Place::file(self.file).fault(expected, format!("only {:?}", self.individuals))
                })?;
                Ok(Cell { behavior, subject })
            })
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a set of frames may be one range")]
mod tests {
    use super::*;
    use crate::corpus::caltech;
    use crate::corpus::description::{Description, tests::OTHER_LAB};

    const TITLE: &str = "Caltech Behavior Annotator\n";

    fn read(text: &str, individuals: usize) -> Result<Vec<SetLabels>, CorpusError> {
        let description = Description::parse(OTHER_LAB, Path::new("other.toml")).unwrap();
        let names: Vec<String> =
            ["resident", "intruder", "third"][..individuals].iter().map(ToString::to_string).collect();
        let file = Path::new("a.txt");
        let channels = caltech::parse(format!("{TITLE}{text}").as_bytes(), file).unwrap();
        Reader { file, extent: 2..40, individuals: &names }.read(&description.label_sets, &channels)
    }

    const S1: &str = "S1: start end type\n1 5 human\n6 10 attack\n11 20 other\n26 30 huddle\n31 99 other\n";

    #[test]
    fn frames_of_excluded_labels_and_of_no_label_are_not_scored_in_either_set() {
        let labels = read(&format!("{S1}S2: start end type\n1 8 groom\n9 28 other\n29 60 groom\n"), 2).unwrap();
        let bout = |behavior: u16, subject, start, stop| Bout {
            cell: Cell { behavior: Behavior(behavior), subject },
            start,
            stop,
        };
        let (resident, intruder) = (Individual(0), Individual(1));
        assert_eq!(labels[0].scored, [5..20, 25..40]);
        assert_eq!(
            labels[0].bouts,
            [
                bout(0, Subject::Ordered { agent: resident, target: intruder }, 5, 10),
                bout(1, Subject::Both { first: resident, second: intruder }, 25, 30)
            ]
        );
        assert_eq!(labels[1].scored, [5..20, 25..40]);
        assert_eq!(labels[1].bouts, [bout(2, Subject::One(intruder), 2, 8), bout(2, Subject::One(intruder), 28, 40)]);
        assert_eq!(labels[1].annotated, [labels[1].bouts[0].cell]);
    }

    #[test]
    fn a_channel_that_is_absent_means_what_the_description_says() {
        assert_eq!(read(S1, 2).unwrap()[1], SetLabels::default());
        let error = read("S2: start end type\n", 2).unwrap_err().to_string();
        assert_eq!(error, r#"a.txt: expected the channel "S1", got ["S2"]"#);
    }

    #[test]
    fn an_unknown_label_is_named_with_its_row() {
        let error = read(&S1.replace("huddle", "hudle"), 2).unwrap_err().to_string();
        assert!(error.starts_with(r#"a.txt: row 6: expected in channel S1 a label of the set "Attack""#), "{error}");
        assert!(error.ends_with(r#"["attack", "huddle", "other", "human"], got "hudle""#), "{error}");
    }

    #[test]
    fn an_individual_that_the_recording_lacks_is_named() {
        let error = read(S1, 1).unwrap_err().to_string();
        assert!(error.contains(r#"one of ["resident"], got "intruder""#), "{error}");
        assert!(read(S1, 3).is_ok());
    }
}
