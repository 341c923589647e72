//! What a pose file does not say, from a small TOML beside it, from flags, or from the model.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{CorpusError, Place, quoted};
use super::recording::{RawRecording, Recording, name_of};
use crate::poses::Keypoint;
use crate::skeleton::Skeleton;
use crate::stream::{CLOCK_UNIX, Origin, StreamDefaults, StreamDescription};

const NANOS_PER_SEC: f64 = 1e9;

/// Facts about a recording; what is absent is looked for elsewhere, see [`resolve`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    pub rate_hz: Option<f64>,
    /// Pixels in one nominal body length.
    pub body_length_px: Option<f64>,
    pub skeleton: Option<Skeleton>,
    /// Names for the file's individuals, in the file's order.
    pub individuals: Option<Vec<String>>,
    /// What the names of the keypoints of each individual begin with, in a table that knows one animal only.
    pub individual_prefixes: Option<Vec<String>>,
    /// When the video begins that annotations were made on, in seconds since 1970, where frames carry capture times; with
    /// the first frame, unless stated.
    pub video_start_unix_secs: Option<f64>,
}

/// What becomes of keypoints in a file that the skeleton lacks.
#[derive(Clone, Copy, PartialEq)]
enum Surplus {
    Refused,
    Ignored,
}

impl Sidecar {
    /// Where the sidecar of a pose file lies: beside it, `NAME.toml`.
    pub fn path(poses: &Path) -> PathBuf {
        poses.with_file_name(format!("{}.toml", name_of(poses)))
    }

    /// The sidecar of a pose file; empty where there is none.
    ///
    /// # Errors
    /// A file that cannot be read or holds anything else.
    pub fn beside(poses: &Path) -> Result<Self, CorpusError> {
        let file = Self::path(poses);
        match std::fs::read_to_string(&file) {
            Ok(text) => Self::parse(&text, &file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(CorpusError::Io { file, error }),
        }
    }

    /// # Errors
    /// Text that is no sidecar; `file` is what the error is named after.
    pub fn parse(text: &str, file: &Path) -> Result<Self, CorpusError> {
        toml::from_str(text).map_err(|error| CorpusError::Toml { file: file.to_path_buf(), error: Box::new(error) })
    }

    /// What is said here, and by `other` where nothing is said here.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            rate_hz: self.rate_hz.or(other.rate_hz),
            body_length_px: self.body_length_px.or(other.body_length_px),
            skeleton: self.skeleton.or(other.skeleton),
            individuals: self.individuals.or(other.individuals),
            individual_prefixes: self.individual_prefixes.or(other.individual_prefixes),
            video_start_unix_secs: self.video_start_unix_secs.or(other.video_start_unix_secs),
        }
    }
}

/// Makes a recording of a pose file: `overrides` (flags) come before the `sidecar`, that before what the file itself
/// states, that before the `defaults`. Each
/// value that had to be taken from the defaults gives a warning.
///
/// Keypoints are put into the skeleton's order. Where the skeleton is the default, keypoints that it lacks are left
/// out, with a warning.
///
/// # Errors
/// A skeleton that does not fit the file; a rate, scale or number of individuals that no stream may have.
pub fn resolve(
    raw: RawRecording,
    sidecar: Sidecar,
    overrides: Sidecar,
    defaults: &StreamDefaults,
) -> Result<(Recording, Vec<String>), CorpusError> {
    let facts = overrides.or(sidecar).or(raw.stated.clone());
    let mut warnings = Vec::new();
    let mut warn = |what: String| warnings.push(format!("{}: {what}", raw.file.display()));
    let surplus = if facts.skeleton.is_some() { Surplus::Refused } else { Surplus::Ignored };
    let skeleton = facts.skeleton.unwrap_or_else(|| {
        warn(format!("no skeleton is stated: taking the model's, {:?}", defaults.skeleton.name()));
        defaults.skeleton.clone()
    });
    let rate_hz = facts.rate_hz.unwrap_or_else(|| {
        warn(format!("no rate_hz is stated: taking the model's, {}", defaults.rate_hz));
        defaults.rate_hz
    });
    let body_length_px = facts.body_length_px.unwrap_or_else(|| {
        warn(format!("no body_length_px is stated: taking the model's, {}", defaults.body_length_px));
        defaults.body_length_px
    });
    let ignored = surplus_keypoints(&raw, &skeleton);
    if surplus == Surplus::Ignored && !ignored.is_empty() {
        warn(format!("keypoints {ignored:?} are none of the skeleton {:?}: left out", skeleton.name()));
    }
    let start = video_start_nanos(&raw, facts.video_start_unix_secs)?;
    let recording = assemble(raw, skeleton, surplus, facts.individuals, rate_hz, body_length_px)?;
    let recording = Recording { video_start_nanos: start, ..recording };
    Ok((recording, warnings))
}

/// Makes a recording of a pose file by what is stated about it and what it states itself; nothing is assumed.
///
/// # Errors
/// As [`resolve`], and what is stated nowhere.
pub fn describe(raw: RawRecording, facts: Sidecar) -> Result<Recording, CorpusError> {
    let facts = facts.or(raw.stated.clone());
    let missing = |what: &str| {
        let expected = format!("a {what}, stated for all recordings or in {}", Sidecar::path(&raw.file).display());
        Place::file(&raw.file).fault(expected, "none")
    };
    let skeleton = facts.skeleton.ok_or_else(|| missing("skeleton"))?;
    let rate_hz = facts.rate_hz.ok_or_else(|| missing("rate_hz"))?;
    let body_length_px = facts.body_length_px.ok_or_else(|| missing("body_length_px"))?;
    let start = video_start_nanos(&raw, facts.video_start_unix_secs)?;
    let recording = assemble(raw, skeleton, Surplus::Refused, facts.individuals, rate_hz, body_length_px)?;
    Ok(Recording { video_start_nanos: start, ..recording })
}

/// Seconds since 1970 mean something to frames only that carry capture times on that clock.
fn video_start_nanos(raw: &RawRecording, unix_secs: Option<f64>) -> Result<Option<i64>, CorpusError> {
    match (unix_secs, raw.clock.as_deref()) {
        (None, _) => Ok(None),
        (Some(secs), Some(CLOCK_UNIX)) if secs.is_finite() => Ok(Some((secs * NANOS_PER_SEC).round() as i64)),
        (Some(_), clock) => {
            let expected = format!("capture times on the clock {CLOCK_UNIX:?} for video_start_unix_secs");
            Err(Place::file(&raw.file).fault(expected, clock.map_or("none".to_owned(), quoted)))
        }
    }
}

fn surplus_keypoints<'a>(raw: &'a RawRecording, skeleton: &Skeleton) -> Vec<&'a String> {
    raw.keypoints.iter().filter(|keypoint| !skeleton.keypoints().contains(keypoint)).collect()
}

fn assemble(
    raw: RawRecording,
    skeleton: Skeleton,
    surplus: Surplus,
    individuals: Option<Vec<String>>,
    rate_hz: f64,
    body_length_px: f64,
) -> Result<Recording, CorpusError> {
    let place = || Place::file(&raw.file);
    let mismatch = || {
        let expected = format!("the keypoints {:?} of the skeleton {:?}", skeleton.keypoints(), skeleton.name());
        place().fault(expected, format!("{:?}", raw.keypoints))
    };
    let wanted = skeleton.keypoints().iter();
    let found: Option<Vec<usize>> =
        wanted.map(|keypoint| raw.keypoints.iter().position(|candidate| candidate == keypoint)).collect();
    let order = found.ok_or_else(mismatch)?;
    if surplus == Surplus::Refused && !surplus_keypoints(&raw, &skeleton).is_empty() {
        return Err(mismatch());
    }
    if let Some(names) = &individuals
        && names.len() != raw.individuals.len()
    {
        let expected = format!("names for the {} individuals {:?}", raw.individuals.len(), raw.individuals);
        return Err(place().fault(expected, format!("{names:?}")));
    }
    let (per_individual, mut frames) = (raw.keypoints.len(), raw.frames);
    if !order.iter().copied().eq(0..per_individual) {
        for frame in &mut frames {
            let animals = frame.keypoints.chunks_exact(per_individual);
            let ordered: Vec<Keypoint> = animals.flat_map(|animal| order.iter().map(|&index| animal[index])).collect();
            frame.keypoints = ordered;
        }
    }
    let individuals = individuals.unwrap_or(raw.individuals);
    let stream = StreamDescription::new(skeleton, individuals, rate_hz, body_length_px, raw.clock, Origin::Replay)
        .map_err(|error| CorpusError::Stream { file: raw.file, error })?;
    Ok(Recording { name: raw.name, stream, frames, video_start_nanos: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poses::Frame;

    fn skeleton(keypoints: &str) -> Skeleton {
        let text =
            format!("name = \"s\"\nkeypoints = {keypoints}\nfront = \"a\"\ncentre = \"b\"\nrear = \"c\"\nedges = []");
        toml::from_str(&text).unwrap()
    }

    fn defaults() -> StreamDefaults {
        StreamDefaults { rate_hz: 30.0, body_length_px: 100.0, skeleton: skeleton(r#"["a", "b", "c"]"#) }
    }

    /// Two individuals with the points c, b, a, whose x are 1 to 6.
    fn raw(keypoints: &[&str]) -> RawRecording {
        let point = |x: usize| Keypoint::observed(x as f32, 1.0, 1.0, 0.1);
        RawRecording {
            file: "rats/7.csv".into(),
            name: "7".to_string(),
            individuals: vec!["one".to_string(), "two".to_string()],
            keypoints: keypoints.iter().map(ToString::to_string).collect(),
            frames: vec![Frame {
                number: 4,
                capture_nanos: None,
                keypoints: (1..=2 * keypoints.len()).map(point).collect(),
            }],
            ..RawRecording::default()
        }
    }

    fn xs(recording: &Recording) -> Vec<f32> {
        recording.frames[0].keypoints.iter().map(|point| point.x).collect()
    }

    #[test]
    fn flags_come_before_the_sidecar_and_that_before_the_model() {
        let text = "rate_hz = 25\nindividuals = [\"x\", \"y\"]\nbody_length_px = 50.0";
        let sidecar = Sidecar::parse(text, Path::new("7.toml")).unwrap();
        let flags = Sidecar { rate_hz: Some(60.0), ..Sidecar::default() };
        let (recording, warnings) = resolve(raw(&["c", "b", "a"]), sidecar, flags, &defaults()).unwrap();
        assert_eq!(recording.stream.rate_hz(), 60.0);
        assert_eq!(recording.stream.body_length_px(), 50.0);
        assert_eq!(recording.stream.individuals(), ["x", "y"]);
        assert_eq!(recording.extent(), 4..5);
        assert_eq!(xs(&recording), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        assert_eq!(warnings, ["rats/7.csv: no skeleton is stated: taking the model's, \"s\""]);
    }

    #[test]
    fn every_value_of_the_model_is_warned_of() {
        let (recording, warnings) =
            resolve(raw(&["a", "b", "tip", "c"]), Sidecar::default(), Sidecar::default(), &defaults()).unwrap();
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(warnings[3].contains(r#"keypoints ["tip"] are none of the skeleton "s""#), "{warnings:?}");
        assert_eq!(xs(&recording), [1.0, 2.0, 4.0, 5.0, 6.0, 8.0]);
    }

    #[test]
    fn a_skeleton_that_does_not_fit_is_refused_with_both_lists() {
        let stated = Sidecar { skeleton: Some(skeleton(r#"["a", "b", "c"]"#)), ..Sidecar::default() };
        for (raw, sidecar) in [(raw(&["a", "b", "tip"]), Sidecar::default()), (raw(&["a", "b", "c", "tip"]), stated)] {
            let got = format!("{:?}", raw.keypoints);
            let error = resolve(raw, sidecar, Sidecar::default(), &defaults()).unwrap_err().to_string();
            let wanted = r#"rats/7.csv: expected the keypoints ["a", "b", "c"] of the skeleton "s", got "#;
            assert_eq!(error, format!("{wanted}{got}"));
        }
    }

    #[test]
    fn what_no_stream_may_have_is_refused() {
        for (text, wanted) in [
            ("rate_hz = 500", "rats/7.csv: expected a rate_hz within 10 to 240, got 500"),
            ("individuals = [\"x\"]", "expected names for the 2 individuals [\"one\", \"two\"], got [\"x\"]"),
        ] {
            let sidecar = Sidecar::parse(text, Path::new("7.toml")).unwrap();
            let error =
                resolve(raw(&["a", "b", "c"]), sidecar, Sidecar::default(), &defaults()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        let error = Sidecar::parse("rate = 30", Path::new("7.toml")).unwrap_err().to_string();
        assert!(error.starts_with("7.toml: ") && error.contains("unknown field `rate`"), "{error}");
    }

    #[test]
    fn the_sidecar_lies_beside_its_recording() {
        let dir = tempfile::tempdir().unwrap();
        let poses = dir.path().join("7DLC.v2.csv.gz");
        assert_eq!(Sidecar::beside(&poses).unwrap(), Sidecar::default());
        std::fs::write(dir.path().join("7DLC.v2.toml"), "rate_hz = 50.0").unwrap();
        assert_eq!(Sidecar::beside(&poses).unwrap().rate_hz, Some(50.0));
    }
}
