//! The access log's writer: a thread of its own, and a bounded way to it.
//!
//! A request's thread formats its line into a buffer of that thread's own and goes on. Full
//! buffers, and once in [`FLUSH_EVERY`] those that are not empty, are handed to the writer. When
//! the disk cannot keep up the queue fills, and then lines are dropped and counted: a log never
//! holds up a request. Nor does it hold up the operator: what the writer is to do is put beside
//! the queue, where there is always room.

use super::access::{self, Entry};
use super::settings::{Destination, Format};
use prometheus::IntCounter;
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A buffer is handed over when it has this many bytes.
const BUFFER: usize = 32 * 1024;
/// Buffers on their way: with `BUFFER`, at most about 4 MiB.
const QUEUE: usize = 128;
/// How long a line may wait in a buffer.
pub const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// How often the end of the writer is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

enum Message {
    Lines(Vec<u8>, u64),
    /// There are new orders.
    Orders,
    End,
}

/// What the writer is to do; `version` tells new orders from old ones.
#[derive(Debug, Clone)]
struct Orders {
    destination: Destination,
    version: u64,
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
    orders: Arc<Mutex<Orders>>,
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
        let orders = Arc::new(Mutex::new(Orders {
            destination: Destination::Off,
            version: 0,
        }));
        let (lost, followed) = (dropped.clone(), orders.clone());
        let writer = std::thread::Builder::new()
            .name("access-log".to_string())
            .spawn(move || write_all(&messages, &followed, &lost))?;
        Ok(Logbook {
            queue,
            orders,
            dropped,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Writes to this destination from here on.
    pub fn open(&self, destination: Destination) {
        self.order(|orders| {
            if orders.destination != destination {
                orders.version = orders.version.wrapping_add(1);
            }
            orders.destination = destination;
        });
    }

    /// Opens the file again: it was moved away.
    pub fn reopen(&self) {
        self.order(|orders| orders.version = orders.version.wrapping_add(1));
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut locked(&self.orders));
        // When the queue is full, the writer sees the orders before the next of its messages.
        let _ = self.queue.try_send(Message::Orders);
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

    /// Writes what is queued and ends the writer. A destination that takes nothing for as long as
    /// `patience` loses the rest: the process must be able to end.
    pub fn end(&self, patience: Duration) {
        let Some(writer) = locked(&self.writer).take() else {
            return;
        };
        let began = Instant::now();
        let mut told = false;
        while !writer.is_finished() && began.elapsed() < patience {
            told = told || self.queue.try_send(Message::End).is_ok();
            std::thread::sleep(LOOK_EVERY);
        }
        if writer.is_finished() {
            // A writer that panicked has nothing more to write.
            let _ = writer.join();
        } else {
            tracing::warn!("the access log takes nothing: its last lines are lost");
        }
    }
}

/// What is behind these locks is only ever replaced as a whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Sink {
    Off,
    /// It could not be opened.
    Missing,
    Stdout,
    Stderr,
    File(File),
}

fn write_all(messages: &Receiver<Message>, orders: &Mutex<Orders>, dropped: &IntCounter) {
    let mut version = 0;
    let mut sink = Sink::Off;
    let mut failing = false;
    while let Ok(message) = messages.recv() {
        let wanted = locked(orders).clone();
        if wanted.version != version {
            version = wanted.version;
            sink = open(&wanted.destination, sink);
        }
        let (bytes, lines) = match message {
            Message::Lines(bytes, lines) => (bytes, lines),
            Message::Orders => continue,
            Message::End => return,
        };
        let result = match &mut sink {
            Sink::Off => Ok(()),
            Sink::Missing => Err(std::io::ErrorKind::NotFound.into()),
            Sink::Stdout => flushed(std::io::stdout().lock(), &bytes),
            Sink::Stderr => flushed(std::io::stderr().lock(), &bytes),
            Sink::File(file) => file.write_all(&bytes),
        };
        if let Err(error) = &result {
            dropped.inc_by(lines);
            if !failing {
                let destination = &wanted.destination;
                tracing::error!(%error, ?destination, "the access log cannot be written");
            }
        }
        failing = result.is_err();
    }
}

fn flushed(mut stream: impl Write, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// Opens a destination. When it cannot be opened, lines go on to where they went `before`.
fn open(destination: &Destination, before: Sink) -> Sink {
    match destination {
        Destination::Off => Sink::Off,
        Destination::Stdout => Sink::Stdout,
        Destination::Stderr => Sink::Stderr,
        Destination::File(path) => match open_file(path) {
            Ok(file) => Sink::File(file),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the access log cannot be opened");
                match before {
                    Sink::Off => Sink::Missing,
                    before => before,
                }
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
    // Opening a FIFO for writing alone waits for its reader, who may never come.
    let fifo = std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(fifo)
        .mode(0o640)
        .open(path)
}
