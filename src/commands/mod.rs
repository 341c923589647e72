//! The commands of the program, one file each: they know files, terminals and the outside.

pub mod check;
pub mod demo;
pub mod detect;
pub mod evaluate;
mod offline;
pub mod predict;
pub mod profile;
mod recordings;
pub mod replay;
mod settings;
pub mod train;
