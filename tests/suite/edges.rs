//! Faults of rigs, machines and people, over real zenoh: each is said or counted, none makes a wrong event.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam::channel::{Receiver, bounded, unbounded};
use vibrissa::acquire::description;
use vibrissa::acquire::wire::{Content, ENCODING_BINARY, ENCODING_JSON, Encoding, Packet, Shape};
use vibrissa::keys::{CAGES_MAX, CageName, Rigs};
use vibrissa::live::publisher::{Play, play};
use vibrissa::live::session::{Endpoints, Patience};
use vibrissa::model::bundle;
use vibrissa::output::event::Event;
use vibrissa::poses::Keypoint;
use vibrissa::stream::{Origin, StreamDescription};
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

use crate::live::{Bench, DELAYS, Program, SEED, cage, frames, heard_state, until};
use crate::world;

fn live_stream(clock: Option<&str>) -> StreamDescription {
    let stream = world::stream(2);
    let (skeleton, individuals) = (stream.skeleton().clone(), stream.individuals().to_vec());
    let clock = clock.map(str::to_owned);
    StreamDescription::new(skeleton, individuals, 30.0, world::BODY_LENGTH_PX, clock, Origin::Live).unwrap()
}

/// A live rig that publishes what it is told, by the number, at any time.
struct Camera<'a> {
    bench: &'a Bench,
    cage: CageName,
    run: Option<u32>,
}

impl<'a> Camera<'a> {
    fn new(bench: &'a Bench, name: &str, run: Option<u32>, clock: Option<&str>) -> Self {
        let cage = CageName::new("rig1", name).unwrap();
        let poses = bench.rig.declare_publisher(cage.pose()).wait().unwrap();
        until("the detector to subscribe", || poses.matching_status().wait().unwrap().matching());
        bench.put(&cage.stream(), ENCODING_JSON, description::encode(&live_stream(clock)));
        Self { bench, cage, run }
    }

    fn put(&self, number: u64, capture_nanos: Option<i64>) {
        let mut frame = world::frame(2, number, SEED);
        frame.capture_nanos = capture_nanos;
        let content = Content::Frame { shape: Shape { individuals: 2, keypoints: 5 }, frame };
        let packet = Packet { stream: None, run: self.run, lossless: false, content };
        self.bench.put(&self.cage.pose(), ENCODING_BINARY, packet.encode(Encoding::Binary));
    }

    fn counts(&self) -> vibrissa::live::tally::Counts {
        self.bench.detector.tallies().counts(&self.cage)
    }

    /// Puts a frame and waits until it is judged.
    fn put_and_see(&self, number: u64) {
        let before = self.counts();
        self.put(number, None);
        until("a frame to be judged", || {
            let now = self.counts();
            now.frames + now.refused_in_all() + now.displaced
                > before.frames + before.refused_in_all() + before.displaced
        });
    }
}

fn wall_nanos() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

/// Lets time pass at the pace of a camera.
fn pause(duration: Duration) {
    let _ = crossbeam::channel::never::<()>().recv_timeout(duration);
}

#[test]
fn a_flood_is_refused_and_costs_the_neighbour_nothing() {
    let bench = Bench::new(|_| {});
    let (flood, calm) = (Camera::new(&bench, "flood", None, None), Camera::new(&bench, "calm", None, None));
    for number in 0..6000 {
        flood.put(number, None);
        if number % 100 == 0 {
            calm.put_and_see(number / 100);
        }
    }
    let judged = || {
        let counts = flood.counts();
        counts.frames + counts.refused_in_all() + counts.displaced
    };
    until("all to be judged", || judged() == 6000);
    let (counts, calm) = (flood.counts(), calm.counts());
    assert_eq!((calm.frames, calm.displaced, calm.refused_in_all()), (60, 0, 0));
    assert!(counts.ticks < 1024 + 120 * 30 + 512, "{counts:?}");
    assert!(counts.refused.get("flood").copied().unwrap_or(0) + counts.displaced > 1000, "{counts:?}");
    bench.detector.stop().unwrap();
}

#[test]
fn ends_and_beginnings_without_end_are_no_way_around_the_limit() {
    let bench = Bench::new(|_| {});
    let camera = Camera::new(&bench, "cage1", None, None);
    for life in 0..400 {
        camera.put_and_see(life);
        let end = Packet { stream: None, run: None, lossless: false, content: Content::End { frames: 1 } };
        bench.put(&camera.cage.pose(), ENCODING_BINARY, end.encode(Encoding::Binary));
    }
    let counts = camera.counts();
    // Each life costs what the longest delay needs to speak about its end.
    assert!(counts.refused["flood"] > 0, "{counts:?}");
    bench.detector.stop().unwrap();
}

#[test]
fn frame_numbers_that_leap_by_nearly_a_window_are_soon_refused() {
    let bench = Bench::new(|_| {});
    let leaping = Camera::new(&bench, "leaping", None, None);
    (0..50).for_each(|leap| leaping.put_and_see(leap * 511));
    let counts = leaping.counts();
    // The first that is refused leaves those after it a window away from the newest.
    assert!(counts.ticks < 5 * 512 && counts.refused_in_all() > 40 && counts.refused["flood"] > 0, "{counts:?}");
    bench.detector.stop().unwrap();
}

#[test]
fn two_publishers_without_run_ids_do_not_reset_each_other() {
    let bench = Bench::new(|_| {});
    let camera = Camera::new(&bench, "cage1", None, None);
    for number in 0..40 {
        camera.put_and_see(number);
        camera.put_and_see(1_000_000 + number);
    }
    let counts = camera.counts();
    assert_eq!((counts.frames, counts.resets, counts.refused["number-jump"]), (40, 0, 40));
    bench.detector.stop().unwrap();
}

#[test]
fn a_camera_that_counts_anew_is_served_again_within_seconds() {
    for restart in [0, 1_000_000] {
        let bench = Bench::new(|_| {});
        let (states, _subscriber) = bench.states();
        let camera = Camera::new(&bench, "cage1", None, None);
        (100..120).for_each(|number| camera.put_and_see(number));
        let started = Instant::now();
        let mut number = restart;
        until("a frame of the restarted camera to be taken", || {
            camera.put_and_see(number);
            number += 1;
            pause(Duration::from_millis(20));
            camera.counts().frames > 20
        });
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        assert_eq!(heard_state(&states, "stopped")["reason"], "frame numbers began anew");
        bench.detector.stop().unwrap();
    }
}

#[test]
fn ten_thousand_names_from_a_broken_script_do_not_keep_an_honest_cage_out() {
    let bench = Bench::new(|_| {});
    let honest = Camera::new(&bench, "honest", Some(1), None);
    honest.put_and_see(0);
    let good = crate::live::payload(0, None, false);
    for name in 0..10_000 {
        bench.put(&format!("vibrissa/rig1/c{name}/pose"), ENCODING_BINARY, good.clone());
    }
    (1..20).for_each(|number| honest.put_and_see(number));
    assert_eq!(honest.counts().frames, 20);
    until("all to be counted", || {
        let cages: u64 =
            bench.detector.tallies().snapshot().iter().map(|(_, tally)| tally.counts.refused_in_all()).sum();
        cages + bench.detector.tallies().others().refused_in_all() == 10_000
    });
    assert!(bench.detector.tallies().snapshot().len() <= CAGES_MAX);
    bench.detector.stop().unwrap();
}

#[test]
fn a_clock_five_seconds_ahead_gives_no_age_and_is_said() {
    let bench = Bench::new(|_| {});
    let (states, _subscriber) = bench.states();
    let camera = Camera::new(&bench, "cage1", Some(1), Some("unix"));
    for number in 0..90 {
        camera.put(number, Some(wall_nanos() + 5_000_000_000));
        pause(Duration::from_millis(33));
    }
    let said = heard_state(&states, "timing");
    assert_eq!(said["timing"], "clock-ahead", "{said}");
    assert!(said["by_nanos"].as_f64().unwrap() > 4.8e9, "{said}");
    until("all frames to be taken", || camera.counts().frames == 90);
    assert_eq!(camera.counts().age_unknown, 90);
    bench.detector.stop().unwrap();
}

#[test]
fn a_silent_camera_is_stale_and_fresh_again() {
    let bench = Bench::new(|_| {});
    let (states, _subscriber) = bench.states();
    let camera = Camera::new(&bench, "cage1", Some(1), None);
    (0..10).for_each(|number| camera.put_and_see(number));
    assert_eq!(heard_state(&states, "stale")["cause"], "silence");
    (10..14).for_each(|number| camera.put_and_see(number));
    heard_state(&states, "fresh");
    bench.detector.stop().unwrap();
}

#[test]
fn a_new_cage_is_warming_and_says_when_it_is_warm() {
    let bench = Bench::new(|_| {});
    let (states, _subscriber) = bench.states();
    bench.play(600);
    let warming = heard_state(&states, "warming");
    assert_eq!((warming["history_ticks"].as_u64(), warming["warm_ticks"].as_u64()), (Some(0), Some(512)));
    assert_eq!(heard_state(&states, "animal-joined")["animal"], "animal0");
    heard_state(&states, "warm");
    until("all to be published", || bench.counts().published == bench.counts().decided);
    let events: Vec<Event> = bench.journal().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|event| event.verdict.warming) && events.iter().any(|event| !event.verdict.warming));
    for Event { verdict, .. } in &events {
        assert_eq!(verdict.warming, verdict.history_ticks < 512, "{verdict:?}");
        assert!((0.0..=1.0).contains(&verdict.identity));
        assert_eq!(verdict.settled, verdict.delay == 15);
    }
    bench.detector.stop().unwrap();
}

/// A model directory with weights of that seed.
fn save_model(directory: &Path, seed: u64) {
    let card = world::card(&DELAYS);
    bundle::save(directory, &card, world::weights(&card, seed)).unwrap();
}

/// States of a process's cages, and a rig that plays to it for ever.
fn rehearse(endpoint: &str, speed: f64) -> (Session, Receiver<serde_json::Value>, crossbeam::channel::Sender<()>) {
    let rig = Endpoints { listen: vec![], connect: vec![endpoint.to_owned()] }.open(Patience::Rig).unwrap();
    let (states, heard) = unbounded();
    let on_status = move |sample: Sample| {
        let _ = states.send(serde_json::from_slice(&sample.payload().to_bytes()).unwrap());
    };
    rig.declare_subscriber(Rigs::All.statuses()).callback(on_status).background().wait().unwrap();
    let (stop, stopped) = bounded(1);
    let session = rig.clone();
    std::thread::spawn(move || {
        let how = Play { cage: cage(), origin: Origin::Replay, speed, lossless: false, encoding: Encoding::Binary };
        let _ = play(&session, &world::stream(2), frames(1_000_000), &how, &stopped);
    });
    (rig, heard, stop)
}

#[test]
fn a_hangup_replaces_the_model_without_losing_a_cage() {
    let folder = tempfile::tempdir().unwrap();
    let (model, journal) = (folder.path().join("model"), folder.path().join("journal.jsonl"));
    save_model(&model, 5);
    let mut program = Program::detect(&model, &journal, &[]);
    let (_rig, states, stop) = rehearse(&program.endpoint, 20.0);
    let before = heard_state(&states, "warm")["model"].clone();
    let hangup = |program: &Program| Command::new("kill").args(["-HUP", &program.child.id().to_string()]).status();
    // A model that cannot be read changes nothing.
    std::fs::write(model.join("model.toml"), "garbage").unwrap();
    assert!(hangup(&program).unwrap().success());
    // One that does not know the parts is refused, and the cage goes on as it was.
    let mut card = world::card(&DELAYS);
    card.vocabulary.0[4] = "whisker".into();
    bundle::save(&model, &card, world::weights(&card, 7)).unwrap();
    assert!(hangup(&program).unwrap().success());
    let refused = heard_state(&states, "model-refused");
    assert!(refused["reason"].as_str().unwrap().contains("tail-e") && refused["model"] == before, "{refused}");
    save_model(&model, 6);
    assert!(hangup(&program).unwrap().success());
    let replaced = heard_state(&states, "model-replaced");
    assert_eq!(replaced["before"], before);
    assert_ne!(replaced["model"], before);
    let after: Vec<serde_json::Value> = states.try_iter().collect();
    assert!(after.iter().all(|state| state["state"] != "started" && state["state"] != "stopped"), "{after:?}");
    until("events of the new model", || {
        let text = std::fs::read_to_string(&journal).unwrap();
        let last = text.lines().last().and_then(|line| serde_json::from_str::<Event>(line).ok());
        last.is_some_and(|event| event.verdict.model == replaced["model"] && !event.verdict.warming)
    });
    drop(stop);
    assert!(Command::new("kill").args(["-TERM", &program.child.id().to_string()]).status().unwrap().success());
    assert!(program.child.wait().unwrap().success());
}

#[test]
fn a_detector_that_was_killed_goes_on_with_what_it_had_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (model, journal) = (folder.path().join("model"), folder.path().join("journal.jsonl"));
    let ticks = folder.path().join("ticks");
    save_model(&model, 5);
    let more = ["--ticks", ticks.to_str().unwrap()];
    let mut program = Program::detect(&model, &journal, &more);
    // At ten times the camera's pace a second of restarting is 300 frames: less than a window.
    let (_rig, states, stop) = rehearse(&program.endpoint, 4.0);
    heard_state(&states, "warm");
    let port = program.endpoint.rsplit_once(':').unwrap().1.to_owned();
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    states.try_iter().for_each(drop);
    let mut again = Command::new(env!("CARGO_BIN_EXE_vibrissa"))
        .args(["detect", "--listen", &format!("tcp/127.0.0.1:{port}"), "--model"])
        .arg(&model)
        .arg("--journal")
        .arg(&journal)
        .args(more)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let resumed = heard_state(&states, "resumed");
    assert!(resumed["ticks_known"].as_u64().unwrap() > 400, "{resumed}");
    drop(stop);
    again.kill().unwrap();
    again.wait().unwrap();
}

#[test]
fn metrics_are_served_on_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let (model, journal) = (folder.path().join("model"), folder.path().join("journal.jsonl"));
    save_model(&model, 5);
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut program = Program::detect(&model, &journal, &["--metrics", &address]);
    let (_rig, states, stop) = rehearse(&program.endpoint, 20.0);
    heard_state(&states, "warm");
    let scrape = || {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let text = scrape();
    for line in [
        "vibrissa_frames_taken_total ",
        "vibrissa_ticks_total ",
        "vibrissa_events_total ",
        "vibrissa_latency_seconds_bucket{of=\"inference/tick\",le=\"0.001\"} ",
        "vibrissa_notices_total{state=\"animal-joined\"} 2",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    drop(stop);
    program.child.kill().unwrap();
    program.child.wait().unwrap();
}

/// A small file system in a name space of its own; `None`, said on stderr, where the kernel grants none.
fn small_disk(command: &str, folder: &Path) -> Option<Command> {
    let possible = Command::new("unshare").args(["-Urm", "true"]).status().is_ok_and(|status| status.success());
    if !possible {
        let _ = writeln!(std::io::stderr(), "SKIPPED: this test needs `unshare -Urm`, which is not to be had here");
        return None;
    }
    let mut shell = Command::new("unshare");
    let disk = folder.display();
    shell.args(["-Urm", "sh", "-c", &format!("mount -t tmpfs -o size=4m none {disk} && cd {disk} && {command}")]);
    Some(shell)
}

#[test]
fn a_full_disk_silences_events_until_there_is_room_and_loses_none_that_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let (model, disk) = (folder.path().join("model"), folder.path().join("disk"));
    std::fs::create_dir(&disk).unwrap();
    save_model(&model, 5);
    // The ballast goes when we say so, which makes room for all that waited and more; the journal's lines come out when the detector has ended.
    let (go, out) = (folder.path().join("go"), folder.path().join("journal.jsonl"));
    let script = format!(
        "head -c 4170000 /dev/zero > ballast; ({} detect --listen tcp/127.0.0.1:0 --model {} --journal j.jsonl & \
         echo PID $!; while [ ! -e {} ]; do sleep 0.1; done; rm ballast; wait $!); cp j.jsonl {}",
        env!("CARGO_BIN_EXE_vibrissa"),
        model.display(),
        go.display(),
        out.display(),
    );
    let Some(mut shell) = small_disk(&script, &disk) else { return };
    let mut child = shell.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap())).map(Result::unwrap);
    let pid = lines.find_map(|line| line.strip_prefix("PID ").map(str::to_owned)).unwrap();
    let endpoint = lines.find(|line| line.starts_with("waiting")).unwrap().rsplit_once(" at ").unwrap().1.to_owned();
    std::thread::spawn(move || lines.for_each(drop));
    let (rig, states, stop) = rehearse(&endpoint, 20.0);
    let (told, heard) = unbounded();
    let on_event = move |sample: Sample| {
        let _ = told.send(sample.payload().try_to_string().unwrap().into_owned());
    };
    rig.declare_subscriber(Rigs::All.events()).callback(on_event).background().wait().unwrap();
    let failing = heard_state(&states, "journal-failing");
    assert!(failing["reason"].as_str().unwrap().contains("No space left"), "{failing}");
    std::fs::write(&go, "").unwrap();
    heard_state(&states, "journal-restored");
    let before = heard.len();
    until("events to go on", || heard.len() > before + 20);
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    drop(stop);
    assert!(child.wait().unwrap().success());
    let text = std::fs::read_to_string(&out).unwrap();
    let events: Vec<Event> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().map(|event| event.sequence).eq(1..=events.len() as u64), "a hole in the sequence");
    for event in heard.try_iter() {
        assert!(text.lines().any(|line| line == event), "published, but not in the journal: {event}");
    }
}

fn check(args: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vibrissa")).arg("check").args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn check_says_what_holds_and_what_does_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let model = root.join("models/rat-dyads");
    let good = format!("model = {model:?}\njournal = \"events.jsonl\"\nticks = \"ticks\"\n");
    let (holds, text) = check(&["--config", write("good.toml", &good).to_str().unwrap()]);
    assert!(holds && text.contains("ok    model") && text.contains("ok    journal"), "{text}");
    let stream = "[stream]\nindividuals = [\"a\", \"b\"]\nrate_hz = 30.0\nbody_length_px = 80.0\n[stream.skeleton]\n\
                  name = \"mouse\"\nkeypoints = [\"nose\", \"neck\", \"tail\"]\nfront = \"nose\"\ncentre = \"neck\"\n\
                  rear = \"tail\"\nedges = []\n";
    let misfit = write("misfit.toml", &format!("{good}{stream}"));
    let (holds, text) = check(&["--config", misfit.to_str().unwrap()]);
    assert!(!holds && text.contains("\"nose\", which the model does not know"), "{text}");
    let (holds, text) = check(&["--config", write("typo.toml", "jurnal = \"x\"").to_str().unwrap()]);
    assert!(!holds && text.contains("typo.toml") && text.contains("jurnal"), "{text}");
    let (holds, text) = check(&["--model", folder.path().join("empty").to_str().unwrap()]);
    assert!(!holds && text.contains("FAIL  model") && text.contains("model.toml"), "{text}");
    let unreadable = write("recording.csv", "scorer,a\nnot,a table");
    let (holds, text) = check(&["--model", model.to_str().unwrap(), unreadable.to_str().unwrap()]);
    assert!(!holds && text.contains("recording.csv"), "{text}");
    // What detect would do with them.
    let output =
        Command::new(env!("CARGO_BIN_EXE_vibrissa")).args(["detect", "--config"]).arg(&misfit).output().unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("nose"));
}

#[test]
fn animals_that_are_absent_for_seconds_make_no_event_and_end_none_wrongly() {
    let bench = Bench::new(|_| {});
    bench.describe();
    for number in 0..400 {
        let mut frame = world::frame(2, number, SEED);
        if number >= 100 {
            frame.keypoints.fill(Keypoint::MISSING);
        }
        let content = Content::Frame { shape: Shape { individuals: 2, keypoints: 5 }, frame };
        let packet = Packet { stream: None, run: None, lossless: true, content };
        bench.put(&cage().pose(), ENCODING_JSON, packet.encode(Encoding::Json));
    }
    until("all to be taken", || bench.counts().frames == 400);
    let tallies = bench.detector.tallies();
    until("all to be published", || tallies.counts(&cage()).published == tallies.counts(&cage()).decided);
    let events: Vec<Event> = bench.journal().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!events.is_empty() && events.iter().all(|event| event.verdict.onset_tick < 130), "{events:?}");
    bench.detector.stop().unwrap();
}
