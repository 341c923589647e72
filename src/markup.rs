//! Text and numbers as HTML, XML and SVG hold them.

/// Characters that a name may hold and no output should: they break lines, colour terminals or turn the text around.
pub fn is_unprintable(char: char) -> bool {
    let formats = ['\u{200e}'..='\u{200f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}', '\u{feff}'..='\u{feff}'];
    char.is_control() || formats.iter().any(|range| range.contains(&char))
}

/// Text in an element or in a quoted attribute. Characters that XML forbids, and those that are
/// [`is_unprintable`], become a replacement character.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            char if is_unprintable(char) => safe.push('\u{fffd}'),
            char => safe.push(char),
        }
    }
    safe
}

/// Pixels: a tenth of one is fine enough. What is not finite is no place: 0.
pub fn px(number: f64) -> String {
    let rounded = (number * 10.0).round() / 10.0;
    // Adding 0 takes the sign off −0.
    if rounded.is_finite() { (rounded + 0.0).to_string() } else { "0".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("<a b=\"c\">'&'"), "&lt;a b=&quot;c&quot;&gt;&#39;&amp;&#39;");
        assert_eq!(escaped("x\u{202e}y\u{ffff}\n\u{1b}[0m"), "x\u{fffd}y\u{fffd}\u{fffd}\u{fffd}[0m");
    }

    #[test]
    fn what_is_no_number_is_no_place() {
        assert_eq!([1.26, -0.04, f64::NAN, f64::INFINITY].map(px), ["1.3", "0", "0", "0"]);
    }
}
