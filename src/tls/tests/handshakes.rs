//! Handshakes: which certificate, version, group and protocol come of them.

use super::*;
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, NamedGroup, ProtocolVersion, SignatureScheme};

/// What the client was shown.
fn shown(client: &ClientConnection) -> &[u8] {
    client.peer_certificates().unwrap()[0].as_ref()
}

#[test]
fn the_name_that_is_asked_for_decides() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    let below = root.below("Below");
    let one = below.issue(&["one.example", "*.one.example"]);
    let two = root.issue(&["two.example"]);
    folder.put("one", &one);
    folder.put("two", &two);
    let own = format!(
        "{}\ncertificates = [{{ certificate = \"two.pem\", key = \"two.key\" }}]",
        pair("one")
    );
    let site = built(&folder, &[], &own).site();
    let client = Arc::new(client(&root));
    for (name, expected) in [
        ("one.example", &one),
        ("A.one.example", &one),
        ("two.example", &two),
    ] {
        let (client, _) = shake(&client, &site, name).unwrap();
        assert_eq!(shown(&client), expected.der().as_ref(), "{name}");
    }
    // None is for it: the first is shown, and the client does not like it.
    let error = shake(&client, &site, "a.b.one.example").err().unwrap();
    assert!(
        matches!(error, rustls::Error::InvalidCertificate(_)),
        "{error}"
    );
}

#[test]
fn the_clients_signatures_decide_between_keys() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    let (ec, rsa) = (root.issue(&["a.example"]), root.issue_rsa(&["a.example"]));
    folder.put("ec", &ec);
    folder.put("rsa", &rsa);
    let own = format!(
        "{}\ncertificates = [{{ certificate = \"ec.pem\", key = \"ec.key\" }}]",
        pair("rsa")
    );
    let site = built(&folder, &["a.example"], &own).site();
    let (client, _) = shake(&Arc::new(client(&root)), &site, "a.example").unwrap();
    assert_eq!(shown(&client), ec.der().as_ref());
    let old = client_config_of_rsa(&root);
    let (client, _) = shake(&Arc::new(old), &site, "a.example").unwrap();
    assert_eq!(shown(&client), rsa.der().as_ref());
    // TLS 1.2 too.
    let (client, server) = shake(&Arc::new(only_12(&root, true)), &site, "a.example").unwrap();
    assert_eq!(shown(&client), rsa.der().as_ref());
    assert_eq!(server.protocol_version(), Some(ProtocolVersion::TLSv1_2));
}

/// A client that checks no ECDSA signature of a server's. (Its authority's are of ECDSA: they are
/// not a handshake's.)
fn client_config_of_rsa(root: &Authority) -> ClientConfig {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let mapping = provider.signature_verification_algorithms.mapping;
    let rsa: Vec<_> = mapping
        .iter()
        .copied()
        .filter(|(scheme, _)| format!("{scheme:?}").starts_with("RSA"))
        .collect();
    provider.signature_verification_algorithms.mapping = Vec::leak(rsa);
    client_with(root, provider)
}

fn only_12(root: &Authority, rsa: bool) -> ClientConfig {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let kind = if rsa { "ECDHE_RSA" } else { "ECDHE" };
    provider
        .cipher_suites
        .retain(|suite| format!("{:?}", suite.suite()).contains(kind));
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]);
    let builder = builder.unwrap().with_root_certificates(roots(root));
    builder.with_no_client_auth()
}

#[test]
fn an_expired_certificate_gives_way_to_a_valid_one() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    let rsa = root.issue_rsa(&["a.example"]);
    folder.put("old", &root.issue_dated(&["a.example"], -90, -1));
    folder.put("rsa", &rsa);
    let own = format!(
        "{}\ncertificates = [{{ certificate = \"rsa.pem\", key = \"rsa.key\" }}]",
        pair("old")
    );
    let site = built(&folder, &["a.example"], &own).site();
    let (client, _) = shake(&Arc::new(client(&root)), &site, "a.example").unwrap();
    assert_eq!(shown(&client), rsa.der().as_ref());
}

#[test]
fn a_client_without_a_name_sees_the_first() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    let (rsa, ec) = (
        root.issue_rsa(&["one.example"]),
        root.issue(&["two.example"]),
    );
    folder.put("rsa", &rsa);
    folder.put("ec", &ec);
    let own = format!(
        "{}\ncertificates = [{{ certificate = \"ec.pem\", key = \"ec.key\" }}]",
        pair("rsa")
    );
    let site = built(&folder, &[], &own).site();
    let all = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::RSA_PSS_SHA256,
    ];
    for name in [None, Some("other.example")] {
        let chosen = site
            .choice()
            .choose(name, &all, super::super::clock::signed_now());
        assert_eq!(chosen.unwrap().cert[0], rsa.der());
    }
    let chosen = site.choice().choose(Some("two.example"), &[], 0);
    assert_eq!(chosen.unwrap().cert[0], ec.der());
}

#[test]
fn old_versions_are_refused() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    folder.put("a", &root.issue(&["a.example"]));
    let client = Arc::new(only_12(&root, false));
    let site = built(&folder, &["a.example"], &pair("a")).site();
    let (_, server) = shake(&client, &site, "a.example").unwrap();
    assert_eq!(server.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let own = format!("{}\nmin_version = \"1.3\"", pair("a"));
    let site = built(&folder, &["a.example"], &own).site();
    let error = shake(&client, &site, "a.example").err().unwrap();
    assert!(
        matches!(error, rustls::Error::PeerIncompatible(_)),
        "{error}"
    );
}

#[test]
fn the_group_is_one_that_quantum_computers_do_not_break() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    folder.put("a", &root.issue(&["a.example"]));
    let site = built(&folder, &["a.example"], &pair("a")).site();
    let (_, server) = shake(&Arc::new(client(&root)), &site, "a.example").unwrap();
    let group = server.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
    assert_eq!(server.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
    // A client that would rather not, and has a share for nothing else, is not made to.
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .kx_groups
        .retain(|group| group.name() == NamedGroup::X25519);
    let (_, server) = shake(&Arc::new(client_with(&root, provider)), &site, "a.example").unwrap();
    let group = server.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), NamedGroup::X25519);
    assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn only_modern_suites_are_spoken() {
    let provider = super::super::handshake::provider();
    let group = provider.kx_groups.first().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    for suite in &provider.cipher_suites {
        let name = format!("{:?}", suite.suite());
        let sealed = name.contains("_GCM_") || name.contains("_POLY1305_");
        let secret = name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_");
        assert!(sealed && secret, "{name}");
    }
}

#[test]
fn http2_is_offered_where_it_is_spoken() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    folder.put("a", &root.issue(&["a.example"]));
    let mut client = client(&root);
    client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let client = Arc::new(client);
    for (http2, expected) in [(true, b"h2".as_slice()), (false, b"http/1.1")] {
        let wanted = Wanted {
            name: "shop",
            own: &pair("a"),
            http2,
            ..Wanted::default()
        };
        let site = wanted.build(&folder.0).site();
        let (_, server) = shake(&client, &site, "a.example").unwrap();
        assert_eq!(server.alpn_protocol(), Some(expected));
    }
}

#[test]
fn what_acme_ordered_takes_the_stand_ins_place() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    let wanted = Wanted {
        name: "shop",
        hosts: &["a.example"],
        common: "storage = \"acme\"",
        own: "acme = { email = \"ann@example.org\" }",
        ..Wanted::default()
    };
    let site = wanted.build(&folder.0).site();
    let client = Arc::new(client(&root));
    let error = shake(&client, &site, "a.example").err().unwrap();
    assert!(
        matches!(error, rustls::Error::InvalidCertificate(_)),
        "{error}"
    );
    let issued = root.issue(&["a.example"]);
    put(&site, &issued);
    let (client, _) = shake(&client, &site, "a.example").unwrap();
    assert_eq!(shown(&client), issued.der().as_ref());
    let [status] = &site.certificates()[..] else {
        panic!();
    };
    assert_eq!(status.source, CertificateSource::Acme);
    assert!(!status.ends_soon(status.not_after - WARN_BEFORE));
    assert!(status.ends_soon(status.not_after - WARN_BEFORE + 1));
    // Beside a file, the name decides.
    let rsa = root.issue_rsa(&["b.example", "a.example"]);
    folder.put("b", &rsa);
    let own = format!("{}\n{}", wanted.own, pair("b"));
    let both = Wanted {
        own: &own,
        hosts: &["b.example"],
        ..wanted
    };
    let site = both.build(&folder.0).site();
    let shown = |name| chosen(&site, name);
    assert_eq!(shown("b.example"), rsa.der());
    let ordered = root.issue(&["b.example"]);
    put(&site, &ordered);
    assert_eq!(shown("b.example"), ordered.der());
    assert_eq!(shown("a.example"), rsa.der());
}

/// What a client sees that takes signatures of both kinds.
fn chosen(site: &SiteTls, name: &str) -> CertificateDer<'static> {
    let all = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::RSA_PSS_SHA256,
    ];
    let now = super::super::clock::signed_now();
    let chosen = site.choice().choose(Some(name), &all, now);
    chosen.unwrap().cert[0].clone()
}

/// What ACME got for a site.
fn put(site: &SiteTls, issued: &Issued) {
    let text = issued.key.clone() + &issued.chain;
    let held = acme::Issued::from_pem(text.as_bytes()).unwrap();
    site.orders()[0].slot.put(Arc::new(held));
}

#[test]
fn what_acme_ordered_gives_way_to_a_file_when_it_is_out_of_date() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    let (good, old) = (
        root.issue_rsa(&["a.example"]),
        root.issue_dated(&["a.example"], -90, -1),
    );
    folder.put("good", &good);
    folder.put("old", &old);
    let built = |file: &str| {
        let own = format!("acme = {{}}\n{}", pair(file));
        let wanted = Wanted {
            name: "shop",
            hosts: &["a.example"],
            common: "storage = \"acme\"",
            own: &own,
            ..Wanted::default()
        };
        wanted.build(&folder.0).site()
    };
    let dated = |from, to| root.issue_dated(&["a.example"], from, to);
    let (ended, early, other) = (dated(-90, -2), dated(1, 90), root.issue(&["b.example"]));
    let site = built("good");
    for bad in [&ended, &early, &other] {
        put(&site, bad);
        assert_eq!(chosen(&site, "a.example"), good.der());
    }
    let fresh = dated(-1, 89);
    put(&site, &fresh);
    assert_eq!(chosen(&site, "a.example"), fresh.der());
    // Both have ended: the first.
    let site = built("old");
    put(&site, &ended);
    assert_eq!(chosen(&site, "a.example"), old.der());
}
