//! Playing a log as it came: every session of every cage at its time, each frame when it arrived.

use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError};
use zenoh::Session;

use crate::acquire::wire::Encoding;
use crate::corpus::log::LoggedSession;
use crate::live::LiveError;
use crate::live::clock::Moment;
use crate::live::publisher::{Cue, Play, Played, check_speed, play_cues};
use crate::stream::CLOCK_UNIX;
use crate::stream::Origin;

/// How to play a log.
#[derive(Clone, Copy, Debug)]
pub struct PlayLog {
    /// Times the speed at which it was recorded.
    pub speed: f64,
    /// Wait for a detector, let it slow the replay down, and drop nothing.
    pub lossless: bool,
    pub encoding: Encoding,
}

/// When the frames of a session are due after its first, and how old each is then.
///
/// Frames come as they arrived, late and doubled ones as well. Ages on the wall clock are those that the recorder saw.
/// Of another clock only differences are known: the freshest frame of the session has the age zero.
pub fn cues(session: &LoggedSession) -> impl Iterator<Item = Cue> + '_ {
    let frames = &session.recording.frames;
    let age = |nanos: i64, frame: usize| frames[frame].capture_nanos.map(|capture| nanos.saturating_sub(capture));
    let ages = session.arrivals.iter().filter_map(move |arrival| age(arrival.nanos, arrival.frame));
    let least = if session.stream.clock() == Some(CLOCK_UNIX) { 0 } else { ages.min().unwrap_or(0) };
    let first = session.arrivals.first().map_or(0, |arrival| arrival.nanos);
    session.arrivals.iter().map(move |arrival| Cue {
        frame: frames[arrival.frame].clone(),
        after: nanos_between(first, arrival.nanos),
        age_nanos: age(arrival.nanos, arrival.frame).map(|age| age.saturating_sub(least)),
    })
}

/// Plays sessions side by side, each beginning when it did, in the order in which they began; gives what was played of
/// each that did begin. Returns early when `stop` is closed.
///
/// Cages keep their names, frames their numbers; the origin is a replay.
///
/// # Errors
/// The first failure of a session, once all have ended: see [`play_cues`].
pub fn play_log(
    session: &Session,
    mut logged: Vec<LoggedSession>,
    how: &PlayLog,
    stop: &Receiver<()>,
) -> Result<Vec<(LoggedSession, Played)>, LiveError> {
    check_speed(how.speed)?;
    logged.sort_by_key(began);
    let first = logged.first().map_or(0, began);
    let start = Moment::now();
    let played = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for logged in logged {
            let after = nanos_between(first, began(&logged)).div_f64(how.speed);
            let wait = start.later(after).monotonic.saturating_duration_since(Moment::now().monotonic);
            if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            let thread = std::thread::Builder::new().name("replay".to_owned());
            let started = thread.spawn_scoped(scope, move || play_session(session, logged, how, stop));
            threads.push(started.map_err(|source| LiveError::Thread { thread: "replay", source }));
        }
        let joined = |thread: Result<std::thread::ScopedJoinHandle<'_, _>, LiveError>| {
            thread?.join().map_err(|_| LiveError::Panicked { thread: "replay" })?
        };
        threads.into_iter().map(joined).collect::<Vec<_>>()
    });
    played.into_iter().collect()
}

fn play_session(
    session: &Session,
    logged: LoggedSession,
    how: &PlayLog,
    stop: &Receiver<()>,
) -> Result<(LoggedSession, Played), LiveError> {
    let PlayLog { speed, lossless, encoding } = *how;
    let play = Play { cage: logged.cage.clone(), origin: Origin::Replay, speed, lossless, encoding };
    let played = play_cues(session, &logged.stream, cues(&logged), &play, stop)?;
    Ok((logged, played))
}

fn began(session: &LoggedSession) -> i64 {
    session.arrivals.first().map_or(0, |arrival| arrival.nanos)
}

fn nanos_between(earlier: i64, later: i64) -> Duration {
    Duration::from_nanos(u64::try_from(later.saturating_sub(earlier)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::RawRecording;
    use crate::corpus::log::Arrival;
    use crate::keys::CageName;
    use crate::poses::Frame;

    /// Frames 5, 6 and 7, of which the last two came in the other order, and 6 twice.
    fn session(clock: &str) -> LoggedSession {
        let stream = format!(
            r#"{{"skeleton":{{"name":"m","keypoints":["nose","neck","tail"],"front":"nose","centre":"neck","rear":"tail",
            "edges":[]}},"individuals":["a","b"],"rate_hz":30.0,"body_length_px":80.0,"clock":"{clock}","origin":"live"}}"#
        );
        let frame = |(number, capture_nanos)| Frame { number, capture_nanos, keypoints: Vec::new() };
        let frames = [(5, Some(990)), (6, None), (7, Some(1030))].map(frame).to_vec();
        let arrivals = [(1000, 0), (1050, 2), (1060, 1), (1061, 1)];
        LoggedSession {
            cage: CageName::new("rig", "cage").unwrap(),
            recording: RawRecording { frames, ..RawRecording::default() },
            stream: serde_json::from_str(&stream).unwrap(),
            run: None,
            arrivals: arrivals.map(|(nanos, frame)| Arrival { nanos, frame }).to_vec(),
        }
    }

    fn told(clock: &str) -> Vec<(u64, u128, Option<i64>)> {
        cues(&session(clock)).map(|cue| (cue.frame.number, cue.after.as_nanos(), cue.age_nanos)).collect()
    }

    #[test]
    fn frames_are_due_as_they_arrived_and_as_old_as_they_were() {
        assert_eq!(told("unix"), [(5, 0, Some(10)), (7, 50, Some(20)), (6, 60, None), (6, 61, None)]);
    }

    #[test]
    fn of_a_clock_of_its_own_only_differences_are_known() {
        assert_eq!(told("camera"), [(5, 0, Some(0)), (7, 50, Some(10)), (6, 60, None), (6, 61, None)]);
    }
}
