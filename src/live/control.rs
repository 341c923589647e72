//! The experimenter's way to the desk, and the answer back.

use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use zenoh::pubsub::Subscriber;
use zenoh::query::{Query, Queryable};
use zenoh::sample::{Sample, SampleKind};
use zenoh::{Session, Wait};

use crate::acquire::wire::ENCODING_JSON;
use crate::keys::{CageName, Rigs};
use crate::live::desk::{ToDesk, Word};
use crate::live::{LiveError, spawn};
use crate::trigger::control::{Command, Reply};

/// Questions that may wait for their answers.
const QUESTIONS_MAX: usize = 16;

/// How long whoever asks may have to wait: arming waits for outputs to answer.
pub const REPLY_MAX: Duration = Duration::from_secs(15);

/// Hands commands for cages of a rig to the desk: those that are put, and those that ask for an answer.
pub fn listen(session: &Session, rig: &Rigs, desk: ToDesk) -> Result<(Subscriber<()>, Queryable<()>), LiveError> {
    let to_desk = desk.clone();
    let on_put = move |sample: Sample| {
        let decoded = decode(sample.key_expr().as_str(), &sample.payload().to_bytes());
        // Nobody waits for an answer, and nobody hears of what is no command.
        if let (Ok((cage, command)), SampleKind::Put) = (decoded, sample.kind()) {
            to_desk.say(Word::Command { cage, command, reply: None });
        }
    };
    let puts = session.declare_subscriber(rig.controls()).callback(on_put).wait();
    let puts = puts.map_err(LiveError::zenoh("subscribing to commands"))?;
    let (ask, asked) = bounded::<Asked>(QUESTIONS_MAX);
    // It ends with the queryable, which holds the other end.
    spawn("control", move || asked.iter().for_each(Asked::answer))?;
    let on_query = move |query: Query| take(query, &desk, &ask);
    let queries = session.declare_queryable(rig.controls()).callback(on_query).wait();
    Ok((puts, queries.map_err(LiveError::zenoh("answering commands"))?))
}

/// A question whose answer is waited for by a thread of its own: zenoh's must not.
struct Asked {
    query: Query,
    answered: Receiver<Reply>,
}

impl Asked {
    fn answer(self) {
        let Self { query, answered } = self;
        let late = || Reply::new(Err(format!("no answer within {} s", REPLY_MAX.as_secs())));
        reply(&query, &answered.recv_timeout(REPLY_MAX).unwrap_or_else(|_| late()));
    }
}

fn take(query: Query, desk: &ToDesk, ask: &Sender<Asked>) {
    let payload = query.payload().map(zenoh::bytes::ZBytes::to_bytes).unwrap_or_default();
    let (cage, command) = match decode(query.key_expr().as_str(), &payload) {
        Ok(decoded) => decoded,
        Err(error) => return reply(&query, &Reply::new(Err(error))),
    };
    let (answer, answered) = bounded(1);
    desk.say(Word::Command { cage, command, reply: Some(answer) });
    if let Err(TrySendError::Full(Asked { query, .. }) | TrySendError::Disconnected(Asked { query, .. })) =
        ask.try_send(Asked { query, answered })
    {
        let why =
            format!("{QUESTIONS_MAX} others wait for an answer; what was asked for may have been done all the same");
        reply(&query, &Reply::new(Err(why)));
    }
}

fn reply(query: &Query, reply: &Reply) {
    // Whoever asked may be gone.
    let _ = query.reply(query.key_expr().clone(), reply.to_json()).encoding(ENCODING_JSON).wait();
}

/// A command and the cage that it is for. A stop goes for the whole rig, and may be sent to all of its cages.
fn decode(key: &str, payload: &[u8]) -> Result<(CageName, Command), String> {
    let command = Command::decode(payload).map_err(|error| error.to_string())?;
    let cage = CageName::of_key(key, "control");
    let cage = match command {
        Command::Stop { .. } => cage.or_else(|_| CageName::new("any", "any")),
        _ => cage,
    };
    Ok((cage.map_err(|error| error.to_string())?, command))
}
