//! Whose fields come first: the app's, the site's, the route's; the presets.

use crate::support::{Client, Parvis, Reply, command};
use crate::{CLASSIC, STRICT, puppet, site};
use std::collections::BTreeMap;

/// The names and values of fields that are neither the message's framing nor made anew each time.
fn dressing(reply: &Reply) -> BTreeMap<String, String> {
    let plain = [
        "connection",
        "content-length",
        "content-type",
        "date",
        "x-request-id",
    ];
    let own = |name: &String| !plain.contains(&name.to_ascii_lowercase().as_str());
    let fields = reply.fields.iter().filter(|(name, _)| own(name));
    let map: BTreeMap<_, _> = fields.clone().cloned().collect();
    assert_eq!(map.len(), fields.count(), "twice: {}", reply.head);
    map
}

fn expected(fields: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(n, v): &(&str, &str)| (n.to_string(), v.to_string());
    fields.iter().map(owned).collect()
}

#[test]
fn the_apps_fields_come_first_then_set_default_and_remove() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "headers = { set = { X-Set = \"site\" }, default = { X-Default = \"site\", X-Absent = \"site\" }, remove = [\"X-Gone\"] }",
        "",
    );
    let reply = parvis.get(
        "/?HTTP/1.1_200_OK|X-Set:_app|X-Set:_app2|X-Default:_app|X-Gone:_app|X-Gone:_app2|X-Other:_app",
    );
    assert_eq!(
        reply.all("x-set"),
        ["site"],
        "set replaces all of the app's"
    );
    assert_eq!(
        reply.all("x-default"),
        ["app"],
        "default gives way to the app"
    );
    assert_eq!(reply.all("x-absent"), ["site"], "default fills in");
    assert_eq!(reply.all("x-gone"), [""; 0], "remove takes all of them");
    assert_eq!(reply.all("x-other"), ["app"], "the rest stays");
    assert_eq!(reply.text(), "app");
}

#[test]
fn an_empty_field_of_the_apps_is_a_field() {
    let backend = puppet();
    let parvis = site(&backend, "headers = { default = { X-D = \"site\" } }", "");
    assert_eq!(parvis.get("/?HTTP/1.1_200_OK|X-D:").all("x-d"), [""]);
}

#[test]
fn a_removed_field_is_gone_whoever_gave_it() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "headers = { security = \"strict\", set = { A = \"1\" }, default = { B = \"1\" }, remove = [\"A\", \"b\", \"x-frame-options\"] }",
        "",
    );
    let reply = parvis.get("/?HTTP/1.1_200_OK");
    for name in ["A", "B", "X-Frame-Options"] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    assert_eq!(reply.field("X-XSS-Protection").as_deref(), Some("0"));
}

#[test]
fn a_routes_entries_come_after_its_sites() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "headers = { set = { A = \"site\", B = \"site\", C = \"site\" }, default = { D = \"site\", E = \"site\" }, remove = [\"G\"] }",
        "headers = { set = { b = \"route\", G = \"route\" }, default = { d = \"route\" }, remove = [\"C\"] }",
    );
    let reply = parvis.get("/?HTTP/1.1_200_OK|A:_app");
    for (name, value) in [
        ("A", Some("site")),
        ("B", Some("route")),
        ("C", None),
        ("D", Some("route")),
        ("E", Some("site")),
        // What the site takes out the route may put in again.
        ("G", Some("route")),
    ] {
        assert_eq!(reply.field(name).as_deref(), value, "{name}");
        assert!(reply.all(name).len() < 2, "{name} twice");
    }
}

#[test]
fn a_route_inherits_its_sites_preset_and_may_have_another() {
    let parvis = Parvis::start(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nheaders = { security = \"strict\" }\n\
         [[site.route]]\npath = \"/inherited\"\nrespond = { body = \"x\" }\nheaders = { set = { A = \"1\" } }\n\
         [[site.route]]\npath = \"/classic\"\nrespond = { body = \"x\" }\nheaders = { security = \"classic\" }\n\
         [[site.route]]\npath = \"/off\"\nrespond = { body = \"x\" }\nheaders = { security = \"off\" }\n",
    );
    let mut strict = expected(&STRICT);
    strict.insert("A".into(), "1".into());
    assert_eq!(dressing(&parvis.get("/inherited")), strict);
    assert_eq!(dressing(&parvis.get("/classic")), expected(&CLASSIC));
    assert_eq!(dressing(&parvis.get("/off")), expected(&[]));
}

#[test]
fn each_preset_has_exactly_its_fields_and_no_hsts_without_tls() {
    let backend = puppet();
    for (security, fields) in [
        ("headers = { security = \"strict\" }", STRICT.as_slice()),
        ("headers = { security = \"classic\" }", &CLASSIC),
        ("headers = { security = \"off\" }", &[]),
        ("", &[]),
    ] {
        let parvis = site(&backend, security, "");
        let reply = parvis.get("/?HTTP/1.1_200_OK");
        assert_eq!(dressing(&reply), expected(fields), "{security}");
    }
}

#[test]
fn presets_never_override_the_app() {
    let backend = puppet();
    for (security, fields) in [("strict", STRICT.as_slice()), ("classic", &CLASSIC)] {
        let parvis = site(
            &backend,
            &format!("headers = {{ security = \"{security}\" }}"),
            "",
        );
        let own: String = fields.iter().map(|(n, _)| format!("|{n}:_own")).collect();
        for status in ["200_OK", "404_Not_Found", "500_Internal_Server_Error"] {
            let reply = parvis.get(&format!(
                "/?HTTP/1.1_{status}{own}|Strict-Transport-Security:_max-age=1"
            ));
            for (name, _) in fields {
                assert_eq!(reply.all(name), ["own"], "{security} {status} {name}");
            }
            assert_eq!(reply.all("Strict-Transport-Security"), ["max-age=1"]);
        }
    }
}

#[test]
fn several_cookies_stay_several_and_in_order() {
    let backend = puppet();
    let parvis = site(&backend, "headers = { security = \"strict\" }", "");
    let reply = parvis.get(
        "/?HTTP/1.1_200_OK|Set-Cookie:_a=1;_Path=/|X-Between:_1|Set-Cookie:_b=2,3;_Expires=Thu,_01_Jan_1970_00:00:00_GMT|set-cookie:_c=3",
    );
    assert_eq!(
        reply.all("Set-Cookie"),
        [
            "a=1; Path=/",
            "b=2,3; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "c=3"
        ]
    );
}

#[test]
fn names_keep_the_case_in_which_they_were_written() {
    let backend = puppet();
    let parvis = site(
        &backend,
        "headers = { set = { x-oPERATOR = \"1\" }, default = { X-DEFAULT = \"1\" } }",
        "",
    );
    let mut client = parvis.client();
    client.send(
        "GET /?HTTP/1.1_200_OK|x-lower:_1|X-Title:_1|X-UPPER:_1|sEt-CoOkIe:_a=1|SET-COOKIE:_b=2|ETag:_x|WWW-Authenticate:_Basic HTTP/1.1\r\n\
         hOsT: test\r\nx-lower: 1\r\nX-UPPER: 1\r\nx-Mixed: 1\r\nX-mIXED: 2\r\n\r\n",
    );
    let reply = client.reply();
    for line in [
        "x-lower: 1",
        "X-Title: 1",
        "X-UPPER: 1",
        "sEt-CoOkIe: a=1",
        "SET-COOKIE: b=2",
        "ETag: x",
        "WWW-Authenticate: Basic",
        "x-oPERATOR: 1",
        "X-DEFAULT: 1",
    ] {
        let found = reply.head.lines().any(|l| l == line);
        assert!(found, "no {line:?} in {}", reply.head);
    }
    let sent = backend.last().fields;
    for (name, value) in [
        ("hOsT", "test"),
        ("x-lower", "1"),
        ("X-UPPER", "1"),
        ("x-Mixed", "1"),
        ("X-mIXED", "2"),
    ] {
        let pair = (name.to_string(), value.to_string());
        assert!(sent.contains(&pair), "no {name} in {sent:?}");
    }
}

#[test]
fn fields_that_frame_the_message_cannot_be_configured() {
    for (change, name) in [
        ("set = { Content-Length = \"1\" }", "Content-Length"),
        (
            "default = { Transfer-Encoding = \"chunked\" }",
            "Transfer-Encoding",
        ),
        ("remove = [\"connection\"]", "connection"),
        ("set = { \"X Y\" = \"1\" }", "X Y"),
        ("set = { X = \"a\\nb\" }", "value of a header field"),
    ] {
        let folder = crate::support::Folder::new();
        let text = format!(
            "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nheaders = {{ {change} }}\n\
             [[site.route]]\npath = \"/\"\nrespond = {{}}\n"
        );
        let file = folder.write("parvis.toml", &text);
        let output = command(&["check", "-c", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{change}: {said}");
        assert!(said.contains(name), "{change}: {said}");
        assert!(said.contains("parvis.toml:4:"), "{change}: {said}");
    }
}

#[test]
fn a_keep_alive_connection_has_the_fields_on_each_answer() {
    let backend = puppet();
    let parvis = site(&backend, "headers = { security = \"classic\" }", "");
    let mut client: Client = parvis.client();
    for _ in 0..3 {
        let reply = client.get("/?HTTP/1.1_200_OK");
        assert_eq!(dressing(&reply), expected(&CLASSIC));
    }
}
