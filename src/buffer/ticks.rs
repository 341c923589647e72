//! Frames to ticks.
