//! What is counted and timed of each cage, for the calm line, the status messages and any exporter of [`metrics`].

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::keys::{CAGES_MAX, CageName};
use crate::live::lock;

/// Longest latency that is told apart, one hour in microseconds.
const MICROS_MAX: u64 = 3_600_000_000;

/// Everything that is counted, since the detector started. Nothing is counted in two places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Frames that the core took.
    pub frames: u64,
    /// Points of those frames that were missing, and all of them.
    pub points_missing: u64,
    pub points: u64,
    /// Steps of the network.
    pub ticks: u64,
    /// Times that a gap in the frames began the cage's window anew.
    pub resets: u64,
    /// Frames given up because the network was behind.
    pub displaced: u64,
    /// Packets refused, by cause.
    pub refused: BTreeMap<&'static str, u64>,
    /// Onsets and offsets that were decided.
    pub decided: u64,
    /// Of those, events in the journal and on the wire.
    pub published: u64,
    /// Decided while the journal could not be written and its queue was full: lost.
    pub unjournaled: u64,
    /// In the journal, but not published: a subscriber held the wire up.
    pub unpublished: u64,
    /// Frames whose age is unknown: without capture time, from the future, or on a clock that is not known well enough.
    pub age_unknown: u64,
    /// Ticks that could not be written into the file from which a restart rebuilds the cage.
    pub unkept: u64,
    /// Times that animals may have exchanged their names.
    pub swap_alarms: u64,
}

/// The latencies, each named from what to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// From capture to arrival at the detector; known only where frames carry wall clock times that agree with ours.
    Age,
    /// The same over the freshest frames of the stream: what is known of the age where clocks are not comparable.
    Lag,
    /// From arrival to the start of inference.
    Wait,
    /// Inference of one tick: the time of a frame that advanced the network, divided by its ticks.
    Inference,
    /// From the decision to the event being handed to the wire.
    Publication,
}

const LATENCIES: [(Latency, &str); 5] = [
    (Latency::Age, "age"),
    (Latency::Lag, "lag"),
    (Latency::Wait, "wait"),
    (Latency::Inference, "inference/tick"),
    (Latency::Publication, "publication"),
];

/// Counts and latencies of one cage.
#[derive(Clone, Debug)]
pub struct Tally {
    pub counts: Counts,
    /// The cage is closed: its tally gives way when room is needed.
    pub closed: bool,
    latencies: [Histogram<u32>; 5],
}

/// The tallies of all cages: at most [`CAGES_MAX`], besides one for all that belongs to no cage.
#[derive(Debug, Default)]
pub struct Tallies {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cages: HashMap<CageName, Tally>,
    others: Counts,
}

impl Default for Tally {
    fn default() -> Self {
        let histogram = || Histogram::new_with_max(MICROS_MAX, 2).expect("a range of an hour at two digits is valid");
        Self { counts: Counts::default(), closed: false, latencies: std::array::from_fn(|_| histogram()) }
    }
}

impl Tally {
    pub fn record(&mut self, latency: Latency, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(MICROS_MAX);
        self.latencies[latency as usize].saturating_record(micros);
        metrics::histogram!("vibrissa_latency_seconds", "of" => LATENCIES[latency as usize].1)
            .record(took.as_secs_f64());
    }

    pub fn advance(&mut self, frames: u64, ticks: u32, resets: u32) {
        self.counts.frames += frames;
        self.counts.ticks += u64::from(ticks);
        self.counts.resets += u64::from(resets);
        metrics::counter!("vibrissa_frames_taken_total").increment(frames);
        metrics::counter!("vibrissa_ticks_total").increment(u64::from(ticks));
    }

    /// The latency that `quantile` of all samples stay within; `None` where nothing was measured.
    pub fn quantile(&self, latency: Latency, quantile: f64) -> Option<Duration> {
        let histogram = &self.latencies[latency as usize];
        (!histogram.is_empty()).then(|| Duration::from_micros(histogram.value_at_quantile(quantile)))
    }
}

impl Counts {
    pub fn refuse(&mut self, cause: &'static str) {
        *self.refused.entry(cause).or_default() += 1;
        metrics::counter!("vibrissa_frames_refused_total", "cause" => cause).increment(1);
    }

    /// A frame was given up because the network was behind.
    pub fn displace(&mut self) {
        self.displaced += 1;
        metrics::counter!("vibrissa_frames_displaced_total").increment(1);
    }

    /// An event is in the journal and on the wire.
    pub fn publish(&mut self) {
        self.published += 1;
        metrics::counter!("vibrissa_events_total").increment(1);
    }

    /// An event was decided, but did not get into the journal.
    pub fn lose_unjournaled(&mut self) {
        self.unjournaled += 1;
        metrics::counter!("vibrissa_events_lost_total", "cause" => "unjournaled").increment(1);
    }

    /// An event is in the journal, but did not get onto the wire.
    pub fn lose_unpublished(&mut self) {
        self.unpublished += 1;
        metrics::counter!("vibrissa_events_lost_total", "cause" => "unpublished").increment(1);
    }

    pub fn refused_in_all(&self) -> u64 {
        self.refused.values().sum()
    }
}

impl Tallies {
    /// Changes the tally of a cage. Where [`CAGES_MAX`] others are open, the change is lost.
    pub fn with(&self, cage: &CageName, change: impl FnOnce(&mut Tally)) {
        if let Some(tally) = lock(&self.state).tally(cage, true) {
            change(tally);
        }
    }

    /// Counts a refusal; `cage` is `None` where the key names none.
    pub fn refuse(&self, cage: Option<&CageName>, cause: &'static str) {
        let mut state = lock(&self.state);
        match cage.and_then(|cage| state.tally(cage, false)) {
            Some(tally) => tally.counts.refuse(cause),
            None => state.others.refuse(cause),
        }
    }

    /// A copy of every cage's tally, by name.
    pub fn snapshot(&self) -> Vec<(CageName, Tally)> {
        let state = lock(&self.state);
        let mut cages: Vec<_> = state.cages.iter().map(|(name, tally)| (name.clone(), tally.clone())).collect();
        cages.sort_by(|a, b| a.0.cmp(&b.0));
        cages
    }

    /// Counts of one cage.
    pub fn counts(&self, cage: &CageName) -> Counts {
        lock(&self.state).cages.get(cage).map(|tally| tally.counts.clone()).unwrap_or_default()
    }

    /// What belongs to no cage: bad keys, and refusals of cages beyond the limit.
    pub fn others(&self) -> Counts {
        lock(&self.state).others.clone()
    }

    /// Begins the latencies of every cage anew, so that a line speaks about the time since the line before.
    pub fn renew_latencies(&self) {
        for tally in lock(&self.state).cages.values_mut() {
            for histogram in &mut tally.latencies {
                histogram.reset();
            }
        }
    }
}

impl State {
    /// The tally of a cage. Where there is no room, a cage that is served takes the place of a closed one, or of one that
    /// never was served; names that never were take nobody's place: a broken script must not keep a cage out of sight.
    fn tally(&mut self, cage: &CageName, served: bool) -> Option<&mut Tally> {
        if self.cages.len() >= CAGES_MAX && !self.cages.contains_key(cage) {
            let idle = |tally: &Tally| served && (tally.closed || tally.counts.frames == 0);
            let place = self.cages.iter().find(|(_, tally)| idle(tally)).map(|(name, _)| name.clone())?;
            if let Some(removed) = self.cages.remove(&place).filter(|removed| !removed.closed) {
                for (cause, count) in removed.counts.refused {
                    *self.others.refused.entry(cause).or_default() += count;
                }
            }
        }
        Some(self.cages.entry(cage.clone()).or_default())
    }
}

/// `frames 1500  ticks 1499  events 12  …  age 1.2/3.4 ms`: counts since the start, latencies as p50/p99.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        write!(f, "frames {}  ticks {}  events {}", counts.frames, counts.ticks, counts.published)?;
        if counts.points > 0 {
            write!(f, "  missing {:.0}%", 100.0 * counts.points_missing as f64 / counts.points as f64)?;
        }
        for (word, count) in [
            ("resets", counts.resets),
            ("displaced", counts.displaced),
            ("swap-alarms", counts.swap_alarms),
            ("UNKEPT", counts.unkept),
            ("UNJOURNALED", counts.unjournaled),
            ("UNPUBLISHED", counts.unpublished),
        ] {
            if count > 0 {
                write!(f, "  {word} {count}")?;
            }
        }
        for (cause, count) in &counts.refused {
            write!(f, "  refused({cause}) {count}")?;
        }
        write!(f, "  |")?;
        for (latency, name) in LATENCIES {
            match (self.quantile(latency, 0.5), self.quantile(latency, 0.99)) {
                (Some(p50), Some(p99)) => {
                    write!(f, "  {name} {:.1}/{:.1} ms", p50.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3)?;
                }
                _ if latency == Latency::Age && self.quantile(Latency::Lag, 0.5).is_none() => {
                    write!(f, "  age unknown")?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_drops_by_cause_and_never_an_age_of_zero() {
        let (tallies, cage) = (Tallies::default(), CageName::new("rig", "cage").unwrap());
        tallies.with(&cage, |tally| {
            tally.counts.frames = 3;
            tally.record(Latency::Wait, Duration::from_millis(2));
        });
        tallies.refuse(Some(&cage), "magic");
        tallies.refuse(None, "key");
        let line = tallies.snapshot()[0].1.to_string();
        assert_eq!(line, "frames 3  ticks 0  events 0  refused(magic) 1  |  age unknown  wait 2.0/2.0 ms");
        assert_eq!(tallies.others().refused, BTreeMap::from([("key", 1)]));
    }

    #[test]
    fn tallies_stay_bounded() {
        let tallies = Tallies::default();
        for index in 0..2 * CAGES_MAX {
            tallies.refuse(Some(&CageName::new("rig", &format!("c{index}")).unwrap()), "undescribed");
        }
        assert_eq!(tallies.snapshot().len(), CAGES_MAX);
        assert_eq!(tallies.others().refused, BTreeMap::from([("undescribed", CAGES_MAX as u64)]));
        let (closed, new) = (CageName::new("rig", "c7").unwrap(), CageName::new("rig", "new").unwrap());
        tallies.with(&closed, |tally| tally.closed = true);
        tallies.refuse(Some(&new), "undescribed");
        assert_eq!(tallies.counts(&closed).refused_in_all(), 1, "what has ended stays in sight of its last counts");
        tallies.with(&new, |tally| tally.counts.frames += 1);
        assert_eq!((tallies.snapshot().len(), tallies.counts(&new).frames), (CAGES_MAX, 1));
    }

    #[test]
    fn a_served_cage_is_seen_beside_any_number_of_names_from_a_broken_script() {
        let tallies = Tallies::default();
        for index in 0..CAGES_MAX {
            tallies.refuse(Some(&CageName::new("rig", &format!("c{index}")).unwrap()), "undescribed");
        }
        let honest = CageName::new("rig", "honest").unwrap();
        tallies.with(&honest, |tally| tally.counts.frames += 1);
        assert_eq!(tallies.counts(&honest).frames, 1);
        assert_eq!(tallies.others().refused, BTreeMap::from([("undescribed", 1)]), "what gave way stays counted");
    }
}
