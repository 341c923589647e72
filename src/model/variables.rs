//! Trainable variables with seeded initial values.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Error, Result, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Every variable of a network, by name. (candle's own map draws initial values from an unseeded generator, and its
/// order changes from run to run.)
#[derive(Clone, Debug)]
pub struct Variables {
    seed: u64,
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Variables {
    pub fn new(seed: u64) -> Self {
        Self { seed, vars: Arc::default() }
    }

    /// A builder that makes each variable when a layer first asks for it. Initial values depend on the seed and the
    /// variable's name only.
    pub fn builder(&self, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, device.clone())
    }

    /// All variables in the order of their names.
    pub fn all(&self) -> Vec<(String, Var)> {
        let vars = self.vars.lock().unwrap_or_else(PoisonError::into_inner);
        vars.iter().map(|(name, var)| (name.clone(), var.clone())).collect()
    }

    /// The present values, detached: for inference and for files.
    pub fn tensors(&self) -> Result<HashMap<String, Tensor>> {
        self.all().into_iter().map(|(name, var)| Ok((name, var.as_detached_tensor().copy()?))).collect()
    }

    /// Overwrites every variable.
    ///
    /// # Errors
    /// Where a value is lacking or of another shape.
    pub fn assign(&self, values: &HashMap<String, Tensor>) -> Result<()> {
        for (name, var) in self.all() {
            let value = values.get(&name).ok_or_else(|| Error::CannotFindTensor { path: name.clone() }.bt())?;
            var.set(value)?;
        }
        Ok(())
    }

    fn initial(&self, shape: &Shape, name: &str, init: Init, device: &Device) -> Result<Tensor> {
        let name_hash = blake3::hash(name.as_bytes());
        let mut seed = *name_hash.as_bytes();
        for (byte, key) in seed.iter_mut().zip(self.seed.to_le_bytes()) {
            *byte ^= key;
        }
        let mut rng = StdRng::from_seed(seed);
        let count = shape.elem_count();
        let values: Vec<f32> = match init {
            Init::Const(value) => vec![value as f32; count],
            Init::Uniform { lo, up } => (0..count).map(|_| rng.random_range(lo as f32..up as f32)).collect(),
            Init::Randn { mean, stdev } => {
                let normal = |rng: &mut StdRng| {
                    // Box–Muller; the first factor stays off zero.
                    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
                    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
                };
                (0..count).map(|_| (mean + stdev * normal(&mut rng)) as f32).collect()
            }
            Init::Kaiming { .. } => return Err(Error::Msg(format!("{name}: Kaiming init is not provided")).bt()),
        };
        Tensor::from_vec(values, shape, device)
    }
}

impl SimpleBackend for Variables {
    fn get(&self, shape: Shape, name: &str, init: Init, _: DType, device: &Device) -> Result<Tensor> {
        let mut vars = self.vars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(var) = vars.get(name) {
            if var.shape() != &shape {
                let (expected, got) = (var.shape().clone(), shape);
                return Err(Error::UnexpectedShape { msg: name.to_owned(), expected, got }.bt());
            }
            return Ok(var.as_tensor().clone());
        }
        let var = Var::from_tensor(&self.initial(&shape, name, init, device)?)?;
        let tensor = var.as_tensor().clone();
        vars.insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        let vars = self.vars.lock().unwrap_or_else(PoisonError::into_inner);
        let var = vars.get(name).ok_or_else(|| Error::CannotFindTensor { path: name.to_owned() }.bt())?;
        Ok(var.as_tensor().clone())
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.vars.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }
}
