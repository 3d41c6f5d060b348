//! Clients' connections: how many, and what each may ask for.

use super::ListenerTerms;
use super::settings::Settings;
use crate::config::{At, Diagnostic, Diagnostics, Place, Size, table};
use nix::sys::resource::{Resource, getrlimit};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

table! {
    /// How many connections clients may have.
    pub struct ConnectionSettings {
        /// Of all clients together; 0: half as many as the process may have descriptors (each may
        /// need a second one, to an app). What comes beyond is answered 503, and beyond a sixteenth
        /// more closed.
        max: usize = 0,
        /// Of one address (IPv6: of one /64), the addresses of trusted proxies excepted; 0: any
        /// number. What comes beyond is answered 429, or closed where TLS is spoken.
        per_address: usize = 0,
        /// For a TLS handshake, and for the header of the PROXY protocol before it.
        handshake_timeout: Duration = Duration::from_secs(10),
    }
}

table! {
    /// HTTP/2: over TLS, and where a listener has `h2c = true`.
    pub struct Http2Settings {
        /// Whether it is spoken.
        enabled: bool = true,
        /// Requests at a time on one connection, 1 to 1000.
        streams: At<usize> = At::unplaced(100),
        /// The largest head of a request, uncompressed, with 32 bytes for each field.
        header_list: At<Size> = At::unplaced(Size(64 * 1024)),
        /// How long a connection may be without a request.
        idle_timeout: Duration = Duration::from_secs(180),
        /// How much of a request's body a client may send before the app takes it. More makes
        /// uploads over long distances faster, and costs as much memory per upload.
        stream_window: At<Size> = At::unplaced(Size(1024 * 1024)),
        /// The same for all requests of a connection together.
        connection_window: At<Size> = At::unplaced(Size(4 * 1024 * 1024)),
    }
}

/// `[server.connections]`, as connections are held to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Of all clients; 0 for any number.
    pub max: usize,
    /// Of one address; 0 for any number.
    pub per_address: usize,
    /// For a handshake.
    pub handshake: Duration,
}

impl ConnectionLimits {
    /// Of settings.
    pub fn build(settings: &ConnectionSettings) -> Self {
        ConnectionLimits {
            max: match settings.max {
                0 => half_of_descriptors(),
                max => max,
            },
            per_address: settings.per_address,
            handshake: settings.handshake_timeout,
        }
    }
}

/// 0 when the system does not tell, or there is no limit.
fn half_of_descriptors() -> usize {
    let limits = getrlimit(Resource::RLIMIT_NOFILE);
    let half = limits.map_or(0, |(now, _)| now / 2);
    usize::try_from(half).unwrap_or(0)
}

/// `[server.http2]`, as connections are held to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Terms {
    /// Whether it is spoken.
    pub enabled: bool,
    /// Requests at a time.
    pub streams: u32,
    /// Bytes of a head, uncompressed, as RFC 9113 section 6.5.2 counts them.
    pub header_list: u32,
    /// Bytes of a request's body that are on their way or wait for the app.
    pub stream_window: u32,
    /// The same of all requests of a connection.
    pub connection_window: u32,
    /// Without a request.
    pub idle: Duration,
}

/// The largest window (RFC 9113 section 6.9.1).
const LARGEST_WINDOW: u64 = (1 << 31) - 1;
/// What every connection begins with, and what no setting can take back
/// (RFC 9113 section 6.9.2).
const SMALLEST_WINDOW: u64 = 65_535;
/// The largest head that may be allowed. pingora takes no larger one.
const LARGEST_HEAD: u64 = 1_048_575;
const SMALLEST_HEAD: u64 = 4096;
const MOST_STREAMS: u64 = 1000;

impl Http2Terms {
    /// Checks settings.
    pub fn build(settings: &Http2Settings, errors: &mut Diagnostics) -> Self {
        let mut within = |place: Place, name: &str, value: u64, least: u64, most: u64| {
            if !(least..=most).contains(&value) {
                let what = format!("`{name}` cannot be {value}");
                let label = format!("it is from {least} to {most}");
                errors.push(Diagnostic::new(place, what).label(label));
            }
            u32::try_from(value.clamp(least, most)).unwrap_or(u32::MAX)
        };
        let (streams, head) = (&settings.streams, &settings.header_list);
        let (one, all) = (&settings.stream_window, &settings.connection_window);
        Http2Terms {
            enabled: settings.enabled,
            streams: within(
                streams.place,
                "streams",
                streams.value as u64,
                1,
                MOST_STREAMS,
            ),
            header_list: within(
                head.place,
                "header_list",
                head.value.0,
                SMALLEST_HEAD,
                LARGEST_HEAD,
            ),
            stream_window: within(
                one.place,
                "stream_window",
                one.value.0,
                SMALLEST_WINDOW,
                LARGEST_WINDOW,
            ),
            connection_window: within(
                all.place,
                "connection_window",
                all.value.0,
                SMALLEST_WINDOW,
                LARGEST_WINDOW,
            ),
            idle: settings.idle_timeout,
        }
    }
}

/// What is spoken where. Sites that share a listener must agree on that.
pub fn listeners(
    settings: &Settings,
    errors: &mut Diagnostics,
) -> HashMap<SocketAddr, ListenerTerms> {
    let mut first: HashMap<SocketAddr, (ListenerTerms, Place, &str)> = HashMap::new();
    for site in &settings.sites {
        for at in site.listen.as_deref().unwrap_or(&settings.server.listen) {
            let (address, terms) = (at.value.address, at.value.terms);
            let Some((other, place, name)) = first.get(&address) else {
                first.insert(address, (terms, at.place, &site.name.value));
                continue;
            };
            if *other != terms {
                let what = format!(
                    "the sites `{name}` and `{}` do not agree on {address}",
                    site.name.value
                );
                errors.push(
                    Diagnostic::new(at.place, what)
                        .label("`tls`, `proxy_protocol` and `h2c` must be the same for all sites of a listener")
                        .related(*place, "the other one is here"),
                );
            }
        }
    }
    first
        .into_iter()
        .map(|(address, (terms, ..))| (address, terms))
        .collect()
}
