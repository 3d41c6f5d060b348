//! An app's pages are helped with their images on their way to the client.

use super::context::Context;
use crate::compress::{must_not_change, weaken_tag};
use crate::edge::{Action, Site};
use crate::files::{self, Content, Files};
use crate::headers::host;
use crate::media::html::{Known, Look, Rewriter};
use crate::media::probe_head;
use crate::route::{Facts, Found};
use crate::wire::{has_item, target};
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, StatusCode, Version};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Of a picture this much is read for its size: behind it there is at most what nobody needs.
const BEGINNING: u64 = 64 * 1024;

/// Whether pages of the request's site are helped.
pub fn helps(ctx: &Context) -> bool {
    ctx.site().is_some_and(|site| site.helps_pages)
}

/// What the request's site knows of pictures, when its pages are helped.
fn look(ctx: &Context) -> Option<Box<Look>> {
    let site = ctx.site.filter(|_| helps(ctx))?;
    let (edge, now) = (ctx.edge.clone(), ctx.started);
    Some(Box::new(move |path, query| {
        known(edge.sites.get(site)?, now, path.as_bytes(), query)
    }))
}

/// What is known of the picture at an address of this site.
fn known(site: &Site, now: Instant, raw: &[u8], query: Option<&str>) -> Option<Known> {
    let path = target::normalise(raw)?;
    let query = query.map(str::as_bytes);
    let facts = Facts {
        method: &Method::GET,
        headers: &HeaderMap::new(),
        query,
    };
    let Found::Route(index) = site.table().find(&path, &facts) else {
        return None;
    };
    let route = site.routes.get(index).filter(|route| route.helps_pages())?;
    let images = route.images.as_ref()?;
    let own = match &route.action {
        Action::Files(files, _) => {
            let (files, below) = (files.clone(), route.pattern.below(&path).to_vec());
            images.sizes.get(&path, now, move || size(&files, &below))
        }
        // An app's picture would have to be asked for.
        _ => None,
    };
    images.told(raw, query, own)
}

/// The size of a picture by its file's beginning. Blocks.
fn size(files: &Files, below: &[u8]) -> Option<(u32, u32)> {
    let Ok(files::Found::File(entry)) = files.look_up(below) else {
        return None;
    };
    match &entry.content {
        Content::Memory(bytes) => probe_head(bytes),
        Content::Disk(open) => {
            let length = usize::try_from(open.stamp.length.min(BEGINNING)).ok()?;
            let mut head = vec![0; length];
            open.file.read_exact_at(&mut head, 0).ok()?;
            probe_head(&head)
        }
    }
}

/// Asks the app for a page as it is: one that the app encodes could not be read. parvis encodes it
/// afterwards, where the route is compressed; where it is not, the app's coding is worth more.
pub fn ask(request: &mut RequestHeader, ctx: &Context) {
    if ctx.route().is_some_and(|route| route.compress.is_some()) && helps(ctx) {
        request.remove_header(&ACCEPT_ENCODING);
    }
}

/// Begins the help for an app's answer, whose head is otherwise finished and not encoded yet.
///
/// # Errors
/// More fields than a header map holds.
pub fn begin(answer: &mut ResponseHeader, session: &mut Session, ctx: &mut Context) -> Result<()> {
    let Some(look) = look(ctx) else {
        return Ok(());
    };
    if answer.status == StatusCode::NOT_MODIFIED && ctx.weak_tags {
        // What the 200 would say (RFC 9110 section 15.4.5).
        return weaken_tag(answer);
    }
    let request = session.req_header();
    let bodiless = matches!(
        answer.status,
        StatusCode::NO_CONTENT
            | StatusCode::RESET_CONTENT
            | StatusCode::PARTIAL_CONTENT
            | StatusCode::NOT_MODIFIED
    );
    if bodiless
        || must_not_change(&answer.headers)
        || has_item(&request.headers, &CACHE_CONTROL, b"no-transform")
    {
        return Ok(());
    }
    let Some(address) = address(request, ctx.tls()) else {
        return Ok(());
    };
    let kind = answer.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let Some(page) = kind.and_then(|kind| Rewriter::new(kind, &address, look)) else {
        return Ok(());
    };
    answer.remove_header(&CONTENT_LENGTH);
    // Ranges are of the app's page, which this is not.
    answer.remove_header(&ACCEPT_RANGES);
    weaken_tag(answer)?;
    if request.method == Method::HEAD {
        answer.remove_header(&TRANSFER_ENCODING);
        return Ok(());
    }
    // An HTTP/1.0 client knows no chunks: its answer ends with the connection.
    if request.version == Version::HTTP_11 {
        answer.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    } else {
        session.set_keepalive(None);
    }
    ctx.page = Some(Mutex::new(page));
    Ok(())
}

/// The URL that the client asked for.
fn address(request: &RequestHeader, tls: bool) -> Option<String> {
    let scheme = if tls { "https" } else { "http" };
    let host = host(request)?.to_str().ok()?;
    let path = std::str::from_utf8(request.raw_path()).ok()?;
    path.starts_with('/')
        .then(|| format!("{scheme}://{host}{path}"))
}

/// Takes a piece of an app's answer through the help.
pub fn piece(ctx: &mut Context, body: &mut Option<Bytes>, end: bool) {
    let Some(page) = &mut ctx.page else { return };
    let page = page.get_mut().unwrap_or_else(PoisonError::into_inner);
    let piece = body.take().unwrap_or_default();
    let out = match (page.passes(), end) {
        (true, _) => piece,
        (false, false) => Bytes::from(page.write(&piece)),
        (false, true) => {
            let mut out = page.write(&piece);
            out.extend(page.end());
            Bytes::from(out)
        }
    };
    // An empty piece would be written as a chunk, and that as the last one.
    *body = (!out.is_empty()).then_some(out);
}
