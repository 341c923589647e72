//! How times are distributed, as bars of text.

use std::fmt::Write;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::millis;
use crate::words::{count, percent};

/// Bounds of the width, in characters; others are taken as the nearer bound.
pub const WIDTH_MIN: usize = 60;
pub const WIDTH_MAX: usize = 160;

/// At most so many bins.
const BINS_MAX: usize = 24;

/// Bins a factor of ten: as many as give no more than [`BINS_MAX`].
const BINS_A_DECADE: [u32; 6] = [40, 20, 10, 5, 3, 2];

/// The first bin begins here at the lowest.
const NANOS_MIN: f64 = 1e3;

/// What bars are drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// Block elements, an eighth of a character apart.
    Unicode,
    Ascii,
}

/// How many times were at least `from` and less than `to`; each bin is the same factor longer than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    pub from_millis: f64,
    pub to_millis: f64,
    pub count: u64,
}

/// Bins from the shortest to the longest time, empty ones between included; none where nothing was measured.
pub(super) fn bins(histogram: &Histogram<u32>) -> Vec<Bin> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let of = |nanos: u64, each: u32| ((nanos as f64).max(NANOS_MIN).log10() * f64::from(each)).floor() as i64;
    let middle = |nanos: u64| histogram.median_equivalent(nanos);
    let (shortest, longest) = (middle(histogram.min()), middle(histogram.max()));
    let fits = |each: &u32| of(longest, *each) - of(shortest, *each) < BINS_MAX as i64;
    let each = BINS_A_DECADE.into_iter().find(fits).unwrap_or(1);
    let first = of(shortest, each);
    let edge = |bin: i64| millis(10f64.powf(bin as f64 / f64::from(each)));
    let mut bins: Vec<Bin> = (first..=of(longest, each))
        .map(|bin| Bin { from_millis: edge(bin), to_millis: edge(bin + 1), count: 0 })
        .collect();
    for value in histogram.iter_recorded() {
        let bin = of(middle(value.value_iterated_to()), each).saturating_sub(first).max(0) as usize;
        let last = bins.len() - 1;
        bins[bin.min(last)].count += u64::from(value.count_at_value());
    }
    bins
}

/// A line for each bin, under a title: its bounds, a bar as long as its share of the largest, its count and its share
/// of all. A bin that is not empty has a sliver of a bar at least.
pub fn draw(title: &str, bins: &[Bin], width: usize, glyphs: Glyphs) -> String {
    let width = width.clamp(WIDTH_MIN, WIDTH_MAX);
    let total = bins.iter().fold(0_u64, |sum, bin| sum.saturating_add(bin.count));
    let mut text = match glyphs {
        Glyphs::Unicode => title.to_string(),
        Glyphs::Ascii => title.replace('→', "->"),
    };
    let _ = writeln!(text, ", {}", crate::words::counted(total, "time"));
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let edges = |edge: fn(&Bin) -> f64| bins.iter().map(move |bin| three_digits(edge(bin)).len()).max().unwrap_or(0);
    let (from_chars, to_chars) = (edges(|bin| bin.from_millis), edges(|bin| bin.to_millis));
    let count_chars = count(most).len();
    let dash = if glyphs == Glyphs::Unicode { '–' } else { '-' };
    let bar_chars = width.saturating_sub(2 + from_chars + 3 + to_chars + 5 + 2 + count_chars + 2 + 6);
    for bin in bins {
        let (from, to) = (three_digits(bin.from_millis), three_digits(bin.to_millis));
        let bar = bar(bin.count, most, bar_chars, glyphs);
        let (count, share) = (count(bin.count), percent(bin.count as f64 / total.max(1) as f64));
        let (count, share) = if bin.count == 0 { (String::new(), String::new()) } else { (count, share) };
        let line = format!(
            "  {from:>from_chars$} {dash} {to:>to_chars$} ms  {bar:<bar_chars$}  {count:>count_chars$}  {share:>6}"
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// `count` of `most` as a bar of at most so many characters.
fn bar(count: u64, most: u64, chars_max: usize, glyphs: Glyphs) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    if count == 0 {
        return String::new();
    }
    let eighths = (count as f64 / most as f64 * chars_max as f64 * 8.0).round().max(1.0) as usize;
    match (glyphs, eighths / 8, eighths % 8) {
        (Glyphs::Unicode, whole, 0) => "█".repeat(whole),
        (Glyphs::Unicode, whole, part) => "█".repeat(whole) + &EIGHTHS[part].to_string(),
        (Glyphs::Ascii, 0, 1..4) => ".".to_string(),
        (Glyphs::Ascii, whole, part) => "#".repeat(whole + usize::from(part >= 4)),
    }
}

/// Three digits that count: `0.0126`, `1.26`, `12.6`, `126`, `1,259`.
fn three_digits(millis: f64) -> String {
    let before = millis.max(1e-9).log10().floor() as i32 + 1;
    let behind = (3 - before).clamp(0, 6) as usize;
    if behind > 0 { format!("{millis:.behind$}") } else { count(millis.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Random;
    use super::*;

    fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram<u32> {
        let mut histogram = Histogram::new_with_bounds(64, 3_600_000_000_000, 3).unwrap();
        values.into_iter().for_each(|nanos| histogram.record(nanos).unwrap());
        histogram
    }

    #[test]
    fn bins_hold_everything_in_equal_factors() {
        let mut random = Random::new(1);
        for (low, decades) in [(1e3, 9.5), (1e6, 0.3), (5e5, 2.0), (1e5, 4.0)] {
            let values: Vec<u64> = (0..5000).map(|_| (low * 10f64.powf(decades * random.uniform())) as u64).collect();
            let bins = bins(&histogram(values.iter().copied()));
            assert!((8..=BINS_MAX).contains(&bins.len()), "{} bins for {decades} decades", bins.len());
            assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 5000);
            assert!(bins.windows(2).all(|pair| pair[0].to_millis == pair[1].from_millis));
            let factor = bins[0].to_millis / bins[0].from_millis;
            assert!(bins.iter().all(|bin| (bin.to_millis / bin.from_millis / factor - 1.0).abs() < 1e-9));
            for bin in &bins {
                let within = |nanos: &&u64| (bin.from_millis..bin.to_millis).contains(&(**nanos as f64 / 1e6));
                let exact = values.iter().filter(within).count() as f64;
                assert!((bin.count as f64 - exact).abs() <= 8.0 + 0.1 * exact, "{bin:?}, expected {exact}");
            }
        }
        assert_eq!(bins(&histogram([])), []);
        assert_eq!(bins(&histogram([0, 3_600_000_000_000])).iter().map(|bin| bin.count).sum::<u64>(), 2);
    }

    #[test]
    fn lines_fit_the_width_and_reach_it() {
        let mut random = Random::new(2);
        let bins = bins(&histogram((0..20_000).map(|_| 900_000 + random.exponential(2e5) as u64).chain([48_000_000])));
        for (asked, width) in [(0, 60), (60, 60), (100, 100), (160, 160), (1000, 160)] {
            for glyphs in [Glyphs::Unicode, Glyphs::Ascii] {
                let text = draw("put → received", &bins, asked, glyphs);
                assert_eq!(text.lines().map(|line| line.chars().count()).max(), Some(width), "{text}");
                assert_eq!(text.lines().count(), bins.len() + 1);
                assert_eq!(glyphs == Glyphs::Ascii, text.is_ascii(), "{text}");
                let empty = bins.iter().filter(|bin| bin.count == 0).count();
                assert_eq!(text.lines().skip(1).filter(|line| line.ends_with("ms")).count(), empty);
            }
        }
    }

    #[test]
    fn the_drawing_is_as_it_always_was() {
        let bin = |from_millis, to_millis, count| Bin { from_millis, to_millis, count };
        let bins = [bin(0.0794, 0.1, 7), bin(0.1, 0.126, 1000), bin(0.126, 0.158, 0), bin(0.158, 0.2, 1)];
        let expected = "\
put → received, 1,008 times
  0.0794 – 0.100 ms  ▏                             7    0.7%
   0.100 – 0.126 ms  ████████████████████████  1,000   99.2%
   0.126 – 0.158 ms
   0.158 – 0.200 ms  ▏                             1   <0.1%
";
        let text = draw("put → received", &bins, 60, Glyphs::Unicode);
        assert_eq!(text, expected);
        let ascii = expected.replace('→', "->").replace('–', "-").replace('▏', ".").replace('█', "#");
        assert_eq!(draw("put → received", &bins, 60, Glyphs::Ascii), ascii);
        assert_eq!(draw("events", &[], 60, Glyphs::Ascii), "events, 0 times\n");
    }
}
