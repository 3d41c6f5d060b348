//! TLS: versions, certificates, who is let in, who comes back, and everything that clients may do
//! instead of a handshake.

mod support;

#[path = "tls/admission.rs"]
mod admission;
#[path = "tls/asked.rs"]
mod asked;
#[path = "tls/bad.rs"]
mod bad;
#[path = "tls/bodies.rs"]
mod bodies;
#[path = "tls/browser.rs"]
mod browser;
#[path = "tls/clients.rs"]
mod clients;
#[path = "tls/crowd.rs"]
mod crowd;
#[path = "tls/names.rs"]
mod names;
#[path = "tls/plain.rs"]
mod plain;
#[path = "tls/proxied.rs"]
mod proxied;
#[path = "tls/replaced.rs"]
mod replaced;
#[path = "tls/tickets.rs"]
mod tickets;
#[path = "tls/versions.rs"]
mod versions;

use std::net::SocketAddr;
use support::certificates::{Authority, Pair};
use support::secure::{Secure, trusting};
use support::{Folder, Parvis};

/// Where TLS is spoken.
const SECURED: &str = "{ address = \"127.0.0.1:0\", tls = true }";

/// A site over TLS that says its name. Its certificate is `NAME.pem`, its key `NAME.key`. `hosts`
/// are quoted; `tls` is what more its table has.
fn site(name: &str, hosts: &[&str], tls: &str) -> String {
    site_at(SECURED, name, hosts, tls)
}

/// The same, listening here.
fn site_at(listen: &str, name: &str, hosts: &[&str], tls: &str) -> String {
    format!(
        "{}[[site.route]]\npath = \"/*\"\nrespond = {{ body = \"{name}\" }}\n",
        site_without_route(listen, name, hosts, tls)
    )
}

/// The same, in front of an app.
fn app_at(listen: &str, name: &str, app: SocketAddr, tls: &str) -> String {
    format!(
        "[upstream.app]\nservers = [\"{app}\"]\n\
         {}[[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        site_without_route(listen, name, &[], tls)
    )
}

fn site_without_route(listen: &str, name: &str, hosts: &[&str], tls: &str) -> String {
    let hosts = match hosts {
        [] => String::new(),
        hosts => format!("hosts = {hosts:?}\n"),
    };
    format!(
        "[[site]]\nname = \"{name}\"\n{hosts}listen = [{listen}]\n\
         [site.tls]\ncertificate = \"@DIR/{name}.pem\"\nkey = \"@DIR/{name}.key\"\n{tls}\n"
    )
}

/// A folder with these certificates.
fn folder(pairs: &[(&str, &Pair)]) -> Folder {
    let folder = Folder::new();
    for (name, pair) in pairs {
        pair.write(&folder, name);
    }
    folder
}

/// One site, `a`, for `a.test`.
fn one() -> (Authority, Parvis) {
    one_with("", "")
}

/// The same, with more in its `tls` and at the configuration's top.
fn one_with(tls: &str, top: &str) -> (Authority, Parvis) {
    let authority = Authority::new();
    let folder = folder(&[("a", &authority.sign(&["a.test"]))]);
    let configuration = format!("{top}{}", site("a", &["a.test"], tls));
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    (authority, parvis)
}

/// What a site says over a connection of its own.
fn says(parvis: &Parvis, authority: &Authority, name: &str) -> String {
    let mut client = Secure::open(parvis.address(), name, &trusting(authority));
    client.get(name, "/").text()
}

/// How many handshakes failed for this reason.
fn failures(parvis: &Parvis, reason: &str) -> f64 {
    parvis.metric(&format!(
        "parvis_tls_handshake_failures_total{{reason=\"{reason}\"}}"
    ))
}

/// How many connections were refused for this reason.
fn refused(parvis: &Parvis, reason: &str) -> f64 {
    parvis.metric(&format!(
        "parvis_connections_refused_total{{reason=\"{reason}\"}}"
    ))
}
