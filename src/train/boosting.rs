//! Training of boosted trees: a booster for every behavior and delay, or one for all behaviors of a label set.
//!
//! ```text
//! sessions ─▶ table: sampled ticks × columns, labels at every delay ─▶ boosters, each of its labelled rows
//! ```
//!
//! Neighbouring ticks are nearly copies of each other, so every few are enough. Rounds go on until the log loss on the
//! validation recordings gets no better. Rare behaviors weigh no more than others: calibration and thresholds are fitted
//! afterwards, as for every system.

mod jobs;
mod table;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use hessboost::config::{TrainingParams, TreeMethod};
use hessboost::data::{DMatrix, ViewCuts};
use hessboost::model::BoostedModel;
use hessboost::objective::{Multiclass, Objective};
use hessboost::training::Trainer;
use indicatif::{ProgressBar, ProgressStyle};

use self::jobs::{Job, Labels};
use self::table::Table;
use super::Material;
use super::config::{Boosting, TrainConfig};
use super::finish::{self, Learned};
use crate::model::forest::rows::Reading;
use crate::model::forest::{Answer, Booster, Forest, Output};
use crate::model::trust::LogitLine;

/// Log-odds of what nobody looked for, and bounds of those of what always or never happened.
const LOG_ODDS_MAX: f32 = 8.0;

/// Positive rows under which trees learn nothing but these rows.
const POSITIVES_MIN: usize = 10;

/// Boosts, fits thresholds on validation, and writes the model. Nothing is written where `stop` is set before the end:
/// boosters are quick to make anew.
///
/// # Errors
/// A configuration that starts from another model, recordings that cannot be read, and a disk that takes nothing.
pub fn train(material: &Material, config: &TrainConfig, out: &Path, stop: &AtomicBool) -> anyhow::Result<()> {
    anyhow::ensure!(material.donor.is_none(), "expected a network to go on from another model, got trees");
    let reading = Reading::of(&config.architecture).context("expected a blueprint of trees")?;
    let vocabulary = material.vocabulary();
    let (ethogram, delays, boosting) = (&material.ethogram, &config.delays_ticks, &config.boosting);
    let sample = |sessions, rows_max| {
        Table::sample(sessions, ethogram, delays, &vocabulary, reading, rows_max, config.schedule.seed)
    };
    let train = sample(&material.train, boosting.rows_max as usize)?;
    let validation = sample(&material.validation, boosting.rows_max as usize / 3)?;
    println!(
        "{}: reaches {} ticks; {} rows of pairs and {} of animals in {} and {} columns",
        config.architecture.system(),
        config.architecture.receptive_field(),
        train.of_pairs.rows(),
        train.of_selves.rows(),
        train.of_pairs.width,
        train.of_selves.width,
    );
    let jobs = jobs::all(reading, ethogram, delays);
    let boosted = boost(&jobs, [&train, &validation], config, stop)?;
    let (mut boosters, mut rounds_max) = (Vec::new(), 0);
    let constant =
        Output { answer: Answer::Constant { logit: -LOG_ODDS_MAX }, line: LogitLine { slope: 1.0, offset: 0.0 } };
    let mut outputs = vec![vec![constant; ethogram.behavior_count()]; delays.len()];
    for (job, boosted) in jobs.iter().zip(boosted) {
        let of_delay = &mut outputs[job.delay];
        match boosted {
            Boosted::Constant(log_odds) => {
                for (behavior, logit) in job.behaviors.iter().zip(log_odds) {
                    of_delay[usize::from(behavior.0)].answer = Answer::Constant { logit };
                }
            }
            Boosted::Trees(trees) => {
                let booster = boosters.len();
                rounds_max = rounds_max.max(trees.num_boost_rounds());
                for (index, behavior) in job.behaviors.iter().enumerate() {
                    of_delay[usize::from(behavior.0)].answer = match reading {
                        Reading::Rich => Answer::Margin { booster },
                        Reading::Basic => Answer::Class { booster, class: index + 1 },
                    };
                }
                boosters.push(Booster::new(booster, &job.name(ethogram, delays), Arc::from(trees)));
            }
        }
    }
    let forest = Forest::new(reading, vocabulary.0.len(), ethogram, boosters, outputs)?;
    let capped =
        forest.boosters().iter().filter(|one| one.trees.num_boost_rounds() == boosting.rounds as usize).count();
    println!(
        "{} boosters, {} trees; {capped} might get better with more than {} rounds",
        forest.boosters().len(),
        forest.trees(),
        boosting.rounds
    );
    let (weights, best_epoch) = (forest.into(), rounds_max as u32);
    let learned = Learned { weights, vocabulary, epochs: Vec::new(), best_epoch, trained: Vec::new() };
    finish::finish(material, config, out, learned)
}

/// What came of a job.
enum Boosted {
    /// Of behaviors with too few positive rows: log-odds of each.
    Constant(Vec<f32>),
    Trees(Box<BoostedModel>),
}

/// Does all jobs, as many at a time as there are threads. What comes of each does not depend on that.
fn boost(jobs: &[Job], tables: [&Table; 2], config: &TrainConfig, stop: &AtomicBool) -> anyhow::Result<Vec<Boosted>> {
    let style =
        ProgressStyle::with_template("boosters {bar:30} {pos}/{len} {elapsed} {msg}").context("a fixed template")?;
    let bar = ProgressBar::new(jobs.len() as u64).with_style(style);
    let matrices = [Matrices::of(tables[0])?, Matrices::of(tables[1])?];
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..config.schedule.threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    let boosted = boost_one(job, index, tables, &matrices, config);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, boosted));
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    anyhow::ensure!(done.len() == jobs.len(), "interrupted: nothing was written");
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, boosted)| boosted).collect()
}

/// The columns of a table as hessboost holds them; `None` without rows.
struct Matrices {
    of_pairs: Option<DMatrix>,
    of_selves: Option<DMatrix>,
}

impl Matrices {
    fn of(table: &Table) -> anyhow::Result<Self> {
        let matrix = |columns: &table::Columns| {
            let rows = columns.rows();
            let matrix = || DMatrix::from_dense(&columns.values, rows, columns.width);
            if rows == 0 { Ok(None) } else { matrix().map(Some) }
        };
        Ok(Self { of_pairs: matrix(&table.of_pairs)?, of_selves: matrix(&table.of_selves)? })
    }

    fn get(&self, of_self: bool) -> Option<&DMatrix> {
        if of_self { self.of_selves.as_ref() } else { self.of_pairs.as_ref() }
    }
}

fn boost_one(
    job: &Job,
    index: usize,
    tables: [&Table; 2],
    matrices: &[Matrices; 2],
    config: &TrainConfig,
) -> anyhow::Result<Boosted> {
    let [train, validation] = tables.map(|table| Labels::of(job, table));
    // Without a positive row a behavior is the background of the others of its label set.
    if train.positives.iter().all(|positives| *positives < POSITIVES_MIN) {
        return Ok(Boosted::Constant(train.log_odds(LOG_ODDS_MAX)));
    }
    let Some(of_train) = matrices[0].get(job.of_self) else {
        return Ok(Boosted::Constant(train.log_odds(LOG_ODDS_MAX)));
    };
    // All views share the bins of their source.
    let view = |matrix: &DMatrix, labels: &Labels| {
        matrix.select_rows_with_cuts(&labels.rows, ViewCuts::Source)?.with_labels(&labels.values)
    };
    let params = params(job, index, config)?;
    let data = view(of_train, &train)?;
    let is_telling = validation.positives.iter().any(|positives| *positives >= POSITIVES_MIN);
    let held = match matrices[1].get(job.of_self) {
        Some(matrix) if is_telling => Some(matrix.select_rows(&validation.rows)?.with_labels(&validation.values)?),
        _ => None,
    };
    let Boosting { rounds, patience_rounds, .. } = config.boosting;
    let mut trainer = Trainer::new(&params, &data, rounds as usize);
    if let (Some(held), Some(patience)) = (&held, NonZeroUsize::new(patience_rounds as usize)) {
        trainer = trainer.eval(held, "validation").early_stopping_rounds(patience);
    }
    let model = trainer.train().with_context(|| format!("{job:?}"))?.model;
    let rounds = model.best_iteration().map_or(model.num_boost_rounds(), |best| best + 1);
    Ok(Boosted::Trees(Box::new(model.slice(..rounds, 1)?)))
}

fn params(job: &Job, index: usize, config: &TrainConfig) -> anyhow::Result<TrainingParams> {
    let Boosting { depth, learning_rate, rows_share, columns_share, child_weight_min, bins, .. } = config.boosting;
    let objective = if job.is_multiclass {
        Objective::Softprob(Multiclass::new(job.behaviors.len() + 1)?)
    } else {
        Objective::BinaryLogistic(hessboost::objective::RegLoss::default())
    };
    Ok(TrainingParams::builder()
        .objective(objective)
        .tree_method(TreeMethod::Hist)
        .max_bin(bins as usize)
        .max_depth(depth as usize)
        .eta(learning_rate)
        .subsample(rows_share)
        .colsample_bytree(columns_share)
        .min_child_weight(child_weight_min)
        .seed(config.schedule.seed.wrapping_mul(0x9e37_79b9).wrapping_add(index as u64))
        .nthread(1)
        .build()?)
}

#[cfg(test)]
mod tests;
