//! Settings -> what is in force.

use super::{ImagesSettings, MediaSettings, Modern, SignSettings};
use crate::config::{At, Diagnostic, Diagnostics, Text};
use crate::media::wish::{LARGEST, Policy, SigningKey};
use crate::media::{Format, Limits};
use std::path::PathBuf;
use std::time::Duration;

/// `[media]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPolicy {
    /// The folder of the variants.
    pub storage: PathBuf,
    /// How many bytes they may take there; 0: none is kept there.
    pub disk: u64,
    /// How many bytes of them may be in memory.
    pub memory: u64,
    /// Threads that make them, at least 1.
    pub workers: usize,
    /// How many may wait for a thread, at least 1.
    pub queue: usize,
}

/// A route's `images`, checked.
#[derive(Debug, Clone)]
pub struct ImagesPolicy {
    /// What requests may ask for.
    pub policy: Policy,
    /// What an original may be.
    pub limits: Limits,
    /// How long a request waits for a variant.
    pub wait: Duration,
    /// Whether an original that is broken or too large is refused.
    pub strict: bool,
    /// Whether pages are helped.
    pub html: bool,
}

impl MediaSettings {
    /// Checks the table.
    pub fn build(&self, errors: &mut Diagnostics) -> Option<MediaPolicy> {
        let before = errors.found();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        if self.workers.value > processors {
            let label = match processors {
                1 => "expected 0 or 1: there is one processor".to_string(),
                _ => format!("expected at most {processors}: there are so many processors"),
            };
            errors.push(
                Diagnostic::new(
                    self.workers.place,
                    "more threads for pictures than processors",
                )
                .label(label)
                .help("more would make nothing sooner; 0 stands for one per processor"),
            );
        }
        if self.queue.value == 0 {
            errors.push(
                Diagnostic::new(self.queue.place, "no variant could ever be made")
                    .label("expected 1 or more")
                    .help("what finds no room in the queue is not made"),
            );
        }
        let workers = match self.workers.value {
            0 => processors,
            given => given,
        };
        (errors.found() == before).then(|| MediaPolicy {
            storage: self.storage.0.join("media"),
            disk: self.disk.0,
            memory: self.memory.0,
            workers,
            queue: self.queue.value,
        })
    }
}

impl ImagesSettings {
    /// Checks the table.
    pub fn build(&self, errors: &mut Diagnostics) -> Option<ImagesPolicy> {
        let before = errors.found();
        let images = ImagesPolicy {
            policy: Policy {
                widths: self.sizes(errors),
                formats: self.formats(errors),
                quality: quality(&self.quality, errors),
                max_width: side("max_width", &self.max_width, errors),
                max_height: side("max_height", &self.max_height, errors),
                background: colour(&self.background, errors),
                client_hints: self.client_hints,
                sign: self.sign.as_ref().and_then(|sign| sign.build(errors)),
            },
            limits: self.limits(errors),
            wait: self.wait,
            strict: self.strict,
            html: self.html,
        };
        (errors.found() == before).then_some(images)
    }

    fn sizes(&self, errors: &mut Diagnostics) -> Vec<u32> {
        let given = &self.widths.value;
        // What could not be read is a mistake of its own.
        if given.is_empty() && self.sound {
            errors.push(
                Diagnostic::new(self.widths.place, "no width is left")
                    .label("expected widths in pixels, such as [320, 640, 1280]")
                    .help("without `widths` the usual ones are there"),
            );
        }
        let mut sizes: Vec<u32> = given
            .iter()
            .map(|width| side("width", width, errors))
            .collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    fn formats(&self, errors: &mut Diagnostics) -> Vec<Format> {
        let mut formats = Vec::new();
        for given in &self.formats {
            let format = match given.value {
                Modern::Avif => Format::Avif,
                Modern::WebP => Format::WebP,
            };
            if formats.contains(&format) {
                let what = format!("{:?} is given twice", format.name());
                errors.push(
                    Diagnostic::new(given.place, what)
                        .label("given again here")
                        .help("the first is liked best: keep it where it belongs"),
                );
                continue;
            }
            formats.push(format);
        }
        formats
    }

    fn limits(&self, errors: &mut Diagnostics) -> Limits {
        if self.max_size.value.0 == 0 {
            errors.push(
                Diagnostic::new(self.max_size.place, "no file is that small")
                    .label("expected a size such as \"20MB\"")
                    .help("to leave pictures as they are, remove `images`"),
            );
        }
        // Below the first, megapixels were meant; above the second, four bytes of each are more
        // than a machine has to spare.
        const PIXELS: std::ops::RangeInclusive<u64> = 10_000..=1_000_000_000;
        if !PIXELS.contains(&self.max_pixels.value) {
            errors.push(
                Diagnostic::new(self.max_pixels.place, "`max_pixels` counts single pixels")
                    .label("expected 10_000 to 1_000_000_000")
                    .help("50 megapixels are 50_000_000"),
            );
        }
        if self.timeout.value.is_zero() {
            errors.push(
                Diagnostic::new(self.timeout.place, "no picture can be made in no time")
                    .label("expected a duration such as \"10s\"")
                    .help("to leave pictures as they are, remove `images`"),
            );
        }
        Limits {
            bytes: self.max_size.value.0,
            pixels: self.max_pixels.value,
            time: self.timeout.value,
        }
    }
}

impl SignSettings {
    fn build(&self, errors: &mut Diagnostics) -> Option<SigningKey> {
        let text = &self.key.value;
        let key = SigningKey::new(text.text.as_bytes());
        // One that is missing or could not be read is a mistake of its own.
        if key.is_none() && self.sound {
            let what = "`key` of `sign` can be guessed: it is too short";
            // A secret is never shown, not even a bad one.
            let diagnostic = match text.is_secret() || text.text.is_empty() {
                true => Diagnostic::new(self.key.place, what).label("expected 16 bytes or more"),
                false => Diagnostic::nowhere(what),
            };
            errors.push(diagnostic.help(
                "make one of 16 bytes or more: openssl rand -hex 32 > images.key, key = { file = \"images.key\" }",
            ));
        }
        key
    }
}

fn quality(quality: &At<u32>, errors: &mut Diagnostics) -> u8 {
    let value = u8::try_from(quality.value).ok();
    value
        .filter(|value| (1..=100).contains(value))
        .unwrap_or_else(|| {
            errors.push(
                Diagnostic::new(quality.place, "no such quality")
                    .label("expected 1 to 100")
                    .help("85 is hard to tell from the original; 50 shows"),
            );
            100
        })
}

fn side(what: &str, side: &At<u32>, errors: &mut Diagnostics) -> u32 {
    if !(1..=LARGEST).contains(&side.value) {
        let what = format!("no such {}", what.trim_start_matches("max_"));
        errors.push(
            Diagnostic::new(side.place, what)
                .label(format!("expected 1 to {LARGEST} pixels"))
                .help("pictures are never enlarged: a small one stays as it is"),
        );
    }
    side.value
}

/// `#rgb` and `#rrggbb` (CSS Color 4, section 5.2).
fn colour(colour: &At<Text>, errors: &mut Diagnostics) -> [u8; 3] {
    let text = &colour.value;
    parse_colour(&text.text).unwrap_or_else(|| {
        errors.push(
            Diagnostic::new(colour.place, text.for_messages("colour"))
                .label(
                    "expected red, green and blue in hexadecimal, such as \"#ffffff\" or \"#fff\"",
                )
                .help("names of colours and transparent ones are not known here"),
        );
        [255; 3]
    })
}

fn parse_colour(text: &str) -> Option<[u8; 3]> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let digits: Option<Vec<u8>> = text
        .strip_prefix('#')?
        .as_bytes()
        .iter()
        .map(digit)
        .collect();
    match digits?.as_slice() {
        [r, g, b] => Some([r * 17, g * 17, b * 17]),
        [a, b, c, d, e, f] => Some([a * 16 + b, c * 16 + d, e * 16 + f]),
        _ => None,
    }
}
