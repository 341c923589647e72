//! Which rows an ethogram has, and in which order.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::svg::Style;
use super::{LABEL_GAP, PANELS_MAX, Panel, ROWS_MAX};
use crate::inspect::frame_secs;
use crate::inspect::labels::{Action, Labelled};

/// What of a recording is drawn.
pub(super) struct PanelRows<'a> {
    pub(super) panel: &'a Panel,
    pub(super) sets: Vec<SetRows<'a>>,
    pub(super) rows_left: usize,
}

pub(super) struct SetRows<'a> {
    pub(super) labelled: &'a Labelled,
    pub(super) rows: Vec<Row<'a>>,
    /// Behaviors that were looked for without a bout.
    pub(super) never: Vec<&'a str>,
}

pub(super) struct Row<'a> {
    pub(super) action: &'a Action,
    /// Every bout, ascending.
    pub(super) bouts: Vec<Range<u64>>,
}

impl PanelRows<'_> {
    pub(super) fn secs(&self) -> f64 {
        frame_secs(self.panel.frames.end.saturating_sub(self.panel.frames.start), self.panel.rate_hz)
    }
}

impl Row<'_> {
    /// Whom it is about, each name shortened to its share of the width; of a pair without names, nothing.
    pub(super) fn actors(&self, width_px: f64) -> String {
        let whole = match self.action {
            Action { agent: None, target: None, .. } => String::new(),
            action => action.actors(),
        };
        if Style::Note.width_px(&whole) <= width_px {
            return whole;
        }
        let share_px = (width_px - Style::Note.width_px(" → ")) / 2.0;
        let names = [&self.action.agent, &self.action.target];
        let short = names.map(|name| name.as_deref().map(|name| Style::Note.fit(name, share_px)));
        Action { behavior: String::new(), agent: short[0].clone(), target: short[1].clone() }.actors()
    }

    pub(super) fn label_width_px(&self) -> f64 {
        Style::Label.width_px(&self.action.behavior) + LABEL_GAP + Style::Note.width_px(&self.actors(f64::INFINITY))
    }
}

pub(super) fn rows_of(panels: &[Panel]) -> Vec<PanelRows<'_>> {
    let mut room = ROWS_MAX;
    let mut shown = Vec::new();
    for panel in panels.iter().take(PANELS_MAX) {
        let mut rows_left = 0;
        let sets = panel.labels.iter().map(|labelled| {
            let mut set = set_rows(labelled);
            rows_left += set.rows.len().saturating_sub(room);
            set.rows.truncate(room);
            room -= set.rows.len();
            set
        });
        shown.push(PanelRows { panel, sets: sets.collect(), rows_left });
    }
    shown
}

fn set_rows(labelled: &Labelled) -> SetRows<'_> {
    // Behaviors in the order in which they come, the animals of each by name.
    let mut rank: Vec<&str> = Vec::new();
    let mut by_action: BTreeMap<(usize, &Action), Vec<Range<u64>>> = BTreeMap::new();
    for track in &labelled.tracks {
        let name = track.action.behavior.as_str();
        let place = rank.iter().position(|known| *known == name).unwrap_or_else(|| {
            rank.push(name);
            rank.len() - 1
        });
        by_action.entry((place, &track.action)).or_default().extend(track.bouts.iter().cloned());
    }
    let mut rows: Vec<Row> = Vec::new();
    for ((_, action), mut bouts) in by_action {
        bouts.retain(|bout| bout.start < bout.end);
        bouts.sort_unstable_by_key(|bout| (bout.start, bout.end));
        if !bouts.is_empty() {
            rows.push(Row { action, bouts });
        }
    }
    let looked_for = labelled.listed.iter().map(|action| action.behavior.as_str()).chain(rank);
    let mut never: Vec<&str> = looked_for.filter(|name| !rows.iter().any(|row| row.action.behavior == *name)).collect();
    never.sort_unstable();
    never.dedup();
    SetRows { labelled, rows, never }
}

/// Behaviors by their first row, each with its place in the palette.
pub(super) fn colours<'a>(shown: &[PanelRows<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for row in shown.iter().flat_map(|shown| &shown.sets).flat_map(|set| &set.rows) {
        if !names.contains(&row.action.behavior.as_str()) {
            names.push(&row.action.behavior);
        }
    }
    names
}
