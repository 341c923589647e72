//! Opening a device: alone, raw, driven off, and known by its answer.
//!
//! Each device is opened in a thread of its own, which then goes on to read it: opening a port can wait for its driver.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::Sender;
use serial2::{KeepSettings, SerialPort};

use crate::guard::events::{Event, spawn};
use crate::guard::session::{Dialect, greeting, shown};
use crate::guard::wire::Readiness;

/// How long a device may take to its first answer. Many boards restart when their port is opened: 1 to 2 seconds.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(4);
/// A watchdog outside these bounds is none: too nervous for a serial line, or too slow for an animal.
pub const WATCHDOG_MILLIS_MIN: u64 = 50;
pub const WATCHDOG_MILLIS_MAX: u64 = 1_000;

/// How long a port may be held by the guard of a detector that has just died.
const PREDECESSOR_MAX: Duration = Duration::from_millis(1_500);
const CLAIM_EVERY: Duration = Duration::from_millis(10);
/// A device that restarts hears nothing: it is greeted again and again.
const GREET_EVERY: Duration = Duration::from_millis(250);
/// So long without a byte, and answers to earlier greetings have all come.
const QUIET: Duration = Duration::from_millis(30);
/// How often a reading thread looks whether it is still wanted.
const LOOK_UP: Duration = Duration::from_millis(50);
/// Most bytes kept of what a device says before it is known.
const GREETING_BYTES_MAX: usize = 4_096;

/// What is opened.
#[derive(Clone, Debug)]
pub struct Port {
    pub path: PathBuf,
    pub baud: u32,
    pub dialect: Dialect,
    /// The device must have a watchdog.
    pub needs_watchdog: bool,
}

/// A device that is off and has answered.
pub struct Opened {
    /// Takes what it can at once and never waits.
    pub port: SerialPort,
    pub readiness: Readiness,
    /// Reading goes on while this is true.
    pub wanted: Arc<AtomicBool>,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path}: {what}: {source}")]
    Io { path: PathBuf, what: &'static str, source: io::Error },
    #[error("{path}: another process holds it")]
    Held { path: PathBuf },
    #[error("{path}: expected {expected:?} within {millis} ms, got {got:?}")]
    Handshake { path: PathBuf, expected: String, millis: u128, got: String },
    #[error(
        "{path}: expected a watchdog of {WATCHDOG_MILLIS_MIN} to {WATCHDOG_MILLIS_MAX} ms, since bounded_by is \"device\", got {got}"
    )]
    Watchdog { path: PathBuf, got: u64 },
    #[error("{path}: expected to be open within {millis} ms, got no end of it")]
    Stuck { path: PathBuf, millis: u128 },
}

impl Port {
    /// Opens the device of this index in a thread that then reads it.
    pub fn start(self, index: usize, events: Sender<Event>) -> io::Result<()> {
        spawn("device", move || {
            let wanted = Arc::new(AtomicBool::new(true));
            let opened = self.open().and_then(|(reading, readiness)| {
                let mut port = reading.try_clone().map_err(self.failed("clone"))?;
                port.set_write_timeout(Duration::ZERO).map_err(self.failed("configure"))?;
                Ok((reading, Opened { port, readiness, wanted: Arc::clone(&wanted) }))
            });
            match opened {
                Ok((reading, opened)) => {
                    if events.send(Event::Opened(index, Ok(opened))).is_ok() {
                        read(index, &reading, self.dialect.answers(), &wanted, &events);
                    }
                }
                Err(error) => {
                    let _ = events.send(Event::Opened(index, Err(error)));
                }
            }
        })
    }

    fn open(&self) -> Result<(SerialPort, Readiness), OpenError> {
        let file = self.claim()?;
        let mut port = SerialPort::from(OwnedFd::from(file));
        let mut settings = port.get_configuration().map_err(self.failed("configure"))?;
        settings.set_raw();
        settings.set_baud_rate(self.baud).map_err(self.failed("set the baud of"))?;
        port.set_configuration(&settings).map_err(self.failed("configure"))?;
        // What an earlier guard left unsent must not come before this one's off.
        port.discard_buffers().map_err(self.failed("clear"))?;
        port.set_write_timeout(GREET_EVERY).map_err(self.failed("configure"))?;
        let readiness = self.shake_hands(&mut port)?;
        port.set_read_timeout(LOOK_UP).map_err(self.failed("configure"))?;
        Ok((port, readiness))
    }

    /// The port, locked before it is configured: another guard may be driving it. One whose detector has died ends soon.
    fn claim(&self) -> Result<File, OpenError> {
        let until = Instant::now() + PREDECESSOR_MAX;
        loop {
            let held = match SerialPort::open(&self.path, KeepSettings).map(|port| File::from(OwnedFd::from(port))) {
                Ok(file) => match file.try_lock() {
                    Ok(()) => {
                        // This also keeps away whatever does not ask for locks.
                        rustix::termios::ioctl_tiocexcl(&file).map_err(|error| self.failed("claim")(error.into()))?;
                        return Ok(file);
                    }
                    Err(TryLockError::WouldBlock) => OpenError::Held { path: self.path.clone() },
                    Err(TryLockError::Error(source)) => return Err(self.failed("lock")(source)),
                },
                Err(error) if error.kind() == ErrorKind::ResourceBusy => OpenError::Held { path: self.path.clone() },
                Err(source) => return Err(self.failed("open")(source)),
            };
            if Instant::now() >= until {
                return Err(held);
            }
            std::thread::sleep(CLAIM_EVERY);
        }
    }

    /// Drives everything off until the device says that it has.
    fn shake_hands(&self, port: &mut SerialPort) -> Result<Readiness, OpenError> {
        let begin = Instant::now();
        let mut hello = self.dialect.last_resort();
        if self.dialect == Dialect::Vibrissa {
            hello.extend_from_slice(b"V\n");
        }
        let mut heard = Vec::new();
        while begin.elapsed() < HANDSHAKE_MAX {
            match port.write_all(&hello) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => continue,
                Err(source) => return Err(self.failed("write")(source)),
            }
            let again = Instant::now() + GREET_EVERY;
            loop {
                if let Some(readiness) = self.recognise(&heard)? {
                    self.hear(port, &mut heard, None)?;
                    return Ok(readiness);
                }
                if !self.hear(port, &mut heard, Some(again))? {
                    break;
                }
            }
        }
        let expected = match &self.dialect {
            Dialect::Bytes { reply, .. } => shown(reply.as_deref().unwrap_or_default()),
            Dialect::Vibrissa => "0\\nVIBRISSA 1 <watchdog_millis>\\n".to_owned(),
        };
        let (millis, got) = (HANDSHAKE_MAX.as_millis(), shown(&heard));
        Err(OpenError::Handshake { path: self.path.clone(), expected, millis, got })
    }

    /// Whether what was heard shows that the device is off and is the one that is meant.
    fn recognise(&self, heard: &[u8]) -> Result<Option<Readiness>, OpenError> {
        if let Dialect::Bytes { reply, .. } = &self.dialect {
            let heard = reply.as_ref().is_none_or(|reply| heard.windows(reply.len()).any(|window| window == reply));
            return Ok(heard.then(|| Readiness { firmware: "bytes".to_owned(), watchdog_millis: None }));
        }
        let mut off = false;
        for line in heard.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
            let line = line.trim_ascii_end();
            off |= line == b"0";
            let Some(got) = greeting(line).filter(|_| off) else { continue };
            let bounded = (WATCHDOG_MILLIS_MIN..=WATCHDOG_MILLIS_MAX).contains(&got);
            // 0 says that there is none.
            if !bounded && (self.needs_watchdog || got > 0) {
                return Err(OpenError::Watchdog { path: self.path.clone(), got });
            }
            let watchdog_millis = (got > 0).then_some(got);
            return Ok(Some(Readiness { firmware: "VIBRISSA 1".to_owned(), watchdog_millis }));
        }
        Ok(None)
    }

    /// Reads what comes until `until`, at least once if anything does; without an end, all that comes until it is quiet.
    fn hear(&self, port: &mut SerialPort, heard: &mut Vec<u8>, until: Option<Instant>) -> Result<bool, OpenError> {
        let end = Instant::now() + HANDSHAKE_MAX;
        loop {
            let left = until.map_or(QUIET, |until| until.saturating_duration_since(Instant::now()));
            port.set_read_timeout(left).map_err(self.failed("configure"))?;
            let mut bytes = [0; 256];
            match port.read(&mut bytes) {
                Ok(0) => return Err(self.failed("read")(ErrorKind::UnexpectedEof.into())),
                Ok(count) if heard.len() < GREETING_BYTES_MAX => heard.extend_from_slice(&bytes[..count]),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(false),
                Err(source) => return Err(self.failed("read")(source)),
            }
            // A device that never falls silent is found out by what it says next.
            if until.is_some() || Instant::now() > end {
                return Ok(true);
            }
        }
    }

    fn failed(&self, what: &'static str) -> impl Fn(io::Error) -> OpenError + use<> {
        let path = self.path.clone();
        move |source| OpenError::Io { path: path.clone(), what, source }
    }

    /// The error of a device that was not open in time.
    pub fn stuck(path: &Path, after: Duration) -> OpenError {
        OpenError::Stuck { path: path.to_owned(), millis: after.as_millis() }
    }
}

/// Hands on what a device says, until it is gone or not wanted.
fn read(index: usize, port: &SerialPort, answers: bool, wanted: &AtomicBool, events: &Sender<Event>) {
    let mut bytes = [0; 256];
    while wanted.load(Ordering::Relaxed) {
        let event = match port.read(&mut bytes) {
            Ok(0) => Event::Gone(index, "end of the device's bytes".to_owned()),
            // Chatter of a device that answers nothing.
            Ok(_) if !answers => continue,
            Ok(count) => Event::Bytes(index, bytes[..count].to_vec()),
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => continue,
            Err(error) => Event::Gone(index, error.to_string()),
        };
        let gone = matches!(event, Event::Gone(..));
        if events.send(event).is_err() || gone {
            return;
        }
    }
}
