//! The rule of distance alone that every rule about two animals is held against.

use crate::baseline::{Quantity, Side};
use crate::rehearsal::Scored;
use crate::trigger::plan::{GeometricBound, Plan};

/// Distances between two bodies (body lengths) that are tried.
pub const DISTANCES: [f32; 5] = [0.05, 0.1, 0.2, 0.4, 0.8];

/// So much farther apart, the animals have parted.
const PARTED: f32 = 0.2;

/// A plan of one rule alone, which holds wherever both bodies are near, for each of the distances.
pub fn plans(plan: &Plan, rule: usize) -> Vec<Plan> {
    let at = |on: f32| {
        let mut rule = plan.rules[rule].clone();
        rule.aim = rule.aim();
        (rule.score, rule.sham_share) = (None, 0.0);
        rule.zones.clear();
        rule.geometry =
            vec![GeometricBound { quantity: Quantity::BodyDistance, side: Side::Below, on, off: on + PARTED }];
        Plan { rules: vec![rule], ..plan.clone() }
    };
    DISTANCES.into_iter().map(at).collect()
}

/// How the page calls one of them.
pub fn said(distance: usize) -> String {
    format!("bodies nearer than {} body lengths", DISTANCES[distance])
}

/// The distance that hits most bouts with no more false triggers than the rule has, or is granted; where there is none, the
/// one with the fewest. It is chosen on the recordings that are shown: that flatters it.
pub fn best(of_distances: &[Scored], own: &Scored, false_per_hour_max: f64) -> Option<usize> {
    let granted = own.false_per_hour().max(false_per_hour_max);
    let within = (0..of_distances.len()).filter(|index| of_distances[*index].false_per_hour() <= granted);
    let most_hits = within.max_by_key(|index| {
        let Scored { hits, false_triggers, .. } = &of_distances[*index];
        (*hits, std::cmp::Reverse(*false_triggers))
    });
    let fewest = || (0..of_distances.len()).min_by_key(|index| of_distances[*index].false_triggers);
    most_hits.or_else(fewest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_distance_hits_most_within_what_is_granted() {
        let scored =
            |hits: u64, false_triggers: u64| Scored { labelled_hours: 1.0, hits, false_triggers, ..Scored::default() };
        let all = [scored(1, 2), scored(4, 6), scored(9, 30)];
        assert_eq!(
            best(&[scored(4, 5), scored(4, 6)], &scored(5, 3), 6.0),
            Some(0),
            "of equal hits the fewer false ones"
        );
        assert_eq!(best(&all, &scored(5, 3), 6.0), Some(1));
        assert_eq!(best(&all, &scored(5, 30), 6.0), Some(2), "no worse than the rule itself");
        assert_eq!(best(&all, &scored(5, 1), 1.0), Some(0), "none is within");
        assert_eq!(best(&[], &scored(5, 1), 1.0), None);
    }
}
