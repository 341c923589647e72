//! The guard's process: from the detector's hello to everything off.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::guard::device::Device;
use crate::guard::events::{EVENTS_MAX, Event, Reports, forward_stop, read_orders};
use crate::guard::keeper::Keeper;
use crate::guard::open::{HANDSHAKE_MAX, OpenError, Opened, Port};
use crate::guard::output::Output;
use crate::guard::session::Dialect;
use crate::guard::spec::{BoundedBy, OutputSpec, SpecError, check_outputs};
use crate::guard::wire::{Order, Report, SILENCE_MILLIS_MAX, SILENCE_MILLIS_MIN, WIRE_VERSION, WireError};

/// How long the detector's first message may take.
const HELLO_MAX: Duration = Duration::from_secs(2);
/// How long opening all devices may take, with what their drivers need.
const OPEN_MAX: Duration = HANDSHAKE_MAX.saturating_add(Duration::from_secs(3));
/// How long the last reports may take to be written.
const FAREWELL: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error("start a thread: {0}")]
    Thread(#[source] io::Error),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("expected a hello within {millis} ms, got {got}")]
    NoHello { millis: u128, got: &'static str },
    #[error("expected one hello, got another")]
    Again,
    #[error("expected beats only until the guard is ready, got an order")]
    Early,
    #[error("expected version {WIRE_VERSION}, got {got}")]
    Version { got: u32 },
    #[error("silence_millis: expected {SILENCE_MILLIS_MIN} to {SILENCE_MILLIS_MAX}, got {got}")]
    Silence { got: u64 },
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("expected the detector to read reports, got a full pipe")]
    Deaf,
}

struct Ready {
    outputs: Vec<Output>,
    devices: Vec<Device>,
}

type Opening = Result<Opened, OpenError>;

struct Hello {
    outputs: BTreeMap<String, OutputSpec>,
    silence: Duration,
}

/// Guards the outputs that the detector names until its pipe ends, `stop` says so, or something cannot be understood.
///
/// # Errors
/// Whatever kept the outputs from being ready, and a detector that says what is no message or does not read. Everything
/// that was opened is off by then.
pub fn run(
    stdin: impl Read + Send + 'static,
    stdout: impl Write + Send + 'static,
    stop: Receiver<()>,
) -> Result<(), GuardError> {
    let (events, wake) = bounded(EVENTS_MAX);
    let mut reports = Reports::start(stdout).map_err(GuardError::Thread)?;
    read_orders(stdin, events.clone()).map_err(GuardError::Thread)?;
    forward_stop(stop, events.clone()).map_err(GuardError::Thread)?;
    let hello = match await_hello(&wake) {
        Ok(Some(hello)) => hello,
        Ok(None) => return Ok(()),
        Err(error) => return Err(error),
    };
    let (result, reports) = match make_ready(&hello, &mut reports, &events, &wake) {
        Ok(Some(Ready { outputs, devices })) => {
            let reply_millis = hello.outputs.values().map(|spec| spec.reply_millis_max).max().unwrap_or(0);
            let reply_max = Duration::from_millis(reply_millis.into());
            let (silence, beat_last) = (hello.silence, Instant::now());
            Keeper { outputs, devices, reports, silence, reply_max, beat_last, silent: false, ending: None }.work(&wake)
        }
        Ok(None) => (Ok(()), reports),
        Err(error) => (Err(error), reports),
    };
    reports.finish(FAREWELL);
    result
}

/// `None` if the pipe ended before anything was asked for.
fn await_hello(wake: &Receiver<Event>) -> Result<Option<Hello>, GuardError> {
    let no_hello = |got| GuardError::NoHello { millis: HELLO_MAX.as_millis(), got };
    match wake.recv_timeout(HELLO_MAX) {
        Ok(Event::Order(_, Ok(Some(Order::Hello { version, outputs, silence_millis })))) => {
            if version != WIRE_VERSION {
                return Err(GuardError::Version { got: version });
            }
            if !(SILENCE_MILLIS_MIN..=SILENCE_MILLIS_MAX).contains(&silence_millis) {
                return Err(GuardError::Silence { got: silence_millis });
            }
            check_outputs(&outputs)?;
            Ok(Some(Hello { outputs, silence: Duration::from_millis(silence_millis) }))
        }
        Ok(Event::Order(_, Ok(None)) | Event::Stop) => Ok(None),
        Ok(Event::Order(_, Err(error))) => Err(error.into()),
        Ok(_) => Err(no_hello("another message")),
        Err(_) => Err(no_hello("none")),
    }
}

/// The ports of these outputs, and the index of each output's port.
fn ports_of(outputs: &BTreeMap<String, OutputSpec>) -> (Vec<Port>, Vec<Duration>, Vec<usize>) {
    let (mut ports, mut replies, mut indices): (Vec<Port>, Vec<Duration>, Vec<usize>) = Default::default();
    for spec in outputs.values() {
        let needs_watchdog = spec.bounded_by == BoundedBy::Device;
        let index = ports.iter().position(|port| port.path == spec.device).unwrap_or(ports.len());
        indices.push(index);
        if let Some(port) = ports.get_mut(index) {
            port.needs_watchdog |= needs_watchdog;
            continue;
        }
        let dialect = Dialect::of(&spec.protocol);
        ports.push(Port { path: spec.device.clone(), baud: spec.baud, dialect, needs_watchdog });
        replies.push(Duration::from_millis(spec.reply_millis_max.into()));
    }
    (ports, replies, indices)
}

/// Opens every device, which drives it off, and says so. `None` if the detector went away meanwhile.
fn make_ready(
    hello: &Hello,
    reports: &mut Reports,
    events: &Sender<Event>,
    wake: &Receiver<Event>,
) -> Result<Option<Ready>, GuardError> {
    let (ports, replies, indices) = ports_of(&hello.outputs);
    let outputs: Vec<Output> = hello
        .outputs
        .iter()
        .zip(&indices)
        .enumerate()
        .map(|(index, ((name, spec), device))| Output::new(index, name, *device, spec))
        .collect();
    for (index, port) in ports.iter().enumerate() {
        port.clone().start(index, events.clone()).map_err(GuardError::Thread)?;
    }
    let paths: Vec<PathBuf> = ports.iter().map(|port| port.path.clone()).collect();
    let (opened, verdict) = await_devices(&paths, wake);
    for output in &outputs {
        if let Err(error) = &opened[output.device] {
            let reason = error.to_string();
            reports.send(Report::Fault { output: output.name.clone(), id: None, reason });
        }
    }
    let mut devices = Vec::new();
    for ((opened, port), reply_max) in opened.into_iter().zip(ports).zip(replies) {
        devices.push(Device::new(opened?, port.dialect, reply_max, Instant::now()));
    }
    if !verdict? {
        return Ok(None);
    }
    let ready = |output: &Output| (output.name.clone(), devices[output.device].readiness().clone());
    let ready = outputs.iter().map(ready).collect();
    reports.send(Report::Ready { version: WIRE_VERSION, outputs: ready });
    Ok(Some(Ready { outputs, devices }))
}

/// Waits for all devices, even when the detector is gone: the last guard may have left them on. `false` if it is.
fn await_devices(paths: &[PathBuf], wake: &Receiver<Event>) -> (Vec<Opening>, Result<bool, GuardError>) {
    let until = Instant::now() + OPEN_MAX;
    let mut opened: Vec<Option<Opening>> = paths.iter().map(|_| None).collect();
    let mut verdict = Ok(true);
    while opened.iter().any(Option::is_none) {
        match wake.recv_deadline(until) {
            Ok(Event::Opened(index, result)) => opened[index] = Some(result),
            Ok(Event::Bytes(index, _)) => opened[index] = Some(Err(chatter(&paths[index]))),
            Ok(Event::Gone(index, what)) => {
                let source = io::Error::other(what);
                opened[index] = Some(Err(OpenError::Io { path: paths[index].clone(), what: "read", source }));
            }
            Ok(Event::Order(_, Ok(Some(Order::Beat { .. })))) => {}
            Ok(Event::Order(_, Ok(Some(_)))) => verdict = verdict.and(Err(GuardError::Early)),
            Ok(Event::Order(_, Ok(None)) | Event::Stop) => verdict = verdict.map(|_| false),
            Ok(Event::Order(_, Err(error))) => verdict = verdict.and(Err(error.into())),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    let stuck =
        |(result, path): (Option<Opening>, &PathBuf)| result.unwrap_or_else(|| Err(Port::stuck(path, OPEN_MAX)));
    (opened.into_iter().zip(paths).map(stuck).collect(), verdict)
}

/// A device that was quiet and now speaks unasked, while others are still being opened, is not to be trusted.
fn chatter(path: &Path) -> OpenError {
    OpenError::Io { path: path.to_owned(), what: "read", source: io::Error::other("it speaks unasked") }
}
