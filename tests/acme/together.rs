//! Several edges for the same names.

use crate::front::Front;
use crate::site::{Site, Wanted, until};
use crate::support::{CaPorts, Folder, Pebble, Redis};
use parvis::tls::acme::Shared;
use parvis::tls::acme::status::State;
use std::sync::{Arc, Mutex};

fn shared(redis: &Redis) -> Option<Arc<Shared>> {
    Some(Shared::new(&redis.url(), "parvis:tls:").unwrap())
}

/// Waits until both serve something.
async fn both(one: &Site, other: &Site) {
    until(
        "both have a certificate",
        || one.issued().and(other.issued()),
        || format!("{:?}\n{:?}", one.issuer.status(), other.issuer.status()),
    )
    .await;
}

#[tokio::test]
async fn on_one_storage_one_orders_and_the_other_takes_what_is_there() {
    for with_redis in [false, true] {
        let (folder, redis) = (Folder::new(), Redis::start());
        let (mut one, mut other) = (Site::idle().await, Site::idle().await);
        // The CA always looks at the second, which answers for the first by Redis. Without one, it
        // answers only for itself: it is the one that orders.
        let pebble = Pebble::start(other.ports);
        let front = Front::before(&pebble).await;
        let storage = folder.join("storage");
        let wanted = || Wanted {
            acme: format!(
                "directory = {:?}, ca = {:?}",
                front.directory(),
                pebble.ca()
            ),
            names: &["shop.example"],
            storage: &storage,
            shared: with_redis.then(|| shared(&redis)).flatten(),
        };
        match with_redis {
            true => {
                one.want(&wanted());
                other.want(&wanted());
            }
            false => {
                other.want(&wanted());
                other
                    .status_until("it orders", |s| s.state != State::Waiting)
                    .await;
                one.want(&wanted());
            }
        }
        both(&one, &other).await;
        assert_eq!(front.orders().len(), 1, "Redis: {with_redis}");
        assert_eq!(one.issued().unwrap().facts, other.issued().unwrap().facts);
        assert_eq!(one.tallies.issued.get() + other.tallies.issued.get(), 1);
        assert_eq!(one.tallies.failed.get() + other.tallies.failed.get(), 0);
    }
}

/// Two with a storage each order one after another, and the CA's questions come to any of them.
async fn one_after_another(challenge: &str) {
    let (folder, redis) = (Folder::new(), Redis::start());
    let (mut one, mut other) = (Site::idle().await, Site::idle().await);
    // It looks by HTTP at one of them and by TLS at the other.
    let ports = CaPorts {
        http: one.ports.http,
        tls: other.ports.tls,
    };
    let pebble = Pebble::start(ports);
    let front = Front::before(&pebble).await;
    let open: Arc<Mutex<(usize, usize)>> = Arc::default();
    let (begun, most) = (open.clone(), open.clone());
    // From a new order to its certificate, as the CA sees it.
    front.change(move |seen, answer| {
        let mut open = begun.lock().unwrap();
        if seen.is_order() && answer.get("finalize").is_some() {
            open.0 += 1;
            open.1 = open.1.max(open.0);
        }
        if seen.is_finalize() && answer.get("finalize").is_some() {
            open.0 -= 1;
        }
    });
    let (first, second) = (folder.join("one"), folder.join("other"));
    let wanted = |storage| Wanted {
        acme: format!(
            "directory = {:?}, ca = {:?}, challenge = {challenge:?}",
            front.directory(),
            pebble.ca()
        ),
        names: &["shop.example"],
        storage,
        shared: shared(&redis),
    };
    one.want(&wanted(&first));
    other.want(&wanted(&second));
    both(&one, &other).await;
    assert_eq!(
        front
            .orders()
            .iter()
            .filter(|s| s.payload.get("replaces").is_none())
            .count(),
        2
    );
    assert_eq!(most.lock().unwrap().1, 1, "two at the same time");
    assert_eq!(one.tallies.failed.get() + other.tallies.failed.get(), 0);
    // Nothing is left in Redis.
    for site in [&one, &other] {
        site.status_until("it is done", |s| s.state == State::Good)
            .await;
    }
    assert_eq!(redis.ask(&["DBSIZE"]).number(), 0);
}

#[tokio::test]
async fn two_storages_by_http() {
    one_after_another("http-01").await;
}

#[tokio::test]
async fn two_storages_by_tls() {
    one_after_another("tls-alpn-01").await;
}

#[tokio::test]
async fn without_the_redis_that_has_the_lock_nobody_orders_until_it_is_there() {
    let (folder, mut redis) = (Folder::new(), Redis::away());
    let mut site = Site::idle().await;
    let pebble = Pebble::start(site.ports);
    let front = Front::before(&pebble).await;
    let storage = folder.join("storage");
    site.want(&Wanted {
        acme: format!(
            "directory = {:?}, ca = {:?}",
            front.directory(),
            pebble.ca()
        ),
        names: &["shop.example"],
        storage: &storage,
        shared: shared(&redis),
    });
    let status = site.status_until("it is told", |s| s.failures > 0).await;
    let message = status.trouble.unwrap().message;
    assert!(message.contains("Redis"), "{message}");
    assert_eq!(front.seen().len(), 0);
    redis.begin();
    site.certificate().await;
}

#[tokio::test]
async fn a_lock_of_one_that_died_ends_by_itself() {
    let redis = Redis::start();
    let shared = shared(&redis).unwrap();
    let life = std::time::Duration::from_secs(2);
    let dead = shared.lock("x", life).await.unwrap().unwrap();
    assert!(shared.lock("x", life).await.unwrap().is_none());
    // Who works prolongs it.
    let kept = tokio::time::timeout(2 * life, dead.keep()).await;
    assert!(kept.is_err());
    assert!(shared.lock("x", life).await.unwrap().is_none());
    // It is not another one's to remove or to prolong.
    redis.ask(&["SET", "parvis:tls:acme:lock:x", "another", "PX", "600000"]);
    tokio::time::timeout(10 * life, dead.keep()).await.unwrap();
    dead.release().await;
    assert_eq!(
        redis.ask(&["GET", "parvis:tls:acme:lock:x"]).text(),
        "another"
    );
    redis.ask(&["DEL", "parvis:tls:acme:lock:x"]);
    let first = shared.lock("x", life).await.unwrap().unwrap();
    first.release().await;
    let second = shared.lock("x", life).await.unwrap();
    assert!(second.is_some());
    drop(second);
    let start = std::time::Instant::now();
    while shared.lock("x", life).await.unwrap().is_none() {
        assert!(start.elapsed() < crate::support::PATIENCE);
        tokio::time::sleep(life / 10).await;
    }
    // A server that is started anew is found again.
    let mut redis = redis;
    redis.end("KILL");
    assert!(shared.lock("y", life).await.is_err());
    redis.begin();
    assert!(shared.lock("y", life).await.unwrap().is_some());
}
