//! Answers that need no app: redirects and fixed ones.
//!
//! In: a route's `redirect` or `respond`. Out: a `Location`, or a body with its type.

mod redirect;
pub mod settings;

pub use redirect::{Redirect, Request};

use crate::config::{Diagnostic, Diagnostics};
use bytes::Bytes;
use http::header::HeaderValue;
use settings::RespondSettings;

/// A fixed answer, compiled.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// 200 to 599.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
    /// The body's type.
    pub content_type: HeaderValue,
}

impl Fixed {
    /// Compiles the settings.
    pub fn build(settings: &RespondSettings, errors: &mut Diagnostics) -> Option<Self> {
        let mut sound = true;
        if let Some(status) = &settings.status
            && !(200..=599).contains(&status.value)
        {
            errors.push(
                Diagnostic::new(status.place, "not the status of an answer")
                    .label("expected 200 to 599"),
            );
            sound = false;
        }
        let content_type = HeaderValue::from_str(&settings.content_type.value.text).ok();
        if content_type.is_none() {
            let what = settings.content_type.value.for_messages("content type");
            errors.push(Diagnostic::new(settings.content_type.place, what));
        }
        let fixed = Fixed {
            status: settings.status.as_ref().map_or(200, |status| status.value),
            body: Bytes::from(settings.body.clone()),
            content_type: content_type?,
        };
        sound.then_some(fixed)
    }
}
