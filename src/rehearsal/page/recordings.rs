//! Recording by recording: drawings and lists.

use std::fmt::Write;

use super::judged::held;
use super::limits::{RULES_MAX, drawings, list_max, marks_max, recordings_max};
use super::raster::{Order, Raster};
use super::rows::Rows;
use super::text::{minutes, name, secs, written};
use super::{Told, lists, write_more};
use crate::rehearsal::{OfRule, Recording};

/// Symbols by name: their shape, drawn once, and their classes. A stem leads down to the bout.
const SHAPES: [(&str, &str, &str); 3] = [
    ("hit", "M0 4v14", "M4.2 0a4.2 4.2 0 1 1-8.4 0a4.2 4.2 0 1 1 8.4 0z"),
    ("false", "M0 4v14", "M-4.8-4h9.6L0 5z"),
    ("unknown", "M0 4v14", "M0-5L4.6 0L0 5L-4.6 0z"),
];

fn symbols() -> String {
    let mut svg = "<svg class=\"symbols\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>".to_owned();
    for (id, stem, head) in SHAPES {
        for (end, class) in [("", "full"), ("-sham", "hollow")] {
            let _ = write!(
                svg,
                "<g id=\"m-{id}{end}\" class=\"symbol {id}\"><path class=\"stem\" d=\"{stem}\"/>\
                 <path class=\"{class}\" d=\"{head}\"/></g>"
            );
        }
        let _ = write!(
            svg,
            "<g id=\"m-{id}-low\" class=\"symbol {id}\"><path class=\"full\" transform=\"scale(.8)\" d=\"{head}\"/></g>"
        );
    }
    svg.push_str("<g id=\"m-x\"><path class=\"refusal\" d=\"M-2.3-2.3l4.6 4.6M2.3-2.3l-4.6 4.6\"/></g></defs></svg>\n");
    svg
}

fn legend() -> String {
    let bar = |class: &str, top: u32, height: u32| {
        format!("<rect class=\"{class}\" x=\"3\" y=\"{top}\" width=\"24\" height=\"{height}\"/>")
    };
    let symbol = |id: &str| format!("<use href=\"#m-{id}\" x=\"15\" y=\"9\"/>");
    let entries = [
        (bar("bout p0", 5, 10), "annotated bout, hit (a colour for each animal or pair)"),
        (bar("missed p0", 5, 10), "annotated bout, missed"),
        (bar("labelled", 9, 3), "labelled time"),
        (symbol("hit"), "trigger within a bout"),
        (symbol("false"), "false trigger"),
        (symbol("unknown"), "trigger in unlabelled time"),
        (symbol("hit-sham") + "<use href=\"#m-false-sham\" x=\"27\" y=\"9\"/>", "hollow: sham"),
        (symbol("x"), "refused"),
        (symbol("hit-low") + "<use href=\"#m-false-low\" x=\"27\" y=\"9\"/>", "trigger of distance alone"),
    ];
    let mut html = "<p class=\"legend\">".to_owned();
    for (shape, text) in entries {
        let _ = write!(
            html,
            "<span class=\"entry\"><svg class=\"swatch\" width=\"34\" height=\"20\" aria-hidden=\"true\">{shape}</svg>\
             {text}</span> "
        );
    }
    html.push_str("</p>\n");
    html
}

pub(super) fn write(page: &mut String, told: &Told) {
    page.push_str(
        "<p class=\"lead\">Time runs from left to right, and on in the next row. Each animal or pair has a lane: \
         above its bouts stand the triggers about it, below them the time in which somebody looked, and below that what \
         was refused. The lowest lane holds the triggers of distance alone, about any pair. A pointer that rests on a \
         mark shows its time, its animals and, of a refusal, its cause.</p>\n",
    );
    page.push_str(&symbols());
    page.push_str(&legend());
    let recordings = &told.rehearsal.recordings;
    if recordings.is_empty() {
        page.push_str("<p class=\"none\">no recordings</p>\n");
    }
    let of_all =
        recordings.iter().take(recordings_max(told)).flat_map(|recording| recording.rules.iter().take(RULES_MAX));
    let order = Order::new(of_all.flat_map(|of_rule| &of_rule.bouts));
    for recording in recordings.iter().take(recordings_max(told)) {
        write_recording(page, told, recording, &order);
    }
    write_more(page, recordings.len(), recordings_max(told), "Not drawn", "recording");
}

fn write_recording(page: &mut String, told: &Told, recording: &Recording, order: &Order) {
    let rows = Rows::of(recording.ticks);
    let wrapped = match rows {
        Some(rows) if rows.count() > 1 => format!(", {} min a row", written(secs(rows.row_ticks) / 60.0, 1)),
        _ => String::new(),
    };
    let length = minutes(recording.ticks);
    let _ = writeln!(page, "<h3>{} <small>{length}{wrapped}</small></h3>", name(&recording.name));
    let rules = &told.rehearsal.rules;
    let nothing = OfRule::default();
    for (index, rule) in rules.iter().take(RULES_MAX).enumerate() {
        let _ = writeln!(page, "<h4>{}</h4>", name(&rule.name));
        let of_rule = recording.rules.get(index).unwrap_or(&nothing);
        if *of_rule == nothing {
            page.push_str("<p class=\"none\">nothing annotated, labelled or decided</p>\n");
            continue;
        }
        let (by_rule, by_distance) = (held(of_rule, &of_rule.decisions), held(of_rule, &of_rule.by_distance));
        match rows {
            Some(rows) => {
                let marks_max = marks_max(drawings(told));
                let raster = Raster::new(rows, of_rule, &by_rule, &by_distance, order, marks_max);
                let is_compared = !rule.by_distance.trim().is_empty() || !of_rule.by_distance.is_empty();
                (if is_compared { raster } else { raster.alone() }).write(page);
            }
            None => page.push_str("<p class=\"none\">not drawn: a recording without time</p>\n"),
        }
        lists::write(page, of_rule, &by_rule, list_max(drawings(told)));
    }
    write_more(page, rules.len(), RULES_MAX, "Not drawn", "rule");
}
