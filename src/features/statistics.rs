//! Statistics of the signals of every animal and pair over windows of seconds.
//!
//! Means and deviations over windows, appended to what a network hears, are to a sequence of behavior what statistics
//! pooling is to speech (Snyder et al. 2018, x-vectors): a summary that need not be learned. They are recomputed from
//! what is remembered, never kept as running sums, so that nothing older than the window can leave a trace.

use std::collections::VecDeque;

use super::Past;
use super::signals::{self, PAIR_SIGNALS, SELF_SIGNALS, SIGNAL_REACH_TICKS, Signals};
use super::{Features, Writer};

/// A window of so many samples, `stride` ticks apart, the newest tick the first.
#[derive(Clone, Copy)]
struct Window {
    samples: usize,
    stride: usize,
    has_extremes: bool,
}

/// One, four and ten seconds. The longer ones look at every third and sixth tick: their means hardly differ.
const WINDOWS: [Window; 3] = [
    Window { samples: 30, stride: 1, has_extremes: true },
    Window { samples: 40, stride: 3, has_extremes: true },
    Window { samples: 50, stride: 6, has_extremes: false },
];

/// Mean, deviation and, of all but the longest window, the extremes of every signal; of every window the share of
/// samples in which the first signal was known.
const fn channels(signals: usize) -> usize {
    let (mut channels, mut window) = (0, 0);
    while window < WINDOWS.len() {
        channels += 1 + signals * if WINDOWS[window].has_extremes { 4 } else { 2 };
        window += 1;
    }
    channels
}

/// Channels of an animal, and of an ordered pair.
pub const SELF_STATISTICS: usize = channels(SELF_SIGNALS);
pub const PAIR_STATISTICS: usize = channels(PAIR_SIGNALS);

/// The oldest sample's age.
const AGE_MAX: usize = (WINDOWS[2].samples - 1) * WINDOWS[2].stride;

/// Ticks, the newest included, that the statistics of a tick may depend on.
pub const STATISTICS_REACH_TICKS: usize = 1 + AGE_MAX + SIGNAL_REACH_TICKS;

/// Signals of the last ticks: a value.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    individuals: usize,
    /// By animal, newest first.
    selves: Vec<VecDeque<Signals<SELF_SIGNALS>>>,
    /// By ordered pair, as [`Features::pairs`], newest first.
    pairs: Vec<VecDeque<Signals<PAIR_SIGNALS>>>,
}

impl Statistics {
    pub(super) fn new(individuals: usize) -> Self {
        let pairs = individuals * (individuals - 1);
        Self {
            individuals,
            selves: vec![VecDeque::with_capacity(AGE_MAX + 1); individuals],
            pairs: vec![VecDeque::with_capacity(AGE_MAX + 1); pairs],
        }
    }

    /// Takes in the newest tick and writes the statistics.
    pub(super) fn advance(&mut self, past: &Past<'_>, features: &mut Features) {
        let channels = features.self_statistics.chunks_exact_mut(SELF_STATISTICS);
        for ((individual, history), channels) in self.selves.iter_mut().enumerate().zip(channels) {
            remember(history, signals::of_self(past, individual));
            summarise(history, channels);
        }
        let mut pairs = self.pairs.iter_mut().zip(features.pair_statistics.chunks_exact_mut(PAIR_STATISTICS));
        for focal in 0..self.individuals {
            for other in (0..self.individuals).filter(|&other| other != focal) {
                let Some((history, channels)) = pairs.next() else { return };
                remember(history, signals::of_pair(past, focal, other));
                summarise(history, channels);
            }
        }
    }
}

fn remember<const N: usize>(history: &mut VecDeque<Signals<N>>, newest: Signals<N>) {
    if history.len() > AGE_MAX {
        history.pop_back();
    }
    history.push_front(newest);
}

/// What is known of each signal over a window.
struct Sums<const N: usize> {
    count: [f32; N],
    /// The newest known value. Sums and squares are of differences from it: a small deviation of large values would drown
    /// in the rounding of their squares.
    newest: [f32; N],
    sum: [f32; N],
    squares: [f32; N],
    least: [f32; N],
    most: [f32; N],
}

impl<const N: usize> Sums<N> {
    #[inline(always)]
    fn add(&mut self, signals: &Signals<N>) {
        for (index, &value) in signals.iter().enumerate() {
            let is_known = !value.is_nan();
            let is_first = is_known && self.count[index] == 0.0;
            self.newest[index] = if is_first { value } else { self.newest[index] };
            let off = if is_known { value - self.newest[index] } else { 0.0 };
            self.count[index] += if is_known { 1.0 } else { 0.0 };
            self.sum[index] += off;
            self.squares[index] += off * off;
            // Comparisons with NaN are false.
            self.least[index] = if value < self.least[index] { value } else { self.least[index] };
            self.most[index] = if value > self.most[index] { value } else { self.most[index] };
        }
    }

    fn none() -> Self {
        Self {
            count: [0.0; N],
            newest: [0.0; N],
            sum: [0.0; N],
            squares: [0.0; N],
            least: [f32::INFINITY; N],
            most: [f32::NEG_INFINITY; N],
        }
    }
}

/// The sums of all windows, compiled for the widest vectors of the machine at hand.
struct Summing<'a, const N: usize> {
    history: &'a VecDeque<Signals<N>>,
    sums: &'a mut [Sums<N>; WINDOWS.len()],
}

impl<const N: usize> pulp::NullaryFnOnce for Summing<'_, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        // The newest ones lie in the first slice, which goes on in the second.
        let (first, second) = self.history.as_slices();
        for (window, sums) in WINDOWS.iter().zip(self.sums) {
            for sample in 0..window.samples {
                let age = sample * window.stride;
                let signals = match first.get(age) {
                    Some(signals) => signals,
                    None => match second.get(age - first.len()) {
                        Some(signals) => signals,
                        None => break,
                    },
                };
                sums.add(signals);
            }
        }
    }
}

/// Writes the statistics of one animal or pair.
fn summarise<const N: usize>(history: &VecDeque<Signals<N>>, channels: &mut [f32]) {
    let mut sums = WINDOWS.map(|_| Sums::none());
    pulp::Arch::new().dispatch(Summing { history, sums: &mut sums });
    let mut writer = Writer::new(channels);
    for (window, sums) in WINDOWS.into_iter().zip(sums) {
        for index in 0..N {
            let count = sums.count[index];
            let off = sums.sum[index] / count.max(1.0);
            let variance = sums.squares[index] / count.max(1.0) - off * off;
            writer.put(sums.newest[index] + off);
            writer.put(variance.max(0.0).sqrt());
            if window.has_extremes {
                let or_zero = |extreme: f32| if count > 0.0 { extreme } else { 0.0 };
                writer.put(or_zero(sums.least[index]));
                writer.put(or_zero(sums.most[index]));
            }
        }
        writer.put(sums.count[0] / window.samples as f32);
    }
    writer.finish();
}
