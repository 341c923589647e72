//! Moments at which the network was sure and wrong, as the animals stood.

use std::fmt::Write;

use super::axis::Axis;
use super::markup::{
    Mark, NOT_MEASURED, delay_name, finite, full_name, individual_look, legend, look_of_delay, measured, name, nothing,
    sentence, written,
};
use super::svg::{Anchor, Svg};
use super::value::{Mistake, Pose, Report};
use crate::markup::px;

/// Most mistakes that are drawn; the page says how many it leaves out.
pub const MISTAKES_MAX: usize = 60;
/// Most poses, individuals and keypoints of a drawing.
const POSES_MAX: usize = 7;
const INDIVIDUALS_MAX: usize = 8;
const KEYPOINTS_MAX: usize = 64;

/// Coordinates beyond this many pixels are taken for garbage.
const COORDINATE_MAX: f64 = 1e6;

const WIDTH: f64 = 420.0;
const BOX_GAP: f64 = 6.0;
const BOX_HEIGHT: f64 = 92.0;
const BOX_PAD: f64 = 9.0;
const SCORE_TOP: f64 = BOX_HEIGHT + 44.0;
const SCORE_HEIGHT: f64 = 70.0;
const SCORE_LEFT: f64 = 30.0;
const HEIGHT: f64 = SCORE_TOP + SCORE_HEIGHT + 34.0;

pub(super) fn write(page: &mut String, report: &Report) {
    page.push_str(
        "<p class=\"lead\">Where the network was surest and wrong, the worst first. The strip shows the animals as \
         the camera sees them in the seconds around it, each box centred on them and all of one scale: keypoints that \
         were seen, and faintly the way of each animal's middle. Below, the score of the behavior over the same \
         seconds, where 0 is the mistake, with what was annotated shaded and the threshold dashed. Some of these are \
         the annotation's mistakes.</p>\n",
    );
    if report.mistakes.is_empty() {
        page.push_str(&nothing());
        return;
    }
    page.push_str("<div class=\"mistakes\">\n");
    for mistake in report.mistakes.iter().take(MISTAKES_MAX) {
        panel(page, report, mistake);
    }
    page.push_str("</div>\n");
    if report.mistakes.len() > MISTAKES_MAX {
        let _ = writeln!(page, "<p>Not drawn: {} more.</p>", report.mistakes.len() - MISTAKES_MAX);
    }
}

fn panel(page: &mut String, report: &Report, mistake: &Mistake) {
    let frame = mistake.frame.map_or_else(|| "frame not given".to_owned(), |frame| format!("frame {frame}"));
    let score = measured(mistake.score, 2);
    let _ = writeln!(
        page,
        "<figure class=\"mistake\"><figcaption>{}<br/><small>{}, {}, {frame}, delay {}</small></figcaption>\n\
         <p>Said: <b>{}</b> (score {score}). Annotated: <b>{}</b>.</p>",
        full_name(&mistake.label_set, &mistake.behavior),
        name(&mistake.recording),
        clock(mistake.secs),
        delay_name(mistake.delay),
        sentence(&mistake.said),
        sentence(&mistake.annotated)
    );
    let individuals = mistake.individuals.iter().take(INDIVIDUALS_MAX).enumerate();
    let entries: Vec<_> =
        individuals.map(|(index, individual)| (Mark::Dot, individual_look(index), name(individual))).collect();
    if !entries.is_empty() {
        page.push_str(&legend(&entries));
    }
    let mut svg = Svg::default();
    poses(&mut svg, mistake);
    scores(&mut svg, mistake, report);
    let _ = writeln!(page, "{}</figure>", svg.finish([WIDTH, HEIGHT], "poses and score around the mistake"));
}

/// `mm:ss.s`.
fn clock(secs: Option<f64>) -> String {
    let Some(secs) = finite(secs).filter(|secs| (0.0..1e9).contains(secs)) else {
        return format!("time {NOT_MEASURED}");
    };
    let tenths = (secs * 10.0).round() as u64;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

/// Keypoints that were seen, with their places among all.
fn seen(keypoints: &[Option<[f64; 2]>]) -> impl Iterator<Item = (usize, [f64; 2])> {
    let places = keypoints.iter().take(KEYPOINTS_MAX).enumerate();
    places.filter_map(|(index, point)| Some((index, (*point)?))).filter(|(_, point)| is_place(*point))
}

fn is_place(point: [f64; 2]) -> bool {
    point.iter().all(|coordinate| coordinate.abs() <= COORDINATE_MAX)
}

/// From pixels of the camera to pixels of a box.
struct View {
    middle: [f64; 2],
    /// One for all boxes, and for both axes.
    scale: f64,
    box_width: f64,
}

impl View {
    fn place(&self, point: [f64; 2]) -> [f64; 2] {
        let [x, y] = [0, 1].map(|axis| (point[axis] - self.middle[axis]) * self.scale);
        [self.box_width / 2.0 + x, BOX_HEIGHT / 2.0 + y]
    }
}

/// The least and the greatest x and y of all keypoints that were seen.
fn extent(pose: &Pose) -> Option<[[f64; 2]; 2]> {
    let points = || pose.individuals.iter().take(INDIVIDUALS_MAX).flat_map(|keypoints| seen(keypoints));
    let ends = |axis: usize| {
        let values = points().map(|(_, point)| [point[axis]; 2]);
        values.reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])])
    };
    Some([ends(0)?, ends(1)?])
}

fn poses(svg: &mut Svg, mistake: &Mistake) {
    let poses = &mistake.poses[..mistake.poses.len().min(POSES_MAX)];
    let count = poses.len().max(1) as f64;
    let box_width = (WIDTH - BOX_GAP * (count - 1.0)) / count;
    let extents: Vec<Option<[[f64; 2]; 2]>> = poses.iter().map(extent).collect();
    let room = [box_width, BOX_HEIGHT].map(|size| size - 2.0 * BOX_PAD);
    let fits = |extent: &[[f64; 2]; 2]| [0, 1].map(|axis| room[axis] / (extent[axis][1] - extent[axis][0]).max(1e-3));
    let scale = extents.iter().flatten().flat_map(fits).fold(f64::INFINITY, f64::min);
    if extents.iter().all(Option::is_none) {
        svg.rect([0.0, 0.0], [WIDTH, BOX_HEIGHT], "box");
        svg.text([WIDTH / 2.0, BOX_HEIGHT / 2.0], Anchor::Middle, "label", "no keypoint was seen");
        return;
    }
    for (index, (pose, extent)) in poses.iter().zip(&extents).enumerate() {
        let left = index as f64 * (box_width + BOX_GAP);
        let is_moment = pose.offset_secs.abs() < 1e-6;
        svg.rect([left, 0.0], [box_width, BOX_HEIGHT], if is_moment { "box moment" } else { "box" });
        if let Some(extent) = extent {
            let middle = extent.map(|[low, high]| f64::midpoint(low, high));
            let inside = animals(&View { middle, scale, box_width }, pose, poses, &mistake.edges);
            svg.inset([left, 0.0], [box_width, BOX_HEIGHT], &inside);
        }
        let secs = match pose.offset_secs {
            secs if !secs.is_finite() => NOT_MEASURED.to_owned(),
            secs if secs > 0.0 => format!("+{} s", written(secs, 1)),
            secs => format!("{} s", written(secs, 1)),
        };
        svg.text([left + box_width / 2.0, BOX_HEIGHT + 14.0], Anchor::Middle, "note", &secs);
    }
}

fn animals(view: &View, pose: &Pose, poses: &[Pose], edges: &[(usize, usize)]) -> Svg {
    let mut svg = Svg::default();
    for individual in 0..pose.individuals.len().min(INDIVIDUALS_MAX) {
        trail(&mut svg, view, poses, individual);
    }
    for (individual, keypoints) in pose.individuals.iter().take(INDIVIDUALS_MAX).enumerate() {
        skeleton(&mut svg, view, keypoints, edges, &individual_look(individual));
    }
    svg
}

/// The way of an animal's middle from pose to pose.
fn trail(svg: &mut Svg, view: &View, poses: &[Pose], individual: usize) {
    let middles = poses.iter().filter_map(|pose| {
        let points: Vec<[f64; 2]> = seen(pose.individuals.get(individual)?).map(|(_, point)| point).collect();
        let mean = |axis: usize| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64;
        (!points.is_empty()).then(|| view.place([mean(0), mean(1)]))
    });
    let trail: Vec<[f64; 2]> = middles.collect();
    svg.line(&trail, &format!("trail {}", individual_look(individual)));
}

fn skeleton(svg: &mut Svg, view: &View, keypoints: &[Option<[f64; 2]>], edges: &[(usize, usize)], look: &str) {
    let mut places = vec![None; keypoints.len().min(KEYPOINTS_MAX)];
    for (index, point) in seen(keypoints) {
        places[index] = Some(view.place(point).map(px));
    }
    let end = |index: usize| places.get(index).and_then(Option::as_ref);
    let (mut bones, mut points) = (String::new(), String::new());
    for (from, to) in edges.iter().take(KEYPOINTS_MAX * 4) {
        if let (Some([x1, y1]), Some([x2, y2])) = (end(*from), end(*to)) {
            let _ = write!(bones, "M{x1} {y1}L{x2} {y2}");
        }
    }
    for [x, y] in places.iter().flatten() {
        // A line without a length has round ends.
        let _ = write!(points, "M{x} {y}h0");
    }
    if !bones.is_empty() {
        svg.path(&bones, &format!("bone {look}"));
    }
    if !points.is_empty() {
        svg.path(&points, &format!("keypoint {look}"));
    }
}

fn scores(svg: &mut Svg, mistake: &Mistake, report: &Report) {
    let look = look_of_delay(&report.head.delays, mistake.delay);
    let offsets = || mistake.poses.iter().map(|pose| pose.offset_secs);
    let secs = || mistake.scores.iter().map(|point| point[0]).chain(offsets()).filter(|secs| secs.abs() <= 1e6);
    let (low, high) = (secs().fold(f64::INFINITY, f64::min), secs().fold(f64::NEG_INFINITY, f64::max));
    let x = Axis::tight(low, high, [SCORE_LEFT, WIDTH - 8.0]);
    let bottom = SCORE_TOP + SCORE_HEIGHT;
    let y = Axis::share([bottom, SCORE_TOP]);
    svg.text([0.0, SCORE_TOP - 9.0], Anchor::Start, "label", "score");
    for [start, stop] in &mistake.truth {
        let (Some(from), Some(to)) = (x.px(*start), x.px(*stop)) else { continue };
        if to > from {
            svg.rect([from, SCORE_TOP], [to - from, SCORE_HEIGHT], "shade");
        }
    }
    for value in [0.0, 0.5, 1.0] {
        let at = bottom - SCORE_HEIGHT * value;
        svg.segment([SCORE_LEFT, at], [WIDTH - 8.0, at], "grid");
        svg.text([SCORE_LEFT - 5.0, at + 3.5], Anchor::End, "note", &value.to_string());
    }
    for (at, label) in x.ticks() {
        svg.segment([at, bottom], [at, bottom + 3.0], "axis");
        svg.text([at, bottom + 14.0], Anchor::Middle, "note", &label);
    }
    svg.text([f64::midpoint(SCORE_LEFT, WIDTH), bottom + 28.0], Anchor::Middle, "label", "seconds from the mistake");
    if let Some(at) = finite(mistake.threshold).and_then(|threshold| y.px(threshold)) {
        svg.segment([SCORE_LEFT, at], [WIDTH - 8.0, at], "mark");
    }
    if let Some(at) = x.px(0.0) {
        svg.segment([at, SCORE_TOP], [at, bottom], "now");
    }
    curve(svg, mistake, [&x, &y], &look);
}

/// The score, broken where there is none.
fn curve(svg: &mut Svg, mistake: &Mistake, [x, y]: [&Axis; 2], look: &str) {
    let places: Vec<Option<[f64; 2]>> =
        mistake.scores.iter().map(|[secs, score]| Some([x.px(*secs)?, y.px(*score)?])).collect();
    for piece in places.split(Option::is_none) {
        let piece: Vec<[f64; 2]> = piece.iter().flatten().copied().collect();
        svg.line(&piece, &format!("line {look}"));
    }
    if places.iter().all(Option::is_none) {
        svg.text([WIDTH / 2.0, SCORE_TOP + 40.0], Anchor::Middle, "label", NOT_MEASURED);
    }
}
