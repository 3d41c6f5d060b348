//! Apps that speak HTTP/2: a gRPC server, called by a gRPC client over TLS and in the clear; an app
//! like any other; and apps that misbehave.

mod support;

#[path = "grpc/app.rs"]
mod app;
#[path = "grpc/calls.rs"]
mod calls;
#[path = "grpc/faults.rs"]
mod faults;
#[path = "grpc/plain.rs"]
mod plain;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use support::certificates::Authority;
use support::programs::python;
use support::{Backend, Folder, Parvis, until};

/// An app of `tests/grpc`, in Python.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(script: &str, port: u16) -> Self {
        let mut child = Command::new(python())
            .arg(format!(
                "{}/tests/grpc/{script}",
                env!("CARGO_MANIFEST_DIR")
            ))
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().strip_prefix("LISTENING ");
        let address = address.and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{script} did not start: {line:?}"));
        Process { child, address }
    }

    /// Kills it.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, which takes as long as its calls do. Whether it did so in order.
    fn ends_in_order(mut self) -> bool {
        let mut kill = Command::new("kill");
        kill.arg(self.child.id().to_string());
        assert!(kill.status().unwrap().success());
        // `wait` would end its standard input, and it at once.
        until("it ends", || self.child.try_wait().unwrap()).success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every request goes to these servers by HTTP/2. Listens with TLS on 127.0.0.1, and in the clear on
/// 127.0.0.2. `upstream`: more lines of the upstream.
fn edge(servers: &[SocketAddr], upstream: &str) -> Parvis {
    let folder = Folder::new();
    let authority = Authority::new();
    let own = authority.sign(&["localhost"]);
    folder.write("ca.pem", &authority.pem);
    folder.write("cert.pem", &own.certificate);
    folder.write("key.pem", &own.key);
    let servers: Vec<String> = servers
        .iter()
        .map(|server| format!("\"{server}\""))
        .collect();
    let configuration = format!(
        "[server]\nthreads = 1\n\
         [upstream.app]\nservers = [{}]\nhttp2 = true\n{upstream}\n\
         [[site]]\nname = \"s\"\nmax_body = \"1GiB\"\n\
         listen = [{{ address = \"127.0.0.1:0\", tls = true }}, {{ address = \"127.0.0.2:0\", h2c = true }}]\n\
         [site.tls]\ncertificate = \"@DIR/cert.pem\"\nkey = \"@DIR/key.pem\"\nredirect = false\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        servers.join(", ")
    );
    Parvis::start_in(folder, &configuration, &[])
}

/// Where it listens in the clear.
fn clear(parvis: &Parvis) -> SocketAddr {
    parvis.listeners()[1]
}

/// The same before an app of the test's own.
fn edge_before(backend: &Backend, upstream: &str) -> Parvis {
    edge(&[backend.address()], upstream)
}
