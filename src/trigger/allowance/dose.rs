//! What one output gave: the sliding hour in full, the session as sums.

use crate::trigger::allowance::HOUR_NANOS;

/// A stimulus that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Given {
    end_nanos: i64,
    on_millis: u64,
}

/// The ended stimuli of one output. Those that are still on lie with the allowance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dose {
    /// Only what ended within an hour before the newest moment that was told. An output gives one stimulus at a time
    /// and is never given more than its hourly maximum, so there are no more than those.
    recent: Vec<Given>,
    count: u64,
    on_millis: u64,
}

/// How much counts: within the hour, or in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    pub count: u64,
    pub on_millis: u64,
}

impl Dose {
    pub fn add(&mut self, end_nanos: i64, on_millis: u64) {
        self.recent.push(Given { end_nanos, on_millis });
        self.count = self.count.saturating_add(1);
        self.on_millis = self.on_millis.saturating_add(on_millis);
    }

    /// Of another session: the hour remembers it, this session's sums do not.
    pub fn add_elsewhere(&mut self, end_nanos: i64, on_millis: u64) {
        self.recent.push(Given { end_nanos, on_millis });
    }

    pub fn forget(&mut self, now_nanos: i64) {
        self.recent.retain(|given| counts(given, now_nanos));
    }

    pub fn in_session(&self) -> Used {
        Used { count: self.count, on_millis: self.on_millis }
    }

    pub fn in_hour(&self, now_nanos: i64) -> Used {
        let recent = self.recent.iter().filter(|given| counts(given, now_nanos));
        let none = Used { count: 0, on_millis: 0 };
        recent.fold(none, |used, given| Used {
            count: used.count + 1,
            on_millis: used.on_millis.saturating_add(given.on_millis),
        })
    }

    #[cfg(test)]
    pub fn recorded(&self) -> usize {
        self.recent.len()
    }

    /// The first moment at which at least `count` stimuli and `on_millis` of on-time less count than now; `None` if
    /// there is not so much to leave.
    pub fn freed_nanos(&self, now_nanos: i64, count: u64, on_millis: u64) -> Option<i64> {
        let mut recent: Vec<_> = self.recent.iter().filter(|given| counts(given, now_nanos)).collect();
        recent.sort_by_key(|given| given.end_nanos);
        let (mut freed_count, mut freed_millis) = (0, 0_u64);
        for given in recent {
            freed_count += 1;
            freed_millis = freed_millis.saturating_add(given.on_millis);
            if freed_count >= count && freed_millis >= on_millis {
                return Some(given.end_nanos.saturating_add(HOUR_NANOS + 1));
            }
        }
        None
    }
}

/// Whether any of it lies within the hour that ends now, both ends of the hour included.
fn counts(given: &Given, now_nanos: i64) -> bool {
    given.end_nanos >= now_nanos.saturating_sub(HOUR_NANOS)
}
