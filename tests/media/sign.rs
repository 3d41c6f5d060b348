//! `parvis media sign`.

use crate::support::{Parvis, command, programs};
use crate::{code, gallery, media, site, text};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SIGNED: &str = ", sign = { key = \"0123456789abcdef0123456789abcdef\" }";

/// What an app does, out of the help of the command: the key and the address are those of the test.
fn by_python(target: &str) -> String {
    let help = text(&command(&["media", "sign", "--help"]).stdout);
    let lines: Vec<&str> = help
        .lines()
        .map(str::trim)
        .filter(|line| {
            ["import ", "mac = ", "url = "]
                .iter()
                .any(|s| line.starts_with(s))
        })
        .collect();
    assert_eq!(lines.len(), 3, "{help}");
    let code = lines.join("\n").replace("/media/a.jpg?w=1000", target);
    let code = format!("import sys\nkey = sys.argv[1].encode()\n{code}\nprint(url)");
    programs::script(&code, &[KEY])
}

#[test]
fn a_signed_address_is_free_and_python_signs_alike() {
    let folder = gallery(SIGNED);
    let parvis = Parvis::start_in(folder, &site(SIGNED), &[]);
    for target in [
        "/media/one.png?w=123",
        "/media/one.png?v=3&w=50&h=50&fit=cover&q=61",
        "/media/2026/two.png?format=webp&w=33",
    ] {
        let url = format!("http://test{target}");
        let output = media(&parvis.folder, &["sign", &url]);
        assert_eq!((code(&output), text(&output.stderr)), (0, String::new()));
        let signed = text(&output.stdout).trim_end().to_string();
        let signed = signed.strip_prefix("http://test").unwrap();
        assert!(signed.starts_with(&format!("{target}&s=")), "{signed}");
        assert_eq!(signed, by_python(target));
        let fields = "Accept: image/webp\r\n";
        let get = |target: &str| parvis.client().request("GET", target, fields, b"");
        let reply = get(signed);
        assert_eq!(
            (reply.status, reply.field("content-type").as_deref()),
            (200, Some("image/webp"))
        );
        let picture = image::load_from_memory(&reply.body).unwrap();
        let width = target.split("w=").nth(1).unwrap();
        let width = width.split('&').next().unwrap();
        assert_eq!(picture.width().to_string(), width);
        // Another address is not signed by it.
        assert_eq!(get(&signed.replace("w=", "w=1")).status, 403);
    }
    let output = media(&parvis.folder, &["sign", "https://test/media/one.png"]);
    let signed = text(&output.stdout);
    assert!(
        signed.starts_with("https://test/media/one.png?s="),
        "{signed}"
    );
    let target = signed.trim_end().strip_prefix("https://test").unwrap();
    assert_eq!(parvis.get(target).status, 200);
}

#[test]
fn what_cannot_be_signed_is_told() {
    let folder = gallery(SIGNED);
    let wrong = |folder: &_, url: &str| {
        let output = media(folder, &["sign", url]);
        assert_eq!(
            (code(&output), text(&output.stdout)),
            (2, String::new()),
            "{url}"
        );
        text(&output.stderr)
    };
    for (url, part) in [
        ("/media/one.png", "is no URL"),
        ("http://test/media/one.png?s=abc", "has a signature already"),
        (
            "http://test/media/one.png?w=0",
            "the parameter `w`: expected",
        ),
        ("http://test/nothing", "no route takes this address"),
        ("http://test/plain/a.png", "has no `images`"),
    ] {
        let said = wrong(&folder, url);
        assert!(said.starts_with("error: ") && said.contains(part), "{said}");
    }
    let folder = gallery("");
    let said = wrong(&folder, "http://test/media/one.png?w=1000");
    let line = format!(
        "error: the route `/media/*` ({}/parvis.toml:",
        folder.path().display()
    );
    assert!(said.starts_with(&line), "{said}");
    assert!(said.contains("has no key\nhelp: "), "{said}");
}
