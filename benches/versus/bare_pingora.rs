//! The least that a proxy built on pingora can be: what pingora itself costs, without parvis.
//!
//! `benches/versus/run` builds it and loads it beside parvis and nginx. It listens on the address
//! in `LISTEN` and passes everything to the one in `UPSTREAM`:
//!
//! ```text
//! LISTEN=127.0.0.1:8080 UPSTREAM=127.0.0.1:9000 cargo bench --bench bare_pingora
//! ```

use async_trait::async_trait;
use pingora::listeners::TcpSocketOptions;
use pingora::prelude::*;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use std::net::SocketAddr;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many as nginx has workers in the comparison.
const SERVICES: usize = 2;

struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() {
    // Arguments are left alone: `cargo bench` adds `--bench`, and filters meant for other benches.
    let (Ok(listen), Ok(upstream)) = (std::env::var("LISTEN"), std::env::var("UPSTREAM")) else {
        println!(
            "bare_pingora: serves only with LISTEN=ADDRESS:PORT and UPSTREAM=ADDRESS:PORT set"
        );
        return;
    };
    let upstream = upstream.parse().expect("UPSTREAM is an address and a port");

    let mut server = Server::new(None).expect("the default configuration of pingora");
    server.bootstrap();
    // A connection that hops between threads costs a quarter of everything. With a listener per
    // service of one thread, it stays where it was accepted, and so does its upstream connection.
    for _ in 0..SERVICES {
        let mut service = http_proxy_service(&server.configuration, Bare { upstream });
        service.threads = Some(1);
        let mut options = TcpSocketOptions::default();
        options.so_reuseport = Some(true);
        service.add_tcp_with_settings(&listen, options);
        server.add_service(service);
    }
    server.run_forever();
}
