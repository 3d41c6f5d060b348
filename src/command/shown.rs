//! Paths, sizes, times and tables for people.

use std::path::Path;
use std::time::Duration;

/// A path without the characters that would move a terminal's cursor or change its colours.
pub fn path(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// A number of bytes: `800 B`, `12.3 KiB`, `1.0 GiB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut name = "KiB";
    for next in ["MiB", "GiB", "TiB"] {
        // What would be rounded to 1024.0 is 1.0 of the next unit.
        if value < 1023.95 {
            break;
        }
        value /= 1024.0;
        name = next;
    }
    format!("{value:.1} {name}")
}

/// How much smaller `bytes` is than `original`, in percent.
pub fn saved(original: u64, bytes: u64) -> String {
    match original {
        0 => "-".to_string(),
        _ => format!("{:.1}%", 100.0 - bytes as f64 * 100.0 / original as f64),
    }
}

/// How long something took: `0.42 s`, `31.0 s`, `2 min 05 s`.
pub fn took(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 10.0 {
        return format!("{seconds:.2} s");
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
}

/// A time that runs: `0:07`, `12:31`, `1:00:00`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Puts cells below each other: the first column to the left, numbers to the right.
pub fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |cells: &Vec<String>| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            match column {
                0 => text.push_str(&format!("{cell:<width$}")),
                _ => text.push_str(&format!("  {cell:>width$}")),
            }
        }
        text
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_suits_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (12_595, "12.3 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_048_576, "1.0 MiB"),
            (3 << 40, "3.0 TiB"),
            (5000 << 40, "5000.0 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn what_is_saved_is_a_percentage() {
        assert_eq!(saved(1000, 250), "75.0%");
        assert_eq!(saved(3, 1), "66.7%");
        assert_eq!(saved(0, 0), "-");
    }

    #[test]
    fn times_are_short() {
        for (millis, long, running) in [
            (420, "0.42 s", "0:00"),
            (31_000, "31.0 s", "0:31"),
            (125_000, "2 min 05 s", "2:05"),
            (3_600_000, "60 min 00 s", "1:00:00"),
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!((took(time).as_str(), clock(time).as_str()), (long, running));
        }
    }

    #[test]
    fn a_path_cannot_speak_to_the_terminal() {
        assert_eq!(path(Path::new("a\x1b[2J\n.css")), "a?[2J?.css");
        assert_eq!(path(Path::new("straße.css")), "straße.css");
    }
}
