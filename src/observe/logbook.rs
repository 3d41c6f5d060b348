//! The access log's writer: a thread of its own, and a bounded way to it.
//!
//! A request's thread formats its line into a buffer of that thread's own and goes on. Full
//! buffers, and once in [`FLUSH_EVERY`] those that are not empty, are handed to the writer. When
//! the disk cannot keep up the queue fills, and then lines are dropped and counted: a log never
//! holds up a request.

use super::access::{self, Entry};
use super::settings::{Destination, Format};
use prometheus::IntCounter;
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A buffer is handed over when it has this many bytes.
const BUFFER: usize = 32 * 1024;
/// Buffers on their way: with `BUFFER`, at most about 4 MiB.
const QUEUE: usize = 128;
/// How long a line may wait in a buffer.
pub const FLUSH_EVERY: Duration = Duration::from_millis(100);

enum Message {
    Lines(Vec<u8>, u64),
    Open(Destination),
    Reopen,
    End,
}

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: u64,
}

thread_local! {
    static BUFFERED: RefCell<Buffer> = RefCell::default();
}

/// The way to the writer.
#[derive(Debug)]
pub struct Logbook {
    queue: SyncSender<Message>,
    dropped: IntCounter,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Logbook {
    /// Starts the writer. Nothing is written until [`Logbook::open`].
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(dropped: IntCounter) -> std::io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let lost = dropped.clone();
        let writer = std::thread::Builder::new()
            .name("access-log".to_string())
            .spawn(move || write_all(&messages, &lost))?;
        Ok(Logbook {
            queue,
            dropped,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Writes to this destination from here on.
    pub fn open(&self, destination: Destination) {
        // Few and from outside of requests: waiting for a place in the queue is right.
        let _ = self.queue.send(Message::Open(destination));
    }

    /// Opens the file again: it was moved away.
    pub fn reopen(&self) {
        let _ = self.queue.send(Message::Reopen);
    }

    /// Notes a request; the line waits in a buffer of this thread's.
    pub fn note(&self, format: Format, entry: &Entry<'_>) {
        BUFFERED.with_borrow_mut(|buffer| {
            access::write(&mut buffer.bytes, format, entry);
            buffer.lines = buffer.lines.saturating_add(1);
            if buffer.bytes.len() >= BUFFER {
                self.hand_over(buffer);
            }
        });
    }

    /// Hands this thread's buffer over.
    pub fn flush(&self) {
        BUFFERED.with_borrow_mut(|buffer| {
            if buffer.lines > 0 {
                self.hand_over(buffer);
            }
        });
    }

    fn hand_over(&self, buffer: &mut Buffer) {
        let bytes = std::mem::replace(&mut buffer.bytes, Vec::with_capacity(BUFFER));
        let lines = std::mem::take(&mut buffer.lines);
        match self.queue.try_send(Message::Lines(bytes, lines)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.inc_by(lines)
            }
        }
    }

    /// Writes what is queued and ends the writer.
    pub fn end(&self) {
        let _ = self.queue.send(Message::End);
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

enum Sink {
    None,
    Stdout,
    Stderr,
    File(File),
}

fn write_all(messages: &Receiver<Message>, dropped: &IntCounter) {
    let mut destination = Destination::Off;
    let mut sink = Sink::None;
    let mut failing = false;
    while let Ok(message) = messages.recv() {
        match message {
            Message::End => return,
            Message::Open(new) => {
                if new != destination {
                    destination = new;
                    sink = open(&destination);
                }
            }
            Message::Reopen => sink = open(&destination),
            Message::Lines(bytes, lines) => {
                let result = match &mut sink {
                    Sink::None if destination == Destination::Off => Ok(()),
                    Sink::None => Err(std::io::ErrorKind::NotFound.into()),
                    Sink::Stdout => flushed(std::io::stdout().lock(), &bytes),
                    Sink::Stderr => flushed(std::io::stderr().lock(), &bytes),
                    Sink::File(file) => file.write_all(&bytes),
                };
                if let Err(error) = &result {
                    dropped.inc_by(lines);
                    if !failing {
                        tracing::error!(%error, ?destination, "the access log cannot be written");
                    }
                }
                failing = result.is_err();
            }
        }
    }
}

fn flushed(mut stream: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

fn open(destination: &Destination) -> Sink {
    match destination {
        Destination::Off => Sink::None,
        Destination::Stdout => Sink::Stdout,
        Destination::Stderr => Sink::Stderr,
        Destination::File(path) => match open_file(path) {
            Ok(file) => Sink::File(file),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the access log cannot be opened");
                Sink::None
            }
        },
    }
}

/// Opens an access log to append to it. It names people's addresses: only its owner and group
/// may read it.
///
/// # Errors
/// The file cannot be written.
pub fn open_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o640)
        .open(path)
}
