//! What a count says about the rate behind it.

/// One-sided.
const CONFIDENCE: f64 = 0.95;

/// The mean at which a Poisson count would be no higher than `count` in 5% of all cases: half the 95% quantile of χ² with
/// 2 · (`count` + 1) degrees of freedom. The mean behind the count is below it with 95% confidence.
pub fn mean_upper(count: u64) -> f64 {
    let n = count as f64;
    // Generous for few, and for many as their distribution is nearly normal: the bound is about n + 1.64 √n + 1.6.
    let (mut low, mut high) = (n, n + 2.0 * n.sqrt() + 4.0);
    let ln_factorial = ln_factorial(count);
    // To the last bit, in the end: the interval halves.
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if share_up_to(count, middle, ln_factorial) > 1.0 - CONFIDENCE {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// How often a Poisson count of this mean, at least `count`, is no higher than `count`.
fn share_up_to(count: u64, mean: f64, ln_factorial: f64) -> f64 {
    let n = count as f64;
    // Of `count` itself; those below it follow from it, each smaller than the one above.
    let top = (n * mean.ln() - mean - ln_factorial).exp();
    let (mut sum, mut term, mut left) = (0.0, 1.0, n);
    // What is smaller than this no longer changes the sum.
    while term > f64::EPSILON * sum {
        sum += term;
        term *= left / mean;
        left -= 1.0;
    }
    top * sum
}

/// ln n!, by Stirling's series where its error is below rounding.
fn ln_factorial(count: u64) -> f64 {
    if count < 32 {
        return (2..=count).map(|factor| (factor as f64).ln()).sum();
    }
    let n = count as f64;
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half the 95% quantiles of χ² with 2, 4, 6, 12 and 22 degrees of freedom, as tables give them.
    #[test]
    fn bounds_are_those_of_the_chi_square_distribution() {
        let expected = [(0, 2.996), (1, 4.744), (2, 6.296), (5, 10.513), (10, 16.962)];
        for (count, bound) in expected {
            let got = mean_upper(count);
            assert!((got - bound).abs() < 5e-4, "{count}: {got}, expected {bound}");
        }
    }

    /// Wilson and Hilferty's cube, which is good for large counts.
    #[test]
    fn many_are_nearly_normal() {
        for count in [31, 32, 100, 10_000, 1_000_000, 100_000_000] {
            let degrees = 2.0 * (count as f64 + 1.0);
            let spread = 2.0 / (9.0 * degrees);
            let expected = degrees / 2.0 * (1.0 - spread + 1.644_853_627 * spread.sqrt()).powi(3);
            let got = mean_upper(count);
            assert!((got / expected - 1.0).abs() < 1e-4, "{count}: {got}, expected {expected}");
        }
    }
}
