//! One rule in one recording, drawn along its time.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::judged::{Fate, Held};
use super::limits::LANES_MAX;
use super::marks::{Joined, Mark, in_title, joined};
use super::rows::Rows;
use super::text::{plain, secs, shortened, written};
use crate::rehearsal::{Interval, OfRule, Outcome};
use crate::words::counted;

/// Heights of a lane of animals, of the lane of distance and of the axis, as the style has them, in pixels.
const LANE_PX: usize = 36;
const DISTANCE_PX: usize = 18;
const AXIS_PX: usize = 16;

/// Longer names are cut beside a lane.
const LABEL_CHARS_MAX: usize = 28;

/// Colours of animals and pairs in the style.
const LOOKS: usize = 8;
const BAR_LOOKS: [(&str, &str); LOOKS] = [
    ("bout p0", "missed p0"),
    ("bout p1", "missed p1"),
    ("bout p2", "missed p2"),
    ("bout p3", "missed p3"),
    ("bout p4", "missed p4"),
    ("bout p5", "missed p5"),
    ("bout p6", "missed p6"),
    ("bout p7", "missed p7"),
];

/// Half a pixel of a row some 1000 pixels wide.
const ROW_PARTS: u64 = 2000;

/// What is drawn of a rule in a recording.
#[derive(Debug)]
pub(super) struct Raster {
    rows: Rows,
    lanes: Vec<String>,
    labelled: Joined,
    bouts: Joined,
    refused: Joined,
    triggers: Joined,
    by_distance: Joined,
    /// Whether there is a lane of distance.
    is_compared: bool,
    /// What is left out.
    lanes_left: usize,
    outside: u64,
}

impl Raster {
    /// `order` is that of all animals of the page.
    pub fn new(rows: Rows, of_rule: &OfRule, rule: &Held, by_distance: &Held, order: &Order, marks_max: usize) -> Self {
        let (lanes, lanes_left) = lanes(of_rule);
        let lane_of = |animals: &str| lanes.iter().position(|lane| *lane == animals);
        let mut outside = 0;
        let mut is_inside = |tick: u64, is_whole: bool| {
            let is_inside = tick < rows.ticks && is_whole;
            outside += u64::from(!is_inside);
            is_inside
        };
        let mut bar = |span: &Interval, look, what: String| {
            let lane = lane_of(&span.animals).filter(|_| is_inside(span.start, span.start < span.stop))?;
            Some(Mark { lane, look, start: span.start, stop: span.stop.min(rows.ticks), count: 1, what })
        };
        let labelled =
            of_rule.labelled.iter().filter_map(|span| bar(span, "labelled", said(&span.animals, "labelled")));
        let labelled: Vec<Mark> = labelled.collect();
        let bouts = of_rule.bouts.iter().zip(&rule.is_hit).filter_map(|(span, is_hit)| {
            let (hit, missed) = BAR_LOOKS[order.of(&span.animals) % LOOKS];
            let (look, what) = if *is_hit { (hit, "annotated bout, hit") } else { (missed, "annotated bout, missed") };
            bar(span, look, said(&span.animals, what))
        });
        let bouts: Vec<Mark> = bouts.collect();
        let mut points = |held: &Held, is_small: bool| -> Vec<Mark> {
            let inside = held.triggers.iter().filter(|judged| is_inside(judged.decision.tick, true));
            let point = inside.filter_map(|judged| {
                let is_sham = judged.decision.outcome == Outcome::Sham;
                let (look, what) = symbol(judged.fate, is_sham, is_small);
                let what = said(&judged.decision.animals, what) + if is_sham { " (sham)" } else { "" };
                let lane = if is_small { Some(0) } else { lane_of(&judged.decision.animals) };
                Some(Mark::point(lane?, look, judged.decision.tick, what))
            });
            point.collect()
        };
        let (triggers, by_distance) = (points(rule, false), points(by_distance, true));
        let refused = of_rule.decisions.iter().filter_map(|decision| {
            let Outcome::Refused { cause, why } = &decision.outcome else { return None };
            let lane = lane_of(&decision.animals).filter(|_| is_inside(decision.tick, true))?;
            let what = format!("{}, refused, {}: {why}", in_title(&decision.animals), in_title(cause));
            Some(Mark::point(lane, "x", decision.tick, what))
        });
        let refused: Vec<Mark> = refused.collect();
        let join = |marks| joined(marks, rows.row_ticks / ROW_PARTS, marks_max);
        Self {
            rows,
            labelled: join(labelled),
            bouts: join(bouts),
            refused: join(refused),
            triggers: join(triggers),
            by_distance: join(by_distance),
            lanes,
            is_compared: true,
            lanes_left,
            outside,
        }
    }

    /// Without the lane of distance.
    pub fn alone(self) -> Self {
        Self { is_compared: false, ..self }
    }

    pub fn write(&self, page: &mut String) {
        page.push_str("<div class=\"raster\">\n");
        let height = self.lanes.len() * LANE_PX + if self.is_compared { DISTANCE_PX } else { 0 };
        for row in 0..self.rows.count() {
            page.push_str("<div class=\"lanes\">");
            for lane in &self.lanes {
                let _ = write!(page, "<div><bdi>{}</bdi></div>", plain(&shortened(lane, LABEL_CHARS_MAX)));
            }
            page.push_str(if self.is_compared { "<div class=\"low\">distance</div></div>" } else { "</div>" });
            let _ = write!(page, "<svg height=\"{}\" aria-hidden=\"true\">", height + AXIS_PX);
            let end = self.rows.percent(row, self.rows.stop(row));
            let _ = write!(page, "<rect class=\"row\" width=\"{end:.2}%\" height=\"{height}\"/>");
            for (at, text) in self.rows.marks(row) {
                let _ = write!(
                    page,
                    "<line class=\"grid\" x1=\"{at:.2}%\" x2=\"{at:.2}%\" y2=\"{height}\"/>\
                     <text x=\"{at:.2}%\" y=\"{}\">{text}</text>",
                    height + AXIS_PX - 4
                );
            }
            self.bars(page, row, &self.labelled, (28, 3));
            self.bars(page, row, &self.bouts, (16, 10));
            let of_lane = |mark: &Mark| mark.lane * LANE_PX;
            self.points(page, row, &self.refused, |mark| of_lane(mark) + 33);
            self.points(page, row, &self.triggers, |mark| of_lane(mark) + 8);
            self.points(page, row, &self.by_distance, |_| self.lanes.len() * LANE_PX + DISTANCE_PX / 2);
            page.push_str("</svg>\n");
        }
        page.push_str("</div>\n");
        self.write_left_out(page);
    }

    fn bars(&self, page: &mut String, row: u64, bars: &Joined, (top, height): (usize, usize)) {
        let (start, stop) = (self.rows.start(row), self.rows.stop(row));
        for mark in bars.marks.iter().filter(|mark| mark.start < stop && mark.stop > start) {
            let from = self.rows.percent(row, mark.start);
            // A bout of a tick is to be seen, too.
            let width = (self.rows.percent(row, mark.stop.min(stop)) - from).max(0.12);
            let _ = write!(
                page,
                "<rect class=\"{}\" x=\"{from:.2}%\" y=\"{}\" width=\"{width:.2}%\" height=\"{height}\">\
                 <title>{}</title></rect>",
                mark.look,
                mark.lane * LANE_PX + top,
                mark.title()
            );
        }
    }

    fn points(&self, page: &mut String, row: u64, points: &Joined, y: impl Fn(&Mark) -> usize) {
        for mark in points.marks.iter().filter(|mark| self.rows.row_of(mark.start) == row) {
            let _ = write!(
                page,
                "<use href=\"#m-{}\" x=\"{:.2}%\" y=\"{}\"><title>{}</title></use>",
                mark.look,
                self.rows.percent(row, mark.start),
                y(mark),
                mark.title()
            );
        }
    }

    fn write_left_out(&self, page: &mut String) {
        let mut parts = Vec::new();
        let kinds = [
            ("labelled stretches", &self.labelled),
            ("bouts", &self.bouts),
            ("refusals", &self.refused),
            ("triggers", &self.triggers),
            ("triggers of distance alone", &self.by_distance),
        ];
        for (what, joined) in kinds {
            if joined.apart_ticks > 0 {
                parts.push(format!(
                    "{what} of one kind within {} s are drawn as one",
                    written(secs(joined.apart_ticks), 1)
                ));
            }
        }
        if self.lanes_left > 0 {
            parts.push(format!("not drawn: {} to which less happens", counted(self.lanes_left as u64, "lane")));
        }
        if self.outside > 0 {
            let outside = counted(self.outside, "mark");
            parts.push(format!("not drawn: {outside} beyond the end of the recording, or without a length"));
        }
        if !parts.is_empty() {
            let _ = writeln!(page, "<p class=\"left-out\">{}</p>", parts.join("; "));
        }
    }
}

fn said(animals: &str, what: &str) -> String {
    format!("{}, {what}", in_title(animals))
}

/// The symbol of a trigger, and what it is.
fn symbol(fate: Fate, is_sham: bool, is_small: bool) -> (&'static str, &'static str) {
    let names = match fate {
        Fate::Hit | Fate::Again => ["hit", "hit-sham", "hit-low"],
        Fate::False => ["false", "false-sham", "false-low"],
        Fate::Unlabelled => ["unknown", "unknown-sham", "unknown-low"],
    };
    let what = match fate {
        Fate::Hit => "hit",
        Fate::Again => "again within a bout",
        Fate::False => "false trigger",
        Fate::Unlabelled => "trigger in unlabelled time",
    };
    (names[if is_small { 2 } else { usize::from(is_sham) }], what)
}

/// The animals that most happens to, by name, and how many more there are.
fn lanes(of_rule: &OfRule) -> (Vec<String>, usize) {
    let mut happened: BTreeMap<&str, usize> = BTreeMap::new();
    for span in &of_rule.labelled {
        happened.entry(&span.animals).or_default();
    }
    let bouts = of_rule.bouts.iter().map(|span| &span.animals);
    for animals in bouts.chain(of_rule.decisions.iter().map(|decision| &decision.animals)) {
        *happened.entry(animals).or_default() += 1;
    }
    let mut lanes: Vec<(&str, usize)> = happened.into_iter().collect();
    lanes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let left = lanes.len().saturating_sub(LANES_MAX);
    lanes.truncate(LANES_MAX);
    lanes.sort_unstable();
    (lanes.into_iter().map(|(animals, _)| animals.to_owned()).collect(), left)
}

/// Animals and pairs of all recordings by name, so that each keeps its colour.
#[derive(Debug)]
pub(super) struct Order(BTreeMap<String, usize>);

impl Order {
    pub fn new<'a>(bouts: impl Iterator<Item = &'a Interval>) -> Self {
        let mut order: BTreeMap<String, usize> = bouts.map(|bout| (bout.animals.clone(), 0)).collect();
        for (index, place) in order.values_mut().enumerate() {
            *place = index;
        }
        Self(order)
    }

    fn of(&self, animals: &str) -> usize {
        self.0.get(animals).copied().unwrap_or(0)
    }
}
