//! A corpus from the files of any tool to the layout of `MABe`, which training, scoring and other programs read.

use std::path::Path;

use super::catalog::{Corpus, Entry};
use super::error::{CorpusError, Place};
use super::mabe::card::Card;
use super::mabe::store::Store;

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    pub recordings: usize,
    pub frames: u64,
    /// Rows of the table: a recording has one for each lab.
    pub rows: usize,
    pub bouts: usize,
    /// What was repaired or left out, each with its place and reason.
    pub repairs: Vec<String>,
    /// Files that could not be imported.
    pub failed: Vec<CorpusError>,
}

/// Writes every recording of a corpus below `out`, a new or empty folder. A bad recording costs only itself; the table
/// is written last.
///
/// # Errors
/// A folder that is not empty or cannot be written.
pub fn import(corpus: &Corpus, out: &Path, mut progress: impl FnMut(&Entry)) -> Result<Imported, CorpusError> {
    let card = Card {
        name: corpus.name().to_owned(),
        source: corpus.source().to_owned(),
        species: corpus.species().to_owned(),
        confidence_min: corpus.confidence_min(),
        body_length_cm: corpus.body_length_cm(),
        body_length_px: None,
        label_sets: corpus.ethogram().label_sets().to_vec(),
        skeletons: Vec::new(),
    };
    let mut store = Store::create(out, card)?;
    let mut imported = Imported::default();
    for entry in corpus.entries() {
        progress(entry);
        let all = match corpus.load_all(entry) {
            Ok(all) => all,
            Err(error) => {
                imported.failed.push(error);
                continue;
            }
        };
        let several = all.len() > 1;
        for annotated in all {
            let recording = &annotated.recording;
            // Two days of one cage are two recordings.
            let video = if several { format!("{}_{}", entry.id, recording.name) } else { entry.id.clone() };
            match store.put(&video, entry.split, &entry.poses, &annotated) {
                Ok(bouts) => {
                    imported.bouts += bouts;
                    imported.recordings += 1;
                    imported.frames += recording.frames.len() as u64;
                    imported.repairs.extend(annotated.repairs);
                }
                Err(error) => imported.failed.push(error),
            }
        }
    }
    imported.rows = store.rows();
    if corpus.entries().is_empty() {
        return Err(Place::file(out).fault("recordings with annotations", "no recordings"));
    }
    if imported.recordings > 0 {
        store.finish()?;
    }
    Ok(imported)
}

#[cfg(test)]
mod tests;
