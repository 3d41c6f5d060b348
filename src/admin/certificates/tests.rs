//! Which certificates are told of, and when.

use super::*;
use crate::tls::acme::status::{State, Trouble};

const NOW: i64 = 1_800_000_000;

fn certificate(source: CertificateSource, from: i64, to: i64) -> SiteCertificate {
    let status = CertificateStatus {
        names: vec!["shop.example".to_string()],
        not_before: NOW + from * DAY,
        not_after: NOW + to * DAY,
        issuer: "CN=An authority".to_string(),
        self_signed: false,
        fingerprint: "aa".repeat(32),
        serial: "01".to_string(),
        key: "ECDSA P-256".to_string(),
        source,
    };
    SiteCertificate::new("shop", status, NOW)
}

fn file() -> CertificateSource {
    CertificateSource::File {
        certificate: "/etc/cert.pem".into(),
        key: "/etc/key.pem".into(),
    }
}

fn order(names: &[&str], on_demand: bool, trouble: Option<&str>, days: Option<i64>) -> OrderStatus {
    OrderStatus {
        site: "shop".to_string(),
        names: names.iter().map(ToString::to_string).collect(),
        on_demand,
        directory: "https://ca.example/directory".to_string(),
        state: State::Waiting,
        not_after: days.map(|days| rfc3339(NOW + days * DAY)),
        next: None,
        failures: u32::from(trouble.is_some()),
        trouble: trouble.map(|message| Trouble {
            message: message.to_string(),
            names: Vec::new(),
            at: 0,
        }),
    }
}

#[test]
fn what_a_certificates_dates_mean() {
    use CertificateSource::{Acme, StandIn};
    use Validity::{EndsSoon, Expired, Good, NotYet};
    for (source, from, to, state) in [
        (file(), -1, 14, Good),
        (file(), -1, 13, EndsSoon),
        (file(), -90, -1, Expired),
        (file(), 1, 90, NotYet),
        (StandIn, -1, 30, Validity::StandIn),
        (StandIn, -366, -1, Expired),
        (Acme, -60, 30, Good),
        (Acme, -78, 12, EndsSoon),
        // Some live for a week, and are renewed every few days.
        (Acme, -4, 2, Good),
        (Acme, -6, 0, EndsSoon),
        (Acme, -7, -1, Expired),
    ] {
        let one = certificate(source.clone(), from, to);
        assert_eq!(one.state, state, "{source:?} {from} {to}");
        assert_eq!(one.days_left, to);
    }
}

#[test]
fn an_end_is_told_in_words() {
    for (days, end) in [
        (61, "ends on 2027-03-17, in 61 days"),
        (1, "ends on 2027-01-16, in 1 day"),
        (-1, "ended on 2027-01-14, 1 day ago"),
    ] {
        assert_eq!(certificate(file(), -90, days).end(), end);
    }
}

#[test]
fn it_is_told_once_a_day() {
    let ends = [certificate(file(), -80, 10)];
    let mut reminders = Reminders::default();
    // It was said when the file was loaded.
    assert!(reminders.due(&ends, &[], NOW).is_empty());
    assert!(reminders.due(&ends, &[], NOW + DAY - 1).is_empty());
    let text = "the certificate in /etc/cert.pem of the site `shop` ends on 2027-01-25, in 10 days: \
                put a new one there";
    assert_eq!(reminders.due(&ends, &[], NOW + DAY), [text]);
    assert!(reminders.due(&ends, &[], NOW + DAY + 1).is_empty());
    assert_eq!(reminders.due(&ends, &[], NOW + 2 * DAY), [text]);
    // Another one in its place is another matter.
    let good = [certificate(file(), -1, 90)];
    assert!(reminders.due(&good, &[], NOW + 2 * DAY).is_empty());
    assert_eq!(reminders.due(&ends, &[], NOW + 2 * DAY), [text]);
}

#[test]
fn what_acme_renews_is_told_of_when_that_fails() {
    let ends = [certificate(CertificateSource::Acme, -80, 10)];
    let said =
        |all: &[SiteCertificate], order: OrderStatus| Reminders::default().due(all, &[order], NOW);
    assert!(said(&ends, order(&["shop.example"], false, None, Some(10))).is_empty());
    let fails = order(&["shop.example"], false, Some("no such name"), Some(10));
    assert_eq!(
        said(&ends, fails.clone()),
        [
            "the certificate of the site `shop` ends on 2027-01-25, in 10 days, and could not be \
          renewed: no such name"
        ]
    );
    let early = [certificate(CertificateSource::Acme, -65, 25)];
    assert!(said(&early, fails).is_empty());
    let over = [certificate(CertificateSource::Acme, -91, -1)];
    assert_eq!(
        said(&over, order(&["shop.example"], false, None, Some(-1))).len(),
        1
    );
    let own = [certificate(CertificateSource::StandIn, -1, 30)];
    assert!(said(&own, order(&["shop.example"], false, None, None)).is_empty());
    let fails = order(&["shop.example"], false, Some("refused"), None);
    assert_eq!(
        said(&own, fails),
        ["the site `shop` has only a self-signed certificate, and could not get another: refused"]
    );
}

#[test]
fn many_that_were_asked_for_are_one_line() {
    let orders: Vec<OrderStatus> = [
        "a.example",
        "b.example",
        "c.example",
        "d.example",
        "e.example",
    ]
    .iter()
    .map(|name| order(&[name], true, Some("refused"), Some(3)))
    .chain([
        order(&["late.example"], true, Some("refused"), Some(20)),
        order(&["good.example"], true, None, Some(3)),
        order(&["none.example"], true, Some("refused"), None),
    ])
    .collect();
    assert_eq!(
        Reminders::default().due(&[], &orders, NOW),
        [
            "certificates of the site `shop` end soon and could not be renewed: those for a.example, \
          b.example, c.example and 2 more: refused"
        ]
    );
}
