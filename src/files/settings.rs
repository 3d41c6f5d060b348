//! `[files]` of the process, and `files = {...}` of a route.

use crate::config::{At, FilePath, Named, OrOff, PathPattern, Size, Text, choice, table};

table! {
    /// Static files, for the process. What a route serves is in its own `files`.
    pub struct FilesMemorySettings {
        /// For small files and their compressed forms; `"0"`: every file is read when it is asked
        /// for.
        memory: Size = Size(64 * 1024 * 1024),
        /// The largest file that is kept in memory, at most a quarter of it. Larger ones are read while
        /// they are sent.
        largest: Size = Size(1024 * 1024),
    }
}

table! {
    /// Serves files from a directory. Nothing outside of it can be reached, and no name that
    /// starts with a dot, but for `/.well-known/`.
    pub struct FilesSettings {
        /// The directory.
        root: At<FilePath>,
        /// Files that stand for their directory.
        index: Vec<At<Text>> = vec![word("index.html")],
        /// Where a file is looked for, below the root. `{path}` is what `*` stood for (of an exact
        /// path or a regular expression: the whole path without its first slash). `["{path}", "/index.html"]` is what a
        /// single-page app needs.
        r#try: Vec<At<Text>> = vec![word("{path}")],
        /// Whether a directory without an index is listed.
        autoindex: bool = false,
        /// Whether `x.br`, `x.zst` and `x.gz` are sent for `x` when they are not older, also where
        /// `compress` is off.
        precompressed: bool = true,
        /// Files whose name carries a hash of their content, which browsers keep for a year: a
        /// regular expression on the path below the root, `"~ \\.[0-9a-f]{8,}\\."`, or `"off"`.
        /// Absent: the names that Django, Vite, webpack and the like make.
        immutable: Option<OrOff<At<PathPattern>>> = None,
        /// Which symbolic links are followed.
        follow_links: FollowLinks = FollowLinks::Inside,
        /// Content types by extension, before the usual ones: `{ md = "text/markdown" }`.
        types: Named<Text> = Named::default(),
    }
}

fn word(text: &str) -> At<Text> {
    At {
        value: Text::literal(text),
        place: crate::config::Place::default(),
    }
}

choice! {
    /// Which symbolic links are followed.
    pub enum FollowLinks {
        /// None.
        Never = "never",
        /// Those that end inside of the root.
        Inside = "inside",
        /// All.
        Anywhere = "anywhere",
    }
}
