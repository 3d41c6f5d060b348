//! The page for people: one HTML document without scripts, and with nothing that is loaded.

use super::{Item, Page, rfc3339};
use crate::wire::target;
use std::fmt::Write as _;

const STYLE: &str = include_str!("style.css");
const ICONS: &str = include_str!("icons.svg");

/// The directory at this path (decoded, with a slash at its end) as an HTML document.
pub fn html(path: &[u8], page: &Page) -> String {
    let mut out = String::with_capacity(page.items.len().saturating_mul(384).saturating_add(8192));
    let shown = escape(&String::from_utf8_lossy(path));
    let entries = match page.total {
        1 => "1 entry".to_string(),
        total => format!("{} entries", thousands(total)),
    };
    let which = if page.pages > 1 {
        format!(", page {} of {}", page.page, page.pages)
    } else {
        String::new()
    };
    let crumbs = crumbs(path);
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Index of {shown}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <svg class=\"hidden\" aria-hidden=\"true\">\n{ICONS}</svg>\n\
         <main>\n<h1>{crumbs}</h1>\n<p>{entries}{which}</p>\n\
         <table>\n<thead>\n<tr><th scope=\"col\">Name</th><th scope=\"col\" class=\"size\">Size</th>\
         <th scope=\"col\" class=\"time\">Modified (UTC)</th></tr>\n</thead>\n<tbody>\n"
    );
    if path != b"/" {
        let _ = writeln!(
            out,
            "<tr><td><a href=\"../\">{}<span>Parent directory</span></a></td>\
             <td class=\"size\"></td><td class=\"time\"></td></tr>",
            icon("up")
        );
    }
    for item in &page.items {
        row(&mut out, item);
    }
    out.push_str("</tbody>\n</table>\n");
    if page.pages > 1 {
        page_links(&mut out, page);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn row(out: &mut String, item: &Item) {
    let slash = if item.directory { "/" } else { "" };
    let href = escape(&target::encode(&item.raw_name));
    let icon = icon(if item.directory {
        "folder"
    } else {
        kind(&item.name)
    });
    let name = escape(&item.name);
    let _ = write!(
        out,
        "<tr><td><a href=\"./{href}{slash}\">{icon}<bdi>{name}{slash}</bdi></a></td>"
    );
    let _ = if item.directory {
        write!(out, "<td class=\"size\"></td>")
    } else {
        let exact = thousands(item.size);
        let unit = if item.size == 1 { "byte" } else { "bytes" };
        let size = human(item.size);
        write!(
            out,
            "<td class=\"size\" title=\"{exact} {unit}\">{size}</td>"
        )
    };
    let time = rfc3339(item.modified);
    let shown = time.trim_end_matches('Z').replacen('T', " ", 1);
    let _ = writeln!(
        out,
        "<td class=\"time\"><time datetime=\"{time}\">{shown}</time></td></tr>"
    );
}

fn icon(kind: &str) -> String {
    format!("<svg class=\"icon\" aria-hidden=\"true\"><use href=\"#{kind}\"/></svg>")
}

/// `/ d / e /`, each but the last with a link. Relative: whatever stands in front of parvis may have
/// put the site below another path.
fn crumbs(path: &[u8]) -> String {
    let names: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
        .collect();
    let mut out = String::new();
    let mut above = names.len();
    if above == 0 {
        return "/".to_string();
    }
    let _ = write!(out, "<a href=\"{}\">/</a>", "../".repeat(above));
    for name in names {
        above = above.saturating_sub(1);
        let name = escape(&String::from_utf8_lossy(name));
        let _ = if above == 0 {
            write!(out, " <bdi>{name}</bdi> <span>/</span>")
        } else {
            let up = "../".repeat(above);
            write!(
                out,
                " <a href=\"{up}\"><bdi>{name}</bdi></a> <span>/</span>"
            )
        };
    }
    out
}

/// The first page, the last, those around this one.
fn page_links(out: &mut String, page: &Page) {
    out.push_str("<nav aria-label=\"Pages\">\n<ul class=\"pages\">\n");
    let link = |out: &mut String, number: usize, rel: &str, text: &str| {
        let _ = writeln!(out, "<li><a href=\"./?page={number}\"{rel}>{text}</a></li>");
    };
    if page.page > 1 {
        link(
            out,
            page.page.saturating_sub(1),
            " rel=\"prev\"",
            "Previous",
        );
    }
    let mut shown = vec![1];
    let near = page.page.saturating_sub(2)..=page.page.saturating_add(2);
    shown.extend(near.filter(|number| *number > 1 && *number < page.pages));
    shown.push(page.pages);
    let mut last = 0_usize;
    for number in shown {
        if number > last.saturating_add(1) {
            out.push_str("<li><span>…</span></li>\n");
        }
        if number == page.page {
            let _ = writeln!(
                out,
                "<li><strong aria-current=\"page\">{number}</strong></li>"
            );
        } else {
            link(out, number, "", &number.to_string());
        }
        last = number;
    }
    if page.page < page.pages {
        link(out, page.page.saturating_add(1), " rel=\"next\"", "Next");
    }
    out.push_str("</ul>\n</nav>\n");
}

/// The icon of a file, by its extension.
fn kind(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension.to_ascii_lowercase().as_str() {
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "avif" | "svg" | "ico" | "bmp" | "tif"
        | "tiff" | "heic" | "jxl" | "psd" => "picture",
        "txt" | "md" | "html" | "htm" | "css" | "js" | "mjs" | "json" | "xml" | "csv" | "tsv"
        | "log" | "yaml" | "yml" | "toml" | "ini" | "conf" | "py" | "rs" | "c" | "h" | "go"
        | "sh" | "sql" | "rst" | "tex" | "doc" | "docx" | "odt" | "rtf" => "text",
        "zip" | "gz" | "tgz" | "bz2" | "xz" | "zst" | "br" | "7z" | "rar" | "tar" | "jar"
        | "deb" | "rpm" | "iso" | "dmg" | "apk" => "archive",
        "mp3" | "ogg" | "oga" | "opus" | "flac" | "wav" | "m4a" | "aac" | "weba" | "mid" => "audio",
        "mp4" | "webm" | "mkv" | "mov" | "avi" | "m4v" | "ogv" | "mpg" | "mpeg" => "video",
        "pdf" => "pdf",
        _ => "file",
    }
}

/// `512 B`, `1.5 KiB`, `23 MiB`.
fn human(size: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1024 {
        return format!("{size} B");
    }
    let mut value = size as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    // From 1023.5 on it would be rounded to 1024.
    while value >= 1023.5 {
        let Some(larger) = units.next() else { break };
        value /= 1024.0;
        unit = larger;
    }
    if value < 9.95 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// `1,234,567`.
fn thousands(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len().saturating_add(8));
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Text for an element or a quoted attribute. Control characters are no HTML, and those that turn
/// the direction of writing would let `gpj.exe` read as `exe.jpg`: both are shown as replaced.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(8));
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (size, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10_188, "9.9 KiB"),
            (10_189, "10 KiB"),
            (1_048_063, "1023 KiB"),
            (1_048_064, "1.0 MiB"),
            (1_048_576, "1.0 MiB"),
            (123_456_789, "118 MiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(human(size), expected, "{size}");
        }
        assert_eq!(thousands(0_u64), "0");
        assert_eq!(thousands(999_u64), "999");
        assert_eq!(thousands(1_234_567_u64), "1,234,567");
    }

    #[test]
    fn control_characters_and_turned_writing_are_replaced() {
        assert_eq!(
            escape("a\u{202e}gpj.exe\n\0\u{7f}\u{9b}"),
            "a\u{fffd}gpj.exe\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(escape("<'\"&>"), "&lt;&#39;&quot;&amp;&gt;");
    }

    #[test]
    fn crumbs_are_relative() {
        assert_eq!(crumbs(b"/"), "/");
        assert_eq!(
            crumbs(b"/a/<b>/"),
            "<a href=\"../../\">/</a> <a href=\"../\"><bdi>a</bdi></a> <span>/</span> \
             <bdi>&lt;b&gt;</bdi> <span>/</span>"
        );
    }
}
