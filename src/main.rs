//! The command line of Vibrissa.

use clap::{Parser, Subcommand};
use vibrissa::commands;

/// Training takes and gives back tensors of megabytes thousands of times a second; the system's allocator returns each
/// of them to the kernel and has its pages cleared again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Detects the social behavior of laboratory rodents while it happens.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(commands::demo::Args),
    Detect(commands::detect::Args),
    Arm(commands::arm::Arm),
    Disarm(commands::arm::Disarm),
    Stop(commands::arm::Stop),
    Mark(commands::arm::Mark),
    Watch(commands::watch::Args),
    Latency(commands::latency::Args),
    Check(commands::check::Args),
    Inspect(commands::inspect::Args),
    Import(commands::import::Args),
    Record(commands::record::Args),
    Rehearse(commands::rehearse::Args),
    Trail(commands::trail::Args),
    Replay(commands::replay::Args),
    Train(commands::train::Args),
    Profile(commands::profile::Args),
    Evaluate(commands::evaluate::Args),
    Compare(commands::compare::Args),
    Combine(commands::combine::Args),
    Report(commands::report::Args),
    Predict(commands::predict::Args),
    Ethology(commands::ethology::Args),
    Score(commands::score::Args),
    Simulate(commands::simulate::Args),
    Summary(commands::summary::Args),
    Review(commands::review::Args),
    #[command(hide = true)]
    Guard(commands::guard::Args),
}

fn main() -> anyhow::Result<()> {
    keep_candle_on_our_threads();
    match Cli::parse().command {
        Command::Demo(args) => commands::demo::run(&args),
        Command::Detect(args) => commands::detect::run(&args),
        Command::Arm(args) => commands::arm::arm(&args),
        Command::Disarm(args) => commands::arm::disarm(&args),
        Command::Stop(args) => commands::arm::stop(&args),
        Command::Mark(args) => commands::arm::mark(&args),
        Command::Watch(args) => commands::watch::run(&args),
        Command::Latency(args) => commands::latency::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Record(args) => commands::record::run(&args),
        Command::Trail(args) => commands::trail::run(&args),
        Command::Rehearse(args) => commands::rehearse::run(&args),
        Command::Replay(args) => commands::replay::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Profile(args) => commands::profile::run(&args),
        Command::Evaluate(args) => commands::evaluate::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Combine(args) => commands::combine::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Ethology(args) => commands::ethology::run(&args),
        Command::Predict(args) => commands::predict::run(&args),
        Command::Score(args) => commands::score::run(&args),
        Command::Simulate(args) => commands::simulate::run(&args),
        Command::Summary(args) => commands::summary::run(&args),
        Command::Review(args) => commands::review::run(&args),
        Command::Guard(args) => commands::guard::run(&args),
    }
}

/// candle spreads larger operations over threads of its own, which wait spinning: at our sizes that costs more than
/// the arithmetic, and two networks at once would wait for each other. We bring our own threads.
#[allow(unsafe_code, reason = "the only way to configure candle's threads is the environment")]
fn keep_candle_on_our_threads() {
    for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
        // SAFETY: the first statement of the program, before any other thread is started.
        unsafe { std::env::set_var(name, "1") };
    }
}
