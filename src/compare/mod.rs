//! Systems beside each other: what several of them, each trained with several seeds, are worth on the same recordings.
//!
//! An [`Outcome`] is what one run gave. A [`Comparison`] is outcomes that may be compared, [`Ranked`] orders its systems
//! and says which differences are more than chance; it is written as Markdown ([`Ranked::markdown`]), drawn
//! ([`Ranked::figure`]) and told number by number ([`Ranked::write_csv`]). Plain values: nothing here reads or writes a
//! file.

mod comparison;
mod csv;
mod figure;
mod markdown;
mod measures;
mod outcome;
mod ranking;
#[cfg(test)]
mod testing;

pub use comparison::{Comparison, SystemRuns};
pub use outcome::{
    BoutOutcome, COUNT_MAX, CompareError, FORMAT, LabelSetNames, Outcome, RECORDINGS_MAX, RecordingOutcome,
    TriggerOutcome, counts_of,
};
pub use ranking::{Estimate, Ranked, Ranking, Standing};
