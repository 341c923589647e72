//! SLEAP's analysis HDF5: dense arrays of the tracks of one video.
//!
//! `tracks` holds x and y in pixels, NaN where a point was not seen; `point_scores` the confidences, NaN for points that
//! a person placed. Those count as 1, as do all where there is no `point_scores`. Frames are numbered as they are stored,
//! from 0: an export that leaves out the empty frames before the first instance does not say how many it left out.
//!
//! # Shapes
//! `tracks` is tracks × 2 × nodes × frames, or frames × nodes × 2 × tracks where it was written without turning it for
//! MATLAB, or frames × tracks × nodes × 2. Newer files say so themselves (the attribute `dims`), in others the lengths
//! of the names and of `track_occupancy` tell; `point_scores` has the same order without the 2.

use std::path::Path;

use hdf5_reader::group::Group;

use super::deeplabcut_csv::ANIMAL;
use super::hdf5::{Array, Container, text};
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::{FRAME_NUMBER_MAX, RawRecording, name_of};
use crate::poses::{Frame, Keypoint};
use crate::skeleton::{INDIVIDUALS_MAX, KEYPOINTS_MAX};

/// The axes of `tracks`, by the names that the attribute `dims` gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Track,
    Xy,
    Node,
    Frame,
}

/// The orders in which files without `dims` are written.
const ORDERS: [[Axis; 4]; 3] = [
    [Axis::Track, Axis::Xy, Axis::Node, Axis::Frame],
    [Axis::Frame, Axis::Node, Axis::Xy, Axis::Track],
    [Axis::Frame, Axis::Track, Axis::Node, Axis::Xy],
];

pub(super) fn read(
    container: &Container,
    root: &Group,
    has_scores: bool,
    confidence_min: f32,
) -> Result<RawRecording, CorpusError> {
    let file = container.file;
    let keypoints = names(container, root, "node", KEYPOINTS_MAX)?;
    let mut individuals = names(container, root, "track", INDIVIDUALS_MAX)?;
    let tracks = container.array(root, "tracks")?;
    let order = order(container, root, &tracks, keypoints.len(), individuals.len())?;
    let (track_count, frame_count) = (length(&tracks, order, Axis::Track), length(&tracks, order, Axis::Frame));
    if frame_count == 0 || track_count == 0 || keypoints.is_empty() {
        return Err(tracks.fault("at least one frame of one track of one node", format!("{:?}", tracks.shape())));
    }
    if frame_count as u64 > FRAME_NUMBER_MAX {
        return Err(tracks.fault(format_args!("at most {FRAME_NUMBER_MAX} frames"), format!("{frame_count}")));
    }
    let mut repairs = Vec::new();
    if individuals.is_empty() {
        if track_count > INDIVIDUALS_MAX {
            return Err(too_many(file, "track", track_count, INDIVIDUALS_MAX));
        }
        individuals = match track_count {
            1 => vec![ANIMAL.to_string()],
            _ => (0..track_count).map(|track| format!("track_{track}")).collect(),
        };
        repairs.push(format!("the tracks have no names: taking {individuals:?}"));
    }
    let scores = if has_scores { Some(scores(container, root, &tracks, order)?) } else { None };
    let coordinates = Grid::new(tracks.floats(container)?, tracks.shape(), &order);
    let (frames, placed) =
        frames(&coordinates, scores.as_ref(), [frame_count, track_count, keypoints.len()], confidence_min);
    if placed > 0 {
        repairs.push(format!("{placed} points without a score (placed by hand): taking 1"));
    }
    let (name, file) = (name_of(file), file.to_path_buf());
    Ok(RawRecording { file, name, individuals, keypoints, frames, repairs, ..RawRecording::default() })
}

/// The names of the tracks or nodes; none where there is a single, unnamed track.
fn names(container: &Container, root: &Group, of: &str, limit: usize) -> Result<Vec<String>, CorpusError> {
    let array = container.array(root, &format!("{of}_names"))?;
    let names = match array.shape() {
        // An empty list is stored as numbers.
        [0] => return Ok(Vec::new()),
        [count] if *count > limit => return Err(too_many(container.file, of, *count, limit)),
        _ => array.texts(limit)?,
    };
    match names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
        Some((_, doubled)) => {
            let expected = format!("each of the {of}s once");
            Err(Place::file(container.file).fault(expected, format!("{} twice", quoted(doubled))))
        }
        None => Ok(names),
    }
}

fn too_many(file: &Path, of: &str, count: usize, limit: usize) -> CorpusError {
    let how = if of == "track" { ": merge or cull them in SLEAP first, one track for each animal" } else { "" };
    Place::file(file).fault(format!("at most {limit} {of}s"), format!("{count}{how}"))
}

/// The order of the axes of `tracks`.
fn order(
    container: &Container,
    root: &Group,
    tracks: &Array,
    node_count: usize,
    track_count: usize,
) -> Result<[Axis; 4], CorpusError> {
    let shape = tracks.shape();
    let occupancy = container.array(root, "track_occupancy")?;
    let fits = |order: [Axis; 4]| {
        let at = |axis| length(tracks, order, axis);
        let (frames, tracks) = (at(Axis::Frame), at(Axis::Track));
        at(Axis::Xy) == 2
            && at(Axis::Node) == node_count
            // Without names, there may be any number of tracks.
            && (track_count == 0 || tracks == track_count)
            && (occupancy.shape() == [frames, tracks] || occupancy.shape() == [tracks, frames])
    };
    let wanted = format!(
        "2 coordinates of {node_count} nodes of {track_count} tracks with a track_occupancy of {:?}",
        occupancy.shape()
    );
    if shape.len() != 4 {
        return Err(tracks.fault(wanted, format!("the shape {shape:?}")));
    }
    if let Some(dims) = dims::<4>(tracks)? {
        return if fits(dims) { Ok(dims) } else { Err(tracks.fault(wanted, format!("{shape:?} as {dims:?}"))) };
    }
    let candidates: Vec<_> = ORDERS.iter().filter(|order| fits(**order)).collect();
    match candidates.as_slice() {
        [order] => Ok(**order),
        [] => Err(tracks.fault(wanted, format!("the shape {shape:?}"))),
        several => Err(tracks.fault("a single order of axes that fits", format!("{several:?} for {shape:?}"))),
    }
}

/// The order of axes that a dataset states.
fn dims<const N: usize>(array: &Array) -> Result<Option<[Axis; N]>, CorpusError> {
    let Some(stated) = array.attribute("dims").and_then(|dims| text(&dims)) else {
        return Ok(None);
    };
    let fault = || array.fault(format_args!("the names of {N} axes as dims"), quoted(&stated));
    let names: Vec<String> = serde_json::from_str(&stated).map_err(|_| fault())?;
    let mut axes = Vec::new();
    for name in &names {
        let axis = match name.as_str() {
            "track" => Axis::Track,
            "xy" => Axis::Xy,
            "node" => Axis::Node,
            "frame" => Axis::Frame,
            _ => return Err(fault()),
        };
        if axes.contains(&axis) {
            return Err(fault());
        }
        axes.push(axis);
    }
    axes.try_into().map(Some).map_err(|_| fault())
}

fn length(array: &Array, order: [Axis; 4], axis: Axis) -> usize {
    order.iter().zip(array.shape()).find(|(known, _)| **known == axis).map_or(0, |(_, length)| *length)
}

/// The confidences.
fn scores(container: &Container, root: &Group, tracks: &Array, order: [Axis; 4]) -> Result<Grid, CorpusError> {
    let scores = container.array(root, "point_scores")?;
    let axes = match dims::<3>(&scores)? {
        Some(axes) if !axes.contains(&Axis::Xy) => axes.to_vec(),
        _ => order.iter().copied().filter(|axis| *axis != Axis::Xy).collect(),
    };
    let shape: Vec<usize> = axes.iter().map(|axis| length(tracks, order, *axis)).collect();
    if scores.shape() != shape {
        return Err(scores.fault(format_args!("the shape {shape:?}"), format!("{:?}", scores.shape())));
    }
    Ok(Grid::new(scores.floats(container)?, &shape, &axes))
}

/// Values by track, coordinate, node and frame, in whatever order they are stored.
struct Grid {
    values: Vec<f32>,
    /// How far apart neighbours are, by axis in the order of [`Axis`]; 0 for an axis that the values lack.
    strides: [usize; 4],
}

impl Grid {
    fn new(values: Vec<f32>, shape: &[usize], order: &[Axis]) -> Self {
        let mut strides = [0; 4];
        let mut stride = 1;
        for (axis, length) in order.iter().zip(shape).rev() {
            strides[*axis as usize] = stride;
            stride *= length;
        }
        Self { values, strides }
    }

    fn offset(&self, axis: Axis, index: usize) -> usize {
        self.strides[axis as usize] * index
    }
}

/// The frames, and how many points had no score.
fn frames(
    coordinates: &Grid,
    scores: Option<&Grid>,
    [frame_count, track_count, node_count]: [usize; 3],
    confidence_min: f32,
) -> (Vec<Frame>, usize) {
    let places = |grid: &Grid| -> Vec<usize> {
        let place = |track, node| grid.offset(Axis::Track, track) + grid.offset(Axis::Node, node);
        (0..track_count).flat_map(|track| (0..node_count).map(move |node| place(track, node))).collect()
    };
    let (points, point_scores) = (places(coordinates), scores.map(|scores| (places(scores), scores)));
    let y_offset = coordinates.offset(Axis::Xy, 1);
    let mut placed = 0;
    let mut frames = Vec::with_capacity(frame_count);
    for frame in 0..frame_count {
        let start = coordinates.offset(Axis::Frame, frame);
        let keypoints = points.iter().enumerate().map(|(point, place)| {
            let (x, y) = (coordinates.values[start + place], coordinates.values[start + place + y_offset]);
            let mut confidence = match &point_scores {
                Some((places, scores)) => scores.values[places[point] + scores.offset(Axis::Frame, frame)],
                None => 1.0,
            };
            if confidence.is_nan() && x.is_finite() && y.is_finite() {
                confidence = 1.0;
                placed += 1;
            }
            Keypoint::observed(x, y, confidence, confidence_min)
        });
        let keypoints = keypoints.collect();
        frames.push(Frame { number: frame as u64, capture_nanos: None, keypoints });
    }
    (frames, placed)
}

#[cfg(test)]
mod tests;
