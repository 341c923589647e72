//! The rig's side: publishing the frames of a recording (or of a simulation) on their schedule.

use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError};
use serde::Deserialize;
use zenoh::matching::MatchingListener;
use zenoh::pubsub::Publisher;
use zenoh::qos::{CongestionControl, Priority};
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

use crate::acquire::description::{self, StreamId};
use crate::acquire::wire::{Content, ENCODING_BINARY, ENCODING_JSON, Encoding, Packet, Shape};
use crate::keys::CageName;
use crate::live::LiveError;
use crate::live::clock::Moment;
use crate::poses::Frame;
use crate::stream::CLOCK_UNIX;
use crate::stream::{Origin, StreamDescription};

/// Bounds of how many times faster than the camera a recording may be played.
pub const SPEED_MIN: f64 = 0.1;
pub const SPEED_MAX: f64 = 1000.0;

/// How often the stream description is put again.
const DESCRIBE: Duration = Duration::from_secs(1);

/// How often that is at the beginning, and for how long: whoever subscribes beside a subscriber that is already there makes
/// no difference to the publisher, and sees no description until the next time.
const DESCRIBE_AT_FIRST: Duration = Duration::from_millis(100);
const AT_FIRST: Duration = Duration::from_secs(5);

/// Further behind its schedule than this, a publisher begins a new schedule at the present: a camera does not catch up.
const BEHIND_MAX: Duration = Duration::from_millis(100);

/// How long a lossless replay waits for a detector, and at its end for the detector's word.
pub const WAIT_SECS_MAX: u64 = 60;

/// How to play frames.
#[derive(Clone, Debug)]
pub struct Play {
    pub cage: CageName,
    pub origin: Origin,
    /// Times the camera's own rate.
    pub speed: f64,
    /// Wait for a detector, let it slow the replay down, and drop nothing.
    pub lossless: bool,
    pub encoding: Encoding,
}

/// What was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    pub frames: u64,
    /// Frames that the detector took, by its own word after a lossless replay.
    pub taken: Option<u64>,
    /// Stopped from outside before the last frame.
    pub stopped: bool,
}

/// A frame and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    pub frame: Frame,
    /// When it is due after the first, at speed 1; one that is due before an earlier one is so at once.
    pub after: Duration,
    /// How long before that it was captured, at speed 1; `None` where that is not known. Negative where clocks differ.
    pub age_nanos: Option<i64>,
}

/// Publishes `frames`, each at its time, and the END mark; returns early when `stop` gets a message or is closed.
///
/// A frame's time is its number over the stream's rate and the speed; the capture time that it carries is the wall
/// clock at which it was due.
///
/// # Errors
/// As [`play_cues`].
pub fn play(
    session: &Session,
    stream: &StreamDescription,
    frames: impl Iterator<Item = Frame>,
    play: &Play,
    stop: &Receiver<()>,
) -> Result<Played, LiveError> {
    let (mut first, frame_secs) = (None, 1.0 / stream.rate_hz());
    let cues = frames.map(|frame| {
        let numbers = frame.number.saturating_sub(*first.get_or_insert(frame.number));
        Cue { frame, after: Duration::from_secs_f64(numbers as f64 * frame_secs), age_nanos: Some(0) }
    });
    let clock = Some(CLOCK_UNIX.to_owned());
    play_on(session, &with_clock(stream, clock)?, cues, play, stop)
}

/// Publishes frames as they are due, and the END mark; returns early when `stop` gets a message or is closed.
///
/// A frame carries the capture time that makes it as old when it is due as its cue says, on the wall clock; none where
/// the stream has no clock.
///
/// # Errors
/// A speed out of bounds, zenoh's own failures, and no detector within [`WAIT_SECS_MAX`] of the start of a lossless replay.
pub fn play_cues(
    session: &Session,
    stream: &StreamDescription,
    cues: impl Iterator<Item = Cue>,
    play: &Play,
    stop: &Receiver<()>,
) -> Result<Played, LiveError> {
    let clock = stream.clock().map(|_| CLOCK_UNIX.to_owned());
    play_on(session, &with_clock(stream, clock)?, cues, play, stop)
}

/// # Errors
/// A speed out of bounds.
pub fn check_speed(speed: f64) -> Result<(), LiveError> {
    if (SPEED_MIN..=SPEED_MAX).contains(&speed) { Ok(()) } else { Err(LiveError::Speed(speed)) }
}

fn with_clock(stream: &StreamDescription, clock: Option<String>) -> Result<StreamDescription, LiveError> {
    let (skeleton, individuals) = (stream.skeleton().clone(), stream.individuals().to_vec());
    let (rate_hz, body_length_px) = (stream.rate_hz(), stream.body_length_px());
    let clocked = StreamDescription::new(skeleton, individuals, rate_hz, body_length_px, clock, stream.origin())?;
    Ok(clocked.with_identities(stream.identities()))
}

fn play_on(
    session: &Session,
    stream: &StreamDescription,
    cues: impl Iterator<Item = Cue>,
    play: &Play,
    stop: &Receiver<()>,
) -> Result<Played, LiveError> {
    check_speed(play.speed)?;
    let mut rig = Rig::declare(session, stream, play)?;
    if play.lossless && !rig.wait_for_detector(stop)? {
        return Ok(Played { frames: 0, taken: None, stopped: true });
    }
    let ended = if play.lossless { Some(rig.listen_for_the_end(session)?) } else { None };
    let mut schedule = Schedule::new(play.speed, Moment::now());
    let (mut count, mut stopped) = (0, false);
    rig.describe()?;
    for Cue { mut frame, after, age_nanos } in cues {
        let due = schedule.due(after, Instant::now());
        if !rig.wait_until(due.monotonic, stop)? {
            stopped = true;
            break;
        }
        let age_nanos = age_nanos.filter(|_| stream.clock().is_some());
        frame.capture_nanos = age_nanos.map(|age| due.unix_nanos.saturating_sub((age as f64 / play.speed) as i64));
        rig.put_frame(frame)?;
        count += 1;
    }
    rig.put(Content::End { frames: count })?;
    let taken = match ended {
        Some(listener) => rig.wait_for_the_end(&listener, stop)?,
        None => None,
    };
    Ok(Played { frames: count, taken, stopped })
}

/// When frames are due.
struct Schedule {
    speed: f64,
    /// Where the schedule last began, and what was due there.
    start: Moment,
    first: Duration,
}

impl Schedule {
    fn new(speed: f64, start: Moment) -> Self {
        Self { speed, start, first: Duration::ZERO }
    }

    /// The moment of a frame that is due so long after the first at speed 1.
    fn due(&mut self, after: Duration, now: Instant) -> Moment {
        let due = self.start.later(after.saturating_sub(self.first).div_f64(self.speed));
        let behind = now.saturating_duration_since(due.monotonic);
        if behind <= BEHIND_MAX {
            return due;
        }
        self.first = after;
        self.start = due.later(behind);
        self.start
    }
}

struct Rig<'a> {
    poses: Publisher<'a>,
    streams: Publisher<'a>,
    description: Vec<u8>,
    started: Instant,
    described: Instant,
    /// Gets a message when someone subscribes to descriptions, who then needs one at once.
    joined: Receiver<()>,
    _listener: MatchingListener<()>,
    shape: Shape,
    run: u32,
    play: &'a Play,
    _token: zenoh::liveliness::LivelinessToken,
}

/// The part of a detector's last status that a replay waits for.
#[derive(Deserialize)]
struct Ended {
    state: String,
    #[serde(default)]
    frames_taken: u64,
}

impl<'a> Rig<'a> {
    fn declare(session: &Session, stream: &StreamDescription, play: &'a Play) -> Result<Self, LiveError> {
        let shape = Shape { individuals: stream.individuals().len(), keypoints: stream.skeleton().keypoints().len() };
        let stream = stream.clone().with_origin(play.origin);
        let congestion = if play.lossless { CongestionControl::Block } else { CongestionControl::Drop };
        let encoding = match play.encoding {
            Encoding::Binary => ENCODING_BINARY,
            Encoding::Json => ENCODING_JSON,
        };
        // Descriptions travel with the priority of the poses: zenoh keeps order only within a priority.
        let publisher = |key: String, encoding: &'static str| {
            let declared = session.declare_publisher(key).encoding(encoding).congestion_control(congestion);
            let declared = declared.priority(Priority::RealTime).express(true).wait();
            declared.map_err(LiveError::zenoh("declaring a publisher"))
        };
        let streams = publisher(play.cage.stream(), ENCODING_JSON)?;
        let (join, joined) = crossbeam::channel::bounded(1);
        let listener = streams.matching_listener().callback(move |status| {
            if status.matching() {
                let _ = join.try_send(());
            }
        });
        let token = session.liveliness().declare_token(play.cage.alive()).wait();
        Ok(Self {
            poses: publisher(play.cage.pose(), encoding)?,
            _listener: listener.wait().map_err(LiveError::zenoh("listening for subscribers"))?,
            streams,
            joined,
            description: description::encode(&stream),
            started: Instant::now(),
            described: Instant::now(),
            shape,
            run: rand::random(),
            play,
            _token: token.map_err(LiveError::zenoh("declaring the liveliness token"))?,
        })
    }

    fn describe(&mut self) -> Result<(), LiveError> {
        self.described = Instant::now();
        self.streams.put(self.description.as_slice()).wait().map_err(LiveError::zenoh("publishing the description"))
    }

    /// Waits until someone subscribes to the poses; false when stopped before.
    fn wait_for_detector(&self, stop: &Receiver<()>) -> Result<bool, LiveError> {
        let (seen, matched) = crossbeam::channel::bounded(1);
        let listener = self.poses.matching_listener().callback(move |status| {
            if status.matching() {
                let _ = seen.try_send(());
            }
        });
        let _listener = listener.wait().map_err(LiveError::zenoh("listening for subscribers"))?;
        let status = self.poses.matching_status().wait().map_err(LiveError::zenoh("asking for subscribers"))?;
        if status.matching() {
            return Ok(true);
        }
        crossbeam::select! {
            recv(matched) -> _ => Ok(true),
            recv(stop) -> _ => Ok(false),
            default(Duration::from_secs(WAIT_SECS_MAX)) => {
                Err(LiveError::NoSubscriber { key: self.play.cage.pose(), waited_secs: WAIT_SECS_MAX })
            }
        }
    }

    /// Waits for the moment of a frame and repeats the description meanwhile; false when stopped before.
    fn wait_until(&mut self, due: Instant, stop: &Receiver<()>) -> Result<bool, LiveError> {
        loop {
            let every = if self.started.elapsed() < AT_FIRST { DESCRIBE_AT_FIRST } else { DESCRIBE };
            if self.joined.try_recv().is_ok() || self.described.elapsed() >= every {
                self.describe()?;
            }
            let now = Instant::now();
            let wake = due.min(self.described + every);
            match stop.recv_timeout(wake.saturating_duration_since(now)) {
                Err(RecvTimeoutError::Timeout) if due <= Instant::now() => return Ok(true),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(false),
            }
        }
    }

    fn put_frame(&self, frame: Frame) -> Result<(), LiveError> {
        self.put(Content::Frame { shape: self.shape, frame })
    }

    fn put(&self, content: Content) -> Result<(), LiveError> {
        let stream = Some(StreamId::of(&self.description));
        let packet = Packet { stream, run: Some(self.run), lossless: self.play.lossless, content };
        let payload = packet.encode(self.play.encoding);
        self.poses.put(payload).wait().map_err(LiveError::zenoh("publishing a frame"))
    }

    /// Listens for the detector's word that it saw the END mark.
    fn listen_for_the_end(&self, session: &Session) -> Result<EndListener, LiveError> {
        let (heard, ended) = crossbeam::channel::bounded(1);
        let on_status = move |sample: Sample| {
            let status = serde_json::from_slice::<Ended>(&sample.payload().to_bytes());
            if let Ok(status) = status
                && status.state == "ended"
            {
                let _ = heard.try_send(status.frames_taken);
            }
        };
        let subscriber = session.declare_subscriber(self.play.cage.status()).callback(on_status).wait();
        let subscriber = subscriber.map_err(LiveError::zenoh("subscribing to the status"))?;
        Ok(EndListener { ended, _subscriber: subscriber })
    }

    /// The frames that the detector took, by its own word. Waits as long as there is a detector, which may have many of
    /// them still before it; `None` when it went away or the replay was stopped.
    fn wait_for_the_end(&self, listener: &EndListener, stop: &Receiver<()>) -> Result<Option<u64>, LiveError> {
        loop {
            crossbeam::select! {
                recv(listener.ended) -> taken => return Ok(taken.ok()),
                recv(stop) -> _ => return Ok(None),
                default(DESCRIBE) => {
                    let matching = self.poses.matching_status().wait();
                    if !matching.map_err(LiveError::zenoh("looking for a detector"))?.matching() {
                        return Ok(listener.ended.try_recv().ok());
                    }
                }
            }
        }
    }
}

struct EndListener {
    /// Frames that the detector took.
    ended: Receiver<u64>,
    _subscriber: zenoh::pubsub::Subscriber<()>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hiccup_does_not_make_a_burst() {
        let start = Moment::now();
        let mut schedule = Schedule::new(2.0, start);
        let mut due = |after_millis, now_millis| {
            let now = start.monotonic + Duration::from_millis(now_millis);
            schedule.due(Duration::from_millis(after_millis), now)
        };
        let after = |moment: Moment| moment.since(&start).as_millis();
        assert_eq!(after(due(0, 0)), 0);
        assert_eq!(after(due(600, 0)), 300);
        assert_eq!(after(due(800, 2000)), 2000);
        assert_eq!(after(due(1000, 2000)), 2100);
        assert_eq!(after(due(900, 2000)), 2050, "a late one is due when it was");
        assert_eq!(due(1000, 2000).unix_nanos - start.unix_nanos, 2_100_000_000);
    }
}
