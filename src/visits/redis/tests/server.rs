//! A redis-server of a test's own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

pub struct Server {
    directory: PathBuf,
    arguments: Vec<String>,
    /// Where the sink finds it.
    pub url: String,
    /// Where the test finds it.
    admin: String,
    process: Mutex<Child>,
}

impl Server {
    /// On a unix socket, with these arguments more.
    pub fn start(more: &[&str]) -> Server {
        Server::with(0, more)
    }

    /// On a port too, which the sink uses.
    pub fn tcp(more: &[&str]) -> Server {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        Server::with(port, more)
    }

    fn with(port: u16, more: &[&str]) -> Server {
        let name = format!("parvis-redis-{:016x}", rand::random::<u64>());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let socket = directory.join("redis.sock");
        let mut arguments: Vec<String> = ["--save", "", "--bind", "127.0.0.1", "--unixsocket"]
            .map(String::from)
            .to_vec();
        arguments.push(socket.to_str().unwrap().to_string());
        arguments.extend(["--dir".to_string(), directory.to_str().unwrap().to_string()]);
        arguments.extend(["--port".to_string(), port.to_string()]);
        arguments.extend(more.iter().map(ToString::to_string));
        let admin = format!("unix://{}", socket.display());
        let url = match port {
            0 => admin.clone(),
            port => format!("redis://127.0.0.1:{port}"),
        };
        let process = Mutex::new(spawn(&arguments));
        let server = Server {
            directory,
            arguments,
            url,
            admin,
            process,
        };
        if !server.wait() {
            // Somebody else took the port in the meantime.
            return Server::with_another_port(more);
        }
        server
    }

    fn with_another_port(more: &[&str]) -> Server {
        Server::tcp(more)
    }

    /// Until it answers; false when it ended.
    fn wait(&self) -> bool {
        loop {
            if self.process.lock().unwrap().try_wait().unwrap().is_some() {
                return false;
            }
            // An answer that is an error is an answer too: a login is needed.
            match self
                .connection()
                .map(|mut c| redis::cmd("PING").query::<String>(&mut c))
            {
                Ok(Ok(_)) => return true,
                Ok(Err(error)) if error.code() == Some("NOAUTH") => return true,
                _ => std::thread::sleep(std::time::Duration::from_millis(2)),
            }
        }
    }

    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    fn connection(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(self.admin.as_str())?.get_connection()
    }

    /// Runs a command: words separated by blanks.
    pub fn run<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        command.query(&mut self.connection().unwrap()).unwrap()
    }

    /// What is in the list, the oldest first.
    pub fn list(&self, key: &str) -> Vec<String> {
        let mut found: Vec<String> = self.run(&format!("LRANGE {key} 0 -1"));
        found.reverse();
        found
    }

    /// What is in the stream.
    pub fn stream(&self, key: &str) -> Vec<String> {
        let found: Vec<(String, Vec<(String, String)>)> = self.run(&format!("XRANGE {key} - +"));
        let visit = |(_, fields): (String, Vec<(String, String)>)| {
            let [(name, value)] = fields.try_into().unwrap();
            assert_eq!(name, "visit");
            value
        };
        found.into_iter().map(visit).collect()
    }

    /// Sends a signal, and waits for the end when it is one that ends.
    pub fn signal(&self, signal: &str) {
        let mut process = self.process.lock().unwrap();
        let kill = format!("kill -{signal} {}", process.id());
        assert!(
            Command::new("/bin/sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
        if matches!(signal, "KILL" | "TERM") {
            process.wait().unwrap();
        }
    }

    /// Starts it again after it was ended.
    pub fn again(&self) {
        *self.process.lock().unwrap() = spawn(&self.arguments);
        assert!(self.wait());
    }
}

fn spawn(arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(arguments)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is needed by this test (Debian: apt install redis-server)")
}

impl Drop for Server {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap();
        let _ = process.kill();
        let _ = process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
