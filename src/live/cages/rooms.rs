//! Rooms of one model, opened as cages come.

use std::sync::Arc;

use crate::core::{CoreError, Room, Unit};
use crate::model::Model;

/// Animals of a room. Cages of one room step together; more of them at once would make each wait for more than a
/// product over so many rows saves.
const ROOM_SLOTS: usize = 64;

/// The rooms of a model.
#[derive(Debug)]
pub struct Rooms {
    model: Arc<Model>,
    /// What new rooms run on.
    unit: Unit,
    open: Vec<Arc<Room>>,
}

impl Rooms {
    pub fn new(model: Arc<Model>, unit: Unit) -> Self {
        Self { model, unit, open: Vec::new() }
    }

    /// The same rooms for another model.
    pub fn of(&self, model: Arc<Model>) -> Self {
        Self::new(model, self.unit.clone())
    }

    pub fn may_be_lost(&self) -> bool {
        self.unit.may_be_lost()
    }

    /// From now on rooms are on the processor; those that are not are let go of by whoever sits there.
    pub fn fall_back(&mut self) {
        self.unit = Unit::cpu();
        self.open.retain(|room| !room.unit().may_be_lost());
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// A room with so many free slots.
    pub fn with_space(&mut self, individuals: usize) -> Result<Arc<Room>, CoreError> {
        if let Some(room) = self.open.iter().find(|room| room.free() >= individuals) {
            return Ok(Arc::clone(room));
        }
        let room = Room::on(&self.unit, Arc::clone(&self.model), ROOM_SLOTS.max(individuals))?;
        self.open.push(Arc::clone(&room));
        Ok(room)
    }

    /// Lets go of rooms in which nobody is.
    pub fn tidy(&mut self) {
        self.open.retain(|room| !room.is_empty());
    }
}
