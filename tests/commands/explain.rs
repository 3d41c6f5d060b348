//! `parvis explain`: which site and route take a request, and which line says so.

use crate::support::{Backend, Client, Folder, Parvis, command};
use crate::{code, text};

const MAIN: &str = r#"include = ["sites/*.toml"]
[upstream.app]
servers = ["127.0.0.1:8000", { address = "unix:/run/app.sock", weight = 2 }]
"#;

const SHOP: &str = r#"
[[site]]
name = "shop"
hosts = ["shop.example", "*.shop.example"]
listen = ["127.0.0.1:8080"]
headers = { security = "strict", set = { "X-A" = "1" }, default = { "X-B" = "2" }, remove = ["Server"] }
cache_control = "max-age=60"

[[site.route]]
path = "/static/*"
proxy = "app"
max_body = "1MiB"
upstream_host = "app.internal"

[[site.route]]
path = "/old/*"
redirect = { to = "{scheme}://{host}/new/{path}", status = 307 }
headers = { security = "off", set = { "X-A" = "3" } }
cache_control = { value = "no-store", override = true }

[[site.route]]
path = "/ping"
respond = { status = 200, body = "pong" }

[[site.route]]
path = "/api"
methods = ["POST"]
headers = { "X-Beta" = "1" }
query = { v = "~ ^[0-9]+$" }
proxy = "app"

[[site.route]]
path = "~ ^/u/([0-9]+)$"
redirect = { to = "/user/{1}" }
"#;

const OTHER: &str = r#"[[site]]
name = "any"
listen = ["127.0.0.1:8081"]
[[site.route]]
path = "/*"
respond = { status = 410 }
"#;

fn configuration() -> Folder {
    let folder = Folder::new();
    folder.write("parvis.toml", MAIN);
    folder.write("sites/any.toml", OTHER);
    folder.write("sites/shop.toml", SHOP);
    folder
}

fn explain(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    let file = folder.join("parvis.toml");
    let output = command(&[&["explain", "-c", file.to_str().unwrap()], arguments].concat());
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    // Places are shown as the files were named; here only what comes after the folder matters.
    let folder = format!("{}/", folder.path().display());
    let lines = text(&output.stdout);
    lines
        .lines()
        .map(|line| line.replace(&folder, ""))
        .collect()
}

/// The number of the first line of the site's file that begins like this.
fn line_of(what: &str) -> String {
    let at = SHOP
        .lines()
        .position(|line| line.starts_with(what))
        .unwrap();
    format!("sites/shop.toml:{}", at + 1)
}

#[test]
fn a_request_that_goes_to_an_app() {
    let lines = explain(
        &configuration(),
        &["http://www.shop.example:8080/static/%61.css?v=1"],
    );
    assert_eq!(
        lines,
        [
            "GET /static/%61.css?v=1 for www.shop.example:8080",
            &format!("site      shop on 127.0.0.1:8080   {}", line_of("name = ")),
            "path      matched as /static/a.css",
            &format!("route     /static/*   {}", line_of("path = \"/static/*\"")),
            "does      passes it to the upstream app   parvis.toml:2",
            "server    127.0.0.1:8000",
            "server    unix:/run/app.sock",
            "body      at most 1MiB, else 413",
            "host      the app sees app.internal",
            "compress  br, zstd, gzip from 800 bytes on",
            "answer    set x-a: 1",
            "answer    default x-b: 2",
            "answer    default x-content-type-options: nosniff",
            "answer    default x-frame-options: DENY",
            "answer    default referrer-policy: strict-origin-when-cross-origin",
            "answer    default permissions-policy: accelerometer=(), camera=(), geolocation=(), \
             gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
            "answer    default cross-origin-opener-policy: same-origin",
            "answer    default cross-origin-resource-policy: same-origin",
            "answer    default x-xss-protection: 0",
            "answer    default cache-control: max-age=60 (not on errors)",
            "answer    remove server",
        ]
    );
}

#[test]
fn a_request_that_is_redirected() {
    let lines = explain(
        &configuration(),
        &["http://shop.example:8080/old/a%20b?x=1"],
    );
    assert_eq!(
        lines[2..],
        [
            "path      matched as /old/a b",
            &format!("route     /old/*   {}", line_of("path = \"/old/*\"")),
            "does      redirects with 307 to http://shop.example:8080/new/a%20b?x=1",
            // The route's fields come after the site's, and override them.
            "answer    set x-a: 3",
            "answer    default x-b: 2",
            "answer    set cache-control: no-store (not on errors)",
            "answer    remove server",
        ]
    );
    let lines = explain(&configuration(), &["http://shop.example:8080/u/42?x=1"]);
    assert_eq!(
        lines[2],
        format!("route     ~ ^/u/([0-9]+)$   {}", line_of("path = \"~ "))
    );
    assert_eq!(lines[3], "does      redirects with 308 to /user/42?x=1");
}

#[test]
fn a_request_that_is_answered_here() {
    let lines = explain(&configuration(), &["http://shop.example:8080/ping"]);
    assert_eq!(
        lines[2],
        format!("route     /ping   {}", line_of("path = \"/ping\""))
    );
    assert_eq!(lines[3], "does      answers 200 with 4 bytes of its own");
    // A site without hosts takes any.
    let lines = explain(&configuration(), &["http://whoever.test:8081/x"]);
    assert_eq!(
        lines[1],
        "site      any on 127.0.0.1:8081   sites/any.toml:2"
    );
    assert_eq!(lines[2], "route     /*   sites/any.toml:5");
    assert_eq!(lines[3], "does      answers 410 with 0 bytes of its own");
}

#[test]
fn a_path_that_lacks_its_slash() {
    let lines = explain(&configuration(), &["http://shop.example:8080/static?a=b"]);
    assert_eq!(
        lines[2],
        format!("route     /static/*   {}", line_of("path = \"/static/*\""))
    );
    assert_eq!(
        lines[3],
        "does      redirects with 308 to /static/?a=b: the route takes what is below it"
    );
}

#[test]
fn a_path_that_is_not_written_as_it_is_matched() {
    let folder = configuration();
    for path in ["/static/%2e%2e/ping", "//ping", "/./a/../ping", "/%70ing"] {
        let lines = explain(&folder, &[&format!("http://shop.example:8080{path}")]);
        assert_eq!(lines[2], "path      matched as /ping", "{path}");
        assert!(lines[3].starts_with("route     /ping "), "{path}");
    }
}

#[test]
fn why_nothing_takes_a_request() {
    let folder = configuration();
    let last = |arguments: &[&str]| explain(&folder, arguments).pop().unwrap();
    let url = "http://shop.example:8080";
    assert_eq!(
        last(&[&format!("{url}/nothing")]),
        "answer    404: no route takes this path"
    );
    for path in ["/..", "/a%2", "/a%00"] {
        assert!(
            last(&[&format!("{url}{path}")]).starts_with("answer    400: "),
            "{path}"
        );
    }
    let none = explain(&folder, &["http://other.example:8080/"]);
    assert_eq!(
        none[1..],
        ["site      none answers for this host", "answer    404"]
    );
    let none = explain(&folder, &["https://other.example:8080/"]);
    assert_eq!(
        none[1..],
        [
            "note      no TLS is spoken on 127.0.0.1:8080",
            "site      none answers for this host",
            "answer    421"
        ]
    );
    let elsewhere = explain(&folder, &["http://shop.example/ping"]);
    assert_eq!(
        elsewhere[1],
        "note      nothing listens on port 80; looking at 127.0.0.1:8080, 127.0.0.1:8081"
    );
    assert!(
        elsewhere[2].starts_with("site      shop on "),
        "{elsewhere:?}"
    );
}

#[test]
fn conditions_are_those_of_the_method_the_fields_and_the_query() {
    let folder = configuration();
    let api = |arguments: &[&str]| {
        let lines = explain(&folder, arguments);
        match lines.iter().find(|line| line.starts_with("does ")) {
            Some(does) => does.clone(),
            None => lines.last().unwrap().clone(),
        }
    };
    let url = "http://shop.example:8080/api";
    let right = format!("{url}?a=b&v=12");
    let taken = "does      passes it to the upstream app   parvis.toml:2";
    assert_eq!(api(&[&right, "-X", "post", "-H", "x-beta:1"]), taken);
    assert_eq!(
        api(&["--header", "X-Beta: 1", "--method", "POST", &right]),
        taken
    );
    let refused = "answer    405: the path has routes for POST only";
    assert_eq!(api(&[&right, "-H", "X-Beta: 1"]), refused);
    assert_eq!(api(&[&right, "-X", "PUT", "-H", "X-Beta: 1"]), refused);
    let nothing = "answer    404: no route takes this path";
    assert_eq!(api(&[&right, "-X", "POST"]), nothing);
    assert_eq!(api(&[&right, "-X", "POST", "-H", "X-Beta: 2"]), nothing);
    assert_eq!(
        api(&[&format!("{url}?v=x"), "-X", "POST", "-H", "X-Beta: 1"]),
        nothing
    );
    assert_eq!(api(&[url, "-X", "POST", "-H", "X-Beta: 1"]), nothing);
}

#[test]
fn fields_for_tls_are_told_for_tls() {
    let folder = configuration();
    let hsts = "answer    default strict-transport-security: max-age=63072000; includeSubDomains";
    let has = |url: &str| explain(&folder, &[url]).iter().any(|line| line == hsts);
    assert!(has("https://shop.example:8080/ping") && has("wss://shop.example:8080/ping"));
    assert!(!has("http://shop.example:8080/ping") && !has("ws://shop.example:8080/ping"));
}

/// What is explained is what is done.
#[test]
fn parvis_does_what_is_explained() {
    let app = Backend::text("app");
    let folder = configuration();
    let file = |text: &str| {
        text.replace("8080", "0").replace("8081", "0").replace(
            "\"127.0.0.1:8000\", { address = \"unix:/run/app.sock\", weight = 2 }",
            &format!("\"{}\"", app.address()),
        )
    };
    folder.write(
        "sites/any.toml",
        &file(OTHER).replace("127.0.0.1", "127.0.0.2"),
    );
    folder.write("sites/shop.toml", &file(SHOP));
    let parvis = Parvis::start_in(folder, &file(MAIN), &[]);
    for (method, path, field) in [
        ("GET", "/static/a.css", ""),
        ("GET", "/static?x=1", ""),
        ("GET", "/old/a%20b/c?x=1", ""),
        ("GET", "/old/%2e%2e/ping", ""),
        ("GET", "/ping", ""),
        ("DELETE", "/ping", ""),
        ("GET", "/u/7?x=1", ""),
        ("GET", "/u/x", ""),
        ("GET", "/..", ""),
        ("GET", "/api?v=1", "X-Beta: 1"),
        ("POST", "/api?v=1", "X-Beta: 1"),
        ("POST", "/api?v=1", "X-Beta: 2"),
    ] {
        let mut client = Client::connect(parvis.address());
        let host = format!("shop.example:{}", parvis.address().port());
        let fields = match field {
            "" => String::new(),
            field => format!("{field}\r\n"),
        };
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{fields}\r\n"
        ));
        let reply = client.reply();
        let url = format!("http://{host}{path}");
        let mut arguments = vec!["-X", method, &url];
        if !field.is_empty() {
            arguments.extend(["-H", field]);
        }
        let lines = explain(&parvis.folder, &arguments);
        let says = |what: &str| lines.iter().any(|line| line.contains(what));
        let told = match (reply.status, reply.field("location")) {
            (200, _) if reply.text() == "app" => "does      passes it to the upstream app".into(),
            (200, _) => "does      answers 200".into(),
            (status, Some(to)) => format!("does      redirects with {status} to {to}"),
            (status, None) => format!("answer    {status}: "),
        };
        assert!(says(&told), "{method} {path}: {told} is not in {lines:?}");
        let fields = lines
            .iter()
            .filter_map(|line| line.strip_prefix("answer    default "));
        for line in fields.filter(|line| !line.contains("(not on errors)")) {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(reply.field(name).as_deref(), Some(value), "{method} {path}");
        }
    }
}

#[test]
fn what_is_no_question_ends_with_2() {
    let folder = configuration();
    let file = folder.join("parvis.toml");
    let file = file.to_str().unwrap();
    for arguments in [
        &["shop.example/"][..],
        &["/ping"],
        &["ftp://a/"],
        &["http://"],
        &["http://a b/"],
        &["http://a/b c"],
        &["http://a:99999/"],
        &["http://a:http/"],
        &["http://a/", "-H", "x"],
        &["http://a/", "-H", "x y: z"],
        &["http://a/", "-X", "G T"],
        &["http://a/", "-X", ""],
    ] {
        let output = command(&[&["explain", "-c", file], arguments].concat());
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert_eq!(text(&output.stdout), "");
        let said = text(&output.stderr);
        assert!(said.starts_with("error: "), "{arguments:?}: {said}");
        // It says what it does not take.
        assert!(said.contains(['`']), "{said}");
    }
}

#[test]
fn a_request_for_a_file() {
    let folder = Folder::new();
    folder.write(
        "parvis.toml",
        "[upstream.app]\nservers = [\"127.0.0.1:8000\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:8080\"]\n\
         [[site.route]]\npath = \"/static/*\"\nfiles = { root = \"files\" }\nfallback = \"app\"\n",
    );
    folder.write("files/css/base.55e7cbb9ba48.css", "body {}");
    folder.write("files/css/base.55e7cbb9ba48.css.gz", "as if");
    let file = |path: &str| {
        let lines = explain(&folder, &[&format!("http://s:8080/static/{path}")]);
        assert!(lines.contains(&"does      serves files from files".to_string()));
        let fallback = "else      passes what is no file to the upstream app   parvis.toml:1";
        assert!(lines.contains(&fallback.to_string()), "{lines:#?}");
        let line = lines.iter().find(|line| line.starts_with("file "));
        line.expect("a line for the file").clone()
    };
    assert_eq!(
        file("css/base.55e7cbb9ba48.css"),
        "file      files/css/base.55e7cbb9ba48.css, 7 bytes, text/css; charset=utf-8, .gz beside it, \
         its name carries a hash"
    );
    assert_eq!(
        file("css"),
        "file      a directory: 308 to its name with a slash"
    );
    for none in ["css/", "none", ".env", "css%2Fbase.55e7cbb9ba48.css"] {
        assert_eq!(file(none), "file      none", "{none}");
    }
}
