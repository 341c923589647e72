//! What speaks against acting on a cage at a moment, whatever its rules say.

use serde::Serialize;

use crate::acquire::description::StreamId;
use crate::stream::Origin;
use crate::time::WINDOW_TICKS;

/// A frame that waited longer than this before the network took it is no present: in milliseconds.
pub const WAIT_MILLIS_MAX: u64 = 100;

/// After an alarm that animals may have exchanged their names, nothing is done for as long as a window.
pub const SWAP_TICKS: u64 = WINDOW_TICKS as u64;

/// Who publishes a cage's poses, as far as frames say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// The number that it drew at its start.
    pub run: Option<u32>,
    pub stream: StreamId,
    pub origin: Origin,
}

/// How a cage stands at its newest tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    pub publisher: Publisher,
    /// Shorter than what the model's verdicts need.
    pub warming: bool,
    /// Why the newest frame is too old to act on.
    pub stale: Option<&'static str>,
    pub age: KnownAge,
    /// Ticks since an alarm.
    pub swap_ticks_ago: Option<u64>,
    pub out_of_range: bool,
    /// Of the newest frame, from its arrival to the network.
    pub waited_millis: u64,
    pub journal_failing: bool,
}

/// Whether a frame's age at its arrival is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownAge {
    Known,
    /// No capture times, or none of a clock that can be told: never zero.
    Unknown,
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsound {
    NotLive,
    OtherPublisher,
    Warming,
    Stale,
    AgeUnknown,
    SwapAlarm,
    OutOfRange,
    Overloaded,
    JournalFailing,
}

impl Unsound {
    /// In the order in which they are looked for.
    pub const ALL: [Self; 9] = [
        Self::NotLive,
        Self::OtherPublisher,
        Self::JournalFailing,
        Self::Overloaded,
        Self::Stale,
        Self::AgeUnknown,
        Self::SwapAlarm,
        Self::OutOfRange,
        Self::Warming,
    ];

    /// A short word to count by.
    pub fn cause(self) -> &'static str {
        match self {
            Self::NotLive => "not-live",
            Self::OtherPublisher => "other-publisher",
            Self::Warming => "warming",
            Self::Stale => "stale",
            Self::AgeUnknown => "age-unknown",
            Self::SwapAlarm => "swap-alarm",
            Self::OutOfRange => "out-of-range",
            Self::Overloaded => "overloaded",
            Self::JournalFailing => "journal-failing",
        }
    }

    /// In words, as a sentence goes on after "nothing is done: ".
    pub fn words(self) -> &'static str {
        match self {
            Self::NotLive => "the frames are not live",
            Self::OtherPublisher => "another publisher than the one that was armed",
            Self::Warming => "the animals were not seen for long enough yet",
            Self::Stale => "the newest frame is too old",
            Self::AgeUnknown => "the age of frames is not known",
            Self::SwapAlarm => "animals may have exchanged their names",
            Self::OutOfRange => "input of a kind that the model does not know",
            Self::Overloaded => "frames wait too long for the network",
            Self::JournalFailing => "events cannot be written",
        }
    }
}

impl Standing {
    /// The first reason to do nothing for a loop that was armed with this publisher.
    pub fn against(&self, armed: Publisher) -> Option<Unsound> {
        Unsound::ALL.into_iter().find(|unsound| match unsound {
            Unsound::NotLive => self.publisher.origin != Origin::Live,
            Unsound::OtherPublisher => self.publisher != armed,
            Unsound::Warming => self.warming,
            Unsound::Stale => self.stale.is_some(),
            Unsound::AgeUnknown => self.age == KnownAge::Unknown,
            Unsound::SwapAlarm => self.swap_ticks_ago.is_some_and(|ticks| ticks < SWAP_TICKS),
            Unsound::OutOfRange => self.out_of_range,
            Unsound::Overloaded => self.waited_millis > WAIT_MILLIS_MAX,
            Unsound::JournalFailing => self.journal_failing,
        })
    }
}
