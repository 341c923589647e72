//! The detector's clocks, read at the edge and passed in everywhere else.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment on both of the detector's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For durations: never steps back.
    pub monotonic: Instant,
    /// For records: nanoseconds since 1970 (UTC); may step when the clock is set.
    pub unix_nanos: i64,
}

impl Moment {
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { monotonic: Instant::now(), unix_nanos: i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX) }
    }

    /// Time from an earlier moment to this one; zero when it was later.
    pub fn since(&self, earlier: &Self) -> Duration {
        self.monotonic.saturating_duration_since(earlier.monotonic)
    }

    /// The moment that lies so much later on both clocks.
    #[must_use]
    pub fn later(&self, by: Duration) -> Self {
        let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        Self { monotonic: self.monotonic + by, unix_nanos: self.unix_nanos.saturating_add(nanos) }
    }
}
