//! Values: what each kind takes, and what is said of one that it does not take.

use crate::checked::{mistake, right};
use crate::keys::{with, wrong};

const DURATION: &str = "expected a duration such as \"250ms\", \"5s\", \"1m\", \"1h\" or \"30d\"";
const SIZE: &str = "expected a size such as \"800\", \"64KiB\", \"10MiB\" or \"1GB\"";

/// Each row: the table, the key, a value that is wrong, what is said of it, what stands beside the
/// caret. The value is underlined, or within a list its only element.
fn refused(rows: &[(&str, &str, &str, &str, &str)]) {
    for (table, key, value, message, label) in rows {
        let mistake = wrong(table, &format!("{key} = {value}"));
        assert!(
            mistake.message.contains(message),
            "{value}: {}",
            mistake.message
        );
        assert!(mistake.label.contains(label), "{value}: {}", mistake.label);
        let element = value.trim_matches(['[', ']']);
        assert!(
            mistake.under == *value || mistake.under == element,
            "{value}: {} is underlined",
            mistake.under
        );
    }
}

#[test]
fn every_duration_says_what_a_duration_is() {
    for (table, key) in rows! {
        "server", "shutdown_grace";
        "server", "header_timeout";
        "server", "body_timeout";
        "server", "keepalive_timeout";
        "server", "send_timeout";
        "log", "slow";
        "upstream.app", "connect_timeout";
        "upstream.app", "first_byte_timeout";
        "upstream.app", "read_timeout";
        "upstream.app", "send_timeout";
        "upstream.app", "keepalive_timeout";
        "upstream.app.health", "interval";
        "upstream.app.health", "timeout";
        "[site]", "idle_timeout";
        "[site.route]", "idle_timeout";
    } {
        let message = "invalid duration \"5 parsecs\"";
        refused(&[(table, key, "\"5 parsecs\"", message, DURATION)]);
    }
    refused(&rows! {
        "server", "header_timeout", r#""""#, "invalid duration \"\"", DURATION;
        "server", "header_timeout", r#""5""#, "invalid duration \"5\"", "a unit is missing: expected a duration";
        "server", "header_timeout", r#""s""#, "invalid duration \"s\"", DURATION;
        "server", "header_timeout", r#""-5s""#, "invalid duration \"-5s\"", DURATION;
        "server", "header_timeout", r#""1.5s""#, "invalid duration \"1.5s\"", "no such unit of time";
        "server", "header_timeout", r#""5S""#, "invalid duration \"5S\"", "no such unit of time";
        "server", "header_timeout", r#""99999999999999999999s""#, "invalid duration", DURATION;
        "server", "header_timeout", r#""99999999d""#, "invalid duration", "longer than a hundred years";
        "server", "header_timeout", "5", "invalid duration: an integer", DURATION;
        "server", "header_timeout", "true", "invalid duration: a boolean", DURATION;
        "server", "header_timeout", r#"["5s"]"#, "invalid duration: an array", DURATION;
    });
    for sound in ["1ms", "5s", "1m", "1h", "30d", "36500d"] {
        right(&with("server", &format!("header_timeout = \"{sound}\"")));
    }
}

#[test]
fn every_size_says_what_a_size_is() {
    for (table, key) in rows! {
        "server", "max_header";
        "server", "max_uri";
        "[site]", "max_body";
        "[site.route]", "max_body";
    } {
        let message = "invalid size \"10 MiBit\"";
        refused(&[(table, key, "\"10 MiBit\"", message, SIZE)]);
    }
    refused(&rows! {
        "[site]", "max_body", r#""""#, "invalid size \"\"", SIZE;
        "[site]", "max_body", r#""KiB""#, "invalid size \"KiB\"", SIZE;
        "[site]", "max_body", r#""-1""#, "invalid size \"-1\"", SIZE;
        "[site]", "max_body", r#""1.5MiB""#, "invalid size \"1.5MiB\"", "no such unit of size";
        "[site]", "max_body", r#""10mb""#, "invalid size \"10mb\"", "no such unit of size";
        "[site]", "max_body", r#""99999999999TB""#, "invalid size", "too large";
        "[site]", "max_body", "10485760", "invalid size: an integer", SIZE;
    });
    for sound in ["0", "800", "64KiB", "10MiB", "1GB", "1 GiB", "1TB", "5kB"] {
        right(&with("[site]", &format!("max_body = \"{sound}\"")));
    }
}

#[test]
fn other_kinds_say_what_they_are() {
    let string = "expected a string, { env = \"NAME\" } or { file = \"path\" }";
    let levels = "expected one of \"error\", \"warn\", \"info\", \"debug\", \"trace\"";
    refused(&rows! {
        "server", "watch", r#""yes""#, "expected `true` or `false`, found a string", "`true`";
        "[site]", "forwarded", "1", "expected `true` or `false`, found an integer", "`true`";
        "[site.route]", "server_timing", "[]", "found an array", "`true` or `false`";
        "server", "threads", r#""4""#, "expected an integer, found a string", "an integer";
        "server", "threads", "1.5", "expected an integer, found a float", "an integer";
        "server", "threads", "-1", "integer out of range", "expected 0 to";
        "server", "max_fields", "99999999999999999999999", "integer out of range", "expected 0";
        "[site]", "name", "7", "found an integer", string;
        "[site]", "name", "2026-01-01", "found a date", string;
        "[site]", "name", r#""""#, "a site's name cannot be empty", "";
        "[site]", "hosts", r#""a.example""#, "expected a list of hosts, found a string", "[...]";
        "[site]", "headers", r#""strict""#, "expected a table, found a string", "a table";
        "[site]", "cache_control", "60", "found an integer", string;
        "log", "level", r#""verbose""#, "invalid value \"verbose\"", levels;
        "log", "level", r#""Info""#, "invalid value \"Info\"", "did you mean \"info\"?";
        "log", "level", "3", "found an integer", string;
        "log", "format", r#""jsn""#, "invalid value \"jsn\"", "did you mean \"json\"?";
        "log", "access", r#""""#, "empty path", "expected a path";
        "log", "access", r#""nowhere/access.log""#, "the access log cannot be written to", "expected a file in a folder that exists";
        "log", "access", r#""/""#, "the access log cannot be written to /", "expected a file";
        "upstream.app", "balance", r#""robin""#, "invalid value \"robin\"", "expected one of \"round-robin\"";
        "upstream.app", "servers", r#""127.0.0.1:1""#, "expected a list of servers, found a string", "[...]";
    });
    // `[site]` for `[[site]]` is what everybody writes once.
    let mistake = mistake("[site]\nname = \"s\"\n");
    assert_eq!(mistake.message, "expected a list of tables, found a table");
    assert_eq!(mistake.label, "expected double brackets: [[...]]");
    assert_eq!(mistake.at(), "parvis.toml:1:1");
}

#[test]
fn a_table_that_is_none_is_refused() {
    let rest = with("", "");
    let without_server = rest.replace(
        "[server]\nthreads = 1\n[server.connections]\n[server.http2]\n",
        "",
    );
    for (first, rest, what) in rows! {
        "server = 1", without_server.as_str(), "expected a table, found an integer";
        // With the others they would be mistakes of the syntax.
        "upstream = []", "", "expected tables: [upstream.NAME], found an array";
        "upstream.other = 1", "", "expected a table, found an integer";
        "site = \"x\"", "", "expected a list of tables, found a string";
        "include = \"sites/*.toml\"", rest.as_str(), "expected a list of patterns";
        "include = [1]", rest.as_str(), "found an integer";
    } {
        let mistake = mistake(&format!("{first}\n{rest}"));
        assert!(mistake.message.contains(what), "{}", mistake.message);
        assert!(
            mistake.at().starts_with("parvis.toml:1:"),
            "{}",
            mistake.at()
        );
    }
}

#[test]
fn addresses_networks_and_hosts_are_checked() {
    let address = "expected \"address:port\", such as";
    let server = "expected \"address:port\", \"name:port\" or \"unix:/path\"";
    refused(&rows! {
        "[site]", "listen", r#"["80"]"#, "invalid address \"80\"", address;
        "[site]", "listen", r#"[":80"]"#, "invalid address \":80\"", "no address before the port";
        "[site]", "listen", r#"["localhost:80"]"#, "invalid address", address;
        "[site]", "listen", r#"["127.0.0.1:65536"]"#, "invalid address", address;
        "[site]", "listen", r#"["::1:80"]"#, "invalid address", address;
        "[site]", "listen", "[80]", "found an integer", "expected a string";
        "server", "listen", r#"["0.0.0.0"]"#, "invalid address", address;
        "admin", "listen", r#""localhost""#, "invalid address \"localhost\"", "or \"off\"";
        "server", "trusted_proxies", r#"["10.0.0.0/33"]"#, "invalid network", "such as \"10.0.0.0/8\"";
        "server", "trusted_proxies", r#"["proxy.internal"]"#, "invalid network", "expected an address or a network";
        "upstream.app", "servers", r#"["http://127.0.0.1:80"]"#, "invalid address of a server", "a server has no scheme";
        "upstream.app", "servers", r#"["127.0.0.1"]"#, "invalid address of a server", "no port: expected";
        "upstream.app", "servers", r#"["app:http"]"#, "invalid address of a server", "no port after the colon";
        "upstream.app", "servers", r#"["app:0"]"#, "invalid address of a server", server;
        "upstream.app", "servers", r#"["a b:80"]"#, "invalid address of a server", server;
        "upstream.app", "servers", r#"[":80"]"#, "invalid address of a server", server;
        "upstream.app", "servers", r#"["unix:"]"#, "invalid address of a server", "a path is missing after `unix:`";
        "upstream.app", "servers", "[7]", "found an integer", "expected a string";
        "[site]", "hosts", r#"[""]"#, "invalid host \"\"", "expected a name such as \"example.org\"";
        "[site]", "hosts", r#"["*"]"#, "invalid host \"*\"", "`*` stands only at the start";
        "[site]", "hosts", r#"["a*.example"]"#, "invalid host", "`*` stands only at the start";
        "[site]", "hosts", r#"["https://a.example"]"#, "invalid host", "without scheme and path";
        "[site]", "hosts", r#"["a.example:80"]"#, "invalid host", "without its port";
        "[site]", "hosts", r#"["a b"]"#, "invalid host", "expected a name";
        "[site]", "hosts", r#"["a..b"]"#, "invalid host", "a dot stands between two labels";
        "[site]", "hosts", r#"["bücher.example"]"#, "invalid host", "expected a name";
    });
    // In a table, or beside others, the element that is wrong is underlined.
    for (table, lines, under) in rows! {
        "upstream.app", "servers = [{ address = \"nobody\", weight = 2 }]", "\"nobody\"";
        "upstream.app", "servers = [\"127.0.0.1:1\", \"x\"]", "\"x\"";
        "[site]", "listen = [{ address = 80 }]", "80";
        "[site]", "listen = [{ address = \"127.0.0.1:0\", tls = 1 }]", "1";
    } {
        assert_eq!(wrong(table, lines).under, under);
    }
    let long = format!("servers = [\"unix:/{}\"]", "x".repeat(200));
    let mistake = wrong("upstream.app", &long);
    assert!(mistake.message.contains("too long"), "{}", mistake.message);
}

#[test]
fn paths_and_expressions_are_checked() {
    refused(&rows! {
        "[site.route]", "path", r#""static/*""#, "invalid path pattern", "a path starts with `/`";
        "[site.route]", "path", r#""""#, "invalid path pattern", "a path starts with `/`";
        "[site.route]", "path", r#""/a*""#, "invalid path pattern", "`*` stands only at the end, after a `/`";
        "[site.route]", "path", r#""/*/b""#, "invalid path pattern", "`*` stands only at the end";
        "[site.route]", "path", r#""/a//b""#, "invalid path pattern", "no path contains";
        "[site.route]", "path", r#""/a/../b""#, "invalid path pattern", "no path contains";
        "[site.route]", "path", r#""/a?b=c""#, "invalid path pattern", "a path has no query";
        "[site.route]", "path", r#""~ ^/u/([0-9]+$""#, "invalid path pattern", "not a regular expression: unclosed group";
        "[site.route]", "path", r#""~ \\p{Nothing}""#, "invalid path pattern", "not a regular expression";
        "[site.route]", "methods", r#"["G T"]"#, "invalid method \"G T\"", "expected a method";
        "[site.route]", "methods", r#""GET""#, "expected a list of strings", "[...]";
    });
    for (lines, under, message) in rows! {
        r#"query = { "v" = "~ (" }"#, "\"v\"", "not a regular expression";
        r#"headers = { "X-A" = "~ (" }"#, "\"X-A\"", "not a regular expression";
        r#"headers = { "X A" = "1" }"#, "\"X A\"", "`X A` is no name of a header field";
        r#"headers = { "X-A" = 1 }"#, "1", "found an integer";
        r#"headers = { "X-A" = {} }"#, "\"X-A\"", "unknown key `X-A`";
        r#"query = "v=2""#, "\"v=2\"", "expected a table, found a string";
    } {
        let mistake = wrong("[site.route]", lines);
        assert_eq!(mistake.under, under, "{lines}");
        assert!(mistake.message.contains(message), "{}", mistake.message);
    }
}

#[test]
fn redirects_and_answers_are_checked() {
    let route = with("[site.route]", "");
    for (action, under, message, label) in rows! {
        r#"redirect = { to = "new" }"#, r#""new""#, "invalid target of a redirect \"new\"", "expected a path";
        r#"redirect = { to = "/a b" }"#, r#""/a b""#, "invalid target of a redirect", "percent-encoded";
        r#"redirect = { to = "/{p}" }"#, r#""/{p}""#, "invalid target of a redirect", "what stands in braces";
        r#"redirect = { to = "/{" }"#, r#""/{""#, "invalid target of a redirect", "without its `}`";
        r#"redirect = { to = "/{1}" }"#, r#""/{1}""#, "invalid target of a redirect", "has 0 groups";
        r#"redirect = { to = "/", status = 200 }"#, "200", "not the status of a redirect", "301, 302, 303, 307 or 308";
        r#"redirect = { to = "/", status = "301" }"#, r#""301""#, "found a string", "an integer";
        r#"redirect = "/new""#, r#""/new""#, "expected a table, found a string", "a table";
        "respond = { status = 199 }", "199", "not the status of an answer", "expected 200 to 599";
        "respond = { status = 600 }", "600", "not the status of an answer", "expected 200 to 599";
        "respond = { status = 99999 }", "99999", "integer out of range", "expected 0 to 65535";
        "respond = { body = 1 }", "1", "found an integer", "expected a string";
        r#"respond = { content_type = "a\nb" }"#, r#""a\nb""#, "invalid content type", "";
    } {
        let mistake = mistake(&route.replace("proxy = \"app\"", action));
        assert_eq!(mistake.under, under, "{action}");
        assert!(mistake.message.contains(message), "{}", mistake.message);
        assert!(mistake.label.contains(label), "{action}: {}", mistake.label);
    }
}

#[test]
fn weights_are_one_to_a_thousand() {
    let server = |weight: &str| format!("servers = [{{ address = \"a:1\", weight = {weight} }}]");
    for (weight, message) in rows! {
        "0", "weight out of range";
        "1001", "weight out of range";
        "-1", "integer out of range";
        "\"2\"", "expected an integer";
    } {
        let mistake = wrong("upstream.app", &server(weight));
        assert!(mistake.message.contains(message), "{}", mistake.message);
        assert_eq!(mistake.under, weight);
    }
    for weight in ["1", "1000"] {
        right(&with("upstream.app", &server(weight)));
    }
    // Without one it is that of a server that is given by its address alone.
    right(&with("upstream.app", "servers = [{ address = \"a:1\" }]"));
}

#[test]
fn health_checks_are_checked() {
    for (lines, under, message) in rows! {
        r#"path = "health""#, r#""health""#, "invalid path \"health\"";
        r#"path = "/a b""#, r#""/a b""#, "invalid path \"/a b\"";
        r#"host = "a\nb""#, r#""a\nb""#, "invalid host";
        r#"interval = "9ms""#, r#""9ms""#, "health checks too close to each other";
        r#"timeout = "0s""#, r#""0s""#, "no health check succeeds in no time";
        r#"unhealthy_after = "two""#, r#""two""#, "expected an integer";
    } {
        let mistake = wrong("upstream.app.health", lines);
        assert_eq!(mistake.under, under);
        assert!(mistake.message.contains(message), "{}", mistake.message);
    }
}

#[test]
fn fields_of_answers_are_checked() {
    for table in ["[site]", "[site.route]"] {
        for (headers, under, message) in rows! {
            r#"{ security = "stric" }"#, r#""stric""#, "invalid value \"stric\"";
            r#"{ set = { "X A" = "1" } }"#, r#""X A""#, "is no name of a header field";
            r#"{ default = { "" = "1" } }"#, r#""""#, "is no name of a header field";
            r#"{ remove = ["X:A"] }"#, r#""X:A""#, "is no name of a header field";
            r#"{ remove = "Server" }"#, r#""Server""#, "expected a list of strings";
            r#"{ set = { "X-A" = "a\r\nSet-Cookie: b" } }"#, r#""X-A""#, "invalid value of a header field";
            r#"{ set = { "X-A" = "a\u0000" } }"#, r#""X-A""#, "invalid value of a header field";
            r#"{ set = { "X-A" = 1 } }"#, "1", "found an integer";
            r#"{ set = { "X-A" = "1", "x-a" = "2" } }"#, r#""x-a""#, "the field `x-a` is given twice";
        } {
            let mistake = wrong(table, &format!("headers = {headers}"));
            assert!(mistake.message.contains(message), "{}", mistake.message);
            assert_eq!(mistake.under, under);
        }
        let mistake = wrong(table, r#"cache_control = "a\nb""#);
        assert!(mistake.message.contains("invalid value of a header field"));
        assert_eq!(mistake.under, r#""a\nb""#);
    }
    let mistake = wrong("[site.route]", r#"upstream_host = "a\nb""#);
    assert_eq!(mistake.message, r#"invalid host "a\nb""#);
}

/// The fields that frame a message are parvis's alone.
#[test]
fn framing_fields_are_not_for_the_configuration() {
    for name in [
        "Connection",
        "content-length",
        "Transfer-Encoding",
        "Upgrade",
        "Keep-Alive",
        "Trailer",
    ] {
        for change in [
            format!("set = {{ \"{name}\" = \"x\" }}"),
            format!("default = {{ \"{name}\" = \"x\" }}"),
            format!("remove = [\"{name}\"]"),
        ] {
            for table in ["[site]", "[site.route]"] {
                let mistake = wrong(table, &format!("headers = {{ {change} }}"));
                assert_eq!(
                    mistake.message,
                    format!("`{name}` frames the message: parvis alone sets it")
                );
                assert_eq!(mistake.under, format!("\"{name}\""));
            }
        }
    }
}
