//! Fields of answers: whose come first, the security presets, `Cache-Control`, `Server-Timing`,
//! `X-Request-ID`, and the pages of errors.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use support::{Backend, Client, Full, Parvis, Refusing, Reply, command, until};

const STRICT: [(&str, &str); 7] = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    (
        "Permissions-Policy",
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), \
         microphone=(), payment=(), usb=()",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-XSS-Protection", "0"),
];

const CLASSIC: [(&str, &str); 4] = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("X-XSS-Protection", "1; mode=block"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
];

/// An app that answers every path with the lines of its query, `|` for a line's end and `_` for a
/// space: `/?HTTP/1.1_200_OK|X:_y`.
fn puppet() -> Backend {
    Backend::http(|request| {
        let said = request.target.split_once('?').map_or("", |(_, q)| q);
        let head = said.replace('|', "\r\n").replace('_', " ");
        let bodiless = ["204", "304"].iter().any(|s| head[9..].starts_with(s));
        let body = match request.method.as_str() {
            _ if bodiless => String::new(),
            "HEAD" => "\r\nContent-Length: 3".to_string(),
            _ => "\r\nContent-Length: 3\r\n\r\napp".to_string(),
        };
        let end = if body.ends_with("app") {
            ""
        } else {
            "\r\n\r\n"
        };
        format!("{head}{body}{end}").into_bytes()
    })
}

fn site(backend: &Backend, site: &str, route: &str) -> Parvis {
    Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n{site}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n{route}\n",
        backend.address()
    ))
}

/// The names and values of fields that are neither the message's framing nor made anew each time.
fn dressing(reply: &Reply) -> BTreeMap<String, String> {
    let plain = [
        "connection",
        "content-length",
        "content-type",
        "date",
        "x-request-id",
    ];
    let own = |name: &String| !plain.contains(&name.to_ascii_lowercase().as_str());
    let fields = reply.fields.iter().filter(|(name, _)| own(name));
    let map: BTreeMap<_, _> = fields.clone().cloned().collect();
    assert_eq!(map.len(), fields.count(), "twice: {}", reply.head);
    map
}

fn expected(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(n, v): &(&str, &str)| (n.to_string(), v.to_string());
    fields.iter().map(owned).collect()
}

#[test]
fn the_apps_fields_come_first_then_set_default_and_remove() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "headers = { set = { X-Set = \"site\" }, default = { X-Default = \"site\", X-Absent = \"site\" }, remove = [\"X-Gone\"] }",
        "",
    );
    let reply = parvis.get(
        "/?HTTP/1.1_200_OK|X-Set:_app|X-Set:_app2|X-Default:_app|X-Gone:_app|X-Gone:_app2|X-Other:_app",
    );
    assert_eq!(
        reply.all("x-set"),
        ["site"],
        "set replaces all of the app's"
    );
    assert_eq!(
        reply.all("x-default"),
        ["app"],
        "default gives way to the app"
    );
    assert_eq!(reply.all("x-absent"), ["site"], "default fills in");
    assert_eq!(reply.all("x-gone"), [""; 0], "remove takes all of them");
    assert_eq!(reply.all("x-other"), ["app"], "the rest stays");
    assert_eq!(reply.text(), "app");
}

#[test]
fn an_empty_field_of_the_apps_is_a_field() {
    let backend = puppet();
    let parvis = site(&backend, "headers = { default = { X-D = \"site\" } }", "");
    assert_eq!(parvis.get("/?HTTP/1.1_200_OK|X-D:").all("x-d"), [""]);
}

#[test]
fn a_removed_field_is_gone_whoever_gave_it() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "headers = { security = \"strict\", set = { A = \"1\" }, default = { B = \"1\" }, remove = [\"A\", \"b\", \"x-frame-options\"] }",
        "",
    );
    let reply = parvis.get("/?HTTP/1.1_200_OK");
    for name in ["A", "B", "X-Frame-Options"] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    assert_eq!(reply.field("X-XSS-Protection").as_deref(), Some("0"));
}

#[test]
fn a_routes_entries_come_after_its_sites() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "headers = { set = { A = \"site\", B = \"site\", C = \"site\" }, default = { D = \"site\", E = \"site\" }, remove = [\"G\"] }",
        "headers = { set = { b = \"route\", G = \"route\" }, default = { d = \"route\" }, remove = [\"C\"] }",
    );
    let reply = parvis.get("/?HTTP/1.1_200_OK|A:_app");
    for (name, value) in [
        ("A", Some("site")),
        ("B", Some("route")),
        ("C", None),
        ("D", Some("route")),
        ("E", Some("site")),
        // What the site takes out the route may put in again.
        ("G", Some("route")),
    ] {
        assert_eq!(reply.field(name).as_deref(), value, "{name}");
        assert!(reply.all(name).len() < 2, "{name} twice");
    }
}

#[test]
fn a_route_inherits_its_sites_preset_and_may_have_another() {
    let parvis = Parvis::start(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nheaders = { security = \"strict\" }\n\
         [[site.route]]\npath = \"/inherited\"\nrespond = { body = \"x\" }\nheaders = { set = { A = \"1\" } }\n\
         [[site.route]]\npath = \"/classic\"\nrespond = { body = \"x\" }\nheaders = { security = \"classic\" }\n\
         [[site.route]]\npath = \"/off\"\nrespond = { body = \"x\" }\nheaders = { security = \"off\" }\n",
    );
    let mut strict = expected(&STRICT);
    strict.insert("A".into(), "1".into());
    assert_eq!(dressing(&parvis.get("/inherited")), strict);
    assert_eq!(dressing(&parvis.get("/classic")), expected(&CLASSIC));
    assert_eq!(dressing(&parvis.get("/off")), expected(&[]));
}

#[test]
fn each_preset_has_exactly_its_fields_and_no_hsts_without_tls() {
    let backend = puppet();
    for (security, fields) in [
        ("headers = { security = \"strict\" }", STRICT.as_slice()),
        ("headers = { security = \"classic\" }", &CLASSIC),
        ("headers = { security = \"off\" }", &[]),
        ("", &[]),
    ] {
        let parvis = site(&backend, security, "");
        let reply = parvis.get("/?HTTP/1.1_200_OK");
        assert_eq!(dressing(&reply), expected(fields), "{security}");
    }
}

#[test]
fn presets_never_override_the_app() {
    let backend = puppet();
    for (security, fields) in [("strict", STRICT.as_slice()), ("classic", &CLASSIC)] {
        let parvis = site(
            &backend,
            &format!("headers = {{ security = \"{security}\" }}"),
            "",
        );
        let own: String = fields.iter().map(|(n, _)| format!("|{n}:_own")).collect();
        for status in ["200_OK", "404_Not_Found", "500_Internal_Server_Error"] {
            let reply = parvis.get(&format!(
                "/?HTTP/1.1_{status}{own}|Strict-Transport-Security:_max-age=1"
            ));
            for (name, _) in fields {
                assert_eq!(reply.all(name), ["own"], "{security} {status} {name}");
            }
            assert_eq!(reply.all("Strict-Transport-Security"), ["max-age=1"]);
        }
    }
}

/// One edge on which every kind of answer can be provoked, with `headers` on its site.
struct Provoked {
    parvis: Parvis,
    backend: Backend,
    _refusing: [Refusing; 2],
    _full: Full,
    _broken: Backend,
}

fn provoked(headers: &str) -> Provoked {
    let backend = puppet();
    let refusing = [Refusing::new(), Refusing::new()];
    let full = Full::new();
    // By the path: nothing, rubbish, or half an answer.
    let broken = Backend::raw(|incoming| {
        let Some(request) = incoming.request() else {
            return;
        };
        match request.target.as_str() {
            "/broken/reset" => {}
            "/broken/rubbish" => drop(incoming.send("HTTP/1.1 200 OK\r\nno field\r\n\r\n")),
            _ => while incoming.read(&mut [0; 100]) > 0 {},
        }
    });
    let parvis = Parvis::start(&format!(
        "[server]\nheader_timeout = \"300ms\"\nbody_timeout = \"300ms\"\n\
         [upstream.app]\nservers = [\"{app}\"]\n\
         [upstream.refused]\nservers = [\"{refused}\"]\n\
         [upstream.full]\nservers = [\"{full}\"]\nconnect_timeout = \"100ms\"\n\
         [upstream.broken]\nservers = [\"{broken}\"]\nfirst_byte_timeout = \"300ms\"\n\
         [upstream.down]\nservers = [\"{down}\"]\n\
         health = {{ path = \"/\", interval = \"20ms\", unhealthy_after = 1 }}\n\
         [[site]]\nname = \"s\"\nhosts = [\"test\"]\nlisten = [\"127.0.0.1:0\"]\n\
         cache_control = \"max-age=60\"\n{headers}\n\
         [[site.route]]\npath = \"/\"\nproxy = \"app\"\n\
         [[site.route]]\npath = \"/own\"\nrespond = {{ body = \"own\" }}\n\
         [[site.route]]\npath = \"/teapot\"\nrespond = {{ status = 418, body = \"own\" }}\n\
         [[site.route]]\npath = \"/nothing\"\nrespond = {{ status = 204 }}\n\
         [[site.route]]\npath = \"/moved\"\nredirect = {{ to = \"/own\", status = 301 }}\n\
         [[site.route]]\npath = \"/found\"\nredirect = {{ to = \"/own\", status = 302 }}\n\
         [[site.route]]\npath = \"/static/*\"\nproxy = \"app\"\n\
         [[site.route]]\npath = \"/post\"\nmethods = [\"POST\"]\nproxy = \"app\"\n\
         [[site.route]]\npath = \"/small\"\nproxy = \"app\"\nmax_body = \"10\"\n\
         [[site.route]]\npath = \"/refused\"\nproxy = \"refused\"\n\
         [[site.route]]\npath = \"/full\"\nproxy = \"full\"\n\
         [[site.route]]\npath = \"/broken/*\"\nproxy = \"broken\"\n\
         [[site.route]]\npath = \"/down\"\nproxy = \"down\"\n",
        app = backend.address(),
        refused = refusing[0].address(),
        down = refusing[1].address(),
        full = full.address(),
        broken = broken.address(),
    ));
    let down = format!(
        "parvis_upstream_server_up{{server=\"{}\",upstream=\"down\"}}",
        refusing[1].address()
    );
    until("the server is down", || {
        let text = parvis.admin_request("GET", "/metrics", "").text();
        text.contains(&format!("{down} 0\n")).then_some(())
    });
    Provoked {
        parvis,
        backend,
        _refusing: refusing,
        _full: full,
        _broken: broken,
    }
}

const GET: &str = " HTTP/1.1\r\nHost: test\r\n\r\n";

/// What to send, whether a page of parvis's own answers it, and with which status.
fn provocations() -> Vec<(&'static str, String, bool, u16)> {
    let get = |path: &str| format!("GET {path}{GET}");
    let post = |path: &str, rest: &str| format!("POST {path} HTTP/1.1\r\nHost: test\r\n{rest}");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    vec![
        ("proxied", get("/?HTTP/1.1_200_OK"), false, 200),
        ("app's 404", get("/?HTTP/1.1_404_Not_Found"), false, 404),
        ("app's 500", get("/?HTTP/1.1_500_Oh"), false, 500),
        ("app's 304", get("/?HTTP/1.1_304_Not_Modified"), false, 304),
        ("app's 204", get("/?HTTP/1.1_204_No_Content"), false, 204),
        (
            "app's 302",
            get("/?HTTP/1.1_302_Found|Location:_/"),
            false,
            302,
        ),
        ("own", get("/own"), false, 200),
        ("own with a status", get("/teapot"), false, 418),
        ("own without a body", get("/nothing"), false, 204),
        ("redirect", get("/moved"), false, 301),
        ("redirect", get("/found"), false, 302),
        ("slash", get("/static"), false, 308),
        ("no route", get("/nowhere"), true, 404),
        (
            "no site",
            "GET / HTTP/1.1\r\nHost: other\r\n\r\n".into(),
            true,
            404,
        ),
        ("path", get("/%00"), true, 400),
        ("malformed", "GET / HTTP/1.1\r\n\r\n".into(), true, 400),
        ("chunk", post("/", &format!("{chunked}x\r\n")), true, 400),
        ("method", get("/post"), true, 405),
        ("CONNECT", format!("CONNECT test:1{GET}"), true, 405),
        ("slow head", "GET / HTTP/1.1\r\nHost:".into(), true, 408),
        (
            "slow body",
            post("/post", "Content-Length: 9\r\n\r\nx"),
            true,
            408,
        ),
        (
            "large by its length",
            post("/small", "Content-Length: 11\r\n\r\n"),
            true,
            413,
        ),
        (
            "large when passed",
            post("/small", &format!("{chunked}b\r\nhello world\r\n")),
            true,
            413,
        ),
        (
            "target",
            get(&format!("/{}", "a".repeat(17_000))),
            true,
            414,
        ),
        (
            "head",
            format!(
                "GET / HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n",
                "a".repeat(66_000)
            ),
            true,
            431,
        ),
        (
            "version",
            "GET / HTTP/2.0\r\nHost: test\r\n\r\n".into(),
            true,
            505,
        ),
        ("refused", get("/refused"), true, 502),
        ("reset", get("/broken/reset"), true, 502),
        ("rubbish", get("/broken/rubbish"), true, 502),
        ("all down", get("/down"), true, 503),
        ("no connection", get("/full"), true, 504),
        ("no answer", get("/broken/silent"), true, 504),
    ]
}

fn provoke(parvis: &Parvis, bytes: &str) -> Reply {
    let mut client = parvis.client();
    // Some are refused before they are sent whole.
    let _ = client.try_send(bytes);
    client.reply()
}

#[test]
fn every_answer_carries_the_fields_and_an_id_of_its_own() {
    let edge = provoked(
        "headers = { security = \"strict\", set = { X-Set = \"s\" }, default = { X-Default = \"d\" }, remove = [\"Server\"] }",
    );
    let mut ids = BTreeSet::new();
    for (name, bytes, _, status) in provocations() {
        let reply = provoke(&edge.parvis, &bytes);
        assert_eq!(reply.status, status, "{name}: {}", reply.head);
        for (field, value) in STRICT.iter().chain(&[("X-Set", "s"), ("X-Default", "d")]) {
            assert_eq!(
                reply.all(field),
                [*value],
                "{name} {status}: {}",
                reply.head
            );
        }
        assert_eq!(reply.field("Strict-Transport-Security"), None, "{name}");
        assert_eq!(reply.field("Server"), None, "{name}");
        let id = reply.all("X-Request-ID");
        assert_eq!(id.len(), 1, "{name} {status}: {}", reply.head);
        assert_eq!(id[0].len(), 36, "{name}: {id:?}");
        assert!(ids.insert(id[0].clone()), "{name}: {id:?} was given twice");
    }
}

#[test]
fn an_errors_page_tells_its_status_and_id_and_nothing_of_what_lies_behind() {
    let edge = provoked("");
    let backend = edge.backend.address().to_string();
    for (name, bytes, ours, status) in provocations() {
        if !ours {
            continue;
        }
        let reply = provoke(&edge.parvis, &bytes);
        assert_eq!(reply.status, status, "{name}");
        let text = reply.text();
        let id = reply.field("X-Request-ID").unwrap();
        assert!(text.contains(&id), "{name}: no id in {text}");
        assert!(text.contains(&status.to_string()), "{name}: {text}");
        let kind = reply.field("Content-Type");
        assert_eq!(kind.as_deref(), Some("text/html; charset=utf-8"), "{name}");
        assert!(text.starts_with("<!doctype html>"), "{name}: {text}");
        let all = format!("{}{text}", reply.head).to_lowercase();
        let inner = [
            &backend,
            "127.0.0.1",
            "pingora",
            "upstream",
            "broken",
            "rust",
        ];
        for word in inner {
            assert!(!all.contains(word), "{name} tells {word:?}: {all}");
        }
        assert_eq!(reply.field("Server"), None, "{name}: {}", reply.head);
    }
}

#[test]
fn a_client_that_prefers_json_gets_errors_in_json() {
    let edge = provoked("");
    for (path, status, error) in [
        ("/nowhere", 404, "Not Found"),
        ("/refused", 502, "Bad Gateway"),
        ("/down", 503, "Service Unavailable"),
        ("/post", 405, "Method Not Allowed"),
    ] {
        for (accept, json) in [
            ("application/json", true),
            ("application/json, text/plain, */*", true),
            ("text/html;q=0.5, application/json", true),
            ("text/html, application/json;q=0.9", false),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                false,
            ),
            ("*/*", false),
        ] {
            let fields = format!("Accept: {accept}\r\n");
            let reply = edge.parvis.client().request("GET", path, &fields, b"");
            assert_eq!(reply.status, status, "{path}");
            let kind = reply.field("Content-Type").unwrap();
            if !json {
                assert_eq!(kind, "text/html; charset=utf-8", "{accept}");
                continue;
            }
            assert_eq!(kind, "application/json", "{accept}");
            let page = reply.json();
            assert_eq!(page["status"], status);
            assert_eq!(page["error"], error);
            assert!(page["message"].is_string(), "{page}");
            assert_eq!(page["request_id"], reply.field("X-Request-ID").unwrap());
        }
    }
}

#[test]
fn head_gets_the_fields_of_an_error_and_no_page() {
    let edge = provoked("headers = { security = \"strict\" }");
    for (path, status) in [("/nowhere", 404), ("/refused", 502), ("/own", 200)] {
        let full = edge.parvis.get(path);
        let mut client = edge.parvis.client();
        client.send(format!(
            "HEAD {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        ));
        let reply = client.head_only();
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.field("X-Frame-Options").as_deref(), Some("DENY"));
        assert!(reply.field("X-Request-ID").is_some());
        assert_eq!(reply.field("Content-Length"), full.field("Content-Length"));
        assert!(client.rest().is_empty(), "{path}: a body");
    }
}

#[test]
fn an_id_of_a_trusted_proxy_cannot_break_an_errors_page() {
    let parvis = Parvis::start(
        "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/x\"\nrespond = {}\n",
    );
    let id = "<script>alert('&\"')</script>";
    for accept in ["text/html", "application/json"] {
        let fields = format!("X-Request-ID: {id}\r\nAccept: {accept}\r\n");
        let reply = parvis.client().request("GET", "/", &fields, b"");
        assert_eq!(reply.status, 404);
        assert_eq!(reply.field("X-Request-ID").as_deref(), Some(id));
        if accept == "text/html" {
            let escaped = "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;";
            assert!(reply.text().contains(escaped), "{}", reply.text());
            assert!(!reply.text().contains("<script"), "{}", reply.text());
        } else {
            assert_eq!(reply.json()["request_id"], id);
        }
    }
}

#[test]
fn the_client_the_app_and_the_page_know_one_id() {
    let edge = provoked("");
    let reply = edge
        .parvis
        .get("/?HTTP/1.1_200_OK|X-Request-ID:_the-apps-own");
    let id = reply.all("X-Request-ID");
    assert_eq!(id, [edge.backend.last().field("X-Request-ID").unwrap()]);
}

#[test]
fn an_upgrade_is_answered_with_an_id_too() {
    let backend = Backend::raw(|incoming| {
        while let Some(_request) = incoming.request() {
            incoming.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            );
            while incoming.read(&mut [0; 100]) > 0 {}
        }
    });
    let parvis = site(
        &backend,
        "headers = { security = \"strict\", set = { X-Set = \"s\" } }",
        "",
    );
    let mut client = parvis.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let reply = client.head_only();
    assert_eq!(reply.status, 101);
    assert_eq!(
        reply.field("X-Request-ID"),
        backend.last().field("X-Request-ID")
    );
    assert!(reply.field("X-Request-ID").is_some());
    assert_eq!(reply.field("X-Set").as_deref(), Some("s"));
    assert_eq!(
        reply.field("X-Content-Type-Options").as_deref(),
        Some("nosniff")
    );
    assert_eq!(reply.field("Upgrade").as_deref(), Some("websocket"));
    assert_eq!(
        reply.field("Sec-WebSocket-Accept").as_deref(),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
}

#[test]
fn cache_control_is_for_good_answers_that_have_none() {
    let backend = puppet();
    let plain = site(&backend, "", "cache_control = \"public, max-age=60\"");
    let hard = site(
        &backend,
        "",
        "cache_control = { value = \"no-store\", override = true }",
    );
    let ours = |reply: Reply| reply.all("Cache-Control");
    for status in [200, 203, 206, 301, 304, 308] {
        let bare = format!("/?HTTP/1.1_{status}_X|Location:_/");
        let own = format!("{bare}|Cache-Control:_private|Cache-Control:_max-age=1");
        assert_eq!(ours(plain.get(&bare)), ["public, max-age=60"], "{status}");
        assert_eq!(ours(plain.get(&own)), ["private", "max-age=1"], "{status}");
        assert_eq!(ours(hard.get(&bare)), ["no-store"], "{status}");
        assert_eq!(ours(hard.get(&own)), ["no-store"], "{status}");
    }
    for status in [
        201, 202, 204, 300, 302, 303, 307, 400, 401, 403, 404, 405, 410, 416, 429, 500, 501, 502,
        503, 504,
    ] {
        let bare = format!("/?HTTP/1.1_{status}_X|Location:_/");
        let own = format!("{bare}|Cache-Control:_private");
        for parvis in [&plain, &hard] {
            assert_eq!(ours(parvis.get(&bare)), [""; 0], "{status}");
            assert_eq!(ours(parvis.get(&own)), ["private"], "{status}");
        }
    }
}

#[test]
fn cache_control_of_the_site_is_on_own_good_answers_and_never_on_errors() {
    let edge = provoked("");
    for (name, bytes, ours, status) in provocations() {
        let reply = provoke(&edge.parvis, &bytes);
        assert_eq!(reply.status, status, "{name}");
        let good = matches!(status, 200 | 301 | 304 | 308);
        assert!(!(good && ours));
        let value = good.then_some("max-age=60");
        assert_eq!(
            reply.field("Cache-Control").as_deref(),
            value,
            "{name} {status}"
        );
    }
}

#[test]
fn a_routes_cache_control_replaces_its_sites() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "cache_control = { value = \"no-store\", override = true }",
        "cache_control = \"max-age=1\"",
    );
    let reply = parvis.get("/?HTTP/1.1_200_OK");
    assert_eq!(reply.all("Cache-Control"), ["max-age=1"]);
    let reply = parvis.get("/?HTTP/1.1_200_OK|Cache-Control:_private");
    assert_eq!(reply.all("Cache-Control"), ["private"]);
}

/// Milliseconds of `NAME;dur=MS`, written with three decimals.
fn duration(entry: &str, name: &str) -> f64 {
    let text = entry
        .trim()
        .strip_prefix(name)
        .and_then(|e| e.strip_prefix(";dur="));
    let text = text.unwrap_or_else(|| panic!("no {name} in {entry:?}"));
    let (whole, fraction) = text.split_once('.').unwrap();
    assert!(whole.bytes().all(|b| b.is_ascii_digit()), "{text}");
    assert!(
        fraction.len() == 3 && fraction.bytes().all(|b| b.is_ascii_digit()),
        "{text}"
    );
    text.parse().unwrap()
}

#[test]
fn server_timing_stands_beside_the_apps_own() {
    let backend = Backend::http(|_| {
        std::thread::sleep(Duration::from_millis(60));
        b"HTTP/1.1 200 OK\r\nServer-Timing: db;dur=5\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let parvis = site(&backend, "server_timing = true", "");
    let began = std::time::Instant::now();
    let reply = parvis.get("/");
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let fields = reply.all("Server-Timing");
    assert_eq!(fields.len(), 2, "{}", reply.head);
    assert_eq!(fields[0], "db;dur=5");
    let (edge, app) = fields[1].split_once(", ").unwrap();
    let (edge, app) = (duration(edge, "edge"), duration(app, "app"));
    // The app's wait is the app's, not ours; together they are no longer than the client waited.
    assert!(app >= 60.0, "{app}");
    assert!(edge + app <= took, "{edge} + {app} > {took}");
}

#[test]
fn server_timing_is_off_unless_asked_for_and_a_route_may_differ() {
    let backend = puppet();
    let off = site(&backend, "", "");
    assert_eq!(off.get("/?HTTP/1.1_200_OK").field("Server-Timing"), None);
    let differs = site(&backend, "server_timing = true", "server_timing = false");
    assert_eq!(
        differs.get("/?HTTP/1.1_200_OK").field("Server-Timing"),
        None
    );
}

#[test]
fn answers_of_parviss_own_tell_its_time_alone() {
    let refusing = Refusing::new();
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nserver_timing = true\n\
         [[site.route]]\npath = \"/own\"\nrespond = {{ body = \"x\" }}\n\
         [[site.route]]\npath = \"/moved\"\nredirect = {{ to = \"/own\" }}\n\
         [[site.route]]\npath = \"/refused\"\nproxy = \"app\"\n\
         [[site.route]]\npath = \"/not\"\nrespond = {{}}\nserver_timing = false\n",
        refusing.address()
    ));
    for path in ["/own", "/moved", "/refused"] {
        let fields = parvis.get(path).all("Server-Timing");
        assert_eq!(fields.len(), 1, "{path}");
        assert!(duration(&fields[0], "edge") > 0.0, "{path}");
    }
    assert_eq!(parvis.get("/not").field("Server-Timing"), None);
}

#[test]
fn several_cookies_stay_several_and_in_order() {
    let backend = puppet();
    let parvis = site(&backend, "headers = { security = \"strict\" }", "");
    let reply = parvis.get(
        "/?HTTP/1.1_200_OK|Set-Cookie:_a=1;_Path=/|X-Between:_1|Set-Cookie:_b=2,3;_Expires=Thu,_01_Jan_1970_00:00:00_GMT|set-cookie:_c=3",
    );
    assert_eq!(
        reply.all("Set-Cookie"),
        [
            "a=1; Path=/",
            "b=2,3; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "c=3"
        ]
    );
}

#[test]
fn names_keep_the_case_in_which_they_were_written() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "headers = { set = { x-oPERATOR = \"1\" }, default = { X-DEFAULT = \"1\" } }",
        "",
    );
    let mut client = parvis.client();
    client.send(
        "GET /?HTTP/1.1_200_OK|x-lower:_1|X-Title:_1|X-UPPER:_1|sEt-CoOkIe:_a=1|SET-COOKIE:_b=2|ETag:_x|WWW-Authenticate:_Basic HTTP/1.1\r\n\
         hOsT: test\r\nx-lower: 1\r\nX-UPPER: 1\r\nx-Mixed: 1\r\nX-mIXED: 2\r\n\r\n",
    );
    let reply = client.reply();
    for line in [
        "x-lower: 1",
        "X-Title: 1",
        "X-UPPER: 1",
        "sEt-CoOkIe: a=1",
        "SET-COOKIE: b=2",
        "ETag: x",
        "WWW-Authenticate: Basic",
        "x-oPERATOR: 1",
        "X-DEFAULT: 1",
    ] {
        let found = reply.head.lines().any(|l| l == line);
        assert!(found, "no {line:?} in {}", reply.head);
    }
    let sent = backend.last().fields;
    for (name, value) in [
        ("hOsT", "test"),
        ("x-lower", "1"),
        ("X-UPPER", "1"),
        ("x-Mixed", "1"),
        ("X-mIXED", "2"),
    ] {
        let pair = (name.to_string(), value.to_string());
        assert!(sent.contains(&pair), "no {name} in {sent:?}");
    }
}

#[test]
fn fields_that_frame_the_message_cannot_be_configured() {
    for (change, name) in [
        ("set = { Content-Length = \"1\" }", "Content-Length"),
        (
            "default = { Transfer-Encoding = \"chunked\" }",
            "Transfer-Encoding",
        ),
        ("remove = [\"connection\"]", "connection"),
        ("set = { \"X Y\" = \"1\" }", "X Y"),
        ("set = { X = \"a\\nb\" }", "value of a header field"),
    ] {
        let folder = support::Folder::new();
        let text = format!(
            "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nheaders = {{ {change} }}\n\
             [[site.route]]\npath = \"/\"\nrespond = {{}}\n"
        );
        let file = folder.write("parvis.toml", &text);
        let output = command(&["check", "-c", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{change}: {said}");
        assert!(said.contains(name), "{change}: {said}");
        assert!(said.contains("parvis.toml:4:"), "{change}: {said}");
    }
}

#[test]
fn a_keep_alive_connection_has_the_fields_on_each_answer() {
    let backend = puppet();
    let parvis = site(&backend, "headers = { security = \"classic\" }", "");
    let mut client: Client = parvis.client();
    for _ in 0..3 {
        let reply = client.get("/?HTTP/1.1_200_OK");
        assert_eq!(dressing(&reply), expected(&CLASSIC));
    }
}

#[test]
fn no_byte_in_a_target_makes_an_answer_that_is_not_ours() {
    let parvis = Parvis::start(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nheaders = { set = { X-Ours = \"1\" } }\n\
         [[site.route]]\npath = \"/*\"\nrespond = {}\n",
    );
    for byte in 0..=255u8 {
        for before in ["/a", "/a?b"] {
            let head = [
                b"GET ",
                before.as_bytes(),
                &[byte],
                b"c HTTP/1.1\r\nHost: test\r\n\r\n",
            ];
            let mut client = parvis.client();
            client.send(head.concat());
            let reply = client.reply();
            let ours = reply.field("X-Ours").is_some() && reply.field("X-Request-ID").is_some();
            assert!(ours, "{before} {byte:#x}: {}", reply.head);
            assert!(matches!(reply.status, 200 | 400), "{}", reply.head);
        }
    }
}

#[test]
fn limits_at_which_answers_would_not_be_ours_are_refused() {
    for (key, most, over) in [
        ("max_header", "\"1048575\"", "\"1MiB\""),
        ("max_fields", "256", "257"),
        ("max_uri", "\"65534\"", "\"64KiB\""),
    ] {
        let text = |value: &str| {
            format!(
                "[server]\n{key} = {value}\n\
                 [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
                 [[site.route]]\npath = \"/*\"\nrespond = {{}}\n"
            )
        };
        let folder = support::Folder::new();
        let file = folder.write("parvis.toml", &text(over));
        let output = command(&["check", "-c", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{key}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("parvis.toml:2:") && said.contains("at most"),
            "{said}"
        );
        let file = folder.write("parvis.toml", &text(most));
        let output = command(&["check", "-c", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{key}");
    }
    // At the limits it is still parvis that answers.
    let parvis = Parvis::start(
        "[server]\nmax_header = \"1048575\"\nmax_fields = 256\nmax_uri = \"65534\"\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nrespond = {}\n",
    );
    let uri = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(n - 1));
    let fields = |n: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(n - 1)
        )
    };
    let header = |n: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX:{}\r\n\r\n",
            "a".repeat(n - 31)
        )
    };
    assert_eq!(header(100).len(), 100);
    for (bytes, status) in [
        (uri(65_534), 200),
        (uri(65_535), 414),
        (fields(256), 200),
        (fields(257), 431),
        (header(1_048_575), 200),
        (header(1_048_576), 431),
    ] {
        let reply = provoke(&parvis, &bytes);
        assert_eq!(reply.status, status, "{}", reply.head);
        assert!(reply.field("X-Request-ID").is_some(), "{}", reply.head);
    }
}
