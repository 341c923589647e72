//! Recordings and labels as the reports of `inspect` take them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::behavior::{Cell, Ethogram, Individual, Subject};
use crate::corpus::annotations::Annotations;
use crate::corpus::labels::SELF;
use crate::corpus::mabe::annotation;
use crate::corpus::mabe::sheet::Row;
use crate::corpus::sidecar::Sidecar;
use crate::corpus::{Annotated, CorpusError, RawRecording, Recording, SetLabels};
use crate::inspect::labels::{Action, Labelled, Track};
use crate::inspect::plot::unseen;
use crate::inspect::poses::PoseReport;

/// What a row of `train.csv` and its annotations say; `None` where nobody looked for anything.
pub fn of_row(dir: &Path, row: &Row) -> Result<Option<Labelled>, CorpusError> {
    if row.whitelist.is_empty() {
        return Ok(None);
    }
    let file = row.annotation_path(dir);
    let annotations = if file.is_file() { annotation::read(&file)? } else { Annotations::default() };
    let mut tracks: BTreeMap<Action, Track> = BTreeMap::new();
    for interval in &annotations.intervals {
        let action = Action::new(&interval.label, interval.agent.as_deref(), interval.target.as_deref());
        let track = tracks.entry(action.clone()).or_insert_with(|| Track { action, bouts: Vec::new() });
        track.bouts.push(interval.span.frames(row.rate_hz));
    }
    let frames = row.duration_secs.map_or(0, |secs| (secs * row.rate_hz).round() as u64);
    let of_self = |target: &str, agent: &str| if target == SELF { agent.to_owned() } else { target.to_owned() };
    let listed = row
        .whitelist
        .iter()
        .map(|listed| Action::new(&listed.action, Some(&listed.agent), Some(&of_self(&listed.target, &listed.agent))));
    Ok(Some(Labelled {
        lab: row.lab.clone(),
        recording: row.video.clone(),
        rate_hz: row.rate_hz,
        scored: row.scored_frames.clone().unwrap_or_else(|| std::iter::once(0..frames).collect()),
        tracks: tracks.into_values().collect(),
        listed: listed.collect(),
    }))
}

/// A recording as its file would give it.
fn as_raw(recording: &Recording, repairs: &[String]) -> RawRecording {
    let stream = &recording.stream;
    RawRecording {
        file: PathBuf::from(&recording.name),
        name: recording.name.clone(),
        individuals: stream.individuals().to_vec(),
        keypoints: stream.skeleton().keypoints().to_vec(),
        frames: recording.frames.clone(),
        stated: Sidecar {
            rate_hz: Some(stream.rate_hz()),
            body_length_px: Some(stream.body_length_px()),
            skeleton: Some(stream.skeleton().clone()),
            ..Sidecar::default()
        },
        repairs: repairs.to_vec(),
        ..RawRecording::default()
    }
}

/// What is kept of a recording of a corpus: its poses are not.
pub struct Seen {
    pub name: String,
    pub individuals: Vec<String>,
    pub rate_hz: f64,
    pub extent: Range<u64>,
    pub labels: Vec<SetLabels>,
    pub report: PoseReport,
    pub unseen: Vec<(String, Vec<Range<u64>>)>,
}

impl Seen {
    pub fn of(annotated: Annotated) -> Self {
        let Annotated { recording, labels, repairs, .. } = annotated;
        let raw = as_raw(&recording, &repairs);
        Self {
            individuals: raw.individuals.clone(),
            rate_hz: recording.stream.rate_hz(),
            extent: recording.extent(),
            labels,
            report: PoseReport::of(&raw, raw.stated.rate_hz),
            unseen: unseen(&raw),
            name: raw.name,
        }
    }
}

/// Whom a cell is about, by name; a pair without direction names nobody.
pub fn action(ethogram: &Ethogram, individuals: &[String], cell: Cell) -> Action {
    let name = |slot: Individual| Some(individuals[usize::from(slot.0)].as_str());
    let (agent, target) = match cell.subject {
        Subject::One(one) => (name(one), name(one)),
        Subject::Ordered { agent, target } => (name(agent), name(target)),
        Subject::Both { .. } => (None, None),
    };
    Action::new(&ethogram.spec(cell.behavior).name, agent, target)
}
