//! The rat corpus: its description, and its files where they are at hand.

use std::path::Path;

use super::{Annotated, Corpus, Description, Entry, Split};
use crate::behavior::{Behavior, Bout};
use crate::corpus::spans;
use crate::poses::Keypoint;
use crate::score::FrameScores;
use crate::testing;

const SPLITS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

/// The corpus, or `None` with a line on stderr where its files are not at hand.
fn corpus() -> Option<Corpus> {
    let dir = testing::corpus_dir("rat-dyads")?;
    Some(Corpus::of_files(&[dir], &description()).unwrap_or_else(|error| panic!("{error}")))
}

fn load(corpus: &Corpus, entry: &Entry) -> Annotated {
    corpus.load(entry).unwrap_or_else(|error| panic!("{error}"))
}

fn description() -> Description {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/corpora/rat-dyads.toml");
    Description::read(&file).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_description_is_sound() {
    let description = description();
    assert_eq!(description.ethogram().behavior_count(), 9);
    assert_eq!((description.split.test.len(), description.split.validation.len()), (10, 7));
    let axis = description.skeleton.as_ref().unwrap().axis();
    assert_eq!((axis.front, axis.centre, axis.rear), (0, 1, 2));
}

/// What one split holds.
#[derive(Default)]
struct Counts {
    recordings: usize,
    frames: usize,
    frames_with_both: usize,
    scored: u64,
    /// Scored frames and bouts of each behavior.
    behaviors: [(u64, usize); 9],
    /// Distances from head to tail base, in pixels.
    lengths_px: Vec<f32>,
}

impl Counts {
    fn add(&mut self, Annotated { recording, labels, .. }: &Annotated) {
        let (keypoints, axis) = (recording.stream.skeleton().keypoints().len(), recording.stream.skeleton().axis());
        self.recordings += 1;
        self.frames += recording.frames.len();
        for frame in &recording.frames {
            let mut animals = frame.keypoints.chunks_exact(keypoints);
            self.frames_with_both += usize::from(animals.all(|animal| animal.iter().any(Keypoint::is_present)));
            for animal in frame.keypoints.chunks_exact(keypoints) {
                let (front, rear) = (animal[axis.front], animal[axis.rear]);
                if front.is_present() && rear.is_present() {
                    self.lengths_px.push((front.x - rear.x).hypot(front.y - rear.y));
                }
            }
        }
        assert_eq!(labels[0].scored, labels[1].scored, "{}", recording.name);
        self.scored += spans::length(&labels[0].scored);
        for set in labels {
            for bout in &set.bouts {
                let Behavior(index) = bout.cell.behavior;
                let frames = bout.start..bout.stop;
                let scored = spans::intersection(std::slice::from_ref(&frames), &set.scored);
                let count = &mut self.behaviors[usize::from(index)];
                *count = (count.0 + spans::length(&scored), count.1 + 1);
            }
        }
    }

    fn median_length_px(&mut self) -> f32 {
        self.lengths_px.sort_unstable_by(f32::total_cmp);
        self.lengths_px[self.lengths_px.len() / 2]
    }
}

#[test]
fn all_recordings_load_and_hold_what_is_known_of_them() {
    let Some(corpus) = corpus() else { return };
    assert_eq!((corpus.entries().len(), corpus.absent_ids().len()), (48, 0));
    let mut counts = SPLITS.map(|split| {
        let mut counts = Counts::default();
        for entry in corpus.split(split) {
            counts.add(&load(&corpus, entry));
        }
        counts
    });
    for (split, counts) in SPLITS.iter().zip(&mut counts) {
        let length_px = counts.median_length_px();
        println!("{split:?}: {} recordings, {} frames, {} scored", counts.recordings, counts.frames, counts.scored);
        println!("    both animals in {}, median body length {length_px:.1} px", counts.frames_with_both);
        for (behavior, _, spec) in corpus.ethogram().behaviors() {
            let (frames, bouts) = counts.behaviors[usize::from(behavior.0)];
            println!("    {:14} {frames:7} frames in {bouts:4} bouts", spec.name);
        }
    }
    let total = |of: fn(&Counts) -> usize| counts.iter().map(of).sum::<usize>();
    assert_eq!(total(|counts| counts.frames), 689_219);
    assert_eq!(total(|counts| counts.scored as usize), 48 * 12_000);
    let share = total(|counts| counts.frames_with_both) as f64 / 689_219.0;
    assert!((share - 0.63).abs() < 0.005, "both animals in {share} of the frames");
    let frames = |name: &str| {
        let set = if name == "social" { "RatSocial" } else { "RatAggression" };
        let Behavior(index) = corpus.ethogram().find(set, name).unwrap();
        counts.each_ref().map(|counts| counts.behaviors[usize::from(index)].0)
    };
    // Neither clipping nor excluded frames change the rare ones.
    assert_eq!(frames("bite").iter().sum::<u64>(), 343);
    assert_eq!(frames("chase").iter().sum::<u64>(), 439);
    for name in ["social", "uprightposture", "freezing", "bite", "chase"] {
        assert!(frames(name).iter().all(|frames| *frames > 0), "{name} is missing in a split");
    }
    let measured_px = f64::from(counts[0].median_length_px());
    assert!((description().stream.body_length_px.unwrap() - measured_px).abs() < 0.5, "measured {measured_px} px");
}

/// Whoever always answers yes gets what is known from elsewhere: labels, scored frames and F1 are the same there.
#[test]
fn always_answering_yes_scores_as_it_is_known_to() {
    let Some(corpus) = corpus() else { return };
    let mut scores = FrameScores::new(corpus.ethogram());
    for entry in corpus.split(Split::Test) {
        let Annotated { recording, labels, .. } = load(&corpus, entry);
        let frames = recording.extent();
        let cells = corpus.ethogram().cells(2);
        let yes = cells.into_iter().map(|cell| Bout { cell, start: frames.start, stop: frames.end });
        scores.add(&labels, &yes.collect::<Vec<_>>());
    }
    for (behavior, known) in (0..).map(Behavior).zip([0.652, 0.252, 0.101, 0.089, 0.066]) {
        let f1 = scores.tally(behavior).f1();
        assert!((f1 - known).abs() < 0.0005, "{}: {f1}, known {known}", corpus.ethogram().spec(behavior).name);
    }
}
