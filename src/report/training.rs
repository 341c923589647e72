//! How training went, epoch by epoch.

use std::fmt::Write;

use super::axis::Axis;
use super::markup::{delay_entries, delay_look, figure, finite, legend, nothing};
use super::plot::{Plot, X_PX, Y_PX};
use super::value::{Epoch, Report};

/// From this ratio of the greatest to the least on, an axis is logarithmic.
const LOG_RATIO: f64 = 30.0;

pub(super) fn write(page: &mut String, report: &Report) {
    page.push_str(
        "<p class=\"lead\">Loss and gradient norm are means over the steps of an epoch, the learning rate is that of \
         its last step, and F1 is that of the validation recordings after it. F1 that falls while the loss goes on \
         falling: the network learns its training recordings by heart.",
    );
    if let Some(best) = report.head.best_epoch {
        let _ = write!(page, " The dashed line marks epoch {best}, whose weights were kept.");
    }
    page.push_str("</p>\n");
    if report.epochs.is_empty() {
        page.push_str(&nothing());
        return;
    }
    page.push_str(&legend(&delay_entries(&report.head.delays)));
    page.push_str("<div class=\"panels\">\n");
    let mut one = |title: &str, what: &str, of: fn(&Epoch) -> Option<f64>| {
        page.push_str(&figure(title, &curves(report, &["all".to_owned()], what, |epoch, _| of(epoch))));
    };
    one("Loss", "mean of the steps", |epoch| epoch.loss);
    one("Learning rate", "at the last step", |epoch| epoch.learning_rate);
    one("Gradient norm", "mean of the steps, before clipping", |epoch| epoch.gradient_norm);
    let looks: Vec<String> = (0..report.head.delays.len()).map(delay_look).collect();
    let f1 = |epoch: &Epoch, delay: usize| epoch.validation_f1.get(delay).copied().flatten();
    page.push_str(&figure("Validation F1", &curves(report, &looks, "lab average", f1)));
    page.push_str("</div>\n");
}

/// A line for each look.
fn curves(report: &Report, looks: &[String], what: &str, of: impl Fn(&Epoch, usize) -> Option<f64>) -> String {
    let numbers = || report.epochs.iter().map(|epoch| f64::from(epoch.number));
    let (first, last) = (numbers().fold(f64::INFINITY, f64::min), numbers().fold(0.0, f64::max));
    let x = if last > first { Axis::tight(first, last, X_PX) } else { Axis::linear(numbers(), X_PX) };
    let pairs = report.epochs.iter().flat_map(|epoch| (0..looks.len()).map(move |index| (epoch, index)));
    let values: Vec<f64> = pairs.filter_map(|(epoch, index)| finite(of(epoch, index))).collect();
    let values = || values.iter().copied();
    let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let y = if least > 0.0 && most / least > LOG_RATIO {
        Axis::log(values(), Y_PX)
    } else {
        // From 0, against which a loss and a norm are read.
        Axis::linear(values().chain(values().next().map(|_| 0.0)), Y_PX)
    };
    let mut plot = Plot::new((x, "epoch"), (y, what));
    if let Some(best) = report.head.best_epoch {
        plot.upright(f64::from(best), "best");
    }
    for (index, look) in looks.iter().enumerate() {
        let point = |epoch: &Epoch| [f64::from(epoch.number), finite(of(epoch, index)).unwrap_or(f64::NAN)];
        plot.line(report.epochs.iter().map(point), look);
    }
    plot.finish(what)
}
