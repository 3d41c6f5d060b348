//! A real redis-server on a port of the kernel's, which it keeps while it is stopped and started.

use super::{Folder, PATIENCE, until};
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A server with a folder of its own.
pub struct Redis {
    child: Option<Child>,
    folder: Folder,
    address: SocketAddr,
    password: Option<String>,
    /// Bound and not listened on: nobody else is given the port while the server is away.
    _held: Socket,
}

/// What a server answers (RESP 2).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Nothing,
    Text(String),
    Number(i64),
    List(Vec<Value>),
    Error(String),
}

impl Value {
    /// # Panics
    /// When it is no text.
    pub fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    /// # Panics
    /// When it is no number.
    pub fn number(&self) -> i64 {
        match self {
            Value::Number(number) => *number,
            other => panic!("no number: {other:?}"),
        }
    }

    /// # Panics
    /// When it is no list.
    pub fn list(&self) -> &[Value] {
        match self {
            Value::List(list) => list,
            other => panic!("no list: {other:?}"),
        }
    }
}

impl Redis {
    /// A server that has everything on disk before it answers: a kill loses nothing of it.
    ///
    /// # Panics
    /// When there is no redis-server: `tests/run` installs it.
    pub fn start() -> Self {
        let mut redis = Redis::away();
        redis.begin();
        redis
    }

    /// The same, not started yet.
    pub fn away() -> Self {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        // Two may have a port that both would share, as long as one of them listens at most.
        held.set_reuse_address(true).unwrap();
        held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
            .unwrap();
        let address = held.local_addr().unwrap().as_socket().unwrap();
        Redis {
            child: None,
            folder: Folder::new(),
            address,
            password: None,
            _held: held,
        }
    }

    /// Starts it, on the same port and with what it had on disk.
    pub fn begin(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &self.address.port().to_string(),
            ])
            .args([
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ])
            .arg("--dir")
            .arg(self.folder.path())
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--logfile")
            .arg(self.folder.join("redis.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("redis-server: {error}: run `tests/run --install`, which installs it")
            });
        self.child = Some(child);
        let mut ended = None;
        until("redis-server answers", || {
            let child = self.child.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                ended = Some(status);
                return Some(());
            }
            let pong = try_ask(self.address, None, &["PING"])?;
            matches!(pong, Value::Text(_)).then_some(())
        });
        if let Some(status) = ended {
            panic!(
                "redis-server ended with {status}:\n{}",
                self.folder.read("redis.log")
            );
        }
    }

    /// Sends it a signal: `"TERM"`, `"KILL"`, `"STOP"`, `"CONT"`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id();
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string())
            .status();
        assert!(status.unwrap().success());
    }

    /// Ends it with this signal, and waits until it has.
    pub fn end(&mut self, signal: &str) {
        self.signal(signal);
        let child = self.child.as_mut().unwrap();
        until("redis-server ends", || child.try_wait().unwrap());
        self.child = None;
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// It listens here too.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// From here on it takes commands only from who has this password.
    pub fn lock(&mut self, password: &str) {
        self.ask(&["CONFIG", "SET", "requirepass", password]);
        self.password = Some(password.to_string());
    }

    /// A command and its answer.
    pub fn ask(&self, command: &[&str]) -> Value {
        let login = self.password.as_deref();
        try_ask(self.address, login, command).unwrap_or_else(|| {
            panic!(
                "no answer to {command:?}:\n{}",
                self.folder.read("redis.log")
            )
        })
    }

    /// How long a list is.
    pub fn length(&self, list: &str) -> i64 {
        self.ask(&["LLEN", list]).number()
    }

    /// What is in a list that was pushed to from the left, oldest first.
    pub fn list(&self, list: &str) -> Vec<serde_json::Value> {
        let all = self.ask(&["LRANGE", list, "0", "-1"]);
        let texts = all.list().iter().rev();
        texts
            .map(|text| serde_json::from_str(text.text()).unwrap())
            .collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- redis.log\n{}", self.folder.read("redis.log"));
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// `None` when nobody answers.
fn try_ask(address: SocketAddr, login: Option<&str>, command: &[&str]) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut text = String::new();
    if let Some(password) = login {
        write(&mut text, &["AUTH", password]);
    }
    write(&mut text, command);
    stream.write_all(text.as_bytes()).ok()?;
    let mut answers = BufReader::new(stream);
    if login.is_some() {
        read(&mut answers)?;
    }
    read(&mut answers)
}

fn write(text: &mut String, command: &[&str]) {
    text.push_str(&format!("*{}\r\n", command.len()));
    for part in command {
        text.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
}

fn read(from: &mut impl BufRead) -> Option<Value> {
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let (kind, rest) = line.trim_end().split_at(1);
    Some(match kind {
        "+" => Value::Text(rest.to_string()),
        "-" => Value::Error(rest.to_string()),
        ":" => Value::Number(rest.parse().ok()?),
        "$" => {
            let Ok(length) = rest.parse::<usize>() else {
                return Some(Value::Nothing);
            };
            let mut text = vec![0; length + 2];
            from.read_exact(&mut text).ok()?;
            text.truncate(length);
            Value::Text(String::from_utf8(text).unwrap())
        }
        "*" => {
            let length: usize = rest.parse().ok()?;
            Value::List((0..length).map(|_| read(from)).collect::<Option<_>>()?)
        }
        other => panic!("no answer of Redis's: {other}{rest}"),
    })
}
