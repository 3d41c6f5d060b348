//! Help for pages: what an `<img>` lacks is added to its tag while the page passes through.
//!
//! In: a page's bytes, piece by piece, and a look-up that knows pictures by their URL. Out: the
//! same bytes, with attributes added behind `<img`. Nothing else of a page is changed, and nothing
//! of it is held back but a tag that is not complete yet.
//!
//! What is added, where it is absent (HTML, section 4.8.3, "The img element"):
//! * `decoding="async"`.
//! * `loading="lazy"`, but not to the first images of a page, which are what a visitor waits for.
//! * `width` and `height`, when the tag has neither and no style of that kind, so that the page does
//!   not jump. A stylesheet that narrows pictures must say `height: auto` with it, as it must for
//!   any page that follows the standard's advice.
//! * `srcset` with the route's widths, and the `sizes` that it needs.

mod addition;
mod charset;
mod page;
mod rewriter;
mod source;

pub use page::{Known, Look};
pub use rewriter::Rewriter;

#[cfg(test)]
mod tests;
