//! Input that the shipped model was not trained on is noticed, and its own kind is not.

use std::path::Path;
use std::sync::Arc;

use vibrissa::core::{Cage, Note};
use vibrissa::corpus::poses::deeplabcut_csv;
use vibrissa::model::Model;
use vibrissa::poses::{Frame, Keypoint};
use vibrissa::stream::{Origin, StreamDescription};

use crate::common::corpus_dir;

fn model() -> Arc<Model> {
    Arc::new(Model::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/rat-dyads")).unwrap())
}

/// What is said of the range over some frames, with the second in which it is said.
fn said(model: &Arc<Model>, body_length_px: f64, frames: impl Iterator<Item = Frame>) -> Vec<(u64, Vec<String>)> {
    let names = vec!["a".to_owned(), "b".to_owned()];
    let skeleton = model.card().defaults.skeleton.clone();
    let stream = StreamDescription::new(skeleton, names, 30.0, body_length_px, None, Origin::Replay).unwrap();
    let mut cage = Cage::open(Arc::clone(model), &stream).unwrap();
    let mut said = Vec::new();
    for (index, frame) in frames.enumerate() {
        for note in cage.push(&frame).unwrap().notes {
            if let Note::Range(what) = note {
                said.push((index as u64 / 30, what));
            }
        }
    }
    said
}

/// The mice's keypoints in the places of the rats': what a tracker that was renamed would give.
fn mice(frames: Vec<Frame>, keypoints: &[String]) -> impl Iterator<Item = Frame> {
    let at = |part: &str| keypoints.iter().position(|keypoint| keypoint.starts_with(part)).unwrap();
    let (places, count) = ([at("nose"), at("neck"), at("tail")], keypoints.len());
    frames.into_iter().map(move |frame| {
        let mut points = Vec::new();
        for animal in frame.keypoints.chunks(count) {
            points.extend(places.map(|place| animal[place]));
            points.extend([Keypoint::MISSING; 2]);
        }
        Frame { keypoints: points, ..frame }
    })
}

#[test]
fn a_rat_model_on_mice_is_noticed() {
    let Some(corpus) = corpus_dir("mouse-dyad") else { return };
    let file = std::fs::read_dir(corpus)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("DLC")));
    let model = model();
    let recording = deeplabcut_csv::read(&file.unwrap(), model.card().confidence_min).unwrap();
    let frames = mice(recording.frames, &recording.keypoints).take(1800);
    let said = said(&model, 160.0, frames);
    let (secs, what) = said.first().expect("a word within a minute");
    assert!(*secs <= 40 && what.iter().any(|line| line.contains("expected")), "after {secs} s: {what:?}");
}

#[test]
fn rats_in_a_scale_that_is_wrong_by_half_are_noticed_and_rats_as_they_are_are_not() {
    let Some(corpus) = corpus_dir("rat-dyads") else { return };
    let file = corpus.join("poses/2DLC_dlcrnetms5_DLC_ratJan24shuffle1_5000_el_filtered.csv.gz");
    let model = model();
    let recording = deeplabcut_csv::read(&file, model.card().confidence_min).unwrap();
    let frames = || recording.frames.iter().take(9000).cloned();
    assert_eq!(said(&model, 183.4, frames()), []);
    let halved = said(&model, 2.0 * 183.4, frames());
    assert!(halved.first().is_some_and(|(secs, _)| *secs < 90), "{halved:?}");
}
