//! Questions about counted days, and where their answers are added up.

use super::calendar::LAST_HOUR;
use super::fact::OTHER;
use crate::visits::visit::{Device, Source};
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Which views are meant. All that is given must be so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Only of this kind of client.
    pub source: Option<Source>,
    /// Only from this country.
    pub country: Option<[u8; 2]>,
    /// Only of this page.
    pub path: Option<String>,
    /// Only with this device.
    pub device: Option<Device>,
    /// Only with this browser.
    pub browser: Option<String>,
    /// Only with this system.
    pub os: Option<String>,
    /// Only from this other site; `(direct)` and `(internal)` are names too.
    pub referrer: Option<String>,
    /// Only the hours up to this one, itself included.
    pub until_hour: Option<u8>,
}

/// What a tally groups by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// One sum.
    Nothing,
    /// Hours of the day.
    Hour,
    /// Pages.
    Page,
    /// Countries.
    Country,
    /// Other sites.
    Referrer,
    /// Devices.
    Device,
    /// Browsers.
    Browser,
    /// Systems.
    Os,
}

/// How much of a closed day a question needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What is counted along one axis.
    Summary,
    /// All rows.
    Rows,
}

/// What a visit can be told apart by. Device, browser and system are one axis: a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    Hour,
    Page,
    Country,
    Referrer,
    Client,
}

/// Which first sight makes a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The visitor's first of the day.
    Day,
    /// The first of the hour.
    Hour,
    /// The first on that page that day.
    Page,
}

impl Filter {
    /// Nothing is left out, except by source.
    pub fn is_open(&self) -> bool {
        self.axes(By::Nothing).next().is_none()
    }

    /// How much of a closed day the question needs.
    pub fn detail(&self, by: By) -> Detail {
        match self.axes(by).nth(1) {
            None => Detail::Summary,
            Some(_) => Detail::Rows,
        }
    }

    /// The axes that the question is about, each once.
    pub(super) fn axes(&self, by: By) -> impl Iterator<Item = Axis> {
        let client = self.device.is_some() || self.browser.is_some() || self.os.is_some();
        let client = client || matches!(by, By::Device | By::Browser | By::Os);
        [
            (Axis::Hour, self.until_hour.is_some() || by == By::Hour),
            (Axis::Page, self.path.is_some() || by == By::Page),
            (Axis::Country, self.country.is_some() || by == By::Country),
            (
                Axis::Referrer,
                self.referrer.is_some() || by == By::Referrer,
            ),
            (Axis::Client, client),
        ]
        .into_iter()
        .filter_map(|(axis, is_asked)| is_asked.then_some(axis))
    }

    /// Which guests are meant.
    pub(super) fn kind(&self, by: By) -> Kind {
        match by {
            _ if self.path.is_some() => Kind::Page,
            By::Page => Kind::Page,
            By::Hour => Kind::Hour,
            _ => Kind::Day,
        }
    }

    /// A client of this kind is meant, as far as its source goes.
    pub(super) fn source_fits(&self, source: Source) -> bool {
        self.source.is_none_or(|wanted| wanted == source)
    }

    /// A client like this is meant.
    pub(super) fn client_fits(&self, device: Device, browser: &str, os: &str) -> bool {
        self.device.is_none_or(|wanted| wanted == device)
            && self.browser.as_deref().is_none_or(|name| name == browser)
            && self.os.as_deref().is_none_or(|name| name == os)
    }
}

/// Views and guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Page views.
    pub views: u64,
    /// Guests, of the kind that the question means.
    pub guests: u64,
}

impl Counts {
    /// Adds the others.
    pub fn add(&mut self, other: Counts) {
        self.views = self.views.saturating_add(other.views);
        self.guests = self.guests.saturating_add(other.guests);
    }

    /// Both together.
    pub fn and(mut self, other: Counts) -> Counts {
        self.add(other);
        self
    }

    /// What is left without the others.
    pub fn without(self, other: Counts) -> Counts {
        Counts {
            views: self.views.saturating_sub(other.views),
            guests: self.guests.saturating_sub(other.guests),
        }
    }

    /// Nobody was there.
    pub fn is_nothing(self) -> bool {
        self == Counts::default()
    }
}

/// Web and app apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Split {
    /// In browsers.
    pub web: Counts,
    /// In the site's own app.
    pub app: Counts,
}

impl Split {
    /// Adds to one side.
    pub fn add(&mut self, source: Source, counts: Counts) {
        match source {
            Source::Web => self.web.add(counts),
            Source::App => self.app.add(counts),
        }
    }

    /// Adds both sides.
    pub fn add_all(&mut self, other: Split) {
        self.web.add(other.web);
        self.app.add(other.app);
    }

    /// Both sides together.
    pub fn sum(self) -> Counts {
        self.web.and(self.app)
    }
}

/// Names that an answer tells apart: some 50 MiB. The names of years full of addresses that nobody
/// asks for twice would be more than the memory that there is. What is beyond is `(other)`.
const MOST_NAMES: usize = 400_000;

/// The sums of a question. Days are added one after the other.
#[derive(Debug)]
pub struct Tally {
    by: By,
    split: Split,
    hours: [Split; LAST_HOUR as usize + 1],
    names: HashMap<Box<str>, Counts, RandomState>,
    lacking: bool,
}

impl Tally {
    /// Nothing is added up yet.
    pub fn new(by: By) -> Tally {
        Tally {
            by,
            split: Split::default(),
            hours: [Split::default(); LAST_HOUR as usize + 1],
            names: HashMap::default(),
            lacking: false,
        }
    }

    /// What it groups by.
    pub fn by(&self) -> By {
        self.by
    }

    /// The sum, for [`By::Nothing`].
    pub fn split(&self) -> Split {
        self.split
    }

    /// The hours of the day, for [`By::Hour`].
    pub fn hours(&self) -> &[Split] {
        &self.hours
    }

    /// The names with their numbers, in no order, for all others.
    pub fn names(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.names.iter().map(|(name, counts)| (&**name, *counts))
    }

    /// A day was asked that had been read without its rows, and they were needed.
    pub fn is_lacking(&self) -> bool {
        self.lacking
    }

    pub(super) fn add(&mut self, source: Source, counts: Counts) {
        self.split.add(source, counts);
    }

    pub(super) fn add_hour(&mut self, hour: usize, source: Source, counts: Counts) {
        if let Some(split) = self.hours.get_mut(hour) {
            split.add(source, counts);
        }
    }

    pub(super) fn add_name(&mut self, name: &str, counts: Counts) {
        if counts.is_nothing() {
            return;
        }
        if let Some(sum) = self.names.get_mut(name) {
            sum.add(counts);
        } else if self.names.len() < MOST_NAMES {
            self.names.insert(name.into(), counts);
        } else {
            self.names.entry(OTHER.into()).or_default().add(counts);
        }
    }

    pub(super) fn lack(&mut self) {
        self.lacking = true;
    }
}

/// A day that questions can be asked of.
pub trait Tallied {
    /// Adds what passes the filter.
    fn tally(&self, filter: &Filter, tally: &mut Tally);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_so_many_names_and_no_more() {
        let mut tally = Tally::new(By::Page);
        let counts = Counts {
            views: 2,
            guests: 1,
        };
        for number in 0..MOST_NAMES + 5 {
            tally.add_name(&number.to_string(), counts);
        }
        tally.add_name("0", counts);
        assert_eq!(tally.names().count(), MOST_NAMES + 1);
        let views = |name: &str| tally.names().find(|(n, _)| *n == name).unwrap().1.views;
        assert_eq!((views("0"), views(OTHER)), (4, 10));
    }

    #[test]
    fn questions_about_one_axis_need_no_rows() {
        let country = Filter {
            country: Some(*b"FR"),
            source: Some(Source::Web),
            ..Filter::default()
        };
        let clients = Filter {
            device: Some(Device::Mobile),
            os: Some("iOS".to_string()),
            ..Filter::default()
        };
        for (filter, by, detail) in [
            (&Filter::default(), By::Hour, Detail::Summary),
            (&country, By::Nothing, Detail::Summary),
            (&country, By::Country, Detail::Summary),
            (&country, By::Hour, Detail::Rows),
            (&country, By::Page, Detail::Rows),
            (&clients, By::Browser, Detail::Summary),
            (&clients, By::Referrer, Detail::Rows),
        ] {
            assert_eq!(filter.detail(by), detail, "{filter:?} {by:?}");
        }
    }
}
