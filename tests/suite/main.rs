//! Tests of the whole, in one binary: linking is the dearest part of a test here.

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod corpora;
mod edges;
mod gradients;
mod laws;
mod live;
mod lost;
mod memory;
mod range;
mod rebuild;
mod record;
mod rehearse;
mod simulated;
mod together;
mod twin;
mod world;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;
