//! Servers known by their names.

use crate::support::{Backend, Folder, Parvis, until};
use crate::{app, at, errors};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A library that answers look-ups from a folder, and counts them: a file of the name has its
/// address, `wait` in it hangs, and a name without a file does not exist. There is no other way to
/// have a resolver that does as it is told without being root.
fn resolver() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let library = folder.join("names.so");
        let own = |kind: &str| folder.join(format!("names-{}.{kind}", std::process::id()));
        let (source, made) = (own("c"), own("so"));
        std::fs::write(&source, RESOLVER).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&made)
            .arg(&source)
            .arg("-ldl")
            .status()
            .expect("a C compiler: parvis's own dependencies need one");
        assert!(compiled.success());
        std::fs::remove_file(source).unwrap();
        // Another run of the tests may be using it: it is replaced whole.
        std::fs::rename(made, &library).unwrap();
        library
    })
}

const RESOLVER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    char path[4096], address[64] = {0};
    snprintf(path, sizeof path, "%s/calls", getenv("PARVIS_TEST_NAMES"));
    int calls = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(calls, "%s\n", name);
    close(calls);
    snprintf(path, sizeof path, "%s/%s", getenv("PARVIS_TEST_NAMES"), name);
    int file = open(path, O_RDONLY);
    if (file < 0) return EAI_NONAME;
    ssize_t n = read(file, address, sizeof address - 1);
    close(file);
    if (n < 0) return EAI_AGAIN;
    if (strcmp(address, "wait") == 0) sleep(3600);
    return next(address, service, hints, found);
}
"#;

/// Starts with look-ups answered from the folder `names` in its folder.
fn with_names(names: &[(&str, &str)], configuration: &str) -> Parvis {
    let folder = Folder::new();
    folder.write("names/localhost", "127.0.0.1");
    for (name, address) in names {
        folder.write(&format!("names/{name}"), address);
    }
    let path = folder.join("names");
    Parvis::start_as(folder, configuration, |command| {
        command.env("LD_PRELOAD", resolver());
        command.env("PARVIS_TEST_NAMES", path);
    })
}

/// Look-ups of a name so far.
fn lookups(parvis: &Parvis, name: &str) -> usize {
    let calls = parvis.folder.read("names/calls");
    calls.lines().filter(|line| *line == name).count()
}

#[test]
fn no_name_is_looked_up_for_a_request() {
    let backend = Backend::text("named");
    let name = format!("app.test:{}", backend.address().port());
    let parvis = with_names(&[("app.test", "127.0.0.1")], &app(&[at(name)], ""));
    let before = lookups(&parvis, "app.test");
    assert!(
        before >= 1,
        "it was never looked up: the test's resolver was not asked"
    );
    for _ in 0..100 {
        // Each on a connection of its own, to the app too.
        assert_eq!(parvis.get("/").text(), "named");
        let reply = parvis
            .client()
            .request("GET", "/", "Connection: close\r\n", b"");
        assert_eq!(reply.status, 200);
    }
    let after = lookups(&parvis, "app.test");
    // The background may have looked once meanwhile.
    assert!(
        after - before <= 1,
        "{} look-ups in 200 requests",
        after - before
    );
}

#[test]
fn a_name_without_an_address_is_passed_over_and_used_once_it_has_one() {
    let backends = [Backend::text("named"), Backend::text("other")];
    let name = format!("late.test:{}", backends[0].address().port());
    let servers = [at(&name), at(backends[1].address())];
    let parvis = with_names(&[], &app(&servers, ""));
    for _ in 0..10 {
        assert_eq!(parvis.get("/").text(), "other");
    }
    until("it is said", || {
        parvis.log().contains("has no address").then_some(())
    });
    assert_eq!(
        parvis.status()["upstreams"][0]["servers"][0]["resolved"],
        serde_json::Value::Null
    );
    parvis.folder.write("names/late.test", "127.0.0.1");
    until("it serves", || {
        (parvis.get("/").text() == "named").then_some(())
    });
}

#[test]
fn when_no_server_has_an_address_the_answer_is_502_at_once() {
    let configuration = app(&[at("gone.test:80"), at("gone2.test:80")], "");
    let parvis = with_names(&[], &configuration);
    let began = Instant::now();
    for n in 1..=3 {
        assert_eq!(parvis.get("/").status, 502);
        assert_eq!(errors(&parvis, "no_address"), f64::from(n));
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_resolver_that_hangs_holds_up_neither_requests_nor_reloads_nor_the_end() {
    let backend = Backend::text("app");
    let servers = [at("stuck.test:80"), at(backend.address())];
    let mut parvis = with_names(&[("stuck.test", "wait")], &app(&servers, ""));
    for _ in 0..10 {
        assert_eq!(parvis.get("/").text(), "app");
    }
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    assert_eq!(parvis.get("/").text(), "app");
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn a_name_that_is_lost_keeps_its_last_address() {
    let backend = Backend::text("named");
    let name = format!("lost.test:{}", backend.address().port());
    let configuration = app(&[at(&name)], "");
    let parvis = with_names(&[("lost.test", "127.0.0.1")], &configuration);
    assert_eq!(parvis.get("/").text(), "named");
    std::fs::remove_file(parvis.folder.join("names/lost.test")).unwrap();
    // A reload looks names up again.
    let before = lookups(&parvis, "lost.test");
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    until("it was looked up", || {
        (lookups(&parvis, "lost.test") > before).then_some(())
    });
    assert_eq!(parvis.get("/").text(), "named");
}
