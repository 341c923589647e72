//! What is taken for what.

use std::fmt::Write;

use super::markup::{delay_name, distinct, look_of_delay, name, nothing, short_name};
use super::value::{Confusion, Report};
use crate::words::{count, percent};

pub(super) fn write(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "<p class=\"lead\">Each row is what was annotated on {} recordings, each column what was said about the same \
         ticks; a cell counts ticks of animals or pairs, coloured by its share of the row, which stands below it. \
         What lies off the diagonal was taken for something else; the last column was missed, the last row made \
         up.</p>",
        report.part.name()
    );
    if report.confusions.is_empty() {
        page.push_str(&nothing());
    }
    for label_set in distinct(report.confusions.iter().map(|confusion| confusion.label_set.as_str())) {
        let _ = writeln!(page, "<h3>{}</h3>\n<div class=\"matrices\">", name(label_set));
        for confusion in report.confusions.iter().filter(|confusion| confusion.label_set == label_set) {
            matrix(page, report, confusion);
        }
        page.push_str("</div>\n");
    }
}

fn matrix(page: &mut String, report: &Report, confusion: &Confusion) {
    let look = look_of_delay(&report.head.delays, confusion.delay);
    let delay = delay_name(confusion.delay);
    let names: Vec<String> =
        confusion.behaviors.iter().map(|behavior| short_name(behavior)).chain(["<i>none</i>".to_owned()]).collect();
    let _ = write!(
        page,
        "<figure><figcaption><span class=\"chip {look}\"></span>delay {delay}</figcaption><div class=\"wide\">\
         <table class=\"matrix\"><thead><tr><td></td><th class=\"over\" colspan=\"{}\">said</th></tr>\
         <tr><th>annotated</th>",
        names.len()
    );
    for name in &names {
        let _ = write!(page, "<th>{name}</th>");
    }
    page.push_str("</tr></thead><tbody>\n");
    for (truth, name) in names.iter().enumerate() {
        let row = confusion.ticks.get(truth).map_or(&[][..], Vec::as_slice);
        let total: f64 = row.iter().take(names.len()).map(|ticks| *ticks as f64).sum();
        let _ = write!(page, "<tr><th>{name}</th>");
        for predicted in 0..names.len() {
            cell(page, row.get(predicted).copied(), total, truth == predicted);
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div></figure>\n");
}

fn cell(page: &mut String, ticks: Option<u64>, total: f64, is_agreed: bool) {
    let Some(ticks) = ticks else {
        page.push_str("<td class=\"none\">not measured</td>");
        return;
    };
    let share = if total > 0.0 { ticks as f64 / total } else { 0.0 };
    let class = if is_agreed { "same" } else { "other" };
    let below = if total > 0.0 { percent(share) } else { "never".to_owned() };
    let below = below.replace('<', "&lt;").replace('>', "&gt;");
    let _ =
        write!(page, "<td class=\"{class}\" style=\"--share:{share:.3}\">{}<small>{below}</small></td>", count(ticks));
}
