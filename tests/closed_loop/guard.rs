//! The guard as a process, with devices at real pseudo-terminals and detectors that die.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::alone;
use crate::device::{Device, Manner, PATIENCE};
use vibrissa::guard::{Cause, Guard, HandleError, Order, OutputSpec, Refusal, Report};

pub const SILENCE: Duration = Duration::from_millis(100);

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vibrissa"));
    command.arg("guard");
    command
}

/// An output of protocol "vibrissa" that may be on for 2 s. Where lateness is not what is tested, a device has time.
pub fn vibrissa(device: &Device, channel: u8) -> String {
    format!(
        "kind = 'serial'\ndevice = '{}'\nprotocol = 'vibrissa'\nbounded_by = 'device'\nchannel = {channel}\n\
         on_time_max_millis = 2000\nreply_millis_max = 1000\n",
        device.path.display()
    )
}

pub fn outputs(tables: &[(&str, String)]) -> BTreeMap<String, OutputSpec> {
    tables.iter().map(|(name, table)| ((*name).to_owned(), toml::from_str(table).unwrap())).collect()
}

pub fn guard_of(tables: &[(&str, String)]) -> Guard {
    Guard::start(program(), &outputs(tables), SILENCE).unwrap()
}

pub fn pulse(id: u64, output: &str, on_millis: u64) -> Order {
    Order::Pulse { id, output: output.to_owned(), on_millis }
}

pub fn hold(id: u64, output: &str, lease_millis: u64) -> Order {
    Order::Hold { id, output: output.to_owned(), lease_millis }
}

#[track_caller]
pub fn next(guard: &Guard) -> Report {
    guard.reports().recv_timeout(PATIENCE).unwrap()
}

#[track_caller]
pub fn expect_on(guard: &Guard, expected: u64) {
    let report = next(guard);
    assert!(matches!(&report, Report::On { id, .. } if *id == expected), "on of {expected}, got {report:?}");
}

#[track_caller]
pub fn expect_off(guard: &Guard, expected: u64, expected_cause: Cause) -> Duration {
    match next(guard) {
        Report::Off { id, cause, on_micros, .. } if (id, cause) == (expected, expected_cause) => {
            Duration::from_micros(on_micros)
        }
        report => panic!("off of {expected} by {expected_cause:?}, got {report:?}"),
    }
}

#[track_caller]
fn expect_fault(guard: &Guard, expected: &str, expected_id: Option<u64>) -> String {
    match next(guard) {
        Report::Fault { output, id, reason } if (output.as_str(), id) == (expected, expected_id) => reason,
        report => panic!("fault of {expected:?}, got {report:?}"),
    }
}

#[track_caller]
pub fn expect_refused(guard: &Guard, expected: u64) -> Refusal {
    match next(guard) {
        Report::Refused { id, reason, .. } if id == expected => reason,
        report => panic!("refusal of {expected}, got {report:?}"),
    }
}

#[test]
fn everything_is_driven_off_before_the_device_is_known() {
    let _alone = alone();
    let device = Device::start(500);
    let guard = guard_of(&[("laser", vibrissa(&device, 1)), ("ttl", vibrissa(&device, 2))]);
    let heard: Vec<String> = device.heard().into_iter().map(|heard| heard.line).take(3).collect();
    assert_eq!(heard, ["", "0", "V"]);
    let ready = &guard.outputs()["laser"];
    assert_eq!((ready.firmware.as_str(), ready.watchdog_millis), ("VIBRISSA 1", Some(500)));
    assert!(guard.close().unwrap().success());
    assert_eq!(device.heard().last().unwrap().line, "0", "and again at the end");
}

#[test]
fn a_pulse_is_one_command_that_the_device_times() {
    let _alone = alone();
    let device = Device::start(1000);
    let guard = guard_of(&[("laser", vibrissa(&device, 3))]);
    guard.order(pulse(1, "laser", 30)).unwrap();
    expect_on(&guard, 1);
    assert_eq!(expect_off(&guard, 1, Cause::Done), Duration::from_millis(30));
    device.await_line(0, "P 3 30000");
    device.await_line(0, "P 3 0");
    // A device that hears both late, at once, is on for less.
    assert!(device.on_times(3).len() == 1 && device.on_times(3)[0] <= Duration::from_millis(30));
    guard.order(pulse(1, "laser", 30)).unwrap();
    assert_eq!(expect_refused(&guard, 1), Refusal::Ended { last: 1 });
    guard.order(pulse(2, "laser", 2001)).unwrap();
    assert!(matches!(expect_refused(&guard, 2), Refusal::Range { max: 2000, got: 2001, .. }));
    guard.order(pulse(2, "lamp", 1)).unwrap();
    assert_eq!(expect_refused(&guard, 2), Refusal::Unknown);
}

#[test]
fn heartbeats_keep_a_pulse_on_that_is_longer_than_the_watchdog() {
    let _alone = alone();
    let device = Device::start(300);
    let guard = guard_of(&[("laser", vibrissa(&device, 1))]);
    guard.order(pulse(1, "laser", 900)).unwrap();
    expect_on(&guard, 1);
    expect_off(&guard, 1, Cause::Done);
    assert!(device.on_times(1).iter().sum::<Duration>() > Duration::from_millis(800), "the watchdog barked");
}

#[test]
fn a_train_is_so_many_pulses() {
    let _alone = alone();
    let device = Device::start(1000);
    let guard = guard_of(&[("laser", vibrissa(&device, 1))]);
    let output = "laser".to_owned();
    guard.order(Order::Train { id: 1, output, on_millis: 5, period_millis: 50, count: 8 }).unwrap();
    expect_on(&guard, 1);
    guard.order(pulse(2, "laser", 5)).unwrap();
    assert_eq!(expect_refused(&guard, 2), Refusal::Busy { by: 1 });
    assert_eq!(expect_off(&guard, 1, Cause::Done), Duration::from_millis(40));
    let onsets: Vec<_> = device.heard().into_iter().filter(|heard| heard.line == "P 1 5000").collect();
    assert_eq!(onsets.len(), 8);
    assert!(device.on_times(1).iter().sum::<Duration>() <= Duration::from_millis(40));
    // Pulses may be late on a busy machine, never early by more than a late first one.
    assert!(onsets[7].at.duration_since(onsets[0].at) > Duration::from_millis(7 * 50 - 40));
}

#[test]
fn outputs_of_one_device_are_apart() {
    let _alone = alone();
    let device = Device::start(1000);
    let guard = guard_of(&[("laser", vibrissa(&device, 1)), ("ttl", vibrissa(&device, 2))]);
    guard.order(hold(1, "laser", 1000)).unwrap();
    expect_on(&guard, 1);
    guard.order(hold(1, "ttl", 1000)).unwrap();
    expect_on(&guard, 1);
    guard.order(Order::Release { id: 1, output: "laser".to_owned() }).unwrap();
    expect_off(&guard, 1, Cause::Released);
    assert!(!device.is_lit(1) && device.is_lit(2));
    guard.order(Order::AllOff).unwrap();
    expect_off(&guard, 1, Cause::Stop);
    assert!(!device.is_lit(2));
}

#[test]
fn a_hold_ends_with_its_lease_and_at_the_maximum() {
    let _alone = alone();
    let device = Device::start(1000);
    let table = vibrissa(&device, 1).replace("2000", "400");
    let guard = guard_of(&[("laser", table)]);
    guard.order(hold(1, "laser", 60)).unwrap();
    expect_on(&guard, 1);
    assert!(expect_off(&guard, 1, Cause::Lease) <= Duration::from_millis(60));
    assert!(!device.is_lit(1));
    guard.order(hold(2, "laser", 300)).unwrap();
    expect_on(&guard, 2);
    // Renewed for ever, it ends all the same; what is too late for it is refused.
    let begin = Instant::now();
    let on_time = loop {
        assert!(begin.elapsed() < PATIENCE, "it never ended");
        let _ = guard.order(hold(2, "laser", 300));
        match guard.reports().recv_timeout(Duration::from_millis(20)) {
            Ok(Report::Off { cause: Cause::OnTimeMax, on_micros, .. }) => break Duration::from_micros(on_micros),
            Err(_) | Ok(Report::Refused { reason: Refusal::Ended { last: 2 }, .. }) => {}
            Ok(report) => panic!("{report:?}"),
        }
    };
    assert!(on_time <= Duration::from_millis(400 + 50), "on for {on_time:?}");
    assert!(!device.is_lit(1));
    // The device had to be told at most 400 ms in all, whenever that was.
    assert!(device.on_times(1)[1] <= Duration::from_millis(400 + 50));
}

#[test]
fn a_device_that_is_unplugged_is_a_fault_and_refused() {
    let _alone = alone();
    let mut device = Device::start(1000);
    let guard = guard_of(&[("laser", vibrissa(&device, 1)), ("ttl", vibrissa(&device, 2))]);
    guard.order(hold(1, "laser", 1000)).unwrap();
    expect_on(&guard, 1);
    device.unplug();
    expect_fault(&guard, "laser", Some(1));
    expect_fault(&guard, "ttl", None);
    for output in ["laser", "ttl"] {
        guard.order(pulse(2, output, 1)).unwrap();
        assert!(matches!(expect_refused(&guard, 2), Refusal::Fault { .. }));
    }
    assert!(guard.close().unwrap().success());
}

#[test]
fn a_device_that_does_not_answer_is_a_fault_while_another_works() {
    let _alone = alone();
    let (stalled, well) = (Device::start(1000), Device::start(1000));
    let late = vibrissa(&stalled, 1).replace("reply_millis_max = 1000", "reply_millis_max = 100");
    let guard = guard_of(&[("laser", late), ("ttl", vibrissa(&well, 1))]);
    guard.order(hold(1, "ttl", 1000)).unwrap();
    expect_on(&guard, 1);
    stalled.behave(Manner::Deaf);
    let heard = stalled.heard().len();
    let begin = Instant::now();
    guard.order(pulse(1, "laser", 500)).unwrap();
    guard.order(Order::Release { id: 1, output: "ttl".to_owned() }).unwrap();
    expect_off(&guard, 1, Cause::Released);
    assert!(!well.is_lit(1));
    let reason = expect_fault(&guard, "laser", Some(1));
    assert!(reason.contains("within 100 ms"), "{reason}");
    assert!(begin.elapsed() < Duration::from_millis(100 + 400), "the fault came after {:?}", begin.elapsed());
    stalled.await_line(heard, "0");
    guard.order(pulse(2, "ttl", 5)).unwrap();
    expect_on(&guard, 2);
    expect_off(&guard, 2, Cause::Done);
}

#[test]
fn a_device_that_takes_no_bytes_holds_nothing_up_and_hears_off_first() {
    let _alone = alone();
    let (full, well) = (Device::start(1000), Device::start(1000));
    let guard = guard_of(&[("laser", vibrissa(&full, 1)), ("ttl", vibrissa(&well, 1))]);
    full.flow(false);
    let heard = full.heard().len();
    guard.order(pulse(1, "laser", 500)).unwrap();
    let reason = expect_fault(&guard, "laser", Some(1));
    assert!(reason.contains("to be taken at once, got 0"), "{reason}");
    guard.order(pulse(1, "ttl", 5)).unwrap();
    expect_on(&guard, 1);
    expect_off(&guard, 1, Cause::Done);
    full.flow(true);
    full.await_line(heard, "0");
    assert!(full.on_times(1).is_empty(), "it was on");
}

#[test]
fn an_echo_of_something_else_is_a_fault() {
    let _alone = alone();
    let device = Device::start(1000);
    let guard = guard_of(&[("laser", vibrissa(&device, 1))]);
    device.behave(Manner::Wrong);
    let heard = device.heard().len();
    guard.order(pulse(1, "laser", 1000)).unwrap();
    let reason = expect_fault(&guard, "laser", Some(1));
    assert!(reason.contains("P 1 10000009"), "{reason}");
    device.await_line(heard, "0");
    guard.order(pulse(2, "laser", 5)).unwrap();
    assert!(matches!(expect_refused(&guard, 2), Refusal::Fault { .. }));
}

#[test]
fn a_device_whose_watchdog_does_not_bound_is_refused() {
    let _alone = alone();
    for watchdog_millis in [0, 5000] {
        let device = Device::start(watchdog_millis);
        let error = Guard::start(program(), &outputs(&[("laser", vibrissa(&device, 1))]), SILENCE).unwrap_err();
        let HandleError::NotReady { got, .. } = &error else { panic!("{error}") };
        assert!(got.contains("expected a watchdog of 50 to 1000 ms"), "{got}");
    }
}

#[test]
fn a_device_that_never_answers_is_not_ready_and_others_are_driven_off() {
    let _alone = alone();
    let (deaf, well) = (Device::start(1000), Device::start(1000));
    deaf.behave(Manner::Deaf);
    let tables = [("laser", vibrissa(&deaf, 1)), ("ttl", vibrissa(&well, 1))];
    let error = Guard::start(program(), &outputs(&tables), SILENCE).unwrap_err();
    assert!(error.to_string().contains("within 4000 ms, got \"\""), "{error}");
    deaf.await_line(0, "0");
    well.await_line(0, "0");
}

#[test]
fn a_device_has_one_guard() {
    let _alone = alone();
    let device = Device::start(1000);
    let tables = [("laser", vibrissa(&device, 1))];
    let first = guard_of(&tables);
    // Whoever may claim it all the same must still not drive it.
    device.disclaim();
    let error = Guard::start(program(), &outputs(&tables), SILENCE).unwrap_err();
    assert!(error.to_string().contains("another process holds it"), "{error}");
    first.order(pulse(1, "laser", 5)).unwrap();
    expect_on(&first, 1);
}

#[test]
fn plain_bytes_are_timed_by_the_guard() {
    let _alone = alone();
    let device = Device::start(0);
    let table = |reply: &str| {
        format!(
            "kind = 'serial'\ndevice = '{}'\nprotocol = 'bytes'\nbounded_by = 'guard'\non_time_max_millis = 200\n\
             on = \"1\\n\"\noff = \"0\\n\"\n{reply}",
            device.path.display()
        )
    };
    // What is no command of the simulated device is noted and not answered.
    let guard = guard_of(&[("lamp", table(""))]);
    let heard = device.heard().len();
    guard.order(pulse(1, "lamp", 40)).unwrap();
    expect_on(&guard, 1);
    let on_time = expect_off(&guard, 1, Cause::Done);
    assert!(on_time >= Duration::from_millis(40), "on for {on_time:?}");
    device.await_line(heard, "1");
    device.await_line(heard, "0");
    assert!(guard.close().unwrap().success());
    device.disclaim();
    // It answers off, and so is ready; but not on.
    let guard = guard_of(&[("lamp", table("reply = \"0\\r\\n\""))]);
    guard.order(pulse(1, "lamp", 200)).unwrap();
    assert!(expect_fault(&guard, "lamp", Some(1)).contains("within 100 ms"));
}
