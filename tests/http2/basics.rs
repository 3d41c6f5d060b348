//! What HTTP/1 has tests for in full, seen over HTTP/2.

use crate::support::{Client, Folder, Parvis};
use crate::*;
use std::process::Command;

/// Every kind of answer, beside an app.
const ROUTES: &str = "\
    [[site.route]]\npath = \"/own\"\nrespond = { body = \"own\" }\n\
    [[site.route]]\npath = \"/nothing\"\nrespond = { status = 204 }\n\
    [[site.route]]\npath = \"/moved\"\nredirect = { to = \"/own\", status = 301 }\n\
    [[site.route]]\npath = \"/files/*\"\nfiles = { root = \"@DIR/files\" }\n";

fn with_files(files: &[(&str, Vec<u8>)]) -> Edge {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.join("files")).unwrap();
    for (name, content) in files {
        std::fs::write(folder.join("files").join(name), content).unwrap();
    }
    let backend = telling();
    let configuration = configuration(&backend, LOG, ROUTES);
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    Edge { parvis, backend }
}

/// Bytes that repeat nowhere near.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn methods_reach_the_app_and_answers_the_client() {
    let edge = edge(telling());
    let mut client = edge.client();
    for method in ["GET", "OPTIONS", "DELETE", "BREW"] {
        let stream = client.ask(method, "/a?b=c", &[], true);
        assert_eq!(
            client.answer(stream).whole().text(),
            format!("{method} /a?b=c ")
        );
    }
    for method in ["POST", "PUT", "PATCH"] {
        let stream = client.ask(method, "/", &[("content-length", "4")], false);
        client.data(stream, b"body", true);
        assert_eq!(
            client.answer(stream).whole().text(),
            format!("{method} / body")
        );
    }
    let request = edge.backend.last();
    assert_eq!(request.line, "PATCH / HTTP/1.1");
    assert_eq!(request.field("host").as_deref(), Some("test"));
    assert_eq!(request.field("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(
        request.field("x-forwarded-for").as_deref(),
        Some("127.0.0.1")
    );
}

#[test]
fn answers_without_a_body_end_with_their_heads() {
    let edge = with_files(&[("a.txt", b"file".to_vec())]);
    let mut client = edge.client();
    let nothing = client.get("/nothing");
    assert_eq!((nothing.status, nothing.text().as_str()), (204, ""));
    let stream = client.ask("HEAD", "/own", &[], true);
    let head = client.answer(stream).whole();
    assert_eq!(
        (head.status, head.field("content-length")),
        (200, Some("3"))
    );
    assert!(head.body.is_empty());
    let moved = client.get("/moved");
    assert_eq!((moved.status, moved.field("location")), (301, Some("/own")));
    let file = client.get("/files/a.txt");
    assert_eq!((file.status, file.text().as_str()), (200, "file"));
    let etag = file.field("etag").unwrap();
    let same = client.get_with("/files/a.txt", &[("if-none-match", etag)]);
    assert_eq!((same.status, same.text().as_str()), (304, ""));
    let part = client.get_with("/files/a.txt", &[("range", "bytes=1-2")]);
    assert_eq!((part.status, part.text().as_str()), (206, "il"));
    assert_eq!(part.field("content-range"), Some("bytes 1-2/4"));
    assert_eq!(client.get("/files/none").status, 404);
    assert_eq!(client.get("/own").text(), "own");
    for answer in [nothing, head, moved, file, same, part] {
        for field in ["connection", "keep-alive", "transfer-encoding", "upgrade"] {
            assert_eq!(answer.field(field), None, "{answer:?}");
        }
    }
}

#[test]
fn a_large_file_comes_byte_by_byte() {
    let content = noise(20_000_000);
    let edge = with_files(&[("large.bin", content.clone())]);
    let mut client = edge.client();
    let answer = client.get("/files/large.bin");
    assert_eq!(answer.field("content-length"), Some("20000000"));
    assert!(answer.body == content, "it is not the file");
    let part = client.get_with("/files/large.bin", &[("range", "bytes=1000000-3999999")]);
    assert!(part.body == content[1_000_000..4_000_000]);
    // The same by a client with the smallest of windows that still gets on.
    let mut client = Http2::connect_with(edge.parvis.address(), &[(4, 1_000)]);
    let part = client.get_with("/files/large.bin", &[("range", "bytes=5-100004")]);
    assert!(part.body == content[5..100_005]);
}

#[test]
fn answers_are_compressed_as_ever() {
    let text = "a line that is said again and again\n".repeat(1_000);
    let edge = with_files(&[("a.txt", text.clone().into_bytes())]);
    let url = format!("http://{}/files/a.txt", edge.parvis.address());
    for coding in ["gzip", "br", "zstd"] {
        let output = Command::new("curl")
            .args(["-sS", "--http2-prior-knowledge", "--compressed", "-D", "-"])
            .args(["-H", &format!("Accept-Encoding: {coding}"), &url])
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let (head, body) = output.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/2 200"), "{head}");
        assert!(
            head.contains(&format!("content-encoding: {coding}")),
            "{head}"
        );
        assert!(body == text, "{coding}: it is not the text");
    }
}

#[test]
fn the_log_and_the_metrics_count_them() {
    let edge = with_files(&[]);
    let mut client = edge.client();
    client.get("/app?x");
    client.get("/own");
    let lines = edge.lines(2);
    let app = lines.iter().find(|line| line["path"] == "/app").unwrap();
    assert_eq!(app["protocol"], "HTTP/2.0", "{app}");
    assert_eq!(
        (&app["status"], &app["method"]),
        (&200.into(), &"GET".into())
    );
    // HTTP/1 on the same listener is still HTTP/1.
    edge.parvis.get("/one");
    let lines = edge.lines(3);
    let one = lines.iter().find(|line| line["path"] == "/one").unwrap();
    assert_eq!(one["protocol"], "HTTP/1.1", "{one}");
}

#[test]
fn a_listener_without_h2c_does_not_speak_it() {
    let parvis = Parvis::start(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nrespond = { body = \"own\" }\n",
    );
    let mut client = parvis.client();
    client.send(support::http2::PREFACE);
    assert_eq!(client.reply().status, 505);
}

#[test]
fn http_1_is_spoken_beside_it_however_it_is_cut() {
    let edge = edge(telling());
    for bytes in ["PRI", "PUT", "POST", "P"] {
        let mut client = Client::connect(edge.parvis.address());
        let request = format!("{bytes} /x HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
        // The first bytes are those of HTTP/2's preface, and come alone.
        let (first, rest) = request.split_at(1);
        client.send(first);
        client.send(rest);
        assert_eq!(client.reply().text(), format!("{bytes} /x "));
    }
}

/// A client's whole run.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| {
        panic!("{program}: {e}; run `tests/run --install`, which installs nghttp2-client")
    });
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{program}: {said}");
    said
}

#[test]
fn nghttp_and_h2load_are_served() {
    let edge = with_files(&[("large.bin", noise(3_000_000))]);
    let base = format!("http://{}", edge.parvis.address());
    let saved = edge.parvis.folder.join("saved");
    let output = Command::new("nghttp")
        .arg(format!("{base}/files/large.bin"))
        .stdout(std::fs::File::create(&saved).unwrap())
        .status();
    assert!(output.expect("nghttp: run `tests/run --install`").success());
    assert!(std::fs::read(&saved).unwrap() == noise(3_000_000));
    // More at a time than are taken: the client waits.
    let said = run(
        "h2load",
        &[
            "-n",
            "5000",
            "-c",
            "10",
            "-m",
            "300",
            &format!("{base}/own"),
            &format!("{base}/x"),
        ],
    );
    let expected = "5000 succeeded, 0 failed, 0 errored, 0 timeout";
    assert!(said.contains(expected), "{said}");
    assert!(said.contains("5000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{said}");
}
