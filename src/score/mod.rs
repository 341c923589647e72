//! How well predicted bouts agree with annotated ones.
