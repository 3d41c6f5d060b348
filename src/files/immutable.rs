//! Which files never change under their name, because the name holds a hash of the content.
//!
//! Build tools put a hash into the names that they write, so such a file may be kept for a year
//! without asking again. Nothing in a file says that its name was made that way, so names are
//! judged by their looks. A wrong "no" costs a revalidation; a wrong "yes" leaves clients with
//! an old file for a year, and nothing can call it back. So what could be a word, a date, a
//! version, a number or somebody's id is no hash, and some hashes that look like those are missed.
//!
//! # The rule
//!
//! A name is taken apart as `STEM SEPARATOR HASH [.chunk|.bundle|.min] .EXTENSION`. The hash is what
//! follows the last `.` or `-`; nothing but the extension (and, with scripts and styles, one of
//! those words) comes behind it. `app-C7qDfR2x.js.map` is therefore none: that hash is the
//! script's, and the map changes without it.
//!
//! Three looks of a hash:
//!
//! * Hexadecimal, lower case, as long as tools cut it (8, 10, 12, 16, 20) or whole (32, 40, 64).
//!   Digits and letters alternate at least twice (no date, counter, `deadbeef` or `cafe2024`); no
//!   run of five letters (`facade3d`), no year or date, no leading `000` in the short ones; no UUID.
//! * Base64url of 8 without `-` (Vite, Rollup): capitals and small letters, cut into at least 5
//!   pieces when it is read as camel case (`C 7 q Df R 2 x`, but `Version 2`, `i Phone 6 S`), and no
//!   pair of characters twice (`B2BvsB2C`). Half of these hashes are missed; where all of a
//!   directory is built, the operator can say so with an expression for `immutable`.
//! * Base32 of 8, capitals and 2 to 7 (esbuild): digits and letters alternate three times; behind
//!   `chunk-`, a digit anywhere but at the end.
//!
//! What is accepted depends on who writes such files:
//!
//! | extension | `.HASH` | `-HASH` | `HASH` alone |
//! |---|---|---|---|
//! | scripts, styles, fonts | hex, base64url | hex, base64url, base32 | hex, base64url |
//! | pictures, sound, film | hex | hex of 32 and more; base64url from B, C or D | no |
//! | all others | hex of 12 (Django) | no | no |
//!
//! Pictures are often uploads, and then the name holds an id of a user or a product whose picture is
//! replaced: they need more. (Rollup encodes 128 bits from the top: three in four of its hashes
//! begin with B, C or D.) Documents can only be recognised where Django's `collectstatic` named
//! them.
//!
//! Two frameworks put nothing but hashed files into a directory of their own, and their own servers
//! send them as immutable: SvelteKit's `_app/immutable/` and Astro's `_astro/`. All in them is taken.

use regex::bytes::Regex;

/// Which files are sent with a year and `immutable`.
#[derive(Debug, Clone)]
pub enum Immutable {
    /// Those whose names carry a hash by their looks ([`carries_hash`]).
    Recognised,
    /// None.
    Never,
    /// Those whose path below the root (without its first slash) the operator's expression matches.
    Named(Regex),
}

impl Immutable {
    /// Whether the file at this path is one of them.
    ///
    /// `path` is decoded and below the root, without its first slash: `css/base.55e7cbb9ba48.css`.
    pub fn takes(&self, path: &[u8]) -> bool {
        match self {
            Immutable::Never => false,
            Immutable::Named(expression) => expression.is_match(path),
            Immutable::Recognised => {
                let name = path.rsplit(|byte| *byte == b'/').next();
                name.and_then(|name| std::str::from_utf8(name).ok())
                    .is_some_and(carries_hash)
                    || is_in_a_hashed_directory(path)
            }
        }
    }
}

fn is_in_a_hashed_directory(path: &[u8]) -> bool {
    let mut last = b"".as_slice();
    let mut pieces = path.split(|byte| *byte == b'/').peekable();
    while let Some(piece) = pieces.next() {
        // The last piece is the file.
        if pieces.peek().is_none() {
            return false;
        }
        if piece == b"_astro" || (last == b"_app" && piece == b"immutable") {
            return true;
        }
        last = piece;
    }
    false
}

/// Who writes files with an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// Build tools; nobody uploads these.
    Tool,
    /// Build tools, and people who upload them.
    Both,
    /// Anybody.
    Anybody,
}

/// How a hash may be written; several may fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    Hex,
    Base64,
    Base32,
}

/// Whether a file's name (without directories) carries a hash of the file's content: the rule is
/// this module's documentation.
pub fn carries_hash(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else {
        return false;
    };
    let writer = writer_of(extension);
    let stem = if writer == Writer::Tool {
        ["chunk", "bundle", "min"]
            .iter()
            .find_map(|word| stem.strip_suffix(word)?.strip_suffix('.'))
            .unwrap_or(stem)
    } else {
        stem
    };
    let (before, dashed, hash) = match stem.rsplit_once(['.', '-']) {
        // `.name` is hidden, `-name` is an option: no tool writes them.
        Some(("", _)) => return false,
        Some((before, hash)) => (
            before,
            stem.as_bytes().get(before.len()) == Some(&b'-'),
            hash,
        ),
        None if writer == Writer::Tool => ("", false, stem),
        None => return false,
    };
    let Some(looks) = looks_of(before, hash) else {
        return false;
    };
    match (writer, dashed, looks) {
        (Writer::Tool, true, _) => true,
        (Writer::Tool, false, looks) => looks != Looks::Base32,
        (Writer::Both, false, looks) => looks == Looks::Hex,
        (Writer::Both, true, Looks::Hex) => hash.len() >= 32,
        (Writer::Both, true, Looks::Base64) => hash.starts_with(['B', 'C', 'D']),
        (Writer::Both, true, Looks::Base32) => false,
        (Writer::Anybody, dashed, looks) => !dashed && looks == Looks::Hex && hash.len() == 12,
    }
}

fn writer_of(extension: &str) -> Writer {
    match extension {
        "js" | "mjs" | "css" | "wasm" | "woff2" | "woff" | "ttf" | "otf" | "eot" => Writer::Tool,
        "svg" | "png" | "jpg" | "jpeg" | "gif" | "webp" | "avif" | "ico" | "mp4" | "webm"
        | "mp3" | "ogg" | "wav" | "flac" => Writer::Both,
        _ => Writer::Anybody,
    }
}

fn looks_of(before: &str, hash: &str) -> Option<Looks> {
    if is_hex_hash(hash) && !ends_a_uuid(before, hash) {
        return Some(Looks::Hex);
    }
    if is_base64_hash(hash) {
        return Some(Looks::Base64);
    }
    is_base32_hash(hash, before == "chunk").then_some(Looks::Base32)
}

fn is_hex_hash(hash: &str) -> bool {
    let short = match hash.len() {
        8 | 10 | 12 | 16 | 20 => true,
        32 | 40 | 64 => false,
        _ => return false,
    };
    if !hash.bytes().all(is_lower_hex) || alternations(hash) < 2 || is_whole_uuid(hash) {
        return false;
    }
    // By chance, the long ones have such pieces.
    let wordy = || {
        hash.starts_with("000")
            || runs(hash).any(|run| {
                if run.starts_with(|c: char| c.is_ascii_digit()) {
                    matches!(run.len(), 4 | 6 | 8)
                        && (run.starts_with("19") || run.starts_with("20"))
                } else {
                    run.len() >= 5
                }
            })
    };
    !(short && wordy())
}

fn is_base64_hash(hash: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if hash.len() != 8 || !hash.bytes().all(plain) {
        return false;
    }
    let has = |test: fn(&u8) -> bool| hash.bytes().any(|byte| test(&byte));
    if !has(u8::is_ascii_uppercase) || !has(u8::is_ascii_lowercase) {
        return false;
    }
    camel_pieces(hash) >= 5 && !repeats_a_pair(hash)
}

fn is_base32_hash(hash: &str, is_chunk: bool) -> bool {
    let base32 = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7');
    if hash.len() != 8 || !hash.bytes().all(base32) {
        return false;
    }
    // `VERSION2` is a word and its number.
    let digits_inside = hash
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .contains(|c: char| c.is_ascii_digit());
    alternations(hash) >= 3 || (is_chunk && digits_inside)
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// A version 1, 4 or 7 UUID without its dashes: 32 digits as well, but somebody's id.
fn is_whole_uuid(hash: &str) -> bool {
    let at = |index: usize| hash.as_bytes().get(index).copied();
    hash.len() == 32
        && matches!(at(12), Some(b'1' | b'4' | b'7'))
        && matches!(at(16), Some(b'8' | b'9' | b'a' | b'b'))
}

/// `550e8400-e29b-41d4-a716-44665544a0b0`: the hash is only the UUID's last piece.
fn ends_a_uuid(before: &str, hash: &str) -> bool {
    let mut pieces = before.rsplit(['-', '.']);
    hash.len() == 12
        && [4, 4, 4, 8].into_iter().all(|length| {
            pieces
                .next()
                .is_some_and(|piece| piece.len() == length && piece.bytes().all(is_lower_hex))
        })
}

/// The runs of digits and of what is no digit. ASCII only.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let digit = |byte: &u8| byte.is_ascii_digit();
    text.as_bytes()
        .chunk_by(move |a, b| digit(a) == digit(b))
        .filter_map(|run| std::str::from_utf8(run).ok())
}

/// How often digits and letters take turns.
fn alternations(text: &str) -> usize {
    runs(text).count().saturating_sub(1)
}

/// Into how many pieces one who reads camel case cuts this: `Html`, `HTML`, `html`, `5` and `_` are
/// one piece each.
fn camel_pieces(text: &str) -> usize {
    #[derive(PartialEq, Eq, Clone, Copy)]
    enum Class {
        Lower,
        Upper,
        Digit,
        Other,
    }
    let class = |byte: u8| match byte {
        b'a'..=b'z' => Class::Lower,
        b'A'..=b'Z' => Class::Upper,
        b'0'..=b'9' => Class::Digit,
        _ => Class::Other,
    };
    let mut pieces = 0_usize;
    let mut last = None;
    let mut capitals = 0_usize;
    for byte in text.bytes() {
        let now = class(byte);
        match (last, now) {
            // The last capital begins the word: `HTMLPage` is `HTML` and `Page`.
            (Some(Class::Upper), Class::Lower) if capitals > 1 => pieces = pieces.saturating_add(1),
            (Some(Class::Upper), Class::Lower) => {}
            (Some(last), now) if last == now => {}
            _ => pieces = pieces.saturating_add(1),
        }
        capitals = if now == Class::Upper {
            capitals.saturating_add(1)
        } else {
            0
        };
        last = Some(now);
    }
    pieces
}

fn repeats_a_pair(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(2).enumerate().any(|(at, pair)| {
        bytes
            .windows(2)
            .skip(at.saturating_add(1))
            .any(|other| other == pair)
    })
}

#[cfg(test)]
mod tests;
