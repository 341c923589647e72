//! `vibrissa replay`

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::bail;

use super::recordings::Facts;
use crate::acquire::wire::Encoding;
use crate::corpus::log;
use crate::corpus::poses::deeplabcut_csv::CONFIDENCE_MIN;
use crate::keys::CageName;
use crate::live::interrupt::interrupts;
use crate::live::publisher::{Play, Played, play};
use crate::live::replayed::{PlayLog, play_log};
use crate::live::session::{Endpoints, Patience};
use crate::model::Model;
use crate::stream::Origin;

/// Publish a recording as a rig would, frame by frame at its own rate.
///
/// A log of `vibrissa record` is played as it came: all its cages at once and under their own names, each frame with its
/// number, when it arrived; --rig and --cage choose among them.
///
/// Connects to a detector on this machine (tcp/127.0.0.1:7447) unless --listen or --connect says otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(help = "Poses of any format that `inspect` knows, or a log of `record`")]
    recording: PathBuf,
    /// The rig to publish as [default: replay]; of a log, the one to play [default: all].
    #[arg(long, value_name = "RIG")]
    rig: Option<String>,
    /// The cage to publish as [default: cage1]; of a log, the one to play [default: all].
    #[arg(long, value_name = "CAGE")]
    cage: Option<String>,
    /// How many times faster than the camera.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    speed: f64,
    /// Wait for a detector, let it slow the replay down, and drop nothing.
    #[arg(long)]
    lossless: bool,
    /// Publish JSON instead of the binary layout.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    endpoints: Endpoints,
    #[command(flatten)]
    facts: Facts,
    /// The model whose skeleton, rate and scale are taken for what is said nowhere else.
    #[arg(long, default_value = "models/rat-dyads", value_name = "DIR")]
    model: PathBuf,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    // A model only says what nobody else does.
    let model = if args.model.is_dir() { Some(Model::load(&args.model)?) } else { None };
    if log::is_log(&args.recording)? {
        return run_log(args, model.as_ref().map_or(CONFIDENCE_MIN, |model| model.card().confidence_min));
    }
    let (rig, cage) = (args.rig.as_deref().unwrap_or("replay"), args.cage.as_deref().unwrap_or("cage1"));
    let cage = CageName::new(rig, cage)?;
    let recording = match &model {
        Some(model) => args.facts.read(&args.recording, model)?,
        None => args.facts.read_stated(&args.recording)?,
    };
    let how =
        Play { cage, origin: Origin::Replay, speed: args.speed, lossless: args.lossless, encoding: args.encoding() };
    let interrupts = interrupts()?;
    let session = args.endpoints.clone().or_connect().open(Patience::Rig)?;
    println!("{}: {} frames to {}", recording.name, recording.frames.len(), how.cage.pose());
    let played = play(&session, &recording.stream, recording.frames.into_iter(), &how, &interrupts)?;
    tell("", played, how.lossless)
}

impl Args {
    fn encoding(&self) -> Encoding {
        if self.json { Encoding::Json } else { Encoding::Binary }
    }

    fn chosen(&self, cage: &CageName) -> bool {
        let is = |wanted: &Option<String>, name| wanted.as_deref().is_none_or(|wanted| wanted == name);
        is(&self.rig, cage.rig()) && is(&self.cage, cage.cage())
    }
}

fn run_log(args: &Args, confidence_min: f32) -> anyhow::Result<()> {
    let mut sessions = log::read(&args.recording, confidence_min)?;
    let cages: BTreeSet<String> = sessions.iter().map(|session| session.cage.to_string()).collect();
    sessions.retain(|session| args.chosen(&session.cage));
    if sessions.is_empty() {
        bail!("{}: none of its cages is chosen: {cages:?}", args.recording.display());
    }
    for session in &sessions {
        println!("{}: {} frames to {}", session.recording.name, session.arrivals.len(), session.cage.pose());
        session.recording.repairs.iter().for_each(|repair| eprintln!("warning: {repair}"));
    }
    let how = PlayLog { speed: args.speed, lossless: args.lossless, encoding: args.encoding() };
    let interrupts = interrupts()?;
    let session = args.endpoints.clone().or_connect().open(Patience::Rig)?;
    let mut told = Ok(());
    for (session, played) in play_log(&session, sessions, &how, &interrupts)? {
        told = told.and(tell(&format!("{}: ", session.recording.name), played, how.lossless));
    }
    told
}

/// Says what was played; a lossless replay that was not taken as a whole is an error.
fn tell(who: &str, played: Played, lossless: bool) -> anyhow::Result<()> {
    let Played { frames, taken, stopped } = played;
    match taken {
        Some(taken) if taken != frames => bail!("{who}published {frames} frames, the detector took {taken}"),
        Some(taken) => println!("{who}published {frames} frames, the detector took {taken}"),
        None if lossless && !stopped => bail!("{who}published {frames} frames, no detector confirmed"),
        None => println!("{who}published {frames} frames"),
    }
    Ok(())
}
