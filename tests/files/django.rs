//! What `collectstatic` of a real Django site makes, served before the site itself.

use crate::decoded;
use crate::support::{Parvis, Reply, Site};
use std::collections::BTreeSet;
use std::path::PathBuf;

struct Edge {
    parvis: Parvis,
    site: Site,
}

fn edge() -> Edge {
    let site = Site::start();
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"django\"\nlisten = [\"127.0.0.1:0\"]\nheaders = {{ security = \"strict\" }}\n\
         [[site.route]]\npath = \"/static/*\"\nfiles = {{ root = \"{}\" }}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        site.address(),
        site.static_root().display()
    ));
    Edge { parvis, site }
}

impl Edge {
    fn get(&self, path: &str, accept: &str) -> Reply {
        let fields = format!("Accept-Encoding: {accept}\r\n");
        self.parvis.client().request("GET", path, &fields, b"")
    }

    /// The file on disk that a path below `/static/` stands for.
    fn file(&self, path: &str) -> PathBuf {
        let name = path.strip_prefix("/static/").unwrap();
        self.site.static_root().join(name)
    }
}

/// What a page links from `/static/`.
fn linked(page: &str) -> BTreeSet<String> {
    let links = regex::Regex::new("(?:href|src)=\"(/static/[^\"#?]+)").unwrap();
    let found = links.captures_iter(page).map(|c| c[1].to_string());
    found.collect()
}

/// What a style sheet at `path` names.
fn named(path: &str, sheet: &str) -> BTreeSet<String> {
    let urls = regex::Regex::new("url\\([\"']?([^\"')#?]+)").unwrap();
    let base = format!("http://test{path}");
    let found = urls.captures_iter(sheet).map(|c| {
        let mut parts: Vec<&str> = base["http://test".len()..].split('/').collect();
        parts.pop();
        for part in c[1].split('/') {
            match part {
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        parts.join("/")
    });
    found.collect()
}

/// Everything that the page needs, and what the style sheets need in turn.
fn needed(edge: &Edge) -> BTreeSet<String> {
    let page = edge.get("/styled/", "identity");
    assert_eq!(page.status, 200, "{}", page.text());
    let mut all = BTreeSet::new();
    let mut next: Vec<String> = linked(&page.text()).into_iter().collect();
    while let Some(path) = next.pop() {
        if !all.insert(path.clone()) || !path.ends_with(".css") {
            continue;
        }
        let sheet = edge.get(&path, "identity");
        next.extend(named(&path, &sheet.text()));
    }
    all
}

#[test]
fn a_page_has_all_that_it_links() {
    let edge = edge();
    let needed = needed(&edge);
    for kind in [".css", ".js", ".svg", ".png"] {
        assert!(needed.iter().any(|path| path.ends_with(kind)), "{needed:?}");
    }
    let hashed = regex::Regex::new("\\.[0-9a-f]{12}\\.[a-z]+$").unwrap();
    for path in &needed {
        assert!(hashed.is_match(path), "{path}");
        let bytes = std::fs::read(edge.file(path)).unwrap();
        let reply = edge.get(path, "identity");
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.body == bytes, "{path}: not what is on disk");
        let kind = match path.rsplit('.').next().unwrap() {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            other => panic!("what is {other}?"),
        };
        let said = reply.field("content-type").unwrap();
        assert!(said.starts_with(kind), "{path}: {said}");
        let cache = reply.all("cache-control");
        assert_eq!(cache, ["public, max-age=31536000, immutable"], "{path}");
        assert_eq!(reply.all("x-content-type-options"), ["nosniff"]);
        let tag = format!("If-None-Match: {}\r\n", reply.field("etag").unwrap());
        let again = edge.parvis.client().request("GET", path, &tag, b"");
        assert_eq!(again.status, 304, "{path}");
    }
}

#[test]
fn encoded_forms_decode_to_what_is_on_disk() {
    let edge = edge();
    let mut encoded = 0;
    for path in needed(&edge) {
        let bytes = std::fs::read(edge.file(&path)).unwrap();
        for coding in ["br", "zstd", "gzip"] {
            for _ in 0..3 {
                let reply = edge.get(&path, coding);
                assert_eq!(reply.status, 200, "{path}");
                assert!(decoded(&reply) == bytes, "{path}, {coding}");
                let text = !path.ends_with(".png") && bytes.len() >= 800;
                let vary = reply.field("vary").unwrap_or_default();
                assert_eq!(vary == "Accept-Encoding", text, "{path}: {vary}");
                let is_encoded = reply.field("content-encoding").is_some();
                assert_eq!(is_encoded, text, "{path}, {coding}");
                encoded += usize::from(is_encoded);
            }
        }
    }
    assert!(
        encoded >= 18,
        "only {encoded} were large enough to say anything"
    );
}

#[test]
fn names_without_a_hash_are_asked_for_again() {
    let edge = edge();
    let reply = edge.get("/static/site/style.css", "identity");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.all("cache-control"), ["no-cache"]);
    let manifest = edge.get("/static/staticfiles.json", "identity").json();
    for (name, hashed) in manifest["paths"].as_object().unwrap() {
        for name in [name.as_str(), hashed.as_str().unwrap()] {
            let path = format!("/static/{name}");
            let reply = edge.get(&path, "identity");
            assert_eq!(reply.status, 200, "{path}");
            assert!(reply.body == std::fs::read(edge.file(&path)).unwrap());
        }
    }
}

#[test]
fn the_app_is_not_woken_for_files() {
    let edge = edge();
    let missing = edge.get("/static/site/none.css", "identity");
    assert_eq!(missing.status, 404);
    assert!(
        !missing.text().contains("<h1>Not Found</h1>"),
        "Django's 404"
    );
    assert_eq!(edge.get("/nothing/", "identity").status, 404);
    let posted = edge
        .parvis
        .client()
        .request("POST", "/static/site/style.css", "", b"x");
    assert_eq!(posted.status, 405);
}

/// A deployment: the site's files are collected anew while they are served.
#[test]
fn files_that_are_collected_anew_are_seen() {
    let edge = edge();
    let path = "/static/site/style.css";
    assert_eq!(edge.get(path, "br").status, 200);
    std::fs::write(edge.file(path), "body { color: green }").unwrap();
    crate::changes::seen("the new style sheet", || {
        decoded(&edge.get(path, "br")) == b"body { color: green }"
    });
}

/// With the app as the fallback, one route serves both.
#[test]
fn files_may_lie_over_the_site() {
    let site = Site::start();
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"django\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nfallback = \"app\"\nfiles = {{ root = \"{}\" }}\n",
        site.address(),
        site.static_root().display()
    ));
    assert_eq!(parvis.get("/site/style.css").status, 200);
    assert_eq!(parvis.get("/health/").text(), "ok");
    assert!(parvis.get("/").text().contains("<h1>A test site</h1>"));
    let mut client = parvis.client();
    let reply = client.request("POST", "/upload/", "", b"12345");
    assert_eq!(reply.json()["size"], 5);
    let reply = client.request("GET", "/echo/a%20b/..//c?x=%2F&y", "X-Own: 1\r\n", b"");
    assert_eq!(reply.json()["path"], "/echo/a%20b/..//c?x=%2F&y");
}
