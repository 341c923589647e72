//! Opening zenoh sessions that stay on this machine unless told otherwise.

use zenoh::{Config, Session, Wait};

use crate::live::LiveError;

/// Where a detector listens and a rig connects to, unless configured otherwise: loopback only.
pub const ENDPOINT: &str = "tcp/127.0.0.1:7447";

/// Any free port of this machine.
const NEARBY: &str = "tcp/127.0.0.1:0";

/// Most bytes of a zenoh message that is taken in at all; payloads have lower limits of their own.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Batches (64 KiB) of each priority that may wait for the wire, the most that zenoh allows: with its two, frames of
/// sixteen cages that are put at the same moment are dropped now and then.
const BATCHES: usize = 16;

/// What happens when a session that must not drop finds no room on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// After a second the slow peer's link is closed: a detector's events wait for one peer at the cost of all others.
    Detector,
    /// After a minute: a lossless replay has one peer, and waits for it.
    Rig,
}

impl Patience {
    fn micros(self) -> u64 {
        match self {
            Self::Detector => 1_000_000,
            Self::Rig => 60_000_000,
        }
    }
}

/// Endpoints in zenoh's notation, such as `tcp/127.0.0.1:7447`, `tcp/0.0.0.0:7447` or `unixsock-stream//run/vibrissa.sock`.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Endpoints {
    /// Accept sessions at this endpoint (may be given several times).
    #[arg(long, value_name = "ENDPOINT")]
    pub listen: Vec<String>,
    /// Connect to this endpoint, again and again until it answers (may be given several times).
    #[arg(long, value_name = "ENDPOINT")]
    pub connect: Vec<String>,
}

impl Endpoints {
    /// What a detector does when nothing is configured: it listens at [`ENDPOINT`].
    #[must_use]
    pub fn or_listen(mut self) -> Self {
        if self == Self::default() {
            self.listen.push(ENDPOINT.to_owned());
        }
        self
    }

    /// What a rig does when nothing is configured: it connects to [`ENDPOINT`].
    #[must_use]
    pub fn or_connect(mut self) -> Self {
        if self == Self::default() {
            self.connect.push(ENDPOINT.to_owned());
        }
        self
    }

    /// The same, and reachable on this machine: peers pass on nothing for others, so a rig has to find its way to whoever
    /// wants its poses.
    #[must_use]
    pub fn or_nearby(mut self) -> Self {
        if self.listen.is_empty() {
            self.listen.push(NEARBY.to_owned());
        }
        self
    }

    /// zenoh's own configuration: a peer with exactly these endpoints, nothing announced or searched by multicast.
    fn config(&self, patience: Patience) -> Result<Config, zenoh::Error> {
        let json = |endpoints: &[String]| serde_json::to_string(endpoints).expect("strings always serialize");
        let mut config = Config::default();
        for (key, value) in [
            ("mode", "\"peer\"".to_owned()),
            ("listen/endpoints", json(&self.listen)),
            ("connect/endpoints", json(&self.connect)),
            ("scouting/multicast/enabled", "false".to_owned()),
            ("transport/link/rx/max_message_size", MESSAGE_BYTES_MAX.to_string()),
            ("transport/link/tx/queue/congestion_control/block/wait_before_close", patience.micros().to_string()),
            // Of poses, events and scores.
            ("transport/link/tx/queue/size/real_time", BATCHES.to_string()),
            ("transport/link/tx/queue/size/interactive_high", BATCHES.to_string()),
            ("transport/link/tx/queue/size/data", BATCHES.to_string()),
        ] {
            config.insert_json5(key, &value)?;
        }
        Ok(config)
    }

    /// Opens a session at these endpoints.
    ///
    /// # Errors
    /// An endpoint that zenoh cannot parse, or one to listen at that is taken. An endpoint to connect to that does not
    /// answer is no error: zenoh keeps trying.
    pub fn open(&self, patience: Patience) -> Result<Session, LiveError> {
        let config = self.config(patience).map_err(LiveError::zenoh("configuration"))?;
        zenoh::open(config).wait().map_err(LiveError::zenoh("opening a session"))
    }
}

/// The endpoints that a session listens at, with the ports that it was given.
pub fn listening(session: &Session) -> Vec<String> {
    session.info().locators().wait().iter().map(ToString::to_string).collect()
}
