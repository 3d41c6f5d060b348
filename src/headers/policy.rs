//! What happens to the fields of an answer, compiled for one route.

use super::settings::{CacheControlSettings, HeadersSettings, Security};
use crate::config::{At, Diagnostic, Diagnostics, Place, Text};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use pingora::http::ResponseHeader;
use std::collections::HashMap;

/// A field as it is written: its name keeps the operator's capitals.
#[derive(Debug, Clone)]
struct Line {
    name: HeaderName,
    written: Bytes,
    value: HeaderValue,
}

/// Fields that parvis never lets a configuration touch: they frame the message.
const FRAMING: [&str; 6] = [
    "connection",
    "content-length",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "trailer",
];

/// The compiled policy of a route, its site's included.
#[derive(Debug, Clone, Default)]
pub struct HeaderPolicy {
    set: Vec<Line>,
    default: Vec<Line>,
    preset: &'static [(&'static str, &'static str)],
    preset_tls: &'static [(&'static str, &'static str)],
    remove: Vec<HeaderName>,
    cache_control: Option<(HeaderValue, bool)>,
}

const STRICT: &[(&str, &str)] = &[
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    (
        "Permissions-Policy",
        "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), \
         microphone=(), payment=(), usb=()",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-XSS-Protection", "0"),
];
const STRICT_TLS: &[(&str, &str)] = &[(
    "Strict-Transport-Security",
    "max-age=63072000; includeSubDomains",
)];
const CLASSIC: &[(&str, &str)] = &[
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("X-XSS-Protection", "1; mode=block"),
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
];
const CLASSIC_TLS: &[(&str, &str)] = &[(
    "Strict-Transport-Security",
    "max-age=31536000; includeSubDomains; preload",
)];

impl HeaderPolicy {
    /// Compiles the layers of settings, the site's before the route's.
    pub fn build(
        layers: &[Option<&HeadersSettings>],
        cache_control: Option<&CacheControlSettings>,
        errors: &mut Diagnostics,
    ) -> Self {
        let mut policy = HeaderPolicy::default();
        for layer in layers.iter().flatten() {
            // What a site takes out, a route may set again.
            let set_again = |name: &HeaderName| {
                let mut names = layer.set.0.keys();
                names.any(|set| set.eq_ignore_ascii_case(name.as_str()))
            };
            policy.remove.retain(|name| !set_again(name));
            for (into, named) in [
                (&mut policy.set, &layer.set),
                (&mut policy.default, &layer.default),
            ] {
                let mut given: HashMap<HeaderName, Place> = HashMap::new();
                for (name, (place, value)) in &named.0 {
                    let Some(line) = line(name, *place, value, errors) else {
                        continue;
                    };
                    // TOML tells names apart by their case; HTTP does not.
                    if let Some(first) = given.insert(line.name.clone(), *place) {
                        errors.push(
                            Diagnostic::new(*place, format!("the field `{name}` is given twice"))
                                .label("capitals make no difference")
                                .related(first, "first given here"),
                        );
                    }
                    into.retain(|earlier: &Line| earlier.name != line.name);
                    into.push(line);
                }
            }
            for name in &layer.remove {
                let at = name.place;
                let name = match name.value.is_secret() {
                    false => field_name(&name.value.text, at, errors),
                    // What must not be printed cannot be named in a mistake either.
                    true => {
                        let what = name.value.for_messages("name of a header field");
                        let found = field_name(&name.value.text, at, &mut Diagnostics::default());
                        if found.is_none() {
                            errors.push(Diagnostic::new(at, what));
                        }
                        found
                    }
                };
                policy.remove.extend(name);
            }
            match layer.security {
                None => {}
                Some(Security::Off) => (policy.preset, policy.preset_tls) = (&[], &[]),
                Some(Security::Strict) => (policy.preset, policy.preset_tls) = (STRICT, STRICT_TLS),
                Some(Security::Classic) => {
                    (policy.preset, policy.preset_tls) = (CLASSIC, CLASSIC_TLS)
                }
            }
        }
        policy.cache_control = cache_control.and_then(|setting| {
            field_value(&setting.value, errors).map(|value| (value, setting.overrides))
        });
        policy
    }

    /// Whether it gives good answers a `Cache-Control` where they have none.
    pub fn gives_cache_control(&self) -> bool {
        let mut lines = self.set.iter().chain(&self.default);
        self.cache_control.is_some() || lines.any(|line| line.name == CACHE_CONTROL)
    }

    /// Applies the policy to an answer. `tls`: whether the client's connection is encrypted.
    ///
    /// # Errors
    /// More fields than a header map holds (RFC-legal, but 2^15 of them).
    pub fn apply(&self, answer: &mut ResponseHeader, tls: bool) -> pingora::Result<()> {
        for line in &self.set {
            answer.insert_header(line.written.clone(), line.value.clone())?;
        }
        for line in &self.default {
            if !answer.headers.contains_key(&line.name) {
                answer.insert_header(line.written.clone(), line.value.clone())?;
            }
        }
        let hsts = if tls { self.preset_tls } else { &[] };
        for (name, value) in self.preset.iter().chain(hsts) {
            if !answer.headers.contains_key(*name) {
                answer.insert_header(*name, HeaderValue::from_static(value))?;
            }
        }
        if let Some((value, overrides)) = &self.cache_control
            && matches!(answer.status.as_u16(), 200 | 203 | 206 | 301 | 304 | 308)
            && (*overrides || !answer.headers.contains_key(CACHE_CONTROL))
        {
            answer.insert_header(CACHE_CONTROL, value.clone())?;
        }
        for name in &self.remove {
            answer.remove_header(name);
        }
        Ok(())
    }

    /// The fields in words, for `parvis explain`.
    pub fn describe(&self, tls: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for line in &self.set {
            lines.push(format!("set {}: {}", line.name, printed(&line.value)));
        }
        for line in &self.default {
            lines.push(format!("default {}: {}", line.name, printed(&line.value)));
        }
        let hsts = if tls { self.preset_tls } else { &[] };
        for (name, value) in self.preset.iter().chain(hsts) {
            lines.push(format!("default {}: {value}", name.to_ascii_lowercase()));
        }
        if let Some((value, overrides)) = &self.cache_control {
            let how = if *overrides { "set" } else { "default" };
            lines.push(format!(
                "{how} cache-control: {} (not on errors)",
                printed(value)
            ));
        }
        for name in &self.remove {
            lines.push(format!("remove {name}"));
        }
        lines
    }
}

/// The value for people. One from where secrets come from is never printed.
pub fn printed(value: &HeaderValue) -> String {
    if value.is_sensitive() {
        return "(not shown: it comes from the environment or from a file)".to_string();
    }
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn line(name: &str, place: Place, value: &Text, errors: &mut Diagnostics) -> Option<Line> {
    let value = At {
        value: value.clone(),
        place,
    };
    let parsed = field_name(name, place, errors);
    let value = field_value(&value, errors);
    let written = Bytes::copy_from_slice(name.as_bytes());
    Some(Line {
        name: parsed?,
        written,
        value: value?,
    })
}

/// A field's name that a configuration may touch.
pub fn field_name(name: &str, place: Place, errors: &mut Diagnostics) -> Option<HeaderName> {
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        errors.push(
            Diagnostic::new(place, format!("`{name}` is no name of a header field"))
                .label("letters, digits and hyphens"),
        );
        return None;
    };
    if FRAMING.contains(&parsed.as_str()) {
        errors.push(
            Diagnostic::new(
                place,
                format!("`{name}` frames the message: parvis alone sets it"),
            )
            .label("remove it"),
        );
        return None;
    }
    Some(parsed)
}

fn field_value(value: &At<Text>, errors: &mut Diagnostics) -> Option<HeaderValue> {
    let parsed = value.value.header_value();
    if parsed.is_none() {
        errors.push(
            Diagnostic::new(
                value.place,
                value.value.for_messages("value of a header field"),
            )
            .label("visible ASCII characters and spaces, no line breaks"),
        );
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Sources, Value};

    fn policy(text: &str) -> HeaderPolicy {
        let mut sources = Sources::default();
        let file = sources.add("t.toml".into(), text.to_string());
        let mut errors = Diagnostics::default();
        let document = Document::parse(&sources, &[file], &mut errors);
        let mut headers = None;
        let mut cache = None;
        for (key, _, node) in document.entries() {
            match key {
                "headers" => headers = HeadersSettings::read(&node, &mut errors),
                _ => cache = CacheControlSettings::read(&node, &mut errors),
            }
        }
        let policy = HeaderPolicy::build(&[headers.as_ref()], cache.as_ref(), &mut errors);
        assert!(errors.is_empty(), "{}", errors.render(&sources));
        policy
    }

    fn applied(
        policy: &HeaderPolicy,
        status: u16,
        app: &[(&'static str, &str)],
        tls: bool,
    ) -> ResponseHeader {
        let mut answer = ResponseHeader::build(status, None).unwrap();
        for (name, value) in app {
            answer.append_header(*name, *value).unwrap();
        }
        policy.apply(&mut answer, tls).unwrap();
        answer
    }

    fn get<'a>(answer: &'a ResponseHeader, name: &str) -> Option<&'a str> {
        answer.headers.get(name).and_then(|v| v.to_str().ok())
    }

    #[test]
    fn set_replaces_default_adds_remove_takes_out() {
        let policy = policy(
            "headers = { set = { A = '1' }, default = { B = '2', C = '3' }, remove = ['D'] }",
        );
        let answer = applied(
            &policy,
            200,
            &[("A", "x"), ("A", "y"), ("B", "y"), ("D", "z")],
            false,
        );
        assert_eq!(answer.headers.get_all("a").iter().count(), 1);
        assert_eq!(
            [get(&answer, "a"), get(&answer, "b")],
            [Some("1"), Some("y")]
        );
        assert_eq!([get(&answer, "c"), get(&answer, "d")], [Some("3"), None]);
    }

    #[test]
    fn presets_never_override_the_app_and_hsts_needs_tls() {
        let strict = policy("headers = { security = 'strict' }");
        let answer = applied(&strict, 500, &[("X-Frame-Options", "SAMEORIGIN")], false);
        assert_eq!(get(&answer, "x-frame-options"), Some("SAMEORIGIN"));
        assert_eq!(get(&answer, "x-content-type-options"), Some("nosniff"));
        assert_eq!(get(&answer, "strict-transport-security"), None);
        let answer = applied(&strict, 200, &[], true);
        let hsts = Some("max-age=63072000; includeSubDomains");
        assert_eq!(get(&answer, "strict-transport-security"), hsts);
        let classic = applied(
            &policy("headers = { security = 'classic' }"),
            200,
            &[],
            true,
        );
        assert_eq!(get(&classic, "x-xss-protection"), Some("1; mode=block"));
        let off = applied(&policy("headers = { security = 'off' }"), 200, &[], true);
        assert_eq!(off.headers.len(), 0);
    }

    #[test]
    fn an_operator_can_remove_a_preset_field() {
        let policy = policy("headers = { security = 'strict', remove = ['X-Frame-Options'] }");
        assert_eq!(
            get(&applied(&policy, 200, &[], false), "x-frame-options"),
            None
        );
    }

    #[test]
    fn cache_control_is_for_good_answers_without_one() {
        let plain = policy("cache_control = 'max-age=60'");
        for status in [200, 203, 206, 301, 304, 308] {
            assert_eq!(
                get(&applied(&plain, status, &[], false), "cache-control"),
                Some("max-age=60")
            );
        }
        for status in [201, 204, 302, 400, 404, 500, 502] {
            assert_eq!(
                get(&applied(&plain, status, &[], false), "cache-control"),
                None,
                "{status}"
            );
        }
        let app = [("Cache-Control", "private")];
        assert_eq!(
            get(&applied(&plain, 200, &app, false), "cache-control"),
            Some("private")
        );
        let hard = policy("cache_control = { value = 'no-store', override = true }");
        assert_eq!(
            get(&applied(&hard, 200, &app, false), "cache-control"),
            Some("no-store")
        );
    }
}
