//! Who counts: what can be told of a request and its answer at once, on the request's own thread.
//! What takes a look into a path, a user agent or a database is decided later, by the worker.

use super::policy::SitePolicy;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

/// A request whose answer has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request's fields.
    pub request: &'a HeaderMap,
    /// The answer's status.
    pub status: u16,
    /// The answer's fields.
    pub answer: &'a HeaderMap,
    /// Whether the app said that the visitor is known to it.
    pub known: bool,
}

/// Why a page view is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// It is none: another method, a redirect, an error, a picture.
    NoPage,
    /// The visitor is signed in.
    Authenticated,
    /// The browser asks in advance; nobody may ever look at it.
    Prefetch,
    /// The visitor asked not to be recorded.
    Privacy,
    /// A program that reads pages by itself.
    Bot,
    /// A path that the operator left out.
    Excluded,
}

impl Skip {
    /// Those that are counted.
    pub const COUNTED: [Skip; 5] = [
        Skip::Authenticated,
        Skip::Prefetch,
        Skip::Privacy,
        Skip::Bot,
        Skip::Excluded,
    ];

    /// Its name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Skip::NoPage => "no_page",
            Skip::Authenticated => "authenticated",
            Skip::Prefetch => "prefetch",
            Skip::Privacy => "privacy",
            Skip::Bot => "bot",
            Skip::Excluded => "excluded",
        }
    }
}

/// What kind of view it may be, as the worker needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// JSON, which counts for an app under the site's `api` paths; otherwise HTML.
    pub json: bool,
    /// A piece of a page (htmx).
    pub partial: bool,
    /// The client says that it is the site's app: a bearer token or `X-App-Source`.
    pub app: bool,
    /// The client says that it is held in a hand (`Sec-CH-UA-Mobile`).
    pub mobile: bool,
}

const SEC_CH_UA_MOBILE: HeaderName = HeaderName::from_static("sec-ch-ua-mobile");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const X_MOZ: HeaderName = HeaderName::from_static("x-moz");
const SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");
const DNT: HeaderName = HeaderName::from_static("dnt");
const X_APP_SOURCE: HeaderName = HeaderName::from_static("x-app-source");
const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
const HX_BOOSTED: HeaderName = HeaderName::from_static("hx-boosted");
const HX_HISTORY: HeaderName = HeaderName::from_static("hx-history-restore-request");

/// Whether this may be a guest's page view.
///
/// # Errors
/// Why it is not.
pub fn view(ended: &Ended<'_>, policy: &SitePolicy) -> Result<View, Skip> {
    let counts =
        *ended.method == Method::GET && (matches!(ended.status, 200..=299) || ended.status == 304);
    if !counts {
        return Err(Skip::NoPage);
    }
    let request = ended.request;
    // A 304 has no type (RFC 9110 section 15.4.5): what the client hoped for tells it.
    let kind = match ended.answer.get(CONTENT_TYPE) {
        None if ended.status == 304 => request.get(ACCEPT),
        kind => kind,
    };
    let json = match kind.map(HeaderValue::as_bytes) {
        Some(kind) if begins(kind, b"text/html") || begins(kind, b"application/xhtml+xml") => false,
        Some(kind) if begins(kind, b"application/json") && !policy.api.is_empty() => true,
        _ => return Err(Skip::NoPage),
    };
    if [&SEC_PURPOSE, &PURPOSE, &X_MOZ]
        .iter()
        .any(|name| asks_in_advance(request, name))
    {
        return Err(Skip::Prefetch);
    }
    if (policy.gpc && is_one(request, &SEC_GPC)) || (policy.dnt && is_one(request, &DNT)) {
        return Err(Skip::Privacy);
    }
    let authorization = request.get(AUTHORIZATION);
    if ended.known
        || (policy.authorization && authorization.is_some())
        || (!policy.cookies.is_empty() && has_cookie(request, &policy.cookies))
    {
        return Err(Skip::Authenticated);
    }
    let bearer = authorization.is_some_and(|value| begins(value.as_bytes(), b"bearer "));
    // htmx fetches whole pages too: for links that it took over, and to go back in history.
    let partial = is_true(request, &HX_REQUEST)
        && !is_true(request, &HX_BOOSTED)
        && !is_true(request, &HX_HISTORY);
    Ok(View {
        json,
        partial,
        app: bearer || request.contains_key(X_APP_SOURCE),
        mobile: request
            .get(SEC_CH_UA_MOBILE)
            .is_some_and(|value| value.as_bytes() == b"?1"),
    })
}

fn begins(value: &[u8], with: &[u8]) -> bool {
    value
        .get(..with.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// `Sec-Purpose: prefetch;prerender`, and what browsers sent before it: `Purpose: prefetch`,
/// `X-Moz: prefetch`, `Purpose: preview`.
fn asks_in_advance(request: &HeaderMap, name: &HeaderName) -> bool {
    request.get(name).is_some_and(|value| {
        begins(value.as_bytes(), b"prefetch") || begins(value.as_bytes(), b"preview")
    })
}

fn is_one(request: &HeaderMap, name: &HeaderName) -> bool {
    request
        .get(name)
        .is_some_and(|value| value.as_bytes() == b"1")
}

fn is_true(request: &HeaderMap, name: &HeaderName) -> bool {
    request
        .get(name)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

/// Whether the request has one of these cookies, with any value but an empty one (RFC 6265
/// section 4.2.1).
fn has_cookie(request: &HeaderMap, names: &[String]) -> bool {
    let mut pairs = request
        .get_all(COOKIE)
        .iter()
        .flat_map(|field| field.as_bytes().split(|b| *b == b';'));
    pairs.any(|pair| {
        let pair = pair.trim_ascii();
        names.iter().any(|name| {
            let value = pair
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="));
            value.is_some_and(|value| !value.is_empty())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn policy() -> SitePolicy {
        SitePolicy {
            api: vec![crate::config::PathPattern::parse("/api/*").unwrap()],
            cookies: vec!["sessionid".to_string()],
            gpc: true,
            ..SitePolicy::named("shop")
        }
    }

    fn told(
        method: Method,
        status: u16,
        kind: &'static str,
        request: &[(&'static str, &'static str)],
    ) -> Result<View, Skip> {
        let answer = match kind {
            "" => HeaderMap::new(),
            kind => fields(&[("content-type", kind)]),
        };
        let ended = Ended {
            method: &method,
            request: &fields(request),
            status,
            answer: &answer,
            known: false,
        };
        view(&ended, &policy())
    }

    const PAGE: View = View {
        json: false,
        partial: false,
        app: false,
        mobile: false,
    };

    #[test]
    fn pages_count_and_nothing_else_does() {
        for (method, status, kind, request, expected) in [
            (Method::GET, 200, "text/html", &[][..], Ok(PAGE)),
            (Method::GET, 200, "Text/HTML; charset=utf-8", &[], Ok(PAGE)),
            (Method::GET, 206, "application/xhtml+xml", &[], Ok(PAGE)),
            (Method::GET, 304, "text/html", &[], Ok(PAGE)),
            (
                Method::GET,
                304,
                "",
                &[("accept", "text/html,*/*;q=0.8")],
                Ok(PAGE),
            ),
            (
                Method::GET,
                304,
                "",
                &[("accept", "image/avif,*/*")],
                Err(Skip::NoPage),
            ),
            (Method::GET, 304, "", &[], Err(Skip::NoPage)),
            (
                Method::GET,
                200,
                "",
                &[("accept", "text/html")],
                Err(Skip::NoPage),
            ),
            (Method::HEAD, 200, "text/html", &[], Err(Skip::NoPage)),
            (Method::POST, 200, "text/html", &[], Err(Skip::NoPage)),
            (Method::GET, 302, "text/html", &[], Err(Skip::NoPage)),
            (Method::GET, 404, "text/html", &[], Err(Skip::NoPage)),
            (Method::GET, 500, "text/html", &[], Err(Skip::NoPage)),
            (Method::GET, 200, "image/png", &[], Err(Skip::NoPage)),
            (
                Method::GET,
                200,
                "application/json",
                &[],
                Ok(View { json: true, ..PAGE }),
            ),
        ] {
            let found = told(method.clone(), status, kind, request);
            assert_eq!(found, expected, "{method} {status} {kind} {request:?}");
        }
    }

    #[test]
    fn who_asks_in_advance_or_is_signed_in_does_not_count() {
        for (field, value, expected) in [
            ("sec-purpose", "prefetch;prerender", Err(Skip::Prefetch)),
            ("purpose", "prefetch", Err(Skip::Prefetch)),
            ("x-moz", "prefetch", Err(Skip::Prefetch)),
            ("sec-purpose", "", Ok(PAGE)),
            ("sec-gpc", "1", Err(Skip::Privacy)),
            ("sec-gpc", "0", Ok(PAGE)),
            // Not asked to be honoured by this site.
            ("dnt", "1", Ok(PAGE)),
            (
                "cookie",
                "csrftoken=a; sessionid=b",
                Err(Skip::Authenticated),
            ),
            ("cookie", "a=b;sessionid=x", Err(Skip::Authenticated)),
            ("cookie", "sessionid=", Ok(PAGE)),
            (
                "cookie",
                "xsessionid=b; sessionid2=c; a=sessionid=d",
                Ok(PAGE),
            ),
            ("authorization", "Basic eDp5", Err(Skip::Authenticated)),
            (
                "hx-request",
                "true",
                Ok(View {
                    partial: true,
                    ..PAGE
                }),
            ),
            ("x-app-source", "ios", Ok(View { app: true, ..PAGE })),
        ] {
            let found = told(Method::GET, 200, "text/html", &[(field, value)]);
            assert_eq!(found, expected, "{field}: {value}");
        }
        let boosted = [("hx-request", "true"), ("hx-boosted", "true")];
        assert_eq!(told(Method::GET, 200, "text/html", &boosted), Ok(PAGE));
    }

    #[test]
    fn what_the_app_says_and_what_the_operator_leaves() {
        let (request, answer) = (HeaderMap::new(), fields(&[("content-type", "text/html")]));
        let mut ended = Ended {
            method: &Method::GET,
            request: &request,
            status: 200,
            answer: &answer,
            known: true,
        };
        assert_eq!(view(&ended, &policy()), Err(Skip::Authenticated));
        let token = fields(&[("authorization", "Bearer abc")]);
        ended.request = &token;
        ended.known = false;
        let guests_have_tokens = SitePolicy {
            authorization: false,
            ..policy()
        };
        let app = View { app: true, ..PAGE };
        assert_eq!(view(&ended, &guests_have_tokens), Ok(app));
    }
}
