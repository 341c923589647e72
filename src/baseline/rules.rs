//! The rules as an ethologist would write them, before any threshold is fitted.
//!
//! Where the literature gives geometric definitions these follow them: contacts, approach, escape and following as
//! in the Live Mouse Tracker (de Chaumont et al. 2019, Nat. Biomed. Eng. 3:930); attack, mount and investigation as
//! described for MARS (Segalin et al. 2021, eLife 10:e63720); sniffing, side by side and following as in `DeepOF`
//! (Bordes et al. 2023, Nat. Commun. 14:4319); freezing by small movement for a minimum time as in `BehaviorDEPOT` (Gabriel
//! et al. 2022, eLife 11:e74314); grooming as small motion of the head on a still body (Kalueff et al. 2016, Nat. Rev.
//! Neurosci. 17:45). The written numbers are round guesses in body lengths; [`super::fit`](fn@super::fit) replaces them.
//!
//! Words that no geometry of animals can tell have no rule: what is done to objects, for one. What needs height
//! (rearing, climbing) is guessed from the body's shortened outline.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::quantities::Quantity::{
    self, Approach, Bend, BodyDistance, CentreDistance, CentreDistanceMean, Elongation, Facing, FollowingMean,
    HeadMotion, HeadingDifference, NoseToBody, NoseToNose, NoseToTailBase, PairTurning, Speed, SpeedGain, SpeedMean,
    Stillness, TargetFacing, TargetNoseToBody, TargetSpeed, TargetSpeedMean, TurningSpeedMean,
};

/// Most conditions of a rule.
pub const CONDITIONS_MAX: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Above,
    Below,
}

/// A quantity above or below a threshold. Does not hold for one that is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub quantity: Quantity,
    pub side: Side,
    pub threshold: f32,
}

impl Condition {
    pub fn holds(&self, value: Option<f32>) -> bool {
        value.is_some_and(|value| self.side.passes(value, self.threshold))
    }
}

impl Side {
    /// A NaN is on neither side.
    pub(super) fn passes(self, value: f32, threshold: f32) -> bool {
        match self {
            Self::Above => value > threshold,
            Self::Below => value < threshold,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.side {
            Side::Above => '>',
            Side::Below => '<',
        };
        write!(f, "{} {sign} {}{}", self.quantity, self.threshold, self.quantity.unit())
    }
}

const fn above(quantity: Quantity, threshold: f32) -> Condition {
    Condition { quantity, side: Side::Above, threshold }
}

const fn below(quantity: Quantity, threshold: f32) -> Condition {
    Condition { quantity, side: Side::Below, threshold }
}

/// Words that mean the same, in small letters without separators, and the conditions that all have to hold.
type Written = (&'static [&'static str], &'static [Condition]);

/// The agent goes towards, behind or away from the target.
const WALKING: &[Written] = &[
    (
        &["approach", "approaching"],
        &[above(Approach, 0.8), below(Facing, 45.0), above(CentreDistance, 0.9), below(TargetSpeed, 1.0)],
    ),
    (
        &["follow", "following"],
        &[above(FollowingMean, 0.4), below(CentreDistance, 2.5), below(Facing, 45.0), above(TargetFacing, 90.0)],
    ),
    (
        &["chase", "chasing", "pursuit"],
        &[
            above(Speed, 2.0),
            above(TargetSpeed, 2.0),
            below(CentreDistance, 2.5),
            below(Facing, 45.0),
            above(TargetFacing, 90.0),
        ],
    ),
    (&["chaseattack"], &[above(Speed, 2.0), above(TargetSpeed, 1.0), below(NoseToBody, 0.6), below(Facing, 60.0)]),
    (&["shepherd"], &[above(FollowingMean, 0.2), below(CentreDistance, 1.5), below(Facing, 60.0), below(Speed, 2.0)]),
    (
        &["escape", "flee", "flight"],
        &[above(Speed, 2.0), below(Approach, -0.8), below(CentreDistance, 3.0), above(Facing, 90.0)],
    ),
    (
        &["avoid", "avoidance", "retreat"],
        &[below(Approach, -0.2), below(CentreDistance, 2.0), below(TargetFacing, 60.0), below(Speed, 3.0)],
    ),
    (
        &["disengage", "leave"],
        &[below(Approach, -0.3), below(CentreDistanceMean, 1.2), below(TargetSpeed, 1.0), above(Facing, 60.0)],
    ),
];

/// Noses: the agent examines the target.
const SNIFFING: &[Written] = &[
    (
        &["sniff", "sniffing", "investigate", "investigation", "closeinvestigation"],
        &[below(NoseToBody, 0.25), below(Facing, 90.0), below(SpeedMean, 1.2)],
    ),
    (
        &["sniffface", "facesniff", "nosetonose", "oralcontact", "oraloralcontact"],
        &[below(NoseToNose, 0.3), below(Facing, 60.0), below(Speed, 1.2)],
    ),
    (
        &["sniffgenital", "sniffanogenital", "anogenitalsniff", "genitalsniff", "oralgenitalcontact", "nosetotail"],
        &[below(NoseToTailBase, 0.3), below(Facing, 90.0), below(Speed, 1.5)],
    ),
    (
        &["sniffbody", "bodysniff", "nosetobody"],
        &[below(NoseToBody, 0.2), above(NoseToNose, 0.4), above(NoseToTailBase, 0.35), below(Speed, 1.2)],
    ),
    (
        &["reciprocalsniff", "mutualsniff"],
        &[below(NoseToNose, 0.25), below(Facing, 60.0), below(TargetFacing, 60.0), below(TargetSpeed, 1.0)],
    ),
    (
        &["allogroom", "allogrooming", "socialgroom", "dominancegroom"],
        &[below(NoseToBody, 0.25), above(Stillness, 0.7), below(TargetSpeed, 0.4), above(HeadMotion, 0.4)],
    ),
];

/// Close and violent, or defending against that.
const FIGHTING: &[Written] = &[
    (
        &["attack", "attacking"],
        &[below(NoseToBody, 0.4), above(SpeedMean, 0.8), above(TargetSpeedMean, 0.6), below(Facing, 90.0)],
    ),
    (
        &["aggression", "aggressive", "fight", "fighting"],
        &[below(CentreDistance, 0.8), below(CentreDistanceMean, 0.9), above(SpeedMean, 0.6)],
    ),
    (&["bite", "biting"], &[below(NoseToBody, 0.2), above(HeadMotion, 1.0), above(TargetSpeedMean, 0.6)]),
    (
        &["tussle", "clinch", "wrestle", "wrestling", "boxing", "roughandtumble"],
        &[below(CentreDistance, 0.7), below(CentreDistanceMean, 0.8), above(PairTurning, 90.0), above(SpeedMean, 0.5)],
    ),
    (
        &["dominance", "keepdown", "pin", "pinning"],
        &[below(CentreDistance, 0.6), below(BodyDistance, 0.1), below(TargetSpeedMean, 0.8), below(NoseToBody, 0.3)],
    ),
    (
        &["lateralthreat", "sidewaysthreat"],
        &[below(BodyDistance, 0.4), above(Facing, 45.0), above(TargetFacing, 30.0), below(SpeedMean, 1.0)],
    ),
    (
        &["uprightposture", "upright"],
        &[below(NoseToNose, 0.6), below(Elongation, 0.85), below(Facing, 60.0), below(TargetFacing, 60.0)],
    ),
    (
        &["defend", "defense", "defence", "defensive"],
        &[below(TargetNoseToBody, 0.5), below(Facing, 70.0), below(Speed, 1.5), above(TargetSpeedMean, 0.4)],
    ),
    (
        &["submit", "submission", "submissive"],
        &[below(TargetNoseToBody, 0.35), below(Speed, 0.35), above(Stillness, 0.3), above(Facing, 45.0)],
    ),
    (&["flinch", "startle"], &[below(TargetNoseToBody, 0.7), above(SpeedGain, 1.0), below(Approach, 0.0)]),
];

/// The agent lies over the target or beside it.
const TOUCHING: &[Written] = &[
    (
        &["mount", "mounting", "dominancemount"],
        &[below(CentreDistance, 0.5), below(HeadingDifference, 45.0), below(Facing, 70.0), above(NoseToTailBase, 0.4)],
    ),
    (
        &["attemptmount", "mountattempt"],
        &[
            below(CentreDistance, 0.7),
            below(HeadingDifference, 60.0),
            below(NoseToTailBase, 0.8),
            above(SpeedMean, 0.4),
        ],
    ),
    (
        &["intromit", "intromission"],
        &[below(CentreDistance, 0.45), below(HeadingDifference, 40.0), below(Facing, 60.0), below(SpeedMean, 0.8)],
    ),
    (
        &["ejaculate", "ejaculation"],
        &[below(CentreDistance, 0.45), below(HeadingDifference, 40.0), above(Stillness, 2.0)],
    ),
    (
        &["huddle", "huddling", "sidebyside"],
        &[below(BodyDistance, 0.2), above(Stillness, 1.0), below(SpeedMean, 0.3), below(CentreDistance, 0.7)],
    ),
    (&["contact", "touch"], &[below(BodyDistance, 0.15), below(CentreDistance, 1.2)]),
    (
        &["social", "interact", "interaction", "socialinteraction"],
        &[below(BodyDistance, 0.5), below(CentreDistanceMean, 1.3)],
    ),
];

/// What an animal does by itself.
const ALONE: &[Written] = &[
    (&["rear", "rearing"], &[below(Elongation, 0.8), below(Speed, 0.8), below(HeadMotion, 1.0)]),
    (&["climb", "climbing"], &[below(Elongation, 0.85), below(SpeedMean, 0.8), above(HeadMotion, 0.4)]),
    (
        &["selfgroom", "selfgrooming", "groom", "grooming"],
        &[above(Stillness, 0.5), above(HeadMotion, 0.5), below(Elongation, 0.95)],
    ),
    (&["genitalgroom"], &[above(Stillness, 0.5), above(HeadMotion, 0.4), above(Bend, 60.0)]),
    (&["dig", "digging"], &[above(Stillness, 0.3), above(HeadMotion, 0.6), above(Elongation, 0.8)]),
    (
        &["freeze", "freezing", "immobile"],
        &[above(Stillness, 1.0), below(HeadMotion, 0.4), below(TurningSpeedMean, 20.0)],
    ),
    (&["rest", "resting", "sleep"], &[above(Stillness, 4.0), below(SpeedMean, 0.2), below(HeadMotion, 0.5)]),
    (&["run", "running"], &[above(Speed, 3.0), above(SpeedMean, 1.5)]),
];

/// The conditions written for a behavior's word, whatever its case and separators; `None` for a word without a rule.
pub fn written(word: &str) -> Option<&'static [Condition]> {
    let plain: String = word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let rules = [WALKING, SNIFFING, FIGHTING, TOUCHING, ALONE].into_iter().flatten();
    rules.into_iter().find(|(words, _)| words.contains(&plain.as_str())).map(|(_, conditions)| *conditions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_any_spelling_and_an_unknown_one_is_not() {
        let rule = written("sniffgenital").unwrap();
        for spelling in ["SniffGenital", "sniff-genital", "sniff_genital", "Sniff genital"] {
            assert_eq!(written(spelling), Some(rule), "{spelling}");
        }
        for word in ["biteobject", "exploreobject", "", "äöü"] {
            assert_eq!(written(word), None, "{word}");
        }
    }

    #[test]
    fn no_word_stands_twice_and_rules_keep_their_bounds() {
        let rules = || [WALKING, SNIFFING, FIGHTING, TOUCHING, ALONE].into_iter().flatten();
        let mut words: Vec<&str> = rules().flat_map(|(words, _)| words.iter().copied()).collect();
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count);
        for (words, conditions) in rules() {
            assert!((2..=5).contains(&conditions.len()), "{words:?}");
            assert!(words.iter().all(|word| written(word) == Some(conditions)), "{words:?}");
        }
        // Where a part is hidden these may be too large.
        let to_bodies = [BodyDistance, NoseToBody, TargetNoseToBody];
        let conditions = || rules().flat_map(|(_, conditions)| conditions.iter());
        assert!(conditions().all(|one| one.side == Side::Below || !to_bodies.contains(&one.quantity)));
        assert!(ALONE.iter().all(|(_, conditions)| conditions.iter().all(|one| !one.quantity.is_of_pair())));
    }

    #[test]
    fn what_is_unknown_is_on_neither_side() {
        for condition in [above(Speed, -1.0), below(Speed, 1e9)] {
            assert!(!condition.holds(None) && !condition.holds(Some(f32::NAN)));
            assert!(condition.holds(Some(0.0)));
        }
        assert_eq!(below(NoseToTailBase, 0.9).to_string(), "nose to tail base < 0.9 bl");
    }
}
