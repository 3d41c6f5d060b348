//! Files that are wrong: each in its own way, told with the line that names it and what to do.

use super::{folder, site};
use crate::support::certificates::{Authority, Order, Pair};
use crate::support::programs::{openssl, run, said};
use crate::support::{Folder, Parvis, command};
use std::collections::BTreeSet;
use std::process::Command;

/// A configuration of one site, with more in its `tls`.
fn written(folder: &Folder, tls: &str) {
    Parvis::write_configuration(folder, &site("a", &["a.test"], tls));
}

/// What `parvis check` and `parvis run` say of it, which is the same, and how `check` ends.
fn check(folder: &Folder) -> (String, i32) {
    let file = folder.join("parvis.toml");
    let output = command(&["check", "-c", file.to_str().unwrap()]);
    let told = String::from_utf8(output.stderr).unwrap();
    (told, output.status.code().unwrap())
}

/// Where a key of the configuration stands, as messages have it.
fn line(folder: &Folder, key: &str) -> String {
    let text = folder.read("parvis.toml");
    let number = text.lines().position(|line| line.starts_with(key));
    let number = number.unwrap_or_else(|| panic!("no {key} in {text}"));
    format!("parvis.toml:{}:", number + 1)
}

struct Case {
    /// What is made wrong.
    spoil: fn(&Folder, &Authority, &Pair),
    /// What more the site's `tls` has.
    tls: &'static str,
    /// The key whose line is shown.
    key: &'static str,
    /// What is said: the message, and the help.
    told: &'static [&'static str],
}

/// An RSA key of 1024 bits, and a certificate of its own for it.
fn weak(folder: &Folder) {
    let (key, pem) = (folder.join("a.key"), folder.join("a.pem"));
    let output = run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:1024", "-nodes", "-sha256"])
        .args([
            "-subj",
            "/CN=a.test",
            "-addext",
            "subjectAltName=DNS:a.test",
        ])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(pem));
    assert!(output.status.success(), "{}", said(&output));
}

/// A key with a passphrase, as OpenSSL writes it now or wrote it once.
fn locked(folder: &Folder, how: &[&str]) {
    let (from, to) = (folder.join("a.key"), folder.join("locked.key"));
    let mut all = how.to_vec();
    all.extend(["-in", from.to_str().unwrap(), "-out", to.to_str().unwrap()]);
    all.extend(["-passout", "pass:word"]);
    openssl(&all);
    std::fs::rename(to, from).unwrap();
}

const CASES: &[(&str, Case)] = &[
    (
        "another key",
        Case {
            spoil: |folder, authority, _| {
                folder.write("a.key", &authority.sign(&["a.test"]).key);
            },
            tls: "",
            key: "certificate",
            told: &["the key does not belong to the certificate", "name the key"],
        },
    ),
    (
        "garbage",
        Case {
            spoil: |folder, _, _| {
                folder.write("a.pem", "garbage\n");
            },
            tls: "",
            key: "certificate",
            told: &["a.pem is no PEM", "-----BEGIN"],
        },
    ),
    (
        "garbage for a key",
        Case {
            spoil: |folder, _, _| {
                folder.write("a.key", "garbage\n");
            },
            tls: "",
            key: "key",
            told: &["a.key is no PEM", "-----BEGIN"],
        },
    ),
    (
        "garbage in a section",
        Case {
            spoil: |folder, _, own| {
                folder.write("a.pem", &own.certificate.replacen("MI", "!!", 1));
            },
            tls: "",
            key: "certificate",
            told: &["is broken PEM", "copy it again"],
        },
    ),
    (
        "cut off",
        Case {
            spoil: |folder, _, own| {
                folder.write("a.pem", &own.certificate[..own.certificate.len() / 2]);
            },
            tls: "",
            key: "certificate",
            told: &["has no end", "copy it again"],
        },
    ),
    (
        "no certificate inside",
        Case {
            spoil: |folder, _, _| {
                let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
                folder.write("a.pem", text);
            },
            tls: "",
            key: "certificate",
            told: &["the certificate in", "cannot be read", "copy it again"],
        },
    ),
    (
        "DER",
        Case {
            spoil: |folder, _, own| std::fs::write(folder.join("a.pem"), own.der()).unwrap(),
            tls: "",
            key: "certificate",
            told: &["is no PEM", "openssl x509 -inform der"],
        },
    ),
    (
        "empty",
        Case {
            spoil: |folder, _, _| {
                folder.write("a.pem", "");
            },
            tls: "",
            key: "certificate",
            told: &["a.pem is empty"],
        },
    ),
    (
        "an empty key",
        Case {
            spoil: |folder, _, _| {
                folder.write("a.key", " \n");
            },
            tls: "",
            key: "key",
            told: &["a.key is empty"],
        },
    ),
    (
        "missing",
        Case {
            spoil: |folder, _, _| std::fs::remove_file(folder.join("a.pem")).unwrap(),
            tls: "",
            key: "certificate",
            told: &["cannot read", "No such file", "mend the path"],
        },
    ),
    (
        "a missing key",
        Case {
            spoil: |folder, _, _| std::fs::remove_file(folder.join("a.key")).unwrap(),
            tls: "",
            key: "key",
            told: &[
                "cannot read",
                "a private key, in PEM there, or mend the path",
            ],
        },
    ),
    (
        "a folder",
        Case {
            spoil: |folder, _, _| {
                std::fs::remove_file(folder.join("a.key")).unwrap();
                std::fs::create_dir(folder.join("a.key")).unwrap();
            },
            tls: "",
            key: "key",
            told: &["a.key is a folder"],
        },
    ),
    (
        "encrypted",
        Case {
            spoil: |folder, _, _| locked(folder, &["pkcs8", "-topk8"]),
            tls: "",
            key: "key",
            told: &["is encrypted", "take the encryption off"],
        },
    ),
    (
        "encrypted as it once was",
        Case {
            spoil: |folder, _, _| locked(folder, &["ec", "-aes128"]),
            tls: "",
            key: "key",
            told: &["is encrypted", "take the encryption off"],
        },
    ),
    (
        "swapped",
        Case {
            spoil: |folder, _, own| {
                folder.write("a.pem", &own.key);
                folder.write("a.key", &own.certificate);
            },
            tls: "",
            key: "certificate",
            told: &[
                "has a private key and no certificate",
                "has a certificate and no private key",
                "are `certificate` and `key` swapped?",
            ],
        },
    ),
    (
        "an authority's before the site's own",
        Case {
            spoil: |folder, authority, own| {
                folder.write("a.pem", &format!("{}{}", authority.pem, own.certificate));
            },
            tls: "",
            key: "certificate",
            told: &[
                "is out of order",
                "belongs to certificate 2 of 2",
                "comes first",
            ],
        },
    ),
    (
        "a chain in the wrong order",
        Case {
            spoil: |folder, authority, _| {
                let between = authority.intermediate("Between");
                let own = between.sign(&["a.test"]);
                let chain = format!("{}{}{}", own.certificate, authority.pem, between.pem);
                folder.write("a.pem", &chain);
                folder.write("a.key", &own.key);
            },
            tls: "",
            key: "certificate",
            told: &[
                "is out of order",
                "its issuer is certificate 3",
                "put that one behind it",
            ],
        },
    ),
    (
        "a strange certificate in the chain",
        Case {
            spoil: |folder, _, own| {
                let other = Authority::named("Somebody else");
                folder.write("a.pem", &format!("{}{}", own.certificate, other.pem));
            },
            tls: "",
            key: "certificate",
            told: &[
                "is out of order",
                "did not issue",
                "take out what does not belong",
            ],
        },
    ),
    (
        "weak",
        Case {
            spoil: |folder, _, _| weak(folder),
            tls: "",
            key: "key",
            told: &["none that can be used", "RSA of 2048", "openssl ecparam"],
        },
    ),
    (
        "no authorities",
        Case {
            spoil: |_, _, _| {},
            tls: "client_ca = \"@DIR/clients.pem\"",
            key: "client_ca",
            told: &["cannot read", "clients.pem", "mend the path"],
        },
    ),
    (
        "no authorities in the file",
        Case {
            spoil: |folder, _, own| {
                folder.write("clients.pem", &own.key);
            },
            tls: "client_ca = \"@DIR/clients.pem\"",
            key: "client_ca",
            told: &["clients.pem has a private key and no certificate"],
        },
    ),
    (
        "who is asked by nobody",
        Case {
            spoil: |_, _, _| {},
            tls: "client_auth = \"optional\"",
            key: "client_auth",
            told: &["client_ca"],
        },
    ),
];

#[test]
fn each_mistake_has_a_message_of_its_own() {
    let authority = Authority::new();
    let own = authority.sign(&["a.test"]);
    let mut messages = BTreeSet::new();
    for (name, case) in CASES {
        let folder = folder(&[("a", &own)]);
        (case.spoil)(&folder, &authority, &own);
        written(&folder, case.tls);
        let (told, code) = check(&folder);
        assert_eq!(code, 2, "{name}: {told}");
        for part in case.told {
            assert!(told.contains(part), "{name}: no {part:?} in:\n{told}");
        }
        let line = line(&folder, case.key);
        assert!(told.contains(&line), "{name}: no {line} in:\n{told}");
        // `run` says the same, and does not begin.
        let file = folder.join("parvis.toml");
        let output = command(&["run", "-c", file.to_str().unwrap()]);
        assert!(!output.status.success(), "{name}");
        let again = String::from_utf8(output.stderr).unwrap();
        assert!(again.contains(told.trim_end()), "{name}: {again}");
        let folder = folder.path().to_str().unwrap();
        let is_new = messages.insert(told.replace(folder, "DIR"));
        assert!(is_new || name.starts_with("encrypted"), "{name}: {told}");
    }
}

/// What clients may not like is told, and served all the same.
#[test]
fn warnings_do_not_fail() {
    let authority = Authority::new();
    let order = |names: &[&str], days| {
        authority.order(&Order {
            names,
            days,
            ..Order::default()
        })
    };
    let usual = (-1, 90);
    for (name, own, key, told) in [
        (
            "expired",
            order(&["a.test"], (-10, -3)),
            "certificate",
            "expired on",
        ),
        (
            "ends soon",
            order(&["a.test"], (-10, 13)),
            "certificate",
            "expires on",
        ),
        (
            "early",
            order(&["a.test"], (2, 90)),
            "certificate",
            "is not valid before",
        ),
        (
            "of others",
            order(&["b.test"], usual),
            "hosts",
            "is for `a.test`",
        ),
        ("of nobody", order(&[], usual), "hosts", "is for `a.test`"),
    ] {
        let folder = folder(&[("a", &own)]);
        written(&folder, "");
        let (warned, code) = check(&folder);
        assert_eq!(code, 0, "{name}: {warned}");
        assert!(warned.contains("warning: "), "{name}: {warned}");
        assert!(warned.contains(told), "{name}: {warned}");
        let line = line(&folder, key);
        assert!(warned.contains(&line), "{name}: no {line} in:\n{warned}");
        let parvis = Parvis::start_in(folder, &site("a", &["a.test"], ""), &[]);
        assert!(parvis.log().contains(told), "{name}: {}", parvis.log());
    }
    // One that has two weeks and more left, for its hosts, is not warned about.
    let folder = folder(&[("a", &order(&["a.test"], (-1, 15)))]);
    let key = folder.join("a.key");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(key, mode).unwrap();
    written(&folder, "");
    assert_eq!(check(&folder), (String::new(), 0));
}

#[test]
fn listeners_and_tables_must_agree() {
    let authority = Authority::new();
    let folder = folder(&[("a", &authority.sign(&["a.test"]))]);
    let whole = site("a", &["a.test"], "");
    for (name, text, told) in [
        (
            "no table",
            whole
                .lines()
                .filter(|l| !l.starts_with("[site.tls]") && !l.contains("DIR"))
                .collect::<Vec<_>>()
                .join("\n"),
            "has no certificate for this listener",
        ),
        (
            "no listener",
            whole.replace("tls = true", "tls = false"),
            "has certificates and no listener for them",
        ),
        (
            "no key",
            whole
                .lines()
                .filter(|l| !l.starts_with("key"))
                .collect::<Vec<_>>()
                .join("\n"),
            "`certificate` is given without `key`",
        ),
        (
            "no certificate",
            whole
                .lines()
                .filter(|l| !l.starts_with("certificate"))
                .collect::<Vec<_>>()
                .join("\n"),
            "`key` is given without `certificate`",
        ),
        (
            "two minds",
            format!(
                "{whole}{}",
                site("b", &["b.test"], "")
                    .replace("tls = true", "tls = false")
                    .replace("[site.tls]\n", "")
                    .replace("certificate = \"@DIR/b.pem\"\n", "")
                    .replace("key = \"@DIR/b.key\"\n", "")
            ),
            "do not agree on 127.0.0.1:0",
        ),
    ] {
        Parvis::write_configuration(&folder, &text);
        let (said, code) = check(&folder);
        assert_eq!(code, 2, "{name}: {said}");
        assert!(said.contains(told), "{name}: {said}");
        assert!(said.contains("parvis.toml:"), "{name}: {said}");
        assert!(
            said.contains("help: ") || name == "two minds",
            "{name}: {said}"
        );
    }
}

#[test]
fn a_secret_that_is_none_is_refused() {
    let authority = Authority::new();
    let folder = folder(&[("a", &authority.sign(&["a.test"]))]);
    let top = "[tls]\nticket_keys = \"@DIR/tickets\"\n";
    Parvis::write_configuration(&folder, &format!("{top}{}", site("a", &["a.test"], "")));
    for (text, told) in [
        (None, "cannot read"),
        (Some(String::new()), "is empty"),
        (Some("short".to_string()), "is too short"),
        (Some("0".repeat(128)), "is not random"),
    ] {
        if let Some(text) = text {
            folder.write("tickets", &text);
        }
        let (said, code) = check(&folder);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(told), "{said}");
        assert!(said.contains(&line(&folder, "ticket_keys")), "{said}");
    }
}
