//! A page on its way: what its tags say, and what has been passed on of it.

use super::addition::Image;
use super::source::Source;
use lol_html::AsciiCompatibleEncoding;
use lol_html::send::Element;
use std::sync::Arc;
use url::Url;

/// What is known of a picture by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The widths that `?w=` may ask for, pixels, ascending. Those that are not below the picture's
    /// own are passed over.
    pub widths: Arc<[u32]>,
    /// Width and height, pixels, of what a browser gets for this very URL: upright, and after the
    /// route's cap and the URL's own parameters. `None`: not known, or not yet.
    pub size: Option<(u32, u32)>,
}

/// Looks up a picture of the page's own host by path (percent-encoded as browsers send it, no dot
/// segments) and query. `None`: it does not lie under a route with images. Called on the event
/// loop, up to 500 times for a page: it must not wait for anything.
pub type Look = dyn Fn(&str, Option<&str>) -> Option<Known> + Send;

/// Where in the page an image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Among the page's first: likely what a visitor waits for.
    pub(super) early: bool,
    pub(super) in_picture: bool,
}

/// So many images of a page are never made lazy: a logo, and the picture below it.
const EARLY: usize = 2;
/// So many images of a page are looked up; a page with more is a catalogue, or hostile.
const MOST: usize = 500;

/// What an element is inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Body,
    Picture,
    /// No part of the page until a script makes it one.
    Template,
}

/// A page on its way.
pub(super) struct Page {
    address: Url,
    base: Url,
    based: bool,
    look: Box<Look>,
    /// Of the element that is told next.
    within: Within,
    /// In an `<svg>` or `<math>`.
    foreign: bool,
    images: usize,
    looked: usize,
    /// What can be sent.
    out: Vec<u8>,
    /// Bytes of the page that are in `out` or were taken from it.
    passed: usize,
    /// At which of the page's bytes something is added next, and what.
    addition: Option<(usize, String)>,
}

impl Page {
    pub(super) fn new(address: Url, look: Box<Look>) -> Self {
        Page {
            base: address.clone(),
            address,
            based: false,
            look,
            within: Within::Body,
            foreign: false,
            images: 0,
            looked: 0,
            out: Vec::new(),
            passed: 0,
            addition: None,
        }
    }

    /// The next element is inside of that.
    pub(super) fn enter(&mut self, within: Within) {
        if self.within != Within::Template {
            self.within = within;
        }
    }

    /// From here on a browser may read the page otherwise than the parser does: nothing is added
    /// any more.
    pub(super) fn stop(&mut self) {
        self.looked = MOST;
    }

    /// An `<svg>` or `<math>` begins.
    pub(super) fn begin_foreign(&mut self) {
        if std::mem::replace(&mut self.foreign, true) {
            self.stop();
        }
    }

    /// It ends: with an end tag of its own, or with that of an element that it is in.
    pub(super) fn end_foreign(&mut self, by_its_own: bool) {
        self.foreign = false;
        if !by_its_own {
            self.stop();
        }
    }

    fn leave(&mut self) -> Within {
        std::mem::replace(&mut self.within, Within::Body)
    }

    /// A `<base>`: the first with an `href` counts (HTML, section 4.2.3).
    pub(super) fn base(&mut self, element: &Element<'_, '_>) {
        let within = self.leave();
        let Some(href) = element.get_attribute("href") else {
            return;
        };
        if self.based || within == Within::Template {
            return;
        }
        self.based = true;
        let base = Source::of(&href).and_then(|href| href.under(&self.address));
        match base {
            Some(base) => self.base = base,
            // Where relative ones lead is not known.
            None => self.stop(),
        }
    }

    /// An `<img>`.
    pub(super) fn image(&mut self, element: &Element<'_, '_>) {
        let within = self.leave();
        if within == Within::Template {
            return;
        }
        self.images = self.images.saturating_add(1);
        if self.looked >= MOST {
            return;
        }
        let attributes = element.attributes().iter();
        let image = Image::of(attributes.map(|of| (of.name(), of.value())));
        let place = Place {
            early: self.images <= EARLY,
            in_picture: within == Within::Picture,
        };
        let Some(source) = image.source() else { return };
        let Some(url) = source.resolve(&self.address, &self.base) else {
            return;
        };
        self.looked = self.looked.saturating_add(1);
        let Some(known) = (self.look)(url.path(), url.query()) else {
            return;
        };
        let added = image.additions(&source, &known, place);
        // Before the attributes, whose end may be hard to tell; and some browsers begin to fetch
        // at `src`, unless they have read `loading` before it.
        let at = element.source_location().bytes().start;
        self.addition = Some((at.saturating_add("<img".len()), added));
    }

    /// Bytes of the page that are passed on.
    fn pass(&mut self, bytes: &[u8]) {
        let end = self.passed.saturating_add(bytes.len());
        let due = self.addition.take_if(|(at, _)| *at <= end);
        let split = due.as_ref().and_then(|(at, added)| {
            let (before, after) = bytes.split_at_checked(at.checked_sub(self.passed)?)?;
            Some((before, added, after))
        });
        match split {
            Some((before, added, after)) => {
                self.out.extend_from_slice(before);
                self.out.extend_from_slice(added.as_bytes());
                self.out.extend_from_slice(after);
            }
            None => self.out.extend_from_slice(bytes),
        }
        self.passed = end;
    }

    /// Takes what can be sent; with it, how many bytes of the page were passed on so far.
    pub(super) fn take(&mut self) -> (Vec<u8>, usize) {
        (std::mem::take(&mut self.out), self.passed)
    }

    /// Room for a piece of so many bytes.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }
}

/// The parser's way out.
pub(super) struct Sink(pub(super) super::rewriter::Shared);

impl lol_html::OutputSink for Sink {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        super::rewriter::locked(&self.0).pass(chunk);
    }

    fn set_encoding(&mut self, _: AsciiCompatibleEncoding) {}
}
