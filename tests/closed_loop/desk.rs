//! From poses to light, and everything that has to stand in between.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use vibrissa::output::event::Animals;
use vibrissa::stream::Origin;
use vibrissa::trigger::control::Command;
use vibrissa::trigger::trail::{Entry, Sealed, Verdict};
use zenoh::Wait;

use crate::alone;
use crate::device::{Manner, PATIENCE};
use crate::lab::{Camera, Detector, GATE, LONG, Lab, PULSE, SESSION, armed, cage, stream, until};

/// What a busy machine may add to a stated bound.
const SLACK: Duration = Duration::from_millis(400);

fn arm() -> Command {
    Command::Arm { session: SESSION.into() }
}

#[test]
fn an_armed_rule_lights_its_output_once_and_the_trail_says_all_of_it() {
    let _alone = alone();
    let (lab, detector, camera) = armed(PULSE, &[]);
    assert!(!lab.device.is_lit(1) && lab.device.on_times(1).is_empty());
    camera.come_near("a trigger", || lab.triggered() == 1);
    lab.device.await_line(0, "P 1 50000");
    let trigger = detector.triggers.recv_timeout(PATIENCE).unwrap();
    assert_eq!((trigger.trigger, trigger.rule.as_str(), trigger.session.as_str()), (1, "near", SESSION));
    let animals = Animals::Directed { agent: "animal0".into(), target: "animal1".into() };
    assert_eq!(trigger.animals, animals);
    until("the end of the pulse", || lab.sealed().iter().any(|entry| matches!(entry, Sealed::Off { .. })));
    let decision = lab.decisions().pop().unwrap();
    assert_eq!(decision.verdict, Verdict::Triggered { trigger: 1 });
    assert!(decision.capture_nanos.is_some() && decision.quantities[0].1 < 0.5 && decision.frame > 0, "{decision:?}");
    let printed = detector.end();
    assert!(printed.iter().all(|line| !line.contains("sham")), "{printed:?}");
    assert!(
        matches!(lab.entries()[0], Entry::Opened { .. }) && matches!(lab.entries()[1], Entry::Armed { run: 1, .. })
    );
    assert_eq!(lab.disarmed(), ["the session ends"]);
    assert_eq!(lab.device.heard().last().unwrap().line, "0");

    let trail = |more: &[&str]| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_vibrissa"));
        program.current_dir(lab.folder.path()).args(["trail", SESSION, "--sessions", "sessions"]).args(more);
        let output = program.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let blind = trail(&[]);
    assert!(blind.contains("near: 1 triggers") && !blind.contains("shams"), "{blind}");
    let told = trail(&["--unblind"]);
    assert!(told.contains("1 stimuli and 0 shams; outputs were on for 0.050 s in all"), "{told}");
    assert!(told.contains("the sealed key is the one that the session began with"), "{told}");
    assert!(trail(&[]).contains("unblinded before"));
}

/// From the first frame in which the animals are near to the command at the device: zenoh, network, decision, dose book,
/// guard and pseudo-terminal.
#[test]
fn the_way_from_pose_to_wire_is_short() {
    let _alone = alone();
    let (lab, _detector, camera) = armed(PULSE, &[]);
    let mut latencies = Vec::new();
    for _ in 0..20 {
        let skip = lab.device.heard().len();
        let (wall, monotonic) = (crate::lab::now_nanos(), Instant::now());
        camera.near(true);
        let heard = lab.device.await_line(skip, "P 1 50000").duration_since(monotonic).as_nanos() as i64;
        let neared = camera.neared_nanos.load(std::sync::atomic::Ordering::Relaxed) as i64;
        latencies.push(Duration::from_nanos((wall + heard - neared) as u64));
        camera.near(false);
        camera.pass(20);
    }
    latencies.sort();
    println!("pose put to command at the device: median {:?}, largest {:?}", latencies[10], latencies[19]);
    assert!(latencies[10] < Duration::from_millis(50) + SLACK);
}

#[test]
fn nothing_is_lit_before_arming_nor_after_disarming() {
    let _alone = alone();
    let lab = Lab::new(PULSE, &[]);
    let detector = Detector::start(&lab);
    let camera = Camera::live(&detector.rig, 1);
    detector.arm();
    camera.pass(15);
    assert!(detector.ask(&Command::Disarm).said.contains("disarmed"));
    camera.come_near("the refusal to be written", || lab.refused() == ["disarmed"]);
    assert!(lab.device.on_times(1).is_empty() && !lab.device.is_lit(1));
    assert_eq!(lab.disarmed(), ["asked for"]);
}

#[test]
fn a_stop_turns_everything_off_and_holds() {
    let _alone = alone();
    let (lab, detector, camera) = armed(LONG, &[]);
    camera.come_near("light", || lab.device.is_lit(1));
    let begin = Instant::now();
    detector.rig.put(cage().control(), Command::Stop { why: Some("hurt".into()) }.to_json()).wait().unwrap();
    until("darkness", || !lab.device.is_lit(1));
    println!("stop put to off: {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_millis(100) + SLACK);
    let reply = detector.ask(&arm());
    assert!(!reply.done && reply.said.contains("stopped (hurt)"), "{reply:?}");
    assert!(lab.entries().iter().any(|entry| matches!(entry, Entry::Stopped { why, .. } if why == "hurt")));
}

#[test]
fn a_gate_goes_off_when_the_rule_ends_and_when_frames_cease() {
    let _alone = alone();
    let (lab, _detector, mut camera) = armed(GATE, &[]);
    camera.come_near("light", || lab.device.is_lit(1));
    camera.near(false);
    until("darkness as the rule ends", || !lab.device.is_lit(1));
    camera.pass(15);
    camera.come_near("light again", || lab.device.is_lit(1));
    camera.stop();
    let begin = Instant::now();
    until("darkness without frames", || !lab.device.is_lit(1));
    println!("last frame to off: {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_millis(200) + SLACK);
}

#[test]
fn a_train_ends_when_frames_cease() {
    let _alone = alone();
    let train = "{ kind = \"train\", on_millis = 20, period_millis = 100, count = 200 }";
    let (lab, _detector, mut camera) = armed(train, &[]);
    camera.come_near("light", || lab.device.is_lit(1));
    camera.stop();
    let begin = Instant::now();
    until("the end of the train", || lab.sealed().iter().any(|entry| matches!(entry, Sealed::Off { .. })));
    println!("last frame to the end of a train: {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_millis(700) + SLACK);
    assert!(!lab.device.is_lit(1));
}

#[test]
fn another_session_of_the_rig_does_not_forget_what_this_one_gave() {
    let _alone = alone();
    let (lab, detector, camera) = armed(PULSE, &[("cage_millis = 300", "cage_millis = 600000")]);
    camera.come_near("light", || lab.triggered() == 1);
    camera.near(false);
    until("the end of the pulse", || lab.sealed().iter().any(|entry| matches!(entry, Sealed::Off { .. })));
    assert!(detector.ask(&Command::Disarm).done);
    camera.pass(15);
    let reply = detector.ask(&Command::Arm { session: "other".into() });
    assert!(reply.done, "{reply:?}");
    let other = vibrissa::trigger::trail::paths(&lab.path("sessions"), "other");
    let refused = || {
        let entries: Vec<Entry> = vibrissa::trigger::trail::read(&other[0]).unwrap_or_default();
        entries.iter().any(|entry| {
            let Entry::Decision(decision) = entry else { return false };
            matches!(&decision.verdict, Verdict::Refused { cause, .. } if cause == "cage_refractory")
        })
    };
    camera.come_near("the refusal to be written", refused);
    assert_eq!(lab.device.on_times(1).len(), 1);
}

#[test]
fn another_model_disarms() {
    let _alone = alone();
    let (lab, detector, _camera) = armed(PULSE, &[]);
    let card = crate::world::card(&[0]);
    vibrissa::model::bundle::save(&lab.path("model"), &card, crate::world::weights(&card, 6)).unwrap();
    kill_process(Pid::from_child(&detector.child), Signal::HUP).unwrap();
    until("the disarming", || lab.disarmed() == ["another model"]);
    let mut reply = detector.ask(&arm());
    until("frames", || {
        reply = detector.ask(&arm());
        !reply.said.contains("expected frames")
    });
    assert!(!reply.done && reply.said.contains("the permit is of another model"), "{reply:?}");
}

#[test]
fn what_tells_stimuli_from_shams_only_its_owner_reads() {
    use std::os::unix::fs::PermissionsExt;
    let _alone = alone();
    let (lab, detector, _camera) = armed(PULSE, &[]);
    for name in ["test.sealed.jsonl", "test.doses.jsonl"] {
        let mode = std::fs::metadata(lab.path("sessions").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(detector);
}

#[test]
fn a_killed_detector_leaves_everything_off_and_its_successor_is_disarmed_and_remembers() {
    let _alone = alone();
    let (lab, mut detector, mut camera) = armed(LONG, &[("count_per_session_max = 100", "count_per_session_max = 2")]);
    camera.come_near("light", || lab.device.is_lit(1));
    let begin = Instant::now();
    detector.child.kill().unwrap();
    until("darkness", || !lab.device.is_lit(1));
    println!("SIGKILL of the detector to off: {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_millis(100) + SLACK);
    detector.child.wait().unwrap();
    camera.stop();
    lab.device.disclaim();

    let successor = Detector::start(&lab);
    let camera = Camera::live(&successor.rig, 2);
    let said = successor.ask(&Command::Tell).said;
    assert_eq!(said, "nothing was armed yet");
    successor.arm();
    camera.pass(15);
    camera.near(true);
    // The killed stimulus counts in full, and so does what was reserved: two of two.
    until("the refusal to be written", || !lab.refused().is_empty());
    assert!(lab.refused().contains(&"dose".to_owned()) && lab.triggered() == 1, "{:?}", lab.refused());
}

#[test]
fn a_killed_guard_disarms_and_another_one_drives_everything_off() {
    let _alone = alone();
    let (lab, detector, camera) = armed(GATE, &[]);
    camera.come_near("light", || lab.device.is_lit(1));
    let (skip, begin) = (lab.device.heard().len(), Instant::now());
    kill_process(Pid::from_raw(detector.guard() as i32).unwrap(), Signal::KILL).unwrap();
    lab.device.disclaim();
    lab.device.await_line(skip, "0");
    println!("SIGKILL of the guard to off by the next one: {:?}", begin.elapsed());
    until("darkness", || !lab.device.is_lit(1));
    until("the disarming", || lab.disarmed().iter().any(|why| why.contains("the guard ended")));
    camera.near(false);
    detector.arm();
}

#[test]
fn a_device_that_is_unplugged_disarms() {
    let _alone = alone();
    let (mut lab, detector, camera) = armed(PULSE, &[]);
    lab.device.unplug();
    camera.come_near("the disarming", || lab.disarmed().iter().any(|why| why.contains("laser failed")));
    let reply = detector.ask(&arm());
    assert!(!reply.done, "{reply:?}");
    camera.near(false);
}

#[test]
fn a_device_that_does_not_answer_disarms() {
    let _alone = alone();
    let (lab, _detector, camera) = armed(PULSE, &[]);
    lab.device.behave(Manner::Deaf);
    camera.come_near("the disarming", || lab.disarmed().iter().any(|why| why.contains("laser failed")));
    assert!(lab.device.on_times(1).is_empty());
}

#[test]
fn a_second_publisher_and_a_replay_on_the_key_disarm() {
    let _alone = alone();
    let (lab, detector, camera) = armed(PULSE, &[]);
    let other = Camera::live(&detector.rig, 2);
    until("the disarming", || lab.disarmed() == ["another publisher"]);
    camera.near(true);
    camera.pass(10);
    camera.near(false);
    drop(other);
    camera.pass(15);
    detector.arm();
    let replay = Camera::start(&detector.rig, 3, &stream(Origin::Replay, Some("unix")), 0);
    until("the second disarming", || lab.disarmed().len() >= 2);
    camera.near(true);
    camera.pass(10);
    drop(replay);
    assert!(lab.device.on_times(1).is_empty() && lab.triggered() == 0);
}

#[test]
fn frames_of_the_future_of_no_known_age_and_replays_are_not_armed() {
    let _alone = alone();
    for (stream, ahead_millis, why) in [
        (stream(Origin::Live, None), 0, "the age of frames is not known"),
        (stream(Origin::Live, Some("unix")), 5_000, "the age of frames is not known"),
        (stream(Origin::Replay, Some("unix")), 0, "the frames are not live"),
    ] {
        let lab = Lab::new(PULSE, &[]);
        let detector = Detector::start(&lab);
        let _camera = Camera::start(&detector.rig, 1, &stream, ahead_millis);
        let mut said = String::new();
        until("frames", || {
            said = detector.ask(&arm()).said;
            !said.contains("expected frames")
        });
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn without_a_permit_of_this_plan_model_and_rig_nothing_is_armed() {
    let _alone = alone();
    let lab = Lab::new(PULSE, &[]);
    let said = |lab: &Lab, more: &[&str]| {
        let detector = Detector::start_with(lab, more);
        let _camera = Camera::live(&detector.rig, 1);
        let mut reply = detector.ask(&arm());
        until("frames", || {
            reply = detector.ask(&arm());
            !reply.said.contains("expected frames")
        });
        assert!(!reply.done, "{reply:?}");
        reply.said
    };
    assert!(said(&lab, &[]).contains("expected a permit"));
    let permit = ["--permit", "permit.json"];
    lab.permit(|permit| permit.model = "other".into());
    assert!(said(&lab, &permit).contains("the permit is of another model"));
    lab.permit(|permit| permit.rules[0].false_per_hour = 10.1);
    assert!(said(&lab, &permit).contains("found 10.1 false triggers an hour, expected at most 10"));
    lab.permit(|permit| permit.rules.clear());
    assert!(said(&lab, &permit).contains("rule near: expected in the rehearsal"));
}

#[test]
fn a_session_whose_files_cannot_be_written_is_not_armed() {
    let _alone = alone();
    let lab = Lab::new(PULSE, &[]);
    std::fs::write(lab.path("sessions"), "a file where a folder belongs").unwrap();
    let detector = Detector::start(&lab);
    let _camera = Camera::live(&detector.rig, 1);
    let mut reply = detector.ask(&arm());
    until("frames", || {
        reply = detector.ask(&arm());
        !reply.said.contains("expected frames")
    });
    assert!(!reply.done && reply.said.contains("sessions"), "{reply:?}");
}

#[test]
fn shams_light_nothing_and_only_the_sealed_file_knows() {
    let _alone = alone();
    let (lab, detector, camera) =
        armed(PULSE, &[("false_per_hour_max = 10.0", "sham_share = 1.0\nfalse_per_hour_max = 10.0")]);
    camera.come_near("a trigger", || lab.triggered() == 1);
    detector.triggers.recv_timeout(PATIENCE).unwrap();
    assert!(lab.sealed().iter().any(|entry| matches!(entry, Sealed::Arm { sham: true, .. })));
    detector.end();
    assert!(
        lab.device.on_times(1).is_empty() && lab.device.heard().iter().all(|heard| !heard.line.starts_with("P 1 5"))
    );
}

#[test]
fn a_rule_rests_outside_of_its_phases() {
    let _alone = alone();
    let (lab, detector, camera) =
        armed(PULSE, &[("output = \"laser\"", "phases = [\"baseline\"]\noutput = \"laser\"")]);
    camera.come_near("the refusal to be written", || lab.refused() == ["phase"]);
    camera.near(false);
    assert!(!detector.ask(&Command::Mark { name: "lunch".into() }).done);
    assert_eq!(detector.ask(&Command::Mark { name: "baseline".into() }).said, "phase baseline");
    camera.pass(10);
    camera.come_near("a trigger", || lab.triggered() == 1);
    lab.device.await_line(0, "P 1 50000");
}
