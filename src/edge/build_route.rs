//! One route: its settings and its site's -> [`Route`].

use super::build::Builder;
use super::settings::{RouteSettings, Settings, SiteSettings};
use super::{Action, Route};
use crate::answer::{Fixed, Redirect};
use crate::compress::CompressPolicy;
use crate::compress::settings::CompressSettings;
use crate::config::{At, Diagnostic, Diagnostics, OrOff, PathPattern, Place, Text, nearest};
use crate::files::{Files, Memory, Shrinks};
use crate::headers::settings::HeadersSettings;
use crate::headers::{HeaderPolicy, field_name};
use crate::media::{Images, Media};
use crate::observe::RouteMetrics;
use crate::route::{Conditions, Expected};
use crate::upstream::Upstream;
use http::Method;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An upgraded connection may be silent for this long unless a route says otherwise: chats are.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// What a site's routes have from it.
pub(super) struct Inherited<'a> {
    pub site: &'a SiteSettings,
    /// Whether its fields of answers are without mistakes: its routes do not repeat them.
    pub sound: bool,
    pub compress: Option<Arc<CompressPolicy>>,
}

/// The policy of a route: its site's settings, then its own. What the last of them switches on or
/// off is on or off.
pub(super) fn compress_policy(
    site: Option<&OrOff<CompressSettings>>,
    route: Option<&OrOff<CompressSettings>>,
    errors: &mut Diagnostics,
) -> Option<Arc<CompressPolicy>> {
    let table = |setting: Option<&'_ OrOff<CompressSettings>>| match setting {
        Some(OrOff::On(settings)) => Some(settings.clone()),
        _ => None,
    };
    let (site_table, route_table) = (table(site), table(route));
    let policy = CompressPolicy::build(&[site_table.as_ref(), route_table.as_ref()], errors);
    match route.or(site) {
        Some(OrOff::Off) => None,
        _ => Some(Arc::new(policy)),
    }
}

/// Which of a route's files are encoded.
fn shrinks(policy: Option<&Arc<CompressPolicy>>) -> Shrinks {
    let policy = policy.cloned();
    Shrinks {
        name: format!("{policy:?}"),
        test: Box::new(move |kind| {
            policy
                .as_ref()
                .is_some_and(|policy| policy.takes_type(kind))
        }),
    }
}

/// What routes are put together from.
pub(super) struct Parts<'a> {
    pub settings: &'a Settings,
    pub upstreams: &'a BTreeMap<String, Arc<Upstream>>,
    pub files: &'a Arc<Memory>,
    pub media: Option<&'a Arc<Media>>,
}

impl Builder<'_> {
    pub(super) fn route(
        &mut self,
        route: &RouteSettings,
        inherited: &Inherited<'_>,
        parts: &Parts<'_>,
    ) -> Option<Route> {
        let site = inherited.site;
        let conditions = self.conditions(route);
        let change: Option<&HeadersSettings> =
            route.headers.as_ref().and_then(|h| h.change.as_ref());
        let (layers, site_cache): (&[Option<&HeadersSettings>], _) = if inherited.sound {
            (
                &[site.headers.as_ref(), change],
                site.cache_control.as_ref(),
            )
        } else {
            (&[change], None)
        };
        let cache = route.cache_control.as_ref().or(site_cache);
        let headers = HeaderPolicy::build(layers, cache, self.errors);
        let compress = match &route.compress {
            None => inherited.compress.clone(),
            own => {
                let site = site.compress.as_ref().filter(|_| inherited.sound);
                compress_policy(site, own.as_ref(), self.errors)
            }
        };
        let action = self.action(route, compress.as_ref(), parts);
        let images = self.images(route, parts);
        let upstream_host = route.upstream_host.as_ref().and_then(|host| {
            let value = host.value.host_value();
            if value.is_none() {
                let what = host.value.for_messages("host");
                self.errors.push(
                    Diagnostic::new(host.place, what)
                        .label("expected a name such as \"example.org\""),
                );
            }
            value
        });
        let max_body = route
            .max_body
            .or(site.max_body)
            .map(|size| size.0)
            .filter(|size| *size > 0);
        Some(Route {
            label: route.path.value.to_string(),
            place: route.path.place,
            pattern: route.path.value.clone(),
            conditions: conditions?,
            action: action?,
            headers,
            max_body,
            forwarded: route.forwarded.or(site.forwarded).unwrap_or(false),
            server_timing: route.server_timing.or(site.server_timing).unwrap_or(false),
            idle_timeout: route
                .idle_timeout
                .or(site.idle_timeout)
                .unwrap_or(IDLE_TIMEOUT),
            compress,
            images,
            upstream_host,
            metrics: RouteMetrics::default(),
        })
    }

    fn images(&mut self, route: &RouteSettings, parts: &Parts<'_>) -> Option<Arc<Images>> {
        let settings = route.images.as_ref()?;
        if route.files.is_none() && route.proxy.is_none() && route.sound {
            let what =
                "`images` is for pictures from `files` or `proxy`, and this route has neither";
            self.errors.push(
                Diagnostic::new(settings.place, what).label("remove it, or give the pictures"),
            );
        }
        let terms = settings.build(self.errors)?;
        Some(Arc::new(Images::new(terms, parts.media?)))
    }

    fn conditions(&mut self, route: &RouteSettings) -> Option<Conditions> {
        let before = self.errors.found();
        let mut conditions = Conditions::default();
        for method in &route.methods {
            match Method::from_bytes(method.value.text.to_ascii_uppercase().as_bytes()) {
                Ok(known) => conditions.methods.push(known),
                Err(_) => {
                    let what = method.value.for_messages("method");
                    self.errors.push(
                        Diagnostic::new(method.place, what)
                            .label("expected a method such as \"GET\""),
                    );
                }
            }
        }
        for (name, place, text) in route.headers.iter().flat_map(|h| &h.conditions) {
            let name = field_name(name, *place, self.errors);
            let expected = self.expected(&text.text, *place);
            conditions.headers.extend(name.zip(expected));
        }
        for (name, (place, text)) in &route.query.0 {
            let expected = self.expected(&text.text, *place);
            conditions
                .query
                .extend(expected.map(|expected| (name.clone(), expected)));
        }
        (self.errors.found() == before).then_some(conditions)
    }

    fn expected(&mut self, text: &str, place: Place) -> Option<Expected> {
        match Expected::parse(text) {
            Ok(expected) => Some(expected),
            Err(why) => {
                self.errors
                    .push(Diagnostic::new(place, why).label("expected after `~`"));
                None
            }
        }
    }

    /// The upstream of that name.
    fn upstream(&mut self, name: &At<Text>, parts: &Parts<'_>) -> Option<Arc<Upstream>> {
        // One that is defined but wrong has its own mistake.
        let defined = parts.settings.upstreams.contains_key(&name.value.text);
        if !defined && parts.settings.complete {
            self.errors.push(unknown_upstream(name, parts.settings));
        }
        parts.upstreams.get(&name.value.text).cloned()
    }

    fn action(
        &mut self,
        route: &RouteSettings,
        compress: Option<&Arc<CompressPolicy>>,
        parts: &Parts<'_>,
    ) -> Option<Action> {
        if let (Some(fallback), None) = (&route.fallback, &route.files) {
            let what = "`fallback` is for what is no file, and this route serves none";
            self.errors.push(
                Diagnostic::new(fallback.place, what)
                    .label("remove it, or add `files`; an upstream alone is `proxy`"),
            );
        }
        if route.files.is_some()
            && let PathPattern::Exact(path) = &route.path.value
            && path.len() > 1
            && path.ends_with('/')
        {
            let what = format!("`{path}` is that path alone, not what is below it");
            self.errors.push(
                Diagnostic::new(route.path.place, what).label(format!("did you mean \"{path}*\"?")),
            );
        }
        let things = (&route.proxy, &route.files, &route.redirect, &route.respond);
        match things {
            (Some(name), None, None, None) => self.upstream(name, parts).map(Action::Proxy),
            (None, Some(files), None, None) => {
                let fallback = route.fallback.as_ref();
                let fallback = fallback.map(|name| self.upstream(name, parts));
                let files = Files::build(files, shrinks(compress), parts.files, self.errors)?;
                match fallback {
                    Some(None) => None,
                    fallback => Some(Action::Files(files, fallback.flatten())),
                }
            }
            (None, None, Some(redirect), None) => {
                Redirect::build(redirect, &route.path.value, self.errors).map(Action::Redirect)
            }
            (None, None, None, Some(respond)) => Fixed::build(respond, self.errors)
                .map(|fixed| Action::Respond(fixed, Arc::default())),
            (None, None, None, None) => {
                // What it was to do may be what could not be read.
                if route.sound {
                    self.errors.push(
                        Diagnostic::new(route.path.place, "the route does nothing")
                            .label("give it one of `proxy`, `files`, `redirect` and `respond`"),
                    );
                }
                None
            }
            _ => {
                self.errors.push(
                    Diagnostic::new(route.path.place, "the route does more than one thing")
                        .label("keep one of `proxy`, `files`, `redirect` and `respond`"),
                );
                None
            }
        }
    }
}

fn unknown_upstream(name: &At<Text>, settings: &Settings) -> Diagnostic {
    if name.value.is_secret() {
        let what = name.value.for_messages("name of an upstream");
        return Diagnostic::new(name.place, what).label("there is no upstream of that name");
    }
    let text = &name.value.text;
    let names = settings.upstreams.keys().map(String::as_str);
    let label = match nearest(text, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("define it: [upstream.{text}]"),
    };
    Diagnostic::new(name.place, format!("there is no upstream `{text}`")).label(label)
}
