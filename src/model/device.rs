//! The one place that decides where tensors live and on which threads their arithmetic runs.

use candle_core::Device;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Where networks are trained and run.
pub fn device() -> Device {
    Device::Cpu
}

/// A pool of one thread for one user of the network. At the sizes of a step a hand-off to a second thread costs more
/// than the arithmetic that it would save; several cores serve several pools.
pub fn one_thread_pool(name: &str) -> Result<ThreadPool, ThreadPoolBuildError> {
    let name = name.to_owned();
    ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| name.clone()).build()
}
