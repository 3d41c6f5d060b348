//! Text that stands in columns of a terminal.

/// Colours (ECMA-48 SGR), or none.
#[derive(Debug, Clone, Copy)]
pub enum Ink {
    /// What matters.
    Bold,
    /// What does not.
    Dim,
    /// Guests.
    Guests,
    /// Views.
    Views,
    /// More than before.
    More,
    /// Less than before.
    Less,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Guests => "36",
            Ink::Views => "34",
            Ink::More => "32",
            Ink::Less => "31",
        }
    }
}

/// A text with its width in columns.
#[derive(Debug, Clone, Default)]
pub struct Text {
    text: String,
    width: usize,
    colour: bool,
}

impl Text {
    /// Nothing yet; with colours or without.
    pub fn new(colour: bool) -> Text {
        Text {
            colour,
            ..Text::default()
        }
    }

    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.width
    }

    /// It is drawn in colours.
    pub fn has_colour(&self) -> bool {
        self.colour
    }

    /// Appends a text that has nothing in it but what is seen.
    pub fn plain(mut self, text: &str) -> Text {
        self.text.push_str(text);
        self.width = self.width.saturating_add(width(text));
        self
    }

    /// Appends it in a colour.
    pub fn inked(mut self, ink: Ink, text: &str) -> Text {
        if !self.colour || text.trim().is_empty() {
            return self.plain(text);
        }
        self.text.push_str("\x1b[");
        self.text.push_str(ink.code());
        self.text.push('m');
        let mut done = self.plain(text);
        done.text.push_str("\x1b[0m");
        done
    }

    /// Fills it up with spaces.
    pub fn to(self, column: usize) -> Text {
        let missing = column.saturating_sub(self.width);
        self.plain(&" ".repeat(missing))
    }

    /// Appends a text so that it ends in a column.
    pub fn ending(self, column: usize, text: &str) -> Text {
        let start = column.saturating_sub(width(text));
        self.to(start).plain(text)
    }

    /// Appends another one.
    pub fn and(mut self, other: &Text) -> Text {
        self.text.push_str(&other.text);
        self.width = self.width.saturating_add(other.width);
        self
    }

    /// What is written, without spaces at the end.
    pub fn line(&self) -> &str {
        self.text.trim_end_matches(' ')
    }
}

/// Columns that a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// Columns that a character takes: the wide ones of Unicode's EastAsianWidth.txt in blocks, and
/// marks that stand above or below others.
fn columns(character: char) -> usize {
    match u32::from(character) {
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f => 0,
        0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f => {
            0
        }
        0x1100..=0x115f | 0x2e80..=0x303e | 0x3041..=0xa4cf | 0xac00..=0xd7a3 => 2,
        0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 => 2,
        0x1f300..=0x1f64f | 0x1f680..=0x1f6ff | 0x1f900..=0x1faff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// A text from the network as it may be shown: nothing in it can steer the terminal, or turn the
/// direction of what follows.
pub fn shown(text: &str) -> String {
    let is_seen = |character: char| {
        !character.is_control()
            && !matches!(
                u32::from(character),
                0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb
                    | 0xe0000..=0xe0fff
            )
    };
    text.chars()
        .map(|character| {
            if is_seen(character) {
                character
            } else {
                '\u{fffd}'
            }
        })
        .collect()
}

/// A text that takes no more columns than it may; what is left out is an ellipsis.
pub fn fitted(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_string();
    }
    let mut fitted = String::new();
    let mut taken = 1;
    for character in text.chars() {
        taken += columns(character);
        if taken > most {
            break;
        }
        fitted.push(character);
    }
    if most > 0 {
        fitted.push('…');
    }
    fitted
}

/// A number with its thousands apart: `12,345`; of many millions only the first digits.
pub fn number(number: u64) -> String {
    match number {
        0..10_000_000 => {
            let digits = number.to_string();
            let mut text = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place).is_multiple_of(3) {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        10_000_000..10_000_000_000 => format!("{:.1} M", number as f64 / 1e6),
        _ => format!("{:.1} G", number as f64 / 1e9),
    }
}

/// A bar that lies: its part of so many columns, in eighths of a column.
pub fn bar(part: f64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let most = columns.saturating_mul(8);
    // What is there is seen.
    let least = usize::from(part > 0.0);
    let eighths = ((part * most as f64).round() as usize).clamp(least, most);
    let rest = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    format!("{}{rest}", "█".repeat(eighths / 8))
}
