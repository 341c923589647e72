//! The live core over whole recordings, several at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::behavior::Bout;
use crate::buffer::ticks::frames_per_tick;
use crate::core::Cage;
use crate::corpus::Recording;
use crate::model::Model;
use crate::model::device::one_thread_pool;
use crate::output::decoder;
use crate::output::{Edge, Transition};
use crate::poses::Frame;
use crate::time::{DelayTicks, Tick};

/// What became of a recording.
#[derive(Debug)]
pub struct Decoded {
    pub transitions: Vec<Transition>,
    /// Frames that the core refused, by cause.
    pub refused: HashMap<&'static str, u64>,
}

impl Decoded {
    /// Pushes every frame of a recording through a cage of its own, then flushes. Where a window or more is missing the
    /// cage begins anew, as it does live.
    ///
    /// # Errors
    /// A skeleton that the model does not know, and a failing network.
    pub fn run(model: &Arc<Model>, recording: &Recording) -> anyhow::Result<Self> {
        Self::run_watched(model, recording, &mut |_, _| {})
    }

    /// As [`Decoded::run`]; `watch` sees the scores of every tick as [`Cage::push_watched`] gives them, those of the
    /// missing ticks at the ends included. Ticks run on through gaps.
    pub fn run_watched(
        model: &Arc<Model>,
        recording: &Recording,
        watch: &mut dyn FnMut(Tick, &[f32]),
    ) -> anyhow::Result<Self> {
        let mut decoded = Self { transitions: Vec::new(), refused: HashMap::new() };
        for (first, frames) in recording.stretches() {
            decoded.stretch(model, recording, first, frames, watch).with_context(|| recording.name.clone())?;
        }
        Ok(decoded)
    }

    fn stretch(
        &mut self,
        model: &Arc<Model>,
        recording: &Recording,
        first: u64,
        frames: &[Frame],
        watch: &mut dyn FnMut(Tick, &[f32]),
    ) -> anyhow::Result<()> {
        let mut cage = Cage::open(Arc::clone(model), &recording.stream)?;
        let mut watch = |tick: Tick, scores: &[f32]| watch(Tick(tick.0 + first), scores);
        let told = self.transitions.iter().map(|transition| transition.bout).max().unwrap_or(0);
        let in_recording = |mut transition: Transition| {
            transition.bout += told;
            transition.onset.0 += first;
            transition.decided.0 += first;
            if let Edge::Offset { stop } = &mut transition.edge {
                stop.0 += first;
            }
            transition
        };
        for frame in frames {
            match cage.push_watched(frame, &mut watch) {
                Ok(advance) => self.transitions.extend(advance.transitions.into_iter().map(in_recording)),
                Err(crate::core::CoreError::Refused(refused)) => {
                    *self.refused.entry(refused.cause()).or_default() += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let last = cage.flush_watched(&mut watch)?;
        self.transitions.extend(last.transitions.into_iter().map(in_recording));
        Ok(())
    }

    /// Says on standard error which frames were refused.
    pub fn warn(&self, recording: &Recording) {
        for (cause, count) in &self.refused {
            eprintln!("warning: {}: {count} frames refused ({cause})", recording.name);
        }
    }

    /// The bouts at one delay, in the recording's frames.
    pub fn bouts(&self, delay: DelayTicks, recording: &Recording) -> Vec<Bout> {
        bouts_in_frames(decoder::bouts(self.transitions.iter(), delay), recording)
    }

    /// The same bouts as someone sees them who acts on them: each begins when its onset is told, minimum duration and
    /// delay included.
    pub fn told(&self, delay: DelayTicks, recording: &Recording) -> Vec<Bout> {
        let told = |transition: &Transition| Transition { onset: transition.decided, ..transition.clone() };
        let mut decided = HashMap::new();
        for onset in self.transitions.iter().filter(|transition| transition.edge == Edge::Onset) {
            decided.insert(onset.bout, onset.decided);
        }
        let told = self.transitions.iter().map(|transition| match transition.edge {
            Edge::Onset | Edge::Retraction => told(transition),
            Edge::Offset { stop } => {
                let onset = decided.get(&transition.bout).copied().unwrap_or(transition.onset);
                let stop = Tick(stop.0.max(onset.0 + 1));
                Transition { onset, edge: Edge::Offset { stop }, ..transition.clone() }
            }
        });
        let told: Vec<Transition> = told.collect();
        bouts_in_frames(decoder::bouts(told.iter(), delay), recording)
    }
}

/// The recording's frame at a tick, at most one past its last.
pub fn in_frames(recording: &Recording) -> impl Fn(u64) -> u64 + use<> {
    let first = recording.frames.first().map_or(0, |frame| frame.number);
    let (step, end) = (frames_per_tick(recording.stream.rate_hz()), recording.extent().end);
    move |tick| (first + (tick as f64 * step).round() as u64).min(end)
}

/// Bouts in ticks as bouts in the recording's frames, by start.
fn bouts_in_frames(mut bouts: Vec<Bout>, recording: &Recording) -> Vec<Bout> {
    let frame_of = in_frames(recording);
    for bout in &mut bouts {
        (bout.start, bout.stop) = (frame_of(bout.start), frame_of(bout.stop));
    }
    bouts.retain(|bout| bout.start < bout.stop);
    bouts.sort_by_key(|bout| (bout.start, bout.cell));
    bouts
}

/// Works through `items` on all cores, one item a thread, and gives the results in the order of the items.
pub fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<anyhow::Result<R>>>> = Mutex::new((0..items.len()).map(|_| None).collect());
    std::thread::scope(|scope| -> anyhow::Result<()> {
        for _ in 0..threads {
            let pool = one_thread_pool("offline")?;
            let (next, results, work) = (&next, &results, &work);
            scope.spawn(move || {
                pool.install(|| {
                    while let Some((index, item)) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|index| Some((index, items.get(index)?)))
                    {
                        let result = work(item);
                        results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
                    }
                });
            });
        }
        Ok(())
    })?;
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().map(|result| result.unwrap_or_else(|| anyhow::bail!("an item was never worked on"))).collect()
}
