//! `try`, and an app behind the files.

use crate::support::{Backend, Folder, Full, Parvis, Refusing};
use crate::{at, folder, prose, serve, serve_with, tag};

/// The files of a single-page app.
fn single_page() -> Folder {
    folder(&[
        ("index.html", "the app"),
        ("about.html", "about"),
        ("about/more.html", "more"),
        ("docs/index.html", "docs"),
        ("empty/x.txt", "x"),
        ("assets/index-BfK3x9Za.js", "code()"),
        (".env", "the secret"),
    ])
}

const SINGLE_PAGE: &str = "try = [\"{path}\", \"{path}.html\", \"/index.html\"]";

#[test]
fn a_single_page_app_answers_for_every_path() {
    let folder = single_page();
    let page_tag = tag(&at(&folder, "index.html"));
    let parvis = serve(folder, SINGLE_PAGE);
    for (path, expected) in [
        ("/", "the app"),
        ("/index.html", "the app"),
        ("/users/7", "the app"),
        ("/users/7/", "the app"),
        ("/users/7?tab=files", "the app"),
        ("/nothing.js", "the app"),
        ("/about.html", "about"),
        ("/about/more", "more"),
        ("/about/less", "the app"),
        ("/docs/", "docs"),
        ("/empty/", "the app"),
        ("/empty/x.txt", "x"),
        ("/assets/index-BfK3x9Za.js", "code()"),
        ("/caf%C3%A9/%20", "the app"),
    ] {
        let reply = parvis.get(path);
        assert_eq!(
            (reply.status, reply.text()),
            (200, expected.into()),
            "{path}"
        );
        let immutable = reply.field("cache-control").unwrap().contains("immutable");
        assert_eq!(immutable, expected == "code()", "{path}");
        if expected == "the app" {
            assert_eq!(reply.all("etag"), [page_tag.as_str()], "{path}");
            let kind = reply.field("content-type").unwrap();
            assert_eq!(kind, "text/html; charset=utf-8", "{path}");
            let fields = format!("If-None-Match: {page_tag}\r\n");
            let again = parvis.client().request("GET", path, &fields, b"");
            assert_eq!(again.status, 304, "{path}");
        }
    }
    let secret = parvis.get("/.env");
    assert!(!secret.text().contains("secret"));
    for path in ["/users/7", "/about", "/"] {
        let reply = parvis.client().request("POST", path, "", b"x=1");
        assert_eq!(reply.status, 405, "{path}");
        assert_eq!(reply.all("allow"), ["GET, HEAD"]);
    }
}

/// A name that a hash stands in says nothing of the page that is sent for it.
#[test]
fn a_page_sent_for_a_missing_name_is_not_immutable() {
    let parvis = serve(single_page(), SINGLE_PAGE);
    let reply = parvis.get("/assets/gone-CfK3x9Zb.55e7cbb9ba48.js");
    assert_eq!(reply.text(), "the app");
    assert_eq!(reply.all("cache-control"), ["no-cache"]);
    assert_eq!(reply.all("content-type"), ["text/html; charset=utf-8"]);
}

#[test]
fn pages_may_have_no_extension() {
    let parvis = serve(
        folder(&[
            ("about.html", "about"),
            ("a/b.html", "b"),
            ("404.html", "x"),
        ]),
        "try = [\"{path}\", \"{path}.html\"]",
    );
    assert_eq!(parvis.get("/about").text(), "about");
    assert_eq!(parvis.get("/about.html").text(), "about");
    assert_eq!(parvis.get("/a/b?x=1").text(), "b");
    for path in ["/about/", "/nothing", "/a/c", "/.html", "/a/.html"] {
        assert_eq!(parvis.get(path).status, 404, "{path}");
    }
}

#[test]
fn what_path_stands_for_goes_by_the_pattern_of_the_route() {
    let folder = folder(&[]);
    folder.write("www/x.txt", "prefix");
    folder.write("www/static/x.txt", "whole");
    folder.write("www/u/7.txt", "regex");
    folder.write("www/favicon.ico", "icon");
    folder.write("www/pages/x.txt.md", "tried");
    let parvis = Parvis::start_in(
        folder,
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/static/*\"\nfiles = { root = \"www\" }\n\
         [[site.route]]\npath = \"~ ^/u/[0-9]+\"\nfiles = { root = \"www\" }\n\
         [[site.route]]\npath = \"/favicon.ico\"\nfiles = { root = \"www\" }\n\
         [[site.route]]\npath = \"/md/*\"\nfiles = { root = \"www\", try = [\"/pages/{path}.md\"] }\n",
        &[],
    );
    for (path, expected) in [
        ("/static/x.txt", "prefix"),
        ("/static/static/x.txt", "whole"),
        ("/u/7.txt", "regex"),
        ("/favicon.ico", "icon"),
        ("/md/x.txt", "tried"),
    ] {
        assert_eq!(parvis.get(path).text(), expected, "{path}");
    }
}

/// What stands in the path is never taken for a part of the try.
#[test]
fn a_path_that_looks_like_a_try_is_a_path() {
    let parvis = serve(
        folder(&[("index.html", "page")]),
        "try = [\"{path}\", \"{path}/index.html\", \"/x/{path}.html\"]",
    );
    for path in ["/%7Bpath%7D", "/{path}", "/%7B%7D", "/{", "/$1"] {
        assert_eq!(parvis.get(path).status, 404, "{path}");
    }
    assert_eq!(parvis.get("/index.html").text(), "page");
}

struct Behind {
    parvis: Parvis,
    app: Backend,
}

/// Files, and an app for what is none.
fn behind(files: &str) -> Behind {
    let app = Backend::text("the app");
    let folder = folder(&[
        ("file.txt", "file"),
        ("dir/index.html", "index"),
        ("bare/x.txt", "x"),
        (".env", "the secret"),
    ]);
    let top = format!("[upstream.app]\nservers = [\"{}\"]\n", app.address());
    let parvis = serve_with(folder, &top, "fallback = \"app\"", files);
    Behind { parvis, app }
}

#[test]
fn what_is_no_file_goes_to_the_app() {
    let behind = behind("");
    let parvis = &behind.parvis;
    for (path, expected) in [
        ("/file.txt", "file"),
        ("/dir/", "index"),
        ("/bare/x.txt", "x"),
    ] {
        assert_eq!(parvis.get(path).text(), expected, "{path}");
    }
    assert_eq!(parvis.get("/dir").status, 308);
    assert_eq!(behind.app.connections(), 0, "the app was woken");
    for path in [
        "/",
        "/nothing",
        "/nothing/",
        "/nothing.txt?x=1",
        "/bare/",
        "/file.txt/",
        "/dir/nothing",
        "/a%2fb",
    ] {
        let reply = parvis.get(path);
        assert_eq!(
            (reply.status, reply.text()),
            (200, "the app".into()),
            "{path}"
        );
        assert_eq!(behind.app.last().target, path);
        for name in [
            "etag",
            "last-modified",
            "accept-ranges",
            "x-content-type-options",
        ] {
            assert_eq!(reply.field(name), None, "{path}: {name}");
        }
        assert_eq!(reply.all("content-type"), ["text/plain"]);
    }
    // Whoever answers for it, it is not the file.
    for path in ["/.env", "/%2eenv"] {
        assert!(!parvis.get(path).text().contains("secret"), "{path}");
    }
    assert_eq!(parvis.get("/../x").status, 400);
}

#[test]
fn a_file_that_appears_takes_over_from_the_app() {
    let behind = behind("");
    let parvis = &behind.parvis;
    for _ in 0..10 {
        assert_eq!(parvis.get("/new.txt").text(), "the app");
    }
    parvis.folder.write("root/new.txt", "file");
    assert_eq!(parvis.get("/new.txt").text(), "file");
    std::fs::remove_file(parvis.folder.join("root/new.txt")).unwrap();
    crate::changes::seen("the app again", || {
        parvis.get("/new.txt").text() == "the app"
    });
}

#[test]
fn other_methods_go_to_the_app_where_there_is_no_file() {
    let behind = behind("");
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let mut client = behind.parvis.client();
        let body = b"a body of its own";
        let reply = client.request(method, "/nothing?x", "X-A: 1\r\n", body);
        assert_eq!(
            (reply.status, reply.text()),
            (200, "the app".into()),
            "{method}"
        );
        let seen = behind.app.last();
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            (method, "/nothing?x")
        );
        assert_eq!(seen.body, body);
        let before = behind.app.requests().len();
        for path in ["/file.txt", "/dir/"] {
            let reply = client.request(method, path, "", b"");
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.all("allow"), ["GET, HEAD"]);
        }
        assert_eq!(behind.app.requests().len(), before);
    }
    let head = behind.parvis.client().request("HEAD", "/nothing", "", b"");
    assert_eq!(head.status, 200);
    assert_eq!(behind.app.last().method, "HEAD");
}

#[test]
fn the_app_gets_the_request_as_it_came() {
    let behind = behind("try = [\"{path}\", \"{path}.html\"]");
    let target = "/miss%20ing/%41/../b;c=1/%7e//d?q=%2F&r=a+b&&=";
    let fields = "Cookie: a=1; b=2\r\nX-Own: x\r\nx-own: y\r\nUser-Agent: test\r\n\
         Accept: text/html\r\nAccept-Language: de\r\nRange: bytes=0-1\r\n\
         If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\nAuthorization: Basic eA==\r\n\
         Content-Type: text/x\r\n";
    let reply = behind
        .parvis
        .client()
        .request("POST", target, fields, b"body");
    assert_eq!(reply.text(), "the app");
    let seen = behind.app.last();
    assert_eq!(seen.target, target);
    assert_eq!(seen.body, b"body");
    for line in fields.lines() {
        let (name, value) = line.trim().split_once(": ").unwrap();
        let pair = (name.to_string(), value.to_string());
        assert!(seen.fields.contains(&pair), "{line}: {:?}", seen.fields);
    }
    assert_eq!(seen.field("host").as_deref(), Some("test"));
    assert_eq!(seen.field("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert!(seen.field("x-request-id").is_some());
}

#[test]
fn a_large_body_goes_to_the_app_and_its_limit_holds() {
    let app = Backend::text("the app");
    let top = format!("[upstream.app]\nservers = [\"{}\"]\n", app.address());
    let route = "fallback = \"app\"\nmax_body = \"2MiB\"";
    let parvis = serve_with(folder(&[("x", "x")]), &top, route, "");
    let body = crate::noise(7, 2 * 1024 * 1024);
    let reply = parvis.client().request("POST", "/up", "", &body);
    assert_eq!(reply.text(), "the app");
    assert!(app.last().body == body);
    let mut client = parvis.client();
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 2097153\r\n\r\n");
    assert_eq!(client.reply().status, 413);
    // In chunks, with the client waiting to be told to go on.
    let mut client = parvis.client();
    client.send(
        "POST /up HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    );
    assert_eq!(client.reply().text(), "the app");
    assert_eq!(app.last().body, b"hello world");
}

#[test]
fn an_upgrade_goes_to_the_app() {
    let app = Backend::raw(|incoming| {
        let Some(request) = incoming.request() else {
            return;
        };
        assert_eq!(request.field("upgrade").as_deref(), Some("websocket"));
        incoming.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        );
        let word = incoming.exactly(4).unwrap();
        incoming.send(word);
    });
    let top = format!("[upstream.app]\nservers = [\"{}\"]\n", app.address());
    let parvis = serve_with(folder(&[]), &top, "fallback = \"app\"", "");
    let mut client = parvis.client();
    client.send(
        "GET /ws/chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.head_only().status, 101);
    client.send("ping");
    assert_eq!(client.exactly(4), b"ping");
}

#[test]
fn files_are_served_while_the_app_is_down() {
    let (refusing, full) = (Refusing::new(), Full::new());
    for (address, status) in [(refusing.address(), 502), (full.address(), 504)] {
        let top =
            format!("[upstream.app]\nservers = [\"{address}\"]\nconnect_timeout = \"100ms\"\n");
        let files = folder(&[("file.txt", "file")]);
        let parvis = serve_with(files, &top, "fallback = \"app\"", "");
        assert_eq!(parvis.get("/nothing").status, status);
        assert_eq!(parvis.get("/file.txt").text(), "file");
    }
}

#[test]
fn the_apps_404_is_its_own() {
    let app = Backend::http(|_| {
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\nnot found"
            .to_vec()
    });
    let top = format!("[upstream.app]\nservers = [\"{}\"]\n", app.address());
    let parvis = serve_with(folder(&[("x", "x")]), &top, "fallback = \"app\"", "");
    let reply = parvis.get("/nothing");
    assert_eq!((reply.status, reply.text()), (404, "not found".into()));
}

/// A fallback before a file of the same connection, and after it.
#[test]
fn files_and_app_take_turns_on_a_connection() {
    let behind = behind("");
    let long = prose(1, 200_000);
    behind.parvis.folder.write("root/long.txt", &long);
    let mut client = behind.parvis.client();
    for _ in 0..20 {
        assert_eq!(client.get("/file.txt").text(), "file");
        assert_eq!(client.get("/nothing").text(), "the app");
        let reply = client.request("POST", "/nothing", "", b"x");
        assert_eq!(reply.text(), "the app");
        assert_eq!(client.get("/long.txt").text(), long);
        assert_eq!(client.request("HEAD", "/long.txt", "", b"").status, 200);
    }
}

/// Requests that are sent before the answers are read are answered in their order.
#[test]
fn requests_sent_together_are_answered_in_order() {
    let behind = behind("");
    let mut client = behind.parvis.client();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    client.send(
        [
            get("/file.txt"),
            get("/nothing"),
            get("/dir/"),
            get("/bare/x.txt"),
        ]
        .concat(),
    );
    for expected in ["file", "the app", "index", "x"] {
        assert_eq!(client.reply().text(), expected);
    }
}
