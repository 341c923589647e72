//! Products of few and of many rows with weights that lie in panels of [`PANEL`] outputs.

use pulp::{Arch, Simd, WithSimd};

/// Outputs that are summed side by side.
pub const PANEL: usize = 16;

/// Rows that share one reading of a panel: with more of them, the sums no longer fit the registers.
const ROWS: usize = 4;

/// `y = x · Wᵀ + b`.
///
/// Every sum runs over the inputs in their order, however many rows there are: a row's result has the same bits alone
/// and among others.
#[derive(Debug)]
pub struct Panels {
    inputs: usize,
    outputs: usize,
    /// Panel after panel, each of inputs × [`PANEL`].
    weights: Vec<f32>,
    /// Panels × [`PANEL`].
    bias: Vec<f32>,
}

impl Panels {
    /// `rows` and `bias` hold the weights (`inputs` each) and the bias of every output.
    pub fn new<R: AsRef<[f32]>>(inputs: usize, rows: &[R], bias: &[f32]) -> Self {
        let mut weights = Vec::with_capacity(rows.len().next_multiple_of(PANEL) * inputs);
        for panel in rows.chunks(PANEL) {
            for input in 0..inputs {
                weights.extend((0..PANEL).map(|lane| panel.get(lane).map_or(0.0, |row| row.as_ref()[input])));
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(rows.len().next_multiple_of(PANEL), 0.0);
        Self { inputs, outputs: rows.len(), weights, bias }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// # Shapes
    /// x (n, in), y (n, out)
    pub fn multiply(&self, x: &[f32], y: &mut [f32]) {
        Arch::new().dispatch(Product { panels: self, x, y });
    }
}

struct Product<'a> {
    panels: &'a Panels,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Vectors of a panel, by the width of the machine's vectors.
        match S::F32_LANES {
            16 => self.run::<S, 1, 2, 4>(simd),
            8 => self.run::<S, 2, 4, 8>(simd),
            4 => self.run::<S, 4, 8, 16>(simd),
            _ => self.run::<S, 16, 32, 64>(simd),
        }
    }
}

impl Product<'_> {
    /// V, W and X are the vectors of one panel, two panels and four.
    #[inline(always)]
    fn run<S: Simd, const V: usize, const W: usize, const X: usize>(self, simd: S) {
        let Self { panels, x, y } = self;
        let (inputs, outputs) = (panels.inputs, panels.outputs);
        let (rows, count) = (x.len() / inputs, panels.bias.len() / PANEL);
        let many = rows / ROWS * ROWS;
        for panel in 0..count {
            for row in (0..many).step_by(ROWS) {
                let (x, y) = (&x[row * inputs..], &mut y[row * outputs..]);
                panels.block::<S, ROWS, 1, V>(simd, panel, x, y);
            }
        }
        let (x, y) = (&x[many * inputs..], &mut y[many * outputs..]);
        // Few rows need several panels at a time: one sum after the other would wait for itself.
        let mut panel = 0;
        match rows - many {
            1 => {
                while panel + 4 <= count {
                    panels.block::<S, 1, 4, X>(simd, panel, x, y);
                    panel += 4;
                }
                (panel..count).for_each(|panel| panels.block::<S, 1, 1, V>(simd, panel, x, y));
            }
            2 => {
                while panel + 2 <= count {
                    panels.block::<S, 2, 2, W>(simd, panel, x, y);
                    panel += 2;
                }
                (panel..count).for_each(|panel| panels.block::<S, 2, 1, V>(simd, panel, x, y));
            }
            3 => (0..count).for_each(|panel| panels.block::<S, 3, 1, V>(simd, panel, x, y)),
            _ => {}
        }
    }
}

impl Panels {
    /// R rows times P panels, whose sums are N vectors a row.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const P: usize, const N: usize>(
        &self,
        simd: S,
        panel: usize,
        x: &[f32],
        y: &mut [f32],
    ) {
        let inputs = self.inputs;
        let x: [&[f32]; R] = std::array::from_fn(|row| &x[row * inputs..][..inputs]);
        let vectors = N / P;
        let weights: [&[S::f32s]; P] = std::array::from_fn(|p| {
            let (weights, _) = S::as_simd_f32s(&self.weights[(panel + p) * inputs * PANEL..][..inputs * PANEL]);
            &weights[..inputs * vectors]
        });
        let mut sums = [[simd.splat_f32s(0.0); N]; R];
        for input in 0..inputs {
            let x: [S::f32s; R] = std::array::from_fn(|row| simd.splat_f32s(x[row][input]));
            for n in 0..N {
                let weight = weights[n / vectors][input * vectors + n % vectors];
                for row in 0..R {
                    sums[row][n] = simd.mul_add_f32s(x[row], weight, sums[row][n]);
                }
            }
        }
        let (bias, _) = S::as_simd_f32s(&self.bias[panel * PANEL..][..P * PANEL]);
        for row in 0..R {
            let y = &mut y[row * self.outputs + panel * PANEL..(row + 1) * self.outputs];
            for n in 0..N {
                let sum = simd.add_f32s(sums[row][n], bias[n]);
                // The last panel may be of fewer outputs.
                let first = (n * S::F32_LANES).min(y.len());
                let last = (first + S::F32_LANES).min(y.len());
                simd.partial_store_f32s(&mut y[first..last], sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums in double precision.
    fn expected(rows: &[Vec<f32>], bias: &[f32], x: &[f32]) -> Vec<f32> {
        let of_row = |x: &[f32]| {
            let sum = |row: &Vec<f32>| row.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
            rows.iter().zip(bias).map(|(row, bias)| (sum(row) + f64::from(*bias)) as f32).collect::<Vec<_>>()
        };
        x.chunks(rows[0].len()).flat_map(of_row).collect()
    }

    #[test]
    fn every_count_of_rows_and_outputs_agrees_with_sums_one_by_one_and_has_the_same_bits() {
        let number = |seed: usize| ((seed * 7919 + 13) % 1000) as f32 / 500.0 - 1.0;
        for (inputs, outputs) in [(5, 1), (8, 16), (24, 40), (33, 70), (96, 96)] {
            let weights: Vec<Vec<f32>> =
                (0..outputs).map(|row| (0..inputs).map(|i| number(row * 131 + i)).collect()).collect();
            let bias: Vec<f32> = (0..outputs).map(|row| number(row + 5)).collect();
            let panels = Panels::new(inputs, &weights, &bias);
            let x: Vec<f32> = (0..11 * inputs).map(|i| number(i * 3)).collect();
            let mut whole = vec![f32::NAN; 11 * outputs];
            panels.multiply(&x, &mut whole);
            let off = expected(&weights, &bias, &x).iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 1e-4, "{inputs} × {outputs}: off by {off}");
            for rows in 1..=11 {
                let mut some = vec![f32::NAN; rows * outputs];
                panels.multiply(&x[(11 - rows) * inputs..], &mut some);
                assert_eq!(some, whole[(11 - rows) * outputs..], "{rows} rows of {inputs} × {outputs}");
            }
        }
    }
}
