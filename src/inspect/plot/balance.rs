//! How much there is of each behavior, lab by lab.

use super::svg::{Anchor, Style, Svg};
use super::{ALARM, FAINT_INK, GRID, PALETTE};
use crate::inspect::labels::{LabLabels, LabelReport, Tally};
use crate::inspect::text::{duration, kind_name};
use crate::words::count;

const MARGIN: f64 = 16.0;
const COLUMN: f64 = 540.0;
const COLUMN_GAP: f64 = 36.0;
const COLUMNS_MAX: usize = 3;
/// A plot of fewer rows takes one column less.
const ROWS_A_COLUMN: usize = 48;
/// Labs and behaviors beyond these are counted, not drawn.
const LABS_MAX: usize = 60;
const BEHAVIORS_MAX: usize = 60;
const LABELS_WIDTH: f64 = 128.0;
const FIGURES_WIDTH: f64 = 170.0;
const ROW: f64 = 16.0;
const BAR: f64 = 11.0;
const HEADING: f64 = 24.0;
const LAB_GAP: f64 = 10.0;
const AXIS: f64 = 20.0;
const TITLE: &str = "Time of each behavior, all animals together";

/// Marks of the time axis, in seconds; it is logarithmic, and begins at one of them.
const MARKS: [(f64, &str); 11] = [
    (0.01, "10 ms"),
    (0.1, "0.1 s"),
    (1.0, "1 s"),
    (10.0, "10 s"),
    (60.0, "1 min"),
    (600.0, "10 min"),
    (3600.0, "1 h"),
    (36e3, "10 h"),
    (36e4, "100 h"),
    (36e5, "1000 h"),
    (36e6, "10,000 h"),
];

/// What bars of a kind look like.
const KINDS: [(&str, &str); 5] = [
    ("directed", PALETTE[0]),
    ("both", PALETTE[4]),
    ("self", PALETTE[1]),
    ("undirected", PALETTE[2]),
    ("mixed", PALETTE[3]),
];

/// A bar for each behavior: the time of all animals together, on a logarithmic scale, coloured by kind, and the number
/// of bouts and of recordings beside it. What was looked for and never seen says so.
pub fn balance(report: &LabelReport) -> String {
    let labs: Vec<(&str, &LabLabels)> = report.labs().collect();
    let shown = &labs[..labs.len().min(LABS_MAX)];
    let columns = columns_of(shown);
    let seen =
        || shown.iter().flat_map(|(_, lab)| lab.behaviors()).map(|(_, tally)| tally.secs).filter(|secs| *secs > 0.0);
    let (least, most) = (seen().fold(f64::INFINITY, f64::min), seen().fold(0.0, f64::max));
    let first = MARKS.iter().rposition(|(secs, _)| *secs < least).unwrap_or(0).min(MARKS.len() - 2);
    let last = MARKS.iter().rposition(|(secs, _)| *secs <= most).unwrap_or(0).max(first + 1);
    let most_secs = most.max(MARKS[last].0);
    let mut drawing = Drawing { svg: Svg::default(), marks: &MARKS[first..=last], most_secs, left: 0.0 };
    drawing.legend(shown);
    let mut height = 0.0_f64;
    for (index, column) in columns.iter().enumerate() {
        drawing.left = MARGIN + index as f64 * (COLUMN + COLUMN_GAP);
        height = height.max(drawing.column(column));
    }
    if labs.len() > shown.len() {
        height += 14.0;
        let note = format!("not drawn: {} more labs", labs.len() - shown.len());
        drawing.svg.text([MARGIN, height], Anchor::Start, Style::Alarm, &note);
    }
    let width = MARGIN.mul_add(2.0, columns.len().max(1) as f64 * (COLUMN + COLUMN_GAP) - COLUMN_GAP);
    drawing.svg.finish([width, height + MARGIN], TITLE)
}

type Labs<'a> = Vec<(&'a str, &'a LabLabels)>;

/// Labs in columns that are about equally high; a lab stays in one.
fn columns_of<'a>(labs: &[(&'a str, &'a LabLabels)]) -> Vec<Labs<'a>> {
    let heights: Vec<f64> = labs.iter().map(|(_, lab)| lab_height(lab)).collect();
    let total: f64 = heights.iter().sum();
    let count = ((total / (ROWS_A_COLUMN as f64 * ROW)).ceil() as usize).clamp(1, COLUMNS_MAX);
    // The lowest height into which the labs, in their order, fit that many columns.
    let fits = |height: f64| {
        let mut columns = vec![(0.0, 0_usize)];
        for lab_height in &heights {
            match columns.last_mut() {
                Some((filled, labs)) if *labs == 0 || *filled + lab_height <= height => {
                    *filled += lab_height;
                    *labs += 1;
                }
                _ => columns.push((*lab_height, 1)),
            }
        }
        columns
    };
    let mut height = total / count as f64;
    while fits(height).len() > count {
        height += ROW;
    }
    let mut rest = labs;
    let take = |(_, labs): (f64, usize)| {
        let (column, others) = rest.split_at(labs);
        rest = others;
        column.to_vec()
    };
    fits(height).into_iter().map(take).collect()
}

fn lab_height(lab: &LabLabels) -> f64 {
    let behaviors = lab.behaviors().count();
    HEADING + LAB_GAP + ROW * (behaviors.min(BEHAVIORS_MAX) + usize::from(behaviors > BEHAVIORS_MAX)) as f64
}

struct Drawing {
    svg: Svg,
    marks: &'static [(f64, &'static str)],
    /// Where the time axis ends.
    most_secs: f64,
    left: f64,
}

impl Drawing {
    fn legend(&mut self, labs: &[(&str, &LabLabels)]) {
        self.svg.text([MARGIN, MARGIN + 11.0], Anchor::Start, Style::Title, TITLE);
        let present = |kind: &str| {
            labs.iter()
                .flat_map(|(_, lab)| lab.behaviors())
                .any(|(_, tally)| tally.bouts > 0 && kind_name(tally) == kind)
        };
        let mut x = MARGIN;
        for (name, colour) in KINDS.into_iter().filter(|(name, _)| present(name)) {
            let label = if name == "both" { "directed, both orders at once" } else { name };
            self.svg.rect([x, MARGIN + 24.0], [14.0, BAR], colour);
            self.svg.text([x + 19.0, MARGIN + 33.5], Anchor::Start, Style::Label, label);
            x += 19.0 + Style::Label.width_px(label) + 16.0;
        }
    }

    fn x(&self, secs: f64) -> f64 {
        let (first, last) = (self.marks[0].0.ln(), self.most_secs.ln());
        let share = ((secs.max(1e-9).ln() - first) / (last - first)).clamp(0.0, 1.0);
        self.left + LABELS_WIDTH + (COLUMN - LABELS_WIDTH - FIGURES_WIDTH) * share
    }

    /// Draws a column and gives the height at which it ends.
    fn column(&mut self, labs: &[(&str, &LabLabels)]) -> f64 {
        let top = MARGIN + 60.0;
        let bottom = top + AXIS + labs.iter().map(|(_, lab)| lab_height(lab)).sum::<f64>() - LAB_GAP;
        let mut free = f64::NEG_INFINITY;
        for &(secs, name) in self.marks {
            let (x, half) = (self.x(secs), Style::Note.width_px(name) / 2.0);
            self.svg.line([x, top + 4.0], [x, bottom], GRID);
            if x - half > free {
                self.svg.text([x, top], Anchor::Middle, Style::Note, name);
                free = x + half + 4.0;
            }
        }
        self.svg.text([self.left + COLUMN, top], Anchor::End, Style::Note, "time, bouts in recordings");
        let mut y = top + 4.0;
        for (name, lab) in labs {
            self.lab(name, lab, y);
            y += lab_height(lab);
        }
        bottom
    }

    fn lab(&mut self, name: &str, lab: &LabLabels, top: f64) {
        let heading = Style::Heading.fit(name, COLUMN - FIGURES_WIDTH);
        let figures = format!("{} recordings, {} scored", count(lab.recordings), duration(lab.scored_secs));
        // Over the grid.
        self.svg.rect([self.left, top + 5.0], [Style::Heading.width_px(&heading) + 6.0, HEADING - 8.0], "#FFFFFF");
        self.svg.text([self.left, top + 17.0], Anchor::Start, Style::Heading, &heading);
        self.svg.text([self.left + COLUMN, top + 17.0], Anchor::End, Style::Note, &figures);
        let behaviors = lab.behaviors_by_secs();
        let mut y = top + HEADING;
        for (behavior, tally) in behaviors.iter().take(BEHAVIORS_MAX) {
            self.behavior(behavior, tally, y);
            y += ROW;
        }
        if behaviors.len() > BEHAVIORS_MAX {
            let note = format!("and {} more", behaviors.len() - BEHAVIORS_MAX);
            self.svg.text([self.left + LABELS_WIDTH, y + 11.0], Anchor::Start, Style::Alarm, &note);
        }
    }

    fn behavior(&mut self, name: &str, tally: &Tally, top: f64) {
        let baseline = top + 11.5;
        let label = Style::Label.fit(name, LABELS_WIDTH - 8.0);
        self.svg.text([self.left + LABELS_WIDTH - 8.0, baseline], Anchor::End, Style::Label, &label);
        let start = self.left + LABELS_WIDTH;
        if tally.bouts == 0 {
            self.svg.rect([start, top + 2.5], [2.0, BAR], ALARM);
            let note = format!("looked for in {}, never seen", count(tally.recordings_labelled));
            self.svg.text([start + 8.0, baseline], Anchor::Start, Style::Alarm, &note);
            return;
        }
        let kind = kind_name(tally);
        let colour = KINDS.iter().find(|(name, _)| *name == kind).map_or(FAINT_INK, |(_, colour)| colour);
        let end = self.x(tally.secs).max(start + 1.0);
        self.svg.rect([start, top + 2.5], [end - start, BAR], colour);
        let bouts = if tally.bouts == 1 { "bout" } else { "bouts" };
        let figures =
            format!("{}, {} {bouts} in {}", duration(tally.secs), count(tally.bouts), count(tally.recordings));
        self.svg.text([self.left + COLUMN, baseline], Anchor::End, Style::Note, &figures);
    }
}
