//! The cell of a recurrent layer: one tick of it, and a sequence as one operation with a backward pass of its own.
//!
//! As single operations, a sequence is hundreds of small ones, and its backward pass adds each of their gradients onto
//! zeros: several times the time of the products themselves.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};
use candle_nn::ops::sigmoid;
use pulp::{Arch, Simd, WithSimd};

use super::kernels::{self, Kernel, add_scaled};
use super::linear::linear;
use super::panels::Panels;
use super::{runs_fused, simd, slice};

/// What is added to the forget gate, so that it is open at the beginning of a training and gradients reach far back
/// (Jozefowicz et al. 2015, section 2).
const FORGET_BIAS: f32 = 1.0;

/// One tick of Hochreiter & Schmidhuber's cell with a forget gate (Gers et al. 2000).
///
/// # Shapes
/// gates (n, 4 · C): what input, forget, candidate and output gate are given; state (n, 2 · C): output and cell → the
/// next state. It has no backward pass on the processor.
pub fn cell(gates: &Tensor, state: &Tensor) -> Result<Tensor> {
    if !runs_fused(gates) {
        return cell_plain(gates, state);
    }
    gates.contiguous()?.apply_op2_no_bwd(&state.contiguous()?, &Cell)
}

/// The same of single operations, which have gradients.
pub(super) fn cell_plain(gates: &Tensor, state: &Tensor) -> Result<Tensor> {
    let channels = state.dim(1)? / 2;
    let gate = |index: usize| gates.narrow(1, index * channels, channels)?.contiguous();
    let held = state.narrow(1, channels, channels)?;
    let kept = (sigmoid(&(gate(1)? + f64::from(FORGET_BIAS))?)? * held)?;
    let cell = (kept + (sigmoid(&gate(0)?)? * gate(2)?.tanh()?)?)?;
    Tensor::cat(&[(sigmoid(&gate(3)?)? * cell.tanh()?)?, cell], 1)
}

/// A whole sequence, of which every tick's gates are also given the weighted output of the tick before.
///
/// # Shapes
/// gates (n, T, 4 · C), weight (4 · C, C), begin (n, 2 · C) → (n, T, 2 · C): the state after every tick
pub fn sequence(gates: &Tensor, weight: &Tensor, begin: &Tensor) -> Result<Tensor> {
    if !runs_fused(gates) {
        return sequence_plain(gates, weight, begin);
    }
    gates.contiguous()?.apply_op3(&weight.contiguous()?, &begin.contiguous()?, Sequence { trace: OnceLock::new() })
}

/// The same of single operations, for other devices.
pub(super) fn sequence_plain(gates: &Tensor, weight: &Tensor, begin: &Tensor) -> Result<Tensor> {
    let (ticks, channels) = (gates.dim(1)?, weight.dim(1)?);
    let nothing = Tensor::zeros(weight.dim(0)?, weight.dtype(), weight.device())?;
    let (mut state, mut states) = (begin.clone(), Vec::with_capacity(ticks));
    for tick in 0..ticks {
        let output = state.narrow(1, 0, channels)?.contiguous()?;
        let given = (gates.narrow(1, tick, 1)?.squeeze(1)? + linear(&output, weight, &nothing)?)?;
        state = cell_plain(&given, &state)?;
        states.push(state.clone());
    }
    Tensor::stack(&states, 1)
}

struct Cell;

impl CustomOp2 for Cell {
    fn name(&self) -> &'static str {
        "recurrent-cell"
    }

    fn cpu_fwd(&self, gates: &CpuStorage, gl: &Layout, state: &CpuStorage, sl: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = sl.shape().dims2()?;
        if gl.dims() != [rows, 2 * width] {
            candle_core::bail!("{}: expected gates of ({rows}, {}), got {:?}", self.name(), 2 * width, gl.dims());
        }
        let (mut gates, state) = (slice(gates, gl, self.name())?.to_vec(), slice(state, sl, self.name())?);
        let channels = width / 2;
        let mut next = vec![0.0_f32; state.len()];
        Arch::new().dispatch(Open { gates: &mut gates, channels });
        let rows = gates.chunks_exact(4 * channels).zip(state.chunks_exact(width)).zip(next.chunks_exact_mut(width));
        for ((gates, state), next) in rows {
            let (output, cell) = next.split_at_mut(channels);
            Arch::new().dispatch(Advance { gates, held: &state[channels..], cell, output });
        }
        Ok((CpuStorage::F32(next), sl.shape().clone()))
    }
}

struct Sequence {
    trace: OnceLock<Trace>,
}

/// What a backward pass needs of the forward pass, tick after tick.
#[derive(Debug)]
struct Trace {
    /// Opened: T × (n, 4 · C).
    gates: Vec<f32>,
    /// (T + 1) × (n, C) each, those of the beginning first.
    outputs: Vec<f32>,
    cells: Vec<f32>,
}

/// Rows, ticks and channels of a sequence.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    ticks: usize,
    channels: usize,
}

impl Size {
    fn read(gates: &[usize], weight: &[usize], begin: &[usize], name: &str) -> Result<Self> {
        match (gates, weight, begin) {
            (&[rows, ticks, wide], &[outputs, channels], &[states, both])
                if wide == outputs && outputs == 4 * channels && states == rows && both == 2 * channels =>
            {
                Ok(Self { rows, ticks, channels })
            }
            _ => candle_core::bail!(
                "{name}: expected gates of (n, T, 4·C), a weight of (4·C, C) and a beginning of (n, 2·C), got {gates:?}, \
                 {weight:?} and {begin:?}"
            ),
        }
    }

    /// Numbers of all rows in a tick.
    fn tick(self) -> usize {
        self.rows * self.channels
    }
}

impl Trace {
    fn run(size: Size, gates: &[f32], weight: &Panels, begin: &[f32]) -> Self {
        let Size { rows, ticks, channels } = size;
        let tick_size = size.tick();
        let mut trace = Self {
            gates: vec![0.0; 4 * ticks * tick_size],
            outputs: Vec::with_capacity((ticks + 1) * tick_size),
            cells: Vec::with_capacity((ticks + 1) * tick_size),
        };
        for state in begin.chunks_exact(2 * channels) {
            let (output, cell) = state.split_at(channels);
            trace.outputs.extend_from_slice(output);
            trace.cells.extend_from_slice(cell);
        }
        trace.outputs.resize((ticks + 1) * tick_size, 0.0);
        trace.cells.resize((ticks + 1) * tick_size, 0.0);
        for tick in 0..ticks {
            let open = &mut trace.gates[4 * tick * tick_size..][..4 * tick_size];
            let (before, outputs) = trace.outputs[tick * tick_size..][..2 * tick_size].split_at_mut(tick_size);
            let (held, cells) = trace.cells[tick * tick_size..][..2 * tick_size].split_at_mut(tick_size);
            weight.multiply(before, open);
            for row in 0..rows {
                let given = &gates[(row * ticks + tick) * 4 * channels..][..4 * channels];
                kernels::run(Add { to: &mut open[row * 4 * channels..][..4 * channels], from: given });
            }
            Arch::new().dispatch(Open { gates: open, channels });
            for row in 0..rows {
                let part = row * channels..(row + 1) * channels;
                Arch::new().dispatch(Advance {
                    gates: &open[row * 4 * channels..][..4 * channels],
                    held: &held[part.clone()],
                    cell: &mut cells[part.clone()],
                    output: &mut outputs[part],
                });
            }
        }
        trace
    }

    /// (n, T, 2 · C)
    fn states(&self, size: Size) -> Vec<f32> {
        let Size { rows, ticks, channels } = size;
        let mut states = Vec::with_capacity(2 * ticks * size.tick());
        for row in 0..rows {
            for tick in 1..=ticks {
                let part = tick * size.tick() + row * channels..tick * size.tick() + (row + 1) * channels;
                states.extend_from_slice(&self.outputs[part.clone()]);
                states.extend_from_slice(&self.cells[part]);
            }
        }
        states
    }

    /// Of the gradients (n, T, 2 · C) of the states: those of the gates before they opened, T × (n, 4 · C), and of the
    /// beginning, (n, 2 · C). `turned` holds the transposed weight.
    fn back(&self, size: Size, gradients: &[f32], turned: &Panels) -> (Vec<f32>, Vec<f32>) {
        let Size { rows, ticks, channels } = size;
        let tick_size = size.tick();
        let mut of_gates = vec![0.0_f32; self.gates.len()];
        let (mut of_outputs, mut of_cells) = (vec![0.0_f32; tick_size], vec![0.0_f32; tick_size]);
        for tick in (0..ticks).rev() {
            let of_gates = &mut of_gates[4 * tick * tick_size..][..4 * tick_size];
            for row in 0..rows {
                let part = row * channels..(row + 1) * channels;
                let (of_output, of_cell) =
                    gradients[(row * ticks + tick) * 2 * channels..][..2 * channels].split_at(channels);
                kernels::run(Add { to: &mut of_outputs[part.clone()], from: of_output });
                kernels::run(Add { to: &mut of_cells[part.clone()], from: of_cell });
                Arch::new().dispatch(Return {
                    gates: &self.gates[(tick * rows + row) * 4 * channels..][..4 * channels],
                    held: &self.cells[tick * tick_size..][part.clone()],
                    cell: &self.cells[(tick + 1) * tick_size..][part.clone()],
                    of_output: &of_outputs[part.clone()],
                    of_cell: &mut of_cells[part],
                    of_gates: &mut of_gates[row * 4 * channels..][..4 * channels],
                });
            }
            turned.multiply(of_gates, &mut of_outputs);
        }
        let mut of_begin = Vec::with_capacity(2 * tick_size);
        for (output, cell) in of_outputs.chunks_exact(channels).zip(of_cells.chunks_exact(channels)) {
            of_begin.extend_from_slice(output);
            of_begin.extend_from_slice(cell);
        }
        (of_gates, of_begin)
    }
}

impl CustomOp3 for Sequence {
    fn name(&self) -> &'static str {
        "recurrent-sequence"
    }

    fn cpu_fwd(
        &self,
        gates: &CpuStorage,
        gl: &Layout,
        weight: &CpuStorage,
        wl: &Layout,
        begin: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let size = Size::read(gl.dims(), wl.dims(), bl.dims(), self.name())?;
        let weight: Vec<&[f32]> = slice(weight, wl, self.name())?.chunks_exact(size.channels).collect();
        let weight = Panels::new(size.channels, &weight, &vec![0.0; weight.len()]);
        let (gates, begin) = (slice(gates, gl, self.name())?, slice(begin, bl, self.name())?);
        let trace = Trace::run(size, gates, &weight, begin);
        let states = trace.states(size);
        // A forward pass is made once; what an earlier one left would be of other weights.
        let _ = self.trace.set(trace);
        Ok((CpuStorage::F32(states), Shape::from((size.rows, size.ticks, 2 * size.channels))))
    }

    fn bwd(
        &self,
        gates: &Tensor,
        weight: &Tensor,
        begin: &Tensor,
        _states: &Tensor,
        gradients: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let size = Size::read(gates.dims(), weight.dims(), begin.dims(), self.name())?;
        let Size { rows, ticks, channels } = size;
        let Some(trace) = self.trace.get() else { candle_core::bail!("{}: no forward pass", self.name()) };
        let turned: Vec<Vec<f32>> = weight.t()?.to_vec2()?;
        let turned = Panels::new(4 * channels, &turned, &vec![0.0; channels]);
        let gradients: Vec<f32> = gradients.flatten_all()?.to_vec1()?;
        let (of_gates, of_begin) = trace.back(size, &gradients, &turned);
        let device = gates.device();
        let of_gates = Tensor::from_vec(of_gates, (ticks * rows, 4 * channels), device)?;
        let heard = Tensor::from_slice(&trace.outputs[..ticks * size.tick()], (ticks * rows, channels), device)?;
        let of_weight = of_gates.t()?.matmul(&heard)?;
        let of_gates = of_gates.reshape((ticks, rows, 4 * channels))?.transpose(0, 1)?.contiguous()?;
        Ok((Some(of_gates), Some(of_weight), Some(Tensor::from_vec(of_begin, begin.shape(), device)?)))
    }
}

struct Add<'a> {
    to: &'a mut [f32],
    from: &'a [f32],
}

impl Kernel for Add<'_> {
    #[inline(always)]
    fn call(self) {
        add_scaled(self.to, 1.0, self.from);
    }
}

/// What the gates are given → how far they are open, in place; of the candidate its tanh.
struct Open<'a> {
    /// (n, 4 · C)
    gates: &'a mut [f32],
    channels: usize,
}

impl WithSimd for Open<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for row in self.gates.chunks_exact_mut(4 * self.channels) {
            let (input, rest) = row.split_at_mut(self.channels);
            let (forget, rest) = rest.split_at_mut(self.channels);
            let (candidate, leave) = rest.split_at_mut(self.channels);
            simd::sigmoid_all(simd, input, 0.0);
            simd::sigmoid_all(simd, forget, FORGET_BIAS);
            simd::tanh_all(simd, candidate);
            simd::sigmoid_all(simd, leave, 0.0);
        }
    }
}

/// One row's next cell and output.
struct Advance<'a> {
    /// Opened: (4 · C).
    gates: &'a [f32],
    held: &'a [f32],
    cell: &'a mut [f32],
    output: &'a mut [f32],
}

impl WithSimd for Advance<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gates, held, cell, output } = self;
        let [input, forget, candidate, leave] = apart(gates);
        for index in 0..held.len() {
            cell[index] = forget[index].mul_add(held[index], input[index] * candidate[index]);
        }
        output.copy_from_slice(cell);
        simd::tanh_all(simd, output);
        for (output, leave) in output.iter_mut().zip(leave) {
            *output *= leave;
        }
    }
}

#[inline(always)]
fn apart(gates: &[f32]) -> [&[f32]; 4] {
    let channels = gates.len() / 4;
    [0, 1, 2, 3].map(|gate| &gates[gate * channels..][..channels])
}

/// One row's tick of a backward pass.
struct Return<'a> {
    /// Opened: (4 · C).
    gates: &'a [f32],
    /// Before the tick, and after it.
    held: &'a [f32],
    cell: &'a [f32],
    of_output: &'a [f32],
    /// Of the cell after the tick → of that before it.
    of_cell: &'a mut [f32],
    /// Before they opened.
    of_gates: &'a mut [f32],
}

impl WithSimd for Return<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { gates, held, cell, of_output, of_cell, of_gates } = self;
        let channels = held.len();
        let [input, forget, candidate, leave] = apart(gates);
        let (of_input, rest) = of_gates.split_at_mut(channels);
        let (of_forget, rest) = rest.split_at_mut(channels);
        let (of_candidate, of_leave) = rest.split_at_mut(channels);
        of_leave.copy_from_slice(cell);
        simd::tanh_all(simd, of_leave);
        for index in 0..channels {
            let (i, f, g, o) = (input[index], forget[index], candidate[index], leave[index]);
            let (out, loud) = (of_output[index], of_leave[index]);
            let of_this = (out * o).mul_add(1.0 - loud * loud, of_cell[index]);
            of_leave[index] = out * loud * o * (1.0 - o);
            of_input[index] = of_this * g * i * (1.0 - i);
            of_candidate[index] = of_this * i * (1.0 - g * g);
            of_forget[index] = of_this * held[index] * f * (1.0 - f);
            of_cell[index] = of_this * f;
        }
    }
}
