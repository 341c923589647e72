//! Which recordings validate and test, where nobody said it: by content, lab by lab.

use std::collections::{BTreeMap, BTreeSet};

use crate::corpus::catalog::Split;

/// Share of the recordings of a lab that validate, and as many that test; at least one each, from three on.
const SHARE: f64 = 0.1;

/// What a split has to know about a recording.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Labs that annotated it.
    pub labs: Vec<String>,
    /// The same for recordings of the same poses, whatever they are called: they stay together.
    pub content: u64,
    /// What somebody said about it.
    pub stated: Option<Split>,
}

/// A split of every candidate, in their order: each lab has its share in validation and in test, and the same poses are
/// never on two sides. It depends on contents only, so that it stays when recordings are renamed or listed in another
/// order; small labs choose first.
///
/// What is stated stands, also for the same poses elsewhere; `None` where those are stated on two sides.
pub fn split(candidates: &[Candidate]) -> Option<Vec<Split>> {
    let mut labs: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for candidate in candidates {
        for lab in &candidate.labs {
            labs.entry(lab).or_default().insert(candidate.content);
        }
    }
    let mut by_size: Vec<(&str, BTreeSet<u64>)> = labs.into_iter().collect();
    by_size.sort_by_key(|(lab, contents)| (contents.len(), *lab));
    let mut chosen: BTreeMap<u64, Split> = BTreeMap::new();
    for Candidate { content, stated, .. } in candidates {
        let Some(stated) = stated else { continue };
        if *chosen.entry(*content).or_insert(*stated) != *stated {
            return None;
        }
    }
    for (_, contents) in by_size {
        let share = if contents.len() < 3 { 0 } else { ((contents.len() as f64 * SHARE).round() as usize).max(1) };
        for split in [Split::Test, Split::Validation] {
            let already = contents.iter().filter(|content| chosen.get(content) == Some(&split)).count();
            let free: Vec<u64> = contents.iter().filter(|content| !chosen.contains_key(content)).copied().collect();
            for content in free.into_iter().take(share.saturating_sub(already)) {
                chosen.insert(content, split);
            }
        }
        for content in contents {
            chosen.entry(content).or_insert(Split::Train);
        }
    }
    let of = |candidate: &Candidate| chosen.get(&candidate.content).copied().unwrap_or(Split::Train);
    Some(candidates.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(name: &str, contents: impl IntoIterator<Item = u64>) -> Vec<Candidate> {
        let of = |content: u64| Candidate {
            labs: vec![name.to_owned()],
            content: content.wrapping_mul(0x9e37_79b9),
            stated: None,
        };
        contents.into_iter().map(of).collect()
    }

    #[test]
    fn every_lab_has_its_share_and_the_same_poses_stay_together() {
        // The second lab annotated half of the recordings of the first again, under other names.
        let candidates =
            [lab("big", 0..100), lab("small", 50..100), lab("tiny", 200..203), lab("single", [300])].concat();
        let splits = split(&candidates).unwrap();
        let count = |name: &str, wanted: Split| {
            let of_lab = candidates.iter().zip(&splits).filter(|(candidate, _)| candidate.labs == [name]);
            of_lab.filter(|(_, split)| **split == wanted).count()
        };
        for (name, validation, test) in [("big", 10, 10), ("small", 5, 5), ("tiny", 1, 1), ("single", 0, 0)] {
            assert_eq!((count(name, Split::Validation), count(name, Split::Test)), (validation, test), "{name}");
        }
        for (a, split_a) in candidates.iter().zip(&splits) {
            for (b, split_b) in candidates.iter().zip(&splits).filter(|(b, _)| b.content == a.content) {
                assert_eq!(split_a, split_b, "{a:?} {b:?}");
            }
        }
        let reversed: Vec<Candidate> = candidates.iter().rev().cloned().collect();
        let again: Vec<Split> = split(&reversed).unwrap().into_iter().rev().collect();
        assert_eq!(again, splits);
    }

    #[test]
    fn what_is_stated_stands_for_the_same_poses_everywhere() {
        let mut candidates = [lab("one", 0..10), lab("other", 0..10)].concat();
        candidates[3].stated = Some(Split::Test);
        let splits = split(&candidates).unwrap();
        assert_eq!((splits[3], splits[13]), (Split::Test, Split::Test));
        assert_eq!(splits[..10].iter().filter(|split| **split == Split::Test).count(), 1);
        candidates[13].stated = Some(Split::Train);
        assert_eq!(split(&candidates), None);
    }
}
