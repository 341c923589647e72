//! Inputs of mean 0 and deviation 1.
//!
//! Channels differ in size by what they measure, and a weight learns at the pace of its input. So training sees
//! standardised channels; mean and deviation are then put into the weights that read them, and a model needs neither.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};

use super::crops;
use crate::corpus::session::Session;
use crate::model::blueprint::Blueprint;
use crate::model::inputs::{Inputs, InputsBuilder, Statistics};
use crate::model::variables::Variables;

/// Ticks of a stretch that is measured, and how many of a session, evenly spread.
const STRETCH_TICKS: usize = 512;
const STRETCHES: usize = 6;

/// What varies less is not blown up: it may be a constant of the training recordings only.
const DEVIATION_MIN: f32 = 0.05;

/// Mean and deviation of the channels of each layer that reads them.
#[derive(Clone, Debug)]
pub struct Standard {
    selves: Option<Channels>,
    pairs: Option<Channels>,
    statistics: Option<[Channels; 2]>,
}

#[derive(Clone, Debug)]
struct Channels {
    /// Of the layer that reads them.
    layer: &'static str,
    mean: Tensor,
    deviation: Tensor,
}

/// Which way weights go.
#[derive(Clone, Copy)]
enum Way {
    ToRaw,
    ToStandard,
}

impl Standard {
    /// Over stretches of all sessions. Coordinates are in body lengths and need no standard.
    ///
    /// # Errors
    /// Sessions that cannot be read.
    pub fn measure(sessions: &[Session], blueprint: &Blueprint) -> anyhow::Result<Self> {
        if blueprint.hhstf().is_none() {
            return Ok(Self { selves: None, pairs: None, statistics: None });
        }
        let has_statistics = blueprint.has_statistics();
        let names = ["graph.selves", "graph.pairs", "graph.self_statistics", "graph.pair_statistics"];
        let mut sums: [Sums; 4] = std::array::from_fn(|_| Sums::default());
        for session in sessions {
            let ticks = STRETCH_TICKS.min(session.ticks);
            for stretch in 0..STRETCHES {
                let first = (session.ticks - ticks) * stretch / STRETCHES;
                let mut builder = InputsBuilder::new(session.individuals, session.skeleton.keypoints().len());
                crops::inputs(session, first, ticks, has_statistics, &mut builder)?;
                let Inputs { selves, pairs, statistics, .. } = builder.finish(1, ticks, &Device::Cpu)?;
                sums[0].add(&selves)?;
                sums[1].add(&pairs)?;
                if let Some(Statistics { selves, pairs }) = statistics {
                    sums[2].add(&selves)?;
                    sums[3].add(&pairs)?;
                }
            }
        }
        let [selves, pairs, of_selves, of_pairs] = std::array::from_fn(|index| sums[index].channels(names[index]));
        let statistics = if has_statistics { Some([of_selves?, of_pairs?]) } else { None };
        Ok(Self { selves: Some(selves?), pairs: Some(pairs?), statistics })
    }

    /// The inputs as training sees them.
    ///
    /// # Errors
    /// Inputs of other channels.
    pub fn apply(&self, inputs: Inputs) -> Result<Inputs> {
        let statistics = match (&self.statistics, inputs.statistics) {
            (Some([of_selves, of_pairs]), Some(Statistics { selves, pairs })) => {
                Some(Statistics { selves: of_selves.apply(&selves)?, pairs: of_pairs.apply(&pairs)? })
            }
            (_, statistics) => statistics,
        };
        let apply = |channels: &Option<Channels>, x: Tensor| match channels {
            Some(channels) => channels.apply(&x),
            None => Ok(x),
        };
        let (selves, pairs) = (apply(&self.selves, inputs.selves)?, apply(&self.pairs, inputs.pairs)?);
        Ok(Inputs { selves, pairs, statistics, ..inputs })
    }

    /// Weights of standardised channels as weights that do the same of raw ones.
    ///
    /// # Errors
    /// Weights without one of the layers.
    pub fn fold(&self, mut weights: HashMap<String, Tensor>) -> Result<HashMap<String, Tensor>> {
        for channels in self.all() {
            channels.turn(&mut weights, Way::ToRaw)?;
        }
        Ok(weights)
    }

    /// Variables that hold weights of raw channels, to be trained on.
    ///
    /// # Errors
    /// Variables without one of the layers.
    pub fn unfold(&self, variables: &Variables) -> Result<()> {
        let mut weights = variables.tensors()?;
        for channels in self.all() {
            channels.turn(&mut weights, Way::ToStandard)?;
        }
        variables.assign(&weights)
    }

    /// What tells one standard from another.
    ///
    /// # Errors
    /// candle's own.
    pub fn fingerprint(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        for numbers in self.all().flat_map(|channels| [&channels.mean, &channels.deviation]) {
            for number in numbers.to_vec1::<f32>()? {
                hasher.update(&number.to_le_bytes());
            }
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn all(&self) -> impl Iterator<Item = &Channels> {
        [&self.selves, &self.pairs].into_iter().flatten().chain(self.statistics.iter().flatten())
    }
}

impl Channels {
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_sub(&self.mean)?.broadcast_div(&self.deviation)
    }

    fn turn(&self, weights: &mut HashMap<String, Tensor>, way: Way) -> Result<()> {
        let [name, bias_name] = ["weight", "bias"].map(|part| format!("{}.{part}", self.layer));
        let of = |name: &String| {
            weights.get(name).ok_or_else(|| candle_core::Error::CannotFindTensor { path: name.clone() }.bt())
        };
        let (weight, bias) = (of(&name)?, of(&bias_name)?);
        let moved = |weight: &Tensor| weight.broadcast_mul(&self.mean)?.sum(1);
        let (weight, bias) = match way {
            Way::ToRaw => {
                let raw = weight.broadcast_div(&self.deviation)?;
                let bias = (bias - moved(&raw)?)?;
                (raw, bias)
            }
            Way::ToStandard => (weight.broadcast_mul(&self.deviation)?, (bias + moved(weight)?)?),
        };
        weights.insert(name, weight);
        weights.insert(bias_name, bias);
        Ok(())
    }
}

#[derive(Default)]
struct Sums {
    rows: f64,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Sums {
    fn add(&mut self, x: &Tensor) -> Result<()> {
        let width = x.dims().last().copied().unwrap_or(0);
        self.sum.resize(width, 0.0);
        self.squares.resize(width, 0.0);
        for row in x.flatten_all()?.to_vec1::<f32>()?.chunks_exact(width.max(1)) {
            self.rows += 1.0;
            for ((sum, square), x) in self.sum.iter_mut().zip(&mut self.squares).zip(row) {
                *sum += f64::from(*x);
                *square += f64::from(*x).powi(2);
            }
        }
        Ok(())
    }

    fn channels(&self, layer: &'static str) -> Result<Channels> {
        let rows = self.rows.max(1.0);
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / rows).collect();
        let deviation = |(square, mean): (&f64, &f64)| (square / rows - mean * mean).max(0.0).sqrt() as f32;
        let deviation: Vec<f32> =
            self.squares.iter().zip(&mean).map(deviation).map(|deviation| deviation.max(DEVIATION_MIN)).collect();
        let mean: Vec<f32> = mean.into_iter().map(|mean| mean as f32).collect();
        let count = mean.len();
        Ok(Channels {
            layer,
            mean: Tensor::from_vec(mean, count, &Device::Cpu)?,
            deviation: Tensor::from_vec(deviation, count, &Device::Cpu)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behavior::{Ethogram, Kind};
    use crate::model::architecture::Architecture;
    use crate::train::samples;

    fn session(body: usize) -> Session {
        let ethogram = Ethogram::new(vec![samples::label_set("Lab", &[("attack", Kind::Directed)])]);
        samples::session(body, &ethogram, &ethogram.cells(2), 150)
    }

    fn blueprint(statistics: bool) -> Blueprint {
        Architecture { statistics, ..Architecture::default() }.into()
    }

    #[test]
    fn what_training_sees_has_mean_0_and_deviation_1() {
        let sessions = [session(0), session(1)];
        let standard = Standard::measure(&sessions[..1], &blueprint(true)).unwrap();
        let mut builder = InputsBuilder::new(2, 3);
        crops::inputs(&sessions[0], 0, sessions[0].ticks, true, &mut builder).unwrap();
        let inputs = standard.apply(builder.finish(1, sessions[0].ticks, &Device::Cpu).unwrap()).unwrap();
        let mut sums = Sums::default();
        sums.add(&inputs.statistics.unwrap().pairs).unwrap();
        for (sum, square) in sums.sum.iter().zip(&sums.squares) {
            let (mean, square) = (sum / sums.rows, square / sums.rows);
            // Channels of nearly no deviation are left small.
            assert!(mean.abs() < 1e-3 && square < 1.001, "{mean}, {square}");
        }
        assert!(sums.squares.iter().any(|square| (square / sums.rows - 1.0).abs() < 1e-3));
    }

    #[test]
    fn weights_of_raw_channels_do_what_those_of_standardised_ones_do() {
        let sessions = [session(0)];
        let standard = Standard::measure(&sessions, &blueprint(false)).unwrap();
        let channels = standard.pairs.as_ref().unwrap();
        let width = channels.mean.elem_count();
        let values = |count: usize| (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect::<Vec<_>>();
        let weight = Tensor::from_vec(values(4 * width), (4, width), &Device::Cpu).unwrap();
        let bias = Tensor::from_vec(values(4), 4, &Device::Cpu).unwrap();
        let x = Tensor::from_vec(values(9 * width), (9, width), &Device::Cpu).unwrap();
        let answer = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
            x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(bias).unwrap()
        };
        let expected = answer(&channels.apply(&x).unwrap(), &weight, &bias);
        let mut weights = HashMap::from([
            ("graph.pairs.weight".to_owned(), weight.clone()),
            ("graph.pairs.bias".to_owned(), bias.clone()),
        ]);
        channels.turn(&mut weights, Way::ToRaw).unwrap();
        let found = answer(&x, &weights["graph.pairs.weight"], &weights["graph.pairs.bias"]);
        let off =
            |a: &Tensor, b: &Tensor| (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(off(&found, &expected) < 1e-3, "{}", off(&found, &expected));
        channels.turn(&mut weights, Way::ToStandard).unwrap();
        assert!(off(&weights["graph.pairs.weight"], &weight) < 1e-5);
        assert!(off(&weights["graph.pairs.bias"], &bias) < 1e-3);
    }
}
