//! Visitors who look at page after page, while something happens to what is behind.

use crate::FIREFOX;
use crate::support::Client;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A page that was answered, and when.
pub type Seen = (String, Instant);

/// Visitors at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    visitors: Vec<JoinHandle<Vec<Seen>>>,
}

impl Load {
    /// So many visitors, each on a connection of their own. The path of the visitor's nth page is
    /// `/NAME/VISITOR/n`. Who is not answered any more goes home.
    pub fn start(address: SocketAddr, name: &str, visitors: usize) -> Self {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let visitors = (0..visitors)
            .map(|visitor| {
                let (stop, sent) = (stop.clone(), sent.clone());
                let name = format!("/{name}/{visitor}");
                std::thread::spawn(move || look(address, &name, &stop, &sent))
            })
            .collect();
        Load {
            stop,
            sent,
            visitors,
        }
    }

    /// Pages that were answered so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Sends the visitors home. What each saw, in order.
    pub fn end(self) -> Vec<Vec<Seen>> {
        self.stop.store(true, Ordering::SeqCst);
        self.visitors
            .into_iter()
            .map(|visitor| visitor.join().unwrap())
            .collect()
    }
}

fn look(address: SocketAddr, name: &str, stop: &AtomicBool, sent: &AtomicU64) -> Vec<Seen> {
    let mut client = Client::connect(address);
    let mut seen = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let path = format!("{name}/{}", seen.len());
        if answered(&mut client.stream, &path).is_none() {
            break;
        }
        seen.push((path, Instant::now()));
        sent.fetch_add(1, Ordering::SeqCst);
        // A few hundred pages a second: the load of a busy site, not a measure of the machine.
        std::thread::sleep(Duration::from_millis(1));
    }
    seen
}

/// Asks for a page; `None` when no whole answer comes.
fn answered(stream: &mut TcpStream, path: &str) -> Option<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nUser-Agent: {FIREFOX}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let mut space = [0; 4096];
    while !answer.ends_with(b"<p>page") {
        let read = stream.read(&mut space).ok().filter(|n| *n > 0)?;
        answer.extend_from_slice(&space[..read]);
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    Some(())
}

/// Everything that was seen is there once, and in the order in which each visitor saw it.
pub fn same<'a>(found: impl IntoIterator<Item = &'a str>, seen: &[Vec<Seen>]) {
    let mut found: Vec<&str> = found.into_iter().collect();
    for pages in seen {
        let Some((first, _)) = pages.first() else {
            continue;
        };
        let name = first.trim_end_matches('0');
        let own: Vec<&str> = found
            .iter()
            .copied()
            .filter(|path| path.starts_with(name))
            .collect();
        let pages: Vec<&str> = pages.iter().map(|(path, _)| path.as_str()).collect();
        let differs = own.iter().zip(&pages).position(|(a, b)| a != b);
        assert!(
            own == pages,
            "{} of {} pages below {name}, another from the {differs:?}th on: {:?}",
            own.len(),
            pages.len(),
            differs.map(|at| (
                &own[at..own.len().min(at + 5)],
                &pages[at..pages.len().min(at + 5)]
            ))
        );
        found.retain(|path| !path.starts_with(name));
    }
    assert!(found.is_empty(), "nobody saw these: {found:?}");
}
