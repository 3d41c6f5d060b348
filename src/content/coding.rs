//! The codings that parvis speaks.

use http::header::HeaderValue;

/// A content coding (RFC 9110 section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878), with windows of at most 8 MiB (RFC 9659).
    Zstd,
    /// `gzip` (RFC 1952).
    Gzip,
}

impl Coding {
    /// All of them, in the order in which they are preferred unless told otherwise.
    pub const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// Its name in `Content-Encoding` and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// Its name as a field's value.
    pub fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// What the name of a file in this coding ends in.
    pub fn suffix(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    /// The coding of that name, in any case; `x-gzip` is `gzip` (RFC 9110 section 8.4.1.3).
    pub fn parse(name: &str) -> Option<Coding> {
        let of_name = |coding: &&Coding| name.eq_ignore_ascii_case(coding.name());
        if name.eq_ignore_ascii_case("x-gzip") {
            return Some(Coding::Gzip);
        }
        Coding::ALL.iter().find(of_name).copied()
    }

    /// Its place in [`Coding::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// How much is done for a smaller result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// For a stream that may stay open for hours, beside thousands of others: as little memory as
    /// can be, though it shrinks less.
    Stream,
    /// For a body so large that a level's cost would be felt by others.
    Large,
    /// While a client waits.
    Fast,
    /// Whatever it takes: once, for what is served many times.
    Best,
}
