//! What a name stands for: files, directories, and what is neither.

use crate::support::{Folder, Parvis};
use crate::{at, folder, lives, serve, serve_with};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Status and text of an answer that has to come at once.
fn at_once(parvis: &Parvis, path: &str) -> (u16, String) {
    let began = Instant::now();
    let reply = parvis.get(path);
    assert!(began.elapsed() < Duration::from_secs(5), "{path}");
    (reply.status, reply.text())
}

fn fifo(folder: &Folder, name: &str) {
    let made = Command::new("mkfifo").arg(at(folder, name)).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_fifo_is_not_there_and_holds_nobody_up() {
    let folder = folder(&[("file.txt", "public"), ("style.css", "public")]);
    fifo(&folder, "fifo");
    fifo(&folder, "style.css.br");
    std::fs::create_dir(at(&folder, "dir")).unwrap();
    fifo(&folder, "dir/index.html");
    let mut parvis = serve(folder, "");
    // More than there are threads: one that waits for a writer would wait for ever.
    let mut waiting: Vec<_> = (0..40).map(|_| parvis.client()).collect();
    for client in &mut waiting {
        client.send("GET /fifo HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    for client in &mut waiting {
        assert_eq!(client.reply().status, 404);
    }
    for path in [
        "/fifo",
        "/fifo/",
        "/dir/",
        "/dir/index.html",
        "/style.css.br",
    ] {
        assert_eq!(at_once(&parvis, path).0, 404, "{path}");
    }
    let reply = parvis
        .client()
        .request("GET", "/style.css", "Accept-Encoding: br\r\n", b"");
    assert_eq!((reply.status, reply.text()), (200, "public".into()));
    assert_eq!(at_once(&parvis, "/file.txt"), (200, "public".into()));
    lives(&mut parvis);
}

#[test]
fn a_socket_and_a_device_are_not_there() {
    let folder = folder(&[]);
    let _listener = UnixListener::bind(at(&folder, "socket")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at(&folder, "zero")).unwrap();
    std::os::unix::fs::symlink("/dev/tty", at(&folder, "tty")).unwrap();
    let mut parvis = serve(folder, "follow_links = \"anywhere\"");
    for path in ["/socket", "/socket/", "/zero", "/tty"] {
        assert_eq!(at_once(&parvis, path).0, 404, "{path}");
    }
    lives(&mut parvis);
}

#[test]
fn a_directory_without_its_slash_is_redirected_with_the_query() {
    let folder = folder(&[
        ("dir/index.html", "index"),
        ("dir/sub/x.txt", "x"),
        ("a b/index.html", "index"),
        ("caf\u{e9}/index.html", "index"),
        ("evil.example/index.html", "index"),
        ("q?x/index.html", "index"),
    ]);
    let parvis = serve(folder, "");
    for (path, location) in [
        ("/dir", "/dir/"),
        ("/dir?a=b&c=%20d", "/dir/?a=b&c=%20d"),
        ("/dir/sub", "/dir/sub/"),
        ("/a%20b?x", "/a%20b/?x"),
        ("/caf%C3%A9", "/caf%C3%A9/"),
        ("/q%3Fx", "/q%3Fx/"),
        // It names no other host.
        ("//evil.example", "/evil.example/"),
        ("////evil.example?x", "/evil.example/?x"),
    ] {
        for method in ["GET", "HEAD"] {
            let reply = parvis.client().request(method, path, "", b"");
            assert_eq!(reply.status, 308, "{method} {path}");
            let said = reply.field("location").unwrap();
            assert!(said.eq_ignore_ascii_case(location), "{path}: {said}");
        }
    }
    // Those that are written in a roundabout way lead there too, and nowhere else.
    for path in [
        "/x/../dir?x",
        "/d%69r",
        "/./dir",
        "/.//evil.example",
        "/dir/..//evil.example",
        "/dir/../%65vil.example",
    ] {
        let reply = parvis.get(path);
        assert_eq!(reply.status, 308, "{path}");
        let said = reply.field("location").unwrap();
        assert!(said.starts_with('/') && !said.starts_with("//"), "{said}");
        assert_eq!(said.ends_with("/?x"), path.ends_with("?x"), "{said}");
        assert_eq!(parvis.get(&said).text(), "index", "{path}: {said}");
    }
    assert_eq!(parvis.get("/dir/").text(), "index");
    assert_eq!(parvis.get("/caf%C3%A9/?x").text(), "index");
}

/// Below the path of a route the redirect has that path too.
#[test]
fn a_directory_below_a_prefix_is_redirected_there() {
    let folder = folder(&[("dir/index.html", "index"), ("index.html", "top")]);
    let parvis = serve(
        folder,
        "[[site.route]]\npath = \"/static/*\"\nfiles = { root = \"root\" }",
    );
    let location = |path: &str| {
        let reply = parvis.get(path);
        (reply.status, reply.field("location").unwrap_or_default())
    };
    assert_eq!(location("/static/dir?x"), (308, "/static/dir/?x".into()));
    assert_eq!(location("/static"), (308, "/static/".into()));
    assert_eq!(parvis.get("/static/").text(), "top");
    assert_eq!(parvis.get("/static/dir/").text(), "index");
}

#[test]
fn a_directory_has_the_first_of_its_indexes() {
    let files = [
        ("both/index.htm", "first"),
        ("both/index.html", "second"),
        ("one/index.html", "second"),
        ("none/x.txt", "x"),
        ("default/home.html", "home"),
    ];
    let parvis = serve(folder(&files), "index = [\"index.htm\", \"index.html\"]");
    assert_eq!(parvis.get("/both/").text(), "first");
    assert_eq!(parvis.get("/one/").text(), "second");
    assert_eq!(parvis.get("/none/").status, 404);
    assert_eq!(parvis.get("/").status, 404);
    let index = parvis.get("/both/");
    assert_eq!(
        index.field("content-type").as_deref(),
        Some("text/html; charset=utf-8")
    );
    let none = serve(folder(&files), "index = []");
    assert_eq!(none.get("/one/").status, 404);
    assert_eq!(none.get("/one/index.html").text(), "second");
    let default = serve(folder(&files), "");
    assert_eq!(default.get("/both/").text(), "second");
    assert_eq!(default.get("/default/").status, 404);
}

#[test]
fn an_index_that_is_a_directory_is_none() {
    let folder = folder(&[("dir/index.html/x.txt", "x"), ("dir/index.htm", "page")]);
    let parvis = serve(folder, "index = [\"index.html\", \"index.htm\"]");
    assert_eq!(parvis.get("/dir/").text(), "page");
    assert_eq!(parvis.get("/dir/index.html").status, 308);
    assert_eq!(parvis.get("/dir/index.html/").status, 404);
}

#[test]
fn a_slash_after_a_file_is_another_path() {
    let parvis = serve(folder(&[("file.txt", "x"), ("index.html", "home")]), "");
    for path in [
        "/file.txt/",
        "/file.txt/x",
        "/file.txt/.",
        "/file.txt/index.html",
        "/index.html/",
    ] {
        assert_eq!(parvis.get(path).status, 404, "{path}");
    }
    assert_eq!(parvis.get("/file.txt").text(), "x");
}

#[test]
fn an_empty_file_is_a_file() {
    let parvis = serve(folder(&[("empty.txt", ""), ("empty.bin", "")]), "");
    for path in ["/empty.txt", "/empty.bin"] {
        let mut client = parvis.client();
        for fields in ["", "Accept-Encoding: br, gzip\r\n"] {
            let reply = client.request("GET", path, fields, b"");
            assert_eq!(reply.status, 200, "{path}");
            assert_eq!(reply.field("content-length").as_deref(), Some("0"));
            assert_eq!(reply.field("content-encoding"), None);
            assert_eq!(reply.body, b"");
            assert!(reply.field("etag").unwrap().ends_with("-0\""));
        }
        // No byte of it can be had.
        let reply = client.request("GET", path, "Range: bytes=0-\r\n", b"");
        assert_eq!(reply.status, 416, "{path}");
        assert_eq!(reply.field("content-range").as_deref(), Some("bytes */0"));
        let head = client.request("HEAD", path, "", b"");
        assert_eq!(head.status, 200);
        assert_eq!(client.get(path).status, 200);
    }
}

#[test]
fn what_is_missing_is_404() {
    let parvis = serve(folder(&[("a/x.txt", "x")]), "");
    let mut client = parvis.client();
    for path in [
        "/", "/b", "/b/", "/a/", "/a/y.txt", "/b/x.txt", "/x.txt?a", "/A/x.txt",
    ] {
        let reply = client.get(path);
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.field("etag"), None, "{path}");
        assert_eq!(reply.field("last-modified"), None, "{path}");
        let head = client.request("HEAD", path, "", b"");
        assert_eq!(head.status, 404, "{path}");
    }
}

/// Takes from a child what lets root read whatever it likes, so that permissions hold for it as
/// they do for the user that parvis runs as.
fn bound_by_permissions(command: &mut Command) {
    // SAFETY: prctl and geteuid may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            if libc::geteuid() != 0 {
                return Ok(());
            }
            const CAP_DAC_OVERRIDE: libc::c_ulong = 1;
            const CAP_DAC_READ_SEARCH: libc::c_ulong = 2;
            for capability in [CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH] {
                if libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

#[test]
fn what_parvis_may_not_read_is_403() {
    let folder = folder(&[
        ("file.txt", "public"),
        ("unreadable.txt", "private"),
        ("unreadable.css", "private"),
        ("closed/x.txt", "private"),
        ("unlisted/x.txt", "public"),
        ("style.css", "public"),
        ("style.css.br", "private"),
    ]);
    let mode = |name: &str, mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(at(&folder, name), permissions).unwrap();
    };
    mode("unreadable.txt", 0);
    mode("unreadable.css", 0o200);
    mode("style.css.br", 0);
    mode("closed", 0);
    mode("unlisted", 0o311);
    let configuration = crate::configuration("", "", "autoindex = true");
    let closed = at(&folder, "closed");
    let mut parvis = Parvis::start_as(folder, &configuration, bound_by_permissions);
    for path in [
        "/unreadable.txt",
        "/unreadable.css",
        "/closed/x.txt",
        "/closed/",
        "/unlisted/",
    ] {
        let mut client = parvis.client();
        let reply = client.get(path);
        assert_eq!(reply.status, 403, "{path}");
        assert!(!reply.text().contains("private"), "{path}");
        let again = client.request(
            "GET",
            path,
            "Accept-Encoding: br\r\nRange: bytes=0-\r\n",
            b"",
        );
        assert_eq!(again.status, 403, "{path}");
    }
    assert_eq!(parvis.get("/file.txt").text(), "public");
    assert_eq!(parvis.get("/unlisted/x.txt").text(), "public");
    let reply = parvis
        .client()
        .request("GET", "/style.css", "Accept-Encoding: br\r\n", b"");
    assert_eq!((reply.status, reply.text()), (200, "public".into()));
    lives(&mut parvis);
    // Or the folder could not be removed, if this is not root.
    std::fs::set_permissions(closed, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Its directory is not listed for want of it, and not said to be empty.
#[test]
fn an_index_that_parvis_may_not_read_is_403() {
    for files in ["", "autoindex = true"] {
        let folder = folder(&[("dir/index.html", "private"), ("dir/x.txt", "public")]);
        let closed = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(at(&folder, "dir/index.html"), closed).unwrap();
        let configuration = crate::configuration("", "", files);
        let parvis = Parvis::start_as(folder, &configuration, bound_by_permissions);
        for path in ["/dir/index.html", "/dir/"] {
            assert_eq!(parvis.get(path).status, 403, "{path}, {files:?}");
        }
    }
}

/// A file that becomes readable is had, and one that no longer is, is not.
#[test]
fn permissions_that_change_are_seen() {
    let folder = folder(&[("file.txt", "public")]);
    let path = at(&folder, "file.txt");
    let configuration = crate::configuration("", "", "");
    let parvis = Parvis::start_as(folder, &configuration, bound_by_permissions);
    let mode = |mode: u32| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for _ in 0..2 {
        crate::changes::seen("it is had", || parvis.get("/file.txt").text() == "public");
        mode(0);
        crate::changes::seen("it is not", || parvis.get("/file.txt").status == 403);
        mode(0o644);
    }
}

#[test]
fn a_site_may_have_several_routes_of_files() {
    let folder = folder(&[("x.txt", "root")]);
    folder.write("media/x.txt", "media");
    folder.write("one.txt", "one");
    let parvis = serve_with(
        folder,
        "",
        "",
        "[[site.route]]\npath = \"/media/*\"\nfiles = { root = \"media\" }\n\
         [[site.route]]\npath = \"/one.txt\"\nfiles = { root = \".\" }\n\
         [[site.route]]\npath = \"/robots.txt\"\nfiles = { root = \".\", try = [\"/media/x.txt\"] }",
    );
    assert_eq!(parvis.get("/x.txt").text(), "root");
    assert_eq!(parvis.get("/media/x.txt").text(), "media");
    assert_eq!(parvis.get("/one.txt").text(), "one");
    assert_eq!(parvis.get("/robots.txt").text(), "media");
    assert_eq!(parvis.get("/one.txt/").status, 404);
}
