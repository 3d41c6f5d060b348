//! Answers compared with what the visits themselves say.

use super::{at, desk_of, get, told};
use crate::visits::statistics::memory::{Memory, Placed};
use crate::visits::statistics::reference::{self, Random};
use crate::visits::statistics::{By, Counts, Date, Fact, Filter, INTERNAL, Zone};
use crate::visits::visit::{Device, Source};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// A visit, and what it is the first of.
struct Seen {
    placed: Placed,
    day: bool,
    hour: bool,
    page: bool,
    /// The date and hour of the answer in which its own hour began.
    hour_place: (Date, u8),
}

/// Visits, and what is asked about them.
struct Truth {
    visits: Vec<Seen>,
    zone: Zone,
    zones: Vec<Zone>,
    now: i64,
    today: Date,
    filter: Filter,
}

impl Truth {
    fn new(memory: &Memory, site: Option<&str>, filter: &Filter, now: i64) -> Truth {
        let sites = memory.sites.iter();
        let sites: Vec<_> = sites
            .filter(|s| site.is_none_or(|name| name == s.name))
            .collect();
        let is_one = sites.iter().all(|site| site.zone == sites[0].zone);
        let zone = if is_one {
            sites[0].zone.clone()
        } else {
            Zone::utc()
        };
        let today = zone.place(now).0;
        let mut visits = Vec::new();
        for site in &sites {
            // Where it is a day later already, that is today too.
            let ahead = site.zone.place(now).0;
            let mut seen = HashSet::new();
            for placed in &site.visits {
                let (fact, date) = (&placed.fact, placed.date);
                let start = site.zone.start(date) + i64::from(fact.hour) * 3_600_000_000;
                let mut first = |what: String| !fact.partial && seen.insert(what);
                let counted = if date <= ahead { date.min(today) } else { date };
                visits.push(Seen {
                    placed: Placed {
                        date: counted,
                        ..*placed
                    },
                    day: first(format!("{date} {}", fact.visitor)),
                    hour: first(format!("{date} {} {}h", fact.visitor, fact.hour)),
                    page: first(format!("{date} {} {}", fact.visitor, fact.page)),
                    hour_place: zone.place(start),
                });
            }
        }
        Truth {
            visits,
            today,
            zone,
            zones: sites.iter().map(|site| site.zone.clone()).collect(),
            now,
            filter: filter.clone(),
        }
    }

    /// Views and guests of those visits that are meant.
    fn sum(&self, hourly: bool, meant: impl Fn(&Seen) -> bool) -> Counts {
        let mut counts = Counts::default();
        for seen in &self.visits {
            let fact = &seen.placed.fact;
            if !fact.partial && reference::fits(fact, &self.filter) && meant(seen) {
                let is_guest = match (&self.filter.path, hourly) {
                    (Some(_), _) => seen.page,
                    (None, true) => seen.hour,
                    (None, false) => seen.day,
                };
                counts.views += 1;
                counts.guests += u64::from(is_guest);
            }
        }
        counts
    }

    fn range(&self, from: Date, to: Date) -> Counts {
        self.sum(false, |seen| (from..=to).contains(&seen.placed.date))
    }

    fn span(&self, from: Date, to: Date, before: Option<Counts>) -> Value {
        let all = self.range(from, to);
        let of = |source: Source| {
            self.sum(false, |seen| {
                (from..=to).contains(&seen.placed.date) && seen.placed.fact.source == source
            })
        };
        let partials = self
            .visits
            .iter()
            .filter(|seen| seen.placed.fact.partial && (from..=to).contains(&seen.placed.date));
        let partials = (self.filter == Filter::default()).then(|| partials.count());
        let change = |now: u64, before: u64| match before {
            0 => Value::Null,
            _ => {
                let percent = (now as f64 - before as f64) / before as f64 * 100.0;
                json!((percent * 10.0).round() / 10.0)
            }
        };
        json!({
            "from": from, "to": to, "guests": all.guests, "views": all.views, "partials": partials,
            "web": pair(of(Source::Web)), "app": pair(of(Source::App)),
            "before": before.map(pair),
            "change": before.map(|before| json!({
                "guests": change(all.guests, before.guests),
                "views": change(all.views, before.views),
            })),
        })
    }

    fn overview(&self, history: (&Memory, Option<&str>)) -> Value {
        let (today, yesterday) = (self.today, self.today.plus(-1));
        let mut truth_so_far = Counts::default();
        for zone in self.zones.iter().take(1) {
            let hours = (self.now - zone.start(today)) / 3_600_000_000;
            truth_so_far = self.sum(false, |seen| {
                seen.placed.date == yesterday && i64::from(seen.placed.fact.hour) <= hours
            });
        }
        let before = |days: i32| Some(self.range(today.plus(1 - 2 * days), today.plus(-days)));
        let first = self.visits.iter().filter(|seen| {
            // Days that have only partials are in the table of totals; with a filter every day is
            // asked.
            seen.placed.date <= today
        });
        let first = first.map(|seen| seen.placed.date).min().unwrap_or(today);
        let (memory, site) = history;
        use crate::visits::statistics::History;
        let (guests, views) = memory.recent(site, self.now - 300_000_000);
        let mut sites: Vec<String> = memory
            .sites()
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        sites.sort();
        json!({
            "site": site, "sites": sites, "time_zone": self.zone.name(),
            "generated": (self.now / 10_000) as f64 / 100.0,
            "live": { "minutes": 5, "guests": guests, "views": views },
            "today": self.span(today, today, Some(truth_so_far)),
            "yesterday": self.span(yesterday, yesterday, Some(self.range(today.plus(-2), today.plus(-2)))),
            "days_7": self.span(today.plus(-6), today, before(7)),
            "days_30": self.span(today.plus(-29), today, before(30)),
            "all_time": self.span(first, today, None),
        })
    }

    fn point(
        &self,
        start: String,
        time: i64,
        hourly: bool,
        is_in: impl Fn(&Seen) -> bool,
        is_before: impl Fn(&Seen) -> bool,
    ) -> Value {
        let all = self.sum(hourly, &is_in);
        let of = |source| {
            self.sum(hourly, |seen| {
                is_in(seen) && seen.placed.fact.source == source
            })
        };
        json!({
            "start": start, "time": time / 1_000_000, "views": all.views, "guests": all.guests,
            "web": pair(of(Source::Web)), "app": pair(of(Source::App)),
            "before": pair(self.sum(hourly, &is_before)),
        })
    }

    /// Points between dates.
    fn chart(&self, period: &str, starts: &[Date], before: &[Date]) -> Value {
        let today = self.today;
        let bound = |list: &[Date], n: usize| {
            let (from, end) = (list[n], list[n + 1]);
            move |seen: &Seen| (from..end).contains(&seen.placed.date) && seen.placed.date <= today
        };
        let points = (0..starts.len() - 1).map(|n| {
            let start = starts[n];
            self.point(
                start.to_string(),
                self.zone.start(start),
                false,
                bound(starts, n),
                bound(before, n),
            )
        });
        let points: Vec<Value> = points.collect();
        json!({ "period": period, "from": starts[0], "to": today, "points": points })
    }

    fn hourly(&self, days: i32) -> Value {
        let mut points = Vec::new();
        let from = self.today.plus(1 - days);
        for date in (0..days).map(|n| from.plus(n)) {
            let mut time = self.zone.start(date);
            let mut hour = 0;
            while time < self.zone.start(date.plus(1)) {
                let is = move |date: Date| move |seen: &Seen| seen.hour_place == (date, hour);
                points.push(self.point(
                    self.zone.text(time),
                    time,
                    true,
                    is(date),
                    is(date.plus(-days)),
                ));
                time += 3_600_000_000;
                hour += 1;
            }
        }
        json!({ "period": "hourly", "from": from, "to": self.today, "points": points })
    }

    fn top(&self, by: By, days: i32, offset: usize, limit: usize) -> Value {
        let (from, to) = (self.today.plus(1 - days), self.today);
        let mut names: BTreeMap<String, Counts> = BTreeMap::new();
        for seen in &self.visits {
            let fact = &seen.placed.fact;
            let name = reference::name(fact, by);
            let is_meant = (from..=to).contains(&seen.placed.date) && !fact.partial;
            if !is_meant
                || !reference::fits(fact, &self.filter)
                || (by == By::Referrer && name == INTERNAL)
            {
                continue;
            }
            let is_guest = match by {
                By::Page => seen.page,
                _ if self.filter.path.is_some() => seen.page,
                _ => seen.day,
            };
            names.entry(name).or_default().add(Counts {
                views: 1,
                guests: is_guest.into(),
            });
        }
        let total = names.values().fold(Counts::default(), |sum, c| sum.and(*c));
        let mut list: Vec<(String, Counts)> = names.into_iter().collect();
        list.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.views));
        let count = list.len();
        let shown: Vec<_> = list.into_iter().skip(offset).take(limit).collect();
        let sum = shown
            .iter()
            .fold(Counts::default(), |sum, (_, c)| sum.and(*c));
        let share = |views: u64| (views as f64 / total.views as f64 * 10_000.0).round() / 10_000.0;
        let items = shown.iter().map(|(name, c)| {
            json!({ "name": name, "views": c.views, "guests": c.guests, "share": share(c.views) })
        });
        let end = offset + limit;
        json!({
            "from": from, "to": to, "items": items.collect::<Vec<_>>(),
            "others": pair(total.without(sum)), "total": pair(total), "count": count,
            "limit": limit, "offset": offset, "next": (end < count).then_some(end),
        })
    }
}

fn pair(counts: Counts) -> Value {
    json!({ "views": counts.views, "guests": counts.guests })
}

/// A filter as a query, with everything encoded that may be.
fn query(filter: &Filter) -> String {
    let mut parts = Vec::new();
    let encoded = |text: &str| -> String { text.bytes().map(|b| format!("%{b:02X}")).collect() };
    let country = filter
        .country
        .map(|c| String::from_utf8(c.to_vec()).unwrap());
    for (name, value) in [
        ("source", filter.source.map(|s| s.name().to_string())),
        ("device", filter.device.map(|d| d.name().to_string())),
        ("country", country),
        ("path", filter.path.clone()),
        ("browser", filter.browser.clone()),
        ("os", filter.os.clone()),
        ("referrer", filter.referrer.clone()),
    ] {
        parts.extend(value.map(|value| format!("{name}={}", encoded(&value))));
    }
    parts.join("&")
}

#[test]
fn every_answer_is_what_the_visits_say() {
    let mut random = Random(11);
    for (zones, now) in [
        (
            ["Europe/Paris", "Europe/Paris"],
            "2026-11-10T14:35:12+01:00",
        ),
        (
            ["Europe/Paris", "Europe/Paris"],
            "2026-10-25T02:59:59+01:00",
        ),
        (
            ["America/Sao_Paulo", "America/Sao_Paulo"],
            "2018-11-05T00:00:00-02:00",
        ),
        (
            ["Australia/Lord_Howe", "Australia/Lord_Howe"],
            "2026-10-05T23:30:00+11:00",
        ),
        (
            ["Asia/Kolkata", "America/Los_Angeles"],
            "2026-03-09T10:00:00Z",
        ),
        (
            ["Pacific/Kiritimati", "America/Los_Angeles"],
            "2026-11-21T12:30:00Z",
        ),
    ] {
        let now = at(now);
        let memory = Memory::default()
            .with_random(&mut random, ("shop", zones[0]), (75, 900, now))
            .with_random(&mut random, ("über", zones[1]), (40, 500, now));
        let memory = Arc::new(memory);
        let desk = desk_of(&memory);
        let is_mixed = zones[0] != zones[1];
        let facts: Vec<Fact<'_>> = memory.sites[0].visits.iter().map(|v| v.fact).collect();
        for round in 0..10 {
            let filter = match round {
                0 => Filter::default(),
                _ => Filter {
                    until_hour: None,
                    ..reference::random_filter(&mut random, &facts)
                },
            };
            let site = [None, Some("shop"), Some("über")][random.below(3)];
            let truth = Truth::new(&memory, site, &filter, now);
            let mut base = query(&filter);
            if let Some(site) = site {
                base += &format!("&site={site}");
            }
            let ask =
                |path: &str, more: &str| told(&desk, &get(path, &format!("{base}&{more}"), now));
            let what = format!("{zones:?} {round} {base}");
            let today = truth.today;
            if !(is_mixed && site.is_none()) {
                assert_eq!(
                    ask("/overview", ""),
                    truth.overview((&memory, site)),
                    "{what}"
                );
            }
            let starts: Vec<Date> = (-29..=1).map(|n| today.plus(n)).collect();
            let before: Vec<Date> = starts.iter().map(|d| d.plus(-30)).collect();
            assert_eq!(
                ask("/chart/", ""),
                truth.chart("daily", &starts, &before),
                "{what}"
            );
            let starts: Vec<Date> = (-5..=1).map(|n| today.monday().plus(n * 7)).collect();
            let before: Vec<Date> = starts.iter().map(|d| d.plus(-6 * 7)).collect();
            let weekly = ask("/chart/", "period=weekly&weeks=6");
            assert_eq!(weekly, truth.chart("weekly", &starts, &before), "{what}");
            let starts: Vec<Date> = (-1..=1).map(|n| today.month(n)).collect();
            let before: Vec<Date> = (-3..=-1).map(|n| today.month(n)).collect();
            let monthly = ask("/chart/", "period=monthly&months=2");
            assert_eq!(monthly, truth.chart("monthly", &starts, &before), "{what}");
            let days = random.of(&[1, 3, 17]);
            let hourly = ask("/chart/", &format!("period=hourly&days={days}"));
            assert_eq!(hourly, truth.hourly(days), "{what}");
            for (path, by) in [
                ("/top-pages/", By::Page),
                ("/top-countries/", By::Country),
                ("/top-referrers/", By::Referrer),
                ("/devices/", By::Device),
                ("/browsers/", By::Browser),
                ("/os/", By::Os),
            ] {
                let days = random.of(&[1, 7, 30, 400]);
                let (offset, limit) = (random.below(4), 1 + random.below(6));
                let more = format!("days={days}&offset={offset}&limit={limit}");
                let wanted = truth.top(by, days, offset, limit);
                assert_eq!(ask(path, &more), wanted, "{what} {path} {more}");
            }
        }
    }
}

/// The overview of sites in different zones: each by its own calendar.
#[test]
fn sites_of_different_zones_are_added_up_by_their_own_dates() {
    let now = at("2026-11-21T02:30:00Z");
    let fact = Fact {
        hour: 0,
        source: Source::Web,
        partial: false,
        device: Device::Desktop,
        country: *b"JP",
        page: "/",
        referrer: "",
        internal: false,
        browser: "Firefox",
        os: "Linux",
        visitor: 1,
    };
    let memory = Memory::default()
        .with(
            "east",
            "Asia/Tokyo",
            &[
                // Today at half past midnight, half past eleven; yesterday at noon.
                (at("2026-11-20T15:30:00Z"), fact),
                (at("2026-11-21T02:29:00Z"), fact),
                (at("2026-11-20T03:00:00Z"), fact),
            ],
        )
        .with(
            "west",
            "America/Los_Angeles",
            &[
                // Still yesterday: half past six in the evening.
                (at("2026-11-21T02:29:00Z"), fact),
            ],
        );
    let desk = desk_of(&Arc::new(memory));
    let overview = told(&desk, &get("/overview/", "", now));
    assert_eq!(overview["time_zone"], "UTC");
    assert_eq!(overview["site"], Value::Null);
    assert_eq!(
        overview["live"],
        json!({ "minutes": 5, "guests": 2, "views": 2 })
    );
    assert_eq!(overview["today"]["views"], 2);
    assert_eq!(overview["yesterday"]["views"], 2);
    // Tokyo's yesterday up to 11:59; in Los Angeles today has not begun.
    assert_eq!(overview["today"]["before"]["views"], 0);
    let hourly = told(&desk, &get("/chart/", "period=hourly&days=2", now));
    let points = hourly["points"].as_array().unwrap();
    assert_eq!(points.len(), 48);
    for (start, views) in [
        ("2026-11-20T03:00:00+00:00", 1),
        ("2026-11-20T15:00:00+00:00", 1),
        ("2026-11-21T02:00:00+00:00", 2),
    ] {
        let point = points.iter().find(|point| point["start"] == start).unwrap();
        assert_eq!(point["views"], views, "{start}");
    }
    let east = told(&desk, &get("/overview/", "site=east", now));
    assert_eq!(east["time_zone"], "Asia/Tokyo");
    assert_eq!(east["today"]["views"], 2);
}

#[test]
fn hours_of_a_day_are_as_many_as_there_were() {
    for (zone, now, points, last) in [
        (
            "Europe/Paris",
            "2026-03-29T12:00:00Z",
            23,
            "2026-03-29T23:00:00+02:00",
        ),
        (
            "Europe/Paris",
            "2026-10-25T12:00:00Z",
            25,
            "2026-10-25T23:00:00+01:00",
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-04T12:00:00Z",
            24,
            "2026-10-04T23:30:00+11:00",
        ),
        (
            "America/Sao_Paulo",
            "2018-11-04T12:00:00Z",
            23,
            "2018-11-04T23:00:00-02:00",
        ),
    ] {
        let memory = Memory::default().with("s", zone, &[]);
        let desk = desk_of(&Arc::new(memory));
        let chart = told(&desk, &get("/chart/", "period=hourly", at(now)));
        let chart = chart["points"].as_array().unwrap();
        assert_eq!(chart.len(), points, "{zone} {now}");
        assert_eq!(chart[points - 1]["start"], last);
    }
}
