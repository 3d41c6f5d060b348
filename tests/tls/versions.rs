//! Which versions, suites, groups and protocols are spoken.

use super::{failures, folder, one, says, site};
use crate::support::certificates::Authority;
use crate::support::programs::{run, said};
use crate::support::secure::{Secure, client, trusting};
use crate::support::{Parvis, until};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, NamedGroup, ProtocolVersion};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

/// What `openssl s_client` says of a handshake with these arguments. At security level 0 it offers
/// whatever it knows.
fn s_client(address: SocketAddr, name: &str, arguments: &[&str]) -> String {
    let output = run(Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string()])
        .args(["-servername", name])
        .args(arguments));
    said(&output)
}

#[test]
fn openssl_speaks_1_3_and_1_2_and_nothing_older() {
    let (_, parvis) = one();
    let at = parvis.address();
    let new = s_client(at, "a.test", &["-tls1_3"]);
    assert!(new.contains("New, TLSv1.3, Cipher is TLS_"), "{new}");
    let old = s_client(at, "a.test", &["-tls1_2"]);
    assert!(
        old.contains("New, TLSv1.2, Cipher is ECDHE-ECDSA-"),
        "{old}"
    );
    assert!(old.contains("Extended master secret: yes"), "{old}");
    assert!(old.contains("Compression: NONE"), "{old}");
    for version in ["-tls1_1", "-tls1"] {
        let none = s_client(at, "a.test", &[version, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(none.contains("Cipher is (NONE)"), "{none}");
        assert!(none.contains("SSL alert number"), "{none}");
    }
    until("they are counted", || {
        (failures(&parvis, "incompatible") == 2.0).then_some(())
    });
    let count = |series: &str| parvis.metric(&format!("parvis_tls_handshakes_total{{{series}}}"));
    assert_eq!(count("resumed=\"no\",version=\"1.3\""), 1.0);
    assert_eq!(count("resumed=\"no\",version=\"1.2\""), 1.0);
}

#[test]
fn one_sites_oldest_version_is_not_the_other_ones() {
    let authority = Authority::new();
    let folder = folder(&[
        ("a", &authority.sign(&["a.test"])),
        ("b", &authority.sign(&["b.test"])),
    ]);
    let configuration = format!(
        "{}{}",
        site("a", &["a.test"], "min_version = \"1.3\""),
        site("b", &["b.test"], "")
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    let old = client(&authority, &[&TLS12], None);
    let refused = Secure::try_open(parvis.address(), "a.test", &old).err();
    let refused = refused.expect("TLS 1.2 was spoken").to_string();
    assert!(refused.contains("ProtocolVersion"), "{refused}");
    let mut taken = Secure::open(parvis.address(), "b.test", &old);
    assert!(taken.is_version(ProtocolVersion::TLSv1_2));
    assert_eq!(taken.get("b.test", "/").text(), "b");
    assert_eq!(says(&parvis, &authority, "a.test"), "a");
}

/// What has no forward secrecy, or no authenticated encryption, is not spoken with anybody.
#[test]
fn old_suites_are_refused() {
    let authority = Authority::new();
    let folder = folder(&[("a", &authority.sign_rsa(&["a.test"]))]);
    let parvis = Parvis::start_in(folder, &site("a", &["a.test"], ""), &[]);
    let attempt =
        |suites: &str| s_client(parvis.address(), "a.test", &["-tls1_2", "-cipher", suites]);
    let weak = [
        "AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0",
        "ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES256-SHA:@SECLEVEL=0",
        "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0",
    ];
    for suites in weak {
        let told = attempt(suites);
        assert!(told.contains("alert handshake failure"), "{told}");
        assert!(told.contains("Cipher is (NONE)"), "{told}");
    }
    for suite in [
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ] {
        let told = attempt(suite);
        assert!(told.contains(&format!("Cipher is {suite}")), "{told}");
    }
}

/// A client that has groups, and which one was agreed on.
fn group(parvis: &Parvis, authority: &Authority, groups: &[NamedGroup]) -> Option<NamedGroup> {
    let mut provider = default_provider();
    let all = provider.kx_groups.clone();
    let known = |name: &NamedGroup| *all.iter().find(|group| group.name() == *name).unwrap();
    provider.kx_groups = groups.iter().map(known).collect();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = Secure::open(parvis.address(), "a.test", &config);
    let agreed = connection.session().negotiated_key_exchange_group();
    agreed.map(|group| group.name())
}

#[test]
fn keys_are_agreed_on_with_ml_kem_when_the_client_can() {
    let (authority, parvis) = one();
    let all = [
        NamedGroup::X25519MLKEM768,
        NamedGroup::X25519,
        NamedGroup::secp256r1,
        NamedGroup::secp384r1,
    ];
    let chosen = group(&parvis, &authority, &all);
    assert_eq!(chosen, Some(NamedGroup::X25519MLKEM768));
    for one in all {
        assert_eq!(group(&parvis, &authority, &[one]), Some(one));
    }
    assert_eq!(
        group(&parvis, &authority, &all[1..]),
        Some(NamedGroup::X25519)
    );
}

#[test]
fn the_protocol_is_what_both_can() {
    let (authority, parvis) = one();
    let offer = |protocols: &[&[u8]]| {
        let mut config = trusting(&authority);
        config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
        let connection = Secure::try_open(parvis.address(), "a.test", &config)?;
        let agreed = connection.session().alpn_protocol();
        Ok::<_, std::io::Error>(agreed.map(<[u8]>::to_vec))
    };
    assert_eq!(offer(&[]).unwrap(), None);
    assert_eq!(offer(&[b"http/1.1"]).unwrap(), Some(b"http/1.1".to_vec()));
    assert_eq!(offer(&[b"h2"]).unwrap(), Some(b"h2".to_vec()));
    assert_eq!(offer(&[b"http/1.1", b"h2"]).unwrap(), Some(b"h2".to_vec()));
    let other = offer(&[b"smtp"]).unwrap_err().to_string();
    assert!(other.contains("NoApplicationProtocol"), "{other}");
}

#[test]
fn curl_chooses_its_version_of_http() {
    let (authority, parvis) = one();
    let ca = parvis.folder.write("ca.pem", &authority.pem);
    let curl = |more: &[&str]| {
        let port = parvis.address().port();
        let output = run(Command::new("curl")
            .args([
                "-sS",
                "-w",
                " %{http_version} %{ssl_verify_result}",
                "--cacert",
            ])
            .arg(&ca)
            .args(["--resolve", &format!("a.test:{port}:127.0.0.1")])
            .args(more)
            .arg(format!("https://a.test:{port}/")));
        assert!(output.status.success(), "{}", said(&output));
        said(&output).trim().to_string()
    };
    assert_eq!(curl(&[]), "a 2 0");
    assert_eq!(curl(&["--http1.1"]), "a 1.1 0");
    assert_eq!(curl(&["--no-alpn"]), "a 1.1 0");
    assert_eq!(curl(&["--tls-max", "1.2"]), "a 2 0");
}

#[test]
fn http_2_may_be_switched_off() {
    let top = "[server.http2]\nenabled = false\n";
    let (authority, parvis) = super::one_with("", top);
    let mut config = trusting(&authority);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut connection = Secure::open(parvis.address(), "a.test", &config);
    let agreed = connection.session().alpn_protocol();
    assert_eq!(agreed, Some(b"http/1.1".as_slice()));
    assert_eq!(connection.get("a.test", "/").text(), "a");
}
