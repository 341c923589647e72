//! Where the keypoints that labs name lie on a rodent.
//!
//! Labs and pose estimators spell the same place in many ways (`ear_left`, `leftear`, `Ear_L`). [`Part::of_name`] knows the
//! spellings of the public data sets and of the common estimators' own models, so that what was learned of a part holds
//! for its other spellings, and a simulated body knows where each keypoint sits.

/// A place on the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Nose,
    EyeLeft,
    EyeRight,
    Head,
    EarLeft,
    EarRight,
    Neck,
    ShoulderLeft,
    ShoulderRight,
    ForepawLeft,
    ForepawRight,
    /// On the midline, behind the shoulders.
    SpineFront,
    BodyCentre,
    LateralLeft,
    LateralRight,
    /// On the midline, before the hips.
    SpineRear,
    HipLeft,
    HipRight,
    HindpawLeft,
    HindpawRight,
    TailBase,
    TailUpper,
    TailMiddle,
    TailLower,
    TailTip,
}

/// A place on a body at rest: what moves along the trunk, and what trails behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// `along` runs from 0.5 (nose) over 0 (centre) to −0.5 (tail base), `aside` to the animal's left; both in body lengths.
    Trunk { along: f32, aside: f32 },
    /// A share of the tail's length, from its base.
    Tail { share: f32 },
}

/// Every part with the spellings it goes by, in small letters and without anything but letters and digits.
const SPELLINGS: [(Part, &[&str]); 25] = [
    (Part::Nose, &["nose", "snout", "nosetip"]),
    (Part::EyeLeft, &["eyeleft", "lefteye", "eyel"]),
    (Part::EyeRight, &["eyeright", "righteye", "eyer"]),
    (Part::Head, &["head", "top", "headcentre", "headcenter"]),
    (Part::EarLeft, &["earleft", "leftear", "earl"]),
    (Part::EarRight, &["earright", "rightear", "earr"]),
    (Part::Neck, &["neck", "nape"]),
    (Part::ShoulderLeft, &["shoulderleft", "leftshoulder", "shoulderl"]),
    (Part::ShoulderRight, &["shoulderright", "rightshoulder", "shoulderr"]),
    (Part::ForepawLeft, &["forepawleft", "leftforepaw", "forepawl", "leftfrontpaw"]),
    (Part::ForepawRight, &["forepawright", "rightforepaw", "forepawr", "rightfrontpaw"]),
    (Part::SpineFront, &["spine1", "shoulder", "shoulders", "spinefront"]),
    (Part::BodyCentre, &["bodycenter", "bodycentre", "body", "center", "centre", "trunk", "midbody"]),
    (Part::LateralLeft, &["lateralleft", "leftside", "bodyleft", "leftflank"]),
    (Part::LateralRight, &["lateralright", "rightside", "bodyright", "rightflank"]),
    (Part::SpineRear, &["spine2", "spinerear", "lowerspine"]),
    (Part::HipLeft, &["hipleft", "lefthip", "hipl", "haunchleft", "lefthaunch"]),
    (Part::HipRight, &["hipright", "righthip", "hipr", "haunchright", "righthaunch"]),
    (Part::HindpawLeft, &["hindpawleft", "lefthindpaw", "hindpawl", "leftrearpaw"]),
    (Part::HindpawRight, &["hindpawright", "righthindpaw", "hindpawr", "rightrearpaw"]),
    (Part::TailBase, &["tailbase", "tail", "tailroot", "tti", "basetail"]),
    (Part::TailUpper, &["tailmiddle1", "tailupper", "tail0", "tail1"]),
    (Part::TailMiddle, &["tailmidpoint", "tailmiddle", "tailm", "tailmid"]),
    (Part::TailLower, &["tailmiddle2", "taillower", "tail2"]),
    (Part::TailTip, &["tailtip", "taile", "tailend", "endtail"]),
];

impl Part {
    /// The part that a keypoint's name means; `None` for a name that is not known, such as one of a headpiece.
    pub fn of_name(name: &str) -> Option<Self> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        SPELLINGS.iter().find(|(_, spellings)| spellings.contains(&plain.as_str())).map(|(part, _)| *part)
    }

    /// Where it lies on an adult mouse; proportions of a rat are close to them.
    pub fn place(self) -> Place {
        let trunk = |along, aside| Place::Trunk { along, aside };
        match self {
            Self::Nose => trunk(0.5, 0.0),
            Self::EyeLeft => trunk(0.42, 0.05),
            Self::EyeRight => trunk(0.42, -0.05),
            Self::Head => trunk(0.36, 0.0),
            Self::EarLeft => trunk(0.31, 0.1),
            Self::EarRight => trunk(0.31, -0.1),
            Self::Neck => trunk(0.24, 0.0),
            Self::ShoulderLeft => trunk(0.17, 0.11),
            Self::ShoulderRight => trunk(0.17, -0.11),
            Self::ForepawLeft => trunk(0.2, 0.12),
            Self::ForepawRight => trunk(0.2, -0.12),
            Self::SpineFront => trunk(0.12, 0.0),
            Self::BodyCentre => trunk(0.0, 0.0),
            Self::LateralLeft => trunk(-0.04, 0.16),
            Self::LateralRight => trunk(-0.04, -0.16),
            Self::SpineRear => trunk(-0.22, 0.0),
            Self::HipLeft => trunk(-0.3, 0.14),
            Self::HipRight => trunk(-0.3, -0.14),
            Self::HindpawLeft => trunk(-0.32, 0.18),
            Self::HindpawRight => trunk(-0.32, -0.18),
            Self::TailBase => trunk(-0.5, 0.0),
            Self::TailUpper => Place::Tail { share: 0.3 },
            Self::TailMiddle => Place::Tail { share: 0.5 },
            Self::TailLower => Place::Tail { share: 0.7 },
            Self::TailTip => Place::Tail { share: 1.0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labs_spell_the_same_part_in_their_ways() {
        for (part, names) in [
            (Part::EarLeft, ["ear_left", "leftear", "Ear_L", "Ear-left"]),
            (Part::TailBase, ["tail_base", "tail", "TTI", "tailbase"]),
            (Part::BodyCentre, ["body_center", "body", "Trunk", "centre"]),
            (Part::HipRight, ["hip_right", "righthip", "Haunch_right", "hip_R"]),
        ] {
            assert_eq!(names.map(Part::of_name), [Some(part); 4]);
        }
        assert_eq!(["headpiece_topbackleft", "", "ear"].map(Part::of_name), [None; 3]);
    }

    #[test]
    fn no_spelling_means_two_parts() {
        let mut all: Vec<&str> = SPELLINGS.iter().flat_map(|(_, spellings)| spellings.iter().copied()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn what_is_left_and_right_lies_so() {
        for (part, _) in SPELLINGS {
            let (word, place) = (format!("{part:?}"), part.place());
            let Place::Trunk { along, aside } = place else { continue };
            assert_eq!(word.contains("Left"), aside > 0.0, "{word}");
            assert_eq!(word.contains("Right"), aside < 0.0, "{word}");
            assert!(along.abs() <= 0.5);
        }
    }
}
