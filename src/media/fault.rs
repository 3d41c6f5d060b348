//! Why a picture cannot be made, and how much it may cost to try.

use std::fmt;
use std::time::{Duration, Instant};

/// Bounds of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of a file.
    pub bytes: u64,
    /// Pixels that its header promises; of an animation, those of all frames together.
    pub pixels: u64,
    /// How long it may take.
    pub time: Duration,
}

/// When the time of a picture is over.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// Says so when it is. To be asked between steps, and in every loop over rows or frames.
    ///
    /// # Errors
    /// [`Fault::TooSlow`].
    pub fn check(self) -> Result<(), Fault> {
        match Instant::now() < self.0 {
            true => Ok(()),
            false => Err(Fault::TooSlow),
        }
    }
}

/// Why a picture cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// No format that is known.
    Unknown,
    /// The file is larger than the bound.
    TooLarge,
    /// Its header promises more pixels than the bound.
    TooManyPixels,
    /// The time is over.
    TooSlow,
    /// It is not what its format wants; the decoder's words.
    Broken(String),
    /// It uses what is not supported here; what that is.
    Unsupported(&'static str),
    /// It was sound, and still the encoder failed; the encoder's words.
    Encoder(String),
}

impl Fault {
    /// All names that [`Fault::name`] gives.
    pub const NAMES: [&str; 7] = [
        "unknown",
        "too_large",
        "too_many_pixels",
        "too_slow",
        "broken",
        "unsupported",
        "encoder",
    ];

    /// A short name, for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Unknown => "unknown",
            Fault::TooLarge => "too_large",
            Fault::TooManyPixels => "too_many_pixels",
            Fault::TooSlow => "too_slow",
            Fault::Broken(_) => "broken",
            Fault::Unsupported(_) => "unsupported",
            Fault::Encoder(_) => "encoder",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unknown => f.write_str("no format of pictures that is known"),
            Fault::TooLarge => f.write_str("the file is too large"),
            Fault::TooManyPixels => f.write_str("too many pixels"),
            Fault::TooSlow => f.write_str("it takes too long"),
            Fault::Broken(why) => write!(f, "broken: {why}"),
            Fault::Unsupported(what) => write!(f, "not supported: {what}"),
            Fault::Encoder(why) => write!(f, "cannot be encoded: {why}"),
        }
    }
}

impl std::error::Error for Fault {}
