//! A device that is lost: its cages wait, and are rebuilt on the processor one by one.

use std::sync::Arc;

use super::open::notice;
use super::{Cages, NETWORK_FAILED, Outcome};
use crate::core::{Advance, Cage, CoreError, Room, Turn, step_together};
use crate::keys::CageName;
use crate::live::status::State;
use crate::stream::Origin;

impl Cages {
    /// Cages on a device that failed wait for [`Cages::rescue_next`]; rooms are on the processor from now on.
    pub(super) fn suspend(&mut self, reason: &str, outcome: &mut Outcome) {
        self.rooms.fall_back();
        for (name, open) in &mut self.open {
            if !open.suspended && open.cage.as_ref().is_some_and(|cage| cage.unit().may_be_lost()) {
                open.suspended = true;
                let state = State::Suspended { reason: reason.to_owned() };
                let model = Arc::clone(open.cage.as_ref().map_or(self.rooms.model(), Cage::model));
                outcome.notices.push(notice(name, open, &model, state));
            }
        }
    }

    /// Whether any cage waits to be rebuilt.
    pub fn has_suspended(&self) -> bool {
        self.open.values().any(|open| open.suspended)
    }

    /// Rebuilds one of the suspended cages on the processor, those first whose frames are live: the others wait no longer
    /// than that takes, which is as many steps as the window has ticks. `None` where there is none.
    pub fn rescue_next(&mut self) -> Option<(CageName, Outcome)> {
        let suspended = self.open.iter().filter(|(_, open)| open.suspended);
        let first =
            suspended.min_by_key(|(name, open)| (open.described.stream.origin() != Origin::Live, (*name).clone()));
        let name = first.map(|(name, _)| name.clone())?;
        let mut outcome = Outcome::default();
        let open = self.open.get_mut(&name)?;
        open.suspended = false;
        let mut cage = open.cage.take()?;
        let moved = self.move_and_finish(&mut cage);
        let model = Arc::clone(cage.model());
        let open = self.open.get_mut(&name)?;
        match moved {
            Ok(advance) => {
                let ticks_known = cage.ring().len() as u64;
                open.cage = Some(cage);
                // The ticks that it was rebuilt from went by no rule.
                if let Some(vigil) = &mut open.vigil {
                    vigil.restart();
                    outcome.strange.push((name.clone(), "the network was rebuilt"));
                }
                // The frame at which it stopped, where there was one.
                outcome.frames = u64::from(advance.ticks > 0);
                open.frames += outcome.frames;
                outcome.notices.push(notice(&name, open, &model, State::Rebuilt { ticks_known }));
                outcome.add(&name, open, &model, advance);
            }
            // Nothing is left to go on with: the next frame opens the cage anew.
            Err(_) => self.close(&name, &State::Stopped { reason: NETWORK_FAILED }, &mut outcome),
        }
        Some((name, outcome))
    }

    /// Moves a cage to where rooms are now, and finishes what it was at.
    pub(super) fn move_and_finish(&mut self, cage: &mut Cage) -> Result<Advance, CoreError> {
        let individuals = cage.stream().individuals().len();
        // A cage that was not given the present model yet, or cannot be, stays with its own.
        let is_present = Arc::ptr_eq(cage.model(), self.rooms.model());
        let room = if is_present {
            self.rooms.with_space(individuals)?
        } else {
            Room::new(Arc::clone(cage.model()), individuals)?
        };
        cage.move_to(&room)?;
        let mut turn = [Turn::resume(cage, |_, _| {})];
        step_together(&mut turn);
        let [turn] = turn;
        turn.finish()
    }
}
