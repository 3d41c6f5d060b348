use super::*;
use crate::visits::statistics::Fact;
use crate::visits::statistics::memory::Memory;
use crate::visits::statistics::reference::Random;
use crate::visits::visit::{Device, Source};

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

const NOW: &str = "2026-11-21T14:35:12Z";
const ALL: [Period; 3] = [Period::Today, Period::Days7, Period::Days30];

fn memory() -> Memory {
    let mut random = Random(7);
    let site = ("shop", "Europe/Paris");
    Memory::default().with_random(&mut random, site, (70, 20_000, at(NOW)))
}

fn wanted<'a>(site: Option<&'a str>, filter: &Filter, period: Period) -> Wanted<'a> {
    Wanted {
        period,
        site,
        filter: filter.clone(),
        now: at(NOW),
    }
}

fn drawn(memory: &Memory, filter: &Filter, period: Period, look: (usize, bool)) -> String {
    draw(memory, &wanted(None, filter, period), look.0, look.1).unwrap()
}

/// Without colours.
fn bare(text: &str) -> String {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap().to_string();
    parts.fold(first, |text, part| text + part.split_once('m').unwrap().1)
}

#[test]
fn it_fits() {
    let memory = memory();
    let france = Filter {
        country: Some(*b"FR"),
        ..Filter::default()
    };
    for range in ALL {
        for width in [0, 40, 57, 75, 76, 80, 100, 500] {
            for filter in [&Filter::default(), &france] {
                let text = drawn(&memory, filter, range, (width, false));
                assert!(text.lines().count() <= 45, "{}", text.lines().count());
                assert!(!text.contains('\x1b'));
                for line in text.lines() {
                    assert!(paint::width(line) <= width.clamp(40, 120), "{line}");
                    assert_eq!(line, line.trim_end());
                }
                let coloured = drawn(&memory, filter, range, (width, true));
                assert_eq!(bare(&coloured).lines().count(), text.lines().count());
            }
        }
    }
}

#[test]
fn the_numbers_are_those_of_the_overview() {
    let memory = memory();
    let scope = Scope::new(&memory, Some("shop"), at(NOW)).unwrap();
    let filter = Filter::default();
    let overview = overview(&memory, &scope, &filter).unwrap();
    let text = draw(
        &memory,
        &wanted(Some("shop"), &filter, Period::Days7),
        80,
        false,
    )
    .unwrap();
    let days = overview.days_7;
    assert!(
        text.starts_with("shop · 2026-11-15 to 2026-11-21 · Europe/Paris\n"),
        "{text}"
    );
    for expected in [
        format!("{} guests", number(days.guests)),
        format!("{} views", number(days.views)),
        format!(
            "the 7 days before: {} guests",
            number(days.before.unwrap().guests)
        ),
    ] {
        assert!(text.contains(&expected), "{expected} {text}");
    }
    let json = json(&memory, &wanted(Some("shop"), &filter, Period::Days7)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["overview"]["days_7"]["guests"], days.guests);
    assert_eq!(json["chart"]["points"].as_array().unwrap().len(), 7);
    for list in [
        "top_pages",
        "top_countries",
        "top_referrers",
        "devices",
        "browsers",
        "os",
    ] {
        let name = json[list]["items"][0]["name"].as_str().unwrap();
        assert!(list == "os" || text.contains(name), "{list} {name}");
    }
}

#[test]
fn nothing_from_the_network_steers_the_terminal() {
    let fact = Fact {
        hour: 0,
        source: Source::App,
        partial: false,
        device: Device::Desktop,
        country: *b"FR",
        page: "/\x1b[2J\u{9b}31m\u{202e}\r\nx",
        referrer: "日本語日本語日本語日本語日本語日本語日本語日本語.example",
        internal: false,
        browser: "\x07",
        os: "",
        visitor: 1,
    };
    let memory = Memory::default().with("s\x1b", "UTC", &[(at(NOW), fact)]);
    let filter = Filter {
        path: Some(fact.page.to_string()),
        ..Filter::default()
    };
    for range in ALL {
        let text = draw(&memory, &wanted(Some("s\x1b"), &filter, range), 80, false).unwrap();
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
        assert!(
            text.contains("/\u{fffd}[2J\u{fffd}31m\u{fffd}\u{fffd}\u{fffd}x"),
            "{text}"
        );
        assert!(!text.contains('\u{202e}'));
        assert!(text.lines().all(|line| paint::width(line) <= 80));
    }
}

#[test]
fn nobody_came() {
    let memory = Memory::default().with("s", "Asia/Kolkata", &[]);
    for range in ALL {
        let text = drawn(&memory, &Filter::default(), range, (80, false));
        assert!(
            text.contains("0 guests   0 views\n") && text.contains("\nnobody\n"),
            "{text}"
        );
    }
}

#[test]
fn texts_are_measured_and_cut() {
    for (text, most, wanted) in [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本", 4, "日本"),
        ("日本語", 4, "日…"),
        ("e\u{301}e\u{301}e", 2, "e\u{301}…"),
        ("abc", 0, ""),
    ] {
        assert_eq!(fitted(text, most), wanted);
        assert!(paint::width(&fitted(text, most)) <= most);
    }
    for (count, wanted) in [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (1_234_567, "1,234,567"),
        (12_345_678, "12.3 M"),
        (u64::MAX, "18446744073.7 G"),
    ] {
        assert_eq!(number(count), wanted);
    }
    assert_eq!(bar(1.0, 3), "███");
    assert_eq!(bar(0.5, 1), "▌");
    assert_eq!(bar(0.0, 3), "");
    assert_eq!(bar(0.000_1, 3), "▏");
    assert_eq!(bar(f64::NAN, 3), "");
}

#[test]
fn a_site_that_there_is_not_is_said() {
    let error = |memory: &Memory| {
        let filter = Filter::default();
        draw(
            memory,
            &wanted(Some("x"), &filter, Period::Today),
            80,
            false,
        )
        .unwrap_err()
    };
    let known = error(&memory()).to_string();
    assert_eq!(known, "no site \"x\" records visits; these do: shop");
    let none = error(&Memory::default()).to_string();
    assert_eq!(none, "no site \"x\" records visits; none does");
}
