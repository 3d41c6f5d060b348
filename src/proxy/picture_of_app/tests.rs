use super::conditions::{Asked, is_likely, withhold};
use super::head;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Method};
use pingora::http::{RequestHeader, ResponseHeader};

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = fields.iter();
    pairs
        .map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        })
        .collect()
}

const APP: &[u8] = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: image/png\r\n\
    Transfer-Encoding: chunked\r\nETag: W/\"app\"\r\nAccept-Ranges: bytes\r\n\
    Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nSet-Cookie: a=b\r\n\r\n";

#[test]
fn a_picture_is_guessed_from_its_name_or_what_the_browser_says() {
    let image = headers(&[("accept", "image/avif,image/webp,*/*;q=0.8")]);
    let page = headers(&[("accept", "text/html,image/avif,*/*;q=0.8")]);
    let video = headers(&[("sec-fetch-dest", "video"), ("accept", "image/x")]);
    assert!(is_likely(b"/a/b.JPG", &page) && is_likely(b"/photo/17", &image));
    assert!(is_likely(b"/photo.php", &image) && is_likely(b"/v1.2/p", &image));
    assert!(!is_likely(b"/a.svg", &image) && !is_likely(b"/photo/17", &page));
    assert!(!is_likely(b"/photo/17", &video) && !is_likely(b"/", &HeaderMap::new()));
}

#[test]
fn conditions_of_other_requests_stay_the_apps() {
    let fields = [
        ("If-None-Match", "\"app\""),
        ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("If-Range", "\"app\""),
        ("Range", "bytes=0-"),
    ];
    let request = |tag: &'static str| {
        let mut request = RequestHeader::build(Method::GET, b"/", None).unwrap();
        for (name, value) in fields {
            request.insert_header(name, value).unwrap();
        }
        request.insert_header("If-None-Match", tag).unwrap();
        request
    };
    let left = |tag, likely| {
        let mut request = request(tag);
        withhold(&mut request, likely);
        request.headers.len()
    };
    assert_eq!(left("\"app\"", true), 0);
    assert_eq!(left("\"app\"", false), 4);
    assert_eq!(left("\"0123456789abcdef0123456789abcdef\"", false), 3);
}

#[test]
fn what_the_client_has_is_known() {
    let asked = Asked::of(&headers(&[("if-none-match", "\"x\", W/\"app\"")]));
    assert!(asked.has_tag("x") && asked.has(APP) && !asked.has_tag("y"));
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let asked = Asked::of(&headers(&[("if-modified-since", date)]));
    assert!(asked.has(APP) && !asked.has_tag("x"));
    // Tags are better known than dates.
    let both = [("if-none-match", "\"x\""), ("if-modified-since", date)];
    assert!(!Asked::of(&headers(&both)).has(APP));
    assert!(!Asked::default().has(APP));
}

#[test]
fn the_apps_fields_stay_but_for_those_of_its_bytes() {
    let text = String::from_utf8(head::ok(APP, "image/webp", Some("k"), b"body")).unwrap();
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\r\nServer: x\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
         Set-Cookie: a=b\r\nContent-Type: image/webp\r\nContent-Length: 4\r\nETag: \"k\"\r\n\
         Accept-Ranges: none\r\n\r\nbody"
    );
    let text = String::from_utf8(head::not_modified(APP, None)).unwrap();
    assert_eq!(
        text,
        "HTTP/1.1 304 Not Modified\r\nServer: x\r\nETag: W/\"app\"\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nSet-Cookie: a=b\r\n\r\n"
    );
}

#[test]
fn a_brief_answer_stays_private() {
    let brief = |control: Option<&'static str>, cookie, personal| {
        let mut headers = HeaderMap::new();
        if let Some(control) = control {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(control));
        }
        if cookie {
            headers.insert(SET_COOKIE, HeaderValue::from_static("a=b"));
        }
        head::brief(&headers, personal).map(|value| value.to_str().unwrap().to_string())
    };
    let some = |text: &str| Some(text.to_string());
    assert_eq!(brief(None, false, false), some("max-age=15"));
    assert_eq!(
        brief(Some("public, max-age=99"), false, true),
        some("max-age=15")
    );
    for private in [
        brief(None, false, true),
        brief(None, true, false),
        brief(Some("private"), false, false),
        brief(Some("max-age=99, Private"), false, false),
    ] {
        assert_eq!(private, some("private, max-age=15"));
    }
    for kept in ["no-store", "private, no-cache", "max-age=15", "Max-Age=0"] {
        assert_eq!(brief(Some(kept), false, false), None, "{kept}");
    }
}

#[test]
fn vary_is_merged() {
    let merged = |before: &'static str| {
        let mut answer = ResponseHeader::build(200, None).unwrap();
        answer.insert_header("Vary", before).unwrap();
        head::add_vary(&mut answer, "Accept, Width").unwrap();
        answer.headers["vary"].to_str().unwrap().to_string()
    };
    assert_eq!(merged("Cookie"), "Cookie, Accept, Width");
    assert_eq!(merged("accept"), "accept, Width");
    assert_eq!(merged("*"), "*");
    assert_eq!(merged(""), "Accept, Width");
}
