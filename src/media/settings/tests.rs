use super::*;
use crate::config::{Diagnostics, Document, Sources, Value};
use crate::media::Format;

/// What `build` makes of a table with these lines, or all that is wrong with it.
fn built<S: Value, P>(
    lines: &str,
    build: impl Fn(&S, &mut Diagnostics) -> Option<P>,
) -> Result<P, String> {
    let mut sources = Sources::default();
    let file = sources.add("/etc/parvis.toml".into(), format!("[table]\n{lines}\n"));
    let mut errors = Diagnostics::default();
    let document = Document::parse(&sources, &[file], &mut errors);
    let (_, _, node) = document.entries().next().unwrap();
    let policy = S::read(&node, &mut errors).and_then(|settings| build(&settings, &mut errors));
    match errors.is_empty() {
        true => Ok(policy.unwrap()),
        false => Err(errors.render(&sources)),
    }
}

fn media(lines: &str) -> Result<MediaPolicy, String> {
    built(lines, MediaSettings::build)
}

fn images(lines: &str) -> Result<ImagesPolicy, String> {
    built(lines, ImagesSettings::build)
}

#[test]
fn nothing_given_is_the_usual() {
    let processors = std::thread::available_parallelism().unwrap().get();
    let expected = MediaPolicy {
        storage: "/var/cache/parvis/media".into(),
        disk: 1 << 30,
        memory: 32 << 20,
        workers: processors,
        queue: 64,
    };
    assert_eq!(media(""), Ok(expected));
    let usual = images("").unwrap();
    let policy = usual.policy;
    assert_eq!(policy.widths, [150, 300, 320, 600, 640, 960, 1280, 1920]);
    assert_eq!(policy.formats, [Format::Avif, Format::WebP]);
    assert_eq!((policy.quality, policy.background), (85, [255; 3]));
    assert_eq!((policy.max_width, policy.max_height), (1920, 1080));
    assert!(policy.client_hints && policy.sign.is_none());
    assert_eq!(
        (usual.limits.bytes, usual.limits.pixels),
        (20_000_000, 50_000_000)
    );
    assert_eq!(usual.limits.time, Duration::from_secs(10));
    assert_eq!(usual.wait, Duration::from_secs(5));
    assert!(!usual.strict && !usual.html);
}

#[test]
fn what_is_given_is_in_force() {
    let given =
        media("storage = \"cache\"\ndisk = \"0\"\nmemory = \"1MiB\"\nworkers = 1\nqueue = 1");
    let expected = MediaPolicy {
        storage: "/etc/cache/media".into(),
        disk: 0,
        memory: 1 << 20,
        workers: 1,
        queue: 1,
    };
    assert_eq!(given, Ok(expected));
    let given = images(
        "widths = [640, 320, 640]\nformats = [\"webp\"]\nquality = 100\nmax_width = 8192\n\
         max_height = 1\nbackground = \"#1aF\"\nmax_size = \"1KiB\"\nmax_pixels = 10_000\n\
         timeout = \"1ms\"\nwait = \"0s\"\nstrict = true\nclient_hints = false\nhtml = true\n\
         sign = { key = \"0123456789abcdef\" }",
    )
    .unwrap();
    let policy = given.policy;
    assert_eq!(policy.widths, [320, 640]);
    assert_eq!(policy.formats, [Format::WebP]);
    assert_eq!(
        (policy.quality, policy.background),
        (100, [0x11, 0xaa, 0xff])
    );
    assert_eq!((policy.max_width, policy.max_height), (8192, 1));
    assert!(!policy.client_hints && policy.sign.is_some());
    assert_eq!((given.limits.bytes, given.limits.pixels), (1024, 10_000));
    assert!(given.wait.is_zero() && given.strict && given.html);
    assert!(images("formats = []").unwrap().policy.formats.is_empty());
    let background = images("background = \"#1A2b3c\"")
        .unwrap()
        .policy
        .background;
    assert_eq!(background, [0x1a, 0x2b, 0x3c]);
}

#[test]
fn mistakes_of_the_process_say_where_and_what_to_do() {
    let many = std::thread::available_parallelism().unwrap().get() + 1;
    let workers = format!("workers = {many}");
    for (lines, told) in [
        (
            workers.as_str(),
            "more threads for pictures than processors",
        ),
        (&workers, &workers),
        (&workers, "0 stands for one per processor"),
        ("workers = -1", "integer out of range"),
        ("queue = 0", "expected 1 or more"),
        ("disk = 5", "expected a size"),
        ("storage = \"\"", "empty path"),
        ("cache = \"x\"", "unknown key `cache`"),
    ] {
        let error = media(lines).unwrap_err();
        assert!(error.contains(told), "{told}: {error}");
        assert!(error.contains("1 error in the configuration"), "{error}");
    }
}

#[test]
fn mistakes_of_a_route_say_where_and_what_to_do() {
    for (lines, told) in [
        (
            "widths = []",
            "expected widths in pixels, such as [320, 640, 1280]",
        ),
        ("widths = [0]", "no such width"),
        ("widths = [640, 9000]", "expected 1 to 8192 pixels"),
        ("widths = [\"640\"]", "expected an integer"),
        ("widths = 640", "expected a list of integers"),
        ("formats = [\"jpeg\"]", "expected one of \"avif\", \"webp\""),
        ("formats = [\"webq\"]", "did you mean \"webp\"?"),
        ("formats = [\"webp\", \"webp\"]", "\"webp\" is given twice"),
        ("quality = 0", "expected 1 to 100"),
        ("quality = 101", "no such quality"),
        ("quality = 0.85", "expected an integer, found a float"),
        ("max_width = 0", "no such width"),
        ("max_height = 8193", "no such height"),
        ("background = \"white\"", "invalid colour \"white\""),
        ("background = \"#ffff\"", "such as \"#ffffff\" or \"#fff\""),
        ("background = \"#ggg\"", "names of colours"),
        ("background = \"#\u{e4}bcde\"", "invalid colour"),
        (
            "max_size = \"0\"",
            "to leave pictures as they are, remove `images`",
        ),
        ("max_pixels = 50", "50 megapixels are 50_000_000"),
        (
            "max_pixels = 2_000_000_000",
            "expected 10_000 to 1_000_000_000",
        ),
        ("timeout = \"0s\"", "no picture can be made in no time"),
        ("timeout = 10", "expected a duration"),
        ("wait = 5", "expected a duration"),
        ("sign = { key = \"\" }", "expected 16 bytes or more"),
        ("sign = { key = \"sesame\" }", "it is too short"),
        ("sign = {}", "missing key `key`"),
        (
            "sign = { key = { env = \"PARVIS_NO_SUCH\" } }",
            "is not set",
        ),
        ("sign = \"sesame\"", "expected a table"),
        ("qualiti = 85", "did you mean `quality`?"),
    ] {
        let error = images(lines).unwrap_err();
        assert!(error.contains(told), "{told}: {error}");
        assert!(error.contains("1 error in the configuration"), "{error}");
        // Where; but a secret's line is not shown.
        let secret = lines.starts_with("sign = { key = \"sesame");
        assert_eq!(error.contains("/etc/parvis.toml:2:"), !secret, "{error}");
        assert!(!error.contains("sesame") || !secret, "{error}");
    }
}

/// All defaults are what they are shown as.
#[test]
fn the_reference_tells_the_defaults() {
    let mut text = String::new();
    crate::config::markdown(&mut text, "[media]", &MediaSettings::describe());
    crate::config::markdown(&mut text, "[images]", &ImagesSettings::describe());
    for told in [
        "| `storage` | path | `\"/var/cache/parvis\"` |",
        "| `disk` | size | `\"1GiB\"` |",
        "| `widths` | list of integers | `[150, 300, 320, 600, 640, 960, 1280, 1920]` |",
        "| `formats` | list of \"avif\" or \"webp\"s | `[\"avif\", \"webp\"]` |",
        "| `max_pixels` | integer | `50000000` |",
        "| `sign` | table | absent |",
    ] {
        assert!(text.contains(told), "{told}\n{text}");
    }
}
