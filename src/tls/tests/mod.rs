//! Tests: certificates made here, rustls's client and server in memory, nothing on the network.

mod authority;
mod client_certificates;
mod files;
mod handshakes;
mod mistakes;
mod resumption;

use super::settings::{SiteTlsSettings, TlsSettings};
use super::*;
use crate::config::{Diagnostics, Document, Place, Sources, Value};
use authority::{Authority, Issued};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConnection};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of a test's own.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        let name = format!("parvis-tls-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that nobody else can read.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub fn put(&self, name: &str, issued: &Issued) {
        self.write(&format!("{name}.pem"), &issued.chain);
        self.write(&format!("{name}.key"), &issued.key);
    }

    /// Runs openssl here.
    pub fn openssl(&self, arguments: &str) {
        let output = std::process::Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&self.0)
            .output()
            .expect("openssl is needed by this test (Debian: apt install openssl)");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What came of a configuration.
pub struct Built {
    pub common: Arc<Common>,
    pub site: Option<SiteTls>,
    /// All that is wrong, with its lines.
    pub errors: String,
    pub count: usize,
    pub warnings: String,
}

impl Built {
    pub fn site(self) -> SiteTls {
        assert_eq!(self.count, 0, "{}", self.errors);
        self.site.unwrap()
    }
}

/// A configuration: `hosts`, `[tls]` and `[site.tls]` (here `[own]`).
#[derive(Default)]
pub struct Wanted<'a> {
    pub name: &'a str,
    pub hosts: &'a [&'a str],
    pub common: &'a str,
    pub own: &'a str,
    pub http2: bool,
    pub before: Option<(&'a Arc<Common>, &'a SiteTls)>,
}

impl Wanted<'_> {
    pub fn build(&self, folder: &Path) -> Built {
        let hosts = format!("{:?}", self.hosts);
        let (common, own) = (self.common, self.own);
        let text = format!("hosts = {hosts}\n[tls]\n{common}\n[own]\n{own}\n");
        let mut sources = Sources::default();
        let file = sources.add(folder.join("parvis.toml"), text);
        let mut errors = Diagnostics::default();
        let document = Document::parse(&sources, &[file], &mut errors);
        let (mut names, mut tls, mut own, mut at) = (Vec::new(), None, None, Place::default());
        for (key, place, node) in document.entries() {
            match key {
                "hosts" => {
                    at = place;
                    for host in node.elements().unwrap() {
                        names.push((host.value.as_str().unwrap().to_string(), host.place));
                    }
                }
                "tls" => tls = TlsSettings::read(&node, &mut errors),
                _ => own = SiteTlsSettings::read(&node, &mut errors),
            }
        }
        let before = self.before.map(|(common, _)| common);
        let common = Common::build(&tls.unwrap(), before, &mut errors);
        let order = SiteOrder {
            site: self.name,
            names: &names,
            place: at,
            settings: &own.unwrap(),
            common: &common,
            http2: self.http2,
            before: self.before.map(|(_, site)| site),
        };
        let site = SiteTls::build(&order, &mut errors);
        Built {
            common,
            site,
            count: errors.len(),
            errors: errors.render(&sources),
            warnings: errors.render_warnings(&sources),
        }
    }
}

/// A site with these lines in its table.
pub fn built(folder: &Folder, hosts: &[&str], own: &str) -> Built {
    let wanted = Wanted {
        name: "shop",
        hosts,
        own,
        ..Wanted::default()
    };
    wanted.build(&folder.0)
}

/// The two lines that name the files of `Folder::put`.
pub fn pair(name: &str) -> String {
    format!("certificate = \"{name}.pem\"\nkey = \"{name}.key\"")
}

/// A client that believes an authority.
pub fn client(authority: &Authority) -> ClientConfig {
    client_with(authority, rustls::crypto::aws_lc_rs::default_provider())
}

pub fn client_with(authority: &Authority, provider: CryptoProvider) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    builder
        .with_root_certificates(roots(authority))
        .with_no_client_auth()
}

pub fn roots(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    roots
}

/// A handshake, up to the tickets; the server's mistake, if it makes one, else the client's.
pub fn shake(
    client: &Arc<ClientConfig>,
    site: &SiteTls,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name.to_string()).unwrap();
    let client = ClientConnection::new(client.clone(), name).unwrap();
    let server = ServerConnection::new(site.config()).unwrap();
    let (mut client, mut server) = (Connection::from(client), Connection::from(server));
    loop {
        let sent = pass(&mut client, &mut server);
        let back = pass(&mut server, &mut client);
        if !(sent? | back?) {
            break;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    match (client, server) {
        (Connection::Client(client), Connection::Server(server)) => Ok((client, server)),
        _ => unreachable!(),
    }
}

/// What one has to say, to the other; whether it was anything.
fn pass(from: &mut Connection, to: &mut Connection) -> Result<bool, rustls::Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets()?;
    }
    Ok(!bytes.is_empty())
}
