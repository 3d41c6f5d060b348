//! Clients that show certificates: who comes in, and what the app is told of them.

use super::{SECURED, app_at, folder};
use crate::support::certificates::{Authority, Order, Pair};
use crate::support::programs::openssl;
use crate::support::secure::{Secure, client, trusting};
use crate::support::{Backend, Parvis, until};
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use std::io;
use std::time::SystemTime;

/// The fields by which the app knows a client.
const FIELDS: [&str; 5] = [
    "client-cert",
    "x-client-verify",
    "x-client-subject",
    "x-client-serial",
    "x-client-fingerprint",
];

struct Door {
    authority: Authority,
    clients: Authority,
    app: Backend,
    parvis: Parvis,
}

/// An app behind a site that asks for certificates.
fn door(tls: &str) -> Door {
    let (authority, clients) = (Authority::new(), Authority::named("Clients"));
    let app = Backend::text("app");
    let folder = folder(&[("a", &authority.sign(&["a.test"]))]);
    folder.write("clients.pem", &clients.pem);
    let tls = format!("client_ca = \"@DIR/clients.pem\"\n{tls}");
    let listen = format!("{SECURED}, \"127.0.0.2:0\"");
    let configuration = app_at(&listen, "a", app.address(), &tls);
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    Door {
        authority,
        clients,
        app,
        parvis,
    }
}

impl Door {
    /// What becomes of a client with this certificate: the status, or why there is none.
    fn knock(&self, old: bool, own: Option<&Pair>) -> io::Result<u16> {
        let versions: &[_] = if old { &[&TLS12] } else { &[&TLS13] };
        let config = client(&self.authority, versions, own);
        let mut connection = Secure::try_open(self.parvis.address(), "a.test", &config)?;
        Ok(connection.try_get("a.test", "/")?.status)
    }

    /// What the app was told last.
    fn told(&self) -> Vec<Option<String>> {
        let last = self.app.last();
        FIELDS.iter().map(|name| last.field(name)).collect()
    }
}

#[test]
fn who_must_show_a_certificate_and_cannot_is_refused() {
    let door = door("");
    let stranger = Authority::named("Clients").sign_client("ada");
    let expired = door.clients.order(&Order {
        common_name: "ada",
        client: true,
        days: (-10, -1),
        ..Order::default()
    });
    let early = door.clients.order(&Order {
        common_name: "ada",
        client: true,
        days: (1, 10),
        ..Order::default()
    });
    let server = door.clients.sign(&["a.test"]);
    for old in [true, false] {
        for (own, alert) in [
            (None, "CertificateRequired"),
            (Some(&stranger), ""),
            (Some(&expired), "CertificateExpired"),
            (Some(&early), "Certificate"),
            (Some(&server), "Certificate"),
        ] {
            let refused = door.knock(old, own).unwrap_err().to_string();
            assert!(refused.contains("fatal alert"), "{refused}");
            // TLS 1.2 has no alert for who shows none.
            if !(old && own.is_none()) {
                assert!(refused.contains(alert), "{refused}");
            }
        }
        let ada = door.clients.sign_client("ada");
        assert_eq!(door.knock(old, Some(&ada)).unwrap(), 200);
    }
    assert_eq!(door.app.requests().len(), 2);
    let count = |reason| super::failures(&door.parvis, reason);
    assert_eq!(count("no_client_certificate"), 2.0);
    assert_eq!(count("client_certificate"), 8.0);
}

#[test]
fn who_may_show_one_and_does_not_is_served_as_nobody() {
    let door = door("client_auth = \"optional\"");
    let stranger = Authority::named("Others").sign_client("ada");
    let ada = door.clients.sign_client("ada");
    for old in [true, false] {
        assert_eq!(door.knock(old, None).unwrap(), 200);
        assert_eq!(door.told(), [None, None, None, None, None]);
        door.knock(old, Some(&stranger)).unwrap_err();
        assert_eq!(door.knock(old, Some(&ada)).unwrap(), 200);
        assert!(door.told().iter().all(Option::is_some));
    }
}

#[test]
fn the_app_is_told_what_openssl_says_of_the_certificate() {
    let door = door("");
    for (name, serial) in [
        ("ada", &[0x1f, 0x00, 0xab][..]),
        // With what a field of HTTP or a distinguished name must escape.
        ("Ana \"López\", <ada+1>; #\\=", &[0x80, 0xff][..]),
        (" leading and trailing ", &[0x01][..]),
    ] {
        let own = door.clients.order(&Order {
            common_name: name,
            client: true,
            serial: Some(serial),
            ..Order::default()
        });
        assert_eq!(door.knock(false, Some(&own)).unwrap(), 200);
        let told: Vec<String> = door.told().into_iter().map(Option::unwrap).collect();
        let [certificate, verify, subject, serial, fingerprint] = &told[..] else {
            panic!("{told:?}")
        };
        let file = door.parvis.folder.write("client.pem", &own.certificate);
        let x509 = |arguments: &[&str]| {
            let mut all = vec!["x509", "-in", file.to_str().unwrap(), "-noout"];
            all.extend(arguments);
            let said = openssl(&all);
            let line = said.lines().next().unwrap();
            line.split_once('=').unwrap().1.to_string()
        };
        assert_eq!(verify, "SUCCESS");
        let expected = x509(&["-serial"]);
        assert_eq!(
            serial.trim_start_matches('0'),
            expected.trim_start_matches('0')
        );
        let expected = x509(&["-fingerprint", "-sha256"]).replace(':', "");
        assert_eq!(fingerprint, &expected.to_lowercase());
        let mut expected = x509(&["-subject", "-nameopt", "RFC2253"]);
        if expected.ends_with("\\ ") {
            // A space at the end of a field's value would be lost.
            expected.replace_range(expected.len() - 1.., "20");
        }
        assert_eq!(subject, &expected);
        let body: String = own
            .certificate
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        assert_eq!(certificate, &format!(":{body}:"));
    }
}

/// What a client says of itself is taken out, however it is written.
fn forged(host: &str) -> String {
    let mut request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n");
    for field in FIELDS.iter().chain(&["client-cert-chain"]) {
        let upper = field.to_uppercase();
        let under = field.replace('-', "_");
        let mixed = field.replacen('-', "_", 1);
        for name in [*field, &upper, &under, &mixed, &under.to_uppercase()] {
            request.push_str(&format!("{name}: forged\r\n"));
        }
    }
    request + "\r\n"
}

#[test]
fn nobody_can_say_who_he_is_by_fields() {
    let door = door("client_auth = \"optional\"\nredirect = false");
    let ada = door.clients.sign_client("ada");
    let config = client(&door.authority, &[&TLS13], Some(&ada));
    let mut known = Secure::open(door.parvis.address(), "a.test", &config);
    let mut unknown = Secure::open(door.parvis.address(), "a.test", &trusting(&door.authority));
    for connection in [&mut known, &mut unknown] {
        connection.send(forged("a.test"));
        assert_eq!(connection.reply().unwrap().status, 200);
    }
    let mut plain = crate::support::Client::connect(door.parvis.listeners()[1]);
    plain.send(forged("a.test"));
    assert_eq!(plain.reply().status, 200);
    let requests = door.app.requests();
    assert_eq!(requests.len(), 3);
    for (n, request) in requests.iter().enumerate() {
        let forged = request.fields.iter().filter(|(_, value)| value == "forged");
        assert_eq!(forged.count(), 0, "{request:?}");
        for name in FIELDS {
            assert_eq!(request.field(name).is_some(), n == 0, "{name}: {request:?}");
        }
        let names = request.fields.iter();
        let others: Vec<_> = names.filter(|(name, _)| name.contains('_')).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

/// A ticket does not outlive the certificate that it was given for.
#[test]
fn a_certificate_that_ends_is_good_for_no_ticket_any_more() {
    let door = door("");
    let seconds = 4;
    let short = door.clients.order(&Order {
        common_name: "ada",
        client: true,
        seconds: Some(seconds),
        ..Order::default()
    });
    let began = SystemTime::now();
    let mut config = client(&door.authority, &[&TLS13, &TLS12], Some(&short));
    config.resumption = Resumption::in_memory_sessions(4);
    let mut first = Secure::open(door.parvis.address(), "a.test", &config);
    assert_eq!(first.get("a.test", "/").status, 200);
    until("it has ended", || {
        let passed = began.elapsed().unwrap().as_secs();
        (passed > seconds.unsigned_abs()).then_some(())
    });
    let mut again = Secure::open(door.parvis.address(), "a.test", &config);
    match again.try_get("a.test", "/") {
        Ok(reply) => assert_eq!(reply.status, 403, "{}", reply.head),
        Err(error) => assert!(error.to_string().contains("alert"), "{error}"),
    }
    assert_eq!(door.app.requests().len(), 1);
}

/// By curl, which is told the key and the certificate.
#[test]
fn curl_shows_its_certificate_over_http_2() {
    let door = door("");
    let ada = door.clients.sign_client("ada");
    ada.write(&door.parvis.folder, "ada");
    let ca = door.parvis.folder.write("ca.pem", &door.authority.pem);
    let port = door.parvis.address().port();
    let output = crate::support::programs::run(
        std::process::Command::new("curl")
            .args(["-sS", "-w", " %{http_version}", "--cacert"])
            .arg(&ca)
            .arg("--cert")
            .arg(door.parvis.folder.join("ada.pem"))
            .arg("--key")
            .arg(door.parvis.folder.join("ada.key"))
            .args(["-H", "X-Client-Subject: forged"])
            .args(["--resolve", &format!("a.test:{port}:127.0.0.1")])
            .arg(format!("https://a.test:{port}/")),
    );
    assert_eq!(crate::support::programs::said(&output).trim(), "app 2");
    let subject = door.app.last().field("x-client-subject");
    assert_eq!(subject.as_deref(), Some("O=Tests\\, Ltd,CN=ada"));
}
