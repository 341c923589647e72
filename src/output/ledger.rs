//! One number for a bout at every delay, and the settled verdict's word on the fast ones.
//!
//! # What an engineer can rely on
//! Every decision delay tells its own stream of bouts: one onset, then one offset, for every number. The longest delay
//! is *settled*, all others are *provisional*: they are fast, and the settled one has the last word on them.
//!
//! - **One number.** What two delays say of the same behavior of the same animals at overlapping ticks is one bout and
//!   carries one number, whichever delay spoke first. At each delay a number is used once at most. Numbers count from 1
//!   and are never used again. An onset is told before the end is known, so a bout that runs is held to run on as far
//!   as the other delay has looked. Where the longer delay's bout then ends before the shorter one's begins, its offset
//!   says so: the onset in its `revises` is not before its stop.
//! - **Told or retracted.** A number that a provisional delay told is later either told at the longest delay or
//!   retracted there: one of both, never both. A retraction bears the number, the onset and the score of the provisional
//!   onset that was told first. It says that the longest delay has no bout for this number; of several provisional
//!   bouts within one settled bout, one number goes on and the others are retracted. A provisional bout that is
//!   retracted while it runs still gets its offset.
//! - **Revised.** A delay that puts an onset or a stop elsewhere than the next shorter delay that told the bout says so
//!   in `revises`, with what that delay had said. Each onset is held against the shorter delay's onset, each offset
//!   against its stop; where the shorter one has not ended the bout yet, nothing was said of its stop.
//!
//! With delays 0 and 60, and bouts of at least 3 ticks with gaps of up to 2 at both:
//!
//! | decided | delay | bout | edge | onset | stop | revises | |
//! |--:|--:|--:|---|--:|--:|---|---|
//! | 102 | 0 | 1 | onset | 100 | | | a laser may fire here |
//! | 131 | 0 | 1 | offset | 100 | 129 | | |
//! | 158 | 60 | 1 | onset | 96 | | delay 0: 100 to 129 | the same bout; it began 4 ticks earlier |
//! | 193 | 60 | 1 | offset | 96 | 131 | delay 0: 100 to 129 | and ended 2 ticks later |
//! | 302 | 0 | 2 | onset | 300 | | | the laser fires again |
//! | 306 | 0 | 2 | offset | 300 | 304 | | |
//! | 367 | 60 | 2 | retraction | 300 | | | in vain: there was no such bout |
//!
//! Trust the rows of delay 60 alone for an ethogram; act on those of delay 0, and count the retractions against them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::decoder::DecodeRule;
use super::{Edge, Revision, Transition};
use crate::behavior::{Behavior, Cell};
use crate::time::{DelayTicks, Tick, WINDOW_TICKS};

/// Numbers the bouts of one cage across its decision delays, behind its [`Decoder`](super::decoder::Decoder): causal, a
/// value.
///
/// # Which number a bout gets
/// At its onset a bout is held against those of the same cell at other delays; each reaches to its stop or, while it
/// runs, to the newest tick that its delay has looked at. It takes the number of the one that it shares most ticks with.
/// If it shares none, it takes the nearest of those that one of both reaches by running on: a longer delay's new bout
/// those that a shorter one told of later ticks, a shorter delay's new bout those that run at a longer one, unless a
/// delay between has ended them. At equality the lowest number goes. It takes no number that its own delay used, nor
/// one that is retracted or due for it; without any it gets the next number. A number once given stays.
///
/// # When a number is retracted
/// A provisional number is due once the longest delay can no longer tell a bout that overlaps it: all bouts of the
/// number have ended, and the longest delay has looked `duration_ticks_min − 1 + gap_ticks_max` ticks (none for a
/// minimum of 1) past the last of their ticks. It is due [`WINDOW_TICKS`] after its first onset in any case, even while
/// a bout of it runs, and at a flush.
///
/// # Limits
/// What is remembered lasts no longer than its bouts run, and a horizon beyond: the most, over the delays, of delay and
/// the wait above together (511 + 1023 ticks at the utmost). With D delays a cell has at most D × (horizon / 2 + 2)
/// numbers, since bouts of a cell at one delay do not touch; with rules as they are learned, a handful.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Shortest delay first, so the settled one is the last.
    lanes: Vec<Lane>,
    /// Numbers given so far: the newest.
    bouts: u64,
    /// By cell, in the order in which they were given.
    entries: BTreeMap<Cell, Vec<Entry>>,
}

/// One decision delay.
#[derive(Clone, Debug)]
struct Lane {
    delay: DelayTicks,
    /// By behavior: most ticks from the first tick of a bout to the one at which its onset is told.
    wait_ticks_max: Vec<u64>,
}

/// All that was said under one number.
#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    /// By lane.
    words: Vec<Option<Word>>,
    /// Of the onset that was told first.
    onset: Tick,
    score: f32,
    retracted: bool,
}

/// What one delay said of a bout.
#[derive(Clone, Copy, Debug)]
struct Word {
    onset: Tick,
    /// `None` while the bout runs.
    stop: Option<Tick>,
}

/// How two bouts meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Meeting {
    shared_ticks: u64,
    /// Between bouts that share none: from where the earlier one has come to where the later one begins.
    gap_ticks: Reverse<u64>,
}

impl Ledger {
    /// A ledger that has seen nothing yet, for the decoder of the same `delays` and `rules[d][behavior]`.
    ///
    /// # Panics
    /// On other than one list of rules a delay.
    pub fn new(delays: &[DelayTicks], rules: &[Vec<DecodeRule>]) -> Self {
        assert_eq!(rules.len(), delays.len(), "delays with rules");
        let lane = |(&delay, rules): (&DelayTicks, &Vec<DecodeRule>)| Lane {
            delay,
            wait_ticks_max: rules.iter().map(wait_ticks_max).collect(),
        };
        let mut lanes: Vec<Lane> = delays.iter().zip(rules).map(lane).collect();
        lanes.sort_unstable_by_key(|lane| lane.delay);
        Self { lanes, bouts: 0, entries: BTreeMap::new() }
    }

    /// Takes what the decoder told at tick `decided`, and nothing else: rewrites the numbers, sets `revises` and appends
    /// the retractions that are due. To be called after every tick, also when nothing was told: calls without
    /// transitions may be left out or repeated, which delays retractions but changes nothing else.
    ///
    /// `decided_capture_nanos`, `history_ticks` and `identity` of retractions are left for the core, as the decoder
    /// leaves them.
    pub fn take(&mut self, decided: Tick, transitions: &mut Vec<Transition>) {
        self.enter_all(transitions);
        let lanes = &self.lanes;
        for (&cell, entries) in &mut self.entries {
            for entry in entries.iter_mut().filter(|entry| entry.is_due(lanes, cell.behavior, decided)) {
                transitions.extend(entry.retract(lanes, cell, decided));
            }
            entries.retain(|entry| !entry.is_over(lanes, cell.behavior, decided));
        }
    }

    /// Goes on with the numbers of another ledger of the same cage.
    pub fn go_on_from(&mut self, other: &Self) {
        self.bouts = other.bouts;
    }

    /// Takes what the decoder told as it was flushed, retracts every provisional number that the longest delay has not
    /// told, and forgets all bouts. Afterwards any tick may come next; numbers go on.
    pub fn flush(&mut self, decided: Tick, transitions: &mut Vec<Transition>) {
        self.enter_all(transitions);
        for (&cell, entries) in &mut self.entries {
            for entry in entries.iter_mut().filter(|entry| entry.is_open()) {
                transitions.extend(entry.retract(&self.lanes, cell, decided));
            }
            entries.clear();
        }
    }

    /// A transition that no decoder of this ledger's delays tells gets a number of its own and is not remembered.
    fn enter_all(&mut self, transitions: &mut [Transition]) {
        for transition in transitions {
            let lane = self.lanes.iter().position(|lane| lane.delay == transition.delay);
            let number = lane.and_then(|lane| match transition.edge {
                Edge::Onset => Some(self.begin(lane, transition)),
                Edge::Offset { stop } => self.end(lane, stop, transition),
                Edge::Retraction => None,
            });
            transition.bout = number.unwrap_or_else(|| next(&mut self.bouts));
        }
    }

    fn begin(&mut self, lane: usize, onset: &mut Transition) -> u64 {
        let Self { lanes, bouts, entries } = self;
        let (behavior, decided) = (onset.cell.behavior, onset.decided);
        let before = Tick(decided.0.saturating_sub(1));
        let bout = Word { onset: onset.onset, stop: None };
        let entries = entries.entry(onset.cell).or_default();
        let met = entries.iter_mut().filter_map(|entry| {
            let takes = entry.words[lane].is_none() && !entry.retracted && !entry.is_due(lanes, behavior, before);
            let meeting = if takes { entry.meeting(lanes, bout.onset, lane, decided) } else { None };
            meeting.map(|meeting| (meeting, entry))
        });
        if let Some((_, entry)) = met.max_by_key(|(meeting, entry)| (*meeting, Reverse(entry.number))) {
            entry.words[lane] = Some(bout);
            onset.revises = entry.revision(lanes, lane, |word| word.onset != onset.onset);
            return entry.number;
        }
        let mut words = vec![None; lanes.len()];
        words[lane] = Some(bout);
        let number = next(bouts);
        entries.push(Entry { number, words, onset: onset.onset, score: onset.score, retracted: false });
        number
    }

    fn end(&mut self, lane: usize, stop: Tick, offset: &mut Transition) -> Option<u64> {
        let entries = self.entries.get_mut(&offset.cell)?;
        let runs = |entry: &&mut Entry| entry.words[lane].is_some_and(|word| word.stop.is_none());
        let entry = entries.iter_mut().find(runs)?;
        entry.words[lane].as_mut()?.stop = Some(stop);
        offset.revises =
            entry.revision(&self.lanes, lane, |word| word.stop.map_or(word.onset >= stop, |said| said != stop));
        Some(entry.number)
    }
}

impl Lane {
    /// Whether, after `decided`, no onset will be told here of a bout with a tick before `stop`.
    fn is_past(&self, behavior: Behavior, stop: Tick, decided: Tick) -> bool {
        let wait = self.wait_ticks_max.get(usize::from(behavior.0)).copied().unwrap_or(0);
        decided.0 + 1 >= stop.0 + wait + u64::from(self.delay.0)
    }

    /// The first tick that was not looked at yet.
    fn reach(&self, decided: Tick) -> Tick {
        Tick((decided.0 + 1).saturating_sub(self.delay.0.into()))
    }
}

impl Entry {
    /// Told at a shorter delay, and neither told at the longest nor retracted.
    fn is_open(&self) -> bool {
        !self.retracted && self.words.last().is_some_and(Option::is_none)
    }

    fn is_due(&self, lanes: &[Lane], behavior: Behavior, decided: Tick) -> bool {
        let settled_is_past = |stop| lanes.last().is_some_and(|settled| settled.is_past(behavior, stop, decided));
        self.is_open() && (decided.0 >= self.onset.0 + WINDOW_TICKS as u64 || self.stop().is_some_and(settled_is_past))
    }

    /// Whether nothing can be said under this number any more.
    fn is_over(&self, lanes: &[Lane], behavior: Behavior, decided: Tick) -> bool {
        let Some(stop) = self.stop() else { return false };
        let mut delays = lanes.iter().zip(&self.words);
        self.retracted || delays.all(|(lane, word)| word.is_some() || lane.is_past(behavior, stop, decided))
    }

    /// The latest stop; `None` while a bout of this number runs.
    fn stop(&self) -> Option<Tick> {
        self.words.iter().flatten().try_fold(Tick(0), |latest, word| Some(word.stop?.max(latest)))
    }

    /// How a bout that is told at `lane` as it runs meets this number; the better, the larger.
    fn meeting(&self, lanes: &[Lane], onset: Tick, lane: usize, decided: Tick) -> Option<Meeting> {
        let reach = lanes[lane].reach(decided);
        // The shortest delay has looked furthest.
        let runs_on = self.words.iter().flatten().next().is_some_and(|word| word.stop.is_none());
        let meet = |(lane, word): (&Lane, &Option<Word>)| {
            let word = word.as_ref()?;
            let its_reach = word.stop.unwrap_or_else(|| lane.reach(decided));
            let shared_ticks = its_reach.min(reach).0.saturating_sub(word.onset.max(onset).0);
            if shared_ticks > 0 {
                Some(Meeting { shared_ticks, gap_ticks: Reverse(0) })
            } else if reach <= word.onset {
                Some(Meeting { shared_ticks, gap_ticks: Reverse(word.onset.0 - reach.0) })
            } else if runs_on && word.stop.is_none() {
                Some(Meeting { shared_ticks, gap_ticks: Reverse(onset.0.saturating_sub(its_reach.0)) })
            } else {
                None
            }
        };
        lanes.iter().zip(&self.words).filter_map(meet).max()
    }

    /// What the next shorter delay that told this number said, if that `differs`.
    fn revision(&self, lanes: &[Lane], lane: usize, differs: impl Fn(&Word) -> bool) -> Option<Revision> {
        let mut shorter = lanes.iter().zip(&self.words).take(lane).rev();
        let (delay, word) = shorter.find_map(|(lane, word)| Some((lane.delay, (*word)?)))?;
        differs(&word).then_some(Revision { delay, onset: word.onset, stop: word.stop })
    }

    fn retract(&mut self, lanes: &[Lane], cell: Cell, decided: Tick) -> Option<Transition> {
        self.retracted = true;
        let Self { number: bout, onset, score, .. } = *self;
        lanes.last().map(|settled| Transition {
            delay: settled.delay,
            bout,
            cell,
            edge: Edge::Retraction,
            onset,
            decided,
            decided_capture_nanos: None,
            score,
            revises: None,
            history_ticks: 0,
            identity: 1.0,
        })
    }
}

/// A bout that is not told at once is told at its first tick that is on and makes it long enough: a gap may lie before.
fn wait_ticks_max(rule: &DecodeRule) -> u64 {
    let gap_ticks = if rule.duration_ticks_min > 1 { rule.gap_ticks_max } else { 0 };
    u64::from(rule.duration_ticks_min.saturating_sub(1)) + u64::from(gap_ticks)
}

fn next(bouts: &mut u64) -> u64 {
    *bouts += 1;
    *bouts
}

#[cfg(test)]
mod tests;
