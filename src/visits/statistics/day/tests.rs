use super::*;
use crate::visits::statistics::reference::{Random, random_facts, random_filter, tallied};
use crate::visits::statistics::{By, Counts, Detail, Fact, OpenDay, Split};

pub fn open(facts: &[Fact<'_>]) -> OpenDay {
    let mut day = OpenDay::default();
    facts.iter().for_each(|fact| day.count(fact));
    day
}

fn asked(day: &dyn Tallied, filter: &Filter, by: By) -> Tally {
    let mut tally = Tally::new(by);
    day.tally(filter, &mut tally);
    assert!(!tally.is_lacking(), "{filter:?} {by:?}");
    tally
}

/// Everything that a tally says, in one order.
fn said(tally: &Tally) -> (Split, Vec<Split>, Vec<(String, Counts)>) {
    let mut names: Vec<_> = tally.names().map(|(n, c)| (n.to_string(), c)).collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    (tally.split(), tally.hours().to_vec(), names)
}

const ALL: [By; 8] = [
    By::Nothing,
    By::Hour,
    By::Page,
    By::Country,
    By::Referrer,
    By::Device,
    By::Browser,
    By::Os,
];

#[test]
fn every_question_is_answered_as_the_visits_themselves_answer_it() {
    let mut random = Random(1);
    for round in 0..24_u64 {
        let facts = random_facts(&mut random, 1 + (round * 37 % 900) as usize);
        let open = open(&facts);
        let closed = open.close();
        let reread = Day::from_bytes(&closed.to_bytes()).unwrap();
        let summary = Day::from_parts(closed.summary(), None).unwrap();
        let reopened = OpenDay::reopen(&closed);
        assert_eq!(closed.totals(), open.totals());
        assert_eq!(reopened.totals(), open.totals());
        for question in 0..12 {
            let filter = random_filter(&mut random, &facts);
            for by in ALL {
                let wanted = said(&tallied(&facts, &filter, by));
                let what = format!("{round} {question} {by:?} {filter:?}");
                for day in [&open as &dyn Tallied, &closed, &reread, &reopened] {
                    assert_eq!(said(&asked(day, &filter, by)), wanted, "{what}");
                }
                let mut tally = Tally::new(by);
                summary.tally(&filter, &mut tally);
                match filter.detail(by) {
                    Detail::Summary => assert_eq!(said(&tally), wanted, "{what}"),
                    // A name that does not occur needs no rows.
                    Detail::Rows if tally.is_lacking() => {}
                    Detail::Rows => assert_eq!(said(&tally), said(&Tally::new(by)), "{what}"),
                }
            }
        }
    }
}

#[test]
fn late_visits_to_a_closed_day_are_views_and_no_guests() {
    let mut random = Random(2);
    let facts = random_facts(&mut random, 500);
    let before = open(&facts).totals();
    let mut day = OpenDay::reopen(&open(&facts).close());
    facts.iter().for_each(|fact| day.count(fact));
    let after = day.close().totals();
    assert_eq!(after.views_web, 2 * before.views_web);
    assert_eq!(after.views_app, 2 * before.views_app);
    assert_eq!(after.guests_web, before.guests_web);
    assert_eq!(after.partials, 2 * before.partials);
}

#[test]
fn an_empty_day_is_a_day() {
    let day = OpenDay::default().close();
    let day = Day::from_bytes(&day.to_bytes()).unwrap();
    assert_eq!(day.totals(), Totals::default());
    for by in ALL {
        let tally = asked(&day, &Filter::default(), by);
        assert_eq!(said(&tally), said(&Tally::new(by)));
    }
}

/// Many rows of few pages, so that blocks are full, columns are wide and counts are large.
#[test]
fn blocks_and_wide_columns_are_counted_whole() {
    let mut random = Random(3);
    let hosts: Vec<String> = (0..700).map(|n| format!("h{n}.example")).collect();
    let systems: Vec<String> = (0..150).map(|n| format!("S{n}")).collect();
    let mut facts = random_facts(&mut random, 12_000);
    for fact in &mut facts {
        fact.page = ["/", "/a", "/b"][random.below(3)];
        fact.referrer = &hosts[random.below(700)];
        fact.os = &systems[random.below(150)];
        fact.country = [b'A' + random.below(26) as u8, b'A' + random.below(26) as u8];
    }
    let again: Vec<_> = facts.iter().take(40).cycle().take(6_000).copied().collect();
    facts.extend(again);
    let closed = open(&facts).close();
    assert!(closed.len() > 5_000);
    for _ in 0..8 {
        let filter = random_filter(&mut random, &facts);
        for by in ALL {
            let wanted = said(&tallied(&facts, &filter, by));
            assert_eq!(
                said(&asked(&closed, &filter, by)),
                wanted,
                "{by:?} {filter:?}"
            );
        }
    }
}

#[test]
fn more_combinations_of_counts_than_the_table_has_are_made_up_of_others() {
    let rows: Vec<Row> = (0..70_000_u32)
        .map(|n| Row {
            source: Source::Web,
            page: 0,
            hour: (n % 24) as u8,
            country: *b"FR",
            client: 0,
            referrer: 0,
            counts: [n + 1, n / 2, n / 3, n / 5],
        })
        .collect();
    let parts = Parts {
        totals: Totals::default(),
        pages: vec!["/"],
        referrers: vec!["(direct)"],
        browsers: vec!["Firefox"],
        systems: vec!["Linux"],
        clients: vec![Client {
            device: Device::Desktop,
            browser: 0,
            os: 0,
        }],
        rows,
    };
    let (summary, rows) = write::write(&parts);
    let day = Day::from_parts(&summary, Some(&rows)).unwrap();
    let filter = Filter {
        path: Some("/".into()),
        country: Some(*b"FR"),
        ..Filter::default()
    };
    let views = parts.rows.iter().map(|r| u64::from(r.counts[0])).sum();
    let guests = parts.rows.iter().map(|r| u64::from(r.counts[3])).sum();
    let web = Counts { views, guests };
    assert_eq!(asked(&day, &filter, By::Nothing).split().web, web);
}

#[test]
fn no_rubbish_panics() {
    let mut random = Random(4);
    let facts = random_facts(&mut random, 60);
    let day = open(&facts).close();
    let bytes = day.to_bytes();
    let filters: Vec<_> = (0..8).map(|_| random_filter(&mut random, &facts)).collect();
    for length in 0..bytes.len() {
        let part = Day::from_bytes(&bytes[..length]);
        // It may end after the summary.
        assert!(part.is_err() || part.is_ok_and(|day| day.rows().is_empty()));
    }
    let mut read = 0;
    for round in 0..100_000 {
        let mut bytes = bytes.clone();
        for _ in 0..=random.below(3) {
            let place = random.below(bytes.len());
            bytes[place] = match random.below(3) {
                0 => random.next() as u8,
                1 => bytes[place] ^ (1 << random.below(8)),
                _ => 0xff,
            };
        }
        let Ok(day) = Day::from_bytes(&bytes) else {
            continue;
        };
        read += 1;
        let mut tally = Tally::new(ALL[round % 8]);
        day.tally(&filters[round / 8 % 8], &mut tally);
        day.tally(&Filter::default(), &mut tally);
        if round % 50 == 0 {
            OpenDay::reopen(&day).close();
        }
    }
    assert!(read > 1000, "{read}");
}

#[test]
fn what_is_wrong_is_said() {
    let error = |bytes: &[u8]| Day::from_bytes(bytes).unwrap_err();
    assert_eq!(error(b""), "is cut off");
    assert_eq!(error(b"\x04\0\0\0junk"), "is not a counted day");
    let later = b"\x04\0\0\0pds\x09";
    assert_eq!(
        error(later),
        "is in a layout that this parvis does not know"
    );
    assert_eq!(error(b"\x04\0\0\0pds\x01"), "is cut off in the totals");
}
