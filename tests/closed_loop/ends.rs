//! Every way in which a detector or a guard can end, and how soon the devices are off.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use vibrissa::guard::wire::{WIRE_VERSION, line_of};
use vibrissa::guard::{Cause, Guard, Order, Refusal, Report};

use crate::alone;
use crate::device::{Device, PATIENCE};
use crate::guard::{
    SILENCE, expect_off, expect_on, expect_refused, guard_of, hold, next, outputs, program, pulse, vibrissa,
};

const REPEATS: usize = 20;
/// What a busy machine may add to a stated bound.
const SLACK: Duration = Duration::from_millis(400);

const STAND_IN: &str = "VIBRISSA_STAND_IN";

/// Not a test of its own: the detector that other tests start as a process and kill. It renews a hold for ever.
#[test]
fn stand_in_detector() {
    let Ok(table) = std::env::var(STAND_IN) else { return };
    let guard = guard_of(&[("laser", table)]);
    let mut id = 1;
    loop {
        guard.order(hold(id, "laser", 1000)).unwrap();
        match guard.reports().recv_timeout(Duration::from_millis(100)) {
            Ok(Report::Off { .. }) => id += 1,
            Ok(Report::Silence { .. }) => return,
            _ => {}
        }
    }
}

struct StandIn(Child);

impl StandIn {
    /// A detector whose light is on.
    fn start(device: &Device) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["ends::stand_in_detector", "--exact", "--nocapture"]).stdout(Stdio::null());
        let skip = device.heard().len();
        let detector = Self(command.env(STAND_IN, vibrissa(device, 1)).spawn().unwrap());
        device.await_line(skip, "P 1 ");
        assert!(device.is_lit(1));
        detector
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// From the signal to the device's off, again and again.
fn latencies(signal: Signal) -> Vec<Duration> {
    let device = Device::start(1000);
    let mut latencies: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let detector = StandIn::start(&device);
            let skip = device.heard().len();
            let begin = Instant::now();
            detector.signal(signal);
            let off = device.await_line(skip, "0");
            assert!(!device.is_lit(1));
            drop(detector);
            // The guard ends after its last off; the next one must find the device free.
            device.disclaim();
            off.duration_since(begin)
        })
        .collect();
    latencies.sort();
    println!(
        "{signal:?} to off at the device: median {:?}, max {:?} of {REPEATS}",
        latencies[REPEATS / 2],
        latencies[REPEATS - 1]
    );
    latencies
}

#[test]
fn a_killed_detector_leaves_everything_off_within_100_ms() {
    let _alone = alone();
    let latencies = latencies(Signal::KILL);
    // The end of the pipe says it, before the silence could: that takes 75 ms at least.
    assert!(latencies[REPEATS / 2] <= Duration::from_millis(60), "{latencies:?}");
    let bound = Duration::from_millis(100);
    assert!(latencies[REPEATS - 1] <= bound + SLACK, "{latencies:?}");
}

#[test]
fn a_stopped_detector_leaves_everything_off_within_the_silence() {
    let _alone = alone();
    let latencies = latencies(Signal::STOP);
    // Shorter than the lease: it is the silence that ends the hold.
    assert!(latencies[REPEATS - 1] <= SILENCE + SLACK, "{latencies:?}");
}

#[test]
fn a_killed_guard_leaves_the_device_to_its_watchdog_and_a_new_one_drives_off_first() {
    let _alone = alone();
    let device = Device::start(300);
    let tables = [("laser", vibrissa(&device, 1))];
    let guard = guard_of(&tables);
    guard.order(hold(1, "laser", 1000)).unwrap();
    expect_on(&guard, 1);
    kill_process(Pid::from_raw(guard.pid() as i32).unwrap(), Signal::KILL).unwrap();
    let begin = Instant::now();
    assert!(guard.reports().recv_timeout(PATIENCE).is_err(), "the reports end with the guard");
    while device.is_lit(1) {
        assert!(begin.elapsed() < Duration::from_millis(300) + SLACK, "the watchdog never barked");
        std::thread::yield_now();
    }
    assert!(!guard.close().unwrap().success());
    device.disclaim();
    let skip = device.heard().len();
    let guard = guard_of(&tables);
    let heard: Vec<String> = device.heard().into_iter().skip(skip).map(|heard| heard.line).take(3).collect();
    assert_eq!(heard, ["", "0", "V"]);
    guard.order(pulse(1, "laser", 5)).unwrap();
    expect_on(&guard, 1);
}

#[test]
fn a_closed_guard_is_off_and_gone() {
    let _alone = alone();
    let device = Device::start(1000);
    let guard = guard_of(&[("laser", vibrissa(&device, 1))]);
    guard.order(hold(1, "laser", 1000)).unwrap();
    expect_on(&guard, 1);
    let reports = guard.reports().clone();
    assert!(guard.close().unwrap().success());
    assert!(!device.is_lit(1));
    let last: Vec<Report> = reports.iter().collect();
    assert!(matches!(&last[..], [Report::Off { id: 1, cause: Cause::Pipe, .. }]), "{last:?}");
}

/// A guard that is spoken to by hand.
struct ByHand {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl ByHand {
    fn start(device: &Device) -> Self {
        let mut child = program().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut guard = Self { child, stdin, stdout };
        let outputs = outputs(&[("laser", vibrissa(device, 1))]);
        guard.say(&line_of(&Order::Hello { version: WIRE_VERSION, outputs, silence_millis: 100 }));
        assert!(matches!(guard.report(), Report::Ready { .. }));
        guard
    }

    fn say(&mut self, line: &[u8]) {
        self.stdin.write_all(line).unwrap();
    }

    fn report(&mut self) -> Report {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn light_up(&mut self) {
        self.say(&line_of(&hold(1, "laser", 1000)));
        let report = self.report();
        assert!(matches!(report, Report::On { .. }), "{report:?}");
    }
}

#[test]
fn a_line_that_is_no_order_turns_everything_off_and_ends_the_guard() {
    let _alone = alone();
    let device = Device::start(1000);
    let endless = vec![b' '; 20_000];
    let early = line_of(&Order::Hello { version: WIRE_VERSION, outputs: outputs(&[]), silence_millis: 100 });
    for garbage in [&b"garbage\n"[..], b"\xff\xfe\n", b"{\"type\":\"pulse\"}\n", &endless, &early] {
        let mut guard = ByHand::start(&device);
        guard.light_up();
        guard.say(garbage);
        let report = guard.report();
        assert!(matches!(report, Report::Off { cause: Cause::Pipe, .. }), "{report:?}");
        assert!(!device.is_lit(1));
        assert!(!guard.child.wait().unwrap().success());
        device.disclaim();
    }
}

#[test]
fn a_guard_that_is_told_to_end_turns_everything_off_first() {
    let _alone = alone();
    let device = Device::start(1000);
    let mut guard = ByHand::start(&device);
    guard.light_up();
    kill_process(Pid::from_child(&guard.child), Signal::TERM).unwrap();
    let report = guard.report();
    assert!(matches!(report, Report::Off { cause: Cause::Stop, .. }), "{report:?}");
    assert!(!device.is_lit(1) && guard.child.wait().unwrap().success());
}

#[test]
fn silence_without_an_end_turns_everything_off_for_good() {
    let _alone = alone();
    let device = Device::start(1000);
    let mut guard = ByHand::start(&device);
    guard.light_up();
    let report = guard.report();
    assert!(matches!(report, Report::Silence { silence_millis: 100 }), "{report:?}");
    let report = guard.report();
    assert!(matches!(report, Report::Off { cause: Cause::Silence, .. }), "{report:?}");
    assert!(!device.is_lit(1));
    guard.say(&line_of(&Order::Beat { number: 1 }));
    assert!(matches!(guard.report(), Report::Beat { number: 1 }));
    guard.say(&line_of(&pulse(2, "laser", 5)));
    let report = guard.report();
    assert!(matches!(report, Report::Refused { id: 2, reason: Refusal::Silence, .. }), "{report:?}");
    drop(guard.stdin);
    assert!(guard.child.wait().unwrap().success());
}

#[test]
fn a_detector_that_does_not_read_cannot_keep_anything_on() {
    let _alone = alone();
    let device = Device::start(1000);
    let mut guard = ByHand::start(&device);
    guard.light_up();
    let skip = device.heard().len();
    let begin = Instant::now();
    let mut number = 0;
    // Each refusal is a report; the guard ends before there is no more room for any.
    while guard.stdin.write_all(&line_of(&pulse(1, "lamp", 1))).is_ok() && begin.elapsed() < PATIENCE {
        number += 1;
        if number % 50 == 0 && guard.stdin.write_all(&line_of(&Order::Beat { number })).is_err() {
            break;
        }
    }
    assert!(begin.elapsed() < PATIENCE, "the guard took orders for ever");
    device.await_line(skip, "0");
    assert!(!device.is_lit(1) && !guard.child.wait().unwrap().success());
}

#[test]
fn a_guard_that_is_stopped_is_known_by_its_beats() {
    let _alone = alone();
    let device = Device::start(1000);
    let guard = guard_of(&[("laser", vibrissa(&device, 1))]);
    guard.order(pulse(1, "laser", 5)).unwrap();
    expect_on(&guard, 1);
    expect_off(&guard, 1, Cause::Done);
    let pid = Pid::from_raw(guard.pid() as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let begin = Instant::now();
    // It may have heard a beat that it did not answer any more.
    while guard.beat_age() < 2 * SILENCE {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    // The caller is never held up, however full the pipe is.
    let begin = Instant::now();
    while guard.order(pulse(2, "laser", 1)).is_ok() {
        assert!(begin.elapsed() < PATIENCE, "orders are taken for ever");
    }
    kill_process(pid, Signal::CONT).unwrap();
    // What waited in the pipe is old, and not done.
    let report = next(&guard);
    assert!(matches!(report, Report::Silence { .. }), "{report:?}");
    assert_eq!(expect_refused(&guard, 2), Refusal::Silence);
    assert_eq!(device.on_times(1).len(), 1);
}

#[test]
fn a_program_that_is_no_guard_is_an_error() {
    let _alone = alone();
    let device = Device::start(1000);
    let outputs = outputs(&[("laser", vibrissa(&device, 1))]);
    assert!(Guard::start(Command::new("/nonexistent/guard"), &outputs, SILENCE).is_err());
    let mut echo = Command::new("sh");
    echo.args(["-c", "echo hello"]);
    let error = Guard::start(echo, &outputs, SILENCE).unwrap_err();
    assert!(error.to_string().contains("its end"), "{error}");
    assert!(device.heard().is_empty());
}
