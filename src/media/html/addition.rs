//! What is added to an `<img>`: a plain function of its attributes and of what is known of its
//! picture.

use super::source::Source;
use super::{Known, page::Place};
use std::fmt::Write;

/// What an `<img>` says of itself. Values are as the page has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Image {
    src: Option<String>,
    srcset: Option<String>,
    sizes: bool,
    loading: Option<String>,
    decoding: bool,
    width: Option<String>,
    height: Option<String>,
    /// `fetchpriority="high"`.
    urgent: bool,
    /// A style that says how large it is.
    styled: bool,
    /// A script will give it another `src`, which a `srcset` would outdo.
    scripted: bool,
}

impl Image {
    /// By its attributes, names in lower case. Of two of a name the first counts (HTML, section
    /// 13.2.5.33).
    pub(super) fn of(attributes: impl Iterator<Item = (String, String)>) -> Self {
        let mut image = Image::default();
        let (mut priority, mut style) = (None, None);
        for (name, value) in attributes {
            let slot = match name.as_str() {
                "src" => &mut image.src,
                "srcset" => &mut image.srcset,
                "loading" => &mut image.loading,
                "width" => &mut image.width,
                "height" => &mut image.height,
                "fetchpriority" => &mut priority,
                "style" => &mut style,
                name => {
                    image.sizes |= name == "sizes";
                    image.decoding |= name == "decoding";
                    image.scripted |= name
                        .strip_prefix("data-")
                        .is_some_and(|name| name.contains("src") || name == "original");
                    continue;
                }
            };
            slot.get_or_insert(value);
        }
        image.urgent =
            priority.is_some_and(|value: String| value.trim().eq_ignore_ascii_case("high"));
        image.styled = style.is_some_and(|style: String| {
            let style = style.to_ascii_lowercase();
            style.contains("width") || style.contains("height")
        });
        image
    }

    /// Its `src`, when something could be added to it.
    pub(super) fn source(&self) -> Option<Source> {
        let complete = self.loading.is_some()
            && self.decoding
            && self.srcset.is_some()
            && (self.width.is_some() || self.height.is_some());
        Source::of(self.src.as_deref().filter(|_| !complete)?)
    }

    /// The attributes that it lacks, each with a space before it. Empty: it lacks none.
    pub(super) fn additions(&self, source: &Source, known: &Known, place: Place) -> String {
        let mut out = String::new();
        let lazy = match &self.loading {
            Some(loading) => loading.trim().eq_ignore_ascii_case("lazy"),
            None => !place.early && !self.urgent,
        };
        if lazy && self.loading.is_none() {
            out.push_str(" loading=\"lazy\"");
        }
        if !self.decoding {
            out.push_str(" decoding=\"async\"");
        }
        // In a <picture> the size and the choice are its sources'.
        let size = known.size.filter(|size| size.0 > 0 && size.1 > 0);
        let Some((width, height)) = size.filter(|_| !place.in_picture) else {
            return out;
        };
        let bare = self.width.is_none() && self.height.is_none();
        let by_width = self.srcset.as_deref().is_some_and(has_widths);
        let sized = bare && !self.styled && !by_width;
        if sized {
            let _ = write!(out, " width=\"{width}\" height=\"{height}\"");
        }
        if self.srcset.is_some() || self.scripted {
            return out;
        }
        let Some(set) = source.set(&known.widths, width) else {
            return out;
        };
        let _ = write!(out, " srcset=\"{set}\"");
        if self.sizes {
            return out;
        }
        // Without `sizes` it would be shown as wide as the window; so it is shown as wide as
        // without a `srcset`.
        let shown = match (pixels(&self.width), pixels(&self.height)) {
            (Some(width), _) => width,
            (None, Some(tall)) => scaled(width, tall, height),
            (None, None) => width,
        };
        // `auto`: as wide as it is laid out, known when a lazy one is fetched. Browsers that know
        // it forget a picture's own size then, so the tag must have it.
        let both = self.width.is_some() && self.height.is_some();
        let auto = if lazy && (sized || both) {
            "auto, "
        } else {
            ""
        };
        let _ = write!(
            out,
            " sizes=\"{auto}(max-width: {shown}px) 100vw, {shown}px\""
        );
        out
    }
}

/// Whether a `srcset` has a candidate told by its width.
fn has_widths(srcset: &str) -> bool {
    srcset.split_ascii_whitespace().any(|part| {
        let number = part.trim_end_matches(',').strip_suffix('w');
        number
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// A `width` or `height` in pixels (HTML, "rules for parsing dimension values").
fn pixels(value: &Option<String>) -> Option<u32> {
    let value = value.as_deref()?.trim_ascii_start();
    let end = value
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(end)?;
    let percent = unit.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let number: u32 = number.parse().ok()?;
    ((1..=100_000).contains(&number) && !percent.starts_with('%')).then_some(number)
}

/// The width of a picture that is shown `tall` pixels high.
fn scaled(width: u32, tall: u32, height: u32) -> u32 {
    let shown = u64::from(width).saturating_mul(tall.into()) / u64::from(height.max(1));
    u32::try_from(shown).unwrap_or(width).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Place = Place {
        early: false,
        in_picture: false,
    };
    const EARLY: Place = Place {
        early: true,
        in_picture: false,
    };
    const SET: &str = " srcset=\"/a?w=300 300w, /a 800w\"";

    fn image(attributes: &[(&str, &str)]) -> Image {
        let own = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        Image::of(
            [("src".into(), "/a".into())]
                .into_iter()
                .chain(attributes.iter().map(own)),
        )
    }

    fn known() -> Known {
        Known {
            widths: [300, 800, 1280].into(),
            size: Some((800, 600)),
        }
    }

    fn added(attributes: &[(&str, &str)], place: Place) -> String {
        let source = Source::of("/a").unwrap();
        image(attributes).additions(&source, &known(), place)
    }

    #[test]
    fn a_bare_image_gets_all() {
        assert_eq!(
            added(&[], LATER),
            format!(
                " loading=\"lazy\" decoding=\"async\" width=\"800\" height=\"600\"{SET} \
                 sizes=\"auto, (max-width: 800px) 100vw, 800px\""
            )
        );
        assert_eq!(
            added(&[], EARLY),
            format!(
                " decoding=\"async\" width=\"800\" height=\"600\"{SET} \
                 sizes=\"(max-width: 800px) 100vw, 800px\""
            )
        );
    }

    #[test]
    fn what_it_has_stays() {
        let all = [
            ("loading", "eager"),
            ("decoding", "sync"),
            ("width", "80"),
            ("height", "60"),
            ("srcset", "b 2x"),
        ];
        assert_eq!(added(&all, LATER), "");
        assert_eq!(image(&all).source(), None);
        let urgent = added(&[("fetchpriority", " High ")], LATER);
        assert!(urgent.starts_with(" decoding"), "{urgent}");
        let sizes = added(
            &[("sizes", "50vw"), ("decoding", ""), ("loading", "")],
            LATER,
        );
        assert_eq!(sizes, format!(" width=\"800\" height=\"600\"{SET}"));
    }

    #[test]
    fn a_size_is_given_only_where_none_is() {
        let gets = |attributes: &[(&str, &str)]| added(attributes, LATER).contains(" height=");
        assert!(gets(&[]));
        assert!(gets(&[("style", "border: 0")]));
        assert!(gets(&[("srcset", "/b 2x, /c 3x")]));
        assert!(!gets(&[("width", "80")]));
        assert!(!gets(&[("height", "")]));
        assert!(!gets(&[("style", "max-WIDTH: 100%")]));
        assert!(!gets(&[("srcset", "/b 300w, /c 600w")]));
        assert!(!gets(&[("srcset", "/b 300w,/c 600w")]));
    }

    #[test]
    fn sizes_follow_the_size_on_the_page() {
        let sizes = |attributes: &[(&str, &str)]| {
            let added = added(attributes, LATER);
            let (_, sizes) = added.split_once(" sizes=").unwrap();
            sizes.to_string()
        };
        let both = sizes(&[("width", "80px"), ("height", "60")]);
        assert_eq!(both, "\"auto, (max-width: 80px) 100vw, 80px\"");
        assert_eq!(
            sizes(&[("width", "80")]),
            "\"(max-width: 80px) 100vw, 80px\""
        );
        assert_eq!(
            sizes(&[("height", "60")]),
            "\"(max-width: 80px) 100vw, 80px\""
        );
        assert_eq!(
            sizes(&[("width", "50%")]),
            "\"(max-width: 800px) 100vw, 800px\""
        );
        assert_eq!(
            sizes(&[("width", "5.5%")]),
            "\"(max-width: 800px) 100vw, 800px\""
        );
        let eager = sizes(&[("loading", "eager")]);
        assert_eq!(eager, "\"(max-width: 800px) 100vw, 800px\"");
        let lazy = sizes(&[("loading", "LAZY")]);
        assert!(lazy.starts_with("\"auto, "), "{lazy}");
    }

    #[test]
    fn others_choices_are_left_to_them() {
        let in_picture = Place {
            in_picture: true,
            ..LATER
        };
        let loading = " loading=\"lazy\" decoding=\"async\"";
        assert_eq!(added(&[], in_picture), loading);
        let sized = format!("{loading} width=\"800\" height=\"600\"");
        assert_eq!(added(&[("data-src", "/b")], LATER), sized);
        assert_eq!(added(&[("data-lazy-srcset", "/b 2x")], LATER), sized);
        let source = Source::of("/a").unwrap();
        for size in [None, Some((0, 600)), Some((800, 0))] {
            let known = Known { size, ..known() };
            assert_eq!(image(&[]).additions(&source, &known, LATER), loading);
        }
    }

    #[test]
    fn the_first_of_two_attributes_counts() {
        let twice = image(&[("src", "/b"), ("loading", "eager"), ("loading", "lazy")]);
        assert_eq!(twice.src.as_deref(), Some("/a"));
        assert_eq!(twice.loading.as_deref(), Some("eager"));
    }
}
