//! Every number in the long form.

use std::io::{self, Write};

use super::comparison::SystemRuns;
use super::outcome::{BoutOutcome, Outcome, TriggerOutcome};
use super::ranking::{Ranked, Standing};

const COLUMNS: [&str; 7] = ["system", "seed", "label_set", "behavior", "delay_ticks", "measure", "value"];

/// What a row is about; what it is not about is empty.
#[derive(Clone, Copy, Default)]
struct Subject<'a> {
    system: &'a str,
    seed: Option<u64>,
    label_set: &'a str,
    behavior: &'a str,
    delay_ticks: Option<u32>,
}

impl Ranked<'_> {
    /// Writes a header and a row for each number; an empty cell is what R and pandas call NA.
    ///
    /// | measure | of |
    /// |---|---|
    /// | `cpu_micros_per_tick`, `model_bytes`, `training_secs`, `chosen_at`, `validation_f1` | each run |
    /// | `mean_f1`, `mean_bout_f1` | each run and delay |
    /// | `mean_f1` | each run, delay and label set that anybody asked for |
    /// | `frame_f1`, `true_positives`, `false_positives`, `false_negatives` | each run, delay and behavior; as all that follow |
    /// | `bout_f1`, `bouts_annotated`, `bouts_hit`, `bouts_told`, `bouts_false`, `bouts_false_per_hour`, `bout_onset_latency_median_secs` | bouts as they were told |
    /// | `trigger_false_per_hour_max`, `trigger_bouts`, `trigger_hits`, `trigger_false_per_hour`, `trigger_latency_median_secs`, `trigger_latency_95_secs` | where a trigger is advised |
    /// | `rank`, `seeds_mean_f1`, `seeds_mean_f1_lower`, `seeds_mean_f1_upper` | each system and delay, over its seeds: `seed` is empty |
    ///
    /// A behavior whose label set nobody asked for has no rows. A latency without a hit has none, and nor has an interval of
    /// a single recording.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write_csv(&self, out: impl Write) -> io::Result<()> {
        let mut rows = Rows { csv: csv::Writer::from_writer(out) };
        rows.csv.write_record(COLUMNS)?;
        for system in self.comparison.systems() {
            for run in &system.runs {
                rows.run(run)?;
            }
        }
        for (delay, delay_ticks) in self.comparison.delays_ticks().iter().enumerate() {
            for standing in self.at(delay).standings() {
                rows.standing(&self.comparison.systems()[standing.system], *delay_ticks, standing)?;
            }
        }
        rows.csv.flush()
    }
}

struct Rows<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> Rows<W> {
    fn row(&mut self, of: Subject, measure: &str, value: f64) -> io::Result<()> {
        let given = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        // As short as it can be to come back as it was.
        let (seed, delay, value) = (given(of.seed), given(of.delay_ticks.map(u64::from)), value.to_string());
        let cells = [of.system, &seed, of.label_set, of.behavior, &delay, measure, &value];
        Ok(self.csv.write_record(cells)?)
    }

    fn rows(&mut self, of: Subject, values: &[(&str, Option<f64>)]) -> io::Result<()> {
        let mut given = values.iter().filter_map(|(measure, value)| Some((measure, (*value)?)));
        given.try_for_each(|(measure, value)| self.row(of, measure, value))
    }

    fn run(&mut self, run: &Outcome) -> io::Result<()> {
        let of_run = Subject { system: &run.system, seed: Some(run.seed), ..Subject::default() };
        self.row(of_run, "cpu_micros_per_tick", run.cpu_micros_per_tick)?;
        self.row(of_run, "model_bytes", run.bytes as f64)?;
        self.row(of_run, "training_secs", run.training_secs)?;
        self.row(of_run, "chosen_at", f64::from(run.chosen_at))?;
        self.row(of_run, "validation_f1", run.validation_f1)?;
        for (delay, delay_ticks) in run.delays_ticks.iter().enumerate() {
            let of_delay = Subject { delay_ticks: Some(*delay_ticks), ..of_run };
            self.row(of_delay, "mean_f1", run.mean_f1(delay))?;
            self.row(of_delay, "mean_bout_f1", run.mean_bout_f1(delay))?;
            for (set, f1) in run.label_sets.iter().zip(run.set_f1(delay)) {
                self.rows(Subject { label_set: &set.name, ..of_delay }, &[("mean_f1", f1)])?;
            }
            self.behaviors(run, delay, of_delay)?;
        }
        Ok(())
    }

    fn behaviors(&mut self, run: &Outcome, delay: usize, of_delay: Subject) -> io::Result<()> {
        let tallies = run.pooled(delay);
        for (index, _, set, behavior) in run.behaviors().filter(|(_, set, ..)| run.is_asked(*set)) {
            let of_behavior = Subject { label_set: &set.name, behavior, ..of_delay };
            let tally = tallies[index];
            self.row(of_behavior, "frame_f1", tally.f1())?;
            self.row(of_behavior, "true_positives", tally.true_positives as f64)?;
            self.row(of_behavior, "false_positives", tally.false_positives as f64)?;
            self.row(of_behavior, "false_negatives", tally.false_negatives as f64)?;
            self.bouts(of_behavior, &run.bouts[delay][index])?;
            if let Some(trigger) = &run.triggers[delay][index] {
                self.trigger(of_behavior, trigger)?;
            }
        }
        Ok(())
    }

    fn bouts(&mut self, of: Subject, bouts: &BoutOutcome) -> io::Result<()> {
        let values = [
            ("bout_f1", Some(bouts.f1())),
            ("bouts_annotated", Some(bouts.annotated as f64)),
            ("bouts_hit", Some(bouts.hit as f64)),
            ("bouts_told", Some(bouts.told as f64)),
            ("bouts_false", Some(bouts.false_bouts as f64)),
            ("bouts_false_per_hour", Some(bouts.false_per_hour)),
            ("bout_onset_latency_median_secs", bouts.onset_latency_median_secs),
        ];
        self.rows(of, &values)
    }

    fn trigger(&mut self, of: Subject, trigger: &TriggerOutcome) -> io::Result<()> {
        let values = [
            ("trigger_false_per_hour_max", Some(trigger.false_per_hour_max)),
            ("trigger_bouts", Some(trigger.bouts as f64)),
            ("trigger_hits", Some(trigger.hits as f64)),
            ("trigger_false_per_hour", Some(trigger.false_per_hour)),
            ("trigger_latency_median_secs", trigger.latency_median_secs),
            ("trigger_latency_95_secs", trigger.latency_95_secs),
        ];
        self.rows(of, &values)
    }

    fn standing(&mut self, system: &SystemRuns, delay_ticks: u32, standing: &Standing) -> io::Result<()> {
        let of = Subject { system: &system.name, delay_ticks: Some(delay_ticks), ..Subject::default() };
        let end = |end: usize| standing.score.interval.map(|ends| ends[end]);
        let values = [
            ("rank", Some(standing.rank as f64)),
            ("seeds_mean_f1", Some(standing.score.value)),
            ("seeds_mean_f1_lower", end(0)),
            ("seeds_mean_f1_upper", end(1)),
        ];
        self.rows(of, &values)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::compare::comparison::Comparison;
    use crate::compare::testing::outcome;

    fn written(outcomes: Vec<Outcome>) -> Vec<[String; 7]> {
        let comparison = Comparison::new(outcomes).unwrap();
        let mut out = Vec::new();
        Ranked::new(&comparison, 50, 1).unwrap().write_csv(&mut out).unwrap();
        let mut reader = csv::Reader::from_reader(&out[..]);
        assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
        let row = |row: csv::StringRecord| std::array::from_fn(|column| row[column].to_string());
        reader.records().map(|record| row(record.unwrap())).collect()
    }

    #[test]
    fn every_measure_is_there() {
        let rows = written(vec![outcome("cnn", 1, 500), outcome("cnn", 2, 510), outcome("lstm", 1, 400)]);
        let measures: BTreeSet<&str> = rows.iter().map(|row| row[5].as_str()).collect();
        let of_runs = ["cpu_micros_per_tick", "model_bytes", "training_secs", "chosen_at", "validation_f1"];
        let of_delays =
            ["mean_f1", "mean_bout_f1", "rank", "seeds_mean_f1", "seeds_mean_f1_lower", "seeds_mean_f1_upper"];
        let of_frames = ["frame_f1", "true_positives", "false_positives", "false_negatives"];
        let of_bouts = [
            "bout_f1",
            "bouts_annotated",
            "bouts_hit",
            "bouts_told",
            "bouts_false",
            "bouts_false_per_hour",
            "bout_onset_latency_median_secs",
        ];
        let of_triggers = [
            "trigger_false_per_hour_max",
            "trigger_bouts",
            "trigger_hits",
            "trigger_false_per_hour",
            "trigger_latency_median_secs",
            "trigger_latency_95_secs",
        ];
        let all = [&of_runs[..], &of_delays, &of_frames, &of_bouts, &of_triggers].concat();
        assert_eq!(measures, all.into_iter().collect());
        let count = |measure: &str| rows.iter().filter(|row| row[5] == measure).count();
        // Runs, delays, behaviors; no run advises a trigger for one of the three.
        assert_eq!(["model_bytes", "mean_bout_f1", "frame_f1", "trigger_hits", "rank"].map(count), [3, 9, 27, 18, 6]);
        // One for all label sets and one for each.
        assert_eq!(count("mean_f1"), 9 * 3);
    }

    #[test]
    fn a_number_comes_back_as_it_was_whatever_a_name_holds() {
        let mut run = outcome("a,\"b\"\nc", 9_007_199_254_740_993, 500);
        run.label_sets[0].behaviors[1] = "x;|,y".to_owned();
        run.recordings.iter_mut().for_each(|recording| recording.asked[1] = false);
        let rows = written(vec![run.clone()]);
        let found = rows.iter().find(|row| row[3] == "x;|,y" && row[4] == "60" && row[5] == "frame_f1").unwrap();
        assert_eq!((found[0].as_str(), found[2].as_str()), (run.system.as_str(), "A"));
        assert_eq!(found[1].parse::<u64>().unwrap(), run.seed);
        assert_eq!(found[6].parse::<f64>().unwrap(), run.frame_f1(2)[1]);
        assert!(rows.iter().all(|row| row[3] != "bite"), "nobody looked");
        assert!(rows.iter().all(|row| row[6].parse::<f64>().unwrap().is_finite()));
    }
}
