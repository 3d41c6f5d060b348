//! Reload: by every way there is, whole or not at all, and without anybody noticing.

mod support;

use serde_json::Value;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};
use support::websocket::{ASK, echoes, echoing, open};
use support::{Backend, Folder, PATIENCE, Parvis, Refusing, Reply, until};

const GENERATION: &str = "parvis_config_generation";
const SUCCESS: &str = "parvis_config_last_reload_success";
const OPEN: &str = "parvis_upgraded_connections_open";

/// A site that says this.
fn says(text: &str) -> String {
    format!(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nrespond = {{ body = \"{text}\" }}\n"
    )
}

/// The same, in a configuration that is loaded only when parvis is told to.
fn told(text: &str) -> String {
    format!("[server]\nwatch = false\n{}", says(text))
}

/// A site in front of an app, loaded only when parvis is told to.
fn proxies(backend: &Backend, route: &str) -> String {
    format!(
        "[server]\nwatch = false\n[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n{route}\n",
        backend.address()
    )
}

const WRONG: &str = "[server]\nwatch = false\nshutdown_grace = 5\n\
    [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
    [[site.route]]\npath = \"/*\"\nproxy = \"nobody\"\n";

fn write(parvis: &Parvis, configuration: &str) {
    Parvis::write_configuration(&parvis.folder, configuration);
}

fn reload(parvis: &Parvis) -> Value {
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Writes the configuration and reloads it.
fn change(parvis: &Parvis, configuration: &str) -> Value {
    write(parvis, configuration);
    reload(parvis)
}

fn on_host(parvis: &Parvis, host: &str) -> Reply {
    let mut client = parvis.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.reply()
}

fn until_it_says(parvis: &Parvis, text: &str) {
    until(&format!("it says {text}"), || {
        (parvis.get("/").text() == text).then_some(())
    });
}

/// Another parvis, which watches its files: when it has noticed a change, so has every parvis that
/// looks at its files as often.
struct Clock {
    parvis: Parvis,
    ticks: AtomicUsize,
}

impl Clock {
    fn start() -> Self {
        Clock {
            parvis: Parvis::start(&says("tick 0")),
            ticks: AtomicUsize::new(0),
        }
    }

    /// Waits until a change made before this has been noticed by everybody who looks.
    fn everybody_has_looked(&self) {
        // Twice: the first change may have been noticed by a look that had begun before.
        for _ in 0..2 {
            let tick = self.ticks.fetch_add(1, Ordering::SeqCst) + 1;
            let text = format!("tick {tick}");
            write(&self.parvis, &says(&text));
            until_it_says(&self.parvis, &text);
        }
    }
}

// The ways to say it

#[test]
fn sighup_reloads() {
    let parvis = Parvis::start(&told("one"));
    assert_eq!(parvis.get("/").text(), "one");
    assert_eq!(parvis.metric(GENERATION), 1.0);
    assert_eq!(parvis.metric(SUCCESS), 1.0);
    write(&parvis, &told("two"));
    parvis.signal("HUP");
    until_it_says(&parvis, "two");
    until("it is noted", || {
        (parvis.metric(GENERATION) == 2.0).then_some(())
    });
    assert_eq!(parvis.metric(SUCCESS), 1.0);
    let log = parvis.log();
    let line = log
        .lines()
        .find(|line| line.contains("configuration reloaded"))
        .unwrap();
    assert!(
        line.contains("SIGHUP") && line.contains("generation=2"),
        "{line}"
    );
}

#[test]
fn a_request_reloads_and_tells_what_came_of_it() {
    let parvis = Parvis::start(&told("one"));
    let result = change(&parvis, &told("two"));
    assert_eq!(result["generation"], 2);
    assert!(result["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(result["needs_restart"], serde_json::json!([]));
    assert_eq!(parvis.get("/").text(), "two");
    let status = parvis.status();
    assert_eq!(status["generation"], 2);
    assert_eq!(status["last_load"]["success"], true);
    // Only POST does.
    let reply = parvis.admin_request("GET", "/reload", "");
    assert_eq!(
        (reply.status, reply.field("allow").as_deref()),
        (405, Some("POST"))
    );
    assert_eq!(parvis.metric(GENERATION), 2.0);
}

#[test]
fn a_wrong_configuration_is_answered_with_all_its_mistakes() {
    let parvis = Parvis::start(&told("one"));
    write(&parvis, WRONG);
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 422);
    assert_eq!(
        reply.field("content-type").as_deref(),
        Some("application/json")
    );
    let body = reply.json();
    let error = body["error"].as_str().unwrap();
    assert!(error.contains("shutdown_grace = 5"), "{error}");
    assert!(
        error.contains("no upstream `nobody`") || error.contains("1 error"),
        "{error}"
    );
    assert!(error.contains("parvis.toml:"), "{error}");
    assert_eq!(parvis.get("/").text(), "one");
}

#[test]
fn the_command_reloads() {
    let parvis = Parvis::start(&told("one"));
    // Where the running one is, is in the file; the port came from the kernel.
    let admin = format!("[admin]\nlisten = \"{}\"\n", parvis.admin());
    let path = parvis.configuration();
    let run = || support::command(&["reload", "-c", path.to_str().unwrap()]);

    write(&parvis, &(admin.clone() + &told("two")));
    let output = run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text.contains("generation 2"), "{text}");
    assert!(text.contains("needs a restart: admin.listen"), "{text}");
    assert_eq!(parvis.get("/").text(), "two");

    write(&parvis, &(admin.clone() + WRONG));
    let output = run();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        text.contains("parvis.toml:") && text.contains("shutdown_grace"),
        "{text}"
    );
    assert_eq!(parvis.get("/").text(), "two");
    assert_eq!(parvis.metric(GENERATION), 2.0);

    // The file given is right, the running one's own is not: what that one says is printed.
    let other = parvis.folder.write("other.toml", &(admin + &told("three")));
    let output = support::command(&["reload", "-c", other.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        text.contains("parvis.toml:") && text.contains("shutdown_grace"),
        "{text}"
    );
    assert_eq!(parvis.get("/").text(), "two");
}

#[test]
fn the_command_says_when_nothing_runs() {
    let nobody = Refusing::new();
    let address = nobody.address();
    let folder = Folder::new();
    let admin = format!("[admin]\nlisten = \"{address}\"\n");
    Parvis::write_configuration(&folder, &(admin + &says("one")));
    let path = folder.join("parvis.toml");
    let output = support::command(&["reload", "-c", path.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        text.contains(&address.to_string()) && text.contains("running"),
        "{text}"
    );
    // No file, no reload.
    let path = folder.join("missing.toml");
    let output = support::command(&["reload", "-c", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_token_is_needed_and_a_new_one_applies() {
    let with = |listen: &str, token: &str, text: &str| {
        format!(
            "[admin]\nlisten = \"{listen}\"\ntoken = \"{token}\"\n{}",
            told(text)
        )
    };
    let parvis = Parvis::start(&with("127.0.0.1:0", "first", "one"));
    let listen = parvis.admin().to_string();
    let path = parvis.configuration();
    write(&parvis, &with(&listen, "second", "two"));
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 401);
    assert_eq!(parvis.get("/").text(), "one");
    // The command takes the token from the file; the running one still has the first.
    let output = support::command(&["reload", "-c", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let first = "Authorization: Bearer first\r\n";
    assert_eq!(parvis.admin_request("POST", "/reload", first).status, 200);
    assert_eq!(parvis.get("/").text(), "two");
    assert_eq!(parvis.admin_request("POST", "/reload", first).status, 401);
    let output = support::command(&["reload", "-c", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

// The files

#[test]
fn a_file_that_is_written_is_loaded() {
    let parvis = Parvis::start(&says("one"));
    write(&parvis, &says("two"));
    until_it_says(&parvis, "two");
    // Of equal length, and once more.
    write(&parvis, &says("six"));
    until_it_says(&parvis, "six");
    until("it is noted", || {
        (parvis.metric(GENERATION) == 3.0).then_some(())
    });
    let log = parvis.log();
    assert_eq!(log.matches("the files changed").count(), 2, "{log}");
}

#[test]
fn a_file_that_is_renamed_over_is_loaded() {
    let parvis = Parvis::start(&says("one"));
    let aside = Folder::new();
    Parvis::write_configuration(&aside, &says("two"));
    std::fs::rename(aside.join("parvis.toml"), parvis.configuration()).unwrap();
    until_it_says(&parvis, "two");
}

#[test]
fn a_file_that_is_away_for_a_while_changes_nothing_until_it_is_back() {
    let parvis = Parvis::start(&says("one"));
    let away = parvis.folder.join("parvis.toml~");
    std::fs::rename(parvis.configuration(), &away).unwrap();
    until("it is missed", || {
        (parvis.metric(SUCCESS) == 0.0).then_some(())
    });
    assert_eq!(parvis.get("/").text(), "one");
    write(&parvis, &says("two"));
    until_it_says(&parvis, "two");
    until("it is noted", || {
        (parvis.metric(SUCCESS) == 1.0).then_some(())
    });
}

#[test]
fn a_link_that_points_elsewhere_is_loaded() {
    // As configuration is deployed: `current` is switched to another release.
    let folder = Folder::new();
    let site = |host: &str| says(host).replace("listen", &format!("hosts = [\"{host}\"]\nlisten"));
    folder.write("release-1/site.toml", &site("a"));
    folder.write("release-2/site.toml", &site("b"));
    let link = folder.join("current");
    std::os::unix::fs::symlink("release-1", &link).unwrap();
    let parvis = Parvis::start_in(folder, "include = [\"current/*.toml\"]\n", &[]);
    assert_eq!(on_host(&parvis, "a").text(), "a");
    let new = parvis.folder.join("new");
    std::os::unix::fs::symlink("release-2", &new).unwrap();
    std::fs::rename(&new, &link).unwrap();
    until("the other release is served", || {
        (on_host(&parvis, "b").text() == "b").then_some(())
    });
    assert_eq!(on_host(&parvis, "a").status, 404);
}

fn site(host: &str, text: &str) -> String {
    format!(
        "[[site]]\nname = \"{host}\"\nhosts = [\"{host}\"]\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nrespond = {{ body = \"{text}\" }}\n"
    )
}

/// parvis with sites in files of their own, one to begin with.
fn with_sites(pattern: &str, first: &str) -> Parvis {
    let folder = Folder::new();
    folder.write(first, &site("a", "one"));
    let parvis = Parvis::start_in(folder, &format!("include = [\"{pattern}\"]\n"), &[]);
    assert_eq!(on_host(&parvis, "a").text(), "one");
    parvis
}

#[test]
fn included_files_may_change_come_and_go() {
    let parvis = with_sites("sites/*.toml", "sites/a.toml");
    let serves = |host: &str, text: &str| {
        until(&format!("{host} says {text}"), || {
            (on_host(&parvis, host).text() == text).then_some(())
        });
    };
    parvis.folder.write("sites/a.toml", &site("a", "two"));
    serves("a", "two");
    assert_eq!(on_host(&parvis, "b").status, 404);
    parvis.folder.write("sites/b.toml", &site("b", "new"));
    serves("b", "new");
    parvis.folder.write("sites/b.toml", &site("b", "newer"));
    serves("b", "newer");
    std::fs::remove_file(parvis.folder.join("sites/a.toml")).unwrap();
    until("the site is gone", || {
        (on_host(&parvis, "a").status == 404).then_some(())
    });
    assert_eq!(on_host(&parvis, "b").text(), "newer");
    assert_eq!(parvis.metric(SUCCESS), 1.0);
}

#[test]
fn a_new_file_that_is_wrong_can_be_mended_in_place() {
    let parvis = with_sites("sites/*.toml", "sites/a.toml");
    parvis
        .folder
        .write("sites/b.toml", "[[site]]\nname = \"b\"\n");
    until("it is refused", || {
        (parvis.metric(SUCCESS) == 0.0).then_some(())
    });
    assert_eq!(on_host(&parvis, "b").status, 404);
    assert_eq!(parvis.metric(GENERATION), 1.0);
    parvis.folder.write("sites/b.toml", &site("b", "mended"));
    until("it is served", || {
        (on_host(&parvis, "b").text() == "mended").then_some(())
    });
    assert_eq!(on_host(&parvis, "a").text(), "one");
}

#[test]
fn a_pattern_of_folders_is_watched_too() {
    let parvis = with_sites("sites/*/site.toml", "sites/a/site.toml");
    std::fs::create_dir(parvis.folder.join("sites/b")).unwrap();
    // The folder alone is no reason to load anything; its file comes when it has been seen.
    let clock = Clock::start();
    clock.everybody_has_looked();
    parvis.folder.write("sites/b/site.toml", &site("b", "new"));
    until("it is served", || {
        (on_host(&parvis, "b").text() == "new").then_some(())
    });
}

#[test]
fn a_wrong_file_is_reported_once_and_the_old_configuration_stays() {
    let parvis = Parvis::start(&says("one"));
    let clock = Clock::start();
    write(&parvis, &WRONG.replace("watch = false\n", ""));
    until("it is refused", || {
        (parvis.metric(SUCCESS) == 0.0).then_some(())
    });
    clock.everybody_has_looked();
    let log = parvis.log();
    assert_eq!(log.matches("was not reloaded").count(), 1, "{log}");
    assert!(
        log.contains("parvis.toml:") && log.contains("shutdown_grace = 5"),
        "{log}"
    );
    assert_eq!(parvis.metric(GENERATION), 1.0);
    assert_eq!(parvis.get("/").text(), "one");
    let status = parvis.status();
    assert_eq!(status["generation"], 1);
    assert_eq!(status["last_load"]["success"], false);
    let error = status["last_load"]["error"].as_str().unwrap();
    assert!(error.contains("shutdown_grace"), "{error}");
    let before = parvis.metric("parvis_config_last_reload_timestamp_seconds");

    write(&parvis, &says("mended"));
    until_it_says(&parvis, "mended");
    until("it is noted", || {
        (parvis.metric(SUCCESS) == 1.0).then_some(())
    });
    assert_eq!(parvis.metric(GENERATION), 2.0);
    assert!(parvis.metric("parvis_config_last_reload_timestamp_seconds") > before);
    assert_eq!(parvis.status()["last_load"]["error"], Value::Null);
}

#[test]
fn a_reload_by_hand_is_not_repeated_by_the_watch() {
    let parvis = Parvis::start(&says("one"));
    let clock = Clock::start();
    assert_eq!(change(&parvis, &says("two"))["generation"], 2);
    clock.everybody_has_looked();
    assert_eq!(parvis.metric(GENERATION), 2.0);
}

#[test]
fn watching_can_be_turned_off_and_on() {
    let parvis = Parvis::start(&told("one"));
    let clock = Clock::start();
    write(&parvis, &told("two"));
    clock.everybody_has_looked();
    assert_eq!(parvis.get("/").text(), "one");
    assert_eq!(reload(&parvis)["generation"], 2);
    assert_eq!(parvis.get("/").text(), "two");
    // On: from here on by itself.
    change(&parvis, &says("three"));
    write(&parvis, &says("four"));
    until_it_says(&parvis, "four");
    // Off again.
    write(&parvis, &told("five"));
    until_it_says(&parvis, "five");
    write(&parvis, &told("six"));
    clock.everybody_has_looked();
    assert_eq!(parvis.get("/").text(), "five");
}

// All or nothing

#[test]
fn a_wrong_configuration_changes_nothing() {
    let parvis = Parvis::start(&told("one"));
    let mut client = parvis.client();
    assert_eq!(client.get("/").text(), "one");
    let wrong = [
        WRONG.to_string(),
        "not = toml [".to_string(),
        String::new(),
        told("two").replace("respond", "respnd"),
        // Its first half is right.
        told("two") + "[[site]]\nname = \"t\"\n",
    ];
    for (count, wrong) in wrong.iter().enumerate() {
        write(&parvis, wrong);
        let reply = parvis.admin_request("POST", "/reload", "");
        assert_eq!(reply.status, 422, "{wrong}");
        assert_eq!(parvis.metric(SUCCESS), 0.0);
        assert_eq!(parvis.metric(GENERATION), 1.0);
        let log = parvis.log();
        assert_eq!(log.matches("was not reloaded").count(), count + 1, "{log}");
        assert!(log.contains(" ERROR "), "{log}");
        assert_eq!(client.get("/").text(), "one");
        assert_eq!(parvis.get("/").text(), "one");
    }
    // The file is gone.
    std::fs::remove_file(parvis.configuration()).unwrap();
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 422);
    assert!(
        reply.json()["error"]
            .as_str()
            .unwrap()
            .contains("parvis.toml")
    );
    assert_eq!(client.get("/").text(), "one");
    // Mended.
    assert_eq!(change(&parvis, &told("two"))["generation"], 2);
    assert_eq!(parvis.metric(SUCCESS), 1.0);
    assert_eq!(parvis.metric(GENERATION), 2.0);
    assert_eq!(client.get("/").text(), "two");
}

#[test]
fn what_takes_a_restart_is_named_and_the_rest_applies() {
    let with = |threads: u32, admin: &str, listen: &str, text: &str| {
        format!(
            "[server]\nwatch = false\nthreads = {threads}\n[admin]\nlisten = \"{admin}\"\n{}",
            says(text).replace("\"127.0.0.1:0\"", listen)
        )
    };
    let same = "\"127.0.0.1:0\"";
    let parvis = Parvis::start(&with(2, "127.0.0.1:0", same, "one"));
    let mut client = parvis.client();
    // One more listener.
    let both = "\"127.0.0.1:0\", \"127.0.0.1:9\"";
    let result = change(&parvis, &with(2, "127.0.0.1:0", both, "two"));
    assert_eq!(
        result["needs_restart"],
        serde_json::json!(["listening on 127.0.0.1:9"])
    );
    assert_eq!(client.get("/").text(), "two");
    // Another listener, another admin listener, other threads.
    let result = change(
        &parvis,
        &with(3, "127.0.0.1:10", "\"127.0.0.1:9\"", "three"),
    );
    assert_eq!(
        result["needs_restart"],
        serde_json::json!([
            "listening on 127.0.0.1:9",
            "no longer listening on 127.0.0.1:0",
            "admin.listen from 127.0.0.1:0 to 127.0.0.1:10",
            "server.threads from 2 to 3",
        ])
    );
    assert_eq!(result["generation"], 3);
    let log = parvis.log();
    for difference in result["needs_restart"].as_array().unwrap() {
        let difference = difference.as_str().unwrap();
        let warned = |line: &str| line.contains(" WARN ") && line.contains(difference);
        assert!(log.lines().any(warned), "{difference} in {log}");
    }
    // Until the restart the site is served where parvis listens, as it is now.
    assert_eq!(client.get("/").text(), "three");
    assert_eq!(parvis.get("/").text(), "three");
    let result = change(&parvis, &with(2, "off", "\"127.0.0.1:9\"", "four"));
    let difference = "admin.listen from 127.0.0.1:0 to off";
    assert!(
        result["needs_restart"]
            .as_array()
            .unwrap()
            .iter()
            .any(|d| d == difference)
    );
    assert_eq!(client.get("/").text(), "four");
    // All as it was: nothing to name.
    let result = change(&parvis, &with(2, "127.0.0.1:0", same, "five"));
    assert_eq!(result["needs_restart"], serde_json::json!([]));
    assert_eq!(client.get("/").text(), "five");
}

#[test]
fn a_listener_that_is_given_up_serves_its_sites_until_the_restart() {
    let site =
        |name: &str, listen: &str, text: &str| site(name, text).replace("127.0.0.1:0", listen);
    let start = site("a", "127.0.0.1:0", "a") + &site("b", "127.0.0.1:0", "b");
    let server = "[server]\nwatch = false\n";
    let parvis = Parvis::start(&format!("{server}{start}"));
    // `a` moves, and is called otherwise; `b` is gone, `c` is new elsewhere.
    let a = site("a", "127.0.0.1:9", "moved").replace("hosts = [\"a\"]", "hosts = [\"a2\"]");
    let next = format!("{server}{a}{}", site("c", "127.0.0.1:9", "c"));
    change(&parvis, &next);
    assert_eq!(on_host(&parvis, "a2").text(), "moved");
    for host in ["a", "b", "c"] {
        assert_eq!(on_host(&parvis, host).status, 404, "{host}");
    }
    // And over a second reload.
    reload(&parvis);
    assert_eq!(on_host(&parvis, "a2").text(), "moved");
}

// Nobody notices

#[test]
fn a_hundred_reloads_under_load_lose_no_request_and_close_no_connection() {
    const CLIENTS: usize = 64;
    const RELOADS: u64 = 100;
    let backends = [("A", Backend::text("A")), ("B", Backend::text("B"))];
    let configuration = |turn: u64| {
        let (name, backend) = &backends[turn as usize % 2];
        proxies(
            backend,
            &format!("headers = {{ set = {{ \"X-Turn\" = \"{name}\" }} }}"),
        )
    };
    let parvis = Parvis::start(&configuration(0));
    let (over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let connected = Barrier::new(CLIENTS + 1);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (over, served, connected) = (&over, &served, &connected);
            let mut client = parvis.client();
            scope.spawn(move || {
                connected.wait();
                let mut turn = number;
                while !over.load(Ordering::Relaxed) || turn < number + 2 {
                    let reply = match turn % 4 {
                        0 => client.request("POST", "/post", "", &[b'x'; 3000]),
                        _ => client.get(&format!("/{turn}")),
                    };
                    // One configuration from the first byte to the last.
                    let text = reply.text();
                    assert_eq!(reply.status, 200, "{}", reply.head);
                    assert_eq!(reply.field("x-turn").as_deref(), Some(text.as_str()));
                    assert!(text == "A" || text == "B", "{text:?}");
                    assert_eq!(reply.field("connection").as_deref(), Some("keep-alive"));
                    turn += 1;
                }
                served.fetch_add(turn - number, Ordering::Relaxed);
            });
        }
        connected.wait();
        for turn in 1..=RELOADS {
            assert_eq!(
                change(&parvis, &configuration(turn))["generation"],
                turn + 1
            );
        }
        over.store(true, Ordering::Relaxed);
    });
    let served = served.into_inner();
    println!("{served} requests over {RELOADS} reloads");
    assert_eq!(
        parvis.metric("parvis_connections_accepted_total"),
        CLIENTS as f64
    );
    assert_eq!(parvis.metric("parvis_connections_failed_total"), 0.0);
    let arrived: usize = backends.iter().map(|(_, b)| b.requests().len()).sum();
    assert_eq!(arrived, served);
    assert!(backends.iter().all(|(_, b)| !b.requests().is_empty()));
    let log = parvis.log();
    assert!(
        !log.contains("request failed") && !log.contains("panicked"),
        "{log}"
    );
}

#[test]
fn an_open_websocket_goes_on_when_its_route_and_upstream_are_gone() {
    let backend = echoing();
    let parvis = Parvis::start(&proxies(&backend, ""));
    let mut client = open(&parvis);
    echoes(&mut client, "before");
    for turn in 0..3 {
        change(&parvis, &told("no chat any more"));
        echoes(&mut client, &format!("after {turn}"));
    }
    // The new configuration is in force for everybody else.
    let mut late = parvis.client();
    late.send(ASK);
    assert_eq!(late.reply().text(), "no chat any more");
    echoes(&mut client, &"x".repeat(100_000));
    assert_eq!(parvis.metric(OPEN), 1.0);
    assert_eq!(backend.connections(), 1);
}

#[test]
fn an_open_websocket_keeps_the_idle_timeout_it_started_with() {
    let backend = echoing();
    let parvis = Parvis::start(&proxies(&backend, "idle_timeout = \"1h\""));
    let mut old = open(&parvis);
    change(&parvis, &proxies(&backend, "idle_timeout = \"600ms\""));
    // Nobody says anything until the new ones have ended: the old one has been silent for longer.
    for _ in 0..2 {
        let mut new = open(&parvis);
        assert!(new.is_closed());
    }
    echoes(&mut old, "still here");
    assert_eq!(parvis.metric(OPEN), 1.0);
}

#[test]
fn a_request_ends_on_the_configuration_it_started_with() {
    let (asked, began) = channel();
    let (go, wait) = channel::<()>();
    let (asked, wait) = (Mutex::new(asked), Mutex::new(wait));
    let old = Backend::raw(move |app| {
        while app.head().is_some() {
            asked.lock().unwrap().send(()).unwrap();
            wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold";
            app.send(answer);
        }
    });
    let new = Backend::text("new");
    let header = |n: u32| format!("headers = {{ set = {{ \"X-Turn\" = \"{n}\" }} }}");
    let parvis = Parvis::start(&proxies(&old, &header(1)));
    let mut slow = parvis.client();
    slow.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    began.recv_timeout(PATIENCE).unwrap();
    change(&parvis, &proxies(&new, &header(2)));
    let reply = parvis.get("/");
    assert_eq!(
        (reply.text().as_str(), reply.field("x-turn").as_deref()),
        ("new", Some("2"))
    );
    go.send(()).unwrap();
    let reply = slow.reply();
    assert_eq!(
        (reply.text().as_str(), reply.field("x-turn").as_deref()),
        ("old", Some("1"))
    );
    // The next one on the same connection is of the new time.
    let reply = slow.get("/");
    assert_eq!(
        (reply.text().as_str(), reply.field("x-turn").as_deref()),
        ("new", Some("2"))
    );
}

#[test]
fn an_upload_ends_on_the_configuration_it_started_with() {
    let (old, new) = (Backend::text("old"), Backend::text("new"));
    let parvis = Parvis::start(&proxies(&old, "max_body = \"1MiB\""));
    let mut client = parvis.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n");
    client.send([b'x'; 50_000]);
    until("the app is asked", || {
        (old.connections() == 1).then_some(())
    });
    change(&parvis, &proxies(&new, "max_body = \"1KiB\""));
    assert_eq!(
        parvis
            .client()
            .request("POST", "/", "", &[b'x'; 2000])
            .status,
        413
    );
    client.send([b'x'; 50_000]);
    assert_eq!(client.reply().text(), "old");
    assert_eq!(old.last().body.len(), 100_000);
    assert_eq!(client.get("/").text(), "new");
}

#[test]
fn open_connections_take_new_limits_and_time_outs() {
    let with = |server: &str| told("ok").replace("[server]\n", &format!("[server]\n{server}\n"));
    let parvis = Parvis::start(&with(""));
    let mut client = parvis.client();
    let long = format!("/{}", "x".repeat(1000));
    assert_eq!(client.get(&long).status, 200);
    change(&parvis, &with("max_uri = \"500\""));
    assert_eq!(client.get(&long).status, 414);
    // An idle connection is closed by the time-out that was in force when it became idle.
    let mut client = parvis.client();
    change(&parvis, &with("keepalive_timeout = \"300ms\""));
    assert_eq!(client.get("/").status, 200);
    assert!(client.is_closed());
}

#[test]
fn the_health_of_servers_is_kept() {
    let sound = std::sync::Arc::new(AtomicBool::new(false));
    let health = sound.clone();
    let backend = Backend::http(move |request| {
        let bad = request.target == "/health" && !health.load(Ordering::SeqCst);
        let status = if bad { "503 Bad" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\napp").into_bytes()
    });
    let with = |interval: &str| {
        proxies(&backend, "").replace(
            "[[site]]",
            &format!(
                "[upstream.app.health]\npath = \"/health\"\ninterval = \"{interval}\"\n\
                 timeout = \"10s\"\nunhealthy_after = 2\n[[site]]"
            ),
        )
    };
    let parvis = Parvis::start(&with("20ms"));
    let up = || parvis.status()["upstreams"][0]["servers"][0]["up"].clone();
    until("the server is down", || (up() == false).then_some(()));
    assert_eq!(parvis.get("/").status, 503);
    let series = format!(
        "parvis_upstream_server_up{{server=\"{}\",upstream=\"app\"}}",
        backend.address()
    );
    // From now on an hour passes between two checks: what was not kept would not be found out.
    for _ in 0..3 {
        change(&parvis, &with("1h"));
        assert_eq!(up(), false);
        assert_eq!(parvis.get("/").status, 503);
        assert_eq!(parvis.metric(&series), 0.0);
    }
    // And it gets well again.
    sound.store(true, Ordering::SeqCst);
    change(&parvis, &with("20ms"));
    until("the server is up", || (up() == true).then_some(()));
    assert_eq!(parvis.get("/").text(), "app");
    // A server that is checked no more is not down for ever.
    sound.store(false, Ordering::SeqCst);
    until("the server is down", || (up() == false).then_some(()));
    change(&parvis, &proxies(&backend, ""));
    assert_eq!(parvis.get("/").text(), "app");
}

#[test]
fn the_work_of_the_old_configuration_ends() {
    let (old, other) = (Backend::text("old"), Backend::text("other"));
    let checked = |backends: &[&Backend]| {
        let mut text = told("ok");
        for (number, backend) in backends.iter().enumerate() {
            text += &format!(
                "[upstream.u{number}]\nservers = [\"{}\"]\n\
                 health = {{ path = \"/health\", interval = \"20ms\" }}\n",
                backend.address()
            );
        }
        text
    };
    let parvis = Parvis::start(&checked(&[&other, &old]));
    until("it is checked", || (old.connections() > 3).then_some(()));
    change(&parvis, &checked(&[&other]));
    // One check may have been under way.
    let (at_reload, start) = (old.connections(), other.connections());
    until("the other is checked on", || {
        (other.connections() > start + 20).then_some(())
    });
    assert!(old.connections() <= at_reload + 1);
}

#[test]
fn reloads_leave_nothing_behind() {
    let parvis = Parvis::start(&told("ok"));
    let count = |what: &str| {
        let folder = format!("/proc/{}/{what}", parvis.pid());
        std::fs::read_dir(folder).unwrap().count()
    };
    // The thread that loads is there after the first.
    reload(&parvis);
    assert_eq!(parvis.get("/").text(), "ok");
    let before = (count("task"), count("fd"));
    for _ in 0..50 {
        reload(&parvis);
        assert_eq!(parvis.get("/").text(), "ok");
    }
    // Connections that were just closed take a moment.
    until("all is as it was", || {
        let now = (count("task"), count("fd"));
        (now.0 <= before.0 && now.1 <= before.1).then_some(())
    });
}

#[test]
fn reloads_that_overlap_happen_one_after_the_other() {
    const THREADS: u64 = 6;
    const EACH: u64 = 4;
    // Large enough that one takes a while.
    let mut text = told("ok");
    for number in 0..1000 {
        text += &format!(
            "[[site.route]]\npath = \"/r{number}/*\"\nrespond = {{ body = \"{number}\" }}\n"
        );
    }
    let parvis = Parvis::start(&text);
    let generations = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let generation = reload(&parvis)["generation"].as_u64().unwrap();
                    generations.lock().unwrap().push(generation);
                    assert_eq!(parvis.get("/r999/").text(), "999");
                }
            });
        }
    });
    let mut generations = generations.into_inner().unwrap();
    generations.sort_unstable();
    assert_eq!(generations, (2..2 + THREADS * EACH).collect::<Vec<_>>());
    assert_eq!(parvis.metric(GENERATION), (1 + THREADS * EACH) as f64);
}

#[test]
fn a_client_that_goes_while_its_reload_runs_leaves_all_sound() {
    let parvis = Parvis::start(&told("one"));
    write(&parvis, &told("two"));
    for _ in 0..20 {
        let mut stream = TcpStream::connect(parvis.admin()).unwrap();
        stream
            .write_all(b"POST /reload HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
    }
    change(&parvis, &told("three"));
    assert_eq!(parvis.get("/").text(), "three");
    assert_eq!(parvis.metric(SUCCESS), 1.0);
}

// Sizes

#[test]
fn ten_thousand_routes_on_a_thousand_hosts_reload() {
    let folder = Folder::new();
    let sites = |folder: &Folder, text: &str| {
        for file in 0..10 {
            let mut all = String::new();
            for host in file * 100..file * 100 + 100 {
                all += &format!(
                    "[[site]]\nname = \"s{host}\"\nhosts = [\"h{host}\"]\nlisten = [\"127.0.0.1:0\"]\n"
                );
                for route in 0..10 {
                    all += &format!(
                        "[[site.route]]\npath = \"/r{route}/*\"\n\
                         respond = {{ body = \"{text} {host} {route}\" }}\n"
                    );
                }
            }
            folder.write(&format!("sites/{file}.toml"), &all);
        }
    };
    sites(&folder, "one");
    let main = "include = [\"sites/*.toml\"]\n[server]\nwatch = false\n";
    let parvis = Parvis::start_in(folder, main, &[]);
    let mut client = parvis.client();
    let mut ask = |host: u32, route: u32| {
        client.send(format!("GET /r{route}/x HTTP/1.1\r\nHost: h{host}\r\n\r\n"));
        client.reply().text()
    };
    assert_eq!(ask(999, 9), "one 999 9");
    sites(&parvis.folder, "two");
    let began = Instant::now();
    let result = reload(&parvis);
    // A debug build says nothing of how fast it is: benches/routing.rs does.
    println!(
        "reloaded in {} ms, answered in {:?}",
        result["duration_ms"],
        began.elapsed()
    );
    assert_eq!(result["generation"], 2);
    assert!(result["duration_ms"].as_f64().unwrap() > 0.0);
    for (host, route) in [(0, 0), (500, 5), (999, 9)] {
        assert_eq!(ask(host, route), format!("two {host} {route}"));
    }
    let seconds = parvis.metric("parvis_config_last_reload_duration_seconds");
    assert!(seconds > 0.0 && seconds < began.elapsed().as_secs_f64());
    // Requests are answered while it loads.
    let open = AtomicUsize::new(0);
    let done = AtomicBool::new(false);
    let slowest = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut client = parvis.client();
            let mut slowest = Duration::ZERO;
            while !done.load(Ordering::SeqCst) {
                let began = Instant::now();
                client.send("GET /r1/x HTTP/1.1\r\nHost: h1\r\n\r\n");
                assert_eq!(client.reply().text(), "two 1 1");
                slowest = slowest.max(began.elapsed());
                open.fetch_add(1, Ordering::SeqCst);
            }
            slowest
        });
        reload(&parvis);
        done.store(true, Ordering::SeqCst);
        asking.join().unwrap()
    });
    println!(
        "{} requests meanwhile, the slowest in {slowest:?}",
        open.load(Ordering::SeqCst)
    );
    assert!(open.load(Ordering::SeqCst) > 1);
}

// Logs

#[test]
fn the_access_log_follows_the_configuration() {
    let with = |log: &str| format!("[log]\n{log}\n{}", told("ok"));
    let parvis = Parvis::start(&with("access = \"off\""));
    let lines = |file: &str, count: usize| {
        until(&format!("{file} has {count} lines"), || {
            let text = parvis.folder.read(file);
            (text.lines().count() == count && text.ends_with('\n')).then_some(text)
        })
    };
    let mut client = parvis.client();
    client.get("/off");
    change(&parvis, &with("access = \"@DIR/a.log\""));
    client.get("/a1");
    client.get("/a2");
    let text = lines("a.log", 2);
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["path"], "/a1");
    // Another file in another format.
    change(
        &parvis,
        &with("access = \"@DIR/b.log\"\nformat = \"combined\""),
    );
    client.get("/b1");
    let text = lines("b.log", 1);
    assert!(text.contains("\"GET /b1 HTTP/1.1\" 200"), "{text}");
    change(&parvis, &with("access = \"stdout\""));
    client.get("/out");
    until("it is on standard output", || {
        parvis.output().contains("/out").then_some(())
    });
    change(&parvis, &with("access = \"off\""));
    client.get("/off");
    change(&parvis, &with("access = \"@DIR/a.log\""));
    client.get("/a3");
    // Appended.
    assert!(lines("a.log", 3).lines().nth(2).unwrap().contains("/a3"));
    assert_eq!(lines("b.log", 1).lines().count(), 1);
    assert!(!parvis.output().contains("/off"));
    assert_eq!(parvis.metric("parvis_log_dropped_total"), 0.0);
}

#[test]
fn no_line_is_lost_when_the_file_changes() {
    const TURNS: usize = 10;
    let with = |file: usize| format!("[log]\naccess = \"@DIR/{file}.log\"\n{}", told("ok"));
    let parvis = Parvis::start(&with(0));
    let mut client = parvis.client();
    for turn in 1..=TURNS {
        // The line of this request may still wait in a buffer when the file changes.
        client.get(&format!("/{turn}"));
        change(&parvis, &with(turn));
    }
    let all = until("all lines are written", || {
        let files = (0..=TURNS).map(|file| parvis.folder.read(&format!("{file}.log")));
        let all: String = files.collect();
        (all.lines().count() >= TURNS).then_some(all)
    });
    for turn in 1..=TURNS {
        let path = format!("\"path\":\"/{turn}\"");
        assert_eq!(all.matches(&path).count(), 1, "{turn} in {all}");
    }
    assert_eq!(parvis.metric("parvis_log_dropped_total"), 0.0);
}

#[test]
fn a_log_that_cannot_be_written_is_refused() {
    let parvis = Parvis::start(&told("one"));
    write(
        &parvis,
        &format!("[log]\naccess = \"@DIR/no/such/a.log\"\n{}", told("two")),
    );
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 422);
    assert!(reply.json()["error"].as_str().unwrap().contains("a.log"));
    assert_eq!(parvis.get("/").text(), "one");
}

#[test]
fn the_level_of_the_log_changes() {
    let with = |level: &str| {
        format!(
            "[log]\naccess = \"off\"\nlevel = \"{level}\"\n{}",
            told("ok")
        )
    };
    let parvis = Parvis::start(&with("info"));
    // What is said at level info when a reload is over is said by the new level.
    for level in ["info", "error", "info", "warn", "debug"] {
        change(&parvis, &with(level));
    }
    let log = parvis.log();
    let said = |generation: u32| {
        log.contains(&format!("generation={generation} "))
            || log.contains(&format!("generation={generation}\n"))
    };
    assert_eq!(
        [2, 3, 4, 5, 6].map(said),
        [true, false, true, false, true],
        "{log}"
    );
}
