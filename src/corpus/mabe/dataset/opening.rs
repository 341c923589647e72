//! What is decided about a folder as a whole: its label sets and its split.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::Listed;
use crate::behavior::{BehaviorSpec, Kind, LabelSet};
use crate::corpus::catalog::Split;
use crate::corpus::error::{CorpusError, Place};
use crate::corpus::labels::SELF;
use crate::corpus::mabe::card::Card;
use crate::corpus::mabe::sheet::{Row, Sheet};
use crate::corpus::mabe::splits::{self, Candidate};
use crate::corpus::mabe::table::{Columns, Table};

/// Says how many files something is true of, and names the first.
pub(super) fn summarise(warnings: &mut Vec<String>, file: &Path, what: &str, of: &[PathBuf]) {
    if let Some(first) = of.first() {
        warnings.push(format!("{}: {} {what} (the first: {})", file.display(), of.len(), first.display()));
    }
}

/// A label set for each lab: the card's, else by what the whitelists list.
pub(super) fn label_sets(sheet: &Sheet, card: &Card, file: &Path) -> Result<Vec<LabelSet>, CorpusError> {
    let mut labs: BTreeMap<&str, BTreeMap<&str, Kind>> = BTreeMap::new();
    for row in &sheet.rows {
        for entry in &row.whitelist {
            let kind = if entry.target == SELF { Kind::OfSelf } else { Kind::Directed };
            let known = labs.entry(&row.lab).or_default().entry(&entry.action).or_insert(kind);
            if *known != kind && !card.label_sets.iter().any(|set| set.name == row.lab) {
                let expected = format!("in {} {:?} of one kind", row.lab, entry.action);
                return Err(Place::file(file).fault(expected, "a self and a directed behavior"));
            }
        }
    }
    let mut sets = card.label_sets.clone();
    for (lab, behaviors) in labs {
        if let Some(set) = card.label_sets.iter().find(|set| set.name == lab) {
            let unknown = behaviors.keys().find(|name| !set.behaviors.iter().any(|spec| spec.name == **name));
            if let Some(unknown) = unknown {
                let known: Vec<&str> = set.behaviors.iter().map(|spec| spec.name.as_str()).collect();
                let expected = format!("behaviors of {lab} as in {}, {known:?}", Card::FILE);
                return Err(Place::file(file).fault(expected, format!("{unknown:?}")));
            }
            continue;
        }
        let spec = |(name, kind): (&str, Kind)| BehaviorSpec { name: name.to_owned(), kind };
        sets.push(LabelSet { name: lab.to_owned(), behaviors: behaviors.into_iter().map(spec).collect() });
    }
    Ok(sets)
}

/// The same for tracking of the same points, in whatever order its rows come and whatever it calls animals and parts.
pub(in crate::corpus) fn content(tracking: &Path) -> Result<u64, CorpusError> {
    let mut sum = 0_u64;
    let columns = Columns { ints: &[], texts: &[], floats: &["x", "y"] };
    Table::open(tracking)?.scan(&columns, |batch| {
        for (x, y) in batch.floats[0].iter().zip(&batch.floats[1]) {
            let bits = u64::from((*x).to_bits()) << 32 | u64::from((*y).to_bits());
            // Mixed, so that a sum of them is a hash (the finaliser of SplitMix64, Steele et al. 2014).
            let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            sum = sum.wrapping_add(bits ^ (bits >> 31));
        }
        Ok(())
    })?;
    Ok(sum)
}

/// The content of many files, on all cores.
fn contents(files: &[&PathBuf]) -> Result<Vec<u64>, CorpusError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = files.len().div_ceil(threads).max(1);
    let parts: Vec<Result<Vec<u64>, CorpusError>> = std::thread::scope(|scope| {
        let read = |part: &[&PathBuf]| part.iter().map(|file| content(file)).collect();
        let handles: Vec<_> = files.chunks(share).map(|part| scope.spawn(move || read(part))).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

/// Gives every recording an id and a split: the one that its rows state, else one by content. Contents are looked at only
/// where some row states none: an import has compared those that state all.
///
/// # Errors
/// Rows of one recording that contradict each other, and the same poses stated on two sides.
pub(super) fn with_splits(
    grouped: BTreeMap<PathBuf, Vec<Row>>,
    file: &Path,
) -> Result<BTreeMap<PathBuf, Listed>, CorpusError> {
    let mut videos: HashMap<String, usize> = HashMap::new();
    for rows in grouped.values() {
        agree(rows, file)?;
        *videos.entry(rows[0].video.clone()).or_default() += 1;
    }
    let splits: Vec<Split> = if grouped.values().all(|rows| rows[0].split.is_some()) {
        grouped.values().filter_map(|rows| rows[0].split).collect()
    } else {
        let contents = contents(&grouped.keys().collect::<Vec<_>>())?;
        let candidate = |(rows, content): (&Vec<Row>, u64)| {
            let labs: BTreeSet<String> = rows.iter().map(|row| row.lab.clone()).collect();
            Candidate { labs: labs.into_iter().collect(), content, stated: rows[0].split }
        };
        let candidates: Vec<Candidate> = grouped.values().zip(contents).map(candidate).collect();
        splits::split(&candidates).ok_or_else(|| {
            Place::file(file).fault("recordings of the same poses on one side of the split", "some on two sides")
        })?
    };
    let listed = grouped.into_iter().zip(splits).map(|((poses, rows), split)| {
        let (lab, video) = (&rows[0].lab, &rows[0].video);
        let id = if videos[video] > 1 { format!("{lab}/{video}") } else { video.clone() };
        (poses, Listed { id, split, rows })
    });
    Ok(listed.collect())
}

/// Whether the rows of one recording say the same about it.
fn agree(rows: &[Row], file: &Path) -> Result<(), CorpusError> {
    let Some((first, others)) = rows.split_first() else { return Ok(()) };
    for row in others {
        let said = |row: &Row| {
            let Row { rate_hz, pix_per_cm, body_parts, individuals, body_length_px, split, .. } = row;
            format!("{rate_hz} {pix_per_cm:?} {body_parts:?} {individuals:?} {body_length_px:?} {split:?}")
        };
        if said(row) != said(first) {
            let expected = format!("what row {} says about the same poses, {}", first.row, said(first));
            return Err(Place::row(file, row.row).fault(expected, said(row)));
        }
    }
    Ok(())
}
