//! Numbers in words, as every report prints them.

/// `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 frame`, `2 frames`.
pub fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `63.1%`; what is there is never `0%`, and what is not whole never `100%`.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent.is_nan() => "-".to_string(),
        percent if percent <= 0.0 => "0%".to_string(),
        percent if percent < 0.1 => "<0.1%".to_string(),
        percent if percent >= 100.0 => "100%".to_string(),
        percent if percent > 99.9 => ">99.9%".to_string(),
        percent => format!("{percent:.1}%"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2, 0].map(|number| counted(number, "gap")), ["1 gap", "2 gaps", "0 gaps"]);
        let shares = [0.0, 1e-5, 0.631, 0.9999, 1.0, f64::NAN];
        assert_eq!(shares.map(percent), ["0%", "<0.1%", "63.1%", ">99.9%", "100%", "-"]);
    }
}
