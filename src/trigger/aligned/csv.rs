//! Every share in the long form.

use std::io::{self, Write};

use super::{Aligned, Estimate, Who};

const COLUMNS: [&str; 24] = [
    "rule",
    "role",
    "cage",
    "animal",
    "label_set",
    "behavior",
    "arm",
    "bin_start_secs",
    "bin_stop_secs",
    "trials",
    "overlapping_trials",
    "share",
    "share_lower",
    "share_upper",
    "difference",
    "difference_lower",
    "difference_upper",
    "after_share",
    "after_share_lower",
    "after_share_upper",
    "after_difference",
    "after_difference_lower",
    "after_difference_upper",
    "remaining_median_secs",
];

/// Writes a header and a row for each rule, animal, behavior, arm and bin; an empty cell is what R and pandas call NA.
///
/// | column | what |
/// |---|---|
/// | `role` | `agent`, `target`, or `named`, which alone has a `cage` and an `animal` |
/// | `arm` | `stimulus` or `sham`; an arm without trials has no rows |
/// | `bin_start_secs`, `bin_stop_secs` | from the trigger |
/// | `trials`, `overlapping_trials` | of the arm, and those in which the cage was triggered again |
/// | `share` | of the trials in which the animal did the behavior in the bin; `_lower` and `_upper` are ends of a 95% interval, as everywhere |
/// | `difference` | stimulus − sham in this bin: the same in the rows of both arms |
/// | `after_…` | means over the bins from the trigger on: the same in all rows of an arm |
/// | `remaining_median_secs` | from the trigger to the end of the bouts that were going on: the same in all rows of an arm |
///
/// # Errors
/// What writing gives.
pub fn write_csv(aligned: &Aligned, out: &mut impl Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    csv.write_record(COLUMNS)?;
    for series in &aligned.series {
        let (role, cage, animal) = match &series.who {
            Who::Agent => ("agent", "", ""),
            Who::Target => ("target", "", ""),
            Who::Named { cage, animal } => ("named", cage.as_str(), animal.as_str()),
        };
        let names = [&series.rule, role, cage, animal, &series.label_set, &series.behavior];
        for (word, arm) in ["stimulus", "sham"].into_iter().zip(series.arms()) {
            let of_arm = [arm.trials, arm.overlapping].map(|count| count.to_string());
            let after = [cells(arm.after), cells(series.difference_after)].concat();
            let remaining = written(arm.remaining_median_secs());
            for ((bin, share), edges) in arm.shares.iter().enumerate().zip(aligned.edges_secs.windows(2)) {
                let edges = [edges[0], edges[1]].map(|secs| secs.to_string());
                let shares = [cells(Some(*share)), cells(series.difference.get(bin).copied())].concat();
                let row = names.into_iter().chain([word]);
                let numbers = [&edges[..], &of_arm, &shares, &after].concat();
                csv.write_record(row.chain(numbers.iter().map(String::as_str)).chain([remaining.as_str()]))?;
            }
        }
    }
    csv.flush()
}

/// A value and the ends of its interval.
fn cells(estimate: Option<Estimate>) -> [String; 3] {
    let end = |end: usize| estimate.and_then(|estimate| Some(estimate.interval?[end]));
    [estimate.map(|estimate| estimate.value), end(0), end(1)].map(written)
}

/// As short as it can be to come back as it was.
fn written(number: Option<f64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}
