//! From triggers and bouts to shares of trials.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::draws::{Draws, Run, interval};
use super::{
    ANIMALS_MAX, AlignError, Aligned, Arm, BEHAVIORS_MAX, BIN_SECS_MIN, BINS_MAX, BOUTS_MAX, Bout, CELLS_MAX, Estimate,
    INTERVAL_TRIALS_MIN, RUNS_MAX, Remaining, SIDE_SECS_MAX, Series, Settings, Stimulated, TRIALS_MAX, Who,
};
use crate::output::event::Animals;

/// How far from a whole number of bins a time may be, in bins: what a decimal fraction may be off.
const WHOLE: f64 = 1e-6;

/// Aligns bouts to triggers; both in any order.
///
/// # Errors
/// Times that make no bins, and more than any of the limits of this module.
pub fn align(stimulated: &[Stimulated], bouts: &[Bout], settings: Settings) -> Result<Aligned, AlignError> {
    let bins = Bins::new(&settings)?;
    most("triggers", TRIALS_MAX, stimulated.len())?;
    most("bouts", BOUTS_MAX, bouts.len())?;
    let doings = Doings::new(bouts)?;
    let trials = trials(stimulated, &bins, &settings.recorded_nanos);
    let animals = animals(&trials, &doings)?;
    let mut tally = Tally::default();
    for trial in &trials {
        tally.add(trial, &animals, &doings, &bins)?;
    }
    most("bins of all series", CELLS_MAX, tally.cells.len().saturating_mul(bins.count() * 2))?;
    Ok(Aligned {
        edges_secs: bins.edges_nanos.iter().map(|nanos| *nanos as f64 / 1e9).collect(),
        settings,
        trials: trials.len(),
        overlapping: trials.iter().filter(|trial| trial.overlaps).count(),
        left_out: stimulated.len() - trials.len(),
        series: tally.series(&bins),
    })
}

fn most(what: &'static str, expected: usize, got: usize) -> Result<(), AlignError> {
    if got > expected { Err(AlignError::Many { what, expected, got }) } else { Ok(()) }
}

/// Where bins lie, from the trigger.
struct Bins {
    /// One more than there are bins.
    edges_nanos: Vec<i64>,
    /// The first bin after the trigger.
    zero: usize,
}

impl Bins {
    fn new(settings: &Settings) -> Result<Self, AlignError> {
        let Settings { before_secs, after_secs, bin_secs, .. } = *settings;
        if !(BIN_SECS_MIN - 1e-9..=SIDE_SECS_MAX).contains(&bin_secs) {
            let expected = format!("a tick ({BIN_SECS_MIN:.4} s) to {SIDE_SECS_MAX} s");
            return Err(AlignError::Secs { what: "bins", expected, got: bin_secs });
        }
        let whole = |what, secs: f64, least: f64| {
            let bins = secs / bin_secs;
            let is_whole = (bins - bins.round()).abs() <= WHOLE && bins.round() >= least;
            if is_whole && secs <= SIDE_SECS_MAX {
                return Ok(bins.round() as i64);
            }
            let least = if least == 1.0 { "1 bin" } else { "0 bins" };
            let expected = format!("{least} to {SIDE_SECS_MAX} s in whole bins of {bin_secs} s");
            Err(AlignError::Secs { what, expected, got: secs })
        };
        let before = whole("a time before the trigger", before_secs, 0.0)?;
        let after = whole("a time after the trigger", after_secs, 1.0)?;
        let got = (before + after) as usize;
        if got > BINS_MAX {
            return Err(AlignError::Bins { got });
        }
        let edge = |bin: i64| (bin as f64 * bin_secs * 1e9).round() as i64;
        Ok(Self { edges_nanos: (-before..=after).map(edge).collect(), zero: before as usize })
    }

    fn count(&self) -> usize {
        self.edges_nanos.len() - 1
    }

    /// From the start of the first to the end of the last.
    fn around(&self, moment_nanos: i64) -> Range<i64> {
        let at = |edge: Option<&i64>| moment_nanos.saturating_add(edge.copied().unwrap_or(0));
        at(self.edges_nanos.first())..at(self.edges_nanos.last())
    }

    /// First and last bin that a time, from the trigger, has a part of; it has a part of one.
    fn within(&self, nanos: &Range<i64>) -> [usize; 2] {
        let first = self.edges_nanos.partition_point(|edge| *edge <= nanos.start).saturating_sub(1);
        let last = self.edges_nanos.partition_point(|edge| *edge < nanos.end).saturating_sub(1);
        [first, last.clamp(first, self.count() - 1)]
    }
}

/// A label set and a behavior of it.
type Behavior<'a> = (&'a str, &'a str);

struct Doing {
    nanos: Range<i64>,
    is_cut: bool,
}

/// What each animal of each cage did: by behavior ascending and disjoint.
struct Doings<'a> {
    of: BTreeMap<(&'a str, &'a str), BTreeMap<Behavior<'a>, Vec<Doing>>>,
}

impl<'a> Doings<'a> {
    fn new(bouts: &'a [Bout]) -> Result<Self, AlignError> {
        let mut of: BTreeMap<_, BTreeMap<Behavior, Vec<Doing>>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        for bout in bouts.iter().filter(|bout| bout.start_nanos < bout.stop_nanos) {
            let behavior = (bout.label_set.as_str(), bout.behavior.as_str());
            names.insert(behavior);
            most("behaviors", BEHAVIORS_MAX, names.len())?;
            let doers = match &bout.animals {
                Animals::Directed { agent, .. } | Animals::Alone { agent } => [Some(agent), None],
                Animals::Undirected { animals: [a, b] } => [Some(a), Some(b)],
            };
            for doer in doers.into_iter().flatten() {
                let doing = Doing { nanos: bout.start_nanos..bout.stop_nanos, is_cut: bout.is_cut };
                let of_animal = of.entry((bout.cage.as_str(), doer.as_str())).or_default();
                of_animal.entry(behavior).or_default().push(doing);
            }
        }
        of.values_mut().flat_map(BTreeMap::values_mut).for_each(merge);
        Ok(Self { of })
    }
}

/// What touches or overlaps becomes one; its end is that of what ends last.
fn merge(doings: &mut Vec<Doing>) {
    doings.sort_unstable_by_key(|doing| (doing.nanos.start, doing.nanos.end, doing.is_cut));
    doings.dedup_by(|next, last| {
        if next.nanos.start > last.nanos.end {
            return false;
        }
        if (next.nanos.end, next.is_cut) > (last.nanos.end, last.is_cut) {
            (last.nanos.end, last.is_cut) = (next.nanos.end, next.is_cut);
        }
        true
    });
}

struct Trial<'a> {
    of: &'a Stimulated,
    nanos: Range<i64>,
    overlaps: bool,
}

/// Those that were recorded in whole.
fn trials<'a>(stimulated: &'a [Stimulated], bins: &Bins, recorded: &Range<i64>) -> Vec<Trial<'a>> {
    let mut moments: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for one in stimulated {
        moments.entry(&one.cage).or_default().push(one.moment_nanos);
    }
    for moments in moments.values_mut() {
        moments.sort_unstable();
    }
    let trial = |of: &'a Stimulated| {
        let nanos = bins.around(of.moment_nanos);
        let within = |moments: &Vec<i64>| {
            let before = moments.partition_point(|moment| *moment < nanos.start);
            moments.partition_point(|moment| *moment <= nanos.end) - before
        };
        let overlaps = moments.get(of.cage.as_str()).is_some_and(|moments| within(moments) > 1);
        Trial { of, nanos, overlaps }
    };
    let is_recorded = |trial: &Trial| recorded.start <= trial.nanos.start && trial.nanos.end <= recorded.end;
    stimulated.iter().map(trial).filter(is_recorded).collect()
}

/// Who is known in each cage.
fn animals<'a>(trials: &[Trial<'a>], doings: &Doings<'a>) -> Result<BTreeMap<&'a str, BTreeSet<&'a str>>, AlignError> {
    let mut animals: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Trial { of, .. } in trials {
        let named = animals.entry(&of.cage).or_default();
        named.extend(match &of.animals {
            Animals::Directed { agent: a, target: b } | Animals::Undirected { animals: [a, b] } => vec![a.as_str(), b],
            Animals::Alone { agent } => vec![agent.as_str()],
        });
    }
    for (cage, animal) in doings.of.keys() {
        if let Some(named) = animals.get_mut(cage) {
            named.insert(animal);
        }
    }
    let got = animals.values().map(BTreeSet::len).max().unwrap_or(0);
    most("animals of a cage", ANIMALS_MAX, got)?;
    Ok(animals)
}

/// A rule and whose behavior it is.
type Group<'a> = (&'a str, Whose<'a>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Whose<'a> {
    Agent,
    Target,
    Named { cage: &'a str, animal: &'a str },
}

#[derive(Clone, Copy, Default)]
struct Count {
    trials: usize,
    overlapping: usize,
}

/// Of one arm.
#[derive(Default)]
struct Cell {
    runs: Vec<Run>,
    remaining: Vec<Remaining>,
    endless: usize,
}

/// Everything by arm: stimulus, then sham.
#[derive(Default)]
struct Tally<'a> {
    counts: BTreeMap<Group<'a>, [Count; 2]>,
    cells: BTreeMap<(Group<'a>, Behavior<'a>), [Cell; 2]>,
    runs: usize,
}

impl<'a> Tally<'a> {
    fn add(
        &mut self,
        trial: &Trial<'a>,
        animals: &BTreeMap<&'a str, BTreeSet<&'a str>>,
        doings: &Doings<'a>,
        bins: &Bins,
    ) -> Result<(), AlignError> {
        let (of, arm) = (trial.of, usize::from(trial.of.sham));
        let cage = of.cage.as_str();
        let roles = match &of.animals {
            Animals::Directed { agent, target } => {
                [Some((Whose::Agent, agent.as_str())), Some((Whose::Target, target.as_str()))]
            }
            Animals::Alone { agent } => [Some((Whose::Agent, agent.as_str())), None],
            Animals::Undirected { .. } => [None, None],
        };
        let named = animals.get(cage).into_iter().flatten();
        let named = named.map(|animal| (Whose::Named { cage, animal }, *animal));
        for (whose, animal) in roles.into_iter().flatten().chain(named) {
            let group = (of.rule.as_str(), whose);
            let count = &mut self.counts.entry(group).or_default()[arm];
            let number = count.trials as u32;
            count.trials += 1;
            count.overlapping += usize::from(trial.overlaps);
            for (behavior, doings) in doings.of.get(&(cage, animal)).into_iter().flatten() {
                let first = doings.partition_point(|doing| doing.nanos.end <= trial.nanos.start);
                let within = doings[first..].iter().take_while(|doing| doing.nanos.start < trial.nanos.end);
                for doing in within {
                    let cells = self.cells.entry((group, *behavior)).or_default();
                    cells[arm].add(doing, number, of, bins);
                    self.runs += 1;
                }
            }
            most("bouts within trials", RUNS_MAX, self.runs)?;
        }
        Ok(())
    }

    fn series(self, bins: &Bins) -> Vec<Series> {
        let Self { counts, cells, .. } = self;
        // Groups of as many trials have the same draws, and most follow each other.
        let mut draws: [Option<Draws>; 2] = [None, None];
        let mut series = Vec::with_capacity(cells.len());
        for (((rule, whose), (label_set, behavior)), cells) in cells {
            let counts = counts.get(&(rule, whose)).copied().unwrap_or_default();
            for (arm, (draws, count)) in draws.iter_mut().zip(counts).enumerate() {
                if draws.as_ref().is_none_or(|draws| draws.trials() != count.trials) {
                    let is_enough = count.trials >= INTERVAL_TRIALS_MIN;
                    *draws = is_enough.then(|| Draws::new(arm as u64, count.trials));
                }
            }
            let [a, b] = [0, 1].map(|arm| Shares::new(&cells[arm].runs, counts[arm], draws[arm].as_ref(), bins));
            let mut difference = if counts.iter().all(|count| count.trials > 0) { a.minus(&b) } else { Vec::new() };
            let difference_after = difference.pop();
            let [stimulus, sham] = cells;
            series.push(Series {
                rule: rule.to_owned(),
                who: match whose {
                    Whose::Agent => Who::Agent,
                    Whose::Target => Who::Target,
                    Whose::Named { cage, animal } => Who::Named { cage: cage.to_owned(), animal: animal.to_owned() },
                },
                label_set: label_set.to_owned(),
                behavior: behavior.to_owned(),
                stimulus: stimulus.arm(counts[0], a),
                sham: sham.arm(counts[1], b),
                difference,
                difference_after,
            });
        }
        series
    }
}

impl Cell {
    fn add(&mut self, doing: &Doing, trial: u32, of: &Stimulated, bins: &Bins) {
        let moment = of.moment_nanos;
        let relative = doing.nanos.start.saturating_sub(moment)..doing.nanos.end.saturating_sub(moment);
        let [first, last] = bins.within(&relative).map(|bin| bin as u32);
        match self.runs.last_mut() {
            // Two bouts of one bin.
            Some(run) if run.trial == trial && first <= run.last => run.last = last,
            _ => self.runs.push(Run { trial, first, last }),
        }
        if relative.contains(&0) {
            if doing.is_cut {
                self.endless += 1;
            } else {
                self.remaining.push(Remaining { trigger: of.trigger, secs: relative.end as f64 / 1e9 });
            }
        }
    }

    fn arm(self, count: Count, shares: Shares) -> Arm {
        let mut shares: Vec<Estimate> = if count.trials > 0 { shares.estimates() } else { Vec::new() };
        let after = shares.pop();
        let Count { trials, overlapping } = count;
        Arm { trials, overlapping, shares, after, remaining: self.remaining, endless: self.endless }
    }
}

/// Bin by bin, and last the mean over the bins after the trigger.
struct Shares {
    values: Vec<f64>,
    /// By bin, then by draw; `None` of too few trials.
    draws: Option<Vec<Vec<f64>>>,
}

impl Shares {
    fn new(runs: &[Run], count: Count, draws: Option<&Draws>, bins: &Bins) -> Self {
        let mut values = vec![0.0; bins.count() + 1];
        for run in runs {
            values[run.first as usize..=run.last as usize].iter_mut().for_each(|value| *value += 1.0);
        }
        for value in &mut values {
            *value /= count.trials.max(1) as f64;
        }
        let after = &values[bins.zero..bins.count()];
        values[bins.count()] = after.iter().sum::<f64>() / after.len() as f64;
        Self { values, draws: draws.map(|draws| draws.shares(runs, bins.count(), bins.zero)) }
    }

    fn estimates(self) -> Vec<Estimate> {
        let Self { values, draws } = self;
        let mut draws = draws.map(Vec::into_iter);
        let mut drawn = || draws.as_mut().and_then(Iterator::next).map(|mut drawn| interval(&mut drawn));
        values.into_iter().map(|value| Estimate { value, interval: drawn() }).collect()
    }

    fn minus(&self, other: &Self) -> Vec<Estimate> {
        let values = self.values.iter().zip(&other.values).map(|(a, b)| a - b).collect();
        let minus = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
        let draws = self.draws.as_ref().zip(other.draws.as_ref());
        Self { values, draws: draws.map(|(a, b)| a.iter().zip(b).map(minus).collect()) }.estimates()
    }
}
