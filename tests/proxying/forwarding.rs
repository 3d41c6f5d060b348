//! What the app is told about a request, and what neither side may be told.

use crate::support::{Backend, Parvis, Reply};
use crate::{Edge, edge, edge_with};

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]";

/// An app behind an edge that trusts nobody.
fn untrusting() -> Edge {
    edge(Backend::text("ok"))
}

/// The same behind one that trusts this machine.
fn trusting() -> Edge {
    edge_with(Backend::text("ok"), TRUSTED, "")
}

/// What the app sees of a `GET /` with these fields, by name.
fn seen(edge: &Edge, fields: &str, names: &[&str]) -> Vec<Option<String>> {
    let reply = edge.parvis.client().request("GET", "/", fields, b"");
    assert_eq!(reply.status, 200, "{}", reply.head);
    let request = edge.backend.last();
    names.iter().map(|name| request.field(name)).collect()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some(value.to_string())).collect()
}

const NAMES: [&str; 4] = [
    "x-forwarded-for",
    "x-real-ip",
    "x-forwarded-proto",
    "x-forwarded-host",
];

#[test]
fn the_app_is_told_who_asked_for_what() {
    let ours = some(&["127.0.0.1", "127.0.0.1", "http", "test"]);
    assert_eq!(seen(&untrusting(), "", &NAMES), ours);
    assert_eq!(seen(&trusting(), "", &NAMES), ours);
}

#[test]
fn a_trusted_proxys_chain_is_carried_on() {
    let edge = trusting();
    let fields = "X-Forwarded-For: 198.51.100.7, 10.1.2.3\r\n\
                  X-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: shop.example\r\n\
                  X-Real-IP: 6.6.6.6\r\n";
    assert_eq!(
        seen(&edge, fields, &NAMES),
        some(&[
            "198.51.100.7, 10.1.2.3, 127.0.0.1",
            "198.51.100.7",
            "https",
            "shop.example"
        ])
    );
    // Several fields are one list. The first from the right that is no proxy is the client,
    // whatever the client itself wrote to the left of it.
    let fields = "X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\nX-Forwarded-For: 10.1.2.3\r\n";
    assert_eq!(
        seen(&edge, fields, &NAMES[..2]),
        some(&["6.6.6.6, 198.51.100.7, 10.1.2.3, 127.0.0.1", "198.51.100.7"])
    );
    assert_eq!(
        edge.backend
            .last()
            .fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case("x-forwarded-for"))
            .count(),
        1
    );
}

#[test]
fn a_trusted_proxys_nonsense_is_not_believed() {
    let edge = trusting();
    assert_eq!(
        seen(
            &edge,
            "X-Forwarded-Proto: gopher\r\nX-Forwarded-For: who\r\n",
            &NAMES[1..3]
        ),
        some(&["127.0.0.1", "http"])
    );
}

/// Every field by which a client may try to be somebody else, in both spellings of the names.
const CLAIMS: &str = "X-Forwarded-For: 6.6.6.6\r\n\
    X-Forwarded-Proto: https\r\n\
    X-Forwarded-Host: 6.6.6.6\r\n\
    X-Forwarded-Port: 6666\r\n\
    X-Forwarded-Server: 6.6.6.6\r\n\
    X-Forwarded-Prefix: /6.6.6.6\r\n\
    X-Forwarded-Ssl: on\r\n\
    X-Forwarded-Something: 6.6.6.6\r\n\
    X-Real-IP: 6.6.6.6\r\n\
    X-Request-ID: 6.6.6.6\r\n\
    Forwarded: for=6.6.6.6;proto=https\r\n\
    X_Forwarded_For: 6.6.6.6\r\n\
    X_Forwarded-Proto: https\r\n\
    X-Real_IP: 6.6.6.6\r\n\
    X_Request_ID: 6.6.6.6\r\n\
    x_forwarded_host: 6.6.6.6\r\n";

#[test]
fn an_untrusted_clients_claims_never_reach_the_app() {
    let edge = untrusting();
    assert_eq!(
        seen(&edge, CLAIMS, &NAMES),
        some(&["127.0.0.1", "127.0.0.1", "http", "test"])
    );
    let request = edge.backend.last();
    for (name, value) in &request.fields {
        assert!(!value.contains("6.6.6.6"), "{name}: {value}");
        assert!(!name.contains('_'), "{name}: {value}");
    }
    assert_eq!(request.field("x-forwarded-port"), None);
    assert_eq!(request.field("x-forwarded-ssl"), None);
    assert_eq!(request.field("forwarded"), None);
}

#[test]
fn a_name_with_an_underscore_cannot_pass_for_another() {
    // A CGI-like app cannot tell them apart, whoever sent them.
    let edge = trusting();
    let got = seen(
        &edge,
        "X_Forwarded_For: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\n",
        &NAMES[..2],
    );
    assert_eq!(got, some(&["127.0.0.1", "127.0.0.1"]));
    assert!(
        edge.backend
            .last()
            .fields
            .iter()
            .all(|(name, _)| !name.contains('_'))
    );
}

#[test]
fn forwarded_is_off_unless_asked_for() {
    assert_eq!(seen(&untrusting(), "", &["forwarded"]), [None]);
    assert_eq!(
        seen(
            &edge_with(Backend::text("ok"), "", "forwarded = true"),
            "Forwarded: for=6.6.6.6\r\n",
            &["forwarded"]
        ),
        some(&["for=127.0.0.1;host=test;proto=http"])
    );
    // A site's word counts for its routes, and a route's over it.
    let backend = Backend::text("ok");
    let parvis = Parvis::start(&format!(
        "[server]\n{TRUSTED}\n[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nforwarded = true\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n\
         [[site.route]]\npath = \"/off\"\nproxy = \"app\"\nforwarded = false\n",
        backend.address()
    ));
    let edge = Edge { parvis, backend };
    assert_eq!(
        seen(&edge, "Forwarded: for=198.51.100.7\r\n", &["forwarded"]),
        some(&["for=198.51.100.7, for=127.0.0.1;host=test;proto=http"])
    );
    assert_eq!(edge.parvis.get("/off").text(), "ok");
    assert_eq!(edge.backend.last().field("forwarded"), None);
}

/// Fields that are for one hop only, and two that `Connection` names.
const HOP: &str = "Connection: X-Mine, keep-alive\r\n\
    X-Mine: secret\r\n\
    Keep-Alive: timeout=5\r\n\
    Proxy-Connection: keep-alive\r\n\
    TE: gzip\r\n\
    Upgrade: h2c\r\n\
    HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\
    X-Kept: yes\r\n";

#[test]
fn hop_by_hop_fields_of_a_request_are_removed() {
    let edge = untrusting();
    let hop = HOP.replace("Connection: X-Mine", "Connection: X-Mine, HTTP2-Settings");
    let names = [
        "connection",
        "x-mine",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
        "http2-settings",
    ];
    assert_eq!(seen(&edge, &hop, &names), vec![None; names.len()]);
    assert_eq!(edge.backend.last().field("x-kept").as_deref(), Some("yes"));
}

#[test]
fn hop_by_hop_fields_of_an_answer_are_removed() {
    let answer = format!("HTTP/1.1 200 OK\r\n{HOP}Content-Length: 2\r\n\r\nok");
    let edge = edge(Backend::http(move |_| answer.clone().into_bytes()));
    let reply = edge.parvis.get("/");
    assert_eq!(reply.text(), "ok");
    assert_eq!(reply.field("x-kept").as_deref(), Some("yes"));
    for name in ["x-mine", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(reply.field(name), None, "{}", reply.head);
    }
    assert_eq!(reply.field("connection").as_deref(), Some("keep-alive"));
}

#[test]
fn an_app_cannot_remove_what_frames_its_answer() {
    for (connection, body) in [
        ("Content-Length", "Content-Length: 2\r\n\r\nok"),
        (
            "Transfer-Encoding",
            "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nConnection: {connection}\r\n{body}");
        let edge = edge(Backend::http(move |_| answer.clone().into_bytes()));
        let mut client = edge.parvis.client();
        for _ in 0..3 {
            assert_eq!(client.get("/").text(), "ok");
        }
    }
}

#[test]
fn a_client_cannot_remove_our_fields() {
    for server in ["", TRUSTED] {
        let edge = edge_with(Backend::text("ok"), server, "forwarded = true");
        for named in [
            "X-Request-ID",
            "x-real-ip, X-REQUEST-ID, Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "close, x-forwarded-host",
        ] {
            let before = edge.backend.requests().len();
            let fields = format!("Connection: {named}\r\n");
            let reply = edge.parvis.client().request("GET", "/", &fields, b"");
            let after = edge.backend.requests().len();
            if named.to_ascii_lowercase().contains("x-forwarded") && reply.status == 400 {
                // pingora takes whoever names these for an attacker.
                assert_eq!(after, before, "{named}");
                continue;
            }
            assert_eq!((reply.status, after), (200, before + 1), "{named}");
            let request = edge.backend.last();
            assert_eq!(request.field("x-request-id"), reply.field("x-request-id"));
            for (name, value) in [
                ("x-forwarded-for", "127.0.0.1"),
                ("x-real-ip", "127.0.0.1"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "test"),
                ("forwarded", "for=127.0.0.1;host=test;proto=http"),
            ] {
                assert_eq!(request.field(name).as_deref(), Some(value), "{named}");
            }
        }
    }
}

#[test]
fn a_client_cannot_remove_what_frames_its_request() {
    const INNER: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let edge = untrusting();
    for named in ["Host", "Content-Length", "Transfer-Encoding"] {
        for framing in [
            format!("Content-Length: {}\r\n\r\n{INNER}", INNER.len()),
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{INNER}\r\n0\r\n\r\n",
                INNER.len()
            ),
        ] {
            let before = edge.backend.requests().len();
            let mut client = edge.parvis.client();
            client.send(format!(
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: {named}\r\n{framing}"
            ));
            let reply = client.reply();
            let requests = edge.backend.requests();
            match reply.status {
                // It may be refused, or it is passed on whole.
                400 => assert_eq!(requests.len(), before, "{named}"),
                200 => {
                    assert_eq!(requests.len(), before + 1, "{named}");
                    let last = edge.backend.last();
                    assert_eq!(last.body, INNER.as_bytes(), "{named}");
                    assert_eq!(last.field("host").as_deref(), Some("a"), "{named}");
                }
                status => panic!("{status} for {named}"),
            }
        }
    }
    assert!(edge.backend.requests().iter().all(|r| r.target == "/"));
}

#[test]
fn the_host_reaches_the_app_as_it_came() {
    let edge = untrusting();
    for host in [
        "example.org",
        "EXAMPLE.org:8080",
        "[::1]:80",
        "127.0.0.1",
        "a_b.example.",
    ] {
        let mut client = edge.parvis.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.reply().status, 200);
        let request = edge.backend.last();
        assert_eq!(request.field("host").as_deref(), Some(host));
        assert_eq!(request.field("x-forwarded-host").as_deref(), Some(host));
    }
}

#[test]
fn a_route_may_say_what_host_the_app_sees() {
    let edge = edge_with(
        Backend::text("ok"),
        "",
        "upstream_host = \"inner.example:81\"",
    );
    assert_eq!(
        seen(&edge, "", &["host", "x-forwarded-host"]),
        some(&["inner.example:81", "test"])
    );
    // An HTTP/1.0 client may have sent none.
    let mut client = edge.parvis.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.reply().status, 200);
    assert_eq!(
        edge.backend.last().field("host").as_deref(),
        Some("inner.example:81")
    );
}

#[test]
fn an_app_gets_a_host_even_if_the_client_sent_none() {
    let edge = untrusting();
    let mut client = edge.parvis.client();
    client.send("GET /x HTTP/1.0\r\n\r\n");
    assert_eq!(client.reply().status, 200);
    let request = edge.backend.last();
    assert_eq!(request.line, "GET /x HTTP/1.1");
    assert_eq!(
        request.field("host"),
        Some(edge.backend.address().to_string())
    );
}

/// The id that client and app got; it must be one and the same.
fn id(edge: &Edge, fields: &str) -> String {
    let reply: Reply = edge.parvis.client().request("GET", "/", fields, b"");
    let ids = reply.all("x-request-id");
    assert_eq!(ids.len(), 1, "{}", reply.head);
    assert_eq!(
        edge.backend.last().field("x-request-id"),
        Some(ids[0].clone())
    );
    ids[0].clone()
}

fn is_uuid_v7(id: &str) -> bool {
    uuid::Uuid::try_parse(id).is_ok_and(|id| id.get_version_num() == 7)
}

#[test]
fn a_request_without_an_id_gets_a_fresh_one() {
    let edge = untrusting();
    let ids: Vec<String> = (0..20).map(|_| id(&edge, "")).collect();
    assert!(ids.iter().all(|id| is_uuid_v7(id)), "{ids:?}");
    let mut distinct = ids.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
}

#[test]
fn an_untrusted_clients_id_is_replaced() {
    assert!(is_uuid_v7(&id(&untrusting(), "X-Request-ID: mine\r\n")));
}

#[test]
fn a_trusted_peers_id_is_kept_if_it_is_sound() {
    let edge = trusting();
    let longest = "!~".repeat(64);
    for sound in ["x", "6f1c-<odd>\"'", &longest] {
        assert_eq!(id(&edge, &format!("X-Request-ID: {sound}\r\n")), sound);
    }
    let too_long = "x".repeat(129);
    for unsound in ["", "two words", "tab\tbed", "café", &too_long] {
        let id = id(&edge, &format!("X-Request-ID: {unsound}\r\n"));
        assert!(is_uuid_v7(&id), "{unsound:?} became {id:?}");
    }
}

#[test]
fn the_apps_own_id_does_not_replace_ours() {
    let edge = edge(Backend::http(|_| {
        b"HTTP/1.1 200 OK\r\nX-Request-ID: the app's\r\nContent-Length: 0\r\n\r\n".to_vec()
    }));
    assert!(is_uuid_v7(&id(&edge, "")));
}

#[test]
fn path_and_query_reach_the_app_exactly_as_sent() {
    let edge = untrusting();
    let mut client = edge.parvis.client();
    for target in [
        "/",
        "/?",
        "/??a=b?&&=",
        "//",
        "//double//slashes/",
        "/a/./b/../c",
        "/a/..%2fb",
        "/x/%2e%2E/%2e",
        "/a%2Fb%2fc",
        "/caf%C3%A9/caf%c3%a9",
        "/caf\u{e9}/\u{1f980}?q=\u{e9}",
        "/a%20b+c?d+e%20f",
        "/;p=1/a,b:c@d!$&'()*=~-._",
        "/a|b^c{d}e\"f\\g[h]",
        "/?[]{}|\\^%zz%",
        "/UPPER/lower?UPPER=lower",
        "/%7e/~",
        "/a%3Fb%23c",
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let reply = client.reply();
        assert_eq!(reply.status, 200, "{target}: {}", reply.head);
        let request = edge.backend.last();
        assert_eq!(request.target, target);
        assert_eq!(request.line, format!("GET {target} HTTP/1.1"));
    }
}

#[test]
fn methods_and_fields_reach_the_app_as_sent() {
    let edge = untrusting();
    let mut client = edge.parvis.client();
    client.send(
        "BREW /pot HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nX-Two:  spaced out \r\nX-One: 2\r\n\
         Cookie: a=b; c=d\r\nAuthorization: Basic eA==\r\nX-Bytes: caf\u{e9}\r\nX-Empty:\r\n\r\n",
    );
    assert_eq!(client.reply().status, 200);
    let request = edge.backend.last();
    assert_eq!(request.line, "BREW /pot HTTP/1.1");
    for (name, value) in [
        ("x-one", "1, 2"),
        ("x-two", "spaced out"),
        ("cookie", "a=b; c=d"),
        ("authorization", "Basic eA=="),
        ("x-bytes", "caf\u{e9}"),
        ("x-empty", ""),
    ] {
        assert_eq!(request.field(name).as_deref(), Some(value), "{name}");
    }
    // parvis adds what it promises and nothing else.
    let added: Vec<&str> = request
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| {
            ![
                "host",
                "cookie",
                "authorization",
                "x-one",
                "x-two",
                "x-bytes",
                "x-empty",
            ]
            .iter()
            .any(|sent| name.eq_ignore_ascii_case(sent))
        })
        .collect();
    let mut added: Vec<String> = added.iter().map(|name| name.to_ascii_lowercase()).collect();
    added.sort();
    assert_eq!(
        added,
        [
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-real-ip",
            "x-request-id"
        ]
    );
}

#[test]
fn status_and_fields_of_an_answer_pass_as_sent() {
    let edge = edge(Backend::http(|_| {
        b"HTTP/1.1 299 Odd But Fine\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n\
          Server: gunicorn\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nX-Bytes: caf\xc3\xa9\r\n\
          ETag: W/\"x\"\r\nContent-Length: 2\r\n\r\nok"
            .to_vec()
    }));
    let reply = edge.parvis.get("/");
    assert_eq!(reply.status, 299);
    assert_eq!(reply.all("set-cookie"), ["a=1; Path=/", "b=2"]);
    assert_eq!(reply.field("server").as_deref(), Some("gunicorn"));
    assert_eq!(reply.field("x-bytes").as_deref(), Some("caf\u{e9}"));
    assert_eq!(reply.field("etag").as_deref(), Some("W/\"x\""));
    assert_eq!(reply.text(), "ok");
}
