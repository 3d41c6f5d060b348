//! A certificate comes to its end, or its CA wants it renewed before.

use crate::front::{Front, Then};
use crate::issuing::ending;
use crate::site::{Site, Wanted, storage, until};
use crate::support::{Folder, Pebble};
use parvis::tls::acme::Issued;
use serde_json::json;
use std::sync::Arc;

/// Waits until another one is served.
async fn another(site: &Site, than: &Issued) -> Arc<Issued> {
    until(
        "another certificate is served",
        || site.issued().filter(|issued| issued.facts != than.facts),
        || format!("{:?}", site.issuer.status()),
    )
    .await
}

/// The public key of the first certificate.
fn public_key(issued: &Issued) -> Vec<u8> {
    let (_, parsed) = x509_parser::parse_x509_certificate(&issued.key.cert[0]).unwrap();
    parsed.public_key().raw.to_vec()
}

#[tokio::test]
async fn a_certificate_is_renewed_with_a_third_of_its_life_left_and_has_a_new_key() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    // Seconds.
    let pebble = Pebble::start_with(site.ports, json!({ "certificateValidityPeriod": 12 }));
    let storage = storage(&folder);
    site.want(&Wanted {
        acme: format!(
            "directory = {:?}, ca = {:?}",
            pebble.directory(),
            pebble.ca()
        ),
        names: &["shop.example"],
        storage: &storage,
        shared: None,
    });
    let first = site.certificate().await;
    let life = first.facts.not_after - first.facts.not_before;
    assert!((10..=13).contains(&life), "{life}");
    let second = another(&site, &first).await;
    let gone = second.facts.not_before - first.facts.not_before;
    assert!((life * 2 / 3..=life).contains(&gone), "{gone} of {life}");
    assert_ne!(public_key(&first), public_key(&second));
    // And again.
    another(&site, &second).await;
    assert_eq!(site.tallies.failed.get(), 0);
}

#[tokio::test]
async fn a_ca_that_wants_it_renewed_is_followed_and_told_what_is_replaced() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start(site.ports);
    let front = Front::before(&pebble).await;
    let info = format!("{}/info", front.directory());
    front.rule(move |seen| match seen.path.strip_prefix("/dir/info/") {
        // It was compromised: at once. Each certificate has an id of its own.
        Some(_) => Then::Answer(
            200,
            "Retry-After: 21600\r\nContent-Type: application/json\r\n".into(),
            json!({ "suggestedWindow": {
                "start": "2020-01-02T04:00:00Z",
                "end": "2020-01-03T04:00:00Z",
            }})
            .to_string(),
        ),
        None => Then::Pass,
    });
    front.change(move |seen, answer| {
        if seen.path == "/dir" {
            answer["renewalInfo"] = json!(info);
        }
        // What was to be replaced is said again (RFC 9773 section 5).
        if let Some(replaced) = seen.payload.get("replaces") {
            answer["replaces"] = replaced.clone();
        }
    });
    let storage = storage(&folder);
    site.want(&Wanted {
        acme: format!(
            "directory = {:?}, ca = {:?}",
            front.directory(),
            pebble.ca()
        ),
        names: &["shop.example"],
        storage: &storage,
        shared: None,
    });
    let first = site.certificate().await;
    let id = first.facts.renewal_id.as_ref().unwrap().to_string();
    until(
        "the CA was asked",
        || {
            front
                .seen()
                .iter()
                .any(|s| s.path.ends_with(&id))
                .then_some(())
        },
        || format!("{:?}", front.seen()),
    )
    .await;
    // A CA that wants each one renewed at once would be asked again and again: a day goes by before.
    assert_eq!(front.orders().len(), 1);
    let hours_later = i64::try_from(first.facts.not_before).unwrap() + 3600;
    site.status_until("it waits", |s| {
        let next = s
            .next
            .as_ref()
            .map(|next| next.parse::<jiff::Timestamp>().unwrap());
        next.is_some_and(|next| next.as_second() > hours_later)
    })
    .await;
    site.restart().await;
    // The day is over.
    let mut memories = ending(&storage, "json");
    memories.retain(|path| path.to_str().unwrap().contains("/certificates/"));
    let [memory] = memories.try_into().unwrap();
    let text = std::fs::read_to_string(&memory).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["issued"] = json!(1);
    std::fs::write(&memory, json.to_string()).unwrap();
    site.want(&Wanted {
        acme: format!(
            "directory = {:?}, ca = {:?}",
            front.directory(),
            pebble.ca()
        ),
        names: &["shop.example"],
        storage: &storage,
        shared: None,
    });
    another(&site, &first).await;
    let orders = front.orders();
    assert_eq!(orders[1].payload["replaces"], json!(id));
}
