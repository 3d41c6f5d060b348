//! A Django site whose `/media/` goes through parvis: a photograph is uploaded with a form, and
//! comes back as every visitor needs it.

use crate::support::browser::Look;
use crate::support::pictures::{look_at, paint};
use crate::support::{Browser, Client, Folder, Parvis, Reply, Site};
use crate::{CHROMIUM, CURL, PATIENCE, SAFARI, WEBP, is_brief, picture, settled};

struct Edge {
    parvis: Parvis,
    site: Site,
    /// Photographs that nobody has uploaded yet.
    camera: Folder,
}

fn edge() -> Edge {
    let site = Site::start();
    let parvis = Parvis::start(&format!(
        "[media]\nstorage = \"@DIR/cache\"\n\
         [upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"django\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/media/*\"\ncache_control = \"public, max-age=3600\"\n\
         files = {{ root = \"{}\" }}\nimages = {{ wait = \"100s\", timeout = \"100s\" }}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        site.address(),
        site.media_root().display()
    ));
    let camera = Folder::new();
    paint(
        camera.path(),
        "exif = Image.Exif()\n\
         exif[0x010f] = 'Make of the camera'\n\
         exif[0x0112] = 6\n\
         exif.get_ifd(0x8825).update({1: 'N', 2: (48.0, 12.0, 30.5)})\n\
         lying = quarters(600, 400).transpose(Image.Transpose.ROTATE_90)\n\
         Image.blend(lying, photo(400, 600), 0.1).save('garden.jpg', quality=95, exif=exif)\n",
    );
    Edge {
        parvis,
        site,
        camera,
    }
}

fn client(edge: &Edge) -> Client {
    let client = edge.parvis.client();
    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("{text}"));
    rest.split_once(after).unwrap_or_else(|| panic!("{text}")).0
}

/// Sends the form as a browser does.
fn upload(edge: &Edge, name: &str) -> Reply {
    let mut client = client(edge);
    let page = client.get("/photographs/");
    assert_eq!(page.status, 200, "{}", page.text());
    let token = between(&page.text(), "name=\"csrfmiddlewaretoken\" value=\"", "\"").to_string();
    let cookie = page.field("set-cookie").unwrap();
    let cookie = between(&cookie, "csrftoken=", ";");
    let part = |fields: &str| format!("--parts\r\nContent-Disposition: form-data; {fields}\r\n");
    let mut body = part("name=\"csrfmiddlewaretoken\"").into_bytes();
    body.extend(format!("\r\n{token}\r\n").bytes());
    body.extend(part(&format!("name=\"photograph\"; filename=\"{name}\"")).bytes());
    body.extend(b"Content-Type: image/jpeg\r\n\r\n");
    body.extend(std::fs::read(edge.camera.join(name)).unwrap());
    body.extend(b"\r\n--parts--\r\n");
    let fields = format!(
        "Cookie: csrftoken={cookie}\r\nContent-Type: multipart/form-data; boundary=parts\r\n"
    );
    client.request("POST", "/photographs/", &fields, &body)
}

#[test]
fn a_photograph_that_is_uploaded_comes_back_in_every_size_and_format() {
    let edge = edge();
    let answer = upload(&edge, "garden.jpg");
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert_eq!(answer.all("location"), ["/photographs/"]);
    let page = client(&edge).get("/photographs/").text();
    let address = between(&page, "<img src=\"", "?w=300\"");
    assert_eq!(address, "/media/photographs/garden.jpg");
    // What lies there is what was taken, place and all.
    let taken = std::fs::read(edge.camera.join("garden.jpg")).unwrap();
    let kept = edge.site.media_root().join("photographs/garden.jpg");
    assert!(std::fs::read(kept).unwrap() == taken);
    let parvis = &edge.parvis;
    let sized = format!("{address}?w=150");
    let first = picture(parvis, &sized, CHROMIUM, "image/webp");
    assert!(is_brief(&first), "{}", first.head);
    let replies = [
        (first, "WEBP", (150, 100)),
        (settled(parvis, &sized, WEBP), "WEBP", (150, 100)),
        (settled(parvis, &sized, CURL), "JPEG", (150, 100)),
        (settled(parvis, address, CURL), "JPEG", (600, 400)),
        (settled(parvis, address, WEBP), "WEBP", (600, 400)),
        (
            settled(parvis, &format!("{address}?w=150&h=150&fit=cover"), WEBP),
            "WEBP",
            (150, 150),
        ),
    ];
    // AVIF, or the WebP where AVIF is no smaller.
    let webp = settled(parvis, &sized, WEBP).body.len();
    for accept in [CHROMIUM, SAFARI] {
        let reply = settled(parvis, &sized, accept);
        assert!(reply.body.len() <= webp);
        let seen = look_at(reply.body);
        assert!(["AVIF", "WEBP"].contains(&&*seen.format), "{}", seen.format);
        assert_eq!(seen.size(), (150, 100));
    }
    for (reply, format, size) in replies {
        assert!(reply.body.len() < taken.len(), "{}", reply.head);
        if !is_brief(&reply) {
            assert_eq!(reply.all("cache-control"), ["public, max-age=3600"]);
        }
        let seen = look_at(reply.body);
        assert_eq!((&*seen.format, seen.size()), (format, size));
        assert_eq!(seen.metadata, [""; 0], "{format}");
        let [x, y] = [seen.width / 4, seen.height / 4];
        let [red, green, ..] = seen.pixel(x, y);
        assert!(red > 150 && green < 100, "{format}: {:?}", seen.pixel(x, y));
        let [red, green, ..] = seen.pixel(3 * x, y);
        assert!(
            green > 120 && red < 110,
            "{format}: {:?}",
            seen.pixel(3 * x, y)
        );
    }
    // One that has the same name is another one: Django gives it another name.
    assert_eq!(upload(&edge, "garden.jpg").status, 302);
    let page = client(&edge).get("/photographs/").text();
    assert_eq!(page.matches("<img").count(), 2, "{page}");
}

#[test]
fn a_browser_shows_the_page_with_what_was_uploaded() {
    let edge = edge();
    assert_eq!(upload(&edge, "garden.jpg").status, 302);
    let mut browser = Browser::start();
    let url = format!("http://{}/photographs/", edge.parvis.address());
    let look = Look {
        language: "en",
        dark: false,
        width: 800,
    };
    browser.open(&url, look);
    browser.until("document.readyState === 'complete' && document.images[0]?.naturalWidth === 300");
    let sizes =
        browser.evaluate("[document.images[0].naturalHeight, document.images[0].currentSrc]");
    assert_eq!(sizes[0], 200);
    assert!(sizes[1].as_str().unwrap().ends_with("garden.jpg?w=300"));
    let came = browser
        .responses
        .iter()
        .find(|(url, _)| url.ends_with("?w=300"));
    let kind = came.unwrap().1.as_str();
    assert!(["image/webp", "image/avif"].contains(&kind), "{kind}");
    assert_eq!(browser.complaints, Vec::<String>::new());
}
