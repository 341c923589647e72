//! The camera's rate as measured: frame numbers over capture times where these are a clock, else over arrivals.

/// A measurement spans so long in capture time, or in arrivals, whose noise is that of the transport.
const CAPTURE_SPAN_NANOS: i64 = 3_000_000_000;
const ARRIVAL_SPAN_NANOS: i64 = 10_000_000_000;

/// Longer than this for one frame is a pause of the camera, not a rate.
const PAUSE_NANOS: i64 = 1_000_000_000;

/// Capture time must pass as arrivals do, within this share, for a span to count.
const PACE_TOLERANCE: f64 = 0.2;

/// Most steps, not only their sum, must be off by this share of the tolerance: frames that were dropped without a
/// number are not the camera's rate.
const STEP_SHARE: f64 = 0.5;

/// Another rate is news when it is so many times the tolerance off the one that was said.
const NEWS_TOLERANCES: f64 = 2.0;

/// A rate that differed agrees again within this share of the tolerance.
const AGREES_SHARE: f64 = 0.8;

/// What is said when it changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RateVerdict {
    Differs { measured_hz: f64 },
    Agrees,
}

#[derive(Debug)]
pub(super) struct Rate {
    described_hz: f64,
    tolerance: f64,
    by_capture: Meter,
    by_arrival: Meter,
    /// The rate that was said to differ.
    said_hz: Option<f64>,
}

#[derive(Debug, Default)]
struct Meter {
    frames: u64,
    nanos: i64,
    /// Arrivals over the same frames.
    arrival_nanos: i64,
    /// Steps, and how many of them were slower and faster than described.
    steps: u32,
    slower: u32,
    faster: u32,
    /// The last complete span.
    measured: Option<Measured>,
}

/// What a span showed.
#[derive(Clone, Copy, Debug)]
struct Measured {
    hz: f64,
    /// Most of its steps were slower than described, or faster.
    mostly_slower: bool,
    mostly_faster: bool,
}

impl Rate {
    pub fn new(described_hz: f64, tolerance: f64) -> Self {
        let (by_capture, by_arrival) = (Meter::default(), Meter::default());
        Self { described_hz, tolerance, by_capture, by_arrival, said_hz: None }
    }

    /// Nanoseconds that the camera needs for a frame, as far as is known.
    pub fn frame_nanos(&self) -> f64 {
        1e9 / self.by_capture.measured.map_or(self.described_hz, |span| span.hz).clamp(0.1, 1e6)
    }

    /// Takes the step to a frame so many numbers on. `capture_nanos` is `None` where capture times are missing or no
    /// clock: then arrivals are measured.
    pub fn take(&mut self, frames: u64, capture_nanos: Option<i64>, arrival_nanos: i64) -> Option<RateVerdict> {
        let per_frame = capture_nanos.unwrap_or(arrival_nanos) as f64 / frames.max(1) as f64;
        let off = per_frame * self.described_hz / 1e9 - 1.0;
        let least = self.tolerance * STEP_SHARE;
        let meter = if capture_nanos.is_some() { &mut self.by_capture } else { &mut self.by_arrival };
        meter.steps = meter.steps.saturating_add(1);
        meter.slower = meter.slower.saturating_add(u32::from(off > least));
        meter.faster = meter.faster.saturating_add(u32::from(off < -least));
        let measured = if let Some(nanos) = capture_nanos {
            self.by_arrival = Meter::default();
            self.by_capture.take(frames, nanos, arrival_nanos, CAPTURE_SPAN_NANOS)
        } else {
            self.by_capture = Meter::default();
            self.by_arrival.take(frames, arrival_nanos, arrival_nanos, ARRIVAL_SPAN_NANOS)
        };
        self.judge(measured?)
    }

    /// Begins the measurement anew: numbers or capture times are not those of before.
    pub fn restart(&mut self) {
        self.by_capture.restart();
        self.by_arrival.restart();
    }

    fn judge(&mut self, spans: [Measured; 2]) -> Option<RateVerdict> {
        let off = |span: Measured| span.hz / self.described_hz - 1.0;
        let slower = spans.iter().all(|span| off(*span) < -self.tolerance && span.mostly_slower);
        let faster = spans.iter().all(|span| off(*span) > self.tolerance && span.mostly_faster);
        let measured_hz = spans[1].hz;
        let near = |hz: f64, tolerance: f64| (hz / measured_hz - 1.0).abs() <= tolerance;
        if (slower || faster) && near(spans[0].hz, self.tolerance) {
            let news = self.said_hz.is_none_or(|said| !near(said, NEWS_TOLERANCES * self.tolerance));
            return news.then(|| {
                self.said_hz = Some(measured_hz);
                RateVerdict::Differs { measured_hz: (measured_hz * 100.0).round() / 100.0 }
            });
        }
        let agrees = spans.iter().all(|span| off(*span).abs() < self.tolerance * AGREES_SHARE);
        (agrees && self.said_hz.take().is_some()).then_some(RateVerdict::Agrees)
    }
}

impl Meter {
    /// The span before and the one that this step completes.
    fn take(&mut self, frames: u64, nanos: i64, arrival_nanos: i64, span_nanos: i64) -> Option<[Measured; 2]> {
        if nanos < 0 || nanos as u64 / frames.max(1) > PAUSE_NANOS as u64 {
            self.restart();
            return None;
        }
        self.frames = self.frames.saturating_add(frames);
        self.nanos = self.nanos.saturating_add(nanos);
        self.arrival_nanos = self.arrival_nanos.saturating_add(arrival_nanos);
        if self.nanos.max(self.arrival_nanos) < span_nanos {
            return None;
        }
        let (nanos, arrival_nanos) = (self.nanos as f64, self.arrival_nanos as f64);
        let paced = (nanos - arrival_nanos).abs() <= PACE_TOLERANCE * nanos.max(arrival_nanos);
        let measured = paced.then(|| Measured {
            hz: self.frames as f64 / nanos.max(1.0) * 1e9,
            mostly_slower: self.slower > self.steps / 2,
            mostly_faster: self.faster > self.steps / 2,
        });
        let before = std::mem::replace(self, Self { measured, ..Self::default() }).measured;
        Some([before?, measured?])
    }

    fn restart(&mut self) {
        *self = Self { measured: self.measured, ..Self::default() };
    }
}
