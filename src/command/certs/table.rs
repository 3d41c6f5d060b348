//! Certificates as a table.

use serde::Deserialize;

/// What the running parvis tells, as far as it is shown. What is missing is of another version.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Report {
    certificates: Vec<Certificate>,
    acme: Vec<Order>,
}

/// A certificate, as `/status` tells of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Certificate {
    site: String,
    names: Vec<String>,
    ends: String,
    days_left: i64,
    issuer: String,
    self_signed: bool,
    source: Source,
    state: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Source {
    from: String,
    certificate: String,
}

/// What ACME does for a site, as `/status` tells of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Order {
    site: String,
    names: Vec<String>,
    on_demand: bool,
    directory: String,
    state: String,
    not_after: Option<String>,
    next: Option<String>,
    failures: u32,
    trouble: Option<Trouble>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trouble {
    message: String,
    names: Vec<(String, String)>,
    at: i64,
}

const HEAD: [&str; 6] = ["SITE", "NAMES", "SOURCE", "ISSUER", "ENDS", "STATE"];
/// Names of a certificate that are shown.
const NAMED: usize = 2;

/// A line of the table, and what stands below it.
struct Row {
    cells: [String; 6],
    below: Option<String>,
}

/// The table.
pub fn draw(report: &Report) -> String {
    let order_of = |site: &str| {
        let mut orders = report.acme.iter();
        orders.find(|order| order.site == site && !order.on_demand)
    };
    let certificates = report.certificates.iter();
    let certificates = certificates.map(|one| {
        let order = order_of(&one.site).filter(|_| one.source.from != "file");
        certificate_row(one, order)
    });
    let asked_for = report.acme.iter().filter(|order| order.on_demand);
    let rows: Vec<Row> = certificates.chain(asked_for.map(order_row)).collect();
    if rows.is_empty() {
        return "no site has a certificate".to_string();
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.cells.get(column));
        let head = HEAD.get(column).map_or(0, |head| head.len());
        cells
            .map(|cell| cell.chars().count())
            .fold(head, usize::max)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths);
        let padded = padded.map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    let mut lines = vec![line(&HEAD.map(String::from))];
    for row in &rows {
        lines.push(line(&row.cells));
        lines.extend(row.below.iter().map(|text| format!("    {text}")));
    }
    lines.join("\n")
}

fn certificate_row(one: &Certificate, order: Option<&Order>) -> Row {
    let source = match one.source.from.as_str() {
        "file" => clean(&one.source.certificate),
        _ => order.map_or("acme".to_string(), |order| authority(&order.directory)),
    };
    let issuer = match (one.state.as_str(), one.self_signed) {
        ("stand_in", _) => "parvis".to_string(),
        (_, true) => "itself".to_string(),
        (_, false) => issuer(&one.issuer),
    };
    let state = match one.state.as_str() {
        "ends_soon" => "ends soon".to_string(),
        "not_yet" => "not valid yet".to_string(),
        "stand_in" => "self-signed stand-in".to_string(),
        other => clean(other),
    };
    let day = one.ends.get(..10).unwrap_or(&one.ends);
    Row {
        cells: [
            clean(&one.site),
            names(&one.names),
            source,
            issuer,
            format!("{day}, {}", left(one.days_left)),
            match order.and_then(doing) {
                Some(doing) => format!("{state}, {doing}"),
                None => state,
            },
        ],
        below: order.and_then(last_error),
    }
}

/// A certificate for a name that a client asked for.
fn order_row(order: &Order) -> Row {
    let state = match (&order.not_after, doing(order)) {
        (Some(_), Some(doing)) => format!("good, {doing}"),
        (Some(_), None) => "good".to_string(),
        (None, Some(doing)) => doing,
        (None, None) => clean(&order.state),
    };
    let end = order.not_after.as_deref();
    Row {
        cells: [
            clean(&order.site),
            names(&order.names),
            authority(&order.directory),
            "-".to_string(),
            end.map_or("-", |end| end.get(..10).unwrap_or(end))
                .to_string(),
            format!("{state}, asked for by a client"),
        ],
        below: last_error(order),
    }
}

/// What is being done about a certificate; `None`: nothing.
fn doing(order: &Order) -> Option<String> {
    let next = order.next.as_deref().map(minute);
    match (order.state.as_str(), next) {
        ("ordering", _) => Some("ordering".to_string()),
        ("waiting", Some(next)) => Some(format!("waiting until {next}")),
        ("waiting", None) => Some("waiting for its turn".to_string()),
        ("elsewhere", _) => Some("ordered by another edge".to_string()),
        ("good", Some(next)) => {
            let day = next.get(..10).unwrap_or(&next);
            Some(format!("to be renewed on {day}"))
        }
        _ => None,
    }
}

fn last_error(order: &Order) -> Option<String> {
    let trouble = order.trouble.as_ref()?;
    let times = match order.failures {
        0 | 1 => String::new(),
        times => format!(", {times} in a row"),
    };
    let at = jiff::Timestamp::from_second(trouble.at);
    let at = at.map_or_else(|_| String::new(), |at| minute(&at.to_string()));
    let mut text = format!("last error ({at}{times}): {}", clean(&trouble.message));
    // Mostly the message has them already.
    let names = trouble.names.iter();
    for (name, why) in names.filter(|(_, why)| !trouble.message.contains(why)) {
        let said = format!("\n    {}: {}", clean(name), clean(why));
        text.push_str(&said);
    }
    Some(text)
}

fn names(all: &[String]) -> String {
    let first: Vec<String> = all.iter().take(NAMED).map(|name| clean(name)).collect();
    match all.len().saturating_sub(NAMED) {
        _ if all.is_empty() => "-".to_string(),
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn left(days: i64) -> String {
    match days {
        0 => "today".to_string(),
        1 => "in 1 day".to_string(),
        2.. => format!("in {days} days"),
        -1 => "1 day ago".to_string(),
        _ => format!("{} days ago", days.saturating_neg()),
    }
}

/// The host of a directory's URL.
fn authority(directory: &str) -> String {
    let rest = directory
        .split_once("://")
        .map_or(directory, |(_, rest)| rest);
    clean(rest.split('/').next().unwrap_or(rest))
}

/// A time (RFC 3339) as `2026-11-21 22:41 UTC`.
fn minute(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => clean(time),
    }
}

/// Who issued a certificate (RFC 4514), without what says nothing to people: its organisation and
/// its name.
fn issuer(name: &str) -> String {
    let parts = attributes(name);
    let of = |kind: &str| {
        let mut parts = parts.iter();
        parts.find_map(|part| part.strip_prefix(kind)?.strip_prefix('='))
    };
    clean(&match (of("O"), of("CN")) {
        (Some(organisation), Some(own)) if !own.starts_with(organisation) => {
            format!("{organisation} {own}")
        }
        (_, Some(own)) => own.to_string(),
        (Some(organisation), None) => organisation.to_string(),
        (None, None) => name.to_string(),
    })
}

/// `CN=a\, b,O=c` -> `CN=a, b` and `O=c`.
fn attributes(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for letter in name.chars() {
        match (letter, parts.last_mut()) {
            ('\\', _) if !escaped => {
                escaped = true;
                continue;
            }
            (',' | '+', _) if !escaped => parts.push(String::new()),
            (_, Some(part)) => part.push(letter),
            (_, None) => {}
        }
        escaped = false;
    }
    parts
}

/// What others wrote (an authority, a certificate), so that it does nothing to a terminal.
fn clean(text: &str) -> String {
    let shown = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests;
