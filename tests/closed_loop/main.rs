//! The closed loop with real processes and devices at real pseudo-terminals. In a binary of its own: what is tested is how
//! soon things go off, which means little beside other tests.

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod common;
mod desk;
mod device;
mod ends;
mod guard;
mod lab;
#[path = "../suite/world.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Times mean little while other tests want the same processors: one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
