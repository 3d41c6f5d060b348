//! Certificates from files, and what is told of them.

use super::*;

#[test]
fn keys_are_read_in_all_their_forms() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    folder.put("ec", &root.issue(&["a.example"]));
    folder.put("rsa", &root.issue_rsa(&["a.example"]));
    folder.openssl("ec -in ec.key -out sec1.key");
    folder.openssl("rsa -in rsa.key -traditional -out pkcs1.key");
    let both = root.issue(&["a.example"]);
    folder.write("both", both.key.clone() + &both.chain);
    let parameters = std::fs::read_to_string(folder.path("sec1.key")).unwrap();
    assert!(parameters.starts_with("-----BEGIN EC PRIVATE KEY-----"));
    let head = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    folder.write("parameters.key", format!("{head}{parameters}"));
    for (certificate, key) in [
        ("ec.pem", "ec.key"),
        ("ec.pem", "sec1.key"),
        ("ec.pem", "parameters.key"),
        ("rsa.pem", "rsa.key"),
        ("rsa.pem", "pkcs1.key"),
        ("both", "both"),
    ] {
        let own = format!("certificate = {certificate:?}\nkey = {key:?}");
        let built = built(&folder, &["a.example"], &own);
        assert_eq!(
            (built.count, built.warnings.as_str()),
            (0, ""),
            "{}",
            built.errors
        );
    }
    for (algorithm, kind) in [
        (&rcgen::PKCS_ECDSA_P384_SHA384, "ECDSA P-384"),
        (&rcgen::PKCS_ECDSA_P521_SHA512, "ECDSA P-521"),
        (&rcgen::PKCS_ED25519, "Ed25519"),
    ] {
        folder.put("other", &root.issue_with(&["a.example"], algorithm, |_| {}));
        let site = built(&folder, &["a.example"], &pair("other")).site();
        assert_eq!(site.certificates()[0].key, kind);
    }
}

#[test]
fn what_is_told_of_certificates() {
    let (folder, root) = (Folder::new(), Authority::root("Root, and more"));
    let issued = root.issue(&["Example.org", "*.example.org", "127.0.0.1"]);
    folder.put("one", &issued);
    folder.put("two", &root.issue_rsa(&["example.org"]));
    let own = format!(
        "{}\ncertificates = [{{ certificate = \"two.pem\", key = \"two.key\" }}]\nredirect = false",
        pair("one")
    );
    let site = built(&folder, &["example.org"], &own).site();
    let [one, two] = &site.certificates()[..] else {
        panic!();
    };
    assert_eq!(one.names, ["example.org", "*.example.org", "127.0.0.1"]);
    assert_eq!(
        (one.key.as_str(), two.key.as_str()),
        ("ECDSA P-256", "RSA 2048")
    );
    assert!(one.issuer.contains("CN=Root\\, and more"), "{}", one.issuer);
    assert!(!one.self_signed);
    assert_eq!(one.not_after - one.not_before, 90 * 86_400);
    let source = CertificateSource::File {
        certificate: folder.path("one.pem"),
        key: folder.path("one.key"),
    };
    assert_eq!(one.source, source);
    folder.openssl("x509 -in one.pem -noout -fingerprint -sha256 -serial -out facts");
    let facts = std::fs::read_to_string(folder.path("facts")).unwrap();
    let facts = facts.replace(':', "");
    assert!(
        facts.to_ascii_lowercase().contains(&one.fingerprint),
        "{facts}"
    );
    assert!(facts.contains(&one.serial), "{facts}");
    assert!(!site.redirect() && !site.requires_certificate());
    let site = built(&folder, &["example.org"], &pair("one")).site();
    assert!(site.redirect() && site.orders().is_empty());
    let json = serde_json::to_value(site.certificates()).unwrap();
    assert_eq!(json[0]["source"]["from"], "file");
}

#[test]
fn a_certificate_is_shared_by_sites_that_ask_nobody_for_theirs() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    folder.put("wild", &root.issue(&["*.example.org"]));
    folder.put("one", &root.issue(&["one.example.org"]));
    folder.write("ca.pem", &root.pem);
    let site = |name: &str, own: &str| {
        let wanted = Wanted {
            name,
            own,
            ..Wanted::default()
        };
        wanted.build(&folder.0).site()
    };
    let wild = pair("wild");
    let (a, b) = (site("a", &wild), site("b", &wild));
    assert!(a.covers(&b) && b.covers(&a) && a.covers(&a));
    let other = site("c", &pair("one"));
    assert!(!a.covers(&other) && !other.covers(&a));
    // Which of two certificates the client saw, nobody knows.
    let more =
        format!("{wild}\ncertificates = [{{ certificate = \"one.pem\", key = \"one.key\" }}]");
    let two = site("d", &more);
    assert!(two.covers(&a) && two.covers(&other) && !a.covers(&two));
    // Who must show a certificate, or needs a newer version, is not carried by another's handshake.
    let guarded = site("e", &format!("{wild}\nclient_ca = \"ca.pem\""));
    assert!(!guarded.covers(&a) && !a.covers(&guarded) && guarded.covers(&guarded));
    let new = site("f", &format!("{wild}\nmin_version = \"1.3\""));
    assert!(a.covers(&new) && !new.covers(&a));
    assert!(site("a", &pair("one")).covers(&a));
}

#[test]
fn names_that_clients_ask_for_are_their_sites_alone() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    folder.put("wild", &root.issue(&["*.example.org"]));
    folder.put("old", &root.issue_dated(&["*.example.org"], -90, -1));
    let site = |name: &str, own: &str| {
        let wanted = Wanted {
            name,
            hosts: &["*.example.org"],
            common: "storage = \"acme\"",
            own,
            ..Wanted::default()
        };
        wanted.build(&folder.0).site()
    };
    let ask = "acme = { on_demand = { ask = \"http://127.0.0.1:9/ask\" } }";
    let plain = site("a", &pair("wild"));
    let asks = site("b", &format!("{}\n{ask}", pair("wild")));
    // What another site's client was shown may have been ordered for it.
    assert!(!plain.covers(&asks) && asks.covers(&plain) && asks.covers(&asks));
    // What lies in a file need not be asked for, while it is good.
    assert!(asks.on_demand("a.example.org").is_none());
    assert!(asks.on_demand("b.a.example.org").is_some());
    let old = site("c", &format!("{}\n{ask}", pair("old")));
    assert!(old.on_demand("a.example.org").is_some());
    assert!(plain.on_demand("b.a.example.org").is_none());
}

#[test]
fn a_stand_in_serves_until_there_is_a_certificate() {
    let folder = Folder::new();
    let wanted = |hosts: &'static [&'static str]| Wanted {
        name: "shop",
        hosts,
        common: "storage = \"acme\"",
        own: "acme = { email = \"ann@example.org\" }",
        ..Wanted::default()
    };
    let built = wanted(&["example.org", "www.example.org"]).build(&folder.0);
    let common = built.common.clone();
    let site = built.site();
    let [status] = &site.certificates()[..] else {
        panic!();
    };
    assert_eq!(status.names, ["example.org", "www.example.org"]);
    assert_eq!(status.source, CertificateSource::StandIn);
    assert!(status.self_signed && status.issuer.contains("CN=parvis stand-in\\, waiting"));
    assert_eq!(status.not_after - status.not_before, 366 * 86_400);
    assert_eq!(site.orders().len(), 1);
    assert!(site.on_demand("example.org").is_none());
    // Kept over a reload, unless the hosts changed.
    let again = Wanted {
        before: Some((&common, &site)),
        ..wanted(&["Example.org", "www.example.org"])
    };
    let again = again.build(&folder.0).site();
    assert_eq!(again.certificates()[0].fingerprint, status.fingerprint);
    let more = Wanted {
        before: Some((&common, &site)),
        ..wanted(&["example.org"])
    };
    let more = more.build(&folder.0).site();
    assert_ne!(more.certificates()[0].fingerprint, status.fingerprint);
    assert!(
        !site.covers(
            &Wanted {
                name: "other",
                ..wanted(&["example.org"])
            }
            .build(&folder.0)
            .site()
        )
    );
}
