//! Names that are not in the configuration, as clients come for them.

use super::certificate::Issued;
use super::issuer::{Inner, Issuer};
use super::order::Order;
use super::storage::Storage;
use super::work::Work;
use crate::tls::clock::now;
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

/// How long a handshake waits for a certificate that was just asked for.
const HANDSHAKE_WAITS: Duration = Duration::from_secs(8);

impl Issuer {
    /// A certificate for a name that is not in the configuration. One that lies in the storage is
    /// served at once, and the application is asked after that; for any other name it is asked
    /// first, and one is ordered when it allows it. Waits for it for 8 seconds at most; `None`: it is
    /// refused, or not there yet, or not the site's. To be called when [`Order::certificate`] has
    /// none. `name`: in lower case, without a dot at its end; `peer`: who comes for it.
    pub async fn wanted(
        &self,
        order: &Arc<Order>,
        name: &str,
        peer: IpAddr,
    ) -> Option<Arc<CertifiedKey>> {
        let found = || order.certificate(Some(name));
        if let Some(found) = found() {
            return Some(found);
        }
        if !order.may_be_asked(name) {
            return None;
        }
        let waited = async {
            let mut looks = self.inner.look_for(order, name, peer).await?;
            loop {
                if let Some(found) = found() {
                    return Some(found);
                }
                // It ends when there is nothing more to look after.
                if looks.changed().await.is_err() {
                    return found();
                }
            }
        };
        tokio::time::timeout(HANDSHAKE_WAITS, waited)
            .await
            .ok()
            .flatten()
    }
}

impl Inner {
    /// Has a name looked after, and serves what lies on disk for it. Gives what changes when there is
    /// news of it; `None`: it is refused, or too many ask.
    async fn look_for(
        &self,
        order: &Arc<Order>,
        name: &str,
        peer: IpAddr,
    ) -> Option<watch::Receiver<u64>> {
        let who = order.policy.on_demand.as_ref()?;
        if self.answers.known(who, name, now()) == Some(false) {
            return None;
        }
        let storage = Storage::of_asked(&order.storage, &order.policy.directory, name);
        if let Some(looks) = self.join(&storage, order) {
            return Some(looks);
        }
        // What was refused a while ago is asked about first.
        let stored = match self.answers.was_refused(who, name) {
            true => None,
            false => self.good(&storage, name).await,
        };
        // Another client may have come meanwhile.
        if let Some(looks) = self.join(&storage, order) {
            return Some(looks);
        }
        let looks = {
            let (mut works, now) = (self.works(), now());
            // What lies on disk was allowed once: only somebody who knows it can name it, and to ask
            // about it takes nothing from names that are new.
            if stored.is_none()
                && self.answers.known(who, name, now).is_none()
                && !self.answers.admit(peer, now)
            {
                return None;
            }
            let new = || Work::new(order.clone(), Some(name.to_string()), now);
            let work = works.all.entry(storage.clone()).or_insert_with(new);
            work.looks.subscribe()
        };
        if let Some(issued) = stored {
            self.serve(&storage, &issued);
        }
        self.changed.notify_one();
        Some(looks)
    }

    /// Joins those who want a certificate that is looked after, also those of another site.
    fn join(&self, storage: &Storage, order: &Arc<Order>) -> Option<watch::Receiver<u64>> {
        let joined = self.works().join(storage, order, now());
        let (looks, served, is_new) = joined?;
        if is_new {
            self.changed.notify_one();
        }
        if let Some(issued) = served {
            self.serve(storage, &issued);
        }
        Some(looks)
    }

    /// What lies on disk for a name, when it can be served.
    async fn good(&self, storage: &Storage, name: &str) -> Option<Arc<Issued>> {
        // Held until it was read: a disk that does not answer holds a few threads, and no more.
        let permit = self.reads.clone().acquire_owned().await.ok()?;
        let (path, name) = (storage.certificate(), name.to_string());
        let read = spawn_blocking(move || {
            let _permit = permit;
            let issued = Issued::good(&path, now())?;
            issued.facts.covers(&name).then(|| Arc::new(issued))
        });
        read.await.ok().flatten()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::certificate::tests::made;
    use super::super::issuer::Tallies;
    use super::super::order::tests::{ASK, Folder, built};
    use super::super::storage;
    use super::*;
    use prometheus::IntCounter;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    pub fn issuer() -> Issuer {
        let counter = |name: &str| IntCounter::new(name, name).unwrap();
        Issuer::new(Tallies {
            issued: counter("issued"),
            failed: counter("failed"),
        })
    }

    fn put(order: &Order, name: &str) {
        let storage = Storage::of_asked(&order.storage, &order.policy.directory, name);
        let text = made(&[name], 1, now() + 900);
        storage::write(&storage.certificate(), text.as_bytes()).unwrap();
    }

    /// Without anybody who asks the application: the issuer does not run.
    #[tokio::test]
    async fn what_lies_on_disk_is_served_before_the_application_is_asked() {
        let folder = Folder::new();
        let order = built(&folder.0, ASK, &["*.a.example"]).unwrap();
        let issuer = issuer();
        // Nobody may be asked about any more in this minute, nor in the next one.
        for minute in [now(), now() + 60] {
            for client in 0..200 {
                issuer
                    .inner
                    .answers
                    .admit([10, 0, 0, client].into(), minute);
            }
        }
        for name in ["x.a.example", "y.a.example"] {
            put(&order, name);
            assert!(issuer.wanted(&order, name, PEER).await.is_some(), "{name}");
        }
        assert_eq!(issuer.inner.works().all.len(), 2);
    }

    #[tokio::test]
    async fn another_site_with_the_same_name_is_served_too() {
        let folder = Folder::new();
        let order = || built(&folder.0, ASK, &["*.a.example"]).unwrap();
        let (issuer, one, other) = (issuer(), order(), order());
        let name = "x.a.example";
        put(&one, name);
        assert!(issuer.wanted(&one, name, PEER).await.is_some());
        assert!(issuer.wanted(&other, name, PEER).await.is_some());
        let mut works = issuer.inner.works();
        let work = works.all.values_mut().next().unwrap();
        assert_eq!(work.orders.len(), 2);
        // It goes for both.
        work.let_go();
        assert!(one.certificate(Some(name)).is_none());
        assert!(other.certificate(Some(name)).is_none());
    }

    #[tokio::test]
    async fn what_was_refused_is_not_served_from_disk() {
        let folder = Folder::new();
        let order = built(&folder.0, ASK, &["*.a.example"]).unwrap();
        let (issuer, name) = (issuer(), "x.a.example");
        put(&order, name);
        let who = order.policy.on_demand.as_ref().unwrap();
        // It holds no longer.
        issuer.inner.answers.keep(who, name, false, 0, 1);
        issuer.inner.look_for(&order, name, PEER).await.unwrap();
        assert!(order.certificate(Some(name)).is_none());
    }
}
