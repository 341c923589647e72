//! Sampled rows of sessions with their labels.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::behavior::{Behavior, Cell, Ethogram, Individual, Kind, Subject};
use crate::corpus::session::Session;
use crate::model::device::device;
use crate::model::forest::rows::{Reading, Rows};
use crate::model::inputs::InputsBuilder;
use crate::model::wiring::Vocabulary;
use crate::time::{DelayTicks, WINDOW_TICKS};
use crate::train::crops;

/// Ticks whose features are in memory at once, after a whole window before them.
const STRETCH_TICKS: usize = 4096;

/// What is known of a behavior at a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    True,
    False,
    /// Not labelled there.
    Unknown,
    /// Nobody looked for it in the recording, of this pair or animal.
    NeverAsked,
}

/// Rows of pairs, and rows of single animals.
#[derive(Clone, Debug)]
pub struct Table {
    pub of_pairs: Columns,
    pub of_selves: Columns,
}

#[derive(Clone, Debug)]
pub struct Columns {
    pub width: usize,
    behaviors: usize,
    delays: usize,
    pub values: Vec<f32>,
    /// Rows × delays × behaviors.
    labels: Vec<Label>,
}

impl Columns {
    fn new(width: usize, behaviors: usize, delays: usize) -> Self {
        Self { width, behaviors, delays, values: Vec::new(), labels: Vec::new() }
    }

    pub fn rows(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// At a delay, by its index.
    pub fn label(&self, row: usize, delay: usize, behavior: Behavior) -> Label {
        self.labels[(row * self.delays + delay) * self.behaviors + usize::from(behavior.0)]
    }
}

impl Table {
    /// Every so many ticks of all sessions, so that there are at most about `rows_max` labelled rows of pairs, and as many
    /// of animals; where a session begins is drawn.
    ///
    /// # Errors
    /// A skeleton with parts that are not in the vocabulary, and points that cannot be read.
    pub fn sample(
        sessions: &[Session],
        ethogram: &Ethogram,
        delays: &[DelayTicks],
        vocabulary: &Vocabulary,
        reading: Reading,
        rows_max: usize,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let (behaviors, parts) = (ethogram.behavior_count(), vocabulary.0.len());
        let mut table = Self {
            of_pairs: Columns::new(reading.pair_width(parts), behaviors, delays.len()),
            of_selves: Columns::new(reading.self_width(parts), behaviors, delays.len()),
        };
        let places: Vec<Places> = sessions.iter().map(|session| Places::of(session, ethogram)).collect();
        let stride = |of: &dyn Fn(&Places) -> &[Vec<Option<usize>>]| {
            let rows: usize = sessions.iter().zip(&places).map(|(session, places)| labelled(session, of(places))).sum();
            rows.div_ceil(rows_max.max(1)).max(1)
        };
        let (of_pairs, of_selves) = (stride(&|places| &places.of_pairs), stride(&|places| &places.of_selves));
        let mut random = StdRng::seed_from_u64(seed);
        for (session, places) in sessions.iter().zip(&places) {
            let due = [of_pairs, of_selves].map(|stride| Every { stride, offset: random.random_range(0..stride) });
            table.add(session, places, delays, vocabulary, reading, due)?;
        }
        Ok(table)
    }

    fn add(
        &mut self,
        session: &Session,
        places: &Places,
        delays: &[DelayTicks],
        vocabulary: &Vocabulary,
        reading: Reading,
        [pairs_due, selves_due]: [Every; 2],
    ) -> anyhow::Result<()> {
        let parts = vocabulary.indices(&session.skeleton)?;
        let mut first = 0;
        while first < session.ticks {
            let lead = first.min(WINDOW_TICKS);
            let ticks = STRETCH_TICKS.min(session.ticks - first);
            let mut inputs = InputsBuilder::new(session.individuals, session.skeleton.keypoints().len());
            crops::inputs(session, first - lead, lead + ticks, reading.has_statistics(), &mut inputs)?;
            let inputs = inputs.finish(1, lead + ticks, &device())?;
            let rows = Rows::of(&inputs, &parts, reading, vocabulary.0.len())?;
            for tick in first..first + ticks {
                let at = tick - first + lead;
                if pairs_due.has(tick) {
                    self.of_pairs.add(&rows.of_pairs, at, &places.of_pairs, (session, tick), delays);
                }
                if selves_due.has(tick) {
                    self.of_selves.add(&rows.of_selves, at, &places.of_selves, (session, tick), delays);
                }
            }
            first += ticks;
        }
        Ok(())
    }
}

impl Columns {
    /// The rows of a tick of which something is known at some delay. `cells` are those of each place, by behavior.
    fn add(
        &mut self,
        rows: &[f32],
        at: usize,
        cells: &[Vec<Option<usize>>],
        (session, tick): (&Session, usize),
        delays: &[DelayTicks],
    ) {
        for (place, of_place) in cells.iter().enumerate() {
            let known = self.labels.len();
            for delay in delays {
                let about = tick.checked_sub(delay.0 as usize).map(|about| about * session.cells.len());
                let label = |cell: &Option<usize>| match (cell, about) {
                    (None, _) => Label::NeverAsked,
                    (Some(cell), Some(about)) if session.labelled[about + cell] => {
                        if session.truth[about + cell] {
                            Label::True
                        } else {
                            Label::False
                        }
                    }
                    (Some(_), _) => Label::Unknown,
                };
                self.labels.extend(of_place.iter().map(label));
            }
            if self.labels[known..].iter().any(|label| matches!(label, Label::True | Label::False)) {
                let row = at * cells.len() + place;
                self.values.extend_from_slice(&rows[row * self.width..(row + 1) * self.width]);
            } else {
                self.labels.truncate(known);
            }
        }
    }
}

/// Ticks, evenly spread.
#[derive(Clone, Copy)]
struct Every {
    stride: usize,
    offset: usize,
}

impl Every {
    fn has(self, tick: usize) -> bool {
        tick % self.stride == self.offset
    }
}

/// Ticks of each place at which anything is labelled, all together.
fn labelled(session: &Session, cells: &[Vec<Option<usize>>]) -> usize {
    let count = session.cells.len();
    let of_place = |cells: &Vec<Option<usize>>| {
        let any = |tick: &usize| cells.iter().flatten().any(|cell| session.labelled[tick * count + cell]);
        (0..session.ticks).filter(any).count()
    };
    cells.iter().map(of_place).sum()
}

/// The cells of a session that each pair and each animal is asked about.
struct Places {
    /// By ordered pair, then by behavior.
    of_pairs: Vec<Vec<Option<usize>>>,
    of_selves: Vec<Vec<Option<usize>>>,
}

impl Places {
    fn of(session: &Session, ethogram: &Ethogram) -> Self {
        let cell = |behavior: Behavior, subject: Subject| {
            session.cells.iter().position(|cell| *cell == Cell { behavior, subject })
        };
        let by_behavior = |of: &dyn Fn(Kind) -> Option<Subject>| {
            ethogram
                .behaviors()
                .map(|(behavior, _, spec)| of(spec.kind).and_then(|subject| cell(behavior, subject)))
                .collect()
        };
        let of_pair = |subject: &Subject| {
            by_behavior(&|kind| match (kind, *subject) {
                (Kind::Directed, subject) => Some(subject),
                (Kind::Mutual | Kind::Undirected, Subject::Ordered { agent, target }) => {
                    Some(Subject::Both { first: agent.min(target), second: agent.max(target) })
                }
                (Kind::OfSelf | Kind::Mutual | Kind::Undirected, _) => None,
            })
        };
        let of_animal =
            |animal: u8| by_behavior(&|kind| (kind == Kind::OfSelf).then_some(Subject::One(Individual(animal))));
        Self {
            of_pairs: Subject::all(Kind::Directed, session.individuals).iter().map(of_pair).collect(),
            of_selves: (0..session.individuals as u8).map(of_animal).collect(),
        }
    }
}
