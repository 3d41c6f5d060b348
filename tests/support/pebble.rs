//! A CA of a test's own: Pebble (Debian: `apt install pebble`), a DNS server in which all names are
//! this machine, and something between the two ends that can change what passes.

use super::{Folder, until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Where it finds who is to be certified.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ports {
    /// For http-01.
    pub http: u16,
    /// For tls-alpn-01.
    pub tls: u16,
}

/// A CA. It has a port from the beginning, and a process while it runs.
pub struct Pebble {
    child: Option<Child>,
    folder: Folder,
    address: SocketAddr,
    dns: SocketAddr,
    configuration: Value,
    environment: Vec<(String, String)>,
    /// Bound and not listened on: nobody else is given the port while it is away.
    _held: Socket,
}

impl Pebble {
    /// One that runs.
    ///
    /// # Panics
    /// When there is no pebble: `tests/run --install` installs it.
    pub fn start(ports: Ports) -> Self {
        Pebble::start_with(ports, json!({}))
    }

    /// The same with more keys in its configuration.
    pub fn start_with(ports: Ports, more: Value) -> Self {
        let mut pebble = Pebble::away();
        pebble.begin(ports, more);
        pebble
    }

    /// One that is not there yet.
    pub fn away() -> Self {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Two may have a port that both would share, as long as one of them listens at most.
        held.set_reuse_address(true).unwrap();
        held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        let address = held.local_addr().unwrap().as_socket().unwrap();
        let folder = Folder::new();
        let (ca, certificate, key) = server_certificate();
        folder.write("ca.pem", &ca);
        folder.write("certificate.pem", &certificate);
        folder.write("key.pem", &key);
        Pebble {
            child: None,
            folder,
            address,
            dns: dns(),
            configuration: Value::Null,
            environment: Vec::new(),
            _held: held,
        }
    }

    /// Has it work with an environment variable of Pebble's.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_string(), value.to_string()));
    }

    /// Starts it. `more`: keys of its configuration.
    pub fn begin(&mut self, ports: Ports, more: Value) {
        let mut pebble = json!({
            "listenAddress": self.address.to_string(),
            "managementListenAddress": "",
            "certificate": self.folder.join("certificate.pem"),
            "privateKey": self.folder.join("key.pem"),
            "httpPort": ports.http,
            "tlsPort": ports.tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        });
        for (key, value) in more.as_object().unwrap() {
            pebble[key] = value.clone();
        }
        self.configuration = json!({ "pebble": pebble });
        self.again();
    }

    /// Starts it as it was. It has forgotten everything: accounts, orders, its own keys.
    pub fn again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let path = self
            .folder
            .write("pebble.json", &self.configuration.to_string());
        let log = std::fs::File::create(self.folder.join("pebble.log")).unwrap();
        let child = Command::new("pebble")
            .arg("-config")
            .arg(path)
            .args(["-dnsserver", &self.dns.to_string()])
            // Validations begin at once; some nonces are refused, as Pebble does by itself.
            .env("PEBBLE_VA_NOSLEEP", "1")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("pebble: {error}: run `tests/run --install`, which installs it")
            });
        self.child = Some(child);
        until("pebble listens", || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            if let Some(status) = ended {
                panic!("pebble ended with {status}:\n{}", self.log());
            }
            TcpStream::connect(self.address).ok()
        });
    }

    /// Ends it.
    pub fn end(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// By which its server is trusted.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Certificate and key of its server.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (
            self.folder.join("certificate.pem"),
            self.folder.join("key.pem"),
        )
    }

    pub fn log(&self) -> String {
        self.folder.read("pebble.log")
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- pebble.log\n{}", self.log());
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A CA for Pebble's own server, and a certificate and a key of it.
fn server_certificate() -> (String, String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "a test's CA");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (issuer.pem(), certificate.pem(), key.serialize_pem())
}

/// A DNS server on a port of the kernel's, for as long as the tests run: every name is this machine.
fn dns() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut question = [0u8; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            if let Some(answer) = answer(&question[..length]) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

/// RFC 1035 section 4: the question again, and `A 127.0.0.1` when that was asked.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let labels = question.get(12..)?;
    let end = 12 + labels.iter().position(|byte| *byte == 0)? + 1;
    let asked = question.get(end..end + 4)?;
    let is_a = asked[..2] == [0, 1];
    let mut out = question[..2].to_vec();
    // An answer, with recursion; one question, one answer or none.
    out.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    out.extend(&question[12..end + 4]);
    if is_a {
        // The name of the question; A, IN, for a second; four bytes.
        out.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    Some(out)
}
