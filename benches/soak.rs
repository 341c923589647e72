//! A long watch: many cages over real zenoh as fast as they go, with memory and latencies at the start and the end.
//!
//! `cargo bench --bench soak -- [CAGES [FRAMES]]`, by default 16 cages of the 108,000 frames of an hour. Each cage's
//! frames are those of two animals that circle, wobble and now and then lose a point; publishers wait for the detector,
//! which drops nothing. Latencies are of the detector: from arrival to inference, a tick of inference, and from decision
//! to the wire.

use std::f32::consts::TAU;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::bounded;
use vibrissa::acquire::wire::Encoding;
use vibrissa::keys::CageName;
use vibrissa::live::detector::{Config, Detector};
use vibrissa::live::publisher::{Play, play};
use vibrissa::live::session::{Endpoints, Patience, listening};
use vibrissa::live::tally::Latency;
use vibrissa::model::Model;
use vibrissa::poses::{Frame, Keypoint};
use vibrissa::stream::{Origin, StreamDescription};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reports over the whole.
const LOOKS: u64 = 12;

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let (cages, frames) = (numbers.next().unwrap_or(16), numbers.next().unwrap_or(108_000));
    let model = Arc::new(Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/rat-dyads")).unwrap());
    let defaults = &model.card().defaults;
    let names = vec!["rat1".to_owned(), "rat2".to_owned()];
    let (skeleton, scale) = (defaults.skeleton.clone(), defaults.body_length_px);
    let stream = StreamDescription::new(skeleton, names, 30.0, scale, None, Origin::Simulated).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let near = Endpoints { listen: vec!["tcp/127.0.0.1:0".into()], connect: vec![] }.open(Patience::Detector).unwrap();
    let ticks = Some(folder.path().join("ticks"));
    let config = Config { ticks, ..Config::new(folder.path().join("journal.jsonl")) };
    let detector = Detector::start(&near, model, &config).unwrap();
    let (_open, stop) = bounded::<()>(1);
    let rigs: Vec<_> = (0..cages)
        .map(|cage| {
            let far = Endpoints { listen: vec![], connect: listening(&near) }.open(Patience::Rig).unwrap();
            let (stream, stop) = (stream.clone(), stop.clone());
            let cage_name = CageName::new("soak", &format!("cage{cage}")).unwrap();
            std::thread::spawn(move || {
                let how = Play {
                    cage: cage_name,
                    origin: Origin::Simulated,
                    speed: 1000.0,
                    lossless: true,
                    encoding: Encoding::Binary,
                };
                play(&far, &stream, (0..frames).map(|number| frame(number, cage)), &how, &stop).unwrap()
            })
        })
        .collect();
    println!("{cages} cages of {frames} frames");
    println!("| frames | s | memory MB | wait p50/p99 ms | inference p50/p99/p99.9 ms | publication p50/p99 ms |");
    println!("|---|---|---|---|---|---|");
    let (started, whole) = (Instant::now(), cages * frames);
    let mut next = whole / LOOKS / 4;
    while rigs.iter().any(|rig| !rig.is_finished()) {
        std::thread::park_timeout(Duration::from_millis(50));
        let taken: u64 = detector.tallies().snapshot().iter().map(|(_, tally)| tally.counts.frames).sum();
        if taken >= next {
            look(&detector, taken, started);
            detector.tallies().renew_latencies();
            next = (taken / (whole / LOOKS) + 1) * (whole / LOOKS);
        }
    }
    let tallies = detector.stop().unwrap();
    let (mut taken, mut events, mut lost) = (0, 0, 0);
    for (_, tally) in tallies.snapshot() {
        taken += tally.counts.frames;
        events += tally.counts.published;
        lost += tally.counts.displaced + tally.counts.unjournaled + tally.counts.unpublished + tally.counts.unkept;
    }
    println!("taken {taken} of {whole}, events {events}, lost {lost}, {:.0} s", started.elapsed().as_secs_f64());
}

/// A line of the worst of all cages since the line before.
fn look(detector: &Detector, taken: u64, started: Instant) {
    let tallies = detector.tallies().snapshot();
    let worst = |latency: Latency, quantile: f64| {
        let of_cages = tallies.iter().filter_map(|(_, tally)| tally.quantile(latency, quantile));
        of_cages.max().unwrap_or_default().as_secs_f64() * 1e3
    };
    println!(
        "| {taken} | {:.0} | {:.1} | {:.2}/{:.2} | {:.2}/{:.2}/{:.2} | {:.2}/{:.2} |",
        started.elapsed().as_secs_f64(),
        resident_mb(),
        worst(Latency::Wait, 0.5),
        worst(Latency::Wait, 0.99),
        worst(Latency::Inference, 0.5),
        worst(Latency::Inference, 0.99),
        worst(Latency::Inference, 0.999),
        worst(Latency::Publication, 0.5),
        worst(Latency::Publication, 0.99),
    );
}

/// Of this process, rigs included; 0 where the system does not tell.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn frame(number: u64, cage: u64) -> Frame {
    let time = number as f32 / 30.0;
    let mut keypoints = Vec::with_capacity(10);
    for animal in 0..2 {
        let phase = cage as f32 + 2.0 * animal as f32;
        let angle = (0.5 + 0.1 * phase) * time % TAU;
        let radius = 250.0 + 120.0 * (0.3 * time + phase).sin();
        let heading = angle + 1.5 + 0.4 * (1.7 * time).sin();
        for (part, along) in [90.0_f32, 0.0, -90.0, -140.0, -190.0].into_iter().enumerate() {
            let x = 700.0 + radius * angle.cos() + along * heading.cos();
            let y = 500.0 + radius * angle.sin() + along * heading.sin();
            let lost = (number + 7 * part as u64 + cage) % 53 < 4;
            keypoints.push(if lost { Keypoint::MISSING } else { Keypoint { x, y, confidence: 0.9 } });
        }
    }
    Frame { number, capture_nanos: None, keypoints }
}
