//! Ethograms: who did what when.

mod rows;

use std::ops::Range;

use self::rows::{PanelRows, Row, SetRows, colours, rows_of};
use super::svg::{Anchor, Style, Svg};
use super::{GRID, PALETTE};
use crate::corpus::{RawRecording, spans};
use crate::inspect::frame_secs;
use crate::inspect::labels::Labelled;
use crate::inspect::text::duration;
use crate::words::counted;

/// Most recordings, and most rows of all of them together, that one plot shows; it says how many it leaves out.
pub const PANELS_MAX: usize = 60;
pub const ROWS_MAX: usize = 600;

const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 16.0;
/// Where the time axis begins is as far to the right as the longest label asks for, within these.
const LABELS_WIDTH: Range<f64> = 110.0..330.0;
const FIGURES_WIDTH: f64 = 130.0;
/// Between behavior and animals, and between these and the time axis.
const LABEL_GAP: f64 = 16.0;
const ROW: f64 = 15.0;
const BAR: f64 = 11.0;
/// Bars of behaviors that share a colour with an earlier one.
const THIN_BAR: f64 = 5.0;
const STRIP_ROW: f64 = 11.0;
const STRIP: f64 = 7.0;
const LEGEND_ROW: f64 = 18.0;
const LEGEND_ENTRIES_MAX: usize = 40;

const SCORED: &str = "#EAF0F7";

/// From which share of the frames of a pixel on an animal is drawn as unseen, and how dark.
const UNSEEN_LEVELS: [(f64, &str, &str); 3] =
    [(0.05, "#CDD2D9", "at times"), (0.5, "#8C94A1", "mostly"), (0.95, "#3A404B", "unseen")];

/// Steps of the time axis, in seconds.
const STEPS_SECS: [f64; 20] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0,
    21600.0, 86400.0,
];
const TICKS_MAX: f64 = 14.0;

/// One recording of the plot.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    pub title: String,
    /// Frames a second.
    pub rate_hz: f64,
    /// From its first frame to one past its last.
    pub frames: Range<u64>,
    /// What each lab says about it, by the same frame numbers.
    pub labels: Vec<Labelled>,
    /// By animal, the frames in which it was not seen: see [`unseen`]. Empty without poses.
    pub unseen: Vec<(String, Vec<Range<u64>>)>,
}

/// By animal, the frames in which none of its points was seen; frames that the recording skips are among them.
pub fn unseen(raw: &RawRecording) -> Vec<(String, Vec<Range<u64>>)> {
    let keypoints = raw.keypoints.len();
    let of_animal = |(slot, name): (usize, &String)| {
        let mut unseen: Vec<Range<u64>> = Vec::new();
        let mut next = raw.frames.first().map_or(0, |frame| frame.number);
        for frame in &raw.frames {
            let points = frame.keypoints.iter().skip(slot * keypoints).take(keypoints);
            let seen = points.into_iter().any(crate::poses::Keypoint::is_present);
            let absent = next..frame.number.saturating_add(u64::from(!seen));
            next = frame.number.saturating_add(1);
            match unseen.last_mut() {
                _ if absent.is_empty() => {}
                Some(last) if last.end == absent.start => last.end = absent.end,
                _ => unseen.push(absent),
            }
        }
        (name.clone(), unseen)
    };
    raw.individuals.iter().enumerate().map(of_animal).collect()
}

/// A row for each behavior of each animal or pair that has a bout, over a time axis that all recordings share; behind
/// them what was scored, below them when each animal was not seen. Bouts shorter than a pixel are a pixel wide, and what
/// is less than a pixel apart is one.
pub fn raster(panels: &[Panel]) -> String {
    let shown: Vec<PanelRows> = rows_of(panels);
    let secs_max = shown.iter().map(PanelRows::secs).fold(0.0, f64::max);
    let labels = shown.iter().flat_map(|shown| shown.sets.iter()).flat_map(|set| &set.rows).map(Row::label_width_px);
    let strips = shown.iter().flat_map(|shown| &shown.panel.unseen);
    let strips = strips.map(|(name, _)| Style::Note.width_px(name) + 50.0);
    let labels_width = labels.chain(strips).fold(0.0, f64::max).clamp(LABELS_WIDTH.start, LABELS_WIDTH.end);
    // Whole, so that bars of a pixel are sharp.
    let left = (MARGIN + labels_width).ceil() + 1.0;
    let mut drawing = Drawing {
        svg: Svg::default(),
        left,
        width: (WIDTH - MARGIN - FIGURES_WIDTH - left).floor(),
        secs_max: if secs_max > 0.0 { secs_max } else { 1.0 },
        y: MARGIN,
        colours: colours(&shown),
    };
    drawing.legend(shown.iter().any(|shown| !shown.panel.unseen.is_empty()));
    for panel in &shown {
        drawing.panel(panel);
    }
    let rows_left: usize = shown.iter().map(|shown| shown.rows_left).sum();
    let panels_left = panels.len() - shown.len();
    if rows_left + panels_left > 0 {
        let note = format!("not drawn: {panels_left} more recordings, {rows_left} more rows");
        drawing.y += 14.0;
        drawing.svg.text([MARGIN, drawing.y], Anchor::Start, Style::Alarm, &note);
    }
    let height = drawing.y + MARGIN;
    drawing.svg.finish([WIDTH, height], "Ethogram")
}

struct Drawing<'a> {
    svg: Svg,
    left: f64,
    /// Of the time axis, in whole pixels.
    width: f64,
    secs_max: f64,
    y: f64,
    colours: Vec<&'a str>,
}

impl Drawing<'_> {
    fn colour(&self, behavior: &str) -> (&'static str, f64) {
        let index = self.colours.iter().position(|name| *name == behavior).unwrap_or(0);
        (PALETTE[index % PALETTE.len()], if index < PALETTE.len() { BAR } else { THIN_BAR })
    }

    fn legend(&mut self, with_unseen: bool) {
        let bars = self.colours.iter().take(LEGEND_ENTRIES_MAX).map(|name| {
            let (colour, height) = self.colour(name);
            (colour, height, (*name).to_string())
        });
        let mut entries: Vec<(&str, f64, String)> = bars.collect();
        if self.colours.len() > LEGEND_ENTRIES_MAX {
            entries.push(("none", 0.0, format!("and {} more", self.colours.len() - LEGEND_ENTRIES_MAX)));
        }
        entries.push((SCORED, BAR, "scored".to_string()));
        if with_unseen {
            let levels = UNSEEN_LEVELS.iter().map(|(_, colour, name)| {
                let name = if *name == "unseen" { (*name).to_string() } else { format!("{name} unseen") };
                (*colour, STRIP, name)
            });
            entries.extend(levels);
        }
        let mut x = MARGIN;
        self.y += 8.0;
        for (colour, height, name) in entries {
            let name = Style::Label.fit(&name, 180.0);
            let width = 20.0 + Style::Label.width_px(&name) + 14.0;
            if x + width > WIDTH - MARGIN && x > MARGIN {
                x = MARGIN;
                self.y += LEGEND_ROW;
            }
            self.svg.rect([x, self.y - height / 2.0], [14.0, height], colour);
            self.svg.text([x + 19.0, self.y + 4.0], Anchor::Start, Style::Label, &name);
            x += width;
        }
        self.y += LEGEND_ROW;
    }

    fn panel(&mut self, shown: &PanelRows) {
        self.y += 18.0;
        let title = Style::Title.fit(&shown.panel.title, WIDTH - 2.0 * MARGIN - 160.0);
        self.svg.text([MARGIN, self.y], Anchor::Start, Style::Title, &title);
        let length = duration(shown.secs());
        self.svg.text([self.left + self.width, self.y], Anchor::End, Style::Note, &length);
        self.y += 8.0;
        let top = self.y;
        // The axis is as high as the rows ask for, and lies between their shading and their bars.
        let headings = shown.sets.len() > 1;
        let mut shading = Svg::default();
        let mut bars = Svg::default();
        for set in &shown.sets {
            self.set(set, shown, headings, &mut shading, &mut bars);
        }
        self.y += 4.0;
        for (name, unseen) in &shown.panel.unseen {
            self.strip(name, unseen, shown.panel, &mut bars);
        }
        self.svg.append(&shading);
        self.axis(top, shown.secs());
        self.svg.append(&bars);
        self.y += 22.0;
    }

    fn set(&mut self, set: &SetRows, shown: &PanelRows, headed: bool, shading: &mut Svg, bars: &mut Svg) {
        if headed {
            self.y += 15.0;
            bars.text(
                [MARGIN, self.y - 3.0],
                Anchor::Start,
                Style::Heading,
                &Style::Heading.fit(&set.labelled.lab, 400.0),
            );
        }
        let rows_height = set.rows.len() as f64 * ROW;
        for (start, stop) in self.runs(&set.labelled.scored, shown.panel) {
            let at = [self.left + f64::from(start), self.y];
            shading.rect(at, [f64::from(stop - start), rows_height], SCORED);
        }
        let mut before: Option<&str> = None;
        for row in &set.rows {
            let middle = self.y + ROW / 2.0;
            let behavior = row.action.behavior.as_str();
            let column = self.left - MARGIN - LABEL_GAP;
            let actors = row.actors(column - Style::Label.width_px(behavior).min(column / 2.0));
            if before != Some(behavior) {
                let room = column - Style::Note.width_px(&actors);
                bars.text([MARGIN, middle + 4.0], Anchor::Start, Style::Label, &Style::Label.fit(behavior, room));
                if before.is_some() {
                    bars.line([MARGIN, self.y], [self.left + self.width, self.y], GRID);
                }
            }
            before = Some(behavior);
            bars.text([self.left - 6.0, middle + 3.5], Anchor::End, Style::Note, &actors);
            let (colour, height) = self.colour(behavior);
            bars.bars([self.left, middle], height, &self.runs(&row.bouts, shown.panel), colour);
            let frames = spans::length(&spans::union(row.bouts.clone()));
            let secs = duration(frame_secs(frames, shown.panel.rate_hz));
            let figures = format!("{secs} in {}", counted(row.bouts.len() as u64, "bout"));
            bars.text([self.left + self.width + 8.0, middle + 3.5], Anchor::Start, Style::Note, &figures);
            self.y += ROW;
        }
        if !set.never.is_empty() {
            self.y += 12.0;
            let note = Style::Note.fit(&format!("never: {}", set.never.join(", ")), self.width);
            bars.text([self.left, self.y - 2.0], Anchor::Start, Style::Note, &note);
        }
    }

    fn strip(&mut self, name: &str, unseen: &[Range<u64>], panel: &Panel, bars: &mut Svg) {
        let middle = self.y + STRIP_ROW / 2.0;
        let label = format!("{} unseen", Style::Note.fit(name, self.left - MARGIN - 50.0));
        bars.text([self.left - 6.0, middle + 3.5], Anchor::End, Style::Note, &label);
        let shares = self.shares(unseen, panel);
        let level = |share: f64| UNSEEN_LEVELS.iter().rposition(|(from, ..)| share >= *from);
        for (index, (_, colour, _)) in UNSEEN_LEVELS.iter().enumerate() {
            let mut runs: Vec<(u32, u32)> = Vec::new();
            for (pixel, share) in (0..).zip(&shares) {
                match runs.last_mut() {
                    _ if level(*share) != Some(index) => {}
                    Some(last) if last.1 == pixel => last.1 += 1,
                    _ => runs.push((pixel, pixel + 1)),
                }
            }
            bars.bars([self.left, middle], STRIP, &runs, colour);
        }
        self.y += STRIP_ROW;
    }

    fn px_per_frame(&self, panel: &Panel) -> f64 {
        self.width / self.secs_max * frame_secs(1, panel.rate_hz)
    }

    /// Frames as pixels of the time axis: none of them empty, none that touch.
    fn runs(&self, frames: &[Range<u64>], panel: &Panel) -> Vec<(u32, u32)> {
        let px = self.px_per_frame(panel);
        let pixel = |frame: u64| (frame.saturating_sub(panel.frames.start) as f64 * px).round().min(self.width) as u32;
        let mut runs: Vec<(u32, u32)> = Vec::new();
        let inside = spans::union(frames.to_vec());
        for frames in inside.iter().map(|frames| spans::clip(frames, &panel.frames)).filter(|frames| !frames.is_empty())
        {
            let start = pixel(frames.start).min(self.width as u32 - 1);
            let stop = pixel(frames.end).max(start + 1);
            match runs.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(stop),
                _ => runs.push((start, stop)),
            }
        }
        runs
    }

    /// The share of each pixel of the time axis that frames cover.
    fn shares(&self, frames: &[Range<u64>], panel: &Panel) -> Vec<f64> {
        let px = self.px_per_frame(panel);
        let mut shares = vec![0.0; self.width as usize];
        for frames in spans::union(frames.to_vec()).iter().map(|frames| spans::clip(frames, &panel.frames)) {
            let place = |frame: u64| frame.saturating_sub(panel.frames.start) as f64 * px;
            let (start, stop) = (place(frames.start), place(frames.end));
            let (first, after) = (start.floor() as usize, stop.ceil() as usize);
            for (pixel, share) in shares.iter_mut().enumerate().take(after).skip(first) {
                *share += (stop.min(pixel as f64 + 1.0) - start.max(pixel as f64)).max(0.0);
            }
        }
        shares
    }

    /// Grid and ticks, from `top` down to where the drawing is now.
    fn axis(&mut self, top: f64, secs: f64) {
        let step = STEPS_SECS.into_iter().find(|step| self.secs_max / step <= TICKS_MAX);
        let step = step.unwrap_or(self.secs_max / TICKS_MAX);
        let (unit_secs, unit) = match self.secs_max {
            secs if secs < 120.0 => (1.0, "s"),
            secs if secs < 4.0 * 3600.0 => (60.0, "min"),
            _ => (3600.0, "h"),
        };
        let bottom = self.y + 2.0;
        let end = self.left + self.width * secs / self.secs_max;
        for index in 0..=(secs / step + 1e-9) as u32 {
            let at = f64::from(index) * step;
            let x = self.left + self.width * at / self.secs_max;
            self.svg.line([x, top], [x, bottom + 3.0], GRID);
            let label = ((at / unit_secs * 1e4).round() / 1e4).to_string();
            let label = if index == 0 { format!("{label} {unit}") } else { label };
            self.svg.text([x, bottom + 13.0], Anchor::Middle, Style::Note, &label);
        }
        self.svg.line([self.left, bottom], [end, bottom], "#9AA1AC");
    }
}
