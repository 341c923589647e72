//! The keeper: one thread that writes every tick into the file of its cage, see [`crate::output::ticklog`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::keys::{CAGES_MAX, CageName};
use crate::live::queue::LaneQueue;
use crate::live::tally::Tallies;
use crate::live::{LiveError, spawn};
use crate::output::ticklog::{Kept, TickLog};
use crate::time::WINDOW_TICKS;

/// Ticks of each cage that may wait for the disk: a window. The oldest give way, which shortens what a restart knows.
pub const KEPT_MAX: usize = WINDOW_TICKS;

/// What becomes of a cage's file.
#[derive(Debug)]
pub enum Keep {
    Tick(Kept),
    /// The detector ends, and the cage was closed in order.
    Close,
    /// The cage has ended.
    Forget,
}

/// On its way to the file.
pub type KeepQueue = LaneQueue<CageName, (CageName, Keep)>;

/// Starts the thread; it ends when the queue is closed and drained.
pub fn start(folder: PathBuf, queue: Arc<KeepQueue>, tallies: Arc<Tallies>) -> Result<JoinHandle<()>, LiveError> {
    spawn("tick log", move || {
        let mut logs: HashMap<CageName, TickLog> = HashMap::new();
        while let Some((cage, keep)) = queue.pop_or_closed() {
            let path = TickLog::path(&folder, cage.rig(), cage.cage());
            let kept = match keep {
                Keep::Tick(kept) => kept,
                Keep::Close => {
                    logs.remove(&cage);
                    let _ = TickLog::close(&path);
                    continue;
                }
                Keep::Forget => {
                    logs.remove(&cage);
                    TickLog::forget(&path);
                    continue;
                }
            };
            if logs.len() >= CAGES_MAX && !logs.contains_key(&cage) {
                // All files are closed at once, and opened again by whoever still writes.
                logs.clear();
            }
            let written = match logs.entry(cage.clone()) {
                Entry::Occupied(log) => log.into_mut().write(&kept),
                Entry::Vacant(place) => TickLog::open(&path).and_then(|log| place.insert(log).write(&kept)),
            };
            if written.is_err() {
                logs.remove(&cage);
                tallies.with(&cage, |tally| tally.counts.unkept += 1);
            }
        }
    })
}
