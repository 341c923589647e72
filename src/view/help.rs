//! What every panel means, over the picture.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, BorderType, Clear, Padding, Paragraph, Widget, Wrap};

use super::theme::Theme;

/// The farthest that anything is scrolled.
pub(super) const LINES_MAX: u16 = 40;

const SIZE_MAX: (u16, u16) = (80, 24);

const TEXT: [(&str, &str); 7] = [
    (
        "First line",
        "The cage, where its frames come from (LIVE, REPLAY or SIMULATED), its time since the first frame. Until it \
         says warm, the network has seen too little for verdicts as good as they get.",
    ),
    (
        "Arena",
        "The animals as their keypoints show them, each with its own mark at the nose. A dotted arrow runs from the agent \
         of a behavior to its target as soon as the fastest verdict says so; without a head, nobody is the agent.",
    ),
    (
        "Behavior",
        "The last 30 s: a bar in the upper half of a row is what was detected, one in the lower half what truly happened, \
         where that is known. The considered verdict comes with a delay; right of ┊ there is only the fast one, whose \
         bars are dotted, and which may be taken back (×).",
    ),
    ("Scores", "How sure the network is at this moment, from 0 to 1. Above the threshold (┃) a bout may begin."),
    (
        "Latency",
        "How long each step takes, for half of all cases (median) and for all but one in a hundred (99 %). Drops are \
         frames or events that were given up; there should be none.",
    ),
    (
        "Events",
        "What any program that subscribes receives, at the delay that is shown. What was taken back stays in sight.",
    ),
    (
        "Keys",
        "d shows the verdicts of another delay: sooner or surer. p holds the picture while detection goes on. \
         tab goes to the next cage, q ends.",
    ),
];

pub(super) fn draw(theme: Theme, scrolled: u16, area: Rect, buffer: &mut Buffer) {
    let (width, height) = (area.width.min(SIZE_MAX.0), area.height.min(SIZE_MAX.1));
    let mut text = Text::default();
    for (panel, words) in TEXT {
        text.push_line(Line::from(vec![Span::styled(format!("{panel}: "), Theme::title()), Span::raw(words)]));
    }
    let window = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .padding(Padding::horizontal(1))
        .title_top(Line::styled(" What is this? ", Theme::title()))
        .title_bottom(Line::styled(" ↓ ↑ scroll   ? closes ", theme.quiet()).right_aligned());
    Clear.render(window, buffer);
    Paragraph::new(text).wrap(Wrap { trim: true }).scroll((scrolled, 0)).block(block).render(window, buffer);
}
