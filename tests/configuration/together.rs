//! What is right alone but does not fit together.

use crate::checked::{check, mistake, right};
use crate::keys::{with, wrong};

/// A mistake in what routes inherit is the site's, whatever the number of its routes.
#[test]
fn what_routes_inherit_is_reported_once() {
    let mut text = with(
        "[site]",
        "headers = { set = { \"X A\" = \"1\" } }\ncache_control = \"\\n\"",
    );
    for n in 0..10 {
        text.push_str(&format!(
            "[[site.route]]\npath = \"/{n}\"\nproxy = \"app\"\n"
        ));
    }
    let checked = check(&[("parvis.toml", &text)]);
    assert_eq!(checked.mistakes().len(), 2, "{}", checked.err);
}

#[test]
fn an_upstream_that_does_not_exist_is_named_with_the_nearest() {
    let missing = wrong("[site.route]", "proxy = \"ap\"");
    assert_eq!(missing.message, "there is no upstream `ap`");
    assert_eq!(missing.under, "\"ap\"");
    assert_eq!(missing.label, "did you mean `app`?");
    let missing = wrong("[site.route]", "proxy = \"chat\"");
    assert_eq!(missing.label, "define it: [upstream.chat]");
    // One that is there but wrong is not missing besides.
    assert_eq!(wrong("upstream.app", "servers = [\"x\"]").under, "\"x\"");
    let empty = wrong("upstream.app", "servers = []");
    assert_eq!(empty.message, "the upstream `app` has no servers");
    assert_eq!(empty.under, "app");
    assert_eq!(empty.label, "give at least one in `servers`");
}

#[test]
fn a_route_does_one_thing() {
    let route = with("[site.route]", "");
    let route = |action: &str| mistake(&route.replace("proxy = \"app\"", action));
    let none = route("");
    assert_eq!(none.message, "the route does nothing");
    assert_eq!(
        none.label,
        "give it one of `proxy`, `files`, `redirect` and `respond`"
    );
    for two in [
        "proxy = \"app\"\nrespond = {}",
        "proxy = \"app\"\nfiles = { root = \".\" }",
        "respond = {}\nredirect = { to = \"/\" }",
        "proxy = \"app\"\nrespond = {}\nredirect = { to = \"/\" }",
    ] {
        let two = route(two);
        assert_eq!(two.message, "the route does more than one thing");
        assert_eq!(two.under, "\"/x\"");
    }
}

#[test]
fn a_site_has_a_route_and_a_listener() {
    let text = with("", "");
    let (head, _) = text.split_once("[[site.route]]").unwrap();
    let mistake = mistake(head);
    assert_eq!(mistake.message, "the site `s` has no route");
    assert_eq!(mistake.help, "add at least one [[site.route]]");
    let nowhere = wrong("[site]", "listen = []");
    assert_eq!(nowhere.message, "the site `s` listens nowhere");
}

fn site(name: &str, rest: &str) -> String {
    format!(
        "[[site]]\nname = \"{name}\"\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:1\"]\n{rest}\n\
         [[site.route]]\npath = \"/\"\nrespond = {{}}\n"
    )
}

/// Where the mistake is shown (line and column), and where the other place.
fn twice(text: &str, message: &str, at: &str, other: &str, label: &str) {
    let mistake = mistake(text);
    assert_eq!(mistake.message, message);
    assert_eq!(mistake.at(), format!("parvis.toml:{at}"), "{message}");
    assert_eq!(mistake.related.len(), 1, "{message}");
    let (place, _, said) = &mistake.related[0];
    assert_eq!(place, &format!("parvis.toml:{other}"), "{message}");
    assert_eq!(said, label);
}

#[test]
fn a_site_that_is_given_twice_shows_both_places() {
    let sites = site("a", "hosts = [\"a\"]") + &site("a", "hosts = [\"b\"]");
    let message = "the site `a` is defined twice";
    twice(&sites, message, "9:8", "2:8", "first defined here");
}

#[test]
fn a_host_of_two_sites_shows_both_places() {
    // They share two listeners, which are not two mistakes.
    let sites = site("a", "hosts = [\"x\", \"h\"]") + &site("b", "hosts = [\"H.\"]");
    let message = "two sites on 127.0.0.1:0 answer for `h`";
    twice(&sites, message, "11:10", "4:15", "the other site is `a`");

    let sites = site("a", "") + &site("b", "");
    let message = "two sites on 127.0.0.1:0 answer for any host";
    twice(&sites, message, "9:8", "2:8", "the other site is `a`");

    let own = site("a", "hosts = [\"*.h\", \"*.H\"]");
    twice(
        &own,
        "`*.h` is given twice",
        "4:17",
        "4:10",
        "first given here",
    );

    // On different listeners it is no mistake.
    let elsewhere = site("b", "").replace("127.0.0.1", "127.0.0.2");
    right(&(site("a", "") + &elsewhere));
}

#[test]
fn a_route_that_another_hides_shows_both_places() {
    let again = |rest: &str| {
        let first = site("a", "");
        format!("{first}[[site.route]]\npath = \"/\"\n{rest}respond = {{}}\n")
    };
    let message = "the site `a` has two routes for `/`";
    let label = "this one takes every request for the path";
    twice(&again(""), message, "9:8", "6:8", label);
    // One that asks for more is not hidden.
    right(&again("methods = [\"POST\"]\n"));
    right(&again("query = { \"v\" = \"2\" }\n"));
    right(&again("headers = { \"X-A\" = \"1\" }\n"));
}

#[test]
fn an_address_that_is_given_twice_shows_both_places() {
    let text = site("a", "").replace("127.0.0.1:1", "127.0.0.1:0");
    let message = "127.0.0.1:0 is given twice";
    twice(&text, message, "3:26", "3:11", "first given here");
}

#[test]
fn the_operators_interface_is_not_open_to_others() {
    for address in [
        "0.0.0.0:9180",
        "[::]:9180",
        "192.0.2.1:9180",
        "[::ffff:192.0.2.1]:9180",
    ] {
        let listen = format!("listen = \"{address}\"");
        for token in [
            "",
            "\ntoken = \"\"",
            "\ntoken = { env = \"T_ABSENT\", default = \"\" }",
        ] {
            let mistake = wrong("admin", &format!("{listen}{token}"));
            assert!(
                mistake
                    .message
                    .ends_with("can be reached by others and has no token"),
                "{}",
                mistake.message
            );
            assert_eq!(mistake.under, format!("\"{address}\""));
            assert!(mistake.help.contains("token"), "{}", mistake.help);
        }
        right(&with("admin", &format!("{listen}\ntoken = \"secret\"")));
    }
    for address in ["127.0.0.1:9180", "127.1.2.3:9180", "[::1]:9180", "off"] {
        right(&with("admin", &format!("listen = \"{address}\"")));
    }
    let text = with("admin", "listen = \"127.0.0.1:9180\"");
    let mistake = mistake(&text.replace("127.0.0.1:0", "127.0.0.1:9180"));
    assert_eq!(
        mistake.message,
        "127.0.0.1:9180 is the admin interface's address and a site's"
    );
}
