//! The few elements that drawings are made of. Colours come from the page's style, by class.

use std::fmt::Write;

use crate::markup::{escaped, px};

/// A drawing in the making, in pixels.
#[derive(Debug, Default)]
pub(super) struct Svg {
    body: String,
}

/// Which way a text runs from its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn rect(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], class: &str) {
        let [x, y, width, height] = [x, y, width.max(0.0), height.max(0.0)].map(px);
        let place = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
        let _ = write!(self.body, "<rect class=\"{class}\" {place}/>");
    }

    pub(super) fn segment(&mut self, from: [f64; 2], to: [f64; 2], class: &str) {
        self.line(&[from, to], class);
    }

    /// A line through all points.
    pub(super) fn line(&mut self, points: &[[f64; 2]], class: &str) {
        let Some((first, rest)) = points.split_first() else { return };
        let mut path = format!("M{} {}", px(first[0]), px(first[1]));
        for point in rest {
            let _ = write!(path, "L{} {}", px(point[0]), px(point[1]));
        }
        self.path(&path, class);
    }

    /// `path` as SVG writes it.
    pub(super) fn path(&mut self, path: &str, class: &str) {
        let _ = write!(self.body, "<path class=\"{class}\" d=\"{path}\"/>");
    }

    pub(super) fn circle(&mut self, [x, y]: [f64; 2], radius: f64, class: &str) {
        let place = format!("cx=\"{}\" cy=\"{}\" r=\"{}\"", px(x), px(y), px(radius));
        let _ = write!(self.body, "<circle class=\"{class}\" {place}/>");
    }

    /// Plain text; it is escaped here.
    pub(super) fn text(&mut self, [x, y]: [f64; 2], anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let place = format!("x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\"", px(x), px(y));
        let _ = write!(self.body, "<text class=\"{class}\" {place}>{}</text>", escaped(text));
    }

    /// Another drawing, cut off at its edges.
    pub(super) fn inset(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], inset: &Self) {
        let place = format!("x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", px(x), px(y), px(width), px(height));
        let _ = write!(self.body, "<svg {place}>{}</svg>", inset.body);
    }

    /// `what` is read out to those who cannot see it.
    pub(super) fn finish(self, [width, height]: [f64; 2], what: &str) -> String {
        let (size, what) = (format!("0 0 {} {}", px(width), px(height)), escaped(what));
        format!("<svg viewBox=\"{size}\" role=\"img\" aria-label=\"{what}\">{}</svg>", self.body)
    }
}
