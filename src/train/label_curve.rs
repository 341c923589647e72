//! How good a model gets by how much is annotated: the same training with more and more of the labels.
//!
//! Only the labels of the training recordings are hidden ([`mask`]). Validation keeps all of its own, so that the points of
//! the curve are measured alike.

pub mod mask;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use self::mask::Mask;
use super::config::TrainConfig;
use super::validate::{self, Answering};
use super::{Material, adaptation, train};
use crate::model::Model;
use crate::time::TICK_RATE_HZ;

/// In the folder of the curve.
pub const CURVE_FILE: &str = "label-curve.csv";

/// One training of the curve.
struct Point {
    /// Bouts of each behavior that were asked for; all of them without.
    bouts: Option<u32>,
    mask: Mask,
    /// Frame F1 at the best threshold on validation: by delay, then by behavior.
    f1: Vec<Vec<f64>>,
    lab_average: Vec<f64>,
}

/// Trains with so many bouts of each behavior labelled, and at last with all; writes a model for each into `out`, and the
/// curve. The labels are back in place afterwards.
///
/// # Errors
/// Numbers that are not at least 1, and those of a training.
pub fn run(
    material: &mut Material,
    config: &TrainConfig,
    bouts: &[u32],
    out: &Path,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    anyhow::ensure!(!bouts.contains(&0), "label curve: expected at least 1 bout, got 0");
    let mut ascending = bouts.to_vec();
    ascending.sort_unstable();
    ascending.dedup();
    let all: Vec<Vec<bool>> = material.train.iter().map(|session| session.labelled.to_vec()).collect();
    let mut points = Vec::new();
    for bouts in ascending.into_iter().map(Some).chain([None]) {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mask = match bouts {
            Some(bouts) => Mask::of_bouts(&material.train, &material.ethogram, bouts as usize, config.schedule.seed),
            None => Mask::of_all(&material.train, &material.ethogram),
        };
        println!("label curve: {}", said(bouts, &mask));
        let hide = |material: &mut Material, labelled: &[Vec<bool>]| {
            for (session, labelled) in material.train.iter_mut().zip(labelled) {
                session.labelled = labelled.iter().copied().collect();
            }
        };
        hide(material, &mask.labelled);
        let point = point(material, config, bouts, mask, out, stop);
        hide(material, &all);
        let point = point?;
        if stop.load(Ordering::Relaxed) {
            println!("label curve: interrupted, this point is left out");
            break;
        }
        points.push(point);
        // Every point is hours of work.
        write(&out.join(CURVE_FILE), &points, material, config)?;
    }
    println!("\n{}wrote {}", table(&points, config), out.join(CURVE_FILE).display());
    Ok(())
}

fn point(
    material: &Material,
    config: &TrainConfig,
    bouts: Option<u32>,
    mask: Mask,
    out: &Path,
    stop: &AtomicBool,
) -> anyhow::Result<Point> {
    let folder = out.join(format!("labels-{}", asked(bouts)));
    train(material, config, &folder, false, stop)?;
    let Material { validation, ethogram, .. } = material;
    let model = Model::load(&folder)?;
    let scores = validate::scores(Answering::of(&model), validation, config.schedule.threads as usize)?;
    let f1 = validate::best_f1(validation, &scores, ethogram, model.delays());
    let looked_for = adaptation::looked_for(validation, ethogram);
    let lab_average = f1.iter().map(|f1| adaptation::lab_averaged(f1, ethogram, &looked_for)).collect();
    Ok(Point { bouts, mask, f1, lab_average })
}

fn asked(bouts: Option<u32>) -> String {
    bouts.map_or_else(|| "all".to_owned(), |bouts| bouts.to_string())
}

fn said(bouts: Option<u32>, mask: &Mask) -> String {
    let labelled: usize = mask.bouts.iter().sum();
    let asked = bouts.map_or_else(|| "all".to_owned(), |bouts| format!("{bouts} of each behavior"));
    format!("{asked}, {labelled} bouts labelled in {:.1} min", minutes(mask))
}

fn minutes(mask: &Mask) -> f64 {
    mask.ticks as f64 / TICK_RATE_HZ / 60.0
}

/// A row for each point, delay and behavior that validation looked for.
fn write(path: &Path, points: &[Point], material: &Material, config: &TrainConfig) -> anyhow::Result<()> {
    let within = || path.display().to_string();
    let mut csv = csv::Writer::from_path(path).with_context(within)?;
    csv.write_record([
        "bouts_asked",
        "bouts_labelled",
        "labelled_minutes",
        "label_set",
        "behavior",
        "delay_ticks",
        "f1",
        "lab_average",
    ])?;
    let Material { validation, ethogram, .. } = material;
    let looked_for = adaptation::looked_for(validation, ethogram);
    for point in points {
        for (delay, ticks) in config.delays_ticks.iter().enumerate() {
            for (behavior, set, spec) in ethogram.behaviors() {
                let index = usize::from(behavior.0);
                if !looked_for[index] {
                    continue;
                }
                csv.write_record([
                    asked(point.bouts),
                    point.mask.bouts[index].to_string(),
                    format!("{:.3}", minutes(&point.mask)),
                    ethogram.label_sets()[set].name.clone(),
                    spec.name.clone(),
                    ticks.0.to_string(),
                    format!("{:.4}", point.f1[delay][index]),
                    format!("{:.4}", point.lab_average[delay]),
                ])?;
            }
        }
    }
    csv.flush().with_context(within)
}

/// The lab average of each point, by delay.
fn table(points: &[Point], config: &TrainConfig) -> String {
    let delays: Vec<String> = config.delays_ticks.iter().map(|delay| format!("{:>8}", delay.0)).collect();
    let delays = delays.concat();
    let mut rows =
        vec![format!("{:>6}{:>10}{:>10}  F1 by delay (ticks)\n{:26}{delays}\n", "bouts", "labelled", "minutes", "")];
    for point in points {
        let labelled: usize = point.mask.bouts.iter().sum();
        let f1: Vec<String> = point.lab_average.iter().map(|f1| format!("{f1:>8.3}")).collect();
        let (asked, minutes, f1) = (asked(point.bouts), minutes(&point.mask), f1.concat());
        rows.push(format!("{asked:>6}{labelled:>10}{minutes:>10.1}{f1}\n"));
    }
    rows.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::{Ethogram, Kind};
    use crate::model::bundle::{self, Model};
    use crate::output::decoder::DecodeRule;
    use crate::train::samples::{self, config, label_set};
    use crate::train::start::Donor;

    /// A corpus of two recordings of a body.
    fn material(body: usize, label_set: crate::behavior::LabelSet) -> Material {
        let ethogram = Ethogram::new(vec![label_set]);
        let session = || samples::session(body, &ethogram, &ethogram.cells(2), 160);
        Material {
            train: vec![session()],
            validation: vec![session()],
            corpus: "sample".to_owned(),
            source: "sample".to_owned(),
            defaults: samples::defaults(body),
            confidence_min: 0.1,
            donor: None,
            ethogram,
        }
    }

    #[test]
    fn a_curve_from_another_model_has_a_model_for_each_point_that_tells_what_both_know() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(1, 1, 0.1);
        (config.schedule.epochs, config.schedule.steps_per_epoch, config.bouts_min) = (1, 2, 1);
        let stop = AtomicBool::new(false);
        let old = material(0, label_set("Lab", &[("attack", Kind::Directed), ("rear", Kind::OfSelf)]));
        let base = folder.path().join("base");
        train(&old, &config, &base, false, &stop).unwrap();
        let (mut card, weights, _) = bundle::read(&base).unwrap();
        let rule = DecodeRule { on: 0.625, off: 0.5, duration_ticks_min: 3, gap_ticks_max: 2 };
        card.rules.get_mut("Lab").unwrap().insert("rear".to_owned(), vec![rule; 2]);

        let mut new = material(1, label_set("New", &[("chase", Kind::Directed)]));
        new.start_from(Donor { card: card.clone(), weights: weights.tensors().unwrap().clone() }).unwrap();
        let labelled = new.train[0].labelled.clone();
        // The stretch around one bout may hold the other one.
        let one = Mask::of_bouts(&new.train, &new.ethogram, 1, config.schedule.seed).bouts[2].to_string();
        let out = folder.path().join("curve");
        run(&mut new, &config, &[1, 1], &out, &stop).unwrap();
        assert_eq!(new.train[0].labelled, labelled);
        for point in ["labels-1", "labels-all"] {
            let model = Model::load(&out.join(point)).unwrap();
            let sets: Vec<&str> = model.card().label_sets.iter().map(|set| set.name.as_str()).collect();
            assert_eq!(sets, ["Lab", "New"]);
            assert_eq!(model.card().vocabulary.0, ["nose", "spine", "tail", "ear", "tip"]);
            assert_eq!(model.card().rules["Lab"], card.rules["Lab"], "nobody validates them");
        }
        let csv = std::fs::read_to_string(out.join(CURVE_FILE)).unwrap();
        let rows: Vec<Vec<&str>> = csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
        // Two points, two delays, one behavior that validation knows.
        let first: Vec<&[&str]> = rows.iter().map(|row| &row[..6]).collect();
        let of = |asked, bouts, minutes, delay| [asked, bouts, minutes, "New", "chase", delay];
        let expected = [
            of("1", one.as_str(), "0.033", "0"),
            of("1", one.as_str(), "0.033", "15"),
            of("all", "2", "0.089", "0"),
            of("all", "2", "0.089", "15"),
        ];
        assert_eq!(first, expected.iter().map(|row| &row[..]).collect::<Vec<_>>());
        // What one behavior reaches is what the average reaches.
        assert!(rows.iter().all(|row| row[6] == row[7]));
    }
}
