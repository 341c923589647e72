//! When in a recording something was annotated: frames and seconds of the video to frame numbers.

use std::ops::Range;

use super::annotations::Span;
use super::recording::Recording;
use crate::poses::Frame;

const NANOS_PER_SEC: f64 = 1e9;

/// The frames of a recording in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    rate_hz: f64,
    /// Where frames carry usable capture times: those, ascending, and the number of each frame.
    captured: Option<Captured>,
}

#[derive(Clone, Debug, PartialEq)]
struct Captured {
    /// When the video begins, on the clock of the capture times.
    video_start_nanos: i64,
    nanos: Vec<i64>,
    numbers: Vec<u64>,
}

impl Timeline {
    /// The timeline of a recording. Where all of its frames carry ascending capture times, seconds are found by these,
    /// whatever frames were lost and however exact the rate is; else seconds times the rate are frame numbers. The video
    /// begins with the first frame, unless the recording says otherwise.
    pub fn of(recording: &Recording) -> Self {
        let Recording { stream, frames, video_start_nanos, .. } = recording;
        Self::new(frames, stream.rate_hz(), *video_start_nanos)
    }

    /// The timeline of a video whose frames come at a rate, from number 0 on.
    pub fn at_rate(rate_hz: f64) -> Self {
        Self { rate_hz, captured: None }
    }

    fn new(frames: &[Frame], rate_hz: f64, video_start_nanos: Option<i64>) -> Self {
        let nanos: Option<Vec<i64>> = frames.iter().map(|frame| frame.capture_nanos).collect();
        let nanos = nanos.filter(|nanos| !nanos.is_empty() && nanos.is_sorted());
        let captured = nanos.map(|nanos| Captured {
            video_start_nanos: video_start_nanos.unwrap_or(nanos[0]),
            nanos,
            numbers: frames.iter().map(|frame| frame.number).collect(),
        });
        Self { rate_hz, captured }
    }

    /// The frames that a span covers; empty where none was taken then. Frame numbers stand as they are, but where capture
    /// times are known the seconds of the video count more than its frames, which need not be the camera's. An instant
    /// is one frame.
    pub fn frames(&self, span: &Span) -> Range<u64> {
        match (span, &self.captured) {
            (Span::Secs(secs) | Span::Video { secs, .. }, Some(captured)) => captured.frames(secs, self.rate_hz),
            // Without capture times a file's numbers are those of its video.
            _ => span.frames(self.rate_hz),
        }
    }

    /// The rate by which seconds are counted in frames; `None` where capture times tell.
    pub fn rate_if_numbered(&self) -> Option<f64> {
        self.captured.is_none().then_some(self.rate_hz)
    }

    /// The second of the video at which a frame was taken, or would have been.
    pub fn secs_of(&self, frame: u64) -> f64 {
        let by_rate = |frames: f64| frames / self.rate_hz;
        let Some(captured) = &self.captured else { return by_rate(frame as f64) };
        let index = captured.numbers.partition_point(|number| *number < frame).min(captured.numbers.len() - 1);
        let since = (captured.nanos[index] - captured.video_start_nanos) as f64 / NANOS_PER_SEC;
        since + by_rate(frame as f64 - captured.numbers[index] as f64)
    }
}

impl Captured {
    fn frames(&self, secs: &Range<f64>, rate_hz: f64) -> Range<u64> {
        let half = NANOS_PER_SEC / rate_hz / 2.0;
        let nanos = |secs: f64| secs * NANOS_PER_SEC + self.video_start_nanos as f64;
        // The first frame that was taken at that time or, by less than half a frame, before it.
        let index_at = |secs: f64| self.nanos.partition_point(|taken| (*taken as f64) < nanos(secs) - half);
        let number = |index: usize| {
            let end = self.numbers.last().map_or(0, |last| last + 1);
            self.numbers.get(index).copied().unwrap_or(end)
        };
        let (start, stop) = (index_at(secs.start), index_at(secs.end));
        if stop > start {
            return number(start)..number(stop - 1) + 1;
        }
        // Shorter than a frame: the one that was taken then, if any was.
        let is_near = |taken: &i64| (*taken as f64 - nanos(secs.start)).abs() <= half;
        match self.nanos.get(start).filter(|taken| is_near(taken)) {
            Some(_) => number(start)..number(start) + 1,
            None => number(start)..number(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(numbers: impl Iterator<Item = u64>, capture: impl Fn(u64) -> Option<i64>) -> Vec<Frame> {
        numbers.map(|number| Frame { number, capture_nanos: capture(number), keypoints: Vec::new() }).collect()
    }

    #[test]
    fn without_capture_times_seconds_are_counted_in_frames() {
        let timeline = Timeline::new(&frames(0..300, |_| None), 30.0, None);
        assert_eq!(timeline.frames(&Span::Secs(1.0..2.5)), 30..75);
        assert_eq!(timeline.frames(&Span::Secs(3.0..3.0)), 90..91, "an instant is one frame");
        assert_eq!(timeline.frames(&Span::Frames(4..9)), 4..9);
    }

    #[test]
    fn capture_times_find_the_frame_though_frames_were_lost_and_the_rate_is_off() {
        // 25 Hz by description, 24 in truth; a second of frames was lost, and the camera counted from 1000.
        let taken = |number: u64| Some((5_000_000_000 + (number - 1000) * 1_000_000_000 / 24) as i64);
        let kept = (1000..1240).filter(|number| !(1048..1072).contains(number));
        let frames = frames(kept, taken);
        let timeline = Timeline::new(&frames, 25.0, None);
        assert_eq!(timeline.frames(&Span::Secs(1.0..4.0)), 1024..1096);
        assert!(timeline.frames(&Span::Secs(2.5..2.6)).is_empty(), "nothing is known of lost frames");
        assert_eq!(timeline.frames(&Span::Secs(1.0..1.0)), 1024..1025);
        // The video's own frames are not the camera's.
        let both = Span::Video { frames: 24..96, secs: 1.0..4.0 };
        assert_eq!(timeline.frames(&both), 1024..1096);
        assert_eq!(timeline.frames(&Span::Secs(9.5..99.0)), 1228..1240);
        // The video began two seconds before the poses.
        let earlier = Timeline::new(&frames, 25.0, Some(3_000_000_000));
        assert_eq!(earlier.frames(&Span::Secs(3.0..6.0)), 1024..1096);
        assert!(earlier.frames(&Span::Secs(0.5..1.5)).is_empty(), "before the first frame");
        for timeline in [timeline, earlier] {
            for number in [1000, 1047, 1072, 1239] {
                let secs = timeline.secs_of(number);
                assert_eq!(timeline.frames(&Span::Secs(secs..secs)), number..number + 1);
            }
        }
    }
}
