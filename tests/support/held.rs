//! A port that is known before parvis starts, and that nobody else is given.

use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr};

/// Bound and not listened on: who may share it (SO_REUSEADDR, as servers do) can still listen there.
pub struct Held {
    socket: Socket,
}

impl Held {
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).unwrap();
        Held { socket }
    }

    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap().as_socket().unwrap()
    }
}
