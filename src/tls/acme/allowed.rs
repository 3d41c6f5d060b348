//! Whether a name that is not in the configuration is allowed.

use super::ask::{self, ask};
use super::attend::Look;
use super::certificate::Issued;
use super::status::Trouble;
use super::work::Report;
use crate::tls::clock::now;
use std::sync::Arc;

impl Look {
    /// Whether the application allows the name; a report when it does not.
    pub(super) async fn ask(&self, stored: Option<&Arc<Issued>>) -> Option<Report> {
        let (name, who) = (self.asked.as_ref()?, self.order.policy.on_demand.as_ref()?);
        let answers = &self.inner.answers;
        match answers.known(who, name, now()) {
            Some(true) => return None,
            Some(false) => return Some(self.let_go()),
            None => {}
        }
        let said = ask(who, name).await.and_then(|status| {
            if answers.is_news(who, status) {
                tracing::warn!(
                    ask = %who.ask, status = status.as_u16(), name,
                    "an unexpected answer of the application: 200 allows a name, 403 and 404 refuse it"
                );
            }
            ask::meaning(status)
        });
        let error = match said {
            Ok(true) => {
                answers.keep(who, name, true, now(), ask::YES_HOLDS);
                return None;
            }
            Ok(false) => {
                answers.keep(who, name, false, now(), ask::NO_HOLDS);
                tracing::debug!(name, "no certificate: the application does not allow it");
                return Some(self.let_go());
            }
            Err(error) => error,
        };
        let trouble = Some(Trouble {
            message: format!("{} cannot be asked: {error}", who.ask),
            names: Vec::new(),
            at: now(),
        });
        // What it allowed once is served on.
        let issued = stored.filter(|issued| !issued.facts.is_over(now()));
        let report = match issued {
            Some(issued) => {
                self.inner.serve(&self.storage, issued);
                Report::good(now().saturating_add(ask::YES_HOLDS))
            }
            None => {
                answers.keep(who, name, false, now(), ask::SILENCE_HOLDS);
                self.let_go()
            }
        };
        Some(Report { trouble, ..report })
    }

    /// Nobody needs it, or it is not allowed.
    pub(super) fn let_go(&self) -> Report {
        Report {
            over: true,
            ..Report::good(u64::MAX)
        }
    }
}
