//! What is refused, away or broken.

use crate::front::{Front, Then};
use crate::issuing::{ending, files};
use crate::site::{Site, Wanted, order, storage, until};
use crate::support::{Folder, Pebble};
use parvis::tls::acme::status::State;
use serde_json::json;

fn acme(directory: &str, pebble: &Pebble) -> String {
    format!("directory = {directory:?}, ca = {:?}", pebble.ca())
}

#[tokio::test]
async fn a_refused_name_among_several_is_named_and_is_not_tried_at_once_again() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start_with(site.ports, json!({ "domainBlocklist": ["bad.example"] }));
    let front = Front::before(&pebble).await;
    let storage = storage(&folder);
    let wanted = Wanted {
        acme: acme(&front.directory(), &pebble),
        names: &["good.example", "bad.example"],
        storage: &storage,
        shared: None,
    };
    site.want(&wanted);
    let status = site.status_until("it is refused", |s| s.failures > 0).await;
    let trouble = status.trouble.unwrap();
    let blamed: Vec<&str> = trouble
        .names
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(blamed, ["bad.example"], "{trouble:?}");
    assert!(
        trouble.message.contains("rejectedIdentifier"),
        "{trouble:?}"
    );
    assert_eq!((status.state, status.failures), (State::Waiting, 1));
    assert_eq!(
        (site.tallies.issued.get(), site.tallies.failed.get()),
        (0, 1)
    );

    assert_eq!(front.orders().len(), 1);
    // Neither a reload nor a restart asks the CA again.
    site.want(&wanted);
    site.restart().await;
    let asked = front.seen().len();
    site.want(&wanted);
    let again = site
        .status_until("it was looked at", |s| s.failures > 0)
        .await;
    assert_eq!(again.trouble.unwrap(), trouble);
    assert_eq!((again.failures, again.next), (1, status.next));
    assert_eq!(front.seen().len(), asked);
}

#[tokio::test]
async fn a_name_that_does_not_lead_here_is_named() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start(site.ports);
    let storage = storage(&folder);
    site.want(&Wanted {
        acme: acme(&pebble.directory(), &pebble),
        names: &["good.example", "lost.example"],
        storage: &storage,
        shared: None,
    });
    let status = site.status_until("it is refused", |s| s.failures > 0).await;
    let trouble = status.trouble.unwrap();
    let [(name, said)] = trouble.names.as_slice() else {
        panic!("{trouble:?}")
    };
    assert_eq!(name, "lost.example");
    assert!(said.contains("404"), "{said}");
    assert!(trouble.message.contains("lost.example"), "{trouble:?}");
}

#[tokio::test]
async fn a_ca_that_is_away_is_waited_for() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let mut pebble = Pebble::away();
    let storage = storage(&folder);
    site.want(&Wanted {
        acme: acme(&pebble.directory(), &pebble),
        names: &["shop.example"],
        storage: &storage,
        shared: None,
    });
    let status = site.status_until("it is told", |s| s.failures > 0).await;
    let message = status.trouble.unwrap().message;
    assert!(
        message.contains("cannot reach") && message.contains("refused"),
        "{message}"
    );
    pebble.begin(site.ports, json!({}));
    site.certificate().await;
    let status = site
        .status_until("all is well", |s| s.state == State::Good)
        .await;
    assert_eq!((status.failures, status.trouble), (0, None));

    // It forgets all accounts. A new name is ordered by a new one.
    pebble.end();
    pebble.again();
    let order = order(
        &Wanted {
            acme: acme(&pebble.directory(), &pebble),
            names: &["new.example"],
            storage: &storage,
            shared: None,
        },
        &[],
    );
    site.orders = vec![order.unwrap()];
    site.issuer.apply(&site.orders);
    site.certificate().await;
}

#[tokio::test]
async fn a_ca_that_says_later_is_believed_and_its_words_are_kept() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start(site.ports);
    let front = Front::before(&pebble).await;
    front.rule(|seen| match seen.is_order() {
        true => Then::Answer(
            429,
            "Retry-After: 7200\r\nContent-Type: application/problem+json\r\nReplay-Nonce: x\r\n"
                .into(),
            json!({
                "type": "urn:ietf:params:acme:error:rateLimited",
                "detail": "too many certificates (5) already issued\r\nfor this set",
                "status": 429,
            })
            .to_string(),
        ),
        false => Then::Pass,
    });
    let storage = storage(&folder);
    let wanted = Wanted {
        acme: acme(&front.directory(), &pebble),
        names: &["shop.example"],
        storage: &storage,
        shared: None,
    };
    site.want(&wanted);
    let status = site.status_until("it is refused", |s| s.failures > 0).await;
    let trouble = status.trouble.unwrap();
    assert!(
        trouble.message.contains("too many certificates (5)"),
        "{trouble:?}"
    );
    assert!(!trouble.message.contains('\n'), "{trouble:?}");
    let next: jiff::Timestamp = status.next.unwrap().parse().unwrap();
    let wait = next.as_second() - i64::try_from(trouble.at).unwrap();
    assert!((7198..=7202).contains(&wait), "{wait}");
    // Not even with other settings.
    let asked = front.orders().len();
    site.want(&Wanted {
        acme: format!("{}, email = \"a@shop.example\"", wanted.acme),
        ..wanted
    });
    site.status_until("it was looked at", |s| {
        s.failures > 0 && s.next.as_deref() == Some(next.to_string().as_str())
    })
    .await;
    assert_eq!(front.orders().len(), asked);
}

#[tokio::test]
async fn broken_answers_are_told_and_end_nothing() {
    let problem = "Content-Type: application/problem+json\r\n";
    let json = "Content-Type: application/json\r\n";
    let never = "Retry-After: 18446744073709551615\r\n";
    for (status, fields, body, told) in [
        (
            502,
            "Content-Type: text/html\r\n",
            "<h1>Bad Gateway</h1>",
            "502",
        ),
        (404, "", "", "is `directory` right?"),
        (301, "Location: /other\r\n", "", "301"),
        (200, json, "{}", "no directory of a CA"),
        (200, json, "\u{0}\u{1}", "no directory of a CA"),
        (
            200,
            json,
            "{\"newNonce\":\"ht tp:\",\"newAccount\":\"x\",\"newOrder\":\"y\"}",
            "no directory",
        ),
        (
            200,
            json,
            "{\"newNonce\":\"http://x/\",\"newAccount\":\"https://x/\",\"newOrder\":\"https://x/\"}",
            "not https",
        ),
        (503, &format!("{never}{problem}"), "{}", "503"),
        (200, json, &"[".repeat(600 * 1024), "too long"),
    ] {
        let (folder, mut site) = (Folder::new(), Site::idle().await);
        let pebble = Pebble::away();
        let front = Front::before(&pebble).await;
        let (fields, body) = (fields.to_string(), body.to_string());
        front.rule(move |_| Then::Answer(status, fields.clone(), body.clone()));
        let storage = storage(&folder);
        site.want(&Wanted {
            acme: acme(&front.directory(), &pebble),
            names: &["shop.example"],
            storage: &storage,
            shared: None,
        });
        let status = site.status_until(told, |s| s.failures > 0).await;
        let message = status.trouble.unwrap().message;
        assert!(message.contains(told), "{told}: {message}");
        assert!(!message.contains("a fault of parvis"), "{message}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_told() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let (pebble, other) = (Pebble::start(site.ports), Pebble::away());
    let storage = storage(&folder);
    site.want(&Wanted {
        acme: acme(&pebble.directory(), &other),
        names: &["shop.example"],
        storage: &storage,
        shared: None,
    });
    let status = site.status_until("it is told", |s| s.failures > 0).await;
    let message = status.trouble.unwrap().message;
    assert!(
        message.contains("no TLS with") && message.contains("certificate"),
        "{message}"
    );
}

#[tokio::test]
async fn what_is_broken_on_disk_is_put_aside_and_ordered_anew() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start(site.ports);
    let storage = storage(&folder);
    let wanted = Wanted {
        acme: acme(&pebble.directory(), &pebble),
        names: &["shop.example"],
        storage: &storage,
        shared: None,
    };
    site.want(&wanted);
    let first = site.certificate().await;
    site.status_until("it is done", |s| s.state == State::Good)
        .await;
    site.restart().await;
    // Half a certificate, half an account, half a memory.
    let [path] = ending(&storage, "pem").try_into().unwrap();
    for path in ending(&storage, "json").iter().chain([&path]) {
        let text = std::fs::read(path).unwrap();
        std::fs::write(path, &text[..text.len() / 2]).unwrap();
    }
    site.want(&wanted);
    assert!(site.issued().is_none());
    assert_ne!(site.certificate().await.facts, first.facts);
    let aside = files(&storage);
    let aside = aside
        .iter()
        .filter(|path| path.to_str().unwrap().contains(".broken-"));
    assert_eq!(aside.count(), 2);
}

#[tokio::test]
async fn a_storage_that_cannot_be_written_is_told() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start(site.ports);
    // A file where a folder belongs: so that it fails for root too.
    let blocked = folder.write("storage", "");
    site.want(&Wanted {
        acme: acme(&pebble.directory(), &pebble),
        names: &["shop.example"],
        storage: &blocked,
        shared: None,
    });
    let status = site.status_until("it is told", |s| s.failures > 0).await;
    let message = status.trouble.unwrap().message;
    assert!(message.contains("Not a directory"), "{message}");
}

#[tokio::test]
async fn a_restart_in_the_middle_goes_on_with_the_order() {
    let (folder, mut site) = (Folder::new(), Site::idle().await);
    let pebble = Pebble::start(site.ports);
    let front = Front::before(&pebble).await;
    // The CA signs, and that is not heard.
    front.rule(|seen| match seen.is_finalize() {
        true => Then::CutAfter,
        false => Then::Pass,
    });
    let storage = storage(&folder);
    let wanted = Wanted {
        acme: acme(&front.directory(), &pebble),
        names: &["shop.example"],
        storage: &storage,
        shared: None,
    };
    site.want(&wanted);
    until(
        "it was to be signed",
        || {
            front
                .seen()
                .iter()
                .any(|seen| seen.is_finalize())
                .then_some(())
        },
        || format!("{:?}", site.issuer.status()),
    )
    .await;
    site.restart().await;
    assert_eq!(ending(&storage, "pending").len(), 1);
    assert_eq!(ending(&storage, "pem").len(), 0);
    front.rule(|_| Then::Pass);
    site.want(&wanted);
    site.certificate().await;
    // The same order, and the same key.
    assert_eq!(front.orders().len(), 1);
    assert_eq!(ending(&storage, "pending").len(), 0);
}
