//! Fields of answers: whose come first, the security presets, `Cache-Control`, `Server-Timing`,
//! `X-Request-ID`, and the pages of errors.

mod support;

#[path = "headers/caching.rs"]
mod caching;
#[path = "headers/everywhere.rs"]
mod everywhere;
#[path = "headers/order.rs"]
mod order;
#[path = "headers/timing.rs"]
mod timing;

use support::{Backend, Full, Parvis, Refusing, Reply, until};

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
    let broken = Backend::breaking();
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
