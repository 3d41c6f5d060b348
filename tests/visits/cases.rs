//! Requests, what the app answers, and what becomes of them.

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Becomes {
    /// A page view.
    Web,
    /// One of the site's app.
    App,
    /// A piece of a page.
    Partial,
    /// Nothing, and it is counted why.
    Skipped(&'static str),
    /// Nothing at all.
    Nothing,
}
use Becomes::{App, Nothing, Partial, Skipped, Web};

/// Method, path, what the app says, fields of the request, what becomes of it.
pub type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Becomes,
);

const HTML: &str = "200 OK|Content-Type: text/html";
const JSON: &str = "200 OK|Content-Type: application/json";

const SIGNED_IN: Becomes = Skipped("authenticated");
const BOT: Becomes = Skipped("bot");

pub const CASES: &[Case] = &[
    ("GET", "/", HTML, "", Web),
    (
        "GET",
        "/",
        "200 OK|Content-Type: TEXT/HTML; charset=utf-8",
        "",
        Web,
    ),
    (
        "GET",
        "/",
        "200 OK|Content-Type: application/xhtml+xml",
        "",
        Web,
    ),
    ("GET", "/", "203 Other|Content-Type: text/html", "", Web),
    ("GET", "/", "206 Part|Content-Type: text/html", "", Web),
    (
        "GET",
        "/",
        "304 Same",
        "Accept: text/html,*/*;q=0.8\r\nIf-None-Match: \"a\"\r\n",
        Web,
    ),
    (
        "GET",
        "/",
        "304 Same|Content-Type: text/html",
        "If-None-Match: \"a\"\r\n",
        Web,
    ),
    (
        "GET",
        "/",
        "304 Same",
        "Accept: image/avif,*/*\r\nIf-None-Match: \"a\"\r\n",
        Nothing,
    ),
    ("GET", "/", "304 Same", "If-None-Match: \"a\"\r\n", Nothing),
    (
        "GET",
        "/",
        "304 Same|Content-Type: image/png",
        "Accept: text/html\r\n",
        Nothing,
    ),
    ("GET", "/", "200 OK", "Accept: text/html\r\n", Nothing),
    ("GET", "/", "200 OK|Content-Type: text/plain", "", Nothing),
    (
        "GET",
        "/",
        "200 OK|Content-Type: image/svg+xml",
        "",
        Nothing,
    ),
    ("GET", "/", "200 OK|Content-Type: text/css", "", Nothing),
    ("GET", "/", "204 None|Content-Type: text/css", "", Nothing),
    ("HEAD", "/", HTML, "", Nothing),
    ("POST", "/", HTML, "", Nothing),
    ("PUT", "/", HTML, "", Nothing),
    ("OPTIONS", "/", HTML, "", Nothing),
    (
        "GET",
        "/",
        "301 Moved|Content-Type: text/html|Location: /x",
        "",
        Nothing,
    ),
    (
        "GET",
        "/",
        "302 Found|Content-Type: text/html|Location: /x",
        "",
        Nothing,
    ),
    ("GET", "/", "400 Bad|Content-Type: text/html", "", Nothing),
    ("GET", "/", "404 Not|Content-Type: text/html", "", Nothing),
    ("GET", "/", "503 No|Content-Type: text/html", "", Nothing),
    // In advance.
    (
        "GET",
        "/",
        HTML,
        "Sec-Purpose: prefetch\r\n",
        Skipped("prefetch"),
    ),
    (
        "GET",
        "/",
        HTML,
        "Sec-Purpose: prefetch;prerender\r\n",
        Skipped("prefetch"),
    ),
    (
        "GET",
        "/",
        HTML,
        "Purpose: prefetch\r\n",
        Skipped("prefetch"),
    ),
    (
        "GET",
        "/",
        "404 Not|Content-Type: text/html",
        "Purpose: prefetch\r\n",
        Nothing,
    ),
    // Pieces of pages.
    ("GET", "/", HTML, "HX-Request: true\r\n", Partial),
    (
        "GET",
        "/",
        HTML,
        "HX-Request: true\r\nHX-Boosted: true\r\n",
        Web,
    ),
    (
        "GET",
        "/",
        HTML,
        "HX-Request: true\r\nHX-History-Restore-Request: true\r\n",
        Web,
    ),
    // Who is signed in.
    (
        "GET",
        "/",
        "200 OK|Content-Type: text/html|X-Parvis-User: 7",
        "",
        SIGNED_IN,
    ),
    (
        "GET",
        "/",
        "200 OK|Content-Type: text/html|x-parvis-user:",
        "",
        SIGNED_IN,
    ),
    // Whatever the answer is, the client does not see it.
    (
        "GET",
        "/",
        "404 Not|Content-Type: text/html|X-Parvis-User: 7",
        "",
        Nothing,
    ),
    (
        "GET",
        "/",
        "302 Found|Location: /|X-Parvis-User: 7",
        "",
        Nothing,
    ),
    (
        "GET",
        "/",
        "500 Oh|X-Parvis-User: 7|X-Parvis-User: 8",
        "",
        Nothing,
    ),
    (
        "GET",
        "/",
        "304 Same|X-Parvis-User: 7",
        "Accept: text/html\r\n",
        SIGNED_IN,
    ),
    (
        "POST",
        "/",
        "200 OK|Content-Type: text/html|X-Parvis-User: 7",
        "",
        Nothing,
    ),
    (
        "HEAD",
        "/",
        "200 OK|Content-Type: text/html|X-Parvis-User: 7",
        "",
        Nothing,
    ),
    ("GET", "/", HTML, "X-Parvis-User: 7\r\n", Web),
    ("GET", "/", HTML, "Cookie: a=b; member=1\r\n", SIGNED_IN),
    ("GET", "/", HTML, "Cookie: member=\r\n", Web),
    ("GET", "/", HTML, "Cookie: members=1; a=member=1\r\n", Web),
    ("GET", "/", HTML, "Authorization: Basic eDp5\r\n", SIGNED_IN),
    ("GET", "/", HTML, "Authorization: Bearer abc\r\n", SIGNED_IN),
    // Wishes: this site hears one of them.
    ("GET", "/", HTML, "Sec-GPC: 1\r\n", Skipped("privacy")),
    ("GET", "/", HTML, "Sec-GPC: 0\r\n", Web),
    ("GET", "/", HTML, "DNT: 1\r\n", Web),
    // Left out.
    ("GET", "/private/", HTML, "", Skipped("excluded")),
    ("GET", "/%70rivate/", HTML, "", Skipped("excluded")),
    ("GET", "/other/../private/", HTML, "", Skipped("excluded")),
    ("GET", "/privately", HTML, "", Web),
    // Programs.
    ("GET", "/", HTML, "User-Agent: curl/8.5.0\r\n", BOT),
    (
        "GET",
        "/",
        HTML,
        "User-Agent: python-requests/2.32.3\r\n",
        BOT,
    ),
    ("GET", "/", HTML, "User-Agent: \r\n", BOT),
    (
        "GET",
        "/",
        HTML,
        "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)\r\n",
        BOT,
    ),
    // The site's app.
    (
        "GET",
        "/api/items/",
        JSON,
        "User-Agent: Dart/3.4 (dart:io)\r\n",
        App,
    ),
    (
        "GET",
        "/api/items/",
        JSON,
        "User-Agent: okhttp/4.12.0\r\n",
        App,
    ),
    (
        "GET",
        "/api/items/",
        JSON,
        "User-Agent: Shop/7 CFNetwork/1568.100.1 Darwin/24.0.0\r\n",
        App,
    ),
    ("GET", "/api/items/", JSON, "X-App-Source: ios\r\n", App),
    (
        "GET",
        "/api/items/",
        "200 OK|Content-Type: application/json; charset=utf-8",
        "X-App-Source: a\r\n",
        App,
    ),
    (
        "GET",
        "/api/items/",
        "404 Not|Content-Type: application/json",
        "X-App-Source: a\r\n",
        Nothing,
    ),
    ("GET", "/", HTML, "X-App-Source: ios\r\n", App),
    // A browser's script is no page view, and JSON elsewhere is none of the app's.
    ("GET", "/api/items/", JSON, "", Nothing),
    (
        "GET",
        "/items/",
        JSON,
        "User-Agent: okhttp/4.12.0\r\n",
        Nothing,
    ),
    ("GET", "/items/", JSON, "X-App-Source: ios\r\n", Nothing),
];
