//! `vibrissa replay`

use std::path::PathBuf;

use anyhow::bail;

use super::recordings::Facts;
use crate::acquire::wire::Encoding;
use crate::live::interrupt::interrupts;
use crate::live::keys::CageName;
use crate::live::publisher::{Play, play};
use crate::live::session::{Endpoints, Patience};
use crate::model::Model;
use crate::stream::Origin;

/// Publish a recording as a rig would, frame by frame at its own rate.
///
/// Connects to a detector on this machine (tcp/127.0.0.1:7447) unless --listen or --connect says otherwise.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(help = "Poses in multi-animal DeepLabCut CSV, plain or gzipped")]
    recording: PathBuf,
    #[arg(long, default_value = "replay", value_name = "RIG")]
    rig: String,
    #[arg(long, default_value = "cage1", value_name = "CAGE")]
    cage: String,
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
    let cage = CageName::new(&args.rig, &args.cage)?;
    let recording = args.facts.read(&args.recording, &Model::load(&args.model)?)?;
    let encoding = if args.json { Encoding::Json } else { Encoding::Binary };
    let how = Play { cage, origin: Origin::Replay, speed: args.speed, lossless: args.lossless, encoding };
    let interrupts = interrupts()?;
    let session = args.endpoints.clone().or_connect().open(Patience::Rig)?;
    println!("{}: {} frames to {}", recording.name, recording.frames.len(), how.cage.pose());
    let played = play(&session, &recording.stream, recording.frames.into_iter(), &how, &interrupts)?;
    match played.taken {
        Some(taken) if taken != played.frames => bail!("published {} frames, the detector took {taken}", played.frames),
        Some(taken) => println!("published {} frames, the detector took {taken}", played.frames),
        None if how.lossless && !played.stopped => bail!("published {} frames, no detector confirmed", played.frames),
        None => println!("published {} frames", played.frames),
    }
    Ok(())
}
