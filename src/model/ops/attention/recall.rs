//! What one stream hears of its past: the arithmetic of a step of window attention.

use pulp::{Arch, Simd, WithSimd};

use super::super::kernels::add_scaled;
use super::super::simd::softmax;

/// Ticks of room are multiples of this, so that whole vectors fit.
pub const ROOM: usize = 16;

/// One query over the ticks that a ring holds. `stride` ticks of room lie behind each channel of the keys.
pub struct Recall<'a> {
    /// C
    pub query: &'a [f32],
    /// C × stride
    pub keys: &'a [f32],
    /// stride × C
    pub values: &'a [f32],
    /// H × window, oldest lag first.
    pub bias: &'a [f32],
    pub heads: usize,
    pub window: usize,
    pub stride: usize,
    /// Where the newest tick lies in the ring.
    pub newest: usize,
    /// Ticks that were ever written: the first so many of the ring.
    pub known: usize,
    /// C, scratch.
    pub scaled: &'a mut [f32],
    /// stride, scratch.
    pub scores: &'a mut [f32],
    /// C
    pub out: &'a mut [f32],
}

impl Recall<'_> {
    pub fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl WithSimd for Recall<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { query, keys, values, bias, heads, window, stride, newest, known, scaled, scores, out } = self;
        let width = query.len() / heads;
        let scale = 1.0 / (width as f32).sqrt();
        for (scaled, query) in scaled.iter_mut().zip(query) {
            *scaled = query * scale;
        }
        for head in 0..heads {
            let part = head * width..(head + 1) * width;
            products(simd, &scaled[part.clone()], &keys[part.start * stride..part.end * stride], known, scores);
            let bias = &bias[head * window..][..window];
            // The ring in the order of time: what lies behind the newest is the older.
            add_scaled(&mut scores[..=newest], 1.0, &bias[window - 1 - newest..]);
            add_scaled(&mut scores[newest + 1..known], 1.0, bias);
            let whole = known.next_multiple_of(S::F32_LANES);
            scores[known..whole].fill(f32::NEG_INFINITY);
            softmax(simd, &mut scores[..whole]);
            weighted_sum(simd, &scores[..known], &values[part.start..], query.len(), &mut out[part]);
        }
    }
}

/// `scores[t] = Σ query[c] · keys[c, t]` for at least the first `known` ticks.
#[inline(always)]
pub fn products<S: Simd>(simd: S, query: &[f32], keys: &[f32], known: usize, scores: &mut [f32]) {
    let lanes = S::F32_LANES;
    let mut first = 0;
    while first + 4 * lanes <= known.next_multiple_of(lanes) {
        product_block::<S, 4>(simd, query, keys, first, scores);
        first += 4 * lanes;
    }
    while first < known {
        product_block::<S, 1>(simd, query, keys, first, scores);
        first += lanes;
    }
}

#[inline(always)]
fn product_block<S: Simd, const N: usize>(simd: S, query: &[f32], keys: &[f32], first: usize, scores: &mut [f32]) {
    let (stride, length) = (keys.len() / query.len(), N * S::F32_LANES);
    let mut sums = [simd.splat_f32s(0.0); N];
    for (q, keys) in query.iter().zip(keys.chunks_exact(stride)) {
        let (keys, _) = S::as_simd_f32s(&keys[first..first + length]);
        let keys = &keys[..N];
        let q = simd.splat_f32s(*q);
        for n in 0..N {
            sums[n] = simd.mul_add_f32s(q, keys[n], sums[n]);
        }
    }
    let (scores, _) = S::as_mut_simd_f32s(&mut scores[first..first + length]);
    scores.copy_from_slice(&sums);
}

/// `out[c] = Σ weights[t] · values[t, c]`, each row of values `stride` after the one before.
#[inline(always)]
pub fn weighted_sum<S: Simd>(simd: S, weights: &[f32], values: &[f32], stride: usize, out: &mut [f32]) {
    let (out, rest) = S::as_mut_simd_f32s(out);
    let whole = out.len() * S::F32_LANES;
    for (channel, rest) in rest.iter_mut().enumerate() {
        *rest = weights.iter().enumerate().map(|(tick, weight)| weight * values[tick * stride + whole + channel]).sum();
    }
    let mut first = 0;
    while first + 3 <= out.len() {
        sum_block::<S, 3>(simd, weights, &values[first * S::F32_LANES..], stride, &mut out[first..]);
        first += 3;
    }
    while first < out.len() {
        sum_block::<S, 1>(simd, weights, &values[first * S::F32_LANES..], stride, &mut out[first..]);
        first += 1;
    }
}

#[inline(always)]
fn sum_block<S: Simd, const N: usize>(simd: S, weights: &[f32], values: &[f32], stride: usize, out: &mut [S::f32s]) {
    /// Sums at a time, of every so many ticks, as one alone would wait for itself.
    const CHAINS: usize = 4;
    let mut sums = [[simd.splat_f32s(0.0); N]; CHAINS];
    let row = |tick: usize| {
        let (row, _) = S::as_simd_f32s(&values[tick * stride..][..N * S::F32_LANES]);
        &row[..N]
    };
    let whole = weights.len() / CHAINS * CHAINS;
    for tick in (0..whole).step_by(CHAINS) {
        for chain in 0..CHAINS {
            let (row, weight) = (row(tick + chain), simd.splat_f32s(weights[tick + chain]));
            for n in 0..N {
                sums[chain][n] = simd.mul_add_f32s(weight, row[n], sums[chain][n]);
            }
        }
    }
    for (tick, weight) in weights.iter().enumerate().skip(whole) {
        let (row, weight) = (row(tick), simd.splat_f32s(*weight));
        for n in 0..N {
            sums[0][n] = simd.mul_add_f32s(weight, row[n], sums[0][n]);
        }
    }
    for n in 0..N {
        let (even, odd) = (simd.add_f32s(sums[0][n], sums[2][n]), simd.add_f32s(sums[1][n], sums[3][n]));
        out[n] = simd.add_f32s(even, odd);
    }
}
