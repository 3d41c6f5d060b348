//! What requests want, and what is made of that.

mod browsers;
mod chain;
mod parameters;
mod properties;

use super::*;
use crate::media::{Facts, Frames, Orientation, Recipe};
use http::HeaderValue;

const CHROMIUM: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";

fn policy() -> Policy {
    Policy {
        widths: vec![150, 300, 320, 600, 640, 960, 1280, 1920],
        formats: vec![Format::Avif, Format::WebP],
        quality: 85,
        max_width: 1920,
        max_height: 1080,
        background: [255; 3],
        client_hints: true,
        sign: None,
    }
}

fn signed_policy() -> Policy {
    Policy {
        sign: SigningKey::new(b"0123456789abcdef"),
        ..policy()
    }
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

fn photo(width: u32, height: u32) -> Facts {
    Facts {
        format: Format::Jpeg,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: Frames::One,
        alpha: false,
    }
}

/// What Chromium wants with this query.
fn wish(query: &str) -> Wish {
    try_wish(query).unwrap_or_else(|refusal| panic!("{query}: {refusal}"))
}

fn try_wish(query: &str) -> Result<Wish, Refusal> {
    let headers = fields(&[("accept", CHROMIUM)]);
    policy().wish(b"/p.jpg", Some(query.as_bytes()), &headers)
}

/// The query with its signature.
fn signed(query: &str) -> String {
    let signature = signed_policy().sign.unwrap().sign("/p.jpg", query);
    match query {
        "" => format!("s={signature}"),
        _ => format!("{query}&s={signature}"),
    }
}

fn try_signed(query: &str) -> Result<Wish, Refusal> {
    let headers = fields(&[("accept", CHROMIUM)]);
    signed_policy().wish(b"/p.jpg", Some(query.as_bytes()), &headers)
}

/// The first recipe for an original, as text.
fn first(query: &str, facts: &Facts) -> Recipe {
    wish(query).recipes(facts).into_iter().next().unwrap()
}
