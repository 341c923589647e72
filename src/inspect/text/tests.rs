use proptest::prelude::*;

use super::*;

#[test]
fn columns_line_up_and_long_text_is_cut() {
    let mut table = Table::new(2, &["behavior<", "bouts", "note<"]);
    table.row(["attack".to_string(), "3".to_string(), "ok".to_string()]);
    table.row(["é\u{1b}[31m".to_string(), "12,345".to_string()]);
    let mut text = String::new();
    table.write(&mut text);
    assert_eq!(text, "  behavior   bouts  note\n  attack         3  ok\n  é?[31m    12,345\n");

    let mut table = Table::new(0, &["a<", "b<", "c"]);
    table.row(["x".repeat(200), "y".repeat(90), "7".to_string()]);
    let mut text = String::new();
    table.write(&mut text);
    let line = text.lines().nth(1).unwrap();
    assert_eq!((chars(line), line.matches('…').count()), (COLUMNS_MAX, 2));
}

#[test]
fn numbers_carry_their_units() {
    let secs = [0.0, 0.033, 9.994, 9.996, 119.0, 120.0, 3600.0, 7200.0, f64::NAN];
    assert_eq!(secs.map(duration), ["0 s", "0.03 s", "9.99 s", "10.0 s", "119 s", "2.0 min", "60.0 min", "2.0 h", "-"]);
    assert_eq!(shortened_start("individual12", 6), "…ual12");
}

#[test]
fn units_stay_with_their_numbers() {
    let mut text = String::new();
    let paragraph = format!("{} the longest of 0.53 s at frame 8873", "x".repeat(COLUMNS_MAX - 25));
    write_wrapped(&mut text, "  - ", &paragraph);
    assert!(text.contains("the longest of\n    0.53 s at frame 8873\n"), "{text}");
    let mut text = String::new();
    write_look_at(&mut text, &[]);
    assert_eq!(text, "\nNothing suspicious was found.\n");
}

proptest! {
    #[test]
    fn paragraphs_lose_no_word_and_keep_their_width(words in proptest::collection::vec("[a-z0-9]{1,30}", 1..60)) {
        let mut text = String::new();
        write_wrapped(&mut text, "  - ", &words.join(" "));
        prop_assert!(text.lines().all(|line| chars(line) <= COLUMNS_MAX));
        let found: Vec<&str> = text.trim_start_matches("  - ").split_whitespace().collect();
        prop_assert_eq!(found, words);
    }
}
