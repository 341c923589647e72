//! Behavior around triggers in one figure.
//!
//! Colours are those of Okabe and Ito (2008), which people with any colour vision tell apart; as paper may have none,
//! shams are dashed as well.

mod panels;

use self::panels::{Row, Section};
use super::{Aligned, Arm, Estimate, INTERVAL_TRIALS_MIN, Series, Who};
use crate::svg::{Anchor, FAINT_INK, INK, Style, Svg};
use crate::words::counted;

pub use panels::PANELS_MAX;

const COLOURS: [&str; 2] = ["#D55E00", "#0072B2"];
const GRID: &str = "#DDE1E7";
const BAND_OPACITY: f64 = 0.2;

const WIDTH: f64 = 1160.0;
const MARGIN: f64 = 18.0;
const COLUMNS: usize = 4;
/// Between panels, for the marks of the axis, and left of the first, for its name as well.
const GAP_PX: f64 = 44.0;
const LEFT_PX: f64 = 72.0;
const PANEL_HEIGHT: f64 = 128.0;
/// Above and below a panel: its headings, its axis.
const HEADING_HEIGHT: f64 = 62.0;
const AXIS_HEIGHT: f64 = 40.0;
const SECTION_HEIGHT: f64 = 30.0;
const LEGEND_ROW: f64 = 19.0;

/// Marks of the axes, about.
const SECS_MARKS: f64 = 6.0;
const SHARE_MARKS: f64 = 4.0;
/// The axis of a behavior that is hardly ever done.
const SHARE_AXIS_MIN: f64 = 0.05;

/// A standalone SVG on white: a section for each rule, in it a panel for each behavior of the agents and of the targets
/// of its triggers, the most frequent behaviors first, and the share of trials with both arms by the time from the
/// trigger. Behaviors beyond [`PANELS_MAX`] panels are left out, which is said; animals by name are in the table only.
pub fn figure(aligned: &Aligned) -> String {
    let (sections, left_out) = panels::sections(aligned);
    let what = format!("Behavior around {}", counted(aligned.trials as u64, "trigger"));
    let mut svg = Svg::default();
    svg.text([MARGIN, MARGIN + 12.0], Anchor::Start, Style::Title, &what);
    let mut top = legend(&mut svg, aligned, left_out, MARGIN + 36.0);
    if sections.is_empty() {
        top += LEGEND_ROW;
        svg.text(
            [MARGIN, top],
            Anchor::Start,
            Style::Label,
            "No agent and no target of a trigger did anything in its time.",
        );
    }
    for section in &sections {
        top = draw_section(&mut svg, aligned, section, top + SECTION_HEIGHT);
    }
    svg.finish([WIDTH, top + MARGIN], &what)
}

/// Draws from a height on and gives that of its last row.
fn legend(svg: &mut Svg, aligned: &Aligned, left_out: usize, top: f64) -> f64 {
    let mut x = MARGIN;
    for (arm, word) in ["stimulus", "sham"].into_iter().enumerate() {
        svg.area(&boxed([x, top - 10.0], [x + 28.0, top + 2.0]), COLOURS[arm], BAND_OPACITY);
        svg.polyline(&[[x, top - 4.0], [x + 28.0, top - 4.0]], COLOURS[arm], arm == 1);
        svg.text([x + 34.0, top], Anchor::Start, Style::Label, word);
        x += 34.0 + Style::Label.width_px(word) + 18.0;
    }
    let bands = "Bands: 95% intervals over draws of whole trials. Upright line: the trigger.";
    svg.text([x, top], Anchor::Start, Style::Note, bands);
    let shortfalls = [
        (aligned.overlapping, "in whose time the cage was triggered again, kept"),
        (aligned.left_out, "that the recording does not cover in whole, left out"),
    ];
    let numbers = "n: trials, stimulus | sham. End: median time from the trigger to the end of what was going on. After: \
                   stimulus − sham, mean from the trigger on, in percentage points (pp).";
    let shortfalls = shortfalls.into_iter().filter(|(count, _)| *count > 0);
    let shortfalls = shortfalls.map(|(count, what)| format!("{} {what}.", counted(count as u64, "trigger")));
    let mut notes: Vec<String> = [numbers.to_owned()].into_iter().chain(shortfalls).collect();
    if left_out > 0 {
        let are = if left_out == 1 { "is" } else { "are" };
        let panels = counted(left_out as u64, "panel");
        notes.push(format!("{panels} of less frequent behaviors {are} left out; the table has them."));
    }
    let mut y = top;
    for note in notes {
        y += LEGEND_ROW;
        svg.text([MARGIN, y], Anchor::Start, Style::Note, &note);
    }
    y
}

/// As [`legend`].
fn draw_section(svg: &mut Svg, aligned: &Aligned, section: &Section, top: f64) -> f64 {
    let heading = format!("Rule {}", Style::Title.fit(section.rule, WIDTH - 2.0 * MARGIN - 60.0));
    svg.text([MARGIN, top], Anchor::Start, Style::Title, &heading);
    let width = (WIDTH - LEFT_PX - MARGIN - GAP_PX * (COLUMNS - 1) as f64) / COLUMNS as f64;
    let panels: Vec<(&Row, &Series)> =
        section.rows.iter().flat_map(|row| row.panels().map(move |series| (row, series))).collect();
    let mut bottom = top;
    for panels in panels.chunks(COLUMNS) {
        let panel_top = bottom + HEADING_HEIGHT;
        for (column, (row, series)) in panels.iter().enumerate() {
            let left = LEFT_PX + column as f64 * (width + GAP_PX);
            let shares = Axis::of_shares(row, [panel_top + PANEL_HEIGHT, panel_top]);
            Panel { aligned, series, shares, px: [left, left + width] }.draw(svg, column == 0);
        }
        bottom = panel_top + PANEL_HEIGHT + AXIS_HEIGHT;
    }
    bottom
}

struct Panel<'a> {
    aligned: &'a Aligned,
    series: &'a Series,
    shares: Axis,
    /// From left to right.
    px: [f64; 2],
}

impl Panel<'_> {
    fn draw(&self, svg: &mut Svg, is_leftmost: bool) {
        let [left, right] = self.px;
        let secs = Axis::of_secs(&self.aligned.edges_secs, self.px);
        let (bottom, top) = (self.shares.px[0], self.shares.px[1]);
        self.headings(svg, top - 23.0);
        for mark in self.shares.marks() {
            let y = self.shares.at(mark);
            svg.line([left, y], [right, y], GRID, 1.0);
            svg.text([left - 6.0, y + 4.0], Anchor::End, Style::Note, &format!("{}%", rounded(mark * 100.0)));
        }
        for mark in secs.marks() {
            let x = secs.at(mark);
            svg.line([x, bottom], [x, bottom + 4.0], FAINT_INK, 1.0);
            svg.text([x, bottom + 16.0], Anchor::Middle, Style::Note, &rounded(mark));
        }
        svg.line([left, bottom], [right, bottom], INK, 1.0);
        let middle = f64::midpoint(left, right);
        svg.text([middle, bottom + 32.0], Anchor::Middle, Style::Note, "time from the trigger (s)");
        if is_leftmost {
            svg.text_upwards([left - 48.0, f64::midpoint(top, bottom)], Style::Note, "share of trials (%)");
        }
        let arms = self.series.arms();
        // Both bands lie below both lines.
        for (arm, colour) in arms.iter().zip(COLOURS) {
            self.band(svg, arm, &secs, colour);
        }
        let zero = secs.at(0.0);
        svg.line([zero, bottom], [zero, top - 4.0], INK, 1.4);
        for (index, arm) in arms.iter().enumerate() {
            let line = self.steps(arm.shares.iter().map(|share| share.value), &secs);
            svg.polyline(&line, COLOURS[index], index == 1);
        }
    }

    /// Who did what, and what came of it.
    fn headings(&self, svg: &mut Svg, top: f64) {
        let width = self.px[1] - self.px[0] + GAP_PX - 12.0;
        let role = match &self.series.who {
            Who::Agent => " of the agent".to_owned(),
            Who::Target => " of the target".to_owned(),
            Who::Named { cage, animal } => Style::Heading.fit(&format!(" of {animal}, {cage}"), 0.6 * width),
        };
        let name = Style::Heading.fit(&self.series.behavior, width - Style::Heading.width_px(&role));
        svg.text([self.px[0], top - 14.0], Anchor::Start, Style::Heading, &format!("{name}{role}"));
        let ends = self.ends();
        let label_set = Style::Note.fit(&self.series.label_set, width - Style::Note.width_px(&ends));
        svg.text([self.px[0], top], Anchor::Start, Style::Note, &format!("{label_set}{ends}"));
        let text = self.effect();
        svg.text([self.px[0], top + 14.0], Anchor::Start, Style::Note, &text);
    }

    /// How long it went on from the trigger in either arm, where it was going on.
    fn ends(&self) -> String {
        let ends = self.series.arms().map(Arm::remaining_median_secs);
        if ends == [None; 2] {
            return String::new();
        }
        let [a, b] = ends.map(|end| end.map_or("–".to_owned(), |secs| format!("{secs:.1}")));
        format!("; end {a} | {b} s")
    }

    /// Trials of both arms, and the difference of their means after the trigger in percentage points.
    fn effect(&self) -> String {
        let [a, b] = self.series.arms();
        let trials = format!("n = {} | {}", a.trials, b.trials);
        match self.series.difference_after {
            Some(Estimate { value, interval: Some([lower, upper]) }) => {
                format!("{trials}; after: {} pp ({} to {})", points(value), points(lower), points(upper))
            }
            Some(Estimate { value, interval: None }) => format!("{trials}; after: {} pp", points(value)),
            None => trials,
        }
    }

    fn band(&self, svg: &mut Svg, arm: &Arm, secs: &Axis, colour: &str) {
        if arm.trials < INTERVAL_TRIALS_MIN {
            return;
        }
        let end = |end: usize| {
            let ends = arm.shares.iter().map(move |share| share.interval.map_or(share.value, |ends| ends[end]));
            self.steps(ends, secs)
        };
        let mut around = end(1);
        around.extend(end(0).into_iter().rev());
        svg.area(&around, colour, BAND_OPACITY);
    }

    /// Two corners for each bin.
    fn steps(&self, values: impl Iterator<Item = f64>, secs: &Axis) -> Vec<[f64; 2]> {
        let edges = self.aligned.edges_secs.windows(2);
        values
            .zip(edges)
            .flat_map(|(value, edges)| [0, 1].map(|end| [secs.at(edges[end]), self.shares.at(value)]))
            .collect()
    }
}

/// Linear.
struct Axis {
    ends: [f64; 2],
    step: f64,
    px: [f64; 2],
}

impl Axis {
    /// From 0 to the next mark beyond all values and intervals of a behavior.
    fn of_shares(row: &Row, px: [f64; 2]) -> Self {
        let shares = row.panels().flat_map(Series::arms).flat_map(|arm| &arm.shares);
        let most = shares.map(|share| share.interval.map_or(share.value, |[_, upper]| upper.max(share.value)));
        let most = most.fold(SHARE_AXIS_MIN, f64::max);
        let step = even_step(most / SHARE_MARKS);
        // What lies on a mark needs none above.
        let high = ((most / step - 1e-6).ceil() * step).min(1.0);
        Self { ends: [0.0, high], step, px }
    }

    fn of_secs(edges: &[f64], px: [f64; 2]) -> Self {
        let ends = [edges.first(), edges.last()].map(|edge| edge.copied().unwrap_or(0.0));
        Self { ends, step: even_step((ends[1] - ends[0]) / SECS_MARKS), px }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value - self.ends[0]) / (self.ends[1] - self.ends[0]);
        self.px[0] + (self.px[1] - self.px[0]) * share.clamp(0.0, 1.0)
    }

    /// Whole numbers of steps.
    fn marks(&self) -> Vec<f64> {
        let [first, last] = [(self.ends[0] / self.step - 1e-6).ceil(), (self.ends[1] / self.step + 1e-6).floor()];
        (first as i64..=last as i64).map(|mark| mark as f64 * self.step).collect()
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn even_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0].map(|step| step * power).into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// Without what binary fractions leave.
fn rounded(number: f64) -> String {
    ((number * 1e4).round() / 1e4 + 0.0).to_string().replace('-', "−")
}

/// A difference of shares in percentage points, with its sign.
fn points(share: f64) -> String {
    // Adding 0 takes the sign off −0.
    format!("{:+.1}", (share * 1000.0).round() / 10.0 + 0.0).replace('-', "−")
}

fn boxed([left, top]: [f64; 2], [right, bottom]: [f64; 2]) -> [[f64; 2]; 4] {
    [[left, top], [right, top], [right, bottom], [left, bottom]]
}
