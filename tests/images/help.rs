//! Pages of an app that are helped with their pictures on their way.

use crate::photograph;
use crate::support::{Backend, Client, Folder, Parvis, Reply, until};
use flate2::read::GzDecoder;
use std::io::Read as _;

const PAGE: &str = "<!doctype html>\n<title>x</title>\n\
    <img src=\"/photo.jpg\" alt=first>\n<img src='/photo.jpg' alt=second>\n\
    <!-- <img src=\"/photo.jpg\"> -->\n<IMG  src='photo.jpg'  alt=\"a &amp; b\" >\n\
    <img src=\"https://elsewhere.test/photo.jpg\" alt=\"\">\n<p>as it is, &lt; é</p>\n";

fn app() -> Backend {
    Backend::http(|request| {
        let kind = match request.target.as_str() {
            "/data" => "application/json",
            _ => "text/html; charset=utf-8",
        };
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nETag: \"page\"\r\nContent-Length: {}\r\n\r\n{PAGE}",
            PAGE.len()
        )
        .into_bytes()
    })
}

fn serve(folder: &Folder, app: &Backend, html: bool) -> Parvis {
    Parvis::start(&format!(
        "[media]\nstorage = {:?}\n[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/photo.jpg\"\nfiles = {{ root = {:?} }}\n\
         images = {{ widths = [150, 300, 600], html = {html} }}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        folder.join("cache"),
        app.address(),
        folder.join("root"),
    ))
}

fn page(client: &mut Client, path: &str) -> Reply {
    client.request("GET", path, "Accept-Encoding: identity\r\n", b"")
}

#[test]
fn images_get_what_they_lack_and_nothing_else_is_touched() {
    let (folder, app) = (photograph(), app());
    let parvis = serve(&folder, &app, true);
    let text = until("the size is known", || {
        let reply = page(&mut parvis.client(), "/");
        let text = reply.text();
        text.contains("width=").then_some(text)
    });
    let added = "loading=\"lazy\"";
    assert_eq!(text.matches(added).count(), 1, "{text}");
    // Not the first two of the page.
    assert!(text.find(added) > text.find("<IMG"), "{text}");
    for once in [
        "width=\"600\"",
        "height=\"400\"",
        "?w=150 150w",
        "?w=300 300w",
        "decoding=\"async\"",
    ] {
        assert_eq!(text.matches(once).count(), 3, "{once}: {text}");
    }
    for kept in [
        "<!-- <img src=\"/photo.jpg\"> -->",
        "<img src=\"https://elsewhere.test/photo.jpg\" alt=\"\">",
        "<p>as it is, &lt; é</p>",
        " src='photo.jpg'  alt=\"a &amp; b\" >",
    ] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    // The page is another one than the app's, also for those who have that.
    let reply = page(&mut parvis.client(), "/");
    assert_eq!(reply.all("etag"), ["W/\"page\""]);
    // With a coding it is the same.
    let fields = "Accept-Encoding: gzip\r\n";
    let coded = parvis.client().request("GET", "/", fields, b"");
    assert_eq!(coded.field("content-encoding").as_deref(), Some("gzip"));
    let mut decoded = String::new();
    let mut decoder = GzDecoder::new(coded.body.as_slice());
    decoder.read_to_string(&mut decoded).unwrap();
    assert_eq!(decoded, text);
}

#[test]
fn what_is_no_page_and_sites_that_do_not_say_so_are_left_alone() {
    let (folder, app) = (photograph(), app());
    let helping = serve(&folder, &app, true);
    assert_eq!(page(&mut helping.client(), "/data").text(), PAGE);
    let silent = serve(&folder, &app, false);
    let reply = page(&mut silent.client(), "/");
    assert_eq!(reply.text(), PAGE);
    assert_eq!(reply.all("etag"), ["\"page\""]);
}
