//! Functions over vectors that the compiler does not make of loops by itself. None of them may hold a closure: it would
//! be compiled for the narrowest instructions, as nothing says that it must be inlined.

use pulp::{Arch, Simd, WithSimd};

/// [`super::kernels::exp`] of every lane, by the same polynomial.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding it rounds to a whole number, which then stands in the lowest bits, with the exponent's bias.
    const ROUND: f32 = 12_582_912.0 + 127.0;
    let clamped = simd.min_f32s(simd.max_f32s(x, simd.splat_f32s(-87.3)), simd.splat_f32s(88.3));
    let rounded = simd.mul_add_f32s(clamped, simd.splat_f32s(std::f32::consts::LOG2_E), simd.splat_f32s(ROUND));
    let n = simd.sub_f32s(simd.splat_f32s(ROUND), rounded);
    let r = simd.mul_add_f32s(n, simd.splat_f32s(0.693_359_4), clamped);
    let r = simd.mul_add_f32s(n, simd.splat_f32s(-2.121_944_4e-4), r);
    let mut p = simd.splat_f32s(1.987_569_1e-4);
    for factor in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = simd.mul_add_f32s(p, r, simd.splat_f32s(factor));
    }
    let p = simd.mul_add_f32s(p, simd.mul_f32s(r, r), simd.add_f32s(r, simd.splat_f32s(1.0)));
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    let value = simd.mul_f32s(p, simd.transmute_f32s_u32s(bits));
    simd.select_f32s(simd.less_than_f32s(x, simd.splat_f32s(-87.3)), simd.splat_f32s(0.0), value)
}

/// Turns scores into probabilities in place, as [`super::kernels::softmax`]; their number is a multiple of the lanes.
#[inline(always)]
pub fn softmax<S: Simd>(simd: S, scores: &mut [f32]) {
    let (scores, rest) = S::as_mut_simd_f32s(scores);
    debug_assert!(rest.is_empty(), "whole vectors");
    let mut largest = simd.splat_f32s(f32::NEG_INFINITY);
    for score in scores.iter() {
        largest = simd.max_f32s(largest, *score);
    }
    let largest = simd.reduce_max_f32s(largest);
    if largest == f32::NEG_INFINITY {
        scores.fill(simd.splat_f32s(0.0));
        return;
    }
    let (largest, mut sum) = (simd.splat_f32s(largest), simd.splat_f32s(0.0));
    for score in scores.iter_mut() {
        *score = exp(simd, simd.sub_f32s(*score, largest));
        sum = simd.add_f32s(sum, *score);
    }
    let scale = simd.splat_f32s(1.0 / simd.reduce_sum_f32s(sum));
    for score in scores.iter_mut() {
        *score = simd.mul_f32s(*score, scale);
    }
}

#[inline(always)]
fn silu_of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let denominator = simd.add_f32s(simd.splat_f32s(1.0), exp(simd, simd.neg_f32s(x)));
    simd.div_f32s(x, denominator)
}

#[inline(always)]
fn sigmoid_of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let denominator = simd.add_f32s(simd.splat_f32s(1.0), exp(simd, simd.neg_f32s(x)));
    simd.div_f32s(simd.splat_f32s(1.0), denominator)
}

/// σ(x + shift) of every number, in place.
#[inline(always)]
pub fn sigmoid_all<S: Simd>(simd: S, values: &mut [f32], shift: f32) {
    let shift = simd.splat_f32s(shift);
    let (whole, rest) = S::as_mut_simd_f32s(values);
    for x in whole {
        *x = sigmoid_of(simd, simd.add_f32s(*x, shift));
    }
    if !rest.is_empty() {
        let last = sigmoid_of(simd, simd.add_f32s(simd.partial_load_f32s(rest), shift));
        simd.partial_store_f32s(rest, last);
    }
}

/// 2 · σ(2x) − 1
#[inline(always)]
fn tanh_of<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let two = simd.splat_f32s(2.0);
    simd.mul_add_f32s(two, sigmoid_of(simd, simd.mul_f32s(two, x)), simd.splat_f32s(-1.0))
}

/// tanh(x) of every number, in place.
#[inline(always)]
pub fn tanh_all<S: Simd>(simd: S, values: &mut [f32]) {
    let (whole, rest) = S::as_mut_simd_f32s(values);
    for x in whole {
        *x = tanh_of(simd, *x);
    }
    if !rest.is_empty() {
        let last = tanh_of(simd, simd.partial_load_f32s(rest));
        simd.partial_store_f32s(rest, last);
    }
}

/// x · σ(x) of every number, in place.
pub fn silu(values: &mut [f32]) {
    struct Silu<'a>(&'a mut [f32]);
    impl WithSimd for Silu<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (whole, rest) = S::as_mut_simd_f32s(self.0);
            for x in whole {
                *x = silu_of(simd, *x);
            }
            if !rest.is_empty() {
                let last = silu_of(simd, simd.partial_load_f32s(rest));
                simd.partial_store_f32s(rest, last);
            }
        }
    }
    Arch::new().dispatch(Silu(values));
}

#[cfg(test)]
mod tests {
    use super::super::kernels;
    use super::*;

    #[test]
    fn vectors_of_every_length_give_what_single_numbers_give() {
        for length in 0..40 {
            let x: Vec<f32> = (0..length).map(|i| (i as f32 - 20.0) * 4.7).collect();
            let mut found = x.clone();
            silu(&mut found);
            for (x, found) in x.iter().zip(found) {
                let expected = x * kernels::sigmoid(*x);
                assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1e-6), "{x}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn probabilities_are_those_of_single_numbers_also_where_nothing_is_admissible() {
        struct Softmax<'a>(&'a mut [f32]);
        impl WithSimd for Softmax<'_> {
            type Output = ();

            fn with_simd<S: Simd>(self, simd: S) {
                softmax(simd, self.0);
            }
        }
        let scores: Vec<f32> =
            (0..48).map(|i| if i % 5 == 3 { f32::NEG_INFINITY } else { (i * 7 % 11) as f32 }).collect();
        let (mut expected, mut found) = (scores.clone(), scores);
        kernels::softmax(&mut expected);
        Arch::new().dispatch(Softmax(&mut found));
        let off = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-6, "off by {off}");
        let mut nothing = [f32::NEG_INFINITY; 16];
        Arch::new().dispatch(Softmax(&mut nothing));
        assert_eq!(nothing, [0.0; 16]);
    }
}
