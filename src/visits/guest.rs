//! Who counts: what can be told of a request and its answer at once, on the request's own thread.
//! What takes a look into a path, a user agent or a database is decided later, by the worker.

use super::policy::SitePolicy;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderValue};
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

/// The fields of a request that tell of its visitor; of one that is there twice the first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    /// `User-Agent`.
    pub user_agent: Option<&'a [u8]>,
    /// `Referer`.
    pub referrer: Option<&'a [u8]>,
    /// `Accept-Language`.
    pub language: Option<&'a [u8]>,
    /// `Host`.
    pub host: Option<&'a [u8]>,
    /// `Sec-CH-UA`.
    pub brands: Option<&'a [u8]>,
    /// `Sec-CH-UA-Platform`.
    pub platform: Option<&'a [u8]>,
    mobile: Option<&'a [u8]>,
    authorization: Option<&'a [u8]>,
    app_source: Option<&'a [u8]>,
    sec_purpose: Option<&'a [u8]>,
    purpose: Option<&'a [u8]>,
    x_moz: Option<&'a [u8]>,
    gpc: Option<&'a [u8]>,
    dnt: Option<&'a [u8]>,
    hx_request: Option<&'a [u8]>,
    hx_boosted: Option<&'a [u8]>,
    hx_history: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// Finds them in one pass: to ask the map for each costs more than all else that is done here.
    fn of(request: &'a HeaderMap) -> Self {
        let mut fields = Fields::default();
        for (name, value) in request {
            let field = match name.as_str() {
                "user-agent" => &mut fields.user_agent,
                "referer" => &mut fields.referrer,
                "accept-language" => &mut fields.language,
                "host" => &mut fields.host,
                "sec-ch-ua" => &mut fields.brands,
                "sec-ch-ua-platform" => &mut fields.platform,
                "sec-ch-ua-mobile" => &mut fields.mobile,
                "authorization" => &mut fields.authorization,
                "x-app-source" => &mut fields.app_source,
                "sec-purpose" => &mut fields.sec_purpose,
                "purpose" => &mut fields.purpose,
                "x-moz" => &mut fields.x_moz,
                "sec-gpc" => &mut fields.gpc,
                "dnt" => &mut fields.dnt,
                "hx-request" => &mut fields.hx_request,
                "hx-boosted" => &mut fields.hx_boosted,
                "hx-history-restore-request" => &mut fields.hx_history,
                _ => continue,
            };
            field.get_or_insert(value.as_bytes());
        }
        fields
    }
}

/// Whether this may be a guest's page view, and the fields that tell of the guest.
///
/// # Errors
/// Why it is not.
pub fn view<'a>(ended: &Ended<'a>, policy: &SitePolicy) -> Result<(View, Fields<'a>), Skip> {
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
    let fields = Fields::of(request);
    let in_advance = [fields.sec_purpose, fields.purpose, fields.x_moz];
    if in_advance.into_iter().flatten().any(asks_in_advance) {
        return Err(Skip::Prefetch);
    }
    let is_one = |field: Option<&[u8]>| field == Some(b"1");
    if (policy.gpc && is_one(fields.gpc)) || (policy.dnt && is_one(fields.dnt)) {
        return Err(Skip::Privacy);
    }
    if ended.known
        || (policy.authorization && fields.authorization.is_some())
        || (!policy.cookies.is_empty() && has_cookie(request, &policy.cookies))
    {
        return Err(Skip::Authenticated);
    }
    let bearer = |value| begins(value, b"bearer ");
    let is_true = |field: Option<&[u8]>| field.is_some_and(|v| v.eq_ignore_ascii_case(b"true"));
    let view = View {
        json,
        // htmx fetches whole pages too: for links that it took over, and to go back in history.
        partial: is_true(fields.hx_request)
            && !is_true(fields.hx_boosted)
            && !is_true(fields.hx_history),
        app: fields.authorization.is_some_and(bearer) || fields.app_source.is_some(),
        mobile: fields.mobile == Some(b"?1"),
    };
    Ok((view, fields))
}

fn begins(value: &[u8], with: &[u8]) -> bool {
    value
        .get(..with.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(with))
}

/// `Sec-Purpose: prefetch;prerender`, and what browsers sent before it: `Purpose: prefetch`,
/// `X-Moz: prefetch`, `Purpose: preview`.
fn asks_in_advance(value: &[u8]) -> bool {
    begins(value, b"prefetch") || begins(value, b"preview")
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
    use http::header::HeaderName;

    fn kind_of(ended: &Ended<'_>, policy: &SitePolicy) -> Result<View, Skip> {
        view(ended, policy).map(|(view, _)| view)
    }

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
        kind_of(&ended, &policy())
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
        assert_eq!(kind_of(&ended, &policy()), Err(Skip::Authenticated));
        let token = fields(&[("authorization", "Bearer abc")]);
        ended.request = &token;
        ended.known = false;
        let guests_have_tokens = SitePolicy {
            authorization: false,
            ..policy()
        };
        let app = View { app: true, ..PAGE };
        assert_eq!(kind_of(&ended, &guests_have_tokens), Ok(app));
    }
}
