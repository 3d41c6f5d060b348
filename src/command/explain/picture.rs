//! What a route with `images` does with pictures.

use crate::answer;
use crate::files::Entry;
use crate::media::{Facts, Format, Frames, Images, Plan, probe};
use crate::proxy::read_picture;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

/// What a browser says that takes all that is made.
const BROWSER: HeaderValue = HeaderValue::from_static("image/avif,image/webp,*/*");

/// What is made of pictures, in a line.
pub fn terms(images: &Images) -> String {
    let policy = &images.terms.policy;
    let formats: Vec<&str> = policy.formats.iter().map(|format| format.name()).collect();
    let widths: Vec<String> = policy.widths.iter().map(u32::to_string).collect();
    let formats = match formats.is_empty() {
        true => "their own format".to_string(),
        false => format!("{} or their own format", formats.join(", ")),
    };
    let signed = if policy.sign.is_some() {
        ", any when signed"
    } else {
        ""
    };
    format!(
        "sends pictures in {formats}, {} wide{signed}, else at most {}x{}",
        widths.join(", "),
        policy.max_width,
        policy.max_height
    )
}

/// What becomes of a file.
pub fn lines(
    images: &Images,
    entry: &Entry,
    request: &answer::Request<'_>,
    headers: &HeaderMap,
) -> Vec<String> {
    if Format::of_type(entry.content_type.as_bytes()).is_none() {
        return Vec::new();
    }
    let mut headers = headers.clone();
    let browser = match headers.contains_key(ACCEPT) {
        true => "the client",
        false => "a browser of today",
    };
    headers.entry(ACCEPT).or_insert(BROWSER);
    let wish = match images
        .terms
        .policy
        .wish(request.raw_path, request.query, &headers)
    {
        Ok(wish) => wish,
        Err(refusal) => return vec![format!("answer    {}: {refusal}", refusal.status())],
    };
    let limits = &images.terms.limits;
    let facts = match entry.content.len() > limits.bytes {
        true => Err("the file is too large".to_string()),
        false => match read_picture(&entry.content) {
            Ok(bytes) => probe(&bytes, limits).map_err(|fault| fault.to_string()),
            Err(error) => Err(error.to_string()),
        },
    };
    let facts = match facts {
        Ok(facts) => facts,
        Err(why) => return vec![format!("picture   no variants of it: {why}")],
    };
    let chain: Vec<String> = wish
        .recipes(&facts)
        .iter()
        .map(|recipe| {
            let (width, height) = Plan::of(recipe, facts.upright()).size();
            format!("{} {width}x{height}", recipe.format.name())
        })
        .collect();
    let gets = match chain.is_empty() {
        true => "it as it is".to_string(),
        false => format!(
            "{}, or it as it is where that is smaller",
            chain.join(", else ")
        ),
    };
    vec![
        format!("picture   {}", what(&facts)),
        format!("variant   {browser} gets {gets}"),
    ]
}

fn what(facts: &Facts) -> String {
    let (width, height) = facts.upright();
    let mut text = format!("{} of {width}x{height} pixels", facts.format.name());
    if facts.frames == Frames::Many {
        text.push_str(", an animation");
    }
    if facts.alpha {
        text.push_str(", may be transparent");
    }
    text
}
