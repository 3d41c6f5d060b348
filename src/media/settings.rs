//! `[media]` of the process, and `images = {...}` of a route.

mod build;
#[cfg(test)]
mod tests;

pub use build::{ImagesPolicy, MediaPolicy};

use crate::config::{At, FilePath, Size, Text, choice, table};
use std::path::PathBuf;
use std::time::Duration;

table! {
    /// Variants of pictures, for the process: where they are kept, and how much may be done at a
    /// time. Which pictures they are made of is in the `images` of routes.
    pub struct MediaSettings {
        /// Variants are kept here, in the folder `media`. Several processes may share it.
        storage: FilePath = FilePath(PathBuf::from("/var/cache/parvis")),
        /// How much they may take there; those that were not asked for the longest go first. `"0"`:
        /// they are kept in memory only.
        disk: Size = Size(1 << 30),
        /// For variants that are asked for often; `"0"`: none is kept in memory.
        memory: Size = Size(32 << 20),
        /// Threads that make variants, of low priority; at most one per processor. 0: one per
        /// processor.
        workers: At<usize> = At::unplaced(0),
        /// How many variants may wait for a thread. While there is no room, the original is sent, or
        /// a variant of another size that is there.
        queue: At<usize> = At::unplaced(64),
    }
}

table! {
    /// Sends pictures in the size and format that the visitor needs, over files or an app:
    /// `images = {}` is all that it takes. A page asks for `?w=640`, `?h=`, `?fit=inside`,
    /// `contain` or `cover`, `?q=`, `?dpr=`, `?format=`, `?blur=`, `?placeholder`, or for nothing: the
    /// format is what the browser takes, in any case. Nothing is ever enlarged. An app is asked each
    /// time, and sends the original, whole; what it sends that is no picture, is encoded (gzip), ends
    /// with the connection or is a download (`Content-Disposition`) passes as it is.
    pub struct ImagesSettings {
        /// Widths and heights that there are, pixels: what is asked for is rounded up to the next of
        /// them, so that nobody can have thousands of variants made. With `sign` others can be had
        /// too.
        widths: At<Vec<At<u32>>> = At::unplaced(
            [150, 300, 320, 600, 640, 960, 1280, 1920].map(At::unplaced).to_vec()
        ),
        /// What variants are made in for browsers that take it, the better liked first. The format of
        /// the original, or JPEG or PNG, is there for the others. `[]`: these only.
        formats: Vec<At<Modern>> = vec![At::unplaced(Modern::Avif), At::unplaced(Modern::WebP)],
        /// 1 to 100, as JPEG and WebP count it; AVIF is made to look alike.
        quality: At<u32> = At::unplaced(85),
        /// The widest picture that is sent when none of `?w=` and `?h=` is given, pixels.
        max_width: At<u32> = At::unplaced(1920),
        /// The same for its height.
        max_height: At<u32> = At::unplaced(1080),
        /// The colour behind what is transparent where the format has no transparency, and around
        /// what does not fill its box (`?fit=contain`).
        background: At<Text> = At::unplaced(Text::literal("#ffffff")),
        /// The largest file that variants are made of.
        max_size: At<Size> = At::unplaced(Size(20_000_000)),
        /// The most pixels that it may have, width times height, all frames of an animation together:
        /// 50_000_000 are 50 megapixels. It is read from the file's header, before any memory is used
        /// for them.
        max_pixels: At<u64> = At::unplaced(50_000_000),
        /// How long it may take to make a variant.
        timeout: At<Duration> = At::unplaced(Duration::from_secs(10)),
        /// How long a request waits for a variant that is not there yet. After that the original is
        /// sent, and the variant is there for the next one. `"0s"`: it does not wait.
        wait: Duration = Duration::from_secs(5),
        /// Whether a file that is broken, or too large for `max_size`, `max_pixels` or `timeout`, is
        /// answered with 422. `false`: it is sent as it is.
        strict: bool = false,
        /// Whether browsers that say how wide a picture is shown (`Sec-CH-Width`, `Sec-CH-DPR`) get
        /// it in that size.
        client_hints: bool = true,
        /// Lets who has the key ask for any size: `?w=1000&s=...`.
        sign: Option<SignSettings> = None,
        /// Whether `<img>` in HTML that passes gets `loading`, `decoding`, `width`, `height` and
        /// `srcset` where it has none, when the picture lies under this route.
        html: bool = false,
    }
}

table! {
    /// Signed addresses. `s` is the last parameter: the HMAC-SHA-256 of the path and the query
    /// before it, as they are sent, in base64url without padding.
    pub struct SignSettings {
        /// The secret, 16 bytes or more, of which the app makes signatures: `{ file = "images.key" }`,
        /// made with `openssl rand -hex 32`.
        key: At<Text>,
    }
}

choice! {
    /// A format that browsers have to name before they are sent it.
    pub enum Modern {
        /// The smallest; takes the longest to make.
        Avif = "avif",
        /// Small, and quick to make.
        WebP = "webp",
    }
}
