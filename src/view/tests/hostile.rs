//! What must do no harm: names, numbers and sizes that nobody expects, and more of everything than there is room for.

use super::super::text::{clean, fit, width};
use super::super::timeline::BOUTS_MAX;
use super::super::{EVENTS_MAX, Journal, ScoredCell, Screen, State, TRACKS_MAX, Truth};
use super::*;
use crate::keys::CAGES_MAX;

const NASTY: [&str; 2] = [
    "\u{1b}[2J\u{1b}]0;x\u{7}\r\n\u{202e}evil\u{200b}\u{9b}31m",
    "鼠鼠鼠鼠鼠鼠鼠鼠鼠鼠鼠鼠鼠鼠鼠鼠鼠鼠👩‍🔬\u{301}\u{301}\u{301}",
];

/// A cage in which everything is as bad as it gets.
fn nasty(colour: bool) -> Screen {
    let delays = vec![DelayTicks(u32::MAX), DelayTicks(0)];
    let [esc, wide] = NASTY.map(|name| name.repeat(5));
    let mut screen = Screen::new(&Settings { model: esc.clone(), delays, colour, note: wide.clone() });
    screen.describe(&cage(), &stream([&esc, &wide]));
    let points = [f32::NAN, f32::INFINITY, f32::MAX, -1e6, 0.0, 1e-30];
    for number in [3, u64::MAX, 0, 5] {
        let keypoints = points.map(|x| Keypoint { x, y: -x, confidence: f32::NAN }).to_vec();
        screen.frame(&cage(), &Frame { number, capture_nanos: None, keypoints }, Duration::MAX);
    }
    screen.frame(&cage(), &frame(6, [Some((5.0, 5.0)), Some((1e6, -1e6))]), Duration::ZERO);
    let animals = Animals::Directed { agent: esc.clone(), target: wide.clone() };
    for (behavior, ticks) in [(&esc, 0), (&wide, u64::MAX), (&wide, 1 << 37)] {
        let (stop, animals) = (Some(0), animals.clone());
        screen.event(&event(Words { behavior, animals, onset: ticks, stop, decided: ticks, ..Words::default() }));
    }
    screen.cells(&cage(), &[ScoredCell { behavior: wide.clone(), animals: animals.clone(), threshold: f32::NAN }]);
    screen.scores(&cage(), u64::MAX, &[f32::NAN]);
    screen.scores(&cage(), 0, &[f32::NAN, f32::INFINITY]);
    for at_secs in [f64::NAN, f64::MAX, -1e300] {
        screen.truth(&cage(), &Truth { behavior: esc.clone(), animals: animals.clone(), at_secs, begins: true });
    }
    screen.swap_alarm(&cage(), [&esc, &wide], Duration::MAX);
    screen.state(&cage(), State::Stale { cause: esc.clone() });
    screen
}

#[test]
fn nothing_that_commands_a_terminal_is_let_through() {
    let mut screen = nasty(true);
    for journal in [Journal::Writing, Journal::Failing { reason: NASTY[0].repeat(100) }] {
        screen.journal(journal);
        for (width, height) in [(60, 16), (80, 24), (130, 45)] {
            for cell in drawn_at(&screen, width, height, Duration::MAX).content() {
                let bad = |c: char| c.is_control() || "\u{202e}\u{200b}\u{200d}".contains(c);
                assert!(!cell.symbol().contains(bad), "{:?}", cell.symbol());
            }
        }
    }
    assert_eq!(clean("a\u{1b}[1m\tb\u{202e}", 64), "a·[1m·b·");
    assert_eq!(clean(&"x".repeat(100_000), 64).len(), 64);
}

#[test]
fn every_size_is_drawn() {
    let mut screens = vec![Screen::new(&Settings::default()), screen(true), nasty(true), nasty(false)];
    for screen in &mut screens {
        let (widths, heights) = ((0..=60).chain((61..=200).step_by(17)), 0..=60);
        for width in widths {
            for height in heights.clone().step_by(if width < 58 { 13 } else { 4 }) {
                drawn_at(screen, width, height, Duration::from_secs(1));
            }
        }
        press(screen, KeyCode::Char('?'));
        for (width, height) in [(0, 0), (1, 1), (60, 16), (61, 17), (200, 60), (1000, 60), (60, 1000)] {
            drawn_at(screen, width, height, Duration::ZERO);
        }
    }
    assert!(text(&screens[1], 59, 16).starts_with("This window has 59 × 16 characters;"));
    assert!(text(&screens[1], 59, 16).contains("60 × 16 are needed"));
}

#[test]
fn the_origin_is_told_whatever_the_names_are() {
    let mut screen = nasty(true);
    screen.journal(Journal::Failing { reason: String::new() });
    let first = rows(&drawn(&screen, 60, 16)).remove(0);
    assert!(first.contains("SIMULATED") && first.contains("JOURNAL FAILS") && !first.contains("model"), "{first}");
}

#[test]
fn without_colours_there_are_none() {
    let screen = nasty(false);
    for (width, height) in [(80, 24), (120, 40)] {
        for cell in drawn_at(&screen, width, height, Duration::ZERO).content() {
            assert_eq!((cell.fg, cell.bg), (ratatui::style::Color::Reset, ratatui::style::Color::Reset), "{cell:?}");
        }
    }
}

#[test]
fn histories_end() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 3);
    for index in 0..5_000_u64 {
        let (bout, behavior) = (format!("rig/cage/e-{index}"), format!("b{}", index % 500));
        screen.event(&event(Words {
            bout: &bout,
            behavior: &behavior,
            onset: index / 10,
            decided: index / 10,
            ..Words::default()
        }));
        let bout = format!("rig/cage/e-{}", index + 10_000);
        let (edge, onset, stop) = (EdgeWord::Offset, index / 10, Some(index / 10));
        screen.event(&event(Words { bout: &bout, edge, onset, stop, decided: onset, ..Words::default() }));
        let animals = directed("ann", "bob");
        let truth =
            Truth { behavior: "chase".to_owned(), animals, at_secs: index as f64 / 300.0, begins: index % 2 == 0 };
        screen.truth(&cage(), &truth);
    }
    for index in 20_000..20_000 + 2 * BOUTS_MAX {
        let (bout, edge, stop) = (format!("rig/cage/e-{index}"), EdgeWord::Offset, Some(500));
        screen.event(&event(Words { bout: &bout, edge, onset: 500, stop, decided: 500, ..Words::default() }));
    }
    let scene = screen.scene().unwrap();
    assert_eq!((scene.events.len(), scene.timeline.tracks().len()), (EVENTS_MAX, TRACKS_MAX));
    assert_eq!(scene.timeline.tracks().iter().map(super::super::timeline::Track::len).max(), Some(BOUTS_MAX));
    for index in 0..2 * CAGES_MAX {
        screen.describe(&CageName::new("rig", &format!("c{index}")).unwrap(), &stream(["ann", "bob"]));
    }
    assert_eq!(screen.place().unwrap().2, CAGES_MAX);
}

#[test]
fn frames_of_another_skeleton_and_late_ones_are_left_out() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 30);
    let mut other = frame(31, [Some((1.0, 1.0)), None]);
    other.keypoints.pop();
    screen.frame(&cage(), &other, Duration::ZERO);
    screen.frame(&cage(), &frame(29, [None, None]), Duration::ZERO);
    let newest = |screen: &Screen| screen.scene().unwrap().frame.as_ref().unwrap().number;
    assert_eq!(newest(&screen), 30);
    // A rig that counts anew, and one that was away for longer than the window.
    for number in [30_000, 4] {
        screen.frame(&cage(), &frame(number, [None, None]), Duration::ZERO);
        assert_eq!(newest(&screen), number);
    }
    assert!((screen.scene().unwrap().head() - 32.0 / 30.0).abs() < 1e-9);
}

#[test]
fn a_slip_of_the_tracker_does_not_shrink_the_picture() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 30);
    let bounds = |screen: &Screen| screen.scene().unwrap().extent.bounds(80.0).unwrap();
    let before = bounds(&screen);
    screen.frame(&cage(), &frame(31, [Some((100.0, 100.0)), Some((90_000.0, 100.0))]), Duration::ZERO);
    let mut slip = frame(32, [Some((100.0, 100.0)), Some((500.0, 400.0))]);
    slip.keypoints[2] = Keypoint::observed(-70_000.0, 5.0, 1.0, 0.0);
    screen.frame(&cage(), &slip, Duration::ZERO);
    assert_eq!(bounds(&screen), before);
}

#[test]
fn words_fit_by_the_columns_that_they_take() {
    assert_eq!(
        (fit("resident", 5), fit("鼠鼠鼠", 4), fit("abc", 0)),
        ("resi…".to_owned(), "鼠…".to_owned(), String::new())
    );
    for columns in 0..20 {
        assert!(width(&fit(NASTY[1], columns)) <= columns, "{columns}");
    }
}
