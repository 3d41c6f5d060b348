//! `parvis explain URL`.

mod connection;
mod picture;
pub mod question;

use super::{ConfigFile, Failure, files};
use crate::answer;
use crate::content::Coding;
use crate::edge::{Action, Edge, Route, Site};
use crate::files::{Files, Found as FoundFile, is_devious};
use crate::headers::printed;
use crate::route::{Facts, Found, without_port};
use crate::wire::target;
use connection::{handshake_lines, listeners};
use http::{HeaderMap, Method};
use question::{Question, site_of};

/// What to explain.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// The request's URL.
    url: String,
    /// Its method.
    #[arg(short = 'X', long, default_value = "GET", value_name = "METHOD")]
    method: String,
    /// One of its fields, `Name: value`.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    #[command(flatten)]
    config: ConfigFile,
}

/// Explains what would be done with a request.
pub fn explain(arguments: &Explain) -> Result<(), Failure> {
    let Explain {
        url,
        method,
        headers,
        ..
    } = arguments;
    let question = Question::new(url, method, headers)?;
    let path = files::choose(&arguments.config)?;
    let edge = files::load(&path)?;
    super::print(&answer_lines(&edge, &question).join("\n"));
    Ok(())
}

fn answer_lines(edge: &Edge, question: &Question) -> Vec<String> {
    let mut lines = vec![format!(
        "{} {} for {}",
        question.method, question.target, question.host
    )];
    let Some(listeners) = listeners(&mut lines, edge, question) else {
        return lines;
    };
    let found = site_of(edge, &listeners, question);
    let mut shown = None;
    let first = found.map(|(l, _)| l).or(listeners.first().copied());
    if let Some(listener) = first.filter(|l| question.tls && edge.listener(*l).tls) {
        let name = question.server_name.as_deref();
        shown = handshake_lines(&mut lines, edge, listener, name);
        if shown.is_none() {
            return lines;
        }
    }
    let Some((listener, site)) = found else {
        lines.push("site      none answers for this host".to_string());
        lines.push(format!(
            "answer    {}",
            if question.tls { 421 } else { 404 }
        ));
        return lines;
    };
    lines.push(format!(
        "site      {} on {listener}   {}",
        site.name,
        edge.sources.line(site.place)
    ));
    if let Some(shown) = shown
        && let Some(theirs) = &shown.tls
        && !site.tls.as_ref().is_some_and(|own| own.covers(theirs))
    {
        lines.push(format!(
            "answer    421: the client has seen a certificate of the site {}, which is not this site's",
            shown.name
        ));
        return lines;
    }
    if let (Some(port), false) = (site.https_port, question.tls) {
        let name = String::from_utf8_lossy(without_port(question.host.as_bytes())).into_owned();
        let port = match port {
            443 => String::new(),
            port => format!(":{port}"),
        };
        lines.push(format!(
            "does      redirects with 308 to https://{name}{port}{}",
            question.target
        ));
        return lines;
    }
    route_lines(&mut lines, edge, site, question);
    lines
}

fn route_lines(lines: &mut Vec<String>, edge: &Edge, site: &Site, question: &Question) {
    let (raw_path, query) = target::split_target(question.target.as_bytes());
    let Some(path) = target::normalise(raw_path) else {
        lines.push(
            "answer    400: the path leads above the root, or is not well encoded".to_string(),
        );
        return;
    };
    if *path != *raw_path {
        lines.push(format!(
            "path      matched as {}",
            String::from_utf8_lossy(&path)
        ));
    }
    if site.shared_numbers(&path).is_some() {
        lines.push("does      tells the site's numbers, to who has the token".to_string());
        return;
    }
    let facts = Facts {
        method: &question.method,
        headers: &question.headers,
        query,
    };
    match site.table().find(&path, &facts) {
        Found::Nothing => lines.push("answer    404: no route takes this path".to_string()),
        Found::WrongMethod(methods) => {
            let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
            lines.push(format!(
                "answer    405: the path has routes for {} only",
                names.join(", ")
            ));
        }
        Found::AddSlash(index) => {
            if let Some(route) = site.routes.get(index) {
                lines.push(format!(
                    "route     {}   {}",
                    route.label,
                    edge.sources.line(route.place)
                ));
            }
            let query = query.map_or(String::new(), |query| {
                format!("?{}", String::from_utf8_lossy(query))
            });
            lines.push(format!(
                "does      redirects with 308 to {}/{query}: the route takes what is below it",
                target::encode(&path)
            ));
        }
        Found::Route(index) => {
            let Some(route) = site.routes.get(index) else {
                return;
            };
            lines.push(format!(
                "route     {}   {}",
                route.label,
                edge.sources.line(route.place)
            ));
            let request = answer::Request {
                scheme: if question.tls { "https" } else { "http" },
                host: question.host.as_bytes(),
                raw_path,
                path: &path,
                query,
            };
            action_lines(lines, edge, route, &request, &question.headers);
            if let Some(compress) = &route.compress
                && !matches!(route.action, Action::Redirect(_))
            {
                lines.push(format!("compress  {}", compress.describe()));
            }
            if let Some(visits) = &site.visits {
                lines.push(format!(
                    "visits    {}",
                    visits.describe(&question.method, &path)
                ));
            }
            for change in route.headers.describe(question.tls) {
                lines.push(format!("answer    {change}"));
            }
        }
    }
}

fn what_was_found(found: &std::io::Result<FoundFile>, files: &Files) -> String {
    match found {
        Ok(FoundFile::File(entry)) => {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            let forms: Vec<&str> = Coding::ALL
                .iter()
                .filter(|coding| entry.sibling(**coding).is_some())
                .map(|coding| coding.suffix())
                .collect();
            let beside = match forms.is_empty() {
                true => String::new(),
                false => format!(", {} beside it", forms.join(", ")),
            };
            let kept = if entry.immutable {
                ", its name carries a hash"
            } else {
                ""
            };
            format!(
                "{}/{path}, {} bytes, {}{beside}{kept}",
                files.root(),
                entry.content.len(),
                printed(&entry.content_type)
            )
        }
        Ok(FoundFile::AddSlash) => "a directory: 308 to its name with a slash".to_string(),
        Ok(FoundFile::Listing(items)) => {
            format!("a list of the directory's {} entries", items.len())
        }
        Ok(FoundFile::Missing) => "none".to_string(),
        Ok(FoundFile::Forbidden) => "one that may not be read: 403".to_string(),
        Err(error) => format!("one that cannot be read: {error}"),
    }
}

fn action_lines(
    lines: &mut Vec<String>,
    edge: &Edge,
    route: &Route,
    request: &answer::Request<'_>,
    headers: &HeaderMap,
) {
    match &route.action {
        Action::Respond(fixed, _) => {
            lines.push(format!(
                "does      answers {} with {} bytes of its own",
                fixed.status,
                fixed.body.len()
            ));
        }
        Action::Redirect(redirect) => match redirect.location(&route.pattern, request) {
            Some(to) => lines.push(format!(
                "does      redirects with {} to {}",
                redirect.status,
                printed(&to)
            )),
            None => lines.push("answer    400: the redirect would lead nowhere".to_string()),
        },
        Action::Files(files, fallback) => {
            lines.push(format!("does      serves files from {}", files.root()));
            let below = route.pattern.below(request.path);
            let found = match is_devious(request.raw_path) {
                true => Ok(FoundFile::Missing),
                false => files.look_up(below),
            };
            let missing = matches!(found, Ok(FoundFile::Missing));
            lines.push(format!("file      {}", what_was_found(&found, files)));
            if let Some(images) = &route.images {
                lines.push(format!("images    {}", picture::terms(images)));
                if let Ok(FoundFile::File(entry)) = &found {
                    lines.extend(picture::lines(images, entry, request, headers));
                }
            }
            if missing && fallback.is_none() {
                lines.push("answer    404".to_string());
            }
            if let Some(upstream) = fallback {
                lines.push(format!(
                    "else      passes what is no file to the upstream {}   {}",
                    upstream.name,
                    edge.sources.line(upstream.place)
                ));
            }
        }
        Action::Proxy(upstream) => {
            lines.push(format!(
                "does      passes it to the upstream {}   {}",
                upstream.name,
                edge.sources.line(upstream.place)
            ));
            for server in &upstream.servers {
                lines.push(format!("server    {}", server.label));
            }
            match route.max_body {
                Some(limit) => lines.push(format!(
                    "body      at most {}, else 413",
                    crate::config::Size(limit)
                )),
                None => lines.push("body      of any size".to_string()),
            }
            if let Some(images) = &route.images {
                lines.push(format!("images    {}", picture::terms(images)));
            }
            if let Some(host) = &route.upstream_host {
                lines.push(format!("host      the app sees {}", printed(host)));
            }
        }
    }
}
