//! Attention over a window of the past, tick by tick.
//!
//! Each slot of the cache holds C × W keys, channel by channel, then W × C values, tick by tick: a score sums over
//! channels for many ticks side by side, a verdict over ticks for many channels. (Single operations lay it out in their
//! own way, see [`plain`].)

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, InplaceOp2, Layout, Result, Shape, Tensor};

use super::super::ring::{Places, put_plain};
use super::super::{slice, slice_mut};
use super::recall::{ROOM, Recall};
use super::{of_heads, softmax};

/// Numbers that a slot needs for a window of so many ticks.
pub fn slot_size(channels: usize, window: usize) -> usize {
    2 * channels * stride(window)
}

/// Ticks of room for a window, so that whole vectors fit.
fn stride(window: usize) -> usize {
    window.next_multiple_of(ROOM)
}

/// The bias of every head and lag, (H, W), oldest lag first, as a step reads it.
#[derive(Clone, Debug)]
pub struct LagBias {
    heads: usize,
    window: usize,
    values: Vec<f32>,
}

impl LagBias {
    pub fn new(bias: &Tensor) -> Result<Self> {
        let (heads, window) = bias.dims2()?;
        Ok(Self { heads, window, values: bias.flatten_all()?.to_vec1()? })
    }
}

/// Writes the newest keys and values into the cache and gives the newest output of [`super::window`].
///
/// # Shapes
/// qkv (S, 1, 3C), cache (slots, [`slot_size`]) → (S, 1, C)
pub fn step(qkv: &Tensor, cache: &Tensor, bias: &Arc<LagBias>, places: &Arc<Places>) -> Result<Tensor> {
    let qkv = qkv.contiguous()?;
    cache.inplace_op2(&qkv, &Put { places, window: bias.window })?;
    qkv.apply_op2(cache, Attend { bias: Arc::clone(bias), places: Arc::clone(places) })
}

/// The same of single operations: for weights that are trained, and for other devices. In its slots the keys and the
/// values of a tick lie side by side, tick after tick.
///
/// # Shapes
/// As [`step`], with a bias of (H, W), oldest lag first.
pub fn plain(qkv: &Tensor, cache: &Tensor, bias: &Tensor, places: &Places) -> Result<Tensor> {
    let ((count, _, packed), (heads, window)) = (qkv.dims3()?, bias.dims2()?);
    let (channels, stride) = (packed / 3, stride(window));
    put_plain(cache, &qkv.narrow(2, channels, 2 * channels)?.reshape((count, 2 * channels))?, places, window, stride)?;
    let (mut lags, mut known, mut mask) = (Vec::new(), Vec::new(), Vec::new());
    for (_, position) in places.iter() {
        let newest = (position % window as u64) as usize;
        for at in 0..window {
            let lag = (newest + window - at) % window;
            let is_known = lag as u64 <= position;
            lags.push((window - 1 - lag) as u32);
            known.push(u8::from(is_known));
            mask.push(if is_known { 0.0 } else { f32::NEG_INFINITY });
        }
    }
    let (device, shape) = (cache.device(), (count, window, 2 * channels));
    let slots = Tensor::from_slice(&places.slots, count, device)?;
    let rings = cache.index_select(&slots, 0)?.reshape((count, stride, 2 * channels))?.narrow(1, 0, window)?;
    // What was never written may be anything, and no number times nothing is nothing.
    let known = Tensor::from_vec(known, (count, window, 1), device)?.broadcast_as(shape)?;
    let rings = known.where_cond(&rings, &rings.zeros_like()?)?;
    let (keys, values) = (of_heads(&rings, 0, channels, heads)?, of_heads(&rings, 1, channels, heads)?);

    let bias = bias.index_select(&Tensor::from_vec(lags, count * window, device)?, 1)?;
    let bias = bias.reshape((heads, count, 1, window))?.transpose(0, 1)?;
    let scale = 1.0 / ((channels / heads) as f64).sqrt();
    let scores = ((of_heads(qkv, 0, channels, heads)?.matmul(&keys.t()?)? * scale)? + bias)?;
    let scores = scores.broadcast_add(&Tensor::from_vec(mask, (count, 1, 1, window), device)?)?;
    softmax(&scores)?.matmul(&values)?.reshape((count, 1, channels))
}

struct Put<'a> {
    places: &'a Places,
    window: usize,
}

impl InplaceOp2 for Put<'_> {
    fn name(&self) -> &'static str {
        "window-attention-put"
    }

    fn cpu_fwd(&self, cache: &mut CpuStorage, cl: &Layout, qkv: &CpuStorage, ql: &Layout) -> Result<()> {
        let ((capacity, size), (count, _, packed)) = (cl.shape().dims2()?, ql.shape().dims3()?);
        let (channels, stride) = (packed / 3, stride(self.window));
        self.places.check(count, capacity, self.name())?;
        let qkv = slice(qkv, ql, self.name())?;
        let cache = slice_mut(cache, cl, self.name())?;
        for ((slot, position), qkv) in self.places.iter().zip(qkv.chunks_exact(packed)) {
            let (keys, values) = cache[slot * size..][..size].split_at_mut(channels * stride);
            let at = (position % self.window as u64) as usize;
            for (keys, key) in keys.chunks_exact_mut(stride).zip(&qkv[channels..]) {
                keys[at] = *key;
            }
            values[at * channels..][..channels].copy_from_slice(&qkv[2 * channels..]);
        }
        Ok(())
    }
}

struct Attend {
    bias: Arc<LagBias>,
    places: Arc<Places>,
}

impl CustomOp2 for Attend {
    fn name(&self) -> &'static str {
        "window-attention-step"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, ql: &Layout, cache: &CpuStorage, cl: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((capacity, size), (count, ticks, packed)) = (cl.shape().dims2()?, ql.shape().dims3()?);
        self.places.check(count * ticks, capacity, self.name())?;
        let channels = packed / 3;
        let mut out = vec![0.0_f32; count * channels];
        let (qkv, cache) = (slice(qkv, ql, self.name())?, slice(cache, cl, self.name())?);
        let LagBias { heads, window, values: bias } = &*self.bias;
        let stride = stride(*window);
        let (mut scaled, mut scores) = (vec![0.0_f32; channels], vec![0.0_f32; stride]);
        let rows = qkv.chunks_exact(packed).zip(out.chunks_exact_mut(channels));
        for ((slot, position), (qkv, out)) in self.places.iter().zip(rows) {
            let (keys, values) = cache[slot * size..][..size].split_at(channels * stride);
            let recall = Recall {
                query: &qkv[..channels],
                keys,
                values,
                bias,
                heads: *heads,
                window: *window,
                stride,
                newest: (position % *window as u64) as usize,
                known: usize::try_from(position).unwrap_or(usize::MAX).saturating_add(1).min(*window),
                scaled: &mut scaled,
                scores: &mut scores,
                out,
            };
            recall.run();
        }
        Ok((CpuStorage::F32(out), Shape::from((count, ticks, channels))))
    }
}
