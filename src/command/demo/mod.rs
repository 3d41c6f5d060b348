//! `parvis demo`: a small site inside of the process, and parvis in front of it.

mod answer;
mod api;
mod assets;
mod chat;
mod query;
mod room;
mod routes;
mod scratch;
mod site;
mod trickle;

use super::Failure;
use super::run::{Process, quiet};
use crate::edge;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// What to try.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// The port to serve on; 0: any that is free.
    #[arg(short, long, default_value_t = 8080, value_name = "PORT")]
    port: u16,
}

/// Serves the demo until Ctrl-C.
pub fn demo(arguments: &Demo) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Work(format!("error: {error}"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let app = listener.local_addr().map_err(failed)?;
    let (stop, stopping) = watch::channel(false);
    let site = std::thread::Builder::new()
        .name("demo-site".to_string())
        .spawn(move || serve_site(listener, stopping))
        .map_err(failed)?;
    let scratch = scratch::Folder::make().map_err(failed)?;
    let loaded = edge::load_text("(demo)", configuration(app, arguments.port, scratch.path()));
    let edge = loaded
        .result
        .map_err(|errors| Failure::Wrong(errors.render(&loaded.sources)))?;
    let process = Process::prepare(edge, quiet()).map_err(|failure| {
        let help = "help: `parvis demo --port 0` takes a port that is free";
        Failure::Work(format!("{}\n{help}", failure.message()))
    })?;
    let admin = process.admin_address();
    let result = process.serve(None, Duration::ZERO, std::future::pending(), |listeners| {
        if let Some(listener) = listeners.first() {
            welcome(listener.address, admin, app);
        }
    });
    // The site is stopped last, so that requests that parvis still has open can end.
    let _ = stop.send(true);
    match site.join() {
        Ok(Ok(())) => result,
        Ok(Err(error)) => result.and(Err(failed(error))),
        Err(_) => result.and(Err(Failure::Work("error: the demo site failed".into()))),
    }
}

fn serve_site(listener: TcpListener, stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        site::serve(tokio::net::TcpListener::from_std(listener)?, stop).await;
        Ok(())
    })
}

/// The configuration that an operator would write for this site.
fn configuration(app: SocketAddr, port: u16, scratch: &Path) -> String {
    let store = scratch.join("visits.sqlite");
    format!(
        r#"
[server]
shutdown_grace = "2s"

[admin]
listen = "127.0.0.1:0"

[log]
access = "off"

[visits]
store = {store:?}

[upstream.app]
servers = ["{app}"]

[[site]]
name = "demo"
listen = ["127.0.0.1:{port}"]
server_timing = true
visits = true

[site.headers]
security = "strict"
set = {{ "X-Served-By" = "parvis" }}

[[site.route]]
path = "/pictures/*"
proxy = "app"
cache_control = "public, max-age=3600"

[[site.route]]
path = "/old/*"
redirect = {{ to = "/{{path}}", status = 308 }}

[[site.route]]
path = "/ping"
respond = {{ body = "pong\n" }}

[[site.route]]
path = "/*"
proxy = "app"
"#
    )
}

fn welcome(address: SocketAddr, admin: Option<SocketAddr>, app: SocketAddr) {
    let (operator, last) = match admin {
        Some(admin) => (
            format!(
                "  http://{admin}/dashboard who has been here, and from where (a browser counts, curl does not)\n  \
                 http://{admin}/metrics   what Prometheus would scrape\n  \
                 http://{admin}/status    the same for people\n"
            ),
            format!("curl -s http://{admin}/metrics | grep parvis_requests_total"),
        ),
        None => (
            String::new(),
            format!("curl -sI http://{address}/pictures/coast.svg"),
        ),
    };
    super::print(&format!(
        "parvis is serving a demo site. Open it in a browser:

  http://{address}/        the site, with parvis in front (chat: http://{address}/chat)
{operator}  http://{app}/        the site itself, as parvis sees it

Five lines worth trying:

  curl -i http://{address}/ping
  curl -s http://{address}/api/echo
  curl -sN http://{address}/events
  curl -sI http://{address}/old/about
  {last}

Ctrl-C ends both."
    ));
}
