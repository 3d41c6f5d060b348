//! A request as a question with everything known that its answer depends on.

use super::Asked;
use super::parameters::{FILTERS, Parameters};
use super::refusal::Refusal;
use crate::visits::statistics::answers::{Period, Subject};
use crate::visits::statistics::{Date, Filter};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// What can be asked.
    Endpoints,
    /// The overview.
    Overview(Filter),
    /// A chart of so many periods, or days when it is hourly.
    Chart(Filter, Period, u32),
    /// So many days, from this place on, so many items.
    Top(Filter, Subject, u32, usize, usize),
    /// Forget what was remembered.
    ClearCache,
    /// Delete what is older than this date.
    Delete(Date),
}

/// A path, its methods, what it takes beside the filters, and what it tells.
struct Endpoint {
    path: &'static str,
    allow: &'static str,
    takes: &'static [&'static str],
    has_filters: bool,
    tells: &'static str,
}

const READ: &str = "GET, HEAD";
const CLEAR_CACHE: &str = "/clear-cache/";
const PAGED: &[&str] = &["days", "limit", "offset"];

const fn top(path: &'static str, tells: &'static str) -> Endpoint {
    Endpoint {
        path,
        allow: READ,
        takes: PAGED,
        has_filters: true,
        tells,
    }
}

static ENDPOINTS: [Endpoint; 11] = [
    Endpoint {
        path: "/",
        allow: READ,
        takes: &[],
        has_filters: false,
        tells: "this list",
    },
    Endpoint {
        path: "/overview/",
        allow: READ,
        takes: &[],
        has_filters: true,
        tells: "guests and views now, today, yesterday, of 7 and 30 days, and of all time",
    },
    Endpoint {
        path: "/chart/",
        allow: READ,
        takes: &["period", "days", "weeks", "months"],
        has_filters: true,
        tells: "guests and views along time",
    },
    top("/top-pages/", "pages, most views first"),
    top("/top-countries/", "countries, most views first"),
    top(
        "/top-referrers/",
        "other sites that led here, most views first",
    ),
    top("/devices/", "kinds of devices, most views first"),
    top("/browsers/", "browsers, most views first"),
    top("/os/", "systems, most views first"),
    Endpoint {
        path: CLEAR_CACHE,
        allow: "POST",
        takes: &[],
        has_filters: false,
        tells: "forgets remembered answers",
    },
    Endpoint {
        path: "/visits/",
        allow: "DELETE",
        takes: &["before", "site"],
        has_filters: false,
        tells: "deletes what was recorded and counted before a date",
    },
];

impl Endpoint {
    fn known(&self) -> Vec<&'static str> {
        let filters: &[&'static str] = if self.has_filters { &FILTERS } else { &[] };
        self.takes.iter().chain(filters).copied().collect()
    }
}

/// The paths that there are; `only_read`: for those who may not change anything.
fn endpoints(only_read: bool) -> impl Iterator<Item = &'static Endpoint> {
    let all = ENDPOINTS.iter();
    all.filter(move |endpoint| !only_read || endpoint.allow == READ)
}

/// The paths that there are, of all or of those that only read.
pub fn paths(only_read: bool) -> Vec<&'static str> {
    endpoints(only_read).map(|endpoint| endpoint.path).collect()
}

/// What can be asked, with the parameters and what they may be.
pub fn list(only_read: bool) -> serde_json::Value {
    let endpoints = endpoints(only_read).map(|endpoint| {
        let parameters = endpoint.known().into_iter();
        let parameters = parameters.map(|name| (name.to_string(), allowed(name).into()));
        let parameters: serde_json::Map<String, serde_json::Value> = parameters.collect();
        serde_json::json!({
            "path": endpoint.path,
            "methods": endpoint.allow,
            "tells": endpoint.tells,
            "parameters": parameters,
        })
    });
    let endpoints: Vec<serde_json::Value> = endpoints.collect();
    serde_json::json!({ "endpoints": endpoints })
}

fn allowed(name: &str) -> &'static str {
    match name {
        "site" => "a site's name; all sites when it is absent",
        "source" => "web or app",
        "country" => "two letters of ISO 3166-1, ZZ for unknown",
        "path" => "a path without a query",
        "device" => "mobile, tablet, desktop, bot or other",
        "browser" => "a browser's name",
        "os" => "a system's name",
        "referrer" => "another site's host, or (direct)",
        "period" => "hourly, daily, weekly or monthly; daily when it is absent",
        "days" => "1 to 3660, 30 when it is absent; of an hourly chart 1 to 31, and 1",
        "weeks" => "1 to 520, 12 when it is absent; of a weekly chart",
        "months" => "1 to 120, 12 when it is absent; of a monthly chart",
        "limit" => "1 to 1000; 10 when it is absent",
        "offset" => "0 to 1000000; 0 when it is absent",
        "before" => "a date like 2026-11-21; it must be given",
        _ => "",
    }
}

/// A question and the only site that it is about.
pub type Read = (Question, Option<String>);

/// Reads a request.
///
/// # Errors
/// It cannot be answered.
pub fn read(asked: &Asked<'_>) -> Result<Read, Refusal> {
    let path = asked.path.strip_suffix('/').unwrap_or(asked.path);
    let found = ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.path.strip_suffix('/') == Some(path));
    let Some(endpoint) = found else {
        let path = crate::visits::visit::cut(asked.path, 200);
        return Err(Refusal::Path(path.to_string()));
    };
    // What is remembered is remembered for all sites.
    if asked.only_site.is_some() && endpoint.path == CLEAR_CACHE {
        return Err(Refusal::Method(READ));
    }
    if !endpoint
        .allow
        .split(", ")
        .any(|method| method == asked.method)
    {
        return Err(Refusal::Method(endpoint.allow));
    }
    let parameters = Parameters::read(asked.query, &endpoint.known())?;
    let site = match (asked.only_site, parameters.get("site")) {
        (Some(only), Some(site)) if only != site => {
            return Err(Refusal::value("site", site, only));
        }
        (Some(only), _) => Some(only.to_string()),
        (None, site) => site.map(str::to_string),
    };
    Ok((question(endpoint.path, &parameters)?, site))
}

fn question(path: &str, parameters: &Parameters) -> Result<Question, Refusal> {
    let subject = match path {
        "/overview/" => return Ok(Question::Overview(parameters.filter()?)),
        "/chart/" => return chart(parameters),
        CLEAR_CACHE => return Ok(Question::ClearCache),
        "/visits/" => return before(parameters).map(Question::Delete),
        "/top-pages/" => Subject::Pages,
        "/top-countries/" => Subject::Countries,
        "/top-referrers/" => Subject::Referrers,
        "/devices/" => Subject::Devices,
        "/browsers/" => Subject::Browsers,
        "/os/" => Subject::Systems,
        _ => return Ok(Question::Endpoints),
    };
    let days = parameters.number("days", 1..=3660, 30)?;
    let limit = parameters.number("limit", 1..=1000, 10)?;
    let offset = parameters.number("offset", 0..=1_000_000, 0)?;
    let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let filter = parameters.filter()?;
    Ok(Question::Top(
        filter,
        subject,
        days,
        place(offset),
        place(limit),
    ))
}

fn chart(parameters: &Parameters) -> Result<Question, Refusal> {
    let periods = [
        ("hourly", Period::Hourly),
        ("daily", Period::Daily),
        ("weekly", Period::Weekly),
        ("monthly", Period::Monthly),
    ];
    let period = parameters.one_of("period", &periods)?;
    let period = period.unwrap_or(Period::Daily);
    let (name, most, default) = match period {
        Period::Hourly => ("days", 31, 1),
        Period::Daily => ("days", 3660, 30),
        Period::Weekly => ("weeks", 520, 12),
        Period::Monthly => ("months", 120, 12),
    };
    for other in ["days", "weeks", "months"] {
        if let Some(value) = parameters.get(other).filter(|_| other != name) {
            let allowed = format!("nothing: a chart of this period takes {name}");
            return Err(Refusal::value(other, value, allowed));
        }
    }
    let count = parameters.number(name, 1..=most, default)?;
    Ok(Question::Chart(parameters.filter()?, period, count))
}

fn before(parameters: &Parameters) -> Result<Date, Refusal> {
    const DATE: &str = "a date like 2026-11-21";
    let Some(text) = parameters.get("before") else {
        return Err(Refusal::Parameter {
            error: "before is missing".to_string(),
            parameter: "before".to_string(),
            allowed: DATE.to_string(),
        });
    };
    text.parse()
        .map_err(|_| Refusal::value("before", text, DATE))
}
