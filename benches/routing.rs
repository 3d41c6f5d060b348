//! Ten thousand routes over a thousand hosts: loading them, and finding one's way.
//!
//! Bars: the whole configuration is checked in under 1 s, a request is routed in under 1 us.

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Method};
use parvis::edge::{Edge, load_text};
use parvis::route::{Facts, Found};
use parvis::wire::target;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::SocketAddr;

const HOSTS: usize = 1_000;

/// A thousand sites with ten routes each: exact paths, prefixes, a regular expression, and one
/// with conditions.
fn configuration() -> String {
    let mut text = String::from("[upstream.app]\nservers = [\"127.0.0.1:8000\"]\n");
    for host in 0..HOSTS {
        let _ = write!(
            text,
            "[[site]]\nname = \"site-{host}\"\nhosts = [\"host-{host}.example\", \"*.host-{host}.example\"]\n\
             listen = [\"127.0.0.1:8080\"]\n"
        );
        for path in [
            "/",
            "/health",
            "/static/*",
            "/media/*",
            "/api/*",
            "/api/v2/*",
            "/ws/*",
            "/admin/*",
            "~ ^/u/[0-9]+$",
        ] {
            let _ = writeln!(text, "[[site.route]]\npath = '{path}'\nproxy = \"app\"");
        }
        text.push_str(
            "[[site.route]]\npath = '/*'\nmethods = [\"GET\", \"POST\"]\nproxy = \"app\"\n",
        );
    }
    text
}

fn edge(text: String) -> Option<Edge> {
    load_text("bench", text).result.ok()
}

/// What a request does to find its route.
fn find(
    edge: &Edge,
    listener: SocketAddr,
    host: &[u8],
    target: &[u8],
    headers: &HeaderMap,
) -> Option<Found> {
    let site = edge.sites.get(edge.find_site(listener, host)?)?;
    let (raw, query) = target::split_target(target);
    let path = target::normalise(raw)?;
    Some(site.table().find(
        &path,
        &Facts {
            method: &Method::GET,
            headers,
            query,
        },
    ))
}

fn routing(criterion: &mut Criterion) {
    let text = configuration();
    criterion
        .benchmark_group("10,000 routes over 1,000 hosts")
        .sample_size(10)
        .bench_function("load and check", |b| {
            b.iter(|| edge(black_box(text.clone())))
        });
    let Some(edge) = edge(text) else { return };
    let listener = SocketAddr::from(([127, 0, 0, 1], 8080));
    let headers = HeaderMap::new();
    let mut group = criterion.benchmark_group("find the route of");
    for (what, host, target) in [
        ("an exact path", "host-500.example", "/health"),
        (
            "a short prefix",
            "host-500.example",
            "/static/app.0123456789.css",
        ),
        (
            "a deep path",
            "www.host-999.example",
            "/api/v2/users/12345/posts/67890/comments?page=2",
        ),
        (
            "a path with percent signs and dots",
            "host-1.example:8080",
            "/static/%2e%2e/caf%C3%A9/./x",
        ),
        ("a regular expression", "HOST-7.EXAMPLE", "/u/123456"),
        (
            "whatever is left",
            "host-250.example",
            "/some/page/that/has/no/route/of/its/own",
        ),
    ] {
        group.bench_function(what, |b| {
            b.iter(|| {
                find(
                    &edge,
                    listener,
                    black_box(host.as_bytes()),
                    black_box(target.as_bytes()),
                    &headers,
                )
            })
        });
    }
    group.finish();
}

criterion_group!(benches, routing);
criterion_main!(benches);
