//! `Cache-Control`.

use crate::support::Reply;
use crate::{provocations, provoke, provoked, puppet, site};

#[test]
fn cache_control_is_for_good_answers_that_have_none() {
    let backend = puppet();
    let plain = site(&backend, "", "cache_control = \"public, max-age=60\"");
    let hard = site(
        &backend,
        "",
        "cache_control = { value = \"no-store\", override = true }",
    );
    let ours = |reply: Reply| reply.all("Cache-Control");
    for status in [200, 203, 206, 301, 304, 308] {
        let bare = format!("/?HTTP/1.1_{status}_X|Location:_/");
        let own = format!("{bare}|Cache-Control:_private|Cache-Control:_max-age=1");
        assert_eq!(ours(plain.get(&bare)), ["public, max-age=60"], "{status}");
        assert_eq!(ours(plain.get(&own)), ["private", "max-age=1"], "{status}");
        assert_eq!(ours(hard.get(&bare)), ["no-store"], "{status}");
        assert_eq!(ours(hard.get(&own)), ["no-store"], "{status}");
    }
    for status in [
        201, 202, 204, 300, 302, 303, 307, 400, 401, 403, 404, 405, 410, 416, 429, 500, 501, 502,
        503, 504,
    ] {
        let bare = format!("/?HTTP/1.1_{status}_X|Location:_/");
        let own = format!("{bare}|Cache-Control:_private");
        for parvis in [&plain, &hard] {
            assert_eq!(ours(parvis.get(&bare)), [""; 0], "{status}");
            assert_eq!(ours(parvis.get(&own)), ["private"], "{status}");
        }
    }
}

#[test]
fn cache_control_of_the_site_is_on_own_good_answers_and_never_on_errors() {
    let edge = provoked("");
    for (name, bytes, ours, status) in provocations() {
        let reply = provoke(&edge.parvis, &bytes);
        assert_eq!(reply.status, status, "{name}");
        let good = matches!(status, 200 | 301 | 304 | 308);
        assert!(!(good && ours));
        let value = good.then_some("max-age=60");
        assert_eq!(
            reply.field("Cache-Control").as_deref(),
            value,
            "{name} {status}"
        );
    }
}

#[test]
fn a_routes_cache_control_replaces_its_sites() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "cache_control = { value = \"no-store\", override = true }",
        "cache_control = \"max-age=1\"",
    );
    let reply = parvis.get("/?HTTP/1.1_200_OK");
    assert_eq!(reply.all("Cache-Control"), ["max-age=1"]);
    let reply = parvis.get("/?HTTP/1.1_200_OK|Cache-Control:_private");
    assert_eq!(reply.all("Cache-Control"), ["private"]);
}
