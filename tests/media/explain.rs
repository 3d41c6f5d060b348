//! `parvis explain` of pictures.

use crate::support::{Parvis, command};
use crate::{code, gallery, path, site, text};

#[test]
fn what_becomes_of_a_picture_is_explained() {
    let folder = gallery("");
    let explain = |words: &[&str]| {
        let file = path(&folder, "parvis.toml");
        let output = command(&[&["explain", "-c", &file], words].concat());
        assert_eq!((code(&output), text(&output.stderr)), (0, String::new()));
        text(&output.stdout)
    };
    let told = explain(&["http://test/media/one.png"]);
    for line in [
        "images    sends pictures in webp or their own format, 40, 80 wide, else at most 1920x1080",
        "picture   png of 160x120 pixels",
        "variant   a browser of today gets webp 160x120, else png 160x120, or it as it is where that is smaller",
    ] {
        assert!(told.lines().any(|l| l == line), "{told}");
    }
    let told = explain(&["http://test/media/one.png?w=39", "-H", "Accept: */*"]);
    let line = "variant   the client gets png 40x30, or it as it is where that is smaller";
    assert!(told.lines().any(|l| l == line), "{told}");
    let told = explain(&["http://test/media/one.png?w=x"]);
    assert!(
        told.contains("\nanswer    400: the parameter `w`: expected"),
        "{told}"
    );
    let told = explain(&["http://test/media/read.me"]);
    assert!(
        told.contains("\nimages ") && !told.contains("\npicture "),
        "{told}"
    );
    folder.write("media/bad.png", "none");
    let told = explain(&["http://test/media/bad.png"]);
    let line = "\npicture   no variants of it: no format of pictures that is known";
    assert!(told.contains(line), "{told}");
    // Nothing of that on a route without images.
    Parvis::write_configuration(&folder, &site("").replace("images = ", "# images = "));
    let told = explain(&["http://test/media/one.png"]);
    assert!(
        !told.contains("\nimages ") && !told.contains("\npicture "),
        "{told}"
    );
}
