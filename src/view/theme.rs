//! Colours and symbols. The sixteen colours of the terminal only, so that its user's own palette holds; where there are
//! none, symbols, bold and dim tell the same.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Borders, Widget};

use super::text::Who;
use crate::output::event::EdgeWord;
use crate::stream::Origin;

/// One colour and one mark for each slot of a cage.
const ANIMALS: [(Color, &str); 8] = [
    (Color::Cyan, "●"),
    (Color::Magenta, "◆"),
    (Color::Yellow, "▲"),
    (Color::Green, "■"),
    (Color::LightBlue, "▼"),
    (Color::LightRed, "◉"),
    (Color::White, "◈"),
    (Color::Gray, "○"),
];

#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) colour: bool,
}

impl Theme {
    /// The colour, or the terminal's own where there are none.
    pub(super) fn paint(self, colour: Color) -> Color {
        if self.colour { colour } else { Color::Reset }
    }

    fn fg(self, colour: Color) -> Style {
        Style::new().fg(self.paint(colour))
    }

    pub(super) fn animal_colour(self, slot: usize) -> Color {
        self.paint(ANIMALS[slot % ANIMALS.len()].0)
    }

    pub(super) fn mark(slot: usize) -> &'static str {
        ANIMALS[slot % ANIMALS.len()].1
    }

    /// An animal by its slot; `None` for a name that the stream does not know.
    pub(super) fn animal(self, slot: Option<usize>) -> Style {
        slot.map_or_else(Style::new, |slot| Style::new().fg(self.animal_colour(slot)))
    }

    /// What is said of an animal or of a pair: the agent's colour, and one of its own where nobody is the agent.
    pub(super) fn who_colour(self, who: &Who, slot: impl Fn(&str) -> Option<usize>) -> Color {
        match who {
            Who::One(agent) | Who::Ordered { agent, .. } => {
                slot(agent).map_or(Color::Reset, |slot| self.animal_colour(slot))
            }
            Who::Both(_) => self.paint(Color::LightGreen),
        }
    }

    /// What is true and was missed, and what is true and was detected: the shadow of the bar above it.
    pub(super) fn truth_colour(self, missed: bool) -> Color {
        self.paint(if missed { Color::Gray } else { Color::DarkGray })
    }

    pub(super) fn arrow_colour(self) -> Color {
        self.paint(Color::White)
    }

    pub(super) fn rule(self) -> Style {
        if self.colour { self.fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    pub(super) fn title() -> Style {
        // Said outright: a title would take the colour of the line that it stands in.
        Style::new().fg(Color::Reset).remove_modifier(Modifier::DIM).add_modifier(Modifier::BOLD)
    }

    pub(super) fn quiet(self) -> Style {
        self.rule()
    }

    pub(super) fn good(self) -> Style {
        self.fg(Color::Green)
    }

    pub(super) fn warning(self) -> Style {
        self.fg(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// White on red, or reversed.
    pub(super) fn alarm(self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        if self.colour { style.fg(Color::White).bg(Color::Red) } else { style.add_modifier(Modifier::REVERSED) }
    }

    pub(super) fn origin(self, origin: Origin) -> (Style, &'static str) {
        let (colour, word) = match origin {
            Origin::Live => (Color::Green, " LIVE "),
            Origin::Replay => (Color::LightBlue, " REPLAY "),
            Origin::Simulated => (Color::Yellow, " SIMULATED "),
        };
        let style = Style::new().add_modifier(Modifier::BOLD);
        let style =
            if self.colour { style.fg(Color::Black).bg(colour) } else { style.add_modifier(Modifier::REVERSED) };
        (style, word)
    }

    /// Style, symbol and word of an edge.
    pub(super) fn edge(self, edge: EdgeWord) -> (Style, &'static str, &'static str) {
        match edge {
            EdgeWord::Onset => (self.fg(Color::Green).add_modifier(Modifier::BOLD), "▶", "begins"),
            EdgeWord::Offset => (self.fg(Color::LightBlue), "■", "ends"),
            EdgeWord::Retraction => (self.fg(Color::Yellow), "×", "taken back"),
            EdgeWord::Abandoned => (self.fg(Color::LightRed), "?", "lost sight of"),
        }
    }
}

/// Writes what there is to say instead of a panel's picture.
pub(super) fn say(words: &str, style: Style, inner: Rect, buffer: &mut Buffer) {
    if !inner.is_empty() {
        buffer.set_stringn(inner.x, inner.y, words, inner.width.into(), style);
    }
}

/// Draws the frame of a panel, a box or a line above it, with a title on the left and one on the right; returns what is
/// inside.
pub(super) fn panel(theme: Theme, titles: (Line, Option<Line>), area: Rect, boxed: bool, buffer: &mut Buffer) -> Rect {
    let block =
        if boxed { Block::bordered().border_type(BorderType::Rounded) } else { Block::new().borders(Borders::TOP) };
    let mut block = block.border_style(theme.rule()).title_top(titles.0);
    if let Some(right) = titles.1 {
        block = block.title_top(right.right_aligned());
    }
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}
