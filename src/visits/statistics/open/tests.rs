use super::*;
use crate::visits::statistics::{By, Counts, Filter, Tallied, Tally};

fn fact(page: &str, visitor: u64) -> Fact<'_> {
    Fact {
        hour: 3,
        source: Source::Web,
        partial: false,
        device: Device::Mobile,
        country: *b"FR",
        page,
        referrer: "",
        internal: false,
        browser: "Firefox",
        os: "Android",
        visitor,
    }
}

fn bounded(bounds: Bounds) -> OpenDay {
    OpenDay {
        bounds,
        ..OpenDay::default()
    }
}

fn names(day: &dyn Tallied, by: By) -> Vec<(String, u64, u64)> {
    let mut tally = Tally::new(by);
    day.tally(&Filter::default(), &mut tally);
    let names = tally.names();
    let mut names: Vec<_> = names
        .map(|(n, c)| (n.to_string(), c.views, c.guests))
        .collect();
    names.sort();
    names
}

fn named(list: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
    list.iter()
        .map(|(n, v, g)| (n.to_string(), *v, *g))
        .collect()
}

#[test]
fn keys_come_apart_as_they_were_put_together() {
    for source in [Source::Web, Source::App] {
        for (page, hour, country, client, referrer) in [
            (0, 0, 0, 0, 0),
            (u16::MAX, 24, 675, u16::MAX, 0x7fff),
            (50_000, 23, 1, 60_009, 20_000),
        ] {
            let fields = Fields {
                source,
                page,
                hour,
                country,
                client,
                referrer,
            };
            assert_eq!(
                format!("{:?}", fields.key().fields()),
                format!("{fields:?}")
            );
        }
    }
    for code in [*b"AA", *b"FR", *b"ZZ"] {
        assert_eq!(country_code(country_number(code)), code);
    }
    for code in [*b"fr", [0, 0], [0xff, b'A']] {
        assert_eq!(country_code(country_number(code)), *b"ZZ");
    }
}

#[test]
fn guests_are_those_who_are_seen_first() {
    let mut day = OpenDay::default();
    assert!(day.is_empty());
    day.count(&fact("/", 1));
    day.count(&fact("/", 1));
    day.count(&fact("/a", 1));
    day.count(&Fact {
        hour: 4,
        source: Source::App,
        ..fact("/", 1)
    });
    day.count(&fact("/", 2));
    day.count(&Fact {
        partial: true,
        ..fact("/p", 3)
    });
    let totals = Totals {
        views_web: 4,
        views_app: 1,
        guests_web: 2,
        guests_app: 0,
        partials: 1,
    };
    assert_eq!(day.totals(), totals);
    assert_eq!(names(&day, By::Page), named(&[("/", 4, 2), ("/a", 1, 1)]));
    let mut tally = Tally::new(By::Hour);
    day.tally(&Filter::default(), &mut tally);
    let sum = |hour: usize| tally.hours()[hour].sum();
    assert_eq!(
        sum(3),
        Counts {
            views: 4,
            guests: 2
        }
    );
    assert_eq!(
        sum(4),
        Counts {
            views: 1,
            guests: 1
        }
    );
}

#[test]
fn too_many_names_are_counted_as_others() {
    let pages: Vec<String> = (0..10).map(|n| format!("/{n}")).collect();
    let mut day = bounded(Bounds {
        pages: 2,
        referrers: 1,
        browsers: 1,
        systems: 1,
        clients: 1,
        ..Bounds::default()
    });
    for page in &pages {
        day.count(&Fact {
            referrer: page,
            browser: page,
            os: page,
            ..fact(page, 7)
        });
    }
    for day in [&day as &dyn Tallied, &day.close()] {
        let pages = [("(other)", 8, 1), ("/0", 1, 1), ("/1", 1, 1)];
        assert_eq!(names(day, By::Page), named(&pages));
        let rest = named(&[("(other)", 9, 0), ("/0", 1, 1)]);
        for by in [By::Referrer, By::Browser, By::Os] {
            assert_eq!(names(day, by), rest, "{by:?}");
        }
    }
}

#[test]
fn too_many_tuples_lose_their_page_and_client() {
    let pages: Vec<String> = (0..10).map(|n| format!("/{n}")).collect();
    let mut day = bounded(Bounds {
        tuples: 3,
        ..Bounds::default()
    });
    for page in pages.iter().chain(&pages) {
        day.count(&fact(page, 7));
    }
    assert_eq!(day.tuples.len(), 4);
    // Whoever saw several of the others was a guest on each.
    let wanted = [("(other)", 14, 7), ("/0", 2, 1), ("/1", 2, 1), ("/2", 2, 1)];
    assert_eq!(names(&day, By::Page), named(&wanted));
    assert_eq!(names(&day, By::Device), named(&[("mobile", 20, 1)]));
    let browsers = [("(other)", 14, 0), ("Firefox", 6, 1)];
    assert_eq!(names(&day.close(), By::Browser), named(&browsers));
}

#[test]
fn visitors_beyond_the_bound_are_views() {
    let mut day = bounded(Bounds {
        seen: 6,
        ..Bounds::default()
    });
    for visitor in (0..5).chain(0..5) {
        day.count(&fact("/", visitor));
    }
    let totals = day.totals();
    assert_eq!((totals.views_web, totals.guests_web), (10, 3));
    assert_eq!(names(&day, By::Page), named(&[("/", 10, 3)]));
}

#[test]
fn long_names_are_cut_between_characters() {
    let long = "/é".repeat(2000);
    let mut day = OpenDay::default();
    day.count(&Fact {
        referrer: &long,
        browser: &long,
        os: &long,
        ..fact(&long, 1)
    });
    let day = Day::from_bytes(&day.close().to_bytes()).unwrap();
    for (by, most) in [
        (By::Page, LONGEST_PAGE),
        (By::Referrer, LONGEST_HOST),
        (By::Browser, LONGEST_FAMILY),
        (By::Os, LONGEST_FAMILY),
    ] {
        let (name, ..) = &names(&day, by)[0];
        assert!(long.starts_with(name) && (most - 2..=most).contains(&name.len()));
    }
}

#[test]
fn its_weight_grows_with_it() {
    let mut day = OpenDay::default();
    let before = day.weight();
    for visitor in 0..1000 {
        day.count(&fact(&format!("/{visitor}"), visitor));
    }
    assert!(day.weight() > before + 1000 * 70, "{}", day.weight());
    assert!(day.close().weight() < day.weight());
}
