//! `[compress]` of the process, and `compress` of a site or a route.

use crate::config::{At, PathPattern, Size, Text, choice, table};
use crate::content::Coding;

table! {
    /// Compression, for the process. What a site compresses is in its own `compress`.
    pub struct CompressMemorySettings {
        /// For answers of apps that come again and again and are compressed once; `"0"`: none.
        memory: Size = Size(32 * 1024 * 1024),
    }
}

table! {
    /// Which answers are compressed, and how. On unless `compress = "off"`. A route's keys take
    /// the place of its site's.
    pub struct CompressSettings {
        /// Codings, the better liked first: that breaks ties between those that a client likes
        /// equally. Absent: `["br", "zstd", "gzip"]`.
        algorithms: Option<At<Vec<At<Algorithm>>>> = None,
        /// Shorter answers are sent as they are. Absent: `"800"`.
        min_length: Option<Size> = None,
        /// Content types that are compressed too, beside text, JSON, XML, scripts, fonts and the
        /// like: `["application/x-ours"]`.
        types: Option<Vec<At<Text>>> = None,
        /// Paths whose answers by apps are never compressed, for pages that show a secret beside
        /// what a visitor may choose: `["/account/*"]`.
        exclude: Option<Vec<At<PathPattern>>> = None,
        /// Whether an app's answer is compressed although another site made the browser ask for it,
        /// with a cookie or a password: the length of a compressed answer can betray a secret in it
        /// (BREACH). Absent: no.
        cross_site: Option<bool> = None,
    }
}

choice! {
    /// A content coding.
    pub enum Algorithm {
        /// RFC 7932.
        Brotli = "br",
        /// RFC 8878.
        Zstd = "zstd",
        /// RFC 1952.
        Gzip = "gzip",
    }
}

impl From<Algorithm> for Coding {
    fn from(algorithm: Algorithm) -> Coding {
        match algorithm {
            Algorithm::Brotli => Coding::Brotli,
            Algorithm::Zstd => Coding::Zstd,
            Algorithm::Gzip => Coding::Gzip,
        }
    }
}
