//! Which behaviors are drawn.

use std::collections::{BTreeMap, BTreeSet};

use crate::trigger::aligned::{Aligned, Series, Who};

/// Most panels of a figure.
pub const PANELS_MAX: usize = 24;

/// Most rules of a figure; further ones are left out.
const SECTIONS_MAX: usize = 6;

pub(super) struct Section<'a> {
    pub rule: &'a str,
    /// The most frequent first.
    pub rows: Vec<Row<'a>>,
}

/// One behavior.
pub(super) struct Row<'a> {
    /// Of the agents, then of the targets; of a rule without direction, of each animal by name.
    pub series: Vec<&'a Series>,
}

impl Row<'_> {
    pub fn panels(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().copied()
    }

    /// In how many bins of how many trials anybody did it.
    fn frequency(&self) -> f64 {
        let arms = self.panels().flat_map(Series::arms);
        arms.map(|arm| arm.trials as f64 * arm.shares.iter().map(|share| share.value).sum::<f64>()).sum()
    }
}

/// By rule, and the number of panels that are left out.
pub(super) fn sections(aligned: &Aligned) -> (Vec<Section<'_>>, usize) {
    let is_named = |series: &Series| matches!(series.who, Who::Named { .. });
    let with_roles: BTreeSet<&str> =
        aligned.series.iter().filter(|series| !is_named(series)).map(|series| series.rule.as_str()).collect();
    let mut rules: BTreeMap<&str, BTreeMap<_, Row>> = BTreeMap::new();
    for series in &aligned.series {
        if is_named(series) && with_roles.contains(series.rule.as_str()) {
            continue;
        }
        let behavior = (series.label_set.as_str(), series.behavior.as_str());
        let row = rules.entry(&series.rule).or_default().entry(behavior).or_insert(Row { series: Vec::new() });
        row.series.push(series);
    }
    for row in rules.values_mut().flat_map(BTreeMap::values_mut) {
        row.series.sort_by_key(|series| &series.who);
    }
    let all: usize = rules.values().flat_map(BTreeMap::values).map(|row| row.panels().count()).sum();
    let panels_max = PANELS_MAX / rules.len().clamp(1, SECTIONS_MAX);
    let (mut sections, mut drawn) = (Vec::new(), 0);
    for (rule, rows) in rules.into_iter().take(SECTIONS_MAX) {
        let mut rows: Vec<Row> = rows.into_values().collect();
        rows.sort_by(|a, b| b.frequency().total_cmp(&a.frequency()));
        let mut panels = 0;
        // Behaviors as a whole: that of the agents beside that of the targets.
        rows.retain(|row| {
            panels += row.panels().count();
            panels <= panels_max
        });
        drawn += rows.iter().map(|row| row.panels().count()).sum::<usize>();
        sections.push(Section { rule, rows });
    }
    (sections, all - drawn)
}
