//! The numbers as they are shown in a terminal.

mod chart;
mod paint;

use super::answers::{
    Change, Chart, Nobody, Overview, Pair, Period as Points, Scope, Span, Subject, Top,
    chart as ask_chart, overview, top,
};
use super::{Filter, History, Trouble};
use paint::{Ink, Text, bar, fitted, number, shown};
use serde::Serialize;

/// How far back the numbers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// Today.
    Today,
    /// Today and the six days before it.
    Days7,
    /// Today and the 29 days before it.
    Days30,
}

impl Period {
    fn days(self) -> i32 {
        match self {
            Period::Today => 1,
            Period::Days7 => 7,
            Period::Days30 => 30,
        }
    }
}

/// What is to be told.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// How far back.
    pub period: Period,
    /// The only site; all together when there is none.
    pub site: Option<&'a str>,
    /// Which views.
    pub filter: Filter,
    /// Microseconds since the Unix epoch.
    pub now: i64,
}

/// Everything that is shown.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The numbers of all ranges.
    pub overview: Overview,
    /// Hours of today, or days.
    pub chart: Chart,
    /// Pages.
    pub top_pages: Top,
    /// Countries.
    pub top_countries: Top,
    /// Other sites.
    pub top_referrers: Top,
    /// Kinds of devices.
    pub devices: Top,
    /// Browsers.
    pub browsers: Top,
    /// Systems.
    pub os: Top,
}

impl Report {
    /// Asks for everything.
    ///
    /// # Errors
    /// The store cannot tell, or there is no such site.
    pub fn ask(history: &dyn History, wanted: &Wanted<'_>) -> Result<Report, Trouble> {
        let scope = Scope::new(history, wanted.site, wanted.now).map_err(|nobody| {
            let site = wanted.site.unwrap_or_default();
            let sites = match nobody {
                Nobody::Trouble(trouble) => return trouble,
                Nobody::Unknown(sites) if sites.is_empty() => "none does".to_string(),
                Nobody::Unknown(sites) => format!("these do: {}", sites.join(", ")),
            };
            Trouble(format!("no site {site:?} records visits; {sites}"))
        })?;
        let (scope, filter, days) = (&scope, &wanted.filter, wanted.period.days());
        let points = match wanted.period {
            Period::Today => Points::Hourly,
            Period::Days7 | Period::Days30 => Points::Daily,
        };
        let list = |subject| top(history, scope, filter, subject, days, (0, 10));
        Ok(Report {
            overview: overview(history, scope, filter)?,
            chart: ask_chart(history, scope, filter, points, days)?,
            top_pages: list(Subject::Pages)?,
            top_countries: list(Subject::Countries)?,
            top_referrers: list(Subject::Referrers)?,
            devices: list(Subject::Devices)?,
            browsers: list(Subject::Browsers)?,
            os: list(Subject::Systems)?,
        })
    }

    fn span(&self, period: Period) -> &Span {
        match period {
            Period::Today => &self.overview.today,
            Period::Days7 => &self.overview.days_7,
            Period::Days30 => &self.overview.days_30,
        }
    }
}

/// The report as JSON: the API's overview, chart and lists in one object.
///
/// # Errors
/// The store cannot tell, or there is no such site.
pub fn json(history: &dyn History, wanted: &Wanted<'_>) -> Result<String, Trouble> {
    let report = Report::ask(history, wanted)?;
    let text = serde_json::to_string_pretty(&report);
    text.map(|text| without_controls(&text))
        .map_err(|error| Trouble(error.to_string()))
}

/// JSON escapes the controls of ASCII; those above, which some terminals obey, it need not. They
/// stand in its texts only.
fn without_controls(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        match char {
            '\u{7f}'..='\u{9f}' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => out.push(char),
        }
    }
    out
}

/// Columns that are needed for anything to be recognised.
const NARROWEST: usize = 40;
/// Columns that are used at most: longer bars say no more.
const WIDEST: usize = 120;
/// Columns of the longest bar in a list.
const LONGEST_BAR: usize = 30;
/// Columns from which on two lists stand side by side.
const WIDE: usize = 76;

/// The report as text of at most 45 lines, none wider than `width` columns (40 at least).
///
/// # Errors
/// The store cannot tell, or there is no such site.
pub fn draw(
    history: &dyn History,
    wanted: &Wanted<'_>,
    width: usize,
    colour: bool,
) -> Result<String, Trouble> {
    let report = Report::ask(history, wanted)?;
    let width = width.clamp(NARROWEST, WIDEST);
    let mut lines = headline(&report, wanted, width, colour);
    lines.push(Text::new(colour));
    lines.extend(chart::draw(&report.chart, width, colour));
    let Report {
        top_pages,
        top_countries,
        top_referrers,
        devices,
        browsers,
        ..
    } = &report;
    let blank = || vec![Text::new(colour)];
    if width >= WIDE {
        let half = (width - 4) / 2;
        lines.extend(blank());
        lines.extend(list("pages", top_pages, 8, width, colour));
        for (left, right, rows) in [
            (
                ("countries", top_countries),
                ("came from", top_referrers),
                6,
            ),
            (("devices", devices), ("browsers", browsers), 5),
        ] {
            lines.extend(blank());
            let left = list(left.0, left.1, rows, half, colour);
            let right = list(right.0, right.1, rows, half, colour);
            lines.extend(beside(&left, &right, width - half, colour));
        }
    } else {
        for (name, top) in [
            ("pages", top_pages),
            ("countries", top_countries),
            ("came from", top_referrers),
            ("devices", devices),
        ] {
            lines.extend(blank());
            lines.extend(list(name, top, 5, width, colour));
        }
    }
    let mut text = String::new();
    for line in &lines {
        text.push_str(line.line());
        text.push('\n');
    }
    Ok(text)
}

fn headline(report: &Report, wanted: &Wanted<'_>, width: usize, colour: bool) -> Vec<Text> {
    let overview = &report.overview;
    let span = report.span(wanted.period);
    let days = match wanted.period {
        Period::Today => format!("today, {}", span.to),
        Period::Days7 | Period::Days30 => format!("{} to {}", span.from, span.to),
    };
    let site = overview
        .site
        .as_deref()
        .map_or("all sites".to_string(), shown);
    let rest = format!(
        " · {days} · {}{}",
        overview.time_zone,
        described(&wanted.filter)
    );
    let site = fitted(&site, width / 2);
    let rest = fitted(&rest, width.saturating_sub(paint::width(&site)));
    let title = Text::new(colour).inked(Ink::Bold, &site).plain(&rest);
    let change = span.change.unwrap_or(Change {
        guests: None,
        views: None,
    });
    let guests = Text::new(colour).inked(Ink::Bold, &number(span.guests));
    let guests = changed(guests.inked(Ink::Guests, " guests"), change.guests);
    let views = Text::new(colour).inked(Ink::Bold, &number(span.views));
    let views = changed(views.inked(Ink::Views, " views"), change.views);
    let mut said = Vec::new();
    if let Some(before) = span.before {
        let when = match wanted.period {
            Period::Today => "yesterday by this hour",
            Period::Days7 => "the 7 days before",
            Period::Days30 => "the 30 days before",
        };
        let (guests, views) = (number(before.guests), number(before.views));
        said.push(format!("{when}: {guests} guests, {views} views"));
    }
    let mut apart = String::new();
    if span.app.views > 0 {
        let apart_of = |pair: Pair| format!("{} / {}", number(pair.guests), number(pair.views));
        apart = format!("web {}, app {} · ", apart_of(span.web), apart_of(span.app));
    }
    let live = overview.live;
    said.push(format!(
        "{apart}last {} minutes: {} guests",
        live.minutes,
        number(live.guests)
    ));
    let both = guests.clone().plain("   ").and(&views);
    let mut lines = match both.width() <= width {
        true => vec![title, both],
        false => vec![title, guests, views],
    };
    lines.extend(
        said.iter()
            .map(|text| Text::new(colour).inked(Ink::Dim, &fitted(text, width))),
    );
    lines
}

fn changed(text: Text, change: Option<f64>) -> Text {
    match change {
        Some(percent) if percent > 0.0 => text.inked(Ink::More, &format!(" ▲ {percent:.1} %")),
        Some(percent) if percent < 0.0 => text.inked(Ink::Less, &format!(" ▼ {:.1} %", -percent)),
        Some(_) => text.inked(Ink::Dim, " = 0.0 %"),
        None => text,
    }
}

/// The filters, each after a dot.
fn described(filter: &Filter) -> String {
    let country = filter
        .country
        .map(|code| String::from_utf8_lossy(&code).into_owned());
    [
        filter.source.map(|source| source.name().to_string()),
        country,
        filter.device.map(|device| device.name().to_string()),
        filter.browser.clone(),
        filter.os.clone(),
        filter.referrer.as_ref().map(|host| format!("from {host}")),
        filter.path.clone(),
    ]
    .into_iter()
    .flatten()
    .map(|what| format!(" · {}", shown(&what)))
    .collect()
}

/// A list under its title: names, bars, views and guests. Columns are as wide as what stands in
/// them.
fn list(title: &str, top: &Top, rows: usize, width: usize, colour: bool) -> Vec<Text> {
    const SHORTEST_BAR: usize = 4;
    let items = || top.items.iter().take(rows);
    let names: Vec<String> = items().map(|item| shown(&item.name)).collect();
    let views: Vec<String> = items().map(|item| number(item.views)).collect();
    let guests: Vec<String> = items().map(|item| number(item.guests)).collect();
    let widest = |texts: &[String], title: &str| {
        let all = texts.iter().map(|text| paint::width(text));
        all.max().unwrap_or(0).max(paint::width(title))
    };
    let right = width.saturating_sub(widest(&guests, "guests") + 2);
    let middle = right.saturating_sub(widest(&views, "views") + 1);
    let longest = middle.saturating_sub(SHORTEST_BAR + 1);
    let name = widest(&names, title).min(longest);
    let most = top.items.first().map_or(1, |item| item.views.max(1));
    let head = Text::new(colour)
        .inked(Ink::Bold, &fitted(title, longest))
        .to(right.saturating_sub("views".len()))
        .inked(Ink::Dim, "views")
        .to(width.saturating_sub("guests".len()))
        .inked(Ink::Dim, "guests");
    let mut lines = vec![head];
    for (item, ((text, views), guests)) in items().zip(names.iter().zip(&views).zip(&guests)) {
        let part = item.views as f64 / most as f64;
        let line = Text::new(colour)
            .plain(&fitted(text, name))
            .to(name + 1)
            .inked(
                Ink::Views,
                &bar(part, middle.saturating_sub(name + 1).min(LONGEST_BAR)),
            )
            .ending(right, views)
            .ending(width, guests);
        lines.push(line);
    }
    if top.items.is_empty() {
        lines.push(Text::new(colour).inked(Ink::Dim, "nobody"));
    }
    lines
}

/// Two lists side by side.
fn beside(left: &[Text], right: &[Text], column: usize, colour: bool) -> Vec<Text> {
    let empty = Text::new(colour);
    let line = |place: usize| {
        let left = left.get(place).unwrap_or(&empty);
        let right = right.get(place).unwrap_or(&empty);
        left.clone().to(column).and(right)
    };
    (0..left.len().max(right.len())).map(line).collect()
}

#[cfg(test)]
mod tests;
