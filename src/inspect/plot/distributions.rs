//! Sides of recordings beside each other: how like are they?

use std::ops::Range;

use super::svg::{Anchor, Style, Svg};
use super::{FAINT_INK, GRID, PALETTE};
use crate::inspect::likeness::{Measures, Quantity, Scale, Share};
use crate::inspect::text::duration;
use crate::words::{counted, percent};

/// Most sides that a figure shows; it says how many it leaves out.
pub const SIDES_MAX: usize = PALETTE.len();

const WIDTH: f64 = 1120.0;
const MARGIN: f64 = 20.0;
const COLUMNS: usize = 4;
const COLUMN_GAP: f64 = 30.0;
const PANEL_WIDTH: f64 = (WIDTH - 2.0 * MARGIN - (COLUMNS - 1) as f64 * COLUMN_GAP) / COLUMNS as f64;
const PLOT_HEIGHT: f64 = 118.0;
/// Above and below the plot of a panel: its title, its axis.
const TITLE_HEIGHT: f64 = 24.0;
const AXIS_HEIGHT: f64 = 40.0;
const ROW: f64 = 17.0;
const NAMES_WIDTH: f64 = 132.0;
/// Behaviors beyond these are counted, not drawn.
const BEHAVIORS_MAX: usize = 24;
/// Columns of a density.
const BINS: usize = 56;
/// Shares of values that a panel leaves out at either end.
const TAILS: f64 = 0.01;
/// Peaks that many times as high as the lowest side's are cut, so that the others can be seen.
const PEAK_RATIO_MAX: f64 = 4.0;
/// A share of a side's values that lies beyond a panel and is worth saying.
const OUTSIDE_MIN: f64 = 0.03;
/// Room around densities and around dots, as a share of the scale.
const ROOM_MIN: f64 = 0.004;
const DOTS_ROOM_MIN: f64 = 0.04;
/// What a mark of an axis takes at least.
const TICK_WIDTH: f64 = 46.0;

const WHAT: &str = "How animals move and behave";

/// A density of each quantity of each named side, all of a side's having the same area, and dots for shares and for
/// behaviors: bouts an hour, and share of time. Long-tailed quantities have logarithmic axes. A distance (see
/// `likeness::text`) is said where there are two sides.
pub fn distributions(sides: &[(&str, &Measures)]) -> String {
    let shown = &sides[..sides.len().min(SIDES_MAX)];
    let mut drawing = Drawing { svg: Svg::default(), sides: shown };
    let mut y = drawing.legend(sides.len() - shown.len());
    let x_of = |panel: usize| MARGIN + (panel % COLUMNS) as f64 * (PANEL_WIDTH + COLUMN_GAP);
    let height = TITLE_HEIGHT + PLOT_HEIGHT + AXIS_HEIGHT;
    for (panel, quantity) in Quantity::ALL.into_iter().enumerate() {
        let row = (panel / COLUMNS) as f64;
        drawing.density([x_of(panel), y + row * height], quantity);
    }
    let panels = Quantity::ALL.len();
    drawing.shares([x_of(panels), y + (panels / COLUMNS) as f64 * height]);
    y += (panels / COLUMNS + 1) as f64 * height;
    let height = drawing.behaviors(y);
    drawing.svg.finish([WIDTH, y + height + MARGIN], WHAT)
}

struct Drawing<'a> {
    svg: Svg,
    sides: &'a [(&'a str, &'a Measures)],
}

impl Drawing<'_> {
    /// Gives where the panels begin.
    fn legend(&mut self, left_out: usize) -> f64 {
        let mut y = MARGIN + 12.0;
        self.svg.text([MARGIN, y], Anchor::Start, Style::Title, WHAT);
        let mut x = MARGIN;
        y += 22.0;
        for (side, (name, measures)) in self.sides.iter().enumerate() {
            let recordings = counted(measures.recordings(), "recording");
            let text = format!("{}: {recordings}, {}", Style::Label.fit(name, 200.0), duration(measures.secs()));
            let width = 32.0 + Style::Label.width_px(&text) + 20.0;
            if x + width > WIDTH - MARGIN && x > MARGIN {
                x = MARGIN;
                y += ROW;
            }
            self.svg.polyline(&[[x, y - 4.0], [x + 26.0, y - 4.0]], PALETTE[side], is_dashed(side));
            self.svg.text([x + 32.0, y], Anchor::Start, Style::Label, &text);
            x += width;
        }
        y += ROW;
        let note = "bl: body lengths. Densities of a panel have equal areas; ticks on the axis are medians. KS: 0 alike, 1 \
                    disjoint.";
        self.svg.text([MARGIN, y], Anchor::Start, Style::Note, note);
        if left_out > 0 {
            y += ROW;
            let note = format!("not drawn: {left_out} more sides");
            self.svg.text([MARGIN, y], Anchor::Start, Style::Alarm, &note);
        }
        y + 12.0
    }

    /// Title, with the distance where there are two sides.
    fn title(&mut self, [x, y]: [f64; 2], title: &str, width: f64, distance: Option<f64>) {
        let room = if distance.is_some() { width - Style::Label.width_px("KS 0.00") } else { width };
        self.svg.text([x, y + 14.0], Anchor::Start, Style::Heading, &Style::Heading.fit(title, room));
        if let Some(distance) = distance {
            let text = format!("KS {distance:.2}");
            self.svg.text([x + width, y + 14.0], Anchor::End, Style::Label, &text);
        }
    }

    fn density(&mut self, [x, y]: [f64; 2], quantity: Quantity) {
        let histograms: Vec<_> = self.sides.iter().map(|(_, measures)| measures.distribution(quantity)).collect();
        let distance = match histograms[..] {
            [first, second] => second.distance(first),
            _ => None,
        };
        self.title([x, y], &format!("{} ({})", quantity.name(), quantity.unit()), PANEL_WIDTH, distance);
        let (top, bottom) = (y + TITLE_HEIGHT, y + TITLE_HEIGHT + PLOT_HEIGHT);
        let scale = quantity.scale();
        let ends = histograms.iter().filter_map(|histogram| {
            Some((scale.place(histogram.quantile(TAILS)?), scale.place(histogram.quantile(1.0 - TAILS)?)))
        });
        let Some((low, high)) = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
            self.svg.line([x, bottom], [x + PANEL_WIDTH, bottom], FAINT_INK);
            self.svg.text([x + PANEL_WIDTH / 2.0, top + 60.0], Anchor::Middle, Style::Note, "no values");
            return;
        };
        let axis = Axis::around(scale, low..high, ROOM_MIN, [x, PANEL_WIDTH]);
        self.axis(&axis, top, bottom);
        let columns: Vec<Vec<f64>> =
            histograms.iter().map(|histogram| smoothed(&histogram.columns(&axis.places, BINS))).collect();
        let peaks =
            || columns.iter().map(|columns| columns.iter().copied().fold(0.0, f64::max)).filter(|peak| *peak > 0.0);
        let highest = peaks().fold(0.0, f64::max).min(PEAK_RATIO_MAX * peaks().fold(f64::INFINITY, f64::min));
        for (side, columns) in
            columns.iter().enumerate().filter(|(_, columns)| columns.iter().any(|share| *share > 0.0))
        {
            let px = |share: f64| bottom - (share / highest).min(1.0) * (PLOT_HEIGHT - 4.0);
            let place = |column: usize| x + (column as f64 + 0.5) / BINS as f64 * PANEL_WIDTH;
            let line: Vec<[f64; 2]> =
                columns.iter().enumerate().map(|(column, share)| [place(column), px(*share)]).collect();
            self.svg.area(&line, bottom, PALETTE[side]);
            self.svg.polyline(&line, PALETTE[side], is_dashed(side));
            if columns.iter().any(|share| *share > highest) {
                let note = format!("peak {:.0} times as high", columns.iter().copied().fold(0.0, f64::max) / highest);
                let at = columns.iter().position(|share| *share > highest).map_or(x, place);
                let anchor = if at > x + PANEL_WIDTH / 2.0 { Anchor::End } else { Anchor::Start };
                let shift = if matches!(anchor, Anchor::End) { -8.0 } else { 12.0 };
                self.svg.text([at + shift, top + 10.0], anchor, Style::Note, &note);
            }
        }
        self.marks(&axis, &histograms, bottom);
    }

    /// Medians, and what lies beyond the panel.
    fn marks(&mut self, axis: &Axis, histograms: &[&crate::inspect::likeness::Histogram], bottom: f64) {
        let mut notes = Vec::new();
        for (side, histogram) in histograms.iter().enumerate() {
            let Some(median) = histogram.quantile(0.5) else { continue };
            let at = axis.x(median);
            self.svg.rect([at - 1.5, bottom - 7.0], [3.0, 11.0], PALETTE[side]);
            let outside = 1.0 - histogram.columns(&axis.places, 1)[0];
            if outside >= OUTSIDE_MIN {
                notes.push(format!("{} of {}", percent(outside), Style::Note.fit(self.sides[side].0, 90.0)));
            }
        }
        if !notes.is_empty() {
            let note = Style::Note.fit(&format!("beyond: {}", notes.join(", ")), PANEL_WIDTH);
            self.svg.text([axis.left, bottom + 27.0], Anchor::Start, Style::Note, &note);
        }
    }

    fn axis(&mut self, axis: &Axis, top: f64, bottom: f64) {
        for (value, label) in axis.ticks() {
            let x = axis.x(value);
            self.svg.line([x, top], [x, bottom + 3.0], GRID);
            self.svg.text([x, bottom + 15.0], Anchor::Middle, Style::Note, &label);
        }
        self.svg.line([axis.left, bottom], [axis.left + axis.width, bottom], FAINT_INK);
    }

    fn shares(&mut self, [x, y]: [f64; 2]) {
        self.title([x, y], "shares", PANEL_WIDTH, None);
        let names = 104.0;
        let axis = Axis { scale: Scale::SHARES, places: 0.0..1.0, left: x + names, width: PANEL_WIDTH - names - 8.0 };
        let (top, row) = (y + TITLE_HEIGHT, PLOT_HEIGHT / Share::ALL.len() as f64);
        self.axis(&axis, top, top + PLOT_HEIGHT);
        for (index, share) in Share::ALL.into_iter().enumerate() {
            let middle = top + (index as f64 + 0.5) * row;
            self.svg.text([x, middle + 4.0], Anchor::Start, Style::Label, share.name());
            let values: Vec<_> = self.sides.iter().map(|(_, measures)| measures.share(share)).collect();
            self.dots(&axis, middle, &values);
        }
    }

    /// Bouts an hour and share of time of each behavior; gives the height.
    fn behaviors(&mut self, y: f64) -> f64 {
        let names = self.behavior_names();
        if names.is_empty() {
            return 0.0;
        }
        let shown = &names[..names.len().min(BEHAVIORS_MAX)];
        let width = (WIDTH - 2.0 * MARGIN - NAMES_WIDTH - COLUMN_GAP) / 2.0;
        let lefts = [MARGIN + NAMES_WIDTH, MARGIN + NAMES_WIDTH + width + COLUMN_GAP];
        let values = |name: &str, of_time: bool| -> Vec<Option<f64>> {
            let behaviors = self.sides.iter().map(|(_, measures)| measures.behavior(name));
            behaviors
                .map(|behavior| if of_time { behavior?.time_share() } else { behavior?.bouts_per_hour() })
                .collect()
        };
        let (top, bottom) = (y + TITLE_HEIGHT, y + TITLE_HEIGHT + shown.len() as f64 * ROW);
        let panels = [false, true].map(|of_time| shown.iter().map(|name| values(name, of_time)).collect::<Vec<_>>());
        let titles = ["bouts an hour of an animal or pair", "share of time of an animal or pair"];
        for (((values, title), left), scale) in
            panels.iter().zip(titles).zip(lefts).zip([Scale::RATES, Scale::TIME_SHARES])
        {
            let positive =
                || values.iter().flatten().flatten().filter(|value| **value > 0.0).map(|value| scale.place(*value));
            let (low, high) = (positive().fold(1.0, f64::min), positive().fold(0.0, f64::max));
            let axis = Axis::around(scale, low.min(high)..high.max(low), DOTS_ROOM_MIN, [left, width]);
            self.title([left, y], title, width, None);
            self.axis(&axis, top, bottom);
            for (row, values) in values.iter().enumerate() {
                self.dots(&axis, top + (row as f64 + 0.5) * ROW, values);
            }
        }
        for (row, name) in shown.iter().enumerate() {
            let middle = top + (row as f64 + 0.5) * ROW;
            let name = Style::Label.fit(name, NAMES_WIDTH - 12.0);
            self.svg.text([MARGIN, middle + 4.0], Anchor::Start, Style::Label, &name);
        }
        let mut note = "Hollow: looked for and never seen. No dot: not looked for.".to_string();
        if names.len() > shown.len() {
            note = format!("{note} Not drawn: {} more behaviors.", names.len() - shown.len());
        }
        self.svg.text([MARGIN, bottom + 32.0], Anchor::Start, Style::Note, &note);
        bottom + 36.0 - y
    }

    /// The longest first.
    fn behavior_names(&self) -> Vec<String> {
        let mut longest: std::collections::BTreeMap<&str, f64> = std::collections::BTreeMap::new();
        for (name, behavior) in self.sides.iter().flat_map(|(_, measures)| measures.behaviors()) {
            let share = longest.entry(name).or_default();
            *share = share.max(behavior.time_share().unwrap_or(0.0));
        }
        let mut names: Vec<_> = longest.into_iter().collect();
        names.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        names.into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    /// A dot for each side, hollow at the axis's start where a logarithmic axis has no place for a zero.
    fn dots(&mut self, axis: &Axis, y: f64, values: &[Option<f64>]) {
        let ends = [axis.left, axis.left + axis.width];
        self.svg.line([ends[0], y], [ends[1], y], GRID);
        // Dots at one place stay apart.
        let apart = 12.0 / values.len().max(3) as f64;
        for (side, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let y = y + (side as f64 - (values.len() - 1) as f64 / 2.0) * apart;
            let is_placed = *value > 0.0 || !axis.scale.is_log;
            let x = if is_placed { axis.x(*value) } else { axis.left };
            self.svg.dot([x, y], 3.6, PALETTE[side], is_placed);
        }
    }
}

/// Every second side's line, so that a print without colour tells two apart.
fn is_dashed(side: usize) -> bool {
    side % 2 == 1
}

/// A little smoother: the combs of whole frames are not what a density is about.
fn smoothed(columns: &[f64]) -> Vec<f64> {
    // The first and the last column are their own neighbours.
    let at = |index: usize| columns[index.min(columns.len() - 1)];
    let smooth = |index: usize| (at(index.saturating_sub(1)) + 2.0 * at(index) + at(index + 1)) / 4.0;
    (0..columns.len()).map(smooth).collect()
}

/// Part of a scale, drawn from left to right.
struct Axis {
    scale: Scale,
    places: Range<f64>,
    left: f64,
    width: f64,
}

impl Axis {
    /// With some room around those places, `room_min` at least.
    fn around(scale: Scale, places: Range<f64>, room_min: f64, [left, width]: [f64; 2]) -> Self {
        let room = ((places.end - places.start) * 0.06).max(room_min);
        Self { scale, places: (places.start - room).max(0.0)..(places.end + room).min(1.0), left, width }
    }

    fn x(&self, value: f64) -> f64 {
        let share = (self.scale.place(value) - self.places.start) / (self.places.end - self.places.start);
        self.left + self.width * share.clamp(0.0, 1.0)
    }

    /// Values with what is written at them.
    fn ticks(&self) -> Vec<(f64, String)> {
        let (low, high) = (self.scale.value(self.places.start), self.scale.value(self.places.end));
        let is_share = self.scale == Scale::TIME_SHARES || self.scale == Scale::SHARES;
        let ticks_max = (self.width / TICK_WIDTH).max(1.0);
        let values = match self.scale {
            scale if scale.is_log && high / low > 4.0 => log_ticks(low, high),
            scale if scale == Scale::DEGREES => even_ticks(low, high, &[15.0, 30.0, 45.0, 90.0, 180.0], ticks_max),
            _ => {
                let decade = 10_f64.powf(((high - low) / ticks_max).log10().floor());
                even_ticks(low, high, &[1.0, 2.0, 5.0, 10.0, 20.0].map(|step| step * decade), ticks_max)
            }
        };
        values.into_iter().map(|value| (value, written(value, is_share))).collect()
    }
}

/// Powers of ten, and 2 and 5 times them where there is room.
fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let steps: &[f64] = match (high / low).log10() {
        decades if decades < 1.0 => &[1.0, 2.0, 3.0, 4.0, 6.0, 8.0],
        decades if decades < 2.0 => &[1.0, 2.0, 5.0],
        decades if decades < 3.0 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let ticks = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
    ticks.filter(|tick| (low..=high).contains(tick)).collect()
}

/// Multiples of the smallest of the ascending `steps` of which no more than about `ticks_max` lie between both.
fn even_ticks(low: f64, high: f64, steps: &[f64], ticks_max: f64) -> Vec<f64> {
    let step = steps.iter().copied().find(|step| (high - low) / step <= ticks_max);
    let step = step.unwrap_or(high - low);
    let first = (low / step - 1e-9).ceil();
    let ticks = (0..=ticks_max as u32 + 1).map(|index| (first + f64::from(index)) * step);
    ticks.filter(|tick| *tick <= high + step * 1e-9).collect()
}

fn written(value: f64, is_share: bool) -> String {
    let value = if is_share { value * 100.0 } else { value };
    let digits = (value * 1e6).round() / 1e6 + 0.0;
    if is_share { format!("{digits}%") } else { digits.to_string() }
}
