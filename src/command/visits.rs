//! `parvis visits`: the guests' visits, in the terminal.

use super::{ConfigFile, Failure, files};
use crate::visits::micros;
use crate::visits::statistics::terminal::{self, Period, Wanted};
use crate::visits::statistics::{Filter, Trouble};
use crate::visits::store::Store;
use std::io::IsTerminal;
use std::time::SystemTime;

/// Examples for the command line's help.
pub const HELP: &str = "Examples:
  parvis visits                       today
  parvis visits 7d --country FR       the last seven days, guests from France
  parvis visits 30d --json            for scripts

It reads the database itself: parvis may run or not.";

/// What to tell.
#[derive(Debug, clap::Args)]
pub struct Visits {
    /// Over which days.
    #[arg(default_value = "today", value_name = "today|7d|30d", value_parser = period)]
    period: Period,
    /// Only this site's.
    #[arg(short, long, value_name = "NAME")]
    site: Option<String>,
    /// Only from this country (ISO 3166-1: FR, DE; ZZ where it is not known).
    #[arg(long, value_name = "CODE", value_parser = country)]
    country: Option<[u8; 2]>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

fn period(text: &str) -> Result<Period, String> {
    match text {
        "today" => Ok(Period::Today),
        "7d" => Ok(Period::Days7),
        "30d" => Ok(Period::Days30),
        _ => Err("expected today, 7d or 30d".to_string()),
    }
}

fn country(text: &str) -> Result<[u8; 2], String> {
    let upper = text.to_ascii_uppercase();
    match upper.as_bytes() {
        [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok([*a, *b]),
        _ => Err("expected two letters, such as FR".to_string()),
    }
}

/// Prints the visits of a period.
pub fn visits(arguments: &Visits) -> Result<(), Failure> {
    let path = files::choose(&arguments.file)?;
    let edge = files::load(&path)?;
    let Some(policy) = &edge.visits else {
        return Err(Failure::Work(
            "error: no site records visits\nhelp: set visits = true for a site".into(),
        ));
    };
    let Some(file) = &policy.store else {
        return Err(Failure::Work(
            "error: visits are kept in no database\nhelp: give `store` a path in [visits]".into(),
        ));
    };
    let failed = |trouble: Trouble| Failure::Work(format!("error: {trouble}"));
    let store = Store::read_only(file, &policy.zones()).map_err(failed)?;
    let wanted = Wanted {
        period: arguments.period,
        site: arguments.site.as_deref(),
        filter: Filter {
            country: arguments.country,
            ..Filter::default()
        },
        now: micros(SystemTime::now()),
    };
    let text = match arguments.json {
        true => terminal::json(&store, &wanted),
        false => {
            let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            terminal::draw(&store, &wanted, width(), colour)
        }
    };
    super::print(text.map_err(failed)?.trim_end());
    Ok(())
}

/// Columns of the terminal; 80 for what is none.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok();
    columns
        .and_then(|columns| columns.parse().ok())
        .unwrap_or(80)
}
