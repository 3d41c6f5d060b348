//! How much a server has to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Exchanges in flight with a server, across all workers: requests that it was chosen for and whose
/// answers have not ended, and WebSockets that are open. Shared by the generations of a configuration:
/// what goes on with a server is not over because of a reload.
#[derive(Debug, Default)]
pub struct Load(AtomicUsize);

impl Load {
    /// How many there are.
    pub fn count(&self) -> usize {
        // A choice made by a number that is a moment old is as good.
        self.0.load(Ordering::Relaxed)
    }

    /// One more, until what is returned is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.0.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }
}

/// An exchange in flight; dropped, it is over.
#[derive(Debug)]
pub struct InFlight(Arc<Load>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_over() {
        let load = Arc::new(Load::default());
        let (first, second) = (load.begin(), load.begin());
        assert_eq!(load.count(), 2);
        drop(first);
        assert_eq!(load.count(), 1);
        drop(second);
        assert_eq!(load.count(), 0);
    }
}
