//! `vibrissa watch`, and the view that the demo shows.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam::channel::Receiver;

use super::detect::say;
use super::simulate::live::TruthEdge;
use crate::keys::{CAGES_MAX, CageName, Rigs};
use crate::live::detector::Detector;
use crate::live::interrupt::interrupts;
use crate::live::session::{Endpoints, Patience};
use crate::live::tally::{Latency, Tally};
use crate::live::watcher::{Seen, Status, Watcher};
use crate::model::Model;
use crate::output::scores::Scores;
use crate::time::TICK_RATE_HZ;
use crate::view::{Counts, Journal, Quantiles, ScoredCell, Screen, Settings, State, Terminal, Truth};

/// Between two pictures.
const PICTURE: Duration = Duration::from_millis(60);

/// A detector that says nothing for so long is gone: it speaks of every open cage every five seconds.
const SILENT: Duration = Duration::from_secs(12);

/// Messages that are taken in between two pictures at most, so that a flood does not stop the drawing.
const SEEN_AT_ONCE: usize = 2000;

/// Watch the cages that a rig publishes and what a detector says about them, in a terminal.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The rig to watch, or '*' for all.
    #[arg(long, default_value = "*", value_name = "RIG")]
    rig: Rigs,
    /// Only what is said of this label set (repeatable); all by default.
    #[arg(long, value_name = "NAME")]
    lab: Vec<String>,
    #[command(flatten)]
    endpoints: Endpoints,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    if !Terminal::is_available() {
        bail!("expected a terminal to draw in; programs subscribe to events instead, see src/output/event.rs");
    }
    let session = args.endpoints.clone().or_connect().or_nearby().open(Patience::Rig)?;
    let watcher = Watcher::new(&session, &args.rig)?;
    let shown = show(&watcher, &Known { label_sets: &args.lab, ..Known::default() }, None);
    if watcher.missed() > 0 {
        say(&format!("{} messages came faster than they could be looked at, and were left out", watcher.missed()));
    }
    shown
}

/// What is known besides what comes over the network.
#[derive(Default)]
pub(super) struct Known<'a> {
    pub model: Option<&'a Model>,
    pub detector: Option<&'a Detector>,
    pub truth: Option<&'a Receiver<TruthEdge>>,
    /// What is shown; everything where none is named.
    pub label_sets: &'a [String],
}

/// Draws what a watcher sees until q, Ctrl-C or the end.
pub(super) fn show(watcher: &Watcher, known: &Known, end: Option<Instant>) -> anyhow::Result<()> {
    let interrupts = interrupts()?;
    let settings = Settings {
        model: known.model.map(|model| model.name().to_owned()).unwrap_or_default(),
        delays: known.model.map(|model| model.delays().to_vec()).unwrap_or_default(),
        colour: Terminal::has_colour(),
        note: String::new(),
    };
    let mut look = Look {
        screen: Screen::new(&settings),
        known,
        start: Instant::now(),
        scored: HashMap::new(),
        states: HashMap::new(),
        heard: Instant::now(),
        early: Vec::new(),
    };
    let mut terminal = Terminal::enter().context("entering the terminal")?;
    let mut next_picture = Instant::now();
    loop {
        look.take_in(watcher);
        let now = Instant::now();
        if now >= next_picture {
            next_picture = now + PICTURE;
            look.count();
            look.miss_detector();
            terminal.draw(&look.screen, look.start.elapsed()).context("drawing")?;
        }
        if let Some(key) = terminal.key(next_picture.saturating_duration_since(Instant::now()))? {
            match look.screen.key(key) {
                crate::view::Action::Quit => return Ok(()),
                crate::view::Action::Redraw => next_picture = Instant::now(),
                crate::view::Action::None => {}
            }
        }
        let stopped = interrupts.try_recv() != Err(crossbeam::channel::TryRecvError::Empty);
        if stopped || end.is_some_and(|end| Instant::now() >= end) {
            return Ok(());
        }
        if known.detector.is_some_and(|detector| !detector.is_running()) {
            bail!("the inference thread ended by itself");
        }
    }
}

struct Look<'a> {
    screen: Screen,
    known: &'a Known<'a>,
    start: Instant,
    scored: HashMap<CageName, Scored>,
    /// What each cage was doing, by the last word of its detector on that, and whether what is known of it is stale.
    states: HashMap<CageName, (State, bool)>,
    /// When a detector was last heard of.
    heard: Instant,
    /// Truth that came before the ticks were known.
    early: Vec<TruthEdge>,
}

/// The last scores of a cage: where its ticks lie among its frames, and which of the scores are shown.
struct Scored {
    model: String,
    tick: u64,
    frame: u64,
    shown: Vec<usize>,
}

impl Look<'_> {
    fn take_in(&mut self, watcher: &Watcher) {
        for seen in watcher.seen.try_iter().take(SEEN_AT_ONCE) {
            if matches!(seen, Seen::Event(_) | Seen::Scores(_) | Seen::Status(..)) {
                self.heard = Instant::now();
            }
            match seen {
                Seen::Described(cage, stream) => self.screen.describe(&cage, &stream),
                Seen::Frame(cage, frame) => self.screen.frame(&cage, &frame, self.start.elapsed()),
                Seen::Event(event) if self.is_shown(&event.verdict.label_set) => self.screen.event(&event),
                Seen::Event(_) => {}
                Seen::Scores(scores) => self.scores(&scores),
                Seen::Status(cage, status) => self.status(&cage, &status),
            }
        }
        self.truth();
    }

    fn scores(&mut self, scores: &Scores) {
        let Ok(cage) = CageName::new(&scores.rig, &scores.cage) else { return };
        if self.scored.len() >= CAGES_MAX && !self.scored.contains_key(&cage) {
            return;
        }
        let goes_on = |before: &Scored| before.tick < scores.tick && before.model == scores.model;
        let shown = if let Some(before) = self.scored.remove(&cage).filter(goes_on) {
            before.shown
        } else {
            let shown = scores.cells.iter().enumerate().filter(|(_, cell)| self.is_shown(&cell.label_set));
            let shown: Vec<usize> = shown.map(|(index, _)| index).collect();
            let cells: Vec<ScoredCell> = shown.iter().map(|index| self.cell(&scores.cells[*index])).collect();
            self.screen.cells(&cage, &cells);
            shown
        };
        if let Some(first) = scores.scores.first() {
            let values: Vec<f32> = shown.iter().filter_map(|index| first.get(*index).copied()).collect();
            self.screen.scores(&cage, scores.tick, &values);
        }
        let (model, tick, frame) = (scores.model.clone(), scores.tick, scores.frame);
        self.scored.insert(cage, Scored { model, tick, frame, shown });
    }

    fn is_shown(&self, label_set: &String) -> bool {
        self.known.label_sets.is_empty() || self.known.label_sets.contains(label_set)
    }

    fn cell(&self, cell: &crate::output::scores::ScoredCell) -> ScoredCell {
        let threshold = self.known.model.and_then(|model| {
            let behavior = model.ethogram().find(&cell.label_set, &cell.behavior)?;
            Some(model.rules().first()?.get(usize::from(behavior.0))?.on)
        });
        ScoredCell {
            behavior: cell.behavior.clone(),
            animals: cell.animals.clone(),
            threshold: threshold.unwrap_or(2.0),
        }
    }

    /// Puts the truth on the time line of its cage, as soon as that is known.
    fn truth(&mut self) {
        let Some(truth) = self.known.truth else { return };
        let (known, shown) = (self.known.label_sets, &mut self.early);
        shown.extend(truth.try_iter().filter(|edge| known.is_empty() || known.contains(&edge.label_set)));
        let (scored, screen) = (&self.scored, &mut self.screen);
        self.early.retain(|edge| {
            let Some(Scored { tick, frame, .. }) = scored.get(&edge.cage) else { return true };
            let since_secs = (edge.frame as f64 - *frame as f64) / edge.rate_hz;
            let at_secs = *tick as f64 / TICK_RATE_HZ + since_secs;
            let truth =
                Truth { behavior: edge.behavior.clone(), animals: edge.animals.clone(), at_secs, begins: edge.begins };
            screen.truth(&edge.cage, &truth);
            false
        });
    }

    fn status(&mut self, cage: &CageName, status: &Status) {
        // A detector in this process is asked itself, and more often.
        if self.known.detector.is_none() {
            self.screen.counts(cage, told(&status.counts));
        }
        let (was, was_stale) = self.states.get(cage).cloned().unwrap_or_default();
        let (state, stale) = match status.state.as_str() {
            "warming" => {
                let Status { history_ticks, warm_ticks, .. } = *status;
                (State::Warming { history_ticks, warm_ticks }, was_stale)
            }
            // Said every few seconds, whether frames come or not.
            "warm" | "running" => (State::Warm, was_stale),
            "started" | "resumed" | "fresh" => (was, false),
            "stale" => {
                self.screen.state(cage, State::Stale { cause: status.cause.clone() });
                (was, true)
            }
            "ended" | "stopped" => (State::Ended, false),
            "swap-alarm" => {
                if let [first, second] = &status.animals[..] {
                    self.screen.swap_alarm(cage, [first, second], self.start.elapsed());
                }
                return;
            }
            "journal-failing" => return self.screen.journal(Journal::Failing { reason: status.reason.clone() }),
            "journal-restored" => return self.screen.journal(Journal::Writing),
            _ => return,
        };
        if !stale {
            self.screen.state(cage, state.clone());
        }
        if self.states.len() < CAGES_MAX || self.states.contains_key(cage) {
            self.states.insert(cage.clone(), (state, stale));
        }
    }

    /// Says so where nothing is heard of a detector any more, though it speaks every few seconds.
    fn miss_detector(&mut self) {
        if self.known.detector.is_some() || self.heard.elapsed() < SILENT {
            return;
        }
        for (cage, _) in self.states.iter().filter(|(_, (state, _))| *state != State::Ended) {
            self.screen.state(cage, State::Stale { cause: "no word from a detector".to_owned() });
        }
    }

    /// Counts and latencies, of a detector in this process.
    fn count(&mut self) {
        let Some(detector) = self.known.detector else { return };
        for (cage, tally) in detector.tallies().snapshot() {
            self.screen.counts(&cage, counts(&tally));
        }
        let journal = detector.journal_failing().map_or(Journal::Writing, |reason| Journal::Failing { reason });
        self.screen.journal(journal);
    }
}

/// What a status message tells of the counts; latencies it does not.
fn told(counts: &crate::live::watcher::Counts) -> Counts {
    let lost = [counts.displaced, counts.unjournaled, counts.unpublished];
    let drops = counts.refused.values().chain(&lost).fold(0_u64, |sum, count| sum.saturating_add(*count));
    Counts { frames: counts.frames, ticks: counts.ticks, events: counts.published, drops, ..Counts::default() }
}

fn counts(tally: &Tally) -> Counts {
    let quantiles = |latency| {
        let (median, p99) = (tally.quantile(latency, 0.5)?, tally.quantile(latency, 0.99)?);
        Some(Quantiles { median, p99 })
    };
    let counts = &tally.counts;
    Counts {
        frames: counts.frames,
        ticks: counts.ticks,
        events: counts.published,
        drops: counts.refused_in_all() + counts.displaced + counts.unjournaled + counts.unpublished,
        age: quantiles(Latency::Age),
        wait: quantiles(Latency::Wait),
        inference: quantiles(Latency::Inference),
        publication: quantiles(Latency::Publication),
    }
}
