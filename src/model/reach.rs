//! How far layers look back and how late they answer.

/// Arithmetic on time that every layer knows of itself; containers add up their parts.
pub trait Reach {
    /// Steps of the layer's own rate, the newest included, that an output depends on: at the worse half-rate parity
    /// where there are two.
    fn receptive_field(&self) -> usize;

    /// Steps that the layer waits for its future. Causal layers answer in the step they are asked; the decision delays
    /// of the verdicts come on top of this, by training.
    fn delay(&self) -> usize {
        0
    }
}
