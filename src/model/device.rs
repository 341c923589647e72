//! The one place that decides where tensors live and on which threads their arithmetic runs; the only file that knows
//! the feature `cuda`.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

/// What a network runs on: the processor, unless something else is asked for by name. Nothing falls back silently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    #[default]
    Cpu,
    /// The first NVIDIA device of the machine.
    Cuda,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeviceError {
    #[error("expected a device out of \"cpu\" and \"cuda\", got {0:?}")]
    Unknown(String),
    #[error(
        "the device \"cuda\" needs a program that was built for it (cargo build --release --features cuda); this one \
         knows \"cpu\" only"
    )]
    NotBuilt,
    #[error(
        "the device \"cuda\" needs the libraries cuda (of NVIDIA's driver), cublas and curand (of CUDA); not found: \
         {missing}. Folders that hold them belong into LD_LIBRARY_PATH"
    )]
    Libraries { missing: String },
    #[error("the device \"cuda\": {0}")]
    Open(String),
}

impl Choice {
    const ALL: [Self; 2] = [Self::Cpu, Self::Cuda];

    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Choice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let named = Self::ALL.into_iter().find(|choice| choice.name() == text);
        named.ok_or_else(|| DeviceError::Unknown(text.to_owned()))
    }
}

/// The device that was chosen.
///
/// # Errors
/// A program without CUDA, a machine without its libraries or without a device that they can open.
pub fn open(choice: Choice) -> Result<Device, DeviceError> {
    match choice {
        Choice::Cpu => Ok(device()),
        Choice::Cuda => cuda(),
    }
}

/// The processor: where networks are trained, and where they run unless another device was asked for.
pub fn device() -> Device {
    Device::Cpu
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt)
}

#[cfg(feature = "cuda")]
use self::with_cuda::open as cuda;

#[cfg(feature = "cuda")]
mod with_cuda {
    use std::any::Any;
    use std::panic::catch_unwind;

    use candle_core::Device;

    use super::DeviceError;

    pub fn open() -> Result<Device, DeviceError> {
        let missing = missing_libraries();
        if !missing.is_empty() {
            return Err(DeviceError::Libraries { missing: missing.join(", ") });
        }
        // cudarc panics where a library lacks one of its functions, as those of an older CUDA do.
        let opened = catch_unwind(first_device).map_err(|panic| DeviceError::Open(said(panic.as_ref())))?;
        opened.map_err(|error| DeviceError::Open(error.to_string()))
    }

    /// With a stream of its own: candle's default is another stream in every thread, and weights that one thread
    /// uploads might be read by the next before they are there.
    #[allow(unsafe_code, reason = "events order the work of several streams, and this device has one")]
    fn first_device() -> candle_core::Result<Device> {
        let device = Device::new_cuda_with_stream(0)?;
        // SAFETY: every tensor of this device is made, used and freed in the order of its one stream.
        unsafe { device.as_cuda_device()?.disable_event_tracking() };
        Ok(device)
    }

    /// A program that is linked to CUDA does not start without its libraries; one that loads them says what it lacks.
    #[cfg(not(feature = "dynamic-loading"))]
    fn missing_libraries() -> Vec<&'static str> {
        Vec::new()
    }

    #[cfg(feature = "dynamic-loading")]
    #[allow(unsafe_code, reason = "loading a library runs what it does when it is loaded")]
    fn missing_libraries() -> Vec<&'static str> {
        use cudarc::{cublas, curand, driver};
        // SAFETY: these are NVIDIA's libraries, and opening the device loads them anyway.
        let present = unsafe {
            [
                ("cuda", driver::sys::is_culib_present()),
                ("cublas", cublas::sys::is_culib_present()),
                ("curand", curand::sys::is_culib_present()),
            ]
        };
        present.into_iter().filter(|(_, is_present)| !is_present).map(|(name, _)| name).collect()
    }

    fn said(panic: &(dyn Any + Send)) -> String {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message").to_owned()
    }
}

/// A pool of one thread for one user of the network. At the sizes of a step a hand-off to a second thread costs more
/// than the arithmetic that it would save; several cores serve several pools.
pub fn one_thread_pool(name: &str) -> Result<ThreadPool, ThreadPoolBuildError> {
    let name = name.to_owned();
    ThreadPoolBuilder::new().num_threads(1).thread_name(move |_| name.clone()).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_as_it_is_written() {
        for choice in Choice::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
            assert_eq!(serde_json::to_string(&choice).unwrap(), format!("\"{choice}\""));
        }
        assert_eq!(Choice::default(), Choice::Cpu);
        let said = "gpu".parse::<Choice>().unwrap_err().to_string();
        assert_eq!(said, "expected a device out of \"cpu\" and \"cuda\", got \"gpu\"");
    }

    #[test]
    fn cuda_that_is_not_there_is_an_error_that_says_what_is_lacking() {
        assert!(open(Choice::Cpu).unwrap().is_cpu());
        match open(Choice::Cuda) {
            Ok(device) => assert!(device.is_cuda()),
            Err(error) => {
                let said = error.to_string();
                let expected = if cfg!(feature = "cuda") { "the device \"cuda\"" } else { "--features cuda" };
                assert!(said.contains(expected), "{said}");
            }
        }
    }
}
