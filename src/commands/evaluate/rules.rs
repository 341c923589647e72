//! Geometric rules beside a model: fitted on validation recordings, scored on the same recordings as the model.

use anyhow::Context;

use super::Translation;
use super::table::Table;
use crate::baseline::{FittedRules, Track, Truth, fit};
use crate::behavior::Bout;
use crate::commands::corpora;
use crate::commands::offline::{in_frames, in_parallel};
use crate::corpus::session::Session;
use crate::corpus::{Corpus, Entry, Split};
use crate::poses::Keypoint;
use crate::time::DelayTicks;

/// Rules fitted on the validation recordings of a corpus, and their scores on some recordings of another (or the same).
pub fn of_rules(fitted_on: &Corpus, corpus: &Corpus, entries: &[Entry]) -> anyhow::Result<(FittedRules, Table)> {
    let known = Translation::new(fitted_on.ethogram(), corpus.ethogram());
    let known = known.with_context(|| format!("the corpus {}, with rules of {}", corpus.name(), fitted_on.name()))?;
    let rules = fitted(fitted_on)?;
    let told = in_parallel(entries, |entry| {
        let annotated = corpora::load(corpus, entry)?;
        let session = Session::new(&annotated, corpus.ethogram())?;
        let in_frames = in_frames(&annotated.recording);
        let frames = |bout: Bout| Bout { start: in_frames(bout.start), stop: in_frames(bout.stop), ..bout };
        let bouts: Vec<Bout> =
            rules.bouts(&track(&session, &session.stretch(0, session.ticks)?)?).into_iter().map(frames).collect();
        Ok((annotated, known.bouts(&bouts)))
    })?;
    let mut table = Table::new(corpus.ethogram(), &[DelayTicks(0)]);
    for (annotated, bouts) in &told {
        table.add(0, annotated, bouts, bouts);
    }
    Ok((rules, table))
}

fn fitted(corpus: &Corpus) -> anyhow::Result<FittedRules> {
    let entries: Vec<Entry> = corpus.split(Split::Validation).cloned().collect();
    anyhow::ensure!(
        !entries.is_empty(),
        "{}: expected validation recordings to fit rules on (or others by --baseline-corpus), got none",
        corpus.name()
    );
    let sessions = in_parallel(&entries, |entry| Ok(Session::new(&corpora::load(corpus, entry)?, corpus.ethogram())?))?;
    let points: Vec<_> = sessions.iter().map(|session| session.stretch(0, session.ticks)).collect::<Result<_, _>>()?;
    let flags: Vec<_> = sessions.iter().map(|session| (session.truth.to_vec(), session.labelled.to_vec())).collect();
    let recordings = sessions.iter().zip(&points).zip(&flags).map(|((session, points), (truth, labelled))| {
        Ok((track(session, points)?, Truth { cells: &session.cells, truth, labelled }))
    });
    Ok(fit(&recordings.collect::<anyhow::Result<Vec<_>>>()?, corpus.ethogram())?)
}

fn track<'a>(session: &'a Session, points: &'a [Keypoint]) -> anyhow::Result<Track<'a>> {
    let width = session.individuals * session.skeleton.keypoints().len();
    Ok(Track::new(&session.skeleton, session.individuals, points.chunks_exact(width))?)
}
