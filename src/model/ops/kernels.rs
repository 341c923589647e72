//! Loops over plain slices, compiled for the widest vector instructions of the machine at hand.
//!
//! Everything here is safe Rust that the compiler vectorises: sums run in [`LANES`] independent lanes, so that no
//! strict order of additions stands in the way.

/// Channels of a head, and rows of every layer, are multiples of this.
pub const LANES: usize = 8;

/// A loop nest that [`run`] compiles once for every instruction set.
pub trait Kernel {
    fn call(self);
}

struct Dispatched<K>(K);

impl<K: Kernel> pulp::NullaryFnOnce for Dispatched<K> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.0.call();
    }
}

/// Runs a kernel with the widest instructions that the processor offers. `Kernel::call` must be `#[inline(always)]`,
/// as must what it calls, or it stays compiled for the narrowest.
pub fn run<K: Kernel>(kernel: K) {
    pulp::Arch::new().dispatch(Dispatched(kernel));
}

#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut rest = 0.0;
    for (x, y) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
        rest += x * y;
    }
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] = x[lane].mul_add(y[lane], lanes[lane]);
        }
    }
    rest + lanes.iter().sum::<f32>()
}

/// `to += factor · from`
#[inline(always)]
pub fn add_scaled(to: &mut [f32], factor: f32, from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = factor.mul_add(*from, *to);
    }
}

/// e^x with a relative error under 3e-7, for x within about ±87; smaller x give 0. (Range reduction by ln 2 and the
/// degree-6 polynomial of the Cephes library, <https://www.netlib.org/cephes/>.)
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding it rounds to a whole number, which then stands in the lowest bits: a conversion to an integer would not be
    // vectorised, as it has to saturate.
    const ROUND: f32 = 12_582_912.0;
    const LOWEST: f32 = -87.3;
    const HIGHEST: f32 = 88.3;
    let above = if x < LOWEST { LOWEST } else { x };
    let clamped = if above > HIGHEST { HIGHEST } else { above };
    let rounded = clamped.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = (-n).mul_add(0.693_359_4, clamped);
    let r = (-n).mul_add(-2.121_944_4e-4, r);
    let mut p = 1.987_569_1e-4_f32;
    p = p.mul_add(r, 1.398_199_9e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_5e-1);
    p = p.mul_add(r, 0.5);
    let p = p.mul_add(r * r, r + 1.0);
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    if x < LOWEST { 0.0 } else { p * power }
}

#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// [`sigmoid`] of every number, in place.
pub fn sigmoid_all(values: &mut [f32]) {
    struct All<'a>(&'a mut [f32]);
    impl Kernel for All<'_> {
        #[inline(always)]
        fn call(self) {
            for value in self.0 {
                *value = sigmoid(*value);
            }
        }
    }
    run(All(values));
}

/// The largest number; −∞ of none.
#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter().copied().fold(f32::NEG_INFINITY, larger);
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = larger(chunk[lane], lanes[lane]);
        }
    }
    lanes.into_iter().fold(rest, larger)
}

/// Turns scores into probabilities in place; scores of −∞ get none. All −∞ gives all zeros.
#[inline(always)]
pub fn softmax(scores: &mut [f32]) {
    let max = largest(scores);
    if max == f32::NEG_INFINITY {
        scores.fill(0.0);
        return;
    }
    let mut lanes = [0.0_f32; LANES];
    let mut chunks = scores.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - max);
            lanes[lane] += chunk[lane];
        }
    }
    let mut rest = 0.0;
    for score in chunks.into_remainder() {
        *score = exp(*score - max);
        rest += *score;
    }
    let scale = 1.0 / (rest + lanes.iter().sum::<f32>());
    for score in scores.iter_mut() {
        *score *= scale;
    }
}

/// Rows of keys and values side by side: row r holds its key at `rows[r * stride..]` and its value C further on.
#[derive(Clone, Copy)]
pub struct KeysValues<'a> {
    pub rows: &'a [f32],
    pub stride: usize,
    pub count: usize,
}

impl<'a> KeysValues<'a> {
    #[inline(always)]
    pub fn key(&self, row: usize, channels: usize) -> &'a [f32] {
        &self.rows[row * self.stride..][..channels]
    }

    #[inline(always)]
    pub fn value(&self, row: usize, channels: usize) -> &'a [f32] {
        &self.rows[row * self.stride + channels..][..channels]
    }
}

/// Attention of one query over the rows of two segments, one after the other (a ring buffer has two).
///
/// `bias` holds H rows of `bias_stride`, the first entry of each belonging to the first row. `probabilities` (H ×
/// `stride`, at least as many as rows) is left filled for a backward pass. Without any admissible row the output is
/// zero. Few rows are quickest with a stride of a multiple of [`LANES`].
#[inline(always)]
pub fn attend(
    query: &[f32],
    segments: [KeysValues<'_>; 2],
    heads: usize,
    (bias, bias_stride): (&[f32], usize),
    (probabilities, stride): (&mut [f32], usize),
    out: &mut [f32],
) {
    let channels = query.len();
    let width = channels / heads;
    let scale = 1.0 / (width as f32).sqrt();
    let mut row = 0;
    for segment in segments {
        for index in 0..segment.count {
            let key = segment.key(index, channels);
            for head in 0..heads {
                let part = head * width..(head + 1) * width;
                probabilities[head * stride + row] =
                    dot(&query[part.clone()], &key[part]).mul_add(scale, bias[head * bias_stride + row]);
            }
            row += 1;
        }
    }
    for probabilities in probabilities[..heads * stride].chunks_exact_mut(stride) {
        probabilities[row..].fill(f32::NEG_INFINITY);
        softmax(probabilities);
    }
    out.fill(0.0);
    row = 0;
    for segment in segments {
        for index in 0..segment.count {
            let value = segment.value(index, channels);
            for head in 0..heads {
                let part = head * width..(head + 1) * width;
                add_scaled(&mut out[part.clone()], probabilities[head * stride + row], &value[part]);
            }
            row += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_single_precision() {
        for step in -8700..=8800 {
            let x = step as f32 / 100.0;
            let expected = f64::from(x).exp();
            let relative = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(relative < 3e-7 || x < -87.2, "exp({x}): off by {relative:e}");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn softmax_without_any_admissible_entry_is_zero() {
        let mut scores = [f32::NEG_INFINITY; 11];
        softmax(&mut scores);
        assert_eq!(scores, [0.0; 11]);
    }
}
