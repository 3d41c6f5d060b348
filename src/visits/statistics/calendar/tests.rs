use super::*;

fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap()
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// An instant from text with an offset, microseconds.
fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

#[test]
fn dates_are_text_both_ways() {
    for (text, days) in [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("2000-02-29", 11_016),
        ("2026-11-21", 20_778),
        ("0001-01-01", -719_162),
        ("9998-12-31", 2_932_531),
    ] {
        assert_eq!(date(text), Date(days), "{text}");
        assert_eq!(Date(days).to_string(), text);
    }
    for days in (-719_162..2_932_532).step_by(97) {
        assert_eq!(date(&Date(days).to_string()), Date(days));
        let (y, m, d) = Date(days).civil();
        let known = civil::date(y as i16, m as i8, d as i8) - civil::date(1970, 1, 1);
        assert_eq!(known.get_days(), days);
    }
    for text in [
        "",
        "2026",
        "2026-11",
        "2026-11-31",
        "2025-02-29",
        "2026-13-01",
        "2026-00-10",
        "2026-1-1",
        "2026-11-21-",
        "+026-11-21",
        "2026-11-2１",
        "2026-11-00",
        "0000-01-01",
        "9999-01-01",
    ] {
        let error = text.parse::<Date>().unwrap_err();
        assert!(error.ends_with("is not a date like 2026-11-21"), "{error}");
    }
    assert_eq!(Date(i32::MIN).to_string(), "0001-01-01");
    assert_eq!(Date(i32::MAX).to_string(), "9998-12-31");
}

#[test]
fn weeks_begin_on_monday_and_months_on_their_first() {
    assert_eq!(date("2026-11-21").monday(), date("2026-11-16"));
    assert_eq!(date("2026-11-16").monday(), date("2026-11-16"));
    assert_eq!(date("1969-12-31").monday(), date("1969-12-29"));
    assert_eq!(date("2026-11-21").first_of_month(), date("2026-11-01"));
    assert_eq!(date("2026-11-21").month(0), date("2026-11-01"));
    assert_eq!(date("2026-11-21").month(-11), date("2025-12-01"));
    assert_eq!(date("2026-11-21").month(2), date("2027-01-01"));
    assert!(date("2026-11-21").month(i32::MIN) < date("0002-01-01"));
}

/// What every zone must keep: days follow each other without gaps, and hours count from their
/// start.
fn check(zone: &Zone, first: Date, days: i32) {
    for day in (0..days).map(|n| first.plus(n)) {
        let (start, end) = (zone.start(day), zone.start(day.plus(1)));
        assert!(start <= end, "{} {day}", zone.name());
        if start == end {
            assert_eq!(zone.hours(day), 0);
            continue;
        }
        let step = 15 * 60 * SECOND;
        // As the clock goes on, and in a mix with other days.
        let fresh = Zone::parse(zone.name()).unwrap();
        for time in (start..end).step_by(step as usize).chain([end - 1]) {
            let hour = (((time - start) / SECOND / HOUR) as u8).min(LAST_HOUR);
            assert_eq!(zone.place(time), (day, hour), "{} {time}", zone.name());
            fresh.place(time - DAY * SECOND);
            assert_eq!(fresh.place(time), (day, hour), "{} {time}", zone.name());
        }
        assert_eq!(zone.place(start - 1).0.plus(1).max(day), day);
    }
}

#[test]
fn every_instant_has_its_place() {
    for (name, around) in [
        ("UTC", "2026-11-20"),
        ("Europe/Paris", "2026-03-28"),
        ("Europe/Paris", "2026-10-24"),
        ("America/Sao_Paulo", "2018-11-02"),
        ("America/Sao_Paulo", "2019-02-15"),
        ("Africa/Cairo", "2014-05-14"),
        ("Africa/Cairo", "2023-04-27"),
        ("Africa/Cairo", "2023-10-25"),
        ("Asia/Beirut", "2022-03-26"),
        ("Asia/Beirut", "2022-10-28"),
        ("America/Havana", "2026-10-30"),
        ("America/St_Johns", "2010-11-05"),
        ("America/Goose_Bay", "2010-11-05"),
        ("America/Toronto", "1919-03-29"),
        ("Asia/Kolkata", "2026-11-20"),
        ("Asia/Kathmandu", "2026-11-20"),
        ("Australia/Lord_Howe", "2026-04-03"),
        ("Australia/Lord_Howe", "2026-10-02"),
        ("Pacific/Apia", "2011-12-28"),
        ("Pacific/Kiritimati", "1994-12-29"),
        ("Europe/Dublin", "2026-10-24"),
        ("Africa/Casablanca", "2026-02-14"),
        ("America/New_York", "1883-11-16"),
    ] {
        check(&zone(name), date(around), 5);
    }
}

#[test]
fn days_have_as_many_hours_as_clocks_give_them() {
    for (name, day, hours, start) in [
        (
            "Europe/Paris",
            "2026-03-29",
            23,
            "2026-03-29T00:00:00+01:00",
        ),
        (
            "Europe/Paris",
            "2026-10-25",
            25,
            "2026-10-25T00:00:00+02:00",
        ),
        (
            "Europe/Paris",
            "2026-11-21",
            24,
            "2026-11-21T00:00:00+01:00",
        ),
        // Midnight does not exist: the day begins at one o'clock.
        (
            "America/Sao_Paulo",
            "2018-11-04",
            23,
            "2018-11-04T01:00:00-02:00",
        ),
        ("Asia/Beirut", "2022-03-27", 23, "2022-03-27T01:00:00+03:00"),
        (
            "Africa/Cairo",
            "2023-04-28",
            23,
            "2023-04-28T01:00:00+03:00",
        ),
        // Eleven in the evening comes twice.
        (
            "America/Sao_Paulo",
            "2019-02-16",
            25,
            "2019-02-16T00:00:00-02:00",
        ),
        // Midnight comes twice: the day begins at the first.
        (
            "America/Havana",
            "2026-11-01",
            25,
            "2026-11-01T00:00:00-04:00",
        ),
        (
            "Asia/Kolkata",
            "2026-11-21",
            24,
            "2026-11-21T00:00:00+05:30",
        ),
        // Half an hour more, half an hour less.
        (
            "Australia/Lord_Howe",
            "2026-04-05",
            25,
            "2026-04-05T00:00:00+11:00",
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-04",
            24,
            "2026-10-04T00:00:00+10:30",
        ),
        // The date that Samoa left out.
        ("Pacific/Apia", "2011-12-30", 0, "2011-12-31T00:00:00+14:00"),
    ] {
        let zone = zone(name);
        assert_eq!(zone.hours(date(day)), hours, "{name} {day}");
        assert_eq!(zone.text(zone.start(date(day))), start);
        assert_eq!(zone.start(date(day)), at(start), "{name} {day}");
    }
}

#[test]
fn zones_are_known_by_name() {
    assert_eq!(zone("Europe/Paris").name(), "Europe/Paris");
    assert_eq!(Zone::utc().name(), "UTC");
    assert_eq!(zone("UTC"), Zone::utc());
    for name in ["", "Europe/Pari", "../../etc/passwd", "\0"] {
        let error = Zone::parse(name).unwrap_err();
        assert!(error.contains("is not a time zone"), "{error}");
    }
}

#[test]
fn no_instant_and_no_date_is_too_far() {
    for zone in [Zone::utc(), zone("Europe/Paris"), zone("Pacific/Apia")] {
        for time in [i64::MIN, i64::MIN / 2, -1, 0, i64::MAX / 2, i64::MAX] {
            let (date, hour) = zone.place(time);
            assert!(hour <= LAST_HOUR);
            let _ = (zone.text(time), zone.start(date), zone.hours(date));
        }
        for date in [i32::MIN, i32::MIN + 1, i32::MAX] {
            let _ = (zone.start(Date(date)), zone.hours(Date(date)));
        }
    }
    let zone = zone("Europe/Paris");
    assert_eq!(
        zone.place(at("2026-11-21T00:00:00+01:00")),
        (date("2026-11-21"), 0)
    );
    assert_eq!(
        zone.text(at("2026-11-21T08:30:05.5Z")),
        "2026-11-21T09:30:05+01:00"
    );
}

#[test]
fn threads_share_a_zone() {
    let zone = zone("Europe/Paris");
    let days = [date("2026-03-29"), date("2026-10-25"), date("2026-11-21")];
    std::thread::scope(|scope| {
        for day in days {
            let zone = &zone;
            scope.spawn(move || {
                for n in 0..20_000 {
                    let time = zone.start(day) + n % 23 * HOUR * SECOND;
                    assert_eq!(zone.place(time), (day, (n % 23) as u8));
                }
            });
        }
    });
}
