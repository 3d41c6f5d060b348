//! What may be wrong with files: each its own message, with the line that names the file.

use super::*;

/// The mistake of a configuration that has one.
fn mistake(folder: &Folder, own: &str) -> String {
    let built = built(folder, &["example.org"], own);
    assert!(built.site.is_none());
    assert_eq!(built.count, 1, "{}", built.errors);
    built.errors
}

/// A folder with a good certificate.
fn folder() -> (Folder, Authority, Issued) {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    let issued = root.issue(&["example.org"]);
    folder.put("good", &issued);
    (folder, root, issued)
}

#[test]
fn a_files_mistakes_are_told_with_the_line_that_names_it() {
    let (folder, root, good) = folder();
    let other = root.issue(&["example.org"]);
    let cut = &good.chain[..good.chain.len() / 2];
    folder.write("empty", "\n \n");
    folder.write("text", "no PEM\n");
    folder.write("der", good.der());
    folder.write("cut", cut);
    folder.write("dirt", good.leaf.replace("MII", "M!!"));
    folder.write("begin", "-----BEGIN CERTIFICATE\nMII\n");
    folder.write(
        "junk",
        "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
    );
    folder.write(
        "request",
        "-----BEGIN CERTIFICATE REQUEST-----\naGVsbG8=\n-----END CERTIFICATE REQUEST-----\n",
    );
    folder.write(
        "public",
        "-----BEGIN PUBLIC KEY-----\naGVsbG8=\n-----END PUBLIC KEY-----\n",
    );
    folder.write(
        "odd.key",
        "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n",
    );
    folder.write("other.key", &other.key);
    folder.openssl("pkey -in good.key -aes128 -passout pass:sesame -out new.key");
    folder.openssl("ec -in good.key -aes128 -passout pass:sesame -out old.key");
    std::fs::create_dir(folder.path("folder")).unwrap();
    std::fs::File::create(folder.path("large"))
        .unwrap()
        .set_len(5 << 20)
        .unwrap();
    for (certificate, told, help) in [
        (
            "nowhere",
            "cannot read",
            "put a certificate and its chain, in PEM there",
        ),
        ("folder", "is a folder", ""),
        ("large", "is larger than 4 MiB", ""),
        ("empty", "is empty", ""),
        ("text", "is no PEM", ""),
        ("der", "is no PEM", "openssl x509 -inform der"),
        (
            "cut",
            "is broken PEM: the section CERTIFICATE has no end",
            "was it cut off",
        ),
        (
            "dirt",
            "what stands in a section is no base64",
            "copy it again",
        ),
        ("begin", "begins no section", "copy it again"),
        ("junk", "the certificate in", "copy it again"),
        (
            "request",
            "has a request for a certificate (CSR) and no certificate",
            "the authority made of it",
        ),
        ("public", "has a public key and no certificate", ""),
        (
            "good.key",
            "has a private key and no certificate",
            "are `certificate` and `key` swapped?",
        ),
    ] {
        let own = format!("certificate = {certificate:?}\nkey = \"good.key\"");
        let error = mistake(&folder, &own);
        assert!(
            error.contains(told) && error.contains(help),
            "{certificate}: {error}"
        );
        assert!(
            error.contains(":5:15\n") && error.contains("\n5 | certificate = "),
            "{error}"
        );
    }
    for (key, told, help) in [
        ("nowhere", "cannot read", "put a private key, in PEM there"),
        ("folder", "is a folder", ""),
        ("empty", "is empty", ""),
        ("text", "is no PEM", ""),
        ("odd.key", "is none that can be used", "openssl ecparam"),
        ("public", "has a public key and no private key", ""),
        ("new.key", "is encrypted", "openssl pkey"),
        ("old.key", "is encrypted", "openssl pkey"),
        (
            "good.pem",
            "has a certificate and no private key",
            "swapped?",
        ),
    ] {
        let error = mistake(
            &folder,
            &format!("certificate = \"good.pem\"\nkey = {key:?}"),
        );
        assert!(
            error.contains(told) && error.contains(help),
            "{key}: {error}"
        );
        assert!(
            error.contains(":6:7\n") && error.contains("\n6 | key = "),
            "{error}"
        );
    }
    let error = mistake(&folder, "certificate = \"good.pem\"\nkey = \"other.key\"");
    assert!(
        error.contains("the key does not belong to the certificate in"),
        "{error}"
    );
    assert!(
        error.contains("::: ") && error.contains("6 | key = \"other.key\""),
        "{error}"
    );
}

#[test]
fn both_files_mistakes_are_told_in_one_go() {
    let (folder, ..) = folder();
    let built = built(
        &folder,
        &[],
        "certificate = \"a\"\nkey = \"b\"\nclient_ca = \"c\"",
    );
    assert_eq!(built.count, 3, "{}", built.errors);
}

#[test]
fn a_chain_must_be_in_order() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    let (one, two) = (root.below("One"), root.below("Two"));
    let deep = one.below("Deep");
    let leaf = deep.issue(&["example.org"]);
    folder.put("good", &leaf);
    assert_eq!(built(&folder, &["example.org"], &pair("good")).count, 0);
    folder.write("root.pem", leaf.chain.clone() + &root.pem);
    let whole = "certificate = \"root.pem\"\nkey = \"good.key\"";
    assert_eq!(built(&folder, &["example.org"], whole).count, 0);
    for (chain, told, help) in [
        (
            deep.pem.clone() + &leaf.leaf + &one.pem,
            "the key belongs to certificate 2 of 3",
            "the site's own certificate comes first",
        ),
        (
            leaf.leaf.clone() + &one.pem + &deep.pem,
            "certificate 2 (\"CN=One\") did not issue certificate 1, whose issuer is \"CN=Deep\"",
            "its issuer is certificate 3 of the file",
        ),
        (
            leaf.leaf.clone() + &deep.pem + &two.pem,
            "certificate 3 (\"CN=Two\") did not issue certificate 2",
            "take out what does not belong",
        ),
        // An authority that has the name and another key.
        (
            leaf.leaf.clone() + &two.below("Deep").pem,
            "certificate 2 (\"CN=Deep\") did not issue certificate 1",
            "",
        ),
        (leaf.leaf.repeat(2), "did not issue certificate 1", ""),
    ] {
        folder.write("chain.pem", chain);
        let error = mistake(&folder, "certificate = \"chain.pem\"\nkey = \"good.key\"");
        assert!(error.contains("is out of order"), "{error}");
        assert!(error.contains(told) && error.contains(help), "{error}");
    }
}

#[test]
fn what_clients_refuse_is_refused() {
    let folder = Folder::new();
    let request = "req -x509 -nodes -days 30 -subj /CN=a -addext subjectAltName=DNS:example.org";
    folder.openssl(&format!(
        "{request} -newkey rsa:1024 -keyout small.key -out small.pem"
    ));
    folder.openssl(&format!(
        "{request} -newkey rsa:2048 -sha1 -keyout sha1.key -out sha1.pem"
    ));
    for (name, told) in [
        ("small", "has an RSA key of 1024 bits"),
        ("sha1", "is signed with SHA-1"),
    ] {
        let built = built(&folder, &["example.org"], &pair(name));
        assert!(built.errors.contains(told), "{}", built.errors);
        assert!(
            built.errors.contains("= help: order a new one"),
            "{}",
            built.errors
        );
        assert!(built.site.is_none());
    }
}

#[test]
fn tables_that_make_no_sense_are_refused() {
    let (folder, ..) = folder();
    for (own, told) in [
        ("", "the site `shop` has no certificate"),
        (
            "certificate = \"good.pem\"",
            "`certificate` is given without `key`",
        ),
        ("key = \"good.key\"", "`key` is given without `certificate`"),
        (
            "client_auth = \"required\"\ncertificate = \"good.pem\"\nkey = \"good.key\"",
            "`client_auth` is given without `client_ca`",
        ),
        (
            "certificates = [{ certificate = \"good.pem\" }]",
            "missing key `key`",
        ),
        ("min_version = \"1.1\"", "min_version"),
        ("certificate = \"\"\nkey = \"good.key\"", "empty path"),
    ] {
        let error = mistake(&folder, own);
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn what_is_worth_a_look_is_said_and_served() {
    let (folder, root, good) = folder();
    let warning = |own: &str, hosts: &[&str]| {
        let built = built(&folder, hosts, own);
        assert!(built.site.is_some() && built.count == 0, "{}", built.errors);
        built.warnings
    };
    assert_eq!(warning(&pair("good"), &["example.org"]), "");
    for (name, from, to, told) in [
        ("old", -90, -20, "19 days ago: clients refuse it"),
        ("ends", -80, 10, "in 10 days"),
        ("early", 2, 90, "is not valid before"),
    ] {
        folder.put(name, &root.issue_dated(&["example.org"], from, to));
        let text = warning(&pair(name), &["example.org"]);
        assert!(text.starts_with("warning: the certificate in "), "{text}");
        assert!(
            text.contains(told) && text.contains("\n5 | certificate = "),
            "{text}"
        );
        assert_eq!(text.matches("warning:").count(), 1, "{text}");
    }
    folder.put("client", &root.issue_client("ann"));
    let text = warning(&pair("client"), &[]);
    assert!(text.contains("is not one for servers"), "{text}");
    folder.write("public.key", &good.key);
    let all = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path("public.key"), all).unwrap();
    let public = "certificate = \"good.pem\"\nkey = \"public.key\"";
    let text = warning(public, &["example.org"]);
    assert!(
        text.contains("every user of this machine can read the private key"),
        "{text}"
    );
    assert!(text.contains("help: chmod o-rwx "), "{text}");
}

#[test]
fn hosts_that_no_certificate_is_for_are_named() {
    let (folder, root) = (Folder::new(), Authority::root("Root"));
    folder.put("one", &root.issue(&["example.org", "*.example.org"]));
    folder.put("two", &root.issue(&["example.net", "127.0.0.1", "::1"]));
    let both = format!(
        "{}\ncertificates = [{{ certificate = \"two.pem\", key = \"two.key\" }}]",
        pair("one")
    );
    let hosts = [
        "example.org",
        "www.example.org",
        "*.example.org",
        "Example.NET",
        "127.0.0.1",
        "[::1]",
    ];
    assert_eq!(built(&folder, &hosts, &both).warnings, "");
    let hosts = [
        "example.org",
        "a.b.example.org",
        "*.example.net",
        "10.0.0.1",
    ];
    let text = built(&folder, &hosts, &both).warnings;
    let told =
        "no certificate of the site `shop` is for `a.b.example.org`, `*.example.net`, `10.0.0.1`";
    assert!(text.contains(told), "{text}");
    assert!(
        text.contains("1 | hosts = ") && text.contains("for example.net, 127.0.0.1, ::1"),
        "{text}"
    );
    assert_eq!(text.matches("warning:").count(), 1, "{text}");
}
