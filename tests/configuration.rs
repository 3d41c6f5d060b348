//! The configuration: what is read, and how every mistake in it is shown.

mod support;

/// A table of cases, a row a line.
macro_rules! rows {
    ($($($cell:expr),+;)*) => { [$(($($cell),+)),*] };
}

#[path = "configuration/certificate.rs"]
mod certificate;
#[path = "configuration/checked.rs"]
mod checked;
#[path = "configuration/contract.rs"]
mod contract;
#[path = "configuration/files.rs"]
mod files;
#[path = "configuration/keys.rs"]
mod keys;
#[path = "configuration/secrets.rs"]
mod secrets;
#[path = "configuration/tls.rs"]
mod tls;
#[path = "configuration/together.rs"]
mod together;
#[path = "configuration/values.rs"]
mod values;
#[path = "configuration/visits.rs"]
mod visits;

use checked::{check, check_path, mistake};
use std::time::{Duration, Instant};
use support::{Folder, command};

#[test]
fn a_mistake_is_shown_as_a_compiler_shows_it() {
    let checked = check(&[(
        "parvis.toml",
        "[log]\nlevel = \"info\"\n\tacess = \"off\"\n[[site]]\nname = \"s\"\n\
         listen = [\"127.0.0.1:0\"]\n[[site.route]]\npath = \"/\"\nrespond = {}\n",
    )]);
    assert_eq!(checked.code, 2);
    assert_eq!(checked.out, "");
    assert_eq!(
        checked.err,
        "error: unknown key `acess`\n --> parvis.toml:3:2\n  |\n3 | \tacess = \"off\"\n  | \t^^^^^ \
         did you mean `access`?\n\n1 error in the configuration\n"
    );
}

#[test]
fn columns_count_characters_and_margins_fit_the_line_number() {
    let padding = "# filler\n".repeat(98);
    let text =
        format!("{padding}[log]\naccess = {{ env = \"PÄTH\" }} # ü\nlevel = \"ïnfo\"\n{SITE}");
    let checked = check(&[("parvis.toml", &text)]);
    let all = checked.mistakes();
    assert_eq!(all.len(), 2, "{}", checked.err);
    assert_eq!(all[0].at(), "parvis.toml:100:10");
    assert_eq!(all[0].under, "{ env = \"PÄTH\" }");
    assert_eq!(all[1].at(), "parvis.toml:101:9");
    assert_eq!(all[1].under, "\"ïnfo\"");
    assert_eq!(all[1].label, "did you mean \"info\"?");
    assert!(
        checked
            .err
            .contains("\n   --> parvis.toml:101:9\n    |\n101 | level")
    );
}

/// A site that is right in itself.
const SITE: &str = "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
                    [[site.route]]\npath = \"/*\"\nrespond = { body = \"x\" }\n";

/// Everything wrong at once, in three files: in their syntax, their keys, their values, and in
/// how they fit together.
#[test]
fn all_mistakes_of_all_files_are_shown_in_one_go() {
    let main = r#"include = ["sites/*.toml"]
serve = 1
[server]
thread = 4
shutdown_grace = "30"
max_header = "64 KiBit"
trusted_proxies = ["10.0.0.0/8", "10.0.0.0/33", "::1", "nowhere"]
[log]
level = "inof"
format = "xml"
[admin]
listen = "0.0.0.0:9180"
[geoip]
database = ""
[upstream.app]
servers = ["127.0.0.1", { address = "127.0.0.1:80", weight = 0 }, { address = "nobody", weight = 0 }]
balance = "hash"
connect_timeout = 2
[upstream.empty]
servers = []
"#;
    let first = r#"[[site]]
name = "first"
hosts = ["a.example", "http://b.example", "A.example"]
listen = ["127.0.0.1:0"]
visits = "yes"
headers = { sett = {}, set = { "Content-Length" = "0", "a b" = "c" }, remove = ["X Y"] }
[site.tls]
certificat = "x"
[[site.route]]
path = "/a*"
proxy = "ap"
[[site.route]]
path = "/b"
[[site.route]]
path = "/c"
proxy = "app"
respond = { status = 99 }
[[site.route]]
pth = "/d"
methods = ["GE T"]
proxy = "emtpy"
[[site.route]]
path = "~ ("
headers = { "X-A" = "~ [", remve = ["a"] }
redirect = { to = "/{1}", status = 200 }
[[site.route]]
path = "/e"
respond = {}
[[site.route]]
path = "/e"
respond = { status = 700, content_type = "a\nb" }
[[site.route]]
path = "/f"
upstream_host = "a b"
cache_control = "a\nb"
proxy = "app"
idle_timeout = "1 age"
"#;
    let second = r#"[log]
level = "info"
[[site]]
name = "first"
hosts = ["a.example"]
listen = ["127.0.0.1:0"]
[[site]]
name = "third"
hosts = ["third.example"]
listen = ["127.0.0.1:0", { address = "127.0.0.1:443", tls = true }]
[upstream.app]
servers = ["127.0.0.1:1"]
[upstream.checked]
servers = ["127.0.0.1:1"]
health = { path = "health", host = "a b", interval = "1ms", timeout = "0s" }
"#;
    let checked = check(&[
        ("parvis.toml", main),
        ("sites/a.toml", first),
        ("sites/b.toml", second),
    ]);
    let found: Vec<String> = checked
        .mistakes()
        .iter()
        .map(|m| format!("{} {} | {}", m.at(), m.under, m.message))
        .collect();
    let expected = [
        "parvis.toml:2:1 serve | unknown key `serve`",
        "parvis.toml:4:1 thread | unknown key `thread`",
        "parvis.toml:5:18 \"30\" | invalid duration \"30\"",
        "parvis.toml:6:14 \"64 KiBit\" | invalid size \"64 KiBit\"",
        "parvis.toml:7:34 \"10.0.0.0/33\" | invalid network \"10.0.0.0/33\"",
        "parvis.toml:7:56 \"nowhere\" | invalid network \"nowhere\"",
        "parvis.toml:9:9 \"inof\" | invalid value \"inof\"",
        "parvis.toml:10:10 \"xml\" | invalid value \"xml\"",
        "parvis.toml:12:10 \"0.0.0.0:9180\" | the admin interface on 0.0.0.0:9180 can be reached by \
         others and has no token",
        "parvis.toml:14:12 \"\" | empty path",
        "parvis.toml:16:12 \"127.0.0.1\" | invalid address of a server \"127.0.0.1\"",
        "parvis.toml:16:62 0 | weight out of range",
        "parvis.toml:16:79 \"nobody\" | invalid address of a server \"nobody\"",
        "parvis.toml:16:98 0 | weight out of range",
        "parvis.toml:17:11 \"hash\" | \"hash\" does not exist in this version",
        "parvis.toml:18:19 2 | invalid duration: an integer",
        "parvis.toml:19:11 empty | the upstream `empty` has no servers",
        "sites/a.toml:3:23 \"http://b.example\" | invalid host \"http://b.example\"",
        "sites/a.toml:3:43 \"A.example\" | `a.example` is given twice",
        "sites/a.toml:5:10 \"yes\" | `visits` is switched on or off, or a table",
        "sites/a.toml:6:13 sett | unknown key `sett`",
        "sites/a.toml:6:32 \"Content-Length\" | `Content-Length` frames the message: parvis alone sets it",
        "sites/a.toml:6:56 \"a b\" | `a b` is no name of a header field",
        "sites/a.toml:6:81 \"X Y\" | `X Y` is no name of a header field",
        "sites/a.toml:8:1 certificat | unknown key `certificat`",
        "sites/a.toml:10:8 \"/a*\" | invalid path pattern \"/a*\"",
        "sites/a.toml:11:9 \"ap\" | there is no upstream `ap`",
        "sites/a.toml:13:8 \"/b\" | the route does nothing",
        "sites/a.toml:15:8 \"/c\" | the route does more than one thing",
        "sites/a.toml:19:1 pth | unknown key `pth`",
        "sites/a.toml:20:12 \"GE T\" | invalid method \"GE T\"",
        "sites/a.toml:21:9 \"emtpy\" | there is no upstream `emtpy`",
        "sites/a.toml:23:8 \"~ (\" | invalid path pattern \"~ (\"",
        "sites/a.toml:24:13 \"X-A\" | not a regular expression",
        "sites/a.toml:24:28 remve | unknown key `remve`",
        "sites/a.toml:25:36 200 | not the status of a redirect",
        "sites/a.toml:30:8 \"/e\" | the site `first` has two routes for `/e`",
        "sites/a.toml:31:22 700 | not the status of an answer",
        "sites/a.toml:31:42 \"a\\nb\" | invalid content type \"a\\nb\"",
        "sites/a.toml:34:17 \"a b\" | invalid host \"a b\"",
        "sites/a.toml:35:17 \"a\\nb\" | invalid value of a header field \"a\\nb\"",
        "sites/a.toml:37:16 \"1 age\" | invalid duration \"1 age\"",
        "sites/b.toml:1:2 log | `[log]` is given twice",
        "sites/b.toml:4:8 \"first\" | the site `first` is defined twice",
        "sites/b.toml:4:8 \"first\" | the site `first` has no route",
        "sites/b.toml:5:10 \"a.example\" | two sites on 127.0.0.1:0 answer for `a.example`",
        "sites/b.toml:8:8 \"third\" | the site `third` has no route",
        "sites/b.toml:10:26 { address = \"127.0.0.1:443\", tls = true } | the site `third` has no certificate for this listener",
        "sites/b.toml:11:11 app | the upstream `app` is defined twice",
        "sites/b.toml:15:19 \"health\" | invalid path \"health\"",
        "sites/b.toml:15:36 \"a b\" | invalid host \"a b\"",
        "sites/b.toml:15:54 \"1ms\" | health checks too close to each other",
        "sites/b.toml:15:71 \"0s\" | no health check succeeds in no time",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{}", checked.err);
    }
    assert_eq!(found.len(), expected.len(), "{}", checked.err);
    let last = format!("\n{} errors in the configuration\n", expected.len());
    assert!(checked.err.ends_with(&last), "{}", checked.err);
}

/// What is wrong with the text as TOML does not hide other mistakes, and is not reported again as
/// a mistake of another kind.
#[test]
fn mistakes_in_the_syntax_are_shown_with_the_others_and_once() {
    let text = format!(
        "[log]\nlevel = inof\nacess = \"off\"\n{SITE}headers = {{ set = {{ \"X-A\" = \"b }} }}\n"
    );
    let checked = check(&[
        ("parvis.toml", &format!("include = [\"b.toml\"]\n{text}")),
        (
            "b.toml",
            "[upstream.a]\nservers = \n[server]\nthreads = 1 watch = true\n[admin\n",
        ),
    ]);
    let found: Vec<String> = checked.mistakes().iter().map(|m| m.at()).collect();
    let expected = [
        "parvis.toml:3:9",
        "parvis.toml:4:1",
        "parvis.toml:11:35",
        "b.toml:2:11",
        "b.toml:4:19",
        "b.toml:5:7",
    ];
    let ends = |(found, expected): (&String, &&str)| found.ends_with(expected);
    assert!(
        found.len() == expected.len() && found.iter().zip(&expected).all(ends),
        "{found:?}\n{}",
        checked.err
    );
    assert!(!checked.err.contains("no site"), "{}", checked.err);
}

macro_rules! syntax {
    ($($name:ident: $text:expr, $at:literal, $message:literal;)*) => {$(
        #[test]
        fn $name() {
            // The rest of the file is right, so the mistake is the only one.
            let mistake = mistake(&format!("{SITE}[log]\n{}\n", $text));
            assert_eq!(mistake.at(), format!("parvis.toml:{}", $at));
            assert!(mistake.message.contains($message), "{}", mistake.message);
            assert_eq!(mistake.label, "not valid TOML");
        }
    )*};
}

syntax! {
    a_value_without_quotes: "level = info", "8:9", "";
    a_string_without_its_end: "access = \"off", "8:14", "expected `\"`";
    a_key_without_a_value: "level =", "8:8", "quoted";
    a_key_twice: "level = \"info\"\nlevel = \"warn\"", "9:1", "duplicate key";
    a_table_twice: "[log]", "8:2", "duplicate key";
    a_header_without_its_end: "[server", "8:8", "expected `]`";
    a_list_without_its_end: "level = [", "8:10", "expected `]`";
    two_on_one_line: "level = \"info\" format = \"json\"", "8:16", "expected newline";
    an_unknown_escape: "access = \"\\q\"", "8:12", "escaped";
    a_control_character: "access = \"a\u{1}\"", "8:12", "";
    a_line_without_a_key: "= \"info\"", "8:1", "";
    a_key_alone: "level", "8:6", "expected `=`";
}

#[test]
fn a_configuration_that_is_not_there_is_said_to_be_missing() {
    let folder = Folder::new();
    let checked = check_path(&folder, "nowhere.toml");
    assert_eq!(checked.code, 2);
    assert_eq!(
        checked.err,
        "error: cannot read nowhere.toml: No such file or directory (os error 2)\n\n\
         1 error in the configuration\n"
    );
}

#[test]
fn a_folder_is_no_configuration() {
    let folder = Folder::new();
    std::fs::create_dir(folder.join("conf")).unwrap();
    let checked = check_path(&folder, "conf");
    assert_eq!(checked.code, 2);
    assert!(
        checked
            .err
            .starts_with("error: cannot read conf: Is a directory"),
        "{}",
        checked.err
    );
    assert_eq!(checked.mistakes().len(), 1);
}

#[test]
fn a_configuration_that_is_no_text_is_refused() {
    let folder = Folder::new();
    std::fs::write(folder.join("parvis.toml"), b"[log]\nlevel = \"\xff\"\n").unwrap();
    let checked = check_path(&folder, "parvis.toml");
    assert_eq!(checked.code, 2);
    assert!(
        checked.err.starts_with("error: cannot read parvis.toml: ")
            && checked.err.contains("UTF-8"),
        "{}",
        checked.err
    );
    assert_eq!(checked.mistakes().len(), 1);
}

#[test]
fn an_empty_configuration_has_no_site() {
    for text in ["", "# nothing yet\n", "\u{feff}"] {
        let checked = check(&[("parvis.toml", text)]);
        assert_eq!(checked.code, 2);
        let all = checked.mistakes();
        assert_eq!(all.len(), 1, "{}", checked.err);
        assert_eq!(all[0].message, "the configuration has no site");
        assert!(all[0].help.contains("[[site]]"), "{}", all[0].help);
    }
}

#[test]
fn ten_thousand_routes_over_a_thousand_hosts_are_checked() {
    let mut text = String::new();
    for upstream in 0..10 {
        text.push_str(&format!(
            "[upstream.app{upstream}]\nservers = [\"127.0.0.1:{}\"]\n",
            8000 + upstream
        ));
    }
    for site in 0..1000 {
        text.push_str(&format!(
            "[[site]]\nname = \"site{site}\"\nhosts = [\"host{site}.example\"]\n\
             listen = [\"127.0.0.1:0\"]\nheaders = {{ security = \"strict\" }}\n"
        ));
        for route in 0..10 {
            let path = match route {
                0 => "/*".to_string(),
                1..5 => format!("/section{route}/*"),
                5..9 => format!("/page{route}"),
                _ => "~ ^/user/[0-9]+$".to_string(),
            };
            text.push_str(&format!(
                "[[site.route]]\npath = \"{path}\"\nproxy = \"app{route}\"\n"
            ));
        }
    }
    let folder = Folder::new();
    folder.write("parvis.toml", &text);
    let began = Instant::now();
    let checked = check_path(&folder, "parvis.toml");
    let took = began.elapsed();
    println!("10,000 routes over 1,000 hosts checked in {took:?}");
    assert_eq!(
        (checked.code, checked.out.as_str()),
        (
            0,
            "parvis.toml: right: 1000 sites, 10000 routes, 10 upstreams, 1 listener\n"
        ),
        "{}",
        checked.err
    );
    // A release build takes well under a second; this one is not optimised and not alone.
    assert!(took < Duration::from_secs(15), "{took:?}");
}

/// As many mistakes as lines: the operator is told of all, and before losing patience.
#[test]
fn ten_thousand_mistakes_are_told_too() {
    let route = |n: usize| format!("[[site.route]]\npath = \"/{n}\"\nprxy = \"app\"\n");
    let routes: String = (0..10_000).map(route).collect();
    let head = "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n";
    let folder = Folder::new();
    let path = folder.write("parvis.toml", &format!("{head}{routes}"));
    let began = Instant::now();
    let output = command(&["check", "-c", path.to_str().unwrap()]);
    let took = began.elapsed();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with("\n10000 errors in the configuration\n"));
    assert!(took < Duration::from_secs(15), "{took:?}");
}
