//! The browser's family.
//!
//! Every browser says that it is Mozilla, most that they are Chrome or Safari too; so those that
//! add a name of their own are asked for first, and among them the narrower before the wider: an
//! app that shows pages in itself (Instagram) before the view that it shows them in.

use super::table::{Table, has};

/// What browsers add to the user agent, in small letters. The sources are the vendors' own pages
/// (developer.chrome.com, learn.microsoft.com, developer.samsung.com, developer.mozilla.org, ...).
const NAMES: &[(&str, &str)] = &[
    // Apps that show pages in themselves.
    (" instagram ", "Instagram"),
    (" barcelona ", "Threads"),
    ("fban/messenger", "Messenger"),
    ("orca-android", "Messenger"),
    ("fban/", "Facebook"),
    ("fb_iab/", "Facebook"),
    ("fbav/", "Facebook"),
    ("metaiab facebook", "Facebook"),
    ("musical_ly", "TikTok"),
    ("bytedancewebview", "TikTok"),
    ("bytelocale/", "TikTok"),
    ("tiktok", "TikTok"),
    ("wxwork/", "WeCom"),
    ("micromessenger/", "WeChat"),
    ("snapchat", "Snapchat"),
    (" line/", "Line"),
    ("pinterest", "Pinterest"),
    ("linkedinapp", "LinkedIn"),
    ("twitter for ", "X"),
    ("twitterandroid", "X"),
    (" reddit/", "Reddit"),
    ("telegram-", "Telegram"),
    ("kakaotalk", "KakaoTalk"),
    ("naver(inapp", "Naver"),
    (" weibo ", "Weibo"),
    ("__weibo__", "Weibo"),
    ("alipayclient/", "Alipay"),
    ("viber", "Viber"),
    (" zalo", "Zalo"),
    ("discord/", "Discord"),
    ("slack/", "Slack"),
    ("slack_ssb/", "Slack"),
    (" teams/", "Teams"),
    ("flipboard/", "Flipboard"),
    (" gsa/", "Google App"),
    ("googleapp/", "Google App"),
    ("gnews android/", "Google News"),
    ("bingsapphire/", "Bing"),
    ("bingweb/", "Bing"),
    ("yjapp-", "Yahoo! Japan"),
    ("baiduboxapp", "Baidu"),
    ("baidubrowser", "Baidu"),
    ("bidubrowser", "Baidu"),
    (" qq/", "QQ"),
    ("spotify/", "Spotify"),
    ("valve steam", "Steam"),
    // Browsers that are another one inside.
    ("duckduckgo/", "DuckDuckGo"),
    (" ddg/", "DuckDuckGo"),
    (" brave", "Brave"),
    ("vivaldi/", "Vivaldi"),
    ("yabrowser/", "Yandex"),
    ("yasearchbrowser/", "Yandex"),
    ("ucbrowser", "UC Browser"),
    ("ubrowser/", "UC Browser"),
    ("uc browser", "UC Browser"),
    ("ucweb", "UC Browser"),
    ("picobrowser/", "Pico Browser"),
    ("oculusbrowser/", "Meta Quest Browser"),
    ("wolvic/", "Wolvic"),
    ("samsungbrowser/", "Samsung Internet"),
    ("miuibrowser/", "Mi Browser"),
    ("huaweibrowser/", "Huawei Browser"),
    ("vivobrowser/", "Vivo Browser"),
    ("heytapbrowser/", "HeyTap Browser"),
    ("oppobrowser/", "HeyTap Browser"),
    (" quark", "Quark"),
    ("qqbrowser/", "QQ Browser"),
    ("metasr", "Sogou Explorer"),
    ("qihu", "360 Browser"),
    ("qhbrowser/", "360 Browser"),
    ("360browser", "360 Browser"),
    ("maxthon", "Maxthon"),
    ("mxbrowser/", "Maxthon"),
    ("mxios/", "Maxthon"),
    ("coc_coc_browser/", "Coc Coc"),
    (" whale/", "Whale"),
    (" silk/", "Silk"),
    ("puffin/", "Puffin"),
    ("(ecosia ", "Ecosia"),
    (" avast/", "Avast Secure Browser"),
    (" avg/", "AVG Secure Browser"),
    ("alohabrowser/", "Aloha"),
    ("sznprohlizec/", "Seznam"),
    ("yaanibrowser/", "Yaani"),
    ("qwantmobile/", "Qwant"),
    ("qwantbrowser/", "Qwant"),
    ("slbrowser/", "Lenovo Browser"),
    ("sleipnir/", "Sleipnir"),
    ("comodo_dragon/", "Comodo Dragon"),
    ("slimjet/", "Slimjet"),
    ("qutebrowser/", "qutebrowser"),
    ("falkon/", "Falkon"),
    ("konqueror/", "Konqueror"),
    ("epiphany/", "GNOME Web"),
    ("ladybird/", "Ladybird"),
    ("lynx/", "Lynx"),
    ("opera mini", "Opera Mini"),
    (" opios/", "Opera Mini"),
    (" opr/", "Opera"),
    (" opt/", "Opera"),
    (" opx/", "Opera"),
    ("opera", "Opera"),
    (" edg/", "Edge"),
    (" edga/", "Edge"),
    (" edgios/", "Edge"),
    (" edge/", "Edge"),
    // Gecko.
    (" focus/", "Firefox Focus"),
    (" klar/", "Firefox Focus"),
    (" rocket/", "Firefox Lite"),
    ("kaios/", "KaiOS Browser"),
    ("sailfishbrowser/", "Sailfish Browser"),
    ("seamonkey/", "SeaMonkey"),
    ("palemoon/", "Pale Moon"),
    ("waterfox/", "Waterfox"),
    ("librewolf/", "LibreWolf"),
    ("floorp/", "Floorp"),
    ("icecat/", "IceCat"),
    ("k-meleon/", "K-Meleon"),
    ("camino/", "Camino"),
    ("thunderbird/", "Thunderbird"),
    ("fxios/", "Firefox"),
    ("iceweasel/", "Firefox"),
    ("fennec/", "Firefox"),
    ("firefox/", "Firefox"),
    // Internet Explorer, in all its disguises; Opera, which had that one too, is above.
    ("iemobile", "Internet Explorer"),
    ("msie ", "Internet Explorer"),
    ("trident/", "Internet Explorer"),
    // Things that have a browser.
    ("playstation", "PlayStation Browser"),
    ("nintendo", "Nintendo Browser"),
    (" tesla", "Tesla"),
    ("crkey", "Chromecast"),
    ("lg browser/", "LG Browser"),
    ("kindle/", "Kindle"),
    ("nokiabrowser/", "Nokia Browser"),
    ("ovibrowser/", "Nokia Browser"),
    ("netfront", "NetFront"),
    ("electron/", "Electron"),
    // Chrome on iOS is Safari inside; a view in an Android app says so, or says a version.
    ("crios/", "Chrome"),
    ("chromium/", "Chromium"),
    ("; wv)", "Android WebView"),
    ("version/4.0 chrome/", "Android WebView"),
    ("chrome/", "Chrome"),
    // Clients of apps.
    ("okhttp", "okhttp"),
    ("cfnetwork", "CFNetwork"),
    ("dart/", "Dart"),
    ("dart:", "Dart"),
    ("dalvik/", "Dalvik"),
];

/// The table of browsers.
#[derive(Debug)]
pub struct Browsers(Table<&'static str>);

impl Browsers {
    /// Makes the table ready.
    pub fn new() -> Self {
        Browsers(Table::new(NAMES))
    }

    /// The family of a user agent in small letters, `None` where it is not known.
    pub fn family(&self, text: &[u8]) -> Option<&'static str> {
        self.0.first(text).or_else(|| plain(text))
    }
}

/// A browser without a name of its own: what comes with the system.
fn plain(text: &[u8]) -> Option<&'static str> {
    let says = |needle| has(text, needle);
    if !says("applewebkit/") {
        return None;
    }
    let ios = says("iphone") || says("ipad") || says("ipod");
    Some(if says("android") {
        "Android Browser"
    } else if says("bb10") || says("blackberry") || says("playbook") {
        "BlackBerry Browser"
    } else if ios && says("safari/") {
        "Safari"
    } else if ios {
        "iOS WebView"
    } else if says("macintosh") && says("safari/") {
        "Safari"
    } else if says("macintosh") {
        // iPadOS has the same in apps, and then says which mobile build it is.
        if says(" mobile/") {
            "iOS WebView"
        } else {
            "macOS WebView"
        }
    } else if says("windows") && says("safari/") {
        "Safari"
    } else if says("x11; ") && says("version/") && says("safari/") {
        // WebKitGTK's own; nothing else of weight goes by it.
        "GNOME Web"
    } else {
        return None;
    })
}
