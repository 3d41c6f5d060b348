//! `parvis media`: variants of pictures, from the terminal.

mod roots;
mod sign;
mod stats;
mod table;
mod warm;

use super::Failure;
use crate::edge::Edge;
use crate::media::Media as Kept;
use std::sync::Arc;

/// What to do with variants of pictures.
#[derive(Debug, clap::Subcommand)]
pub enum Media {
    /// Make the variants of pictures before anybody asks for them.
    #[command(after_help = warm::HELP)]
    Warm(warm::Warm),
    /// Tell what is kept of variants, and how they fare.
    #[command(after_help = stats::HELP)]
    Stats(stats::Stats),
    /// Sign an address, so that it may ask for any size.
    #[command(after_help = sign::HELP)]
    Sign(sign::Sign),
}

/// Does it.
///
/// # Errors
/// Why it could not be done.
pub fn media(command: &Media) -> Result<(), Failure> {
    match command {
        Media::Warm(arguments) => warm::warm(arguments),
        Media::Stats(arguments) => stats::stats(arguments),
        Media::Sign(arguments) => sign::sign(arguments),
    }
}

/// Where variants are kept, if there are any.
fn kept(edge: &Edge) -> Result<&Arc<Kept>, Failure> {
    edge.media.as_ref().ok_or_else(|| {
        Failure::Work(
            "error: no route makes variants of pictures\nhelp: give one images = {}".into(),
        )
    })
}
