//! Pictures: every one in the size and format that the visitor needs, and never an error.

mod support;

#[path = "images/disk.rs"]
mod disk;
#[path = "images/django.rs"]
mod django;
#[path = "images/errors.rs"]
mod errors;
#[path = "images/help.rs"]
mod help;
#[path = "images/hints.rs"]
mod hints;
#[path = "images/moving.rs"]
mod moving;
#[path = "images/mutated.rs"]
mod mutated;
#[path = "images/negotiation.rs"]
mod negotiation;
#[path = "images/once.rs"]
mod once;
#[path = "images/originals.rs"]
mod originals;
#[path = "images/page.rs"]
mod page;
#[path = "images/pixels.rs"]
mod pixels;
#[path = "images/sending.rs"]
mod sending;
#[path = "images/signed.rs"]
mod signed;
#[path = "images/sizes.rs"]
mod sizes;
#[path = "images/small.rs"]
mod small;

use std::time::{Duration, Instant};
use support::pictures::paint;
use support::{Client, Folder, Parvis, Reply};

/// What browsers say when they ask for a picture.
const CHROMIUM: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
const SAFARI: &str = "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,\
    video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5";
/// What curl says.
const CURL: &str = "*/*";
/// A browser without AVIF.
const WEBP: &str = "image/webp,*/*";

/// Of an answer that a better one will follow.
const BRIEF: &str = "max-age=15";

/// Encoders that are not optimised, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder whose `root` has what this script paints.
fn painted(script: &str) -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.join("root")).unwrap();
    paint(&folder.join("root"), script);
    folder
}

/// One photograph: `photo.jpg`, 600 x 400 pixels.
fn photograph() -> Folder {
    painted("photo(600, 400).save('photo.jpg', quality=95)")
}

/// parvis before the `root` of this folder, with these lines in `images`; variants are kept in its
/// `cache`.
fn serve(folder: &Folder, images: &str) -> Parvis {
    serve_with(folder, "", "", images)
}

/// The same with these lines in `[media]` and in the route.
fn serve_with(folder: &Folder, media: &str, route: &str, images: &str) -> Parvis {
    Parvis::start(&configuration(folder, media, route, images))
}

/// A request waits for its variant longer than anybody would, so that no test depends on how fast
/// it is made.
fn configuration(folder: &Folder, media: &str, route: &str, images: &str) -> String {
    let here = folder.path().display();
    let storage = match media.contains("storage =") {
        true => String::new(),
        false => format!("storage = \"{here}/cache\""),
    };
    format!(
        "[media]\n{storage}\n{media}\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\n{route}\nfiles = {{ root = \"{here}/root\" }}\n\
         [site.route.images]\nwait = \"100s\"\ntimeout = \"100s\"\n{images}\n"
    )
}

/// A connection that waits as long as a variant may take.
fn client(parvis: &Parvis) -> Client {
    let client = parvis.client();
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// `GET` with this `Accept`.
fn ask(parvis: &Parvis, path: &str, accept: &str) -> Reply {
    client(parvis).request("GET", path, &format!("Accept: {accept}\r\n"), b"")
}

/// The same, and it is a picture of this type.
fn picture(parvis: &Parvis, path: &str, accept: &str, kind: &str) -> Reply {
    let reply = ask(parvis, path, accept);
    assert_eq!(reply.status, 200, "{path}: {}", reply.head);
    let said = reply.field("content-type").unwrap_or_default();
    assert_eq!(said, kind, "{path}: {}", reply.head);
    reply
}

/// What is answered when no better answer will follow.
fn settled(parvis: &Parvis, path: &str, accept: &str) -> Reply {
    eventually(&format!("{path} is settled"), || {
        let reply = ask(parvis, path, accept);
        assert_eq!(reply.status, 200, "{path}: {}", reply.head);
        (!is_brief(&reply)).then_some(reply)
    })
}

/// The same, and it is a picture of this type. What there is already in another format may go first.
fn finally(parvis: &Parvis, path: &str, accept: &str, kind: &str) -> Reply {
    let reply = settled(parvis, path, accept);
    let said = reply.all("content-type");
    assert_eq!(said, [kind], "{path} for {accept:?}: {}", reply.head);
    reply
}

fn is_brief(reply: &Reply) -> bool {
    reply.all("cache-control") == [BRIEF]
}

fn etag(reply: &Reply) -> String {
    let tag = reply.field("etag");
    tag.unwrap_or_else(|| panic!("no ETag: {}", reply.head))
}

/// Waits until there is something.
fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many variants were made in this format.
fn made(parvis: &Parvis, format: &str) -> f64 {
    parvis.metric(&format!("parvis_images_made_total{{format=\"{format}\"}}"))
}

/// A file below `root`.
fn original(folder: &Folder, name: &str) -> Vec<u8> {
    std::fs::read(folder.join("root").join(name)).unwrap()
}

/// Whether nothing went wrong within parvis, and it still serves.
fn lives(parvis: &mut Parvis) {
    assert!(parvis.is_running(), "parvis ended");
    let log = parvis.log();
    assert!(!log.contains("panicked"), "{log}");
}
