//! What the tests compare answers with: the visits themselves, looked through one by one.

use super::tally::Kind;
use super::{By, Counts, DIRECT, Fact, Filter, INTERNAL, Tally, UNKNOWN};
use crate::visits::visit::{Device, Source};
use std::collections::HashSet;

/// Numbers that look random and are the same in every run (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, most: usize) -> usize {
        (self.next() % most as u64) as usize
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

pub const PAGES: [&str; 7] = ["/", "/a", "/b", "/où/ça", "/日本", "/a/b?c", "(other)"];
pub const HOSTS: [&str; 4] = ["", "example.org", "bücher.example", "a.example"];
pub const COUNTRIES: [[u8; 2]; 5] = [*b"FR", *b"DE", *b"ZZ", *b"US", *b"JP"];

/// Visits of a day.
pub fn random_facts(random: &mut Random, count: usize) -> Vec<Fact<'static>> {
    (0..count)
        .map(|_| {
            let referrer = random.of(&HOSTS);
            Fact {
                hour: random.below(25) as u8,
                source: random.of(&[Source::Web, Source::Web, Source::App]),
                partial: random.below(10) == 0,
                device: random.of(&Device::ALL),
                country: random.of(&COUNTRIES),
                page: random.of(&PAGES),
                referrer,
                internal: referrer.is_empty() && random.below(2) == 0,
                browser: random.of(&["Firefox", "Chrome", ""]),
                os: random.of(&["Linux", "Android", "iOS", ""]),
                visitor: random.next() % (1 + count as u64 / 4),
            }
        })
        .collect()
}

fn browser<'a>(fact: &Fact<'a>) -> &'a str {
    if fact.browser.is_empty() {
        UNKNOWN
    } else {
        fact.browser
    }
}

fn os<'a>(fact: &Fact<'a>) -> &'a str {
    if fact.os.is_empty() { UNKNOWN } else { fact.os }
}

fn referrer<'a>(fact: &Fact<'a>) -> &'a str {
    match fact.referrer {
        "" if fact.internal => INTERNAL,
        "" => DIRECT,
        host => host,
    }
}

/// A question about what occurs among the visits, and sometimes about what does not.
pub fn random_filter(random: &mut Random, facts: &[Fact<'_>]) -> Filter {
    let mut filter = Filter::default();
    for _ in 0..random.below(4) {
        let fact = random.of(facts);
        match random.below(9) {
            0 => filter.source = Some(fact.source),
            1 => filter.country = Some(fact.country),
            2 => filter.path = Some(fact.page.into()),
            3 => filter.device = Some(fact.device),
            4 => filter.browser = Some(browser(&fact).into()),
            5 => filter.os = Some(os(&fact).into()),
            6 => filter.referrer = Some(referrer(&fact).into()),
            7 => filter.until_hour = Some(random.below(26) as u8),
            _ if random.below(8) == 0 => filter.path = Some("/none".into()),
            _ => {}
        }
    }
    filter
}

/// The answer to a question, from the visits of one day.
pub fn tallied(facts: &[Fact<'_>], filter: &Filter, by: By) -> Tally {
    let mut tally = Tally::new(by);
    let mut seen = HashSet::new();
    let mut seen_hours = HashSet::new();
    let mut seen_pages = HashSet::new();
    for fact in facts.iter().filter(|fact| !fact.partial) {
        let of_day = seen.insert(fact.visitor);
        let of_hour = seen_hours.insert((fact.visitor, fact.hour));
        let of_page = seen_pages.insert((fact.visitor, fact.page));
        if !fits(fact, filter) {
            continue;
        }
        let is_guest = match filter.kind(by) {
            Kind::Day => of_day,
            Kind::Hour => of_hour,
            Kind::Page => of_page,
        };
        let counts = Counts {
            views: 1,
            guests: is_guest.into(),
        };
        match by {
            By::Nothing => tally.add(fact.source, counts),
            By::Hour => tally.add_hour(fact.hour.into(), fact.source, counts),
            by => tally.add_name(&name(fact, by), counts),
        }
    }
    tally
}

/// The visit passes the filter.
pub fn fits(fact: &Fact<'_>, filter: &Filter) -> bool {
    filter.source.is_none_or(|s| s == fact.source)
        && filter.country.is_none_or(|c| c == fact.country)
        && filter.path.as_ref().is_none_or(|p| p == fact.page)
        && filter.device.is_none_or(|d| d == fact.device)
        && filter.browser.as_ref().is_none_or(|b| b == browser(fact))
        && filter.os.as_ref().is_none_or(|o| o == os(fact))
        && filter.referrer.as_ref().is_none_or(|r| r == referrer(fact))
        && filter.until_hour.is_none_or(|h| fact.hour <= h)
}

/// What the visit is called in a list.
pub fn name(fact: &Fact<'_>, by: By) -> String {
    match by {
        By::Nothing | By::Hour => String::new(),
        By::Page => fact.page.to_string(),
        By::Country => String::from_utf8(fact.country.to_vec()).unwrap(),
        By::Referrer => referrer(fact).to_string(),
        By::Device => fact.device.name().to_string(),
        By::Browser => browser(fact).to_string(),
        By::Os => os(fact).to_string(),
    }
}
