//! Several files: `include`, tables in more than one file, paths relative to the file that holds
//! them, and values that lie outside of the configuration.

use crate::SITE;
use crate::checked::{check, check_path, check_with, mistake};
use crate::support::{Backend, Folder, Parvis, backend};

/// The files in the order read, told by the order of the mistakes in them.
fn order(files: &[(&str, &str)]) -> Vec<String> {
    let checked = check(files);
    let all = checked.mistakes();
    assert!(!all.is_empty());
    all.iter()
        // That there is no site lies in no file.
        .filter(|m| !m.at().is_empty())
        .map(|m| {
            let at = m.at();
            at.split(':')
                .next()
                .unwrap()
                .trim_start_matches("./")
                .to_string()
        })
        .collect()
}

#[test]
fn included_files_are_read_after_the_file_that_names_them_sorted_by_name() {
    let main = "include = [\"sites/*.toml\", \"a.toml\"]\nx = 1\n";
    let files = [
        ("parvis.toml", main),
        ("a.toml", "x = 1\n"),
        ("sites/b.toml", "x = 1\n"),
        ("sites/a.toml", "include = [\"more/*.toml\"]\nx = 1\n"),
        ("sites/10.toml", "x = 1\n"),
        ("sites/9.toml", "x = 1\n"),
        ("sites/c.txt", "x = 1\n"),
        // Relative to the file that names it: `more` of `sites`, not the one beside it.
        ("sites/more/z.toml", "x = 1\n"),
        ("more/z.toml", "x = 1\n"),
    ];
    assert_eq!(
        order(&files),
        [
            "parvis.toml",
            "sites/10.toml",
            "sites/9.toml",
            "sites/a.toml",
            "sites/more/z.toml",
            "sites/b.toml",
            "a.toml",
        ]
    );
}

#[test]
fn a_file_is_read_once_also_in_a_circle() {
    let main = format!("include = [\"parvis.toml\", \"sites/*.toml\", \"./sites/a.toml\"]\n{SITE}");
    let checked = check(&[
        ("parvis.toml", &main),
        (
            "sites/a.toml",
            "include = [\"../parvis.toml\", \"b.toml\"]\n[upstream.a]\nservers = [\"127.0.0.1:1\"]\n",
        ),
        (
            "sites/b.toml",
            "include = [\"a.toml\"]\n[log]\naccess = \"off\"\n",
        ),
    ]);
    assert_eq!(checked.err, "");
    assert_eq!(
        checked.out,
        "parvis.toml: right: 1 site, 1 route, 1 upstream, 1 listener\n"
    );
}

#[test]
fn a_named_file_must_be_there_and_a_pattern_may_match_nothing() {
    let missing = mistake(&format!(
        "include = [\"nothing/*.toml\", \"missing.toml\"]\n{SITE}"
    ));
    assert!(
        missing.message.starts_with("cannot read ") && missing.message.contains("missing.toml")
    );
    assert!(
        missing.message.contains("No such file"),
        "{}",
        missing.message
    );
    assert_eq!(missing.at(), "parvis.toml:1:30");
    assert_eq!(missing.under, "\"missing.toml\"");
    assert_eq!(missing.label, "included here");

    let checked = check(&[(
        "parvis.toml",
        &format!("include = [\"nothing/*.toml\"]\n{SITE}"),
    )]);
    assert_eq!(checked.code, 0, "{}", checked.err);
}

/// What an included file that is missing may hold is not complained of besides.
#[test]
fn a_missing_file_is_the_only_mistake_when_others_need_what_is_in_it() {
    let text = "include = [\"upstreams.toml\"]\n[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
                [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n";
    assert!(mistake(text).message.contains("upstreams.toml"));
    assert!(
        mistake("include = [\"sites.toml\"]\n")
            .message
            .contains("sites.toml")
    );
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    let bad = mistake(&format!("include = [\"sites/***.toml\"]\n{SITE}"));
    assert!(
        bad.message.starts_with("not a pattern of file names"),
        "{}",
        bad.message
    );
    assert!(bad.label.contains("sites/*.toml"), "{}", bad.label);
    assert_eq!(bad.under, "\"sites/***.toml\"");
}

#[test]
fn a_folder_with_brackets_in_its_name_is_no_pattern() {
    let folder = Folder::new();
    folder.write(
        "we[i]rd/parvis.toml",
        &format!("include = [\"sites/*.toml\"]\n{SITE}"),
    );
    folder.write(
        "we[i]rd/sites/a.toml",
        "[upstream.a]\nservers = [\"127.0.0.1:1\"]\n",
    );
    // What the name would match as a pattern.
    folder.write("weird/sites/a.toml", "x = 1\n");
    let checked = check_path(&folder, "we[i]rd/parvis.toml");
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.contains("1 upstream"), "{}", checked.out);
}

#[test]
fn an_absolute_path_is_included_too() {
    let elsewhere = Folder::new();
    elsewhere.write("a.toml", "[upstream.a]\nservers = [\"127.0.0.1:1\"]\n");
    elsewhere.write("b.toml", "[upstream.b]\nservers = [\"127.0.0.1:1\"]\n");
    let path = elsewhere.path().display();
    for (pattern, found) in [("a.toml", "1 upstream,"), ("*.toml", "2 upstreams,")] {
        let text = format!("include = [\"{path}/{pattern}\"]\n{SITE}");
        let checked = check(&[("parvis.toml", &text)]);
        assert!(
            checked.out.contains(found),
            "{}{}",
            checked.out,
            checked.err
        );
    }
}

#[test]
fn an_included_file_that_is_no_text_is_named_where_it_is_included() {
    let folder = Folder::new();
    folder.write("parvis.toml", &format!("include = [\"sites/*\"]\n{SITE}"));
    folder.write("sites/a.toml", "");
    std::fs::write(folder.join("sites/b.toml"), b"\xff\xfe").unwrap();
    // A folder that the pattern matches holds no configuration.
    std::fs::create_dir(folder.join("sites/c.toml")).unwrap();
    let checked = check_path(&folder, "parvis.toml");
    let all = checked.mistakes();
    assert_eq!(all.len(), 1, "{}", checked.err);
    assert!(
        all[0].message.starts_with("cannot read sites/b.toml: "),
        "{}",
        all[0].message
    );
    assert!(all[0].message.contains("UTF-8"), "{}", all[0].message);
    assert_eq!(
        (all[0].at().as_str(), all[0].under.as_str()),
        ("parvis.toml:1:12", "\"sites/*\"")
    );
}

#[test]
fn a_table_in_two_files_shows_both_places() {
    let main = format!(
        "include = [\"b.toml\"]\n[server]\n[admin]\n[log]\n[upstream.app]\nservers = [\"127.0.0.1:1\"]\n{SITE}"
    );
    let checked = check(&[
        ("parvis.toml", &main),
        (
            "b.toml",
            "[log]\n[server]\n[admin]\n[upstream.app]\nservers = [\"127.0.0.1:2\"]\n\
             [[site]]\nname = \"s\"\nhosts = [\"b\"]\nlisten = [\"127.0.0.1:0\"]\n\
             [[site.route]]\npath = \"/\"\nrespond = {}\n",
        ),
    ]);
    let all = checked.mistakes();
    let found: Vec<(String, String, String)> = all
        .iter()
        .map(|m| {
            assert_eq!(m.related.len(), 1, "{}", checked.err);
            let (place, under, _) = &m.related[0];
            (
                m.message.clone(),
                m.under.clone(),
                format!("{place} {under}"),
            )
        })
        .collect();
    let row = |message: &str, under: &str, other: &str| {
        (message.to_string(), under.to_string(), other.to_string())
    };
    assert_eq!(
        found,
        [
            row("`[log]` is given twice", "log", "parvis.toml:4:2 log"),
            row(
                "`[server]` is given twice",
                "server",
                "parvis.toml:2:2 server"
            ),
            row("`[admin]` is given twice", "admin", "parvis.toml:3:2 admin"),
            row(
                "the upstream `app` is defined twice",
                "app",
                "parvis.toml:5:11 app"
            ),
            row(
                "the site `s` is defined twice",
                "\"s\"",
                "parvis.toml:8:8 \"s\""
            ),
        ]
    );
    assert!(all[0].at().ends_with("b.toml:1:2"), "{}", all[0].at());
}

#[test]
fn every_string_may_come_from_the_environment() {
    let text = r#"
include = [{ env = "T_INCLUDE" }]
[server]
shutdown_grace = { env = "T_GRACE" }
max_header = { env = "T_SIZE" }
trusted_proxies = [{ env = "T_NETWORK" }]
[admin]
listen = { env = "T_OFF" }
[log]
level = { env = "T_LEVEL" }
access = { env = "T_OFF" }
slow = { env = "T_OFF" }
[upstream.app]
servers = [{ env = "T_SERVER" }, { address = { env = "T_SERVER" }, weight = 2 }]
health = { path = { env = "T_PATH" }, host = { env = "T_HOST" } }
[[site]]
name = { env = "T_NAME" }
hosts = [{ env = "T_HOST" }]
listen = [{ env = "T_LISTEN" }, { address = { env = "T_OTHER" } }]
cache_control = { env = "T_NAME" }
headers = { security = { env = "T_OFF" }, set = { "X-A" = { env = "T_NAME" } }, remove = [{ env = "T_FIELD" }] }
[[site.route]]
path = { env = "T_PATH" }
methods = [{ env = "T_METHOD" }]
query = { "v" = { env = "T_NAME" } }
headers = { "X-B" = { env = "T_NAME" } }
proxy = { env = "T_UPSTREAM" }
upstream_host = { env = "T_HOST" }
cache_control = { value = { env = "T_NAME" }, override = true }
[[site.route]]
path = "/r"
redirect = { to = { env = "T_PATH" } }
[[site.route]]
path = "/a"
respond = { body = { env = "T_NAME" }, content_type = { env = "T_NAME" } }
"#;
    let environment = [
        ("T_INCLUDE", "more.toml"),
        ("T_GRACE", "30s"),
        ("T_SIZE", "64KiB"),
        ("T_NETWORK", "10.0.0.0/8"),
        ("T_OFF", "off"),
        ("T_LEVEL", "warn"),
        ("T_SERVER", "127.0.0.1:8000"),
        ("T_PATH", "/path"),
        ("T_HOST", "a.example"),
        ("T_NAME", "name"),
        ("T_LISTEN", "127.0.0.1:0"),
        ("T_OTHER", "127.0.0.2:0"),
        ("T_FIELD", "Server"),
        ("T_METHOD", "GET"),
        ("T_UPSTREAM", "app"),
    ];
    let more = "[upstream.more]\nservers = [\"127.0.0.1:1\"]\n";
    let files = [("parvis.toml", text), ("more.toml", more)];
    let checked = check_with(&files, &environment);
    assert_eq!(checked.err, "");
    assert_eq!(
        checked.out,
        "parvis.toml: right: 1 site, 3 routes, 2 upstreams, 2 listeners\n"
    );
    // Each of them is looked at: without one it is not right.
    for (name, _) in environment {
        let others: Vec<(&str, &str)> = environment
            .into_iter()
            .filter(|(other, _)| *other != name)
            .collect();
        let checked = check_with(&files, &others);
        let message = format!("the environment variable `{name}` is not set (or is not UTF-8)");
        let all = checked.mistakes();
        assert!(!all.is_empty(), "{name} is not needed");
        for mistake in all {
            assert_eq!(mistake.message, message, "{}", checked.err);
            assert_eq!(mistake.under, format!("{{ env = \"{name}\" }}"));
            assert!(mistake.help.contains("default = "), "{}", mistake.help);
        }
    }
}

#[test]
fn a_default_is_for_when_the_variable_is_not_set() {
    let backend = Backend::text("app");
    let site = |value: &str| {
        format!(
            "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
             headers = {{ set = {{ \"X-A\" = {value} }} }}\n[upstream.app]\nservers = [\"{}\"]\n\
             [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
            backend.address()
        )
    };
    let value = "{ env = \"T_VALUE\", default = \"absent\" }";
    for (environment, expected) in [
        (&[][..], "absent"),
        (&[("T_VALUE", "given")][..], "given"),
        (&[("T_VALUE", "")][..], ""),
    ] {
        let parvis = Parvis::start_in(Folder::new(), &site(value), environment);
        assert_eq!(parvis.get("/").field("x-a").as_deref(), Some(expected));
    }
}

#[test]
fn a_value_that_lies_nowhere_is_an_error() {
    for (value, message, under) in rows! {
        "{ env = \"T_ABSENT\" }", "the environment variable `T_ABSENT` is not set", "";
        "{ file = \"absent\" }", "absent: No such file or directory", "";
        "{ file = \".\" }", "Is a directory", "";
        "{ env = \"PATH\", file = \"absent\" }", "expected one of `env` and `file`", "";
        "{ env = 3 }", "expected a string, found an integer", "3";
        "{ file = [] }", "expected a string, found an array", "[]";
        "{ env = \"PATH\", default = true }", "expected a string, found a boolean", "true";
        "{ default = \"x\" }", "expected one of `env` and `file`", "";
        "{}", "expected one of `env` and `file`", "";
        "{ file = \"parvis.toml\", default = \"x\" }", "a file has no `default`", "default";
        "{ environment = \"X\" }", "unknown key `environment`", "environment";
    } {
        let text = format!("[admin]\ntoken = {value}\n{SITE}");
        let mistake = mistake(&text);
        assert!(
            mistake.message.contains(message),
            "{value}: {}",
            mistake.message
        );
        let under = if under.is_empty() { value } else { under };
        assert_eq!(mistake.under, under);
        assert!(
            mistake.at().starts_with("parvis.toml:2:"),
            "{}",
            mistake.at()
        );
    }
}

/// Everything that is named by a relative path lies beside the file that names it, wherever parvis
/// was started; and the line break at the end of a secret's file is no part of the secret.
#[test]
fn paths_are_relative_to_the_file_that_holds_them() {
    let folder = Folder::new();
    folder.write("secrets/token", "open sesame\r\n");
    folder.write("sites/secrets/field", "two\nlines\n\n");
    folder.write("sites/secrets/value", " a value \n");
    std::fs::create_dir(folder.join("logs")).unwrap();
    backend::unix(&folder.join("sites/app.sock"), "by socket");
    folder.write(
        "sites/a.toml",
        "[upstream.app]\nservers = [\"unix:app.sock\"]\n[[site]]\nname = \"s\"\n\
         listen = [\"127.0.0.1:0\"]\nheaders = { set = { \"X-A\" = { file = \"secrets/value\" } } }\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n\
         [[site.route]]\npath = \"/lines\"\nrespond = { body = { file = \"secrets/field\" } }\n",
    );
    let parvis = Parvis::start_in(
        folder,
        "include = [\"sites/*.toml\"]\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         token = { file = \"secrets/token\" }\n[log]\naccess = \"logs/access.log\"\n",
        &[],
    );
    let reply = parvis.get("/");
    assert_eq!(reply.text(), "by socket");
    assert_eq!(reply.field("x-a").as_deref(), Some("a value"));
    assert_eq!(parvis.get("/lines").text(), "two\nlines");
    let status = |token: &str| {
        let field = format!("Authorization: Bearer {token}\r\n");
        parvis.admin_request("GET", "/status", &field).status
    };
    assert_eq!(status("open sesame"), 200);
    assert_eq!(status("open sesam"), 401);
    crate::support::until("the access log is written", || {
        (parvis.folder.read("logs/access.log").lines().count() == 2).then_some(())
    });
}
