mod hostile;
mod scenes;

use std::time::Duration;

use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{Screen, Settings};
use crate::behavior::Kind;
use crate::keys::CageName;
use crate::output::event::{Animals, EdgeWord, Event, Verdict};
use crate::poses::{Frame, Keypoint};
use crate::skeleton::Skeleton;
use crate::stream::{Origin, StreamDescription};
use crate::time::DelayTicks;

fn cage() -> CageName {
    CageName::new("rig", "cage").unwrap()
}

fn stream(names: [&str; 2]) -> StreamDescription {
    let edge = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let keypoints = ["nose", "body", "tail"].map(str::to_owned).to_vec();
    let edges = vec![edge("nose", "body"), edge("body", "tail")];
    let skeleton = Skeleton::new("rat-3", keypoints, ("nose", "body", "tail"), edges).unwrap();
    StreamDescription::new(skeleton, names.map(str::to_owned).to_vec(), 30.0, 80.0, None, Origin::Simulated).unwrap()
}

fn screen(colour: bool) -> Screen {
    let delays = vec![DelayTicks(0), DelayTicks(60)];
    let mut screen = Screen::new(&Settings { model: "rats".to_owned(), delays, colour, note: String::new() });
    screen.describe(&cage(), &stream(["ann", "bob"]));
    screen
}

/// Each animal looks along x, its body at the given point; `None` is not seen.
fn frame(number: u64, bodies: [Option<(f32, f32)>; 2]) -> Frame {
    let points = |body: Option<(f32, f32)>| {
        [40.0, 0.0, -40.0].map(|ahead| match body {
            Some((x, y)) => Keypoint::observed(x + ahead, y, 1.0, 0.0),
            None => Keypoint::MISSING,
        })
    };
    Frame { number, capture_nanos: None, keypoints: bodies.into_iter().flat_map(points).collect() }
}

/// Frames of two animals that sit still, up to a moment of their time line.
fn sit(screen: &mut Screen, from_tick: u64, to_tick: u64) {
    for number in from_tick..=to_tick {
        let now = Duration::from_secs_f64(number as f64 / 30.0);
        screen.frame(&cage(), &frame(number, [Some((100.0, 100.0)), Some((500.0, 400.0))]), now);
    }
}

fn directed(agent: &str, target: &str) -> Animals {
    Animals::Directed { agent: agent.to_owned(), target: target.to_owned() }
}

/// What an event says, in the words of these tests.
struct Words<'a> {
    bout: &'a str,
    behavior: &'a str,
    animals: Animals,
    edge: EdgeWord,
    delay: u32,
    onset: u64,
    stop: Option<u64>,
    decided: u64,
}

impl Default for Words<'_> {
    fn default() -> Self {
        let (bout, behavior, animals) = ("rig/cage/e-1", "chase", directed("ann", "bob"));
        Self { bout, behavior, animals, edge: EdgeWord::Onset, delay: 0, onset: 0, stop: None, decided: 0 }
    }
}

fn event(said: Words) -> Event {
    let verdict = Verdict {
        rig: "rig".to_owned(),
        cage: "cage".to_owned(),
        bout: said.bout.to_owned(),
        animals: said.animals,
        behavior: said.behavior.to_owned(),
        kind: Kind::Directed,
        label_set: "Lab".to_owned(),
        edge: said.edge,
        onset_tick: said.onset,
        stop_tick: said.stop,
        decision_tick: said.decided,
        delay: said.delay,
        score: 0.92,
        revises: None,
        settled: said.delay == 60,
        history_ticks: 512,
        warming: false,
        identity: 1.0,
        capture_nanos: None,
        clock: None,
        decision_nanos: 0,
        model: "hash".to_owned(),
        origin: Origin::Simulated,
    };
    Event::new(verdict, 1, 0)
}

fn drawn_at(screen: &Screen, width: u16, height: u16, now: Duration) -> Buffer {
    let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|canvas| screen.draw(canvas, now)).unwrap();
    terminal.backend().buffer().clone()
}

/// The picture at the moment of the newest frame.
fn drawn(screen: &Screen, width: u16, height: u16) -> Buffer {
    let newest = screen.scene().map_or(0.0, super::scene::Scene::head);
    drawn_at(screen, width, height, Duration::from_secs_f64(newest))
}

fn rows(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width.max(1));
    buffer.content().chunks(width).map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
}

fn text(screen: &Screen, width: u16, height: u16) -> String {
    rows(&drawn(screen, width, height)).join("\n")
}

/// Column and row of the first place that says this.
fn find(buffer: &Buffer, words: &str) -> (usize, usize) {
    let rows = rows(buffer);
    let found = rows.iter().enumerate().find_map(|(y, row)| {
        let byte = row.find(words)?;
        Some((row[..byte].chars().count(), y))
    });
    found.unwrap_or_else(|| panic!("{words:?} is not in\n{}", rows.join("\n")))
}

fn press(screen: &mut Screen, code: KeyCode) -> super::Action {
    screen.key(KeyEvent::new(code, KeyModifiers::NONE))
}
