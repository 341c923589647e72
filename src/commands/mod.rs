//! The commands of the program, one file each: they know files, terminals and the outside.

pub mod demo;
pub mod detect;
pub mod evaluate;
mod offline;
pub mod predict;
mod recordings;
pub mod replay;
pub mod train;
