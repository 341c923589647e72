//! What was annotated and what was said, along each recording.

use std::fmt::Write;

use super::markup::{Mark, delay_name, legend, look_of_delay, name, nothing, written};
use super::value::{Raster, RasterRow, Report};

/// Most recordings that are drawn, and most rows of each; the page says how many it leaves out.
pub const RASTERS_MAX: usize = 60;
const ROWS_MAX: usize = 60;

/// Units along a strip, which is as wide as the page lets it, some 1000 pixels at most: a unit is a tenth of a pixel.
const UNITS: f64 = 10_000.0;
/// Runs are at least that long, and gaps that are shorter are closed.
const RUN_UNITS_MIN: f64 = 5.0;
const GAP_UNITS_MIN: f64 = 3.0;
/// Most runs of a strip; where there are more, longer gaps are closed.
const RUNS_MAX: usize = 360;

/// Steps of the time axis, in seconds.
const STEPS_SECS: [f64; 13] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0];
const TICKS_MAX: f64 = 12.0;

pub(super) fn write(page: &mut String, report: &Report) {
    page.push_str(
        "<p class=\"lead\">Each recording from its first to its last frame, in minutes. Of each behavior the upper \
         strip is what was annotated, the lower one what was said; where it is grey, nobody has looked. Bouts too \
         short to be seen are drawn half a pixel wide, and those that lie closer than a third of a pixel as \
         one.</p>\n",
    );
    if report.rasters.is_empty() {
        page.push_str(&nothing());
        return;
    }
    let mut delays: Vec<_> = report.rasters.iter().map(|raster| raster.delay).collect();
    delays.sort_unstable();
    delays.dedup();
    let mut entries = vec![(Mark::Block, "truth".to_owned(), "annotated".to_owned())];
    let said = delays.into_iter().map(|delay| {
        (Mark::Block, look_of_delay(&report.head.delays, delay), format!("said, delay {}", delay_name(delay)))
    });
    entries.extend(said);
    entries.push((Mark::Block, "unscored".to_owned(), "not scored".to_owned()));
    page.push_str(&legend(&entries));
    for raster in report.rasters.iter().take(RASTERS_MAX) {
        recording(page, report, raster);
    }
    if report.rasters.len() > RASTERS_MAX {
        let _ = writeln!(page, "<p>Not drawn: {} more.</p>", report.rasters.len() - RASTERS_MAX);
    }
}

fn recording(page: &mut String, report: &Report, raster: &Raster) {
    let part = raster.part.name();
    let secs = raster.secs.filter(|secs| secs.is_finite() && *secs > 0.0);
    let length =
        secs.map_or_else(|| "length not measured".to_owned(), |secs| format!("{} min", written(secs / 60.0, 1)));
    let delay = delay_name(raster.delay);
    let _ = writeln!(page, "<h3>{} <small>{part}, {length}, delay {delay}</small></h3>", name(&raster.recording));
    let Some(secs) = secs.filter(|_| !raster.rows.is_empty()) else {
        page.push_str(&nothing());
        return;
    };
    let look = look_of_delay(&report.head.delays, raster.delay);
    page.push_str("<div class=\"raster\">\n");
    let grid = grid(secs);
    let mut label_set = None;
    for row in raster.rows.iter().take(ROWS_MAX) {
        if label_set != Some(row.label_set.as_str()) {
            let _ = writeln!(page, "<div class=\"set\">{}</div>", name(&row.label_set));
        }
        label_set = Some(row.label_set.as_str());
        let _ = writeln!(page, "<div class=\"row\">{}</div>{}", name(&row.behavior), strips(row, secs, &look, &grid));
    }
    page.push_str("<div class=\"row\">minutes</div><div class=\"times\">");
    for (share, label) in marks(secs) {
        // The last one would stick out.
        let class = if share > 0.985 { " class=\"last\"" } else { "" };
        let _ = write!(page, "<span{class} style=\"left:{:.2}%\">{label}</span>", share * 100.0);
    }
    page.push_str("</div></div>\n");
    if raster.rows.len() > ROWS_MAX {
        let _ = writeln!(page, "<p>Not drawn: {} more behaviors.</p>", raster.rows.len() - ROWS_MAX);
    }
}

/// Marks of the time axis: where, as a share of its length, and what is written there.
fn marks(secs: f64) -> Vec<(f64, String)> {
    let step = STEPS_SECS.into_iter().find(|step| secs / step <= TICKS_MAX).unwrap_or(secs / TICKS_MAX);
    let digits = if step < 60.0 { 2 } else { 0 };
    let mark = |index: u32| {
        let at = f64::from(index) * step;
        (at / secs, written(at / 60.0, digits))
    };
    (0..=(secs / step + 1e-9) as u32).map(mark).collect()
}

/// The marks as lines of a strip.
fn grid(secs: f64) -> String {
    let mut path = "<path class=\"grid\" d=\"".to_owned();
    for (share, _) in marks(secs) {
        let _ = write!(path, "M{:.0} 0v22", share * UNITS);
    }
    path.push_str("\"/>");
    path
}

/// Both strips of a behavior.
fn strips(row: &RasterRow, secs: f64, look: &str, grid: &str) -> String {
    let mut svg =
        "<svg class=\"strip\" viewBox=\"0 0 10000 22\" preserveAspectRatio=\"none\" aria-hidden=\"true\">".to_owned();
    let parts = [(&row.unscored, 11.0, "run thick unscored"), (&row.truth, 6.0, "run truth")];
    let said = format!("run {look}");
    for (index, (runs, middle, class)) in parts.into_iter().chain([(&row.predicted, 16.0, said.as_str())]).enumerate() {
        if index == 1 {
            svg.push_str(grid);
        }
        let merged = merged(runs, secs);
        if let Some(path) = path(&merged, middle) {
            let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Runs in whole units of a strip, ascending; none of them empty, none that touch, no more than [`RUNS_MAX`].
fn merged(runs: &[[f64; 2]], secs: f64) -> Vec<[u32; 2]> {
    let unit = |at: f64| (at / secs * UNITS).clamp(0.0, UNITS);
    let mut placed: Vec<[f64; 2]> = runs
        .iter()
        .filter(|[start, stop]| start < stop && *start < secs && *stop > 0.0)
        .map(|[start, stop]| {
            let start = unit(*start).min(UNITS - RUN_UNITS_MIN);
            [start, unit(*stop).max(start + RUN_UNITS_MIN)]
        })
        .collect();
    placed.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut gap = GAP_UNITS_MIN;
    loop {
        let mut joined: Vec<[f64; 2]> = Vec::new();
        for run in &placed {
            match joined.last_mut() {
                Some(last) if run[0] - last[1] < gap => last[1] = last[1].max(run[1]),
                _ => joined.push(*run),
            }
        }
        if joined.len() <= RUNS_MAX {
            return joined.into_iter().map(|run| run.map(|unit| unit.round() as u32)).collect();
        }
        placed = joined;
        gap *= 1.5;
    }
}

/// Runs as one line that leaves out the gaps.
fn path(runs: &[[u32; 2]], middle: f64) -> Option<String> {
    let first = runs.first()?[0];
    let mut path = format!("M{first} {middle}");
    let mut at = first;
    for [start, stop] in runs {
        if *start > at {
            let _ = write!(path, "m{} 0", start - at);
        }
        let _ = write!(path, "h{}", stop - start);
        at = *stop;
    }
    Some(path)
}
