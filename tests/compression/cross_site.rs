//! BREACH: the length of an encoded answer tells what is in it to who can put words of his own
//! beside it. An answer that another site caused, and that is the user's own, is not compressed.

use crate::bodies::page;
use crate::support::Parvis;
use crate::{BROWSER, Edge, LENGTH, coding, decoded, edge, edge_with, obedient, same, say};

const COOKIE: &str = "Cookie: session=1\r\n";

/// Whether a request with these fields, beside those that make it the user's, gets an encoded
/// answer. The answer is right in any case.
fn is_encoded(edge: &Edge, fields: &str) -> bool {
    let html = "200 OK|Content-Type: text/html";
    let reply = say(edge, html, &format!("{fields}{BROWSER}"));
    same(fields, &decoded(&reply), &page(LENGTH));
    coding(&reply) != "identity"
}

/// What the browser says of who caused the request; the host is `test`.
const OTHERS: [&str; 14] = [
    // One that opened by itself.
    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n",
    "Sec-Fetch-Site: cross-site\r\n",
    "Sec-Fetch-Site: cross-site\r\nReferer: http://test/\r\n",
    "Origin: http://evil.example\r\n",
    "Origin: https://evil.example:8443\r\n",
    // A sandboxed frame's: nobody knows whose.
    "Origin: null\r\n",
    "Referer: http://evil.example/\r\n",
    "Referer: https://evil.example/page?x=http://test/\r\n",
    "Referer: http://evil.example\r\n",
    // Only almost this host.
    "Referer: http://test.evil.example/\r\n",
    "Referer: http://eviltest/\r\n",
    "Referer: http://test@evil.example/\r\n",
    "Referer: http://evil.example/test\r\n",
    "Origin: http://tes\r\n",
];

const OURS: [&str; 11] = [
    "",
    // A link that the visitor followed.
    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n",
    "Sec-Fetch-Site: same-origin\r\n",
    "Sec-Fetch-Site: none\r\n",
    "Sec-Fetch-Site: same-origin\r\nReferer: http://test/page\r\nOrigin: http://test\r\n",
    "Origin: http://test\r\n",
    "Referer: http://test/\r\n",
    "Referer: http://test/page?x=http://evil.example/\r\n",
    "Referer: http://test\r\n",
    "Referer: http://TEST/page\r\n",
    "Referer: https://test/page\r\n",
];

#[test]
fn what_another_site_caused_is_not_compressed_when_it_is_the_users() {
    let edge = edge(obedient());
    for others in OTHERS {
        for own in [
            COOKIE,
            "Authorization: Basic eDp5\r\n",
            "authorization: Bearer x\r\ncookie: a=b\r\n",
        ] {
            assert!(
                !is_encoded(&edge, &format!("{others}{own}")),
                "{others}{own}"
            );
        }
    }
}

#[test]
fn what_another_site_caused_is_compressed_when_it_is_nobodys() {
    let edge = edge(obedient());
    for others in OTHERS {
        assert!(is_encoded(&edge, others), "{others}");
    }
}

#[test]
fn what_the_site_itself_or_the_user_caused_is_compressed() {
    let edge = edge(obedient());
    for ours in OURS {
        for own in ["", COOKIE, "Authorization: Basic eDp5\r\n"] {
            assert!(is_encoded(&edge, &format!("{ours}{own}")), "{ours}{own}");
        }
    }
}

/// The host of the request counts, with its port where it has one.
#[test]
fn a_port_is_part_of_a_host() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    for (host, referer, expected) in [
        ("shop.example:8080", "http://shop.example:8080/a", true),
        ("shop.example", "http://shop.example/a", true),
        ("shop.example:8080", "http://other.example:8080/a", false),
        ("[::1]:8080", "http://[::1]:8080/a", true),
        ("[::1]:8080", "http://[::2]:8080/a", false),
    ] {
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nReferer: {referer}\r\n{COOKIE}{BROWSER}\r\n"
        ));
        let reply = client.reply();
        assert_eq!(coding(&reply) != "identity", expected, "{host} {referer}");
        same(host, &decoded(&reply), &page(LENGTH));
    }
}

#[test]
fn the_operator_may_allow_it() {
    let allowed = edge_with(obedient(), "", "compress = { cross_site = true }", "");
    for others in OTHERS {
        assert!(
            is_encoded(&allowed, &format!("{others}{COOKIE}")),
            "{others}"
        );
    }
    let route =
        "[[site.route]]\npath = \"/safe\"\nproxy = \"app\"\ncompress = { cross_site = false }\n";
    let both = edge_with(obedient(), "", "compress = { cross_site = true }", route);
    let mut client = both.parvis.client();
    let fields = format!("{}{COOKIE}{BROWSER}", OTHERS[0]);
    for (path, expected) in [("/", "br"), ("/safe", "identity")] {
        let reply = client.request("GET", path, &fields, b"");
        assert_eq!(coding(&reply), expected, "{path}");
    }
}

/// They are the same for everybody: there is nothing in them to find out.
#[test]
fn a_fixed_answer_has_no_secrets() {
    let _turn = crate::Turn::together();
    let parvis = Parvis::start(&format!(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/\"\nrespond = {{ body = \"{}\" }}\n",
        "the same for everybody. ".repeat(100)
    ));
    for others in OTHERS {
        let fields = format!("{others}{COOKIE}{BROWSER}");
        let reply = parvis.client().request("GET", "/", &fields, b"");
        assert_eq!(coding(&reply), "br", "{others}");
    }
}
