//! How a summary looks, printed and as JSON.

use super::super::histogram::Glyphs;
use super::super::stages::Stage;
use super::super::warnings::Warning;
use super::*;

#[test]
fn lines_fit_and_columns_line_up() {
    let lost = |at, random: &mut Random| Met { lost: random.uniform() < 0.001, ..calm(at, random) };
    let rigs = [
        Rig::default(),
        Rig { secs: 600, ..Rig::default() },
        Rig { cages: 3, offset: |at| -32_000_000.0 + at, met: lost, ..Rig::default() },
        Rig { secs: 1, ..Rig::default() },
    ];
    for rig in rigs {
        let text = rig.run(1).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line), "{text}");
        let table: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("  stage, ms")).take(11).collect();
        assert_eq!(table.len(), 11, "{text}");
        let end_of_count = table[0].chars().count();
        let ends = |line: &str| line.chars().take(end_of_count).last().is_some_and(|char| char.is_ascii_digit());
        assert!(table[1..].iter().all(|line| ends(line)), "{text}");
    }
}

#[test]
fn json_names_its_units() {
    let summary = Rig { offset: |at| 3200.0 + at * 0.05, ..Rig::default() }.run(1);
    let json = serde_json::to_value(&summary).unwrap();
    let trip = &json["stages"][Stage::PutToReceived as usize];
    assert_eq!(trip["stage"], "put-to-received");
    assert_eq!(trip["count"], 1800);
    for field in ["p50_millis", "p90_millis", "p99_millis", "p99_9_millis", "max_millis"] {
        assert!(trip[field].as_f64().is_some_and(|millis| (1.0..3.0).contains(&millis)), "{field}: {trip}");
    }
    assert!(trip["uncertainty_millis"].is_null());
    assert!(json["stages"][Stage::PutToArrived as usize]["uncertainty_millis"].is_f64());
    assert!(json["offset"]["drift"]["uncertainty_ppm"].is_f64() && json["offset"]["offset_millis"].is_f64());
    assert_eq!(json["cages"][0]["cage"], "cage1");
    assert_eq!(json["warnings"][0]["warning"], "few-answers");
    assert_eq!(json["warnings"][0]["text"], summary.warnings[0].to_string());
    assert!(json["round_trip_bins"][0]["from_millis"].is_f64() && json["span_secs"].is_f64());
}

#[test]
fn the_histograms_are_those_of_the_round_trip_and_of_events() {
    let summary = Rig::default().run(1);
    let text = summary.histograms(80, Glyphs::Ascii);
    assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 80), "{text}");
    assert!(text.starts_with("Round trip, put -> received, 1,800 times\n"), "{text}");
    assert!(text.contains("\nEvents, put -> event received, 30 times\n"), "{text}");
    assert_eq!(summary.round_trip_bins.iter().map(|bin| bin.count).sum::<u64>(), 1800);
    let silent = Rig { event_frames: u64::MAX, ..Rig::default() }.run(1);
    assert_eq!(silent.event_bins.iter().map(|bin| bin.count).sum::<u64>(), 1, "the first frame has one");
}

#[test]
fn the_report_is_as_it_always_was() {
    let met = |at: f64, random: &mut Random| Met { lost: (at * 30.0) as u32 % 900 == 17, ..calm(at, random) };
    let mut summary = Rig { cages: 2, offset: |_| 3200.0, met, ..Rig::default() }.run(1);
    summary.warnings.retain(|warning| matches!(warning, Warning::Unanswered { .. }));
    assert_eq!(summary.to_string(), GOLDEN);
}

const GOLDEN: &str = "\
2 cages at 30 Hz for 60 s: 3,600 frames put, 3,596 answers, 4 without, 60 events. The detector
inferred 3.0% of the time.

  stage, ms                    p50    p90    p99  p99.9    max           count
  due → put                  0.035  0.069  0.111  0.172  0.192           3,600  our own timer
  put → arrived              0.106  0.154  0.230  0.296  0.314  ± 0.092  3,596  wire out
  arrived → inference        0.034  0.067  0.114  0.155  0.163           3,596  waiting
  inference                  0.934   1.02   1.13   1.23   1.37           3,596  the network
  decided → sent             0.017  0.032  0.057  0.072  0.107           3,596  handing over
  sent → received            0.106  0.153  0.216  0.278  0.337  ± 0.092  3,596  wire back
  put → received              1.23   1.33   1.45   1.55   1.66           3,596  ROUND TRIP
  all but inference          0.280  0.352  0.440  0.482  0.513           3,596  of the round trip
  put → event received        3.86   5.03      -      -   5.52              60  TO THE EVENT
  decided → event published   2.62   3.86      -      -   4.23              60  journal

  put → received, ms   p50   p90   p99  p99.9   max  count  without
  cage1               1.22  1.33  1.45   1.58  1.66  1,798        2
  cage2               1.23  1.33  1.45   1.54  1.55  1,798        2

Clocks: 14 s into the run the detector's is 3,199.995 ± 0.086 ms ahead of ours; they drift apart by
less than 2.99 ppm. This is no part of any latency: it only serves to part the ways out and back, to
within the ± above.

Look at
  - 4 of 3,600 frames (0.1%) had no answer, where each should have one: look below and into the
    detector's counts for what was displaced or refused, then at the network.
";
