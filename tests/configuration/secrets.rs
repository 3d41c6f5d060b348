//! What comes from the environment or from a file may be a secret, and is never printed.

use crate::checked::check_with;
use crate::support::{Client, Folder, Parvis, until};
use std::process::{Command, Stdio};

const SECRET: &str = "4hunter2-Xyzzy";

/// A secret in the place of every value that can be wrong: each is refused, none is shown.
#[test]
fn a_mistake_in_a_secret_does_not_show_it() {
    let lines = format!("{SECRET}\n{SECRET}");
    let environment = [
        ("T_SECRET", SECRET),
        ("T_LINES", lines.as_str()),
        ("T_PATH", "/4hunter2-Xyzzy/x"),
        ("T_PORT", "a:4hunter2-Xyzzy"),
        ("T_REGEX", "~ (4hunter2-Xyzzy"),
        ("T_BRACES", "/{4hunter2-Xyzzy}"),
        ("T_FRAMING", "Connection"),
    ];
    for (table, line) in rows! {
        "[server]", r#"shutdown_grace = { env = "T_SECRET" }"#;
        "[server]", r#"max_header = { env = "T_SECRET" }"#;
        "[server]", r#"trusted_proxies = [{ env = "T_SECRET" }]"#;
        "[server]", r#"listen = [{ env = "T_SECRET" }]"#;
        "[admin]", r#"listen = { env = "T_SECRET" }"#;
        "[log]", r#"level = { env = "T_SECRET" }"#;
        "[log]", r#"slow = { env = "T_SECRET" }"#;
        "[log]", r#"access = { env = "T_PATH" }"#;
        "[upstream.a]", r#"servers = [{ env = "T_SECRET" }]"#;
        "[upstream.a]", r#"servers = [{ env = "T_PORT" }]"#;
        "[upstream.a]", r#"servers = [{ address = { env = "T_SECRET" }, weight = 2 }]"#;
        "[upstream.a]\nservers = [\"a:1\"]", r#"balance = { env = "T_SECRET" }"#;
        "[upstream.a]\nservers = [\"a:1\"]", r#"health = { path = { env = "T_SECRET" } }"#;
        "[upstream.a]\nservers = [\"a:1\"]", r#"health = { path = "/", host = { env = "T_LINES" } }"#;
        "site", r#"hosts = [{ env = "T_PATH" }]"#;
        "site", r#"max_body = { env = "T_SECRET" }"#;
        "site", r#"cache_control = { env = "T_LINES" }"#;
        "site", r#"headers = { security = { env = "T_SECRET" } }"#;
        "site", r#"headers = { set = { "X-A" = { env = "T_LINES" } } }"#;
        "site", r#"headers = { set = { "X-A" = { file = "lines" } } }"#;
        "site", r#"headers = { remove = [{ env = "T_PATH" }] }"#;
        "site", r#"headers = { remove = [{ env = "T_FRAMING" }] }"#;
        "route", r#"path = { env = "T_SECRET" }"#;
        "route", r#"path = { env = "T_REGEX" }"#;
        "route", r#"methods = [{ env = "T_PATH" }]"#;
        "route", r#"query = { "v" = { env = "T_REGEX" } }"#;
        "route", r#"headers = { "X-A" = { env = "T_REGEX" } }"#;
        "route", r#"upstream_host = { env = "T_LINES" }"#;
        "route", r#"proxy = { env = "T_SECRET" }"#;
        "route", r#"redirect = { to = { env = "T_SECRET" } }"#;
        "route", r#"redirect = { to = { env = "T_BRACES" } }"#;
        "route", r#"respond = { content_type = { env = "T_LINES" } }"#;
    } {
        let acts = ["proxy", "redirect", "respond"]
            .iter()
            .any(|act| line.starts_with(act));
        let mut text = match table {
            "site" | "route" => String::new(),
            table => format!("{table}\n{line}\n"),
        };
        text.push_str("[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n");
        if table == "site" {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str("[[site.route]]\n");
        if !line.starts_with("path") {
            text.push_str("path = \"/\"\n");
        }
        if !acts {
            text.push_str("respond = {}\n");
        }
        if table == "route" {
            text.push_str(&format!("{line}\n"));
        }
        let checked = check_with(&[("parvis.toml", &text), ("lines", &lines)], &environment);
        let all = checked.mistakes();
        assert_eq!(checked.code, 2, "accepted: {line}");
        assert_eq!(all.len(), 1, "{line}\n{}", checked.err);
        assert!(
            !checked.err.contains("hunter2") && !checked.err.contains("Xyzzy"),
            "{line}\n{}",
            checked.err
        );
        // It is said where the value comes from instead, or at least what is wrong with it.
        assert!(!all[0].message.is_empty() && all[0].at().starts_with("parvis.toml:"));
    }
}

#[test]
fn a_secret_is_in_no_log_and_no_status_and_no_explanation() {
    let folder = Folder::new();
    folder.write("target", "https://4hunter2-Xyzzy.example/{path}\n");
    let text = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"T_TOKEN\" }\n\
        [log]\nlevel = \"trace\"\naccess = \"@DIR/access.log\"\nslow = \"1ms\"\n\
        [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
        headers = { set = { \"X-Key\" = { env = \"T_KEY\" } }, default = { \"X-More\" = { env = \"T_KEY\" } } }\n\
        cache_control = { env = \"T_KEY\" }\n\
        [[site.route]]\npath = \"/old/*\"\nredirect = { to = { file = \"target\" } }\n\
        [[site.route]]\npath = \"/hidden\"\nheaders = { \"X-Pass\" = { env = \"T_KEY\" } }\n\
        respond = { body = { env = \"T_KEY\" } }\n\
        [upstream.app]\nservers = [\"127.0.0.1:1\"]\n\
        [[site.route]]\npath = \"/*\"\nproxy = \"app\"\nupstream_host = { env = \"T_KEY\" }\n";
    let environment = [("T_TOKEN", SECRET), ("T_KEY", SECRET)];
    let parvis = Parvis::start_in(folder, text, &environment);
    // The client is told: it is what the operator asked for.
    let pass = format!("X-Pass: {SECRET}\r\n");
    let reply = parvis.client().request("GET", "/hidden", &pass, b"");
    assert_eq!((reply.status, reply.text().as_str()), (200, SECRET));
    assert_eq!(reply.field("x-key").as_deref(), Some(SECRET));
    let moved = parvis.get("/old/a");
    assert!(moved.field("location").unwrap().contains(SECRET));
    assert_eq!(parvis.get("/x").status, 502);

    let authorised = format!("Authorization: Bearer {SECRET}\r\n");
    let ask = |method: &str, path: &str| {
        let mut client = Client::connect(parvis.admin());
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\n{authorised}\r\n"
        ));
        client.reply()
    };
    let status = ask("GET", "/status");
    let metrics = ask("GET", "/metrics");
    assert_eq!((status.status, metrics.status), (200, 200));
    // A reload that fails is told of in the log, in its answer and in the status.
    let broken = format!("{text}max_body = {{ env = \"T_KEY\" }}\n");
    parvis.folder.write(
        "parvis.toml",
        &broken.replace("@DIR", parvis.folder.path().to_str().unwrap()),
    );
    let failed = ask("POST", "/reload");
    assert_eq!(failed.status, 422);
    assert!(failed.text().contains("T_KEY"), "{}", failed.text());
    let after = ask("GET", "/status");
    assert!(after.text().contains("invalid size"), "{}", after.text());
    until("the log tells of the reload", || {
        parvis.log().contains("was not reloaded").then_some(())
    });
    until("the access log is written", || {
        (parvis.folder.read("access.log").lines().count() == 3).then_some(())
    });
    for (what, said) in [
        ("the log", parvis.log()),
        ("the output", parvis.output()),
        ("the access log", parvis.folder.read("access.log")),
        ("/status", status.text()),
        ("/status after", after.text()),
        ("/metrics", metrics.text()),
        ("/reload", failed.text()),
    ] {
        assert!(!said.contains("hunter2"), "{what}:\n{said}");
    }

    parvis.folder.write(
        "parvis.toml",
        &text.replace("@DIR", parvis.folder.path().to_str().unwrap()),
    );
    for url in ["http://a/old/x", "http://a/hidden", "http://a/x"] {
        let output = Command::new(env!("CARGO_BIN_EXE_parvis"))
            .args(["explain", url, "-H", &format!("X-Pass: {SECRET}"), "-c"])
            .arg(parvis.configuration())
            .envs(environment)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(
            said.contains("set x-key: (not shown: it comes from"),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }
    let reload = Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["reload", "-c"])
        .arg(parvis.configuration())
        .envs(environment)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [reload.stdout, reload.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains("hunter2"));
}
