//! Which certificate a client sees, and for which hosts its connection is good.

use super::{failures, folder, says, site};
use crate::support::Parvis;
use crate::support::certificates::{Authority, Pair};
use crate::support::programs::{openssl, run, said};
use crate::support::secure::{Secure, client, trusting};
use rustls::ClientConfig;
use rustls::version::{TLS12, TLS13};
use std::process::Command;

struct Three {
    authority: Authority,
    exact: Pair,
    wild: Pair,
    first: Pair,
    parvis: Parvis,
}

/// Three sites: `first.test`, `*.w.test` and `exact.w.test`.
fn three(top: &str) -> Three {
    let authority = Authority::new();
    let first = authority.sign(&["first.test"]);
    let wild = authority.sign(&["*.w.test"]);
    let exact = authority.sign(&["exact.w.test"]);
    let folder = folder(&[("first", &first), ("wild", &wild), ("exact", &exact)]);
    let configuration = format!(
        "{top}{}{}{}",
        site("first", &["first.test"], ""),
        site("wild", &["*.w.test"], ""),
        site("exact", &["exact.w.test"], "")
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    Three {
        authority,
        exact,
        wild,
        first,
        parvis,
    }
}

/// A client that asks for no name, and checks the certificate for one.
fn nameless(authority: &Authority) -> ClientConfig {
    let mut config = trusting(authority);
    config.enable_sni = false;
    config
}

#[test]
fn the_name_chooses_the_certificate_and_the_site() {
    let three = three("");
    let at = three.parvis.address();
    let trusting = trusting(&three.authority);
    for (name, own, site) in [
        ("first.test", &three.first, "first"),
        ("any.w.test", &three.wild, "wild"),
        ("exact.w.test", &three.exact, "exact"),
    ] {
        let mut client = Secure::open(at, name, &trusting);
        assert_eq!(client.certificate(), own.der());
        assert_eq!(client.get(name, "/").text(), site);
        // A port and the case of letters say nothing about the site.
        let upper = format!("{}:{}", name.to_uppercase(), at.port());
        assert_eq!(client.get(&upper, "/").text(), site);
    }
    // Without a name, and with one that nobody has, it is the first site's.
    let quiet = Secure::open(at, "first.test", &nameless(&three.authority));
    assert_eq!(quiet.certificate(), three.first.der());
    let shown = openssl(&[
        "s_client",
        "-connect",
        &at.to_string(),
        "-servername",
        "nobody.test",
    ]);
    assert!(shown.contains("BEGIN CERTIFICATE"), "{shown}");
    let shown = shown.replace(['\r', '\n'], "");
    let first = three.first.certificate.replace(['\r', '\n'], "");
    assert!(shown.contains(&first), "{shown}");
}

#[test]
fn who_asks_for_nobody_may_be_refused() {
    let three = three("[tls]\nunknown_sni = \"reject\"\n");
    let at = three.parvis.address();
    for config in [trusting(&three.authority), nameless(&three.authority)] {
        let refused = Secure::try_open(at, "nobody.test", &config).err();
        let refused = refused.expect("somebody was there").to_string();
        assert!(refused.contains("UnrecognisedName"), "{refused}");
    }
    let shown = openssl(&["s_client", "-connect", &at.to_string(), "-noservername"]);
    assert!(shown.contains("alert number 112"), "{shown}");
    assert_eq!(failures(&three.parvis, "unknown_name"), 3.0);
    assert_eq!(says(&three.parvis, &three.authority, "any.w.test"), "wild");
}

#[test]
fn each_client_gets_a_certificate_that_it_can_check() {
    let authority = Authority::new();
    let (ecdsa, rsa) = (authority.sign(&["a.test"]), authority.sign_rsa(&["a.test"]));
    let folder = folder(&[("a", &ecdsa), ("rsa", &rsa)]);
    let more = "certificates = [{ certificate = \"@DIR/rsa.pem\", key = \"@DIR/rsa.key\" }]";
    let parvis = Parvis::start_in(folder, &site("a", &["a.test"], more), &[]);
    let shown = |arguments: &[&str]| {
        let output = run(Command::new("openssl")
            .args(["s_client", "-connect", &parvis.address().to_string()])
            .args(["-servername", "a.test"])
            .args(arguments));
        let said = said(&output).replace(['\r', '\n'], "");
        let has = |pair: &Pair| said.contains(&pair.certificate.replace(['\r', '\n'], ""));
        (has(&ecdsa), has(&rsa), said)
    };
    for (arguments, is_ecdsa) in [
        (&["-tls1_3"][..], true),
        (&["-tls1_2"][..], true),
        (&["-tls1_3", "-sigalgs", "RSA-PSS+SHA256"][..], false),
        (&["-tls1_2", "-sigalgs", "RSA+SHA256"][..], false),
        (
            &["-tls1_3", "-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"][..],
            true,
        ),
        (
            &["-tls1_3", "-sigalgs", "RSA-PSS+SHA256:ECDSA+SHA256"][..],
            true,
        ),
    ] {
        let (has_ecdsa, has_rsa, said) = shown(arguments);
        assert_eq!(
            (has_ecdsa, has_rsa),
            (is_ecdsa, !is_ecdsa),
            "{arguments:?}: {said}"
        );
    }
    // One that can check neither is told so.
    let (.., said) = shown(&["-tls1_3", "-sigalgs", "ed25519"]);
    assert!(said.contains("alert handshake failure"), "{said}");
}

#[test]
fn a_connection_carries_requests_for_its_certificates_site_alone() {
    let three = three("");
    let at = three.parvis.address();
    let mut client = Secure::open(at, "first.test", &trusting(&three.authority));
    for other in ["exact.w.test", "any.w.test", "nobody.test"] {
        let reply = client.get(other, "/");
        assert_eq!(reply.status, 421, "{}", reply.head);
    }
    // It is still good for its own.
    assert_eq!(client.get("first.test", "/").text(), "first");
    // A site for one of the wildcard's hosts has another certificate.
    let mut client = Secure::open(at, "any.w.test", &trusting(&three.authority));
    assert_eq!(client.get("other.w.test", "/").text(), "wild");
    assert_eq!(client.get("exact.w.test", "/").status, 421);
    let count = "parvis_tls_handshakes_total{resumed=\"no\",version=\"1.3\"}";
    assert_eq!(three.parvis.metric(count), 2.0);
}

#[test]
fn the_same_holds_over_http_2() {
    let three = three("");
    let ca = three.parvis.folder.write("ca.pem", &three.authority.pem);
    let port = three.parvis.address().port();
    for (host, status) in [
        ("first.test", "200"),
        ("exact.w.test", "421"),
        ("nobody.test", "421"),
    ] {
        let output = run(Command::new("curl")
            .args([
                "-sS",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code} %{http_version}",
            ])
            .arg("--cacert")
            .arg(&ca)
            .args(["--resolve", &format!("first.test:{port}:127.0.0.1")])
            .args(["-H", &format!("Host: {host}")])
            .arg(format!("https://first.test:{port}/")));
        assert_eq!(said(&output).trim(), format!("{status} 2"), "{host}");
    }
}

/// Two sites, with what each has in its `tls`, that have one certificate for both names.
fn shared(a: &str, b: &str, files: &[(&str, &str)]) -> (Authority, Parvis) {
    let authority = Authority::new();
    let both = authority.sign(&["a.test", "b.test"]);
    let folder = folder(&[("a", &both), ("b", &both)]);
    for (name, text) in files {
        folder.write(name, text);
    }
    let configuration = format!("{}{}", site("a", &["a.test"], a), site("b", &["b.test"], b));
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    (authority, parvis)
}

#[test]
fn sites_with_the_same_certificate_share_connections() {
    let (authority, parvis) = shared("", "", &[]);
    let mut client = Secure::open(parvis.address(), "a.test", &trusting(&authority));
    assert_eq!(client.get("a.test", "/").text(), "a");
    assert_eq!(client.get("b.test", "/").text(), "b");
    assert_eq!(client.get("a.test", "/").text(), "a");
}

/// Who has spoken 1.2 with a site has not reached one that speaks 1.3 only.
#[test]
fn a_shared_certificate_does_not_lower_a_version() {
    let (authority, parvis) = shared("", "min_version = \"1.3\"", &[]);
    let old = client(&authority, &[&TLS12], None);
    let mut old = Secure::open(parvis.address(), "a.test", &old);
    assert_eq!(old.get("a.test", "/").text(), "a");
    assert_eq!(old.get("b.test", "/").status, 421);
}

#[test]
fn a_site_that_asks_for_certificates_is_reached_by_its_own_handshake_alone() {
    let clients = Authority::named("Clients");
    let ca = [("clients.pem", clients.pem.as_str())];
    let (authority, parvis) = shared("", "client_ca = \"@DIR/clients.pem\"", &ca);
    let own = clients.sign_client("ada");
    let with = client(&authority, &[&TLS13, &TLS12], Some(&own));
    let mut elsewhere = Secure::open(parvis.address(), "a.test", &with);
    assert_eq!(elsewhere.get("a.test", "/").text(), "a");
    assert_eq!(elsewhere.get("b.test", "/").status, 421);
    let mut there = Secure::open(parvis.address(), "b.test", &with);
    assert_eq!(there.get("b.test", "/").text(), "b");
    assert_eq!(there.get("a.test", "/").status, 421);
}

/// A wildcard is for one label, and hosts that are no names reach nobody over TLS either.
#[test]
fn hosts_that_no_name_was_asked_for_reach_nobody() {
    let three = three("");
    let mut client = Secure::open(
        three.parvis.address(),
        "any.w.test",
        &trusting(&three.authority),
    );
    for host in ["w.test", "127.0.0.1", "first.test.", "xfirst.test"] {
        let status = client.get(host, "/").status;
        assert_eq!(status, 421, "{host}");
    }
}
