//! Binding sockets.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// Connections that wait to be accepted, per socket; the kernel caps it at `somaxconn`.
const BACKLOG: i32 = 4096;

/// One address, bound once per worker.
#[derive(Debug)]
pub struct Bound {
    /// As the configuration names it.
    pub configured: SocketAddr,
    /// As it is: port 0 has become a real one.
    pub actual: SocketAddr,
    /// A socket per worker. The kernel spreads connections over them (SO_REUSEPORT), so that a
    /// connection begins and ends on one thread.
    pub sockets: Vec<TcpListener>,
}

/// Binds an address for so many workers.
///
/// # Errors
/// The address is taken, not this machine's, or not for this user. Workers' sockets share a port,
/// which would let a second parvis share it too; so it is bound alone first.
pub fn bind(configured: SocketAddr, workers: usize) -> io::Result<Bound> {
    let alone = open(configured, false)?;
    let actual = alone.local_addr()?;
    drop(alone);
    let sockets = (0..workers)
        .map(|_| open(actual, true))
        .collect::<io::Result<Vec<_>>>()?;
    Ok(Bound {
        configured,
        actual,
        sockets,
    })
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // Old connections in TIME_WAIT must not stop a restart.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        // `[::]:80` beside `0.0.0.0:80` is what people write.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_and_nobody_else_does() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        assert_ne!(first.actual.port(), 0);
        assert_eq!(first.sockets.len(), 2);
        let error = bind(first.actual, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
