//! Sides beside each other, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{
    BehaviorMeasures, CONTACT_BODY_LENGTHS, FOLLOWS_SECS, Histogram, Measures, Quantity, STEP_SECS,
    STILL_BODY_LENGTHS_PER_SEC, Share, Stage,
};
use crate::inspect::text::shortened;
use crate::markup::is_unprintable;
use crate::words::{count, percent};

/// Columns stand this far apart.
const GAP: usize = 2;
const NAME_CHARS_MAX: usize = 24;
/// Behaviors and transitions beyond these are counted, not listed.
const BEHAVIORS_MAX: usize = 200;
const TRANSITIONS_MAX: usize = 12;

const QUANTILES: [f64; 3] = [0.05, 0.5, 0.95];
const NONE: &str = "-";

type Side<'a> = (&'a str, &'a Measures);

/// How alike the named sides are: the quantiles of each quantity, stage by stage, behaviors and what follows them, and how
/// far further sides are from the first. With two sides of short names, lines of about a hundred characters.
///
/// Distances are the Kolmogorov–Smirnov statistic (see [`Histogram::distance`]), of shares their difference, which is the
/// same. Beside them stands how far every second recording of a side is from its others, the most of all sides: what
/// is no larger than that tells nothing.
pub fn text(sides: &[Side]) -> String {
    let mut text = String::new();
    write_sides(&mut text, sides);
    write_stages(&mut text, sides);
    write_behaviors(&mut text, sides);
    write_one_sided(&mut text, sides);
    write_transitions(&mut text, sides);
    write_legend(&mut text, sides.len() > 1);
    text
}

/// Rows of cells of which the first `texts` columns are text, the others numbers.
struct Grid {
    rows: Vec<Vec<String>>,
    texts: usize,
}

impl Grid {
    fn new<S: Into<String>>(texts: usize, headings: impl IntoIterator<Item = S>) -> Self {
        Self { rows: vec![headings.into_iter().map(Into::into).collect()], texts }
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cells = |column| self.rows.iter().filter_map(move |row: &Vec<String>| row.get(column));
        (0..columns).map(|column| cells(column).map(|cell| chars(cell)).max().unwrap_or(0)).collect()
    }

    fn write(&self, text: &mut String) {
        self.write_in(text, &self.widths());
    }

    /// In columns of those widths, where they are wide enough.
    fn write_in(&self, text: &mut String, widths: &[usize]) {
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                let padding = " ".repeat(width.saturating_sub(chars(cell)));
                let cells = if column < self.texts { [cell, &padding] } else { [&padding, cell] };
                line.extend(cells.map(String::as_str));
                line.push_str(&" ".repeat(GAP));
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
}

fn write_sides(text: &mut String, sides: &[Side]) {
    let mut grid = Grid::new(1, ["Side", "recordings", "frames", "hours"]);
    for (name, measures) in sides {
        let hours = number(measures.secs() / 3600.0);
        grid.rows.push(vec![clean(name), count(measures.recordings()), count(measures.frames()), hours]);
    }
    grid.write(text);
}

/// Quantities and shares, stage by stage, in columns that all stages share.
fn write_stages(text: &mut String, sides: &[Side]) {
    let grids = Stage::ALL.map(|stage| stage_grid(sides, stage));
    let mut widths = Vec::new();
    for grid in &grids {
        let own = grid.widths();
        widths.resize(own.len().max(widths.len()), 0);
        for (width, own) in widths.iter_mut().zip(own) {
            *width = own.max(*width);
        }
    }
    let mut names = " ".repeat(widths.iter().take(2).sum::<usize>() + 2 * GAP);
    for (side, (name, _)) in sides.iter().enumerate() {
        let columns = widths.iter().skip(2 + side * QUANTILES.len()).take(QUANTILES.len());
        let width = columns.sum::<usize>() + 2 * GAP;
        let _ = write!(names, "{:>width$}{}", shortened(&clean(name), width), " ".repeat(GAP));
    }
    let _ = write!(text, "\n{}", names.trim_end());
    for grid in &grids {
        text.push('\n');
        grid.write_in(text, &widths);
    }
}

fn stage_grid(sides: &[Side], stage: Stage) -> Grid {
    let mut headings = vec![stage.name().to_owned(), "unit".to_owned()];
    headings.extend(sides.iter().flat_map(|_| QUANTILES).map(|share| format!("{:.0} %", share * 100.0)));
    headings.extend(distance_headings(sides));
    let mut grid = Grid::new(2, headings);
    for quantity in Quantity::ALL.into_iter().filter(|quantity| quantity.stage() == stage) {
        let mut row = vec![quantity.name().to_owned(), quantity.unit().to_owned()];
        row.extend(sides.iter().flat_map(|(_, measures)| quantiles(measures.distribution(quantity))));
        let to = |measures: &Measures, first: &Measures| {
            measures.distribution(quantity).distance(first.distribution(quantity))
        };
        row.extend(distances(sides, to, |measures| measures.distance_within(quantity)));
        grid.rows.push(row);
    }
    for share in Share::ALL.into_iter().filter(|share| share.stage() == stage) {
        let mut row = vec![share.name().to_owned(), "share".to_owned()];
        let shown = |measures: &Measures| measures.share(share).map_or(NONE.to_owned(), percent);
        row.extend(sides.iter().flat_map(|(_, measures)| [String::new(), shown(measures), String::new()]));
        let to = |measures: &Measures, first: &Measures| Some((measures.share(share)? - first.share(share)?).abs());
        row.extend(distances(sides, to, |measures| measures.share_distance_within(share)));
        grid.rows.push(row);
    }
    grid
}

fn quantiles(histogram: &Histogram) -> [String; 3] {
    let (scale, (below, above)) = (histogram.scale(), histogram.beyond());
    QUANTILES.map(|share| match histogram.quantile(share) {
        None => NONE.to_owned(),
        Some(value) if value <= scale.low && below > 0 => format!("<{}", number(value)),
        Some(value) if value >= scale.high && above > 0 => format!(">{}", number(value)),
        Some(value) => number(value),
    })
}

fn distance_headings(sides: &[Side]) -> Vec<String> {
    let further = sides.iter().skip(1);
    let name = |(name, _): &Side| {
        if sides.len() == 2 { "KS".to_owned() } else { shortened(&format!("KS {}", clean(name)), 12) }
    };
    further.map(name).chain(["within".to_owned()]).collect()
}

/// From the first side to each further one, and the most within any.
fn distances(
    sides: &[Side],
    to: impl Fn(&Measures, &Measures) -> Option<f64>,
    within: impl Fn(&Measures) -> Option<f64>,
) -> Vec<String> {
    let further = sides.iter().skip(1).map(|(_, measures)| decimal(to(measures, sides[0].1)));
    let most = sides.iter().filter_map(|(_, measures)| within(measures)).reduce(f64::max);
    further.chain([decimal(most)]).collect()
}

fn decimal(distance: Option<f64>) -> String {
    distance.map_or(NONE.to_owned(), |distance| format!("{distance:.2}"))
}

/// Names of behaviors that any side has or looked for.
fn behavior_names<'a>(sides: &[Side<'a>]) -> BTreeSet<&'a str> {
    sides.iter().flat_map(|(_, measures)| measures.behaviors().map(|(name, _)| name)).collect()
}

/// A line for each behavior and side.
fn write_behaviors(text: &mut String, sides: &[Side]) {
    let headings = ["Each behavior", "side", "bouts", "an hour", "of time", "5 %", "50 %", "95 %", "KS", "within"];
    let mut grid = Grid::new(2, headings);
    let names = behavior_names(sides);
    let lengths = |measures: &Measures, name: &str| measures.behavior(name).map(|behavior| behavior.lengths.clone());
    for name in names.iter().take(BEHAVIORS_MAX) {
        let mut shown = shortened(&clean(name), NAME_CHARS_MAX);
        for (index, (side, measures)) in sides.iter().enumerate() {
            let mut row = vec![std::mem::take(&mut shown), shortened(&clean(side), NAME_CHARS_MAX)];
            let Some(behavior) = measures.behavior(name) else {
                row.push("not asked".to_owned());
                grid.rows.push(row);
                continue;
            };
            row.extend(behavior_cells(behavior));
            let distance = lengths(sides[0].1, name).and_then(|first| behavior.lengths.distance(&first));
            row.push(if index == 0 { String::new() } else { decimal(distance) });
            row.push(decimal(measures.bout_distance_within(name)));
            grid.rows.push(row);
        }
    }
    text.push('\n');
    if names.is_empty() {
        text.push_str("No side has labels.\n");
        return;
    }
    grid.write(text);
    if names.len() > BEHAVIORS_MAX {
        let _ = writeln!(text, "and {} more", count((names.len() - BEHAVIORS_MAX) as u64));
    }
}

fn behavior_cells(behavior: &BehaviorMeasures) -> Vec<String> {
    let or_none = |value: Option<String>| value.unwrap_or(NONE.to_owned());
    let mut cells = vec![
        count(behavior.bouts),
        or_none(behavior.bouts_per_hour().map(number)),
        or_none(behavior.time_share().map(percent)),
    ];
    cells.extend(quantiles(&behavior.lengths));
    cells
}

/// Behaviors that one side alone shows.
fn write_one_sided(text: &mut String, sides: &[Side]) {
    let (mut unseen, mut unasked) = (vec![Vec::new(); sides.len()], vec![Vec::new(); sides.len()]);
    for name in behavior_names(sides) {
        let behavior = |side: usize| sides[side].1.behavior(name);
        let mut showing = (0..sides.len()).filter(|side| behavior(*side).is_some_and(|behavior| behavior.bouts > 0));
        let (Some(only), None) = (showing.next(), showing.next()) else { continue };
        let is_looked_for = |side: usize| behavior(side).is_some_and(|behavior| behavior.labelled_secs > 0.0);
        let mut others = (0..sides.len()).filter(|side| *side != only);
        let list = if others.any(is_looked_for) { &mut unseen[only] } else { &mut unasked[only] };
        list.push(clean(name));
    }
    if sides.len() < 2 {
        return;
    }
    for (lists, why) in [(unseen, "looked for elsewhere and never seen"), (unasked, "not looked for elsewhere")] {
        for ((side, _), names) in sides.iter().zip(lists).filter(|(_, names)| !names.is_empty()) {
            let more = names.len().saturating_sub(BEHAVIORS_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let names = names.iter().take(BEHAVIORS_MAX).cloned().collect::<Vec<_>>().join(", ");
            let _ = write!(text, "\nOnly in {}, {why}: {names}{more}", clean(side));
        }
    }
    text.push('\n');
}

/// What follows what, the most frequent first.
fn write_transitions(text: &mut String, sides: &[Side]) {
    // By the largest share of all transitions of a side, so that a long side does not outvote a short one.
    let mut ranks: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for (_, measures) in sides {
        let all: u64 = measures.transitions().map(|(.., count)| count).sum();
        for (first, second, count) in measures.transitions() {
            let rank = ranks.entry((first, second)).or_default();
            *rank = rank.max(count as f64 / all as f64);
        }
    }
    let mut ranked: Vec<_> = ranks.into_iter().collect();
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    if ranked.is_empty() {
        return;
    }
    let heading = format!("Followed within {FOLLOWS_SECS} s by");
    let names = sides.iter().map(|(name, _)| shortened(&clean(name), NAME_CHARS_MAX));
    let mut grid = Grid::new(2, ["Behavior".to_owned(), heading].into_iter().chain(names));
    for ((first, second), _) in ranked.iter().take(TRANSITIONS_MAX) {
        let names = [first, second].map(|name| shortened(&clean(name), NAME_CHARS_MAX));
        let share = |(_, measures): &Side| measures.transition(first, second).map_or(NONE.to_owned(), percent);
        grid.rows.push(names.into_iter().chain(sides.iter().map(share)).collect());
    }
    text.push('\n');
    grid.write(text);
    if ranked.len() > TRANSITIONS_MAX {
        let _ = writeln!(text, "and {} rarer ones", count((ranked.len() - TRANSITIONS_MAX) as u64));
    }
}

fn write_legend(text: &mut String, with_distance: bool) {
    let _ = writeln!(
        text,
        "\nbl: body lengths. Differences are over {STEP_SECS} s at any frame rate; a tracker's jitter makes speeds larger.\n\
         Nearly still: slower than {STILL_BODY_LENGTHS_PER_SEC} bl/s. In contact: either front within \
         {CONTACT_BODY_LENGTHS} bl of the other's axis.\n\
         An hour, of time: of each animal, ordered pair or pair in which the behavior was looked for."
    );
    if with_distance {
        text.push_str(
            "KS: largest difference between the shares of values below any one value; 0 alike, 1 disjoint.\n",
        );
    }
    text.push_str(
        "Within: KS between every second recording of a side and its others, of all sides the most (of a behavior,\n\
         of that side); a distance that is no larger tells nothing.\n",
    );
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// To three digits or so.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Names come from files: what would break a line or colour a terminal is shown as a question mark.
fn clean(text: &str) -> String {
    text.chars().map(|char| if is_unprintable(char) { '?' } else { char }).collect()
}
