//! `parvis precompress`: makes `x.br`, `x.zst` and `x.gz` beside the files that shrink, once and at
//! the best level, so that serving them costs no compression at all.

mod sibling;
mod table;
mod work;

use super::problem::tell;
use super::progress::{Begun, Progress, REDRAW};
use super::stop::Stop;
use super::walk::{self, File};
use super::{Failure, shown};
use crate::compress;
use crate::content::Coding;
use crate::files::ContentTypes;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use table::Table;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use work::{Event, Outcome, Work};

/// What to compress.
#[derive(Debug, clap::Args)]
pub struct Precompress {
    /// Folders; the files in them and below them are taken.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// The codings to make, of br, zstd and gzip, with commas between them.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = coding,
        default_value = "br,zstd,gzip"
    )]
    algorithms: Vec<Coding>,
    /// How many threads compress [default: one per processor]. Each holds a whole file, and its
    /// compressed form, in memory.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Make those again that are up to date.
    #[arg(long)]
    force: bool,
    /// Print nothing but errors.
    #[arg(short, long)]
    quiet: bool,
}

/// What the help says below the options.
pub const HELP: &str = "\
A compressed form is made of files whose type shrinks (text, scripts, SVG, fonts that are not
compressed, ...) from 800 bytes on, and only where it saves at least 5 %. One that is not older than
its file is up to date and left alone; one that is older and no longer worth it is removed. Files
whose name begins with a dot and symbolic links are passed over. A file is held in memory once per
thread: with few large files, --threads bounds the memory.

Examples:
  parvis precompress static
  parvis precompress --algorithms br,gzip --threads 2 static media/public";

/// How many events may wait to be counted; a thread that finds no room waits, which costs nothing
/// beside compressing.
const EVENTS: usize = 64;

/// Makes the compressed forms of the files in folders.
///
/// # Errors
/// [`Failure::Wrong`] when a folder is not there; [`Failure::Work`] when a file could not be read or
/// written (the others are done), or when told to stop.
pub fn precompress(arguments: &Precompress) -> Result<(), Failure> {
    let began = Instant::now();
    walk::check(&arguments.folders)?;
    let types = ContentTypes::default();
    let found = walk::walk(&arguments.folders, |name| taken(name, &types));
    let mut codings = Vec::new();
    for coding in &arguments.algorithms {
        if !codings.contains(coding) {
            codings.push(*coding);
        }
    }
    let mut table = Table::new(&codings);
    let mut problems = found.problems;
    let work = Work::plan(
        found.files,
        &codings,
        arguments.force,
        |file, coding, outcome| {
            table.count(&file.kind, coding, &outcome);
            problems.extend(outcome.problem());
        },
    );
    for file in &work.files {
        table.file(&file.kind, file.size);
    }
    let draw = !arguments.quiet && Progress::can_be_drawn();
    let progress = draw.then(|| {
        let sizes = work.files.iter().map(|file| file.size).collect();
        let tasks = work.tasks.iter().map(|task| (task.file, task.cost));
        Progress::new("files", sizes, tasks.collect())
    });
    let threads = match arguments.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Work(format!("error: {error}")))?;
    runtime.block_on(run(
        Arc::new(work),
        threads,
        progress,
        |file, coding, outcome| {
            table.count(&file.kind, coding, &outcome);
            problems.extend(outcome.problem());
        },
    ))?;
    if !arguments.quiet {
        let folders = arguments.folders.iter().map(|folder| shown::path(folder));
        let folders = folders.collect::<Vec<_>>().join(", ");
        super::print(&table.render(&folders, began.elapsed()));
    }
    match tell(problems, usize::MAX) {
        Some(text) => Err(Failure::Work(text)),
        None => Ok(()),
    }
}

/// Lets threads do all tasks. Each outcome is told as it comes.
async fn run(
    work: Arc<Work>,
    threads: usize,
    mut progress: Option<Progress>,
    mut ended: impl FnMut(&File, Coding, Outcome),
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Work(format!("error: {error}"));
    // Before the first thread writes: from here on a signal does not end the process by itself.
    let mut stop = Stop::listen().map_err(failed)?;
    let (tell, mut events) = mpsc::channel(EVENTS);
    for number in 0..threads.min(work.tasks.len()) {
        let (work, tell) = (work.clone(), tell.clone());
        // Nobody waits for these threads: the channel closes when the last of them ends.
        let started = std::thread::Builder::new()
            .name("precompress".to_string())
            .spawn(move || work.until_done(&tell));
        match started {
            Ok(_) => {}
            Err(error) if number == 0 => return Err(failed(error)),
            // Fewer threads do it as well.
            Err(_) => break,
        }
    }
    drop(tell);
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut left = work.tasks.len();
    let stopped = loop {
        let event = tokio::select! {
            biased;
            signal = stop.told() => break Some(signal),
            _ = redraw.tick(), if progress.is_some() => {
                if let Some(progress) = &progress {
                    progress.draw(|number| {
                        let (file, coding) = work.what(number)?;
                        Some(Begun { path: &file.path, detail: coding.name() })
                    });
                }
                continue;
            }
            event = events.recv() => event,
        };
        let Some(event) = event else { break None };
        if let Some(progress) = &mut progress {
            match &event {
                Event::Begun(number) => progress.begun(*number),
                Event::Ended(number, _) => progress.ended(*number),
            }
        }
        if let Event::Ended(number, outcome) = event {
            left = left.saturating_sub(1);
            if let Some((file, coding)) = work.what(number) {
                ended(file, coding, outcome);
            }
        }
    };
    if let Some(progress) = &progress {
        progress.clear();
    }
    if let Some(signal) = stopped {
        // The threads end with the process. What they compress may take minutes more; what they
        // write is finished first, so that no half of it is left.
        work.stop_writing();
        let all = work.tasks.len();
        return Err(Failure::Work(format!(
            "error: stopped by {signal}: {left} of {all} compressed forms were not made\n\
             help: the same command makes them"
        )));
    }
    match left {
        0 => Ok(()),
        _ => Err(Failure::Work(format!(
            "error: a thread failed; {left} compressed forms were not made"
        ))),
    }
}

fn coding(name: &str) -> Result<Coding, String> {
    Coding::parse(name).ok_or_else(|| "expected some of br, zstd and gzip".to_string())
}

/// Whether files of this name shrink, and are not compressed forms themselves.
fn taken(name: &OsStr, types: &ContentTypes) -> bool {
    let name = name.as_bytes();
    let form = |coding: Coding| name.ends_with(coding.suffix().as_bytes());
    !Coding::ALL.into_iter().any(form) && compress::shrinks(types.of(name).as_bytes())
}
