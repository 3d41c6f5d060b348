//! `parvis media sign`: an address that may ask for any size.

use crate::command::explain::question::{Question, route};
use crate::command::{ConfigFile, Failure, files, print};
use crate::edge::Edge;
use crate::wire::target::split_target;
use http::HeaderMap;

/// What the help says below the options.
pub const HELP: &str = "\
The signature is made with the key of the route that takes the address. An app makes the same in
Python:

  import base64, hmac
  key = open('images.key', 'rb').read().strip()
  mac = hmac.digest(key, b'/media/a.jpg?w=1000', 'sha256')
  url = '/media/a.jpg?w=1000&s=' + base64.urlsafe_b64encode(mac).decode().rstrip('=')

Without parameters what is signed ends with the question mark, and s is the only one: '?s='.

Examples:
  parvis media sign 'https://example.org/media/a.jpg?w=1000'";

/// What to sign.
#[derive(Debug, clap::Args)]
pub struct Sign {
    /// The address, as browsers will send it.
    url: String,
    #[command(flatten)]
    file: ConfigFile,
}

/// Prints the address with its signature.
///
/// # Errors
/// [`Failure::Wrong`] when the address or the configuration does not allow one.
pub fn sign(arguments: &Sign) -> Result<(), Failure> {
    let question = Question::of_url(&arguments.url)?;
    let edge = files::load(&files::choose(&arguments.file)?)?;
    print(&signed(&edge, &question)?);
    Ok(())
}

fn signed(edge: &Edge, question: &Question) -> Result<String, Failure> {
    let wrong = |text: String| Failure::Wrong(format!("error: {text}"));
    let route = route(edge, question)?;
    let line = format!(
        "the route `{}` ({})",
        route.label,
        edge.sources.line(route.place)
    );
    let Some(images) = &route.images else {
        return Err(wrong(format!(
            "{line}, which takes this address, has no `images`"
        )));
    };
    let policy = &images.terms.policy;
    let Some(key) = &policy.sign else {
        return Err(wrong(format!(
            "{line}, which takes this address, has no key\n\
             help: images = {{ sign = {{ key = {{ file = \"images.key\" }} }} }}, with a file made by \
             `openssl rand -hex 32`"
        )));
    };
    let (path, query) = match question.target.split_once('?') {
        Some((path, query)) => (path, query),
        None => (question.target.as_str(), ""),
    };
    if query
        .split('&')
        .any(|one| one == "s" || one.starts_with("s="))
    {
        return Err(wrong(
            "the address has a signature already, `s`".to_string(),
        ));
    }
    let signature = key.sign(path, query);
    let target = match query {
        "" => format!("{path}?s={signature}"),
        query => format!("{path}?{query}&s={signature}"),
    };
    let (raw_path, raw_query) = split_target(target.as_bytes());
    // What would be refused is told now.
    policy
        .wish(raw_path, raw_query, &HeaderMap::new())
        .map_err(|refusal| wrong(refusal.to_string()))?;
    let scheme = if question.tls { "https" } else { "http" };
    Ok(format!("{scheme}://{}{target}", question.host))
}
