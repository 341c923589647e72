//! Every operation against a plain reference in candle's own operations, forward and backward. The references are
//! made of operations whose gradients are known to be right (matmul, exp, sums, broadcasting).

use candle_core::{D, Device, Result, Tensor, Var};

use super::{attention, convolution, linear::linear, pointwise};

const TOLERANCE: f32 = 2e-5;

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
    agree(&[&x], || pointwise::silu(&x), || x.div(&((x.neg()?.exp()? + 1.0)?)));
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
}

#[test]
fn layer_norm_of_a_constant_row_is_its_bias() {
    let (x, weight, bias) = (Tensor::full(1234.567_f32, (2, 16), &Device::Cpu), random(&[16], 3), random(&[16], 4));
    let y = pointwise::layer_norm(&x.unwrap(), &weight, &bias).unwrap();
    assert!(distance(&y.get(0).unwrap(), &bias) < 1e-3);
}

#[test]
fn few_rows_agree_with_many() {
    let (weight, bias) = (random(&[24, 40], 5).as_detached_tensor(), random(&[24], 6));
    let many = random(&[200, 40], 7);
    let expected = linear(&many, &weight, &bias).unwrap();
    for row in 0..200 {
        let one = linear(&many.narrow(0, row, 1).unwrap(), &weight, &bias).unwrap();
        assert!(distance(&one, &expected.narrow(0, row, 1).unwrap()) < TOLERANCE);
    }
}

#[test]
fn few_rows_have_gradients_where_weights_are_trained_and_refuse_them_elsewhere() {
    let (x, weight, bias) = (random(&[2, 40], 7), random(&[24, 40], 5), random(&[24], 6));
    let gradients = |weight: &Tensor| linear(&x, weight, &bias).unwrap().sum_all().unwrap().backward();
    assert!(gradients(&weight).unwrap().get(&weight).is_some());
    assert!(gradients(&weight.as_detached_tensor()).is_err(), "an error rather than a lost gradient");
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
}

#[test]
fn attention_to_an_empty_set_is_zero() {
    let (q, kv, bias) = (random(&[1, 1, 8], 12), random(&[1, 3, 16], 13), random(&[1, 1, 3], 14));
    let nobody = Tensor::zeros((1, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
    let y = attention::set(&q, &kv, &bias, &nobody).unwrap();
    assert_eq!(y.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.0; 8]);
    let gradients = y.sum_all().unwrap().backward().unwrap();
    let largest = gradients.get(&kv).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    assert_eq!(largest, 0.0);
}
