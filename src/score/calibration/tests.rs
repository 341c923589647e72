use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// Logits spread over ± 4 about −2, true as often as a calibration says.
fn drawn(count: usize, truth: Calibration, seed: u64) -> Vec<Sample> {
    let mut random = StdRng::seed_from_u64(seed);
    let sample = |_| {
        let logit = random.random_range(-6.0..2.0_f32);
        Sample::new(logit, random.random_bool(truth.probability(logit)))
    };
    (0..count).map(sample).collect()
}

const TRUTH: Calibration = Calibration { slope: 0.5, offset: -1.5 };

fn of(pairs: &[(f32, bool)]) -> Vec<Sample> {
    pairs.iter().map(|&(logit, truth)| Sample::new(logit, truth)).collect()
}

#[test]
fn slope_and_offset_are_those_by_which_the_samples_were_drawn() {
    let fitted = Calibration::fitted(&drawn(100_000, TRUTH, 3)).unwrap();
    // More than three standard errors of so many samples.
    assert!((fitted.slope - TRUTH.slope).abs() < 0.02, "{fitted:?}");
    assert!((fitted.offset - TRUTH.offset).abs() < 0.04, "{fitted:?}");
}

/// Plain Newton steps on the cross-entropy to Platt's targets 4/5 and 1/5, without line search or standardizing:
///
/// ```python
/// import math
/// x, t, a, b = [-2, -1, -.5, .5, 1, 3], [.2, .2, .8, .2, .8, .8], 0, 0
/// for _ in range(100):
///     p = [1 / (1 + math.exp(-(a * x + b))) for x in x]
///     ga, gb = sum((p - t) * x for p, t, x in zip(p, t, x)), sum(p - t for p, t in zip(p, t))
///     h = [sum(p * (1 - p) * x ** k for p, x in zip(p, x)) for k in (0, 1, 2)]
///     d = h[2] * h[0] - h[1] ** 2
///     a, b = a - (h[0] * ga - h[1] * gb) / d, b - (h[2] * gb - h[1] * ga) / d
/// print(a, b)
/// ```
#[test]
fn a_few_samples_are_fitted_as_platt_states_it() {
    let samples = of(&[(-2.0, false), (-1.0, false), (-0.5, true), (0.5, false), (1.0, true), (3.0, true)]);
    let fitted = Calibration::fitted(&samples).unwrap();
    assert!((fitted.slope - 0.530_794_498).abs() < 1e-6, "{fitted:?}");
    assert!((fitted.offset + 0.068_248_738).abs() < 1e-6, "{fitted:?}");
}

#[test]
fn a_weight_counts_as_so_many_samples() {
    let samples = drawn(2_000, TRUTH, 4);
    let thrice = |sample: &Sample| if sample.truth { 3 } else { 1 };
    let repeated: Vec<Sample> = samples.iter().flat_map(|sample| vec![*sample; thrice(sample)]).collect();
    let weighted: Vec<Sample> =
        samples.iter().map(|sample| Sample { weight: thrice(sample) as f32, ..*sample }).collect();
    let [a, b] = [&repeated, &weighted].map(|samples| Calibration::fitted(samples).unwrap());
    assert!((a.slope - b.slope).abs() < 1e-8 && (a.offset - b.offset).abs() < 1e-8, "{a:?} {b:?}");
    assert!((a.offset - Calibration::fitted(&samples).unwrap().offset).abs() > 0.3);
    let [a, b] = [&repeated, &weighted].map(|samples| Reliability::of(samples, a).unwrap());
    assert!((a.brier - b.brier).abs() < 1e-9 && (a.log_loss - b.log_loss).abs() < 1e-9);
    assert!((a.expected_calibration_error() - b.expected_calibration_error()).abs() < 1e-9);
}

#[test]
fn a_higher_logit_is_a_higher_probability() {
    let fitted = Calibration::fitted(&drawn(5_000, TRUTH, 5)).unwrap();
    let logits = [f32::NEG_INFINITY, -30.0, -10.0, -1.0, 0.0, 0.1, 5.0, 1e9, f32::INFINITY];
    let probabilities = logits.map(|logit| fitted.probability(logit));
    assert!(probabilities.is_sorted() && probabilities[3] < probabilities[4] && probabilities[4] < probabilities[5]);
    assert!(probabilities.iter().all(|probability| (0.0..=1.0).contains(probability)));
    assert!(fitted.probability(f32::NAN).is_nan());
}

#[test]
fn a_logit_turns_a_score_around() {
    for score in [1e-7_f32, 0.02, 0.5, 0.97, 0.999_999] {
        let back = Calibration::IDENTITY.probability(logit(score));
        assert!((back - f64::from(score)).abs() < 1e-6 * back, "{score} {back}");
    }
    assert_eq!([logit(0.0), logit(1.0)], [f32::NEG_INFINITY, f32::INFINITY]);
    assert!(logit(f32::NAN).is_nan() && logit(1.5).is_nan() && logit(-0.1).is_nan());
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let why = |pairs: &[(f32, bool)]| Calibration::fitted(&of(pairs)).unwrap_err();
    assert_eq!(why(&[]), Unfitted::NoPositives);
    assert_eq!(why(&[(1.0, false), (f32::NAN, true)]), Unfitted::NoPositives);
    assert_eq!(why(&[(1.0, true), (2.0, true)]), Unfitted::NoNegatives);
    assert_eq!(why(&[(1.5, true), (1.5, false), (1.5, false)]), Unfitted::Constant(1.5));
    assert!(
        matches!(why(&[(0.0, true), (1.0, true), (2.0, false), (3.0, false)]), Unfitted::Slope(slope) if slope < 0.0)
    );
    let many = [(0.3, true), (0.3, false)].repeat(50_000);
    assert!(matches!(why(&many), Unfitted::Constant(_)));
}

#[test]
fn hostile_samples_leave_finite_numbers() {
    let infinite =
        of(&[(f32::INFINITY, true), (f32::INFINITY, false), (f32::NEG_INFINITY, false), (0.0, true), (f32::MAX, true)]);
    let separable = of(&[(-3.0, false), (-2.0, false), (2.0, true), (3.0, true)]);
    let mut lopsided = vec![Sample::new(-5.0, false); 100_000];
    lopsided.push(Sample::new(5.0, true));
    let mut weighted = drawn(500, TRUTH, 6);
    weighted[0].weight = 1e6;
    weighted[1].weight = 1e-30;
    let close = of(&[(1.0, false), (1.001, true)]);
    for samples in [&infinite, &separable, &lopsided, &weighted, &close] {
        let fitted = Calibration::fitted(samples).unwrap();
        assert!(fitted.slope > 0.0 && fitted.slope.is_finite() && fitted.offset.is_finite(), "{fitted:?}");
        let reliability = Reliability::of(samples, fitted).unwrap();
        assert!(reliability.brier.is_finite() && reliability.log_loss.is_finite());
    }
    // One sample that outweighs all others says nothing by itself.
    weighted[0].weight = f32::MAX;
    assert!(matches!(Calibration::fitted(&weighted), Err(Unfitted::Constant(_))));
    let sure = Calibration { slope: 100.0, offset: 0.0 };
    let log_loss = Reliability::of(&of(&[(9.0, false), (-9.0, true)]), sure).unwrap().log_loss;
    assert!((log_loss - 15.0 * 10_f64.ln()).abs() < 1e-9, "{log_loss}");
    let clean = drawn(500, TRUTH, 7);
    let mut ignored = clean.clone();
    for weight in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        ignored.push(Sample { weight, ..Sample::new(9.0, false) });
    }
    ignored.push(Sample::new(f32::NAN, true));
    assert_eq!(Calibration::fitted(&ignored), Calibration::fitted(&clean));
    assert_eq!(Reliability::of(&ignored, TRUTH), Reliability::of(&clean, TRUTH));
}

#[test]
fn reliability_is_what_came_true_bin_by_bin() {
    // Sixteen of one probability and as many of another: two bins, not fifteen.
    let samples: Vec<Sample> =
        (0..32).map(|index| Sample::new(if index < 16 { 0.0 } else { 3_f32.ln() }, index % 4 == 0)).collect();
    let reliability = Reliability::of(&samples, Calibration::IDENTITY).unwrap();
    let found: Vec<_> = reliability.bins.iter().map(|bin| (bin.count, bin.observed_share, bin.weight_share)).collect();
    assert_eq!(found, [(16, 0.25, 0.5), (16, 0.25, 0.5)]);
    assert!((reliability.bins[1].predicted_mean - 0.75).abs() < 1e-6);
    assert!((reliability.expected_calibration_error() - 0.375).abs() < 1e-6);
    let brier = (0.25 + (0.25 * 0.0625 + 0.75 * 0.5625)) / 2.0;
    assert!((reliability.brier - brier).abs() < 1e-6);
    let log_loss = -(0.5_f64.ln() + (0.25 * 0.75_f64.ln() + 0.75 * 0.25_f64.ln())) / 2.0;
    assert!((reliability.log_loss - log_loss).abs() < 1e-6);
    assert_eq!(Reliability::of(&[], TRUTH), None);
}

#[test]
fn bins_have_about_the_same_weight() {
    for count in [1, 14, 15, 16, 1_000, 1_007] {
        let reliability = Reliability::of(&drawn(count, TRUTH, 8), TRUTH).unwrap();
        assert_eq!(reliability.bins.len(), count.min(15));
        assert_eq!(reliability.bins.iter().map(|bin| bin.count).sum::<u64>(), count as u64);
        let counts = reliability.bins.iter().map(|bin| bin.count as usize);
        assert!(counts.into_iter().all(|of_bin| of_bin.abs_diff(count / 15) <= 1), "{:?}", reliability.bins);
        assert!(reliability.bins.windows(2).all(|pair| pair[0].predicted_mean < pair[1].predicted_mean));
    }
}

#[test]
fn a_calibrated_score_is_nearer_to_the_truth_also_on_other_recordings() {
    let groups: Vec<Vec<Sample>> = (0..6).map(|seed| drawn(4_000, TRUTH, 20 + seed)).collect();
    let all = groups.concat();
    let raw = Reliability::of(&all, Calibration::IDENTITY).unwrap();
    let crossed = cross_fitted(&groups, 3).unwrap();
    assert!(raw.expected_calibration_error() > 0.1, "{}", raw.expected_calibration_error());
    assert!(crossed.expected_calibration_error() < 0.015, "{}", crossed.expected_calibration_error());
    assert!(crossed.brier < raw.brier && crossed.log_loss < raw.log_loss);
    assert_eq!(crossed.bins.iter().map(|bin| bin.count).sum::<u64>(), 24_000);
}

#[test]
fn a_recording_of_its_own_kind_shows_only_where_it_was_not_fitted_to() {
    let mut groups: Vec<Vec<Sample>> = (0..4).map(|seed| drawn(3_000, TRUTH, 30 + seed)).collect();
    groups.push(drawn(3_000, Calibration { slope: 0.5, offset: 2.0 }, 40));
    let all = groups.concat();
    let own = Reliability::of(&all, Calibration::fitted(&all).unwrap()).unwrap();
    let crossed = cross_fitted(&groups, usize::MAX).unwrap();
    assert!(crossed.log_loss > own.log_loss + 0.01, "{} {}", crossed.log_loss, own.log_loss);
    // By hand: each from a fit on the others.
    let mut sum = 0.0;
    for (index, group) in groups.iter().enumerate() {
        let others: Vec<Sample> = groups
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .flat_map(|(_, group)| group.clone())
            .collect();
        sum += Reliability::of(group, Calibration::fitted(&others).unwrap()).unwrap().log_loss;
    }
    assert!((crossed.log_loss - sum / 5.0).abs() < 1e-9);
}

#[test]
fn what_cannot_be_crossed_says_why() {
    let groups = vec![drawn(500, TRUTH, 50), vec![Sample::new(0.0, false), Sample::new(1.0, false)]];
    let source = Unfitted::NoPositives;
    assert_eq!(cross_fitted(&groups, 5), Err(CrossFitError::Unfitted { fold: 0, folds: 2, source }));
    assert_eq!(cross_fitted(&groups, 1), Err(CrossFitError::Folds(1)));
    assert_eq!(cross_fitted(&groups[..1], 5), Err(CrossFitError::Groups(1)));
    assert!(cross_fitted(&groups, 5).unwrap_err().to_string().contains("fold 0 of 2: expected samples at which"));
}
