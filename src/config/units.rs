//! Durations and sizes as an operator writes them.

use std::time::Duration;

/// Reads `"250ms"`, `"5s"`, `"1m"`, `"1h"`, `"30d"`.
///
/// # Errors
/// What is wrong with the text, in words.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let number: u64 = number.parse().map_err(|_| EXPECTED_DURATION.to_string())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err(format!("a unit is missing: {EXPECTED_DURATION}")),
        // What is written is not repeated here: it may come from where secrets come from.
        _ => return Err(format!("no such unit of time: {EXPECTED_DURATION}")),
    };
    // A hundred years: past it, adding to a clock may overflow.
    match number.checked_mul(millis) {
        Some(total) if total <= 100 * 365 * 86_400_000 => Ok(Duration::from_millis(total)),
        _ => Err("longer than a hundred years".to_string()),
    }
}

pub(super) const EXPECTED_DURATION: &str =
    "expected a duration such as \"250ms\", \"5s\", \"1m\", \"1h\" or \"30d\"";
pub(super) const EXPECTED_SIZE: &str =
    "expected a size such as \"800\", \"64KiB\", \"10MiB\" or \"1GB\"";

/// Writes a duration as an operator would: the largest unit that gives a whole number.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 > 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// Reads `"800"`, `"64KiB"` (1024), `"10MiB"`, `"1GB"` (1000 cubed).
///
/// # Errors
/// What is wrong with the text, in words.
pub fn parse_size(text: &str) -> Result<Size, String> {
    let (number, unit) = split(text);
    let number: u64 = number.parse().map_err(|_| EXPECTED_SIZE.to_string())?;
    let factor: u64 = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(format!("no such unit of size: {EXPECTED_SIZE}")),
    };
    number
        .checked_mul(factor)
        .map(Size)
        .ok_or_else(|| "too large".to_string())
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, millis) in [
            ("250ms", 250),
            ("5s", 5_000),
            ("1m", 60_000),
            ("1h", 3_600_000),
            ("30d", 2_592_000_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(format_duration(Duration::from_millis(1_500)), "1500ms");
        for bad in [
            "",
            "5",
            "s",
            "-5s",
            "5 parsecs",
            "1.5s",
            "99999999999999999999s",
            "99999999d",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_read_and_write() {
        for (text, bytes) in [("800", 800), ("64KiB", 65_536), ("10MiB", 10_485_760)] {
            assert_eq!(parse_size(text), Ok(Size(bytes)), "{text}");
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!(parse_size("1GB"), Ok(Size(1_000_000_000)));
        for bad in ["", "KiB", "1 XB", "-1", "1.5MiB", "99999999999TB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
