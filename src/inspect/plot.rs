//! Plots as SVG, written by hand: small files that any browser shows, the same bytes for the same input.
//!
//! Colours are those of Okabe and Ito (2008), which people with any colour vision tell apart, dark on white. Widths are
//! bounded; what is finer than a pixel is merged.

mod balance;
mod distributions;
mod raster;
mod svg;

pub use balance::balance;
pub use distributions::{SIDES_MAX, distributions};
pub use raster::{PANELS_MAX, Panel, ROWS_MAX, raster, unseen};

/// Okabe and Ito's colours without yellow, which is too pale on white for thin bars, and black, which is for text.
const PALETTE: [&str; 6] = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"];

/// For what is suspicious: Okabe and Ito's vermillion.
const ALARM: &str = "#D55E00";

const INK: &str = "#1F2430";
const FAINT_INK: &str = "#6B7280";
const GRID: &str = "#DDE1E7";

#[cfg(test)]
mod tests;
