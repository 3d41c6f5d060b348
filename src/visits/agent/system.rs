//! The system's family and the device.
//!
//! Nearly every system says that it is another one as well: Windows Phone is Android and iPhone,
//! Android is Linux, iOS is like Mac OS X. The narrower is asked for first.

use super::super::visit::Device;
use super::table::{Table, has};

/// What systems say, in small letters.
const NAMES: &[(&str, &str)] = &[
    ("windows phone", "Windows Phone"),
    ("windows ce", "Windows Phone"),
    ("iemobile", "Windows Phone"),
    ("windows iot", "Windows"),
    ("xbox", "Xbox"),
    ("playstation", "PlayStation"),
    ("nintendo", "Nintendo"),
    ("apple tv", "tvOS"),
    ("appletv", "tvOS"),
    ("roku", "Roku"),
    ("kaios", "KaiOS"),
    ("tizen", "Tizen"),
    ("web0s", "webOS"),
    ("webos", "webOS"),
    ("hpwos", "webOS"),
    ("netcast", "webOS"),
    ("harmonyos", "HarmonyOS"),
    ("openharmony", "HarmonyOS"),
    ("fuchsia", "Fuchsia"),
    ("sailfish", "Sailfish OS"),
    ("bb10", "BlackBerry"),
    ("blackberry", "BlackBerry"),
    ("playbook", "BlackBerry"),
    ("symb", "Symbian"),
    ("series60", "Symbian"),
    (" cros ", "ChromeOS"),
    // Kindles that read books.
    ("like android", "Linux"),
    ("android", "Android"),
    // Amazon's browser, asking for the pages of a Macintosh.
    (" silk/", "Android"),
    ("okhttp", "Android"),
    ("ipad", "iPadOS"),
    ("iphone", "iOS"),
    ("ipod", "iOS"),
    ("(ios ", "iOS"),
    (" ios/", "iOS"),
    ("macintosh", "macOS"),
    ("mac os x", "macOS"),
    ("macos", "macOS"),
    ("mac_powerpc", "macOS"),
    ("windows", "Windows"),
    ("freebsd", "FreeBSD"),
    ("openbsd", "OpenBSD"),
    ("netbsd", "NetBSD"),
    ("sunos", "Solaris"),
    ("haiku", "Haiku"),
    ("linux", "Linux"),
    ("x11;", "Linux"),
    ("(mobile; rv:", "Firefox OS"),
    ("(tablet; rv:", "Firefox OS"),
    ("(tv; rv:", "Firefox OS"),
];

/// What is neither a telephone nor a computer, whatever else it says.
const THINGS: &[(&str, ())] = &[
    ("smart-tv", ()),
    ("smarttv", ()),
    ("smart tv", ()),
    ("hbbtv", ()),
    ("googletv", ()),
    ("google tv", ()),
    ("android tv", ()),
    ("apple tv", ()),
    ("appletv", ()),
    ("bravia", ()),
    // Amazon's sticks and cubes.
    ("; aft", ()),
    ("crkey", ()),
    ("chromecast", ()),
    ("roku", ()),
    ("netcast", ()),
    ("web0s", ()),
    ("viera", ()),
    ("(tv; rv:", ()),
    (" tv safari/", ()),
    ("shield android", ()),
    ("playstation", ()),
    ("nintendo", ()),
    ("xbox", ()),
    (" vr safari/", ()),
    ("mobile vr;", ()),
    ("oculusbrowser/", ()),
    ("picobrowser/", ()),
    (" tesla", ()),
    ("windows iot", ()),
    ("watchos", ()),
];

/// The tables of systems and of things.
#[derive(Debug)]
pub struct Systems {
    names: Table<&'static str>,
    things: Table<()>,
}

impl Systems {
    /// Makes the tables ready.
    pub fn new() -> Self {
        Systems {
            names: Table::new(NAMES),
            things: Table::new(THINGS),
        }
    }

    /// The family of a user agent in small letters; `None` where it is not known.
    pub fn family(&self, text: &[u8]) -> Option<&'static str> {
        let says = |needle| has(text, needle);
        match self.names.first(text) {
            Some("macOS") if ipad(text) => Some("iPadOS"),
            // An app's CFNetwork: Apple's machines with Intel's processors were all Macs.
            None if says("darwin/") && says("x86_64") => Some("macOS"),
            None if says("darwin/") => Some("iOS"),
            name => name,
        }
    }

    /// The device, of a user agent in small letters and its system.
    pub fn device(&self, text: &[u8], family: Option<&str>) -> Device {
        let says = |needle| has(text, needle);
        if self.things.first(text).is_some() {
            return Device::Other;
        }
        match family {
            Some("iPadOS") => Device::Tablet,
            // Not `tablet` alone: Windows says `Tablet PC 2.0` on desks too.
            _ if says("tablet;") || says("playbook") || says("kindle") => Device::Tablet,
            Some("iOS" | "Windows Phone" | "KaiOS" | "Symbian" | "BlackBerry") => Device::Mobile,
            Some("Android" | "HarmonyOS") => hand(text),
            Some("macOS" | "Windows" | "ChromeOS" | "FreeBSD" | "OpenBSD" | "NetBSD")
            | Some("Solaris" | "Haiku") => Device::Desktop,
            _ if mobile(text) => Device::Mobile,
            Some("Linux") => Device::Desktop,
            // An app's client says little; it is in a hand more often than not.
            _ if says("dart/") || says("dart:") || says("cfnetwork") => Device::Mobile,
            _ => Device::Other,
        }
    }
}

/// iPadOS calls itself Macintosh from version 13 on. Only browsers other than Safari give it away:
/// by the names they have on iOS alone, or by iOS's build in an app's own view.
fn ipad(text: &[u8]) -> bool {
    ["crios/", "fxios/", "edgios/", " mobile/"]
        .iter()
        .any(|needle| has(text, needle))
}

/// Android with a browser's user agent says `Mobile` on telephones and nothing on tablets (the
/// Chrome documentation's rule). Opera Mini and the clients of apps have their own user agents.
fn hand(text: &[u8]) -> Device {
    let says = |needle| has(text, needle);
    if mobile(text) || says("(phone;") || !says("mozilla/") {
        Device::Mobile
    } else if says("(pc;") {
        Device::Desktop
    } else {
        Device::Tablet
    }
}

fn mobile(text: &[u8]) -> bool {
    [
        "mobile",
        "opera mini",
        "opera mobi",
        "midp",
        "ucweb",
        "phone",
    ]
    .iter()
    .any(|needle| has(text, needle))
}
