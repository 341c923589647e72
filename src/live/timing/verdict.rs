//! What is said about a stream's times.

use std::time::Duration;

use serde::Serialize;

/// What is known of a frame at its arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    pub age: Age,
    pub notices: Notices,
}

/// How old a frame was when it arrived. An unknown age is never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// No capture time, one that lies in the future, a clock of which too little was seen, or no clock at all.
    Unknown,
    /// From capture to arrival, on clocks that agree: neither ahead nor behind by more than the
    /// [`Limits`](super::Limits) allow.
    Absolute(Duration),
    /// Over the floor: older by so much than the freshest frames were.
    OverMinimum(Duration),
}

/// Why the newest frame says too little about the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// None came yet.
    NoFrame,
    /// It arrived so long ago.
    Silence(Duration),
    /// It is older by so much than the freshest frames were at their arrival.
    Age(Duration),
    /// So many frames are missing before it.
    Gap(u64),
}

impl Stale {
    /// A short word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoFrame => "no-frame",
            Self::Silence(_) => "silence",
            Self::Age(_) => "age",
            Self::Gap(_) => "gap",
        }
    }
}

/// The capture clock against ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offset {
    /// Our clock less the capture clock, as the fastest frames show it: the shortest way of a frame is part of it, and
    /// cannot be seen. Our clock is the wall clock: as it is set now where it is comparable with the capture clock,
    /// else as it was at the first frame.
    pub offset_nanos: i64,
    /// How far the fastest frames of the last seconds may lie above the fastest way.
    pub uncertainty_nanos: i64,
    /// How fast the capture clock gains on ours, in parts per million, once that is known.
    pub drift_ppm: Option<f64>,
}

/// A change that someone has to hear of: said once, until it changes again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "timing", rename_all = "kebab-case")]
pub enum Notice {
    /// Capture times lie in the future by at least so much.
    ClockAhead {
        by_nanos: u64,
    },
    /// All frames of the last seconds are so old, by a clock comparable with ours or against what they were: the
    /// capture clock lies behind, or frames really come late.
    ClockBehind {
        by_nanos: u64,
    },
    /// Neither ahead nor behind any more.
    ClockAgrees,
    /// The capture clock was set, ahead where positive.
    ClockJumped {
        by_nanos: i64,
    },
    /// The capture clock gains on ours, or loses where negative.
    ClockDrifts {
        ppm: f64,
        uncertainty_ppm: f64,
    },
    /// It drifts less than the limit.
    ClockHolds,
    /// Frames come at another rate than the stream description says, so ticks have another length than they should.
    RateDiffers {
        described_hz: f64,
        measured_hz: f64,
    },
    RateAgrees,
    /// Our own wall clock was set, ahead where positive.
    OwnClockSet {
        by_nanos: i64,
    },
    /// The stream names a clock, but frames carry no capture time.
    CaptureMissing,
    /// Capture time does not advance.
    CaptureStands,
    /// Capture time falls from frame to frame.
    CaptureBackwards,
    /// Capture time passes `ratio` times as fast as arrivals do: it is not in nanoseconds, it is counted at another
    /// rate than the camera's, or frames queue up (under 1) or drain (over 1).
    CapturePace {
        ratio: f64,
    },
    /// Capture times leap about.
    CaptureErratic,
    /// Capture times pass as time does again.
    CaptureRuns,
}

pub(super) const NOTICES_MAX: usize = 8;

/// The notices of one frame, in the order in which they came about.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Notices {
    places: [Option<Notice>; NOTICES_MAX],
}

impl Notices {
    pub fn is_empty(&self) -> bool {
        self.places[0].is_none()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Notice> {
        self.places.iter().flatten()
    }

    /// Each kind is said at most once a frame, and fewer kinds than places can come about together.
    pub(super) fn say(&mut self, notice: Notice) {
        if let Some(place) = self.places.iter_mut().find(|place| place.is_none()) {
            *place = Some(notice);
        }
    }
}

/// How the capture clock stands to ours, or to what it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Agrees,
    Ahead(u64),
    Behind(u64),
}

/// Why capture times are no clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CaptureFault {
    Missing,
    Stands,
    Backwards,
    Erratic,
    Pace { ratio: f64 },
}

impl Standing {
    /// Whether it is what was said, or at most twice or half as much.
    pub fn is_about(self, said: Self) -> bool {
        let near = |a: u64, b: u64| a / 2 <= b && b / 2 <= a;
        match (self, said) {
            (Self::Ahead(a), Self::Ahead(b)) | (Self::Behind(a), Self::Behind(b)) => near(a, b),
            _ => self == said,
        }
    }

    pub fn notice(self) -> Notice {
        match self {
            Self::Agrees => Notice::ClockAgrees,
            Self::Ahead(by_nanos) => Notice::ClockAhead { by_nanos },
            Self::Behind(by_nanos) => Notice::ClockBehind { by_nanos },
        }
    }
}

impl CaptureFault {
    pub fn notice(self) -> Notice {
        match self {
            Self::Missing => Notice::CaptureMissing,
            Self::Stands => Notice::CaptureStands,
            Self::Backwards => Notice::CaptureBackwards,
            Self::Erratic => Notice::CaptureErratic,
            Self::Pace { ratio } => Notice::CapturePace { ratio },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_have_their_names_on_the_wire() {
        let json = |notice| serde_json::to_string(&notice).unwrap();
        assert_eq!(json(Notice::ClockAhead { by_nanos: 5 }), r#"{"timing":"clock-ahead","by_nanos":5}"#);
        assert_eq!(json(Notice::CaptureStands), r#"{"timing":"capture-stands"}"#);
    }

    #[test]
    fn a_frame_has_room_for_its_notices_in_order() {
        let mut notices = Notices::default();
        assert!(notices.is_empty());
        for by_nanos in 0..NOTICES_MAX as u64 {
            notices.say(Notice::ClockAhead { by_nanos });
        }
        assert!(notices.iter().zip(0..).all(|(notice, by_nanos)| *notice == Notice::ClockAhead { by_nanos }));
        assert_eq!(notices.iter().count(), NOTICES_MAX);
    }
}
