//! The queue between any two threads here: bounded for each cage, fair among them.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::live::lock;

/// What happens to an item that finds its lane full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest item of the lane gives way.
    DropOldest,
    /// The caller waits.
    Wait,
}

/// What became of a pushed item.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    Taken,
    /// Taken, and this older one given up for it.
    Displaced(T),
    /// The queue was closed: the item is handed back.
    Closed(T),
}

/// What a wait for an item brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Popped<T> {
    Item(T),
    /// Nothing came in time.
    Empty,
    /// The queue is closed and drained.
    Closed,
}

/// Lanes of at most `capacity` items, one a key, served in turns. A lane exists only while it holds items.
///
/// The number of keys is not bounded here: the intake names at most [`crate::keys::CAGES_MAX`] cages. One consumer.
#[derive(Debug)]
pub struct LaneQueue<K, T> {
    state: Mutex<State<K, T>>,
    filled: Condvar,
    drained: Condvar,
    capacity: usize,
}

#[derive(Debug)]
struct State<K, T> {
    lanes: HashMap<K, VecDeque<T>>,
    turns: VecDeque<K>,
    closed: bool,
}

impl<K: Hash + Eq + Clone, T> LaneQueue<K, T> {
    /// `capacity` is at least 1.
    pub fn new(capacity: usize) -> Self {
        let state = State { lanes: HashMap::new(), turns: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), drained: Condvar::new(), capacity: capacity.max(1) }
    }

    /// Adds an item behind the others of its key.
    pub fn push(&self, key: &K, item: T, when_full: WhenFull) -> Pushed<T> {
        let mut state = lock(&self.state);
        if when_full == WhenFull::Wait {
            let full = |state: &mut State<K, T>| !state.closed && state.len(key) >= self.capacity;
            state = self.drained.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Pushed::Closed(item);
        }
        if !state.lanes.contains_key(key) {
            state.turns.push_back(key.clone());
        }
        let lane = state.lanes.entry(key.clone()).or_default();
        let displaced = if lane.len() >= self.capacity { lane.pop_front() } else { None };
        lane.push_back(item);
        drop(state);
        self.filled.notify_one();
        displaced.map_or(Pushed::Taken, Pushed::Displaced)
    }

    /// The next item, however long it takes; `None` when the queue is closed and drained.
    pub fn pop_or_closed(&self) -> Option<T> {
        loop {
            match self.pop(Instant::now() + Duration::from_hours(1)) {
                Popped::Item(item) => return Some(item),
                Popped::Empty => {}
                Popped::Closed => return None,
            }
        }
    }

    /// The next item, waiting for it until `deadline`.
    pub fn pop(&self, deadline: Instant) -> Popped<T> {
        match self.pop_round(1, deadline) {
            Popped::Item(round) => round.into_iter().next().map_or(Popped::Empty, Popped::Item),
            Popped::Empty => Popped::Empty,
            Popped::Closed => Popped::Closed,
        }
    }

    /// The next item of each lane that holds one, of `count_max` lanes at most, waiting for the first until `deadline`.
    pub fn pop_round(&self, count_max: usize, deadline: Instant) -> Popped<Vec<T>> {
        let mut state = lock(&self.state);
        loop {
            // A lane that holds more goes behind those that wait: no lane is served twice.
            let lanes = state.turns.len().min(count_max);
            let round: Vec<T> = (0..lanes).filter_map(|_| state.next()).collect();
            if !round.is_empty() {
                drop(state);
                self.drained.notify_all();
                return Popped::Item(round);
            }
            if state.closed {
                return Popped::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Popped::Empty;
            }
            state = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for so long, or until the queue is closed. Only for its one consumer.
    pub fn wait_closed(&self, timeout: Duration) -> bool {
        let open = |state: &mut State<K, T>| !state.closed;
        let waited = self.filled.wait_timeout_while(lock(&self.state), timeout, open);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    /// Takes no more items; those that wait can still be popped.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }
}

impl<K: Hash + Eq + Clone, T> State<K, T> {
    fn len(&self, key: &K) -> usize {
        self.lanes.get(key).map_or(0, VecDeque::len)
    }

    fn next(&mut self) -> Option<T> {
        let key = self.turns.pop_front()?;
        let lane = self.lanes.get_mut(&key)?;
        let item = lane.pop_front();
        if lane.is_empty() {
            self.lanes.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    fn drain(queue: &LaneQueue<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| match queue.pop(Instant::now()) {
            Popped::Item(item) => Some(item),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn a_full_lane_gives_up_its_oldest_and_no_other_lane_suffers() {
        let queue = LaneQueue::new(2);
        assert_eq!(queue.push(&'b', 100, WhenFull::DropOldest), Pushed::Taken);
        let displaced: Vec<_> = (0..5).map(|item| queue.push(&'a', item, WhenFull::DropOldest)).collect();
        let expected = [Pushed::Taken, Pushed::Taken, Pushed::Displaced(0), Pushed::Displaced(1), Pushed::Displaced(2)];
        assert_eq!(displaced, expected);
        assert_eq!(drain(&queue), [100, 3, 4]);
    }

    #[test]
    fn lanes_are_served_in_turns() {
        let queue = LaneQueue::new(3);
        for (key, item) in [('a', 1), ('a', 2), ('a', 3), ('b', 10), ('b', 11)] {
            queue.push(&key, item, WhenFull::DropOldest);
        }
        assert_eq!(drain(&queue), [1, 10, 2, 11, 3]);
    }

    #[test]
    fn a_round_serves_no_lane_twice() {
        let queue = LaneQueue::new(3);
        for (key, item) in [('a', 1), ('a', 2), ('b', 10), ('c', 20), ('c', 21)] {
            queue.push(&key, item, WhenFull::DropOldest);
        }
        let rounds = [2, 8, 8, 8].map(|count_max| queue.pop_round(count_max, Instant::now()));
        let item = |items: &[i32]| Popped::Item(items.to_vec());
        assert_eq!(rounds, [item(&[1, 10]), item(&[20, 2]), item(&[21]), Popped::Empty]);
    }

    #[test]
    fn one_who_waits_loses_nothing_and_never_overfills() {
        const ITEMS: u32 = 10_000;
        let queue = Arc::new(LaneQueue::new(4));
        let ahead = Arc::new(AtomicUsize::new(0));
        let producer = {
            let (queue, ahead) = (Arc::clone(&queue), Arc::clone(&ahead));
            thread::spawn(move || {
                for item in 0..ITEMS {
                    assert_eq!(queue.push(&'a', item, WhenFull::Wait), Pushed::Taken);
                    ahead.fetch_add(1, Ordering::SeqCst);
                }
                queue.close();
            })
        };
        let mut taken = Vec::new();
        let deadline = Instant::now() + Duration::from_mins(1);
        while let Popped::Item(item) = queue.pop(deadline) {
            taken.push(item);
            let ahead = ahead.load(Ordering::SeqCst).saturating_sub(taken.len());
            assert!(ahead <= 4, "{ahead} items wait in a lane of 4");
        }
        producer.join().unwrap();
        assert_eq!(taken, (0..ITEMS).collect::<Vec<_>>());
    }

    #[test]
    fn closing_frees_whoever_waits_and_keeps_what_came_before() {
        let queue = Arc::new(LaneQueue::new(1));
        queue.push(&'a', 1, WhenFull::Wait);
        let blocked = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(&'a', 2, WhenFull::Wait))
        };
        queue.close();
        assert_eq!(blocked.join().unwrap(), Pushed::Closed(2));
        let deadline = Instant::now() + Duration::from_mins(1);
        assert_eq!(queue.pop(deadline), Popped::Item(1));
        assert_eq!(queue.pop(deadline), Popped::Closed);
    }
}
