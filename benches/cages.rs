//! How many cages a core serves at 30 Hz: `cargo bench --bench cages -- [SECONDS [CAGES …]]`.
//!
//! The way of a frame from its arrival to its verdicts as live detection takes it, without the wire: frames of all
//! cages are due 30 times a second, waiting ones are taken together, and each is timed from when it was due to when what
//! came of it was known. Once with the frames spread over the time between two frames, once all due at the same moment,
//! which is the worst that cameras on one trigger can do. A row holds where the 99th percentile stays within a tick.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use vibrissa::acquire::description::{self, Described};
use vibrissa::acquire::wire::{Content, Packet, Shape};
use vibrissa::core::Unit;
use vibrissa::keys::CageName;
use vibrissa::live::cages::Cages;
use vibrissa::live::clock::Moment;
use vibrissa::live::inference::CAGES_TOGETHER_MAX;
use vibrissa::live::intake::Arrival;
use vibrissa::model::Model;
use vibrissa::model::device::one_thread_pool;
use vibrissa::time::TICK_RATE_HZ;

use crate::common::{frame, model, stream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Longest latency that is told apart: a minute.
const NANOS_MAX: u64 = 60_000_000_000;

const TICK: Duration = Duration::from_nanos(33_333_333);

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let seconds = numbers.first().copied().unwrap_or(10);
    let counts: Vec<usize> = match numbers.get(1..) {
        Some(counts) if !counts.is_empty() => counts.iter().map(|count| *count as usize).collect(),
        _ => vec![1, 64, 200, 400, 500, 600],
    };
    memory();
    println!("{seconds} s each; ms from due to verdicts; busy: share of the time that the busiest thread computes");
    println!("| animals | cages | threads | frames due | p50 | p99 | p99.9 | max | busy | within a tick |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for keypoints in [5, 18] {
        let model = model(keypoints);
        for threads in [1, 2] {
            for &cages in counts.iter().filter(|cages| **cages >= threads) {
                for together in [false, true] {
                    row(&model, keypoints, cages, threads, together, seconds);
                }
            }
        }
    }
}

fn row(model: &Arc<Model>, keypoints: usize, cages: usize, threads: usize, together: bool, seconds: u64) {
    let start = Instant::now() + Duration::from_millis(300);
    let runs: Vec<_> = (0..threads)
        .map(|thread| {
            let model = Arc::clone(model);
            let own = (cages - thread).div_ceil(threads);
            let pool = one_thread_pool("bench").expect("a thread");
            std::thread::spawn(move || pool.install(|| run(&model, keypoints, own, together, seconds, start)))
        })
        .collect();
    let runs: Vec<Run> = runs.into_iter().map(|run| run.join().expect("a run")).collect();
    let mut latencies = Histogram::<u64>::new_with_max(NANOS_MAX, 3).expect("a histogram");
    for run in &runs {
        latencies.add(&run.latencies).expect("one range");
    }
    let busy = runs.iter().map(|run| run.busy).max().unwrap_or_default().as_secs_f64() / seconds as f64;
    let of = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1e6;
    println!(
        "| 2 × {keypoints} | {cages} | {threads} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0}% | {} |",
        if together { "together" } else { "spread" },
        of(0.5),
        of(0.99),
        of(0.999),
        latencies.max() as f64 / 1e6,
        100.0 * busy,
        if of(0.99) < TICK.as_secs_f64() * 1e3 { "yes" } else { "NO" },
    );
}

struct Run {
    latencies: Histogram<u64>,
    busy: Duration,
}

/// What cages keep in memory once their windows are full, before anything else has left memory behind.
fn memory() {
    const CAGES: usize = 256;
    let (model, pool) = (model(5), one_thread_pool("bench").expect("a thread"));
    let before = resident_mb();
    let mut rig = Rig::new(&model, 5, CAGES);
    pool.install(|| {
        for number in 0..600 {
            for first in (0..CAGES).step_by(CAGES_TOGETHER_MAX) {
                let arrivals: Vec<Arrival> =
                    (first..first + CAGES_TOGETHER_MAX).map(|cage| rig.arrival(cage, number)).collect();
                rig.cages.take(&arrivals, Moment::now(), &mut |_, _| {});
            }
        }
    });
    println!("memory of a cage of 2 × 5: {:.2} MB (of {CAGES}, 600 ticks in)", (resident_mb() - before) / CAGES as f64);
}

/// Cages and the frames that come for them.
struct Rig {
    cages: Cages,
    described: Arc<Described>,
    names: Vec<CageName>,
    keypoints: usize,
}

impl Rig {
    fn new(model: &Arc<Model>, keypoints: usize, count: usize) -> Self {
        let name = |cage| CageName::new("bench", &format!("cage{cage}")).expect("a name");
        Self {
            cages: Cages::new(Arc::clone(model), Unit::cpu(), Duration::from_hours(1), None),
            described: Arc::new(Described::decode(&description::encode(&stream(2, keypoints))).expect("a description")),
            names: (0..count).map(name).collect(),
            keypoints,
        }
    }

    fn arrival(&self, cage: usize, number: u64) -> Arrival {
        let shape = Shape { individuals: 2, keypoints: self.keypoints };
        let content = Content::Frame { shape, frame: frame(2, self.keypoints, number) };
        Arrival {
            cage: self.names[cage].clone(),
            described: Arc::clone(&self.described),
            packet: Packet { stream: None, run: None, lossless: false, content },
            arrived: Moment::now(),
        }
    }
}

fn run(model: &Arc<Model>, keypoints: usize, count: usize, together: bool, seconds: u64, start: Instant) -> Run {
    let mut rig = Rig::new(model, keypoints, count);
    let mut latencies = Histogram::<u64>::new_with_max(NANOS_MAX, 3).expect("a histogram");
    // From one on: of cameras that count from nought, none can be staggered.
    let (mut busy, mut number) = (Duration::ZERO, 1_u64);
    // A second before, as cages open and windows begin to fill.
    let (warm, all) = (31, 30 * (seconds + 1));
    while number < all {
        let mut cage = 0;
        while cage < count {
            let due = |cage: usize| {
                let within = if together { 0.0 } else { cage as f64 / count as f64 };
                start + Duration::from_secs_f64((number as f64 + within) / TICK_RATE_HZ)
            };
            let now = Instant::now();
            if due(cage) > now {
                std::thread::sleep(due(cage) - now);
                continue;
            }
            let waiting = (cage..count).take(CAGES_TOGETHER_MAX).take_while(|cage| due(*cage) <= now);
            let arrivals: Vec<Arrival> = waiting.map(|cage| rig.arrival(cage, number)).collect();
            let (began, mut taken) = (Instant::now(), cage);
            rig.cages.take(&arrivals, Moment::now(), &mut |_, outcome| {
                assert_eq!((outcome.frames, outcome.ticks.min(1)), (1, 1), "{:?}", outcome.refused);
                if number >= warm {
                    let latency = Instant::now().saturating_duration_since(due(taken));
                    latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
                }
                taken += 1;
            });
            if number >= warm {
                busy += began.elapsed();
            }
            cage += arrivals.len();
        }
        number += 1;
    }
    Run { latencies, busy }
}

/// Of this process; 0 where the system does not tell.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
