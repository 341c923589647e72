//! Outcomes that may be compared.

use std::fmt::Debug;

use super::outcome::{CompareError, Outcome};

/// Runs of systems on the same recordings, label sets and delays, after training on the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    systems: Vec<SystemRuns>,
}

/// The runs of one system.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemRuns {
    pub name: String,
    /// At least one; seeds ascending, each once.
    pub runs: Vec<Outcome>,
}

impl SystemRuns {
    /// What a measure gives for each run.
    pub(super) fn each(&self, measure: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.runs.iter().map(measure).collect()
    }
}

impl Comparison {
    /// Systems stand in the order in which `outcomes` first names them. They need not have the same seeds, nor equally
    /// many.
    ///
    /// # Errors
    /// No outcome, one that [`Outcome::check`] refuses, two of one system and seed, and outcomes that differ in the shared
    /// part of their fingerprints, in part, delays, label sets, recordings, whom these were asked of, or in how many false
    /// triggers were allowed.
    pub fn new(outcomes: Vec<Outcome>) -> Result<Self, CompareError> {
        outcomes.iter().try_for_each(Outcome::check)?;
        let (first, others) = outcomes.split_first().ok_or(CompareError::None("outcome"))?;
        others.iter().try_for_each(|other| agree(first, other))?;
        agree_on_allowed(&outcomes)?;
        let mut systems: Vec<SystemRuns> = Vec::new();
        for outcome in outcomes {
            match systems.iter_mut().find(|system| system.name == outcome.system) {
                Some(system) => system.runs.push(outcome),
                None => systems.push(SystemRuns { name: outcome.system.clone(), runs: vec![outcome] }),
            }
        }
        for SystemRuns { runs, name } in &mut systems {
            runs.sort_by_key(|run| run.seed);
            if let Some(twice) = runs.windows(2).find(|pair| pair[0].seed == pair[1].seed) {
                return Err(CompareError::Twice { system: name.clone(), seed: twice[0].seed });
            }
        }
        Ok(Self { systems })
    }

    pub fn systems(&self) -> &[SystemRuns] {
        &self.systems
    }

    /// What all runs share can be read from any of them.
    pub(super) fn any(&self) -> &Outcome {
        &self.systems[0].runs[0]
    }

    /// Ascending; at least one.
    pub fn delays_ticks(&self) -> &[u32] {
        &self.any().delays_ticks
    }

    /// The index of the longest delay. That of the shortest is 0.
    pub fn longest(&self) -> usize {
        self.delays_ticks().len() - 1
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Outcome> {
        self.systems.iter().flat_map(|system| &system.runs)
    }

    /// False triggers an hour that were allowed on validation, if any run advises a trigger.
    pub(super) fn false_per_hour_max(&self) -> Option<f64> {
        self.runs().find_map(|run| allowed(run).next())
    }

    /// The behaviors for which every run advises a trigger at a delay, by index.
    pub(super) fn advised_by_all(&self, delay: usize) -> Vec<usize> {
        let is_advised = |behavior: &usize| self.runs().all(|run| run.triggers[delay][*behavior].is_some());
        (0..self.any().behavior_count()).filter(is_advised).collect()
    }
}

fn allowed(outcome: &Outcome) -> impl Iterator<Item = f64> {
    outcome.triggers.iter().flatten().flatten().map(|trigger| trigger.false_per_hour_max)
}

/// Triggers that were allowed another number of false ones say nothing about each other.
fn agree_on_allowed(outcomes: &[Outcome]) -> Result<(), CompareError> {
    let mut all = outcomes.iter().flat_map(|outcome| allowed(outcome).map(move |rate| (outcome, rate)));
    let Some((first, expected)) = all.next() else { return Ok(()) };
    let other = all.find(|(_, rate)| *rate != expected);
    other.map_or(Ok(()), |(other, got)| same("allowed false triggers an hour", first, &expected, other, &got))
}

fn agree(first: &Outcome, other: &Outcome) -> Result<(), CompareError> {
    let [ours, theirs] = [first, other].map(|outcome| outcome.fingerprint.split(':').next().unwrap_or_default());
    same("data by their fingerprint", first, &ours, other, &theirs)?;
    same("parts", first, &first.part, other, &other.part)?;
    same("delays", first, &first.delays_ticks, other, &other.delays_ticks)?;
    same("label sets", first, &first.label_sets, other, &other.label_sets)?;
    same("numbers of recordings", first, &first.recordings.len(), other, &other.recordings.len())?;
    for (ours, theirs) in first.recordings.iter().zip(&other.recordings) {
        same("recordings", first, &ours.name, other, &theirs.name)?;
        same("label sets asked for", first, &(&ours.name, &ours.asked), other, &(&theirs.name, &theirs.asked))?;
    }
    Ok(())
}

fn same<T: PartialEq + Debug>(
    what: &'static str,
    first: &Outcome,
    expected: &T,
    other: &Outcome,
    got: &T,
) -> Result<(), CompareError> {
    if expected == got {
        return Ok(());
    }
    let name = |outcome: &Outcome| format!("{} with seed {}", outcome.system, outcome.seed);
    let [expected, got] = [format!("{expected:?}"), format!("{got:?}")];
    Err(CompareError::Differ { what, first: name(first), expected, second: name(other), got })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::testing::outcome;

    #[test]
    fn runs_are_grouped_by_system_and_ordered_by_seed() {
        let outcomes = [("lstm", 2), ("cnn", 7), ("lstm", 1)].map(|(system, seed)| outcome(system, seed, 500));
        let comparison = Comparison::new(outcomes.to_vec()).unwrap();
        let seeds = |system: &SystemRuns| system.runs.iter().map(|run| run.seed).collect::<Vec<_>>();
        let found: Vec<_> = comparison.systems().iter().map(|system| (system.name.as_str(), seeds(system))).collect();
        assert_eq!(found, [("lstm", vec![1, 2]), ("cnn", vec![7])]);
        assert_eq!((comparison.delays_ticks(), comparison.longest()), (&[0, 15, 60][..], 2));
    }

    #[test]
    fn outcomes_that_do_not_match_are_refused_with_both_values() {
        let error = |spoil: &dyn Fn(&mut Outcome)| {
            let mut other = outcome("cnn", 2, 500);
            spoil(&mut other);
            Comparison::new(vec![outcome("lstm", 1, 500), other]).unwrap_err().to_string()
        };
        let of_part = error(&|other| other.part = "validation".to_owned());
        assert_eq!(
            of_part,
            "expected the parts of lstm with seed 1, which are \"test\", got \"validation\" of cnn with seed 2"
        );
        let says_both = |spoil: &dyn Fn(&mut Outcome), ours: &str, theirs: &str| {
            let error = error(spoil);
            assert!(error.contains(&format!("which are {ours}, got {theirs} of cnn")), "{error}");
        };
        says_both(&|other| other.fingerprint = "fedc:own".to_owned(), "\"abcd\"", "\"fedc\"");
        says_both(&|other| other.delays_ticks = vec![0, 15, 30], "[0, 15, 60]", "[0, 15, 30]");
        says_both(&|other| other.recordings[2].name = "x".to_owned(), "\"rec 2\"", "\"x\"");
        says_both(&|other| drop(other.recordings.pop()), "6", "5");
        says_both(
            &|other| other.recordings[0].asked[1] = false,
            "(\"rec 0\", [true, true])",
            "(\"rec 0\", [true, false])",
        );
        let of_sets = error(&|other| other.label_sets[1].behaviors[0] = "nip".to_owned());
        assert!(of_sets.contains("\"bite\"") && of_sets.contains("\"nip\""), "{of_sets}");
        let rate = |other: &mut Outcome| {
            if let Some(trigger) = &mut other.triggers[0][0] {
                trigger.false_per_hour_max = 10.0;
            }
        };
        says_both(&rate, "1.0", "10.0");
        let twice = Comparison::new(vec![outcome("lstm", 1, 500), outcome("lstm", 1, 400)]).unwrap_err();
        assert_eq!(twice, CompareError::Twice { system: "lstm".to_owned(), seed: 1 });
        assert_eq!(Comparison::new(Vec::new()).unwrap_err(), CompareError::None("outcome"));
    }

    #[test]
    fn what_is_a_systems_own_in_a_fingerprint_may_differ() {
        let mut other = outcome("cnn", 2, 500);
        other.fingerprint = "abcd:other settings".to_owned();
        assert!(Comparison::new(vec![outcome("lstm", 1, 500), other]).is_ok());
    }
}
