//! Clients that come back with a ticket.

use super::*;
use rustls::HandshakeKind::{Full, Resumed};
use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};

fn kind(client: &Arc<ClientConfig>, site: &SiteTls, name: &str) -> rustls::HandshakeKind {
    let (_, server) = shake(client, site, name).unwrap();
    server.handshake_kind().unwrap()
}

fn folder(root: &Authority) -> Folder {
    let folder = Folder::new();
    folder.put("a", &root.issue(&["a.example", "b.example"]));
    folder.write("ca.pem", &root.pem);
    folder.write("keys", "0123456789abcdef".repeat(8));
    folder
}

fn edge(folder: &Folder, name: &str, common: &str, own: &str) -> Built {
    let own = format!("{}\n{own}", pair("a"));
    let wanted = Wanted {
        name,
        common,
        own: &own,
        ..Wanted::default()
    };
    wanted.build(&folder.0)
}

const KEYS: &str = "ticket_keys = \"keys\"";

#[test]
fn a_client_comes_back_and_only_by_the_same_name() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    for version in [TLSv1_3, TLSv1_2] {
        let site = edge(&folder, "shop", "", "").site();
        let client = match version {
            TLSv1_3 => client(&root),
            _ => {
                let builder = ClientConfig::builder_with_provider(provider());
                let builder = builder.with_protocol_versions(&[&rustls::version::TLS12]);
                let builder = builder.unwrap().with_root_certificates(roots(&root));
                builder.with_no_client_auth()
            }
        };
        let client = Arc::new(client);
        assert_eq!(kind(&client, &site, "a.example"), Full);
        for _ in 0..3 {
            let (_, server) = shake(&client, &site, "a.example").unwrap();
            assert_eq!(server.handshake_kind(), Some(Resumed));
            assert_eq!(server.protocol_version(), Some(version));
        }
        assert_eq!(kind(&client, &site, "b.example"), Full);
        // Another process has other keys.
        let other = edge(&folder, "shop", "", "").site();
        assert_eq!(kind(&client, &other, "a.example"), Full);
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[test]
fn edges_with_the_same_file_take_each_others_tickets() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    let client = Arc::new(client(&root));
    let one = edge(&folder, "shop", KEYS, "").site();
    assert_eq!(kind(&client, &one, "a.example"), Full);
    let two = edge(&folder, "shop", KEYS, "").site();
    assert_eq!(kind(&client, &two, "a.example"), Resumed);
    // White space at the end is no part of the secret.
    folder.write("keys", "0123456789abcdef".repeat(8) + "\n");
    let three = edge(&folder, "shop", KEYS, "").site();
    assert_eq!(kind(&client, &three, "a.example"), Resumed);
    // Another site's are nobody's business.
    let other = edge(&folder, "blog", KEYS, "").site();
    assert_eq!(kind(&client, &other, "a.example"), Full);
    let client = Arc::new(super::client(&root));
    assert_eq!(kind(&client, &one, "a.example"), Full);
    folder.write("keys", "fedcba9876543210".repeat(8));
    let changed = edge(&folder, "shop", KEYS, "").site();
    assert_eq!(kind(&client, &changed, "a.example"), Full);
}

#[test]
fn a_reload_keeps_the_secret() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    let client = Arc::new(client(&root));
    let built = edge(&folder, "shop", "", "");
    let common = built.common.clone();
    let site = built.site();
    assert_eq!(kind(&client, &site, "a.example"), Full);
    folder.put("a", &root.issue(&["a.example", "c.example"]));
    let own = pair("a");
    let wanted = Wanted {
        name: "shop",
        own: &own,
        before: Some((&common, &site)),
        ..Wanted::default()
    };
    let again = wanted.build(&folder.0).site();
    assert_eq!(kind(&client, &again, "a.example"), Resumed);
}

#[test]
fn without_tickets_nobody_comes_back() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    let client = Arc::new(client(&root));
    let site = edge(&folder, "shop", "tickets = false", "").site();
    for _ in 0..2 {
        assert_eq!(kind(&client, &site, "a.example"), Full);
    }
}

/// A client with a certificate.
fn identified(root: &Authority) -> Arc<ClientConfig> {
    let issued = root.issue_client("ann");
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots(root));
    let client = builder.with_client_auth_cert(vec![issued.der()], issued.key_der());
    Arc::new(client.unwrap())
}

#[test]
fn a_ticket_proves_nothing_elsewhere_or_after_the_authorities_changed() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    let ca = "client_ca = \"ca.pem\"";
    let site = edge(&folder, "shop", KEYS, ca).site();
    let client = identified(&root);
    assert_eq!(kind(&client, &site, "a.example"), Full);
    let again = edge(&folder, "shop", KEYS, ca).site();
    let (_, server) = shake(&client, &again, "a.example").unwrap();
    assert_eq!(server.handshake_kind(), Some(Resumed));
    assert_eq!(
        ClientIdentity::of(&server).unwrap().subject,
        "CN=ann,O=Example\\, Inc."
    );
    let elsewhere = edge(&folder, "blog", KEYS, ca).site();
    assert_eq!(kind(&client, &elsewhere, "a.example"), Full);
    let open = edge(&folder, "shop", KEYS, "").site();
    assert_eq!(kind(&client, &open, "a.example"), Full);
    // Who came in without a certificate has none when one is required from now on.
    let optional = format!("{ca}\nclient_auth = \"optional\"");
    let stranger = Arc::new(super::client(&root));
    let lax = edge(&folder, "shop", KEYS, &optional).site();
    assert_eq!(kind(&stranger, &lax, "a.example"), Full);
    assert_eq!(kind(&stranger, &lax, "a.example"), Resumed);
    assert!(shake(&stranger, &site, "a.example").is_err());
    // An authority more, or another: all are asked again.
    let client = identified(&root);
    assert_eq!(kind(&client, &site, "a.example"), Full);
    folder.write("ca.pem", root.pem.clone() + &Authority::root("Other").pem);
    let changed = edge(&folder, "shop", KEYS, ca).site();
    assert_eq!(kind(&client, &changed, "a.example"), Full);
    assert_eq!(kind(&client, &changed, "a.example"), Resumed);
}

#[test]
fn a_secret_that_is_none_is_refused() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    for (text, told) in [
        ("", "is empty"),
        ("0123456789abcdef", "is too short"),
        (&"0".repeat(128), "is not random"),
    ] {
        folder.write("keys", text);
        let built = edge(&folder, "shop", KEYS, "");
        assert_eq!(built.count, 1, "{}", built.errors);
        assert!(built.errors.contains(told), "{}", built.errors);
        assert!(
            built.errors.contains("3 | ticket_keys = "),
            "{}",
            built.errors
        );
    }
    let built = edge(&folder, "shop", "ticket_keys = \"gone\"", "");
    assert!(
        built.errors.contains("put a random secret there"),
        "{}",
        built.errors
    );
    let built = edge(
        &folder,
        "shop",
        "tickets = false\nticket_keys = \"keys\"",
        "",
    );
    assert!(
        built.errors.contains("`ticket_keys` does nothing"),
        "{}",
        built.errors
    );
    folder.write("keys", "0123456789abcdef".repeat(8));
    let all = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path("keys"), all).unwrap();
    let built = edge(&folder, "shop", KEYS, "");
    assert!(
        built.warnings.contains("can read the tickets' secret"),
        "{}",
        built.warnings
    );
}

#[test]
fn a_redis_that_is_none_is_refused_without_its_password() {
    let root = Authority::root("Root");
    let folder = folder(&root);
    for (url, told) in [
        ("rediss://:sesame@localhost", "TLS to Redis does not exist"),
        ("http://:sesame@localhost", "expected redis://HOST:PORT/DB"),
        (
            "redis://:sesame@local host",
            "expected redis://USER:PASSWORD@HOST",
        ),
    ] {
        let built = edge(&folder, "shop", &format!("redis = {{ url = {url:?} }}"), "");
        assert_eq!(built.count, 1, "{}", built.errors);
        assert!(built.errors.contains(told), "{}", built.errors);
        assert!(!built.errors.contains("sesame"), "{}", built.errors);
    }
    let built = edge(
        &folder,
        "shop",
        "redis = { url = \"redis://:sesame@localhost\" }",
        "",
    );
    assert!(!format!("{:?}", built.common).contains("sesame"));
    assert_eq!(built.count, 0);
}
