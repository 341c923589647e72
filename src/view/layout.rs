//! Where everything stands, by the size of the window.

use ratatui::layout::Rect;

/// The smallest window that anything is drawn in.
pub(super) const SIZE_MIN: (u16, u16) = (60, 16);

/// From this size on, panels stand in two columns, each in a box.
const SIZE_WIDE: (u16, u16) = (110, 32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) header: Rect,
    /// Empty where there is no alarm.
    pub(super) alarm: Rect,
    pub(super) arena: Rect,
    pub(super) raster: Rect,
    pub(super) scores: Rect,
    /// Empty where there is no room.
    pub(super) timing: Rect,
    pub(super) events: Rect,
    pub(super) footer: Rect,
    /// Whether panels have a box, or only a line above them.
    pub(super) boxed: bool,
}

impl Layout {
    /// `None` for a window under [`SIZE_MIN`].
    pub(super) fn of(area: Rect, alarm: bool) -> Option<Self> {
        if area.width < SIZE_MIN.0 || area.height < SIZE_MIN.1 {
            return None;
        }
        let (header, rest) = cut(area, 1);
        let (alarm, rest) = cut(rest, u16::from(alarm));
        let (body, footer) = cut(rest, rest.height - 1);
        let at = Self { header, alarm, footer, boxed: false, ..Self::default() };
        Some(if area.width >= SIZE_WIDE.0 && area.height >= SIZE_WIDE.1 { at.wide(body) } else { at.narrow(body) })
    }

    /// The animals and what they do on the left, the numbers and the words on the right.
    fn wide(self, body: Rect) -> Self {
        let (left, right) = cut_left(body, part(body.width, 3, 5));
        let (arena, raster) = cut(left, part(left.height, 3, 5).max(left.height.saturating_sub(22)));
        let (scores, rest) = cut(right, (right.height / 3).clamp(8, 20));
        let (timing, events) = cut(rest, 7);
        Self { arena, raster, scores, timing, events, boxed: true, ..self }
    }

    /// Animals beside numbers, below them the rows of time, below these the words.
    fn narrow(self, body: Rect) -> Self {
        let events_height = (body.height / 5).clamp(3, 8);
        let raster_height = part(body.height, 8, 25).clamp(4, 14);
        let (top, rest) = cut(body, body.height - events_height - raster_height);
        let (raster, events) = cut(rest, raster_height);
        let (arena, right) = cut_left(top, top.width / 2);
        let right = Rect { x: right.x + 1, width: right.width - 1, ..right };
        let timing_height = if right.height >= 10 { 6 } else { 0 };
        let (scores, timing) = cut(right, right.height - timing_height);
        Self { arena, raster, scores, timing, events, ..self }
    }
}

impl Default for Layout {
    fn default() -> Self {
        let none = Rect::ZERO;
        Self {
            header: none,
            alarm: none,
            arena: none,
            raster: none,
            scores: none,
            timing: none,
            events: none,
            footer: none,
            boxed: false,
        }
    }
}

/// So much of a length.
fn part(length: u16, numerator: u32, denominator: u32) -> u16 {
    (u32::from(length) * numerator / denominator) as u16
}

/// The upper `height` rows, and the others.
fn cut(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

fn cut_left(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
}
