//! Numbers in cells, fast where they are plain decimals and by the standard library where they are not.

/// 10ⁿ, each exactly.
const POWERS: [f64; DIGITS_MAX + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19];

/// Digits that a `u64` holds, whatever they are.
const DIGITS_MAX: usize = 19;

/// Bits of an `f64` that an `f32` lacks, and those of a number half way between two `f32`.
const SURPLUS_BITS: u64 = (1 << 29) - 1;
const HALF_WAY: u64 = 1 << 28;

/// By how many units in the last place of an `f64` a quotient of rounded digits may be off, generously.
const ERROR_MAX: u64 = 4;

/// Takes a coordinate's cell off a line, up to the next comma; `None` where it holds something else than [`coordinate`]
/// knows.
pub fn take(line: &mut &[u8]) -> Option<f32> {
    let (negative, mut rest) = match line.split_first() {
        None | Some((b',', _)) => return Some(f32::NAN),
        Some((b'-', rest)) => (true, rest),
        Some(_) => (false, *line),
    };
    let mut digits = 0;
    let mut count = take_digits(&mut rest, &mut digits);
    let mut places = 0;
    if let Some((b'.', fraction)) = rest.split_first() {
        rest = fraction;
        places = take_digits(&mut rest, &mut digits);
        count += places;
    }
    // What has more digits has overflown.
    let plain = matches!(rest.first(), None | Some(b',')) && (1..=DIGITS_MAX).contains(&count);
    match plain.then(|| nearest(digits, places)).flatten() {
        Some(size) => {
            *line = rest;
            Some(if negative { -size } else { size })
        }
        None => take_other(line),
    }
}

/// Takes what digits there are off a line, behind those that were `digits` before; how many.
fn take_digits(line: &mut &[u8], digits: &mut u64) -> usize {
    let begin = line.len();
    while let Some((digit @ b'0'..=b'9', rest)) = line.split_first() {
        *digits = digits.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        *line = rest;
    }
    begin - line.len()
}

/// As [`take`], for whatever is no plain decimal.
#[cold]
fn take_other(line: &mut &[u8]) -> Option<f32> {
    let end = line.iter().position(|byte| *byte == b',').unwrap_or(line.len());
    let value = coordinate(&line[..end])?;
    *line = &line[end..];
    Some(value)
}

/// The `f32` nearest to `digits` / 10^`places`; `None` where that is too close to call.
///
/// Two roundings, to `f64` and then to `f32`, give the nearest unless the first lands beside a half-way point.
fn nearest(digits: u64, places: usize) -> Option<f32> {
    let wide = digits as f64 / POWERS[places];
    let close = (wide.to_bits() & SURPLUS_BITS).abs_diff(HALF_WAY) <= ERROR_MAX;
    (!close).then_some(wide as f32)
}

/// Takes a whole number's cell off a line, up to the next comma; `None` where it is none.
pub fn take_whole(line: &mut &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| *byte == b',').unwrap_or(line.len());
    let value = whole(&line[..end])?;
    *line = &line[end..];
    Some(value)
}

/// A whole number, also where it is written as `12.0`.
pub fn whole(cell: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(cell).ok()?.trim();
    let digits = match text.split_once('.') {
        Some((digits, zeros)) if zeros.bytes().all(|byte| byte == b'0') => digits,
        _ => text,
    };
    digits.parse().ok()
}

/// A coordinate or likelihood; NaN where the cell is empty, `NA` or not a number by its own words.
pub fn coordinate(cell: &[u8]) -> Option<f32> {
    match std::str::from_utf8(cell).ok()?.trim() {
        "" | "NA" => Some(f32::NAN),
        text => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(cell: &str) -> (Option<f32>, String) {
        let line = format!("{cell},rest");
        let mut rest = line.as_bytes();
        let value = take(&mut rest);
        (value, String::from_utf8(rest.to_vec()).unwrap())
    }

    #[test]
    fn what_is_a_number_and_what_is_none() {
        for (cell, value) in [
            ("1.5", 1.5),
            ("-0.25", -0.25),
            (" 2 ", 2.0),
            ("+3", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("-1.25E-2", -0.0125),
            ("inf", f32::INFINITY),
            ("-Infinity", f32::NEG_INFINITY),
            ("340282350000000000000000000000000000000", f32::MAX),
        ] {
            assert_eq!(taken(cell), (Some(value), ",rest".to_owned()), "{cell}");
        }
        for cell in ["", " ", "nan", "NaN", "-nan", "NA"] {
            assert!(taken(cell).0.is_some_and(f32::is_nan), "{cell}");
        }
        for cell in ["-", ".", "-.", "1.2.3", "1-2", "one", "\"1\"", "1 2", "é"] {
            assert_eq!(taken(cell).0, None, "{cell}");
        }
        for (cell, value) in
            [("12", Some(12)), ("12.0", Some(12)), (" 7", Some(7)), ("1.5", None), ("-1", None), ("", None)]
        {
            assert_eq!(whole(cell.as_bytes()), value, "{cell}");
        }
    }

    #[test]
    fn half_way_numbers_round_as_the_standard_library_rounds() {
        for step in 0..200_u32 {
            let low = f32::from_bits(0x4300_0000 + step);
            let half_way = f64::midpoint(f64::from(low), f64::from(f32::from_bits(low.to_bits() + 1)));
            for cell in [format!("{half_way}"), format!("{half_way}1"), format!("{}", half_way - 1e-14)] {
                assert_eq!(taken(&cell).0, cell.parse().ok(), "{cell}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_decimal_is_what_the_standard_library_reads(
            digits in any::<u64>(), shift in 0..64_u32, places in 0..22_usize, negative in any::<bool>(),
        ) {
            let mut cell = format!("{:0>width$}", digits >> shift, width = places + 1);
            cell.insert(cell.len() - places, '.');
            if negative {
                cell.insert(0, '-');
            }
            let expected: f32 = cell.parse().unwrap();
            prop_assert_eq!(taken(&cell).0.map(f32::to_bits), Some(expected.to_bits()));
        }

        #[test]
        fn written_floats_are_read_back(bits in any::<u32>(), wide in any::<f64>()) {
            let value = f32::from_bits(bits);
            prop_assert_eq!(taken(&format!("{value}")).0.map(f32::to_bits), format!("{value}").parse().ok().map(f32::to_bits));
            prop_assert_eq!(taken(&format!("{wide}")).0, format!("{wide}").parse().ok());
            prop_assert_eq!(taken(&format!("{}", f64::from(value))).0.is_some(), true);
        }
    }
}
