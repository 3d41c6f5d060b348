//! A redis-server of our own, with nothing in it and nothing on disk.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(10);

/// It ends with this.
pub struct Redis {
    server: Child,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

impl Redis {
    /// Starts it and waits until it answers.
    pub fn start(directory: &Path) -> Result<Self, String> {
        // The kernel knows a port that is free, and does not give it to the next who asks.
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
        let port = listener
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
        drop(listener);
        let server = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("redis-server: {error}"))?;
        let redis = Redis { server, port };
        let began = Instant::now();
        while redis.ask("PING").is_err() {
            if began.elapsed() > START {
                return Err("redis-server does not answer".to_string());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(redis)
    }

    /// Asks a question whose answer is a line.
    pub fn ask(&self, question: &str) -> Result<String, String> {
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            write!(stream, "{question}\r\n")?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line)?;
            Ok(line)
        };
        let line: Result<String, std::io::Error> = ask();
        let line = line.map_err(|error| format!("redis-server: {error}"))?;
        match line.trim_end().split_at_checked(1) {
            Some((":" | "+", value)) => Ok(value.to_string()),
            _ => Err(format!("redis-server answers {line:?} to {question}")),
        }
    }

    /// How many a list has.
    pub fn length(&self, list: &str) -> Result<u64, String> {
        let length = self.ask(&format!("LLEN {list}"))?;
        length
            .parse()
            .map_err(|_| format!("a length of {length:?}"))
    }

    /// Its CPU time so far.
    pub fn cpu(&self) -> Duration {
        let path = format!("/proc/{}/schedstat", self.server.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let nanos = text.split(' ').next().and_then(|text| text.parse().ok());
        Duration::from_nanos(nanos.unwrap_or(0))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A directory that goes when this goes.
pub struct Folder(pub std::path::PathBuf);

impl Folder {
    /// An empty one.
    pub fn new(name: &str) -> Result<Self, String> {
        let name = format!("parvis-bench-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is in the system's folder for what is thrown away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
