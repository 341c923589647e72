//! The commands of the program, one file each: they know files, terminals and the outside.

pub mod check;
pub mod combine;
pub mod compare;
mod corpora;
pub mod demo;
pub mod detect;
pub mod ethology;
pub mod evaluate;
pub mod import;
pub mod inspect;
pub mod latency;
mod offline;
pub mod predict;
pub mod profile;
pub mod record;
mod recordings;
pub mod replay;
pub mod report;
pub mod review;
pub mod score;
mod settings;
pub mod simulate;
mod stdout;
pub mod summary;
pub mod train;
pub mod watch;
