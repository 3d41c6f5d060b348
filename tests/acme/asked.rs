//! Names that are not in the configuration.

use crate::front::Front;
use crate::site::{Site, Wanted, storage, until};
use crate::support::{Folder, Pebble};
use parvis::tls::acme::status::State;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const CLIENT: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

/// An application that is asked about names: yes to those that begin with `yes`.
struct App {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    work: JoinSet<()>,
}

impl App {
    async fn start() -> App {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = asked.clone();
        let mut work = JoinSet::new();
        work.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap();
                let name = path.strip_prefix("/ask?domain=").unwrap().to_string();
                let status = if name.starts_with("yes") {
                    "200 OK"
                } else {
                    "404 Not Found"
                };
                noted.lock().unwrap().push(name);
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        App {
            address,
            asked,
            work,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_name_is_ordered_when_the_application_allows_it() {
    let (folder, mut site, mut app) = (Folder::new(), Site::idle().await, App::start().await);
    let pebble = Pebble::start(site.ports);
    let front = Front::before(&pebble).await;
    let storage = storage(&folder);
    let wanted = Wanted {
        acme: format!(
            "directory = {:?}, ca = {:?}, on_demand = {{ ask = \"http://{}/ask\" }}",
            front.directory(),
            pebble.ca(),
            app.address
        ),
        names: &["*.shop.example"],
        storage: &storage,
        shared: None,
    };
    site.want(&wanted);
    let order = site.orders[0].clone();
    assert!(order.is_on_demand() && order.names.is_empty());
    assert!(order.certificate(Some("yes.shop.example")).is_none());

    // Several clients come at the same time: one question, one order.
    let (first, second, no) = tokio::join!(
        site.issuer.wanted(&order, "yes.shop.example", CLIENT),
        site.issuer.wanted(&order, "yes.shop.example", CLIENT),
        site.issuer.wanted(&order, "no.shop.example", CLIENT),
    );
    let first = first.unwrap();
    assert!(Arc::ptr_eq(&first, &second.unwrap()));
    assert!(no.is_none());
    let mut asked = app.asked();
    asked.sort();
    assert_eq!(asked, ["no.shop.example", "yes.shop.example"]);
    assert_eq!(front.orders().len(), 1);
    assert!(Arc::ptr_eq(
        &first,
        &order.certificate(Some("yes.shop.example")).unwrap()
    ));

    // What was said holds: nobody is asked again.
    assert!(
        site.issuer
            .wanted(&order, "no.shop.example", CLIENT)
            .await
            .is_none()
    );
    assert!(
        site.issuer
            .wanted(&order, "yes.shop.example", CLIENT)
            .await
            .is_some()
    );
    // What is no name, or no name of the site's, is not asked about at all.
    for bad in [
        "yes.other.example",
        "shop.example",
        "",
        "UPPER.example",
        "10.0.0.1",
        "a b",
        "a/../b",
        "-x.example",
        "x..example",
    ] {
        assert!(
            site.issuer.wanted(&order, bad, CLIENT).await.is_none(),
            "{bad:?}"
        );
    }
    assert_eq!(app.asked().len(), 2);
    let status = site
        .status_until("all is well", |s| s.state == State::Good)
        .await;
    assert!(status.on_demand && status.names == ["yes.shop.example"]);

    // After a reload it is there at once, after a restart as soon as somebody comes for it.
    site.want(&wanted);
    assert!(
        site.orders[0]
            .certificate(Some("yes.shop.example"))
            .is_some()
    );
    assert_eq!(site.issuer.status().len(), 1);
    site.restart().await;
    site.want(&wanted);
    let order = site.orders[0].clone();
    assert!(order.certificate(Some("yes.shop.example")).is_none());
    let again = site
        .issuer
        .wanted(&order, "yes.shop.example", CLIENT)
        .await
        .unwrap();
    assert_eq!(again.cert, first.cert);
    assert_eq!(front.orders().len(), 1);

    // Also when the application is away. New names are refused then.
    app.work.shutdown().await;
    site.restart().await;
    site.want(&wanted);
    let order = site.orders[0].clone();
    let again = site
        .issuer
        .wanted(&order, "yes.shop.example", CLIENT)
        .await
        .unwrap();
    assert_eq!(again.cert, first.cert);
    assert!(
        site.issuer
            .wanted(&order, "yes2.shop.example", CLIENT)
            .await
            .is_none()
    );
    assert_eq!(front.orders().len(), 1);
}

#[tokio::test]
async fn configured_names_are_ordered_beside_it() {
    let (folder, mut site, app) = (Folder::new(), Site::idle().await, App::start().await);
    let pebble = Pebble::start(site.ports);
    let storage = storage(&folder);
    site.want(&Wanted {
        acme: format!(
            "directory = {:?}, ca = {:?}, challenge = \"tls-alpn-01\", on_demand = {{ ask = \"http://{}/ask\" }}",
            pebble.directory(),
            pebble.ca(),
            app.address
        ),
        names: &["shop.example", "*.shop.example"],
        storage: &storage,
        shared: None,
    });
    let issued = site.certificate().await;
    assert_eq!(issued.facts.names, ["shop.example"]);
    let order = site.orders[0].clone();
    let asked = site
        .issuer
        .wanted(&order, "yes.shop.example", CLIENT)
        .await
        .unwrap();
    assert_ne!(asked.cert, issued.key.cert);
    let own = order.certificate(Some("shop.example")).unwrap();
    assert_eq!(own.cert, issued.key.cert);
    // A client that names nobody is given what is in the configuration.
    assert_eq!(order.certificate(None).unwrap().cert, issued.key.cert);
    assert_eq!(app.asked(), ["yes.shop.example"]);
}

#[tokio::test]
async fn a_name_that_the_ca_refuses_does_not_hold_up_others_and_is_not_asked_for_again_at_once() {
    let (folder, mut site, app) = (Folder::new(), Site::idle().await, App::start().await);
    let blocked = serde_json::json!({ "domainBlocklist": ["yes-bad.example"] });
    let pebble = Pebble::start_with(site.ports, blocked);
    let front = Front::before(&pebble).await;
    let storage = storage(&folder);
    site.want(&Wanted {
        acme: format!(
            "directory = {:?}, ca = {:?}, on_demand = {{ ask = \"http://{}/ask\" }}",
            front.directory(),
            pebble.ca(),
            app.address
        ),
        names: &[],
        storage: &storage,
        shared: None,
    });
    let order = site.orders[0].clone();
    assert!(
        site.issuer
            .wanted(&order, "yes-bad.example", CLIENT)
            .await
            .is_none()
    );
    assert!(
        site.issuer
            .wanted(&order, "yes-good.example", CLIENT)
            .await
            .is_some()
    );
    assert!(
        site.issuer
            .wanted(&order, "yes-bad.example", CLIENT)
            .await
            .is_none()
    );
    let bad = |seen: &crate::front::Seen| seen.payload.to_string().contains("yes-bad");
    let orders = || front.orders().into_iter().filter(bad).count();
    assert_eq!(orders(), 1);
    until(
        "it was counted",
        || (site.tallies.failed.get() == 1).then_some(()),
        String::new,
    )
    .await;
    // Nor after a restart.
    site.restart().await;
    site.orders = vec![order.clone()];
    site.issuer.apply(&site.orders);
    assert!(
        site.issuer
            .wanted(&order, "yes-bad.example", CLIENT)
            .await
            .is_none()
    );
    assert_eq!(orders(), 1);
}
