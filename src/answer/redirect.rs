//! Redirects: a template and what stands for its holes.

use super::settings::RedirectSettings;
use crate::config::{Diagnostic, Diagnostics, PathPattern};
use crate::wire::target as path;
use http::header::HeaderValue;
use regex::bytes::Captures;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Path,
    Host,
    Scheme,
    Group(usize),
}

/// A redirect, compiled.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    pieces: Vec<Piece>,
    has_query: bool,
    /// Whether the target comes from where secrets come from, and must not be printed.
    secret: bool,
}

/// What a redirect needs to know of a request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `Host` as sent.
    pub host: &'a [u8],
    /// The path as sent.
    pub raw_path: &'a [u8],
    /// The path that the route was matched by.
    pub path: &'a [u8],
    /// The query without its `?`.
    pub query: Option<&'a [u8]>,
}

impl Redirect {
    /// Compiles the settings of a route with this pattern.
    pub fn build(
        settings: &RedirectSettings,
        pattern: &PathPattern,
        errors: &mut Diagnostics,
    ) -> Option<Self> {
        let mut sound = true;
        if !matches!(settings.status.value, 301 | 302 | 303 | 307 | 308) {
            errors.push(
                Diagnostic::new(settings.status.place, "not the status of a redirect")
                    .label("expected 301, 302, 303, 307 or 308"),
            );
            sound = false;
        }
        // Without its target or its route's path nothing can be said of the holes.
        if !settings.sound || pattern.is_stand_in() {
            return None;
        }
        let groups = match pattern {
            PathPattern::Regex(regex) => regex.captures_len().saturating_sub(1),
            _ => 0,
        };
        let text = &settings.to.value.text;
        match parse(text, groups) {
            Ok(pieces) if sound => Some(Redirect {
                status: settings.status.value,
                pieces,
                has_query: text.contains('?'),
                secret: settings.to.value.is_secret(),
            }),
            Ok(_) => None,
            Err(why) => {
                let what = settings.to.value.for_messages("target of a redirect");
                errors.push(Diagnostic::new(settings.to.place, what).label(why));
                None
            }
        }
    }

    /// The `Location` for a request of a route with this pattern; `None` when it would be none.
    pub fn location(&self, pattern: &PathPattern, request: &Request<'_>) -> Option<HeaderValue> {
        let captures = match pattern {
            PathPattern::Regex(regex) => regex.captures(request.path),
            _ => None,
        };
        let mut out: Vec<u8> = Vec::with_capacity(64);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Host => out.extend_from_slice(request.host),
                Piece::Scheme => out.extend_from_slice(request.scheme.as_bytes()),
                Piece::Path => out.extend_from_slice(rest(pattern, request).as_bytes()),
                Piece::Group(n) => out.extend_from_slice(group(captures.as_ref(), *n).as_bytes()),
            }
        }
        let mut out = same_origin(out);
        if let Some(query) = request.query
            && !self.has_query
        {
            out.push(b'?');
            out.extend_from_slice(query);
        }
        let mut location = HeaderValue::from_bytes(&out).ok()?;
        location.set_sensitive(self.secret);
        Some(location)
    }
}

/// A target that starts with a slash stays on this host: `//evil.example` and `/\evil.example`
/// would leave it, and what a client puts into `{path}` must not be able to.
fn same_origin(out: Vec<u8>) -> Vec<u8> {
    if out.first() != Some(&b'/') {
        return out;
    }
    let slashes = out.iter().take_while(|b| matches!(b, b'/' | b'\\')).count();
    [b"/".as_slice(), out.get(slashes..).unwrap_or_default()].concat()
}

/// What `*` stood for, as the client wrote it when that can be told.
fn rest(pattern: &PathPattern, request: &Request<'_>) -> String {
    let length = match pattern {
        PathPattern::Prefix(prefix) => prefix.len(),
        _ => 1,
    };
    if request.raw_path == request.path {
        let rest = request.raw_path.get(length..).unwrap_or_default();
        return String::from_utf8_lossy(rest).into_owned();
    }
    path::encode(request.path.get(length..).unwrap_or_default())
}

fn group(captures: Option<&Captures<'_>>, n: usize) -> String {
    captures
        .and_then(|c| c.get(n))
        .map_or(String::new(), |m| path::encode(m.as_bytes()))
}

fn parse(text: &str, groups: usize) -> Result<Vec<Piece>, String> {
    let absolute = text.starts_with("http://")
        || text.starts_with("https://")
        || text.starts_with("{scheme}://");
    if !(absolute || text.starts_with('/') || text.starts_with("{path}")) {
        return Err("expected a path (`/...`) or a URL (`https://...`)".into());
    }
    if text.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(
            "spaces and other characters than visible ASCII must be percent-encoded".into(),
        );
    }
    let mut pieces = Vec::new();
    let mut left = text;
    while let Some((before, after)) = left.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or("a `{` without its `}`")?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_string()));
        }
        pieces.push(match name {
            "path" => Piece::Path,
            "host" => Piece::Host,
            "scheme" => Piece::Scheme,
            _ => match name.parse::<usize>() {
                Ok(n) if (1..=groups).contains(&n) => Piece::Group(n),
                Ok(_) => return Err(format!("the path's expression has {groups} groups")),
                // It is not repeated here: it may come from where secrets come from.
                Err(_) => {
                    return Err(
                        "what stands in braces must be {path}, {host}, {scheme}, {1}, ...".into(),
                    );
                }
            },
        });
        left = behind;
    }
    if !left.is_empty() {
        pieces.push(Piece::Text(left.to_string()));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(pattern: &str, to: &str, target: &str) -> String {
        let pattern = PathPattern::parse(pattern).unwrap();
        let groups = match &pattern {
            PathPattern::Regex(regex) => regex.captures_len() - 1,
            _ => 0,
        };
        let redirect = Redirect {
            status: 308,
            pieces: parse(to, groups).unwrap(),
            has_query: to.contains('?'),
            secret: false,
        };
        let (raw_path, query) = path::split_target(target.as_bytes());
        let normal = path::normalise(raw_path).unwrap();
        let request = Request {
            scheme: "https",
            host: b"a.example",
            raw_path,
            path: &normal,
            query,
        };
        redirect
            .location(&pattern, &request)
            .unwrap()
            .to_str()
            .unwrap()
            .to_string()
    }

    #[test]
    fn holes_are_filled() {
        assert_eq!(
            location("/old/*", "/new/{path}", "/old/a/b?x=1"),
            "/new/a/b?x=1"
        );
        assert_eq!(
            location("/old/*", "/new/{path}", "/old/a%20b"),
            "/new/a%20b"
        );
        assert_eq!(location("/old/*", "/new/", "/old/a"), "/new/");
        assert_eq!(
            location("/*", "{scheme}://www.{host}/{path}", "/a"),
            "https://www.a.example/a"
        );
        assert_eq!(
            location("/a", "https://b.example/?x=1", "/a?y=2"),
            "https://b.example/?x=1"
        );
        assert_eq!(location("~ ^/u/([0-9]+)$", "/user/{1}", "/u/7"), "/user/7");
    }

    #[test]
    fn a_client_cannot_send_itself_elsewhere() {
        assert_eq!(
            location("/*", "/{path}", "//evil.example/"),
            "/evil.example/"
        );
        assert_eq!(
            location("/*", "/{path}", "/%5cevil.example"),
            "/%5Cevil.example"
        );
        assert_eq!(
            location("/old/*", "/{path}", "/old//evil.example"),
            "/evil.example"
        );
        assert_eq!(
            location("/old/*", "/{path}", "/old/\\evil.example"),
            "/evil.example"
        );
    }

    #[test]
    fn a_template_is_checked() {
        for bad in ["new", "/a b", "/{x}", "/{1}", "/{", "ftp://x"] {
            assert!(parse(bad, 0).is_err(), "{bad}");
        }
    }
}
