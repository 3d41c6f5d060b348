//! The request that is asked about, and the route that takes it.

use super::connection::listeners;
use crate::command::Failure;
use crate::edge::{Edge, Route, Site};
use crate::route::{Facts, Found, without_port};
use crate::wire::target;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::net::{IpAddr, SocketAddr};

/// A request.
pub struct Question {
    pub method: Method,
    pub headers: HeaderMap,
    pub host: String,
    /// The name that a client asks for in its handshake; an address is none (RFC 6066 section 3).
    pub server_name: Option<String>,
    pub tls: bool,
    pub port: u16,
    /// Path and query.
    pub target: String,
}

impl Question {
    /// A plain request for this URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_url(url: &str) -> Result<Self, Failure> {
        Question::new(url, "GET", &[])
    }

    /// A request for this URL, by a method, with fields of its own (`Name: value`).
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(url: &str, method: &str, fields: &[String]) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::Wrong(format!("error: {what}"));
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| wrong(format!("`{url}` is no URL: http://host/path is expected")))?;
        let tls = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(wrong(format!("`{scheme}` is not http or https"))),
        };
        let uri: Uri = format!("http://{rest}")
            .parse()
            .map_err(|error| wrong(format!("`{url}` is no URL: {error}")))?;
        let (host, port) =
            authority(&uri).ok_or_else(|| wrong(format!("`{url}` has no such port")))?;
        let mut headers = HeaderMap::new();
        for field in fields {
            let (name, value) = field.split_once(':').ok_or_else(|| {
                wrong(format!("`{field}` is no field: `Name: value` is expected"))
            })?;
            let name = HeaderName::from_bytes(name.trim().as_bytes());
            let value = HeaderValue::from_str(value.trim());
            match (name, value) {
                (Ok(name), Ok(value)) => drop(headers.append(name, value)),
                _ => return Err(wrong(format!("`{field}` is no field"))),
            }
        }
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
            .map_err(|_| wrong(format!("`{method}` is no method")))?;
        let server_name = without_port(host.as_bytes());
        let server_name = String::from_utf8_lossy(server_name).to_ascii_lowercase();
        let bare = server_name.trim_matches(['[', ']']);
        let server_name = bare.parse::<IpAddr>().is_err().then_some(server_name);
        // As with curl: the URL says where, the field for whom.
        let own = headers.get(HOST).and_then(|own| own.to_str().ok());
        let host = own.map_or(host, str::to_string);
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Question {
            method,
            headers,
            host,
            server_name,
            tls,
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            target: if target.starts_with('?') {
                format!("/{target}")
            } else {
                target.to_string()
            },
        })
    }
}

/// What a client would send as `Host`, and the port in it; `None` when that is no port.
fn authority(uri: &Uri) -> Option<(String, Option<u16>)> {
    let host = uri.host().unwrap_or_default();
    let whole = uri.authority().map_or("", |authority| authority.as_str());
    let after = whole.rsplit('@').next().unwrap_or_default();
    match after.strip_prefix(host).unwrap_or_default() {
        "" | ":" => Some((host.to_string(), None)),
        port => {
            let port = port.strip_prefix(':')?.parse().ok()?;
            Some((format!("{host}:{port}"), Some(port)))
        }
    }
}

/// The listener and the site that answer, of the listeners that the request may reach.
pub fn site_of<'a>(
    edge: &'a Edge,
    listeners: &[SocketAddr],
    question: &Question,
) -> Option<(SocketAddr, &'a Site)> {
    let host = question.host.as_bytes();
    let mut listeners = listeners.iter();
    let (listener, site) =
        listeners.find_map(|l| edge.find_site(*l, host).map(|site| (*l, site)))?;
    Some((listener, edge.sites.get(site)?))
}

/// The route that takes a request, for commands that need no more than that.
///
/// # Errors
/// None takes it, or it is not sent to an app or a file as it is.
pub fn route<'a>(edge: &'a Edge, question: &Question) -> Result<&'a Route, Failure> {
    let wrong = |text: &str| {
        Failure::Wrong(format!(
            "error: {text}\nhelp: `parvis explain` tells more of this address"
        ))
    };
    let mut lines = Vec::new();
    let reached = listeners(&mut lines, edge, question);
    let reached = reached.ok_or_else(|| wrong("nothing takes this address"))?;
    let (_, site) = site_of(edge, &reached, question)
        .ok_or_else(|| wrong("no site answers for the host of this address"))?;
    let (raw_path, query) = target::split_target(question.target.as_bytes());
    let path = target::normalise(raw_path)
        .ok_or_else(|| wrong("the path leads above the root, or is not well encoded"))?;
    let facts = Facts {
        method: &question.method,
        headers: &question.headers,
        query,
    };
    match site.table().find(&path, &facts) {
        Found::Route(index) => site.routes.get(index),
        _ => None,
    }
    .ok_or_else(|| wrong("no route takes this address"))
}
