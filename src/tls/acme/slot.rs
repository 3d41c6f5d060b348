//! Where a certificate is put when it is there, and where handshakes find it.

use super::certificate::Issued;
use arc_swap::ArcSwapOption;
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A place for a certificate. Empty until the first one is there; from then on always filled:
/// a renewal takes the place of what it renews, in one step.
#[derive(Debug, Default)]
pub struct Slot {
    issued: ArcSwapOption<Issued>,
    /// Whether it is another order's, which serves until the own one is there.
    lent: AtomicBool,
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
        self.lent.store(false, Ordering::Relaxed);
    }

    /// Serves another order's until the own one is there, however long that one lives.
    pub fn lend(&self, issued: Arc<Issued>) {
        self.lent.store(true, Ordering::Relaxed);
        self.issued.store(Some(issued));
    }

    /// Whether it is another order's.
    pub fn is_lent(&self) -> bool {
        self.lent.load(Ordering::Relaxed)
    }
}
