//! A rehearsal as one page of HTML that opens without a network.
//!
//! Style and drawings are within the page, there is no script, and names are escaped: they come from a lab's files.
//! The same value gives the same bytes. However much a rehearsal holds, the page stays within limits: the tables
//! count everything, drawings and lists say what they leave out.

mod compared;
mod head;
mod judged;
mod limits;
mod lists;
mod marks;
mod raster;
mod recordings;
mod rows;
mod text;

use std::fmt::Write;

use self::judged::Totals;
use self::text::plain;
use super::Rehearsal;
use crate::words::counted;

const TITLE: &str = "Rehearsal";
const STYLE: &str = include_str!("page/page.css");

struct Section {
    id: &'static str,
    title: &'static str,
    write: fn(&mut String, &Told),
}

const SECTIONS: [Section; 5] = [
    Section { id: "verdict", title: "Verdict", write: head::write_verdicts },
    Section { id: "rules", title: "Rules", write: head::write_rules },
    Section { id: "distance", title: "Against distance alone", write: compared::write },
    Section { id: "recordings", title: "Recordings", write: recordings::write },
    Section { id: "limits", title: "Limits of this page", write: limits::write },
];

/// What every section is told from.
struct Told<'a> {
    rehearsal: &'a Rehearsal,
    /// By rule of the plan, over all recordings.
    totals: Vec<Totals>,
}

/// The rehearsal as one page.
pub fn page(rehearsal: &Rehearsal) -> String {
    let told = Told { rehearsal, totals: Totals::of(rehearsal) };
    let plan = plain(rehearsal.plan.trim());
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{TITLE}: {plan}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{TITLE}: <bdi>{plan}</bdi></h1>\n<nav>"
    );
    for section in &SECTIONS {
        let _ = write!(page, "<a href=\"#{}\">{}</a> ", section.id, section.title);
    }
    page.push_str("</nav>\n");
    head::write(&mut page, rehearsal);
    page.push_str("</header>\n<main>\n");
    for section in &SECTIONS {
        let _ = writeln!(page, "<section id=\"{}\">\n<h2>{}</h2>", section.id, section.title);
        (section.write)(&mut page, &told);
        page.push_str("</section>\n");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// Says how many there are beyond those shown: `Not drawn: 2 more recordings`.
fn write_more(page: &mut String, all: usize, shown_max: usize, not_shown: &str, what: &str) {
    if all > shown_max {
        let rest = counted((all - shown_max) as u64, &format!("more {what}"));
        let _ = writeln!(page, "<p class=\"left-out\">{not_shown}: {rest}</p>");
    }
}

#[cfg(test)]
mod tests;
