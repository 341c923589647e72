//! The demo as lines of text, where there is no terminal.

use std::time::{Duration, Instant};

use anyhow::bail;
use crossbeam::channel::Receiver;

use crate::commands::detect::{report, say, shout};
use crate::commands::simulate::live::TruthEdge;
use crate::live::detector::Detector;
use crate::live::watcher::{Seen, Watcher};
use crate::output::event::{Animals, EdgeWord, Event};
use crate::time::TICK_RATE_HZ;

pub(super) const WELCOME: &str = "\
Vibrissa watches two SIMULATED mice. A rig in this process publishes their keypoints 30 times a second over zenoh,
on this machine only; a detector takes them, advances its network tick by tick, writes every onset and offset of a
behavior to its journal and then publishes it. What you see:

  tick   370  resident → intruder  attack  BEGINS ...  an event, as any program that subscribes receives it; a tick is
                                         1/30 s, \"delay\" is how long the detector looked on before it decided
  frame  364  (truth) resident → intruder  attack  begins   what the simulated animals really did
  demo/cage1  frames ... | age ...       counts since the start, and latencies as median/99th percentile. \"age\" is
                                         from capture to arrival

Run it in a terminal to see the animals.
";

/// Prints events and the truth as they come, and a line every few seconds, until the end or Ctrl-C.
pub(super) fn watch(
    detector: &Detector,
    watcher: &Watcher,
    truth: &Receiver<TruthEdge>,
    interrupts: &Receiver<()>,
    end: Option<Instant>,
) -> anyhow::Result<()> {
    let every = Duration::from_secs(5);
    let mut next_report = Instant::now() + every;
    while end.is_none_or(|end| Instant::now() < end) {
        crossbeam::select! {
            recv(watcher.seen) -> seen => if let Ok(Seen::Event(event)) = seen { say(&line(&event)); },
            recv(truth) -> edge => if let Ok(edge) = edge { say(&truth_line(&edge)); },
            recv(interrupts) -> _ => break,
            default(Duration::from_millis(100)) => {}
        }
        if !detector.is_running() {
            bail!("the inference thread ended by itself");
        }
        if Instant::now() >= next_report {
            next_report += every;
            shout(detector.journal_failing().as_deref());
            report(detector.tallies(), false);
        }
    }
    Ok(())
}

/// Prints the events that came while everything ended.
pub(super) fn rest(watcher: &Watcher) {
    for seen in watcher.seen.try_iter() {
        if let Seen::Event(event) = seen {
            say(&line(&event));
        }
    }
}

fn line(event: &Event) -> String {
    let verdict = &event.verdict;
    let whom = whom(&verdict.animals);
    let edge = match verdict.edge {
        EdgeWord::Onset => "BEGINS",
        EdgeWord::Offset => "ends",
        EdgeWord::Retraction => "is taken back",
        EdgeWord::Abandoned => "was lost sight of",
    };
    let delay_secs = f64::from(verdict.delay) / TICK_RATE_HZ;
    let (tick, behavior, score) = (verdict.decision_tick, &verdict.behavior, verdict.score);
    format!("tick {tick:>5}  {whom}  {behavior}  {edge}  (score {score:.2}, delay {delay_secs:.1} s)")
}

fn truth_line(edge: &TruthEdge) -> String {
    let (whom, verb) = (whom(&edge.animals), if edge.begins { "begins" } else { "ends" });
    format!("frame {:>4}  (truth) {whom}  {}  {verb}", edge.frame, edge.behavior)
}

fn whom(animals: &Animals) -> String {
    match animals {
        Animals::Directed { agent, target } => format!("{agent} → {target}"),
        Animals::Undirected { animals: [first, second] } => format!("{first} + {second}"),
        Animals::Alone { agent } => agent.clone(),
    }
}
