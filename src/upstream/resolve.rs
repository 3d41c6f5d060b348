//! Looking up servers' names, away from requests.

use super::server::Server;
use super::settings::Target;
use std::sync::Arc;
use std::time::Duration;

/// Between two look-ups of a name. Resolvers do not tell the record's own lifetime.
const EVERY: Duration = Duration::from_secs(30);
/// After a failed look-up.
const AGAIN: Duration = Duration::from_secs(2);

/// Keeps a server's address fresh for as long as the task lives. A name that cannot be looked up
/// keeps its last address: a resolver that is down must not take the site with it.
pub async fn watch(upstream: String, server: Arc<Server>) {
    let Target::Name(name, port) = &server.target else {
        return;
    };
    let mut failing = false;
    loop {
        let found = tokio::net::lookup_host((name.as_str(), *port)).await;
        // IPv4 first: an app that listens on a name without saying more listens there.
        let address = found.map(|all| all.min_by_key(std::net::SocketAddr::is_ipv6));
        let wait = match address {
            Ok(Some(address)) => {
                server.resolve_to(address);
                failing = false;
                EVERY
            }
            Ok(None) | Err(_) => {
                if !failing {
                    tracing::warn!(
                        upstream,
                        server = server.label,
                        "the server's name has no address"
                    );
                }
                failing = true;
                AGAIN
            }
        };
        tokio::time::sleep(wait).await;
    }
}
