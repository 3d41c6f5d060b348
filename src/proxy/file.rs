//! A request for a file: found, its conditions and ranges weighed, its best form chosen.

use super::admit::{add_slash, envelope, error_answer, not_allowed, refusal};
use super::context::Context;
use super::encode;
use super::picture::{self, Dress, Picture};
use super::respond::{Answer, Body, Part, prefers_json};
use super::send_file::aside;
use crate::compress;
use crate::compress::{Accepted, CompressPolicy, Effort, accepted, add_vary, weak};
use crate::content::{Coding, Form};
use crate::edge::Action;
use crate::files::conditional::{Validators, Verdict, evaluate, range_applies};
use crate::files::range::{Ranges, content_range, parse, unsatisfied};
use crate::files::{Content, Entry, Found, OpenFile, is_devious, listing, multipart};
use crate::wire::target;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH,
    IF_RANGE, RANGE,
};
use http::{HeaderMap, Method};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType, Result};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What may be done with a file, for `Allow`.
const READS: &str = "GET, HEAD";
/// A year: as long as RFC 9111 section 1.2.2 lets a cache be told.
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// To be asked about before each use, which costs a 304.
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

/// Answers a request for a file. `path` is decoded; `None`: the request is for the fallback.
///
/// # Errors
/// A file that cannot be read: 500.
pub async fn answer(
    request: &RequestHeader,
    ctx: &mut Context,
    path: &[u8],
) -> Result<Option<Answer>> {
    let edge = ctx.edge.clone();
    let route = ctx
        .site
        .and_then(|site| edge.sites.get(site)?.routes.get(ctx.route?));
    let Some((route, Action::Files(files, fallback))) = route.map(|route| (route, &route.action))
    else {
        return Error::e_explain(ErrorType::InternalError, "the route has no files");
    };
    let (raw_path, query) = target::split_target(request.raw_path());
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    if !reads && fallback.is_none() {
        return not_allowed(READS, request, ctx).map(Some);
    }
    let below = route.pattern.below(path);
    let found = match is_devious(raw_path) {
        true => Found::Missing,
        false => files
            .find(below, ctx.started)
            .await
            .map_err(|error| Error::because(ErrorType::FileReadError, "cannot read", error))?,
    };
    match found {
        Found::Missing | Found::AddSlash | Found::Forbidden if !reads && fallback.is_some() => {
            Ok(None)
        }
        Found::Missing if fallback.is_some() => Ok(None),
        Found::Missing => refusal(404, "no_file", request, ctx).map(Some),
        Found::Forbidden => {
            // Nobody but the operator can mend it.
            tracing::warn!(
                route = route.label,
                root = %files.root(),
                path = %String::from_utf8_lossy(below).escape_debug(),
                "a file may not be read: permission denied"
            );
            refusal(403, "file_unreadable", request, ctx).map(Some)
        }
        Found::File(_) | Found::Listing(_) if !reads => not_allowed(READS, request, ctx).map(Some),
        Found::AddSlash => {
            // `//host` would lead to another site.
            let doubled = raw_path.iter().take_while(|b| **b == b'/').count();
            let path = raw_path
                .get(doubled.saturating_sub(1)..)
                .unwrap_or_default();
            add_slash(path, query, ctx).map(Some)
        }
        Found::Listing(items) => {
            let policy = route.compress.as_deref();
            list(items, path, query, policy, request, ctx)
                .await
                .map(Some)
        }
        Found::File(entry) => {
            let policy = route.compress.as_deref();
            let (entry, dress) = match &route.images {
                None => (entry, Dress::default()),
                Some(images) => match picture::choose(images, &entry, request, ctx).await? {
                    Picture::File(entry, dress) => (entry, dress),
                    Picture::Answer(answer) => return Ok(Some(*answer)),
                },
            };
            let mut answer = send(&entry, policy, request, ctx).await?;
            dress.put_on(&mut answer.head)?;
            Ok(Some(answer))
        }
    }
}

async fn list(
    items: Vec<listing::Item>,
    path: &[u8],
    query: Option<&[u8]>,
    policy: Option<&CompressPolicy>,
    request: &RequestHeader,
    ctx: &Context,
) -> Result<Answer> {
    let headers = &request.headers;
    let json = prefers_json(headers);
    let (path, number) = (path.to_vec(), listing::requested_page(query));
    let write = move || {
        let page = listing::page(items, number);
        match json {
            true => listing::json(&path, &page),
            false => listing::html(&path, &page),
        }
    };
    let text = aside(move || Ok(write())).await?;
    let kind = HeaderValue::from_static(match json {
        true => "application/json",
        false => "text/html; charset=utf-8",
    });
    let mut head = ResponseHeader::build(200, Some(12))?;
    head.insert_header(CONTENT_LENGTH, HeaderValue::from(text.len()))?;
    head.insert_header(CONTENT_TYPE, kind)?;
    head.insert_header("Vary", HeaderValue::from_static("Accept"))?;
    head.insert_header(
        "X-Content-Type-Options",
        HeaderValue::from_static("nosniff"),
    )?;
    head.insert_header(CACHE_CONTROL, ASK_FIRST)?;
    let text = Bytes::from(text);
    let mut answer = Answer::with(head, Body::Whole(text.clone()), &envelope(ctx))?;
    if let Some(coding) = encode::own_coding(&mut answer, policy, headers)? {
        let form = aside(move || {
            let encoded = compress::whole(coding, Effort::Fast, &text)?;
            Ok(Form::of(text.len(), encoded, false))
        })
        .await?;
        encode::put_form(&mut answer, coding, &form)?;
    }
    Ok(answer)
}

/// The form of a file that is sent.
struct Chosen {
    source: Source,
    coding: Option<Coding>,
    etag: HeaderValue,
}

enum Source {
    /// As it lies there.
    Ready(Content),
    /// Encoded while it is sent.
    Encoded(Arc<OpenFile>, Coding),
}

async fn send(
    entry: &Arc<Entry>,
    policy: Option<&CompressPolicy>,
    request: &RequestHeader,
    ctx: &Context,
) -> Result<Answer> {
    let headers = &request.headers;
    let validators = Validators {
        base: &entry.tag,
        modified: entry.stamp.modified(),
    };
    let shrinks = policy.filter(|policy| {
        policy.takes_type(entry.content_type.as_bytes())
            && entry.content.len() >= policy.min_length()
    });
    let varies = shrinks.is_some() || Coding::ALL.iter().any(|c| entry.sibling(*c).is_some());
    let verdict = evaluate(headers, &validators);
    if verdict == Verdict::Failed {
        return error_answer(412, request, ctx);
    }
    // A 304 has the client's own tag, of whichever form that is: a cache updates what has the same
    // (RFC 9111 section 4.3.4).
    let clients = match verdict {
        Verdict::NotModified => clients_tag(entry, headers),
        _ => None,
    };
    let ranges = match verdict {
        Verdict::Send if request.method == Method::GET => ranges(headers, &validators, entry),
        _ => Ranges::Whole,
    };
    let chosen = match &ranges {
        // Without one it tells what the 200 would (RFC 9110 section 15.4.5).
        Ranges::Whole if varies && clients.is_none() => {
            choose(entry, shrinks, policy, headers, ctx).await?
        }
        _ => plain(entry),
    };
    let status = match (verdict, &ranges) {
        (Verdict::NotModified, _) => 304,
        (_, Ranges::Whole) => 200,
        (_, Ranges::Parts(_)) => 206,
        (_, Ranges::Unsatisfiable) => 416,
    };
    let mut head = ResponseHeader::build(status, Some(20))?;
    head.insert_header("ETag", clients.unwrap_or_else(|| chosen.etag.clone()))?;
    head.insert_header("Last-Modified", entry.last_modified.clone())?;
    if varies {
        add_vary(&mut head)?;
    }
    let policy = ctx.route().map(|route| &route.headers);
    if status != 416 && !policy.is_some_and(|policy| policy.gives_cache_control()) {
        let control = if entry.immutable {
            FOR_A_YEAR
        } else {
            ASK_FIRST
        };
        head.insert_header(CACHE_CONTROL, control)?;
    }
    if status != 304 {
        head.insert_header(
            "X-Content-Type-Options",
            HeaderValue::from_static("nosniff"),
        )?;
    }
    let body = match status {
        304 => Body::None,
        416 => {
            head.insert_header("Content-Range", unsatisfied(entry.content.len()))?;
            head.insert_header(CONTENT_LENGTH, HeaderValue::from(0))?;
            Body::None
        }
        206 => partial(entry, ranges, &mut head)?,
        _ => whole(entry, chosen, &mut head)?,
    };
    Answer::with(head, body, &envelope(ctx))
}

fn ranges(headers: &HeaderMap, validators: &Validators<'_>, entry: &Entry) -> Ranges {
    let mut lines = headers.get_all(RANGE).iter();
    match (lines.next(), lines.next()) {
        (Some(range), None) if range_applies(headers, validators) && !too_fresh(headers, entry) => {
            parse(range.as_bytes(), entry.content.len())
        }
        _ => Ranges::Whole,
    }
}

/// Whether a range depends on a date that does not tell two contents apart: the file changed within
/// the last second or two, and may have done so twice (RFC 9110 section 8.8.2.2), or several were
/// made of it.
fn too_fresh(headers: &HeaderMap, entry: &Entry) -> bool {
    let by_date = headers
        .get(IF_RANGE)
        .is_some_and(|value| !value.as_bytes().ends_with(b"\""));
    let age = || entry.stamp.modified().elapsed();
    by_date && (entry.derived || age().map_or(true, |age| age < Duration::from_secs(2)))
}

/// The tag of this file, in one of its forms, that the client has.
fn clients_tag(entry: &Entry, headers: &HeaderMap) -> Option<HeaderValue> {
    let said = headers.get(IF_NONE_MATCH)?.as_bytes();
    let has = |tag: &HeaderValue| memchr::memmem::find(said, tag.as_bytes()).is_some();
    let coded = Coding::ALL
        .iter()
        .flat_map(|coding| [true, false].map(|best| entry.etag_of(*coding, best)));
    let tag = std::iter::once(entry.etag.clone()).chain(coded).find(has)?;
    // Only a form that was encoded on its way has a weak one.
    let weak = weak(&tag);
    let encoded = matches!(entry.content, Content::Disk(_));
    Some(if encoded && has(&weak) { weak } else { tag })
}

fn plain(entry: &Entry) -> Chosen {
    Chosen {
        source: Source::Ready(entry.content.clone()),
        coding: None,
        etag: entry.etag.clone(),
    }
}

/// Files made beforehand are sent although nothing is compressed here.
fn accept(policy: Option<&CompressPolicy>, headers: &HeaderMap) -> Accepted {
    match policy {
        Some(policy) => policy.accepted(headers),
        None => accepted(headers, &Coding::ALL),
    }
}

/// The best form that the client takes and that can be had.
async fn choose(
    entry: &Arc<Entry>,
    shrinks: Option<&CompressPolicy>,
    policy: Option<&CompressPolicy>,
    headers: &HeaderMap,
    ctx: &Context,
) -> Result<Chosen> {
    let accepted = accept(policy, headers);
    for coding in accepted.iter() {
        if let Some(content) = entry.sibling(coding) {
            return Ok(Chosen {
                source: Source::Ready(content.clone()),
                coding: Some(coding),
                etag: entry.etag_of(coding, true),
            });
        }
        let (Some(_), Content::Memory(body)) = (shrinks, &entry.content) else {
            continue;
        };
        let form = form(entry, body, coding, ctx).await?;
        return Ok(match &form.bytes {
            Some(bytes) => Chosen {
                source: Source::Ready(Content::Memory(bytes.clone())),
                coding: Some(coding),
                etag: entry.etag_of(coding, form.best),
            },
            None => plain(entry),
        });
    }
    if let (Some(_), Some(coding), Content::Disk(open)) =
        (shrinks, accepted.first(), &entry.content)
    {
        return Ok(Chosen {
            source: Source::Encoded(open.clone(), coding),
            coding: Some(coding),
            etag: weak(&entry.etag),
        });
    }
    Ok(plain(entry))
}

async fn form(
    entry: &Arc<Entry>,
    body: &Bytes,
    coding: Coding,
    ctx: &Context,
) -> Result<Arc<Form>> {
    let workshop = &ctx.edge.workshop;
    if let Some(form) = workshop.ready(coding, body, &entry.forms) {
        return Ok(form);
    }
    let (workshop, body, forms) = (workshop.clone(), body.clone(), entry.forms.clone());
    aside(move || workshop.form(coding, &body, &forms)).await
}

fn whole(entry: &Entry, chosen: Chosen, head: &mut ResponseHeader) -> Result<Body> {
    head.insert_header(CONTENT_TYPE, entry.content_type.clone())?;
    if let Some(coding) = chosen.coding {
        head.insert_header(CONTENT_ENCODING, coding.value())?;
    } else {
        head.insert_header("Accept-Ranges", HeaderValue::from_static("bytes"))?;
    }
    Ok(match chosen.source {
        Source::Ready(content) => {
            head.insert_header(CONTENT_LENGTH, HeaderValue::from(content.len()))?;
            match content {
                Content::Memory(bytes) => Body::Whole(bytes),
                Content::Disk(open) => {
                    let length = open.stamp.length;
                    Body::Parts(vec![Part::File(open, 0..length)])
                }
            }
        }
        Source::Encoded(open, coding) => Body::Encoded(open, coding),
    })
}

fn partial(entry: &Entry, ranges: Ranges, head: &mut ResponseHeader) -> Result<Body> {
    let Ranges::Parts(parts) = ranges else {
        return Ok(Body::None);
    };
    let length = entry.content.len();
    let of = |range: &Range<u64>| part(&entry.content, range);
    head.insert_header("Accept-Ranges", HeaderValue::from_static("bytes"))?;
    if let [range] = parts.as_slice() {
        head.insert_header(CONTENT_TYPE, entry.content_type.clone())?;
        head.insert_header("Content-Range", content_range(range, length))?;
        let size = range.end.saturating_sub(range.start);
        head.insert_header(CONTENT_LENGTH, HeaderValue::from(size))?;
        return Ok(Body::Parts(vec![of(range)]));
    }
    // Nobody can know it beforehand, so nobody can put it into a file.
    let boundary = format!("{:032x}", rand::random::<u128>());
    let kind = Some(&entry.content_type);
    let multipart = multipart::multipart(&parts, length, kind, &boundary);
    head.insert_header(CONTENT_TYPE, multipart.content_type)?;
    head.insert_header(CONTENT_LENGTH, HeaderValue::from(multipart.length))?;
    let mut all = Vec::with_capacity(parts.len().saturating_mul(2).saturating_add(1));
    for (before, range) in multipart.heads.into_iter().zip(&parts) {
        all.push(Part::Bytes(before));
        all.push(of(range));
    }
    all.push(Part::Bytes(multipart.tail));
    Ok(Body::Parts(all))
}

fn part(content: &Content, range: &Range<u64>) -> Part {
    match content {
        Content::Disk(open) => Part::File(open.clone(), range.clone()),
        Content::Memory(body) => {
            let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(body.len());
            Part::Bytes(body.slice(at(range.start)..at(range.end)))
        }
    }
}
