//! When a CA wants a certificate renewed (RFC 9773).

use super::account;
use super::attend::{LONGEST_ORDER, Look};
use super::certificate::Issued;
use super::client::Client;
use super::memory::Memory;
use crate::tls::clock::now;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

impl Look {
    /// Asks the CA when it wants the certificate renewed, when that is to be asked.
    pub(super) async fn look_for_window(&self, issued: &Issued, memory: &mut Memory) {
        let Some(id) = &issued.facts.renewal_id else {
            return;
        };
        if memory
            .window_due(&issued.facts)
            .is_none_or(|due| now() < due)
        {
            return;
        }
        let window = timeout(LONGEST_ORDER, async {
            let policy = self.order.policy.clone();
            // An account that is not there is not made for this.
            let path = account::path(&self.order.storage, &policy);
            let client = spawn_blocking(move || {
                path.try_exists()?
                    .then(|| Client::new(&policy.directory, policy.roots.as_ref()))
                    .transpose()
            });
            let client = client.await.ok()?.ok()??;
            let account = account::open(&self.order.storage, &self.order.policy, &client)
                .await
                .ok()?;
            account.renewal_info(id).await.ok()
        });
        let facts = &issued.facts;
        let Some((info, again)) = window.await.ok().flatten() else {
            let at = now();
            let none = |memory: &mut Memory| memory.keep_no_window(facts, at);
            return self.change(memory, none).await;
        };
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        let window = &info.suggested_window;
        let suggested = (
            seconds(window.start.unix_timestamp()),
            seconds(window.end.unix_timestamp()),
        );
        let (at, chance) = (now(), rand::random());
        let keep = |memory: &mut Memory| {
            memory.keep_window(facts, suggested, again.as_secs(), at, chance);
        };
        self.change(memory, keep).await;
    }
}
