//! Clients that show certificates.

use super::*;
use base64::Engine as _;

fn shown(root: &Authority, issued: &Issued) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots(root));
    let client = builder.with_client_auth_cert(vec![issued.der()], issued.key_der());
    Arc::new(client.unwrap())
}

fn folder(root: &Authority) -> Folder {
    let folder = Folder::new();
    folder.put("a", &root.issue(&["a.example"]));
    folder.write("ca.pem", &root.pem);
    folder
}

#[test]
fn who_must_show_a_certificate_is_known_by_it() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    let own = format!("{}\nclient_ca = \"ca.pem\"", pair("a"));
    let site = built(&folder, &["a.example"], &own).site();
    assert!(site.requires_certificate() && site.asks_for_certificate());
    let issued = root.issue_client("Ann \u{fc}");
    let (_, server) = shake(&shown(&root, &issued), &site, "a.example").unwrap();
    let identity = ClientIdentity::of(&server).unwrap();
    assert!(identity.verified);
    assert_eq!(identity.subject, "CN=Ann \\C3\\BC,O=Example\\, Inc.");
    assert_eq!(identity.serial, "0ABC");
    assert_eq!(identity.fingerprint.len(), 64);
    let header = identity.header.to_str().unwrap();
    let inner = header.strip_prefix(':').unwrap().strip_suffix(':').unwrap();
    let der = base64::prelude::BASE64_STANDARD.decode(inner).unwrap();
    assert_eq!(der, issued.der().as_ref());
    // None, or another authority's.
    let error = shake(&Arc::new(client(&root)), &site, "a.example").err();
    assert!(
        matches!(error, Some(rustls::Error::NoCertificatesPresented)),
        "{error:?}"
    );
    let stranger = Authority::root("Stranger").issue_client("ann");
    let error = shake(&shown(&root, &stranger), &site, "a.example").err();
    assert!(
        matches!(error, Some(rustls::Error::InvalidCertificate(_))),
        "{error:?}"
    );
}

#[test]
fn who_may_show_a_certificate_is_served_without() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    let own = format!(
        "{}\nclient_ca = \"ca.pem\"\nclient_auth = \"optional\"",
        pair("a")
    );
    let site = built(&folder, &["a.example"], &own).site();
    assert!(!site.requires_certificate() && site.asks_for_certificate());
    let (_, server) = shake(&Arc::new(client(&root)), &site, "a.example").unwrap();
    assert!(ClientIdentity::of(&server).is_none());
    let issued = root.issue_client("ann");
    let (_, server) = shake(&shown(&root, &issued), &site, "a.example").unwrap();
    assert!(ClientIdentity::of(&server).unwrap().verified);
    // One that is wrong is not the same as none.
    let stranger = Authority::root("Stranger").issue_client("ann");
    assert!(shake(&shown(&root, &stranger), &site, "a.example").is_err());
}

#[test]
fn who_is_no_authority_is_warned_of() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    let own = format!("{}\nclient_ca = \"ca.pem\"", pair("a"));
    let good = built(&folder, &["a.example"], &own);
    assert_eq!(good.warnings, "");
    let client = root.issue_client("ann");
    folder.write("ca.pem", root.pem.clone() + &client.leaf);
    let both = built(&folder, &["a.example"], &own);
    let told = &both.warnings;
    assert!(
        told.contains("CN=ann") && told.contains("is no authority's"),
        "{told}"
    );
    assert!(told.contains("CA:TRUE"), "{told}");
    assert_eq!(told.matches("warning").count(), 1, "{told}");
    assert_eq!(both.count, 0, "{}", both.errors);
}

#[test]
fn authorities_mistakes_are_told_with_their_line() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    folder.write(
        "junk",
        "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
    );
    for (file, told) in [
        ("nowhere", "put certificates of authorities, in PEM there"),
        ("a.key", "has a private key and no certificate"),
        ("junk", "certificate 1 in"),
    ] {
        let own = format!("{}\nclient_ca = {file:?}", pair("a"));
        let built = built(&folder, &["a.example"], &own);
        assert_eq!(built.count, 1, "{}", built.errors);
        assert!(built.errors.contains(told), "{}", built.errors);
        assert!(
            built.errors.contains("7 | client_ca = "),
            "{}",
            built.errors
        );
    }
}
