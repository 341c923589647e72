//! Ctrl-C and the request to terminate, as a channel.

use crossbeam::channel::{Receiver, bounded};
use tokio::signal::unix::{SignalKind, signal};

use crate::live::{LiveError, spawn};

/// A channel that is closed at the first Ctrl-C or SIGTERM, so that everyone who waits on it notices. The second ends
/// the process at once.
pub fn interrupts() -> Result<Receiver<()>, LiveError> {
    let failed = |source| LiveError::Thread { thread: "interrupt", source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (open, closed) = bounded(1);
    let signals = runtime.block_on(async { Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)) });
    let (mut interrupt, mut terminate) = signals.map_err(failed)?;
    let watch = async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        drop(open);
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        std::process::exit(130);
    };
    spawn("interrupt", move || runtime.block_on(watch))?;
    Ok(closed)
}

/// A channel that gets a message for each SIGHUP, one of them waiting at most.
pub fn hangups() -> Result<Receiver<()>, LiveError> {
    let failed = |source| LiveError::Thread { thread: "hangup", source };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (tell, told) = bounded(1);
    let mut hangup = runtime.block_on(async { signal(SignalKind::hangup()) }).map_err(failed)?;
    let watch = async move {
        while hangup.recv().await.is_some() {
            let _ = tell.try_send(());
        }
    };
    spawn("hangup", move || runtime.block_on(watch))?;
    Ok(told)
}
