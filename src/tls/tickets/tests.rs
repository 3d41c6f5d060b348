//! Tickets, with the clock passed in; and a real redis-server (Debian: `apt install redis-server`).

use super::shared::agree;
use super::vault::Inner;
use super::*;
use crate::config::{At, Diagnostics, Text};
use crate::tls::clock::now;
use crate::tls::redis::RedisServer;
use crate::tls::settings::TlsRedisSettings;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const NOW: u64 = 1_790_000_000;
const ROOT: Secret = [7; 32];

fn tickets(origin: Origin) -> SiteTickets {
    SiteTickets::new(Arc::new(Vault::new(origin)), [1; 32])
}

#[test]
fn a_ticket_is_taken_for_12_to_24_hours() {
    for origin in [Origin::Process, Origin::File(ROOT)] {
        let tickets = tickets(origin);
        let begin = period(NOW) * PERIOD;
        for made in [begin, begin + PERIOD / 2, begin + PERIOD - 1] {
            let ticket = tickets.seal(b"session", made).unwrap();
            let life = u64::from(tickets.lifetime_at(made));
            assert!((PERIOD + 1..=2 * PERIOD).contains(&life));
            for (later, taken) in [(0, true), (life - 1, true), (life, false)] {
                let opened = tickets.open(&ticket, made + later);
                assert_eq!(opened.as_deref(), taken.then_some(b"session".as_slice()));
            }
        }
    }
    // A clock that was set back, and an edge whose clock is ahead.
    let tickets = tickets(Origin::File(ROOT));
    let ticket = tickets.seal(b"session", NOW + PERIOD).unwrap();
    assert!(tickets.open(&ticket, NOW).is_some());
    assert!(tickets.open(&ticket, NOW - PERIOD).is_none());
}

#[test]
fn no_two_tickets_are_alike_and_none_can_be_changed() {
    let tickets = tickets(Origin::Process);
    let (one, two) = (tickets.seal(b"session", NOW), tickets.seal(b"session", NOW));
    let one = one.unwrap();
    assert_ne!(Some(&one), two.as_ref());
    assert_eq!(one.len(), 16 + 12 + 7 + 16);
    for at in 0..one.len() {
        let mut changed = one.clone();
        changed[at] ^= 1;
        assert_eq!(tickets.open(&changed, NOW), None, "byte {at}");
        assert_eq!(tickets.open(&one[..at], NOW), None, "{at} bytes");
    }
    assert_eq!(tickets.open(&vec![0; 100_000], NOW), None);
    assert_eq!(tickets.seal(&vec![0; 100_000], NOW), None);
    assert_eq!(tickets.seal(b"", NOW).map(|t| t.len()), Some(44));
}

#[test]
fn secrets_are_forgotten_and_never_shown() {
    let vault = Vault::new(Origin::Process);
    let this = period(NOW);
    let first = vault.secrets(this);
    assert_eq!(first.len(), 1);
    assert_eq!(vault.secrets(this), first);
    let second = vault.secrets(this + 1);
    assert_eq!((second.len(), second[1]), (2, first[0]));
    let third = vault.secrets(this + 2);
    assert!(!third.contains(&first[0]) && third.contains(&second[0]));
    let shown = format!("{vault:?} {:?}", Origin::File(ROOT));
    assert!(!shown.contains("7, 7"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", third[0])));
}

#[test]
fn keys_of_sites_and_periods_differ() {
    let vault = Arc::new(Vault::new(Origin::File(ROOT)));
    let one = SiteTickets::new(vault.clone(), [1; 32]);
    let two = SiteTickets::new(vault.clone(), [2; 32]);
    let ticket = one.seal(b"session", NOW).unwrap();
    assert_eq!(two.open(&ticket, NOW), None);
    assert!(
        SiteTickets::new(vault.clone(), [1; 32])
            .open(&ticket, NOW)
            .is_some()
    );
    let secrets = vault.secrets(period(NOW));
    assert_eq!(secrets.len(), 3);
    assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2] && secrets[0] != ROOT);
}

struct Server {
    directory: PathBuf,
    process: Child,
}

impl Server {
    fn start() -> Server {
        let name = format!("parvis-tickets-{:016x}", rand::random::<u64>());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let process = spawn(&directory);
        let server = Server { directory, process };
        server.wait();
        server
    }

    /// Until it answers.
    fn wait(&self) {
        let answers = || redis::cmd("PING").exec(&mut self.connection()?);
        while answers().is_err() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    fn again(&mut self) {
        self.process = spawn(&self.directory);
        self.wait();
    }

    fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn url(&self) -> String {
        format!("unix://{}", self.directory.join("redis.sock").display())
    }

    fn connection(&self) -> redis::RedisResult<redis::Connection> {
        redis::Client::open(self.url())?.get_connection()
    }

    fn run<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut packed = redis::cmd(command[0]);
        packed.arg(&command[1..]);
        packed.query(&mut self.connection().unwrap()).unwrap()
    }

    fn settings(&self) -> RedisServer {
        let mut errors = Diagnostics::default();
        let settings = TlsRedisSettings {
            url: At::unplaced(Text::literal(self.url())),
            prefix: At::unplaced(Text::literal("test:")),
            place: Default::default(),
            sound: true,
        };
        RedisServer::build(&settings, &mut errors).unwrap()
    }
}

fn spawn(directory: &std::path::Path) -> Child {
    Command::new("redis-server")
        .args(["--save", "", "--port", "0", "--unixsocket", "redis.sock"])
        .current_dir(directory)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is needed by this test (Debian: apt install redis-server)")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// An edge: what it has of secrets, and a site's tickets.
struct Edge {
    vault: Arc<Vault>,
    tickets: SiteTickets,
}

impl Edge {
    fn new(server: &RedisServer) -> Edge {
        let vault = Arc::new(Vault::new(Origin::Redis(server.clone())));
        Edge {
            tickets: SiteTickets::new(vault.clone(), [1; 32]),
            vault,
        }
    }

    fn inner(&self) -> &Inner {
        self.vault.inner()
    }
}

#[test]
fn edges_agree_by_redis_and_go_on_without_it() {
    let mut server = Server::start();
    let settings = server.settings();
    let (one, two) = (Edge::new(&settings), Edge::new(&settings));
    // Before it was asked: each has its own, which stay good.
    let early = one.tickets.seal(b"early", NOW).unwrap();
    assert_eq!(two.tickets.open(&early, NOW), None);
    for edge in [&one, &two] {
        agree(&settings, edge.inner(), NOW).unwrap();
    }
    assert!(one.tickets.open(&early, NOW).is_some());
    let ticket = one.tickets.seal(b"shared", NOW).unwrap();
    assert!(two.tickets.open(&ticket, NOW).is_some());
    // The next period was agreed on too: Redis may be away when it begins.
    server.end();
    assert!(agree(&settings, one.inner(), NOW).is_err());
    let later = NOW + PERIOD;
    let ticket = one.tickets.seal(b"later", later).unwrap();
    assert!(two.tickets.open(&ticket, later).is_some());
    assert!(two.tickets.open(&ticket, later - PERIOD).is_some());
    // Away for longer: each its own again, until it is back.
    let long = NOW + 3 * PERIOD;
    let own = one.tickets.seal(b"own", long).unwrap();
    assert!(one.tickets.open(&own, long).is_some() && two.tickets.open(&own, long).is_none());
    server.again();
    for edge in [&one, &two] {
        agree(&settings, edge.inner(), long).unwrap();
    }
    assert!(one.tickets.open(&own, long).is_some());
    let ticket = two.tickets.seal(b"shared", long).unwrap();
    assert!(one.tickets.open(&ticket, long).is_some());
    // Who starts later learns of the period before, too.
    let next = long + PERIOD;
    let three = Edge::new(&settings);
    agree(&settings, three.inner(), next).unwrap();
    assert!(three.tickets.open(&ticket, next).is_some());
}

#[test]
fn a_redis_that_was_emptied_is_filled_by_the_first_to_look() {
    let server = Server::start();
    let settings = server.settings();
    let (one, two, three) = (
        Edge::new(&settings),
        Edge::new(&settings),
        Edge::new(&settings),
    );
    for edge in [&one, &two] {
        agree(&settings, edge.inner(), NOW).unwrap();
    }
    let before = two.tickets.seal(b"before", NOW).unwrap();
    let _: () = server.run(&["FLUSHALL"]);
    agree(&settings, one.inner(), NOW).unwrap();
    agree(&settings, three.inner(), NOW).unwrap();
    assert!(three.tickets.open(&before, NOW).is_some());
    // A new one was there first: all take that, and still open what they made.
    let _: () = server.run(&["FLUSHALL"]);
    let four = Edge::new(&settings);
    agree(&settings, four.inner(), NOW).unwrap();
    agree(&settings, two.inner(), NOW).unwrap();
    let ticket = four.tickets.seal(b"new", NOW).unwrap();
    assert!(two.tickets.open(&ticket, NOW).is_some() && two.tickets.open(&before, NOW).is_some());
    let ticket = two.tickets.seal(b"new", NOW).unwrap();
    assert!(four.tickets.open(&ticket, NOW).is_some());
}

#[test]
fn secrets_in_redis_expire_and_are_believed_only_as_such() {
    let server = Server::start();
    let settings = server.settings();
    let edge = Edge::new(&settings);
    agree(&settings, edge.inner(), NOW).unwrap();
    let key = format!("test:tickets:{}", period(NOW));
    let left: u64 = server.run(&["TTL", &key]);
    let end = (period(NOW) + 2) * PERIOD - NOW + 3600;
    assert!((end - 60..=end).contains(&left), "{left} of {end}");
    let secret: String = server.run(&["GET", &key]);
    assert_eq!(secret.len(), 64);
    for wrong in ["", "x", &"+1".repeat(32), &"é".repeat(32)] {
        let _: () = server.run(&["SET", &key, wrong]);
        let error = agree(&settings, edge.inner(), NOW).unwrap_err();
        assert!(error.to_string().contains("holds no secret"), "{error}");
    }
}

#[test]
fn the_thread_asks_and_ends_with_the_vault() {
    let server = Server::start();
    let settings = server.settings();
    let edge = Edge::new(&settings);
    edge.vault.begin();
    edge.vault.begin();
    while edge.inner().shared(period(now())).is_none() {
        std::thread::yield_now();
    }
    let inner = Arc::downgrade(edge.vault.inner());
    drop(edge);
    while inner.strong_count() > 0 {
        std::thread::yield_now();
    }
}
