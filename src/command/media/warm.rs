//! `parvis media warm`: variants made before anybody asks for them.

use super::roots::{Root, roots, starts};
use super::table::Table;
use crate::command::problem::{Problem, tell};
use crate::command::progress::{Begun, Progress, REDRAW};
use crate::command::stop::Stop;
use crate::command::walk::{self, File};
use crate::command::{ConfigFile, Failure, files, print, shown};
use crate::files::Stamp;
use crate::media::{Ahead, Gate, Media, Original, OriginalId, Recipe, Size};
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

/// What the help says below the options.
pub const HELP: &str = "\
Made are, of each picture, the widths of its route that are smaller than it is, and what is sent when
no width is asked for, in the formats of the route. What is there already is left as it is: the same
command goes on where it was stopped. It works at a low priority, and parvis may run meanwhile: what
is made here it finds. Variants belong to the user who makes them, so it is best run as the user that
parvis runs as. Files whose name begins with a dot and symbolic links are passed over.

Examples:
  parvis media warm /srv/site/media
  sudo -u parvis parvis media warm --threads 1 /srv/site/media/2026";

/// More reasons than that tell nobody more.
const REASONS: usize = 20;

/// What to make variants of.
#[derive(Debug, clap::Args)]
pub struct Warm {
    /// Folders below the root of a route with `files` and `images`, or that hold one, or single
    /// pictures there.
    #[arg(required = true, value_name = "DIR")]
    paths: Vec<PathBuf>,
    /// Make those too that browsers get that take neither AVIF nor WebP.
    #[arg(long)]
    fallback: bool,
    /// How many threads make variants [default: `workers` of the configuration's `[media]`]. Each
    /// holds a picture in memory, decoded.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Print nothing but errors.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// All there is to do.
#[derive(Debug)]
struct Plan {
    pictures: Vec<File>,
    roots: Vec<Root>,
    /// A picture and one of its roots, by their numbers: the largest picture first, so that the end
    /// is not one that all threads wait for.
    tasks: Vec<(usize, usize)>,
    media: Arc<Media>,
    fallback: bool,
}

impl Plan {
    fn what(&self, number: usize) -> Option<(&File, &Root)> {
        let (picture, root) = self.tasks.get(number)?;
        Some((self.pictures.get(*picture)?, self.roots.get(*root)?))
    }
}

/// What became of a task.
struct Done {
    number: usize,
    variants: Vec<(Recipe, Ahead)>,
    /// Why there are no variants at all.
    fault: Option<String>,
}

/// Makes the variants of the pictures in folders.
///
/// # Errors
/// [`Failure::Wrong`] when a folder is not there or no route has it; [`Failure::Work`] when variants
/// could not be made (the others are), or when told to stop.
pub fn warm(arguments: &Warm) -> Result<(), Failure> {
    let began = Instant::now();
    let edge = files::load(&files::choose(&arguments.file)?)?;
    let media = super::kept(&edge)?.clone();
    let roots = roots(&edge);
    let starts = starts(&arguments.paths, &roots)?;
    open(&media)?;
    let (pictures, mut problems) = find(&starts, &roots);
    let plan = plan(pictures, roots, media.clone(), arguments.fallback);
    let originals = plan.pictures.iter().map(|picture| picture.size);
    let originals = (plan.pictures.len(), originals.sum());
    let draw = !arguments.quiet && Progress::can_be_drawn();
    let progress = draw.then(|| {
        let size = |number: &usize| plan.pictures.get(*number).map_or(0, |file| file.size);
        let sizes = plan.pictures.iter().map(|file| file.size).collect();
        let tasks = plan.tasks.iter().map(|(file, _)| (*file, size(file)));
        Progress::new("pictures", sizes, tasks.collect())
    });
    let threads = arguments.threads.map_or(media.threads(), usize::from);
    media.set_threads(threads);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Work(format!("error: {error}")))?;
    let mut table = Table::default();
    let plan = Arc::new(plan);
    let ended = |done: Done| {
        for (recipe, ahead) in &done.variants {
            table.count(recipe.format, ahead);
        }
        if let Some((picture, _)) = plan.what(done.number) {
            let reasons = reasons(&done).into_iter();
            problems.extend(reasons.map(|reason| Problem::because(&picture.path, reason)));
        }
    };
    let outcome = runtime.block_on(run(&plan, threads, progress, ended));
    // What reads for a task that was given up is not waited for.
    runtime.shutdown_background();
    outcome?;
    if !arguments.quiet {
        print(&table.render(originals, began.elapsed()));
        let kept = media.statistics();
        if kept.evicted > 0 || kept.bytes > media.room() {
            print(&format!(
                "note: all variants together are more than `disk` of [media], {}: those that were \
                 not asked for the longest are removed",
                shown::size(media.room())
            ));
        }
    }
    match tell(problems, REASONS) {
        Some(text) => Err(Failure::Work(text)),
        None => Ok(()),
    }
}

/// Opens the folder of the variants, where they are to stay.
fn open(media: &Media) -> Result<(), Failure> {
    if media.room() == 0 {
        return Err(Failure::Work(
            "error: variants are kept in memory only, which ends with the process\n\
             help: give `disk` of [media] a size such as \"1GiB\""
                .into(),
        ));
    }
    let folder = media.folder();
    let owner = fs::metadata(folder).ok().map(|metadata| metadata.uid());
    let own = fs::metadata("/proc/self").ok().map(|own| own.uid());
    if let (Some(owner), Some(own)) = (owner, own)
        && owner != own
    {
        let _ = writeln!(
            io::stderr(),
            "note: {} is another user's (number {owner}), who may not read what is made here: \
             see `parvis media warm --help`",
            shown::path(folder)
        );
    }
    media.open_folder().map_err(|error| {
        Failure::Work(format!(
            "error: variants cannot be kept in {}: {error}\n\
             help: it is `storage` of [media]; run this as the user that parvis runs as",
            shown::path(folder)
        ))
    })
}

/// The pictures, each once.
fn find(starts: &[PathBuf], roots: &[Root]) -> (Vec<File>, Vec<Problem>) {
    let (folders, singles): (Vec<PathBuf>, Vec<PathBuf>) =
        starts.iter().cloned().partition(|start| start.is_dir());
    let taken = |name: &std::ffi::OsStr| roots.iter().any(|root| root.takes(name));
    let mut found = walk::walk(&folders, taken);
    for path in singles {
        if !taken(path.file_name().unwrap_or_default()) {
            let reason = "no picture, by its name".to_string();
            found.problems.push(Problem::because(&path, reason));
            continue;
        }
        match walk::one(&path) {
            Ok(file) => found.files.push(file),
            Err(error) => found.problems.push(Problem::new(&path, &error)),
        }
    }
    let mut pictures = found.files;
    pictures.sort_by(|a, b| a.path.cmp(&b.path));
    pictures.dedup_by(|a, b| a.path == b.path);
    (pictures, found.problems)
}

fn plan(mut pictures: Vec<File>, roots: Vec<Root>, media: Arc<Media>, fallback: bool) -> Plan {
    // Stable: those of one size stay in the order of their names.
    pictures.sort_by_key(|picture| Reverse(picture.size));
    let mut tasks = Vec::new();
    for (number, picture) in pictures.iter().enumerate() {
        let name = picture.path.file_name().unwrap_or_default();
        for (place, root) in roots.iter().enumerate() {
            if root.holds(&picture.path) && root.takes(name) {
                tasks.push((number, place));
            }
        }
    }
    Plan {
        pictures,
        roots,
        tasks,
        media,
        fallback,
    }
}

/// Does all tasks. What became of each is told as it comes.
async fn run(
    plan: &Arc<Plan>,
    threads: usize,
    mut progress: Option<Progress>,
    mut ended: impl FnMut(Done),
) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Work(format!("error: {error}"));
    // Before anything is written: from here on a signal does not end the process by itself.
    let mut stop = Stop::listen().map_err(failed)?;
    let gate = Arc::new(Gate::default());
    // As many variants are made at a time as there are threads, be it of one picture or of many.
    let turns = Arc::new(Semaphore::new(threads));
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut next, mut left) = (0, plan.tasks.len());
    let mut open = JoinSet::new();
    let ending = loop {
        while open.len() < threads && next < plan.tasks.len() {
            open.spawn(task(plan.clone(), next, turns.clone(), gate.clone()));
            if let Some(progress) = &mut progress {
                progress.begun(next);
            }
            next += 1;
        }
        let done = tokio::select! {
            biased;
            signal = stop.told() => break Some(Ending::Told(signal)),
            _ = redraw.tick(), if progress.is_some() => {
                if let Some(progress) = &progress {
                    progress.draw(|number| {
                        let (picture, _) = plan.what(number)?;
                        Some(Begun { path: &picture.path, detail: "" })
                    });
                }
                continue;
            }
            done = open.join_next() => match done {
                None => break None,
                Some(Ok(done)) => done,
                Some(Err(error)) => break Some(Ending::Failed(error)),
            },
        };
        left -= 1;
        if let Some(progress) = &mut progress {
            progress.ended(done.number);
        }
        ended(done);
        if plan.media.statistics().failed_writes > 0 {
            break Some(Ending::Unwritten);
        }
    };
    if let Some(progress) = &progress {
        progress.clear();
    }
    let Some(ending) = ending else {
        return Ok(());
    };
    // The threads end with the process: what they make may take seconds more.
    gate.close();
    let all = plan.tasks.len();
    let why = match ending {
        Ending::Told(signal) => format!("stopped by {signal}"),
        Ending::Failed(error) => error.to_string(),
        Ending::Unwritten => format!(
            "a variant cannot be written to {}: the disk is full, or it is another user's",
            shown::path(plan.media.folder())
        ),
    };
    Err(Failure::Work(format!(
        "error: {why}: {left} of {all} pictures were not done\n\
         help: the same command goes on where this one stopped"
    )))
}

/// Why not all was done.
enum Ending {
    Told(&'static str),
    Failed(JoinError),
    Unwritten,
}

/// Does one task: the sizes of a picture beside each other.
async fn task(plan: Arc<Plan>, number: usize, turns: Arc<Semaphore>, gate: Arc<Gate>) -> Done {
    let mut done = Done {
        number,
        variants: Vec::new(),
        fault: None,
    };
    let Some((picture, root)) = plan.what(number) else {
        return done;
    };
    let sizes = match original(&picture.path) {
        Ok(original) => root.images.sizes(&original, plan.fallback).await,
        Err(error) => Err(error),
    };
    let sizes: Vec<Size> = match sizes {
        Ok(Ok(sizes)) => sizes,
        Ok(Err(fault)) => {
            done.fault = Some(fault.to_string());
            return done;
        }
        Err(error) => {
            done.fault = Some(error.to_string());
            return done;
        }
    };
    let mut open = JoinSet::new();
    for size in sizes {
        let (images, turns, gate) = (root.images.clone(), turns.clone(), gate.clone());
        open.spawn(async move {
            // It is never closed.
            let _turn = turns.acquire().await;
            images.make_ahead(&size, &gate).await
        });
    }
    while let Some(made) = open.join_next().await {
        match made {
            Ok(made) => done.variants.extend(made),
            Err(error) => done.fault = Some(error.to_string()),
        }
    }
    done
}

/// Why variants could not be made: each reason once, with what it is about.
fn reasons(done: &Done) -> Vec<String> {
    let mut reasons: BTreeMap<String, Vec<&Recipe>> = BTreeMap::new();
    for (recipe, ahead) in &done.variants {
        if let Ahead::Failed(fault) = ahead {
            reasons.entry(fault.to_string()).or_default().push(recipe);
        }
    }
    let told = reasons.into_iter().map(|(reason, recipes)| {
        let what = match recipes.as_slice() {
            [recipe] => recipe.format.name().to_string(),
            several => format!("{} variants", several.len()),
        };
        format!("{reason} ({what})")
    });
    done.fault.clone().into_iter().chain(told).collect()
}

/// A picture as the room of pictures wants it.
fn original(path: &Path) -> io::Result<Original> {
    let stamp = Stamp::of(&fs::symlink_metadata(path)?);
    let path = path.to_path_buf();
    Ok(Original {
        id: OriginalId(stamp.parts()),
        length: stamp.length,
        read: Arc::new(move || {
            let (metadata, bytes) = read(&path)?;
            match Stamp::of(&metadata) == stamp {
                true => Ok(bytes),
                false => Err(io::Error::other("the file has changed")),
            }
        }),
    })
}

/// A file's content, and what it is like after it was read.
fn read(path: &Path) -> io::Result<(Metadata, Bytes)> {
    let mut file = OpenOptions::new()
        .read(true)
        // What has become a link is not followed, and what has become a pipe is not waited for.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((file.metadata()?, Bytes::from(bytes)))
}
