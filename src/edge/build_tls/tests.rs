use super::super::build::{Loaded, load_text};

/// Sites of these hosts, listeners and `acme`.
fn loaded(sites: &[(&str, &str, &str, &str)]) -> Loaded {
    let mut text = "[tls]\nstorage = \"/nowhere/at/all\"\n".to_string();
    for (name, host, listen, acme) in sites {
        text.push_str(&format!(
            "[[site]]\nname = \"{name}\"\nhosts = [\"{host}\"]\nlisten = [{listen}]\n\
             tls = {{ acme = {{ {acme} }} }}\n[[site.route]]\npath = \"/*\"\nrespond = {{}}\n"
        ));
    }
    load_text("parvis.toml", text)
}

const PLAIN: &str = "\"127.0.0.1:8080\"";
const ALPN: &str = "challenge = \"tls-alpn-01\"";

fn secured(port: u16) -> String {
    format!("{{ address = \"127.0.0.1:{port}\", tls = true }}")
}

#[test]
fn who_orders_the_same_certificate_orders_it_in_the_same_way() {
    let errors = |one: &str, other: &str, host: &str| {
        let (a, b) = (secured(443), format!("{PLAIN}, {}", secured(8443)));
        let loaded = loaded(&[("a", "a.example", &a, one), ("b", host, &b, other)]);
        let sources = loaded.sources.clone();
        loaded.result.err().map(|errors| errors.render(&sources))
    };
    let ann = "email = \"ann@a.example\"";
    let eab = "eab = { kid = \"k\", hmac_key = \"AAAAAAAAAAAAAAAAAAAAAAAA\" }";
    for (one, other, key) in [
        (ann, "", "email"),
        (ann, "email = \"bob@a.example\"", "email"),
        (ann, &format!("{ann}, {ALPN}"), "challenge"),
        ("", eab, "eab"),
    ] {
        let told = errors(one, other, "a.example").unwrap();
        assert!(
            told.contains("the sites `a` and `b` have the same"),
            "{told}"
        );
        assert!(told.contains(&format!("another `{key}`")), "{told}");
        assert!(told.contains("that of the site `a`"), "{told}");
        assert_eq!(errors(one, other, "b.example"), None);
    }
    assert_eq!(errors(ann, ann, "A.example"), None);
    let other_ca = format!("{ann}, directory = \"https://ca.example/\"");
    assert_eq!(errors(ann, &other_ca, "a.example"), None);
}

#[test]
fn a_ca_that_finds_no_listener_is_warned_of() {
    let warnings = |sites: &[(&str, &str, &str, &str)]| {
        let loaded = loaded(sites);
        assert!(loaded.result.is_ok());
        loaded.warnings
    };
    let (usual, other) = (secured(443), secured(8443));
    let both = format!("{PLAIN}, {usual}");
    assert_eq!(warnings(&[("a", "a.example", &both, "")]), "");
    assert_eq!(warnings(&[("a", "a.example", &usual, ALPN)]), "");
    // Any listener answers for all sites.
    let two = [
        ("a", "a.example", &*both, ""),
        ("b", "b.example", &*other, ""),
        ("c", "c.example", &*other, ALPN),
    ];
    assert_eq!(warnings(&two), "");
    let told = warnings(&[
        ("a", "a.example", &usual, ""),
        ("b", "b.example", &usual, ""),
    ]);
    assert!(told.contains("no listener speaks plain HTTP"), "{told}");
    assert!(told.contains("the site `a` and of 1 more"), "{told}");
    assert!(told.contains("port 80"), "{told}");
    let told = warnings(&[("a", "a.example", &other, ALPN)]);
    assert!(told.contains("has port 443, where the CA"), "{told}");
    assert!(told.contains("of the site `a`\n"), "{told}");
}
