//! Which of the proposals of all sessions a person gets to see.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::watched::{Doubts, Proposal, Tally};
use super::{Plan, ReviewError};
use crate::behavior::Behavior;

/// A proposal that was picked.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    /// By its place among the sessions.
    pub session: usize,
    pub proposal: Proposal,
}

/// What one behavior has to offer.
struct Party<'a> {
    /// Session and proposal, the most doubtful first.
    queue: std::iter::Peekable<std::vec::IntoIter<(usize, &'a Proposal)>>,
    weight: f32,
    taken: usize,
}

/// The stretches to look at, in the order in which they are worth it; no two of one session overlap. The same sessions
/// in the same order give the same picks.
///
/// # Errors
/// A plan out of its bounds.
pub fn select(sessions: &[Doubts], plan: &Plan) -> Result<Vec<Pick>, ReviewError> {
    let plan = plan.checked()?;
    let mut parties = parties(sessions);
    let offering = sessions.iter().filter(|session| !session.proposals.is_empty()).count();
    let session_quota = plan.quota(plan.session_share, offering);
    let behavior_quota = plan.quota(plan.behavior_share, parties.len());
    let mut picked: HashMap<usize, Vec<&Proposal>> = HashMap::new();
    let mut picks = Vec::new();
    while picks.len() < plan.count {
        let mut best: Option<(f32, Behavior)> = None;
        for (&behavior, party) in parties.iter_mut().filter(|(_, party)| party.taken < behavior_quota) {
            let queue = &mut party.queue;
            let unfit = |(session, proposal): &(usize, &Proposal)| !fits(proposal, picked.get(session), session_quota);
            while queue.next_if(unfit).is_some() {}
            let Some((_, proposal)) = queue.peek() else { continue };
            let worth = proposal.doubt * party.weight / (1 + party.taken) as f32;
            if best.is_none_or(|(other, _)| worth > other) {
                best = Some((worth, behavior));
            }
        }
        let Some(party) = best.and_then(|(_, behavior)| parties.get_mut(&behavior)) else { break };
        let Some((session, proposal)) = party.queue.next() else { break };
        party.taken += 1;
        picked.entry(session).or_default().push(proposal);
        picks.push(Pick { session, proposal: proposal.clone() });
    }
    Ok(picks)
}

/// Whether a proposal can be added to what was picked of its session.
fn fits(proposal: &Proposal, picked: Option<&Vec<&Proposal>>, quota: usize) -> bool {
    let overlaps = |other: &&Proposal| other.ticks.start < proposal.ticks.end && proposal.ticks.start < other.ticks.end;
    picked.is_none_or(|picked| picked.len() < quota && !picked.iter().any(overlaps))
}

/// By behavior.
fn parties(sessions: &[Doubts]) -> BTreeMap<Behavior, Party<'_>> {
    let mut tallies = BTreeMap::<Behavior, Tally>::new();
    for (behavior, tally) in sessions.iter().flat_map(|session| &session.tallies) {
        let sum = tallies.entry(*behavior).or_default();
        sum.visible_ticks += tally.visible_ticks;
        sum.on_ticks += tally.on_ticks;
    }
    let share = |tally: &Tally| tally.on_ticks as f64 / tally.visible_ticks.max(1) as f64;
    let largest = tallies.values().map(share).fold(f64::MIN_POSITIVE, f64::max);
    let mut queues = BTreeMap::<Behavior, Vec<(usize, &Proposal)>>::new();
    for (session, doubts) in sessions.iter().enumerate() {
        for proposal in &doubts.proposals {
            queues.entry(proposal.cell.behavior).or_default().push((session, proposal));
        }
    }
    let by_doubt = |a: &(usize, &Proposal), b: &(usize, &Proposal)| -> Ordering {
        let place = |(session, proposal): &(usize, &Proposal)| (*session, proposal.ticks.start);
        b.1.doubt.total_cmp(&a.1.doubt).then(place(a).cmp(&place(b)))
    };
    let party = |(behavior, mut queue): (Behavior, Vec<_>)| {
        queue.sort_by(by_doubt);
        let tally = tallies.get(&behavior).copied().unwrap_or_default();
        let weight = (2.0 - share(&tally) / largest) as f32;
        (behavior, Party { queue: queue.into_iter().peekable(), weight, taken: 0 })
    };
    queues.into_iter().map(party).collect()
}
