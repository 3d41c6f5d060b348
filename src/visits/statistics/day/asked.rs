//! A question in a day's own numbers.

use super::columns::Names;
use super::layout::Summary;
use crate::visits::statistics::tally::{Axis, Filter};

/// A filter in this day's numbers.
pub struct Asked<'a> {
    pub filter: &'a Filter,
    pub page: Option<usize>,
    pub country: Option<usize>,
    pub referrer: Option<usize>,
    /// Whether each client is meant.
    pub clients: Vec<bool>,
}

impl<'a> Asked<'a> {
    /// Nothing when a name of the filter does not occur this day.
    pub fn new(filter: &'a Filter, bytes: &[u8], layout: &Summary) -> Option<Self> {
        let find = |names: &Names, name: &Option<String>| match name {
            None => Some(None),
            Some(name) => names.find(bytes, name).map(Some),
        };
        let country = match filter.country {
            None => None,
            Some(code) => Some(layout.find_country(bytes, code)?),
        };
        let browser = find(&layout.browsers, &filter.browser)?;
        let os = find(&layout.systems, &filter.os)?;
        let fits =
            |wanted: Option<usize>, number: u16| wanted.is_none_or(|n| n == usize::from(number));
        let clients = (0..layout.length(Axis::Client)).map(|number| {
            let client = layout.client(bytes, number);
            filter.device.is_none_or(|device| device == client.device)
                && fits(browser, client.browser)
                && fits(os, client.os)
        });
        Some(Asked {
            filter,
            page: find(&layout.pages, &filter.path)?,
            country,
            referrer: find(&layout.referrers, &filter.referrer)?,
            clients: clients.collect(),
        })
    }

    /// The last hour that is meant.
    pub fn until(&self) -> usize {
        let last = crate::visits::statistics::calendar::LAST_HOUR;
        self.filter.until_hour.unwrap_or(last).min(last).into()
    }

    /// The only number on an axis that is meant.
    pub fn one(&self, axis: Axis) -> Option<usize> {
        match axis {
            Axis::Page => self.page,
            Axis::Country => self.country,
            Axis::Referrer => self.referrer,
            Axis::Hour | Axis::Client => None,
        }
    }
}
