//! Tables of one individual whose keypoints are several animals', told apart by a prefix (`B_Nose`, `W_Nose`).
//!
//! Single-animal projects are trained so for two animals of different coats. Nothing in the file tells such a table from
//! one animal with oddly named keypoints: the prefixes are stated by the user, and only suggested here.

use std::collections::HashSet;

use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::recording::RawRecording;
use crate::poses::Keypoint;
use crate::skeleton::{INDIVIDUALS_MAX, KEYPOINTS_MAX};

/// What may end a prefix.
const SEPARATORS: [char; 4] = ['_', '-', '.', ' '];

/// Fewest parts under each prefix that are suggested for an animal: `left_ear`, `right_ear` are two ears.
const PARTS_MIN: usize = 3;

/// Keypoint names of one prefix, without it, and where each stands.
struct Animal<'a> {
    prefix: &'a str,
    parts: Vec<(&'a str, usize)>,
}

impl Animal<'_> {
    /// Where that part stands.
    fn place(&self, part: &str) -> Option<usize> {
        self.parts.iter().find(|(name, _)| *name == part).map(|(_, place)| *place)
    }
}

/// Makes an individual of each prefix, in their order, named by it without a separator at its end (`B_` gives `B`).
///
/// The keypoints are those of the first prefix, in their order. Where several prefixes fit a name, the longest counts.
///
/// # Errors
/// More or fewer than one individual; no, too many, doubled or blank prefixes; a keypoint without any of them; prefixes
/// whose keypoints differ, with those that others lack.
pub fn split_prefixed(raw: RawRecording, prefixes: &[String]) -> Result<RawRecording, CorpusError> {
    let fault = |expected: String, got: String| Place::file(&raw.file).fault(expected, got);
    if raw.individuals.len() != 1 {
        let got = format!("{}: {}", raw.individuals.len(), raw.individuals.join(", "));
        return Err(fault("one individual, to be split by prefixes of its keypoints".to_owned(), got));
    }
    if prefixes.is_empty() || prefixes.len() > INDIVIDUALS_MAX {
        return Err(fault(format!("1 to {INDIVIDUALS_MAX} prefixes"), prefixes.len().to_string()));
    }
    let names = names(prefixes)
        .ok_or_else(|| fault("prefixes that name different individuals".to_owned(), format!("{prefixes:?}")))?;
    let animals = animals(&raw.keypoints, prefixes).map_err(|odd| {
        fault(
            format!("keypoints that begin with one of {prefixes:?}"),
            odd.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
        )
    })?;
    let order = order(&animals).map_err(|(expected, got)| fault(expected, got))?;
    if animals[0].parts.len() > KEYPOINTS_MAX {
        return Err(fault(
            format!("at most {KEYPOINTS_MAX} keypoints of each prefix"),
            animals[0].parts.len().to_string(),
        ));
    }
    let individuals = names.into_iter().map(str::to_owned).collect();
    let keypoints = animals[0].parts.iter().map(|(part, _)| (*part).to_owned()).collect();
    let mut frames = raw.frames;
    for frame in &mut frames {
        let of_frame = |place: &usize| frame.keypoints.get(*place).copied().unwrap_or(Keypoint::MISSING);
        frame.keypoints = order.iter().map(of_frame).collect();
    }
    Ok(RawRecording { individuals, keypoints, frames, ..raw })
}

/// Prefixes that would split these keypoints into animals: each ends in a separator, every keypoint has one, and the same
/// three or more parts follow each. In order of appearance; `None` where there are none such.
pub fn suggest_prefixes(keypoints: &[String]) -> Option<Vec<String>> {
    (0..3).find_map(|separators| {
        let mut prefixes: Vec<String> = Vec::new();
        for keypoint in keypoints {
            let (end, separator) = keypoint.match_indices(SEPARATORS).nth(separators)?;
            let prefix = &keypoint[..end + separator.len()];
            if !prefixes.iter().any(|known| known == prefix) {
                prefixes.push(prefix.to_owned());
            }
        }
        let animals = animals(keypoints, &prefixes).ok()?;
        let plausible = (2..=INDIVIDUALS_MAX).contains(&prefixes.len()) && animals[0].parts.len() >= PARTS_MIN;
        (plausible && order(&animals).is_ok() && names(&prefixes).is_some()).then_some(prefixes)
    })
}

/// What the individuals of these prefixes are called; `None` where two would be called the same, or one nothing.
fn names(prefixes: &[String]) -> Option<Vec<&str>> {
    let names: Vec<&str> = prefixes.iter().map(|prefix| prefix.trim_end_matches(SEPARATORS)).collect();
    let unique: HashSet<&str> = names.iter().copied().collect();
    (unique.len() == names.len() && !unique.contains("")).then_some(names)
}

/// The keypoints of each prefix, or those that have none.
fn animals<'a>(keypoints: &'a [String], prefixes: &'a [String]) -> Result<Vec<Animal<'a>>, Vec<&'a str>> {
    let mut animals: Vec<Animal> = prefixes.iter().map(|prefix| Animal { prefix, parts: Vec::new() }).collect();
    let mut odd = Vec::new();
    for (place, keypoint) in keypoints.iter().enumerate() {
        let fitting = animals.iter_mut().filter_map(|animal| Some((keypoint.strip_prefix(animal.prefix)?, animal)));
        match fitting.filter(|(part, _)| !part.is_empty()).min_by_key(|(part, _)| part.len()) {
            Some((part, animal)) => animal.parts.push((part, place)),
            None => odd.push(keypoint.as_str()),
        }
    }
    if odd.is_empty() { Ok(animals) } else { Err(odd) }
}

/// The keypoints animal by animal, each in the first one's order; or what was expected and what was got instead.
fn order(animals: &[Animal]) -> Result<Vec<usize>, (String, String)> {
    let parts = |animal: &Animal| animal.parts.iter().map(|(part, _)| (*part).to_owned()).collect::<HashSet<_>>();
    let first = &animals[0];
    let mut order = Vec::new();
    for animal in animals {
        let places = first.parts.iter().filter_map(|(part, _)| animal.place(part)).collect::<Vec<_>>();
        if places.len() != first.parts.len() || animal.parts.len() != first.parts.len() {
            let (of_first, of_other) = (parts(first), parts(animal));
            let mut odd: Vec<String> =
                of_first.difference(&of_other).map(|part| format!("{}{part}", first.prefix)).collect();
            odd.extend(of_other.difference(&of_first).map(|part| format!("{}{part}", animal.prefix)));
            odd.sort();
            let expected = format!("the same keypoints under {:?} and {:?}", first.prefix, animal.prefix);
            return Err((expected, format!("without a counterpart: {}", odd.join(", "))));
        }
        order.extend(places);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::corpus::poses::deeplabcut_csv;
    use crate::poses::Frame;
    use crate::testing::corpus_dir;

    /// One individual and one frame, in which each keypoint's x is its place.
    fn raw(keypoints: &[&str]) -> RawRecording {
        let points = (0..keypoints.len()).map(|place| Keypoint { x: place as f32, y: 1.0, confidence: 1.0 });
        RawRecording {
            file: PathBuf::from("cage.csv"),
            individuals: vec!["animal".into()],
            keypoints: strings(keypoints),
            frames: vec![Frame { number: 4, capture_nanos: None, keypoints: points.collect() }],
            ..RawRecording::default()
        }
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn each_prefix_becomes_an_individual_in_the_order_of_the_first() {
        let raw = raw(&["B_nose", "W_tail", "B_tail", "W_nose"]);
        let split = split_prefixed(raw.clone(), &strings(&["W_", "B_"])).unwrap();
        assert_eq!(split.individuals, ["W", "B"]);
        assert_eq!(split.keypoints, ["tail", "nose"]);
        assert_eq!(split.frames[0].number, 4);
        assert_eq!(split.frames[0].keypoints.iter().map(|point| point.x).collect::<Vec<_>>(), [1.0, 3.0, 2.0, 0.0]);
        assert_eq!((&split.file, split.repairs), (&raw.file, raw.repairs));
    }

    #[test]
    fn the_longest_prefix_counts() {
        let split = split_prefixed(raw(&["m_nose", "m_2_nose"]), &strings(&["m_", "m_2_"])).unwrap();
        assert_eq!((split.individuals, split.keypoints), (strings(&["m", "m_2"]), strings(&["nose"])));
    }

    #[test]
    fn what_cannot_be_split_is_told() {
        let two = RawRecording { individuals: strings(&["a", "b"]), ..raw(&["B_nose"]) };
        for (raw, prefixes, wanted) in [
            (two, &["B_"][..], "expected one individual, to be split by prefixes of its keypoints, got 2: a, b"),
            (raw(&["B_nose"]), &[], "expected 1 to 8 prefixes, got 0"),
            (raw(&["B_nose"]), &["B_"; 9], "expected 1 to 8 prefixes, got 9"),
            (
                raw(&["B_nose"]),
                &["B_", "B-"],
                "expected prefixes that name different individuals, got [\"B_\", \"B-\"]",
            ),
            (raw(&["B_nose"]), &["B_", "_"], "expected prefixes that name different individuals, got [\"B_\", \"_\"]"),
            (
                raw(&["B_nose", "W_nose", "corner", "W_"]),
                &["B_", "W_"],
                "expected keypoints that begin with one of [\"B_\", \"W_\"], got \"corner\", \"W_\"",
            ),
            (
                raw(&["B_nose", "W_nose", "W_tail", "B_ear"]),
                &["B_", "W_"],
                "expected the same keypoints under \"B_\" and \"W_\", got without a counterpart: B_ear, W_tail",
            ),
            (
                raw(&["B_nose"]),
                &["B_", "W_"],
                "expected the same keypoints under \"B_\" and \"W_\", got without a counterpart: B_nose",
            ),
        ] {
            let error = split_prefixed(raw, &strings(prefixes)).unwrap_err().to_string();
            assert_eq!(error, format!("cage.csv: {wanted}"));
        }
    }

    #[test]
    fn prefixes_are_suggested_only_where_all_keypoints_have_one() {
        let suggested = |keypoints: &[&str]| suggest_prefixes(&strings(keypoints));
        let parts = ["nose", "Left_ear", "tail"];
        let with = |prefixes: &[&str]| {
            let all = prefixes.iter().flat_map(|prefix| parts.map(|part| format!("{prefix}{part}")));
            all.collect::<Vec<_>>()
        };
        for prefixes in [&["B_", "W_"][..], &["mouse_1_", "mouse_2_", "mouse_3_"], &["a-", "b."]] {
            assert_eq!(suggest_prefixes(&with(prefixes)), Some(strings(prefixes)));
        }
        assert_eq!(suggested(&parts), None);
        assert_eq!(suggested(&["left_ear", "left_hip", "right_ear", "right_hip"]), None);
        assert_eq!(suggested(&["B_nose", "B_ear", "B_tail"]), None);
        assert_eq!(suggested(&["B_nose", "B_ear", "B_tail", "W_nose", "W_ear", "W_tail", "corner"]), None);
        assert_eq!(suggested(&["a_1", "a_2", "a_3", "a.1", "a.2", "a.3"]), None);
        assert_eq!(suggested(&[]), None);
    }

    #[test]
    fn a_real_table_of_two_coats_is_suggested_and_split() {
        let Some(dir) = corpus_dir("formats/dlc-csv") else { return };
        let file = dir.join("deepof_multi_topview_prefixed_bodyparts.csv");
        let raw = deeplabcut_csv::read(&file, deeplabcut_csv::CONFIDENCE_MIN).unwrap();
        let prefixes = suggest_prefixes(&raw.keypoints).unwrap();
        assert_eq!(prefixes, ["B_", "W_"]);
        let split = split_prefixed(raw.clone(), &prefixes).unwrap();
        assert_eq!((split.individuals.as_slice(), split.keypoints.len()), (&strings(&["B", "W"])[..], 14));
        // The animals stand one after the other in the file.
        assert_eq!(split.frames, raw.frames);
    }

    proptest! {
        #[test]
        fn what_is_suggested_splits(
            names in proptest::collection::vec("[ab_]_?[ab.]?[é_]?", 0..8), prefixes in proptest::collection::vec("[ab_]{0,2}", 0..4),
        ) {
            let unique: HashSet<&str> = names.iter().map(String::as_str).collect();
            let raw = raw(&unique.into_iter().collect::<Vec<_>>());
            if let Some(suggested) = suggest_prefixes(&raw.keypoints) {
                split_prefixed(raw.clone(), &suggested).unwrap();
            }
            if let Ok(split) = split_prefixed(raw.clone(), &prefixes) {
                prop_assert_eq!(split.individuals.len() * split.keypoints.len(), raw.keypoints.len());
                let mut places: Vec<_> = split.frames[0].keypoints.iter().map(|point| point.x as usize).collect();
                places.sort_unstable();
                prop_assert_eq!(places, (0..raw.keypoints.len()).collect::<Vec<_>>());
            }
        }
    }
}
