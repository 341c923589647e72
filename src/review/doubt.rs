//! How doubtful a score is.

/// Logits beyond this are not told apart.
const LOGIT_MAX: f32 = 8.0;

/// A threshold that scores can reach, or the middle where a rule never fires.
pub fn threshold_of(on: f32) -> f32 {
    if on > 0.0 && on < 1.0 { on } else { 0.5 }
}

/// A score within [0, 1] on the scale on which its threshold, strictly within, lies at one half.
pub fn centred(score: f32, threshold: f32) -> f32 {
    let (yes, no) = (score * (1.0 - threshold), (1.0 - score) * threshold);
    yes / (yes + no)
}

/// 1 where a centred score is one half, 0 where it is 0 or 1.
pub fn doubt(centred: f32) -> f32 {
    (4.0 * centred * (1.0 - centred)).clamp(0.0, 1.0)
}

/// A score that says something: finite and above 0, which stands for *nobody was there*; held to 1.
pub fn spoken(score: f32) -> Option<f32> {
    (score.is_finite() && score > 0.0).then(|| score.min(1.0))
}

/// A score in a byte, even in its logit.
pub fn to_byte(score: f32) -> u8 {
    let logit = (score / (1.0 - score)).ln().clamp(-LOGIT_MAX, LOGIT_MAX);
    ((logit / LOGIT_MAX + 1.0) * 127.5).round() as u8
}

/// What is left of a score; off by at most a thirtieth of its odds.
pub fn from_byte(byte: u8) -> f32 {
    let logit = (f32::from(byte) / 127.5 - 1.0) * LOGIT_MAX;
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_at_its_threshold_is_most_doubtful() {
        for threshold in [0.01, 0.5, 0.93] {
            assert!((doubt(centred(threshold, threshold)) - 1.0).abs() < 1e-5);
            assert_eq!((doubt(centred(0.0, threshold)), doubt(centred(1.0, threshold))), (0.0, 0.0));
            let logits = |score: f32| (score / (1.0 - score)).ln();
            let expected = logits(0.3) - logits(threshold);
            assert!((logits(centred(0.3, threshold)) - expected).abs() < 1e-4);
        }
        assert_eq!([1.5, 0.0, f32::NAN, 0.2].map(threshold_of), [0.5, 0.5, 0.5, 0.2]);
        assert_eq!([f32::NAN, -0.1, 0.0, 0.3, 7.0].map(spoken), [None, None, None, Some(0.3), Some(1.0)]);
    }

    #[test]
    fn a_byte_keeps_the_odds_of_a_score() {
        for score in [0.0004_f32, 0.01, 0.3, 0.5, 0.97, 0.9995] {
            let odds = |score: f32| score / (1.0 - score);
            let ratio = odds(from_byte(to_byte(score))) / odds(score);
            assert!((ratio - 1.0).abs() < 1.0 / 30.0, "{score}: {ratio}");
        }
        assert!(from_byte(to_byte(f32::MIN_POSITIVE)) < 0.0004 && from_byte(to_byte(1.0)) > 0.9996);
    }
}
