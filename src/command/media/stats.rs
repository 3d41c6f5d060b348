//! `parvis media stats`: what is kept of variants, and how they fare.

use crate::command::ask::status;
use crate::command::{ConfigFile, Failure, files, print, shown};
use crate::edge::Edge;
use crate::media::{Media, Statistics, Store};
use serde_json::{Map, Value, json};

/// Examples for the command line's help.
pub const HELP: &str = "Examples:
  parvis media stats                  what is kept, and what the running parvis does with it
  parvis media stats --json           for scripts

It looks at the folder itself and changes nothing there: parvis may run or not.";

/// How to tell it.
#[derive(Debug, clap::Args)]
pub struct Stats {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// Prints what is kept.
///
/// # Errors
/// No route has variants, or the running parvis does not answer as it should.
pub fn stats(arguments: &Stats) -> Result<(), Failure> {
    let edge = files::load(&files::choose(&arguments.file)?)?;
    let media = super::kept(&edge)?;
    let kept = Store::survey(media.folder());
    let running = running(&edge)?;
    match arguments.json {
        true => print(&format!("{:#}", as_json(media, &kept, running.ok()))),
        false => print(&as_text(media, &kept, &running)),
    }
    Ok(())
}

/// What the running parvis tells of pictures; the second is why there is nothing.
fn running(edge: &Edge) -> Result<Result<Value, String>, Failure> {
    Ok(
        status(edge)?.and_then(|told| match told.value.get("images") {
            Some(images @ Value::Object(_)) => Ok(images.clone()),
            _ => Err("the running parvis makes no variants".to_string()),
        }),
    )
}

fn as_json(media: &Media, kept: &Statistics, running: Option<Value>) -> Value {
    let formats: Map<String, Value> = kept
        .formats
        .iter()
        .map(|(format, variants, bytes)| {
            let counts = json!({ "variants": variants, "bytes": bytes });
            (format.name().to_string(), counts)
        })
        .collect();
    json!({
        "folder": media.folder().to_string_lossy(),
        "bound_bytes": media.room(),
        "variants": kept.variants,
        "bytes": kept.bytes,
        "formats": formats,
        "originals_best": kept.originals_best,
        "running": running,
    })
}

fn as_text(media: &Media, kept: &Statistics, running: &Result<Value, String>) -> String {
    let used = match media.room() {
        0 => "kept in memory only".to_string(),
        room => {
            let share = kept.bytes as f64 * 100.0 / room as f64;
            format!(
                "{} of {} used ({share:.1}%)",
                shown::size(kept.bytes),
                shown::size(room)
            )
        }
    };
    let mut text = format!("{}: {used}", shown::path(media.folder()));
    if kept.variants > 0 {
        let cells = |name: &str, variants: u64, bytes: u64| {
            vec![name.to_string(), variants.to_string(), shown::size(bytes)]
        };
        let mut lines = vec![["format", "variants", "bytes"].map(str::to_string).to_vec()];
        let mut sum = 0_u64;
        for (format, variants, bytes) in &kept.formats {
            sum = sum.saturating_add(*bytes);
            lines.push(cells(format.name(), *variants, *bytes));
        }
        lines.push(cells("total", kept.variants, sum));
        text.push_str(&format!("\n{}", shown::align(&lines)));
    } else {
        text.push_str("\nno variants");
    }
    text.push_str(&format!(
        "\n{} times the original is best",
        kept.originals_best
    ));
    let told = match running {
        Err(why) => return format!("{text}\n{why}"),
        Ok(told) => told,
    };
    let number = |key: &str| told.get(key).and_then(Value::as_u64).unwrap_or(0);
    let (hits, misses) = (number("hits"), number("misses"));
    let share = match hits.saturating_add(misses) {
        0 => String::new(),
        all => format!(" ({:.1}% hits)", hits as f64 * 100.0 / all as f64),
    };
    format!(
        "{text}\nsince parvis was started: {hits} hits, {misses} misses{share}, {} saved\n\
         now: {} being made, {} waiting, {} for later, {} in memory",
        shown::size(number("saved_bytes")),
        number("working"),
        number("waiting"),
        number("later"),
        shown::size(number("memory_bytes")),
    )
}
