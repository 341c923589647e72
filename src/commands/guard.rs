//! `vibrissa guard`

/// The process that owns the outputs: started by `detect`, spoken to over its standard input.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: &Args) -> anyhow::Result<()> {
    Ok(crate::guard::main()?)
}
