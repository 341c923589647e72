//! The systems that turn features into verdicts.
//!
//! HHSTF, the Hybrid Hierarchical Spatio-Temporal Framework, is the one that the others are there to be held against:
//! graph attention over keypoints ([`graph`]), a causal Squeezeformer-style backbone over time ([`backbone`]), and heads
//! for every pair, animal and decision delay ([`heads`]). An LSTM and a CNN over plain coordinates share its heads;
//! boosted trees ([`forest`]) share nothing but features and labels. Finished models of any of these may speak together
//! ([`ensemble`]). Which one runs, nothing downstream knows: see
//! [`system::System`].

pub mod architecture;
pub mod backbone;
pub mod blueprint;
pub mod budget;
pub mod bundle;
pub mod cnn;
pub mod coordinates;
pub mod device;
pub mod ensemble;
pub mod forest;
pub mod graph;
pub mod heads;
pub mod inputs;
pub mod layers;
pub mod lstm;
pub mod network;
pub mod noise;
pub mod ops;
pub mod reach;
pub mod system;
pub mod temporal;
pub mod trust;
pub mod variables;
pub mod weights;
pub mod wiring;

pub use self::bundle::{Card, Model, ModelError};
