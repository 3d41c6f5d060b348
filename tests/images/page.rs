//! A page in Chromium: it picks from `srcset`, and shows AVIF and WebP.

use crate::support::browser::Look;
use crate::support::{Browser, Parvis};
use crate::{CHROMIUM, painted, serve, settled};

/// `quarters` by its parts, which lie where they belong whatever the format.
const PAGE: &str = "<!doctype html><title>pictures</title><link rel=icon href='data:,'>\n\
    <meta name=viewport content='width=device-width'>\n\
    <img id=set src='quarters.png?w=300' sizes='(max-width: 400px) 150px, 300px' alt=''\n\
    \x20 srcset='quarters.png?w=150 150w, quarters.png?w=300 300w, quarters.png?w=600 600w'>\n\
    <img id=webp src='turned.jpg?w=150&format=webp' alt=''>\n\
    <img id=avif src='turned.jpg?w=150&format=avif' alt=''>\n\
    <img id=film src='film.gif' alt=''>\n";

const LOADED: &str = "document.readyState === 'complete' \
    && [...document.images].every((image) => image.complete && image.naturalWidth > 0)";

fn folder() -> crate::support::Folder {
    let folder = painted(
        "quarters(600, 400).save('quarters.png', compress_level=1)\n\
         exif = Image.Exif()\n\
         exif[0x0112] = 6\n\
         turned = quarters(300, 200).transpose(Image.Transpose.ROTATE_90)\n\
         turned.save('turned.jpg', quality=98, subsampling=0, exif=exif)\n\
         films = [photo(60, 40, at) for at in range(3)]\n\
         films[0].save('film.gif', save_all=True, append_images=films[1:], duration=100)\n",
    );
    folder.write("root/index.html", PAGE);
    folder
}

/// The colours in the middle of the quarters of an image, as the browser paints it, and its size.
fn painted_as(browser: &mut Browser, id: &str) -> (Vec<[i64; 3]>, (u64, u64)) {
    let found = browser.evaluate(&format!(
        "createImageBitmap({id}).then((bitmap) => {{\n\
         const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);\n\
         const context = canvas.getContext('2d', {{ willReadFrequently: true }});\n\
         context.drawImage(bitmap, 0, 0);\n\
         const at = (x, y) => [...context.getImageData(\n\
             bitmap.width * x / 4, bitmap.height * y / 4, 1, 1).data].slice(0, 3);\n\
         return {{ size: [bitmap.width, bitmap.height],\n\
             colours: [at(1, 1), at(3, 1), at(1, 3), at(3, 3)] }} }})"
    ));
    let size: (u64, u64) = serde_json::from_value(found["size"].clone()).unwrap();
    (
        serde_json::from_value(found["colours"].clone()).unwrap(),
        size,
    )
}

fn are_quarters(colours: &[[i64; 3]], what: &str) {
    let truth = [[220, 20, 20], [20, 180, 20], [20, 20, 220], [255, 255, 255]];
    for (found, is) in colours.iter().flatten().zip(truth.iter().flatten()) {
        assert!((found - is).abs() < 25, "{what}: {colours:?}");
    }
}

/// The type of what came for the address that ends like this.
fn came(browser: &Browser, parvis: &Parvis, path: &str) -> String {
    let url = format!("http://{}/{path}", parvis.address());
    let came = browser.responses.iter().find(|(from, _)| *from == url);
    let (_, kind) = came.unwrap_or_else(|| panic!("{url}: {:?}", browser.responses));
    kind.clone()
}

#[test]
fn a_page_picks_from_srcset_and_shows_avif_and_webp() {
    let folder = folder();
    let parvis = serve(&folder, "");
    let url = format!("http://{}/", parvis.address());
    let mut browser = Browser::start();
    let look = |width| Look {
        language: "en",
        dark: false,
        width,
    };
    let cases = [
        (320, 1.0, 150),
        (320, 2.0, 300),
        (800, 1.0, 300),
        (800, 2.0, 600),
    ];
    // At first WebP, then what is smaller of it and AVIF: what browsers say of themselves is heard
    // as it is meant.
    for is_settled in [false, true] {
        for (width, ratio, picked) in cases {
            let path = format!("quarters.png?w={picked}");
            if is_settled {
                settled(&parvis, &format!("/{path}"), CHROMIUM);
            }
            browser.open_on(&url, look(width), ratio);
            browser.until(LOADED);
            let what = format!("{width} x {ratio}");
            let current = browser.evaluate("document.querySelector('#set').currentSrc");
            assert_eq!(current, format!("{url}{path}"), "{what}");
            let shown = browser.evaluate("document.querySelector('#set').naturalWidth");
            assert_eq!(shown, if width == 320 { 150 } else { 300 }, "{what}");
            let said = came(&browser, &parvis, &path);
            let known = ["image/webp", "image/avif"].contains(&said.as_str());
            assert!(known, "{what}: {said}");
            let (colours, _) = painted_as(&mut browser, "document.querySelector('#set')");
            are_quarters(&colours, &what);
        }
    }
    for format in ["webp", "avif"] {
        let path = format!("turned.jpg?w=150&format={format}");
        assert_eq!(came(&browser, &parvis, &path), format!("image/{format}"));
        let image = format!("document.querySelector('#{format}')");
        let (colours, size) = painted_as(&mut browser, &image);
        assert_eq!(size, (150, 100), "{format}");
        are_quarters(&colours, format);
    }
    assert_eq!(came(&browser, &parvis, "film.gif"), "image/webp");
    assert_eq!(browser.complaints, Vec::<String>::new());
}
