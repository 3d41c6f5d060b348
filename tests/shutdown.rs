//! The end of the process: told to stop, told twice, and never begun.

mod support;

use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use support::websocket::echoing;
use support::{Backend, Client, Folder, PATIENCE, Parvis, until};

/// An app whose answers wait until the test lets them go.
struct Slow {
    backend: Backend,
    began: Receiver<()>,
    go: Sender<()>,
}

impl Slow {
    fn start() -> Self {
        let (asked, began) = channel();
        let (go, wait) = channel::<()>();
        let (asked, wait) = (Mutex::new(asked), Mutex::new(wait));
        let backend = Backend::raw(move |app| {
            while let Some(request) = app.request() {
                if request.target != "/quick" {
                    let _ = asked.lock().unwrap().send(());
                    // The test may be over.
                    if wait.lock().unwrap().recv_timeout(PATIENCE).is_err() {
                        return;
                    }
                }
                app.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer");
            }
        });
        Slow { backend, began, go }
    }

    /// Waits until a request has reached the app.
    fn has_begun(&self) {
        self.began.recv_timeout(PATIENCE).unwrap();
    }

    /// Lets one answer go.
    fn answer(&self) {
        self.go.send(()).unwrap();
    }
}

fn configuration(backend: &Backend, server: &str) -> String {
    format!(
        "[server]\n{server}\n[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/own\"\nrespond = {{ body = \"own\" }}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address()
    )
}

fn edge(backend: &Backend, server: &str) -> Parvis {
    Parvis::start(&configuration(backend, server))
}

fn health(parvis: &Parvis) -> u16 {
    parvis.admin_request("GET", "/health", "").status
}

fn until_stopping(parvis: &Parvis) {
    until("/health says so", || (health(parvis) == 503).then_some(()));
}

fn ask(parvis: &Parvis, path: &str) -> Client {
    let mut client = parvis.client();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
    client
}

/// A request is open when the signal comes, a connection is idle, and another knocks.
fn ends_in_order(signal: &str) {
    let slow = Slow::start();
    let mut parvis = edge(&slow.backend, "shutdown_grace = \"1h\"");
    assert_eq!(health(&parvis), 200);
    let mut idle = parvis.client();
    assert_eq!(idle.get("/quick").text(), "answer");
    let mut open = ask(&parvis, "/slow");
    slow.has_begun();
    let address = parvis.address();
    parvis.signal(signal);
    until_stopping(&parvis);
    assert_eq!(parvis.status()["stopping"], true);
    // Nobody else is let in.
    until("newcomers are refused", || {
        TcpStream::connect(address).err().map(drop)
    });
    // Who waits for nothing is sent away.
    assert!(idle.is_closed());
    // The open request is answered wholly, and is the last one of its connection.
    assert!(parvis.is_running());
    assert_eq!(health(&parvis), 503);
    slow.answer();
    let reply = open.reply();
    assert_eq!((reply.status, reply.text().as_str()), (200, "answer"));
    assert_eq!(reply.field("connection").as_deref(), Some("close"));
    assert!(open.is_closed());
    assert_eq!(parvis.wait().code(), Some(0));
    assert!(parvis.log().contains("stopped"), "{}", parvis.log());
}

#[test]
fn sigterm_ends_it_in_order() {
    ends_in_order("TERM");
}

#[test]
fn sigint_ends_it_in_order() {
    ends_in_order("INT");
}

#[test]
fn without_requests_it_ends_at_once() {
    let backend = Backend::text("app");
    let mut parvis = edge(&backend, "shutdown_grace = \"1h\"");
    let mut idle: Vec<Client> = (0..10).map(|_| parvis.client()).collect();
    for client in &mut idle[..5] {
        assert_eq!(client.get("/").text(), "app");
    }
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    for client in &mut idle {
        assert!(client.is_closed());
    }
}

#[test]
fn a_request_longer_than_the_grace_is_cut_off() {
    let slow = Slow::start();
    let mut parvis = edge(&slow.backend, "shutdown_grace = \"1s\"");
    let mut open = ask(&parvis, "/slow");
    slow.has_begun();
    let told = Instant::now();
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    assert!(
        told.elapsed() >= Duration::from_secs(1),
        "{:?}",
        told.elapsed()
    );
    assert!(open.is_closed());
}

#[test]
fn the_grace_is_that_of_the_configuration_in_force() {
    let slow = Slow::start();
    let mut parvis = edge(&slow.backend, "watch = false\nshutdown_grace = \"1h\"");
    let _open = ask(&parvis, "/slow");
    slow.has_begun();
    let shorter = configuration(&slow.backend, "watch = false\nshutdown_grace = \"200ms\"");
    Parvis::write_configuration(&parvis.folder, &shorter);
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
        let slow = Slow::start();
        let mut parvis = edge(&slow.backend, "shutdown_grace = \"1h\"");
        let mut open = ask(&parvis, "/slow");
        slow.has_begun();
        parvis.signal(first);
        until_stopping(&parvis);
        assert!(parvis.is_running());
        parvis.signal(second);
        assert_eq!(parvis.wait().code(), Some(0), "{first}, {second}");
        assert!(open.is_closed());
    }
}

#[test]
fn other_signals_while_it_stops_do_not_hurt() {
    let slow = Slow::start();
    let mut parvis = edge(&slow.backend, "shutdown_grace = \"1h\"");
    let mut open = ask(&parvis, "/slow");
    slow.has_begun();
    parvis.signal("TERM");
    until_stopping(&parvis);
    parvis.signal("HUP");
    parvis.signal("USR1");
    assert_eq!(health(&parvis), 503);
    slow.answer();
    assert_eq!(open.reply().text(), "answer");
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn a_body_under_way_is_still_taken_and_answered() {
    let backend = Backend::text("app");
    let mut parvis = edge(&backend, "shutdown_grace = \"1h\"");
    let mut client = parvis.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello");
    until("the app is asked", || {
        (backend.connections() == 1).then_some(())
    });
    parvis.signal("TERM");
    until_stopping(&parvis);
    client.send("world");
    let reply = client.reply();
    assert_eq!(reply.text(), "app");
    assert_eq!(reply.field("connection").as_deref(), Some("close"));
    assert_eq!(backend.last().body, b"helloworld");
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn answers_of_its_own_say_close_too() {
    let backend = Backend::text("app");
    // One worker: what it was sent first, it has seen first.
    let mut parvis = edge(&backend, "shutdown_grace = \"1h\"\nthreads = 1");
    let mut half: Vec<Client> = ["/own", "/", "/%zz"]
        .into_iter()
        .map(|path| {
            let mut client = parvis.client();
            client.send(format!("GET {path} HTTP/1.1\r\nHo"));
            client
        })
        .collect();
    assert_eq!(parvis.get("/own").text(), "own");
    parvis.signal("TERM");
    until_stopping(&parvis);
    for (client, status) in half.iter_mut().zip([200, 200, 400]) {
        client.send("st: test\r\n\r\nGET /own HTTP/1.1\r\nHost: test\r\n\r\n");
        let reply = client.reply();
        assert_eq!(reply.status, status);
        assert_eq!(reply.field("connection").as_deref(), Some("close"));
        // The request behind it is not served.
        assert!(client.is_closed());
    }
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn an_open_websocket_ends_by_the_grace() {
    let backend = echoing();
    let mut parvis = edge(&backend, "shutdown_grace = \"3s\"");
    let mut client = parvis.client();
    client.send(
        "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.reply().status, 101);
    let told = Instant::now();
    parvis.signal("TERM");
    until_stopping(&parvis);
    // It has the grace as any open request has.
    client.send("still here");
    assert_eq!(client.exactly(10), b"still here");
    assert!(client.is_closed());
    assert!(
        told.elapsed() >= Duration::from_secs(3),
        "{:?}",
        told.elapsed()
    );
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn the_access_log_is_whole_at_the_end() {
    const CLIENTS: usize = 8;
    const EACH: usize = 100;
    let slow = Slow::start();
    let log = "[log]\naccess = \"@DIR/access.log\"\n";
    let text = configuration(&slow.backend, "shutdown_grace = \"1h\"");
    let mut parvis = Parvis::start(&format!("{log}{text}"));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut client = parvis.client();
            scope.spawn(move || {
                for _ in 0..EACH {
                    assert_eq!(client.get("/own").text(), "own");
                }
            });
        }
    });
    let mut open = ask(&parvis, "/slow");
    slow.has_begun();
    assert_eq!(parvis.get("/own").text(), "own");
    // The last lines are still in buffers.
    parvis.signal("TERM");
    until_stopping(&parvis);
    slow.answer();
    assert_eq!(open.reply().text(), "answer");
    assert_eq!(parvis.wait().code(), Some(0));
    let log = parvis.folder.read("access.log");
    assert!(log.ends_with('\n'));
    let count = |path: &str| {
        let path = format!("\"path\":\"{path}\"");
        log.lines().filter(|line| line.contains(&path)).count()
    };
    assert_eq!((count("/own"), count("/slow")), (CLIENTS * EACH + 1, 1));
    assert_eq!(log.lines().count(), CLIENTS * EACH + 2);
}

#[test]
fn what_the_grace_cuts_off_is_in_the_log() {
    let slow = Slow::start();
    let log = "[log]\naccess = \"@DIR/access.log\"\n";
    let text = configuration(&slow.backend, "shutdown_grace = \"300ms\"");
    let mut parvis = Parvis::start(&format!("{log}{text}"));
    let mut open = ask(&parvis, "/slow");
    slow.has_begun();
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    assert!(open.is_closed());
    let log = parvis.folder.read("access.log");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("\"path\":\"/slow\""), "{log}");
}

/// Connections that the kernel has completed, with requests in them, when the process is told to
/// stop: it has to take them out of its queues and answer them.
#[test]
fn who_stands_in_the_queue_is_served() {
    const QUEUE: usize = 400;
    let backend = Backend::text("app");
    let mut parvis = edge(&backend, "shutdown_grace = \"1h\"");
    parvis.signal("STOP");
    until("the process stands still", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", parvis.pid())).unwrap();
        stat.contains(") T ").then_some(())
    });
    let mut clients: Vec<Client> = (0..QUEUE)
        .map(|turn| ask(&parvis, if turn % 2 == 0 { "/own" } else { "/" }))
        .collect();
    parvis.signal("TERM");
    parvis.signal("CONT");
    for (turn, client) in clients.iter_mut().enumerate() {
        let expected = if turn % 2 == 0 { "own" } else { "app" };
        assert_eq!(client.reply().text(), expected, "{turn}");
        assert!(client.is_closed());
    }
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn nothing_of_it_is_left() {
    let backend = Backend::text("app");
    let mut parvis = edge(&backend, "threads = 2");
    let folder = format!("/proc/{}", parvis.pid());
    for _ in 0..20 {
        assert_eq!(parvis.get("/").text(), "app");
    }
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    let mut threads = Vec::new();
    for task in std::fs::read_dir(format!("{folder}/task")).unwrap() {
        let task = task.unwrap().path();
        // A thread may end while it is looked at.
        let read = |name: &str| std::fs::read_to_string(task.join(name)).unwrap_or_default();
        threads.push(read("comm").trim().to_string());
        assert_eq!(read("children"), "", "it started a process");
    }
    for thread in ["worker-0", "worker-1", "access-log"] {
        assert!(threads.iter().any(|name| name == thread), "{threads:?}");
    }
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    assert!(!std::path::Path::new(&folder).exists());
}

// Never begun

/// Runs a parvis that must not begin to serve; `change` has the last word on the command.
fn fails(listen: &str, admin: &str, change: impl FnOnce(&mut Command)) -> (Output, String) {
    let folder = Folder::new();
    let path = folder.write(
        "parvis.toml",
        &format!(
            "[admin]\nlisten = \"{admin}\"\n[log]\naccess = \"off\"\n\
             [[site]]\nname = \"s\"\nlisten = [\"{listen}\"]\n\
             [[site.route]]\npath = \"/*\"\nrespond = {{ body = \"second\" }}\n"
        ),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_parvis"));
    command
        .args(["run", "-c"])
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    change(&mut command);
    let mut child = command.spawn().unwrap();
    let ended = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > ended {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        !text.contains("panicked") && !text.contains("is serving"),
        "{text}"
    );
    assert!(text.starts_with("error: cannot listen on "), "{text}");
    assert!(text.contains("help: "), "{text}");
    (output, text)
}

#[test]
fn two_on_one_port_is_one_too_many() {
    let backend = Backend::text("app");
    let parvis = edge(&backend, "");
    let taken = parvis.address();
    let (_, text) = fails(&taken.to_string(), "off", |_| {});
    assert!(text.contains(&taken.to_string()), "{text}");
    assert!(text.contains("another program listens there"), "{text}");
    assert!(
        text.contains(&format!("sport = :{}", taken.port())),
        "{text}"
    );
    // So it is with the operator's own.
    let taken = parvis.admin();
    let (_, text) = fails("127.0.0.1:0", &taken.to_string(), |_| {});
    assert!(text.contains(&taken.to_string()), "{text}");
    // The first serves everybody who comes.
    for _ in 0..50 {
        assert_eq!(parvis.get("/").text(), "app");
    }
}

#[test]
fn any_address_is_taken_with_one_of_its_ports() {
    let backend = Backend::text("app");
    let parvis = edge(&backend, "");
    let everywhere = SocketAddr::from(([0, 0, 0, 0], parvis.address().port()));
    let (_, text) = fails(&everywhere.to_string(), "off", |_| {});
    assert!(text.contains("another program listens there"), "{text}");
}

#[test]
fn an_address_of_another_machine_is_refused() {
    // TEST-NET-1: nobody's (RFC 5737).
    let (_, text) = fails("192.0.2.1:8080", "off", |_| {});
    assert!(text.contains("192.0.2.1:8080"), "{text}");
    assert!(
        text.contains("no interface of this machine has that address"),
        "{text}"
    );
}

#[test]
fn a_low_port_needs_a_right() {
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let first: u16 = first.trim().parse().unwrap();
    // Below the first port that everybody may bind; 1 is in nobody's use. In a container that
    // lets everybody bind every port there is nothing to refuse.
    if first <= 1 {
        eprintln!("not tested: everybody may bind every port here");
        return;
    }
    let (_, text) = fails("127.0.0.1:1", "off", |command| {
        // Root without the capability is as good as nobody.
        // SAFETY: only system calls between fork and exec, which is all that is allowed there.
        unsafe {
            command.pre_exec(|| {
                const CAP_NET_BIND_SERVICE: libc::c_ulong = 10;
                // Who may not drop it does not have it.
                libc::prctl(libc::PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE, 0, 0, 0);
                Ok(())
            });
        }
    });
    assert!(text.contains("127.0.0.1:1"), "{text}");
    assert!(text.contains("ports below 1024"), "{text}");
    assert!(text.contains("CAP_NET_BIND_SERVICE"), "{text}");
}
