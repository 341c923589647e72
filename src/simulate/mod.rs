//! A simulated vivarium: animals that do things to one another, filmed and tracked as well or as badly as real ones, and
//! beside it the truth about who did what to whom.
//!
//! ```text
//! spec ──▶ society ──▶ motor ──▶ body ──▶ vivarium ──▶ film ──▶ frames ──▶ corpus, or zenoh
//! labs     who does    goals,    moves    120 steps     camera,
//!          what        what      within   a second      tracker
//!          (ethology)  goes on   limits                 (preset)
//! ```
//!
//! Invariants:
//! - What happens in a vivarium depends on the lab's animals and arena and on the seed; not on the camera, which only
//!   looks: the same world can be filmed at any rate, with any skeleton and any tracker.
//! - Everything is drawn from seeds that are stated; the same specification gives the same frames (with the same build:
//!   sines and the generator of random numbers are the platform's and the library's).
//! - Labels say what goes on by distances and speeds ([`motor::goes_on`]), not what was intended.
//! - Every stream and every corpus made here says that it is simulated ([`crate::stream::Origin::Simulated`], the card's
//!   source). Simulated and real figures are never mixed in one number.
//!
//! Lengths are in nominal body lengths, times in seconds, unless a name says otherwise.

pub mod act;
pub mod arena;
pub mod body;
pub mod ethology;
pub mod film;
pub mod motor;
pub mod preset;
pub mod recording;
pub mod society;
pub mod spec;
pub mod tracker;
pub mod vivarium;

#[cfg(test)]
mod tests;
