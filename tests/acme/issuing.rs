//! From nothing to a certificate.

use crate::site::{Site, Wanted, order, storage, until};
use crate::support::{Folder, Pebble};
use parvis::tls::acme::status::State;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NAMES: &[&str] = &["shop.example", "www.shop.example", "xn--bcher-kva.example"];

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Those that end so.
pub fn ending(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut all = files(folder);
    all.retain(|path| path.extension().is_some_and(|own| own == extension));
    all
}

async fn one_order_has_all_names(challenge: &str) {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start(site.ports);
    let wanted = Wanted {
        acme: format!(
            "directory = {:?}, ca = {:?}, email = \"admin@shop.example\", challenge = {challenge:?}",
            pebble.directory(),
            pebble.ca()
        ),
        names: NAMES,
        storage: &storage(&folder),
        shared: None,
    };
    site.want(&wanted);
    assert!(site.issued().is_none());
    let issued = site.certificate().await;
    for name in NAMES {
        assert!(issued.facts.covers(name), "{:?}", issued.facts);
    }
    assert_eq!(issued.facts.names.len(), NAMES.len());
    // The chain goes to the CA's root, which is not in it.
    assert_eq!(issued.key.cert.len(), 2);
    let status = site
        .status_until("all is well", |s| s.state == State::Good)
        .await;
    assert_eq!((status.site.as_str(), status.failures), ("shop", 0));
    assert!(
        status.not_after.is_some() && status.trouble.is_none(),
        "{status:?}"
    );
    assert_eq!(
        (site.tallies.issued.get(), site.tallies.failed.get()),
        (1, 0)
    );
    // The CA's questions are over: nobody is answered any more.
    assert!(site.issuer.tls_alpn("shop.example").await.is_none());

    // Nobody else may read what lies there.
    let storage = storage(&folder);
    assert_eq!(ending(&storage, "pem").len(), 1, "{:?}", files(&storage));
    assert_eq!(ending(&storage, "pending").len(), 0);
    for path in files(&storage) {
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600, "{path:?}");
        assert_eq!(mode(path.parent().unwrap()), 0o700, "{path:?}");
    }

    // A restart serves it at once, and orders nothing.
    site.restart().await;
    let again = order(&wanted, &[]).unwrap();
    assert_eq!(again.slot.issued().unwrap().facts, issued.facts);
    site.want(&wanted);
    site.status_until("it was looked at", |s| s.state == State::Good)
        .await;
    assert_eq!(site.issued().unwrap().facts, issued.facts);
    assert_eq!(site.tallies.issued.get(), 0);
}

#[tokio::test]
async fn by_http() {
    one_order_has_all_names("http-01").await;
}

#[tokio::test]
async fn by_tls() {
    one_order_has_all_names("tls-alpn-01").await;
}

#[tokio::test]
async fn a_reload_keeps_what_is_there_and_a_new_name_is_ordered_while_the_old_ones_are_served() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start(site.ports);
    let acme = format!(
        "directory = {:?}, ca = {:?}",
        pebble.directory(),
        pebble.ca()
    );
    let storage = storage(&folder);
    let wanted = |names| Wanted {
        acme: acme.clone(),
        names,
        storage: &storage,
        shared: None,
    };
    site.want(&wanted(&["shop.example"]));
    let first = site.certificate().await;
    site.want(&wanted(&["shop.example"]));
    assert_eq!(site.issued().unwrap().facts, first.facts);
    site.status_until("it was looked at", |s| s.state == State::Good)
        .await;
    assert_eq!(site.tallies.issued.get(), 1);

    // Not for one moment is the old name without its certificate.
    site.want(&wanted(&["shop.example", "new.shop.example"]));
    assert_eq!(site.issued().unwrap().facts, first.facts);
    let both = until(
        "the certificate with both names is there",
        || {
            site.issued()
                .filter(|issued| issued.facts.covers("new.shop.example"))
        },
        || format!("{:?}", site.issuer.status()),
    )
    .await;
    assert!(both.facts.covers("shop.example"));
    assert_eq!(site.tallies.issued.get(), 2);
}

#[tokio::test]
async fn one_account_is_made_for_all_orders_of_a_directory() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start(site.ports);
    let storage = storage(&folder);
    let orders: Vec<_> = [
        "a.example",
        "b.example",
        "c.example",
        "d.example",
        "e.example",
    ]
    .iter()
    .map(|name| {
        let wanted = Wanted {
            acme: format!(
                "directory = {:?}, ca = {:?}",
                pebble.directory(),
                pebble.ca()
            ),
            names: &[name],
            storage: &storage,
            shared: None,
        };
        order(&wanted, &[]).unwrap()
    })
    .collect();
    site.orders = orders;
    site.issuer.apply(&site.orders);
    until(
        "all are there",
        || {
            site.orders
                .iter()
                .all(|order| order.slot.issued().is_some())
                .then_some(())
        },
        || format!("{:?}", site.issuer.status()),
    )
    .await;
    let accounts: Vec<PathBuf> = ending(&storage, "json")
        .into_iter()
        .filter(|path| path.to_str().unwrap().contains("/account-"))
        .collect();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
}

#[tokio::test]
async fn an_external_account_is_bound() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let pebble = Pebble::start_with(
        site.ports,
        json!({
            "externalAccountBindingRequired": true,
            "externalAccountMACKeys": { "kid-1": key },
        }),
    );
    let acme = format!(
        "directory = {:?}, ca = {:?}",
        pebble.directory(),
        pebble.ca()
    );
    let storage = storage(&folder);
    let wanted = |more: &str| Wanted {
        acme: format!("{acme}{more}"),
        names: &["shop.example"],
        storage: &storage,
        shared: None,
    };
    site.want(&wanted(""));
    let status = site.status_until("it is refused", |s| s.failures > 0).await;
    let message = status.trouble.unwrap().message;
    assert!(
        message.contains("externalAccountRequired") && message.contains("`eab`"),
        "{message}"
    );
    site.want(&wanted(
        ", eab = { kid = \"kid-2\", hmac_key = \"b10lLJs8l1GPIzsLP0s6pMt8O0XVGnfT\" }",
    ));
    assert!(site.issued().is_none());
    // Another account is another try: it need not wait for what another one was refused.
    site.want(&wanted(&format!(
        ", eab = {{ kid = \"kid-1\", hmac_key = {key:?} }}"
    )));
    site.certificate().await;
}
