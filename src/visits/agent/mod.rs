//! What a `User-Agent` tells: the device, the browser, the system, and whether it is a program.
//!
//! Two things are looked at in turn. Is it a program? That is isbot's list (`bots.rs`), which is
//! kept well and renewed by `./update`. If it is not: which browser, system and device? Those are
//! short ordered tables (`browser.rs`, `system.rs`) and not the thousand regular expressions of the
//! `uap-core` project, which name every model of telephone: no one asks for that here, and they
//! (crate `ua-parser` 0.2) need 140 ms and 31 MiB before the first answer and 16 us for each. The
//! tables and the list together need 3 ms, 3 MiB and 2 us; of what is remembered, 50 ns.
//!
//! What nobody can know from a user agent:
//! - Safari on an iPad calls itself Safari on a Macintosh, and sends no client hints. Other
//!   browsers on iPads are told apart by their names.
//! - Brave, Arc and others are Chrome to the letter on desks; Tor Browser and Mullvad Browser are
//!   Firefox. Brave says its name in `Sec-CH-UA`: see [`Agent::told`].
//! - Chrome on Android asked for the desktop's page calls itself Linux (`Sec-CH-UA-Platform` says
//!   otherwise).
//! - Anything that wants to be taken for a browser is.

mod bots;
mod browser;
mod system;
mod table;
#[cfg(test)]
mod tests;

use self::table::has;
use super::visit::{Device, cut};
use quick_cache::UnitWeighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};

/// What is not known.
const OTHER: &str = "Other";
/// Bytes of a user agent that are read. Real ones end before; the longest are those of apps that
/// show pages in themselves, at 300 to 400.
const READ: usize = 512;
/// User agents that are remembered: at most about 5 MiB when all are as long as can be.
const REMEMBERED: usize = 8192;
/// Those of a site's own apps: a handful, and their versions.
const APPS_REMEMBERED: usize = 1024;

/// What a user agent tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// The device; [`Device::Bot`] just when `bot`.
    pub device: Device,
    /// The browser's family, `Firefox`; `Other` where it is not known, and for bots.
    pub browser: &'static str,
    /// The system's family, `Android`; `Other` where it is not known, and for bots.
    pub os: &'static str,
    /// A program that reads pages by itself, or nothing at all: every browser sends a user agent.
    pub bot: bool,
    /// A site's own app: made with Flutter, Dart, React Native, Cordova, Ionic, Capacitor, OkHttp
    /// or CFNetwork, or known to be one. Such a client is no bot unless it calls itself one,
    /// although isbot's list thinks so of bare libraries: who asks an API with one is a site's own
    /// app. For pages, that is for the caller to judge.
    pub app: bool,
}

/// Client hints that every Chromium sends over HTTPS without being asked (W3C User-Agent Client
/// Hints, section 3); empty where there were none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// `Sec-CH-UA`: `"Chromium";v="130", "Brave";v="130"`.
    pub brands: &'a str,
    /// `Sec-CH-UA-Platform`: `"Android"`, with its quotes or without.
    pub platform: &'a str,
    /// `Sec-CH-UA-Mobile` is `?1`.
    pub mobile: bool,
}

type Remembered = Cache<Box<str>, Agent, UnitWeighter, foldhash::fast::RandomState>;

/// Reads user agents, and remembers those that it has read. For one thread.
#[derive(Debug)]
pub struct Agents {
    bots: bots::Bots,
    browsers: browser::Browsers,
    systems: system::Systems,
    apps: table::Table<()>,
    remembered: Remembered,
    apps_remembered: Remembered,
    /// The text in small letters: one allocation for all.
    small: Vec<u8>,
}

impl Default for Agents {
    fn default() -> Self {
        Self::new()
    }
}

impl Agents {
    /// Compiles the list of bots and makes the tables ready: a few milliseconds.
    pub fn new() -> Self {
        Agents {
            bots: bots::Bots::new(),
            browsers: browser::Browsers::new(),
            systems: system::Systems::new(),
            apps: table::Table::new(APPS),
            remembered: remember(REMEMBERED),
            apps_remembered: remember(APPS_REMEMBERED),
            small: Vec::with_capacity(READ),
        }
    }

    /// What this user agent tells. Of a long one, the first 512 bytes are read.
    pub fn read(&mut self, user_agent: &str) -> Agent {
        let user_agent = cut(user_agent, READ);
        if let Some(agent) = self.remembered.get(user_agent) {
            return *agent;
        }
        let agent = self.parse(user_agent, false);
        self.remembered.insert(user_agent.into(), agent);
        agent
    }

    /// What the user agent of a site's own app tells, when it is known to be one by other means (a
    /// token, a field of its own). Such an app may say anything, `Shop/2.1` or nothing, which
    /// isbot's list takes for a program's: only one that calls itself a bot is one here.
    pub fn read_app(&mut self, user_agent: &str) -> Agent {
        let user_agent = cut(user_agent, READ);
        if let Some(agent) = self.apps_remembered.get(user_agent) {
            return *agent;
        }
        let agent = self.parse(user_agent, true);
        self.apps_remembered.insert(user_agent.into(), agent);
        agent
    }

    fn parse(&mut self, user_agent: &str, known: bool) -> Agent {
        self.small.clear();
        self.small.extend_from_slice(user_agent.trim().as_bytes());
        self.small.make_ascii_lowercase();
        let text = self.small.as_slice();
        let app = known || self.apps.first(text).is_some();
        let bot = if app {
            says_bot(text)
        } else {
            text.is_empty() || self.bots.has(text)
        };
        if bot {
            return Agent {
                device: Device::Bot,
                browser: OTHER,
                os: OTHER,
                bot,
                app,
            };
        }
        let os = self.systems.family(text);
        Agent {
            device: self.systems.device(text, os),
            browser: self.browsers.family(text).unwrap_or(OTHER),
            os: os.unwrap_or(OTHER),
            bot,
            app,
        }
    }
}

fn remember(most: usize) -> Remembered {
    Cache::with(
        most,
        u64::try_from(most).unwrap_or(u64::MAX),
        UnitWeighter,
        foldhash::fast::RandomState::default(),
        DefaultLifecycle::default(),
    )
}

impl Agent {
    /// What the client's hints add: they name some that the user agent hides (Brave, Android asked
    /// for the desktop's page). A site's own app on an iPad may send `Sec-CH-UA-Platform: iPadOS`.
    #[must_use]
    pub fn told(mut self, hints: &Hints<'_>) -> Self {
        if self.bot {
            return self;
        }
        match (self.os, hints.platform.trim_matches(['"', ' '])) {
            ("Linux", "Android") => {
                self.os = "Android";
                self.device = if hints.mobile {
                    Device::Mobile
                } else {
                    Device::Tablet
                };
            }
            ("macOS", "iPadOS") => {
                self.os = "iPadOS";
                self.device = Device::Tablet;
            }
            ("macOS", "iOS") => {
                self.os = "iOS";
                self.device = Device::Mobile;
            }
            _ => {}
        }
        if self.browser == "Chrome" {
            let told = BRANDS
                .iter()
                .find(|(brand, _)| hints.brands.contains(brand));
            self.browser = told.map_or(self.browser, |(_, family)| family);
        }
        self
    }
}

/// Brands in `Sec-CH-UA` of browsers that may be Chrome in their user agent.
const BRANDS: &[(&str, &str)] = &[
    ("\"Brave\"", "Brave"),
    ("\"Opera\"", "Opera"),
    ("\"Vivaldi\"", "Vivaldi"),
    ("\"YaBrowser\"", "Yandex"),
    ("\"DuckDuckGo\"", "DuckDuckGo"),
    ("\"Microsoft Edge\"", "Edge"),
];

/// What apps are made with, in small letters. `dart` and `ionic` are parts of other words too.
const APPS: &[(&str, ())] = &[
    ("okhttp", ()),
    ("cfnetwork", ()),
    ("dart/", ()),
    ("dart:", ()),
    ("flutter", ()),
    ("react-native", ()),
    ("reactnative", ()),
    ("react native", ()),
    ("cordova", ()),
    ("capacitor", ()),
    (" ionic", ()),
    (";ionic", ()),
    ("ionic/", ()),
];

/// Whether a client made with an app's library calls itself a program: names end in `bot`, and
/// those that read others' pages say where to complain.
fn says_bot(text: &[u8]) -> bool {
    let words = [
        "bot/", "bot ", "bot;", "bot)", "crawl", "spider", "preview", "://",
    ];
    text.ends_with(b"bot") || words.iter().any(|word| has(text, word))
}
