//! When the rules of a plan hold in one cage: causal, a value. Creating it is resetting it.

#[cfg(test)]
mod tests;

use super::plan::{GeometricBound, Plan, PlanError, Role, Rule, ScoreBound, Stimulus, ZoneBound};
use super::zone::Zone;
use crate::baseline::{Measurer, Quantity, Side};
use crate::behavior::{Ethogram, Individual, Kind, Subject};
use crate::buffer::ring::TickRing;
use crate::model::bundle::Card;
use crate::output::gate::{Gate, TriggerRule};
use crate::plane::Vec2;
use crate::poses::Keypoint;
use crate::presence::UNSEEN_TICKS_MAX;
use crate::stream::StreamDescription;
use crate::time::{TICK_RATE_HZ, Tick};

/// A rule that begins to hold, goes on or ends, in one cage and about certain animals.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// By its place in the plan.
    pub rule: usize,
    pub subject: Subject,
    pub tick: Tick,
    pub edge: Edge,
    /// The highest score of the rule's behaviors, where it looks at any.
    pub score: Option<f32>,
    /// What the rule looks at, as measured.
    pub quantities: Vec<(Quantity, f32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The rule triggers here, if nothing stands against it.
    Begins,
    /// Said of rules whose output is on for as long as they hold.
    Lasts,
    Ends,
}

/// Holds every rule of a plan against the ticks of a cage.
#[derive(Clone, Debug)]
pub struct Watch {
    rules: Vec<Watched>,
    /// Where a rule has geometry.
    measurer: Option<Measurer>,
    keypoints: usize,
    centre: usize,
    body_length_px: f64,
    /// By individual.
    unseen_ticks: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Watched {
    score: Option<(f32, f32)>,
    geometry: Vec<GeometricBound>,
    zones: Vec<(ZoneBound, Zone)>,
    is_gate: bool,
    lanes: Vec<Lane>,
}

/// A rule about certain animals.
#[derive(Clone, Debug)]
struct Lane {
    subject: Subject,
    /// Places of its scores among D × N.
    scores: Vec<usize>,
    gate: Gate,
    /// Before its first tick.
    fresh: Gate,
    /// It triggered, and has held since.
    lasts: bool,
}

/// How far a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// Something has ended.
    Released,
    Unknown,
    /// Within the hysteresis.
    Between,
    Holds,
}

impl Level {
    fn of(value: Option<f32>, side: Side, on: f32, off: f32) -> Self {
        let Some(value) = value.filter(|value| value.is_finite()) else { return Self::Unknown };
        let (at_on, at_off) = match side {
            Side::Above => (value >= on, value < off),
            Side::Below => (value <= on, value > off),
        };
        match (at_on, at_off) {
            (true, _) => Self::Holds,
            (_, true) => Self::Released,
            _ => Self::Between,
        }
    }

    /// What a gate between 1 and ½ makes the same of.
    fn as_score(self) -> Option<f32> {
        match self {
            Self::Released => Some(0.0),
            Self::Unknown => None,
            Self::Between => Some(0.5),
            Self::Holds => Some(1.0),
        }
    }
}

impl Watch {
    /// # Errors
    /// A rule that model and stream do not fit: unknown label sets, behaviors, delays and animals, behaviors of several
    /// kinds, an agent where the behavior has none, and a behavior that is unfit for triggering.
    pub fn new(plan: &Plan, card: &Card, stream: &StreamDescription) -> Result<Self, PlanError> {
        let ethogram = Ethogram::new(card.label_sets.clone());
        let rules = plan.rules.iter().map(|rule| Watched::new(rule, plan, card, &ethogram, stream));
        let rules: Vec<Watched> = rules.collect::<Result<_, _>>()?;
        let individuals = stream.individuals().len();
        let measured = rules.iter().any(|rule| !rule.geometry.is_empty());
        Ok(Self {
            rules,
            measurer: measured.then(|| Measurer::new(stream.skeleton(), individuals)),
            keypoints: stream.skeleton().keypoints().len(),
            centre: stream.skeleton().axis().centre,
            body_length_px: stream.body_length_px(),
            unseen_ticks: vec![u32::MAX; individuals],
        })
    }

    /// Whom each rule of the plan may be about.
    pub fn subjects(&self) -> Vec<Vec<Subject>> {
        self.rules.iter().map(|rule| rule.lanes.iter().map(|lane| lane.subject).collect()).collect()
    }

    /// Takes the ticks that a frame brought, with their scores: the newest of `ring`, in body lengths. Ticks of before a
    /// reset are not there any more, and are left out.
    pub fn follow(&mut self, ticks: &[(Tick, Vec<f32>)], ring: &TickRing) -> Vec<Candidate> {
        let known = &ticks[ticks.len().saturating_sub(ring.len())..];
        let newest_first = (0..known.len()).rev();
        let taken = known.iter().zip(newest_first).filter_map(|((tick, scores), age)| {
            let points = ring.age(age)?;
            Some(self.push(*tick, scores, points))
        });
        taken.flatten().collect()
    }

    /// Takes the next tick; nothing may be left out.
    ///
    /// # Shapes
    /// `scores`: D × N as [`crate::core::Cage::push_watched`] gives them; `points`: I × K in body lengths.
    pub fn push(&mut self, tick: Tick, scores: &[f32], points: &[Keypoint]) -> Vec<Candidate> {
        if let Some(measurer) = &mut self.measurer {
            measurer.advance(points);
        }
        for (unseen, points) in self.unseen_ticks.iter_mut().zip(points.chunks_exact(self.keypoints)) {
            *unseen = if points.iter().any(Keypoint::is_present) { 0 } else { unseen.saturating_add(1) };
        }
        let (mut candidates, unseen) = (Vec::new(), &self.unseen_ticks);
        let seen = |individual: Individual| unseen[usize::from(individual.0)] <= UNSEEN_TICKS_MAX;
        let place =
            |individual: Individual| Vec2::of(points.get(usize::from(individual.0) * self.keypoints + self.centre)?);
        for (index, rule) in self.rules.iter_mut().enumerate() {
            for lane in &mut rule.lanes {
                let score = lane.scores.iter().filter_map(|at| scores.get(*at).copied()).reduce(f32::max);
                let mut level = Level::Holds;
                if let Some((on, off)) = rule.score {
                    level = Level::of(score, Side::Above, on, off);
                }
                if let Some(measurer) = &self.measurer {
                    level = level.min(either_way(lane.subject, |agent, target| {
                        let value = |quantity| measurer.value(quantity, agent, target);
                        let bounds = rule.geometry.iter();
                        let levels =
                            bounds.map(|bound| Level::of(value(bound.quantity), bound.side, bound.on, bound.off));
                        levels.min().unwrap_or(Level::Holds)
                    }));
                }
                for (bound, zone) in &rule.zones {
                    let inside = who(lane.subject, bound.animal).and_then(place);
                    let inside = inside.map(|place| zone.contains(place, self.body_length_px) == bound.inside);
                    level = level
                        .min(inside.map_or(Level::Unknown, |is_so| if is_so { Level::Holds } else { Level::Released }));
                }
                // As with verdicts: where one hides the other, the network still knows what they do.
                if !animals(lane.subject).into_iter().flatten().any(seen) {
                    level = Level::Unknown;
                    // What goes on when they are seen again has no onset that was seen.
                    lane.gate = lane.fresh;
                }
                let edge = lane.take(level, rule.is_gate);
                let Some(edge) = edge else { continue };
                let quantities = rule.geometry.iter().filter_map(|bound| {
                    let (agent, target) = in_order(lane.subject);
                    Some((bound.quantity, self.measurer.as_ref()?.value(bound.quantity, agent, target)?))
                });
                let quantities = quantities.collect();
                candidates.push(Candidate { rule: index, subject: lane.subject, tick, edge, score, quantities });
            }
        }
        candidates
    }
}

impl Lane {
    fn take(&mut self, level: Level, is_gate: bool) -> Option<Edge> {
        if self.gate.push(level.as_score()) {
            self.lasts = true;
            return Some(Edge::Begins);
        }
        if !self.lasts {
            return None;
        }
        // What is not known to go on has ended: an output that stays on needs a reason.
        self.lasts = matches!(level, Level::Holds | Level::Between);
        match (self.lasts, is_gate) {
            (false, _) => Some(Edge::Ends),
            (true, true) => Some(Edge::Lasts),
            (true, false) => None,
        }
    }
}

/// Agent and target; the lower slot first where there is no direction.
fn in_order(subject: Subject) -> (usize, Option<usize>) {
    let slot = |individual: Individual| usize::from(individual.0);
    match subject {
        Subject::One(one) => (slot(one), None),
        Subject::Ordered { agent: a, target: b } | Subject::Both { first: a, second: b } => (slot(a), Some(slot(b))),
    }
}

/// The level of a pair without direction is that of the order in which more of it holds.
fn either_way(subject: Subject, level: impl Fn(usize, Option<usize>) -> Level) -> Level {
    let (agent, target) = in_order(subject);
    let one_way = level(agent, target);
    match (subject, target) {
        (Subject::Both { .. }, Some(target)) => one_way.max(level(target, Some(agent))),
        _ => one_way,
    }
}

fn animals(subject: Subject) -> [Option<Individual>; 2] {
    match subject {
        Subject::One(one) => [Some(one), None],
        Subject::Ordered { agent: a, target: b } | Subject::Both { first: a, second: b } => [Some(a), Some(b)],
    }
}

fn who(subject: Subject, role: Role) -> Option<Individual> {
    let [agent, target] = animals(subject);
    match role {
        Role::Agent => agent,
        Role::Target => target,
    }
}

impl Watched {
    fn new(
        rule: &Rule,
        plan: &Plan,
        card: &Card,
        ethogram: &Ethogram,
        stream: &StreamDescription,
    ) -> Result<Self, PlanError> {
        let at = |key: &str| format!("rules.{}.{key}", rule.name);
        let individuals = stream.individuals();
        for (key, name) in [("agent", &rule.agent), ("target", &rule.target)] {
            if let Some(name) = name.as_ref().filter(|name| !individuals.contains(name)) {
                return Err(PlanError::value(at(key), format!("one of the animals {}", individuals.join(", ")), name));
            }
        }
        let kind = match &rule.score {
            Some(bound) => kind_of(rule, bound, card, ethogram)?,
            None => geometric_kind(rule, ethogram),
        };
        let has_direction = !matches!(kind, Kind::Mutual | Kind::Undirected);
        if !has_direction && (rule.agent.is_some() || rule.target.is_some() || !rule.zones.is_empty()) {
            let expected = format!("no agent, target or zone, as the behavior is {}", kind.name());
            let named = rule.agent.as_ref().or(rule.target.as_ref());
            return Err(PlanError::value(at("agent"), expected, named.map_or("a zone", String::as_str)));
        }
        if kind == Kind::OfSelf && rule.is_about_pair() {
            return Err(PlanError::value(at("score"), "a behavior of two animals, as the rule names a target", "self"));
        }
        let subjects = Subject::all(kind, individuals.len()).into_iter().filter(|subject| {
            let is_named = |name: &Option<String>, role| {
                let slot = who(*subject, role).map(|slot| &individuals[usize::from(slot.0)]);
                name.as_ref().is_none_or(|name| slot == Some(name))
            };
            is_named(&rule.agent, Role::Agent) && is_named(&rule.target, Role::Target)
        });
        let trigger = TriggerRule { on: 1.0, off: 0.5, sustain_ticks: rule.sustain_ticks, refractory_ticks: 0 };
        let lanes = subjects.map(|subject| Lane {
            subject,
            scores: places(rule, subject, card, ethogram, individuals.len()),
            gate: Gate::new(trigger),
            fresh: Gate::new(trigger),
            lasts: false,
        });
        let lanes: Vec<Lane> = lanes.collect();
        if lanes.is_empty() {
            return Err(PlanError::value(at("agent"), "animals that the rule can be about", individuals.join(", ")));
        }
        let zones = rule.zones.iter().filter_map(|bound| Some((bound.clone(), plan.zones.get(&bound.zone)?.clone())));
        Ok(Self {
            score: rule.score.as_ref().map(|bound| (bound.on, bound.off)),
            geometry: rule.geometry.clone(),
            zones: zones.collect(),
            is_gate: matches!(rule.stimulus, Stimulus::Gate { .. }),
            lanes,
        })
    }
}

/// The kind of a rule without a score. One about two animals of which none is told apart has no direction where what it
/// aims at has none.
fn geometric_kind(rule: &Rule, ethogram: &Ethogram) -> Kind {
    if !rule.is_about_pair() {
        return Kind::OfSelf;
    }
    let tells_apart = rule.agent.is_some() || rule.target.is_some() || !rule.zones.is_empty();
    let aims = rule.aim();
    let aims = aims.iter().flat_map(|aim| aim.behaviors.iter().filter_map(|name| ethogram.find(&aim.label_set, name)));
    let mut kinds = aims.map(|behavior| ethogram.spec(behavior).kind).peekable();
    let has_none = kinds.peek().is_some() && kinds.all(|kind| matches!(kind, Kind::Mutual | Kind::Undirected));
    if has_none && !tells_apart { Kind::Undirected } else { Kind::Directed }
}

/// The kind of the behaviors that a rule looks at, which are all there and fit to trigger by.
fn kind_of(rule: &Rule, bound: &ScoreBound, card: &Card, ethogram: &Ethogram) -> Result<Kind, PlanError> {
    let at = |key: &str| format!("rules.{}.score.{key}", rule.name);
    let names = |names: Vec<&str>| format!("one of {}", names.join(", "));
    let Some(set) = ethogram.label_sets().iter().find(|set| set.name == bound.label_set) else {
        let known = ethogram.label_sets().iter().map(|set| set.name.as_str()).collect();
        return Err(PlanError::value(at("label_set"), names(known), &bound.label_set));
    };
    let delays = &card.delays_ticks;
    let Some(delay) = delays.iter().position(|delay| *delay == bound.delay_ticks) else {
        let known: Vec<String> = delays.iter().map(|delay| delay.0.to_string()).collect();
        return Err(PlanError::value(
            at("delay_ticks"),
            names(known.iter().map(String::as_str).collect()),
            bound.delay_ticks.0,
        ));
    };
    let mut kinds = Vec::new();
    for behavior in &bound.behaviors {
        let Some(spec) = set.behaviors.iter().find(|spec| spec.name == *behavior) else {
            let known = set.behaviors.iter().map(|spec| spec.name.as_str()).collect();
            return Err(PlanError::value(at("behaviors"), names(known), behavior));
        };
        kinds.push(spec.kind);
        check_fit(card, bound, behavior, delay)
            .map_err(|(expected, got)| PlanError::value(at("behaviors"), expected, got))?;
    }
    match kinds.iter().find(|kind| **kind != kinds[0]) {
        Some(other) => {
            Err(PlanError::value(at("behaviors"), format!("all of one kind ({})", kinds[0].name()), other.name()))
        }
        None => Ok(kinds[0]),
    }
}

/// What the card says against triggering by a behavior: what was expected, and what was got.
fn check_fit(card: &Card, bound: &ScoreBound, behavior: &str, delay: usize) -> Result<(), (String, String)> {
    let advice = card.triggers.get(&bound.label_set).and_then(|set| set.get(behavior)?.get(delay));
    if let Some(unfit) = advice.and_then(|advice| advice.unfit.as_ref()) {
        return Err(("a behavior fit for triggering".to_owned(), format!("{behavior} ({unfit})")));
    }
    let median = card.bouts.get(&bound.label_set).and_then(|set| set.get(behavior));
    match median {
        // A card's seconds are rounded: less than half a tick is no difference.
        Some(bouts) if bound.delay_ticks.secs() > bouts.median_secs + 0.5 / TICK_RATE_HZ => Err((
            format!("a delay of at most the median bout of {behavior}, {:.2} s", bouts.median_secs),
            format!("{:.2} s", bound.delay_ticks.secs()),
        )),
        _ => Ok(()),
    }
}

/// Where the scores of a rule's behaviors about a subject lie among D × N.
fn places(rule: &Rule, subject: Subject, card: &Card, ethogram: &Ethogram, individuals: usize) -> Vec<usize> {
    let Some(ScoreBound { label_set, behaviors, delay_ticks, .. }) = &rule.score else { return Vec::new() };
    let cells = ethogram.cells(individuals);
    let row = card.delays_ticks.iter().position(|delay| delay == delay_ticks).unwrap_or(0);
    let wanted: Vec<_> = behaviors.iter().filter_map(|behavior| ethogram.find(label_set, behavior)).collect();
    let of_subject =
        cells.iter().enumerate().filter(|(_, cell)| cell.subject == subject && wanted.contains(&cell.behavior));
    of_subject.map(|(index, _)| row * cells.len() + index).collect()
}
