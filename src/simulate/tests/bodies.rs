//! What a body can and cannot do, over minutes of every lab.

use super::*;
use crate::anatomy::Place;
use crate::simulate::body::{TRUNK, TRUNK_RADIUS, angle_between};

/// What an animal's own legs can do: body lengths per second squared, and radians per second.
const ACCELERATION_MAX: f32 = 30.0;
const TURN_MAX: f32 = 7.0;
/// Slack for single precision.
const ROUNDING: f32 = 0.02;

fn trunk(body: &Body, along: f32) -> Vec2 {
    body.point(Place::Trunk { along, aside: 0.0 })
}

/// What every two successive steps of a lab look like.
fn steps(lab: &Lab, mut look: impl FnMut(&Body, &Body)) {
    for seed in 0..2 {
        let mut before = Vivarium::new(&lab.habitat, seed).bodies().to_vec();
        live(&lab.habitat, seed, MINUTES * 60, |vivarium| {
            for (before, now) in before.iter().zip(vivarium.bodies()) {
                look(before, now);
            }
            before.clone_from_slice(vivarium.bodies());
        });
    }
}

#[test]
fn legs_keep_their_limits_and_pushes_stay_small() {
    let per_sec = STEP_HZ as f32;
    for lab in Simulation::built_in().labs {
        let (mut paths, mut accelerations, mut noses) = (Vec::new(), Vec::new(), Vec::new());
        steps(&lab, |before, now| {
            // Who runs into something is slower at once.
            assert!((now.speed - before.speed) * per_sec < ACCELERATION_MAX + ROUNDING, "{}", lab.name);
            let turn = angle_between(before.heading, now.heading).abs() * per_sec;
            assert!(turn < TURN_MAX + ROUNDING, "{} {turn}", lab.name);
            paths.push((now.centre - before.centre).length() * per_sec);
            accelerations.push((now.velocity - before.velocity).length() * per_sec);
            noses.push((now.nose() - before.nose()).length() * per_sec);
        });
        // The fastest act asks for 4.9; the boldest animal is half as fast again. Pushes add to it for a moment.
        let fastest = 4.9 * lab.habitat.temper.pace * (lab.habitat.spread).exp();
        assert!(quantile(&paths, 0.999) < fastest, "{} {} {fastest}", lab.name, quantile(&paths, 0.999));
        assert!(quantile(&paths, 1.0) < 1.5 * fastest, "{} {}", lab.name, quantile(&paths, 1.0));
        assert!(quantile(&paths, 0.95) > 1.1, "{}: nobody ever runs", lab.name);
        // Of the path smoothed over a tenth of a second.
        assert!(
            quantile(&accelerations, 0.999) < 1.5 * ACCELERATION_MAX,
            "{} {}",
            lab.name,
            quantile(&accelerations, 0.999)
        );
        // A head that turns and jerks: half a body at 7 radians a second, on top of the fastest run.
        assert!(quantile(&noses, 0.999) < fastest + 3.5, "{} {}", lab.name, quantile(&noses, 0.999));
        assert!(quantile(&noses, 1.0) < 3.0 * fastest + 3.5, "{} {}", lab.name, quantile(&noses, 1.0));
    }
}

#[test]
fn trunks_stay_within_the_arena_and_all_parts_near_the_body() {
    for Watched { lab, moments, .. } in watched() {
        for body in moments.iter().flat_map(|moment| &moment.bodies) {
            for along in TRUNK {
                let clearance = lab.habitat.arena.clearance(trunk(body, along));
                assert!(clearance > TRUNK_RADIUS * body.size - ROUNDING, "{} {clearance}", lab.name);
            }
            // The nose reaches further forward than the trunk that walls push at.
            let nose = lab.habitat.arena.clearance(body.nose());
            assert!(nose > -0.15, "{} {nose}", lab.name);
            for part in PARTS {
                let point = body.part(part);
                let reach = if matches!(part.place(), Place::Tail { .. }) { 1.6 } else { 0.75 };
                assert!(is_finite(point), "{} {part:?}", lab.name);
                assert!((point - body.centre).length() < reach * body.size, "{} {part:?}", lab.name);
            }
        }
    }
}

#[test]
fn spines_stretch_little_and_tails_keep_their_length() {
    const TAIL_LENGTH: f32 = 0.85;
    for Watched { lab, moments, .. } in watched() {
        let (mut lengths, mut tails) = (Vec::new(), Vec::new());
        for body in moments.iter().flat_map(|moment| &moment.bodies) {
            lengths.push((body.nose() - body.part(Part::TailBase)).length() / body.size);
            let at = |share: usize| body.point(Place::Tail { share: share as f32 / 6.0 });
            tails.push((0..6).map(|share| (at(share + 1) - at(share)).length()).sum::<f32>() / body.size);
        }
        let (shortest, longest) = (quantile(&lengths, 0.0), quantile(&lengths, 1.0));
        assert!(shortest > 0.45 && longest < 1.3, "{} {shortest} {longest}", lab.name);
        assert!((0.85..1.05).contains(&quantile(&lengths, 0.5)), "{}", lab.name);
        // A push moves the base under a tail that follows in the next step.
        for (share, slack) in [(0.0, 0.12), (0.01, 0.03), (0.5, 0.002), (0.99, 0.03), (1.0, 0.12)] {
            let off = (quantile(&tails, share) - TAIL_LENGTH).abs();
            assert!(off < slack, "{} {share} {off}", lab.name);
        }
    }
}

/// How near the trunks of two come: in body lengths of their mean size.
fn gap(a: &Body, b: &Body) -> f32 {
    let all = TRUNK.iter().flat_map(|a| TRUNK.iter().map(move |b| (*a, *b)));
    let nearest = all.map(|(along_a, along_b)| (trunk(a, along_a) - trunk(b, along_b)).length());
    nearest.fold(f32::INFINITY, f32::min) / (0.5 * (a.size + b.size))
}

#[test]
fn trunks_do_not_go_through_each_other_but_when_animals_mount_or_tussle() {
    for Watched { lab, moments, .. } in watched() {
        let (mut touching, mut within, mut through, mut entangled) = Default::default();
        for Moment { bodies, deeds } in moments {
            for first in 0..bodies.len() {
                for second in first + 1..bodies.len() {
                    let gap = gap(&bodies[first], &bodies[second]);
                    let pair = |deed: &Deed| {
                        let both = [Some(deed.agent), deed.target];
                        both.contains(&Some(first)) && both.contains(&Some(second))
                    };
                    if deeds.iter().any(|deed| pair(deed) && matches!(deed.act, Act::Mount | Act::Tussle)) {
                        Share::count(&mut entangled, gap < 0.24);
                        continue;
                    }
                    Share::count(&mut touching, gap < 0.31);
                    Share::count(&mut within, gap < 0.2);
                    Share::count(&mut through, gap < 0.1);
                }
            }
        }
        assert!(Share::get(touching) > 0.02, "{}: nobody ever touches: {touching:?}", lab.name);
        assert!(Share::get(within) < 0.03, "{} {within:?}", lab.name);
        assert!(Share::get(through) < 0.02, "{} {through:?}", lab.name);
        assert!(Share::get(entangled) > 0.1, "{} {entangled:?}", lab.name);
    }
}

#[test]
fn nobody_is_left_or_right_handed() {
    let mut bends = Vec::new();
    for Watched { moments, .. } in watched() {
        for body in moments.iter().step_by(3).flat_map(|moment| &moment.bodies) {
            let rear = body.part(Part::BodyCentre) - body.part(Part::TailBase);
            let front = body.part(Part::Neck) - body.part(Part::BodyCentre);
            bends.push(angle_between(rear.angle(), front.angle()));
        }
    }
    let mean = bends.iter().sum::<f32>() / bends.len() as f32;
    let spread = quantile(&bends, 0.95) - quantile(&bends, 0.05);
    assert!(mean.abs() < 0.02 && spread > 0.2, "bent by {mean} rad on average, over {spread}");
}

#[test]
fn slots_begin_anywhere() {
    let habitat = lab("SimMars").habitat;
    let mut left = Share::default();
    for seed in 0..400 {
        let vivarium = Vivarium::new(&habitat, seed);
        left.count(vivarium.bodies()[0].centre.x < vivarium.bodies()[1].centre.x);
    }
    // Four standard deviations.
    assert!((left.get() - 0.5).abs() < 0.1, "{left:?}");
}
