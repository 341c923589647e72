//! The few elements that figures are made of which stand in files of their own.

use std::fmt::Write;

use crate::markup::{escaped, px};

pub(crate) const INK: &str = "#1F2430";
pub(crate) const FAINT_INK: &str = "#6B7280";

/// Width of an average character, as a share of its size, of the widest font that a viewer is likely to choose.
const CHAR_WIDTH: f64 = 0.6;

/// An image in the making, in pixels.
#[derive(Debug, Default)]
pub(crate) struct Svg {
    body: String,
}

/// Which way a text runs from its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Style {
    Title,
    Heading,
    Label,
    Note,
}

impl Style {
    fn size_px(self) -> f64 {
        match self {
            Self::Title => 15.0,
            Self::Heading | Self::Label => 12.0,
            Self::Note => 11.0,
        }
    }

    fn look(self) -> &'static str {
        match self {
            Self::Title | Self::Heading => "font-weight:bold",
            Self::Label => "",
            Self::Note => "fill:#4B5563",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Title => "t",
            Self::Heading => "h",
            Self::Label => "l",
            Self::Note => "n",
        }
    }

    /// About how wide a text is.
    pub(crate) fn width_px(self, text: &str) -> f64 {
        text.chars().count() as f64 * self.size_px() * CHAR_WIDTH
    }

    /// The text, shortened to about that width; names may differ in their ends.
    pub(crate) fn fit(self, text: &str, width_px: f64) -> String {
        if self.width_px(text) <= width_px {
            return text.to_owned();
        }
        let chars = (width_px / self.width_px("x")).max(3.0) as usize - 1;
        let (all, end) = (text.chars().count(), chars / 3);
        text.chars().take(chars - end).chain(['…']).chain(text.chars().skip(all - end)).collect()
    }
}

impl Svg {
    pub(crate) fn line(&mut self, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], stroke: &str, width: f64) {
        let path = format!("M{} {}L{} {}", px(x1), px(y1), px(x2), px(y2));
        let _ = writeln!(self.body, r#"<path d="{path}" stroke="{stroke}" stroke-width="{}"/>"#, px(width));
    }

    /// A line through all points.
    pub(crate) fn polyline(&mut self, points: &[[f64; 2]], stroke: &str, is_dashed: bool) {
        let dashes = if is_dashed { r#" stroke-dasharray="6 3""# } else { "" };
        let look = format!(r#"fill="none" stroke="{stroke}" stroke-width="1.8" stroke-linejoin="round"{dashes}"#);
        let _ = writeln!(self.body, r#"<polyline points="{}" {look}/>"#, places(points));
    }

    pub(crate) fn dot(&mut self, [x, y]: [f64; 2], radius: f64, fill: &str, opacity: f64) {
        let place = format!(r#"cx="{}" cy="{}" r="{}""#, px(x), px(y), px(radius));
        let _ = writeln!(self.body, r#"<circle {place} fill="{fill}" fill-opacity="{opacity}"/>"#);
    }

    /// What lies between the points, seen through.
    pub(crate) fn area(&mut self, points: &[[f64; 2]], fill: &str, opacity: f64) {
        let points = places(points);
        let _ = writeln!(self.body, r#"<polygon points="{points}" fill="{fill}" fill-opacity="{opacity}"/>"#);
    }

    /// Plain text; it is escaped here. What it lies over stays off its letters.
    pub(crate) fn text(&mut self, [x, y]: [f64; 2], anchor: Anchor, style: Style, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (class, text) = (style.class(), escaped(text));
        let _ = writeln!(self.body, r#"<text x="{}" y="{}" class="{class}"{anchor}>{text}</text>"#, px(x), px(y));
    }

    /// A text that runs upwards, around its place.
    pub(crate) fn text_upwards(&mut self, [x, y]: [f64; 2], style: Style, text: &str) {
        let (class, text, [x, y]) = (style.class(), escaped(text), [x, y].map(px));
        let turn = format!(r#"transform="rotate(-90 {x} {y})""#);
        let _ =
            writeln!(self.body, r#"<text x="{x}" y="{y}" class="{class}" text-anchor="middle" {turn}>{text}</text>"#);
    }

    /// A file of its own, on white, whatever the viewer's background is.
    pub(crate) fn finish(self, [width, height]: [f64; 2], what: &str) -> String {
        let [width, height] = [width, height].map(px);
        let font = "font-family:Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif";
        let halo = "stroke:#FFFFFF;stroke-width:3px;stroke-linejoin:round;paint-order:stroke";
        let mut style = format!("text{{{font};fill:{INK};{halo}}}path{{fill:none}}");
        for class in [Style::Title, Style::Heading, Style::Label, Style::Note] {
            let _ = write!(style, ".{}{{font-size:{}px;{}}}", class.class(), class.size_px(), class.look());
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

fn places(points: &[[f64; 2]]) -> String {
    let points: Vec<String> = points.iter().map(|[x, y]| format!("{},{}", px(*x), px(*y))).collect();
    points.join(" ")
}
