//! What labels say is what animals do.

use super::*;
use crate::simulate::act::Company;
use crate::simulate::ethology::Action;

/// An agent and its target as one sees them.
struct Scene<'a> {
    agent: &'a Body,
    target: &'a Body,
}

impl Scene<'_> {
    fn between(&self) -> Vec2 {
        self.target.centre - self.agent.centre
    }

    /// Cosine of the angle between where the agent looks and where the target is.
    fn ahead(&self) -> f32 {
        self.agent.direction().dot(self.between().unit().unwrap_or_default())
    }

    fn closing(&self) -> f32 {
        self.agent.velocity.dot(self.between().unit().unwrap_or_default())
    }

    fn nose_to_body(&self) -> f32 {
        self.target.nearest(self.agent.nose()).1
    }

    fn nose_to_tail(&self) -> f32 {
        (self.target.part(Part::TailBase) - self.agent.nose()).length()
    }

    fn slower(&self) -> f32 {
        self.agent.velocity.length().min(self.target.velocity.length())
    }

    fn exchanged(&self) -> Self {
        Self { agent: self.target, target: self.agent }
    }
}

/// What one sees of an act in a still picture with speeds.
fn looks_like(act: Act, scene: &Scene<'_>) -> bool {
    let Scene { agent, target } = scene;
    let speed = agent.velocity.length();
    match act {
        Act::Explore => true,
        Act::Rest | Act::Selfgroom | Act::Dig | Act::Freeze => speed < 0.5,
        Act::Run => speed > 1.2,
        Act::Rear => (agent.nose() - agent.part(Part::TailBase)).length() < 0.8 * agent.size,
        Act::Approach => scene.closing() > 0.3 && scene.ahead() > 0.3,
        Act::Sniff => scene.nose_to_body() < 0.35,
        Act::Sniffgenital => scene.nose_to_tail() < 0.33,
        Act::Follow => scene.nose_to_tail() < 1.3 && scene.ahead() > 0.0,
        Act::Chase => scene.ahead() > 0.5 && scene.slower() > 0.9 && scene.nose_to_tail() < 2.3,
        Act::Attack => scene.nose_to_body() < 0.55 && scene.ahead() > 0.3,
        Act::Mount => {
            let behind = target.part(Part::HipLeft) - agent.centre;
            behind.length() < 0.6 && agent.height() > target.height()
        }
        Act::Escape => scene.closing() < -0.5,
        Act::Avoid => scene.closing() < -0.2,
        Act::Submit => speed < 0.8 && scene.between().length() < 1.6,
        Act::Huddle => speed.max(target.velocity.length()) < 0.7 && scene.between().length() < 0.7,
        Act::Tussle => scene.between().length() < 0.8,
        Act::Reciprocalsniff => (target.nose() - agent.nose()).length() < 0.4,
    }
}

/// Shares of the time of each act in which it looks like it, and in which it does with the roles exchanged.
fn shares() -> BTreeMap<Act, (Share, Share)> {
    let mut shares = BTreeMap::<Act, (Share, Share)>::new();
    for Moment { bodies, deeds } in watched().iter().flat_map(|watched| &watched.moments) {
        for deed in deeds {
            let scene = Scene { agent: &bodies[deed.agent], target: &bodies[deed.target.unwrap_or(deed.agent)] };
            let (straight, exchanged) = shares.entry(deed.act).or_default();
            straight.count(looks_like(deed.act, &scene));
            exchanged.count(looks_like(deed.act, &scene.exchanged()));
        }
    }
    shares
}

#[test]
fn every_label_is_true_of_what_one_sees() {
    let shares = shares();
    assert_eq!(shares.len(), Act::ALL.len() - 1, "{:?}", shares.keys());
    for (act, (straight, _)) in &shares {
        // A lapse of a third of a second is part of a bout: much of a short one, and who follows somebody that stops and
        // goes lapses often.
        let least = if matches!(act, Act::Run | Act::Follow) { 0.75 } else { 0.9 };
        assert!(straight.get() > least, "{act:?} {straight:?}");
    }
}

#[test]
fn the_same_with_roles_exchanged_is_something_else() {
    let shares = shares();
    for act in [Act::Approach, Act::Sniffgenital, Act::Chase, Act::Attack, Act::Mount, Act::Escape, Act::Avoid] {
        let (straight, exchanged) = shares[&act];
        assert!(exchanged.get() < 0.6 * straight.get(), "{act:?} {straight:?} {exchanged:?}");
    }
    for act in [Act::Huddle, Act::Tussle, Act::Reciprocalsniff] {
        let (straight, exchanged) = shares[&act];
        assert!((exchanged.get() - straight.get()).abs() < 0.02, "{act:?} {straight:?} {exchanged:?}");
    }
}

#[test]
fn what_two_do_together_both_do() {
    let mut paired = Share::default();
    for deeds in watched().iter().flat_map(|watched| &watched.moments).map(|moment| &moment.deeds) {
        for deed in deeds.iter().filter(|deed| deed.act.company() == Company::Together) {
            let twin = Deed { act: deed.act, agent: deed.target.unwrap(), target: Some(deed.agent) };
            paired.count(deeds.contains(&twin));
        }
    }
    assert!(paired.get() > 0.94, "{paired:?}");
}

#[test]
fn deeds_name_whom_they_must_and_nobody_does_two_things() {
    for Watched { lab, moments, .. } in watched() {
        for deeds in moments.iter().map(|moment| &moment.deeds) {
            for (index, deed) in deeds.iter().enumerate() {
                assert!(deed.agent < lab.habitat.individuals && deed.act != Act::Explore);
                assert!(index == 0 || deeds[index - 1].agent < deed.agent, "{deeds:?}");
                assert_ne!(deed.target, Some(deed.agent), "{deed:?}");
                assert!(deed.target.is_some() || deed.act.company() == Company::Alone, "{deed:?}");
            }
        }
    }
}

#[test]
fn every_act_of_a_lab_happens_within_40_minutes_and_no_other() {
    for lab in Simulation::built_in().labs {
        let repertoire = &lab.habitat.repertoire;
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..10 {
            live(&lab.habitat, seed, 240, |vivarium| seen.extend(vivarium.deeds().map(|deed| deed.act)));
            if repertoire.weights.iter().all(|(act, _)| seen.contains(act)) {
                break;
            }
        }
        for (act, _) in &repertoire.weights {
            assert!(seen.contains(act), "{} never {act:?}", lab.name);
        }
        for act in seen {
            assert!(repertoire.has(act), "{} has no {act:?}", lab.name);
        }
    }
}

fn assert_like(name: &str, lengths: &[f32], action: &Action, factors: [f32; 3]) {
    for ((share, genuine), factor) in [0.05, 0.5, 0.95].into_iter().zip(action.quantiles_secs).zip(factors) {
        let ratio = quantile(lengths, share) / genuine as f32;
        assert!((factor.recip()..factor).contains(&ratio), "{name} {share}: {ratio} of the genuine length");
    }
}

#[test]
fn bouts_that_nothing_interrupts_last_as_long_as_genuine_ones() {
    const ALONE: [Act; 4] = [Act::Rear, Act::Selfgroom, Act::Dig, Act::Rest];
    let mut habitat = lab("SimTwelve").habitat;
    habitat.repertoire.weights.retain(|(act, _)| ALONE.contains(act));
    let mut runs = Runs::new(f64::from(STEP_HZ));
    for seed in 0..5 {
        let mut part = Runs::new(f64::from(STEP_HZ));
        live(&habitat, seed, 600, |vivarium| part.push(vivarium.steps(), &vivarium.deeds().collect::<Vec<_>>()));
        runs.ended.extend(part.ended);
    }
    for act in ALONE {
        let of_act = runs.ended.iter().filter(|run| run.deed.act == act);
        let lengths: Vec<f32> = of_act.map(|run| (run.stop - run.start) as f32 / STEP_HZ as f32).collect();
        assert!(lengths.len() > 80, "{act:?} {}", lengths.len());
        // A log-normal is not the genuine distribution: selfgroom has a heavier tail. One that follows itself at once is
        // one bout, which happens more often where there is nothing else to do.
        let action = habitat.repertoire.ethology.action(act.name()).unwrap();
        assert_like(act.name(), &lengths, action, [1.8, 1.7, 1.9]);
    }
}

#[test]
fn bouts_among_others_are_cut_short_but_no_shorter_than_by_a_factor() {
    for act in [Act::Rear, Act::Selfgroom, Act::Dig, Act::Rest, Act::Sniff, Act::Attack, Act::Mount, Act::Huddle] {
        let all = watched().iter().filter_map(|watched| watched.bouts.get(&act));
        let lengths: Vec<f32> = all.flatten().copied().collect();
        let action = watched()[0].lab.habitat.repertoire.ethology.action(act.name()).unwrap();
        // Of the shortest ones most were interrupted by somebody.
        assert_like(act.name(), &lengths, action, [20.0, 2.5, 6.0]);
    }
}

#[test]
fn nobody_is_always_labelled_and_nobody_never() {
    for Watched { lab, moments, .. } in watched() {
        for animal in 0..lab.habitat.individuals {
            let mut labelled = Share::default();
            for moment in moments {
                labelled.count(moment.deeds.iter().any(|deed| deed.agent == animal));
            }
            assert!((0.4..0.75).contains(&labelled.get()), "{} {animal} {labelled:?}", lab.name);
        }
    }
}
