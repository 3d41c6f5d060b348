//! pingora's proxy, made to use connections of ours.

use super::running::Running;
use super::service::EdgeProxy;
use crate::upstream::ServerConnector;
use pingora::proxy::{HttpProxy, ProxyServiceBuilder};
use pingora::server::configuration::ServerConf;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// What serves requests.
pub type Engine = HttpProxy<EdgeProxy, ServerConnector>;

/// Makes an engine: one per worker, so that a connection to a server stays on its thread.
pub fn engine(running: Arc<Running>) -> Option<Arc<Engine>> {
    // The pool of idle connections is `upstream::pool`.
    let conf = ServerConf {
        threads: 1,
        upstream_keepalive_pool_size: 0,
        // pingora reads certificates of authorities and panics when it cannot. Apps are spoken to
        // without TLS: none are needed, and a machine's broken ones must not matter.
        ca_file: Some("/dev/null".to_string()),
        ..ServerConf::default()
    };
    // Never called: `process_custom_session` is for connections of clients, and ours are HTTP.
    let unused = Arc::new(
        |_, _, _: &_| -> futures_util::future::BoxFuture<'static, _> {
            Box::pin(std::future::ready(None))
        },
    );
    let builder = ProxyServiceBuilder::new(&Arc::new(conf), EdgeProxy { running });
    let service = ManuallyDrop::new(builder.custom(ServerConnector, unused).build());
    let engine: *const Engine = service.app_logic()?;
    // pingora makes a proxy with a connector of one's own only inside of a service, and a service
    // gives it away only to its own accept loop. Ours replaces that loop.
    // SAFETY: `engine` points to a valid value inside of `service`. `service` is in `ManuallyDrop`
    // and not used after this, so the value is moved out exactly once and dropped exactly once.
    let engine = unsafe { std::ptr::read(engine) };
    Some(Arc::new(engine))
}
