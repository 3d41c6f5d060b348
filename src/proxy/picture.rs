//! A request for a picture: the variant that is sent in its place.

use super::admit::{envelope, refusal};
use super::context::Context;
use super::respond::Answer;
use crate::files::{Content, Entry, OpenFile};
use crate::media::{self, Format, Images, Original, OriginalId, Refusal, Served, Variant, Wish};
use crate::wire::target;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, VARY};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Of an answer that will soon be another one.
const BRIEF: HeaderValue = HeaderValue::from_static("max-age=15");
/// A picture may hold scripts: opened by itself it must not run them in the site's name (Content
/// Security Policy Level 3, section 6.4.1).
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox");
const SVG: &[u8] = b"image/svg+xml";

/// What an answer with a picture has beside what all files have.
#[derive(Debug, Default)]
pub struct Dress {
    /// Fields of the request that it depends on.
    vary: Option<HeaderValue>,
    /// Whether a better answer is on its way.
    brief: bool,
    /// Whether it is a document with scripts of its own.
    sandbox: bool,
}

impl Dress {
    /// Puts it on an answer that has all else.
    ///
    /// # Errors
    /// More fields than a header map holds.
    pub fn put_on(&self, head: &mut ResponseHeader) -> Result<()> {
        if let Some(vary) = &self.vary {
            head.append_header(VARY, vary.clone())?;
        }
        // Also where the operator wants answers to be kept for long: this one is not meant.
        if self.brief && matches!(head.status.as_u16(), 200 | 206 | 304) {
            head.insert_header(CACHE_CONTROL, BRIEF)?;
        }
        if self.sandbox {
            sandbox(head)?;
        }
        Ok(())
    }
}

/// Whether this type is that of pictures with scripts.
pub fn is_svg(kind: &[u8]) -> bool {
    kind.get(..SVG.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(SVG))
}

/// Keeps a document's scripts from running in the site's name.
///
/// # Errors
/// More fields than a header map holds.
pub fn sandbox(head: &mut ResponseHeader) -> Result<()> {
    head.append_header(CONTENT_SECURITY_POLICY, SANDBOX)?;
    Ok(())
}

/// What becomes of a request for a file on a route with images.
#[derive(Debug)]
pub enum Picture {
    /// This is sent.
    File(Arc<Entry>, Dress),
    /// It is answered otherwise.
    Answer(Box<Answer>),
}

/// Chooses what is sent for this file.
///
/// # Errors
/// An answer that cannot be built.
pub async fn choose(
    images: &Images,
    entry: &Arc<Entry>,
    request: &RequestHeader,
    ctx: &mut Context,
) -> Result<Picture> {
    let kind = entry.content_type.as_bytes();
    if is_svg(kind) {
        let dress = Dress {
            sandbox: true,
            ..Dress::default()
        };
        return Ok(Picture::File(entry.clone(), dress));
    }
    if Format::of_type(kind).is_none() {
        return Ok(Picture::File(entry.clone(), Dress::default()));
    }
    let (path, query) = target::split_target(request.raw_path());
    let wish = match images.terms.policy.wish(path, query, &request.headers) {
        Ok(wish) => wish,
        Err(refusal) => {
            let answer = refused(&refusal, ctx)?;
            return Ok(Picture::Answer(Box::new(answer)));
        }
    };
    let mut dress = Dress {
        vary: vary(&wish),
        ..Dress::default()
    };
    let (id, length) = (OriginalId(entry.stamp.parts()), entry.content.len());
    let served = match images.at_hand(id, length, &wish) {
        Some(served) => served,
        // In a box: what it has to remember would make every request for a file larger.
        None => Box::pin(images.serve(original(entry), &wish)).await,
    };
    let entry = match served {
        Served::Variant { variant, settled } => {
            dress.brief = !settled;
            derived(entry, &variant)
        }
        Served::Original { settled } => {
            dress.brief = !settled;
            entry.clone()
        }
        Served::Refused(_) => {
            let answer = refusal(422, "broken_picture", request, ctx)?;
            return Ok(Picture::Answer(Box::new(answer)));
        }
        Served::Text(text) => {
            let kind = HeaderValue::from_static("text/plain");
            let mut answer = Answer::new(200, &kind, Bytes::from(text), &envelope(ctx))?;
            dress.put_on(&mut answer.head)?;
            return Ok(Picture::Answer(Box::new(answer)));
        }
    };
    Ok(Picture::File(entry, dress))
}

/// A 400 or 403 that says what is wrong with the address.
///
/// # Errors
/// An answer that cannot be built.
pub fn refused(why: &Refusal, ctx: &mut Context) -> Result<Answer> {
    ctx.fault = Some("picture");
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    let text = Bytes::from(format!("{why}\n"));
    Answer::new(why.status(), &kind, text, &envelope(ctx))
}

fn vary(wish: &Wish) -> Option<HeaderValue> {
    wish.vary().map(HeaderValue::from_static)
}

/// The file, as the room of pictures sees it.
fn original(entry: &Arc<Entry>) -> Original {
    let file = entry.clone();
    Original {
        id: OriginalId(entry.stamp.parts()),
        length: entry.content.len(),
        read: Arc::new(move || read(&file.content)),
    }
}

/// A file's whole content. Blocks.
///
/// # Errors
/// It cannot be read, or is not what it was when it was opened.
pub fn read(content: &Content) -> io::Result<Bytes> {
    match content {
        Content::Memory(bytes) => Ok(bytes.clone()),
        Content::Disk(open) => {
            let length = usize::try_from(open.stamp.length).map_err(io::Error::other)?;
            let mut bytes = vec![0; length];
            open.file.read_exact_at(&mut bytes, 0)?;
            match open.still_holds() {
                true => Ok(Bytes::from(bytes)),
                false => Err(io::Error::other("the file has changed")),
            }
        }
    }
}

/// The variant, as a file that is sent. It is made of the variant once: nearly all pictures lie there
/// under one name.
fn derived(original: &Entry, variant: &Variant) -> Arc<Entry> {
    let make = || Arc::new(derive(original, variant));
    match variant.notes(make) {
        Some(entry) if entry.is_of(original) => entry.clone(),
        _ => make(),
    }
}

fn derive(original: &Entry, variant: &Variant) -> Entry {
    let content = match &variant.body {
        media::Body::Memory(bytes) => Content::Memory(bytes.clone()),
        media::Body::Disk(file, length) => {
            Content::Disk(Arc::new(OpenFile::sealed(file.clone(), *length)))
        }
    };
    let kind = HeaderValue::from_static(variant.format.content_type());
    original.derive(content, variant.key.to_string(), kind)
}
