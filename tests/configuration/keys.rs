//! Keys: those that are unknown, those that are missing, those of features that do not exist yet.

use crate::certificate::private;
use crate::checked::{Mistake, check_path, mistake, right};
use crate::support::Folder;
use crate::tls::bring;

/// A right configuration with these lines in one of its tables. A key of its own that is given
/// again gives way.
pub fn with(table: &str, lines: &str) -> String {
    let tables: [(&str, &[&str]); 14] = [
        ("", &[]),
        ("server", &["threads = 1"]),
        ("server.connections", &[]),
        ("server.http2", &[]),
        ("tls", &[]),
        ("admin", &["listen = \"off\""]),
        ("log", &["access = \"off\""]),
        ("visits", &[]),
        ("visits.redis", &["url = \"redis://127.0.0.1\""]),
        ("geoip", &[]),
        ("upstream.app", &["servers = [\"127.0.0.1:1\"]"]),
        ("upstream.app.health", &["path = \"/health\""]),
        ("[site]", &["name = \"s\"", "listen = [\"127.0.0.1:0\"]"]),
        ("[site.route]", &["path = \"/x\"", "proxy = \"app\""]),
    ];
    assert!(tables.iter().any(|(name, _)| *name == table), "{table}");
    let key = |line: &str| line.split(" = ").next().unwrap().to_string();
    let mut text = String::new();
    for (name, own) in tables {
        if !name.is_empty() {
            text.push_str(&format!("[{name}]\n"));
        }
        let given: Vec<String> = match name == table {
            true => lines.lines().map(key).collect(),
            false => Vec::new(),
        };
        for line in own.iter().filter(|line| !given.contains(&key(line))) {
            text.push_str(&format!("{line}\n"));
        }
        if name == table {
            text.push_str(&format!("{lines}\n"));
        }
    }
    text
}

/// The only mistake of a right configuration with these lines in one of its tables.
pub fn wrong(table: &str, lines: &str) -> Mistake {
    mistake(&with(table, lines))
}

#[test]
fn what_the_other_tests_break_is_right() {
    right(&with("server", ""));
}

#[test]
fn an_unknown_key_is_an_error_at_every_level_and_the_nearest_is_suggested() {
    let suggested = |mistake: Mistake, key: &str, meant: &str| {
        assert_eq!(mistake.message, format!("unknown key `{key}`"));
        assert_eq!(mistake.under, key);
        assert_eq!(mistake.label, format!("did you mean `{meant}`?"));
    };
    for (table, lines, key, meant) in rows! {
        "", "sever = 1", "sever", "server";
        "", "[[sites]]\nname = \"x\"", "sites", "site";
        "", "includes = []", "includes", "include";
        "server", "thread = 1", "thread", "threads";
        "server", "trusted_proxy = []", "trusted_proxy", "trusted_proxies";
        "server", "Watch = true", "Watch", "watch";
        "server", "header_timeout = { enb = \"X\" }", "enb", "env";
        "server", "conections = {}", "conections", "connections";
        "tls", "unknown_snu = \"reject\"", "unknown_snu", "unknown_sni";
        "tls", "ticket = false", "ticket", "tickets";
        "admin", "listn = \"off\"", "listn", "listen";
        "log", "acess = \"off\"", "acess", "access";
        "upstream.app", "conect_timeout = \"1s\"", "conect_timeout", "connect_timeout";
        "upstream.app", "server = []", "server", "servers";
        "upstream.app", "http = true", "http", "http2";
        "upstream.app", "servers = [{ address = \"a:1\", wieght = 2 }]", "wieght", "weight";
        "upstream.app", "servers = [{ adress = \"a:1\" }]", "adress", "address";
        "upstream.app.health", "pth = \"/\"", "pth", "path";
        "upstream.app.health", "intervall = \"5s\"", "intervall", "interval";
        "[site]", "host = [\"a\"]", "host", "hosts";
        "[site]", "routes = []", "routes", "route";
        "[site]", "listen = [{ adress = \"127.0.0.1:0\" }]", "adress", "address";
        "[site]", "listen = [{ address = \"127.0.0.1:0\", tsl = false }]", "tsl", "tls";
        "[site]", "headers = { sett = {} }", "sett", "set";
        "[site]", "cache_control = { valu = \"no-store\" }", "valu", "value";
        "[site]", "cache_control = { value = \"\", overide = true }", "overide", "override";
        "[site.route]", "method = [\"GET\"]", "method", "methods";
        "[site.route]", "headers = { remve = [\"A\"] }", "remve", "remove";
        "[site.route]", "headers = { securty = \"off\" }", "securty", "security";
    } {
        suggested(wrong(table, lines), key, meant);
    }
    let route = with("[site.route]", "");
    for (action, key, meant) in rows! {
        "redirect = { too = \"/\" }", "too", "to";
        "redirect = { to = \"/\", staus = 308 }", "staus", "status";
        "respond = { boddy = \"x\" }", "boddy", "body";
    } {
        let mistake = mistake(&route.replace("proxy = \"app\"", action));
        suggested(mistake, key, meant);
    }
}

#[test]
fn a_key_that_is_like_no_other_is_answered_with_those_that_there_are() {
    let mistake = wrong("log", "colour = \"red\"");
    assert_eq!(mistake.message, "unknown key `colour`");
    assert_eq!(
        mistake.label,
        "expected one of `access`, `format`, `level`, `slow`"
    );
}

/// A key that does nothing is never accepted.
#[test]
fn keys_of_features_that_do_not_exist_yet_say_so() {
    for (table, lines, key) in rows! {
        "", "[cache]\nsize = \"1GB\"", "cache";
        "upstream.app", "tls = true", "tls";
        "upstream.app", "max_connections = 10", "max_connections";
        "upstream.app", "retries = 2", "retries";
        "[site]", "cache = {}", "cache";
        "[site]", "access = {}", "access";
        "[site]", "limits = {}", "limits";
        "[site.route]", "cache = {}", "cache";
        "[site.route]", "access = {}", "access";
        "[site.route]", "limits = {}", "limits";
    } {
        let mistake = wrong(table, lines);
        assert_eq!(
            mistake.message,
            format!("`{key}` does not exist in this version of parvis")
        );
        assert_eq!(mistake.under, key);
        assert!(
            mistake.label.ends_with("not built yet"),
            "{}",
            mistake.label
        );
        assert!(mistake.help.starts_with("remove it"), "{}", mistake.help);
    }
    // What a site needs a route for is not complained of besides.
    let cache = with("[site.route]", "").replace("proxy = \"app\"", "cache = {}");
    assert_eq!(mistake(&cache).under, "cache");
    // Off is what it is.
    right(&with(
        "[site]",
        "listen = [{ address = \"127.0.0.1:0\", tls = false }]",
    ));
}

#[test]
fn a_way_of_balancing_that_does_not_exist_yet_says_so() {
    let mistake = wrong("upstream.app", "balance = \"hash\"");
    assert_eq!(mistake.message, "\"hash\" does not exist in this version");
    let available = "available: \"round-robin\", \"least-connections\", \"two-choices\"";
    assert_eq!(mistake.label, available);
    for word in ["round-robin", "least-connections", "two-choices"] {
        right(&with("upstream.app", &format!("balance = \"{word}\"")));
    }
}

#[test]
fn a_missing_key_is_named_where_it_belongs() {
    let right = with("", "");
    let without = |line: &str| right.replace(&format!("{line}\n"), "");
    let redirect = right.replace("proxy = \"app\"", "redirect = { status = 301 }");
    for (text, at, key) in rows! {
        without("name = \"s\""), "[", "name";
        without("path = \"/x\""), "[", "path";
        without("servers = [\"127.0.0.1:1\"]"), "[", "servers";
        without("path = \"/health\""), "[", "path";
        with("[site]", "listen = [{ tls = false }]"), "{ tls = false }", "address";
        with("upstream.app", "servers = [{ weight = 1 }]"), "{", "address";
        with("[site]", "cache_control = { override = true }"), "{ override = true }", "value";
        redirect, "{", "to";
    } {
        let mistake = mistake(&text);
        assert_eq!(mistake.message, format!("missing key `{key}`"));
        assert_eq!(mistake.label, format!("`{key}` must be given here"));
        assert_eq!(mistake.under, at);
    }
}

#[test]
fn every_key_that_there_is_is_read() {
    let country = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/country.mmdb");
    let text = r#"
include = []
[server]
threads = 2
listen = ["127.0.0.1:0", { address = "[::1]:0" }]
trusted_proxies = ["127.0.0.0/8", "::1", "10.1.2.3"]
shutdown_grace = "30s"
watch = false
header_timeout = "250ms"
body_timeout = "1m"
keepalive_timeout = "1h"
send_timeout = "30d"
max_header = "64KiB"
max_fields = 0x64
max_uri = "16384"
connections = { max = 10_000, per_address = 100, handshake_timeout = "5s" }
[server.http2]
enabled = true
streams = 100
header_list = "64KiB"
idle_timeout = "3m"
stream_window = "1MiB"
connection_window = "4MiB"
[tls]
storage = "state"
unknown_sni = "reject"
tickets = true
ticket_keys = "tickets.key"
redis = { url = "redis://127.0.0.1:6379/0", prefix = "shop:tls:" }
[admin]
listen = "0.0.0.0:9180"
token = "secret"
[log]
level = "trace"
format = "combined"
access = "stderr"
slow = "off"
[files]
memory = "64MiB"
largest = "1MiB"
[compress]
memory = "0"
[media]
storage = "cache"
disk = "100MiB"
memory = "8MiB"
workers = 1
queue = 8
[visits]
store = "visits.sqlite"
keep_raw = "30d"
ip = "full"
spool = "waiting"
spool_size = "1GiB"
warn_at = 10_000
exclude = ["/api/admin/*", "/about", "~ ^/u/[0-9]+$"]
api = ["/api/*"]
authenticated = "X-Known"
authenticated_cookies = ["sessionid"]
authorization = false
respect = ["gpc", "dnt"]
time_zone = "Europe/Paris"
[visits.redis]
url = "redis://:secret@127.0.0.1:6379/0"
list = "analytics:queue"
keep = 10000
list_mode = "stream"
ip = "none"
[geoip]
database = "@COUNTRY"
[upstream.app]
servers = ["127.0.0.1:8000", "app.internal:8000", "unix:app.sock", { address = "[::1]:80", weight = 1_000 }, { address = "a:1" }]
balance = "round-robin"
connect_timeout = "2s"
first_byte_timeout = "60s"
read_timeout = "60s"
send_timeout = "60s"
keepalive_timeout = "60s"
health = { path = "/health/", host = "a.example", interval = "5s", timeout = "1s", unhealthy_after = 2, healthy_after = 1 }
[[site]]
name = "s"
hosts = ["a.example", "*.a.example", "B.example.", "[::1]", "127.0.0.1", "a_b"]
listen = ["127.0.0.1:0"]
max_body = "10MiB"
headers = { security = "strict", set = { "A" = "b" }, default = { "C" = "d" }, remove = ["E"] }
cache_control = "no-store"
forwarded = true
server_timing = true
idle_timeout = "1h"
visits = { exclude = [], api = [], authenticated = "off", authenticated_cookies = [], authorization = true, respect = [], time_zone = "Asia/Kolkata", share = { path = "/numbers/*", token = "secret" } }
compress = { algorithms = ["gzip", "br"], min_length = "1KiB", types = ["application/x-ours"], exclude = ["/account/*"], cross_site = true }
[[site.route]]
path = "/a"
methods = ["get", "POST", "PURGE"]
headers = { "X-Beta" = "1", "X-Any" = "*", "X-Like" = "~ ^v", security = "off", set = {}, default = {}, remove = [] }
query = { "version" = "2" }
proxy = "app"
upstream_host = "app.internal:80"
max_body = "0"
cache_control = { value = "public, max-age=60", override = true }
forwarded = false
server_timing = false
idle_timeout = "1d"
compress = "off"
[[site.route]]
path = "/static/*"
files = { root = ".", index = ["index.html"], try = ["{path}", "{path}.html", "/index.html"], autoindex = true, precompressed = false, immutable = "~ \\.[0-9a-f]{8,}\\.", follow_links = "never", types = { md = "text/markdown" } }
fallback = "app"
compress = { min_length = "0" }
[[site.route]]
path = "/media/*"
files = { root = ".", immutable = "off", follow_links = "anywhere" }
images = { widths = [150, 640], formats = ["avif", "webp"], quality = 80, max_width = 1600, max_height = 900, background = "\u0023fff", max_size = "10MB", max_pixels = 20_000_000, timeout = "5s", wait = "1s", strict = true, client_hints = false, sign = { key = "0123456789abcdef" }, html = true }
[[site.route]]
path = "~ ^/u/([0-9]+)$"
redirect = { to = "{scheme}://{host}/{path}/{1}", status = 301 }
[[site.route]]
path = "/r/*"
respond = { status = 599, body = "x", content_type = "text/html" }
[[site]]
name = "secured"
hosts = ["a.example"]
listen = [{ address = "127.0.0.2:0", proxy_protocol = true, h2c = true }, { address = "127.0.0.3:0", tls = true, proxy_protocol = true }]
tls = { certificate = "cert.pem", key = "key.pem", certificates = [{ certificate = "cert.pem", key = "key.pem" }], min_version = "1.3", client_ca = "ca.pem", client_auth = "optional", redirect = false }
[[site.route]]
path = "/*"
respond = {}
[[site]]
name = "ordered"
hosts = ["b.example", "*.b.example"]
listen = [{ address = "127.0.0.4:443", tls = true }]
[site.tls]
acme = { email = "ops@b.example", directory = "https://ca.example/directory", challenge = "tls-alpn-01", eab = { kid = "k", hmac_key = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0" }, ca = "ca.pem", on_demand = { ask = "http://127.0.0.1:8000/tls-ask" } }
[[site.route]]
path = "/*"
respond = {}
[[site]]
name = "classic"
visits = true
headers = { security = "classic" }
[[site.route]]
path = "/*"
respond = {}
"#;
    let folder = Folder::new();
    bring(&folder, &["a.example"]);
    private(&folder.join("tickets.key"), &"0123456789abcdef".repeat(8));
    folder.write("parvis.toml", &text.replace("@COUNTRY", country));
    let checked = check_path(&folder, "parvis.toml");
    assert_eq!(
        (checked.code, checked.err.as_str()),
        (0, ""),
        "{}",
        checked.err
    );
}
