//! What Linux says of the machine that measures, as far as it bears on latency. What is not there is not reported:
//! another system, a container, a virtual machine without power management.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::Serialize;

use crate::words::{count, counted};

/// Most bytes that are read of a file, and most entries of a folder that are looked at.
const FILE_BYTES_MAX: u64 = 64 * 1024;
const ENTRIES_MAX: usize = 4096;

/// Most characters of a name that are kept.
const NAME_CHARS_MAX: usize = 40;

/// The governor that does not wait for load before it raises the processor's clock.
const GOVERNOR: &str = "performance";

/// Clock sources that are read without asking the kernel or a device.
const CLOCK_SOURCES: [&str; 6] =
    ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "riscv_clocksource", "timebase"];

/// An idle state that takes longer to leave delays whatever wakes the processor by that.
const IDLE_EXIT_MICROS_MAX: u64 = 100;

/// How late Linux may let any timer be, where nobody asks for less.
const TIMER_SLACK_NANOS: u64 = 50_000;

/// Shares of the memory: with less available it is short, with more swapped out it was.
const AVAILABLE_SHARE_MIN: f64 = 0.1;
const SWAP_SHARE_MAX: f64 = 0.01;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct System {
    /// Processors by the governor of their clock.
    pub governors: BTreeMap<String, u64>,
    pub clock_source: Option<String>,
    pub processors: Option<u64>,
    /// Programs that ran or waited to, on average of the last minute.
    pub load: Option<f64>,
    /// Of the first processor.
    pub idle_states: Vec<IdleState>,
    pub timer_slack_nanos: Option<u64>,
    pub memory: Option<Memory>,
    /// Times that a processor slowed down for its heat, since the system started; see [`System::since`].
    pub throttled: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IdleState {
    pub name: String,
    pub exit_micros: u64,
    pub enabled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    pub total_kib: u64,
    pub available_kib: u64,
    pub swap_used_kib: u64,
}

/// What is not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub enum SystemWarning {
    Governor { governor: String, processors: u64, of: u64 },
    ClockSource { source: String },
    Load { load: f64, processors: u64 },
    Idle { state: String, exit_micros: u64 },
    TimerSlack { nanos: u64 },
    Memory { available_mib: u64, total_mib: u64 },
    Swap { used_mib: u64 },
    Throttled { times: u64 },
}

impl System {
    /// Reads what there is below `root`, which is `/` but for tests.
    pub fn probe(root: &Path) -> Self {
        let processors = root.join("sys/devices/system/cpu");
        let cpus = numbered(&processors, "cpu");
        let mut governors = BTreeMap::new();
        for governor in cpus.iter().filter_map(|cpu| word(&cpu.join("cpufreq/scaling_governor"))) {
            *governors.entry(governor).or_default() += 1;
        }
        let online = cpus.iter().filter(|cpu| number(&cpu.join("online")) != Some(0)).count();
        let load = text(&root.join("proc/loadavg"));
        Self {
            governors,
            clock_source: word(&root.join("sys/devices/system/clocksource/clocksource0/current_clocksource")),
            processors: (online > 0).then_some(online as u64),
            load: load
                .and_then(|load| load.split_whitespace().next()?.parse().ok())
                .filter(|load: &f64| load.is_finite()),
            idle_states: numbered(&processors.join("cpu0/cpuidle"), "state").iter().filter_map(|at| idle(at)).collect(),
            timer_slack_nanos: number(&root.join("proc/self/timerslack_ns")),
            memory: text(&root.join("proc/meminfo")).and_then(|text| memory(&text)),
            throttled: throttled(&cpus),
        }
    }

    /// The same, but throttling counted from an earlier probe on.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        self.throttled = self.throttled.zip(before.throttled).map(|(now, before)| now.saturating_sub(before));
        self
    }

    pub fn warnings(&self) -> Vec<SystemWarning> {
        let mut warnings = Vec::new();
        let of = self.governors.values().sum();
        for (governor, &processors) in self.governors.iter().filter(|(governor, _)| *governor != GOVERNOR) {
            warnings.push(SystemWarning::Governor { governor: governor.clone(), processors, of });
        }
        if let Some(source) = self.clock_source.as_ref().filter(|source| !CLOCK_SOURCES.contains(&source.as_str())) {
            warnings.push(SystemWarning::ClockSource { source: source.clone() });
        }
        if let (Some(load), Some(processors)) = (self.load, self.processors)
            && load > processors as f64
        {
            warnings.push(SystemWarning::Load { load, processors });
        }
        let deep = |state: &&IdleState| state.enabled && state.exit_micros > IDLE_EXIT_MICROS_MAX;
        if let Some(state) = self.idle_states.iter().filter(deep).max_by_key(|state| state.exit_micros) {
            warnings.push(SystemWarning::Idle { state: state.name.clone(), exit_micros: state.exit_micros });
        }
        if let Some(nanos) = self.timer_slack_nanos.filter(|nanos| *nanos > TIMER_SLACK_NANOS) {
            warnings.push(SystemWarning::TimerSlack { nanos });
        }
        if let Some(Memory { total_kib, available_kib, swap_used_kib }) = self.memory {
            if (available_kib as f64) < AVAILABLE_SHARE_MIN * total_kib as f64 {
                let (available_mib, total_mib) = (available_kib / 1024, total_kib / 1024);
                warnings.push(SystemWarning::Memory { available_mib, total_mib });
            }
            if swap_used_kib as f64 > SWAP_SHARE_MAX * total_kib as f64 {
                warnings.push(SystemWarning::Swap { used_mib: swap_used_kib / 1024 });
            }
        }
        if let Some(times) = self.throttled.filter(|times| *times > 0) {
            warnings.push(SystemWarning::Throttled { times });
        }
        warnings
    }
}

impl fmt::Display for SystemWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Governor { governor, processors, of } => write!(
                f,
                "The clock of {processors} of {} is governed by {governor}, where {GOVERNOR} answers fastest: \
                 `cpupower frequency-set -g {GOVERNOR}` sets it until the next start.",
                counted(*of, "processor")
            ),
            Self::ClockSource { source } => write!(
                f,
                "This machine reads its time from {source}, where tsc is faster (kvm-clock in a virtual machine): see \
                 in the kernel's log why it was turned down."
            ),
            Self::Load { load, processors } => write!(
                f,
                "{load:.1} programs wanted to run at once on {}, where there should be one for each at most: end what \
                 is not needed.",
                counted(*processors, "processor")
            ),
            Self::Idle { state, exit_micros } => write!(
                f,
                "Idle processors may sleep as deep as {state}, from which they take {} µs to wake, where \
                 {IDLE_EXIT_MICROS_MAX} µs at most would do: `cpupower idle-set -D {IDLE_EXIT_MICROS_MAX}` keeps them \
                 from it until the next start.",
                count(*exit_micros)
            ),
            Self::TimerSlack { nanos } => write!(
                f,
                "Timers of this program may be late by {} ns, where {} ns are usual: see what started it with another \
                 slack.",
                count(*nanos),
                count(TIMER_SLACK_NANOS)
            ),
            Self::Memory { available_mib, total_mib } => write!(
                f,
                "{} of {} MiB of memory are available, where a tenth should be: end what is not needed, or add memory.",
                count(*available_mib),
                count(*total_mib)
            ),
            Self::Swap { used_mib } => write!(
                f,
                "{} MiB are swapped out, where all should be in memory: end what is not needed, or add memory.",
                count(*used_mib)
            ),
            Self::Throttled { times } => write!(
                f,
                "Processors slowed down for their heat {} times during the run, where they should not: look at fans, \
                 dust and power limits.",
                count(*times)
            ),
        }
    }
}

/// The text of a file; `None` where it cannot be read.
fn text(file: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(file).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A name, fit to be printed; `None` also where there is none.
fn word(file: &Path) -> Option<String> {
    let name: String = text(file)?.trim().chars().take(NAME_CHARS_MAX).collect();
    let fit = |char: char| if char.is_ascii_graphic() || char == ' ' { char } else { '?' };
    (!name.is_empty()).then(|| name.chars().map(fit).collect())
}

fn number(file: &Path) -> Option<u64> {
    text(file)?.trim().parse().ok()
}

/// The entries of a folder that are named so and numbered, by number.
fn numbered(folder: &Path, name: &str) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let of = |entry: fs::DirEntry| -> Option<(u32, std::path::PathBuf)> {
        let digits = entry.file_name().to_str()?.strip_prefix(name)?.parse().ok()?;
        Some((digits, entry.path()))
    };
    let mut found: Vec<_> = entries.take(ENTRIES_MAX).filter_map(|entry| of(entry.ok()?)).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn idle(state: &Path) -> Option<IdleState> {
    let (name, exit_micros) = (word(&state.join("name"))?, number(&state.join("latency"))?);
    Some(IdleState { name, exit_micros, enabled: number(&state.join("disable")).unwrap_or(0) == 0 })
}

fn memory(meminfo: &str) -> Option<Memory> {
    let of = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let swap_used_kib = of("SwapTotal").zip(of("SwapFree")).map_or(0, |(total, free)| total.saturating_sub(free));
    Some(Memory { total_kib: of("MemTotal")?, available_kib: of("MemAvailable")?, swap_used_kib })
}

/// Of each processor, and of each package once: all its processors tell the same number.
fn throttled(cpus: &[std::path::PathBuf]) -> Option<u64> {
    let of = |cpu: &Path, name: &str| number(&cpu.join("thermal_throttle").join(name));
    let cores = cpus.iter().filter_map(|cpu| of(cpu, "core_throttle_count")).reduce(u64::saturating_add);
    let mut packages = BTreeMap::new();
    for cpu in cpus {
        if let Some(times) = of(cpu, "package_throttle_count") {
            packages.insert(number(&cpu.join("topology/physical_package_id")).unwrap_or(0), times);
        }
    }
    let packages = packages.into_values().reduce(u64::saturating_add);
    match (cores, packages) {
        (None, None) => None,
        (cores, packages) => Some(cores.unwrap_or(0).saturating_add(packages.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests;
