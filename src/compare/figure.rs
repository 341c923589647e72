//! A comparison in one figure: how good each system is by delay, and what it costs.
//!
//! Colours are those of Okabe and Ito (2008), which people with any colour vision tell apart, without yellow, which is
//! too pale on white; systems beyond them are dashed.

mod axis;
mod labels;

use self::axis::Axis;
use self::labels::Labels;
use super::comparison::SystemRuns;
use super::measures::mean;
use super::ranking::{Ranked, Standing};
use crate::svg::{Anchor, FAINT_INK, INK, Style, Svg};
use crate::time::TICK_RATE_HZ;
use crate::words::counted;

const PALETTE: [&str; 6] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const GRID: &str = "#DDE1E7";

const WIDTH: f64 = 1160.0;
const MARGIN: f64 = 18.0;
/// Of the panels, from left to right.
const DELAYS_PX: [f64; 2] = [62.0, 560.0];
const COST_PX: [f64; 2] = [640.0, WIDTH - 24.0];
const PANEL_HEIGHT: f64 = 350.0;
/// Above and below the panels: their headings, their axes.
const HEADING_HEIGHT: f64 = 30.0;
const AXIS_HEIGHT: f64 = 58.0;
const LEGEND_ROW: f64 = 19.0;
const LEGEND_NAME_PX: f64 = 260.0;
const LABEL_NAME_PX: f64 = 190.0;
/// Systems stand that far beside each other at one delay, so that their intervals can be seen.
const BESIDE_PX: f64 = 8.0;
/// Marks of the delays that lie closer are left out.
const MARK_WIDTH_PX: f64 = 36.0;
/// Dots of seeds.
const SEED_RADIUS_PX: f64 = 2.6;
const SEED_OPACITY: f64 = 0.45;
/// Of the seeds beside their mean, where its whisker does not hide them.
const SEED_SHIFT_PX: f64 = 3.5;
const MEAN_RADIUS_PX: f64 = 4.2;
const CAP_PX: f64 = 3.0;

impl Ranked<'_> {
    /// A standalone SVG on white. Left the mean F1 by delay: seeds as faint dots, their mean as a line, 95% intervals as
    /// whiskers. Right the mean F1 at the longest delay by the processor time of a tick, on a logarithmic axis. Long names
    /// are shortened.
    pub fn figure(&self) -> String {
        let systems: Vec<Shown> = self.in_order().enumerate().map(Shown::new).collect();
        let run = self.comparison.any();
        let mut svg = Svg::default();
        let what = format!(
            "{} on {} ({})",
            counted(systems.len() as u64, "system"),
            counted(run.recordings.len() as u64, "recording"),
            run.part
        );
        svg.text([MARGIN, MARGIN + 12.0], Anchor::Start, Style::Title, &Style::Title.fit(&what, WIDTH - 2.0 * MARGIN));
        let top = legend(&mut svg, &systems, MARGIN + 34.0) + HEADING_HEIGHT;
        let bottom = top + PANEL_HEIGHT;
        let f1 = self.f1_axis([bottom, top]);
        self.delays(&mut svg, &systems, &f1);
        self.cost(&mut svg, &systems, &f1);
        svg.finish([WIDTH, bottom + AXIS_HEIGHT], &what)
    }

    /// Both panels have it, so that heights can be compared.
    fn f1_axis(&self, px: [f64; 2]) -> Axis {
        let delays = 0..self.comparison.delays_ticks().len();
        let seeds = delays.clone().flat_map(|delay| self.comparison.runs().map(move |run| run.mean_f1(delay)));
        let standings = delays.flat_map(|delay| self.at(delay).standings());
        let scores = standings.flat_map(|standing| {
            let [lower, upper] = standing.score.interval.unwrap_or([standing.score.value; 2]);
            [standing.score.value, lower, upper]
        });
        Axis::linear(seeds.chain(scores), [0.0, 1.0], px)
    }

    fn delays(&self, svg: &mut Svg, systems: &[Shown], f1: &Axis) {
        let ticks = self.comparison.delays_ticks();
        let [left, right] = DELAYS_PX;
        panel(svg, DELAYS_PX, f1, "Mean F1 by decision delay");
        // Systems stand beside each other within as much room as the closest two delays leave.
        let most = f64::from(*ticks.last().unwrap_or(&0) - ticks[0]).max(1.0);
        let room = (right - left) * 0.1;
        let place = |delay: u32| match ticks.len() {
            1 => f64::midpoint(left, right),
            _ => left + room + (right - left - 2.0 * room) * f64::from(delay - ticks[0]) / most,
        };
        let gap = ticks.windows(2).map(|pair| place(pair[1]) - place(pair[0])).fold(2.0 * room, f64::min);
        let beside = BESIDE_PX.min(gap * 0.8 / systems.len() as f64);
        let bottom = f1.px(f1.low());
        let mut free_from = f64::NEG_INFINITY;
        for delay in ticks {
            let x = place(*delay);
            svg.line([x, bottom], [x, bottom + 4.0], FAINT_INK, 1.0);
            if x >= free_from {
                let secs = format!("{:.2} s", f64::from(*delay) / TICK_RATE_HZ);
                svg.text([x, bottom + 17.0], Anchor::Middle, Style::Note, &delay.to_string());
                svg.text([x, bottom + 31.0], Anchor::Middle, Style::Note, &secs);
                free_from = x + MARK_WIDTH_PX;
            }
        }
        svg.text([f64::midpoint(left, right), bottom + 49.0], Anchor::Middle, Style::Label, "decision delay (ticks)");
        for (index, system) in systems.iter().enumerate() {
            let shift = (index as f64 - (systems.len() - 1) as f64 / 2.0) * beside;
            let x = |delay: usize| place(ticks[delay]) + shift;
            let scores: Vec<_> = (0..ticks.len()).map(|delay| self.at(delay).score(system.index)).collect();
            let means: Vec<[f64; 2]> =
                scores.iter().enumerate().map(|(delay, score)| [x(delay), f1.px(score.value)]).collect();
            svg.polyline(&means, system.colour, system.is_dashed);
            for (delay, (score, at)) in scores.iter().zip(&means).enumerate() {
                whisker(svg, at[0], score.interval, f1, system.colour);
                if system.runs.runs.len() > 1 {
                    for run in &system.runs.runs {
                        svg.dot(
                            [x(delay) + SEED_SHIFT_PX, f1.px(run.mean_f1(delay))],
                            SEED_RADIUS_PX,
                            system.colour,
                            SEED_OPACITY,
                        );
                    }
                }
                svg.dot(*at, MEAN_RADIUS_PX, system.colour, 1.0);
            }
        }
    }

    fn cost(&self, svg: &mut Svg, systems: &[Shown], f1: &Axis) {
        let longest = self.comparison.delays_ticks()[self.comparison.longest()];
        panel(svg, COST_PX, f1, &format!("Mean F1 at delay {longest} by processor time"));
        let costs: Vec<f64> = systems.iter().map(Shown::cpu_micros).collect();
        let axis = Axis::logarithmic(costs.iter().copied(), COST_PX);
        let bottom = f1.px(f1.low());
        for (x, mark) in axis.marks() {
            svg.line([x, bottom], [x, bottom + 4.0], FAINT_INK, 1.0);
            svg.text([x, bottom + 17.0], Anchor::Middle, Style::Note, &mark);
        }
        let [left, right] = COST_PX;
        let title = "processor time of a tick (µs, logarithmic)";
        svg.text([f64::midpoint(left, right), bottom + 36.0], Anchor::Middle, Style::Label, title);
        let points: Vec<[f64; 2]> = systems
            .iter()
            .zip(&costs)
            .map(|(system, cost)| [axis.px(*cost), f1.px(system.standing.score.value)])
            .collect();
        for (system, at) in systems.iter().zip(&points) {
            whisker(svg, at[0], system.standing.score.interval, f1, system.colour);
            svg.dot(*at, MEAN_RADIUS_PX + 0.8, system.colour, 1.0);
        }
        let mut labels = Labels::new(COST_PX, [f1.px(f1.high()), bottom], &points);
        for (system, at) in systems.iter().zip(&points) {
            let text = Style::Label.fit(&system.runs.name, LABEL_NAME_PX);
            let label = labels.place(*at, Style::Label.width_px(&text));
            if label.is_far {
                svg.line(*at, label.near, system.colour, 0.8);
            }
            svg.text(label.at, label.anchor, Style::Label, &text);
        }
    }
}

/// A system and how it looks.
struct Shown<'a> {
    index: usize,
    standing: Standing,
    runs: &'a SystemRuns,
    colour: &'static str,
    is_dashed: bool,
}

impl<'a> Shown<'a> {
    fn new((place, (standing, runs)): (usize, (Standing, &'a SystemRuns))) -> Self {
        let colour = PALETTE[place % PALETTE.len()];
        Self { index: standing.system, standing, runs, colour, is_dashed: place >= PALETTE.len() }
    }

    fn cpu_micros(&self) -> f64 {
        mean(&self.runs.each(|run| run.cpu_micros_per_tick)).unwrap_or(0.0)
    }
}

/// Draws from a height on and gives that of its last row.
fn legend(svg: &mut Svg, systems: &[Shown], top: f64) -> f64 {
    let (mut x, mut y) = (MARGIN, top);
    for system in systems {
        let seeds = counted(system.runs.runs.len() as u64, "seed");
        let text = format!("{} ({seeds})", Style::Label.fit(&system.runs.name, LEGEND_NAME_PX));
        let width = 32.0 + Style::Label.width_px(&text) + 14.0;
        if x + width > WIDTH - MARGIN && x > MARGIN {
            x = MARGIN;
            y += LEGEND_ROW;
        }
        svg.polyline(&[[x, y - 4.0], [x + 26.0, y - 4.0]], system.colour, system.is_dashed);
        svg.dot([x + 13.0, y - 4.0], MEAN_RADIUS_PX, system.colour, 1.0);
        svg.text([x + 32.0, y], Anchor::Start, Style::Label, &text);
        x += width;
    }
    y += LEGEND_ROW;
    let has_seeds = systems.iter().any(|system| system.runs.runs.len() > 1);
    let has_intervals = systems.iter().any(|system| system.standing.score.interval.is_some());
    let seeds = if has_seeds { "Large dots: means over seeds, which are the faint dots. " } else { "" };
    let intervals = if has_intervals { "Whiskers: 95% intervals over draws of whole recordings." } else { "" };
    let note = format!("{seeds}{intervals}");
    svg.text([MARGIN, y], Anchor::Start, Style::Note, &note);
    y
}

/// Grid, axis of F1 and heading.
fn panel(svg: &mut Svg, [left, right]: [f64; 2], f1: &Axis, heading: &str) {
    for (y, mark) in f1.marks() {
        svg.line([left, y], [right, y], GRID, 1.0);
        svg.text([left - 7.0, y + 4.0], Anchor::End, Style::Note, &mark);
    }
    let bottom = f1.px(f1.low());
    svg.line([left, bottom], [right, bottom], INK, 1.0);
    svg.text([left, f1.px(f1.high()) - 10.0], Anchor::Start, Style::Heading, heading);
}

fn whisker(svg: &mut Svg, x: f64, interval: Option<[f64; 2]>, f1: &Axis, colour: &str) {
    let Some(ends) = interval.map(|ends| ends.map(|end| f1.px(end))) else { return };
    svg.line([x, ends[0]], [x, ends[1]], colour, 1.0);
    for y in ends {
        svg.line([x - CAP_PX, y], [x + CAP_PX, y], colour, 1.0);
    }
}

#[cfg(test)]
mod tests;
