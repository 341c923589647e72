//! The animals where they are, and what they do to each other.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Words, Span};
use ratatui::widgets::Widget;
use ratatui::widgets::canvas::{Canvas, Context, Line, Points};

use super::extent::Bounds;
use super::raster::whom;
use super::screen::Look;
use super::text::{Who, fit};
use super::theme::{Theme, panel, say};
use crate::plane::Vec2;
use crate::poses::Keypoint;
use crate::skeleton::Skeleton;

/// Most columns of a name beside its animal.
const NAME_COLUMNS_MAX: usize = 16;

/// Dots of an arrow's head.
const HEAD_DOTS: f32 = 5.0;

/// Rows between an animal and the words about it.
const ROWS_AWAY_MAX: i32 = 8;

/// From one dot of a shaft to the next.
const SHAFT_DOTS: f32 = 3.0;

/// From the plane to the dots of the panel: two in a column and four in a row, square.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    area: Rect,
    /// What lies at the left and upper edge.
    origin: Vec2,
    dots_per_unit: f32,
}

/// A line with a head at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Arrow {
    pub(super) from: Vec2,
    pub(super) to: Vec2,
}

/// The panels' words, which keep out of each other's way.
struct Labels {
    area: Rect,
    taken: Vec<Rect>,
}

pub(super) fn draw(look: &Look, area: Rect, boxed: bool, buffer: &mut Buffer) {
    let theme = look.theme;
    let inner = panel(theme, (Words::styled(" Arena ", Theme::title()), None), area, boxed, buffer);
    let (Some(stream), Some(frame)) = (&look.scene.stream, &look.scene.frame) else {
        say("waiting for poses", theme.quiet(), inner, buffer);
        return;
    };
    let body_length = stream.body_length_px() as f32;
    let Some(view) = look.scene.extent.bounds(body_length).and_then(|bounds| View::of(bounds, inner)) else {
        say("no animal is seen", theme.quiet(), inner, buffer);
        return;
    };
    let skeleton = stream.skeleton();
    let animals: Vec<&[Keypoint]> = frame.keypoints.chunks_exact(skeleton.keypoints().len()).collect();
    let middles: Vec<Option<Vec2>> = animals.iter().map(|points| middle(skeleton, points)).collect();
    let doings = doings(look);
    let arrows: Vec<(Option<Arrow>, bool)> =
        doings.iter().filter_map(|(who, _)| link(look, who, &middles, body_length, view)).collect();
    let (x_bounds, y_bounds) = view.bounds();
    Canvas::default()
        .x_bounds(x_bounds)
        .y_bounds(y_bounds)
        .paint(|context| {
            for (slot, points) in animals.iter().enumerate() {
                draw_animal(context, skeleton, points, view, theme.animal_colour(slot));
            }
            for (arrow, directed) in arrows.iter().filter_map(|(arrow, directed)| Some(((*arrow)?, *directed))) {
                draw_arrow(context, arrow, directed, view, theme.arrow_colour());
            }
        })
        .render(inner, buffer);
    draw_words(look, &animals, &middles, &doings, view, buffer);
}

impl View {
    /// `None` where there is no room.
    pub(super) fn of(bounds: Bounds, area: Rect) -> Option<Self> {
        let (width, height) = (bounds.right - bounds.left, bounds.bottom - bounds.top);
        let dots = Vec2 { x: 2.0 * f32::from(area.width), y: 4.0 * f32::from(area.height) };
        let dots_per_unit = (dots.x / width).min(dots.y / height);
        if !dots_per_unit.is_finite() || dots_per_unit <= 0.0 {
            return None;
        }
        let middle = Vec2 { x: f32::midpoint(bounds.left, bounds.right), y: f32::midpoint(bounds.top, bounds.bottom) };
        Some(Self { area, origin: middle - dots * (0.5 / dots_per_unit), dots_per_unit })
    }

    /// The canvas counts upwards, images downwards.
    fn bounds(&self) -> ([f64; 2], [f64; 2]) {
        let unit = f64::from(1.0 / self.dots_per_unit);
        let (left, top) = (f64::from(self.origin.x), f64::from(-self.origin.y));
        let (width, height) = (2.0 * f64::from(self.area.width) * unit, 4.0 * f64::from(self.area.height) * unit);
        ([left, left + width], [top - height, top])
    }

    /// Column and row of a point, which may lie outside.
    pub(super) fn cell(&self, point: Vec2) -> (i32, i32) {
        let dots = (point - self.origin) * self.dots_per_unit;
        let at =
            |start: u16, dots: f32, per_cell: f32| i32::from(start).saturating_add((dots / per_cell).floor() as i32);
        (at(self.area.x, dots.x, 2.0), at(self.area.y, dots.y, 4.0))
    }

    /// Of so many dots.
    fn length(&self, dots: f32) -> f32 {
        dots / self.dots_per_unit
    }
}

fn line(from: Vec2, to: Vec2, color: Color) -> Line {
    let (x1, y1, x2, y2) = (f64::from(from.x), f64::from(-from.y), f64::from(to.x), f64::from(-to.y));
    Line { x1, y1, x2, y2, color }
}

/// Bones as lines, the body's axis thicker than the tail, points without bones as dots.
fn draw_animal(context: &mut Context, skeleton: &Skeleton, points: &[Keypoint], view: View, colour: Color) {
    let at = |index: usize| points.get(index).and_then(Vec2::of);
    let axis = skeleton.axis();
    let body = [(axis.front, axis.centre), (axis.centre, axis.rear)];
    for &(a, b) in skeleton.edges().iter().chain(&body) {
        if let (Some(a), Some(b)) = (at(a), at(b)) {
            context.draw(&line(a, b, colour));
        }
    }
    for (a, b) in body {
        let (Some(a), Some(b)) = (at(a), at(b)) else { continue };
        let Some(along) = (b - a).unit() else { continue };
        for dots in [-1.0, 1.0] {
            let aside = Vec2 { x: -along.y, y: along.x } * view.length(dots);
            context.draw(&line(a + aside, b + aside, colour));
        }
    }
    let coords: Vec<(f64, f64)> = points.iter().filter_map(Vec2::of).map(|p| (p.x.into(), (-p.y).into())).collect();
    context.draw(&Points { coords: &coords, color: colour });
}

fn draw_arrow(context: &mut Context, arrow: Arrow, directed: bool, view: View, colour: Color) {
    let Some(along) = (arrow.to - arrow.from).unit() else { return };
    let (length, step) = ((arrow.to - arrow.from).length(), view.length(SHAFT_DOTS));
    // No more dots than a panel has.
    let count = (length / step).clamp(0.0, 1000.0) as usize;
    let dots: Vec<(f64, f64)> = (0..=count)
        .map(|index| arrow.from + along * (index as f32 * step))
        .map(|dot| (dot.x.into(), (-dot.y).into()))
        .collect();
    context.draw(&Points { coords: &dots, color: colour });
    if directed {
        for side in [2.6, -2.6] {
            let wing = Vec2::at_angle(along.angle() + side) * view.length(HEAD_DOTS);
            context.draw(&line(arrow.to, arrow.to + wing, colour));
        }
    }
}

/// Where an animal is: its centre, or any point that is seen.
fn middle(skeleton: &Skeleton, points: &[Keypoint]) -> Option<Vec2> {
    let axis = skeleton.axis();
    let first = [axis.centre, axis.front, axis.rear];
    let named = first.into_iter().filter_map(|index| points.get(index));
    named.chain(points).find_map(Vec2::of)
}

/// What goes on according to the fastest verdict: whom, and all behaviors at once.
fn doings(look: &Look) -> Vec<(Who, String)> {
    let mut doings: Vec<(Who, String)> = Vec::new();
    for track in look.scene.timeline.tracks().iter().filter(|track| track.is_on(look.fast)) {
        match doings.iter_mut().find(|(who, _)| *who == track.who) {
            Some((_, behaviors)) => {
                behaviors.push_str(", ");
                behaviors.push_str(&track.behavior);
            }
            None => doings.push((track.who.clone(), track.behavior.clone())),
        }
    }
    doings
}

/// The arrow of a pair, and whether it has a head; `None` for one animal, and where either is not seen.
fn link(
    look: &Look,
    who: &Who,
    middles: &[Option<Vec2>],
    body_length: f32,
    view: View,
) -> Option<(Option<Arrow>, bool)> {
    let at = |animal: &str| middles.get(look.scene.slot(animal)?).copied().flatten();
    let (first, rest) = who.parts();
    let (from, to) = (at(first)?, at(rest?.1)?);
    Some((arrow(from, to, body_length, view.length(2.0 * HEAD_DOTS)), matches!(who, Who::Ordered { .. })))
}

/// From beside one animal to beside the other, bent around neither; `None` where they are too near for `length_min`.
pub(super) fn arrow(agent: Vec2, target: Vec2, body_length: f32, length_min: f32) -> Option<Arrow> {
    let along = (target - agent).unit()?;
    // To the left of the way, so that it does not lie on the animals, nor on the arrow of the other direction.
    let aside = Vec2 { x: along.y, y: -along.x } * (0.2 * body_length);
    let gap = along * (0.3 * body_length);
    let arrow = Arrow { from: agent + aside + gap, to: target + aside - gap };
    ((arrow.to - arrow.from).dot(along) >= length_min).then_some(arrow)
}

fn draw_words(
    look: &Look,
    animals: &[&[Keypoint]],
    middles: &[Option<Vec2>],
    doings: &[(Who, String)],
    view: View,
    buffer: &mut Buffer,
) {
    let Some(stream) = &look.scene.stream else { return };
    let mut labels = Labels { area: view.area, taken: Vec::new() };
    let front = stream.skeleton().axis().front;
    for (slot, points) in animals.iter().enumerate() {
        if let Some(nose) = points.get(front).and_then(Vec2::of) {
            labels.mark(view.cell(nose), Theme::mark(slot), look.theme.animal(Some(slot)), buffer);
        }
    }
    let mut unseen = Vec::new();
    for (slot, (name, middle)) in look.scene.individuals.iter().zip(middles).enumerate() {
        let style = look.theme.animal(Some(slot));
        let name = format!("{} {}", Theme::mark(slot), fit(name, NAME_COLUMNS_MAX));
        match middle {
            Some(middle) => labels.put(view.cell(*middle), 1, &Words::styled(name, style), buffer),
            None => unseen.push(Span::styled(format!("{name} unseen  "), style.add_modifier(Modifier::DIM))),
        }
    }
    for (who, behaviors) in doings {
        let (agent, rest) = who.parts();
        let at = |animal: &str| middles.get(look.scene.slot(animal)?).copied().flatten();
        let Some(place) = at(agent).or_else(|| at(rest?.1)) else { continue };
        let between = rest.and_then(|(_, other)| at(other)).map_or(place, |other| (place + other) * 0.5);
        let anchor = if matches!(who, Who::Both(_)) { between } else { place };
        let columns = usize::from(view.area.width);
        let said = fit(behaviors, columns / 2);
        // Of one animal alone, its colour says whom it is about.
        let style = if rest.is_none() { look.theme.animal(look.scene.slot(agent)) } else { Style::new() };
        let mut words = vec![Span::styled(said, style.add_modifier(Modifier::BOLD))];
        if rest.is_some() {
            words.push(Span::raw(" "));
            words.extend(whom(look, who, columns / 2));
        }
        labels.put(view.cell(anchor), -1, &Words::from(words), buffer);
    }
    if !unseen.is_empty() {
        buffer.set_line(view.area.x, view.area.y, &Words::from(unseen), view.area.width);
    }
}

impl Labels {
    fn mark(&mut self, (x, y): (i32, i32), mark: &str, style: Style, buffer: &mut Buffer) {
        let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) else { return };
        if self.area.contains((x, y).into())
            && let Some(cell) = buffer.cell_mut((x, y))
        {
            cell.set_symbol(mark).set_style(style.add_modifier(Modifier::BOLD));
            self.taken.push(Rect { x, y, width: 1, height: 1 });
        }
    }

    /// Writes words centred over or under a place (`down` is −1 or 1 for where to look first), as near as animals and other
    /// words leave room.
    fn put(&mut self, (x, y): (i32, i32), down: i32, words: &Words, buffer: &mut Buffer) {
        let columns = (words.width().min(self.area.width.into())) as u16;
        let clamp = |at: i32, start: u16, end: u16| at.clamp(start.into(), end.max(start).into()) as u16;
        let x = clamp(x.saturating_sub(i32::from(columns) / 2), self.area.x, self.area.right().saturating_sub(columns));
        let rows = (1..=ROWS_AWAY_MAX).flat_map(|away| [away * down, -away * down]);
        let places = rows.map(|shift| {
            let y = clamp(y.saturating_add(shift), self.area.y, self.area.bottom().saturating_sub(1));
            Rect { x, y, width: columns, height: 1 }
        });
        let free = |place: &Rect| !self.taken.iter().any(|taken| taken.intersects(*place));
        let free: Vec<Rect> = places.filter(free).collect();
        let is_blank =
            |place: &&Rect| place.positions().all(|at| buffer.cell(at).is_some_and(|cell| cell.symbol() == " "));
        // Over an animal rather than not at all.
        let Some(&place) = free.iter().find(is_blank).or(free.first()) else { return };
        buffer.set_line(place.x, place.y, words, columns);
        self.taken.push(place);
    }
}
