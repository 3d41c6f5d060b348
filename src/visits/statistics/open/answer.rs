//! Questions to a day that is still being counted.

use super::OpenDay;
use super::key::{Fields, country_code, country_number};
use super::names::Names;
use crate::visits::statistics::calendar::LAST_HOUR;
use crate::visits::statistics::tally::{By, Counts, Filter, Kind, Tallied, Tally};

/// A filter in this day's numbers.
struct Asked<'a> {
    filter: &'a Filter,
    page: Option<u16>,
    referrer: Option<u16>,
    country: Option<u16>,
    /// Whether each client is meant.
    clients: Vec<bool>,
    until: u8,
}

impl<'a> Asked<'a> {
    /// Nothing when a name of the filter does not occur.
    fn new(filter: &'a Filter, day: &OpenDay) -> Option<Self> {
        let find = |names: &Names, name: &Option<String>| match name {
            None => Some(None),
            Some(name) => names.find(name).map(Some),
        };
        let (browsers, systems) = (day.browsers.list(), day.systems.list());
        let clients = day.clients.iter().map(|(device, browser, os)| {
            let browser = browsers.get(usize::from(*browser)).unwrap_or(&"");
            let os = systems.get(usize::from(*os)).unwrap_or(&"");
            filter.client_fits(*device, browser, os)
        });
        Some(Asked {
            filter,
            page: find(&day.pages, &filter.path)?,
            referrer: find(&day.referrers, &filter.referrer)?,
            country: filter.country.map(country_number),
            clients: clients.collect(),
            until: filter.until_hour.unwrap_or(LAST_HOUR),
        })
    }

    fn fits(&self, fields: Fields) -> bool {
        let client = self.clients.get(usize::from(fields.client));
        self.filter.source_fits(fields.source)
            && self.page.is_none_or(|wanted| wanted == fields.page)
            && self.referrer.is_none_or(|wanted| wanted == fields.referrer)
            && self.country.is_none_or(|wanted| wanted == fields.country)
            && fields.hour <= self.until
            && client.is_some_and(|is_meant| *is_meant)
    }
}

impl Tallied for OpenDay {
    fn tally(&self, filter: &Filter, tally: &mut Tally) {
        let Some(asked) = Asked::new(filter, self) else {
            return;
        };
        let by = tally.by();
        let kind = filter.kind(by);
        let mut sums: Vec<Counts> = Vec::new();
        for (key, [views, of_day, of_hour, of_page]) in &self.tuples {
            let fields = key.fields();
            if !asked.fits(fields) {
                continue;
            }
            let guests = match kind {
                Kind::Day => *of_day,
                Kind::Hour => *of_hour,
                Kind::Page => *of_page,
            };
            let counts = Counts {
                views: u64::from(*views),
                guests: u64::from(guests),
            };
            let group = match by {
                By::Nothing => {
                    tally.add(fields.source, counts);
                    continue;
                }
                By::Hour => {
                    tally.add_hour(usize::from(fields.hour), fields.source, counts);
                    continue;
                }
                By::Page => fields.page,
                By::Country => fields.country,
                By::Referrer => fields.referrer,
                By::Device | By::Browser | By::Os => fields.client,
            };
            let group = usize::from(group);
            if group >= sums.len() {
                sums.resize(group + 1, Counts::default());
            }
            if let Some(sum) = sums.get_mut(group) {
                sum.add(counts);
            }
        }
        self.name(sums, tally);
    }
}

impl OpenDay {
    /// Adds the sums of groups by their names.
    fn name(&self, sums: Vec<Counts>, tally: &mut Tally) {
        let by = tally.by();
        let names = match by {
            By::Page => self.pages.list(),
            By::Referrer => self.referrers.list(),
            By::Browser => self.browsers.list(),
            By::Os => self.systems.list(),
            By::Nothing | By::Hour | By::Country | By::Device => Vec::new(),
        };
        for (number, counts) in sums.into_iter().enumerate() {
            let code = country_code(u16::try_from(number).unwrap_or(0));
            let client = || self.clients.get(number).copied();
            let name = match by {
                By::Country => std::str::from_utf8(&code).ok(),
                By::Device => client().map(|(device, _, _)| device.name()),
                By::Browser => {
                    client().and_then(|(_, browser, _)| names.get(usize::from(browser)).copied())
                }
                By::Os => client().and_then(|(_, _, os)| names.get(usize::from(os)).copied()),
                _ => names.get(number).copied(),
            };
            if let Some(name) = name {
                tally.add_name(name, counts);
            }
        }
    }
}
