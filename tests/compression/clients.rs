//! Clients as people use them: curl, Python's requests and httpx, and a browser each decode what
//! they get.

use crate::bodies::prose;
use crate::round_trips::{LENGTHS, bodies, body_of};
use crate::support::browser::chromium;
use crate::support::{Backend, Folder, until};
use crate::{CODINGS, Edge, edge, edge_with, same};
use std::process::{Command, Output, Stdio};

/// Runs a program that the tests need.
fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("{program}: {error}: run `tests/run --install`, which installs it")
        });
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The last `Content-Encoding` of a head that curl wrote down.
fn coding_in(head: &str) -> String {
    let encoding = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let found = name.eq_ignore_ascii_case("content-encoding");
        found.then(|| value.trim().to_string())
    };
    let found = head.lines().filter_map(encoding).next_back();
    found.unwrap_or_else(|| "identity".to_string())
}

fn curl(edge: &Edge, folder: &Folder, path: &str, more: &[&str]) -> (String, Vec<u8>) {
    let url = format!("http://{}{path}", edge.parvis.address());
    let (head, body) = (folder.join("head"), folder.join("body"));
    let mut arguments = vec!["-sS", "--fail", "--max-time", "60", "--compressed"];
    arguments.extend(more);
    arguments.extend(["-D", head.to_str().unwrap(), "-o", body.to_str().unwrap()]);
    arguments.push(&url);
    // An empty body makes no file.
    let _ = std::fs::remove_file(&body);
    run("curl", &arguments);
    let body = std::fs::read(&body).unwrap_or_default();
    (coding_in(&folder.read("head")), body)
}

#[test]
fn curl_decodes_every_coding_that_it_knows() {
    let edge = edge(bodies());
    let folder = Folder::new();
    let version = run("curl", &["--version"]).stdout;
    let version = String::from_utf8(version).unwrap();
    let features = version
        .lines()
        .find_map(|line| line.strip_prefix("Features: "));
    let features: Vec<&str> = features.unwrap().split(' ').collect();
    let known: Vec<&str> = [("br", "brotli"), ("zstd", "zstd"), ("gzip", "libz")]
        .into_iter()
        .filter(|(_, feature)| features.contains(feature))
        .map(|(coding, _)| coding)
        .collect();
    assert!(
        known.contains(&"gzip"),
        "this curl decodes nothing: {version}"
    );
    println!("curl knows {known:?}");
    for length in LENGTHS {
        for kind in ["text", "noise"] {
            let path = format!("/{kind}/{length}");
            let sent = body_of(&path);
            let (coding, body) = curl(&edge, &folder, &path, &[]);
            let expected = if length < 800 { "identity" } else { known[0] };
            assert_eq!(coding, expected, "{path}");
            same(&path, &body, &sent);
            for accepted in &known {
                let field = format!("Accept-Encoding: {accepted}");
                let (coding, body) = curl(&edge, &folder, &path, &["-H", &field]);
                let expected = if length < 800 { "identity" } else { accepted };
                assert_eq!(coding, expected, "{path}");
                same(&format!("{path} in {accepted}"), &body, &sent);
            }
        }
    }
    // And without keeping the connection, as HTTP/1.0 does.
    let path = "/text/65537";
    for accepted in &known {
        let field = format!("Accept-Encoding: {accepted}");
        let (coding, body) = curl(&edge, &folder, path, &["--http1.0", "-H", &field]);
        assert_eq!(coding, *accepted);
        same(&format!("HTTP/1.0 {accepted}"), &body, &body_of(path));
    }
}

/// Each line of the script's output: the client, the coding asked for, the path, the coding got,
/// and the file that has what the client decoded.
#[test]
fn pythons_clients_decode_every_coding() {
    let edge = edge(bodies());
    let folder = Folder::new();
    let python = std::env::var("PARVIS_TEST_PYTHON")
        .unwrap_or_else(|_| format!("{}/target/venv/bin/python", env!("CARGO_MANIFEST_DIR")));
    let base = format!("http://{}", edge.parvis.address());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/site/fetch");
    let paths = LENGTHS.map(|length| [format!("/text/{length}"), format!("/noise/{length}")]);
    let mut arguments = vec![script, &base, folder.path().to_str().unwrap()];
    arguments.extend(paths.iter().flatten().map(String::as_str));
    let output = run(&python, &arguments);
    let output = String::from_utf8(output.stdout).unwrap();
    let mut seen = Vec::new();
    for line in output.lines() {
        let parts: Vec<&str> = line.split(' ').collect();
        let &[client, accepted, path, coding, file] = parts.as_slice() else {
            panic!("what is {line:?}?");
        };
        let sent = body_of(path);
        let expected = if sent.len() < 800 {
            "identity"
        } else {
            accepted
        };
        assert_eq!(coding, expected, "{line}");
        let decoded = std::fs::read(folder.join(file)).unwrap();
        same(line, &decoded, &sent);
        seen.push((client, accepted));
    }
    for client in ["requests", "httpx"] {
        for accepted in CODINGS {
            let times = seen.iter().filter(|s| **s == (client, accepted)).count();
            assert_eq!(times, 2 * LENGTHS.len(), "{client} {accepted}");
        }
    }
}

/// A page that loads a script and a style sheet, which must take effect, and bodies of all lengths,
/// whose sums the script writes into the page.
const PAGE: &str = "<!DOCTYPE html><html><head><meta charset=\"utf-8\">\
    <link rel=\"stylesheet\" href=\"/style.css\"><script src=\"/script.js\"></script></head>\
    <body><p id=\"styled\">styled</p><div id=\"told\"></div><script>tell()</script>@</body></html>";

const SCRIPT: &str = r#"
function fetched(path) {
  const request = new XMLHttpRequest();
  // Synchronous: the page is complete only when all is there.
  request.open("GET", path, false);
  // Every byte as it is.
  request.overrideMimeType("text/plain; charset=x-user-defined");
  request.send();
  const text = request.responseText;
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    sum = Math.imul(sum ^ (text.charCodeAt(i) & 255), 0x01000193) >>> 0;
  }
  const coding = request.getResponseHeader("Content-Encoding") || "identity";
  return path + " " + coding + " " + text.length + " " + sum;
}
function tell() {
  const lines = PATHS.map(fetched);
  const style = getComputedStyle(document.getElementById("styled"));
  lines.push("style " + style.color.replaceAll(" ", ""));
  document.getElementById("told").textContent = lines.join("|");
}
"#;

/// FNV-1a, as the script works it out.
fn sum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}

/// An app with that page: everything in it is long enough to be compressed, and what counts
/// stands at its end.
fn browsed(paths: &[String]) -> Backend {
    let filler = |length, seed| String::from_utf8_lossy(&prose(length, seed)).into_owned();
    let html = PAGE.replace(
        '@',
        &format!("<!-- {} -->", "a page of some length ".repeat(200)),
    );
    let comment = |seed| format!("/* {} */\n", filler(60_000, seed).replace('\u{fffd}', ""));
    let script = format!("{}const PATHS = {paths:?};\n{SCRIPT}", comment(1));
    let style = format!("{}#styled {{ color: rgb(1, 2, 3) }}\n", comment(2));
    Backend::http(move |request| {
        let (content_type, body) = match request.target.as_str() {
            "/" => ("text/html; charset=utf-8", html.clone().into_bytes()),
            "/script.js" => (
                "text/javascript; charset=utf-8",
                script.clone().into_bytes(),
            ),
            "/style.css" => ("text/css; charset=utf-8", style.clone().into_bytes()),
            "/favicon.ico" => ("image/x-icon", Vec::new()),
            path => ("application/json", body_of(path)),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    })
}

/// The page as the browser has it when all is loaded.
fn dumped(edge: &Edge) -> String {
    let folder = Folder::new();
    let out = folder.join("out");
    let mut child = chromium(&folder)
        .args(["--timeout=60000", "--dump-dom"])
        .arg(format!("http://{}/", edge.parvis.address()))
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(folder.join("err")).unwrap())
        .spawn()
        .unwrap();
    // A browser on a busy machine takes longer than anything else here.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(90);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if std::time::Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser does not end:\n{}", folder.read("err"));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    assert!(status.success(), "{status}\n{}", folder.read("err"));
    folder.read("out")
}

#[test]
fn a_browser_decodes_every_coding() {
    let paths: Vec<String> = LENGTHS
        .iter()
        .flat_map(|length| [format!("/text/{length}"), format!("/noise/{length}")])
        .collect();
    for accepted in CODINGS {
        let site = format!("compress = {{ algorithms = [\"{accepted}\"] }}");
        let edge = edge_with(browsed(&paths), "", &site, "");
        let dom = dumped(&edge);
        let told = dom.split("<div id=\"told\">").nth(1);
        let told = told.and_then(|rest| rest.split("</div>").next());
        let told = told.unwrap_or_else(|| panic!("no page: {dom}"));
        assert!(!told.is_empty(), "{accepted}: the script did not run");
        let mut lines = told.split('|');
        for path in &paths {
            let sent = body_of(path);
            let coding = if sent.len() < 800 {
                "identity"
            } else {
                accepted
            };
            let expected = format!("{path} {coding} {} {}", sent.len(), sum(&sent));
            assert_eq!(lines.next(), Some(expected.as_str()), "{accepted}");
        }
        assert_eq!(lines.next(), Some("style rgb(1,2,3)"), "{accepted}");
        // The page, its script and its style were compressed as well.
        let bodies: usize = paths
            .iter()
            .map(|path| body_of(path).len())
            .filter(|n| *n >= 800)
            .sum();
        let counted = || {
            let series =
                format!("parvis_compressed_bytes_total{{coding=\"{accepted}\",side=\"in\"}}");
            (edge.parvis.metric(&series) >= (bodies + 120_000) as f64).then_some(())
        };
        until("all that the browser got was compressed", counted);
    }
}
