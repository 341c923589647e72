//! Who does what to whom, and for how long: a semi-Markov process over the acts of every animal, in which partners answer.
//!
//! An act begins when it is decided on; its *bout* begins when it is really going on ([`motor::goes_on`]) and lasts as long
//! as was drawn for it from the lengths of genuine bouts, unless the partner's answer ends it. What follows an act is drawn
//! from what followed it in genuine annotations, mixed with the lab's own mix of acts.

use rand::RngExt;
use rand::rngs::StdRng;

use super::act::{Act, Company};
use super::arena::Arena;
use super::body::Body;
use super::ethology::Ethology;
use super::motor::{self, Plan};
use crate::plane::Vec2;

/// How long an act may take to come about, in seconds.
const ATTEMPT_SECS: f32 = 5.0;
/// How long it may be interrupted before it has ended.
pub const LAPSE_SECS: f32 = 0.3;
/// How likely an animal that has done something does at once what often follows it.
const FOLLOW_ON: f64 = 0.45;
/// How often, per second, an animal that has caught up with another attacks it.
const CAUGHT_HZ: f32 = 2.4;
/// How likely an attacker of usual aggression runs after who breaks loose.
const PURSUIT: f32 = 0.9;
/// How likely an animal of usual sociability joins in.
const JOINS: f32 = 0.7;
/// How likely an animal that walks about stands still for a while, and how likely it walks along a wall.
const STANDS: f64 = 0.35;
const AT_WALL: f64 = 0.6;
/// Bouts of drawn length lie within these, in seconds.
const BOUT_SECS: std::ops::RangeInclusive<f64> = 0.2..=40.0;
/// From further away than this an animal approaches first, in body lengths from nose to body.
const REACH_BL: f32 = 0.55;

/// How the animals of a lab differ from the average; each is a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Temper {
    pub activity: f32,
    pub sociability: f32,
    pub aggression: f32,
    pub timidity: f32,
    pub pace: f32,
}

/// The acts of a lab's animals: how likely each is chosen when nothing else decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Repertoire {
    pub weights: Vec<(Act, f32)>,
    pub ethology: Ethology,
}

impl Repertoire {
    pub fn has(&self, act: Act) -> bool {
        self.weights.iter().any(|(known, weight)| *known == act && *weight > 0.0)
    }
}

/// One animal's state of mind.
#[derive(Clone, Debug, PartialEq)]
pub struct Mind {
    pub plan: Plan,
    pub temper: Temper,
    /// The act is going on.
    pub engaged: bool,
    /// Seconds since it was decided on, since it goes on, and since it was last going on.
    since: f32,
    engaged_for: f32,
    lapsed_for: f32,
    /// How long it is to go on.
    length: f32,
    /// While walking about: seconds until the next waypoint, standing or walking.
    until_waypoint: f32,
    /// The other has had its chance to answer.
    answered: bool,
}

impl Mind {
    pub fn new(temper: Temper, at: Vec2) -> Self {
        let plan = Plan {
            act: Act::Explore,
            partner: None,
            then: None,
            waypoint: at,
            speed: 0.0,
            side: 1.0,
            spot: 0.0,
            stays: false,
        };
        Self {
            plan,
            temper,
            engaged: false,
            since: 0.0,
            engaged_for: 0.0,
            lapsed_for: 0.0,
            length: 1.0,
            until_waypoint: 0.0,
            answered: false,
        }
    }
}

impl Mind {
    /// Whether the act is to be seen at this very moment, rather than interrupted for a while.
    pub fn is_seen(&self) -> bool {
        self.lapsed_for == 0.0
    }
}

/// The minds of all animals of a cage.
#[derive(Debug)]
pub struct Society {
    pub minds: Vec<Mind>,
    repertoire: Repertoire,
    random: StdRng,
}

impl Society {
    pub fn new(minds: Vec<Mind>, repertoire: Repertoire, random: StdRng) -> Self {
        Self { minds, repertoire, random }
    }

    /// Decides what every animal does for the next `secs`.
    pub fn think(&mut self, bodies: &[Body], arena: Arena, secs: f32) {
        for index in 0..self.minds.len() {
            self.notice(index, bodies, secs);
            self.maybe_answer(index, bodies);
            self.maybe_end(index, bodies, secs);
            self.wander(index, bodies, arena, secs);
        }
    }

    /// Updates whether the act is going on.
    fn notice(&mut self, index: usize, bodies: &[Body], secs: f32) {
        let mind = &mut self.minds[index];
        mind.since += secs;
        let other = mind.plan.partner.map(|partner| &bodies[partner]);
        let now = motor::goes_on(mind.plan.act, &bodies[index], other, mind.engaged);
        if now {
            mind.lapsed_for = 0.0;
            mind.engaged = true;
        } else {
            mind.lapsed_for += secs;
            // A short lapse is part of the bout.
            mind.engaged &= mind.lapsed_for < LAPSE_SECS && mind.engaged_for > 0.0;
        }
        if mind.engaged {
            mind.engaged_for += secs;
        }
    }

    /// The partner's answer, once for each bout.
    fn maybe_answer(&mut self, index: usize, bodies: &[Body]) {
        let Mind { plan, engaged, engaged_for, answered, .. } = &self.minds[index];
        let (act, Some(partner)) = (plan.act, plan.partner) else { return };
        // A heartbeat passes before it is understood.
        if !engaged || *answered || *engaged_for < 0.15 {
            return;
        }
        self.minds[index].answered = true;
        let other = &self.minds[partner];
        let busy = matches!(other.plan.act, Act::Tussle | Act::Mount) || other.plan.act.company() == Company::Together;
        if busy || (other.plan.partner == Some(index) && matches!(other.plan.act, Act::Escape | Act::Submit)) {
            return;
        }
        let Temper { timidity, aggression, sociability, .. } = other.temper;
        let weigh = |(answer, weight): (Option<Act>, f32)| {
            let factor = match answer {
                Some(Act::Escape | Act::Avoid | Act::Submit | Act::Freeze) => timidity,
                Some(Act::Attack | Act::Tussle) => aggression,
                Some(Act::Sniff | Act::Sniffgenital | Act::Reciprocalsniff) => sociability,
                _ => 1.0,
            };
            let known = answer.is_none_or(|answer| self.repertoire.has(answer));
            (answer, if known { weight * factor } else { 0.0 })
        };
        let answers: Vec<_> = answers(act).iter().copied().map(weigh).collect();
        let Some(answer) = self.draw(&answers).flatten() else { return };
        match answer.company() {
            Company::Together => self.begin_together(answer, index, partner),
            _ => self.begin(partner, answer, Some(index), bodies),
        }
    }

    /// Ends an act that has lasted, failed or lost its object, and begins the next.
    fn maybe_end(&mut self, index: usize, bodies: &[Body], secs: f32) {
        let mind = &self.minds[index];
        let Plan { act, partner, then, .. } = mind.plan;
        let distance = partner.map_or(0.0, |partner| bodies[partner].nearest(bodies[index].nose()).1);
        if act == Act::Approach && distance < 0.3 {
            return match (then, partner) {
                (Some(then), Some(partner)) => self.arrive(index, then, partner, bodies),
                _ => self.next(index, bodies),
            };
        }
        let caught = act == Act::Chase && distance < 0.3 && mind.engaged && self.repertoire.has(Act::Attack);
        if caught && self.random.random_bool(f64::from(CAUGHT_HZ * secs).min(1.0)) {
            return self.begin(index, Act::Attack, partner, bodies);
        }
        let mind = &self.minds[index];
        let attacked = partner.is_some_and(|partner| {
            let other = &self.minds[partner].plan;
            other.partner == Some(index) && matches!(other.act, Act::Attack | Act::Chase)
        });
        let lasted = mind.engaged_for >= mind.length && !(act == Act::Escape && attacked && distance < 1.0);
        let stopped = mind.engaged_for > 0.0 && !mind.engaged;
        let failed = mind.engaged_for == 0.0 && mind.since > ATTEMPT_SECS;
        let explored = act == Act::Explore && mind.since >= mind.length;
        if !(lasted || stopped || failed || explored) {
            return;
        }
        // An attacked animal that breaks loose is run after.
        if let (Act::Attack, Some(partner)) = (act, partner) {
            let fled = self.minds[partner].plan.act == Act::Escape;
            let keen = f64::from(PURSUIT * mind.temper.aggression).min(0.95);
            if fled && self.repertoire.has(Act::Chase) && self.random.random_bool(keen) {
                return self.begin(index, Act::Chase, Some(partner), bodies);
            }
        }
        if let (Company::Together, Some(partner)) = (act.company(), partner)
            && self.minds[partner].plan.act == act
            && self.minds[partner].plan.partner == Some(index)
        {
            // What ends for one ends for both; then each goes its own way.
            self.explore(index);
            self.explore(partner);
            return;
        }
        self.next(index, bodies);
    }

    /// An approach has got there.
    fn arrive(&mut self, index: usize, then: Act, partner: usize, bodies: &[Body]) {
        if then.company() != Company::Together {
            return self.begin(index, then, Some(partner), bodies);
        }
        let other = &self.minds[partner];
        let free = other.plan.act.company() == Company::Alone || other.plan.partner == Some(index);
        let willing = f64::from(JOINS * other.temper.sociability).min(0.95);
        if free && self.random.random_bool(willing) {
            self.begin_together(then, index, partner);
        } else if self.repertoire.has(Act::Sniff) {
            self.begin(index, Act::Sniff, Some(partner), bodies);
        } else {
            self.explore(index);
        }
    }

    /// What comes after an act.
    fn next(&mut self, index: usize, bodies: &[Body]) {
        let act = self.minds[index].plan.act;
        // After something that has a name an animal often does something else of the kind at once.
        if act != Act::Explore {
            let known = |(name, weight): &(String, f64)| {
                let follower = Act::of_name(name).filter(|act| self.repertoire.has(*act) && !act.is_answer())?;
                Some((follower, *weight as f32))
            };
            let followers: Vec<_> = self.repertoire.ethology.followers(act.name()).iter().filter_map(known).collect();
            if self.random.random_bool(FOLLOW_ON)
                && let Some(follower) = self.draw(&followers)
            {
                return self.choose(index, follower, bodies);
            }
            return self.explore(index);
        }
        let Temper { activity, sociability, aggression, .. } = self.minds[index].temper;
        let weigh = |&(act, weight): &(Act, f32)| {
            let factor = match act {
                Act::Rest | Act::Huddle => 1.0 / activity,
                Act::Run | Act::Rear | Act::Dig => activity,
                Act::Attack | Act::Chase | Act::Mount | Act::Tussle => aggression,
                Act::Selfgroom => 1.0,
                _ => sociability,
            };
            (act, if act.is_answer() { 0.0 } else { weight * factor })
        };
        let choices: Vec<_> = self.repertoire.weights.iter().map(weigh).collect();
        match self.draw(&choices) {
            Some(act) => self.choose(index, act, bodies),
            None => self.explore(index),
        }
    }

    /// Begins an act of the animal's own accord, with an approach where that is needed.
    fn choose(&mut self, index: usize, act: Act, bodies: &[Body]) {
        if act.company() == Company::Alone {
            return self.begin(index, act, None, bodies);
        }
        // The nearer, the more interesting.
        let nearness = |other: usize| {
            let distance = (bodies[other].centre - bodies[index].centre).length();
            (other, if other == index { 0.0 } else { 1.0 / (0.5 + distance) })
        };
        let others: Vec<_> = (0..bodies.len()).map(nearness).collect();
        let Some(partner) = self.draw(&others) else { return self.explore(index) };
        let distance = bodies[partner].nearest(bodies[index].nose()).1;
        let moving = bodies[partner].velocity.length() > 0.5;
        match act {
            Act::Chase if self.repertoire.has(Act::Attack) => self.approach(index, Act::Attack, partner, bodies),
            Act::Follow if !moving => self.approach(index, Act::Sniff, partner, bodies),
            Act::Approach if distance < 0.6 => self.approach(index, Act::Sniff, partner, bodies),
            act if act.needs_contact() && distance > REACH_BL => self.approach(index, act, partner, bodies),
            act if act.company() == Company::Together => self.arrive(index, act, partner, bodies),
            act => self.begin(index, act, Some(partner), bodies),
        }
    }

    fn approach(&mut self, index: usize, then: Act, partner: usize, bodies: &[Body]) {
        let then = if self.repertoire.has(then) { Some(then) } else { None };
        self.begin(index, Act::Approach, Some(partner), bodies);
        self.minds[index].plan.then = then;
        self.minds[index].length = ATTEMPT_SECS;
    }

    fn begin_together(&mut self, act: Act, first: usize, second: usize) {
        let (length, side) = (self.length(act), self.side());
        for (index, partner, stays) in [(first, second, false), (second, first, true)] {
            self.set(index, Plan { act, partner: Some(partner), stays, side, ..self.minds[index].plan }, length);
        }
    }

    fn begin(&mut self, index: usize, act: Act, partner: Option<usize>, bodies: &[Body]) {
        let (length, side) = (self.length(act), self.side());
        // Sniffing comes from the side on which the animal is.
        let from_side = partner.filter(|_| matches!(act, Act::Sniff | Act::Attack)).map(|partner| {
            let off = (bodies[index].centre - bodies[partner].centre).in_frame(bodies[partner].direction());
            if off.y > 0.0 { -1.0 } else { 1.0 }
        });
        let spot = self.random.random_range(-0.3..0.48);
        let waypoint = bodies[index].nose();
        let plan = Plan {
            act,
            partner,
            then: None,
            waypoint,
            speed: 0.0,
            side: from_side.unwrap_or(side),
            spot,
            stays: false,
        };
        self.minds[index].until_waypoint = 0.0;
        self.set(index, plan, length);
    }

    fn explore(&mut self, index: usize) {
        let activity = self.minds[index].temper.activity;
        let length = self.random.random_range(0.5_f32..6.0) * self.random.random_range(0.4..2.0) / activity;
        let plan = Plan { act: Act::Explore, partner: None, then: None, ..self.minds[index].plan };
        self.minds[index].until_waypoint = 0.0;
        self.set(index, plan, length);
    }

    fn set(&mut self, index: usize, plan: Plan, length: f32) {
        let mind = &mut self.minds[index];
        mind.plan = plan;
        mind.length = length;
        (mind.since, mind.engaged_for, mind.lapsed_for) = (0.0, 0.0, 0.0);
        (mind.engaged, mind.answered) = (false, false);
    }

    /// Chooses the next waypoint of an animal that walks about, and the next spot of one that sniffs or bites.
    fn wander(&mut self, index: usize, bodies: &[Body], arena: Arena, secs: f32) {
        let mind = &mut self.minds[index];
        mind.until_waypoint -= secs;
        let there = (mind.plan.waypoint - bodies[index].nose()).length() < 0.25;
        match mind.plan.act {
            Act::Explore if mind.until_waypoint <= 0.0 || (there && mind.plan.speed > 0.0) => {
                let stands = self.random.random_bool(STANDS);
                let chances = [self.random.random_range(0.0..1.0), self.random.random_range(0.0..1.0)];
                let at_wall = self.random.random_bool(AT_WALL);
                mind.plan.waypoint =
                    if at_wall { arena.point_at_wall(chances, 0.3) } else { arena.point(chances, 0.4) };
                mind.plan.speed = if stands { 0.0 } else { self.random.random_range(0.6_f32..1.6).powi(2) };
                mind.until_waypoint = self.random.random_range(0.4..if stands { 1.6 } else { 4.0 });
            }
            Act::Run if there || mind.until_waypoint <= 0.0 => {
                let chances = [self.random.random_range(0.0..1.0), self.random.random_range(0.0..1.0)];
                mind.plan.waypoint = arena.point_at_wall(chances, 0.35);
                mind.until_waypoint = 2.0;
            }
            Act::Attack if mind.until_waypoint <= 0.0 => {
                mind.plan.spot = self.random.random_range(-0.35..0.45);
                mind.until_waypoint = self.random.random_range(0.1..0.35);
            }
            Act::Sniff if mind.until_waypoint <= 0.0 => {
                mind.plan.spot = (mind.plan.spot + self.random.random_range(-0.3..0.3)).clamp(-0.3, 0.48);
                mind.until_waypoint = self.random.random_range(0.25..1.2);
            }
            _ => {}
        }
    }

    /// How long a bout is to last, in seconds.
    fn length(&mut self, act: Act) -> f32 {
        let Some(length) = self.repertoire.ethology.bout_length(act.name()) else { return 1.0 };
        length.sample(&mut self.random, *BOUT_SECS.start(), *BOUT_SECS.end()) as f32
    }

    fn side(&mut self) -> f32 {
        if self.random.random_bool(0.5) { 1.0 } else { -1.0 }
    }

    /// One of several by weight; `None` where none has any.
    fn draw<T: Copy>(&mut self, choices: &[(T, f32)]) -> Option<T> {
        let sum: f32 = choices.iter().map(|(_, weight)| weight).sum();
        let mut left = self.random.random_range(0.0_f32..1.0) * sum;
        for &(choice, weight) in choices.iter().filter(|(_, weight)| *weight > 0.0) {
            left -= weight;
            if left <= 0.0 {
                return Some(choice);
            }
        }
        choices.iter().rev().find(|(_, weight)| *weight > 0.0).map(|(choice, _)| *choice)
    }
}

/// What the other may do in answer, and how likely; `None`: it does not mind. Set by hand: the genuine annotations look for
/// both sides of few acts ([`Ethology::answers`]), and where they do, half of all attacks are answered, by defence and flight.
fn answers(act: Act) -> &'static [(Option<Act>, f32)] {
    match act {
        Act::Attack => &[
            (Some(Act::Escape), 0.5),
            (Some(Act::Submit), 0.2),
            (Some(Act::Tussle), 0.2),
            (Some(Act::Attack), 0.05),
            (None, 0.05),
        ],
        Act::Mount => &[(None, 0.6), (Some(Act::Escape), 0.3), (Some(Act::Attack), 0.1)],
        Act::Chase => &[(Some(Act::Escape), 1.0)],
        Act::Sniff => {
            &[(None, 0.65), (Some(Act::Avoid), 0.12), (Some(Act::Reciprocalsniff), 0.1), (Some(Act::Sniff), 0.13)]
        }
        Act::Sniffgenital => &[(None, 0.6), (Some(Act::Avoid), 0.2), (Some(Act::Sniffgenital), 0.2)],
        Act::Approach => &[(None, 0.75), (Some(Act::Avoid), 0.2), (Some(Act::Freeze), 0.05)],
        Act::Follow => &[(None, 0.9), (Some(Act::Avoid), 0.1)],
        _ => &[(None, 1.0)],
    }
}
