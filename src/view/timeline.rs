//! When behaviors happened: as it was said, at every delay, and as it truly was where that is known.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::text::{Who, name};
use super::{HISTORY_SECS, TRACKS_MAX, Truth};
use crate::output::event::{EdgeWord, Verdict};
use crate::time::TICK_RATE_HZ;

/// Most bouts that are kept of a row, over all delays; and as many true ones.
pub(super) const BOUTS_MAX: usize = 256;

/// The rows of a cage, in the order in which they appeared: what stays keeps its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    tracks: Vec<Track>,
    /// Whether anything true was ever told.
    pub(super) truth_known: bool,
}

/// A behavior and whom it is about.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) behavior: String,
    /// Empty until a verdict names it.
    pub(super) label_set: String,
    pub(super) who: Who,
    told: VecDeque<Told>,
    truth: VecDeque<Span>,
}

/// Seconds on the cage's time line; without a stop while it goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) onset: f64,
    pub(super) stop: Option<f64>,
}

/// A bout as one delay told it.
#[derive(Clone, Copy, Debug)]
struct Told {
    bout: u64,
    delay: u32,
    span: Span,
    retracted: bool,
}

/// Who said that a behavior goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    #[default]
    Nobody,
    /// Only the shortest delay, or what was retracted.
    Fast,
    /// The delay that is shown.
    Shown,
}

/// What one column of time holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) said: Said,
    /// A bout that was taken back began here.
    pub(super) retracted: bool,
    pub(super) truth: bool,
}

/// Columns of time up to `head`: of equal width and bound to the time line, so that what is drawn moves by whole columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) count: usize,
    pub(super) secs: f64,
    pub(super) head: f64,
}

/// Bouts by number: names are as long as whoever sends them likes.
pub(super) fn number_of(bout: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    bout.hash(&mut hasher);
    hasher.finish()
}

pub(super) fn secs_of(ticks: u64) -> f64 {
    ticks as f64 / TICK_RATE_HZ
}

impl Columns {
    /// The column of a moment, which may lie outside.
    pub(super) fn at(&self, secs: f64) -> i64 {
        let place = |secs: f64| (secs / self.secs).floor() as i64;
        (self.count as i64 - 1).saturating_sub(place(self.head).saturating_sub(place(secs)))
    }

    fn within(&self, onset: f64, stop: f64) -> std::ops::Range<usize> {
        // A stop on the edge of a column does not touch it.
        let (first, last) = (self.at(onset), self.at((stop - 1e-6).max(onset)));
        let clamp = |column: i64| column.clamp(0, self.count as i64) as usize;
        clamp(first)..clamp(last.saturating_add(1))
    }
}

impl Track {
    /// What each column holds where the verdicts of `delay` are shown; `fast` is the shortest delay.
    pub(super) fn marks(&self, delay: u32, fast: u32, columns: Columns) -> Vec<Mark> {
        let mut marks = vec![Mark::default(); columns.count];
        for told in &self.told {
            let stop = told.stop(columns.head);
            let range = columns.within(told.span.onset, stop);
            if told.retracted {
                let at = columns.at(told.span.onset);
                if let Some(mark) = usize::try_from(at).ok().and_then(|at| marks.get_mut(at)) {
                    mark.retracted = true;
                }
            }
            let said = match told.delay {
                at if at == delay && !told.retracted => Said::Shown,
                at if at == fast || at == delay => Said::Fast,
                _ => Said::Nobody,
            };
            for mark in &mut marks[range] {
                mark.said = mark.said.max(said);
            }
        }
        for span in &self.truth {
            for mark in &mut marks[columns.within(span.onset, span.stop.unwrap_or(columns.head))] {
                mark.truth = true;
            }
        }
        marks
    }

    /// The latest moment of anything in this row; `None` where there is nothing.
    pub(super) fn last_secs(&self, head: f64) -> Option<f64> {
        let told = self.told.iter().map(|told| told.stop(head));
        told.chain(self.truth.iter().map(|span| span.stop.unwrap_or(head))).reduce(f64::max)
    }

    /// Whether it goes on, as far as this delay knows.
    pub(super) fn is_on(&self, delay: u32) -> bool {
        self.told.iter().any(|told| told.delay == delay && told.span.stop.is_none() && !told.retracted)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.told.len().max(self.truth.len())
    }

    fn tell(&mut self, verdict: &Verdict) {
        let (bout, delay) = (number_of(&verdict.bout), verdict.delay);
        let onset = secs_of(verdict.onset_tick);
        let decided = secs_of(verdict.decision_tick);
        let known = self.told.iter_mut().find(|told| told.bout == bout && told.delay == delay);
        match verdict.edge {
            EdgeWord::Onset => {
                if known.is_some() {
                    return;
                }
                // A delay knows one bout of a row at a time: the end of the one before was lost on the way.
                for told in self.told.iter_mut().filter(|told| told.delay == delay && told.span.stop.is_none()) {
                    told.span.stop = Some(onset.max(told.span.onset));
                }
                self.push(Told { bout, delay, span: Span { onset, stop: None }, retracted: false });
            }
            EdgeWord::Offset => {
                let stop = verdict.stop_tick.map_or(decided, secs_of).max(onset);
                let span = Span { onset, stop: Some(stop) };
                match known {
                    Some(told) => told.span = span,
                    None => self.push(Told { bout, delay, span, retracted: false }),
                }
            }
            EdgeWord::Retraction => {
                for told in self.told.iter_mut().filter(|told| told.bout == bout) {
                    told.retracted = true;
                    told.span.stop.get_or_insert(decided.max(told.span.onset));
                }
            }
            EdgeWord::Abandoned => {
                if let Some(told) = known {
                    told.span.stop.get_or_insert(decided.max(told.span.onset));
                }
            }
        }
    }

    fn push(&mut self, told: Told) {
        if self.told.len() >= BOUTS_MAX {
            self.told.pop_front();
        }
        self.told.push_back(told);
    }

    fn end(&mut self, head: f64) {
        let spans = self.told.iter_mut().map(|told| &mut told.span).chain(&mut self.truth);
        for span in spans {
            span.stop.get_or_insert(head.max(span.onset));
        }
    }
}

impl Told {
    /// Where it ends; while it goes on, as far as its delay has decided.
    fn stop(&self, head: f64) -> f64 {
        self.span.stop.unwrap_or((head - secs_of(self.delay.into())).max(self.span.onset))
    }
}

impl Timeline {
    /// Rows in their places.
    pub(super) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    pub(super) fn tell(&mut self, verdict: &Verdict, head: f64) {
        let (behavior, set) = (name(&verdict.behavior), name(&verdict.label_set));
        let track = self.track(behavior, &set, Who::of(&verdict.animals), head);
        if track.label_set.is_empty() {
            track.label_set = set;
        }
        track.tell(verdict);
        self.forget(head);
    }

    /// `who` is whom the row is about, where that is not the pair itself.
    pub(super) fn truth(&mut self, truth: &Truth, who: Who, head: f64) {
        if !truth.at_secs.is_finite() {
            return;
        }
        self.truth_known = true;
        let spans = &mut self.track(name(&truth.behavior), "", who, head).truth;
        let open = spans.iter_mut().find(|span| span.stop.is_none());
        match (open, truth.begins) {
            (Some(span), false) => span.stop = Some(truth.at_secs.max(span.onset)),
            (None, true) => {
                if spans.len() >= BOUTS_MAX {
                    spans.pop_front();
                }
                spans.push_back(Span { onset: truth.at_secs, stop: None });
            }
            // A second onset changes nothing, nor does an end of what was not seen to begin.
            _ => {}
        }
        self.forget(head);
    }

    /// Ends all that goes on.
    pub(super) fn end(&mut self, head: f64) {
        self.tracks.iter_mut().for_each(|track| track.end(head));
    }

    fn track(&mut self, behavior: String, set: &str, who: Who, head: f64) -> &mut Track {
        let is_it = |track: &Track| {
            let same_set = track.label_set.is_empty() || set.is_empty() || track.label_set == set;
            track.behavior == behavior && track.who == who && same_set
        };
        let place = self.tracks.iter().position(is_it).unwrap_or_else(|| {
            if self.tracks.len() >= TRACKS_MAX {
                let last = |track: &Track| track.last_secs(head).unwrap_or(f64::NEG_INFINITY);
                let oldest =
                    (0..self.tracks.len()).min_by(|&a, &b| last(&self.tracks[a]).total_cmp(&last(&self.tracks[b])));
                self.tracks.remove(oldest.unwrap_or(0));
            }
            let (told, truth) = (VecDeque::new(), VecDeque::new());
            self.tracks.push(Track { behavior, label_set: String::new(), who, told, truth });
            self.tracks.len() - 1
        });
        &mut self.tracks[place]
    }

    /// Lets go of what has long passed.
    pub(super) fn forget(&mut self, head: f64) {
        let since = head - HISTORY_SECS;
        for track in &mut self.tracks {
            track.told.retain(|told| told.span.stop.is_none_or(|stop| stop >= since));
            track.truth.retain(|span| span.stop.is_none_or(|stop| stop >= since));
        }
        self.tracks.retain(|track| !track.told.is_empty() || !track.truth.is_empty());
    }
}
