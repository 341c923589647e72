//! Skeletons: the named keypoints of a lab, their anatomy and the body axis.

use serde::{Deserialize, Serialize};

/// Most keypoints that a skeleton may have.
pub const KEYPOINTS_MAX: usize = 64;

/// Most individuals that a cage may have.
pub const INDIVIDUALS_MAX: usize = 8;

/// Named keypoints, anatomical edges between them and the body axis.
///
/// The body axis runs from `rear` over `centre` to `front`; these three are also the anchors through which animals
/// relate to each other. Field order of the serialized form is the order here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSkeleton", into = "RawSkeleton")]
pub struct Skeleton {
    name: String,
    keypoints: Vec<String>,
    edges: Vec<(usize, usize)>,
    axis: Axis,
}

/// The three keypoints (as indices) that give an animal its origin and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    pub front: usize,
    pub centre: usize,
    pub rear: usize,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSkeleton {
    name: String,
    keypoints: Vec<String>,
    front: String,
    centre: String,
    rear: String,
    edges: Vec<(String, String)>,
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SkeletonError {
    #[error("skeleton {skeleton:?}: expected 3 to {KEYPOINTS_MAX} keypoints, got {got}")]
    KeypointCount { skeleton: String, got: usize },
    #[error("skeleton {skeleton:?}: keypoint {keypoint:?} is listed twice")]
    Doubled { skeleton: String, keypoint: String },
    #[error("skeleton {skeleton:?}: {role} names {keypoint:?}, which is none of its keypoints {keypoints:?}")]
    Unknown { skeleton: String, role: &'static str, keypoint: String, keypoints: Vec<String> },
    #[error(
        "skeleton {skeleton:?}: front, centre and rear must be three different keypoints, got {front:?}, {centre:?}, {rear:?}"
    )]
    Axis { skeleton: String, front: String, centre: String, rear: String },
}

impl Skeleton {
    /// `axis` names the front, centre and rear; `edges` are pairs of names.
    ///
    /// # Errors
    /// A name that is none of the keypoints, a keypoint twice, too few or too many of them.
    pub fn new(
        name: &str,
        keypoints: Vec<String>,
        axis: (&str, &str, &str),
        edges: Vec<(String, String)>,
    ) -> Result<Self, SkeletonError> {
        let (front, centre, rear) = (axis.0.to_owned(), axis.1.to_owned(), axis.2.to_owned());
        RawSkeleton { name: name.to_owned(), keypoints, front, centre, rear, edges }.try_into()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keypoint names in the order in which frames carry the points.
    pub fn keypoints(&self) -> &[String] {
        &self.keypoints
    }

    pub fn edges(&self) -> &[(usize, usize)] {
        &self.edges
    }

    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// Anatomical hops between each two keypoints, K × K, at most `hops_max` (which also stands for *unconnected*).
    pub fn hops(&self, hops_max: usize) -> Vec<usize> {
        let count = self.keypoints.len();
        let mut hops = vec![hops_max; count * count];
        for keypoint in 0..count {
            hops[keypoint * count + keypoint] = 0;
        }
        for &(a, b) in &self.edges {
            hops[a * count + b] = hops_max.min(1);
            hops[b * count + a] = hops_max.min(1);
        }
        for via in 0..count {
            for a in 0..count {
                for b in 0..count {
                    let through = hops[a * count + via] + hops[via * count + b];
                    hops[a * count + b] = hops[a * count + b].min(through);
                }
            }
        }
        hops
    }
}

impl TryFrom<RawSkeleton> for Skeleton {
    type Error = SkeletonError;

    fn try_from(raw: RawSkeleton) -> Result<Self, SkeletonError> {
        let skeleton = || raw.name.clone();
        if !(3..=KEYPOINTS_MAX).contains(&raw.keypoints.len()) {
            return Err(SkeletonError::KeypointCount { skeleton: skeleton(), got: raw.keypoints.len() });
        }
        for (index, keypoint) in raw.keypoints.iter().enumerate() {
            if raw.keypoints[..index].contains(keypoint) {
                return Err(SkeletonError::Doubled { skeleton: skeleton(), keypoint: keypoint.clone() });
            }
        }
        let index = |role: &'static str, name: &String| {
            raw.keypoints.iter().position(|keypoint| keypoint == name).ok_or_else(|| SkeletonError::Unknown {
                skeleton: skeleton(),
                role,
                keypoint: name.clone(),
                keypoints: raw.keypoints.clone(),
            })
        };
        let axis = Axis {
            front: index("front", &raw.front)?,
            centre: index("centre", &raw.centre)?,
            rear: index("rear", &raw.rear)?,
        };
        if axis.front == axis.centre || axis.centre == axis.rear || axis.front == axis.rear {
            let (front, centre, rear) = (raw.front.clone(), raw.centre.clone(), raw.rear.clone());
            return Err(SkeletonError::Axis { skeleton: skeleton(), front, centre, rear });
        }
        let edges = raw
            .edges
            .iter()
            .map(|(a, b)| Ok((index("an edge", a)?, index("an edge", b)?)))
            .collect::<Result<_, SkeletonError>>()?;
        Ok(Self { name: raw.name, keypoints: raw.keypoints, edges, axis })
    }
}

impl From<Skeleton> for RawSkeleton {
    fn from(skeleton: Skeleton) -> Self {
        let name = |index: usize| skeleton.keypoints[index].clone();
        Self {
            front: name(skeleton.axis.front),
            centre: name(skeleton.axis.centre),
            rear: name(skeleton.axis.rear),
            edges: skeleton.edges.iter().map(|&(a, b)| (name(a), name(b))).collect(),
            name: skeleton.name,
            keypoints: skeleton.keypoints,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAT: &str = r#"
        name = "rat-5"
        keypoints = ["top", "body", "tail", "tail-m", "tail-e"]
        front = "top"
        centre = "body"
        rear = "tail"
        edges = [["top", "body"], ["body", "tail"], ["tail", "tail-m"], ["tail-m", "tail-e"]]
    "#;

    #[test]
    fn hops_follow_the_anatomy() {
        let skeleton: Skeleton = toml::from_str(RAT).unwrap();
        assert_eq!(skeleton.hops(3)[..5], [0, 1, 2, 3, 3]);
        assert_eq!(skeleton.axis(), Axis { front: 0, centre: 1, rear: 2 });
    }

    #[test]
    fn an_unknown_part_is_named_with_what_was_expected() {
        let error = toml::from_str::<Skeleton>(&RAT.replace("centre = \"body\"", "centre = \"spine\"")).unwrap_err();
        assert!(error.to_string().contains(r#"centre names "spine""#), "{error}");
    }
}
