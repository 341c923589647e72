//! HHSTF, the Hybrid Hierarchical Spatio-Temporal Framework: graph attention over keypoints, a causal
//! Squeezeformer-style backbone over time, and heads for every pair, animal and decision delay.

pub mod architecture;
pub mod backbone;
pub mod budget;
pub mod bundle;
pub mod device;
pub mod graph;
pub mod heads;
pub mod inputs;
pub mod layers;
pub mod network;
pub mod noise;
pub mod ops;
pub mod reach;
pub mod temporal;
pub mod trust;
pub mod variables;
pub mod wiring;

pub use self::bundle::{Card, Model, ModelError};
