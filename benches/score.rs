//! The official score of a corpus as large as the challenge's annotations, reading included.
//!
//! `cargo bench --bench score -- [BOUTS [ROUNDS]]`, by default 83,620 bouts and 10 rounds: 19 labs, 847 videos, two
//! animals with six behaviors each, the prediction 5 frames late. Against a plain program in Python, on real files:
//! `score_reference.py`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use vibrissa::corpus::mabe::solution::{Solution, Submission};
use vibrissa::score::official::Comparison;
use vibrissa::score::table::{EventRules, by_behavior, by_event};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LABS: u64 = 19;
const VIDEOS: u64 = 847;
const ACTIONS: [&str; 6] = ["approach", "attack", "chase", "mount", "sniff", "sniffgenital"];
const COLUMNS: &str = "row_id,video_id,agent_id,target_id,action,start_frame,stop_frame";

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let (bouts, rounds) = (numbers.next().unwrap_or(83_620), numbers.next().unwrap_or(10));
    let (truth, predicted) = files(bouts);
    let rules = EventRules { tolerances_secs: vec![0.5, 1.0, 2.0], rate_hz: 30.0 };
    let mut best = [Duration::MAX; 4];
    for _ in 0..rounds {
        let mut timed = Vec::new();
        let started = Instant::now();
        let solution = Solution::read(truth.as_bytes(), Path::new("solution.csv")).unwrap();
        let submission = Submission::read(predicted.as_bytes(), Path::new("submission.csv")).unwrap();
        timed.push(started.elapsed());
        let started = Instant::now();
        let comparison = Comparison::new(&solution, &submission).unwrap();
        let score = comparison.score(1.0);
        timed.push(started.elapsed());
        assert!(score.value > 0.5 && score.labs.len() as u64 == LABS);
        let started = Instant::now();
        assert!(!by_behavior(&comparison).is_empty());
        timed.push(started.elapsed());
        let started = Instant::now();
        assert!(!by_event(&comparison, &rules).is_empty());
        timed.push(started.elapsed());
        best.iter_mut().zip(timed).for_each(|(best, time)| *best = time.min(*best));
    }
    let [reading, score, behaviors, events] = best.map(|time| time.as_secs_f64() * 1e3);
    let megabytes = (truth.len() + predicted.len()) as f64 / 1e6;
    println!("{bouts} bouts, {megabytes:.1} MB, best of {rounds}");
    println!("| reading ms | score ms | by behavior ms | by event ms |\n|---|---|---|---|");
    println!("| {reading:.1} | {score:.1} | {behaviors:.1} | {events:.1} |");
}

/// A solution and a submission; the bouts of a pair follow each other without overlap.
fn files(bouts: u64) -> (String, String) {
    let listed = ["mouse1,mouse2", "mouse2,mouse1"].iter().flat_map(|pair| ACTIONS.map(|of| format!("{pair},{of}")));
    let whitelist = listed.map(|entry| format!("\"\"{entry}\"\"")).collect::<Vec<String>>().join(", ");
    let (mut truth, mut predicted) = (format!("{COLUMNS},lab_id,behaviors_labeled\n"), format!("{COLUMNS}\n"));
    let of_video = bouts.div_ceil(VIDEOS);
    for row in 0..bouts {
        let (video, place) = (row / of_video, row % of_video);
        let (start, length) = (place * 100, 20 + (row * 2_654_435_761 % 75));
        let (agent, target) = if place % 2 == 0 { ("mouse1", "mouse2") } else { ("mouse2", "mouse1") };
        let action = ACTIONS[(row * 40_503 % 6) as usize];
        let key = format!("{row},{},{agent},{target},{action}", 100_000 + video);
        writeln!(truth, "{key},{start},{},lab{},\"[{whitelist}]\"", start + length, video % LABS).unwrap();
        writeln!(predicted, "{key},{},{}", start + 5, start + length + 5).unwrap();
    }
    (truth, predicted)
}
