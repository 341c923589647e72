//! The cells of a row, read and written.

use std::collections::HashSet;
use std::ops::Range;

use super::{
    BODY_LENGTH, BODY_PARTS, DURATION, INDIVIDUALS, LAB, Listed, RATE, Row, SCALE, SCORED, SPLIT, TRACKING_LAB, VIDEO,
    WHITELIST,
};
use crate::corpus::catalog::Split;
use crate::corpus::error::{CorpusError, Place, quoted};
use crate::corpus::labels::SELF;
use crate::corpus::mabe::annotation::animal_number;
use crate::corpus::recording::FRAME_NUMBER_MAX;

const SPLITS: [(&str, Split); 3] = [("train", Split::Train), ("validation", Split::Validation), ("test", Split::Test)];

/// Whether a name is one part of a path.
pub fn is_folder_name(name: &str) -> bool {
    let has_path = name.contains(['/', '\\']) || name.chars().any(char::is_control);
    !has_path && !matches!(name, "" | "." | "..")
}

/// A cell that is to be read.
#[derive(Clone)]
pub struct Cell<'a> {
    pub text: &'a str,
    pub place: Place,
}

impl Cell<'_> {
    fn fault(self, expected: impl Into<String>) -> CorpusError {
        self.place.fault(expected, quoted(self.text))
    }

    /// What `read` makes of it; nothing of an empty one.
    pub fn optional<T>(self, read: impl FnOnce(Self) -> Result<T, CorpusError>) -> Result<Option<T>, CorpusError> {
        if self.text.trim().is_empty() { Ok(None) } else { read(self).map(Some) }
    }

    pub fn name(self) -> Result<String, CorpusError> {
        if is_folder_name(self.text) {
            Ok(self.text.to_string())
        } else {
            Err(self.fault("a name of a file or folder"))
        }
    }

    pub fn positive(self) -> Result<f64, CorpusError> {
        match self.text.trim().parse::<f64>() {
            Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
            _ => Err(self.fault("a number above 0")),
        }
    }

    /// At least one text, none twice.
    pub fn texts(self) -> Result<Vec<String>, CorpusError> {
        let Ok(texts) = serde_json::from_str::<Vec<String>>(self.text) else {
            return Err(self.fault(r#"a list of texts ["a", "b"]"#));
        };
        if texts.is_empty() || texts.iter().any(String::is_empty) {
            return Err(self.fault("a list of texts, none of them empty"));
        }
        match texts.iter().enumerate().find(|(index, text)| texts[..*index].contains(text)) {
            Some((_, text)) => {
                Err(self.place.fault("each of the listed texts once", format!("{} twice", quoted(text))))
            }
            None => Ok(texts),
        }
    }

    pub fn frames(self) -> Result<Vec<Range<u64>>, CorpusError> {
        let Ok(pairs) = serde_json::from_str::<Vec<[u64; 2]>>(self.text) else {
            return Err(self.fault("frames [[start, stop], …]"));
        };
        let mut last = 0;
        for (index, &[start, stop]) in pairs.iter().enumerate() {
            if start >= stop || stop > FRAME_NUMBER_MAX || (index > 0 && start < last) {
                let expected = format!("ascending frames [start, stop) up to {FRAME_NUMBER_MAX}");
                return Err(self.place.fault(expected, format!("[{start}, {stop}]")));
            }
            last = stop;
        }
        Ok(pairs.into_iter().map(|[start, stop]| start..stop).collect())
    }

    pub fn split(self) -> Result<Split, CorpusError> {
        let found = SPLITS.into_iter().find(|(name, _)| *name == self.text.trim());
        found.map(|(_, split)| split).ok_or_else(|| self.fault("train, validation or test"))
    }

    pub fn whitelist(self, repairs: &mut Vec<String>) -> Result<Vec<Listed>, CorpusError> {
        let Ok(entries) = serde_json::from_str::<Vec<String>>(self.text) else {
            return Err(self.fault(r#"a list of texts ["mouse1,mouse2,attack", …]"#));
        };
        let (mut whitelist, mut quotes, mut doubles) = (Vec::new(), 0, 0);
        let mut seen = HashSet::new();
        for entry in &entries {
            let clean = entry.replace('\'', "");
            quotes += usize::from(clean != *entry);
            let Some(listed) = listed(&clean) else {
                let expected = r#""agent,target,action" with mouse1, mouse2, … or self"#;
                return Err(self.place.fault(expected, quoted(entry)));
            };
            if seen.insert(listed.clone()) {
                whitelist.push(listed);
            } else {
                doubles += 1;
            }
        }
        if quotes + doubles > 0 {
            let place = self.place.to_string();
            repairs.push(format!(
                "{place}: of {} entries, {quotes} in stray quotes (stripped) and {doubles} listed already (dropped)",
                entries.len()
            ));
        }
        Ok(whitelist)
    }
}

fn listed(entry: &str) -> Option<Listed> {
    let mut parts = entry.splitn(3, ',');
    let (agent, target, action) = (parts.next()?, parts.next()?, parts.next()?);
    let is_target = target == SELF || (animal_number(target).is_some() && target != agent);
    let is_sound = animal_number(agent).is_some() && is_target && !action.is_empty();
    is_sound.then(|| Listed { agent: agent.to_string(), target: target.to_string(), action: action.to_string() })
}

impl Row {
    /// The text of a column; none where the row says nothing.
    pub(super) fn cell(&self, column: &str) -> String {
        let number = |value: Option<f64>| value.map(|value| format!("{value:?}")).unwrap_or_default();
        let json = |value: Option<serde_json::Value>| value.map(|value| value.to_string()).unwrap_or_default();
        match column {
            LAB => self.lab.clone(),
            VIDEO => self.video.clone(),
            RATE => number(Some(self.rate_hz)),
            BODY_PARTS => json(Some(self.body_parts.clone().into())),
            DURATION => number(self.duration_secs),
            SCALE => number(self.pix_per_cm),
            WHITELIST if self.whitelist.is_empty() => String::new(),
            WHITELIST => {
                let entry = |listed: &Listed| format!("{},{},{}", listed.agent, listed.target, listed.action);
                json(Some(self.whitelist.iter().map(entry).collect()))
            }
            TRACKING_LAB => self.tracking_lab.clone().unwrap_or_default(),
            SCORED => json(self.scored_frames.as_ref().map(|frames| {
                frames.iter().map(|range| serde_json::Value::from(vec![range.start, range.end])).collect()
            })),
            INDIVIDUALS => json(self.individuals.clone().map(Into::into)),
            BODY_LENGTH => number(self.body_length_px),
            SPLIT => {
                let name = SPLITS.into_iter().find(|(_, split)| Some(*split) == self.split);
                name.map(|(name, _)| name.to_string()).unwrap_or_default()
            }
            _ => {
                let own = self.other.iter().find(|(name, _)| name == column);
                own.map(|(_, text)| text.clone()).unwrap_or_default()
            }
        }
    }
}
