//! Where cages step together: one system, and room for what it remembers of many animals.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Result, Tensor};

use super::CoreError;
use crate::model::bundle::Model;
use crate::model::device::{self, Choice, DeviceError};
use crate::model::inputs::InputsBuilder;
use crate::model::ops::ring::Places;
use crate::model::system::Streams;
use crate::model::wiring::Wiring;
use crate::skeleton::Skeleton;
use crate::stream::StreamDescription;

/// What a room's network runs on.
#[derive(Clone, Debug)]
pub struct Unit {
    device: Device,
    /// Set: every step fails, as on a device that was lost.
    lost: Option<Arc<AtomicBool>>,
}

impl Unit {
    /// The processor, which is always there.
    pub fn cpu() -> Self {
        Self { device: device::device(), lost: None }
    }

    /// # Errors
    /// A device that is not there.
    pub fn open(choice: Choice) -> std::result::Result<Self, DeviceError> {
        Ok(Self { device: device::open(choice)?, lost: None })
    }

    /// The processor as a device that is lost when the flag is set: what follows can be rehearsed without one.
    pub fn lost_on_demand() -> (Self, Arc<AtomicBool>) {
        let lost = Arc::new(AtomicBool::new(false));
        (Self { device: device::device(), lost: Some(Arc::clone(&lost)) }, lost)
    }

    /// Whether work can go on elsewhere when this fails.
    pub fn may_be_lost(&self) -> bool {
        !self.device.is_cpu() || self.lost.is_some()
    }

    fn check(&self) -> Result<()> {
        if self.lost.as_ref().is_some_and(|lost| lost.load(Ordering::Relaxed)) {
            candle_core::bail!("the device was lost, as was asked for");
        }
        Ok(())
    }
}

/// Slots for so many animals, in which cages are seated and from which they leave without moving the others.
///
/// Memory is touched as slots are first used, and used again after a cage has left.
#[derive(Debug)]
pub struct Room {
    model: Arc<Model>,
    unit: Unit,
    streams: Box<dyn Streams>,
    /// See [`crate::model::system::System::period_ticks`].
    period_ticks: u64,
    slots: usize,
    /// Slots without an animal, the next one last.
    free: Mutex<Vec<u32>>,
    /// Index tables, shared by the cages of one skeleton and number of animals.
    wirings: Mutex<Vec<(Skeleton, Arc<Wiring>)>>,
}

impl Room {
    /// A room on the processor.
    ///
    /// # Errors
    /// Memory that is not there.
    pub fn new(model: Arc<Model>, slots: usize) -> Result<Arc<Self>> {
        Self::on(&Unit::cpu(), model, slots)
    }

    /// # Errors
    /// A device that fails, or has not so much memory.
    pub fn on(unit: &Unit, model: Arc<Model>, slots: usize) -> Result<Arc<Self>> {
        unit.check()?;
        let system = model.system_on(&unit.device)?;
        Ok(Arc::new(Self {
            streams: system.open(slots)?,
            period_ticks: system.period_ticks(),
            slots,
            free: Mutex::new((0..slots as u32).rev().collect()),
            wirings: Mutex::default(),
            unit: unit.clone(),
            model,
        }))
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// What of the number of ticks before the last ones still matters: its remainder by this.
    pub(super) fn period_ticks(&self) -> u64 {
        self.period_ticks
    }

    /// Animals that may still be seated.
    pub fn free(&self) -> usize {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Nobody is seated.
    pub fn is_empty(&self) -> bool {
        self.free() == self.slots
    }

    /// The tables of a stream's skeleton and animals.
    pub(super) fn wiring(&self, stream: &StreamDescription) -> std::result::Result<Arc<Wiring>, CoreError> {
        let (skeleton, individuals) = (stream.skeleton(), stream.individuals().len());
        let mut wirings = self.wirings.lock().unwrap_or_else(PoisonError::into_inner);
        let known = wirings.iter().find(|(known, wiring)| known == skeleton && wiring.individuals == individuals);
        if let Some((_, wiring)) = known {
            return Ok(Arc::clone(wiring));
        }
        let parts = self.model.card().vocabulary.indices(skeleton)?;
        let wiring = Arc::new(Wiring::new(skeleton, parts, individuals, self.model.ethogram(), &self.unit.device)?);
        // Tables that no cage uses any more make room.
        wirings.retain(|(_, wiring)| Arc::strong_count(wiring) > 1);
        wirings.push((skeleton.clone(), Arc::clone(&wiring)));
        Ok(wiring)
    }

    /// Seats the animals of a cage; `None` where there is not enough room.
    pub(super) fn seat(self: &Arc<Self>, individuals: usize) -> Result<Option<Seat>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rest) = free.len().checked_sub(individuals) else { return Ok(None) };
        let slots = free.split_off(rest);
        drop(free);
        let mut seat = Seat { room: Arc::clone(self), slots, position: 0 };
        seat.clear()?;
        Ok(Some(seat))
    }

    /// The next tick of cages of one wiring, all seated here: their logits, cage after cage, D × N each.
    pub(super) fn step(&self, inputs: InputsBuilder, wiring: &Wiring, seats: &mut [&mut Seat]) -> Result<Vec<f32>> {
        self.unit.check()?;
        let mut places = Places::default();
        for seat in seats.iter() {
            places.slots.extend_from_slice(&seat.slots);
            places.positions.extend(std::iter::repeat_n(seat.position, seat.slots.len()));
        }
        let inputs = inputs.finish(seats.len(), 1, &self.unit.device)?;
        let logits: Tensor = self.streams.step(&inputs, wiring, &Arc::new(places))?;
        for seat in seats {
            seat.position += 1;
        }
        logits.flatten_all()?.to_vec1()
    }
}

/// The slots of one cage's animals, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    slots: Vec<u32>,
    /// Ticks that the network has seen of these animals.
    position: u64,
}

impl Seat {
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Forgets everything.
    pub fn clear(&mut self) -> Result<()> {
        self.position = 0;
        self.slots.iter().try_for_each(|slot| self.room.streams.clear(*slot))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.free.lock().unwrap_or_else(PoisonError::into_inner).append(&mut self.slots);
    }
}
