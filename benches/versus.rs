//! A tick beside what it could cost at best and beside the PyTorch twin, in one run and in turns:
//! `cargo bench --bench versus -- [ROUNDS]`. `cargo bench --bench versus -- study` tells what other architectures would
//! cost.
//!
//! The floor is the operations of a tick at the measured rate of a matrix product that fits the cache, and its bytes at
//! the measured rate of reading as many from memory. The twin takes part where `TWIN_PYTHON` names a Python with PyTorch
//! (`benches/twin/README.md`): one thread each, on the same machine, one after the other in every round. What is told of
//! several rounds is the median. A tick is the mean of an even and an odd one, as the middle of the network works every
//! second tick.

mod common;

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use vibrissa::core::{Cage, Room, Turn, step_together};
use vibrissa::model::architecture::{Architecture, BlockShape};
use vibrissa::model::budget::Budget;
use vibrissa::model::device::one_thread_pool;
use vibrissa::model::ops::panels::Panels;
use vibrissa::model::wiring::HeadCounts;

use crate::common::{DELAYS, frame, model_of, stream};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MICROS: f64 = 1e6;

fn main() {
    if std::env::args().any(|argument| argument == "study") {
        return study();
    }
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(7_usize);
    let pool = one_thread_pool("bench").expect("a thread");
    let mut twin = Twin::start();
    println!("{rounds} rounds, medians; µs for a tick of one cage, of so many that step together");
    println!(
        "| cages × animals × keypoints | ours | even / odd | operations | bytes | ours / floor | twin eager | compiled | \
         window / 100 | compiled window / 100 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (cages, keypoints) in [(1, 5), (1, 18), (16, 5), (16, 18)] {
        let mut ours = Ours::of(&Architecture::default(), cages, keypoints);
        let budget =
            Budget::of(&Architecture::default(), HeadCounts { of_pairs: 9, of_selves: 0 }, DELAYS.len(), 2, keypoints);
        let bytes = budget.weight_bytes / cages as f64 + budget.state_read_bytes;
        let (mut even, mut odd, mut operations, mut reading) = (vec![], vec![], vec![], vec![]);
        let mut of_twin: [Vec<f64>; 4] = Default::default();
        for _ in 0..rounds {
            pool.install(|| {
                let [of_even, of_odd] = ours.time(400);
                even.push(of_even);
                odd.push(of_odd);
                operations.push(2.0 * budget.multiply_adds / product_rate() * MICROS);
                reading.push(bytes / reading_rate(bytes as usize) * MICROS);
            });
            for (what, times) in ["eager", "compiled", "window", "compiled-window"].into_iter().zip(&mut of_twin) {
                times.extend(twin.as_mut().and_then(|twin| twin.time(what, cages, keypoints)));
            }
        }
        let [even, odd, operations, reading] = [even, odd, operations, reading].map(|mut times| median(&mut times));
        let ours = f64::midpoint(even, odd);
        // A window's cost, divided by a hundred, is where a tick has to stay below.
        let ratio = |times: &mut Vec<f64>, by: f64| {
            if times.is_empty() {
                return "–".to_owned();
            }
            let time = median(times) / cages as f64 / by;
            format!("{time:.0} ({:.1} ×)", time / ours)
        };
        let [eager, compiled, window, compiled_window] = &mut of_twin;
        println!(
            "| {cages} × 2 × {keypoints} | {ours:.1} | {even:.1} / {odd:.1} | {operations:.1} | {reading:.1} | {:.1} | {} | {} | {} | {} |",
            ours / (operations + reading),
            ratio(eager, 1.0),
            ratio(compiled, 1.0),
            ratio(window, 100.0),
            ratio(compiled_window, 100.0),
        );
    }
    if let Some(twin) = twin {
        println!("twin: {}", twin.ready);
    }
}

/// What widths, windows and the graph cost, for two animals.
fn study() {
    let base = Architecture::default;
    let wide = |window| vec![BlockShape { window: 16, kernel: 7 }, BlockShape { window, kernel: 7 }];
    let equal = BlockShape { window: 60, kernel: 7 };
    let variants = [
        ("as it is", base()),
        ("64 channels", Architecture { channels: 64, ..base() }),
        ("128 channels", Architecture { channels: 128, ..base() }),
        ("192 channels", Architecture { channels: 192, ..base() }),
        ("feed-forward × 4", Architecture { expansion: 4, ..base() }),
        ("wide window halved", Architecture { middle: wide(84), ..base() }),
        ("equal windows", Architecture { entry: equal, middle: vec![equal, equal], exit: equal, ..base() }),
        (
            "no second block in the middle",
            Architecture { middle: vec![BlockShape { window: 168, kernel: 7 }], ..base() },
        ),
        ("graph of 64 channels", Architecture { node_channels: 64, ..base() }),
    ];
    let pool = one_thread_pool("bench").expect("a thread");
    println!("µs a cage and tick, mean of even and odd");
    println!(
        "| 2 animals | reach | M multiply–adds | MB weights | MB state | 5 points, 1 cage | 16 cages | 18 points, 16 cages |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, architecture) in variants {
        if let Err(error) = architecture.check() {
            println!("| {name} | {error} |");
            continue;
        }
        let heads = HeadCounts { of_pairs: 9, of_selves: 0 };
        let budget = Budget::of(&architecture, heads, DELAYS.len(), 2, 5);
        let time = |cages, keypoints| {
            let mut ours = Ours::of(&architecture, cages, keypoints);
            let [even, odd] = pool.install(|| ours.time(600));
            f64::midpoint(even, odd)
        };
        println!(
            "| {name} | {} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} |",
            architecture.receptive_field(),
            budget.multiply_adds / 1e6,
            budget.weight_bytes / 1e6,
            budget.state_kept_bytes / 1e6,
            time(1, 5),
            time(16, 5),
            time(16, 18),
        );
    }
}

/// Cages of a room, a frame each at a time.
struct Ours {
    cages: Vec<Cage>,
    keypoints: usize,
    number: u64,
}

impl Ours {
    fn of(architecture: &Architecture, count: usize, keypoints: usize) -> Self {
        let room = Room::new(model_of(architecture.clone(), keypoints), 2 * count).expect("a room");
        let open = |_| Cage::open_in(&room, &stream(2, keypoints)).expect("a cage");
        let mut ours = Self { cages: (0..count).map(open).collect(), keypoints, number: 0 };
        (0..600).for_each(|_| ours.tick());
        ours
    }

    fn tick(&mut self) {
        let frame = frame(2, self.keypoints, self.number);
        self.number += 1;
        let mut turns: Vec<_> = self.cages.iter_mut().map(|cage| Turn::push(cage, &frame, |_, _| {})).collect();
        step_together(&mut turns);
        for turn in turns {
            black_box(turn.finish().expect("an advance"));
        }
    }

    /// Medians of even and odd ticks, µs a cage.
    fn time(&mut self, ticks: usize) -> [f64; 2] {
        let mut times = [Vec::with_capacity(ticks), Vec::with_capacity(ticks)];
        for _ in 0..2 * ticks / self.cages.len().min(8) {
            let parity = (self.number % 2) as usize;
            let began = Instant::now();
            self.tick();
            times[parity].push(began.elapsed().as_secs_f64() * MICROS / self.cages.len() as f64);
        }
        times.map(|mut times| median(&mut times))
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Operations a second of a product of many rows, its operands in the nearest caches.
fn product_rate() -> f64 {
    const SIZE: usize = 96;
    let rows: Vec<Vec<f32>> = vec![vec![0.5; SIZE]; SIZE];
    let panels = Panels::new(SIZE, &rows, &[0.5; SIZE]);
    let (x, mut y) = (vec![0.25_f32; 64 * SIZE], vec![0.0_f32; 64 * SIZE]);
    let began = Instant::now();
    for _ in 0..200 {
        panels.multiply(black_box(&x), &mut y);
        black_box(&mut y);
    }
    (200 * 2 * 64 * SIZE * SIZE) as f64 / began.elapsed().as_secs_f64()
}

/// Bytes a second of reading so many of them over and over, as weights and states are.
fn reading_rate(bytes: usize) -> f64 {
    let numbers = vec![0.5_f32; (bytes / 4).next_multiple_of(64)];
    let read = || {
        let mut lanes = [0.0_f32; 64];
        for chunk in black_box(&numbers).as_chunks::<64>().0 {
            for lane in 0..64 {
                lanes[lane] += chunk[lane];
            }
        }
        black_box(lanes);
    };
    read();
    let began = Instant::now();
    (0..50).for_each(|_| read());
    (50 * 4 * numbers.len()) as f64 / began.elapsed().as_secs_f64()
}

/// The twin as a peer process.
struct Twin {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    ready: String,
}

impl Twin {
    /// `None` where no Python is named; a twin that cannot start is told.
    #[allow(clippy::zombie_processes, reason = "dropping the twin waits for its process")]
    fn start() -> Option<Self> {
        let python = std::env::var("TWIN_PYTHON").ok()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(python)
            .args(["-B", "benches/twin/time_twin.py", "models/rat-dyads", "--serve"])
            .current_dir(root)
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("TWIN_PYTHON names a Python");
        let (requests, answers) = (process.stdin.take().expect("piped"), process.stdout.take().expect("piped"));
        let mut twin = Self { process, requests, answers: BufReader::new(answers), ready: String::new() };
        twin.ready = twin.line();
        Some(twin)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the twin answers");
        line.trim().to_owned()
    }

    /// µs of a call: of a step, the mean of the medians of even and odd ticks.
    fn time(&mut self, what: &str, cages: usize, keypoints: usize) -> Option<f64> {
        let repeats = if what.contains("window") { 3 } else { 200 };
        if what.contains("window") && cages > 1 {
            return None;
        }
        let request =
            json!({"what": what, "individuals": 2, "keypoints": keypoints, "cages": cages, "repeats": repeats});
        writeln!(self.requests, "{request}").expect("the twin listens");
        let answer: Value = serde_json::from_str(&self.line()).expect("the twin answers in JSON");
        let secs = |key: &str| answer.get(key).and_then(Value::as_f64);
        let steps = secs("seconds_median_even").zip(secs("seconds_median_odd"));
        let seconds = steps.map(|(even, odd)| f64::midpoint(even, odd)).or(secs("seconds_median"));
        if seconds.is_none() {
            println!("twin, {what}: {answer}");
        }
        Some(seconds? * MICROS)
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
