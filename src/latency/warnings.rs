//! What a lab should know about its rig: each warning is one sentence with what was found, what was expected and what
//! to do about it.

use std::fmt;

use serde::{Serialize, Serializer};

use super::stages::Stage;
use super::system::SystemWarning;
use super::text::{digits, duration};
use crate::words::{count, counted, percent};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "warning", rename_all = "kebab-case")]
pub enum Warning {
    NoAnswers {
        asked: u64,
    },
    FewAnswers {
        answers: u64,
        needed: u64,
        needed_secs: f64,
    },
    Unanswered {
        unanswered: u64,
        asked: u64,
    },
    Displaced {
        frames: u64,
    },
    Refused {
        packets: u64,
        causes: String,
    },
    Unjournaled {
        events: u64,
    },
    Unpublished {
        events: u64,
    },
    Missed {
        messages: u64,
    },
    /// The round trip grew, and not because frames wait in the detector.
    Growing {
        from_millis: f64,
        to_millis: f64,
        run_secs: f64,
        /// Inference grew by at least half as much.
        by_inference: bool,
    },
    /// Frames wait longer and longer in the detector.
    WaitGrowing {
        from_millis: f64,
        to_millis: f64,
        run_secs: f64,
        busy_share: f64,
    },
    SlowInference {
        p50_millis: f64,
        p99_millis: f64,
    },
    LongWaits {
        p99_9_millis: f64,
    },
    TwoWaits {
        cage: String,
        short_millis: f64,
        long_millis: f64,
        long_share: f64,
    },
    Stalls {
        stalls: u64,
        every_secs: f64,
        trip_millis: f64,
    },
    LateTimer {
        p99_millis: f64,
    },
    OwnClockSet {
        times: u32,
        largest_millis: f64,
    },
    DetectorClockSet {
        times: u32,
        largest_millis: f64,
    },
    ClocksContradict {
        answers: u64,
        of: u64,
    },
    OneWayUncertain {
        stage: Stage,
        p50_millis: f64,
        uncertainty_millis: f64,
    },
    Impossible {
        messages: u64,
    },
    Unknown {
        messages: u64,
    },
    Repeated {
        answers: u64,
    },
    AskedTwice {
        frames: u64,
    },
    System(SystemWarning),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of_frames(f)?;
        self.of_messages(f)?;
        self.of_latencies(f)?;
        self.of_clocks(f)
    }
}

impl Warning {
    /// Writes what concerns frames and their answers.
    fn of_frames(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswers { asked } => write!(
                f,
                "None of {} had an answer, where each should have one: see whether a detector runs, serves this rig \
                 and is reached from here.",
                counted(*asked, "frame")
            ),
            Self::FewAnswers { answers, needed, needed_secs } => write!(
                f,
                "There were {}, where {} let ten answers decide p99.9: measure for {} before you rely on it.",
                counted(*answers, "answer"),
                count(*needed),
                duration(*needed_secs)
            ),
            Self::Unanswered { unanswered, asked } => write!(
                f,
                "{} of {} ({}) had no answer, where each should have one: look below and into the detector's counts \
                 for what was displaced or refused, then at the network.",
                count(*unanswered),
                counted(*asked, "frame"),
                percent(*unanswered as f64 / (*asked).max(1) as f64)
            ),
            Self::Displaced { frames } => write!(
                f,
                "The detector gave up {} because it was behind, where it should keep up: serve fewer cages with it, \
                 use a smaller model or a faster machine.",
                counted(*frames, "frame")
            ),
            Self::Refused { packets, causes } => write!(
                f,
                "The detector refused {} ({causes}), where it should take all: compare the stream's description with \
                 what is published.",
                counted(*packets, "packet")
            ),
            _ => Ok(()),
        }
    }

    /// Writes what concerns events, and messages that are strange.
    fn of_messages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unjournaled { events } => write!(
                f,
                "{} lost because the journal could not be written, where none may be: see whether its disk is full or \
                 slow.",
                were(*events, "event")
            ),
            Self::Unpublished { events } => write!(
                f,
                "{} written to the journal but not published, where all should be: find the subscriber that holds the \
                 wire up.",
                were(*events, "event")
            ),
            Self::Missed { messages } => write!(
                f,
                "This program itself left out {} because it did not look in time, where it should see all: measure \
                 fewer cages at once, or on an idle machine.",
                counted(*messages, "message")
            ),
            Self::Unknown { messages } => write!(
                f,
                "{} about frames that were not put here, or long ago, where all should be ours: see that nobody else \
                 publishes poses for these cages.",
                came(*messages, "message")
            ),
            Self::Repeated { answers } => write!(
                f,
                "{} for frames that had theirs, where each has one: a frame that is lost on the wire makes the next ones \
                 wait, and be answered as one; where none was lost, see whether two detectors serve the same cage.",
                came(*answers, "answer")
            ),
            Self::AskedTwice { frames } => write!(
                f,
                "{} put under a number that was used before, where numbers should rise: the measurement left them out.",
                were(*frames, "frame")
            ),
            _ => Ok(()),
        }
    }

    /// Writes what concerns how long things took.
    fn of_latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Growing { from_millis, to_millis, run_secs, by_inference } => write!(
                f,
                "The round trip grew from {} to {} ms over {} (medians of the first and last third), where it should \
                 stay the same: {}.",
                digits(*from_millis),
                digits(*to_millis),
                duration(*run_secs),
                if *by_inference {
                    "inference took longer and longer, so look at what else computes, at heat and at the processor's \
                     clock"
                } else {
                    "inference did not, so look at the network and at queues on the way"
                }
            ),
            Self::WaitGrowing { from_millis, to_millis, run_secs, busy_share } => write!(
                f,
                "Frames waited longer and longer in the detector, {} ms at first and {} ms at last over {}, where \
                 waits should stay the same: it infers {} of the time, so give it fewer cages, a smaller model or a \
                 faster machine.",
                digits(*from_millis),
                digits(*to_millis),
                duration(*run_secs),
                percent(*busy_share)
            ),
            Self::SlowInference { p50_millis, p99_millis } => write!(
                f,
                "Inference takes {} ms in the median and {} ms at p99, where a tick has 33.3 ms for everything: use a \
                 smaller model or a faster machine.",
                digits(*p50_millis),
                digits(*p99_millis)
            ),
            Self::LongWaits { p99_9_millis } => write!(
                f,
                "One of a thousand frames waits {} ms and longer in the detector, where none should wait longer than a \
                 tick, 33.3 ms: see what else runs on that machine, and whether cages come in bursts.",
                digits(*p99_9_millis)
            ),
            Self::TwoWaits { cage, short_millis, long_millis, long_share } => write!(
                f,
                "Waits of {cage} come in two sorts, about {} ms and, {} of them, about {} ms, where they should be \
                 alike: see whether several cages are put at the same moment, or another program takes the processor \
                 in turns.",
                digits(*short_millis),
                percent(*long_share),
                digits(*long_millis)
            ),
            Self::Stalls { stalls, every_secs, trip_millis } => write!(
                f,
                "{} times, every {} or so, the round trip leapt to about {} ms, where it should be even: something \
                 runs on a timer (a backup, an index, a monitor, a power setting), so look for what does so as \
                 often.",
                count(*stalls),
                duration(*every_secs),
                digits(*trip_millis)
            ),
            Self::LateTimer { p99_millis } => write!(
                f,
                "This program itself put one of a hundred frames {} ms late or later, where it should be under 1 ms: \
                 measure on an idle machine, and take no camera's punctuality from this run.",
                digits(*p99_millis)
            ),
            _ => Ok(()),
        }
    }

    /// Writes what concerns clocks and the machine.
    fn of_clocks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnClockSet { times, largest_millis } => write!(
                f,
                "Our own wall clock was set {} during the run, by {} ms at most, where it should run on: let the time \
                 service settle before an experiment, and have it slew, not step.",
                how_often(*times),
                digits(*largest_millis)
            ),
            Self::DetectorClockSet { times, largest_millis } => write!(
                f,
                "The detector's wall clock was set {} during the run, by {} ms at most, where it should run on: let \
                 the time service of its machine settle before an experiment, and have it slew, not step.",
                how_often(*times),
                digits(*largest_millis)
            ),
            Self::ClocksContradict { answers, of } => write!(
                f,
                "Clocks of {} of {} contradict the others, where all should come from one detector whose clock runs \
                 evenly: see whether several detectors answer, or its clock leaps about.",
                count(*answers),
                counted(*of, "answer")
            ),
            Self::OneWayUncertain { stage, p50_millis, uncertainty_millis } => write!(
                f,
                "{} is {} ms in the median but uncertain by {} ms, where less would be needed to believe it: rely on \
                 the round trip, or synchronise the clocks by PTP and shorten the way between the machines.",
                stage.name(),
                digits(*p50_millis),
                digits(*uncertainty_millis)
            ),
            Self::Impossible { messages } => write!(
                f,
                "{} with times that cannot be, later stages before earlier ones, where time should pass: see whether \
                 the detector's wall clock was set back.",
                came(*messages, "message")
            ),
            Self::System(warning) => write!(f, "{warning}"),
            _ => Ok(()),
        }
    }
}

fn were(number: u64, what: &str) -> String {
    format!("{} {}", counted(number, what), if number == 1 { "was" } else { "were" })
}

fn came(number: u64, what: &str) -> String {
    format!("{} came", counted(number, what))
}

fn how_often(times: u32) -> String {
    match times {
        1 => "once".to_string(),
        2 => "twice".to_string(),
        times => format!("{} times", count(times.into())),
    }
}

/// Each warning with its sentence beside its numbers.
pub(super) fn with_text<S: Serializer>(warnings: &[Warning], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(flatten)]
        warning: &'a Warning,
        text: String,
    }
    serializer.collect_seq(warnings.iter().map(|warning| Said { warning, text: warning.to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_warning_is_one_sentence_with_what_was_expected_and_what_to_do() {
        let (messages, run_secs) = (3, 600.0);
        let (from_millis, to_millis) = (1.2, 12.34);
        let all = [
            Warning::NoAnswers { asked: 1 },
            Warning::FewAnswers { answers: 1799, needed: 10_000, needed_secs: 333.0 },
            Warning::Unanswered { unanswered: 4, asked: 36_000 },
            Warning::Displaced { frames: 1 },
            Warning::Refused { packets: 2, causes: "magic 2".into() },
            Warning::Unjournaled { events: 1 },
            Warning::Unpublished { events: 2 },
            Warning::Missed { messages },
            Warning::Growing { from_millis, to_millis, run_secs, by_inference: true },
            Warning::Growing { from_millis, to_millis, run_secs, by_inference: false },
            Warning::WaitGrowing { from_millis, to_millis, run_secs, busy_share: 0.999_5 },
            Warning::SlowInference { p50_millis: 35.0, p99_millis: 40.0 },
            Warning::LongWaits { p99_9_millis: 40.0 },
            Warning::TwoWaits { cage: "a".into(), short_millis: 0.1, long_millis: 9.0, long_share: 0.3 },
            Warning::Stalls { stalls: 12, every_secs: 5.0, trip_millis: 41.5 },
            Warning::LateTimer { p99_millis: 1.3 },
            Warning::OwnClockSet { times: 1, largest_millis: -40.0 },
            Warning::DetectorClockSet { times: 2, largest_millis: 40.0 },
            Warning::ClocksContradict { answers: 7, of: 100 },
            Warning::OneWayUncertain { stage: Stage::PutToArrived, p50_millis: 0.1, uncertainty_millis: 0.2 },
            Warning::Impossible { messages },
            Warning::Unknown { messages },
            Warning::Repeated { answers: 3 },
            Warning::AskedTwice { frames: 1 },
            Warning::System(SystemWarning::Swap { used_mib: 900 }),
        ];
        let texts: Vec<String> = all.iter().map(ToString::to_string).collect();
        for text in &texts {
            assert!(text.ends_with('.') && !text.contains(". ") && !text.contains("  "), "{text}");
            assert!(text.contains(", where ") && text.contains(": "), "{text}");
        }
        let distinct: std::collections::BTreeSet<_> = texts.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(
            texts[2],
            "4 of 36,000 frames (<0.1%) had no answer, where each should have one: look below and into the detector's \
             counts for what was displaced or refused, then at the network."
        );
        assert!(
            texts[16].starts_with("Our own wall clock was set once during the run, by -40.0 ms at most"),
            "{}",
            texts[16]
        );
    }

    #[test]
    fn json_tells_the_numbers_and_the_sentence() {
        #[derive(Serialize)]
        struct All(#[serde(serialize_with = "with_text")] Vec<Warning>);
        let json = |warning| serde_json::to_string(&All(vec![warning])).unwrap();
        let got = json(Warning::LateTimer { p99_millis: 1.5 });
        assert!(
            got.starts_with(r#"[{"warning":"late-timer","p99_millis":1.5,"text":"This program itself put "#),
            "{got}"
        );
        let got = json(Warning::System(SystemWarning::Swap { used_mib: 900 }));
        assert!(got.starts_with(r#"[{"warning":"system","found":"swap","used_mib":900,"text":""#), "{got}");
    }
}
