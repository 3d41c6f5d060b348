//! Where a certificate is put when it is there, and where handshakes find it.

use super::certificate::Issued;
use arc_swap::ArcSwapOption;
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// A place for a certificate. Empty until the first one is there; from then on always filled:
/// a renewal takes the place of what it renews, in one step.
#[derive(Debug, Default)]
pub struct Slot {
    issued: ArcSwapOption<Issued>,
}

impl Slot {
    /// What a handshake is to use; `None` while there is no certificate: something self-signed
    /// serves then.
    pub fn certificate(&self) -> Option<Arc<CertifiedKey>> {
        self.issued.load().as_ref().map(|issued| issued.key.clone())
    }

    /// The certificate and what it says of itself.
    pub fn issued(&self) -> Option<Arc<Issued>> {
        self.issued.load_full()
    }

    /// Serves this one from here on.
    pub fn put(&self, issued: Arc<Issued>) {
        self.issued.store(Some(issued));
    }
}
