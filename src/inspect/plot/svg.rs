//! The few elements that the plots are made of.

use std::fmt::Write;

use super::{FAINT_INK, INK};
use crate::markup::{escaped, px};

/// Width of an average character, as a share of its size, of the widest font that a viewer is likely to choose.
const CHAR_WIDTH: f64 = 0.6;

/// An image in the making.
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

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Title,
    Heading,
    Label,
    Note,
    Alarm,
}

impl Style {
    pub(super) fn size_px(self) -> f64 {
        match self {
            Self::Title => 15.0,
            Self::Heading => 12.0,
            Self::Label => 11.0,
            Self::Note | Self::Alarm => 10.0,
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Title => "t",
            Self::Heading => "h",
            Self::Label => "l",
            Self::Note => "n",
            Self::Alarm => "a",
        }
    }

    /// About how wide a text is.
    pub(super) fn width_px(self, text: &str) -> f64 {
        let bold = if matches!(self, Self::Title | Self::Heading) { 1.1 } else { 1.0 };
        text.chars().count() as f64 * self.size_px() * CHAR_WIDTH * bold
    }

    /// The text, shortened to about that width.
    pub(super) fn fit(self, text: &str, width_px: f64) -> String {
        let chars = (width_px / self.width_px("x")).max(1.0) as usize;
        crate::inspect::text::shortened(text, chars)
    }
}

impl Svg {
    pub(super) fn rect(&mut self, [x, y]: [f64; 2], [width, height]: [f64; 2], fill: &str) {
        let [x, y, width, height] = [x, y, width.max(0.0), height.max(0.0)].map(px);
        let _ = writeln!(self.body, r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}"/>"#);
    }

    pub(super) fn line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], stroke: &str) {
        let path = format!("M{} {}L{} {}", px(x1), px(y1), px(x2), px(y2));
        let _ = writeln!(self.body, r#"<path d="{path}" stroke="{stroke}"/>"#);
    }

    /// A line through all points; on any background, in front of what an `area` fills.
    pub(super) fn polyline(&mut self, points: &[[f64; 2]], stroke: &str, is_dashed: bool) {
        let dashes = if is_dashed { r#" stroke-dasharray="6 2.5""# } else { "" };
        let look = format!(r#"fill="none" stroke="{stroke}" stroke-width="1.8" stroke-linejoin="round"{dashes}"#);
        let _ = writeln!(self.body, r#"<polyline points="{}" {look}/>"#, places(points));
    }

    /// What lies between a line and `bottom`, faintly.
    pub(super) fn area(&mut self, line: &[[f64; 2]], bottom: f64, fill: &str) {
        let (Some(first), Some(last)) = (line.first(), line.last()) else { return };
        let ends = places(&[[last[0], bottom], [first[0], bottom]]);
        let line = places(line);
        let _ = writeln!(self.body, r#"<polygon points="{line} {ends}" fill="{fill}" fill-opacity="0.14"/>"#);
    }

    /// A dot, or a ring.
    pub(super) fn dot(&mut self, [x, y]: [f64; 2], radius: f64, colour: &str, is_filled: bool) {
        let fill = if is_filled { colour } else { "#FFFFFF" };
        let place = format!(r#"cx="{}" cy="{}" r="{}""#, px(x), px(y), px(radius));
        let _ = writeln!(self.body, r#"<circle {place} fill="{fill}" stroke="{colour}" stroke-width="1.4"/>"#);
    }

    /// Bars side by side from `x` on, each a [start, stop) in whole pixels, ascending; `y` is their middle.
    pub(super) fn bars(&mut self, [x, y]: [f64; 2], height: f64, runs: &[(u32, u32)], stroke: &str) {
        let Some(&(first, _)) = runs.first() else { return };
        let mut path = format!("M{} {}", px(x + f64::from(first)), px(y));
        let mut at = first;
        for &(start, stop) in runs {
            if start > at {
                let _ = write!(path, "m{} 0", start - at);
            }
            let _ = write!(path, "h{}", stop - start);
            at = stop;
        }
        let _ = writeln!(self.body, r#"<path d="{path}" stroke="{stroke}" stroke-width="{}"/>"#, px(height));
    }

    pub(super) fn text(&mut self, [x, y]: [f64; 2], anchor: Anchor, style: Style, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (class, text) = (style.class(), escaped(text));
        let _ = writeln!(self.body, r#"<text x="{}" y="{}" class="{class}"{anchor}>{text}</text>"#, px(x), px(y));
    }

    /// Draws another over this.
    pub(super) fn append(&mut self, over: &Self) {
        self.body.push_str(&over.body);
    }

    pub(super) fn finish(self, [width, height]: [f64; 2], what: &str) -> String {
        let [width, height] = [width, height].map(px);
        let font = "font-family:Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif";
        let mut style = format!("text{{{font};fill:{INK}}}path{{fill:none}}");
        for class in [Style::Title, Style::Heading, Style::Label, Style::Note, Style::Alarm] {
            let looks = match class {
                Style::Title | Style::Heading => ";font-weight:bold".to_string(),
                Style::Label => String::new(),
                Style::Note => format!(";fill:{FAINT_INK}"),
                Style::Alarm => format!(";fill:{}", super::ALARM),
            };
            let _ = write!(style, ".{}{{font-size:{}px{looks}}}", class.class(), class.size_px());
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\">\n<title>{}</title>\n<style>{style}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#FFFFFF\"/>\n{}</svg>\n",
            escaped(what),
            self.body
        )
    }
}

/// Points as an attribute holds them.
fn places(points: &[[f64; 2]]) -> String {
    points.iter().map(|[x, y]| format!("{},{}", px(*x), px(*y))).collect::<Vec<_>>().join(" ")
}
