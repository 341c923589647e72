//! A made-up run: two label sets, nine behaviors, four delays, four recordings, six mistakes.

use crate::behavior::Kind;
use crate::report::{
    Amount, AtDelay, BehaviorReport, Bin, Calibration, Confusion, CutPoint, Epoch, Estimate, Fitness, Head, History,
    Mistake, Part, Pose, Raster, RasterRow, Report, Summary, Trigger, TriggerPoint,
};
use crate::time::DelayTicks;

const DELAYS: [u32; 4] = [0, 15, 30, 60];

/// Behaviors with how hard they are (0 easy, 1 hopeless) and their bouts in training.
const BEHAVIORS: [(&str, &str, Kind, f64, u64); 9] = [
    ("S1", "aggression", Kind::Directed, 0.35, 212),
    ("S1", "social contact", Kind::Undirected, 0.2, 940),
    ("S1", "anogenital sniffing", Kind::Directed, 0.4, 388),
    ("S1", "following", Kind::Directed, 0.55, 121),
    ("S1", "rearing", Kind::OfSelf, 0.3, 1304),
    ("S2", "lateral threat", Kind::Directed, 0.6, 64),
    ("S2", "pinning", Kind::Directed, 0.45, 41),
    ("S2", "boxing", Kind::Mutual, 0.7, 19),
    ("S2", "tail rattle", Kind::OfSelf, 0.92, 4),
];

/// Numbers within [0, 1) that look random: a linear congruential generator (Knuth's MMIX).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn around(&mut self, value: f64, width: f64) -> f64 {
        value + (self.next() - 0.5) * width
    }
}

pub(crate) fn report() -> Report {
    let mut random = Random(7);
    let delays = DELAYS.map(DelayTicks).to_vec();
    let label_sets = vec!["S1".to_owned(), "S2".to_owned()];
    let recordings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let behaviors: Vec<BehaviorReport> = (0..BEHAVIORS.len()).map(|index| behavior(index, &mut random)).collect();
    let confusions = label_sets.iter().flat_map(|label_set| delays.iter().map(move |delay| (label_set, *delay)));
    let confusions = confusions.map(|(label_set, delay)| confusion(label_set, delay, &mut random)).collect();
    let rasters = [("2023-05-04_dyad-07", Part::Validation), ("2023-05-04_dyad-08", Part::Validation)]
        .into_iter()
        .chain([("2023-06-11_dyad-12", Part::Test), ("2023-06-12_dyad-13", Part::Test)])
        .map(|(name, part)| raster(name, part, &mut random))
        .collect();
    let history = |secs: f64| History { secs, f1: vec![Some(0.4 * (1.0 - (-secs).exp())); DELAYS.len()] };
    Report {
        part: Part::Validation,
        head: Head {
            model: "rat-dyads".to_owned(),
            corpus: "RatSocial".to_owned(),
            source: "Resident-intruder tests of 14 rat dyads, annotated by two people; made up for this sample"
                .to_owned(),
            trained: (1..=9).map(|dyad| format!("2023-04-{:02}_dyad-{dyad:02}", dyad + 10)).collect(),
            validated: recordings(&["2023-05-04_dyad-07", "2023-05-04_dyad-08"]),
            tested: recordings(&["2023-06-11_dyad-12", "2023-06-12_dyad-13"]),
            seed: Some(1),
            best_epoch: Some(24),
            software: "vibrissa 0.1.0".to_owned(),
            weights_hash: "b3:5f1d2c0a9e77b4386f0d1c55a2e9137bd04c68fe21a7730b95cc4e10d8fa6623".to_owned(),
            label_sets,
            delays,
        },
        summary: summary(&mut random),
        epochs: (1..=30).map(|number| epoch(number, &mut random)).collect(),
        mistakes: (0..6).map(|index| mistake(index, &mut random)).collect(),
        behaviors,
        history_delay: Some(DelayTicks(15)),
        history: [0.5, 1.0, 2.0, 5.0, 17.0].map(history).to_vec(),
        confusions,
        rasters,
    }
}

fn summary(random: &mut Random) -> Summary {
    let mut estimates = |base: f64| -> Vec<Estimate> {
        let estimate = |index: usize| {
            let value = base + 0.022 * index as f64;
            let (lower, upper) = (value - random.around(0.04, 0.02), value + random.around(0.04, 0.02));
            Estimate { value: Some(value), interval: Some([lower, upper]) }
        };
        (0..DELAYS.len()).map(estimate).collect()
    };
    Summary {
        measured: estimates(0.442),
        test: estimates(0.411),
        interval: "95% of 1000 bootstraps over recordings".to_owned(),
        warnings: vec![
            "S2 tail rattle: 4 bouts in training and 1 in validation; its numbers are chance.".to_owned(),
            "S2 boxing is unfit for triggering: at most 1 false trigger an hour leaves 1 of 6 bouts.".to_owned(),
        ],
    }
}

fn epoch(number: u32, random: &mut Random) -> Epoch {
    let at = f64::from(number) / 30.0;
    let f1 = |index: usize| 0.45 * (1.0 - (-5.0 * at).exp()) + 0.022 * index as f64 - 0.05 * (at - 0.8).max(0.0);
    Epoch {
        number,
        loss: Some(0.09 * (-3.0 * at).exp() + random.around(0.02, 0.003)),
        learning_rate: Some(6e-4 * if number < 3 { f64::from(number) / 3.0 } else { 0.51 + 0.49 * (3.1 * at).cos() }),
        gradient_norm: Some(random.around(0.6, 0.2) + 2.0 * (-8.0 * at).exp()),
        validation_f1: (0..DELAYS.len()).map(|index| Some(random.around(f1(index), 0.012))).collect(),
    }
}

fn behavior(index: usize, random: &mut Random) -> BehaviorReport {
    let (label_set, name, kind, hard, bouts) = BEHAVIORS[index];
    let is_rare = bouts < 10;
    let mut delays: Vec<AtDelay> = (0..DELAYS.len()).map(|delay| at_delay(hard, delay, random)).collect();
    if is_rare {
        for at in &mut delays {
            *at = AtDelay { f1: Some(0.0), threshold: Some(f64::INFINITY), ..AtDelay::default() };
        }
    }
    let fitness = match index {
        8 => Fitness::NotMeasured,
        5 | 7 => {
            Fitness::Unfit(format!("hits {} of bouts at ≤ 1 false an hour", if index == 5 { "21%" } else { "17%" }))
        }
        _ => Fitness::Fit,
    };
    let triggers = if fitness == Fitness::Fit { triggers(hard, bouts / 5, &delays) } else { Vec::new() };
    let history = |secs: f64| [secs, (0.9 - hard) * (1.0 - 0.6 * (-secs / 3.0).exp()) + 0.02 * random.next()];
    BehaviorReport {
        label_set: label_set.to_owned(),
        name: name.to_owned(),
        kind,
        train: Amount { bouts: Some(bouts), minutes: Some(bouts as f64 * 0.07) },
        measured: Amount { bouts: Some((bouts / 5).max(1)), minutes: Some(bouts as f64 * 0.013) },
        delays,
        fitness,
        triggers,
        f1_by_history: if is_rare { Vec::new() } else { [0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 17.0].map(history).to_vec() },
    }
}

fn at_delay(hard: f64, delay: usize, random: &mut Random) -> AtDelay {
    let ease = 1.0 - hard + 0.03 * delay as f64;
    let cut = |index: u32| {
        let threshold = f64::from(index) / 60.0;
        let recall = (1.0 - threshold.powf(0.5 + 2.0 * ease)).clamp(0.0, 1.0);
        CutPoint { threshold, recall, precision: 0.06 + 0.92 * ease * (1.0 - recall.powf(1.0 + 4.0 * ease)) }
    };
    let bins = |bend: f64, random: &mut Random| -> Vec<Bin> {
        let bin = |index: u32| {
            let predicted = (f64::from(index) + 0.5) / 10.0;
            let observed = random.around(predicted.powf(bend), 0.05).clamp(0.0, 1.0);
            Bin { predicted, observed, ticks: (60_000.0 * (-0.7 * f64::from(index)).exp()) as u64 + 40 }
        };
        (0..10).map(bin).collect()
    };
    let point = |index: u32| {
        let threshold = f64::from(index) / 40.0;
        let false_per_hour = if index > 36 { 0.0 } else { 240.0 * (1.0 - threshold).powf(1.0 + 2.2 * ease) };
        let share_hit = ease * (1.0 - threshold.powf(3.0 * ease + 0.4));
        let late = f64::from(DELAYS[delay]) / 30.0 + 0.15 + 1.4 * threshold * hard;
        TriggerPoint {
            threshold,
            false_per_hour,
            share_hit,
            latency_median_secs: late,
            latency_p95_secs: 1.3 * late + 0.5,
        }
    };
    let with_bins = delay.is_multiple_of(2);
    AtDelay {
        f1: Some(random.around(ease * 0.82, 0.03)),
        precision: Some(random.around(ease * 0.86, 0.05)),
        recall: Some(random.around(ease * 0.79, 0.05)),
        average_precision: Some(ease * 0.8),
        threshold: Some(random.around(0.45, 0.3)),
        precision_recall: (0..=60).map(cut).collect(),
        before: Calibration {
            error: Some(random.around(0.08, 0.03)),
            bins: if with_bins { bins(1.9, random) } else { Vec::new() },
        },
        after: Calibration {
            error: Some(random.around(0.015, 0.01)),
            bins: if with_bins { bins(1.0, random) } else { Vec::new() },
        },
        trigger_curve: (0..=40).map(point).collect(),
    }
}

fn triggers(hard: f64, bouts: u64, delays: &[AtDelay]) -> Vec<Trigger> {
    let chosen = |(text, rate, delay): (&str, f64, usize)| {
        let points = &delays[delay].trigger_curve;
        let point = points.iter().find(|point| point.false_per_hour <= rate).expect("a high threshold");
        let hits = (point.share_hit * bouts as f64) as u64;
        Trigger {
            chosen_for: text.to_owned(),
            delay: DelayTicks(DELAYS[delay]),
            on: Some(point.threshold),
            off: Some(point.threshold * 0.7),
            sustain_millis: Some(if hard > 0.35 { 100.0 } else { 33.0 }),
            hits,
            bouts,
            false_per_hour: Some(point.false_per_hour),
            false_per_hour_upper: Some(point.false_per_hour * 1.7 + 0.9),
            latency_median_secs: (hits > 0).then_some(point.latency_median_secs),
            latency_p95_secs: (hits > 0).then_some(point.latency_p95_secs),
        }
    };
    [("≤ 1/h", 1.0, 0), ("≤ 6/h", 6.0, 0), ("≤ 1/h", 1.0, 1)].map(chosen).to_vec()
}

fn confusion(label_set: &str, delay: DelayTicks, random: &mut Random) -> Confusion {
    let own = || BEHAVIORS.iter().filter(|behavior| behavior.0 == label_set);
    let count = own().count() + 1;
    let ease: Vec<f64> = own().map(|behavior| 1.0 - behavior.3).chain([0.98]).collect();
    let ticks: Vec<f64> = own().map(|behavior| behavior.4 as f64 * 27.0).chain([131_072.0]).collect();
    let cell = |truth: usize, predicted: usize, random: &mut Random| {
        let off = (1.0 - ease[truth]) / (count as f64) * (0.3 + random.next());
        let share = match (truth == predicted, predicted == count - 1) {
            (true, _) => ease[truth],
            (false, true) => (1.0 - ease[truth]) * 0.6,
            (false, false) => off,
        };
        (share * ticks[truth]) as u64
    };
    let row = |truth: usize, random: &mut Random| (0..count).map(|predicted| cell(truth, predicted, random)).collect();
    Confusion {
        label_set: label_set.to_owned(),
        delay,
        behaviors: own().map(|behavior| behavior.1.to_owned()).collect(),
        ticks: (0..count).map(|truth| row(truth, random)).collect(),
    }
}

fn raster(recording: &str, part: Part, random: &mut Random) -> Raster {
    const SECS: f64 = 600.0;
    let mut row = |(label_set, name, _, hard, bouts): &(&str, &str, Kind, f64, u64)| {
        let mut truth = Vec::new();
        let mut predicted = Vec::new();
        let mut at = 0.0;
        loop {
            at += random.next() * 2400.0 / (*bouts as f64).sqrt();
            let stop = at + 0.3 + random.next() * random.next() * 14.0;
            if stop > SECS {
                break;
            }
            truth.push([at, stop]);
            if random.next() > *hard {
                predicted.push([random.around(at, 0.6).max(0.0), random.around(stop, 0.6)]);
            }
            if random.next() < *hard {
                let wrong = random.next() * (SECS - 5.0);
                predicted.push([wrong, wrong + random.next() * 3.0]);
            }
            at = stop;
        }
        let unscored = if *label_set == "S2" { vec![[0.0, 60.0], [480.0, SECS]] } else { Vec::new() };
        RasterRow { label_set: (*label_set).to_owned(), behavior: (*name).to_owned(), truth, predicted, unscored }
    };
    let rows = BEHAVIORS.iter().map(&mut row).collect();
    Raster { recording: recording.to_owned(), part, delay: DelayTicks(15), secs: Some(SECS), rows }
}

fn mistake(index: usize, random: &mut Random) -> Mistake {
    let (label_set, name, ..) = BEHAVIORS[[0, 3, 6, 2, 5, 1][index]];
    let is_missed = index % 3 == 2;
    let score = if is_missed { 0.04 } else { 0.97 - 0.02 * index as f64 };
    let at = |offset: f64| {
        let bump = (-(offset * offset) / 0.8).exp();
        if is_missed { 0.3 - (0.3 - score) * bump } else { 0.1 + (score - 0.1) * bump }
    };
    let scores =
        (-60..=60).map(|tick| f64::from(tick) / 30.0).map(|offset| [offset, random.around(at(offset), 0.04)]).collect();
    let secs = 61.7 + 83.4 * index as f64;
    let said = format!("{name}, resident → intruder");
    Mistake {
        label_set: label_set.to_owned(),
        behavior: name.to_owned(),
        recording: "2023-05-04_dyad-07".to_owned(),
        delay: DelayTicks(DELAYS[index % 4]),
        secs: Some(secs),
        frame: Some((secs * 30.0) as u64),
        said: if is_missed { "nothing".to_owned() } else { said.clone() },
        annotated: if is_missed { said } else { "nothing".to_owned() },
        score: Some(score),
        threshold: Some(0.46),
        individuals: vec!["resident".to_owned(), "intruder".to_owned()],
        edges: vec![(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (3, 4), (4, 5), (5, 6)],
        poses: [-2.0, -1.0, 0.0, 1.0, 2.0].map(|offset| pose(offset, index, random)).to_vec(),
        scores,
        truth: if is_missed { vec![[-0.7, 0.9]] } else { vec![[1.2, 2.0]] },
    }
}

/// Nose, ears, neck, middle, rear, tail.
fn pose(offset_secs: f64, index: usize, random: &mut Random) -> Pose {
    const BODY: [[f64; 2]; 7] =
        [[60.0, 0.0], [42.0, -14.0], [42.0, 14.0], [30.0, 0.0], [0.0, 0.0], [-40.0, 0.0], [-85.0, 8.0]];
    let mut individual = |slot: usize| {
        let angle = 0.5 * offset_secs + 2.4 * slot as f64 + index as f64;
        let middle =
            [400.0 + 38.0 * offset_secs + 95.0 * slot as f64, 300.0 + 22.0 * offset_secs * (slot as f64 - 0.5)];
        let mut keypoint = |[x, y]: &[f64; 2]| {
            let (sin, cos) = angle.sin_cos();
            (random.next() > 0.08).then(|| [middle[0] + x * cos - y * sin, middle[1] + x * sin + y * cos])
        };
        BODY.iter().map(&mut keypoint).collect()
    };
    Pose { offset_secs, individuals: (0..2).map(&mut individual).collect() }
}
