//! What counts of a visit, and a day's totals.

use crate::visits::visit::{Device, Source, Visit};

/// Referrer of a page view that came from nowhere.
pub const DIRECT: &str = "(direct)";
/// Referrer of a page view that came from another page of the site.
pub const INTERNAL: &str = "(internal)";
/// What is beyond a day's bounds.
pub const OTHER: &str = "(other)";
/// A browser or system that is not known.
pub const UNKNOWN: &str = "(unknown)";
/// Bytes of a page's path that count: two that differ only after these are one page.
pub const LONGEST_PAGE: usize = 1024;
/// Bytes of another site's host (RFC 1035 allows 253).
pub const LONGEST_HOST: usize = 255;
/// Bytes of a browser's or system's name.
pub const LONGEST_FAMILY: usize = 64;

/// What counts of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact<'a> {
    /// Whole hours since the day began, 0 to 24.
    pub hour: u8,
    /// Which kind of client.
    pub source: Source,
    /// A piece of a page: counted apart, and in no other number.
    pub partial: bool,
    /// The device.
    pub device: Device,
    /// ISO 3166-1 alpha-2; anything else is `ZZ`.
    pub country: [u8; 2],
    /// The path.
    pub page: &'a str,
    /// The other site's host, or empty.
    pub referrer: &'a str,
    /// It came from a page of the same site.
    pub internal: bool,
    /// The browser's family, or empty.
    pub browser: &'a str,
    /// The system's family, or empty.
    pub os: &'a str,
    /// The same within a day.
    pub visitor: u64,
}

impl<'a> Fact<'a> {
    /// What counts of a visit in this hour of its day.
    pub fn of(visit: &Visit<'a>, hour: u8) -> Fact<'a> {
        Fact {
            hour,
            source: visit.source,
            partial: visit.partial,
            device: visit.device,
            country: visit.country,
            page: visit.path,
            referrer: visit.referrer_host,
            internal: visit.referrer_host.is_empty() && !visit.referrer.is_empty(),
            browser: visit.browser,
            os: visit.os,
            visitor: visit.visitor,
        }
    }
}

/// The numbers of one day. Views and guests are of pages; partials are in neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Page views in browsers.
    pub views_web: u64,
    /// Page views in the site's own app.
    pub views_app: u64,
    /// Visitors who were seen first that day, in a browser.
    pub guests_web: u64,
    /// Visitors who were seen first that day, in the app.
    pub guests_app: u64,
    /// Pieces of pages.
    pub partials: u64,
}
