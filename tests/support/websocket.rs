//! WebSockets as bytes: the handshake, and an app that says everything back.

use super::{Backend, Client, Incoming, Parvis};

/// A client's side of the handshake (the example of RFC 6455 section 1.3).
pub const ASK: &str = "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// The app's.
pub const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Sends back whatever comes, until the end.
pub fn echo(app: &mut Incoming) {
    let mut space = [0; 4096];
    loop {
        let n = app.read(&mut space);
        if n == 0 || !app.send(&space[..n]) {
            return;
        }
    }
}

/// An app that upgrades everybody and says their bytes back.
pub fn echoing() -> Backend {
    Backend::raw(|app| {
        app.request();
        app.send(SWITCH);
        echo(app);
    })
}

/// An upgraded connection.
pub fn open(parvis: &Parvis) -> Client {
    let mut client = parvis.client();
    client.send(ASK);
    let reply = client.reply();
    assert_eq!(reply.status, 101, "{}", reply.head);
    client
}

/// Whether what is sent comes back.
pub fn echoes(client: &mut Client, what: &str) {
    client.send(what);
    assert_eq!(client.exactly(what.len()), what.as_bytes());
}
