//! A simulated detector on another clock, asked and answering frame by frame.

use super::system::System;
use super::*;

mod reports;
mod runs;

/// When the runs begin, on our wall clock and on our monotonic clock.
pub(super) const UNIX: i64 = 1_700_000_000_000_000_000;
pub(super) const MONOTONIC: i64 = 77_000_000_000;

/// xorshift64*: the same numbers everywhere.
pub(super) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1))
    }

    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Within [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }
}

/// What a frame meets, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Met {
    late: f64,
    out: f64,
    wait: f64,
    inference: f64,
    sending: f64,
    back: f64,
    lost: bool,
}

/// A run on 1 or more cages at 30 Hz.
struct Rig {
    cages: u32,
    secs: u32,
    /// The detector's clock less ours, in milliseconds, at a second of the run.
    offset: fn(f64) -> f64,
    /// What our own wall clock was set by, in milliseconds, until a second of the run.
    set: fn(f64) -> f64,
    met: fn(f64, &mut Random) -> Met,
    /// An event every so many frames.
    event_frames: u64,
}

impl Default for Rig {
    fn default() -> Self {
        Self { cages: 1, secs: 60, offset: |_| 0.0, set: |_| 0.0, met: calm, event_frames: 60 }
    }
}

/// A good rig on one machine.
fn calm(_: f64, random: &mut Random) -> Met {
    Met {
        late: 0.02 + random.exponential(0.02),
        out: 0.08 + random.exponential(0.03),
        wait: 0.02 + random.exponential(0.02),
        inference: 0.9 + random.exponential(0.05),
        sending: 0.01 + random.exponential(0.01),
        back: 0.09 + random.exponential(0.03),
        lost: false,
    }
}

fn nanos(millis: f64) -> i64 {
    (millis * 1e6) as i64
}

impl Rig {
    fn meter(&self, seed: u64) -> Meter {
        let names = (1..=self.cages).map(|cage| format!("cage{cage}")).collect();
        let mut meter = Meter::new(names, 30.0).unwrap();
        let mut random = Random::new(seed);
        for frame in 0..u64::from(self.secs) * 30 {
            let due = MONOTONIC + (frame as f64 * 1e9 / 30.0) as i64;
            for cage in 0..self.cages {
                self.play(&mut meter, cage, frame, due, &mut random);
            }
        }
        meter
    }

    fn play(&self, meter: &mut Meter, cage: u32, frame: u64, due: i64, random: &mut Random) {
        let met = (self.met)(frame as f64 / 30.0, random);
        self.pass(meter, cage, frame, due, &met, random);
    }

    /// Passes a frame on that meets just that.
    fn pass(&self, meter: &mut Meter, cage: u32, frame: u64, due: i64, met: &Met, random: &mut Random) {
        let at = frame as f64 / 30.0;
        let unix = |nanos: i64| nanos - MONOTONIC + UNIX;
        let ours = |moment: i64| unix(moment) + nanos((self.set)(at));
        let theirs = |moment: i64| unix(moment) + nanos((self.offset)((moment - MONOTONIC) as f64 / 1e9));
        let put = due + nanos(met.late);
        meter.ask(&Asked { cage, frame, due_nanos: due, put_nanos: put, put_unix_nanos: ours(put) });
        if met.lost {
            return;
        }
        let arrived = put + nanos(met.out);
        let started = arrived + nanos(met.wait);
        let decided = started + nanos(met.inference);
        let sent = decided + nanos(met.sending);
        let received = sent + nanos(met.back);
        meter.answer(&Answered {
            cage,
            frame,
            arrived_unix_nanos: theirs(arrived),
            started_unix_nanos: theirs(started),
            decided_unix_nanos: theirs(decided),
            sent_unix_nanos: theirs(sent),
            received_nanos: received,
            received_unix_nanos: ours(received),
        });
        if frame.is_multiple_of(self.event_frames) {
            let published = decided + nanos(2.0 + random.exponential(0.8));
            meter.tell(&Told {
                cage,
                frame,
                decided_unix_nanos: theirs(decided),
                published_unix_nanos: theirs(published),
                received_nanos: published + nanos(met.back),
            });
        }
    }

    fn run(&self, seed: u64) -> Summary {
        self.meter(seed).finish(Counted::default(), System::default())
    }
}
