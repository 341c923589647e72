//! The quantities that rules and triggers are made of.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number that says how an animal, or a pair of animals, moves or stands at a tick. Lengths are nominal body lengths
/// (bl), angles degrees; nothing depends on where the arena lies or how it is turned.
///
/// The *nose* is the front keypoint of the body axis, the *tail base* its rear, the *body* the line front – centre –
/// rear. Distances to a body are to its nearest *seen* point: where a part is hidden the true distance may be smaller, so
/// that *below* is sure and *above* is not. An animal's place is its centre, or the middle between front and rear where the centre is missing.
/// A *mean* is taken over the past second and known where half of that and the newest tick is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    // Of the agent alone.
    /// Over a sixth of a second; unknown over 20 bl/s, where the tracker jumped.
    Speed,
    SpeedMean,
    /// Speed gained over the last third of a second; negative when slowing down.
    SpeedGain,
    /// How fast the heading turns, whichever way, over a sixth of a second.
    TurningSpeed,
    TurningSpeedMean,
    /// Distance from nose to tail base over its mean in the last ten seconds: below 1 when rearing or curled up.
    Elongation,
    /// Angle between the fore and the hind part of the body.
    Bend,
    /// For how long the speed has stayed under 0.35 bl/s; counts to ten seconds, begins anew after a missing tick.
    Stillness,
    /// How fast the nose moves in the frame of the hind body, mean of the past half second: grooming, digging.
    HeadMotion,
    // Of the agent towards the target.
    NoseToNose,
    /// From the agent's nose to the nearest point of the target's body.
    NoseToBody,
    NoseToTailBase,
    /// From the target's nose to the nearest point of the agent's body.
    TargetNoseToBody,
    /// Between the nearest points of both bodies.
    BodyDistance,
    CentreDistance,
    CentreDistanceMean,
    /// Between the agent's heading and the way to the target: 0° where it faces the target, 180° turned away.
    Facing,
    /// Between the target's heading and the way to the agent.
    TargetFacing,
    /// Between both headings: 0° where they are parallel.
    HeadingDifference,
    /// The agent's speed towards the target; negative when it goes away.
    Approach,
    ApproachMean,
    /// The target's speed towards the agent.
    TargetApproach,
    TargetSpeed,
    TargetSpeedMean,
    /// The agent's speed in the direction in which the target went over the past half second; 0 where it stayed.
    Following,
    FollowingMean,
    /// How fast the line between the animals turns, whichever way, mean of the past second: tussling, circling.
    PairTurning,
}

/// Quantities of one animal; those of pairs follow.
pub(super) const OWN_COUNT: usize = 9;
pub(super) const PAIR_COUNT: usize = Quantity::ALL.len() - OWN_COUNT;

impl Quantity {
    pub const ALL: [Self; 27] = [
        Self::Speed,
        Self::SpeedMean,
        Self::SpeedGain,
        Self::TurningSpeed,
        Self::TurningSpeedMean,
        Self::Elongation,
        Self::Bend,
        Self::Stillness,
        Self::HeadMotion,
        Self::NoseToNose,
        Self::NoseToBody,
        Self::NoseToTailBase,
        Self::TargetNoseToBody,
        Self::BodyDistance,
        Self::CentreDistance,
        Self::CentreDistanceMean,
        Self::Facing,
        Self::TargetFacing,
        Self::HeadingDifference,
        Self::Approach,
        Self::ApproachMean,
        Self::TargetApproach,
        Self::TargetSpeed,
        Self::TargetSpeedMean,
        Self::Following,
        Self::FollowingMean,
        Self::PairTurning,
    ];

    /// Whether it needs a target.
    pub fn is_of_pair(self) -> bool {
        self as usize >= OWN_COUNT
    }

    /// How sentences call it. Quantities of the agent alone stand without the word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::SpeedMean => "mean speed",
            Self::SpeedGain => "gain in speed",
            Self::TurningSpeed => "turning speed",
            Self::TurningSpeedMean => "mean turning speed",
            Self::Elongation => "elongation",
            Self::Bend => "bend of the body",
            Self::Stillness => "stillness",
            Self::HeadMotion => "head motion",
            Self::NoseToNose => "nose to nose",
            Self::NoseToBody => "nose to body",
            Self::NoseToTailBase => "nose to tail base",
            Self::TargetNoseToBody => "target's nose to agent's body",
            Self::BodyDistance => "body to body",
            Self::CentreDistance => "centre to centre",
            Self::CentreDistanceMean => "mean centre to centre",
            Self::Facing => "facing",
            Self::TargetFacing => "target's facing",
            Self::HeadingDifference => "difference of headings",
            Self::Approach => "approach",
            Self::ApproachMean => "mean approach",
            Self::TargetApproach => "target's approach",
            Self::TargetSpeed => "target speed",
            Self::TargetSpeedMean => "mean target speed",
            Self::Following => "following",
            Self::FollowingMean => "mean following",
            Self::PairTurning => "turning of the pair",
        }
    }

    /// With a space before it where one is due; empty for a ratio.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Speed
            | Self::SpeedMean
            | Self::SpeedGain
            | Self::HeadMotion
            | Self::Approach
            | Self::ApproachMean
            | Self::TargetApproach
            | Self::TargetSpeed
            | Self::TargetSpeedMean
            | Self::Following
            | Self::FollowingMean => " bl/s",
            Self::TurningSpeed | Self::TurningSpeedMean | Self::PairTurning => "°/s",
            Self::Elongation => "",
            Self::Stillness => " s",
            Self::Bend | Self::Facing | Self::TargetFacing | Self::HeadingDifference => "°",
            Self::NoseToNose
            | Self::NoseToBody
            | Self::NoseToTailBase
            | Self::TargetNoseToBody
            | Self::BodyDistance
            | Self::CentreDistance
            | Self::CentreDistanceMean => " bl",
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_values_and_complete() {
        for (index, quantity) in Quantity::ALL.into_iter().enumerate() {
            assert_eq!(quantity as usize, index, "{quantity}");
        }
        assert_eq!(Quantity::ALL.iter().filter(|quantity| !quantity.is_of_pair()).count(), OWN_COUNT);
        assert!(!Quantity::HeadMotion.is_of_pair() && Quantity::NoseToNose.is_of_pair());
    }
}
