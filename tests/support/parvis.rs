//! The real binary, started with a configuration that the test writes.

use super::client::{Client, Reply};
use super::folder::Folder;
use super::until;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// The binary with these arguments, run to its end.
pub fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A running parvis.
pub struct Parvis {
    child: Child,
    /// Where its configuration (`parvis.toml`) and its log (`parvis.log`) lie.
    pub folder: Folder,
    listeners: Vec<SocketAddr>,
    admin: Option<SocketAddr>,
}

/// `[admin]` on a port of the kernel's and no access log: what most tests want.
const PREAMBLE: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

impl Parvis {
    /// Starts with this configuration. `@DIR` in it stands for the test's folder. Listeners are
    /// given as `127.0.0.1:0`. `[admin]` and `[log]` are added unless it has them.
    pub fn start(configuration: &str) -> Self {
        Parvis::start_in(Folder::new(), configuration, &[])
    }

    /// The same in a folder that has files already, with these environment variables.
    pub fn start_in(folder: Folder, configuration: &str, environment: &[(&str, &str)]) -> Self {
        Parvis::start_as(folder, configuration, |command| {
            command.envs(environment.iter().copied());
        })
    }

    /// The same, with the last word on the command: its standard output, its environment.
    pub fn start_as(
        folder: Folder,
        configuration: &str,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        Parvis::write_configuration(&folder, configuration);
        let log = File::create(folder.join("parvis.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_parvis"));
        command
            .args(["run", "-c"])
            .arg(folder.join("parvis.toml"))
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("parvis.out")).unwrap())
            .stderr(log);
        change(&mut command);
        let child = command.spawn().unwrap();
        let mut parvis = Parvis {
            child,
            folder,
            listeners: Vec::new(),
            admin: None,
        };
        until("parvis serves", || {
            if let Some(status) = parvis.child.try_wait().unwrap() {
                panic!("parvis ended with {status}:\n{}", parvis.log());
            }
            parvis.log().contains("parvis is serving").then_some(())
        });
        let log = parvis.log();
        let addresses = |what: &str| -> Vec<SocketAddr> {
            log.lines()
                .filter(|line| line.contains(what))
                .filter_map(|line| {
                    line.split("address=")
                        .nth(1)?
                        .split_whitespace()
                        .next()?
                        .parse()
                        .ok()
                })
                .collect()
        };
        parvis.listeners = addresses(" listening ");
        parvis.admin = addresses(" admin interface ").first().copied();
        parvis
    }

    /// Writes `parvis.toml` as [`Parvis::start`] would.
    pub fn write_configuration(folder: &Folder, configuration: &str) {
        folder.write("parvis.toml", &Parvis::complete(folder, configuration));
    }

    fn complete(folder: &Folder, configuration: &str) -> String {
        let mut text = String::new();
        if !configuration.contains("[admin]") {
            text.push_str(PREAMBLE);
        }
        if !configuration.contains("[log]") {
            text.push_str("[log]\naccess = \"off\"\n");
        }
        // Keys at the top level (`include`) must stand before the first table.
        let all = match configuration.trim_start().starts_with("include") {
            true => format!("{configuration}\n{text}"),
            false => format!("{text}{configuration}"),
        };
        all.replace("@DIR", folder.path().to_str().unwrap())
    }

    /// The first listener.
    pub fn address(&self) -> SocketAddr {
        self.listeners[0]
    }

    /// All listeners, in the order of their configured addresses.
    pub fn listeners(&self) -> &[SocketAddr] {
        &self.listeners
    }

    /// The admin interface.
    pub fn admin(&self) -> SocketAddr {
        self.admin.expect("the admin interface is off")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// parvis's own log so far.
    pub fn log(&self) -> String {
        self.folder.read("parvis.log")
    }

    /// What it wrote to standard output (the access log, when it goes there).
    pub fn output(&self) -> String {
        self.folder.read("parvis.out")
    }

    pub fn configuration(&self) -> PathBuf {
        self.folder.join("parvis.toml")
    }

    /// A connection to the first listener.
    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// `GET path` on a connection of its own, `Host: test`.
    pub fn get(&self, path: &str) -> Reply {
        self.client().get(path)
    }

    /// A request to the admin interface.
    pub fn admin_request(&self, method: &str, path: &str, fields: &str) -> Reply {
        let mut client = Client::connect(self.admin());
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Connection: close\r\n\r\n"
        ));
        client.reply()
    }

    /// `/status`, parsed.
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_slice(&self.admin_request("GET", "/status", "").body).unwrap()
    }

    /// The value of a metric, its labels included in the name as Prometheus writes them
    /// (`name{a="b",c="d"}`, labels in alphabetical order); 0 when it has no series yet.
    pub fn metric(&self, series: &str) -> f64 {
        let reply = self.admin_request("GET", "/metrics", "");
        let text = String::from_utf8(reply.body).unwrap();
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value).unwrap_or(0.0)
    }

    /// Sends a signal: `"TERM"`, `"HUP"`, `"USR1"`, ...
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits until the process ends.
    pub fn wait(&mut self) -> ExitStatus {
        until("parvis ends", || self.child.try_wait().unwrap())
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory, bytes.
    pub fn memory(&self) -> u64 {
        self.proc_status("VmRSS:")
    }

    /// The most resident memory that the process ever had, bytes: no sampling misses it.
    pub fn peak_memory(&self) -> u64 {
        self.proc_status("VmHWM:")
    }

    fn proc_status(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap();
        line.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<u64>()
            .unwrap()
            * 1024
    }
}

impl Drop for Parvis {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- parvis.toml\n{}", self.folder.read("parvis.toml"));
            eprintln!("--- parvis.log\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
