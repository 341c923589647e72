//! Scores to bouts.
