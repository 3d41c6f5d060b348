//! A page through the parser, and past it when the parser gives up.

use super::charset::{Charset, MARK};
use super::page::{Look, Page, Sink, Within};
use lol_html::html_content::EndTag;
use lol_html::send::{Element, ElementContentHandlers, HtmlRewriter, Settings};
use lol_html::{MemorySettings, Selector};
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use url::Url;

/// What the parser may keep of a page: an incomplete tag (a picture inside of its tag is 50 KiB
/// and more), and the elements that are open. Beyond it the rest of the page is left alone.
const MEMORY: usize = 256 * 1024;

pub(super) type Shared = Arc<Mutex<Page>>;

/// Nothing that holds the lock can fail half-way.
pub(super) fn locked(page: &Shared) -> MutexGuard<'_, Page> {
    page.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A page on its way. What goes in comes out, as soon as the tag that it belongs to is complete.
/// When the page is more than the parser takes (its memory, or markup whose meaning depends on the
/// reader), the rest of it comes out as it is.
pub struct Rewriter {
    state: State,
}

enum State {
    /// Too few bytes to tell a byte order mark; what there is.
    Beginning(Charset, Box<Page>, Vec<u8>),
    Parsing(Box<Parsing>),
    /// Nothing is added any more.
    Passing,
}

struct Parsing {
    parser: HtmlRewriter<'static, Sink>,
    page: Shared,
    /// The page's last bytes, which the parser has and did not pass on.
    held: Vec<u8>,
    /// Bytes of the page so far.
    taken: usize,
}

impl fmt::Debug for Rewriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Beginning(..) => "beginning",
            State::Parsing(_) => "parsing",
            State::Passing => "passing",
        };
        f.debug_struct("Rewriter").field("state", &state).finish()
    }
}

impl Rewriter {
    /// For a page of this `Content-Type`, which must not be encoded otherwise (`Content-Encoding`).
    /// `address`: the page's own URL, absolute. `None`: it is no page in which anything can be
    /// added (XHTML, UTF-16, an unknown encoding).
    pub fn new(content_type: &[u8], address: &str, look: Box<Look>) -> Option<Self> {
        let charset = Charset::of(content_type)?;
        let page = Page::new(Url::parse(address).ok()?, look);
        Some(Rewriter {
            state: State::Beginning(charset, Box::new(page), Vec::new()),
        })
    }

    /// Takes the next piece of the page: what can be sent.
    pub fn write(&mut self, piece: &[u8]) -> Vec<u8> {
        let state = std::mem::replace(&mut self.state, State::Passing);
        let (out, state) = match state {
            State::Beginning(charset, page, mut beginning) => {
                beginning.extend_from_slice(piece);
                if beginning.len() < MARK.len() && MARK.starts_with(&beginning) {
                    (Vec::new(), State::Beginning(charset, page, beginning))
                } else {
                    let parsing = charset
                        .with(&beginning)
                        .and_then(|charset| Parsing::new(charset, *page));
                    match parsing {
                        Some(parsing) => parsing.write(&beginning),
                        None => (beginning, State::Passing),
                    }
                }
            }
            State::Parsing(parsing) => parsing.write(piece),
            State::Passing => (piece.to_vec(), State::Passing),
        };
        self.state = state;
        out
    }

    /// The page is over: what was held back of it.
    pub fn end(&mut self) -> Vec<u8> {
        match std::mem::replace(&mut self.state, State::Passing) {
            State::Beginning(_, _, beginning) => beginning,
            State::Parsing(parsing) => parsing.end(),
            State::Passing => Vec::new(),
        }
    }

    /// Whether what is written comes out as it is, from here on.
    pub fn passes(&self) -> bool {
        matches!(self.state, State::Passing)
    }
}

type Handler = fn(&Shared, &mut Element<'_, '_>);

/// In this order: where an element is must be told before the element is.
const HANDLERS: [(&str, Handler); 5] = [
    ("picture img", |page, _| {
        locked(page).enter(Within::Picture);
    }),
    ("template img, template base", |page, _| {
        locked(page).enter(Within::Template);
    }),
    ("svg, math", foreign),
    ("base", |page, base| locked(page).base(base)),
    ("img", |page, img| locked(page).image(img)),
];

/// Drawings and formulas: the parser follows them as browsers do when they are closed, and not
/// inside of each other.
fn foreign(page: &Shared, element: &mut Element<'_, '_>) {
    locked(page).begin_foreign();
    let (after, name) = (page.clone(), element.tag_name());
    let end = move |end: &mut EndTag<'_>| {
        locked(&after).end_foreign(end.name() == name);
        Ok(())
    };
    // The parser takes what follows a self-closing one for its content.
    if element.is_self_closing() || element.on_end_tag(Box::new(end)).is_err() {
        locked(page).stop();
    }
}

impl Parsing {
    fn new(charset: Charset, page: Page) -> Option<Box<Self>> {
        let page = Arc::new(Mutex::new(page));
        let memory = MemorySettings::new().with_max_allowed_memory_usage(MEMORY);
        let mut settings = Settings::new_send()
            .with_encoding(charset.encoding)
            .with_adjust_charset_on_meta_tag(charset.may_change)
            // Where a reader cannot know what is a tag, nothing is added.
            .with_strict(true)
            .with_memory_settings(memory);
        for (selector, handler) in HANDLERS {
            let selector: Selector = selector.parse().ok()?;
            let page = page.clone();
            let handler = move |element: &mut Element<'_, '_>| {
                handler(&page, element);
                Ok(())
            };
            let handlers = ElementContentHandlers::default().element(handler);
            settings = settings.append_element_content_handler((Cow::Owned(selector), handlers));
        }
        Some(Box::new(Parsing {
            parser: HtmlRewriter::new(settings, Sink(page.clone())),
            page,
            held: Vec::new(),
            taken: 0,
        }))
    }

    fn write(mut self: Box<Self>, piece: &[u8]) -> (Vec<u8>, State) {
        locked(&self.page).reserve(self.held.len().saturating_add(piece.len()));
        let parsed = self.parser.write(piece);
        let (mut out, passed) = locked(&self.page).take();
        self.taken = self.taken.saturating_add(piece.len());
        self.hold(piece, passed);
        match parsed {
            Ok(()) => (out, State::Parsing(self)),
            Err(_) => {
                out.extend_from_slice(&self.held);
                (out, State::Passing)
            }
        }
    }

    /// Keeps the bytes that were not passed on: the parser does not give them back when it fails.
    fn hold(&mut self, piece: &[u8], passed: usize) {
        let open = self.taken.saturating_sub(passed);
        match piece
            .len()
            .checked_sub(open)
            .and_then(|from| piece.get(from..))
        {
            Some(end) => {
                self.held.clear();
                self.held.extend_from_slice(end);
            }
            None => {
                self.held.extend_from_slice(piece);
                let gone = self.held.len().saturating_sub(open);
                self.held.drain(..gone);
            }
        }
    }

    fn end(self: Box<Self>) -> Vec<u8> {
        let ended = self.parser.end();
        let (mut out, passed) = locked(&self.page).take();
        if ended.is_err() {
            let open = self.taken.saturating_sub(passed).min(self.held.len());
            let from = self.held.len().saturating_sub(open);
            out.extend_from_slice(self.held.get(from..).unwrap_or_default());
        }
        out
    }
}
