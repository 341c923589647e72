//! How the cells of a behavior read its rule: for whom the conditions have to hold.

use super::rules::Condition;
use crate::behavior::{Kind, Subject};

/// The orders (agent, target) in which a subject's rule is read. Of an animal by itself the target is the animal, and
/// no condition asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub orders: Vec<(usize, usize)>,
    /// All orders have to hold; otherwise one does.
    pub every: bool,
}

impl Reading {
    /// - *Directed:* from agent to target.
    /// - *Self:* the animal; where a condition needs a target, towards any other animal (a lab may call huddling a
    ///   behavior of the one).
    /// - *Mutual:* in both orders.
    /// - *Undirected:* in either order.
    pub fn new(kind: Kind, subject: Subject, conditions: &[Condition], individuals: usize) -> Self {
        let slot = |individual: crate::behavior::Individual| usize::from(individual.0);
        let orders = match subject {
            Subject::Ordered { agent, target } => vec![(slot(agent), slot(target))],
            Subject::Both { first, second } => vec![(slot(first), slot(second)), (slot(second), slot(first))],
            Subject::One(one) if conditions.iter().any(|condition| condition.quantity.is_of_pair()) => {
                (0..individuals).filter(|&other| other != slot(one)).map(|other| (slot(one), other)).collect()
            }
            Subject::One(one) => vec![(slot(one), slot(one))],
        };
        Self { orders, every: kind == Kind::Mutual }
    }

    pub fn holds(&self, mut in_order: impl FnMut(usize, usize) -> bool) -> bool {
        let mut orders = self.orders.iter();
        if self.every {
            orders.all(|&(agent, target)| in_order(agent, target))
        } else {
            orders.any(|&(agent, target)| in_order(agent, target))
        }
    }
}
