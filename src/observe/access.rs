//! Lines of the access log: plain functions from an entry to bytes.

use super::settings::Format;
use crate::wire::target::decode_leniently;
use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What is written about a request.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When its answer ended.
    pub time: SystemTime,
    /// The site's name; empty when none matched.
    pub site: &'a str,
    /// The route's path as written; empty when none matched.
    pub route: &'a str,
    /// The client, behind trusted proxies.
    pub client: Option<IpAddr>,
    /// As sent.
    pub method: &'a str,
    /// As sent.
    pub host: &'a [u8],
    /// As sent.
    pub path: &'a [u8],
    /// Without its `?`.
    pub query: Option<&'a [u8]>,
    /// 0 when no answer was sent.
    pub status: u16,
    /// Bytes from the client, head and framing included.
    pub bytes_in: u64,
    /// Bytes to the client, head and framing included.
    pub bytes_out: u64,
    /// Of the whole request.
    pub duration: Duration,
    /// From passing the request on to the head of the answer.
    pub upstream_duration: Option<Duration>,
    /// The server that answered.
    pub upstream: Option<&'a str>,
    /// `HTTP/1.1`.
    pub protocol: &'a str,
    /// `X-Request-ID`.
    pub request_id: &'a [u8],
    /// `Referer`.
    pub referrer: &'a [u8],
    /// `User-Agent`.
    pub user_agent: &'a [u8],
    /// Why a request was refused, when it was.
    pub fault: Option<&'a str>,
}

/// Appends the entry's line, its end included.
pub fn write(out: &mut Vec<u8>, format: Format, entry: &Entry<'_>) {
    match format {
        Format::Json => json(out, entry),
        Format::Combined => combined(out, entry),
    }
    out.push(b'\n');
}

// Writing to a vector cannot fail: results of `write!` are dropped below.
fn json(out: &mut Vec<u8>, e: &Entry<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    rfc3339(out, e.time);
    out.push(b'"');
    text(out, "site", e.site.as_bytes());
    text(out, "route", e.route.as_bytes());
    if let Some(client) = e.client {
        let _ = write!(out, ",\"client\":\"{client}\"");
    }
    text(out, "method", e.method.as_bytes());
    text(out, "host", e.host);
    text(out, "path", e.path);
    if let Some(query) = e.query {
        text(out, "query", &masked(query));
    }
    let _ = write!(
        out,
        ",\"status\":{},\"bytes_in\":{},\"bytes_out\":{}",
        e.status, e.bytes_in, e.bytes_out
    );
    let _ = write!(out, ",\"duration_ms\":{}", Millis(e.duration));
    if let Some(duration) = e.upstream_duration {
        let _ = write!(out, ",\"upstream_ms\":{}", Millis(duration));
    }
    if let Some(upstream) = e.upstream {
        text(out, "upstream", upstream.as_bytes());
    }
    text(out, "protocol", e.protocol.as_bytes());
    text(out, "request_id", e.request_id);
    if !e.referrer.is_empty() {
        text(out, "referrer", &masked_url(e.referrer));
    }
    if !e.user_agent.is_empty() {
        text(out, "user_agent", e.user_agent);
    }
    if let Some(fault) = e.fault {
        text(out, "fault", fault.as_bytes());
    }
    out.push(b'}');
}

fn combined(out: &mut Vec<u8>, e: &Entry<'_>) {
    match e.client {
        Some(client) => drop(write!(out, "{client}")),
        None => out.push(b'-'),
    }
    out.extend_from_slice(b" - - [");
    common_time(out, e.time);
    out.extend_from_slice(b"] \"");
    quoted(out, e.method.as_bytes());
    out.push(b' ');
    quoted(out, e.path);
    if let Some(query) = e.query {
        out.push(b'?');
        quoted(out, &masked(query));
    }
    let _ = write!(out, " {}\" {} {} \"", e.protocol, e.status, e.bytes_out);
    quoted(
        out,
        if e.referrer.is_empty() {
            b"-"
        } else {
            e.referrer
        }
        .pipe(masked_url)
        .as_ref(),
    );
    out.extend_from_slice(b"\" \"");
    quoted(
        out,
        if e.user_agent.is_empty() {
            b"-"
        } else {
            e.user_agent
        },
    );
    out.push(b'"');
}

/// Lets a value flow into a function, left to right.
trait Pipe: Sized {
    fn pipe<T>(self, f: impl FnOnce(Self) -> T) -> T {
        f(self)
    }
}
impl Pipe for &[u8] {}

struct Millis(Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = self.0.as_micros();
        write!(f, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

/// `,"key":"value"`, escaped (RFC 8259 section 7). What is not UTF-8 is replaced.
fn text(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":\"");
    let plain = |b: &u8| (0x20..0x7f).contains(b) && *b != b'"' && *b != b'\\';
    if value.iter().all(plain) {
        out.extend_from_slice(value);
    } else {
        for c in String::from_utf8_lossy(value).chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
                c => drop(write!(out, "{c}")),
            }
        }
    }
    out.push(b'"');
}

/// As nginx does: quotes, backslashes and what is not visible ASCII become `\xHH`.
fn quoted(out: &mut Vec<u8>, value: &[u8]) {
    for byte in value {
        if (0x20..0x7f).contains(byte) && !matches!(byte, b'"' | b'\\') {
            out.push(*byte);
        } else {
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
}

/// Query values that are secrets, by words in their names.
const SECRETS: [&[u8]; 7] = [
    b"token",
    b"password",
    b"passwd",
    b"secret",
    b"api_key",
    b"apikey",
    b"signature",
];

/// A query with the values of secrets replaced. `;` parts parameters too: some apps take it so.
pub fn masked(query: &[u8]) -> Cow<'_, [u8]> {
    let pairs = || query.split_inclusive(|b| matches!(b, b'&' | b';'));
    if !pairs().any(is_secret) {
        return Cow::Borrowed(query);
    }
    let mut out = Vec::with_capacity(query.len());
    for pair in pairs() {
        let Some(value) = memchr::memchr(b'=', pair).filter(|_| is_secret(pair)) else {
            out.extend_from_slice(pair);
            continue;
        };
        out.extend_from_slice(pair.get(..value).unwrap_or_default());
        out.extend_from_slice(b"=***");
        out.extend(pair.last().filter(|b| matches!(b, b'&' | b';')));
    }
    Cow::Owned(out)
}

/// Whether `name=value` is a secret. The name may hide behind percent signs: `%74oken` is `token`
/// to the app.
fn is_secret(pair: &[u8]) -> bool {
    let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
    let name = decode_leniently(name).to_ascii_lowercase();
    let has = |word: &&[u8]| memchr::memmem::find(&name, word).is_some();
    SECRETS.iter().any(has)
}

/// A URL with the secrets of its query replaced.
fn masked_url(url: &[u8]) -> Vec<u8> {
    match memchr::memchr(b'?', url).and_then(|at| url.split_at_checked(at.saturating_add(1))) {
        Some((head, query)) => [head, &masked(query)].concat(),
        None => url.to_vec(),
    }
}

thread_local! {
    /// The last second's date: a busy thread asks for it thousands of times.
    static SECOND: RefCell<(u64, String, String)> = const { RefCell::new((u64::MAX, String::new(), String::new())) };
}

fn with_second<T>(time: SystemTime, f: impl FnOnce(&str, &str, u32) -> T) -> T {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    SECOND.with_borrow_mut(|(second, iso, common)| {
        if *second != since.as_secs() {
            *second = since.as_secs();
            (*iso, *common) = dates(since.as_secs());
        }
        f(iso, common, since.subsec_millis())
    })
}

fn dates(seconds: u64) -> (String, String) {
    let seconds = i64::try_from(seconds).unwrap_or(0);
    let at = time::OffsetDateTime::from_unix_timestamp(seconds)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    let names = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let name = names
        .get(usize::from(month).saturating_sub(1))
        .copied()
        .unwrap_or("Jan");
    (
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"),
        format!("{day:02}/{name}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000"),
    )
}

/// `2026-11-21T12:00:00.123Z` (RFC 3339).
pub fn rfc3339(out: &mut Vec<u8>, time: SystemTime) {
    with_second(time, |iso, _, millis| {
        drop(write!(out, "{iso}.{millis:03}Z"))
    });
}

fn common_time(out: &mut Vec<u8>, time: SystemTime) {
    with_second(time, |_, common, _| {
        out.extend_from_slice(common.as_bytes())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry<'static> {
        Entry {
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_262_400_123),
            site: "s",
            route: "/*",
            client: "192.0.2.1".parse().ok(),
            method: "GET",
            host: b"a.example",
            path: b"/a\"\x01\xff",
            query: Some(b"x=1&Access_Token=geheim&q"),
            status: 200,
            bytes_in: 10,
            bytes_out: 20,
            duration: Duration::from_micros(1_234_567),
            upstream_duration: Some(Duration::from_micros(999)),
            upstream: Some("127.0.0.1:8000"),
            protocol: "HTTP/1.1",
            request_id: b"id",
            referrer: b"https://r.example/?password=geheim",
            user_agent: b"curl \"8\"",
            fault: None,
        }
    }

    #[test]
    fn json_lines_are_json_and_hide_secrets() {
        let mut out = Vec::new();
        write(&mut out, Format::Json, &entry());
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["time"], "2026-11-21T12:00:00.123Z");
        assert_eq!(value["path"], "/a\"\u{1}\u{fffd}");
        assert_eq!(value["query"], "x=1&Access_Token=***&q");
        assert_eq!(value["duration_ms"], 1234.567);
        assert_eq!(value["upstream_ms"], 0.999);
        assert!(!String::from_utf8_lossy(&out).contains("geheim"));
    }

    #[test]
    fn combined_lines_are_as_nginx_writes_them() {
        let mut out = Vec::new();
        write(&mut out, Format::Combined, &entry());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "192.0.2.1 - - [21/Nov/2026:12:00:00 +0000] \"GET /a\\x22\\x01\\xFF?x=1&Access_Token=***&q HTTP/1.1\" 200 20 \"https://r.example/?password=***\" \"curl \\x228\\x22\"\n"
        );
    }

    #[test]
    fn secrets_are_found_behind_percent_signs() {
        assert_eq!(masked(b"%74oken=geheim").as_ref(), b"%74oken=***");
        assert_eq!(masked(b"a=b").as_ref(), b"a=b");
        assert_eq!(masked(b"a;token=x;b=2&").as_ref(), b"a;token=***;b=2&");
    }
}
