//! What the `MABe` 2025 score compares: a solution (the truth, with what was annotated) and a submission.
//!
//! Both are CSV files with the columns `video_id`, `agent_id`, `target_id`, `action`, `start_frame` and `stop_frame`
//! (exclusive), in any order and among any others. A solution has besides
//!
//! - `lab_id`;
//! - `behaviors_labeled`, the whitelist of a video: a JSON list of `"agent,target,action"`. Its first row counts;
//! - optionally `scored_frames`, a JSON list of `[start, stop)`: frames outside are not scored. Empty: all are;
//! - optionally `frames_per_second`.
//!
//! The last two belong to the video: each of its rows says the same. Video ids that are whole numbers are compared as
//! such (`"01001"` is `1001`), others as text. Unlike [`super::submission`], animals may have any name.

mod sheet;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use self::sheet::Sheet;
use super::super::error::{CorpusError, Place};

/// Highest frame rate that is believed.
const RATE_HZ_MAX: f64 = 100_000.0;

/// The truth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Solution {
    /// In the order of their first rows; a video that two labs annotated stands here twice.
    pub videos: Vec<Video>,
    /// `video` is an index of `videos`.
    pub series: Vec<Series>,
}

/// A video as one lab annotated it.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    pub lab: String,
    pub id: String,
    /// What was annotated, each as `agent,target,action`.
    pub whitelist: HashSet<String>,
    /// The frames that are scored, in any order; `None`: all.
    pub scored: Option<Vec<Range<i64>>>,
    pub rate_hz: Option<f64>,
}

/// What was predicted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// Ids in the order of their first rows.
    pub videos: Vec<String>,
    /// `video` is an index of `videos`.
    pub series: Vec<Series>,
}

/// All rows of one (video, agent, target, action).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    pub video: usize,
    pub agent: String,
    pub target: String,
    pub action: String,
    /// In the order of the rows: any of them may overlap or hold no frame; none ends before it starts. Signed, as a
    /// submission may begin before its video.
    pub intervals: Vec<Range<i64>>,
}

impl Solution {
    /// Reads a solution; `file` is what errors are named after. One without rows is none to score, but is read.
    ///
    /// # Errors
    /// Whatever is no solution, with its row and column.
    pub fn read(input: impl Read, file: &Path) -> Result<Self, CorpusError> {
        let mut sheet = Sheet::open(input, file)?;
        let columns = Columns::find(&sheet)?;
        let (lab, whitelist) = (sheet.required("lab_id")?, sheet.required("behaviors_labeled")?);
        let [scored, rate] = ["scored_frames", "frames_per_second"].map(|name| sheet.column(name));
        let (mut numbers, mut keys) = (Numbers::default(), Numbers::default());
        let mut solution = Self::default();
        // What the first row of each video says of it.
        let mut said: Vec<[Vec<u8>; 2]> = Vec::new();
        while sheet.advance()? {
            let row = columns.row(&sheet)?;
            let lab = sheet.text(lab)?;
            let video = numbers.of(&[lab, &row.video]);
            if video == solution.videos.len() {
                solution.videos.push(Video {
                    lab: lab.to_string(),
                    id: row.video.to_string(),
                    whitelist: json(&sheet, whitelist, "a JSON list of \"agent,target,action\"")?,
                    scored: scored.map(|column| scored_frames(&sheet, column)).transpose()?.flatten(),
                    rate_hz: rate.map(|column| rate_hz(&sheet, column)).transpose()?,
                });
                said.push([scored, rate].map(|column| column.map_or(Vec::new(), |at| sheet.bytes(at).to_vec())));
            }
            for (column, said) in [scored, rate].into_iter().zip(&said[video]) {
                if let Some(column) = column.filter(|column| sheet.bytes(*column) != &said[..]) {
                    let expected = format!("what the first row of the video {} says", row.video);
                    return Err(sheet.fault(column, expected));
                }
            }
            let key = keys.of(&[lab, &row.video, row.agent, row.target, row.action]);
            row.add(key, video, &mut solution.series);
        }
        Ok(solution)
    }

    /// Restricts the score to the intervals that [`read_scored`] gave; `file` is what errors are named after.
    ///
    /// # Errors
    /// A video of the solution without intervals, and a solution that has a column of them itself.
    pub fn restrict(&mut self, scored: &HashMap<String, Vec<Range<i64>>>, file: &Path) -> Result<(), CorpusError> {
        for video in &mut self.videos {
            if video.scored.is_some() {
                let expected = "the only word on what is scored";
                let got = format!("a solution that has scored_frames of the video {}, too", video.id);
                return Err(Place::file(file).fault(expected, got));
            }
            let intervals = scored.get(&video.id).ok_or_else(|| {
                Place::file(file).fault(format!("at least one interval of the video {}", video.id), "none")
            })?;
            video.scored = Some(intervals.clone());
        }
        Ok(())
    }
}

impl Submission {
    /// Reads a submission; `file` is what errors are named after. One without rows is none to score, but is read.
    ///
    /// # Errors
    /// Whatever is no submission, with its row and column.
    pub fn read(input: impl Read, file: &Path) -> Result<Self, CorpusError> {
        let mut sheet = Sheet::open(input, file)?;
        let columns = Columns::find(&sheet)?;
        let (mut numbers, mut keys) = (Numbers::default(), Numbers::default());
        let mut submission = Self::default();
        while sheet.advance()? {
            let row = columns.row(&sheet)?;
            let video = numbers.of(&[&row.video]);
            if video == submission.videos.len() {
                submission.videos.push(row.video.to_string());
            }
            let key = keys.of(&[&row.video, row.agent, row.target, row.action]);
            row.add(key, video, &mut submission.series);
        }
        Ok(submission)
    }
}

/// Reads the scored intervals of videos: columns `video_id`, `start_frame`, `stop_frame`. An interval without frames
/// says that nothing of a video is scored.
///
/// # Errors
/// Whatever is no such file, with its row and column.
pub fn read_scored(input: impl Read, file: &Path) -> Result<HashMap<String, Vec<Range<i64>>>, CorpusError> {
    let mut sheet = Sheet::open(input, file)?;
    let (video, start, stop) =
        (sheet.required("video_id")?, sheet.required("start_frame")?, sheet.required("stop_frame")?);
    let mut scored = HashMap::<String, Vec<Range<i64>>>::new();
    while sheet.advance()? {
        let id = canonical(sheet.text(video)?).into_owned();
        scored.entry(id).or_default().push(interval(&sheet, start, stop)?);
    }
    Ok(scored)
}

/// Where the columns stand that both sides have.
struct Columns {
    video: usize,
    agent: usize,
    target: usize,
    action: usize,
    start: usize,
    stop: usize,
}

impl Columns {
    fn find<R: Read>(sheet: &Sheet<R>) -> Result<Self, CorpusError> {
        let column = |name| sheet.required(name);
        Ok(Self {
            video: column("video_id")?,
            agent: column("agent_id")?,
            target: column("target_id")?,
            action: column("action")?,
            start: column("start_frame")?,
            stop: column("stop_frame")?,
        })
    }

    fn row<'a, R: Read>(&self, sheet: &'a Sheet<R>) -> Result<Row<'a>, CorpusError> {
        Ok(Row {
            video: canonical(sheet.text(self.video)?),
            agent: sheet.text(self.agent)?,
            target: sheet.text(self.target)?,
            action: sheet.text(self.action)?,
            interval: interval(sheet, self.start, self.stop)?,
        })
    }
}

struct Row<'a> {
    video: Cow<'a, str>,
    agent: &'a str,
    target: &'a str,
    action: &'a str,
    interval: Range<i64>,
}

impl Row<'_> {
    /// Puts the interval where it belongs: `key` is the number of its series, the next one's where that is new.
    fn add(self, key: usize, video: usize, series: &mut Vec<Series>) {
        if key == series.len() {
            let [agent, target, action] = [self.agent, self.target, self.action].map(str::to_string);
            series.push(Series { video, agent, target, action, intervals: Vec::new() });
        }
        series[key].intervals.push(self.interval);
    }
}

/// Numbers combinations of texts in the order of their first appearance.
#[derive(Default)]
struct Numbers {
    by_texts: HashMap<Vec<u8>, usize>,
    joined: Vec<u8>,
}

impl Numbers {
    /// The number of a combination; a new one gets the next. All must be of as many texts.
    fn of(&mut self, texts: &[&str]) -> usize {
        self.joined.clear();
        for text in texts {
            self.joined.extend_from_slice(text.as_bytes());
            // No text in UTF-8 holds this byte.
            self.joined.push(0xff);
        }
        let next = self.by_texts.len();
        match self.by_texts.get(&self.joined) {
            Some(number) => *number,
            None => *self.by_texts.entry(self.joined.clone()).or_insert(next),
        }
    }
}

/// A whole number in its usual form, whatever zeros, plus or blanks it was written with; other text as it is.
fn canonical(text: &str) -> Cow<'_, str> {
    let usual = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    match text.trim().parse::<i128>() {
        Ok(number) if !usual => Cow::Owned(number.to_string()),
        _ => Cow::Borrowed(text),
    }
}

fn interval<R: Read>(sheet: &Sheet<R>, start_column: usize, stop_column: usize) -> Result<Range<i64>, CorpusError> {
    let (start, stop) = (sheet.frame(start_column)?, sheet.frame(stop_column)?);
    if start > stop {
        return Err(sheet.fault(stop_column, format!("a stop frame of {start} or later")));
    }
    Ok(start..stop)
}

fn json<T: serde::de::DeserializeOwned, R: Read>(
    sheet: &Sheet<R>,
    column: usize,
    expected: &str,
) -> Result<T, CorpusError> {
    serde_json::from_slice(sheet.bytes(column)).map_err(|_| sheet.fault(column, expected))
}

fn scored_frames<R: Read>(sheet: &Sheet<R>, column: usize) -> Result<Option<Vec<Range<i64>>>, CorpusError> {
    if sheet.bytes(column).is_empty() {
        return Ok(None);
    }
    let expected = "a JSON list of [start, stop) frames";
    let pairs: Vec<(i64, i64)> = json(sheet, column, expected)?;
    if pairs.iter().any(|(start, stop)| start > stop) {
        return Err(sheet.fault(column, format!("{expected}, none of which stops before it starts")));
    }
    Ok(Some(pairs.into_iter().map(|(start, stop)| start..stop).collect()))
}

fn rate_hz<R: Read>(sheet: &Sheet<R>, column: usize) -> Result<f64, CorpusError> {
    let rate = std::str::from_utf8(sheet.bytes(column)).ok().and_then(|text| text.trim().parse::<f64>().ok());
    rate.filter(|rate| *rate > 0.0 && *rate <= RATE_HZ_MAX)
        .ok_or_else(|| sheet.fault(column, format!("frames per second above 0, up to {RATE_HZ_MAX}")))
}
