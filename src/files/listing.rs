//! What a directory holds, as a page for people or as JSON for programs. Values in, text out.
//!
//! Names come from whoever may write into the directory, so none of them is trusted: they are
//! escaped where they are shown and encoded where they are linked, and links begin with `./`, so that
//! none reads as a scheme (`javascript:`), a host (`//`), a query or a fragment.

mod html;
mod natural;

pub use html::html;

use natural::natural;
use serde_json::Value;
use std::fmt::Write as _;
use std::time::SystemTime;

/// How many entries are on a page.
const PER_PAGE: usize = 1_000;

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name as it is shown: what is no UTF-8 was replaced.
    pub name: String,
    /// Its name as it is linked.
    pub raw_name: Vec<u8>,
    /// Whether it is a directory. All others count as files.
    pub directory: bool,
    /// In bytes; of no meaning for directories.
    pub size: u64,
    /// When its content was changed last.
    pub modified: SystemTime,
}

/// A page of a directory's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Those of this page, sorted.
    pub items: Vec<Item>,
    /// Which page this is, from 1.
    pub page: usize,
    /// How many pages there are; 1 when there is nothing.
    pub pages: usize,
    /// How many entries are on all pages.
    pub total: usize,
}

/// Sorts a directory's entries and takes one page of them.
///
/// Directories come first; names are compared without regard to case and with numbers as numbers
/// (`a2` before `A10`), and by their bytes where that makes no difference. Pages hold 1,000; one
/// behind the last is the last.
pub fn page(mut items: Vec<Item>, page: usize) -> Page {
    items.sort_unstable_by(|a, b| {
        b.directory
            .cmp(&a.directory)
            .then_with(|| natural(&a.name, &b.name))
            .then_with(|| a.raw_name.cmp(&b.raw_name))
    });
    let total = items.len();
    let pages = total.div_ceil(PER_PAGE).max(1);
    let page = page.clamp(1, pages);
    let before = page.saturating_sub(1).saturating_mul(PER_PAGE);
    Page {
        items: items.into_iter().skip(before).take(PER_PAGE).collect(),
        page,
        pages,
        total,
    }
}

/// The page that a query (without its `?`) asks for with `page=2`; 1 when it does not or says what
/// is no number.
pub fn requested_page(query: Option<&[u8]>) -> usize {
    query
        .unwrap_or_default()
        .split(|byte| *byte == b'&')
        .find_map(|pair| pair.strip_prefix(b"page="))
        .filter(|digits| digits.iter().all(u8::is_ascii_digit))
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .map_or(1, |page: usize| page.max(1))
}

/// The directory at this path (decoded, with a slash at its end) as JSON:
///
/// ```json
/// {"path":"/d/","page":1,"pages":1,"total":2,"entries":[
///   {"name":"e","type":"directory","size":null,"modified":"2026-11-21T12:00:00Z"},
///   {"name":"f.txt","type":"file","size":7,"modified":"2026-11-21T12:00:00Z"}]}
/// ```
///
/// Sizes are bytes, times RFC 3339 in UTC. What is no UTF-8 in names is replaced.
pub fn json(path: &[u8], page: &Page) -> String {
    let path = quoted(&String::from_utf8_lossy(path));
    let mut out = String::with_capacity(page.items.len().saturating_mul(96).saturating_add(128));
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "{{\"path\":{path},\"page\":{},\"pages\":{},\"total\":{},\"entries\":[",
        page.page, page.pages, page.total
    );
    for (at, item) in page.items.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let name = quoted(&item.name);
        let modified = rfc3339(item.modified);
        let _ = if item.directory {
            write!(
                out,
                "{comma}{{\"name\":{name},\"type\":\"directory\",\"size\":null,"
            )
        } else {
            let size = item.size;
            write!(
                out,
                "{comma}{{\"name\":{name},\"type\":\"file\",\"size\":{size},"
            )
        };
        let _ = write!(out, "\"modified\":\"{modified}\"}}");
    }
    out.push_str("]}\n");
    out
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// `2026-11-21T12:00:00Z`. The epoch for years that have not four digits.
fn rfc3339(time: SystemTime) -> String {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(0),
        // Before 1970: a fraction belongs to the second before.
        Err(error) => {
            let before = error.duration();
            let whole = i64::try_from(before.as_secs()).unwrap_or(0);
            let begun = i64::from(before.subsec_nanos() > 0);
            whole.saturating_add(begun).saturating_neg()
        }
    };
    let at = time::OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .filter(|at| at.year() >= 0)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests;
