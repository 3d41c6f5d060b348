//! Ports that stay taken although nobody is served on them.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A port on which every connect is refused: it is bound, so that no other test can be given it,
/// and not listened on.
pub struct Refusing {
    socket: Socket,
}

impl Refusing {
    pub fn new() -> Self {
        Refusing { socket: bound() }
    }

    pub fn address(&self) -> SocketAddr {
        address(&self.socket)
    }
}

/// A port on which every connect waits for ever: its queue of connections is full, and nobody
/// takes one out.
pub struct Full {
    socket: Socket,
    _queued: Vec<TcpStream>,
}

impl Full {
    pub fn new() -> Self {
        let socket = bound();
        socket.listen(0).unwrap();
        let mut queued = Vec::new();
        // The kernel drops what does not fit into the queue: that connect is not answered.
        while let Ok(stream) =
            TcpStream::connect_timeout(&address(&socket), Duration::from_millis(200))
        {
            queued.push(stream);
        }
        Full {
            socket,
            _queued: queued,
        }
    }

    pub fn address(&self) -> SocketAddr {
        address(&self.socket)
    }
}

fn bound() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).unwrap();
    socket
}

fn address(socket: &Socket) -> SocketAddr {
    socket.local_addr().unwrap().as_socket().unwrap()
}
