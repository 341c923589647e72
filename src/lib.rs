//! Vibrissa detects the social behavior of laboratory rodents while it happens.
//!
//! # The way of the data
//!
//! ```text
//! pose frames ─▶ acquire ─▶ buffer ─▶ features ─▶ model ─▶ output ─▶ events
//!  (zenoh)       decode,    even ticks  egocentric   HHSTF  │ bouts    (zenoh, journal)
//!                identity   512 a cage  kinematics   step   └▶ trigger ─▶ guard ─▶ laser
//!                                                              rules, doses  (own process)
//! recordings ─▶ corpus ─▶ the same buffer, features and model ─▶ train, predict, replay, score, summary, review
//! simulate ─▶ recordings, or pose frames                     baseline ─▶ rules beside the network
//! outcomes of several systems ─▶ compare ─▶ which one is worth its latency
//! recordings, labels, trigger ─▶ rehearsal ─▶ what a plan would have done, and the permit to arm it
//! pose frames put and answers received ─▶ latency ─▶ what a rig's verdicts take, and why
//! ```
//!
//! # Invariants
//!
//! - [`core`] is a plain value: from frame to event it does no IO and reads no clock. Live detection, replay and
//!   prediction drive that one code path; training shares its buffer, features and systems.
//! - Which system answers, HHSTF or one of those that it is held against, only [`model`] and [`train`] know; all others
//!   see a [`model::system::System`].
//! - State is a value. Creating it is resetting it; no layer of the network hides any. What the network remembers of a
//!   cage lies in the slots of a [`core::Room`] that the cage has taken; cages of one room step together, and each says
//!   what it says alone, to the last bit.
//! - There is one definition of the network. Of stored weights on the processor its layers are fused operations, which
//!   agree with the single ones that are trained and that other devices run (`model::ops`).
//! - Only [`live`] and the commands that open its sessions know zenoh, only [`corpus`] and [`commands`] know recordings'
//!   files, and only [`output::journal`], [`output::ticklog`], [`trigger::trail`] and [`trigger::dose_book`] write while
//!   detecting; [`live::recorder`] is a program of its own.
//! - Nothing is lit but by [`trigger::arbiter`], a plain value that a rehearsal drives as [`live::desk`] does; nothing drives an
//!   output but [`guard`], which knows no rules and turns everything off when nobody speaks to it.
//! - [`simulate`], [`baseline`], [`view`], [`inspect`], [`score`], [`compare`], [`summary`] and [`review`] are plain values over
//!   recordings, labels and verdicts: they read no file, and nothing live depends on them but rules on the quantities of
//!   [`baseline`] (of [`view`], its `Terminal` alone touches a terminal). So is [`rehearsal`].
//! - [`latency`] is plain values as well; of it, `System` alone reads files, those by which Linux describes itself.
//! - Nothing depends on [`train`] but its command.
//! - A verdict depends on the last [`time::WINDOW_TICKS`] ticks, on the number of ticks before them modulo the system's
//!   period (the middle of the network works every second tick) and on the decoder's own state; on nothing older.
//! - What every delay says of a bout carries one number ([`output::ledger`]); what the longest delay does not confirm is
//!   retracted.
//! - A missing keypoint is masked, never zero: see [`poses::Keypoint`].
//!
//! # Glossary of shapes
//!
//! | letter | counts |
//! |---|---|
//! | B | cages that are advanced together |
//! | S | streams: the animals of those cages |
//! | T | ticks |
//! | I | individuals of a cage |
//! | J | the other individuals, I − 1 |
//! | K | keypoints of an individual |
//! | C | channels |
//! | H | attention heads |
//! | D | decision delays |
//! | N | cells: (behavior, subject) combinations, see [`behavior::Cell`] |

pub mod anatomy;
pub mod behavior;
pub mod core;
pub mod keys;
pub mod markup;
pub mod plane;
pub mod poses;
pub mod presence;
pub mod skeleton;
pub mod stream;
mod svg;
pub mod time;
pub mod words;

pub mod acquire;
pub mod baseline;
pub mod buffer;
pub mod commands;
pub mod compare;
pub mod corpus;
pub mod features;
pub mod guard;
pub mod inspect;
pub mod latency;
pub mod live;
pub mod model;
pub mod output;
pub mod rehearsal;
pub mod report;
pub mod review;
pub mod score;
pub mod simulate;
pub mod summary;
pub mod train;
pub mod trigger;
pub mod view;

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod testing;
