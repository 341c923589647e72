//! The live core over whole recordings, several at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::behavior::Bout;
use crate::core::Cage;
use crate::corpus::Recording;
use crate::model::Model;
use crate::model::device::one_thread_pool;
use crate::output::Transition;
use crate::output::decoder;
use crate::time::{DelayTicks, TICK_RATE_HZ};

/// What became of a recording.
#[derive(Debug)]
pub struct Decoded {
    pub transitions: Vec<Transition>,
    /// Frames that the core refused, by cause.
    pub refused: HashMap<&'static str, u64>,
}

impl Decoded {
    /// Pushes every frame of a recording through a cage of its own, then flushes.
    ///
    /// # Errors
    /// A skeleton that the model does not know, a failing network, and a gap of 512 ticks or more: ticks start anew
    /// there, so no frame numbers could be given to what comes after.
    pub fn run(model: &Arc<Model>, recording: &Recording) -> anyhow::Result<Self> {
        let mut cage = Cage::open(Arc::clone(model), &recording.stream)?;
        let mut decoded = Self { transitions: Vec::new(), refused: HashMap::new() };
        for frame in &recording.frames {
            match cage.push(frame) {
                Ok(advance) => {
                    anyhow::ensure!(
                        advance.resets == 0,
                        "{}: before frame {} a gap of 512 or more ticks; cut the recording there",
                        recording.name,
                        frame.number
                    );
                    decoded.transitions.extend(advance.transitions);
                }
                Err(crate::core::CoreError::Refused(refused)) => {
                    *decoded.refused.entry(refused.cause()).or_default() += 1;
                }
                Err(error) => return Err(error).context(recording.name.clone()),
            }
        }
        decoded.transitions.extend(cage.flush()?.transitions);
        Ok(decoded)
    }

    /// The bouts at one delay, in the recording's frames.
    pub fn bouts(&self, delay: DelayTicks, recording: &Recording) -> Vec<Bout> {
        let first = recording.frames.first().map_or(0, |frame| frame.number);
        let frame_of = |tick: u64| first + (tick as f64 * recording.stream.rate_hz() / TICK_RATE_HZ).round() as u64;
        let mut bouts = decoder::bouts(self.transitions.iter(), delay);
        for bout in &mut bouts {
            (bout.start, bout.stop) = (frame_of(bout.start), frame_of(bout.stop).min(recording.extent().end));
        }
        bouts.retain(|bout| bout.start < bout.stop);
        bouts.sort_by_key(|bout| (bout.start, bout.cell));
        bouts
    }
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
