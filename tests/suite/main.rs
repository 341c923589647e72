//! Tests of the whole, in one binary: linking is the dearest part of a test here.

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod corpora;
mod edges;
mod gradients;
mod laws;
mod live;
mod range;
mod rebuild;
mod record;
mod simulated;
mod twin;
mod world;
