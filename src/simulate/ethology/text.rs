//! The numbers as a TOML.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::ops::RangeInclusive;

use serde::Deserialize;

use super::{Action, Ethology, EthologyError, Kinds, LogNormal, Transitions};

/// Most actions, and most transitions of each.
const ACTIONS_MAX: usize = 1000;
const NAME_BYTES_MAX: usize = 256;
/// A count that no collection of annotations reaches.
const COUNT_MAX: u64 = 1_000_000_000;
/// From a hundredth of a frame of the fastest camera to a day.
const SECS: RangeInclusive<f64> = 1e-5..=86_400.0;
/// A factor of 150 is one standard deviation at the most.
const SPREADS: RangeInclusive<f64> = 0.0..=5.0;
const PER_HOUR: RangeInclusive<f64> = 0.0..=1e6;
const SHARES: RangeInclusive<f64> = 0.0..=1.0;
/// How far the sum of rounded shares may lie from 1.
const ROUNDING: f64 = 0.01;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEthology {
    actions: BTreeMap<String, RawAction>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAction {
    bouts: u64,
    labs: u64,
    median_secs: f64,
    spread: f64,
    quantiles_secs: [f64; 3],
    bouts_per_hour: f64,
    bouts_per_animal_hour: f64,
    kinds: RawKinds,
    followers: Option<RawTransitions>,
    answers: Option<RawTransitions>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKinds {
    #[serde(rename = "self")]
    of_self: f64,
    directed: f64,
    mutual: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTransitions {
    share: f64,
    next: Vec<RawNext>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNext {
    action: String,
    probability: f64,
    count: u64,
}

pub(super) fn parse(text: &str) -> Result<Ethology, EthologyError> {
    let raw: RawEthology = toml::from_str(text)?;
    within("actions", "tables", raw.actions.len(), &(1..=ACTIONS_MAX))?;
    let names: Vec<String> = raw.actions.keys().cloned().collect();
    let mut actions = BTreeMap::new();
    for (name, action) in raw.actions {
        within("actions", "bytes of a name", name.len(), &(1..=NAME_BYTES_MAX))?;
        let action = checked(&format!("actions.{name}"), action, &names)?;
        actions.insert(name, action);
    }
    Ok(Ethology { actions })
}

fn checked(key: &str, raw: RawAction, names: &[String]) -> Result<Action, EthologyError> {
    within(&format!("{key}.bouts"), "", raw.bouts, &(1..=COUNT_MAX))?;
    within(&format!("{key}.labs"), "", raw.labs, &(1..=raw.bouts))?;
    within(&format!("{key}.median_secs"), "", raw.median_secs, &SECS)?;
    within(&format!("{key}.spread"), "", raw.spread, &SPREADS)?;
    for secs in raw.quantiles_secs {
        within(&format!("{key}.quantiles_secs"), "", secs, &SECS)?;
    }
    if !raw.quantiles_secs.is_sorted() {
        let got = format!("{:?}", raw.quantiles_secs);
        return Err(fault(&format!("{key}.quantiles_secs"), "ascending lengths", got));
    }
    within(&format!("{key}.bouts_per_hour"), "", raw.bouts_per_hour, &PER_HOUR)?;
    within(&format!("{key}.bouts_per_animal_hour"), "", raw.bouts_per_animal_hour, &PER_HOUR)?;
    let RawKinds { of_self, directed, mutual } = raw.kinds;
    make_one(&format!("{key}.kinds"), &[of_self, directed, mutual])?;
    Ok(Action {
        bouts: raw.bouts,
        labs: raw.labs,
        length: LogNormal { median_secs: raw.median_secs, spread: raw.spread },
        quantiles_secs: raw.quantiles_secs,
        bouts_per_hour: raw.bouts_per_hour,
        bouts_per_animal_hour: raw.bouts_per_animal_hour,
        kinds: Kinds { of_self, directed, mutual },
        followers: transitions(&format!("{key}.followers"), raw.followers, names)?,
        answers: transitions(&format!("{key}.answers"), raw.answers, names)?,
    })
}

/// `names` are sorted.
fn transitions(key: &str, raw: Option<RawTransitions>, names: &[String]) -> Result<Transitions, EthologyError> {
    let Some(raw) = raw else { return Ok(Transitions::default()) };
    within(&format!("{key}.share"), "", raw.share, &SHARES)?;
    within(&format!("{key}.next"), "actions", raw.next.len(), &(1..=ACTIONS_MAX))?;
    let mut transitions = Transitions { share: raw.share, ..Transitions::default() };
    for RawNext { action, probability, count } in raw.next {
        if names.binary_search(&action).is_err() {
            return Err(fault(&format!("{key}.next"), "an action of the table", format!("{action:?}")));
        }
        if transitions.next.iter().any(|(known, _)| *known == action) {
            return Err(fault(&format!("{key}.next"), "each action once", format!("{action:?} again")));
        }
        within(&format!("{key}.next"), "as a count", count, &(1..=COUNT_MAX))?;
        transitions.next.push((action, probability));
        transitions.counts.push(count);
    }
    let probabilities: Vec<f64> = transitions.next.iter().map(|(_, probability)| *probability).collect();
    make_one(&format!("{key}.next"), &probabilities)?;
    Ok(transitions)
}

fn make_one(key: &str, shares: &[f64]) -> Result<(), EthologyError> {
    for share in shares {
        within(key, "as a share", *share, &SHARES)?;
    }
    let sum: f64 = shares.iter().sum();
    if (sum - 1.0).abs() > ROUNDING {
        return Err(fault(key, "shares that make 1", sum.to_string()));
    }
    Ok(())
}

/// A NaN is not within any bounds.
fn within<T>(key: &str, what: &str, got: T, bounds: &RangeInclusive<T>) -> Result<(), EthologyError>
where
    T: Copy + PartialOrd + fmt::Display,
{
    if bounds.contains(&got) {
        return Ok(());
    }
    let expected = format!("{} to {} {what}", bounds.start(), bounds.end());
    Err(fault(key, expected.trim_end(), got.to_string()))
}

pub(super) fn fault(key: &str, expected: &str, got: String) -> EthologyError {
    EthologyError::Bound { key: key.to_owned(), expected: expected.to_owned(), got }
}

pub(super) fn write(ethology: &Ethology) -> String {
    let tables: Vec<String> = ethology.actions().map(|(name, action)| table(name, action)).collect();
    tables.join("\n")
}

fn table(name: &str, action: &Action) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let is_bare = !name.is_empty() && name.bytes().all(is_bare);
    let key = if is_bare { format!("actions.{name}") } else { format!("actions.{}", toml::Value::from(name)) };
    let Action { bouts, labs, length, quantiles_secs, bouts_per_hour, bouts_per_animal_hour, kinds, .. } = action;
    let LogNormal { median_secs, spread } = length;
    let Kinds { of_self, directed, mutual } = kinds;
    let mut text = format!(
        "[{key}]\nbouts = {bouts}\nlabs = {labs}\nmedian_secs = {median_secs:?}\nspread = {spread:?}\n\
         quantiles_secs = {quantiles_secs:?}\nbouts_per_hour = {bouts_per_hour:?}\n\
         bouts_per_animal_hour = {bouts_per_animal_hour:?}\n\
         kinds = {{ self = {of_self:?}, directed = {directed:?}, mutual = {mutual:?} }}\n"
    );
    for (part, transitions) in [("followers", &action.followers), ("answers", &action.answers)] {
        if transitions.next.is_empty() {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n[{key}.{part}]\nshare = {:?}\nnext = [", transitions.share);
        for ((action, probability), count) in transitions.next.iter().zip(&transitions.counts) {
            let action = toml::Value::from(action.as_str());
            let _ = writeln!(text, "    {{ action = {action}, probability = {probability:?}, count = {count} }},");
        }
        text.push_str("]\n");
    }
    text
}
