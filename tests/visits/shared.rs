//! The API as an HTTP service: who may ask what, how, and on which path.

use crate::api::busy;
use crate::support::{Client, Parvis, Reply, until};
use crate::{FIREFOX, ON, app, ask, configuration, count, counted, see, stored};
use serde_json::Value;
use std::net::SocketAddr;

const API: &str = "/api/analytics";

#[test]
fn wrong_questions_are_answered_with_what_is_allowed() {
    let (_app, parvis) = busy(1);
    for (question, parameter, said) in [
        ("overview/?days=3", "days", "one of"),
        ("top-pages/?days=x", "days", "whole number"),
        ("top-pages/?days=0", "days", "1 to 3660"),
        ("top-pages/?days=-1", "days", "1 to 3660"),
        ("top-pages/?days=99999999999999999999", "days", "1 to 3660"),
        ("top-pages/?days=1&days=2", "days", "one value"),
        ("top-pages/?limit=1001", "limit", "1 to 1000"),
        ("top-pages/?offset=-1", "offset", "0 to"),
        ("chart/?period=yearly", "period", "monthly"),
        ("chart/?period=hourly&days=32", "days", "1 to 31"),
        ("chart/?period=weekly&days=7", "days", "weeks"),
        ("chart/?period=monthly&weeks=7", "weeks", "months"),
        ("devices/?source=tv", "source", "web"),
        ("devices/?device=fridge", "device", "tablet"),
        ("os/?country=FRA", "country", "two letters"),
        ("os/?path=relative", "path", "/about/"),
        ("os/?site=nobody", "site", "s"),
        ("os/?%3Cscript%3E=1", "<script>", "one of"),
        ("os/?path=%zz", "path", "percent"),
        ("os/?path=%ff", "path", "UTF-8"),
    ] {
        let reply = parvis.admin_request("GET", &format!("{API}/{question}"), "");
        assert_eq!(reply.status, 400, "{question}: {}", reply.text());
        assert_eq!(
            reply.field("content-type").as_deref(),
            Some("application/json")
        );
        let told = reply.json();
        assert_eq!(told["parameter"], parameter, "{question}: {told}");
        let allowed = told["allowed"].as_str().unwrap();
        assert!(allowed.contains(said), "{question}: {told}");
        assert!(
            told["error"].as_str().unwrap().contains(parameter),
            "{question}: {told}"
        );
    }
    for path in [
        "nothing/",
        "overview/more/",
        "%6fverview/",
        "../../metrics",
        "visits/x",
    ] {
        let reply = parvis.admin_request("GET", &format!("{API}/{path}"), "");
        assert_eq!(reply.status, 404, "{path}: {}", reply.text());
        assert!(
            reply.json()["endpoints"].to_string().contains("/overview/"),
            "{path}"
        );
    }
    for (method, path, allow) in [
        ("POST", "overview/", "GET, HEAD"),
        ("DELETE", "top-pages/", "GET, HEAD"),
        ("GET", "clear-cache/", "POST"),
        ("GET", "visits/?before=2026-01-01", "DELETE"),
        ("POST", "visits/", "DELETE"),
        ("PUT", "chart/", "GET, HEAD"),
    ] {
        let reply = parvis.admin_request(method, &format!("{API}/{path}"), "");
        assert_eq!(reply.status, 405, "{method} {path}: {}", reply.text());
        assert_eq!(
            reply.field("allow").as_deref(),
            Some(allow),
            "{method} {path}"
        );
    }
    // With the slash at the end or without; and what there is to ask.
    for path in ["overview", "overview/", "chart", "os"] {
        assert_eq!(
            parvis
                .admin_request("GET", &format!("{API}/{path}"), "")
                .status,
            200
        );
    }
    for path in ["", "/"] {
        let list = parvis
            .admin_request("GET", &format!("{API}{path}"), "")
            .json();
        let list = list.to_string();
        for endpoint in ["/overview/", "/chart/", "/visits/", "limit", "before"] {
            assert!(list.contains(endpoint), "no {endpoint}: {list}");
        }
    }
    assert_eq!(
        parvis.admin_request("GET", "/api/analyticsx", "").status,
        404
    );
}

#[test]
fn answers_have_tags_and_are_not_sent_twice() {
    let (_app, parvis) = busy(10);
    let get = |question: &str, fields: &str| {
        parvis.admin_request("GET", &format!("{API}/{question}"), fields)
    };
    for question in ["top-pages/", "chart/", "os/?days=7"] {
        let first = get(question, "");
        let tag = first.field("etag").unwrap();
        assert!(tag.starts_with("W/\""), "{tag}");
        let cache = first.field("cache-control").unwrap();
        assert!(
            cache.contains("private") || cache.contains("no-store"),
            "{cache}"
        );
        let again = get(question, &format!("If-None-Match: \"x\", {tag}\r\n"));
        assert_eq!((again.status, again.body.len()), (304, 0), "{question}");
        assert_eq!(again.field("etag").as_deref(), Some(tag.as_str()));
        assert_eq!(get(question, "If-None-Match: \"x\"\r\n").status, 200);
        let mut client = Client::connect(parvis.admin());
        client.send(format!(
            "HEAD {API}/{question} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        let head = client.head_only();
        assert_eq!(head.status, 200);
        assert_eq!(head.field("etag").as_deref(), Some(tag.as_str()));
        assert_eq!(
            head.field("content-length"),
            Some(first.body.len().to_string())
        );
        // Nothing follows a head: the next answer is in its place.
        assert_eq!(client.get("/health").text(), "ok\n");
    }
    let tag = get("top-pages/", "").field("etag").unwrap();
    assert_ne!(
        get("top-pages/?days=7", "").field("etag").unwrap(),
        tag,
        "one tag for two questions"
    );
    see(&parvis, "/new", "");
    counted(&parvis, 11);
    let now = get("top-pages/", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!(now.status, 200);
    assert!(now.text().contains("/new"), "{}", now.text());
    let cleared = parvis.admin_request("POST", &format!("{API}/clear-cache/"), "");
    assert_eq!(
        (cleared.status, cleared.json()["cleared"].clone()),
        (200, Value::Bool(true))
    );
    assert_eq!(get("top-pages/", "").json(), now.json());
}

#[test]
fn visits_are_deleted_by_the_operator_alone() {
    let (_app, parvis) = busy(40);
    let delete = |query: &str, fields: &str| {
        parvis.admin_request("DELETE", &format!("{API}/visits/{query}"), fields)
    };
    for query in [
        "",
        "?before=",
        "?before=yesterday",
        "?before=2026-02-30",
        "?before=2026-1-1",
    ] {
        let reply = delete(query, "");
        assert_eq!(reply.status, 400, "{query}: {}", reply.text());
        assert_eq!(reply.json()["parameter"], "before");
    }
    assert_eq!(delete("?before=2100-01-01&site=nobody", "").status, 400);
    // A page of another site cannot make the operator's browser do it.
    for (method, path) in [
        ("DELETE", "visits/?before=2100-01-01"),
        ("POST", "clear-cache/"),
    ] {
        let fields = "Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n";
        let reply = parvis.admin_request(method, &format!("{API}/{path}"), fields);
        assert_eq!(reply.status, 403, "{method} {path}");
    }
    let reply = delete("?before=2000-01-01", "");
    assert_eq!(
        (reply.status, reply.json()["deleted"].clone()),
        (200, 0.into())
    );
    counted(&parvis, 40);
    let own = ask(&parvis, "overview/?site=other");
    let own =
        own["all_time"]["views"].as_u64().unwrap() + own["all_time"]["partials"].as_u64().unwrap();
    let reply = delete("?before=2100-01-01&site=other", "");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["deleted"], own);
    until("they are gone", || {
        (count(&parvis.folder) == 40 - own).then_some(())
    });
    assert_eq!(ask(&parvis, "overview/?site=other")["all_time"]["views"], 0);
    counted(&parvis, 40 - own);
    assert_eq!(delete("?before=2100-01-01", "").status, 200);
    until("all are gone", || {
        (count(&parvis.folder) == 0).then_some(())
    });
    assert_eq!(ask(&parvis, "overview/")["all_time"]["views"], 0);
    // And it goes on.
    see(&parvis, "/new", "");
    stored(&parvis.folder, 1);
    counted(&parvis, 1);
}

#[test]
fn a_token_guards_the_numbers_too() {
    let app = app();
    let top = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"a long token\"\n";
    let parvis = Parvis::start(&configuration(&app, top, "", ON));
    for (method, path) in [
        ("GET", "overview/"),
        ("GET", ""),
        ("POST", "clear-cache/"),
        ("DELETE", "visits/?before=2100-01-01"),
    ] {
        for given in [
            "",
            "Authorization: Bearer wrong\r\n",
            "Authorization: Basic YTph\r\n",
        ] {
            let reply = parvis.admin_request(method, &format!("{API}/{path}"), given);
            assert_eq!(reply.status, 401, "{method} {path}");
            assert_eq!(reply.field("www-authenticate").as_deref(), Some("Bearer"));
        }
        let right = "Authorization: Bearer a long token\r\n";
        let reply = parvis.admin_request(method, &format!("{API}/{path}"), right);
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
    }
}

/// A request to a site by its name.
fn at(address: SocketAddr, method: &str, host: &str, path: &str, fields: &str) -> Reply {
    let mut client = Client::connect(address);
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {FIREFOX}\r\n{fields}\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    ));
    match method {
        "HEAD" => client.head_only(),
        _ => client.reply(),
    }
}

#[test]
fn a_site_tells_its_own_numbers_to_who_has_its_token() {
    let app = app();
    let share = |token: &str| {
        format!("visits = {{ share = {{ path = \"/numbers/*\", token = \"{token}\" }} }}")
    };
    let mut text = configuration(&app, "", "", &share("token of s"));
    text.push_str(&format!(
        "[[site]]\nname = \"other\"\nhosts = [\"other.test\"]\nlisten = [\"127.0.0.1:0\"]\n{}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        share("token of other")
    ));
    let parvis = Parvis::start(&text);
    let address = parvis.address();
    for (host, path) in [
        ("s.test", "/one"),
        ("s.test", "/two"),
        ("other.test", "/three"),
    ] {
        assert_eq!(at(address, "GET", host, path, "").status, 200);
    }
    counted(&parvis, 3);
    let (s, other) = (
        "Authorization: Bearer token of s\r\n",
        "Authorization: Bearer token of other\r\n",
    );
    for fields in [
        "",
        other,
        "Authorization: Bearer \r\n",
        "Cookie: token=token of s\r\n",
    ] {
        let reply = at(address, "GET", "s.test", "/numbers/overview/", fields);
        assert_eq!(reply.status, 401, "{fields}");
        assert_eq!(reply.field("www-authenticate").as_deref(), Some("Bearer"));
        assert!(!reply.text().contains("views"));
    }
    let own = at(address, "GET", "s.test", "/numbers/top-pages/", s);
    assert_eq!(own.status, 200, "{}", own.text());
    assert_eq!(
        own.field("content-type").as_deref(),
        Some("application/json")
    );
    assert_eq!(own.json()["total"]["views"], 2);
    assert!(!own.text().contains("/three"));
    let theirs = at(address, "GET", "other.test", "/numbers/top-pages/", other);
    assert_eq!(theirs.json()["total"]["views"], 1);
    // No question leads to another site, and nobody is told that there is one.
    let reply = at(address, "GET", "s.test", "/numbers/overview/?site=other", s);
    assert_eq!(reply.status, 400);
    let list = at(address, "GET", "s.test", "/numbers/", s);
    assert_eq!(list.status, 200);
    for reply in [&reply, &list] {
        assert!(
            !reply
                .text()
                .replace("site=other", "")
                .contains("one of: other, s"),
            "{}",
            reply.text()
        );
    }
    assert_eq!(
        at(address, "GET", "s.test", "/numbers/overview/?site=s", s).status,
        200
    );
    // A tag and HEAD; nothing to be changed.
    let tag = own.field("etag").unwrap();
    let again = at(
        address,
        "GET",
        "s.test",
        "/numbers/top-pages/",
        &format!("{s}If-None-Match: {tag}\r\n"),
    );
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = at(address, "HEAD", "s.test", "/numbers/top-pages/", s);
    assert_eq!(
        head.field("content-length"),
        Some(own.body.len().to_string())
    );
    let reply = at(address, "POST", "s.test", "/numbers/clear-cache/", s);
    assert_eq!(reply.status, 405, "{}", reply.text());
    let reply = at(
        address,
        "DELETE",
        "s.test",
        "/numbers/visits/?before=2100-01-01",
        s,
    );
    assert_eq!(reply.status, 405, "{}", reply.text());
    assert_eq!(
        at(address, "GET", "s.test", "/numbers/nothing/", s).status,
        404
    );
    let dotted = at(address, "GET", "s.test", "/x/../numbers/%6fverview/", "");
    assert_eq!(
        dotted.status, 401,
        "the path is what it is after it was decoded"
    );
    // Beside it is the app.
    assert_eq!(
        at(address, "GET", "s.test", "/numbersx", "").text(),
        "<p>page"
    );
    counted(&parvis, 4);
    assert_eq!(
        app.requests()
            .iter()
            .filter(|r| r.target.starts_with("/numbers/"))
            .count(),
        0
    );
    assert_eq!(count(&parvis.folder), 4);
    let status = parvis.status().to_string();
    for text in [&status, &parvis.log(), &parvis.output()] {
        assert!(!text.contains("token of"), "{text}");
    }
}
