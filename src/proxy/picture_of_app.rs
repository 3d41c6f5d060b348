//! Pictures that come from an app: the variant that is given in place of the app's answer.
//!
//! The connection to the app gathers the answer ([`crate::upstream::Rework`]) and has another one
//! made here, so that all that follows (fields, compression, the log) sees that one alone. What it
//! cannot know of the client and the route is added when the head passes ([`dress`]).

mod conditions;
mod head;
#[cfg(test)]
mod tests;

use super::context::Context;
use super::picture;
use super::respond::{Answer, Body, Envelope};
use crate::media::{
    ContentKey, Format, Images, Original, OriginalId, Refusal, Served, Variant, Wish,
};
use crate::upstream::{Rework, Work, fields};
use crate::wire::{has_item, target};
use bytes::Bytes;
use conditions::{Asked, is_likely};
use http::header::{
    ACCEPT, ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_TYPE, COOKIE, ETAG, HeaderValue, LAST_MODIFIED,
};
use http::{HeaderMap, Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType, Result};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

/// Originals of apps that are in memory at the same time, for all of the process: 256 MiB. Those that
/// find no room are sent as they are.
static ROOM: Semaphore = Semaphore::const_new((256 << 20) / UNIT);
/// What room is counted in, bytes.
const UNIT: usize = 64 * 1024;
/// A hash of no more than this takes less time than to have it made elsewhere, bytes.
const AT_ONCE: usize = 16 * 1024;

/// A request to an app, on a route with images.
#[derive(Debug)]
pub struct PictureOfApp {
    images: Arc<Images>,
    wish: std::result::Result<Wish, Refusal>,
    /// Whether the answer may be made into another one.
    reworks: bool,
    /// Whether the client asks for a picture, as far as can be told: then what it has and which part
    /// it wants is for us to weigh, and not for the app.
    likely: bool,
    head_only: bool,
    asked: Asked,
    /// Of which errors' pages depend.
    accept: HeaderMap,
    request_id: Option<HeaderValue>,
    /// When the app's answer began.
    came: OnceLock<Instant>,
    fate: Mutex<Fate>,
    room: Room,
}

/// What became of the app's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fate {
    /// It is as it came.
    #[default]
    Passed,
    /// As it came, because too much is being done.
    Busy,
    /// As it came, because it is too large.
    TooLarge,
    /// A variant, or the word that the client has it.
    Variant { settled: bool },
    /// It is the best there is, or will do for now.
    Original { settled: bool },
    /// An error of ours: why, for the log.
    Refused(&'static str),
}

/// What an original takes of the room for all.
#[derive(Debug, Default)]
struct Room(Mutex<Option<SemaphorePermit<'static>>>);

impl Room {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<SemaphorePermit<'static>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so much, with what it has.
    fn take(&self, bytes: u64) -> bool {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut slot = self.slot();
        let has = slot.as_ref().map_or(0, SemaphorePermit::num_permits);
        let wants = bytes.div_ceil(UNIT).saturating_sub(has);
        if wants == 0 {
            return true;
        }
        let Ok(wants) = u32::try_from(wants) else {
            return false;
        };
        match (ROOM.try_acquire_many(wants), slot.as_mut()) {
            (Ok(more), Some(before)) => before.merge(more),
            (Ok(more), None) => *slot = Some(more),
            (Err(_), _) => return false,
        }
        true
    }
}

/// An app's picture, as long as anybody needs it.
struct InMemory {
    bytes: Bytes,
    _room: Option<SemaphorePermit<'static>>,
}

/// Looks at a request that is about to go to an app. An answer: it does not go there, for what it
/// asks for makes no sense.
///
/// # Errors
/// An answer that cannot be built.
pub fn begin(request: &RequestHeader, ctx: &mut Context) -> Result<Option<Answer>> {
    let head_only = request.method == Method::HEAD;
    if ctx.websocket || !(head_only || request.method == Method::GET) {
        return Ok(None);
    }
    let Some(images) = ctx.route().and_then(|route| route.images.clone()) else {
        return Ok(None);
    };
    let headers = &request.headers;
    let (path, query) = target::split_target(request.raw_path());
    let wish = images.terms.policy.wish(path, query, headers);
    let likely = is_likely(path, headers);
    // Of other requests it shows with the answer: `?q=` and `?format=` may be the app's.
    if let (true, Err(refusal)) = (likely, &wish) {
        return picture::refused(refusal, ctx).map(Some);
    }
    let mut accept = HeaderMap::new();
    if let Some(value) = headers.get(ACCEPT) {
        accept.insert(ACCEPT, value.clone());
    }
    ctx.picture = Some(Arc::new(PictureOfApp {
        images,
        wish,
        reworks: !head_only && !has_item(headers, &CACHE_CONTROL, b"no-transform"),
        likely,
        head_only,
        asked: Asked::of(headers),
        accept,
        request_id: ctx.request_id.clone(),
        came: OnceLock::new(),
        fate: Mutex::default(),
        room: Room::default(),
    }));
    Ok(None)
}

/// Who makes another answer of the app's.
pub fn rework(ctx: &Context) -> Option<Arc<dyn Rework>> {
    let picture = ctx.picture.as_ref().filter(|picture| picture.reworks)?;
    Some(picture.clone())
}

/// Takes out of the request for the app what would keep it from sending the whole picture.
pub fn ask(request: &mut RequestHeader, ctx: &Context) {
    if let Some(picture) = ctx.picture.as_ref().filter(|picture| picture.reworks) {
        conditions::withhold(request, picture.likely);
    }
}

/// When the app's answer came, where that was before its head is passed on.
pub fn came(ctx: &Context) -> Option<Instant> {
    ctx.picture.as_ref()?.came.get().copied()
}

/// Gives an answer, which has all else, the fields of pictures.
///
/// # Errors
/// 422 for a picture that is too large, on a strict route; more fields than a header map holds.
pub fn dress(
    answer: &mut ResponseHeader,
    request: &RequestHeader,
    ctx: &mut Context,
) -> Result<()> {
    let Some(picture) = ctx.picture.clone() else {
        return Ok(());
    };
    let fate = picture.fate();
    let kind = answer.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let kind = kind.unwrap_or_default();
    if picture::is_svg(kind) {
        return picture::sandbox(answer);
    }
    let is_picture = Format::of_type(kind).is_some();
    let reworked = matches!(fate, Fate::Variant { .. });
    match fate {
        Fate::Refused(why) => {
            ctx.fault = Some(why);
            return Ok(());
        }
        Fate::TooLarge if matches!(picture.images.too_large(), Served::Refused(_)) => {
            ctx.fault = Some(BROKEN);
            let what = "the app's picture is larger than max_size";
            return Err(Error::explain(ErrorType::HTTPStatus(422), what).into_in());
        }
        _ if !is_picture && !reworked && !matches!(fate, Fate::Original { .. }) => return Ok(()),
        _ => {}
    }
    if reworked {
        // It is as small as it gets.
        ctx.plain = true;
    }
    if !matches!(fate, Fate::Passed) {
        // Whichever tag it has, it is the right one.
        ctx.weak_tags = false;
    }
    if let Some(vary) = picture.wish.as_ref().ok().and_then(Wish::vary) {
        head::add_vary(answer, vary)?;
    }
    let coded = answer.headers.contains_key(CONTENT_ENCODING);
    if picture.head_only && answer.status == StatusCode::OK && !coded {
        // What a GET would say of the variant is not known, and the app's would be wrong (RFC 9110
        // section 9.3.2).
        for name in [CONTENT_LENGTH, ETAG, ACCEPT_RANGES] {
            answer.remove_header(&name);
        }
    }
    let original = matches!(fate, Fate::Original { .. } | Fate::Busy);
    if original && picture.likely && answer.headers.contains_key(ACCEPT_RANGES) {
        answer.insert_header(ACCEPT_RANGES, HeaderValue::from_static("none"))?;
    }
    let brief = match fate {
        Fate::Variant { settled } | Fate::Original { settled } => !settled,
        Fate::Busy => true,
        _ => false,
    };
    if !brief {
        return Ok(());
    }
    if original && !picture.likely {
        // The app would say for ever that the client has what it has.
        answer.remove_header(&ETAG);
        answer.remove_header(&LAST_MODIFIED);
    }
    let personal =
        request.headers.contains_key(COOKIE) || request.headers.contains_key(AUTHORIZATION);
    if let Some(control) = head::brief(&answer.headers, personal) {
        answer.insert_header(CACHE_CONTROL, control)?;
    }
    Ok(())
}

/// What the log says of a picture of which none can be made.
const BROKEN: &str = "broken_picture";

impl Rework for PictureOfApp {
    fn takes(&self, head: &[u8]) -> bool {
        let _ = self.came.set(Instant::now());
        let mut kind = None;
        for (name, value) in fields(head).flatten() {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            if is("content-type") {
                kind = Format::of_type(value);
            } else if is("cache-control") {
                let mut items = value.split(|byte| *byte == b',');
                if items.any(|item| item.trim_ascii().eq_ignore_ascii_case(b"no-transform")) {
                    return false;
                }
            } else if is("content-disposition") {
                // What is downloaded under a name is meant to be what that says.
                let inline = value.get(..6);
                if !inline.is_some_and(|start| start.eq_ignore_ascii_case(b"inline")) {
                    return false;
                }
            }
        }
        kind.is_some()
    }

    fn limit(&self) -> u64 {
        self.images.terms.limits.bytes
    }

    fn has_room(&self, bytes: u64) -> bool {
        let has = self.room.take(bytes);
        if !has {
            self.passes(Fate::Busy);
        }
        has
    }

    fn is_too_long(&self) {
        self.passes(Fate::TooLarge);
    }

    fn rework(self: Arc<Self>, head: Vec<u8>, body: Bytes) -> Work {
        Box::pin(async move {
            let (fate, other) = self.make(&head, body).await;
            self.set_fate(fate);
            other
        })
    }
}

impl PictureOfApp {
    fn fate(&self) -> Fate {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_fate(&self, fate: Fate) {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner) = fate;
    }

    /// The answer goes on as it comes, and takes no room.
    fn passes(&self, fate: Fate) {
        self.set_fate(fate);
        drop(self.room.slot().take());
    }

    /// Another answer, or nothing: the app's.
    async fn make(&self, head: &[u8], body: Bytes) -> (Fate, Vec<u8>) {
        let wish = match &self.wish {
            Ok(wish) => wish,
            Err(refusal) => {
                let kind = HeaderValue::from_static("text/plain; charset=utf-8");
                let text = Bytes::from(format!("{refusal}\n"));
                let answer = Answer::new(refusal.status(), &kind, text, &self.envelope());
                return own(answer, "picture");
            }
        };
        let for_now = (Fate::Original { settled: false }, Vec::new());
        let Some(key) = hash(body.clone()).await else {
            return for_now;
        };
        let picture = InMemory {
            bytes: body,
            _room: self.room.slot().take(),
        };
        let original = Original {
            id: OriginalId::from(&key),
            length: picture.bytes.len() as u64,
            read: Arc::new(move || Ok(picture.bytes.clone())),
        };
        match self.images.serve(original, wish).await {
            Served::Variant { variant, settled } => {
                let fate = Fate::Variant { settled };
                let tag = variant.key.to_string();
                if self.asked.has_tag(&tag) {
                    return (fate, head::not_modified(head, Some(&tag)));
                }
                match read(variant.clone()).await {
                    Some(bytes) => {
                        let kind = variant.format.content_type();
                        (fate, head::ok(head, kind, Some(&tag), &bytes))
                    }
                    None => for_now,
                }
            }
            Served::Original { settled } => {
                let fate = Fate::Original { settled };
                match self.likely && self.asked.has(head) {
                    true => (fate, head::not_modified(head, None)),
                    false => (fate, Vec::new()),
                }
            }
            Served::Text(text) => {
                let fate = Fate::Variant { settled: true };
                (fate, head::ok(head, "text/plain", None, text.as_bytes()))
            }
            Served::Refused(_) => {
                let answer = Answer::error(422, Some(&self.accept), None, &self.envelope());
                own(answer, BROKEN)
            }
        }
    }

    /// The rest comes when the head is passed on.
    fn envelope(&self) -> Envelope<'_> {
        Envelope {
            policy: None,
            request_id: self.request_id.as_ref(),
            timing: None,
            tls: false,
        }
    }
}

/// An answer of ours, as bytes.
fn own(answer: Result<Answer>, why: &'static str) -> (Fate, Vec<u8>) {
    match answer {
        Ok(Answer {
            head,
            body: Body::Whole(body),
        }) => (Fate::Refused(why), head::spell(&head, &body)),
        _ => (Fate::Original { settled: false }, Vec::new()),
    }
}

/// The hash of a picture.
async fn hash(bytes: Bytes) -> Option<ContentKey> {
    match bytes.len() <= AT_ONCE {
        true => Some(ContentKey::of(&bytes)),
        false => spawn_blocking(move || ContentKey::of(&bytes)).await.ok(),
    }
}

/// The bytes of a variant.
async fn read(variant: Arc<Variant>) -> Option<Bytes> {
    if let crate::media::Body::Memory(bytes) = &variant.body {
        return Some(bytes.clone());
    }
    let read = spawn_blocking(move || variant.body.read()).await.ok()?;
    let read = read.inspect_err(|error| tracing::debug!(%error, "a variant cannot be read"));
    read.ok()
}
