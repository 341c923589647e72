//! Every operation against a plain reference in candle's own operations, forward and backward. The references are
//! made of operations whose gradients are known to be right (matmul, exp, sums, broadcasting).

mod whole;

use std::cell::Cell;
use std::sync::Arc;

use candle_core::{D, Device, Result, Tensor, Var};

use super::ring::{Places, put, put_plain};
use super::{attention, convolution, linear, pointwise, recurrence, trained};

const TOLERANCE: f32 = 2e-5;

thread_local! {
    /// Operations of this thread are those of another device than the processor.
    pub(super) static IS_ELSEWHERE: Cell<bool> = const { Cell::new(false) };
}

fn random(shape: &[usize], seed: u64) -> Var {
    // A fixed, seeded sequence (SplitMix64): candle's own generator has no seed on the CPU.
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32 * 2.0 - 1.0
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
}

fn distance(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// Compares outputs, and the gradients of a random projection of them: with the reference's and with central
/// differences along a random direction.
fn agree(inputs: &[&Var], operation: impl Fn() -> Result<Tensor>, reference: impl Fn() -> Result<Tensor>) {
    let (y, expected) = (operation().unwrap(), reference().unwrap());
    assert!(distance(&y, &expected) < TOLERANCE, "forward: off by {}", distance(&y, &expected));
    let direction = random(y.dims(), 99);
    let gradients = |y: Tensor| (y * direction.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
    let (found, expected) = (gradients(y), gradients(expected));
    for (index, input) in inputs.iter().enumerate() {
        let found = found.get(input).unwrap_or_else(|| panic!("input {index} has no gradient"));
        let off = distance(found, expected.get(input).unwrap());
        assert!(off < 10.0 * TOLERANCE, "gradient of input {index}: off by {off}");
        let slope = slope_along(input, &operation, &direction);
        let way = random(input.dims(), 77);
        let expected = (found * way.as_tensor()).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
        let off = (slope - expected).abs();
        assert!(off < 0.02 * (1.0 + expected.abs()), "input {index}: difference quotient {slope}, gradient {expected}");
    }
}

/// (f(x + εd) − f(x − εd)) / 2ε of the projection of an operation's output.
fn slope_along(input: &Var, operation: impl Fn() -> Result<Tensor>, direction: &Var) -> f32 {
    const STEP: f64 = 1e-2;
    let (start, way) = (input.as_tensor().copy().unwrap(), random(input.dims(), 77));
    let at = |factor: f64| {
        input.set(&(&start + (way.as_tensor() * factor).unwrap()).unwrap()).unwrap();
        let projection = (operation().unwrap() * direction.as_tensor()).unwrap();
        projection.sum_all().unwrap().to_scalar::<f32>().unwrap()
    };
    let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP as f32);
    input.set(&start).unwrap();
    slope
}

fn softmax_reference(scores: &Tensor) -> Result<Tensor> {
    let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

/// (S, H, Q, c) queries, (S, H, L, c) keys and values, additive bias broadcastable to (S, H, Q, L)
fn attention_reference(q: &Tensor, k: &Tensor, v: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let width = q.dim(D::Minus1)? as f64;
    let scores = (q.matmul(&k.t()?.contiguous()?)? * (1.0 / width.sqrt()))?;
    softmax_reference(&scores.broadcast_add(bias)?)?.matmul(v)
}

fn heads_apart(x: &Tensor, heads: usize) -> Result<Tensor> {
    let (s, t, c) = x.dims3()?;
    x.reshape((s, t, heads, c / heads))?.transpose(1, 2)?.contiguous()
}

fn heads_together(x: &Tensor) -> Result<Tensor> {
    let (s, h, t, c) = x.dims4()?;
    x.transpose(1, 2)?.contiguous()?.reshape((s, t, h * c))
}

#[test]
fn silu_agrees_with_its_reference() {
    let x = random(&[3, 7, 8], 1);
    let reference = || x.div(&((x.neg()?.exp()? + 1.0)?));
    agree(&[&x], || pointwise::silu(&x), reference);
    agree(&[&x], || pointwise::silu_plain(&x), reference);
}

#[test]
fn layer_norm_agrees_with_its_reference() {
    let (x, weight, bias) = (random(&[5, 3, 16], 2), random(&[16], 3), random(&[16], 4));
    let reference = || {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        centred.broadcast_div(&(variance + 1e-5)?.sqrt()?)?.broadcast_mul(&weight)?.broadcast_add(&bias)
    };
    agree(&[&x, &weight, &bias], || pointwise::layer_norm(&x, &weight, &bias), reference);
    agree(&[&x, &weight, &bias], || pointwise::layer_norm_plain(&x, &weight, &bias), reference);
}

#[test]
fn a_trained_linear_layer_agrees_with_single_operations() {
    let (x, weight, bias) = (random(&[2, 7, 8], 5), random(&[11, 8], 6), random(&[11], 7));
    let product = || linear::linear(&x, &weight, &bias);
    agree(&[&x, &weight, &bias], || trained::linear(&x, &weight, &bias, false), product);
    let silu = || pointwise::silu_plain(&product()?);
    agree(&[&x, &weight, &bias], || trained::linear(&x, &weight, &bias, true), silu);
    let said = trained::linear(&random(&[2, 9], 5), &weight, &bias, false).unwrap_err().to_string();
    assert!(said.contains("expected rows of 8 inputs"), "{said}");
}

#[test]
fn the_end_of_a_residual_module_agrees_with_single_operations() {
    let (x, y) = (random(&[2, 5, 16], 8), random(&[2, 5, 16], 9));
    let (weight, bias) = (random(&[16], 10), random(&[16], 11));
    let kept: Vec<f32> = (0..160).map(|index| if index % 5 == 2 { 0.0 } else { 1.25 }).collect();
    let mask = Tensor::from_slice(&kept, (2, 5, 16), &Device::Cpu).unwrap();
    for (kept, mask) in [(None, None), (Some(kept), Some(mask))] {
        let reference = || {
            let y = mask.as_ref().map_or(Ok(y.as_tensor().clone()), |mask| y.as_tensor() * mask)?;
            pointwise::layer_norm_plain(&(x.as_tensor() + y)?, &weight, &bias)
        };
        let operation = || trained::residual_norm(&x, &y, &weight, &bias, kept.clone());
        agree(&[&x, &y, &weight, &bias], operation, reference);
    }
    assert!(trained::residual_norm(&x, &y, &weight, &bias, Some(vec![1.0; 3])).is_err());
}

#[test]
fn a_recurrent_sequence_agrees_with_single_operations() {
    // Twelve channels leave a part of a vector over.
    for (rows, ticks, channels) in [(3, 5, 8), (2, 4, 12), (1, 1, 24)] {
        let gates = random(&[rows, ticks, 4 * channels], 21);
        let (weight, begin) = (random(&[4 * channels, channels], 22), random(&[rows, 2 * channels], 23));
        agree(
            &[&gates, &weight, &begin],
            || recurrence::sequence(&gates, &weight, &begin),
            || recurrence::sequence_plain(&gates, &weight, &begin),
        );
    }
}

#[test]
fn a_recurrent_cell_agrees_with_its_plain_form_and_with_the_sequence() {
    let (gates, state) = (random(&[3, 48], 24), random(&[3, 24], 25));
    let found = recurrence::cell(&gates, &state).unwrap();
    assert!(distance(&found, &recurrence::cell_plain(&gates, &state).unwrap()) < TOLERANCE);
    let deaf = Tensor::zeros((48, 12), candle_core::DType::F32, &Device::Cpu).unwrap();
    let sequence = recurrence::sequence(&gates.unsqueeze(1).unwrap(), &deaf, &state).unwrap();
    assert_eq!(distance(&found, &sequence.squeeze(1).unwrap()), 0.0);
    let said = recurrence::cell(&gates, &random(&[2, 24], 1)).unwrap_err().to_string();
    assert!(said.contains("expected gates of (2, 48), got [3, 48]"), "{said}");
    let said = recurrence::sequence(&gates.unsqueeze(1).unwrap(), &deaf, &random(&[3, 23], 1)).unwrap_err().to_string();
    assert!(said.contains("expected gates of (n, T, 4·C)"), "{said}");
}

#[test]
fn layer_norm_of_a_constant_row_is_its_bias() {
    let (x, weight, bias) = (Tensor::full(1234.567_f32, (2, 16), &Device::Cpu), random(&[16], 3), random(&[16], 4));
    let x = x.unwrap();
    for y in [pointwise::layer_norm(&x, &weight, &bias), pointwise::layer_norm_plain(&x, &weight, &bias)] {
        assert!(distance(&y.unwrap().get(0).unwrap(), &bias) < 1e-3);
    }
}

#[test]
fn depthwise_agrees_with_its_reference() {
    let (x, weight) = (random(&[2, 9, 8], 8), random(&[4, 8], 9));
    let reference = || {
        let padded = x.pad_with_zeros(1, 3, 0)?;
        let mut sum = x.zeros_like()?;
        for tap in 0..4 {
            sum = (sum + padded.narrow(1, tap, 9)?.broadcast_mul(&weight.get(tap)?)?)?;
        }
        Ok(sum)
    };
    agree(&[&x, &weight], || convolution::depthwise(&x, &weight), reference);
    agree(&[&x, &weight], || convolution::depthwise_plain(&x, &weight), reference);
}

#[test]
fn window_attention_agrees_with_its_reference() {
    let (heads, window, ticks) = (2, 4, 11);
    let (qkv, bias) = (random(&[2, ticks, 48], 10), random(&[heads, window], 11));
    // Row t of the mask admits t − 3 ..= t; the bias is spread along the diagonals by a one-hot product.
    let mut spread = vec![0.0_f32; window * ticks * ticks];
    let mut mask = vec![f32::NEG_INFINITY; ticks * ticks];
    for tick in 0..ticks {
        for seen in (tick + 1).saturating_sub(window)..=tick {
            let entry = window - 1 - (tick - seen);
            spread[(entry * ticks + tick) * ticks + seen] = 1.0;
            mask[tick * ticks + seen] = 0.0;
        }
    }
    let spread = Tensor::from_vec(spread, (window, ticks * ticks), &Device::Cpu).unwrap();
    let mask = Tensor::from_vec(mask, (ticks, ticks), &Device::Cpu).unwrap();
    let reference = || {
        let part = |index: usize| heads_apart(&qkv.narrow(2, index * 16, 16)?.contiguous()?, heads);
        let bias = bias.matmul(&spread)?.reshape((1, heads, ticks, ticks))?.broadcast_add(&mask)?;
        heads_together(&attention_reference(&part(0)?, &part(1)?, &part(2)?, &bias)?)
    };
    agree(&[&qkv, &bias], || attention::window(&qkv, &bias), reference);
    agree(&[&qkv, &bias], || attention::window_plain(&qkv, &bias), reference);
}

#[test]
fn plain_window_attention_agrees_with_the_fused_one_where_the_window_is_as_long_as_the_sequence_and_longer() {
    for (ticks, window) in [(1, 1), (1, 4), (4, 4), (3, 7), (40, 5)] {
        let (qkv, bias) = (random(&[2, ticks, 48], 10), random(&[2, window], 11));
        let off = distance(&attention::window_plain(&qkv, &bias).unwrap(), &attention::window(&qkv, &bias).unwrap());
        assert!(off < TOLERANCE, "{ticks} ticks, a window of {window}: off by {off}");
    }
}

#[test]
fn set_attention_agrees_with_its_reference() {
    let (heads, queries, elements) = (2, 3, 5);
    let (q, kv, bias) =
        (random(&[4, queries, 16], 12), random(&[4, elements, 32], 13), random(&[heads, queries, elements], 14));
    let present: Vec<f32> = (0..4 * elements).map(|i| f32::from(i % elements < 1 + i / elements)).collect();
    let present = Tensor::from_vec(present, (4, elements), &Device::Cpu).unwrap();
    let reference = || {
        let (k, v) = (kv.narrow(2, 0, 16)?.contiguous()?, kv.narrow(2, 16, 16)?.contiguous()?);
        let mask = ((&present - 1.0)? * 1e9)?.reshape((4, 1, 1, elements))?;
        let bias = bias.unsqueeze(0)?.broadcast_add(&mask)?;
        let apart = |x: &Tensor| heads_apart(x, heads);
        heads_together(&attention_reference(&apart(&q)?, &apart(&k)?, &apart(&v)?, &bias)?)
    };
    agree(&[&q, &kv, &bias], || attention::set(&q, &kv, &bias, &present), reference);
    agree(&[&q, &kv, &bias], || attention::set_plain(&q, &kv, &bias, &present), reference);
}

#[test]
fn attention_to_an_empty_set_is_zero() {
    let (q, kv, bias) = (random(&[1, 1, 8], 12), random(&[1, 3, 16], 13), random(&[1, 1, 3], 14));
    let nobody = Tensor::zeros((1, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
    for y in [attention::set(&q, &kv, &bias, &nobody), attention::set_plain(&q, &kv, &bias, &nobody)] {
        let y = y.unwrap();
        assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.0; 8]);
        let gradients = y.sum_all().unwrap().backward().unwrap();
        for input in [&q, &kv, &bias] {
            let gradient = gradients.get(input).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(gradient.iter().all(|slope| *slope == 0.0), "{gradient:?}");
        }
    }
}

#[test]
fn plain_attention_to_sets_agrees_where_some_are_empty_and_scores_are_large() {
    let (heads, queries, elements) = (2, 3, 5);
    let large = |x: Var| (x.as_tensor() * 50.0).unwrap();
    let (q, kv) = (large(random(&[4, queries, 16], 12)), large(random(&[4, elements, 32], 13)));
    let bias = random(&[heads, queries, elements], 14);
    // None, the last one, all, all but the first.
    let present = [[0.0; 5], [0.0, 0.0, 0.0, 0.0, 1.0], [1.0; 5], [0.0, 1.0, 1.0, 1.0, 1.0_f32]];
    let present = Tensor::new(&present, &Device::Cpu).unwrap();
    let plain = attention::set_plain(&q, &kv, &bias, &present).unwrap();
    assert!(distance(&plain, &attention::set(&q, &kv, &bias, &present).unwrap()) < 50.0 * TOLERANCE);
    let empty = plain.get(0).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(empty, [0.0; 48]);
}

#[test]
fn a_plain_ring_holds_what_a_fused_one_holds() {
    let slab = || Tensor::full(f32::NAN, (3, 5 * 8), &Device::Cpu).unwrap();
    let (fused, plain) = (slab(), slab());
    for position in 0..7 {
        let rows = random(&[2, 8], 70 + position);
        put(&fused, &rows, &places(position), 5).unwrap();
        put_plain(&plain, &rows, &places(position), 5, 5).unwrap();
    }
    let slot = |slab: &Tensor, slot| slab.get(slot).unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(slot(&fused, 0), slot(&plain, 0));
    assert_eq!(slot(&fused, 2), slot(&plain, 2));
    assert!(slot(&plain, 1).iter().all(|number| number.is_nan()), "nobody sits in slot 1");
    let beyond = Places { slots: vec![3], positions: vec![0] };
    let said = put_plain(&plain, &random(&[1, 8], 1), &beyond, 5, 5).unwrap_err().to_string();
    assert!(said.contains("expected slots under 3, got 3"), "{said}");
}

/// Two slots of three, at positions of their own.
fn places(position: u64) -> Arc<Places> {
    Arc::new(Places { slots: vec![2, 0], positions: vec![position, position + 3] })
}

#[test]
fn a_step_reads_nothing_of_what_a_slot_held_before() {
    let (channels, window) = (16, 5);
    let weights = random(&[2, window], 4);
    let bias = Arc::new(attention::LagBias::new(&weights).unwrap());
    let slab = |value: f32| Tensor::full(value, (3, attention::slot_size(channels, window)), &Device::Cpu).unwrap();
    let (clean, used, single) = (slab(0.0), slab(f32::NAN), slab(f32::NAN));
    let before = |position: u64| Arc::new(Places { slots: vec![0], positions: vec![position] });
    for position in 0..12 {
        if position < 3 {
            // The second stream is three ticks ahead.
            let qkv = random(&[1, 1, 3 * channels], 60 + position);
            for slab in [&clean, &used] {
                attention::step(&qkv, slab, &bias, &before(position)).unwrap();
            }
            attention::step_plain(&qkv, &single, &weights, &before(position)).unwrap();
        }
    }
    for position in 0..12 {
        let qkv = random(&[2, 1, 3 * channels], 80 + position);
        let expected = attention::step(&qkv, &clean, &bias, &places(position)).unwrap();
        let found = attention::step(&qkv, &used, &bias, &places(position)).unwrap();
        assert_eq!(distance(&found, &expected), 0.0, "tick {position}");
        let plain = attention::step_plain(&qkv, &single, &weights, &places(position)).unwrap();
        assert!(distance(&plain, &expected) < TOLERANCE, "tick {position}: {}", distance(&plain, &expected));
    }
}

#[test]
fn a_convolution_reads_nothing_of_what_a_slot_held_before() {
    let weight = random(&[4, 8], 5).as_detached_tensor();
    let taps = Arc::new(convolution::Taps::new(&weight).unwrap());
    let slab = |value: f32| Tensor::full(value, (3, 32), &Device::Cpu).unwrap();
    let (clean, used) = (slab(0.0), slab(f32::NAN));
    for position in 0..9 {
        let x = random(&[1, 1, 8], 90 + position);
        let places = Arc::new(Places { slots: vec![1], positions: vec![position] });
        for slab in [&clean, &used] {
            put(slab, &x, &places, 4).unwrap();
        }
        let expected = convolution::step(&clean, &taps, &places, false).unwrap();
        assert_eq!(distance(&convolution::step(&used, &taps, &places, false).unwrap(), &expected), 0.0);
        let plain = convolution::step_plain(&used, &weight, &places).unwrap();
        assert!(distance(&plain, &expected) < TOLERANCE);
        let silu = convolution::step(&used, &taps, &places, true).unwrap();
        assert!(distance(&silu, &pointwise::silu(&plain).unwrap()) < TOLERANCE);
    }
}

#[test]
fn places_outside_of_a_slab_are_refused() {
    let slab = Tensor::zeros((2, 32), candle_core::DType::F32, &Device::Cpu).unwrap();
    let places = |slots: Vec<u32>| Arc::new(Places { positions: vec![0; slots.len()], slots });
    let said = put(&slab, &random(&[1, 8], 1), &places(vec![2]), 4).unwrap_err().to_string();
    assert!(said.contains("expected slots under 2, got 2"), "{said}");
    assert!(put(&slab, &random(&[2, 8], 1), &places(vec![1]), 4).is_err());
}
