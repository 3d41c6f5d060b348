//! Paths that want out of the root, or at what is hidden in it.

use crate::support::{Client, Folder, Parvis, Reply};
use crate::{folder, lives, serve};
use std::os::unix::ffi::OsStrExt;

const SECRET: &str = "the secret that nobody may read";

/// What may be had.
const PUBLIC: [&str; 4] = ["home", "public", "acme", "page"];

/// A root with dot files in it and secrets beside it.
fn treacherous() -> Folder {
    let folder = folder(&[
        ("index.html", "home"),
        ("a/b.txt", "public"),
        ("a/index.html", "page"),
        (".well-known/acme", "acme"),
        (".well-known/.hidden", SECRET),
        (".env", SECRET),
        (".env.html", SECRET),
        (".git/config", SECRET),
        (".htpasswd", SECRET),
        ("a/.env", SECRET),
        ("a/.well-known/x", SECRET),
        ("a/.git/config", SECRET),
        (".../x.txt", SECRET),
        ("..env", SECRET),
        (".well-known2/x", SECRET),
    ]);
    for name in [
        "secret.txt",
        "secret.txt.html",
        ".env",
        "root2/secret.txt",
        "root-private/secret.txt",
        "a/secret.txt",
        "index.htm",
    ] {
        folder.write(name, SECRET);
    }
    // What a proxy that decodes twice, or takes `\` for `/`, would be led to.
    for name in ["root/x\\y.txt", "root/..\\secret.txt", "root/a\\b.txt"] {
        folder.write(name, SECRET);
    }
    folder
}

/// Written by hand: each is known from some server, or nearly.
const WRITTEN: [&str; 118] = [
    "/../secret.txt",
    "/../../secret.txt",
    "/a/../../secret.txt",
    "/a/../../../../../../../../etc/passwd",
    "/./../secret.txt",
    "/.//../secret.txt",
    "//../secret.txt",
    "///../secret.txt",
    "/..;/secret.txt",
    "/a/..;/..;/secret.txt",
    "/;/../secret.txt",
    "/a;/../../secret.txt",
    "/..;a=b/secret.txt",
    "/.;/../secret.txt",
    "/...../secret.txt",
    "/..../secret.txt",
    "/.../x.txt",
    "/%2e%2e%2e/x.txt",
    "/..root/secret.txt",
    "/../root2/secret.txt",
    "/../root-private/secret.txt",
    "/..%2froot2/secret.txt",
    "2/secret.txt",
    "/%2e./secret.txt",
    "/.%2e/secret.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E/secret.txt",
    "/%2e%2e%2fsecret.txt",
    "/%2e%2e%5csecret.txt",
    "/..%00/secret.txt",
    "/%00/../secret.txt",
    "/%00",
    "/a/b.txt%00",
    "/a/b.txt%00.html",
    "/..%0a/secret.txt",
    "/..%0d%0a/secret.txt",
    "/..%20/secret.txt",
    "/.. /secret.txt",
    "/..%09/secret.txt",
    "/..%c0%2fsecret.txt",
    "/..%c1%9csecret.txt",
    "/..%c1%8s",
    "/%c0%ae%c0%ae/secret.txt",
    "/%c0%ae%c0%ae%c0%afsecret.txt",
    "/%e0%40%ae%e0%40%ae/secret.txt",
    "/%f8%80%80%80%ae%f8%80%80%80%ae/secret.txt",
    "/%fc%80%80%80%80%ae/secret.txt",
    "/%ff%fe/secret.txt",
    "/%uff0e%uff0e/secret.txt",
    "/%u002e%u002e/secret.txt",
    "/%u2216..%u2216secret.txt",
    "/%",
    "/%2",
    "/%zz",
    "/a/%",
    "/a/b.txt%",
    "/.env",
    "//.env",
    "/./.env",
    "/a/../.env",
    "/%2eenv",
    "/%2Eenv",
    "/%2e%65%6e%76",
    "/.%65nv",
    "/.env/",
    "/.env%20",
    "/.env.",
    "/.env%2e",
    "/.env?",
    "/.env?.txt",
    "/.env%3f",
    "/.env;a.txt",
    "/.env%00.txt",
    "/.ENV",
    "/..env",
    "/%2e.env",
    "/.git/config",
    "/.git/",
    "/.git",
    "/.git//config",
    "/.git/./config",
    "/%2egit/config",
    "/.git%2fconfig",
    "/.git%5cconfig",
    "/.git\\config",
    "/a/.git/config",
    "/a/%2egit/config",
    "/.htpasswd",
    "/.htpasswd%20",
    "/a/.env",
    "/a/.well-known/x",
    "/a/%2ewell-known/x",
    "/.well-known/.hidden",
    "/.well-known/%2ehidden",
    "/.well-known/../.env",
    "/.well-known/../../secret.txt",
    "/.well-known/..%2f.env",
    "/.well-known%2f../.env",
    "/.well-known2/x",
    "/.well-known/../.well-known2/x",
    "/a\\b.txt",
    "/a%5cb.txt",
    "/x\\y.txt",
    "/x%5Cy.txt",
    "/..\\secret.txt",
    "/..%5csecret.txt",
    "\\..\\secret.txt",
    "/\\..\\secret.txt",
    "/a\\..\\..\\secret.txt",
    "/C:\\secret.txt",
    "/C:/secret.txt",
    "/file:///etc/passwd",
    "//etc/passwd",
    "///etc/passwd",
    "/%2fetc%2fpasswd",
    "/%2f%2fetc/passwd",
    "http://test/../secret.txt",
    "/proc/self/environ",
];

/// The absolute path of a secret, in ways.
fn absolute(folder: &Folder) -> Vec<String> {
    let path = folder.join("secret.txt").to_str().unwrap().to_string();
    let root = folder.join("root/.env").to_str().unwrap().to_string();
    let mut all = Vec::new();
    for path in [&path, &root] {
        all.push(path.clone());
        all.push(format!("/{path}"));
        all.push(format!("/a/{path}"));
        all.push(format!("/a/%2f{path}"));
        all.push(path.replace('/', "%2f"));
        all.push(format!("/{}", path.replace('/', "%2f")));
        all.push(path.replace('/', "\\"));
        all.push(format!("/file://{path}"));
    }
    all
}

/// Every spelling of `../`, once and more often, from here and from below.
fn generated() -> Vec<String> {
    let dots = [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "%25252e%25252e",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "%f0%80%80%ae%f0%80%80%ae",
        "%u002e%u002e",
        "%ef%bc%8e%ef%bc%8e",
        "\u{ff0e}\u{ff0e}",
        "%e2%80%a5",
        "\u{2025}",
        "..%00",
        ".%00.",
        "..%20",
        "...",
        "..;",
        ".%0a.",
    ];
    let slashes = [
        "/",
        "%2f",
        "%2F",
        "\\",
        "%5c",
        "%5C",
        "%252f",
        "%255c",
        "%c0%af",
        "%e0%80%af",
        "%f0%80%80%af",
        "%c1%9c",
        "%ef%bc%8f",
        "\u{ff0f}",
        "%e2%88%95",
        "\u{2215}",
        "//",
        "/./",
        "%2f%2f",
        "/%2e/",
        "/;/",
        "%00/",
    ];
    let mut all = Vec::new();
    for dots in dots {
        for slash in slashes {
            let up = format!("{dots}{slash}");
            all.push(format!("/{up}secret.txt"));
            all.push(format!("/a{slash}{up}{up}secret.txt"));
            all.push(format!("/{up}root{slash}.env"));
        }
        all.push(format!("/{}etc/passwd", format!("{dots}/").repeat(12)));
        all.push(format!("/a/{dots}"));
    }
    all
}

/// Very long ones.
fn long() -> Vec<String> {
    let mut all = vec![
        format!("/{}", "a".repeat(255)),
        format!("/{}", "a".repeat(256)),
        format!("/{}", "a".repeat(5000)),
        format!("/{}", "a/".repeat(5000)),
        format!("/{}b.txt", "a/../".repeat(2000)),
        format!("/{}secret.txt", "a/../".repeat(2000) + "../"),
        format!("/{}secret.txt", "../".repeat(4000)),
        format!("/{}secret.txt", "./".repeat(4000) + "../"),
        format!("{}secret.txt", "/".repeat(9000)),
        format!("/a{}b.txt", "/".repeat(4000)),
        format!("/{}", "%2e".repeat(4000)),
        format!("/{}", "\u{e9}".repeat(3000)),
        format!("/a/b.txt{}", "/.".repeat(3000)),
        format!("/.well-known/{}", "x".repeat(4100)),
    ];
    // Around the length that the kernel takes for a path.
    for length in 4080..4100 {
        let path = "/abcdefghi".repeat(500);
        all.push(path[..length].to_string());
    }
    all
}

/// Trailing dots and spaces, and what some file systems take them for.
fn trailing() -> Vec<String> {
    let mut all = Vec::new();
    for name in ["/.env", "/.htpasswd", "/.git/config", "/../secret.txt"] {
        for end in [
            ".",
            "..",
            "%20",
            "%20%20",
            "%2e",
            "%2e%20",
            "/",
            "/.",
            "/..",
            "/x",
            "::$DATA",
            "%3a%3a$DATA",
            "~",
            "~1",
            "%09",
            "%0a",
            "%0d",
            "%ff",
            "%c2%a0",
            "#",
            "?x",
            "%3fx",
        ] {
            all.push(format!("{name}{end}"));
        }
    }
    all
}

fn hostile(folder: &Folder) -> Vec<String> {
    let mut all: Vec<String> = WRITTEN.iter().map(|path| path.to_string()).collect();
    all.extend(absolute(folder));
    all.extend(generated());
    all.extend(long());
    all.extend(trailing());
    all
}

/// Asks for a target as it is, on a connection of its own.
fn ask(parvis: &Parvis, target: &str) -> Reply {
    let mut client = Client::connect(parvis.address());
    client.send(format!(
        "GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    ));
    client.reply()
}

fn harmless(target: &str, reply: &Reply) {
    let text = reply.text();
    assert!(!text.contains(SECRET), "{target:?}: {}", reply.head);
    assert!(!text.contains("root:x:0"), "{target:?}: {}", reply.head);
    assert!(reply.status < 500, "{target:?}: {}", reply.head);
    if reply.status == 200 {
        assert!(PUBLIC.contains(&text.as_str()), "{target:?}: {text:?}");
    }
}

/// The other routes that a hostile path can come in by.
const ROUTES: &str = "[[site.route]]\npath = \"/static/*\"\nfiles = { root = \"root\" }\n\
     [[site.route]]\npath = \"/app/*\"\nfiles = { root = \"@DIR/root\", follow_links = \"anywhere\", \
     try = [\"{path}\", \"{path}.html\", \"{path}/index.html\", \"/index.html\"] }\n";

#[test]
fn no_hostile_path_leads_to_a_secret() {
    let folder = treacherous();
    let targets = hostile(&folder);
    assert!(targets.len() > 1000, "{}", targets.len());
    let mut parvis = serve(folder, &format!("\n{ROUTES}"));
    assert_eq!(parvis.get("/").text(), "home");
    for target in &targets {
        for prefix in ["", "/static", "/app"] {
            let target = match target.strip_prefix("http://test") {
                Some(rest) => format!("http://test{prefix}{rest}"),
                None => format!("{prefix}{target}"),
            };
            harmless(&target, &ask(&parvis, &target));
        }
    }
    lives(&mut parvis);
    assert_eq!(parvis.get("/a/b.txt").text(), "public");
}

/// The same where a regular expression takes the path, and with files of another name tried.
#[test]
fn no_hostile_path_leads_to_a_secret_by_a_regular_expression() {
    let folder = treacherous();
    let targets = hostile(&folder);
    let mut parvis = Parvis::start_in(
        folder,
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"~ .\"\n\
         files = { root = \"root\", try = [\"a/{path}\", \"{path}\"] }\n",
        &[],
    );
    assert_eq!(parvis.get("/b.txt").text(), "public");
    assert_eq!(parvis.get("/.well-known/acme").text(), "acme");
    for target in &targets {
        harmless(target, &ask(&parvis, target));
    }
    lives(&mut parvis);
}

/// The same after one another on a connection that stays open.
#[test]
fn no_hostile_path_leads_to_a_secret_on_a_connection_that_stays_open() {
    let folder = treacherous();
    let targets = hostile(&folder);
    let mut parvis = serve(folder, "");
    let mut client = parvis.client();
    for target in &targets {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let reply = client.reply();
        harmless(target, &reply);
        let closed = reply.field("connection").is_some_and(|c| c == "close");
        if closed {
            client = parvis.client();
        }
    }
    lives(&mut parvis);
}

/// What a listing shows leads nowhere else either.
#[test]
fn no_hostile_path_is_listed() {
    let folder = treacherous();
    let targets = hostile(&folder);
    std::fs::remove_file(folder.join("root/index.html")).unwrap();
    std::fs::remove_file(folder.join("root/a/index.html")).unwrap();
    let mut parvis = serve(folder, "autoindex = true");
    let listed = ask(&parvis, "/");
    assert_eq!(listed.status, 200);
    for hidden in [".env", ".git", ".htpasswd", "..env", "secret"] {
        assert!(!listed.text().contains(hidden), "{}", listed.text());
    }
    for target in &targets {
        let reply = ask(&parvis, target);
        let text = reply.text();
        assert!(reply.status < 500, "{target:?}: {}", reply.head);
        for hidden in [
            SECRET,
            "root:x:0",
            "root-private",
            ".htpasswd",
            "parvis.toml",
        ] {
            let own_words = reply.status != 200 || target.contains(hidden);
            assert!(own_words || !text.contains(hidden), "{target:?}: {text}");
        }
        assert!(!text.contains(SECRET), "{target:?}");
    }
    lives(&mut parvis);
}

#[test]
fn each_kind_of_hostile_path_has_its_status() {
    let parvis = serve(treacherous(), "");
    for (target, status) in [
        // A way above the root, a NUL and a broken percent sign are no paths at all.
        ("/../secret.txt", 400),
        ("/a/../../secret.txt", 400),
        ("/%2e%2e/secret.txt", 400),
        ("/a/%2e%2e/%2e%2e/secret.txt", 400),
        ("/%00", 400),
        ("/a/b.txt%00", 400),
        ("/%", 400),
        ("/%zz", 400),
        // Dot files.
        ("/.env", 404),
        ("/%2eenv", 404),
        ("/.git/config", 404),
        ("/.git/", 404),
        ("/.git", 404),
        ("/.htpasswd", 404),
        ("/a/.env", 404),
        ("/..env", 404),
        ("/.../x.txt", 404),
        // Encoded slashes and backslashes.
        ("/a%2fb.txt", 404),
        ("/a%2Fb.txt", 404),
        ("/a\\b.txt", 404),
        ("/a%5cb.txt", 404),
        ("/a%5Cb.txt", 404),
        ("/x\\y.txt", 404),
        // Decoded once, not twice.
        ("/%252e%252e/secret.txt", 404),
        ("/a%252fb.txt", 404),
        ("/%252eenv", 404),
        // Overlong forms of `.` and `/` are neither.
        ("/%c0%ae%c0%ae/secret.txt", 404),
        ("/a%c0%afb.txt", 404),
        // Paths that are what they say.
        ("/a/../a/b.txt", 200),
        ("/a/./b.txt", 200),
        ("//a//b.txt", 200),
        ("/a/%62.txt", 200),
        ("/a/b%2Etxt", 200),
        ("/a/b.txt?/../../secret.txt", 200),
    ] {
        assert_eq!(ask(&parvis, target).status, status, "{target}");
    }
    for length in [256, 5000, 16_000] {
        let target = format!("/{}", "a".repeat(length));
        assert_eq!(ask(&parvis, &target).status, 404, "{length} bytes");
    }
}

#[test]
fn well_known_files_are_served_at_the_top_alone() {
    let parvis = serve(treacherous(), "");
    for target in [
        "/.well-known/acme",
        "/%2ewell-known/acme",
        "/./.well-known/acme",
        "/a/../.well-known/acme",
    ] {
        let reply = ask(&parvis, target);
        assert_eq!(
            (reply.status, reply.text()),
            (200, "acme".into()),
            "{target}"
        );
    }
    for target in [
        "/a/.well-known/x",
        "/.well-known/.hidden",
        "/.well-known2/x",
        "/.well-known/../.env",
    ] {
        assert_eq!(ask(&parvis, target).status, 404, "{target}");
    }
}

#[test]
fn names_with_odd_characters_are_served() {
    let folder = folder(&[]);
    let mut known = Vec::new();
    for name in [
        "a b.txt",
        "100%.txt",
        "%2e%2e.txt",
        "what?.txt",
        "a#b.txt",
        "a+b.txt",
        "a;b.txt",
        "a&b=c.txt",
        "a\"b'.txt",
        "a:b.txt",
        "caf\u{e9}.txt",
        "\u{65e5}\u{672c}\u{8a9e}.txt",
        "\u{1f600}.txt",
        "a..b.txt",
        "a..",
        "a.",
        "a ",
        "-rf",
        "~",
        "*",
        "$HOME",
        "{path}",
        "new\nline.txt",
    ] {
        folder.write(&format!("root/{name}"), name);
        known.push(name);
    }
    let parvis = serve(folder, "");
    for name in known {
        let encoded: String = name.bytes().map(|b| format!("%{b:02X}")).collect();
        let reply = ask(&parvis, &format!("/{encoded}"));
        assert_eq!((reply.status, reply.text()), (200, name.into()), "{name:?}");
    }
}

/// A name on disk is bytes; those that are no text are served or not, and harm nothing.
#[test]
fn a_name_that_is_no_text_does_no_harm() {
    let folder = folder(&[]);
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe.txt");
    std::fs::write(folder.join("root").join(name), "public").unwrap();
    let mut parvis = serve(folder, "autoindex = true");
    assert!([200, 404].contains(&ask(&parvis, "/%ff%fe.txt").status));
    assert_eq!(ask(&parvis, "/").status, 200);
    lives(&mut parvis);
}
