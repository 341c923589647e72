//! Stretches of ticks: ascending and apart.

use std::ops::Range;

pub type Spans = Vec<Range<u64>>;

/// The same ticks as ascending stretches that neither touch nor overlap; those that end before they begin hold none.
pub fn tidy(mut spans: Spans) -> Spans {
    spans.retain(|span| span.start < span.end);
    spans.sort_by_key(|span| span.start);
    let mut tidy: Spans = Vec::with_capacity(spans.len());
    for span in spans {
        match tidy.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => tidy.push(span),
        }
    }
    tidy
}

/// Ticks of both.
pub fn intersect(a: &[Range<u64>], b: &[Range<u64>]) -> Spans {
    let both = a.iter().flat_map(|a| b.iter().map(|b| a.start.max(b.start)..a.end.min(b.end)));
    tidy(both.collect())
}

/// Ticks of the first that are none of the second.
pub fn subtract(a: &[Range<u64>], b: &[Range<u64>]) -> Spans {
    let mut left = Vec::new();
    for span in a {
        let mut from = span.start;
        for hole in b.iter().filter(|hole| hole.start < span.end && hole.end > span.start) {
            left.push(from..hole.start.max(from));
            from = from.max(hole.end);
        }
        left.push(from..span.end);
    }
    tidy(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: the ticks under 60 of which a function says so.
    fn ticks(of: impl Fn(u64) -> bool) -> Vec<u64> {
        (0..60).filter(|tick| of(*tick)).collect()
    }

    fn holds(spans: &[Range<u64>], tick: u64) -> bool {
        spans.iter().any(|span| span.contains(&tick))
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges, reason = "what a damaged file may say")]
    fn they_hold_the_ticks_that_they_say() {
        let (a, b) = (vec![20..30, 0..5, 4..9, 40..35, 50..50, 9..12], vec![3..7, 10..11, 25..60]);
        let (tidied, b) = (tidy(a.clone()), tidy(b));
        assert_eq!(tidied, [0..12, 20..30]);
        for (spans, of) in [
            (intersect(&tidied, &b), Box::new(|tick| holds(&a, tick) && holds(&b, tick)) as Box<dyn Fn(u64) -> bool>),
            (subtract(&tidied, &b), Box::new(|tick| holds(&a, tick) && !holds(&b, tick))),
            (subtract(&b, &tidied), Box::new(|tick| !holds(&a, tick) && holds(&b, tick))),
            (subtract(&tidied, &[]), Box::new(|tick| holds(&a, tick))),
        ] {
            assert_eq!(ticks(|tick| holds(&spans, tick)), ticks(of));
            assert_eq!(tidy(spans.clone()), spans);
        }
    }
}
