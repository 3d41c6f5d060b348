//! Whole pages through the rewriter.

mod pieces;

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const UTF8: &str = "text/html; charset=utf-8";
const LAZY: &str = " loading=\"lazy\"";
const ALL: &str = " decoding=\"async\" width=\"800\" height=\"600\" \
                   srcset=\"/m/a.jpg?w=300 300w, /m/a.jpg 800w\" ";
const EARLY: &str = "sizes=\"(max-width: 800px) 100vw, 800px\"";
const LATER: &str = "sizes=\"auto, (max-width: 800px) 100vw, 800px\"";

/// Pictures lie under `/m/`.
fn look(path: &str, _query: Option<&str>) -> Option<Known> {
    path.starts_with("/m/").then(|| Known {
        widths: [300, 1280].into(),
        size: Some((800, 600)),
    })
}

fn rewriter(content_type: &str) -> Rewriter {
    let address = "https://example.com/blog/post";
    Rewriter::new(content_type.as_bytes(), address, Box::new(look)).unwrap()
}

fn through(content_type: &str, page: &[u8]) -> Vec<u8> {
    let mut rewriter = rewriter(content_type);
    let mut out = rewriter.write(page);
    out.extend(rewriter.end());
    out
}

fn rewritten(page: &str) -> String {
    String::from_utf8(through(UTF8, page.as_bytes())).unwrap()
}

/// The page that this one was before something was added.
fn without_additions(page: &[u8]) -> Vec<u8> {
    const NAMES: [&[u8]; 6] = [
        b" loading=\"",
        b" decoding=\"",
        b" width=\"",
        b" height=\"",
        b" srcset=\"",
        b" sizes=\"",
    ];
    let mut out = Vec::new();
    let mut rest = page;
    while let Some(at) = rest
        .windows(4)
        .position(|window| window.eq_ignore_ascii_case(b"<img"))
    {
        out.extend_from_slice(&rest[..at + 4]);
        rest = &rest[at + 4..];
        while let Some(name) = NAMES.iter().find(|name| rest.starts_with(name)) {
            let value = &rest[name.len()..];
            let end = value.iter().position(|b| *b == b'"').unwrap();
            rest = &value[end + 1..];
        }
    }
    out.extend_from_slice(rest);
    out
}

#[test]
fn the_first_two_images_are_not_lazy() {
    let page = "<body><img src=/m/a.jpg><p><IMG SRC='/m/a.jpg'/><img\nsrc=\"/m/a.jpg\" >";
    assert_eq!(
        rewritten(page),
        format!(
            "<body><img{ALL}{EARLY} src=/m/a.jpg><p><IMG{ALL}{EARLY} SRC='/m/a.jpg'/>\
             <img{LAZY}{ALL}{LATER}\nsrc=\"/m/a.jpg\" >"
        )
    );
}

#[test]
fn tags_that_are_odd_stay_what_they_are() {
    let added = format!("{ALL}{EARLY}");
    for (tag, expected) in [
        ("<img/src=/m/a.jpg/>", None),
        (
            "<img/src=/m/a.jpg>",
            Some(format!("<img{added}/src=/m/a.jpg>")),
        ),
        (
            "<img   src = \"/m/a.jpg\"\t\n  alt >",
            Some(format!("<img{added}   src = \"/m/a.jpg\"\t\n  alt >")),
        ),
        (
            "<img alt='a > b' src=/m/a.jpg>",
            Some(format!("<img{added} alt='a > b' src=/m/a.jpg>")),
        ),
        ("<img>", None),
        ("<img src>", None),
        ("<img src=/m/a.jpg", None),
        ("<imgsrc=/m/a.jpg>", None),
        ("<image src=/m/a.jpg>", None),
        ("</img src=/m/a.jpg>", None),
        ("< img src=/m/a.jpg>", None),
        ("<img src=/n/a.jpg>", None),
        ("<img src=https://example.org/m/a.jpg>", None),
        ("<img src=data:image/gif;base64,R0lG>", None),
        ("<svg:img src=/m/a.jpg>", None),
    ] {
        let found = rewritten(tag);
        let expected = expected.unwrap_or_else(|| tag.to_string());
        if tag == "<img/src=/m/a.jpg/>" {
            // The slash belongs to the file's name.
            assert!(found.starts_with("<img decoding") && found.ends_with("/src=/m/a.jpg/>"));
            continue;
        }
        assert_eq!(found, expected, "{tag}");
    }
}

#[test]
fn what_is_no_image_of_the_page_is_untouched() {
    let img = "<img src=/m/a.jpg>";
    for page in [
        format!("<!-- {img} -->"),
        format!("<script>document.write('{img}')</script>"),
        format!("<script><!-- <script>{img}</script>{img}--></script>"),
        format!("<style>{img}</style>"),
        format!("<textarea>{img}</textarea>"),
        format!("<title>{img}</title>"),
        format!("<noscript>{img}</noscript>"),
        format!("<iframe>{img}</iframe>"),
        format!("<xmp>{img}</xmp>"),
        format!("<template><div><p>{img}</div>{img}</template>"),
        format!("<template><template>{img}</template>{img}</template>"),
        format!("<template><picture>{img}</picture></template>"),
        format!("<svg><![CDATA[{img}]]></svg>"),
        format!("<a title=\"{img}\">"),
        format!("<plaintext>{img}"),
        format!("<!DOCTYPE {img}"),
    ] {
        let page = page.replace(
            "<!DOCTYPE <img src=/m/a.jpg>",
            "<!DOCTYPE img src=/m/a.jpg>",
        );
        assert_eq!(rewritten(&page), page);
        let after = rewritten(&format!("{page}</plaintext>{img}"));
        let seen = !page.starts_with("<plaintext");
        assert_eq!(after.contains("<img decoding"), seen, "{page}: {after}");
    }
}

#[test]
fn a_picture_keeps_its_choice() {
    let page = "<picture><source srcset=/m/a.avif><img src=/m/a.jpg></picture><img src=/m/a.jpg>";
    assert_eq!(
        rewritten(page),
        format!(
            "<picture><source srcset=/m/a.avif><img decoding=\"async\" src=/m/a.jpg></picture>\
             <img{ALL}{EARLY} src=/m/a.jpg>"
        )
    );
    // One that is never closed ends with what it is in.
    let page = "<div><picture><p></div><img src=/m/a.jpg>";
    assert!(rewritten(page).contains("srcset"));
}

#[test]
fn help_ends_where_the_parser_and_browsers_part() {
    let img = "<img src=/m/a.jpg>";
    for page in [
        format!("<svg/><script>write('{img}')</script>"),
        format!("<math /><textarea>{img}</textarea>"),
        format!("<svg><svg></svg><p><textarea>{img}</textarea>"),
        format!("<div><svg></div><textarea>{img}</textarea>"),
        format!("<svg><p></svg><math><svg></math><textarea>{img}</textarea>"),
    ] {
        assert_eq!(rewritten(&page), page);
    }
    let page = "<svg><title>x</title><path d=''/></SVG>".repeat(2) + "<math><mi>x</math>" + img;
    assert!(rewritten(&page).contains("decoding"));
}

#[test]
fn a_base_leads_elsewhere() {
    let found = |page: &str| rewritten(page).contains("decoding");
    assert!(!found("<img src=a.jpg>"));
    assert!(found("<base href=/m/><img src=a.jpg>"));
    assert!(found(
        "<base target=_top><base href='/m/x'><base href=/n/><img src=a.jpg>"
    ));
    assert!(found(
        "<template><base href=/n/></template><base href=/m/><img src=a.jpg>"
    ));
    assert!(!found("<base href=https://example.org/><img src=/m/a.jpg>"));
    assert!(!found("<base href='http://['><img src=/m/a.jpg>"));
}

#[test]
fn at_most_500_images_are_looked_up() {
    let looked = Arc::new(AtomicUsize::new(0));
    let counted = looked.clone();
    let look = move |path: &str, query: Option<&str>| {
        counted.fetch_add(1, Ordering::Relaxed);
        look(path, query)
    };
    let mut rewriter =
        Rewriter::new(UTF8.as_bytes(), "http://example.com/", Box::new(look)).unwrap();
    let page = "<img src=/m/a.jpg>".repeat(600);
    let mut out = rewriter.write(page.as_bytes());
    out.extend(rewriter.end());
    assert_eq!(looked.load(Ordering::Relaxed), 500);
    assert_eq!(
        String::from_utf8(out).unwrap().matches("srcset").count(),
        500
    );
}

#[test]
fn encodings_are_read_and_not_changed() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let paths = |content_type: &str, page: &[u8]| {
        let noted = seen.clone();
        let look = move |path: &str, _: Option<&str>| {
            noted.lock().unwrap().push(path.to_string());
            look(path, None)
        };
        let mut rewriter = Rewriter::new(
            content_type.as_bytes(),
            "http://example.com/",
            Box::new(look),
        )
        .unwrap();
        let mut out = rewriter.write(page);
        out.extend(rewriter.end());
        assert_eq!(without_additions(&out), page);
        (
            std::mem::take(&mut *seen.lock().unwrap()),
            out.len() > page.len(),
        )
    };
    let cyrillic = b"<p>\xf4\xee\xf2\xee<img  src=/m/\xf4.jpg>\xff";
    let (seen_paths, more) = paths("text/html; charset=windows-1251", cyrillic);
    assert!(more && seen_paths == ["/m/%D1%84.jpg"], "{seen_paths:?}");
    let in_page = [b"<meta charset=windows-1251>".as_slice(), cyrillic].concat();
    assert_eq!(paths("text/html", &in_page).0, ["/m/%D1%84.jpg"]);
    let in_page = b"<meta http-equiv=content-type content='text/html; charset=utf-8'><img  src='/m/\xd1\x84.jpg'>";
    assert_eq!(paths("text/html", in_page).0, ["/m/%D1%84.jpg"]);
    // The type outdoes the page.
    let both = b"<meta charset=windows-1251><img  src='/m/\xd1\x84.jpg'>";
    assert_eq!(paths(UTF8, both).0, ["/m/%D1%84.jpg"]);
    let marked = b"\xef\xbb\xbf<img  src='/m/\xd1\x84.jpg'>";
    assert_eq!(
        paths("text/html; charset=windows-1251", marked).0,
        ["/m/%D1%84.jpg"]
    );
    // 0x5C, a backslash alone, is the second byte of a letter here.
    let japanese = b"\x83\x5c<img  alt='\x83\x5c' src='/m/\x83\x5c.jpg'>\x83";
    let (seen_paths, more) = paths("text/html; charset=Shift_JIS", japanese);
    assert!(more && seen_paths == ["/m/%E3%82%BD.jpg"], "{seen_paths:?}");
    // Not UTF-8: no name that a browser would ask for.
    let broken = b"\xff<p \xfe><img  alt='\xf0\x9f' src='/m/\xff.jpg'>\xf0\x9f";
    assert_eq!(paths(UTF8, broken), (vec![], false));
    let sixteen = b"\xff\xfe<\0i\0m\0g\0>\0<img src=/m/a.jpg>";
    assert_eq!(paths(UTF8, sixteen), (vec![], false));
}

#[test]
fn xhtml_and_unknown_encodings_are_no_pages() {
    let new = |content_type: &str, address| {
        Rewriter::new(content_type.as_bytes(), address, Box::new(look)).is_some()
    };
    assert!(new(UTF8, "http://example.com/"));
    assert!(!new("application/xhtml+xml", "http://example.com/"));
    assert!(!new("text/html; charset=utf-16", "http://example.com/"));
    assert!(!new(UTF8, "/relative"));
}
