//! `redirect = {...}` and `respond = {...}` of a route.

use crate::config::{At, Text, table};

table! {
    /// Sends the client elsewhere.
    pub struct RedirectSettings {
        /// Where to: a path or a URL. `{path}` is what `*` stood for (of an exact path: all of it
        /// without its first slash), `{1}` a group of a regular expression, `{host}` and
        /// `{scheme}` those of the request. The query is carried along unless there is a `?` here.
        to: At<Text>,
        /// 301, 302, 303, 307 or 308.
        status: At<u16> = At { value: 308, place: crate::config::Place::default() },
    }
}

table! {
    /// Answers by itself.
    pub struct RespondSettings {
        /// 200 to 599.
        status: Option<At<u16>> = None,
        /// The body.
        body: String = String::new(),
        /// Its type.
        content_type: At<Text> = At {
            value: Text::literal("text/plain; charset=utf-8"),
            place: crate::config::Place::default(),
        },
    }
}
