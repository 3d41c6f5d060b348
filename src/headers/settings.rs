//! `headers = { ... }` and `cache_control` of a site or a route.

use crate::config::{
    At, Diagnostic, Diagnostics, Named, Node, Text, Value, choice, table, unknown_key,
};

table! {
    /// Fields of answers. What the app sent comes first, then `set`, `default`, the fields of
    /// `security`, and last `remove`; a route's entries come after its site's.
    pub struct HeadersSettings {
        /// Security fields, added where the app sent none.
        security: Option<Security> = None,
        /// Fields that replace what the app sent.
        set: Named<Text> = Named::default(),
        /// Fields that are added where the app sent none.
        default: Named<Text> = Named::default(),
        /// Fields that are taken out.
        remove: Vec<At<Text>> = Vec::new(),
    }
}

choice! {
    /// Security fields.
    pub enum Security {
        /// All that a new site should send: no sniffing, no framing, same-origin isolation, and
        /// two years of HSTS over TLS.
        Strict = "strict",
        /// What many sites have today.
        Classic = "classic",
        /// None.
        Off = "off",
    }
}

/// `Cache-Control` for answers that have none, or with `override` for all.
#[derive(Debug, Clone)]
pub struct CacheControlSettings {
    /// The field's value.
    pub value: At<Text>,
    /// Whether it replaces the app's.
    pub overrides: bool,
}

impl Value for CacheControlSettings {
    fn kind() -> String {
        "string or { value, override }".to_string()
    }

    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        if !node.is_own_table() {
            let value = At::<Text>::read(node, errors)?;
            return Some(CacheControlSettings {
                value,
                overrides: false,
            });
        }
        let inner = node.get("value");
        let value = inner.and_then(|inner| At::<Text>::read(&inner, errors));
        let mut overrides = Some(false);
        for (key, place, node) in node.entries()? {
            match key {
                "value" => {}
                "override" => overrides = bool::read(&node, errors),
                _ => {
                    unknown_key(key, place, &["value", "override"], &[], errors);
                    overrides = None;
                }
            }
        }
        // One that is misspelt is not missing too.
        if inner.is_none() && overrides.is_some() {
            errors.push(
                Diagnostic::new(node.place, "missing key `value`")
                    .label("`value` must be given here"),
            );
        }
        Some(CacheControlSettings {
            value: value?,
            overrides: overrides?,
        })
    }

    fn show(&self) -> String {
        self.value.value.show()
    }
}
