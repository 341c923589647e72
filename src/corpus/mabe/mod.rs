//! The layout of the `MABe` 2025 challenge, which is also the layout of an imported corpus.

pub mod annotation;
pub mod card;
pub mod dataset;
pub mod scores;
pub mod sheet;
pub mod skeletons;
pub mod solution;
pub mod splits;
pub mod store;
pub mod submission;
mod table;
pub mod tracking;
