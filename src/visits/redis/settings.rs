//! `[visits.redis]`.

use super::policy::{ListMode, Mistake, RedisPolicy};
use crate::config::{At, Diagnostic, Diagnostics, Text, choice, table};
use crate::visits::settings::Kept;

table! {
    /// A Redis that every visit is sent to as JSON, for a consumer of the site's own. While it is
    /// away visits wait in the spool; they arrive in order, and each once.
    pub struct RedisSettings {
        /// `"redis://USER:PASSWORD@HOST:6379/0"` or
        /// `"unix:///run/redis/redis.sock?db=0&user=USER&pass=PASSWORD"`. TLS does not exist in this
        /// version. One with a password is better given as `{ env = "NAME" }` or
        /// `{ file = "path" }`.
        url: At<Text>,
        /// The key of the list or stream.
        list: At<Text> = At::unplaced(Text::literal("analytics:queue")),
        /// How many visits the list has at most; while it is full, visits wait in the spool. When
        /// nobody takes from it for 15 minutes, its oldest go. A stream has about so many, and
        /// its oldest go at once.
        keep: At<u64> = At::unplaced(10_000),
        /// A list, whose consumer takes from the right (`RPOP`), or a stream, whose entries have a
        /// field `visit`.
        list_mode: Mode = Mode::List,
        /// What is told of an address: all of it, its network (/24, /48), or nothing.
        ip: Kept = Kept::Full,
    }
}

choice! {
    /// What visits are put into.
    pub enum Mode {
        /// `LPUSH` and `LTRIM`.
        List = "list",
        /// `XADD` with `MAXLEN`.
        Stream = "stream",
    }
}

impl RedisPolicy {
    /// Checks the settings; `None` when something is wrong, which is then in `errors`.
    pub fn build(settings: &RedisSettings, errors: &mut Diagnostics) -> Option<RedisPolicy> {
        // A URL that could not be read is a mistake of its own.
        if !settings.sound {
            return None;
        }
        let mode = match settings.list_mode {
            Mode::List => ListMode::List,
            Mode::Stream => ListMode::Stream,
        };
        let (url, list, keep) = (&settings.url, &settings.list, &settings.keep);
        let ip = settings.ip.into();
        let built = RedisPolicy::new(&url.value.text, &list.value.text, keep.value, mode, ip);
        let mistakes = match built {
            Ok(policy) => return Some(policy),
            Err(mistakes) => mistakes,
        };
        for mistake in mistakes {
            errors.push(match mistake {
                Mistake::Url(what) => wrong_url(url).help(what),
                Mistake::List(what) => Diagnostic::new(list.place, "invalid key").label(what),
                Mistake::Keep(what) => {
                    Diagnostic::new(keep.place, format!("keep is {}", keep.value)).label(what)
                }
            });
        }
        None
    }
}

/// The line of a URL is shown only when it cannot have a password in it.
fn wrong_url(url: &At<Text>) -> Diagnostic {
    let what = "`url` of [visits.redis] is no Redis that visits can be sent to";
    let text = &url.value.text;
    let open = !text.contains('@') && !text.contains("pass");
    if open || url.value.is_secret() {
        Diagnostic::new(url.place, what)
    } else {
        Diagnostic::nowhere(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Sources, Value};
    use crate::visits::address::AddressKind;

    fn built(table: &str) -> Result<RedisPolicy, String> {
        let mut sources = Sources::default();
        let file = sources.add("parvis.toml".into(), format!("[redis]\n{table}\n"));
        let mut errors = Diagnostics::default();
        let document = Document::parse(&sources, &[file], &mut errors);
        let (_, _, node) = document.entries().next().unwrap();
        let settings = RedisSettings::read(&node, &mut errors);
        let policy = settings.and_then(|s| RedisPolicy::build(&s, &mut errors));
        policy.ok_or_else(|| errors.render(&sources))
    }

    #[test]
    fn settings_become_a_policy() {
        let policy = built("url = \"redis://localhost\"").unwrap();
        assert_eq!(policy.address(), "localhost:6379");
        assert_eq!(
            (policy.list.as_str(), policy.keep),
            ("analytics:queue", 10_000)
        );
        assert_eq!(
            (policy.mode, policy.ip),
            (ListMode::List, AddressKind::Full)
        );
        let other =
            "url = \"unix:///r\"\nlist = \"x\"\nkeep = 5\nlist_mode = \"stream\"\nip = \"none\"";
        let policy = built(other).unwrap();
        assert_eq!((policy.list.as_str(), policy.keep), ("x", 5));
        assert_eq!(
            (policy.mode, policy.ip),
            (ListMode::Stream, AddressKind::None)
        );
    }

    #[test]
    fn mistakes_say_where_and_what_to_do_and_no_password() {
        for (table, told) in [
            ("", "missing key `url`"),
            (
                "url = \"rediss://localhost\"",
                "TLS to Redis does not exist in this version",
            ),
            (
                "url = \"rediss://:sesame@localhost\"",
                "TLS to Redis does not exist in this version",
            ),
            (
                "url = \"redis://:sesame@local host\"",
                "expected redis://USER:PASSWORD@HOST",
            ),
            (
                "url = \"unix:x?pass=sesame\"",
                "expected redis://USER:PASSWORD@HOST",
            ),
            ("url = \"redis://x\"\nkeep = 0", "at least 1"),
            (
                "url = \"redis://x\"\nlist = \"\"",
                "a key has 1 to 512 bytes",
            ),
            ("url = \"redis://x\"\nlist_mode = \"set\"", "list_mode"),
        ] {
            let error = built(table).unwrap_err();
            assert!(error.contains(told), "{error}");
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
