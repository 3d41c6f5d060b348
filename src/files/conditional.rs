//! Conditional requests for a file (RFC 9110 section 13): whether what the client has is still
//! right, and whether a part of the file would fit to what it has.

use http::HeaderMap;
use http::header::{
    AsHeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};
use std::time::SystemTime;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy)]
pub struct Validators<'a> {
    /// The file's opaque tag without quotes: `17f3a-1c00`. The file as it is has this one; an
    /// encoded form has one that begins with it (`17f3a-1c00-br`, in haste `17f3a-1c00-br.f`).
    pub base: &'a str,
    /// When the file was changed, in whole seconds, as `Last-Modified` says it.
    pub modified: SystemTime,
}

/// How a GET or HEAD with its conditions is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As if there were no conditions.
    Send,
    /// The client has it already: 304.
    NotModified,
    /// The client wanted another state of the file: 412.
    Failed,
}

/// Judges the conditions of a GET or HEAD in the order of RFC 9110 section 13.2.2. `If-Range` is
/// not among them: see [`range_applies`].
pub fn evaluate(headers: &HeaderMap, validators: &Validators<'_>) -> Verdict {
    let wanted = if headers.contains_key(IF_MATCH) {
        // A client that holds an encoded form holds this state of the file.
        listed(headers, IF_MATCH, |tag| !tag.weak && validators.own(&tag))
    } else {
        date(headers, IF_UNMODIFIED_SINCE).is_none_or(|date| validators.modified <= date)
    };
    if !wanted {
        return Verdict::Failed;
    }
    let held = if headers.contains_key(IF_NONE_MATCH) {
        listed(headers, IF_NONE_MATCH, |tag| validators.own(&tag))
    } else {
        date(headers, IF_MODIFIED_SINCE).is_some_and(|date| validators.modified <= date)
    };
    if held {
        Verdict::NotModified
    } else {
        Verdict::Send
    }
}

/// Whether a `Range` may be honoured (RFC 9110 section 13.1.5): there is no `If-Range`, or it has
/// the strong tag of the file as it is, or the very second of its last change. The tag of an
/// encoded form does not do: parts are parts of the file as it is.
pub fn range_applies(headers: &HeaderMap, validators: &Validators<'_>) -> bool {
    if !headers.contains_key(IF_RANGE) {
        return true;
    }
    let Some(value) = only(headers, IF_RANGE) else {
        return false;
    };
    let tag = value.as_bytes().trim_ascii();
    if let Some(tag) = tag.strip_prefix(b"\"") {
        return tag.strip_suffix(b"\"") == Some(validators.base.as_bytes());
    }
    parse_date(value) == Some(validators.modified)
}

impl Validators<'_> {
    /// Whether a tag is that of the file or of one of its encoded forms.
    fn own(&self, tag: &Tag<'_>) -> bool {
        let Some(form) = tag.opaque.strip_prefix(self.base.as_bytes()) else {
            return false;
        };
        let form = form.strip_suffix(b".f").unwrap_or(form);
        match form {
            b"-br" | b"-zstd" | b"-gzip" => true,
            // The file as it is, which is never made in haste.
            b"" => tag.opaque.len() == self.base.len(),
            _ => false,
        }
    }
}

/// Whether one of a field's lines is `*`, or has a tag that hits.
fn listed(headers: &HeaderMap, name: impl AsHeaderName, hits: impl Fn(Tag<'_>) -> bool) -> bool {
    headers.get_all(name).iter().any(|line| {
        let line = line.as_bytes();
        line.trim_ascii() == b"*" || Tags(line).any(&hits)
    })
}

/// An entity tag: `"x"` or `W/"x"` (RFC 9110 section 8.8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag<'a> {
    weak: bool,
    /// What stands between the quotes.
    opaque: &'a [u8],
}

/// The tags in a list of them. What is none is passed over, up to the next comma.
struct Tags<'a>(&'a [u8]);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        while !self.0.is_empty() {
            let member = self.0.trim_ascii_start();
            let (weak, quoted) = match member.strip_prefix(b"W/") {
                Some(quoted) => (true, quoted),
                None => (false, member),
            };
            // Commas may stand between quotes: the closing quote is looked for first.
            let opaque = quoted
                .strip_prefix(b"\"")
                .and_then(|inner| split(inner, b'"'));
            let (tag, rest) = match opaque {
                Some((opaque, rest)) => (Some(Tag { weak, opaque }), rest),
                None => (None, member),
            };
            let (behind, rest) = split(rest, b',').unwrap_or((rest, b""));
            self.0 = rest;
            if tag.is_some() && behind.trim_ascii().is_empty() {
                return tag;
            }
        }
        None
    }
}

/// What stands before and after the first such byte.
fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, from) = text.split_at_checked(memchr::memchr(at, text)?)?;
    Some((before, from.get(1..)?))
}

/// The date that a field has. One that is no HTTP date, or is there more than once, is as if it
/// were absent (RFC 9110 sections 13.1.3 and 13.1.4).
fn date(headers: &HeaderMap, name: impl AsHeaderName) -> Option<SystemTime> {
    parse_date(only(headers, name)?)
}

/// A field's value, when it is there once.
fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(name).into_iter();
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}

/// Any of the three forms of RFC 9110 section 5.6.7.
fn parse_date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Failed, NotModified, Send};
    use http::HeaderName;
    use rand::{Rng, SeedableRng, rngs::StdRng};
    use std::time::Duration;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const MODIFIED: u64 = 784_111_777;

    const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn validators() -> Validators<'static> {
        Validators {
            base: "17f3a-1c00",
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(MODIFIED),
        }
    }

    fn headers(fields: &[(&str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn verdict(fields: &[(&str, &str)]) -> Verdict {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        evaluate(&headers(&fields), &validators())
    }

    #[test]
    fn tags_are_compared() {
        // value, hits as If-None-Match (weak), hits as If-Match (strong)
        let table = [
            (r#"*"#, true, true),
            (" \t* ", true, true),
            (r#""*""#, false, false),
            (r#""17f3a-1c00""#, true, true),
            (r#"W/"17f3a-1c00""#, true, false),
            (r#"w/"17f3a-1c00""#, false, false),
            (r#"W/ "17f3a-1c00""#, false, false),
            (r#""17f3a-1c00-br""#, true, true),
            (r#""17f3a-1c00-zstd""#, true, true),
            (r#""17f3a-1c00-gzip""#, true, true),
            (r#""17f3a-1c00-br.f""#, true, true),
            (r#""17f3a-1c00-zstd.f""#, true, true),
            (r#""17f3a-1c00-gzip.f""#, true, true),
            (r#"W/"17f3a-1c00-br""#, true, false),
            (r#"W/"17f3a-1c00-gzip.f""#, true, false),
            (r#""17f3a-1c00.f""#, false, false),
            (r#""17f3a-1c00-br.f.f""#, false, false),
            (r#""17f3a-1c00-BR""#, false, false),
            (r#""17F3A-1C00""#, false, false),
            (r#""17f3a-1c00-deflate""#, false, false),
            (r#""17f3a-1c00-""#, false, false),
            (r#""17f3a-1c000""#, false, false),
            (r#""17f3a-1c0""#, false, false),
            (r#""""#, false, false),
            ("", false, false),
            (r#"17f3a-1c00"#, false, false),
            (r#""a", "17f3a-1c00""#, true, true),
            (r#""17f3a-1c00","a""#, true, true),
            (r#" ,, "a"	 ,	W/"b",,  "17f3a-1c00-br" , ,"#, true, true),
            (r#""a,b", "17f3a-1c00""#, true, true),
            (r#"",", "17f3a-1c00""#, true, true),
            (r#""a,"17f3a-1c00"""#, false, false),
            (r#"W/"17f3a-1c00", "b""#, true, false),
            (r#"W/"a", "17f3a-1c00""#, true, true),
            (r#"rubbish, "17f3a-1c00""#, true, true),
            (r#"W/, "17f3a-1c00""#, true, true),
            (r#""17f3a-1c00"rubbish"#, false, false),
            (r#""17f3a-1c00"x, "17f3a-1c00-br""#, true, true),
            (r#""17f3a-1c00"#, false, false),
            (r#""a", "17f3a-1c00"#, false, false),
            (r#""17f3a-1c00", "a"#, true, true),
            (r#"""#, false, false),
            (r#"W/"#, false, false),
            (r#"W/""#, false, false),
            (r#""a", *"#, false, false),
        ];
        for (value, weakly, strongly) in table {
            let expected = if weakly { NotModified } else { Send };
            assert_eq!(verdict(&[("if-none-match", value)]), expected, "{value}");
            let expected = if strongly { Send } else { Failed };
            assert_eq!(verdict(&[("if-match", value)]), expected, "{value}");
        }
    }

    #[test]
    fn a_tag_may_stand_on_any_line() {
        let own = r#""17f3a-1c00""#;
        for name in ["if-none-match", "if-match"] {
            let hit = if name == "if-match" {
                Send
            } else {
                NotModified
            };
            assert_eq!(verdict(&[(name, "\"a\""), (name, own)]), hit);
            assert_eq!(verdict(&[(name, own), (name, "\"a\"")]), hit);
            assert_eq!(verdict(&[(name, "\"open"), (name, own)]), hit);
            assert_eq!(verdict(&[(name, "\"a\""), (name, "*")]), hit);
        }
    }

    #[test]
    fn dates_are_compared() {
        // value, verdict as If-Modified-Since, as If-Unmodified-Since
        let table = [
            (SAME, NotModified, Send),
            (AFTER, NotModified, Send),
            (BEFORE, Send, Failed),
            ("Sunday, 06-Nov-94 08:49:37 GMT", NotModified, Send),
            ("Sunday, 06-Nov-94 08:49:36 GMT", Send, Failed),
            ("Sun Nov  6 08:49:37 1994", NotModified, Send),
            ("Sun Nov  6 08:49:36 1994", Send, Failed),
            ("Fri, 31 Dec 9999 23:59:59 GMT", NotModified, Send),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Send, Failed),
            // No dates: ignored.
            ("", Send, Send),
            ("0", Send, Send),
            ("784111777", Send, Send),
            ("yesterday", Send, Send),
            ("Sun, 06 Nov 1994 08:49:37", Send, Send),
            ("Sun, 06 Nov 1994 08:49:37 CET", Send, Send),
            ("Sun, 06 Nov 1994 25:49:37 GMT", Send, Send),
            ("Sun, 31 Feb 1994 08:49:37 GMT", Send, Send),
            ("Sun, 00 Nov 1994 08:49:37 GMT", Send, Send),
            ("Sun, 06 Nov 0000 08:49:37 GMT", Send, Send),
        ];
        for (value, since, not_since) in table {
            assert_eq!(verdict(&[("if-modified-since", value)]), since, "{value}");
            let got = verdict(&[("if-unmodified-since", value)]);
            assert_eq!(got, not_since, "{value}");
        }
        // There more than once: no date either.
        let twice = [("if-modified-since", SAME), ("if-modified-since", SAME)];
        assert_eq!(verdict(&twice), Send);
        let twice = [
            ("if-unmodified-since", BEFORE),
            ("if-unmodified-since", BEFORE),
        ];
        assert_eq!(verdict(&twice), Send);
    }

    #[test]
    fn conditions_have_an_order() {
        let (own, other) = (r#""17f3a-1c00""#, r#""other""#);
        let (im, inm) = ("if-match", "if-none-match");
        let (ius, ims) = ("if-unmodified-since", "if-modified-since");
        let table: [(&[(&str, &str)], Verdict); 12] = [
            (&[], Send),
            (&[(im, own), (ius, BEFORE)], Send),
            (&[(im, other), (ius, SAME)], Failed),
            (&[(inm, other), (ims, SAME)], Send),
            (&[(inm, own), (ims, BEFORE)], NotModified),
            // Rubbish is no tag, but the field is there.
            (&[(inm, "rubbish"), (ims, SAME)], Send),
            (&[(im, "rubbish"), (ius, SAME)], Failed),
            (&[(im, other), (inm, own)], Failed),
            (&[(im, own), (inm, own)], NotModified),
            (&[(im, own), (ims, SAME)], NotModified),
            (&[(ius, BEFORE), (inm, own)], Failed),
            (&[(ius, SAME), (ims, SAME)], NotModified),
        ];
        for (fields, expected) in table {
            assert_eq!(verdict(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_range_needs_the_file_as_it_is() {
        let table = [
            (r#""17f3a-1c00""#, true),
            (" \"17f3a-1c00\"\t", true),
            (r#"W/"17f3a-1c00""#, false),
            (r#""17f3a-1c00-br""#, false),
            (r#""17f3a-1c00-gzip.f""#, false),
            (r#""other""#, false),
            (r#""17f3a-1c00", "other""#, false),
            (r#""17f3a-1c00", rubbish"#, false),
            (r#"rubbish, "17f3a-1c00""#, false),
            (r#"""#, false),
            (r#""17f3a-1c00"#, false),
            (r#"17f3a-1c00"#, false),
            ("*", false),
            ("", false),
            (SAME, true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", true),
            ("Sun Nov  6 08:49:37 1994", true),
            (BEFORE, false),
            (AFTER, false),
            ("tomorrow", false),
        ];
        let applies = |values: &[&str]| {
            let fields: Vec<_> = values.iter().map(|v| ("if-range", v.as_bytes())).collect();
            range_applies(&headers(&fields), &validators())
        };
        assert!(applies(&[]));
        for (value, expected) in table {
            assert_eq!(applies(&[value]), expected, "{value}");
        }
        assert!(!applies(&[r#""17f3a-1c00""#, r#""17f3a-1c00""#]));
    }

    #[test]
    fn rubbish_does_no_harm() {
        let mut random = StdRng::seed_from_u64(13);
        let pieces: [&[u8]; 14] = [
            b"\"",
            b",",
            b" ",
            b"\t",
            b"W/",
            b"*",
            b"17f3a-1c00",
            b"-br",
            b".f",
            b"\xff",
            b"Sun, ",
            b"06 Nov 1994 ",
            b"08:49:37",
            b" GMT",
        ];
        let names = [
            "if-match",
            "if-none-match",
            "if-range",
            "if-modified-since",
            "if-unmodified-since",
        ];
        for _ in 0..20_000 {
            let value: Vec<u8> = (0..random.gen_range(0..10))
                .flat_map(|_| pieces[random.gen_range(0..pieces.len())].to_vec())
                .collect();
            for name in names {
                let headers = headers(&[(name, &value)]);
                let _ = evaluate(&headers, &validators());
                let _ = range_applies(&headers, &validators());
            }
        }
    }
}
