//! What one lab annotated, over all its recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Action, Labelled, Track};
use crate::corpus::spans;
use crate::inspect::{Quantiles, frame_secs};
use crate::markup::is_unprintable;

/// Most places of one sort that are kept as examples.
pub const PLACES_MAX: usize = 3;

/// Names longer than this are as suspicious as those with quotes.
const NAME_CHARS_MAX: usize = 60;

type Actors = (Option<String>, Option<String>);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabLabels {
    pub recordings: u64,
    /// Of all its recordings together.
    pub scored_secs: f64,
    behaviors: BTreeMap<String, Tally>,
    overlaps: BTreeMap<(String, String), Overlap>,
    /// Bouts that end before they begin, or hold no frame: counted nowhere else.
    pub empty_bouts: Oddity,
    /// Bouts of one action that share frames: annotated twice.
    pub doubled_bouts: Oddity,
    /// Bouts that reach out of the scored frames, and by how much.
    pub unscored_bouts: Oddity,
    /// Actions with bouts that the recording's list, where there is one, does not name.
    pub unlisted: Oddity,
    /// Behaviors and animals whose names hold quotes, line breaks or blanks at an end, or are too long or empty.
    pub odd_names: BTreeSet<String>,
}

/// One behavior of a lab.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    pub kinds: Kinds,
    /// Recordings that show it.
    pub recordings: u64,
    /// Recordings that list it or show it.
    pub recordings_labelled: u64,
    pub bouts: u64,
    /// Of all animals and pairs together.
    pub secs: f64,
    /// Scored time in which anybody shows it.
    any_secs: f64,
    /// Scored time of the recordings that list or show it.
    labelled_secs: f64,
    lengths_secs: Vec<f64>,
    listed: BTreeSet<Actors>,
    seen: BTreeSet<Actors>,
    /// Of the directed bouts, and those with the reverse order annotated at the same time.
    directed_secs: f64,
    reversed_secs: f64,
}

/// Of which kinds the labels of a behavior are, as far as they show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    pub of_self: bool,
    pub directed: bool,
    pub undirected: bool,
}

/// Two behaviors of one ordered pair at the same time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overlap {
    pub count: u64,
    pub secs: f64,
    /// The first of them, at most [`PLACES_MAX`].
    pub places: Vec<Place>,
}

/// Something that is odd about the labels: how often, and where it was first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Oddity {
    pub count: u64,
    /// Of the frames that are odd, together.
    pub secs: f64,
    /// At most [`PLACES_MAX`].
    pub places: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub recording: String,
    pub action: Action,
    pub frames: Range<u64>,
}

impl Kinds {
    fn add(&mut self, actors: &Actors) {
        match actors {
            (Some(agent), Some(target)) if agent != target => self.directed = true,
            (Some(_), _) => self.of_self = true,
            (None, Some(_)) => self.directed = true,
            (None, None) => self.undirected = true,
        }
    }
}

impl Tally {
    /// Share of the scored time in which anybody shows it, of the recordings that list or show it; within [0, 1].
    pub fn share(&self) -> f64 {
        if self.labelled_secs > 0.0 { self.any_secs / self.labelled_secs } else { 0.0 }
    }

    /// Lengths of its bouts, in seconds; `None` without a bout.
    pub fn lengths_secs(&self) -> Option<Quantiles> {
        Quantiles::of(self.lengths_secs.iter().copied())
    }

    /// Animals and pairs (by name) that show it, and that are listed or show it.
    pub fn actors(&self) -> (usize, usize) {
        (self.seen.len(), self.listed.union(&self.seen).count())
    }

    /// Of the time of its directed bouts, the share with the reverse order annotated as well; near 1 the behavior is
    /// mutual, and both orders are written down.
    pub fn reversed(&self) -> f64 {
        if self.directed_secs > 0.0 { self.reversed_secs / self.directed_secs } else { 0.0 }
    }
}

impl Oddity {
    fn add(&mut self, secs: f64, place: impl FnOnce() -> Place) {
        self.count += 1;
        self.secs += secs;
        if self.places.len() < PLACES_MAX {
            self.places.push(place());
        }
    }
}

impl LabLabels {
    /// By name.
    pub fn behaviors(&self) -> impl Iterator<Item = (&str, &Tally)> {
        self.behaviors.iter().map(|(name, tally)| (name.as_str(), tally))
    }

    /// The most time first; equal ones, as those never seen, by name.
    pub fn behaviors_by_secs(&self) -> Vec<(&str, &Tally)> {
        let mut behaviors: Vec<_> = self.behaviors().collect();
        behaviors.sort_by(|(_, a), (_, b)| b.secs.total_cmp(&a.secs));
        behaviors
    }

    /// By the names of the two behaviors.
    pub fn overlaps(&self) -> impl Iterator<Item = (&str, &str, &Overlap)> {
        self.overlaps.iter().map(|((a, b), overlap)| (a.as_str(), b.as_str(), overlap))
    }

    pub(super) fn add(&mut self, labelled: &Labelled) {
        let scored = spans::union(labelled.scored.clone());
        self.recordings += 1;
        self.scored_secs += frame_secs(spans::length(&scored), labelled.rate_hz);
        let mut by_action: BTreeMap<&Action, Vec<Range<u64>>> = BTreeMap::new();
        for track in &labelled.tracks {
            let bouts = self.sound_bouts(labelled, track, &scored);
            by_action.entry(&track.action).or_default().extend(bouts);
        }
        let sets: BTreeMap<&Action, Vec<Range<u64>>> =
            by_action.into_iter().map(|(action, bouts)| (action, self.disjoint(labelled, action, bouts))).collect();
        self.tally(labelled, &sets, &scored);
        self.look_for_overlaps(labelled, &sets);
        self.look_at_lists(labelled, &sets);
    }

    /// The bouts of a track that hold a frame.
    fn sound_bouts(&mut self, labelled: &Labelled, track: &Track, scored: &[Range<u64>]) -> Vec<Range<u64>> {
        let place = |bout: &Range<u64>| Place {
            recording: labelled.recording.clone(),
            action: track.action.clone(),
            frames: bout.clone(),
        };
        let mut sound = Vec::with_capacity(track.bouts.len());
        let tally = self.behaviors.entry(track.action.behavior.clone()).or_default();
        for bout in &track.bouts {
            if bout.start >= bout.end {
                self.empty_bouts.add(0.0, || place(bout));
                continue;
            }
            let inside = spans::length(&spans::intersection(std::slice::from_ref(bout), scored));
            let outside = bout.end - bout.start - inside;
            if outside > 0 {
                self.unscored_bouts.add(frame_secs(outside, labelled.rate_hz), || place(bout));
            }
            tally.bouts += 1;
            tally.lengths_secs.push(frame_secs(bout.end - bout.start, labelled.rate_hz));
            sound.push(bout.clone());
        }
        sound
    }

    /// The frames of an action's bouts.
    fn disjoint(&mut self, labelled: &Labelled, action: &Action, mut bouts: Vec<Range<u64>>) -> Vec<Range<u64>> {
        bouts.sort_unstable_by_key(|bout| (bout.start, bout.end));
        let mut reached = 0;
        for bout in &bouts {
            if bout.start < reached {
                let frames = bout.start..bout.end.min(reached);
                let shared_secs = frame_secs(frames.end - frames.start, labelled.rate_hz);
                self.doubled_bouts.add(shared_secs, || Place {
                    recording: labelled.recording.clone(),
                    action: action.clone(),
                    frames,
                });
            }
            reached = reached.max(bout.end);
        }
        spans::union(bouts)
    }

    fn tally(&mut self, labelled: &Labelled, sets: &BTreeMap<&Action, Vec<Range<u64>>>, scored: &[Range<u64>]) {
        let actions = labelled.listed.iter().chain(sets.keys().copied());
        let names: BTreeSet<&str> = actions.map(|action| action.behavior.as_str()).collect();
        for name in names {
            let tally = self.behaviors.entry(name.to_string()).or_default();
            for action in labelled.listed.iter().filter(|action| action.behavior == name) {
                tally.kinds.add(&actors(action));
                tally.listed.insert(actors(action));
            }
            let mut any = Vec::new();
            for (action, set) in sets.iter().filter(|(action, _)| action.behavior == name) {
                tally.kinds.add(&actors(action));
                if set.is_empty() {
                    tally.listed.insert(actors(action));
                    continue;
                }
                tally.seen.insert(actors(action));
                let set_secs = frame_secs(spans::length(set), labelled.rate_hz);
                tally.secs += set_secs;
                let reverse =
                    Action { behavior: name.to_string(), agent: action.target.clone(), target: action.agent.clone() };
                if action.agent != action.target && action.agent.is_some() && action.target.is_some() {
                    let reverse = sets.get(&reverse).map(|other| spans::length(&spans::intersection(set, other)));
                    tally.directed_secs += set_secs;
                    tally.reversed_secs += frame_secs(reverse.unwrap_or(0), labelled.rate_hz);
                }
                any.extend(set.iter().cloned());
            }
            tally.recordings += u64::from(!any.is_empty());
            tally.recordings_labelled += 1;
            tally.labelled_secs += frame_secs(spans::length(scored), labelled.rate_hz);
            let any = spans::intersection(&spans::union(any), scored);
            tally.any_secs += frame_secs(spans::length(&any), labelled.rate_hz);
        }
    }

    fn look_for_overlaps(&mut self, labelled: &Labelled, sets: &BTreeMap<&Action, Vec<Range<u64>>>) {
        for (action, set) in sets {
            let others = sets.iter().filter(|(other, _)| actors(other) == actors(action) && action < other);
            for (other, other_set) in others {
                let shared = spans::intersection(set, other_set);
                if shared.is_empty() {
                    continue;
                }
                let names = (action.behavior.clone(), other.behavior.clone());
                let overlap = self.overlaps.entry(names).or_default();
                overlap.count += shared.len() as u64;
                overlap.secs += frame_secs(spans::length(&shared), labelled.rate_hz);
                let places = shared.into_iter().map(|frames| Place {
                    recording: labelled.recording.clone(),
                    action: (*action).clone(),
                    frames,
                });
                overlap.places.extend(places.take(PLACES_MAX.saturating_sub(overlap.places.len())));
            }
        }
    }

    fn look_at_lists(&mut self, labelled: &Labelled, sets: &BTreeMap<&Action, Vec<Range<u64>>>) {
        for (action, set) in sets {
            let Some(first) = set.first() else { continue };
            let is_listed = labelled
                .listed
                .iter()
                .any(|listed| (&listed.behavior, actors(listed)) == (&action.behavior, actors(action)));
            if !labelled.listed.is_empty() && !is_listed {
                self.unlisted.add(frame_secs(spans::length(set), labelled.rate_hz), || Place {
                    recording: labelled.recording.clone(),
                    action: (*action).clone(),
                    frames: first.clone(),
                });
            }
        }
        for action in labelled.listed.iter().chain(sets.keys().copied()) {
            let names = [Some(&action.behavior), action.agent.as_ref(), action.target.as_ref()];
            for name in names.into_iter().flatten().filter(|name| is_odd(name)) {
                self.odd_names.insert(name.clone());
            }
        }
    }
}

/// Whom an action is about; what an animal does by itself has the animal as its target.
fn actors(action: &Action) -> Actors {
    let target = action.target.clone().or_else(|| action.agent.clone());
    (action.agent.clone(), target)
}

fn is_odd(name: &str) -> bool {
    let quoted = name.contains(['"', '\'']) || name.contains(is_unprintable);
    quoted || name.trim() != name || name.is_empty() || name.chars().count() > NAME_CHARS_MAX
}
