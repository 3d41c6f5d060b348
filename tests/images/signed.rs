//! Signed addresses: who has the key asks for any size.

use crate::support::pictures::look_at;
use crate::support::programs::script;
use crate::{CURL, ask, photograph, picture, serve};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// As an app signs: with Python's own HMAC.
const SIGN: &str = "import base64, hashlib, hmac, sys\n\
    key = sys.argv[1].encode()\n\
    for address in sys.argv[2:]:\n\
    \x20   tag = hmac.new(key, address.encode(), hashlib.sha256).digest()\n\
    \x20   s = base64.urlsafe_b64encode(tag).rstrip(b'=').decode()\n\
    \x20   print(address + ('' if address.endswith('?') else '&') + 's=' + s)\n";

fn signed(key: &str, addresses: &[&str]) -> Vec<String> {
    let mut arguments = vec![key];
    arguments.extend(addresses);
    script(SIGN, &arguments).lines().map(String::from).collect()
}

fn sign() -> String {
    format!("sign = {{ key = \"{KEY}\" }}")
}

#[test]
fn who_has_the_key_gets_any_size() {
    let folder = photograph();
    let parvis = serve(&folder, &sign());
    let sizes = [
        ("/photo.jpg?w=123", (123, 82)),
        ("/photo.jpg?w=7&h=5&fit=cover", (7, 5)),
        ("/photo.jpg?w=101&dpr=2", (202, 135)),
        ("/photo.jpg?h=99&q=61&v=1", (149, 99)),
        ("/photo.jpg?w=1000", (600, 400)),
        ("/photo.jpg?", (600, 400)),
    ];
    let addresses = sizes.map(|(address, _)| address);
    for (address, (plain, size)) in signed(KEY, &addresses).iter().zip(sizes) {
        let reply = picture(&parvis, address, CURL, "image/jpeg");
        assert_eq!(look_at(reply.body).size(), size, "{plain}");
    }
    // Without a signature all is as it was.
    let reply = picture(&parvis, "/photo.jpg?w=123", CURL, "image/jpeg");
    assert_eq!(look_at(reply.body).size(), (150, 100));
    // What makes no sense makes none with a signature either.
    let nonsense = &signed(KEY, &["/photo.jpg?w=9000"])[0];
    assert_eq!(ask(&parvis, nonsense, CURL).status, 400);
}

#[test]
fn a_wrong_signature_is_refused() {
    let folder = photograph();
    let parvis = serve(&folder, &sign());
    let right = signed(KEY, &["/photo.jpg?w=123"]).remove(0);
    let (_, tag) = right.split_once("&s=").unwrap();
    assert_eq!(ask(&parvis, &right, CURL).status, 200);
    let with = |query: &str| format!("/photo.jpg?{query}");
    let mut wrong = vec![
        with(&format!("w=124&s={tag}")),
        with(&format!("w=123&h=1&s={tag}")),
        with(&format!("w=123&v=1&s={tag}")),
        with(&format!("s={tag}&w=123")),
        with(&format!("w=123&s={tag}&v=1")),
        with(&format!("w=123&s={tag}=")),
        with(&format!("w=123&s={}", &tag[..42])),
        with(&format!("w=123&s={tag}A")),
        with("w=123&s="),
        with("w=123&s"),
        with("w=123&s=%2e%2e"),
        // Also where nothing would have been free.
        with("w=150&s=wrong"),
        with("s=wrong"),
        // Another path to the same file.
        format!("/./photo.jpg?w=123&s={tag}"),
        format!("/%70hoto.jpg?w=123&s={tag}"),
    ];
    wrong.extend(signed(
        "another key, also long enough",
        &["/photo.jpg?w=123"],
    ));
    // Every character counts.
    for at in 0..tag.len() {
        let other = if tag.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut tampered = tag.to_string();
        tampered.replace_range(at..=at, other);
        wrong.push(with(&format!("w=123&s={tampered}")));
    }
    for address in wrong {
        let reply = ask(&parvis, &address, CURL);
        assert_eq!(reply.status, 403, "{address}: {}", reply.text());
        assert!(reply.text().contains("signature"), "{}", reply.text());
        assert!(!reply.text().contains(tag), "{}", reply.text());
    }
    let twice = ask(&parvis, &format!("{right}&s={tag}"), CURL);
    assert_eq!(twice.status, 400);
}

#[test]
fn without_a_key_s_is_the_apps() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    let reply = picture(&parvis, "/photo.jpg?w=123&s=sort&s=2", CURL, "image/jpeg");
    assert_eq!(look_at(reply.body).size(), (150, 100));
}
