//! One order, from its beginning to the certificate on disk.

use super::account;
use super::certificate::Issued;
use super::challenges::{Challenges, Kind, Published};
use super::client::Client;
use super::failure::{self, Failure};
use super::plan::Why;
use super::policy::Policy;
use super::settings::Challenge;
use super::shared::Shared;
use super::storage::{self, Storage};
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Identifier, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// How the CA is asked whether it is done: soon at first, then less and less often, unless it says
/// when.
const POLLS: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(300))
    .backoff(1.4)
    .timeout(Duration::from_secs(180));

/// What is to be ordered.
pub struct Task {
    /// The names, in lower case.
    pub names: Vec<String>,
    /// How.
    pub policy: Policy,
    /// The root of the storage.
    pub root: PathBuf,
    /// The files of the certificate.
    pub storage: Storage,
    /// Where other edges find what the CA is answered.
    pub shared: Option<Arc<Shared>>,
    /// Whether it is ordered though those cannot be told.
    pub regardless: bool,
    /// Where this process finds it.
    pub challenges: Arc<Challenges>,
    /// The certificate that this one is instead of.
    pub replaces: Option<CertificateIdentifier<'static>>,
}

/// A certificate that came.
pub struct Done {
    /// The certificate.
    pub issued: Issued,
    /// Why it does not lie on disk: its order does, and is gone on with.
    pub unkept: Option<Failure>,
}

/// An order that is on its way, as it lies on disk: a restart goes on with it.
#[derive(Serialize, Deserialize)]
struct Pending {
    /// The order's URL.
    url: String,
    /// The private key, PEM.
    key: String,
}

impl Task {
    /// Orders it. The certificate lies on disk when this is done, unless that cannot be written.
    pub async fn run(&self) -> Result<Done, Failure> {
        let policy = self.policy.clone();
        let client = blocking(move || Client::new(&policy.directory, policy.roots.as_ref()));
        let client = client
            .await
            .map_err(|e| Failure::new(Why::Refused, e.to_string()))?;
        let mut account = account::open(&self.root, &self.policy, &client).await?;
        if let Some(done) = self.resume(&account, &client).await? {
            return Ok(done);
        }
        let mut order = self.begin(&account, &client).await;
        if let Err(Failure {
            problem: Some(problem),
            ..
        }) = &order
            && problem == "accountDoesNotExist"
        {
            account::forget(&self.root, &self.policy, account.id()).await?;
            account = account::open(&self.root, &self.policy, &client).await?;
            order = self.begin(&account, &client).await;
        }
        let mut order = order?;
        let published = self.authorise(&mut order, &client).await?;
        let ready = self.wait(&mut order, &client).await;
        for one in &published {
            if let Some(shared) = &self.shared {
                one.withdraw(shared).await;
            }
        }
        drop(published);
        ready?;
        let key = KeyPair::generate().map_err(|e| self.own("no key could be made", &e))?;
        let pending = Pending {
            url: order.url().to_string(),
            key: key.serialize_pem(),
        };
        self.keep(&pending).await?;
        self.finish(&mut order, &pending, &client).await
    }

    /// Goes on with an order that a process before this one left when it ended.
    async fn resume(&self, account: &Account, client: &Client) -> Result<Option<Done>, Failure> {
        let path = self.storage.pending();
        let text = blocking(move || storage::read(&path)).await.ok().flatten();
        let Some(pending) = text.and_then(|t| serde_json::from_slice::<Pending>(&t).ok()) else {
            return Ok(None);
        };
        let result = match account.order(pending.url.clone()).await {
            Ok(mut order) => self.finish(&mut order, &pending, client).await,
            Err(error) => Err(self.failed(&error, "the order", client)),
        };
        match result {
            Ok(done) => {
                tracing::info!(
                    names = self.names.join(" "),
                    "an order of before was brought to its end"
                );
                Ok(Some(done))
            }
            // It may still be good when the CA is there again.
            Err(failure) if failure.why != Why::Refused => Err(failure),
            Err(_) => {
                self.drop_pending().await;
                Ok(None)
            }
        }
    }

    async fn begin(&self, account: &Account, client: &Client) -> Result<Order, Failure> {
        let names: Vec<Identifier> = self.names.iter().cloned().map(Identifier::Dns).collect();
        // A limit that is told here may be the account's.
        let failed = |error| {
            self.failed(&error, "the order was refused", client)
                .for_all()
        };
        if let Some(replaced) = &self.replaces {
            let new = NewOrder::new(&names).replaces(replaced.clone());
            match account.new_order(&new).await {
                Ok(order) => return Ok(order),
                // The CA may have forgotten the old one, or think that it is replaced already
                // (RFC 9773 section 5): then it is an order like any other.
                Err(error) => {
                    let failure = failed(error);
                    let other = matches!(failure.why, Why::Limited(_))
                        || failure.problem.as_deref() == Some("accountDoesNotExist");
                    if other {
                        return Err(failure);
                    }
                    tracing::debug!(why = failure.message, "ordered without `replaces`");
                }
            }
        }
        account
            .new_order(&NewOrder::new(&names))
            .await
            .map_err(failed)
    }

    /// Answers what the CA is going to ask, and tells it so.
    async fn authorise(
        &self,
        order: &mut Order,
        client: &Client,
    ) -> Result<Vec<Published>, Failure> {
        let (kind, wanted, word) = match self.policy.challenge {
            Challenge::Http01 => (Kind::Http, ChallengeType::Http01, "http-01"),
            Challenge::TlsAlpn01 => (Kind::TlsAlpn, ChallengeType::TlsAlpn01, "tls-alpn-01"),
        };
        let mut published = Vec::new();
        let mut all = order.authorizations();
        while let Some(next) = all.next().await {
            let mut one = next.map_err(|e| self.failed(&e, "an authorisation", client))?;
            match one.status {
                // Still good from an order before.
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                status => {
                    let said = format!("its authorisation is {status:?}").to_lowercase();
                    return Err(Failure::of_names(vec![(
                        one.identifier().to_string(),
                        said,
                    )]));
                }
            }
            let name = one.identifier().to_string();
            let Some(mut challenge) = one.challenge(wanted.clone()) else {
                let said = format!("the CA does not offer {word} for it");
                return Err(Failure::of_names(vec![(name, said)]));
            };
            let authorisation = challenge.key_authorization();
            let asked = match kind {
                Kind::Http => challenge.token.clone(),
                Kind::TlsAlpn => name.clone(),
            };
            let one = self
                .challenges
                .publish(kind, &asked, authorisation.as_str())
                .map_err(|error| self.own("no answer could be made", &error))?;
            self.share(&one, authorisation.as_str()).await?;
            published.push(one);
            let told = challenge.set_ready().await;
            told.map_err(|e| self.failed(&e, &format!("the challenge of {name}"), client))?;
        }
        Ok(published)
    }

    /// Has other edges answer too.
    async fn share(&self, one: &Published, authorisation: &str) -> Result<(), Failure> {
        let Some(shared) = &self.shared else {
            return Ok(());
        };
        let Err(error) = one.share(shared, authorisation).await else {
            return Ok(());
        };
        let what = format!("the CA's question cannot be answered by all edges: {error}");
        if !self.regardless {
            return Err(Failure::new(Why::Away, what));
        }
        // It may come to this one.
        tracing::warn!(
            names = self.names.join(" "),
            why = what,
            "ordered all the same"
        );
        Ok(())
    }

    /// Until the CA has looked at all names.
    async fn wait(&self, order: &mut Order, client: &Client) -> Result<(), Failure> {
        let outcome = order.poll_ready(&POLLS).await;
        let failure = match outcome {
            Ok(OrderStatus::Ready) => return Ok(()),
            Ok(status) => Failure::new(
                Why::Refused,
                format!("the order became {status:?}").to_lowercase(),
            ),
            Err(error) => self.failed(&error, "the order", client),
        };
        if failure.why != Why::Refused {
            return Err(failure);
        }
        let blamed = blamed(order).await;
        match blamed.is_empty() {
            true => Err(failure),
            false => Err(Failure::of_names(blamed)),
        }
    }

    /// From an order that is ready, or was finished already, to the certificate on disk.
    async fn finish(
        &self,
        order: &mut Order,
        pending: &Pending,
        client: &Client,
    ) -> Result<Done, Failure> {
        if order.state().status == OrderStatus::Ready {
            let csr = self.request(&pending.key)?;
            let finished = order.finalize_csr(&csr).await;
            finished.map_err(|e| self.failed(&e, "the CA did not sign", client))?;
        } else if !matches!(
            order.state().status,
            OrderStatus::Processing | OrderStatus::Valid
        ) {
            return Err(Failure::new(Why::Refused, "the order is not ready"));
        }
        let chain = order.poll_certificate(&POLLS).await;
        let chain = chain.map_err(|e| self.failed(&e, "no certificate came", client))?;
        let text = format!("{}{chain}", pending.key);
        let judged = Issued::from_pem(text.as_bytes());
        let issued = judged.map_err(|e| self.own("the CA sent something that is of no use", &e))?;
        if let Some(missing) = self.names.iter().find(|name| !issued.facts.covers(name)) {
            return Err(self.own("the CA sent a certificate without a name", missing));
        }
        if issued.facts.not_after <= crate::tls::clock::now() {
            return Err(Failure::new(
                Why::Refused,
                "the CA sent a certificate that is over already, or this machine's clock is wrong",
            ));
        }
        Ok(self.store(issued, text).await)
    }

    /// Keeps what came. When the disk does not take it, it is of use all the same; the order stays,
    /// as the CA gives the same certificate again when the disk is well.
    async fn store(&self, issued: Issued, text: String) -> Done {
        let path = self.storage.certificate();
        let written = blocking(move || storage::write(&path, text.as_bytes())).await;
        let told = |e| Failure::storage(&e, "the certificate is served, but cannot be kept");
        let unkept = written.err().map(told);
        if unkept.is_none() {
            self.drop_pending().await;
        }
        Done { issued, unkept }
    }

    fn request(&self, key: &str) -> Result<Vec<u8>, Failure> {
        let made = || {
            let key = KeyPair::from_pem(key)?;
            let mut params = CertificateParams::new(self.names.clone())?;
            params.distinguished_name = DistinguishedName::new();
            Ok(params.serialize_request(&key)?.der().to_vec())
        };
        made().map_err(|error: rcgen::Error| self.own("no request could be made", &error))
    }

    async fn keep(&self, pending: &Pending) -> Result<(), Failure> {
        let (path, text) = (self.storage.pending(), serde_json::to_vec(pending));
        let written = blocking(move || storage::write(&path, &text?)).await;
        written.map_err(|error| Failure::storage(&error, "the order cannot be kept"))
    }

    async fn drop_pending(&self) {
        let path = self.storage.pending();
        // One that stays is of no use to the next order, which finds that out.
        let _ = blocking(move || storage::remove(&path)).await;
    }

    fn failed(&self, error: &instant_acme::Error, doing: &str, client: &Client) -> Failure {
        Failure::of(error, doing, client.later(), &self.names)
    }

    fn own(&self, what: &str, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(Why::Refused, format!("{what}: {error}"))
    }
}

/// The names that the CA looked at in vain, with its words.
async fn blamed(order: &mut Order) -> Vec<(String, String)> {
    let mut blamed = Vec::new();
    let mut all = order.authorizations();
    while let Some(Ok(mut one)) = all.next().await {
        // What was fetched before the challenges is old.
        let Ok(state) = one.refresh().await else {
            continue;
        };
        if state.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut errors = state
            .challenges
            .iter()
            .filter_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = errors.next() {
            let said = failure::words(problem.r#type.as_deref(), problem.detail.as_deref());
            blamed.push((state.identifier().to_string(), said));
        }
    }
    blamed
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

#[cfg(test)]
mod tests;
