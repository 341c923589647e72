//! One open cage, and what belongs to its life.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{NUMBERS_BEGAN_ANEW, Outcome, TAKEOVER_SECS, Vigil};
use crate::acquire::description::Described;
use crate::acquire::wire::Content;
use crate::core::{Cage, Note};
use crate::keys::CageName;
use crate::live::intake::Arrival;
use crate::live::keeper::Keep;
use crate::live::pace::{Pace, Unpaced};
use crate::live::status::{Notice, State};
use crate::live::timing::Timing;
use crate::model::Model;
use crate::output::ticklog::{Kept, Life};
use crate::presence::Attended;
use crate::stream::Origin;

#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination with the others")]
pub(super) struct Open {
    pub(super) described: Arc<Described>,
    pub(super) run: Option<u32>,
    pub(super) epoch: String,
    /// `None` where the core refused the stream.
    pub(super) cage: Option<Cage>,
    pub(super) refused: &'static str,
    /// The last frame that the core took, or the opening.
    pub(super) taken: Instant,
    pub(super) frames: u64,
    pub(super) timing: Timing,
    pub(super) stale: bool,
    pub(super) pace: Pace,
    /// Number of the newest frame that was taken.
    pub(super) newest: Option<u64>,
    /// The life of the ticks that were kept last, and the first that was not.
    pub(super) kept: Option<(Life, u64)>,
    pub(super) resumed: bool,
    /// Since when frames were refused as doubled or late, with none taken in between.
    pub(super) refused_since: Option<Instant>,
    /// A model that this cage cannot go on with.
    pub(super) misfit: Option<Arc<Model>>,
    /// The network failed on a device: the cage waits to be rebuilt on the processor.
    pub(super) suspended: bool,
    /// It began a tick before its first frame, see [`Cage::begin_one_tick_before`].
    pub(super) at_other_ticks: bool,
    /// Where a closed loop may act on it.
    pub(super) vigil: Option<Vigil>,
}

/// Why a packet does not belong to the life of a cage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    Publisher,
    Stream,
    Unpaced(Unpaced),
}

impl Stranger {
    /// Whether the packet begins another life, after so long without a frame that belongs to this one.
    pub(super) fn takes_over(self, silent: Duration) -> bool {
        match self {
            Self::Stream => true,
            Self::Publisher | Self::Unpaced(Unpaced::Jump) => silent >= Duration::from_secs(TAKEOVER_SECS),
            Self::Unpaced(Unpaced::Flood) => false,
        }
    }

    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Publisher => "another publisher",
            Self::Stream => "another stream",
            Self::Unpaced(_) => NUMBERS_BEGAN_ANEW,
        }
    }

    /// The word that refused frames are counted under.
    pub(super) fn cause(self) -> &'static str {
        match self {
            Self::Publisher => "other-publisher",
            Self::Stream => "other-stream",
            Self::Unpaced(Unpaced::Jump) => "number-jump",
            Self::Unpaced(Unpaced::Flood) => "flood",
        }
    }
}

impl Open {
    /// Whether a packet belongs to this life of the cage.
    pub(super) fn check(&mut self, arrival: &Arrival, now: Instant) -> Result<(), Stranger> {
        if self.run != arrival.packet.run {
            return Err(Stranger::Publisher);
        }
        if self.described.id != arrival.described.id {
            return Err(Stranger::Stream);
        }
        let stream = &self.described.stream;
        match (&arrival.packet.content, self.newest) {
            // Replays and simulations may run as fast as they can, and leap where their recording does.
            (Content::Frame { frame, .. }, Some(newest)) if stream.origin() == Origin::Live => {
                self.pace.check(newest, frame.number, stream.rate_hz(), now).map_err(Stranger::Unpaced)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn said(&self, note: Note) -> State {
        let name = |slot: crate::behavior::Individual| {
            self.described.stream.individuals().get(usize::from(slot.0)).cloned().unwrap_or_default()
        };
        match note {
            Note::Attended(Attended::Joined(animal)) => State::AnimalJoined { animal: name(animal) },
            Note::Attended(Attended::Left(animal)) => State::AnimalLeft { animal: name(animal) },
            Note::Swapped(swap) => {
                State::SwapAlarm { animals: [name(swap.first), name(swap.second)], confidence: swap.confidence }
            }
            Note::Warm(true) => State::Warm,
            Note::Warm(false) => self.cage.as_ref().map_or(State::Running, State::warming),
            Note::Range(what) if what.is_empty() => State::InRange,
            Note::Range(what) => State::OutOfRange { what },
        }
    }

    /// Hands on the ticks since those that were kept last.
    pub(super) fn keep(&mut self, name: &CageName, outcome: &mut Outcome) {
        let Some((cage, anchor)) = self.cage.as_ref().and_then(|cage| Some((cage, cage.anchor()?))) else { return };
        let life = Life { stream: self.described.id, run: self.run, base: anchor.base };
        let first = self.kept.filter(|(kept, _)| *kept == life).map_or(0, |(_, next)| next);
        for tick in first.max(anchor.next.saturating_sub(cage.ring().len() as u64))..anchor.next {
            let Some(points) = cage.ring().age((anchor.next - 1 - tick) as usize) else { continue };
            let (frame, points) = (anchor.newest, points.to_vec());
            let kept = Kept { life, tick, frame, points, resumed: self.resumed };
            outcome.kept.push((name.clone(), Keep::Tick(kept)));
        }
        self.kept = Some((life, anchor.next));
    }
}

pub(super) fn notice(name: &CageName, open: &Open, model: &Model, state: State) -> Notice {
    Notice { cage: name.clone(), origin: open.described.stream.origin(), model: model.hash().to_owned(), state }
}
