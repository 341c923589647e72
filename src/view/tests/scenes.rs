//! Known scenes, and where the picture shows them.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::super::arena::{View, arrow};
use super::super::extent::Bounds;
use super::super::text::{clock, count, latency};
use super::super::timeline::{Columns, Mark, Said};
use super::super::{Action, Counts, Journal, Quantiles, ScoredCell, Screen, State, Truth};
use super::*;
use crate::plane::Vec2;

const SIZES: [(u16, u16); 4] = [(60, 16), (80, 24), (120, 40), (200, 60)];

fn truth(screen: &mut Screen, animals: &Animals, secs: [f64; 2]) {
    for (at_secs, begins) in secs.into_iter().zip([true, false]) {
        let truth = Truth { behavior: "chase".to_owned(), animals: animals.clone(), at_secs, begins };
        screen.truth(&cage(), &truth);
    }
}

/// A bout in whole seconds, said at this delay.
fn bout(screen: &mut Screen, bout: &str, delay: u32, secs: [u64; 2]) {
    let [onset, stop] = secs.map(|secs| 30 * secs);
    let decided = stop + u64::from(delay);
    screen.event(&event(Words { bout, delay, onset, decided: onset + u64::from(delay), ..Words::default() }));
    let edge = EdgeWord::Offset;
    screen.event(&event(Words { bout, delay, onset, stop: Some(stop), decided, edge, ..Words::default() }));
}

#[test]
fn the_first_line_says_where_the_frames_come_from_at_every_size() {
    let mut screen = screen(true);
    sit(&mut screen, 0, 90);
    screen.state(&cage(), State::Warming { history_ticks: 60, warm_ticks: 150 });
    screen.journal(Journal::Writing);
    for (width, height) in SIZES {
        let first = rows(&drawn(&screen, width, height)).remove(0);
        for words in ["rig/cage", "SIMULATED", "warming 2/5 s", "0:03", "✓ journal"] {
            assert!(first.contains(words), "{words:?} is not in {first:?}");
        }
    }
    let wide = rows(&drawn(&screen, 120, 40)).remove(0);
    assert!(wide.contains("30.0 Hz") && wide.contains("model rats"), "{wide:?}");
}

#[test]
fn alarms_take_a_line_of_their_own_the_worst_first_even_while_paused() {
    let mut screen = screen(true);
    sit(&mut screen, 0, 30);
    press(&mut screen, KeyCode::Char('p'));
    screen.swap_alarm(&cage(), ["ann", "bob"], Duration::from_secs(1));
    let swap = "! SWAP ALARM: ann and bob may have exchanged their names";
    assert!(text(&screen, 80, 24).contains(swap));
    screen.state(&cage(), State::Stale { cause: "silence".to_owned() });
    assert!(text(&screen, 80, 24).contains("STALE: what is known"));
    screen.journal(Journal::Failing { reason: "disk full".to_owned() });
    let picture = drawn(&screen, 80, 24);
    let words = "THE JOURNAL CANNOT BE WRITTEN, NOTHING IS PUBLISHED: disk full";
    let (x, y) = find(&picture, words);
    assert_eq!((y, picture[(x as u16, 1)].bg), (1, Color::Red));
    screen.journal(Journal::Writing);
    screen.state(&cage(), State::Warm);
    let later = drawn_at(&screen, 80, 24, Duration::from_secs(20));
    assert!(!rows(&later).join("").contains('!'), "a swap alarm goes after a while");
}

#[test]
fn a_cage_without_frames_is_silent_and_not_warm() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 30);
    screen.state(&cage(), State::Warm);
    assert!(text(&screen, 80, 24).contains("● warm"));
    let later = rows(&drawn_at(&screen, 80, 24, Duration::from_secs(5))).remove(0);
    assert!(later.contains("silent 4 s") && !later.contains("Hz"), "{later}");
}

#[test]
fn animals_are_where_their_points_are_and_images_count_down() {
    let mut screen = screen(true);
    sit(&mut screen, 0, 3);
    for (width, height) in SIZES {
        let picture = drawn(&screen, width, height);
        let ((ann_x, ann_y), (bob_x, bob_y)) = (find(&picture, "● ann"), find(&picture, "◆ bob"));
        assert!(ann_x < bob_x && ann_y < bob_y, "{width}×{height}: {:?}", rows(&picture));
    }
    // They look along x: all bones lie in the row of the nose.
    let picture = drawn(&screen, 120, 40);
    for (colour, mark) in [(Color::Cyan, "●"), (Color::Magenta, "◆")] {
        let inside = || (1..39).flat_map(|y| (1..70).map(move |x| (x, y)));
        let is_dots =
            |at: &(u16, u16)| (0x2801..0x2900).contains(&u32::from(picture[*at].symbol().chars().next().unwrap()));
        let bones: Vec<(u16, u16)> = inside().filter(|at| picture[*at].fg == colour).filter(is_dots).collect();
        let is_nose = |&(x, y): &(u16, u16)| picture[(x, y)].symbol() == mark && is_dots(&(x - 1, y));
        let nose = inside().find(is_nose);
        let (_, row) = nose.expect("a mark at the end of the bones");
        assert!(bones.len() >= 4 && bones.iter().all(|(_, y)| y.abs_diff(row) <= 1), "{mark} in row {row}: {bones:?}");
    }
    screen.frame(&cage(), &frame(4, [Some((100.0, 100.0)), None]), Duration::ZERO);
    assert!(text(&screen, 80, 24).contains("◆ bob unseen"));
}

#[test]
fn dots_are_square() {
    let bounds = Bounds { left: 0.0, right: 100.0, top: 0.0, bottom: 100.0 };
    for (width, height) in [(40, 10), (10, 40), (20, 10)] {
        let view = View::of(bounds, Rect { x: 3, y: 2, width, height }).unwrap();
        let (origin, right) = (view.cell(Vec2 { x: 0.5, y: 0.5 }), view.cell(Vec2 { x: 99.5, y: 0.5 }));
        let below = view.cell(Vec2 { x: 0.5, y: 99.5 });
        let (columns, rows) = (right.0 - origin.0 + 1, below.1 - origin.1 + 1);
        assert!((columns - 2 * rows).abs() <= 2, "{columns} columns and {rows} rows in {width}×{height}");
        assert!(columns == i32::from(width) || rows == i32::from(height), "the panel is not filled");
    }
    assert!(View::of(bounds, Rect::ZERO).is_none());
}

#[test]
fn an_arrow_runs_from_agent_to_target() {
    let (ann, bob) = (Vec2 { x: 100.0, y: 100.0 }, Vec2 { x: 500.0, y: 400.0 });
    let there = arrow(ann, bob, 80.0, 1.0).unwrap();
    assert!((there.from - ann).length() < 40.0 && (there.to - bob).length() < 40.0);
    let back = arrow(bob, ann, 80.0, 1.0).unwrap();
    assert!((there.from - back.to).length() > 20.0, "the arrows of both directions lie beside each other");
    assert_eq!(arrow(ann, ann + Vec2 { x: 30.0, y: 0.0 }, 80.0, 1.0), None);
    assert_eq!(arrow(ann, ann, 80.0, 1.0), None);
}

/// Dots of a cell that the arrow was drawn in.
fn arrow_dots(cell: &ratatui::buffer::Cell) -> u32 {
    let symbol = cell.symbol().chars().next().map_or(0, u32::from);
    if cell.fg == Color::White && (0x2800..0x2900).contains(&symbol) { (symbol & 0xff).count_ones() } else { 0 }
}

#[test]
fn the_head_of_the_arrow_is_at_the_target() {
    for (agent, target, on_the_right) in [("ann", "bob", true), ("bob", "ann", false)] {
        let mut screen = screen(true);
        sit(&mut screen, 0, 30);
        screen.event(&event(Words { animals: directed(agent, target), onset: 20, decided: 25, ..Words::default() }));
        let picture = drawn(&screen, 120, 40);
        let (x, y) = find(&picture, &format!("chase {agent} → {target}"));
        assert!(x < 72 && y < 23, "words in the arena");
        // Dots of the arrow by column: the head has more of them than the shaft.
        let dots: Vec<u32> = (0..72).map(|x| (2..22).map(|y| arrow_dots(&picture[(x, y)])).sum()).collect();
        let drawn: Vec<u32> = dots.into_iter().skip_while(|&dots| dots == 0).collect();
        let length = drawn.iter().rposition(|&dots| dots > 0).unwrap() + 1;
        let (left, right) = (drawn[..3].iter().sum::<u32>(), drawn[length - 3..length].iter().sum::<u32>());
        assert_eq!(right > left, on_the_right, "{agent} → {target}: {drawn:?}");
    }
}

#[test]
fn columns_are_bound_to_the_time_line() {
    let columns = Columns { count: 60, secs: 0.5, head: 30.0 };
    assert_eq!((columns.at(30.0), columns.at(29.99), columns.at(10.0), columns.at(-100.0)), (59, 58, 19, -201));
    let later = Columns { head: 30.4, ..columns };
    assert_eq!(later.at(10.0), 19, "nothing moves within a column");
    assert_eq!(Columns { head: 30.5, ..columns }.at(10.0), 18);
}

#[test]
fn what_was_said_and_what_is_true_stand_at_their_times() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 30 * 30);
    truth(&mut screen, &directed("ann", "bob"), [10.0, 14.0]);
    bout(&mut screen, "rig/cage/e-1", 0, [11, 16]);
    bout(&mut screen, "rig/cage/e-1", 60, [12, 15]);
    let scene = screen.scene().unwrap();
    let marks = scene.timeline.tracks()[0].marks(60, 0, Columns { count: 30, secs: 1.0, head: scene.head() });
    let of = |test: fn(&Mark) -> bool| (0..30).filter(|&column| test(&marks[column])).collect::<Vec<_>>();
    assert_eq!(of(|mark| mark.truth), [9, 10, 11, 12]);
    assert_eq!(of(|mark| mark.said == Said::Shown), [11, 12, 13]);
    assert_eq!(of(|mark| mark.said >= Said::Fast), [10, 11, 12, 13, 14]);
    let picture = drawn(&screen, 80, 24);
    let row = rows(&picture).into_iter().find(|row| row.contains("chase") && row.contains('█')).unwrap();
    let bars: String = row.chars().filter(|symbol| "▄▙█▀▘".contains(*symbol)).collect();
    let mut order: Vec<char> = bars.chars().collect();
    order.dedup();
    assert_eq!(order, ['▄', '▙', '█', '▀', '▘'], "miss, late, hit, false alarm, only fast: {row}");
}

#[test]
fn a_bout_that_goes_on_ends_where_its_delay_has_decided() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 600);
    screen.event(&event(Words { delay: 60, onset: 450, decided: 510, ..Words::default() }));
    let head = screen.scene().unwrap().head();
    let columns = Columns { count: 30, secs: 1.0, head };
    let marks = |screen: &Screen| screen.scene().unwrap().timeline.tracks()[0].marks(60, 0, columns);
    let shown = marks(&screen).iter().map(|mark| u8::from(mark.said == Said::Shown)).collect::<Vec<_>>();
    assert_eq!(shown[23..], [0, 1, 1, 1, 0, 0, 0][..], "from 15 s to 18 s of 20 s");
    screen.state(&cage(), State::Ended);
    assert!(!screen.scene().unwrap().timeline.tracks()[0].is_on(60));
}

#[test]
fn what_is_taken_back_is_marked_and_stays() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 600);
    bout(&mut screen, "rig/cage/e-7", 0, [12, 13]);
    let edge = EdgeWord::Retraction;
    screen.event(&event(Words { bout: "rig/cage/e-7", edge, delay: 60, onset: 360, decided: 450, ..Words::default() }));
    let settled = text(&screen, 80, 24);
    assert!(settled.contains("15.0 s × taken back"), "{settled}");
    let row = settled.lines().find(|row| row.contains('▘') && row.contains("ann")).unwrap();
    assert!(row.contains('×'), "{row}");
    press(&mut screen, KeyCode::Char('d'));
    let fast = text(&screen, 80, 24);
    assert!(fast.contains("12.0 s ▶ begins") && fast.contains("× taken back  (0.92)"), "{fast}");
}

#[test]
fn rows_keep_their_places_and_go_when_nothing_is_left_of_them() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 300);
    let say = |screen: &mut Screen, behavior: &str, bout: &str, edge, onset: u64| {
        let said =
            Words { bout, behavior, edge, onset, stop: Some(onset + 10), decided: onset + 10, ..Words::default() };
        screen.event(&event(said));
    };
    say(&mut screen, "sniff", "rig/cage/e-1", EdgeWord::Offset, 100);
    say(&mut screen, "attack", "rig/cage/e-2", EdgeWord::Offset, 150);
    say(&mut screen, "mount", "rig/cage/e-3", EdgeWord::Offset, 200);
    say(&mut screen, "sniff", "rig/cage/e-4", EdgeWord::Offset, 250);
    let order = |screen: &Screen| {
        let tracks = screen.scene().unwrap().timeline.tracks();
        tracks.iter().map(|track| track.behavior.clone()).collect::<Vec<_>>()
    };
    assert_eq!(order(&screen), ["sniff", "attack", "mount"]);
    // Two rows of room: those of latest activity, in their own order.
    say(&mut screen, "mount", "rig/cage/e-6", EdgeWord::Offset, 270);
    let small = drawn(&screen, 60, 16);
    assert!(find(&small, "  sniff").1 < find(&small, "  mount").1);
    assert!(!rows(&small).join("").contains("  attack"));
    sit(&mut screen, 301, 150 + 10 + 60 * 30 + 1);
    say(&mut screen, "rear", "rig/cage/e-5", EdgeWord::Offset, 1900);
    assert_eq!(order(&screen), ["sniff", "mount", "rear"]);
}

#[test]
fn scores_stand_in_their_own_order_with_their_threshold() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 3);
    let cell = |behavior: &str, threshold| ScoredCell {
        behavior: behavior.to_owned(),
        animals: directed("ann", "bob"),
        threshold,
    };
    let mut cells: Vec<ScoredCell> = (0..40).map(|index| cell(&format!("quiet{index}"), 0.5)).collect();
    (cells[20], cells[3]) = (cell("alpha", 0.5), cell("omega", 1.5));
    screen.cells(&cage(), &cells);
    let mut scores = vec![0.1; 40];
    (scores[20], scores[3], scores[30]) = (0.75, 0.6, f32::NAN);
    screen.scores(&cage(), 4, &scores);
    let picture = drawn(&screen, 80, 24);
    let ((_, omega), (x, alpha)) = (find(&picture, "omega"), find(&picture, "alpha"));
    assert!(omega < alpha, "the higher one does not jump ahead");
    let row = rows(&picture)[alpha].chars().skip(x).collect::<String>();
    assert!(row.contains("━━┃━━") && row.contains("┈ 0.75"), "{row}");
    let never = &rows(&picture)[omega];
    assert!(!never.contains('┃') && never.contains("0.60"), "{never}");
    screen.scores(&cage(), 5, &[1.0; 39]);
    assert!(text(&screen, 80, 24).contains("0.75"), "too few scores are about other cells");
}

#[test]
fn latencies_are_unknown_rather_than_zero() {
    let mut screen = screen(false);
    let took = |micros| Quantiles { median: Duration::from_micros(micros), p99: Duration::from_millis(12) };
    let counts =
        Counts { frames: 15_000, ticks: 14_999, events: 7, drops: 2, inference: Some(took(2810)), ..Counts::default() };
    screen.counts(&cage(), counts);
    let picture = text(&screen, 120, 40);
    for words in ["capture → arrival", "unknown", "2.8 ms", "12.0 ms", "15.0k frames", "7 events", "2 drops"] {
        assert!(picture.contains(words), "{words:?} is not in\n{picture}");
    }
    assert_eq!([0, 9999, 10_000, 123_456, 99_999_999].map(count), ["0", "9999", "10.0k", "123k", "100M"]);
    let told = [90, 1500, 250_000, 2_000_000].map(|micros| latency(Duration::from_micros(micros)));
    assert_eq!(told, ["90 µs", "1.5 ms", "250 ms", "2.0 s"]);
    assert_eq!([59.9, 65.0, 3661.0, f64::NAN].map(clock), ["0:59", "1:05", "1:01:01", "0:00"]);
}

#[test]
fn a_direction_that_the_model_does_not_know_is_true_of_its_pair() {
    let mut screen = screen(false);
    let pair = Animals::Undirected { animals: ["bob".to_owned(), "ann".to_owned()] };
    screen.cells(&cage(), &[ScoredCell { behavior: "chase".to_owned(), animals: pair.clone(), threshold: 0.5 }]);
    sit(&mut screen, 0, 300);
    truth(&mut screen, &directed("bob", "ann"), [2.0, 3.0]);
    screen.event(&event(Words { animals: pair, onset: 65, decided: 70, ..Words::default() }));
    let tracks = screen.scene().unwrap().timeline.tracks();
    assert_eq!((tracks.len(), tracks[0].label_set.as_str()), (1, "Lab"));
}

#[test]
fn a_view_that_joins_late_is_set_right_by_events_and_a_new_life_begins_anew() {
    let mut screen = screen(false);
    sit(&mut screen, 5000, 5030);
    assert!((screen.scene().unwrap().head() - 1.0).abs() < 1e-9);
    screen.event(&event(Words { onset: 8990, decided: 9000, ..Words::default() }));
    assert!((screen.scene().unwrap().head() - 300.0).abs() < 1e-9);
    sit(&mut screen, 5031, 5060);
    assert!((screen.scene().unwrap().head() - 301.0).abs() < 1e-9);
    let edge = EdgeWord::Abandoned;
    screen.event(&event(Words { bout: "rig/cage/old-9", edge, onset: 100, decided: 200, ..Words::default() }));
    assert!((screen.scene().unwrap().head() - 301.0).abs() < 1e-9);
    screen.event(&event(Words { bout: "rig/cage/f-0", onset: 30, decided: 60, ..Words::default() }));
    let scene = screen.scene().unwrap();
    assert!((scene.head() - 2.0).abs() < 1e-9 && scene.timeline.tracks().len() == 1, "{}", scene.head());
}

#[test]
fn keys_choose_what_is_shown() {
    let mut screen = screen(false);
    sit(&mut screen, 0, 30);
    assert_eq!(press(&mut screen, KeyCode::Char('x')), Action::None);
    assert_eq!(press(&mut screen, KeyCode::Char('q')), Action::Quit);
    assert_eq!(screen.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Action::Quit);
    assert_eq!(screen.key(KeyEvent::new(KeyCode::Char('d'), KeyModifiers::CONTROL)), Action::None);
    assert!(text(&screen, 80, 24).contains("decided after 2.0 s"), "the longest delay at first");
    assert_eq!(press(&mut screen, KeyCode::Char('d')), Action::Redraw);
    assert!(text(&screen, 80, 24).contains("decided after 0.0 s"));
    press(&mut screen, KeyCode::Char('d'));
    assert!(text(&screen, 80, 24).contains("decided after 2.0 s"));
    press(&mut screen, KeyCode::Char('p'));
    sit(&mut screen, 31, 300);
    let paused = rows(&drawn(&screen, 80, 24)).remove(0);
    assert!(paused.contains("PAUSED") && paused.contains("0:01"), "{paused}");
    press(&mut screen, KeyCode::Char('p'));
    assert!(rows(&drawn(&screen, 80, 24))[0].contains("0:10"));
    assert!(!text(&screen, 80, 24).contains("next cage"));
    screen.describe(&CageName::new("rig", "another").unwrap(), &stream(["ann", "bob"]));
    assert!(text(&screen, 80, 24).contains("cage 2 of 2"), "a new cage does not take the picture");
    press(&mut screen, KeyCode::Tab);
    assert!(text(&screen, 80, 24).contains("rig/another"));
    press(&mut screen, KeyCode::BackTab);
    assert!(text(&screen, 80, 24).contains("cage 2 of 2"));
}

#[test]
fn the_explanation_names_every_panel_and_fits_a_small_terminal() {
    let mut screen = screen(false);
    press(&mut screen, KeyCode::Char('?'));
    let picture = text(&screen, 80, 24);
    for words in ["First line:", "Arena:", "Behavior:", "Scores:", "Latency:", "Events:", "while detection goes on."] {
        assert!(picture.contains(words), "{words:?} is not in\n{picture}");
    }
    for _ in 0..100 {
        press(&mut screen, KeyCode::Down);
    }
    press(&mut screen, KeyCode::Esc);
    assert!(!text(&screen, 80, 24).contains("First line:"));
}
