//! An open device: commands go out at once or not at all, answers are compared, and a failed device only hears off.
//!
//! The port is read and written by `serial2`: it leaves the port non-blocking and puts every wait under a limit, and
//! brings nothing with it but `libc`. (`serialport` makes writes blocking again.)

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serial2::SerialPort;

use crate::guard::open::Opened;
use crate::guard::session::{Command, Dialect, Fault, Session};
use crate::guard::wire::Readiness;

/// Heartbeats in the time of a watchdog: two may be lost.
const BEATS_PER_WATCHDOG: u32 = 3;
/// How soon off is tried again on a device that did not take it.
const OFF_AGAIN: Duration = Duration::from_millis(10);

pub struct Device {
    port: SerialPort,
    session: Session,
    readiness: Readiness,
    wanted: Arc<AtomicBool>,
    beat_every: Option<Duration>,
    beat_at: Option<Instant>,
    failed: bool,
    /// When off is to be tried again on a failed device.
    off_at: Option<Instant>,
}

impl Device {
    pub fn new(opened: Opened, dialect: Dialect, reply_max: Duration, now: Instant) -> Self {
        let Opened { port, readiness, wanted } = opened;
        let beat_every = readiness.watchdog_millis.map(|millis| Duration::from_millis(millis) / BEATS_PER_WATCHDOG);
        Self {
            port,
            session: Session::new(dialect, reply_max),
            readiness,
            wanted,
            beat_every,
            beat_at: beat_every.map(|every| now + every),
            failed: false,
            off_at: None,
        }
    }

    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether all that was said is answered, or nobody waits for it any more.
    pub fn is_settled(&self) -> bool {
        if self.failed { self.off_at.is_none() } else { self.session.is_idle() }
    }

    /// Says a command; `true` if no answer is to come. A failed device hears nothing.
    pub fn say(&mut self, now: Instant, command: Command) -> Result<bool, Fault> {
        if self.failed {
            return Ok(false);
        }
        let bytes = self.session.dialect().encode(command);
        self.write(&bytes)?;
        self.beat_at = self.beat_at.and(self.beat_every).map(|every| now + every);
        self.session.said(now, command, &bytes)
    }

    /// The commands that these bytes confirm.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Command>, Fault> {
        if self.failed { Ok(Vec::new()) } else { self.session.receive(bytes) }
    }

    pub fn next(&self) -> Option<Instant> {
        if self.failed {
            return self.off_at;
        }
        [self.session.next(), self.beat_at].into_iter().flatten().min()
    }

    /// Looks for answers that are late, beats, and tries off again on a failed device.
    pub fn due(&mut self, now: Instant) -> Result<(), Fault> {
        if self.failed {
            if self.off_at.is_some_and(|at| now >= at) {
                self.drive_off(now);
            }
            return Ok(());
        }
        self.session.due(now)?;
        if self.beat_at.is_some_and(|at| now >= at) {
            self.say(now, Command::Beat)?;
        }
        Ok(())
    }

    /// Leaves the device to its watchdog.
    pub fn stop_beating(&mut self) {
        self.beat_at = None;
    }

    /// From now on only off is said, until the port has taken it. Nothing is expected of the device any more.
    pub fn fail(&mut self, now: Instant, fault: &Fault) {
        self.failed = true;
        self.session.forget();
        self.stop_beating();
        if matches!(fault, Fault::Gone { .. }) {
            self.wanted.store(false, Ordering::Relaxed);
        } else {
            self.drive_off(now);
        }
    }

    fn drive_off(&mut self, now: Instant) {
        // Commands that wait in the port would come before off.
        let _ = self.port.discard_output_buffer();
        let bytes = self.session.dialect().last_resort();
        self.off_at = match self.write(&bytes) {
            Err(Fault::Full { .. }) => Some(now + OFF_AGAIN),
            _ => None,
        };
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Fault> {
        let expected = bytes.len();
        loop {
            return match self.port.write(bytes) {
                Ok(got) if got == expected => Ok(()),
                Ok(got) => Err(Fault::Full { expected, got }),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                    Err(Fault::Full { expected, got: 0 })
                }
                Err(error) => Err(Fault::Gone { what: error.to_string() }),
            };
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.wanted.store(false, Ordering::Relaxed);
    }
}
