//! `[tls]`, a site's `tls`, what is spoken on a listener, and the bounds of connections.

use crate::certificate::{Made, made, private};
use crate::checked::{Mistake, check_path, mistake, right};
use crate::keys::{with, wrong};
use crate::support::Folder;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

/// A certificate for these hosts as `cert.pem` and `key.pem` in this folder, and an authority's as
/// `ca.pem`.
pub fn bring(folder: &Folder, hosts: &[&str]) -> Made {
    let made = made(hosts, 365);
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = authority.self_signed(&KeyPair::generate().unwrap());
    folder.write("ca.pem", &authority.unwrap().pem());
    made.write(&folder.join("cert.pem"), &folder.join("key.pem"));
    made
}

/// A site with this `listen` and these lines in its `tls`.
fn site(listen: &str, tls: &str) -> String {
    format!(
        "[[site]]\nname = \"s\"\nhosts = [\"a.example\"]\nlisten = [{listen}]\n{tls}\n\
         [[site.route]]\npath = \"/\"\nrespond = {{}}\n"
    )
}

const SECURED: &str = r#"{ address = "127.0.0.1:0", tls = true }"#;
const FILES: &str = "[site.tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";

/// The only mistake of this configuration in a folder with `cert.pem` and `key.pem`.
fn only(text: &str) -> Mistake {
    let folder = Folder::new();
    bring(&folder, &["a.example"]);
    in_folder(&folder, text)
}

fn in_folder(folder: &Folder, text: &str) -> Mistake {
    folder.write("parvis.toml", text);
    let checked = check_path(folder, "parvis.toml");
    assert_eq!(checked.code, 2, "{text}\n{}{}", checked.out, checked.err);
    let mut all = checked.mistakes();
    assert_eq!(all.len(), 1, "{}", checked.err);
    all.remove(0)
}

#[test]
fn values_of_the_process_are_checked() {
    for (table, lines, under, message, label) in rows! {
        "tls", "unknown_sni = \"refuse\"", "\"refuse\"", "invalid value \"refuse\"", "expected one of \"default\", \"reject\"";
        "tls", "unknown_sni = \"rejct\"", "\"rejct\"", "invalid value \"rejct\"", "did you mean \"reject\"?";
        "tls", "tickets = \"yes\"", "\"yes\"", "expected `true` or `false`", "`true` or `false`";
        "tls", "storage = \"\"", "\"\"", "empty path", "expected a path";
        "tls", "ticket_keys = \"nowhere\"", "\"nowhere\"", "cannot read ./nowhere: No such file", "";
        "tls", "redis = \"redis://127.0.0.1\"", "\"redis://127.0.0.1\"", "expected a table, found a string", "a table";
        "tls", "redis = { url = \"http://127.0.0.1\" }", "\"http://127.0.0.1\"", "Redis", "";
        "tls", "redis = {}", "{", "missing key `url`", "`url` must be given here";
        "server.connections", "max = -1", "-1", "integer out of range", "expected 0 to";
        "server.connections", "max = \"1000\"", "\"1000\"", "expected an integer, found a string", "an integer";
        "server.connections", "per_address = 1.5", "1.5", "expected an integer, found a float", "an integer";
        "server.connections", "handshake_timeout = 10", "10", "invalid duration: an integer", "expected a duration";
        "server.connections", "per_adress = 1", "per_adress", "unknown key `per_adress`", "did you mean `per_address`?";
        "server.http2", "enabled = 1", "1", "expected `true` or `false`, found an integer", "`true` or `false`";
        "server.http2", "streams = 0", "0", "`streams` cannot be 0", "it is from 1 to 1000";
        "server.http2", "streams = 1001", "1001", "`streams` cannot be 1001", "it is from 1 to 1000";
        "server.http2", "header_list = \"4095\"", "\"4095\"", "`header_list` cannot be 4095", "it is from 4096 to 1048575";
        "server.http2", "header_list = \"1MiB\"", "\"1MiB\"", "`header_list` cannot be 1048576", "it is from 4096 to 1048575";
        "server.http2", "header_list = \"64 Kilo\"", "\"64 Kilo\"", "invalid size \"64 Kilo\"", "expected a size";
        "server.http2", "stream_window = \"64kB\"", "\"64kB\"", "`stream_window` cannot be 64000", "it is from 65535 to 2147483647";
        "server.http2", "connection_window = \"2GiB\"", "\"2GiB\"", "`connection_window` cannot be 2147483648", "it is from 65535 to";
        "server.http2", "idle_timeout = \"3\"", "\"3\"", "invalid duration \"3\"", "a unit is missing";
        "server.http2", "stream = 100", "stream", "unknown key `stream`", "did you mean `streams`?";
    } {
        let mistake = wrong(table, lines);
        assert_eq!(mistake.under, under, "{lines}: {}", mistake.message);
        let said = &mistake.message;
        assert!(said.contains(message), "{lines}: {said}");
        assert!(mistake.label.contains(label), "{lines}: {}", mistake.label);
    }
    for (table, lines) in rows! {
        "server.connections", "max = 0\nper_address = 0";
        "server.http2", "streams = 1\nheader_list = \"4096\"\nstream_window = \"65535\"";
        "server.http2", "streams = 1000\nheader_list = \"1048575\"\nconnection_window = \"2147483647\"";
        "tls", "unknown_sni = \"reject\"\ntickets = false";
    } {
        right(&with(table, lines));
    }
}

#[test]
fn values_of_a_site_are_checked() {
    for (lines, under, message, label) in rows! {
        "min_version = \"1.1\"", "\"1.1\"", "invalid value \"1.1\"", "did you mean \"1.2\"?";
        "min_version = \"TLSv1.3\"", "\"TLSv1.3\"", "invalid value \"TLSv1.3\"", "expected one of \"1.2\", \"1.3\"";
        "min_version = 1.3", "1.3", "found a float", "expected a string";
        "redirect = \"no\"", "\"no\"", "expected `true` or `false`", "`true` or `false`";
        "client_auth = \"optional\"", "\"optional\"", "`client_auth` is given without `client_ca`", "whose certificates?";
        "client_ca = \"none.pem\"", "\"none.pem\"", "cannot read ./none.pem: No such file", "";
        "client_ca = \"key.pem\"", "\"key.pem\"", "key.pem", "";
        "client_ca = \"ca.pem\"\nclient_auth = \"some\"", "\"some\"", "invalid value \"some\"", "expected one of \"required\", \"optional\"";
        "certificates = \"cert.pem\"", "\"cert.pem\"", "expected a list", "";
        "certificates = [{ certificate = \"cert.pem\" }]", "{", "missing key `key`", "";
        "certificats = []", "certificats", "unknown key `certificats`", "did you mean `certificate`?";
        "acme = \"ops@a.example\"", "\"ops@a.example\"", "expected a table, found a string", "a table";
        "acme = { mail = \"ops@a.example\" }", "mail", "unknown key `mail`", "did you mean `email`?";
        "acme = { challenge = \"dns-01\" }", "\"dns-01\"", "invalid value \"dns-01\"", "expected one of \"http-01\", \"tls-alpn-01\"";
        "acme = { eab = { kid = \"k\" } }", "{", "missing key `hmac_key`", "`hmac_key` must be given here";
    } {
        let mistake = only(&site(SECURED, &format!("{FILES}{lines}")));
        assert_eq!(mistake.under, under, "{lines}: {}", mistake.message);
        let said = &mistake.message;
        assert!(said.contains(message), "{lines}: {said}");
        assert!(mistake.label.contains(label), "{lines}: {}", mistake.label);
    }
}

/// Each its own message, with the line that names the file.
#[test]
fn files_that_cannot_be_used_say_why() {
    let one = || made(&["a.example"], 365);
    let (own, other) = (one(), one());
    let cut = &own.certificate[..own.certificate.len() / 2];
    let chain = format!("{}{}", other.certificate, own.certificate);
    for (certificate, key, line, message) in [
        (
            own.certificate.as_str(),
            other.key.as_str(),
            6,
            "the key does not belong to the certificate in ./cert.pem",
        ),
        (own.key.as_str(), own.key.as_str(), 6, "cert.pem"),
        (
            own.certificate.as_str(),
            own.certificate.as_str(),
            7,
            "key.pem",
        ),
        (cut, own.key.as_str(), 6, "cert.pem"),
        ("no PEM at all\n", own.key.as_str(), 6, "cert.pem"),
        ("", own.key.as_str(), 6, "cert.pem"),
        (
            chain.as_str(),
            own.key.as_str(),
            6,
            "the chain in ./cert.pem is out of order",
        ),
    ] {
        let folder = Folder::new();
        folder.write("cert.pem", certificate);
        private(&folder.join("key.pem"), key);
        let mistake = in_folder(&folder, &site(SECURED, FILES));
        let at = format!("parvis.toml:{line}:");
        assert!(mistake.at().starts_with(&at), "{}", mistake.at());
        assert!(mistake.message.contains(message), "{}", mistake.message);
        assert!(!mistake.label.is_empty(), "{}", mistake.message);
    }
    let folder = Folder::new();
    folder.write("cert.pem", &own.certificate);
    let missing = in_folder(&folder, &site(SECURED, FILES));
    assert_eq!(missing.under, "\"key.pem\"");
    assert!(missing.message.contains("key.pem"), "{}", missing.message);
}

#[test]
fn a_certificate_and_its_key_come_together() {
    for (given, other) in [("certificate", "key"), ("key", "certificate")] {
        let tls = format!("[site.tls]\n{given} = \"cert.pem\"\n");
        let mistake = only(&site(SECURED, &tls));
        let message = format!("`{given}` is given without `{other}`");
        assert_eq!(mistake.message, message);
        assert_eq!(mistake.under, "\"cert.pem\"");
    }
    let mistake = only(&site(SECURED, "[site.tls]\nmin_version = \"1.3\"\n"));
    assert_eq!(mistake.message, "the site `s` has no certificate");
    assert_eq!(mistake.label, "expected `certificate` and `key`, or `acme`");
    assert!(mistake.help.contains("acme = { email"), "{}", mistake.help);
}

#[test]
fn a_listener_with_tls_and_a_site_with_certificates_come_together() {
    let mistake = mistake(&site(SECURED, ""));
    assert_eq!(
        mistake.message,
        "the site `s` has no certificate for this listener"
    );
    assert_eq!(mistake.under, SECURED);
    assert!(mistake.help.contains("add [site.tls]"), "{}", mistake.help);
    assert_eq!(mistake.related[0].2, "the site");
    let nowhere = only(&site("\"127.0.0.1:0\"", FILES));
    assert_eq!(
        nowhere.message,
        "the site `s` has certificates and no listener for them"
    );
    assert_eq!(nowhere.under, "\"s\"");
    assert!(nowhere.help.contains("tls = true"), "{}", nowhere.help);
    // `server.listen` is one too.
    let process = format!(
        "[server]\nlisten = [{SECURED}]\n{}",
        site("", FILES).replace("listen = []\n", "")
    );
    let folder = Folder::new();
    bring(&folder, &["a.example"]);
    folder.write("parvis.toml", &process);
    let checked = check_path(&folder, "parvis.toml");
    assert_eq!((checked.code, checked.err.as_str()), (0, ""));
}

#[test]
fn what_is_spoken_on_a_listener_is_checked() {
    for (flags, under, message, label) in rows! {
        "tls = true, h2c = true", "{ address = \"127.0.0.1:0\", tls = true, h2c = true }", "`h2c` is HTTP/2 without TLS", "this listener has `tls = true`";
        "tls = \"yes\"", "\"yes\"", "expected `true` or `false`", "";
        "proxy_protocol = 2", "2", "expected `true` or `false`", "";
        "h2c = \"on\"", "\"on\"", "expected `true` or `false`", "";
        "h2 = true", "h2", "unknown key `h2`", "did you mean `h2c`?";
        "proxy = true", "proxy", "unknown key `proxy`", "";
    } {
        let listen = format!("listen = [{{ address = \"127.0.0.1:0\", {flags} }}]");
        let mistake = wrong("[site]", &listen);
        assert_eq!(mistake.under, under, "{flags}: {}", mistake.message);
        let said = &mistake.message;
        assert!(said.contains(message), "{flags}: {said}");
        assert!(mistake.label.contains(label), "{flags}: {}", mistake.label);
    }
    for flags in [
        "h2c = true",
        "proxy_protocol = true",
        "h2c = true, proxy_protocol = true",
        "tls = false",
    ] {
        right(&with(
            "[site]",
            &format!("listen = [{{ address = \"127.0.0.1:0\", {flags} }}]"),
        ));
    }
}

#[test]
fn sites_of_a_listener_agree_on_what_is_spoken_there() {
    let one = |name: &str, listen: &str| {
        site(listen, "")
            .replace("\"s\"", &format!("\"{name}\""))
            .replace("a.example", &format!("{name}.example"))
    };
    for flag in ["h2c", "proxy_protocol"] {
        let text = one("a", "\"127.0.0.1:0\"")
            + &one(
                "b",
                &format!("{{ address = \"127.0.0.1:0\", {flag} = true }}"),
            );
        let mistake = mistake(&text);
        assert_eq!(
            mistake.message,
            "the sites `a` and `b` do not agree on 127.0.0.1:0"
        );
        assert_eq!(mistake.related[0].0, "parvis.toml:4:11");
        assert_eq!(mistake.related[0].2, "the other one is here");
    }
    // A site without TLS on another's listener with it.
    let secured = one("a", SECURED).replace("[[site.route]]", &format!("{FILES}[[site.route]]"));
    let mistake = only(&(secured + &one("b", "\"127.0.0.1:0\"")));
    assert!(
        mistake.message.contains("do not agree"),
        "{}",
        mistake.message
    );
    assert_eq!(mistake.under, "\"127.0.0.1:0\"");
}

/// What the site with this certificate is warned of, and that it is right all the same.
fn warned(hosts: &[&str], days: i64) -> String {
    let folder = Folder::new();
    made(hosts, days).write(&folder.join("cert.pem"), &folder.join("key.pem"));
    folder.write("parvis.toml", &site(SECURED, FILES));
    let checked = check_path_with_warnings(&folder);
    assert_eq!(
        (checked.0, checked.1.as_str()),
        (
            0,
            "parvis.toml: right: 1 site, 1 route, 0 upstreams, 1 listener\n"
        ),
        "{}",
        checked.2
    );
    checked.2
}

fn check_path_with_warnings(folder: &Folder) -> (i32, String, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["check", "-c", "parvis.toml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_certificate_that_ends_within_14_days_is_warned_about() {
    for (days, message, label) in [
        (
            13,
            "the certificate in ./cert.pem expires on ",
            "^^ in 13 days",
        ),
        (
            1,
            "the certificate in ./cert.pem expires on ",
            "^^ in 1 day",
        ),
        (
            -3,
            "the certificate in ./cert.pem expired on ",
            "^^ 2 days ago: clients refuse it",
        ),
    ] {
        let said = warned(&["a.example"], days);
        assert!(said.starts_with(&format!("warning: {message}")), "{said}");
        assert!(said.contains(" --> parvis.toml:6:15\n"), "{said}");
        assert!(said.contains(label), "{said}");
        assert!(!said.contains("error"), "{said}");
    }
    assert_eq!(warned(&["a.example"], 14), "");
    let other = warned(&["b.example"], 90);
    let message = "warning: no certificate of the site `s` is for `a.example`\n";
    assert!(other.starts_with(message), "{other}");
    assert!(other.contains("for b.example"), "{other}");
}
