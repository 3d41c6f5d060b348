//! Tests of whole pages.

use super::*;
use std::time::Duration;

fn file(name: &[u8]) -> Item {
    Item {
        name: String::from_utf8_lossy(name).into_owned(),
        raw_name: name.to_vec(),
        directory: false,
        size: 1536,
        modified: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_262_400),
    }
}

fn directory(name: &[u8]) -> Item {
    Item {
        directory: true,
        ..file(name)
    }
}

fn names(page: &Page) -> Vec<&str> {
    page.items.iter().map(|item| item.name.as_str()).collect()
}

#[test]
fn directories_come_first_and_numbers_are_numbers() {
    let items = vec![
        file(b"a10"),
        file(b"B"),
        file(b"a2"),
        directory(b"z"),
        file(b"A1"),
        directory(b"C"),
        file(b"a1"),
        file(b"a01"),
    ];
    let page = page(items, 1);
    assert_eq!(
        names(&page),
        ["C", "z", "A1", "a01", "a1", "a2", "a10", "B"]
    );
    assert_eq!((page.page, page.pages, page.total), (1, 1, 8));
}

#[test]
fn two_thousand_five_hundred_entries_are_three_pages() {
    let items = || -> Vec<Item> {
        (1..=2500)
            .rev()
            .map(|n| file(format!("f{n}").as_bytes()))
            .collect()
    };
    let first = page(items(), 1);
    assert_eq!(
        (first.page, first.pages, first.total, first.items.len()),
        (1, 3, 2500, 1000)
    );
    assert_eq!(first.items[999].name, "f1000");
    let last = page(items(), 3);
    assert_eq!((last.page, last.items.len()), (3, 500));
    assert_eq!(last.items[0].name, "f2001");
    assert_eq!(last.items[499].name, "f2500");
    assert_eq!(page(items(), usize::MAX), last);
    assert_eq!(page(items(), 0), first);

    let text = html(b"/d/", &page(items(), 2));
    assert_eq!(text.matches("<tr>").count(), 1002);
    for part in [
        "2,500 entries, page 2 of 3",
        "<a href=\"./?page=1\" rel=\"prev\">",
        "<a href=\"./?page=3\" rel=\"next\">",
        "<strong aria-current=\"page\">2</strong>",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let value: Value = serde_json::from_str(&json(b"/d/", &page(items(), 2))).unwrap();
    assert_eq!(value["entries"].as_array().unwrap().len(), 1000);
    assert_eq!(
        (value["page"].as_u64(), value["pages"].as_u64()),
        (Some(2), Some(3))
    );
    assert_eq!(value["total"], 2500);
}

#[test]
fn an_empty_directory_has_one_page() {
    let page = page(Vec::new(), 7);
    assert_eq!((page.page, page.pages, page.total), (1, 1, 0));
    assert!(html(b"/", &page).contains("0 entries"));
    assert_eq!(
        json(b"/", &page),
        "{\"path\":\"/\",\"page\":1,\"pages\":1,\"total\":0,\"entries\":[]}\n"
    );
}

#[test]
fn many_pages_are_left_out() {
    let page = Page {
        items: Vec::new(),
        page: 50,
        pages: 100,
        total: 99_001,
    };
    let text = html(b"/", &page);
    let links: Vec<&str> = text
        .match_indices("./?page=")
        .map(|(at, _)| text[at + 8..].split('"').next().unwrap())
        .collect();
    assert_eq!(links, ["49", "1", "48", "49", "51", "52", "100", "51"]);
    assert_eq!(text.matches('…').count(), 2);
}

#[test]
fn only_a_number_is_a_page() {
    for (query, expected) in [
        (None, 1),
        (Some("page=2"), 2),
        (Some("a=b&page=12&c"), 12),
        (Some("page=0"), 1),
        (Some("page="), 1),
        (Some("page=-1"), 1),
        (Some("page=+2"), 1),
        (Some("page=2x"), 1),
        (Some("xpage=2"), 1),
        (Some("page=99999999999999999999999999"), 1),
        (Some("page=%32"), 1),
        (Some("\u{fffd}"), 1),
    ] {
        assert_eq!(
            requested_page(query.map(str::as_bytes)),
            expected,
            "{query:?}"
        );
    }
    assert_eq!(requested_page(Some(b"page=\xff")), 1);
}

#[test]
fn hostile_names_are_neither_markup_nor_addresses() {
    for (name, href, shown) in [
        (b"a:b".as_slice(), "./a:b", "a:b"),
        (
            b"javascript:alert(1)",
            "./javascript:alert(1)",
            "javascript:alert(1)",
        ),
        (
            b"data:text/html".split(|b| *b == b'/').next().unwrap(),
            "./data:text",
            "data:text",
        ),
        (b"?", "./%3F", "?"),
        (b"#", "./%23", "#"),
        (b"%41", "./%2541", "%41"),
        (b"\\\\host\\x", "./%5C%5Chost%5Cx", "\\\\host\\x"),
        (
            b"\"onmouseover=x",
            "./%22onmouseover=x",
            "&quot;onmouseover=x",
        ),
        (b"'x'", "./&#39;x&#39;", "&#39;x&#39;"),
        (b"a&lt;b", "./a&amp;lt;b", "a&amp;lt;b"),
        (b"<script>", "./%3Cscript%3E", "&lt;script&gt;"),
        (
            b"</bdi></a>",
            "./%3C/bdi%3E%3C/a%3E",
            "&lt;/bdi&gt;&lt;/a&gt;",
        ),
        (b" a b ", "./%20a%20b%20", " a b "),
        (b"a\nb\tc", "./a%0Ab%09c", "a\u{fffd}b\u{fffd}c"),
        (b"\xff\xfe", "./%FF%FE", "\u{fffd}\u{fffd}"),
        ("ä☃".as_bytes(), "./%C3%A4%E2%98%83", "ä☃"),
        (b"{{x}}${x}", "./%7B%7Bx%7D%7D$%7Bx%7D", "{{x}}${x}"),
    ] {
        for (item, slash) in [(file(name), ""), (directory(name), "/")] {
            let text = html(b"/d/", &page(vec![item.clone()], 1));
            let link = format!("<a href=\"{href}{slash}\">");
            assert!(text.contains(&link), "{link}\n{text}");
            let bdi = format!("<bdi>{shown}{slash}</bdi></a>");
            assert!(text.contains(&bdi), "{bdi}\n{text}");
            assert!(!text.contains("<script"), "{text}");
            let json = json(b"/d/", &page(vec![item.clone()], 1));
            let value: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(value["entries"][0]["name"], item.name);
        }
    }
    let text = html(b"/</title><script>x/\xff/", &page(Vec::new(), 1));
    assert!(text.contains("<title>Index of /&lt;/title&gt;&lt;script&gt;x/\u{fffd}/</title>"));
    assert!(!text.contains("<script"));
}

#[test]
fn what_the_documents_say() {
    let shown = page(vec![file(b"f.pdf"), directory(b"e")], 1);
    assert_eq!(
        json(b"/d/", &shown),
        "{\"path\":\"/d/\",\"page\":1,\"pages\":1,\"total\":2,\"entries\":[\
         {\"name\":\"e\",\"type\":\"directory\",\"size\":null,\"modified\":\"2026-11-21T12:00:00Z\"},\
         {\"name\":\"f.pdf\",\"type\":\"file\",\"size\":1536,\"modified\":\"2026-11-21T12:00:00Z\"}]}\n"
    );
    let text = html(b"/d/", &shown);
    for part in [
        "<a href=\"../\">",
        "<use href=\"#folder\"/>",
        "<use href=\"#pdf\"/>",
        "title=\"1,536 bytes\">1.5 KiB<",
        "<time datetime=\"2026-11-21T12:00:00Z\">2026-11-21 12:00:00</time>",
        "<title>Index of /d/</title>",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    for absent in [
        "<script",
        "http:",
        "https:",
        "noindex",
        "aria-label=\"Pages\"",
    ] {
        assert!(!text.contains(absent), "{absent}");
    }
    assert!(!html(b"/", &shown).contains("Parent"));
    // Each icon that is used is there.
    for icon in [
        "folder", "up", "picture", "text", "archive", "audio", "video", "pdf", "file",
    ] {
        assert!(text.contains(&format!("<symbol id=\"{icon}\"")), "{icon}");
    }
}

#[test]
fn times_out_of_the_ordinary() {
    let epoch = SystemTime::UNIX_EPOCH;
    assert_eq!(
        rfc3339(epoch - Duration::from_millis(1)),
        "1969-12-31T23:59:59Z"
    );
    assert_eq!(
        rfc3339(epoch - Duration::from_secs(1)),
        "1969-12-31T23:59:59Z"
    );
    assert_eq!(
        rfc3339(epoch + Duration::from_secs(u64::MAX / 4)),
        "1970-01-01T00:00:00Z"
    );
    assert_eq!(
        rfc3339(epoch + Duration::from_millis(999)),
        "1970-01-01T00:00:00Z"
    );
    // 253402300799: the last second of 9999.
    assert_eq!(
        rfc3339(epoch + Duration::from_secs(253_402_300_799)),
        "9999-12-31T23:59:59Z"
    );
}
