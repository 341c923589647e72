//! Behaviors, label sets and the cells that a verdict can be about.

use serde::{Deserialize, Serialize};

/// How a behavior involves animals: a property of the behavior *in its label set*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Agent → target.
    Directed,
    /// One animal.
    #[serde(rename = "self")]
    OfSelf,
    /// Both animals take part.
    Mutual,
    /// A pair whose direction was not annotated. A verdict never names an agent.
    Undirected,
}

impl Kind {
    /// The word for it in tables and descriptions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directed => "directed",
            Self::OfSelf => "self",
            Self::Mutual => "mutual",
            Self::Undirected => "undirected",
        }
    }
}

/// How a pair without direction is named: in alphabetical order.
pub fn pair_name(a: &str, b: &str) -> String {
    format!("{}{PAIR}{}", a.min(b), a.max(b))
}

/// Between the names of a pair whose direction was not annotated.
pub const PAIR: char = '+';

/// A behavior by its place in an [`Ethogram`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Behavior(pub u16);

/// An individual of a cage by its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Individual(pub u8);

/// Whom a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    One(Individual),
    Ordered {
        agent: Individual,
        target: Individual,
    },
    /// A pair without direction; `first` is the lower slot.
    Both {
        first: Individual,
        second: Individual,
    },
}

impl Subject {
    /// Every subject of a kind in a cage of `individuals`, in a fixed order (slots ascending).
    pub fn all(kind: Kind, individuals: usize) -> Vec<Self> {
        let slots = || (0..individuals).map(|slot| Individual(slot as u8));
        match kind {
            Kind::OfSelf => slots().map(Self::One).collect(),
            Kind::Directed => slots()
                .flat_map(|agent| slots().map(move |target| (agent, target)))
                .filter(|(agent, target)| agent != target)
                .map(|(agent, target)| Self::Ordered { agent, target })
                .collect(),
            Kind::Mutual | Kind::Undirected => slots()
                .flat_map(|first| slots().map(move |second| (first, second)))
                .filter(|(first, second)| first < second)
                .map(|(first, second)| Self::Both { first, second })
                .collect(),
        }
    }

    /// The same subject where every animal is another.
    #[must_use]
    pub fn map(self, of: impl Fn(Individual) -> Individual) -> Self {
        match self {
            Self::One(one) => Self::One(of(one)),
            Self::Ordered { agent, target } => Self::Ordered { agent: of(agent), target: of(target) },
            Self::Both { first, second } => {
                let (first, second) = (of(first), of(second));
                Self::Both { first: first.min(second), second: first.max(second) }
            }
        }
    }

    /// Whether two subjects claim the same ordered pair (or the same single animal).
    pub fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Both { first, second }, Self::Ordered { agent, target })
            | (Self::Ordered { agent, target }, Self::Both { first, second }) => {
                (agent.min(target), agent.max(target)) == (first, second)
            }
            _ => self == other,
        }
    }
}

/// A behavior of a label set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviorSpec {
    pub name: String,
    pub kind: Kind,
}

/// A lab's annotation protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelSet {
    pub name: String,
    pub behaviors: Vec<BehaviorSpec>,
}

/// All label sets that a network knows, their behaviors numbered through in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ethogram {
    label_sets: Vec<LabelSet>,
}

/// What one verdict is about: a behavior and whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    pub behavior: Behavior,
    pub subject: Subject,
}

impl Ethogram {
    pub fn new(label_sets: Vec<LabelSet>) -> Self {
        Self { label_sets }
    }

    pub fn label_sets(&self) -> &[LabelSet] {
        &self.label_sets
    }

    /// Every behavior with the index of its label set, in the order of [`Behavior`].
    pub fn behaviors(&self) -> impl Iterator<Item = (Behavior, usize, &BehaviorSpec)> {
        self.label_sets
            .iter()
            .enumerate()
            .flat_map(|(label_set, set)| set.behaviors.iter().map(move |spec| (label_set, spec)))
            .enumerate()
            .map(|(index, (label_set, spec))| (Behavior(index as u16), label_set, spec))
    }

    pub fn behavior_count(&self) -> usize {
        self.label_sets.iter().map(|set| set.behaviors.len()).sum()
    }

    /// Name and kind of a behavior.
    ///
    /// # Panics
    /// On a behavior of another ethogram.
    pub fn spec(&self, behavior: Behavior) -> &BehaviorSpec {
        let found = self.behaviors().find(|(candidate, ..)| *candidate == behavior);
        found.expect("a behavior of this ethogram").2
    }

    /// Index of the label set that a behavior belongs to.
    ///
    /// # Panics
    /// On a behavior of another ethogram.
    pub fn label_set_of(&self, behavior: Behavior) -> usize {
        let found = self.behaviors().find(|(candidate, ..)| *candidate == behavior);
        found.expect("a behavior of this ethogram").1
    }

    /// The behavior of that name in that label set.
    pub fn find(&self, label_set: &str, behavior: &str) -> Option<Behavior> {
        self.behaviors()
            .find(|(_, set, spec)| self.label_sets[*set].name == label_set && spec.name == behavior)
            .map(|(behavior, ..)| behavior)
    }

    /// Every cell of a cage, behavior by behavior, subjects in the order of [`Subject::all`]: the N of the shapes.
    pub fn cells(&self, individuals: usize) -> Vec<Cell> {
        self.behaviors()
            .flat_map(|(behavior, _, spec)| {
                Subject::all(spec.kind, individuals).into_iter().map(move |subject| Cell { behavior, subject })
            })
            .collect()
    }
}

/// An interval [start, stop) during which a cell's behavior happened; in frames or ticks, as the context says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bout {
    pub cell: Cell,
    pub start: u64,
    pub stop: u64,
}
