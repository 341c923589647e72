//! The guard as a program: standard input and output are the detector's pipes.

use std::io;

use crossbeam::channel::bounded;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::guard::events::spawn;
use crate::guard::run::{GuardError, run};

/// Runs the guard until its pipe ends or a signal tells it to; then everything is off.
pub fn main() -> Result<(), GuardError> {
    let (told, stop) = bounded(1);
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(GuardError::Thread)?;
    spawn("signals", move || {
        for _ in signals.forever() {
            // One word is enough.
            let _ = told.try_send(());
        }
    })
    .map_err(GuardError::Thread)?;
    // Standard output is line-buffered, and a line is written whole.
    run(io::stdin(), io::stdout(), stop)
}
