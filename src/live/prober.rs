//! Marked frames put on zenoh and their answers received: the measuring side of [`crate::latency`].

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};
use serde::Deserialize;
use zenoh::pubsub::{Publisher, Subscriber};
use zenoh::qos::{CongestionControl, Priority};
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

use crate::acquire::description::{self, StreamId};
use crate::acquire::wire::{Content, ENCODING_BINARY, ENCODING_JSON, Encoding, Packet, Shape};
use crate::keys::{CageName, Rigs};
use crate::latency::{Answered, Asked, Counted, Meter, Told};
use crate::live::LiveError;
use crate::live::clock::Moment;
use crate::live::watcher::{Counts, Status};
use crate::output::event::EVENT_BYTES_MAX;
use crate::output::scores::{SCORES_BYTES_MAX, Times};
use crate::poses::Frame;
use crate::stream::StreamDescription;
use crate::time::TICK_RATE_HZ;

/// Messages that may wait to be looked at.
const RECEIVED_MAX: usize = 65_536;

/// Messages that are taken before a frame that is late.
const LATE_MESSAGES_MAX: usize = 16;

/// How often descriptions are put again.
const DESCRIBE: Duration = Duration::from_millis(500);

/// How long the last answers are waited for.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How long a detector is waited for.
pub const DETECTOR_WAIT: Duration = Duration::from_secs(10);

/// What is put.
#[derive(Clone, Debug)]
pub struct Plan {
    pub cages: Vec<CageName>,
    pub stream: StreamDescription,
    /// Frames of each cage before measuring begins: caches fill, cages open.
    pub frames_before: u64,
    /// Frames of each cage that are measured.
    pub frames: u64,
    /// All cages' frames are due at the same moment, rather than spread over the time of a frame.
    pub together: bool,
}

/// Puts frames and takes answers on one thread; zenoh's threads only note when a message came.
pub struct Prober {
    rigs: Vec<Rig>,
    indices: HashMap<CageName, u32>,
    received: Receiver<Received>,
    missed: std::sync::Arc<std::sync::atomic::AtomicU64>,
    _subscribers: Vec<Subscriber<()>>,
    plan: Plan,
    description: Vec<u8>,
    started: Instant,
    described: Instant,
    /// By cage, as the detector told last: before measuring, and now.
    counts: HashMap<u32, [Counts; 2]>,
    /// By cage, its newest tick less its newest frame: a cage may have begun a tick before its first frame.
    ticks_ahead: HashMap<u32, i64>,
}

struct Rig {
    poses: Publisher<'static>,
    streams: Publisher<'static>,
    run: u32,
}

/// A message as it came.
struct Received {
    key: String,
    bytes: Vec<u8>,
    at: Instant,
}

/// The parts of a score message that matter here.
#[derive(Deserialize)]
struct Scored {
    tick: u64,
    frame: u64,
    times: Times,
}

/// The parts of an event that matter here.
#[derive(Deserialize)]
struct Event {
    rig: String,
    cage: String,
    decision_tick: u64,
    decision_nanos: i64,
    publication_nanos: i64,
}

impl Prober {
    /// Subscribes to the answers and waits until a detector subscribes to the frames.
    ///
    /// # Errors
    /// zenoh's own failures, and no detector within [`DETECTOR_WAIT`].
    pub fn new(session: &Session, rigs: &Rigs, plan: Plan) -> Result<Self, LiveError> {
        let (taken, received) = bounded(RECEIVED_MAX);
        let missed = std::sync::Arc::<std::sync::atomic::AtomicU64>::default();
        let mut subscribers = Vec::new();
        for key in [rigs.scores(), rigs.events(), rigs.statuses()] {
            let (taken, missed) = (taken.clone(), std::sync::Arc::clone(&missed));
            let take = move |sample: Sample| {
                let at = Instant::now();
                let payload = sample.payload();
                if payload.len() > SCORES_BYTES_MAX.max(EVENT_BYTES_MAX) {
                    return;
                }
                let bytes = payload.to_bytes().into_owned();
                let received = Received { key: sample.key_expr().as_str().to_owned(), bytes, at };
                if taken.try_send(received).is_err() {
                    missed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            };
            let subscriber = session.declare_subscriber(key).callback(take).wait();
            subscribers.push(subscriber.map_err(LiveError::zenoh("subscribing to the answers"))?);
        }
        let rigs = plan.cages.iter().map(|cage| Rig::declare(session, cage)).collect::<Result<Vec<_>, _>>()?;
        for (rig, cage) in rigs.iter().zip(&plan.cages) {
            rig.wait_for_detector(cage)?;
        }
        let indices = plan.cages.iter().enumerate().map(|(index, cage)| (cage.clone(), index as u32)).collect();
        let now = Instant::now();
        let description = description::encode(&plan.stream);
        let (counts, ticks_ahead) = (HashMap::new(), HashMap::new());
        let mut prober = Self {
            rigs,
            indices,
            received,
            missed,
            _subscribers: subscribers,
            plan,
            description,
            started: now,
            described: now,
            counts,
            ticks_ahead,
        };
        prober.describe()?;
        Ok(prober)
    }

    /// Measures; returns early when `stop` gets a message or is closed. `frame` gives the poses of a cage.
    ///
    /// # Errors
    /// zenoh's own failures.
    pub fn measure(
        &mut self,
        meter: &mut Meter,
        mut frame: impl FnMut(u32, u64) -> Frame,
        stop: &Receiver<()>,
    ) -> Result<Counted, LiveError> {
        let cages = self.plan.cages.len() as u32;
        // Cameras count from one: from nought, no cage can begin a tick before.
        let all = 1 + self.plan.frames_before + self.plan.frames;
        self.started = Instant::now();
        let mut number = 1;
        'frames: while number < all {
            for cage in 0..cages {
                let offset = if self.plan.together { 0.0 } else { f64::from(cage) / f64::from(cages) };
                let due = self.started + Duration::from_secs_f64(((number - 1) as f64 + offset) / TICK_RATE_HZ);
                self.take_until(due, meter);
                if stop.try_recv() != Err(crossbeam::channel::TryRecvError::Empty) {
                    break 'frames;
                }
                self.put(cage, frame(cage, number), due, meter)?;
            }
            if self.described.elapsed() >= DESCRIBE {
                self.describe()?;
            }
            number += 1;
        }
        for rig in &self.rigs {
            rig.put(&self.description, Content::End { frames: number - 1 })?;
        }
        self.take_until(Instant::now() + LAST_ANSWERS, meter);
        Ok(self.counted())
    }

    fn describe(&mut self) -> Result<(), LiveError> {
        self.described = Instant::now();
        for rig in &self.rigs {
            let put = rig.streams.put(self.description.as_slice()).wait();
            put.map_err(LiveError::zenoh("publishing the description"))?;
        }
        Ok(())
    }

    fn put(&self, cage: u32, frame: Frame, due: Instant, meter: &mut Meter) -> Result<(), LiveError> {
        let stream = &self.plan.stream;
        let shape = Shape { individuals: stream.individuals().len(), keypoints: stream.skeleton().keypoints().len() };
        let (number, now) = (frame.number, Moment::now());
        let content = Content::Frame { shape, frame: Frame { capture_nanos: Some(now.unix_nanos), ..frame } };
        if number > self.plan.frames_before {
            meter.ask(&Asked {
                cage,
                frame: number,
                due_nanos: self.nanos(due),
                put_nanos: self.nanos(now.monotonic),
                put_unix_nanos: now.unix_nanos,
            });
        }
        self.rigs[cage as usize].put(&self.description, content)
    }

    /// Takes messages until a moment; some, where that has passed.
    fn take_until(&mut self, due: Instant, meter: &mut Meter) {
        for _ in 0..LATE_MESSAGES_MAX {
            if due > Instant::now() {
                break;
            }
            let Ok(received) = self.received.try_recv() else { return };
            self.take(&received, meter);
        }
        while due > Instant::now() {
            match self.received.recv_deadline(due) {
                Ok(received) => self.take(&received, meter),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Messages that cannot be read are none of ours.
    fn take(&mut self, received: &Received, meter: &mut Meter) {
        let index = |part| CageName::of_key(&received.key, part).ok().and_then(|cage| self.indices.get(&cage).copied());
        let received_nanos = self.nanos(received.at);
        let received_unix_nanos = {
            let now = Moment::now();
            now.unix_nanos.saturating_sub(i64::try_from(received.at.elapsed().as_nanos()).unwrap_or(i64::MAX))
        };
        if let Some(cage) = index("score")
            && let Ok(Scored { tick, frame, times }) = serde_json::from_slice(&received.bytes)
        {
            self.ticks_ahead.insert(cage, (tick as i64).saturating_sub(frame as i64));
            if frame > self.plan.frames_before {
                meter.answer(&Answered {
                    cage,
                    frame,
                    arrived_unix_nanos: times.arrived_nanos,
                    started_unix_nanos: times.started_nanos,
                    decided_unix_nanos: times.decided_nanos,
                    sent_unix_nanos: times.sent_nanos,
                    received_nanos,
                    received_unix_nanos,
                });
            }
        } else if let Some(cage) = index("status")
            && let Ok(status) = serde_json::from_slice::<Status>(&received.bytes)
        {
            // The first that is heard is the beginning: what the warm-up counts is part of it.
            let [_, now] = self.counts.entry(cage).or_insert_with(|| [status.counts.clone(), Counts::default()]);
            *now = status.counts;
        } else if let Ok(event) = serde_json::from_slice::<Event>(&received.bytes)
            && let Ok(name) = CageName::new(&event.rig, &event.cage)
            && let Some(cage) = self.indices.get(&name).copied()
            // At 30 Hz a frame is a tick. What the end of the stream decided has no frame.
            && let Some(ahead) = self.ticks_ahead.get(&cage)
            && let Some(frame) = event.decision_tick.checked_add_signed(ahead.saturating_neg())
            && (self.plan.frames_before + 1..=self.plan.frames_before + self.plan.frames).contains(&frame)
        {
            meter.tell(&Told {
                cage,
                frame,
                decided_unix_nanos: event.decision_nanos,
                published_unix_nanos: event.publication_nanos,
                received_nanos,
            });
        }
    }

    /// What the detector counted of our cages while we measured.
    fn counted(&self) -> Counted {
        let missed = self.missed.load(std::sync::atomic::Ordering::Relaxed);
        let mut counted = Counted { missed, ..Counted::default() };
        for [before, now] in self.counts.values() {
            for (sum, now, before) in [
                (&mut counted.displaced, now.displaced, before.displaced),
                (&mut counted.unjournaled, now.unjournaled, before.unjournaled),
                (&mut counted.unpublished, now.unpublished, before.unpublished),
            ] {
                *sum = sum.saturating_add(now.saturating_sub(before));
            }
            for (cause, count) in &now.refused {
                let before = before.refused.get(cause).copied().unwrap_or(0);
                let refused = count.saturating_sub(before);
                if refused > 0 {
                    let sum = counted.refused.entry(cause.clone()).or_default();
                    *sum = sum.saturating_add(refused);
                }
            }
        }
        counted
    }

    fn nanos(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.started).as_nanos()).unwrap_or(i64::MAX)
    }
}

impl Rig {
    fn declare(session: &Session, cage: &CageName) -> Result<Self, LiveError> {
        let publisher = |key: String, encoding: &'static str| {
            let declared =
                session.declare_publisher(key).encoding(encoding).congestion_control(CongestionControl::Drop);
            let declared = declared.priority(Priority::RealTime).express(true).wait();
            declared.map_err(LiveError::zenoh("declaring a publisher"))
        };
        let (poses, streams) = (publisher(cage.pose(), ENCODING_BINARY)?, publisher(cage.stream(), ENCODING_JSON)?);
        Ok(Self { poses, streams, run: rand::random() })
    }

    fn wait_for_detector(&self, cage: &CageName) -> Result<(), LiveError> {
        let deadline = Instant::now() + DETECTOR_WAIT;
        for publisher in [&self.streams, &self.poses] {
            let matching = || publisher.matching_status().wait().map_err(LiveError::zenoh("looking for a detector"));
            while !matching()?.matching() {
                if Instant::now() >= deadline {
                    return Err(LiveError::NoSubscriber { key: cage.pose(), waited_secs: DETECTOR_WAIT.as_secs() });
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    fn put(&self, description: &[u8], content: Content) -> Result<(), LiveError> {
        let stream = Some(StreamId::of(description));
        let packet = Packet { stream, run: Some(self.run), lossless: false, content };
        self.poses.put(packet.encode(Encoding::Binary)).wait().map_err(LiveError::zenoh("publishing a frame"))
    }
}
