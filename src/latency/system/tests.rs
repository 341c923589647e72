use super::*;

/// A folder with files in it.
fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (file, content) in files {
        let file = root.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }
    root
}

const GOOD: [(&str, &str); 15] = [
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpu1/online", "1\n"),
    ("sys/devices/system/cpu/cpufreq/boost", "1\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state0/name", "POLL\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state0/latency", "0\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state0/disable", "0\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state10/name", "C6\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state10/latency", "133\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state10/disable", "1\n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("proc/loadavg", "1.97 0.5 0.25 3/91 17649\n"),
    ("proc/self/timerslack_ns", "50000\n"),
    (
        "proc/meminfo",
        "MemTotal: 16000000 kB\nMemFree: 10 kB\nMemAvailable: 9000000 kB\nSwapTotal: 800 kB\nSwapFree: 700 kB\n",
    ),
    ("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "41\n"),
];

#[test]
fn a_machine_that_is_as_it_should_be_has_no_warnings() {
    let system = System::probe(machine(&GOOD).path()).since(&System { throttled: Some(41), ..System::default() });
    assert_eq!(system.warnings(), []);
    assert_eq!(system.governors, BTreeMap::from([("performance".to_string(), 2)]));
    assert_eq!((system.processors, system.load, system.throttled), (Some(2), Some(1.97), Some(0)));
    let c6 = IdleState { name: "C6".into(), exit_micros: 133, enabled: false };
    assert_eq!((system.idle_states.len(), &system.idle_states[1]), (2, &c6));
    let memory = Memory { total_kib: 16_000_000, available_kib: 9_000_000, swap_used_kib: 100 };
    assert_eq!((system.memory, system.timer_slack_nanos), (Some(memory), Some(50_000)));
}

#[test]
fn each_fault_has_its_own_warning_and_no_other() {
    let cpu = "sys/devices/system/cpu";
    let faults = [
        (
            format!("{cpu}/cpu1/cpufreq/scaling_governor"),
            "powersave",
            "The clock of 1 of 2 processors is governed by powersave",
        ),
        (
            "sys/devices/system/clocksource/clocksource0/current_clocksource".to_string(),
            "hpet",
            "This machine reads its time from hpet",
        ),
        ("proc/loadavg".to_string(), "2.31 1 1 1/2 3", "2.3 programs wanted to run at once on 2 processors"),
        (format!("{cpu}/cpu1/online"), "0", "2.0 programs wanted to run at once on 1 processor,"),
        (format!("{cpu}/cpu0/cpuidle/state10/disable"), "0", "Idle processors may sleep as deep as C6"),
        ("proc/self/timerslack_ns".to_string(), "1000000", "Timers of this program may be late by 1,000,000 ns"),
        ("proc/meminfo".to_string(), "MemTotal: 2048000 kB\nMemAvailable: 102400 kB\n", "100 of 2,000 MiB of memory"),
        (
            "proc/meminfo".to_string(),
            "MemTotal: 2048000 kB\nMemAvailable: 2048000 kB\nSwapTotal: 2048000 kB\nSwapFree: 1024000 kB",
            "1,000 MiB are swapped out",
        ),
        (
            format!("{cpu}/cpu0/thermal_throttle/core_throttle_count"),
            "53",
            "Processors slowed down for their heat 12 times",
        ),
    ];
    for (file, content, expected) in faults {
        let root = machine(&GOOD);
        fs::create_dir_all(root.path().join(&file).parent().unwrap()).unwrap();
        fs::write(root.path().join(&file), content).unwrap();
        let system = System::probe(root.path()).since(&System { throttled: Some(41), ..System::default() });
        let got: Vec<String> = system.warnings().iter().map(ToString::to_string).collect();
        assert!(got.len() == 1 && got[0].starts_with(expected), "expected {expected}, got {got:?}");
        assert!(got[0].ends_with('.') && got[0].contains(", where ") && got[0].contains(": "), "{got:?}");
    }
}

#[test]
fn what_is_absent_or_garbage_is_not_reported() {
    assert_eq!(System::probe(machine(&[]).path()), System::default());
    assert_eq!(System::probe(Path::new("/nowhere/at/all")), System::default());
    let garbage = "\u{1b}[31m-1 99999999999999999999999 NaN".repeat(9000);
    let files: Vec<(&str, &str)> = GOOD.iter().map(|(file, _)| (*file, garbage.as_str())).collect();
    let system = System::probe(machine(&files).path());
    assert_eq!((system.load, system.timer_slack_nanos, system.memory, system.throttled), (None, None, None, None));
    assert!(system.idle_states.is_empty());
    let name = system.governors.keys().next().unwrap();
    assert!(
        name.len() <= NAME_CHARS_MAX && name.chars().all(|char| char.is_ascii_graphic() || char == ' '),
        "{name:?}"
    );
    let load = System::probe(machine(&[("proc/loadavg", "inf 1 1"), GOOD[0]]).path());
    assert_eq!((load.load, load.processors), (None, Some(1)));
}

#[test]
fn packages_that_throttle_count_once() {
    let at = |cpu: u32, file: &str| format!("sys/devices/system/cpu/cpu{cpu}/{file}");
    let mut files = Vec::new();
    for (cpu, package) in [(0, "0"), (1, "0"), (2, "1")] {
        files.push((at(cpu, "thermal_throttle/package_throttle_count"), "7"));
        files.push((at(cpu, "topology/physical_package_id"), package));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(file, content)| (file.as_str(), *content)).collect();
    assert_eq!(System::probe(machine(&files).path()).throttled, Some(14));
}
