//! The report of a model, from its training or on other recordings: a plain value [`Report`] to one page of HTML that opens without a network.
//!
//! Style and drawings are within the page, there is no script, and names are escaped: they come from a lab's files.
//! What was not measured says so. The same value gives the same bytes. Nothing here reads or writes a file.
//!
//! Colours of delays are those of Okabe and Ito (2008), those of behaviors Paul Tol's muted ones: people with any
//! colour vision tell them apart, and lines of delays differ in their dashes, too. They are set in `page.css`, for
//! light and for dark.

mod axis;
mod behaviors;
mod confusion;
mod head;
mod markup;
mod mistakes;
mod plot;
mod raster;
mod scores;
mod svg;
mod training;
mod trends;
mod triggers;
mod value;

use std::fmt::Write;

use self::markup::{escaped, shortened};
pub use self::mistakes::MISTAKES_MAX;
pub use self::raster::RASTERS_MAX;
pub use self::value::{
    Amount, AtDelay, BehaviorReport, Bin, Calibration, Confusion, CutPoint, Epoch, Estimate, Fitness, Head, History,
    Mistake, Part, Pose, Raster, RasterRow, Report, Summary, Trigger, TriggerPoint,
};

const TITLE: &str = "Model report";
const STYLE: &str = include_str!("page.css");

struct Section {
    id: &'static str,
    title: &'static str,
    write: fn(&mut String, &Report),
}

const SECTIONS: [Section; 12] = [
    Section { id: "run", title: "The run", write: head::write },
    Section { id: "summary", title: "Summary", write: head::write_summary },
    Section { id: "training", title: "Training", write: training::write },
    Section { id: "behaviors", title: "Behaviors", write: behaviors::write },
    Section { id: "confusion", title: "Confusion", write: confusion::write },
    Section { id: "precision", title: "Precision and recall", write: scores::write_precision },
    Section { id: "reliability", title: "Reliability", write: scores::write_reliability },
    Section { id: "triggers", title: "Triggers", write: triggers::write },
    Section { id: "trends", title: "Delay and history", write: trends::write },
    Section { id: "raster", title: "Recordings", write: raster::write },
    Section { id: "mistakes", title: "Worst mistakes", write: mistakes::write },
    Section { id: "words", title: "Words", write: head::write_words },
];

/// The report as one page.
pub fn html(report: &Report) -> String {
    let model = escaped(&shortened(report.head.model.trim(), 64));
    let (of, name) = if model.is_empty() { ("", String::new()) } else { (": ", format!("<bdi>{model}</bdi>")) };
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{TITLE}{of}{model}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n\
         <body>\n<header>\n<h1>{TITLE}{of}{name}</h1>\n<nav>"
    );
    for section in &SECTIONS {
        let _ = write!(page, "<a href=\"#{}\">{}</a> ", section.id, section.title);
    }
    page.push_str("</nav>\n</header>\n<main>\n");
    for section in &SECTIONS {
        let _ = writeln!(page, "<section id=\"{}\">\n<h2>{}</h2>", section.id, section.title);
        (section.write)(&mut page, report);
        page.push_str("</section>\n");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

#[cfg(test)]
mod tests;
