//! Listening to events as any subscriber does.

use crossbeam::channel::{Receiver, bounded};
use zenoh::pubsub::Subscriber;
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

use crate::keys::Rigs;
use crate::live::LiveError;
use crate::output::event::Event;

/// Events that may wait to be looked at; more are left out, so that the wire never waits for the listener.
pub const EVENTS_MAX: usize = 256;

/// The events of some rigs, from now on.
pub struct Listener {
    pub events: Receiver<Event>,
    _subscriber: Subscriber<()>,
}

impl Listener {
    pub fn new(session: &Session, rigs: &Rigs) -> Result<Self, LiveError> {
        let (arrived, events) = bounded(EVENTS_MAX);
        let on_event = move |sample: Sample| {
            if let Ok(event) = serde_json::from_slice::<Event>(&sample.payload().to_bytes()) {
                let _ = arrived.try_send(event);
            }
        };
        let subscriber = session.declare_subscriber(rigs.events()).callback(on_event).wait();
        Ok(Self { events, _subscriber: subscriber.map_err(LiveError::zenoh("subscribing to events"))? })
    }
}
