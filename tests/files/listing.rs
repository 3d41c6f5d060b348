//! Listings of directories.

use crate::support::{Parvis, Reply};
use crate::{ago, at, folder, lives, serve, set_changed};
use serde_json::Value;
use std::collections::BTreeSet;

fn ask(parvis: &Parvis, path: &str, accept: &str) -> Reply {
    let fields = format!("Accept: {accept}\r\n");
    parvis.client().request("GET", path, &fields, b"")
}

fn html(parvis: &Parvis, path: &str) -> String {
    let reply = ask(parvis, path, "text/html,application/xhtml+xml,*/*;q=0.8");
    assert_eq!(reply.status, 200, "{path}");
    let kind = reply.field("content-type").unwrap();
    assert_eq!(kind, "text/html; charset=utf-8", "{path}");
    reply.text()
}

/// The entries of a listing in JSON.
fn json(parvis: &Parvis, path: &str) -> Vec<Value> {
    let reply = ask(parvis, path, "application/json");
    assert_eq!(reply.status, 200, "{path}");
    let kind = reply.field("content-type").unwrap();
    assert!(kind.starts_with("application/json"), "{kind}");
    let value = reply.json();
    let list = match &value {
        Value::Object(object) => object.values().find_map(Value::as_array),
        other => other.as_array(),
    };
    list.unwrap_or_else(|| panic!("no list: {value}")).clone()
}

fn names(entries: &[Value]) -> Vec<String> {
    let name = |entry: &Value| entry["name"].as_str().unwrap().to_string();
    entries.iter().map(name).collect()
}

/// Where the links of a page lead, those within it left out, entities taken out.
fn links(page: &str) -> Vec<String> {
    let mut rest = page;
    let mut all = Vec::new();
    while let Some((_, after)) = rest.split_once("href=\"") {
        let (link, after) = after.split_once('"').unwrap();
        if !link.starts_with('#') {
            let quotes = link.replace("&#39;", "'").replace("&quot;", "\"");
            all.push(quotes.replace("&amp;", "&"));
        }
        rest = after;
    }
    all
}

/// A link, followed from a page.
fn followed(page: &str, link: &str) -> String {
    let folder = &page[..=page
        .find('?')
        .map_or(page, |q| &page[..q])
        .rfind('/')
        .unwrap()];
    match link {
        link if link.starts_with('/') => link.to_string(),
        link if link.starts_with('?') => format!("{}{link}", page.split('?').next().unwrap()),
        link => format!("{folder}{}", link.strip_prefix("./").unwrap_or(link)),
    }
}

#[test]
fn by_default_nothing_is_listed() {
    for files in ["", "autoindex = false"] {
        let parvis = serve(folder(&[("a.txt", "a"), ("dir/b.txt", "b")]), files);
        for path in ["/", "/dir/", "/?page=1"] {
            for accept in ["text/html", "application/json"] {
                let reply = ask(&parvis, path, accept);
                assert_eq!(reply.status, 404, "{path}");
                assert!(!reply.text().contains(".txt"));
            }
        }
    }
}

#[test]
fn a_listing_has_directories_then_files_by_name_with_their_sizes() {
    let folder = folder(&[
        ("zebra/x", "x"),
        ("apple/x", "x"),
        ("banana.txt", "12345"),
        ("aardvark.txt", ""),
        ("cherry.bin", "x"),
        (".concealed", "x"),
        (".git/config", "x"),
    ]);
    std::fs::write(at(&folder, "large.bin"), vec![0; 1_500_000]).unwrap();
    set_changed(&at(&folder, "banana.txt"), ago(86_400 * 400));
    let parvis = serve(folder, "autoindex = true");
    let entries = json(&parvis, "/");
    let bare: Vec<String> = names(&entries)
        .iter()
        .map(|name| name.trim_end_matches('/').to_string())
        .collect();
    let order = [
        "apple",
        "zebra",
        "aardvark.txt",
        "banana.txt",
        "cherry.bin",
        "large.bin",
    ];
    assert_eq!(bare, order);
    for (name, size) in [
        ("aardvark.txt", 0),
        ("banana.txt", 5),
        ("large.bin", 1_500_000),
    ] {
        let entry = entries.iter().find(|e| e["name"] == name).unwrap();
        assert_eq!(entry["size"], size, "{entry}");
    }
    let page = html(&parvis, "/");
    let places: Vec<usize> = order
        .iter()
        .map(|name| {
            page.find(&format!(">{name}"))
                .unwrap_or_else(|| panic!("no {name}: {page}"))
        })
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    for hidden in [".concealed", ".git"] {
        assert!(!page.contains(hidden));
    }
    assert!(
        page.contains("MB") || page.contains("MiB"),
        "no size: {page}"
    );
    // Every link leads somewhere.
    for link in links(&page) {
        let path = followed("/", &link);
        assert_eq!(parvis.get(&path).status, 200, "{link}");
    }
    for name in ["apple/", "banana.txt"] {
        assert!(
            links(&page)
                .iter()
                .any(|l| followed("/", l) == format!("/{name}")),
            "{name}"
        );
    }
}

#[test]
fn a_listing_below_leads_up_again() {
    let parvis = serve(
        folder(&[("a/b/c.txt", "c"), ("a/d.txt", "d")]),
        "autoindex = true",
    );
    let page = html(&parvis, "/a/b/");
    assert!(page.contains("c.txt") && !page.contains("d.txt"), "{page}");
    let up = |link: &String| link == "../" || link == "/a/" || link == "..";
    assert!(links(&page).iter().any(up), "{page}");
    // From the top there is no way up.
    let top = html(&parvis, "/");
    assert!(
        !links(&top).iter().any(|link| link.starts_with("..")),
        "{top}"
    );
}

#[test]
fn names_are_escaped_for_where_they_stand() {
    let odd = [
        "<script>alert(1)<",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "a&amp;b",
        "a&b",
        "a b.txt",
        "100%.txt",
        "%2e%2e",
        "what?x",
        "a#b",
        "javascript:alert(1)",
        "https:",
        "caf\u{e9}",
        "\u{1f600}",
        "\u{202e}txt.exe",
        "new\nline",
        "back\\slash",
        "{path}",
        "semi;colon",
    ];
    let folder = folder(&[]);
    for name in odd {
        folder.write(&format!("root/{name}"), name);
    }
    let directory = "<b>&\"dir'";
    folder.write(&format!("root/{directory}/x"), "x");
    let mut parvis = serve(folder, "autoindex = true");
    let page = html(&parvis, "/");
    for raw in ["<script>alert", "<img", "' onmouseover", "<b>&", "a&b<"] {
        assert!(!page.contains(raw), "{raw} in {page}");
    }
    let mut listed: BTreeSet<String> = names(&json(&parvis, "/")).into_iter().collect();
    listed.retain(|name| !name.starts_with("<b>"));
    let known: BTreeSet<String> = odd.iter().map(|name| name.to_string()).collect();
    assert!(listed.is_subset(&known), "{listed:?}");
    // One with a backslash cannot be had, so it need not be there.
    assert!(listed.len() >= known.len() - 1, "{listed:?}");
    // Every link leads to the file that it names.
    let had: BTreeSet<String> = links(&page)
        .iter()
        .map(|link| followed("/", link))
        .filter(|path| !path.ends_with('/'))
        .map(|path| {
            let reply = parvis.get(&path);
            assert!(reply.status == 200 || path.contains("%5C"), "{path}");
            reply.text()
        })
        .filter(|text| known.contains(text))
        .collect();
    assert!(had.len() >= known.len() - 1, "{had:?}");
    let below = html(&parvis, "/%3Cb%3E%26%22dir%27/");
    assert!(!below.contains("<b>&"), "{below}");
    lives(&mut parvis);
}

#[test]
fn a_long_listing_has_pages_of_a_thousand() {
    let folder = folder(&[]);
    let name = |n: usize| format!("file-{n:05}.txt");
    for n in 0..2400 {
        std::fs::write(at(&folder, &name(n)), "x").unwrap();
    }
    for n in 0..100 {
        std::fs::create_dir(at(&folder, &format!("dir-{n:03}"))).unwrap();
    }
    let mut parvis = serve(folder, "autoindex = true");
    let mut expected: Vec<String> = (0..100).map(|n| format!("dir-{n:03}")).collect();
    expected.extend((0..2400).map(name));
    let bare = |entries: &[Value]| -> Vec<String> {
        let names = names(entries);
        names
            .iter()
            .map(|n| n.trim_end_matches('/').to_string())
            .collect()
    };
    let mut all = Vec::new();
    for (path, count) in [("/", 1000), ("/?page=2", 1000), ("/?page=3", 500)] {
        let entries = bare(&json(&parvis, path));
        assert_eq!(entries.len(), count, "{path}");
        let page = html(&parvis, path);
        let leading = links(&page);
        let files = leading
            .iter()
            .filter(|l| l.contains("file-") || l.contains("dir-"));
        assert_eq!(files.count(), count, "{path}");
        // The next page, and the one before, can be reached.
        let reaches = |page: &str| leading.iter().any(|l| followed(path, l).ends_with(page));
        match path {
            "/" => assert!(reaches("?page=2"), "{leading:?}"),
            "/?page=2" => assert!(reaches("?page=3")),
            _ => assert!(reaches("?page=2")),
        }
        all.extend(entries);
    }
    assert_eq!(all, expected);
    assert_eq!(bare(&json(&parvis, "/?page=1")), expected[..1000]);
    assert_eq!(bare(&json(&parvis, "/?x=1&page=3")), expected[2000..]);
    for odd in [
        "/?page=4",
        "/?page=0",
        "/?page=-1",
        "/?page=",
        "/?page=x",
        "/?page=1.5",
        "/?page=99999999999999999999999999",
        "/?page=18446744073709551615",
        "/?page=%00",
        "/?page=2&page=3",
    ] {
        for accept in ["text/html", "application/json"] {
            let reply = ask(&parvis, odd, accept);
            assert!([200, 400, 404].contains(&reply.status), "{odd}");
        }
    }
    lives(&mut parvis);
}

#[test]
fn a_listing_is_json_for_those_who_prefer_it() {
    let parvis = serve(folder(&[("a.txt", "a")]), "autoindex = true");
    for (accept, is_json) in [
        ("application/json", true),
        ("application/json, text/html;q=0.9", true),
        ("text/html;q=0.5, application/json", true),
        ("application/json;q=0.5, text/html", false),
        ("application/json;q=0, */*", false),
        ("text/html", false),
        ("*/*", false),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            false,
        ),
        ("", false),
    ] {
        let reply = ask(&parvis, "/", accept);
        assert_eq!(reply.status, 200, "{accept}");
        let kind = reply.field("content-type").unwrap();
        assert_eq!(
            kind.starts_with("application/json"),
            is_json,
            "{accept}: {kind}"
        );
        // Two forms at one path: caches have to tell them apart.
        let vary = reply.field("vary").unwrap_or_default().to_ascii_lowercase();
        let fields: Vec<&str> = vary.split(',').map(str::trim).collect();
        assert!(fields.contains(&"accept"), "{}", reply.head);
        assert_eq!(reply.all("x-content-type-options"), ["nosniff"]);
        let immutable = reply.field("cache-control").unwrap_or_default();
        assert!(!immutable.contains("immutable"), "{}", reply.head);
    }
    assert_eq!(parvis.get("/").status, 200);
    let mut client = parvis.client();
    let head = client.request("HEAD", "/", "", b"");
    assert_eq!(head.status, 200);
    assert_eq!(client.get("/a.txt").text(), "a");
    let post = client.request("POST", "/", "", b"");
    assert_eq!(
        (post.status, post.all("allow")),
        (405, vec!["GET, HEAD".into()])
    );
}

#[test]
fn an_index_comes_before_the_listing_and_changes_are_seen() {
    let folder = folder(&[("dir/a.txt", "a")]);
    std::fs::create_dir(at(&folder, "empty")).unwrap();
    let parvis = serve(folder, "autoindex = true");
    assert!(html(&parvis, "/dir/").contains("a.txt"));
    assert_eq!(names(&json(&parvis, "/empty/")), [""; 0]);
    html(&parvis, "/empty/");
    assert_eq!(parvis.get("/dir").status, 308);
    assert_eq!(parvis.get("/nothing/").status, 404);
    parvis.folder.write("root/dir/b.txt", "b");
    crate::changes::seen("the new file", || html(&parvis, "/dir/").contains("b.txt"));
    parvis.folder.write("root/dir/index.html", "index");
    crate::changes::seen("the index", || parvis.get("/dir/").text() == "index");
}

/// What a listing shows can be had, and tells nothing of what lies outside.
#[test]
fn links_that_lead_out_are_not_told_of() {
    let folder = folder(&[("a.txt", "a")]);
    folder.write("outside/secret.txt", "the secret that is exactly this long");
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(target, folder.join("root").join(name)).unwrap();
    };
    link("a.txt", "inside");
    link("../outside/secret.txt", "out");
    link("../outside", "out-folder");
    link("nothing", "dangling");
    let mut parvis = serve(folder, "autoindex = true");
    for entry in json(&parvis, "/") {
        let name = entry["name"].as_str().unwrap().to_string();
        assert_ne!(entry["size"], 36, "{entry}");
        assert_eq!(
            parvis.get(&format!("/{name}")).status,
            200,
            "{name} is listed"
        );
    }
    lives(&mut parvis);
}
