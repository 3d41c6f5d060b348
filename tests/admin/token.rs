//! Who may ask.

use crate::support::{Client, Folder, Parvis};
use crate::{OWN, site, status_of};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

fn token_is_needed(parvis: &Parvis, token: &str) {
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/status"),
        ("POST", "/reload"),
        ("GET", "/reload"),
        ("GET", "/nowhere"),
        ("GET", "/health/"),
        ("GET", "//health"),
    ] {
        let longer = format!("Bearer {token}x");
        let shorter = format!("Bearer {}", &token[1..]);
        let basic = format!("Basic {token}");
        let wrong = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            token,
            &longer,
            &shorter,
            &basic,
            "Bearer\t",
        ];
        for given in wrong {
            let fields = match given {
                "" => String::new(),
                _ => format!("Authorization: {given}\r\n"),
            };
            let reply = parvis.admin_request(method, path, &fields);
            assert_eq!(reply.status, 401, "{method} {path} {given:?}");
            assert_eq!(reply.field("www-authenticate").as_deref(), Some("Bearer"));
            assert!(!reply.text().contains(token), "{}", reply.text());
        }
    }
    assert_eq!(status_of(parvis, "GET", "/health", ""), 200);
    assert_eq!(
        status_of(parvis, "GET", "/health", "Authorization: Bearer wrong\r\n"),
        200
    );
    let generation = parvis.admin_request(
        "GET",
        "/status",
        &format!("Authorization: Bearer {token}\r\n"),
    );
    assert_eq!(
        generation.json()["generation"],
        1,
        "a refused reload reloaded"
    );
    for scheme in ["Bearer", "bearer", "BEARER", "BeArEr"] {
        for (method, path) in [
            ("GET", "/metrics"),
            ("GET", "/status"),
            ("POST", "/reload"),
            ("GET", "/"),
        ] {
            let fields = format!("Authorization: {scheme} {token}\r\n");
            assert_eq!(
                status_of(parvis, method, path, &fields),
                200,
                "{scheme} {path}"
            );
        }
    }
    assert!(!parvis.log().contains(token), "the token is in the log");
}

#[test]
fn with_a_token_in_the_file_everything_but_health_needs_it() {
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"s3cret-t0ken\"\n";
    token_is_needed(
        &Parvis::start(&format!("{admin}{}{OWN}", site(""))),
        "s3cret-t0ken",
    );
}

#[test]
fn a_token_may_come_from_the_environment() {
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"PARVIS_TEST_TOKEN\" }\n";
    let configuration = format!("{admin}{}{OWN}", site(""));
    let environment = [("PARVIS_TEST_TOKEN", "from-the-env")];
    let parvis = Parvis::start_in(Folder::new(), &configuration, &environment);
    token_is_needed(&parvis, "from-the-env");
}

#[test]
fn a_token_may_come_from_a_file_and_change_with_a_reload() {
    let folder = Folder::new();
    folder.write("token", "from-a-file\n");
    let admin = "[server]\nwatch = false\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = { file = \"token\" }\n";
    let parvis = Parvis::start_in(folder, &format!("{admin}{}{OWN}", site("")), &[]);
    token_is_needed(&parvis, "from-a-file");
    parvis.folder.write("token", "another\n");
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(
        status_of(&parvis, "POST", "/reload", &with("from-a-file")),
        200
    );
    assert_eq!(
        status_of(&parvis, "GET", "/status", &with("from-a-file")),
        401
    );
    assert_eq!(status_of(&parvis, "GET", "/status", &with("another")), 200);
}

fn ended(configuration: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = Folder::new();
    Parvis::write_configuration(&folder, configuration);
    let child = Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["run", "-c"])
        .arg(folder.join("parvis.toml"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output().unwrap()));
    let output = wait
        .recv_timeout(crate::support::PATIENCE)
        .unwrap_or_else(|_| {
            let _ = Command::new("kill").arg(pid.to_string()).status();
            panic!("it did not end: {configuration}")
        });
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn an_interface_that_others_can_reach_does_not_start_without_a_token() {
    for address in [
        "0.0.0.0:0",
        "[::]:0",
        "192.0.2.1:9180",
        "[::ffff:192.0.2.1]:0",
    ] {
        for token in [
            "",
            "token = \"\"",
            "token = { env = \"PARVIS_TEST_NONE\", default = \"\" }",
        ] {
            let admin = format!("[admin]\nlisten = \"{address}\"\n{token}\n");
            let (code, said) = ended(&format!("{admin}{}{OWN}", site("")), &[]);
            assert_eq!(code, Some(2), "{address} {token}: {said}");
            assert!(
                said.contains("has no token") && said.contains("can be reached"),
                "{said}"
            );
            assert!(
                said.contains(":2:") || said.contains(":3:") || said.contains(":4:"),
                "{said}"
            );
            assert!(said.contains("help:") || said.contains("token ="), "{said}");
        }
    }
    let admin = "[admin]\nlisten = \"0.0.0.0:0\"\ntoken = { env = \"PARVIS_TEST_NONE\" }\n";
    let (code, said) = ended(&format!("{admin}{}{OWN}", site("")), &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("PARVIS_TEST_NONE"), "{said}");
}

#[test]
fn an_interface_that_others_can_reach_starts_with_a_token() {
    let admin = "[admin]\nlisten = \"0.0.0.0:0\"\ntoken = \"t\"\n";
    let parvis = Parvis::start(&format!("{admin}{}{OWN}", site("")));
    let address = SocketAddr::from(([127, 0, 0, 1], parvis.admin().port()));
    let ask = |path: &str, fields: &str| {
        let mut client = Client::connect(address);
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"
        ));
        client.reply().status
    };
    assert_eq!(ask("/health", ""), 200);
    assert_eq!(ask("/status", ""), 401);
    assert_eq!(ask("/status", "Authorization: Bearer t\r\n"), 200);
}

#[test]
fn a_loopback_interface_needs_no_token() {
    for address in ["127.0.0.1:0", "127.1.2.3:0"] {
        let admin = format!("[admin]\nlisten = \"{address}\"\n");
        let parvis = Parvis::start(&format!("{admin}{}{OWN}", site("")));
        assert_eq!(status_of(&parvis, "GET", "/status", ""), 200, "{address}");
    }
}
