//! Bouts that were told for nothing, and bouts that were missed: the worst of them, with the animals around.

use std::cmp::Ordering;
use std::ops::Range;

use super::Measured;
use super::compared::{ByCell, Compared};
use crate::behavior::{Cell, Individual, Subject, pair_name};
use crate::corpus::session::Session;
use crate::corpus::spans;
use crate::poses::Keypoint;
use crate::report::{Mistake, Pose};
use crate::time::{DelayTicks, TICK_RATE_HZ, Tick};

/// Mistakes of a report.
const MISTAKES: usize = 12;

/// Ticks to either side of which the score is drawn: four seconds.
const SCORE_TICKS: i64 = 120;

/// Ticks from a mistake at which the animals are drawn: over two seconds.
const POSE_OFFSETS_TICKS: [i64; 5] = [-30, -15, 0, 15, 30];

/// What a body length is drawn as: sessions know no pixels, and the drawing has a scale of its own anyway. Their y
/// points down as the camera's does.
const BODY_LENGTH_PX: f64 = 100.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// Told, and at no tick annotated.
    Made,
    /// Annotated, and at no tick told.
    Missed,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Index of the recording, and of the cell within it.
    recording: usize,
    cell: usize,
    behavior: u16,
    wrong: Wrong,
    /// How far the score lay on the wrong side of the threshold, summed over the bout: long ones and sure ones are worse.
    weight: f64,
    /// Where the score was the most wrong.
    worst: u64,
    threshold: f32,
}

/// The worst at the longest delay of behaviors that are told at all, spread over recordings, behaviors and both ways to
/// be wrong: whatever was chosen makes its like count for less.
pub fn worst(measured: Measured<'_>, compared: &[Compared]) -> Vec<Mistake> {
    let Some(delay) = measured.delays().len().checked_sub(1) else { return Vec::new() };
    let mut candidates: Vec<Candidate> = (0..compared.len())
        .flat_map(|recording| of_recording(measured, &compared[recording], (recording, delay)))
        .collect();
    let mut chosen: Vec<Candidate> = Vec::new();
    while chosen.len() < MISTAKES {
        let worth = |candidate: &Candidate| {
            let count = |is_like: &dyn Fn(&Candidate) -> bool| chosen.iter().filter(|one| is_like(one)).count() as f64;
            let of_recording = count(&|one| one.recording == candidate.recording);
            let of_kind = count(&|one| (one.behavior, one.wrong) == (candidate.behavior, candidate.wrong));
            candidate.weight / (1.0 + of_recording) / (1.0 + of_kind).powi(3)
        };
        let by_worth = |a: &(usize, f64), b: &(usize, f64)| -> Ordering { a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)) };
        let Some((next, _)) = candidates.iter().map(worth).enumerate().max_by(by_worth) else { break };
        chosen.push(candidates.swap_remove(next));
    }
    chosen.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    chosen.iter().map(|candidate| mistake(measured, &compared[candidate.recording], candidate, delay)).collect()
}

fn of_recording(measured: Measured<'_>, compared: &Compared, (recording, delay): (usize, usize)) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for (cell, of) in compared.session.cells.iter().enumerate() {
        let threshold = measured.rules[delay][usize::from(of.behavior.0)].on;
        if threshold > 1.0 {
            continue;
        }
        let scored = compared.scored(delay, cell);
        let (told, truth) = (&compared.told[delay][cell], &compared.truth[cell]);
        for (wrong, bouts, others) in [(Wrong::Made, told, truth), (Wrong::Missed, truth, told)] {
            let is_alone = |bout: &&Range<u64>| spans::intersection(std::slice::from_ref(*bout), others).is_empty();
            for bout in bouts.iter().filter(is_alone) {
                let off = |tick: u64| {
                    let score = compared.score(delay, cell, tick).filter(|score| score.is_finite())?;
                    Some(match wrong {
                        Wrong::Made => f64::from(score - threshold),
                        Wrong::Missed => f64::from(threshold - score),
                    })
                };
                let ticks = spans::intersection(std::slice::from_ref(bout), &scored).into_iter().flatten();
                let off: Vec<(u64, f64)> = ticks.filter_map(|tick| Some((tick, off(tick)?))).collect();
                let weight = off.iter().map(|(_, off)| off.max(0.0)).sum();
                let worst = off.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
                if let Some(&(worst, _)) = worst {
                    let behavior = of.behavior.0;
                    candidates.push(Candidate { recording, cell, behavior, wrong, weight, worst, threshold });
                }
            }
        }
    }
    candidates
}

fn mistake(measured: Measured<'_>, compared: &Compared, candidate: &Candidate, delay: usize) -> Mistake {
    let Candidate { cell, worst, threshold, wrong, .. } = *candidate;
    let session = compared.session;
    let of = session.cells[cell];
    let spec = measured.ethogram.spec(of.behavior);
    let itself = words(measured, session, of);
    let (said, annotated) = match wrong {
        Wrong::Made => (itself, instead(measured, compared, of, (&compared.truth, worst))),
        Wrong::Missed => (instead(measured, compared, of, (&compared.told[delay], worst)), itself),
    };
    let from_mistake = |tick: u64| (tick as f64 - worst as f64) / TICK_RATE_HZ;
    let around = (-SCORE_TICKS..=SCORE_TICKS).filter_map(|offset| worst.checked_add_signed(offset));
    let shown = worst.saturating_sub(SCORE_TICKS as u64)..worst + SCORE_TICKS as u64;
    let truth = spans::intersection(&compared.truth[cell], std::slice::from_ref(&shown));
    Mistake {
        label_set: measured.ethogram.label_sets()[measured.ethogram.label_set_of(of.behavior)].name.clone(),
        behavior: spec.name.clone(),
        recording: session.name.clone(),
        delay: measured.delays().get(delay).copied().unwrap_or(DelayTicks(0)),
        secs: Some(Tick(worst).secs()),
        // A tick is a frame at 30 Hz only, and a session does not know its rate.
        frame: None,
        said,
        annotated,
        score: compared.score(delay, cell, worst).map(f64::from),
        threshold: Some(threshold.into()),
        individuals: session.individual_names.clone(),
        edges: session.skeleton.edges().to_vec(),
        poses: POSE_OFFSETS_TICKS.iter().filter_map(|offset| pose(session, worst, *offset)).collect(),
        scores: around
            .filter_map(|tick| Some([from_mistake(tick), compared.score(delay, cell, tick)?.into()]))
            .collect(),
        truth: truth.into_iter().map(|range| [from_mistake(range.start), from_mistake(range.end)]).collect(),
    }
}

/// What is true, or was told, of the same animals in the same label set at a tick.
fn instead(measured: Measured<'_>, compared: &Compared, of: Cell, (by_cell, tick): (&ByCell, u64)) -> String {
    let set = measured.ethogram.label_set_of(of.behavior);
    let is_there = |(index, cell): &(usize, &Cell)| {
        by_cell[*index].iter().any(|range| range.contains(&tick))
            && measured.ethogram.label_set_of(cell.behavior) == set
            && animals(cell.subject).iter().all(|animal| animals(of.subject).contains(animal))
    };
    let cells = compared.session.cells.iter().enumerate().filter(is_there);
    let all: Vec<String> = cells.map(|(_, cell)| words(measured, compared.session, *cell)).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join("; ") }
}

fn animals(subject: Subject) -> Vec<Individual> {
    match subject {
        Subject::One(one) => vec![one],
        Subject::Ordered { agent, target } => vec![agent, target],
        Subject::Both { first, second } => vec![first, second],
    }
}

/// `attack, a → b`.
fn words(measured: Measured<'_>, session: &Session, cell: Cell) -> String {
    let name =
        |individual: Individual| session.individual_names.get(usize::from(individual.0)).map_or("", String::as_str);
    let whom = match cell.subject {
        Subject::One(one) => name(one).to_owned(),
        Subject::Ordered { agent, target } => format!("{} → {}", name(agent), name(target)),
        Subject::Both { first, second } => pair_name(name(first), name(second)),
    };
    format!("{}, {whom}", measured.ethogram.spec(cell.behavior).name)
}

/// The animals so many ticks from a mistake; `None` beyond the ends of the recording.
fn pose(session: &Session, worst: u64, offset: i64) -> Option<Pose> {
    let tick = worst.checked_add_signed(offset).filter(|tick| *tick < session.ticks as u64)?;
    let place = |point: &Keypoint| {
        point.is_present().then(|| [point.x, point.y].map(|coordinate| f64::from(coordinate) * BODY_LENGTH_PX))
    };
    let points = session.stretch(tick as usize, 1).ok()?;
    let points = points.chunks(session.skeleton.keypoints().len());
    Some(Pose {
        offset_secs: offset as f64 / TICK_RATE_HZ,
        individuals: points.map(|points| points.iter().map(place).collect()).collect(),
    })
}
