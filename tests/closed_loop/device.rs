//! A simulated device at the far end of a pseudo-terminal: it speaks the protocol, keeps its own time and watchdog, and
//! notes what it heard and when.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, ioctl_tiocnxcl, tcflow};
use serial2::SerialPort;

/// Longer than anything here takes, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Obedient,
    /// Hears, but neither obeys nor answers.
    Deaf,
    /// Answers another duration than it was told.
    Wrong,
    Unplugged,
}

#[derive(Clone, Debug)]
pub struct Heard {
    pub at: Instant,
    pub line: String,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    heard: Vec<Heard>,
    /// Since when and until when each channel is on.
    lit: BTreeMap<u8, (Instant, Instant)>,
    heard_last: Instant,
    /// How long a channel was on, each time, as the device itself knows it.
    on_times: Vec<(u8, Duration)>,
}

pub struct Device {
    pub path: PathBuf,
    watchdog: Duration,
    state: Arc<(Mutex<State>, Condvar)>,
    /// Held open, so that the far end does not see a hangup between two guards.
    near: Option<File>,
    thread: Option<JoinHandle<()>>,
}

impl Device {
    pub fn start(watchdog_millis: u64) -> Self {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        let path = PathBuf::from(ptsname(&far, Vec::new()).unwrap().into_string().unwrap());
        // Raw from the beginning: a terminal that echoes would talk to itself.
        let near = File::from(OwnedFd::from(SerialPort::open(&path, 115_200).unwrap()));
        let state = State {
            manner: Manner::Obedient,
            heard: Vec::new(),
            lit: BTreeMap::new(),
            heard_last: Instant::now(),
            on_times: Vec::new(),
        };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let watchdog = Duration::from_millis(watchdog_millis);
        let thread = std::thread::spawn({
            let state = Arc::clone(&state);
            move || work(far, &state, watchdog)
        });
        Self { path, watchdog, state, near: Some(near), thread: Some(thread) }
    }

    pub fn behave(&self, manner: Manner) {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner).manner = manner;
    }

    /// Takes the far end away, as when the cable is pulled.
    pub fn unplug(&mut self) {
        self.behave(Manner::Unplugged);
        self.near = None;
        self.thread.take().unwrap().join().unwrap();
    }

    /// Stops or resumes the flow of bytes to the device, whose buffer is then full.
    pub fn flow(&self, on: bool) {
        tcflow(self.near.as_ref().unwrap(), if on { Action::OOn } else { Action::OOff }).unwrap();
    }

    /// A pseudo-terminal keeps the claim of a killed process while its far end is open; a device does not.
    pub fn disclaim(&self) {
        ioctl_tiocnxcl(self.near.as_ref().unwrap()).unwrap();
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner).heard.clone()
    }

    /// Waits for a line that begins so among those after the first `skip`, and says when it came.
    #[track_caller]
    pub fn await_line(&self, skip: usize, start: &str) -> Instant {
        let find = |state: &State| state.heard.iter().skip(skip).find(|heard| heard.line.starts_with(start)).cloned();
        let guard = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = self.state.1.wait_timeout_while(guard, PATIENCE, |state| find(state).is_none()).unwrap();
        match find(&guard) {
            Some(heard) => heard.at,
            None => panic!("{start:?} never came, but {:?}", guard.heard),
        }
    }

    pub fn is_lit(&self, channel: u8) -> bool {
        let state = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lit = state.lit.get(&channel);
        lit.is_some_and(|(_, until)| Instant::now() < (*until).min(state.heard_last + self.watchdog))
    }

    /// How long a channel was on each time, of those that are over.
    pub fn on_times(&self, channel: u8) -> Vec<Duration> {
        let mut state = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.settle(Instant::now(), self.watchdog);
        state.on_times.iter().filter(|(of, _)| *of == channel).map(|(_, on_time)| *on_time).collect()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.behave(Manner::Unplugged);
    }
}

impl State {
    /// Ends what is over by `now`.
    fn settle(&mut self, now: Instant, watchdog: Duration) {
        let bark = self.heard_last + watchdog;
        for (channel, (since, until)) in &self.lit {
            if bark.min(*until) <= now {
                self.on_times.push((*channel, bark.min(*until).duration_since(*since)));
            }
        }
        self.lit.retain(|_, (_, until)| bark.min(*until) > now);
    }

    /// Does what a line says, and says what to answer.
    fn obey(&mut self, now: Instant, line: &str, watchdog: Duration) -> String {
        self.settle(now, watchdog);
        self.heard_last = now;
        match *line.split(' ').collect::<Vec<_>>() {
            ["V"] => format!("VIBRISSA 1 {}\r\n", watchdog.as_millis()),
            ["P", channel, micros] => {
                let (channel, micros): (u8, u64) = (channel.parse().unwrap(), micros.parse().unwrap());
                if micros == 0 {
                    self.douse(now, Some(channel));
                } else {
                    self.light(now, channel, Duration::from_micros(micros));
                }
                format!("{line}\r\n")
            }
            ["0"] => {
                self.douse(now, None);
                "0\r\n".to_owned()
            }
            ["B"] => "B\r\n".to_owned(),
            _ => String::new(),
        }
    }

    fn light(&mut self, now: Instant, channel: u8, on: Duration) {
        self.lit.entry(channel).or_insert((now, now)).1 = now + on;
    }

    fn douse(&mut self, now: Instant, channel: Option<u8>) {
        let (doused, lit) = self.lit.iter().partition(|(of, _)| channel.is_none_or(|channel| channel == **of));
        self.lit = lit;
        let doused: BTreeMap<u8, (Instant, Instant)> = doused;
        self.on_times.extend(doused.into_iter().map(|(of, (since, _))| (of, now.duration_since(since))));
    }
}

fn work(far: OwnedFd, state: &(Mutex<State>, Condvar), watchdog: Duration) {
    let mut far = SerialPort::from(far);
    far.set_read_timeout(Duration::from_millis(20)).unwrap();
    let (mut bytes, mut line) = ([0; 256], Vec::new());
    loop {
        let count = match far.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::TimedOut => 0,
            Err(_) => return,
        };
        let now = Instant::now();
        let mut locked = state.0.lock().unwrap_or_else(PoisonError::into_inner);
        if locked.manner == Manner::Unplugged {
            return;
        }
        let mut answers = String::new();
        for byte in &bytes[..count] {
            if *byte != b'\n' {
                line.push(*byte);
                continue;
            }
            let text = String::from_utf8(std::mem::take(&mut line)).unwrap();
            match locked.manner {
                Manner::Deaf => {}
                Manner::Wrong if text.starts_with('P') => {
                    locked.obey(now, &text, watchdog);
                    answers.extend([&text, "9\r\n"]);
                }
                _ => answers += &locked.obey(now, &text, watchdog),
            }
            locked.heard.push(Heard { at: now, line: text });
        }
        state.1.notify_all();
        drop(locked);
        far.write_all(answers.as_bytes()).unwrap();
    }
}
