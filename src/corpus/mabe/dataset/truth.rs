//! The truth of recordings as the challenge's score takes it.

use std::ops::Range;

use super::{Dataset, in_recording, scored_of};
use crate::corpus::annotations::{Annotations, Span};
use crate::corpus::catalog::Entry;
use crate::corpus::error::CorpusError;
use crate::corpus::labels::SELF;
use crate::corpus::mabe::annotation;
use crate::corpus::mabe::solution::Video;

const SOLUTION_COLUMNS: [&str; 10] = [
    "video_id",
    "agent_id",
    "target_id",
    "action",
    "start_frame",
    "stop_frame",
    "lab_id",
    "behaviors_labeled",
    "scored_frames",
    "frames_per_second",
];

impl Dataset {
    /// The truth of some recordings as the challenge's score takes it: a CSV with a row for each bout of each lab, in
    /// frames of the recording, and the columns `scored_frames` and `frames_per_second` besides. Recordings in which a
    /// lab found nothing have no row there: they are given beside it, so that what is predicted in them counts as wrong.
    ///
    /// # Errors
    /// Whatever is wrong with a file of annotations, with its place.
    pub fn solution(&self, entries: &[Entry]) -> Result<(Vec<u8>, Vec<Video>), CorpusError> {
        let file = self.dir.join(Self::SHEET);
        let io = |error: csv::Error| CorpusError::Io { file: file.clone(), error: error.into() };
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(SOLUTION_COLUMNS).map_err(io)?;
        let mut silent = Vec::new();
        for (entry, row) in entries.iter().flat_map(|entry| self.rows(entry).iter().map(move |row| (entry, row))) {
            let path = row.annotation_path(&self.dir);
            let annotations = if path.is_file() { annotation::read(&path)? } else { Annotations::default() };
            let whitelist: Vec<String> = row
                .whitelist
                .iter()
                .map(|entry| format!("{},{},{}", entry.agent, entry.target, entry.action))
                .collect();
            let frames = row.duration_secs.map(|secs| (secs * row.rate_hz).round() as u64);
            let scored = match (frames, &row.scored_frames) {
                (None, None) => None,
                (frames, _) => scored_of(row, frames.unwrap_or(0)),
            };
            if annotations.intervals.is_empty() && path.is_file() {
                let range = |range: Range<u64>| range.start as i64..range.end as i64;
                silent.push(Video {
                    lab: row.lab.clone(),
                    id: entry.id.clone(),
                    whitelist: whitelist.iter().cloned().collect(),
                    scored: scored.map(|scored| scored.into_iter().map(range).collect()),
                    rate_hz: Some(row.rate_hz),
                });
                continue;
            }
            let whitelist = serde_json::json!(whitelist).to_string();
            let scored = scored.map_or(String::new(), |scored| {
                let scored: Vec<[u64; 2]> = scored.iter().map(|range| [range.start, range.end]).collect();
                serde_json::json!(scored).to_string()
            });
            for annotation in &annotations.intervals {
                let (Some(agent), Some(target), Span::Frames(frames)) =
                    (&annotation.agent, &annotation.target, &annotation.span)
                else {
                    continue;
                };
                let target = if agent == target { SELF } else { target };
                let frames = in_recording(frames, row);
                let (start, stop, rate) = (frames.start.to_string(), frames.end.to_string(), row.rate_hz.to_string());
                let (video, label) = (&entry.id, &annotation.label);
                let cells = [video, agent, target, label, &start, &stop, &row.lab, &whitelist, &scored, &rate];
                csv.write_record(cells).map_err(io)?;
            }
        }
        let text = csv.into_inner();
        let text = text.map_err(|error| CorpusError::Io { file: file.clone(), error: error.into_error() })?;
        Ok((text, silent))
    }
}
