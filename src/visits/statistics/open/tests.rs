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

/// What any question adds up to, without names.
fn sums(day: &dyn Tallied) -> Vec<(u64, u64)> {
    let filters = [
        Filter::default(),
        Filter {
            country: Some(*b"DE"),
            ..Filter::default()
        },
    ];
    let mut sums = Vec::new();
    for filter in filters {
        for by in [By::Nothing, By::Hour, By::Page, By::Referrer, By::Country] {
            let mut tally = Tally::new(by);
            day.tally(&filter, &mut tally);
            let named = tally.names().map(|(_, counts)| counts);
            let all = tally.hours().iter().map(|split| split.sum());
            let all = all.chain(named).chain([tally.split().sum()]);
            let sum = all.fold(Counts::default(), Counts::and);
            sums.push((sum.views, sum.guests));
        }
    }
    sums
}

/// A closed day tells the same as this open one, but for names.
fn closed(open: &OpenDay) -> Day {
    let day = open.close();
    assert_eq!(sums(open), sums(&day));
    assert_eq!(open.totals(), day.totals());
    let again = OpenDay::reopen(&day);
    assert_eq!(sums(&again), sums(&day));
    assert_eq!(again.close().to_bytes(), day.to_bytes());
    day
}

fn counted(facts: impl Iterator<Item = (String, String, u64)>) -> OpenDay {
    let mut open = OpenDay::default();
    for (page, referrer, visitor) in facts {
        let country = if visitor % 3 == 0 { *b"DE" } else { *b"FR" };
        open.count(&Fact {
            referrer: &referrer,
            country,
            hour: (visitor % 24) as u8,
            ..fact(&page, visitor)
        });
    }
    open
}

#[test]
fn a_day_with_few_names_keeps_them_all() {
    let pages = fold::PAGES.names as u64;
    let open = counted((0..pages).map(|n| (format!("/{n}"), format!("{}.example", n % 4999), n)));
    let day = closed(&open);
    assert_eq!(names(&day, By::Page), names(&open, By::Page));
    assert_eq!(names(&day, By::Referrer), names(&open, By::Referrer));
}

#[test]
fn what_strangers_make_up_is_not_kept_for_good() {
    // 100 pages with many views, and 30,000 of a kilobyte that nobody asks for twice.
    let long = "x".repeat(1000);
    let real = (0..20_000).map(|n| (format!("/{}", n % 100), format!("{}.org", n % 7), n));
    let made_up = (0..30_000).map(|n| (format!("/{n}/{long}"), format!("{n}.{}", &long[..240]), n));
    let open = counted(real.chain(made_up));
    let day = closed(&open);
    let pages = names(&day, By::Page);
    let bytes: usize = pages.iter().map(|(name, ..)| name.len()).sum();
    assert!((2 << 20) - 2000 < bytes && bytes <= (2 << 20) + OTHER.len());
    for page in 0..100 {
        assert!(pages.contains(&(format!("/{page}"), 200, 200)), "{page}");
    }
    let other = pages.iter().find(|(name, ..)| name == OTHER).unwrap();
    assert_eq!(other.1, 30_000 - (pages.len() as u64 - 101));
    let referrers = names(&day, By::Referrer);
    let bytes: usize = referrers.iter().map(|(name, ..)| name.len()).sum();
    assert!((512 << 10) - 500 < bytes && bytes <= (512 << 10) + OTHER.len());
    assert!(referrers.iter().any(|(name, ..)| name == "6.org"));
    assert!(day.to_bytes().len() < 4 << 20, "{}", day.to_bytes().len());
}

#[test]
fn of_many_names_those_with_the_most_views_are_kept() {
    // Page n has n / 1000 + 1 views; from nowhere, from the site itself, and from elsewhere.
    let facts = (0..15_000_u64).flat_map(|n| (0..=n / 1000).map(move |view| (n, view)));
    let mut open = OpenDay::default();
    for (n, view) in facts {
        let (page, referrer) = (format!("/{n}"), format!("{n}.example"));
        open.count(&Fact {
            referrer: if n < 5 { "" } else { &referrer },
            internal: n == 0,
            ..fact(&page, n * 100 + view)
        });
    }
    let day = closed(&open);
    let pages = names(&day, By::Page);
    assert_eq!(pages.len(), fold::PAGES.names + 1);
    let other = (OTHER.to_string(), (1..=5).sum::<u64>() * 1000, 15_000);
    assert!(pages.contains(&other));
    assert!(pages.iter().all(|page| *page == other || page.1 >= 6));
    let referrers = names(&day, By::Referrer);
    assert_eq!(referrers.len(), fold::REFERRERS.names + 3);
    // However few views they have.
    for (name, views) in [(DIRECT, 4), (INTERNAL, 1)] {
        let found = referrers.iter().find(|(known, ..)| known == name);
        assert_eq!(found.map(|found| found.1), Some(views), "{name}");
    }
}
