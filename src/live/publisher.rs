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
use crate::live::LiveError;
use crate::live::clock::{CLOCK_UNIX, Moment};
use crate::live::keys::CageName;
use crate::poses::Frame;
use crate::stream::{Origin, StreamDescription};

/// Bounds of how many times faster than the camera a recording may be played.
pub const SPEED_MIN: f64 = 0.1;
pub const SPEED_MAX: f64 = 1000.0;

/// How often the stream description is put again.
const DESCRIBE: Duration = Duration::from_secs(1);

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

/// Publishes `frames`, each at its time, and the END mark; returns early when `stop` gets a message or is closed.
///
/// A frame's time is its number over the stream's rate and the speed; the capture time that it carries is the wall
/// clock at which it was due.
///
/// # Errors
/// A speed out of bounds, zenoh's own failures, and no detector within [`WAIT_SECS_MAX`] of the start of a lossless replay.
pub fn play(
    session: &Session,
    stream: &StreamDescription,
    frames: impl Iterator<Item = Frame>,
    play: &Play,
    stop: &Receiver<()>,
) -> Result<Played, LiveError> {
    if !(SPEED_MIN..=SPEED_MAX).contains(&play.speed) {
        return Err(LiveError::Speed(play.speed));
    }
    let mut rig = Rig::declare(session, stream, play)?;
    if play.lossless && !rig.wait_for_detector(stop)? {
        return Ok(Played { frames: 0, taken: None, stopped: true });
    }
    let ended = if play.lossless { Some(rig.listen_for_the_end(session)?) } else { None };
    let mut schedule = Schedule::new(stream.rate_hz() * play.speed, Moment::now());
    let (mut count, mut stopped) = (0, false);
    rig.describe()?;
    for mut frame in frames {
        let due = schedule.due(frame.number, Instant::now());
        if !rig.wait_until(due.monotonic, stop)? {
            stopped = true;
            break;
        }
        frame.capture_nanos = Some(due.unix_nanos);
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
    frame_secs: f64,
    start: Moment,
    first: Option<u64>,
}

impl Schedule {
    fn new(rate_hz: f64, start: Moment) -> Self {
        Self { frame_secs: 1.0 / rate_hz, start, first: None }
    }

    /// The moment of a frame; frames whose number does not ascend are due at once.
    fn due(&mut self, number: u64, now: Instant) -> Moment {
        let first = *self.first.get_or_insert(number);
        let due = self.start.later(Duration::from_secs_f64(number.saturating_sub(first) as f64 * self.frame_secs));
        let behind = now.saturating_duration_since(due.monotonic);
        if behind <= BEHIND_MAX {
            return due;
        }
        self.first = Some(number);
        self.start = due.later(behind);
        self.start
    }
}

struct Rig<'a> {
    poses: Publisher<'a>,
    streams: Publisher<'a>,
    description: Vec<u8>,
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
        let (skeleton, individuals) = (stream.skeleton().clone(), stream.individuals().to_vec());
        let clock = Some(CLOCK_UNIX.to_owned());
        let (rate_hz, body_length_px) = (stream.rate_hz(), stream.body_length_px());
        let shape = Shape { individuals: individuals.len(), keypoints: skeleton.keypoints().len() };
        let stream = StreamDescription::new(skeleton, individuals, rate_hz, body_length_px, clock, play.origin)?;
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
            if self.joined.try_recv().is_ok() || self.described.elapsed() >= DESCRIBE {
                self.describe()?;
            }
            let now = Instant::now();
            let wake = due.min(self.described + DESCRIBE);
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
    fn frames_are_due_by_number_and_a_hiccup_does_not_make_a_burst() {
        let start = Moment::now();
        let mut schedule = Schedule::new(10.0, start);
        let after = |moment: Moment| moment.since(&start).as_millis();
        assert_eq!(after(schedule.due(100, start.monotonic)), 0);
        assert_eq!(after(schedule.due(103, start.monotonic)), 300);
        let hiccup = start.monotonic + Duration::from_secs(2);
        assert_eq!(after(schedule.due(104, hiccup)), 2000);
        assert_eq!(after(schedule.due(105, hiccup)), 2100);
        assert_eq!(schedule.due(105, hiccup).unix_nanos - start.unix_nanos, 2_100_000_000);
    }
}
