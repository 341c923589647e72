//! A simulated rig: a camera, its clock, the way to the detector and the detector's own clock, each with its faults.

use super::*;

mod clocks;
mod honest;
mod hostile;
mod rates;

/// The wall clock when simulations start.
const START: i64 = 1_700_000_000_000_000_000;
const NANOS: f64 = 1e9;

/// xorshift64*: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Within [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }
}

/// The way from the camera to the detector, in order.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// 1 ms and 0 to so many more, evenly.
    Jitter { millis: f64 },
    /// Jitter of 5 ms, and about every so many seconds nothing gets through for so long.
    Stalls { every_secs: f64, millis: f64 },
    /// Milliseconds in calm times; every minute or so a congested spell of seconds to a minute that lifts the fastest
    /// frames by up to 80 ms, with stalls up to 0.5 s.
    WiFi,
    /// Jitter of 5 ms, until second 60, from when the link carries only this share of the frames' rate.
    Narrow { share: f64 },
}

/// One stream, frame by frame. Times are true seconds since the start.
struct Rig {
    clock: Option<&'static str>,
    described_hz: f64,
    secs: f64,
    way: Way,
    limits: Limits,
    seed: u64,
    /// The camera's rate.
    rate_hz: fn(f64) -> f64,
    /// Seconds without frames.
    pause: (f64, f64),
    /// What the capture clock shows of a frame taken at a time, by its number.
    capture: Box<dyn Fn(f64, u64) -> Option<i64>>,
    /// The number that a frame carries.
    number: fn(u64) -> u64,
    /// Error of our wall clock in seconds.
    own: fn(f64) -> f64,
    /// Share of frames lost.
    lost: f64,
    /// Share of frames that overtake the one before, which comes right after them.
    reordered: f64,
}

/// What was said of a stream.
struct Heard {
    notices: Vec<(f64, Notice)>,
    sightings: Vec<(f64, Age)>,
    timing: Timing,
    /// Share of frames at whose arrival the cage was stale.
    stale: f64,
    /// Mean of a millisecond's parts a frame took, for what it is worth.
    nanos_a_frame: f64,
}

impl Default for Rig {
    fn default() -> Self {
        Self {
            clock: Some(CLOCK_UNIX),
            described_hz: 30.0,
            secs: 120.0,
            way: Way::Jitter { millis: 5.0 },
            limits: Limits::default(),
            seed: 7,
            rate_hz: |_| 30.0,
            pause: (0.0, 0.0),
            capture: Box::new(|t, _| Some(unix(t))),
            number: |number| number,
            own: |_| 0.0,
            lost: 0.0,
            reordered: 0.0,
        }
    }
}

/// A true time as a right wall clock shows it.
fn unix(t: f64) -> i64 {
    START + (t * NANOS) as i64
}

/// A rig whose clock shows another time than the true one.
fn showing(show: impl Fn(f64) -> f64 + 'static) -> Rig {
    Rig { capture: Box::new(move |t, _| Some(unix(show(t)))), ..Rig::default() }
}

impl Rig {
    fn way(self, way: Way) -> Self {
        Self { way, ..self }
    }

    fn clock(self, clock: Option<&'static str>) -> Self {
        Self { clock, ..self }
    }

    fn run(&self) -> Heard {
        let mut random = Random(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut road = Road::default();
        let mut frames = Vec::new();
        let (mut t, mut count) = (0.0, 0);
        while t < self.secs {
            if t >= self.pause.0 && t < self.pause.1 {
                t = self.pause.1;
            }
            if random.uniform() >= self.lost {
                let arrives = road.carry(self.way, t, &mut random);
                frames.push((arrives, (self.number)(count), (self.capture)(t, count)));
            }
            count += 1;
            t += 1.0 / (self.rate_hz)(t);
        }
        for index in 1..frames.len() {
            if random.uniform() < self.reordered {
                let (a, b) = (frames[index - 1], frames[index]);
                (frames[index - 1], frames[index]) = ((b.0, b.1, b.2), (b.0, a.1, a.2));
            }
        }
        self.hear(&frames)
    }

    fn hear(&self, frames: &[(f64, u64, Option<i64>)]) -> Heard {
        let start = Instant::now();
        let mut timing = Timing::new(self.clock, self.described_hz, self.limits);
        let (mut notices, mut sightings, mut stale) = (Vec::new(), Vec::with_capacity(frames.len()), 0);
        let mut took = Duration::ZERO;
        for &(arrives, number, capture) in frames {
            let monotonic = start + Duration::from_secs_f64(arrives);
            let moment = Moment { monotonic, unix_nanos: unix(arrives + (self.own)(arrives)) };
            let before = Instant::now();
            let sighting = timing.frame(number, capture, moment);
            took += before.elapsed();
            notices.extend(sighting.notices.iter().map(|notice| (arrives, *notice)));
            sightings.push((arrives, sighting.age));
            stale += usize::from(timing.stale(monotonic).is_some());
        }
        let count = frames.len().max(1) as f64;
        let nanos_a_frame = took.as_nanos() as f64 / count;
        Heard { notices, sightings, timing, stale: stale as f64 / count, nanos_a_frame }
    }
}

#[derive(Default)]
struct Road {
    /// Start, end and lift of the congested spell that is next or now.
    spell: (f64, f64, f64),
    stalled_until: f64,
    free_at: f64,
}

impl Road {
    fn carry(&mut self, way: Way, t: f64, random: &mut Random) -> f64 {
        let way_secs = 1e-3
            * match way {
                Way::Jitter { millis } => 1.0 + millis * random.uniform(),
                Way::Narrow { share } => {
                    if t > 60.0 {
                        self.free_at = self.free_at.max(t) + 1.0 / (30.0 * share);
                    }
                    1.0 + 5.0 * random.uniform()
                }
                Way::Stalls { every_secs, millis } => {
                    if random.uniform() < 1.0 / (30.0 * every_secs) {
                        self.stalled_until = t + millis * 1e-3;
                    }
                    1.0 + 5.0 * random.uniform()
                }
                Way::WiFi => {
                    if t > self.spell.1 {
                        let start = t + random.exponential(60.0);
                        self.spell = (start, start + 5.0 + 55.0 * random.uniform(), 80.0 * random.uniform());
                    }
                    if t < self.spell.0 {
                        1.5 + random.exponential(2.0)
                    } else {
                        if random.uniform() < 0.005 {
                            self.stalled_until = t + 0.1 + 0.4 * random.uniform();
                        }
                        1.5 + self.spell.2 + random.exponential(15.0)
                    }
                }
            };
        self.free_at = self.free_at.max(t + way_secs).max(self.stalled_until);
        self.free_at
    }
}

impl Heard {
    /// Notices by their kind, in order.
    fn kinds(&self) -> Vec<String> {
        self.notices.iter().map(|(_, notice)| kind(notice)).collect()
    }

    /// Ages of frames that arrived in a span of seconds.
    fn ages(&self, from: f64, to: f64) -> impl Iterator<Item = Age> {
        self.sightings.iter().filter(move |(t, _)| (from..to).contains(t)).map(|(_, age)| *age)
    }

    fn all_unknown(&self, from: f64, to: f64) -> bool {
        self.ages(from, to).all(|age| age == Age::Unknown)
    }

    /// The oldest absolute age in a span, in seconds; `None` where one is of another kind.
    fn oldest_absolute(&self, from: f64, to: f64) -> Option<f64> {
        let absolute = |age| if let Age::Absolute(age) = age { Some(age.as_secs_f64()) } else { None };
        self.ages(from, to).try_fold(0.0, |oldest: f64, age| Some(oldest.max(absolute(age)?)))
    }

    /// The same of ages over the minimum.
    fn oldest_over(&self, from: f64, to: f64) -> Option<f64> {
        let over = |age| if let Age::OverMinimum(age) = age { Some(age.as_secs_f64()) } else { None };
        self.ages(from, to).try_fold(0.0, |oldest: f64, age| Some(oldest.max(over(age)?)))
    }
}

/// A notice's name on the wire.
fn kind(notice: &Notice) -> String {
    serde_json::to_value(notice).unwrap()["timing"].as_str().unwrap().to_owned()
}

/// A symptom, the rig that shows it, and what must be said: the kind, and the seconds within which.
type Case = (&'static str, Rig, &'static [(&'static str, f64, f64)]);

/// Nothing else than the expected notices may be said, in that order.
fn check(cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for (symptom, rig, expected) in cases {
        let heard = rig.run();
        let as_expected = heard.notices.len() == expected.len()
            && heard
                .notices
                .iter()
                .zip(expected)
                .all(|((t, notice), (name, from, to))| kind(notice) == *name && (from..to).contains(&t));
        let line = format!("{symptom}: {:?}", heard.notices);
        println!("{line}");
        if !as_expected {
            wrong.push(line);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
