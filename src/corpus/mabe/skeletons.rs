//! Skeletons of keypoint lists that say nothing about anatomy.

use crate::skeleton::{Skeleton, SkeletonError};

/// Names under which the ends and the middle of the body axis go, the most fitting first.
pub const FRONT: [&str; 5] = ["nose", "snout", "head", "top", "neck"];
pub const CENTRE: [&str; 12] = [
    "body_center",
    "bodycenter",
    "body_centre",
    "centre",
    "center",
    "body",
    "trunk",
    "spine_1",
    "neck",
    "shoulder_left",
    "ear_left",
    "leftear",
];
pub const REAR: [&str; 9] =
    ["tail_base", "tailbase", "tail_root", "tti", "tail_0", "tail", "hip_left", "haunch_left", "tail_1"];

/// The skeleton of a list of keypoints, by their names.
///
/// The body axis runs over the first of [`FRONT`], [`CENTRE`] and [`REAR`] that the list has; where it has no point on the
/// midline of the body, the left ear stands for the centre. Tail points are a chain behind the rear, in the list's
/// order of their names; what belongs to the head hangs on the front, hips and haunches on the rear, all else on the
/// centre.
///
/// # Errors
/// A list without the three points of an axis, or one that no skeleton may have.
pub fn infer(name: &str, keypoints: &[String]) -> Result<Skeleton, SkeletonError> {
    let plain = |keypoint: &str| keypoint.to_lowercase().replace(['-', ' ', '.'], "_");
    let mut taken: Vec<&String> = Vec::new();
    let mut pick = |names: &[&str]| {
        let found = names
            .iter()
            .find_map(|name| keypoints.iter().find(|point| plain(point) == *name && !taken.contains(point)));
        taken.extend(found);
        found.cloned().unwrap_or_default()
    };
    // Front and rear first: what is left of the neck or an ear may be the centre.
    let (front, rear) = (pick(&FRONT), pick(&REAR));
    let centre = pick(&CENTRE);
    let mut edges = vec![(front.clone(), centre.clone()), (centre.clone(), rear.clone())];
    let mut tail: Vec<&String> = Vec::new();
    for keypoint in keypoints.iter().filter(|point| ![&front, &centre, &rear].contains(point)) {
        let word = plain(keypoint);
        let has = |parts: &[&str]| parts.iter().any(|part| word.contains(part));
        if has(&["tail"]) {
            tail.push(keypoint);
        } else if has(&["ear", "head", "eye", "nose", "whisker"]) {
            edges.push((keypoint.clone(), front.clone()));
        } else if has(&["hip", "haunch", "hind"]) {
            edges.push((keypoint.clone(), rear.clone()));
        } else {
            edges.push((keypoint.clone(), centre.clone()));
        }
    }
    // `tail_tip` is the last; the others are numbered or called middle.
    tail.sort_by_key(|point| (plain(point).ends_with("tip"), plain(point)));
    let chain = std::iter::once(&rear).chain(tail.iter().copied());
    edges.extend(chain.zip(tail.iter().copied()).map(|(from, to)| (from.clone(), to.clone())));
    Skeleton::new(name, keypoints.to_vec(), (&front, &centre, &rear), edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer_from(keypoints: &str) -> Result<Skeleton, SkeletonError> {
        infer("lab", &keypoints.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_axis_is_found_in_every_list_of_the_challenge() {
        for (keypoints, front, centre, rear) in [
            ("body_center ear_left ear_right nose tail_base", "nose", "body_center", "tail_base"),
            ("ear_left ear_right hip_left hip_right neck nose tail_base", "nose", "neck", "tail_base"),
            ("ear_left ear_right head tail_base", "head", "ear_left", "tail_base"),
            ("ear_left ear_right nose tail_base tail_tip", "nose", "ear_left", "tail_base"),
            ("Nose Head Ear_L Neck Haunch_left Tail_1 Tail_0 TTI TailTip Trunk", "Nose", "Trunk", "TTI"),
            ("top body tail tail-m tail-e", "top", "body", "tail"),
        ] {
            let skeleton = infer_from(keypoints).unwrap();
            let axis = skeleton.axis();
            let named = [axis.front, axis.centre, axis.rear].map(|point| skeleton.keypoints()[point].as_str());
            assert_eq!(named, [front, centre, rear], "{keypoints}");
            let hops = skeleton.hops(99);
            assert!(hops.iter().all(|hops| *hops < 99), "{keypoints}: every point is connected");
        }
    }

    #[test]
    fn a_tail_is_a_chain() {
        let skeleton = infer_from("nose body_center tail_base tail_tip tail_middle_2 tail_middle_1").unwrap();
        let hops = skeleton.hops(99);
        let place = |name: &str| skeleton.keypoints().iter().position(|point| point == name).unwrap();
        assert_eq!(hops[place("tail_base") * 6 + place("tail_tip")], 3);
        assert_eq!(hops[place("tail_middle_1") * 6 + place("tail_middle_2")], 1);
    }

    #[test]
    fn a_list_without_an_axis_is_refused() {
        let error = infer_from("paw_left paw_right ear_left").unwrap_err().to_string();
        assert!(error.contains("front"), "{error}");
    }
}
