//! Recordings as tools wrote them: pose files and annotation files, put together by a description.

use std::path::{Path, PathBuf};

use super::annotations::{self, Annotations};
use super::catalog::{Annotated, Entry, Split};
use super::description::{Description, ID_PLACEHOLDER, IdRule, WithoutAnnotations};
use super::error::{CorpusError, Place, quoted};
use super::labels::{Reader, SetLabels};
use super::poses::{self, prefixes};
use super::recording::{RawRecording, name_of};
use super::sidecar::{self, Sidecar};
use super::timeline::Timeline;

/// The pose files of a directory; those that are left out for want of annotations go into `warnings`.
pub(super) fn entries(
    dir: &Path,
    description: &Description,
    warnings: &mut Vec<String>,
) -> Result<Vec<Entry>, CorpusError> {
    let layout = &description.layout;
    let poses_dir = dir.join(&layout.pose_directory);
    let unreadable = |error| CorpusError::Io { file: poses_dir.clone(), error };
    let mut entries = Vec::new();
    for file in std::fs::read_dir(&poses_dir).map_err(unreadable)? {
        let poses = file.map_err(unreadable)?.path();
        let name = poses.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_wanted = layout.pose_endings.iter().any(|ending| name.ends_with(&ending.to_lowercase()));
        // Annotations may lie among the poses, and end like them.
        if !is_wanted || (poses::Format::of(&poses).is_err() && annotations::Format::of(&poses).is_ok()) {
            continue;
        }
        let id = id_of(&layout.recording_id, &poses)?;
        let annotations = match annotations_of(dir, description, &id, &poses) {
            Err(error) if layout.without_annotations == WithoutAnnotations::LeaveOut => {
                warnings.push(format!("left out: {error}"));
                continue;
            }
            annotations => annotations?,
        };
        let split = match &description.split {
            split if split.test.contains(&id) => Split::Test,
            split if split.validation.contains(&id) => Split::Validation,
            _ => Split::Train,
        };
        entries.push(Entry { id, split, poses, annotations });
    }
    Ok(entries)
}

fn annotations_of(
    dir: &Path,
    description: &Description,
    id: &str,
    poses: &Path,
) -> Result<Option<PathBuf>, CorpusError> {
    let Some(name) = &description.layout.annotation_file else { return Ok(None) };
    let file = dir.join(&description.layout.annotation_directory).join(name.replace(ID_PLACEHOLDER, id));
    if !file.is_file() {
        let expected = format!("its annotations in {}", file.display());
        return Err(Place::file(poses).fault(expected, "no such file"));
    }
    Ok(Some(file))
}

fn id_of(rule: &IdRule, poses: &Path) -> Result<String, CorpusError> {
    let name = name_of(poses);
    let (id, expected) = match rule {
        IdRule::WholeName => (Some(name.as_str()), String::new()),
        IdRule::LeadingDigits => {
            let digits = name.bytes().take_while(u8::is_ascii_digit).count();
            (Some(&name[..digits]), "a name that begins with digits".to_string())
        }
        IdRule::Before(text) => {
            (name.split_once(text.as_str()).map(|(id, _)| id), format!("a name with an id before {text:?}"))
        }
    };
    match id {
        Some(id) if !id.is_empty() => Ok(id.to_string()),
        _ => Err(Place::file(poses).fault(expected, quoted(&name))),
    }
}

/// Reads a pose file and its annotations: each recording of it with its labels.
pub(super) fn load(description: &Description, entry: &Entry) -> Result<Vec<Annotated>, CorpusError> {
    let separate = entry.annotations.as_deref().map(annotations::read).transpose()?;
    let own_file = description.layout.annotation_file.as_ref().is_some_and(|name| name.contains(ID_PLACEHOLDER));
    let read = poses::read_annotated(&entry.poses, description.stream.confidence_min)?;
    let of_several = read.len() > 1;
    let one = |(raw, own): (RawRecording, Option<Annotations>)| {
        let id = if of_several { &raw.name } else { &entry.id };
        let annotations = match (&separate, own) {
            (Some(separate), _) => of_recording(separate, id, own_file && !of_several, entry)?.clone(),
            (None, Some(own)) => own,
            // Nobody looked: poses alone.
            (None, None) => return annotate(description, raw, None),
        };
        annotate(description, raw, Some(&annotations))
    };
    read.into_iter().map(one).collect()
}

/// The annotations of a file that are about a recording: the only ones of a file of its own, else those of an
/// observation that is called like it, or like it and something behind that.
fn of_recording<'a>(
    all: &'a [Annotations],
    id: &str,
    own_file: bool,
    entry: &Entry,
) -> Result<&'a Annotations, CorpusError> {
    if let [only] = all
        && (own_file || only.recording.is_none())
    {
        return Ok(only);
    }
    let named = |is_meant: &dyn Fn(&str) -> bool| -> Vec<&'a Annotations> {
        all.iter().filter(|annotations| annotations.recording.as_deref().is_some_and(is_meant)).collect()
    };
    let exact = named(&|name| name == id);
    let found = if exact.is_empty() {
        named(&|name| {
            // A number behind it makes another recording.
            let is_addition = |rest: &str| {
                !rest.starts_with(|next: char| next.is_ascii_alphanumeric())
                    && !rest.chars().all(|next| !next.is_alphabetic())
            };
            name.strip_prefix(id).is_some_and(is_addition)
        })
    } else {
        exact
    };
    if let [one] = found[..] {
        return Ok(one);
    }
    let file = entry.annotations.as_deref().unwrap_or(&entry.poses);
    let names: Vec<&str> = all.iter().filter_map(|annotations| annotations.recording.as_deref()).collect();
    let got = if found.is_empty() { format!("{names:?}") } else { format!("{} of {names:?}", found.len()) };
    Err(Place::file(file).fault(format!("one observation of {}", quoted(id)), got))
}

fn annotate(
    description: &Description,
    raw: RawRecording,
    annotations: Option<&Annotations>,
) -> Result<Annotated, CorpusError> {
    let stream = &description.stream;
    let facts = Sidecar::beside(&raw.file)?.or(Sidecar {
        rate_hz: stream.rate_hz,
        body_length_px: stream.body_length_px,
        skeleton: description.skeleton.clone(),
        individuals: stream.individuals.clone(),
        individual_prefixes: stream.individual_prefixes.clone(),
        video_start_unix_secs: None,
    });
    let raw = match &facts.individual_prefixes {
        Some(prefixes) => prefixes::split_prefixed(raw, prefixes)?,
        None => raw,
    };
    let told = |repairs: &[String], file: &Path| -> Vec<String> {
        repairs.iter().map(|repair| format!("{}: {repair}", file.display())).collect()
    };
    let mut repairs = told(&raw.repairs, &raw.file);
    let recording = sidecar::describe(raw, facts)?;
    let numbers = (1..=recording.stream.individuals().len() as u8).collect();
    let Some(annotations) = annotations else {
        let labels = vec![SetLabels::default(); description.label_sets.len()];
        return Ok(Annotated { recording, labels, numbers, repairs });
    };
    repairs.extend(told(&annotations.repairs, &annotations.file));
    let timeline = Timeline::of(&recording);
    let (extent, individuals) = (recording.extent(), recording.stream.individuals());
    let reader = Reader { extent, timeline: &timeline, individuals, aliases: &description.aliases };
    let labels = reader.read(&description.label_sets, annotations)?;
    repairs.extend(told(&reader.repairs(annotations)?, &annotations.file));
    for (set, labels) in description.label_sets.iter().zip(&labels) {
        let frames = labels.overlapping_frames();
        if frames > 0 {
            let what = format!("{frames} frames with two behaviors of {:?} by one pair at once: both kept", set.name);
            repairs.push(format!("{}: {what}", annotations.file.display()));
        }
    }
    Ok(Annotated { recording, labels, numbers, repairs })
}

#[cfg(test)]
mod tests;
