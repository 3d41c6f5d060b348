//! Which site and which route takes a request, and what routes answer by themselves.

use crate::support::{Backend, Client, Parvis, Reply};

/// A site for any host with these routes.
fn site(routes: &str) -> Parvis {
    Parvis::start(&format!(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n{routes}"
    ))
}

/// A route that answers with a text of its own. `more` are other keys.
fn answers(path: &str, text: &str, more: &str) -> String {
    format!("[[site.route]]\npath = {path:?}\nrespond = {{ body = {text:?} }}\n{more}\n")
}

fn text(parvis: &Parvis, path: &str) -> String {
    let reply = parvis.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.head);
    reply.text()
}

#[test]
fn the_most_specific_route_wins_whatever_the_order() {
    let routes = [
        answers("/*", "all", ""),
        answers("/a/*", "below a", ""),
        answers("/a/b/*", "below b", ""),
        answers("/a/b/c", "c", ""),
        answers("/a/b/", "b with a slash", ""),
        answers("~ ^/a/b/[0-9]+$", "never: a prefix takes it", ""),
    ];
    let mut orders: Vec<String> = vec![routes.concat()];
    orders.push(routes.iter().rev().cloned().collect());
    let (front, back) = routes.split_at(3);
    orders.push([back, front].concat().concat());
    for order in orders {
        let parvis = site(&order);
        for (path, expected) in [
            ("/", "all"),
            ("/x", "all"),
            ("/ab", "all"),
            ("/a/x", "below a"),
            ("/a/", "below a"),
            ("/a/bc", "below a"),
            ("/a/b/x", "below b"),
            ("/a/b/c/", "below b"),
            ("/a/b/7", "below b"),
            ("/a/b/", "b with a slash"),
            ("/a/b/c", "c"),
            ("/a/b/c?d=e", "c"),
        ] {
            assert_eq!(text(&parvis, path), expected, "{path}");
        }
    }
}

#[test]
fn regular_expressions_come_last_and_in_the_order_written() {
    let parvis = site(
        &[
            answers("~ ^/u/[0-9]+$", "number", ""),
            answers("~ ^/u/", "name", ""),
            answers("~ /end$", "end", ""),
            answers("/u/7", "seven", ""),
            answers("/v/*", "prefix", ""),
        ]
        .concat(),
    );
    for (path, expected) in [
        ("/u/12", "number"),
        ("/u/joe", "name"),
        ("/u/joe/end", "name"),
        ("/x/end", "end"),
        ("/v/end", "prefix"),
        ("/u/7", "seven"),
        // On the decoded path.
        ("/u/%31%32", "number"),
    ] {
        assert_eq!(text(&parvis, path), expected, "{path}");
    }
    assert_eq!(parvis.get("/w").status, 404);
}

#[test]
fn a_route_may_ask_for_methods() {
    let parvis = site(
        &[
            answers("/form", "shown", "methods = [\"GET\"]"),
            answers("/form", "sent", "methods = [\"POST\", \"PUT\"]"),
            answers("/low", "low", "methods = [\"get\"]"),
            answers("/any", "any", ""),
        ]
        .concat(),
    );
    let ask = |method: &str, path: &str| parvis.client().request(method, path, "", b"");
    assert_eq!(ask("GET", "/form").text(), "shown");
    assert_eq!(ask("POST", "/form").text(), "sent");
    assert_eq!(ask("PUT", "/form").text(), "sent");
    assert_eq!(ask("HEAD", "/form").status, 200);
    assert_eq!(
        ask("HEAD", "/form").field("content-length").as_deref(),
        Some("5")
    );
    assert_eq!(ask("GET", "/low").text(), "low");
    assert_eq!(ask("DELETE", "/any").text(), "any");
}

#[test]
fn a_method_that_no_route_takes_is_answered_with_those_that_are() {
    let parvis = site(
        &[
            answers("/form", "shown", "methods = [\"GET\"]"),
            answers("/form", "sent", "methods = [\"POST\", \"PUT\"]"),
        ]
        .concat(),
    );
    let reply = parvis.client().request("DELETE", "/form", "", b"");
    assert_eq!(reply.status, 405);
    let allow = reply.field("allow").unwrap();
    let mut allow: Vec<&str> = allow.split(", ").collect();
    allow.sort_unstable();
    assert_eq!(allow, ["GET", "POST", "PUT"]);
    // A path that has no route at all is another matter.
    let reply = parvis.client().request("DELETE", "/other", "", b"");
    assert_eq!(reply.status, 404);
    assert_eq!(reply.field("allow"), None);
}

#[test]
fn a_method_that_a_wider_route_takes_goes_there() {
    let parvis = site(
        &[
            answers("/a/b", "b", "methods = [\"GET\"]"),
            answers("/a/*", "a", ""),
        ]
        .concat(),
    );
    assert_eq!(parvis.client().request("POST", "/a/b", "", b"").text(), "a");
    assert_eq!(text(&parvis, "/a/b"), "b");
}

#[test]
fn a_route_may_ask_for_fields() {
    let parvis = site(
        &[
            answers("/*", "plain", ""),
            answers("/*", "beta", "headers = { \"X-Beta\" = \"1\" }"),
            answers("/*", "any", "headers = { \"X-Any\" = \"*\" }"),
            answers(
                "/*",
                "old",
                "headers = { \"User-Agent\" = \"~ MSIE [0-9]+\" }",
            ),
            answers(
                "/*",
                "both",
                "headers = { \"X-Beta\" = \"1\", \"X-Any\" = \"*\" }",
            ),
        ]
        .concat(),
    );
    let ask = |fields: &str| parvis.client().request("GET", "/", fields, b"").text();
    assert_eq!(ask(""), "plain");
    assert_eq!(ask("x-beta: 1\r\n"), "beta");
    assert_eq!(ask("x-beta: 2\r\n"), "plain");
    assert_eq!(ask("X-Any:\r\n"), "any");
    assert_eq!(ask("User-Agent: Mozilla (MSIE 6)\r\n"), "old");
    assert_eq!(ask("User-Agent: Mozilla (MSIE)\r\n"), "plain");
    assert_eq!(ask("X-Beta: 1\r\nX-Any: x\r\n"), "both");
}

#[test]
fn a_route_may_ask_for_parameters() {
    let parvis = site(
        &[
            answers("/*", "plain", ""),
            answers("/*", "two", "query = { version = \"2\" }"),
            answers("/*", "present", "query = { debug = \"*\" }"),
            answers("/*", "word", "query = { q = \"~ ^[a-z ]+$\" }"),
        ]
        .concat(),
    );
    for (path, expected) in [
        ("/", "plain"),
        ("/?version=2", "two"),
        ("/?x=1&version=2", "two"),
        ("/?version=22", "plain"),
        ("/?Version=2", "plain"),
        ("/?version=%32", "two"),
        ("/?debug", "present"),
        ("/?debug=0", "present"),
        ("/?q=a+b", "word"),
        ("/?q=a%20b", "word"),
        ("/?q=7", "plain"),
    ] {
        assert_eq!(text(&parvis, path), expected, "{path}");
    }
}

#[test]
fn a_path_that_lacks_its_slash_is_redirected() {
    let parvis = site(
        &[
            answers("/*", "all", ""),
            answers("/static/*", "static", ""),
            answers("/both/*", "below", ""),
            answers("/both", "itself", ""),
        ]
        .concat(),
    );
    for (path, location) in [
        ("/static", "/static/"),
        ("/static?a=b&c=%20d", "/static/?a=b&c=%20d"),
        ("/static?", "/static/?"),
        ("/x/../static", "/static/"),
        ("//static", "/static/"),
        ("/st%61tic", "/static/"),
    ] {
        let reply = parvis.get(path);
        assert_eq!(reply.status, 308, "{path}");
        assert_eq!(reply.field("location").as_deref(), Some(location), "{path}");
    }
    assert_eq!(text(&parvis, "/static/"), "static");
    assert_eq!(text(&parvis, "/staticx"), "all");
    // A route for the path itself is more specific.
    assert_eq!(text(&parvis, "/both"), "itself");
    let reply = parvis.client().request("POST", "/static", "", b"body");
    assert_eq!(reply.status, 308);
}

#[test]
fn routes_redirect() {
    let parvis = site(
        "[[site.route]]\npath = \"/old/*\"\nredirect = { to = \"/new/{path}\", status = 308 }\n\
         [[site.route]]\npath = \"/moved\"\nredirect = { to = \"https://other.example/?from=here\", status = 301 }\n\
         [[site.route]]\npath = \"~ ^/u/([0-9]+)/(.*)$\"\nredirect = { to = \"/users/{1}?tab={2}\", status = 302 }\n\
         [[site.route]]\npath = \"/secure/*\"\nredirect = { to = \"https://{host}/{path}\" }\n\
         [[site.route]]\npath = \"/same\"\nredirect = { to = \"{scheme}://www.{host}/\", status = 307 }\n",
    );
    let redirected = |path: &str| {
        let reply = parvis.get(path);
        assert_eq!(reply.body, b"");
        (reply.status, reply.field("location").unwrap())
    };
    let to = |status: u16, location: &str| (status, location.to_string());
    assert_eq!(redirected("/old/a/b"), to(308, "/new/a/b"));
    assert_eq!(
        redirected("/old/a%20b?c=%20d"),
        to(308, "/new/a%20b?c=%20d")
    );
    assert_eq!(redirected("/old/"), to(308, "/new/"));
    assert_eq!(
        redirected("/moved"),
        to(301, "https://other.example/?from=here")
    );
    assert_eq!(
        redirected("/moved?x=1"),
        to(301, "https://other.example/?from=here")
    );
    assert_eq!(redirected("/u/7/files"), to(302, "/users/7?tab=files"));
    assert_eq!(redirected("/secure/x?y"), to(308, "https://test/x?y"));
    assert_eq!(redirected("/same"), to(307, "http://www.test/"));
    // Whatever stands in the path, it names no other host and adds no field.
    for path in [
        "/old//evil.example",
        "/old/%2f%2fevil.example",
        "/old/a%0d%0aX-Evil:%201",
    ] {
        let (_, location) = redirected(path);
        assert!(location.starts_with("/new/"), "{path}: {location}");
        assert_eq!(parvis.get(path).field("x-evil"), None);
    }
}

#[test]
fn routes_answer_by_themselves() {
    let parvis = site(
        "[[site.route]]\npath = \"/ping\"\nrespond = { status = 200, body = \"pong\\n\", content_type = \"text/plain; charset=utf-8\" }\n\
         [[site.route]]\npath = \"/gone\"\nrespond = { status = 410, body = \"<p>gone\", content_type = \"text/html\" }\n\
         [[site.route]]\npath = \"/nothing\"\nrespond = { status = 204 }\n",
    );
    let mut client = parvis.client();
    for _ in 0..3 {
        let reply = client.get("/ping");
        assert_eq!((reply.status, reply.text().as_str()), (200, "pong\n"));
        assert_eq!(reply.field("content-length").as_deref(), Some("5"));
        assert_eq!(
            reply.field("content-type").as_deref(),
            Some("text/plain; charset=utf-8")
        );
        assert!(reply.field("x-request-id").is_some());
        let reply = client.request("HEAD", "/ping", "", b"");
        assert_eq!(reply.field("content-length").as_deref(), Some("5"));
        let reply = client.get("/gone");
        assert_eq!((reply.status, reply.text().as_str()), (410, "<p>gone"));
        assert_eq!(reply.field("content-type").as_deref(), Some("text/html"));
        let reply = client.get("/nothing");
        assert_eq!((reply.status, reply.field("content-length")), (204, None));
    }
    // A body that nobody wants does not get in the way.
    let reply = parvis
        .client()
        .request("POST", "/ping", "", &[b'x'; 100_000]);
    assert_eq!(reply.text(), "pong\n");
}

/// `GET /` for this host.
fn ask(parvis: &Parvis, host: &str) -> Reply {
    let mut client = parvis.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.reply()
}

/// A site for these hosts that answers with its name.
fn named(name: &str, hosts: &str) -> String {
    format!(
        "[[site]]\nname = {name:?}\nlisten = [\"127.0.0.1:0\"]\n{hosts}\n{}",
        answers("/*", name, "")
    )
}

#[test]
fn the_most_specific_host_wins_whatever_the_order() {
    let sites = [
        named("wide", "hosts = [\"*.example.org\"]"),
        named("exact", "hosts = [\"example.org\", \"WWW.example.org\"]"),
        named("narrow", "hosts = [\"*.shop.example.org\"]"),
        named("rest", ""),
    ];
    for order in [sites.concat(), sites.iter().rev().cloned().collect()] {
        let parvis = Parvis::start(&order);
        for (host, site) in [
            ("example.org", "exact"),
            ("EXAMPLE.ORG", "exact"),
            ("example.org:8080", "exact"),
            ("example.org.", "exact"),
            ("www.example.org", "exact"),
            ("a.example.org", "wide"),
            ("a.b.example.org:1", "wide"),
            ("shop.example.org", "wide"),
            ("a.shop.example.org", "narrow"),
            ("a.b.shop.example.org", "narrow"),
            ("example.com", "rest"),
            ("notexample.org", "rest"),
            ("127.0.0.1", "rest"),
            ("[::1]:80", "rest"),
        ] {
            assert_eq!(ask(&parvis, host).text(), site, "{host}");
        }
        let mut client = parvis.client();
        client.send("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(client.reply().text(), "rest");
    }
}

#[test]
fn a_host_without_a_site_is_not_found() {
    let parvis = Parvis::start(&named(
        "only",
        "hosts = [\"example.org\", \"*.example.org\"]",
    ));
    for host in [
        "other.org",
        "org",
        "example.org.evil.com",
        "xexample.org",
        "127.0.0.1",
    ] {
        let reply = ask(&parvis, host);
        assert_eq!(reply.status, 404, "{host}");
        assert!(!reply.text().contains("only"));
    }
    assert_eq!(ask(&parvis, "example.org").text(), "only");
    // An absolute target names the host as `Host` does.
    let mut client = parvis.client();
    client.send("GET http://example.org/x HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_eq!(client.reply().text(), "only");
}

#[test]
fn a_site_is_served_where_it_listens_and_nowhere_else() {
    let listen = |site: String, port: &str| site.replace("127.0.0.1:0", port);
    let parvis = Parvis::start(
        &[
            listen(named("one", ""), "127.0.0.1:0"),
            listen(named("two", ""), "127.0.0.2:0"),
        ]
        .concat(),
    );
    let texts: Vec<String> = parvis
        .listeners()
        .iter()
        .map(|address| Client::connect(*address).get("/").text())
        .collect();
    assert_eq!(texts, ["one", "two"]);
}

#[test]
fn routes_are_matched_by_the_decoded_path_without_dots() {
    let backend = Backend::text("app");
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n{}{}{}\
         [[site.route]]\npath = \"/app/*\"\nproxy = \"app\"\n",
        backend.address(),
        answers("/static/*", "static", ""),
        answers("/admin", "admin", ""),
        answers("/admin/*", "below admin", ""),
    ));
    for (path, expected) in [
        ("/static/x", "static"),
        ("/static/%2e%2e/admin", "admin"),
        ("/static/../admin", "admin"),
        ("/static/..%2fadmin", "admin"),
        ("/static/%2E%2E%2Fadmin%2Fusers", "below admin"),
        ("/static/./../admin/./users", "below admin"),
        ("//admin", "admin"),
        ("/%61dmin", "admin"),
        ("/app/../static/..%2f..%2fstatic/x", ""),
        ("/static//x", "static"),
    ] {
        let reply = parvis.get(path);
        if expected.is_empty() {
            assert_eq!(reply.status, 400, "above the root: {path}");
        } else {
            assert_eq!(reply.text(), expected, "{path}");
        }
    }
    // The app gets the path as it came, not as it was matched.
    for path in ["/app/a%2fb", "/static/..%2fapp/x", "/x/%2e%2e/app//y?z=%2e"] {
        assert_eq!(parvis.get(path).text(), "app", "{path}");
        assert_eq!(backend.last().target, path);
    }
    // What cannot be decoded goes nowhere.
    for path in ["/app/%", "/app/%zz", "/app/%00", "/..", "/%2e%2e/app/"] {
        assert_eq!(parvis.get(path).status, 400, "{path}");
    }
    assert_eq!(backend.requests().len(), 3);
}
