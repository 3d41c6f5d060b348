//! Addresses that make no sense, and documents that look like pictures.

use crate::{CHROMIUM, CURL, ask, client, photograph, picture, serve, serve_with};

#[test]
fn a_parameter_that_makes_no_sense_is_400_and_says_what_would() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    let pixels = "a whole number of pixels, 1 to 8192";
    let hundred = "a whole number, 1 to 100";
    for (query, name, words) in [
        ("w=abc", "w", pixels),
        ("w=", "w", pixels),
        ("w", "w", pixels),
        ("w=0", "w", pixels),
        ("w=-1", "w", pixels),
        ("w=8193", "w", pixels),
        ("w=99999", "w", pixels),
        ("w=99999999999999999999", "w", pixels),
        ("w=1.5", "w", pixels),
        ("w=1e3", "w", pixels),
        ("w=+150", "w", pixels),
        ("w=%zz", "w", pixels),
        ("w=%00150", "w", pixels),
        ("w=150px", "w", pixels),
        ("h=0", "h", pixels),
        ("w=150&h=x", "h", pixels),
        ("q=0", "q", hundred),
        ("q=101", "q", hundred),
        ("q=best", "q", hundred),
        ("dpr=0.5", "dpr", "a number, 1 to 4, or auto"),
        ("dpr=5", "dpr", "a number, 1 to 4, or auto"),
        ("dpr=NaN", "dpr", "a number, 1 to 4, or auto"),
        ("fit=fill", "fit", "inside, contain or cover"),
        ("fit=", "fit", "inside, contain or cover"),
        ("format=heic", "format", "avif, webp, jpeg, png or auto"),
        ("format=gif", "format", "avif, webp, jpeg, png or auto"),
        ("format=WEBP", "format", "avif, webp, jpeg, png or auto"),
        ("blur=0", "blur", hundred),
        ("blur=101", "blur", hundred),
        ("blur=much", "blur", hundred),
        ("placeholder=yes", "placeholder", "1, 0, or no value"),
        ("w=150&w=150", "w", "twice"),
        ("q=50&v=1&q=60", "q", "twice"),
        ("blur&blur=5", "blur", "twice"),
        ("v=1&v=2&h=9&h=9", "h", "twice"),
    ] {
        let path = format!("/photo.jpg?{query}");
        let reply = ask(&parvis, &path, CHROMIUM);
        assert_eq!(reply.status, 400, "{query}");
        let text = reply.text();
        assert!(text.contains(&format!("`{name}`")), "{query}: {text}");
        assert!(text.contains(words), "{query}: {text}");
        let kind = reply.field("content-type").unwrap();
        assert!(kind.starts_with("text/plain"), "{kind}");
        let head = client(&parvis).request("HEAD", &path, "", b"");
        assert_eq!(head.status, 400, "{query}");
    }
    // What was sent is not repeated.
    let path = "/photo.jpg?w=<script>alert(1)</script>";
    let reply = ask(&parvis, path, CHROMIUM);
    assert!(!reply.text().contains("script"), "{}", reply.text());
    let long = format!("/photo.jpg?w={}&{}", "1".repeat(3000), "&".repeat(2000));
    assert_eq!(ask(&parvis, &long, CURL).status, 400);
    // The next one is served.
    picture(&parvis, "/photo.jpg?w=150", CURL, "image/jpeg");
}

const KIND: &str = "image/svg+xml; charset=utf-8";
const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";

#[test]
fn svg_is_left_alone_in_a_sandbox() {
    let folder = photograph();
    folder.write("root/mark.svg", SVG);
    let parvis = serve(&folder, "");
    for path in ["/mark.svg", "/mark.svg?w=150&format=webp", "/mark.svg?w=x"] {
        let reply = picture(&parvis, path, CHROMIUM, KIND);
        assert_eq!(reply.text(), SVG, "{path}");
        let policy = reply.all("content-security-policy");
        assert_eq!(policy, ["sandbox"], "{path}");
        for field in ["If-None-Match: *\r\n", "Range: bytes=0-3\r\n"] {
            let reply = client(&parvis).request("GET", path, field, b"");
            assert!([206, 304].contains(&reply.status));
            assert_eq!(reply.all("content-security-policy"), ["sandbox"]);
        }
    }
    let reply = picture(&parvis, "/photo.jpg?w=150", CURL, "image/jpeg");
    assert_eq!(reply.field("content-security-policy"), None);
    // Beside a policy of the operator's, not instead of it.
    let own = "headers = { set = { Content-Security-Policy = \"default-src 'self'\" } }";
    let parvis = serve_with(&folder, "", own, "");
    let reply = picture(&parvis, "/mark.svg", CHROMIUM, KIND);
    let policies = reply.field("content-security-policy").unwrap();
    assert!(policies.contains("sandbox"), "{policies}");
}
