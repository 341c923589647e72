//! The detector's side: a guard as a child process, its beats, and what it reports.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use crate::guard::events::spawn;
use crate::guard::spec::{OutputSpec, SpecError, check_outputs};
use crate::guard::wire::{
    LINE_BYTES_MAX, Order, Readiness, Report, SILENCE_MILLIS_MAX, SILENCE_MILLIS_MIN, WIRE_VERSION, line_of,
    read_message,
};

/// Orders that may wait for the guard to take them. An order that came late would be wrong: few.
const ORDERS_MAX: usize = 64;
/// Reports that may wait for the detector; later ones are lost and counted, since a guard that is not read ends.
const REPORTS_MAX: usize = 1_024;
/// Longer than the guard itself gives its devices.
const READY_MAX: Duration = Duration::from_secs(10);
/// How long a guard may take to its end once its pipe is closed.
const CLOSE_MAX: Duration = Duration::from_secs(3);
/// Beats in the time of silence.
const BEATS_PER_SILENCE: u32 = 4;

/// A guard at work. It turns everything off when this value is dropped or its process dies.
///
/// Beats come from a thread of their own: they show that this process runs, not that it detects anything. What must end
/// with the detection is a hold, which lives by its leases.
#[derive(Debug)]
pub struct Guard {
    orders: Sender<Order>,
    reports: Receiver<Report>,
    exit: Receiver<io::Result<ExitStatus>>,
    ready: BTreeMap<String, Readiness>,
    pulse: Arc<Pulse>,
    pid: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    #[error("silence: expected {SILENCE_MILLIS_MIN} to {SILENCE_MILLIS_MAX} ms, got {got}")]
    Silence { got: u128 },
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("hello: expected at most {LINE_BYTES_MAX} bytes, got {got}")]
    Long { got: usize },
    #[error("guard: {what}: {source}")]
    Io { what: &'static str, source: io::Error },
    #[error("guard: expected to be ready within {millis} ms, got {got}")]
    NotReady { millis: u128, got: String },
    #[error("guard: expected room for an order, got {ORDERS_MAX} that wait")]
    Full,
    #[error("guard: its process is gone")]
    Gone,
    #[error(
        "guard: expected process {pid} to end within {millis} ms of its pipe, got none; it may still drive outputs off"
    )]
    Lingers { pid: u32, millis: u128 },
}

/// What the threads know of the guard.
#[derive(Debug)]
struct Pulse {
    answered: Mutex<Instant>,
    lost: AtomicU64,
}

impl Guard {
    /// Starts a guard by this command, which is to run [`crate::guard::main`], and waits until all outputs are off and
    /// ready. It gets a process group of its own, so that an interrupt from the terminal does not end it before the
    /// detector.
    ///
    /// # Errors
    /// Outputs that cannot be, a command that cannot be run, and a guard that is not ready, with what it said.
    pub fn start(
        mut command: Command,
        outputs: &BTreeMap<String, OutputSpec>,
        silence: Duration,
    ) -> Result<Self, HandleError> {
        check_outputs(outputs)?;
        let silence_millis = silence.as_millis() as u64;
        if !(SILENCE_MILLIS_MIN..=SILENCE_MILLIS_MAX).contains(&silence_millis) {
            return Err(HandleError::Silence { got: silence.as_millis() });
        }
        let hello = Order::Hello { version: WIRE_VERSION, outputs: outputs.clone(), silence_millis };
        let got = line_of(&hello).len();
        if got > LINE_BYTES_MAX {
            return Err(HandleError::Long { got });
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(io_error("start"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { unreachable!("both are piped") };
        let pid = child.id();
        let pulse = Arc::new(Pulse { answered: Mutex::new(Instant::now()), lost: AtomicU64::new(0) });
        let (orders, taken) = bounded(ORDERS_MAX);
        let (told, reports) = bounded(REPORTS_MAX);
        let (exited, exit) = bounded(1);
        let threads = spawn("guard reports", {
            let pulse = Arc::clone(&pulse);
            move || {
                listen(stdout, &told, &pulse);
                drop(told);
                let _ = exited.send(reap(child));
            }
        })
        .and_then(|()| spawn("guard orders", move || speak(stdin, &hello, &taken, silence / BEATS_PER_SILENCE)));
        threads.map_err(io_error("start a thread of"))?;
        let mut guard = Self { orders, reports, exit, ready: BTreeMap::new(), pulse, pid };
        guard.ready = guard.await_ready()?;
        // Beats are answered from now on.
        *guard.pulse.answered() = Instant::now();
        Ok(guard)
    }

    fn await_ready(&self) -> Result<BTreeMap<String, Readiness>, HandleError> {
        let until = Instant::now() + READY_MAX;
        let mut faults = Vec::new();
        let got = loop {
            match self.reports.recv_deadline(until) {
                Ok(Report::Ready { version: WIRE_VERSION, outputs }) => return Ok(outputs),
                Ok(Report::Fault { output, reason, .. }) => faults.push(format!("output {output:?}: {reason}")),
                Ok(report) => break format!("{report:?}"),
                Err(RecvTimeoutError::Timeout) => break "no word".to_owned(),
                Err(RecvTimeoutError::Disconnected) if faults.is_empty() => break "its end".to_owned(),
                Err(RecvTimeoutError::Disconnected) => break faults.join("; "),
            }
        };
        Err(HandleError::NotReady { millis: READY_MAX.as_millis(), got })
    }

    /// What each output's device said of itself.
    pub fn outputs(&self) -> &BTreeMap<String, Readiness> {
        &self.ready
    }

    /// Sends an order, without waiting. Whether it was carried out is reported.
    ///
    /// # Errors
    /// A guard that is gone, or takes no orders.
    pub fn order(&self, order: Order) -> Result<(), HandleError> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => HandleError::Full,
            TrySendError::Disconnected(_) => HandleError::Gone,
        })
    }

    /// A way to give orders from another thread. The guard is told of its end only when all of them are dropped.
    pub fn orders(&self) -> Sender<Order> {
        self.orders.clone()
    }

    /// All reports but beats. They end when the guard does: whether to start another is the detector's decision.
    pub fn reports(&self) -> &Receiver<Report> {
        &self.reports
    }

    /// Reports that nobody fetched in time.
    pub fn reports_lost(&self) -> u64 {
        self.pulse.lost.load(Ordering::Relaxed)
    }

    /// How long ago the guard last answered a beat. A guard that is stopped or stuck is known by it.
    pub fn beat_age(&self) -> Duration {
        self.pulse.answered().elapsed()
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Closes the pipe and waits until the guard has turned everything off and ended.
    ///
    /// # Errors
    /// A guard that does not end. It is not killed: it may be what still drives an output off.
    pub fn close(self) -> Result<ExitStatus, HandleError> {
        let Self { orders, exit, pid, .. } = self;
        drop(orders);
        match exit.recv_timeout(CLOSE_MAX) {
            Ok(status) => status.map_err(io_error("wait for")),
            Err(_) => Err(HandleError::Lingers { pid, millis: CLOSE_MAX.as_millis() }),
        }
    }
}

impl Pulse {
    fn answered(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> HandleError {
    move |source| HandleError::Io { what, source }
}

/// Writes orders as they come and beats between them, until either side is gone. Then the pipe is closed.
fn speak(mut stdin: ChildStdin, hello: &Order, orders: &Receiver<Order>, beat_every: Duration) {
    if stdin.write_all(&line_of(hello)).is_err() {
        return;
    }
    let mut number = 0;
    let mut beat_at = Instant::now();
    loop {
        // A beat that is due goes first, however many orders wait.
        let order =
            if Instant::now() >= beat_at { Err(RecvTimeoutError::Timeout) } else { orders.recv_deadline(beat_at) };
        let order = match order {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => {
                number += 1;
                beat_at = Instant::now() + beat_every;
                Order::Beat { number }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if stdin.write_all(&line_of(&order)).is_err() {
            return;
        }
    }
}

/// Takes reports until the guard's pipe ends. What is no report ends it, too: that is no guard.
fn listen(stdout: ChildStdout, told: &Sender<Report>, pulse: &Pulse) {
    let mut stdout = BufReader::new(stdout);
    while let Ok(Some(report)) = read_message(&mut stdout) {
        match report {
            Report::Beat { .. } => *pulse.answered() = Instant::now(),
            report => match told.try_send(report) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => {}
                Err(TrySendError::Full(_)) => {
                    pulse.lost.fetch_add(1, Ordering::Relaxed);
                }
            },
        }
    }
}

fn reap(mut child: Child) -> io::Result<ExitStatus> {
    child.wait()
}
