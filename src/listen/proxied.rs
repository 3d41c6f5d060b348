//! The PROXY protocol: a proxy before us names the client.

use crate::wire::proxy_protocol::{self, Parsed};
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The most that is looked at in one go: more than any header of version 1, and than version 2
/// needs but for unusual additions.
const LOOK: usize = 512;

/// Reads the header of a connection from `proxy`, and not a byte more. The client that it names, if
/// it names one (health checks do not).
///
/// # Errors
/// Why the connection is closed, for the metric: it is from nobody who is trusted, or there is no
/// header, or a broken one.
pub async fn read(
    stream: &mut TcpStream,
    proxy: SocketAddr,
    trusted: bool,
) -> Result<Option<SocketAddr>, &'static str> {
    if !trusted {
        return Err("proxy_protocol_untrusted");
    }
    let broken = |_| "proxy_protocol";
    let mut header: Vec<u8> = Vec::new();
    loop {
        let begun = header.len();
        let mut space = [0u8; LOOK];
        // What follows the header is not ours to read.
        let seen = stream.peek(&mut space).await.map_err(broken)?;
        if seen == 0 {
            return Err("proxy_protocol");
        }
        header.extend_from_slice(space.get(..seen).unwrap_or_default());
        let parsed = proxy_protocol::parse(&header).map_err(|why| {
            tracing::debug!(%proxy, %why, "a header of the PROXY protocol is refused");
            "proxy_protocol"
        })?;
        let used = match &parsed {
            Parsed::Need(_) => header.len(),
            Parsed::Done { used, .. } => *used,
        };
        let take = used.saturating_sub(begun);
        let taken = space.get_mut(..take).unwrap_or_default();
        stream.read_exact(taken).await.map_err(broken)?;
        if let Parsed::Done { client, .. } = parsed {
            return Ok(client);
        }
    }
}
