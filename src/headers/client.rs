//! Who the client is, and what is told to the app about it.

use bytes::Bytes;
use http::header::{FORWARDED, HOST, HeaderName, HeaderValue};
use ipnet::IpNet;
use pingora::http::RequestHeader;
use std::net::IpAddr;

/// Proxies whose word on the client is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// Whether this address is one of them. An IPv4 address in IPv6 clothes counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The one place that decides what the client's address is: the peer's, unless the peer is a
/// trusted proxy; then the first address from the right of `X-Forwarded-For` that is none.
pub fn client_address(peer: IpAddr, request: &RequestHeader, trusted: &TrustedProxies) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.contains(peer) {
        return peer;
    }
    let fields = request.headers.get_all(X_FORWARDED_FOR);
    let mut client = peer;
    for field in fields.iter().rev() {
        for entry in field.as_bytes().rsplit(|b| *b == b',') {
            // Rubbish ends the chain: what stands left of it was written by nobody trusted.
            let Some(address) = parse_address(entry) else {
                return client;
            };
            client = address;
            if !trusted.contains(address) {
                return client;
            }
        }
    }
    client
}

/// `192.0.2.1`, `192.0.2.1:1234`, `2001:db8::1`, `[2001:db8::1]:1234`.
fn parse_address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let parsed = text.parse::<IpAddr>().ok().or_else(|| {
        text.parse::<std::net::SocketAddr>()
            .ok()
            .map(|socket| socket.ip())
            .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
    })?;
    Some(parsed.to_canonical())
}

/// What the app is told about a request.
#[derive(Debug, Clone, Copy)]
pub struct Forwarding<'a> {
    /// The connection's other end.
    pub peer: IpAddr,
    /// The client behind it.
    pub client: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub trusted: bool,
    /// Whether the client's connection is encrypted.
    pub tls: bool,
    /// The `Host` that the client sent.
    pub host: Option<&'a HeaderValue>,
    /// Whether to send `Forwarded` (RFC 7239) too.
    pub rfc7239: bool,
}

impl Forwarding<'_> {
    /// Writes the fields into the request for the app. An untrusted client's own are replaced.
    ///
    /// # Errors
    /// More fields than a header map holds.
    pub fn apply(&self, request: &mut RequestHeader) -> pingora::Result<()> {
        let before = if self.trusted {
            joined(request, &X_FORWARDED_FOR)
        } else {
            None
        };
        let chain = if self.trusted {
            joined(request, &FORWARDED)
        } else {
            None
        };
        if !self.trusted {
            remove_claims(request);
        }
        let peer = text(self.peer.to_canonical());
        let xff = match before {
            Some(before) => text_value(format!("{before}, ").as_bytes(), peer.as_bytes()),
            None => peer.clone(),
        };
        request.insert_header("X-Forwarded-For", xff)?;
        let real = if self.client == self.peer {
            peer
        } else {
            text(self.client)
        };
        request.insert_header("X-Real-IP", real)?;
        let proto = if self.tls { "https" } else { "http" };
        let claimed = request
            .headers
            .get(X_FORWARDED_PROTO)
            .map(HeaderValue::as_bytes);
        if !matches!(claimed, Some(b"http" | b"https")) {
            request.insert_header("X-Forwarded-Proto", HeaderValue::from_static(proto))?;
        }
        if let Some(host) = self.host
            && !request.headers.contains_key(X_FORWARDED_HOST)
        {
            request.insert_header("X-Forwarded-Host", host.clone())?;
        }
        if self.rfc7239 {
            let element = self.element(proto);
            let value = match chain {
                Some(chain) => format!("{chain}, {element}"),
                None => element,
            };
            if let Ok(value) = HeaderValue::from_str(&value) {
                request.insert_header("Forwarded", value)?;
            }
        }
        Ok(())
    }

    /// `for=192.0.2.1;host=example.org;proto=https` (RFC 7239 section 4).
    fn element(&self, proto: &str) -> String {
        let node = match self.peer.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("\"[{address}]\""),
        };
        match self.host.and_then(|host| host.to_str().ok()) {
            // A port's colon is no token character; heads with other oddities are refused before.
            Some(host) if host.contains([':', '[']) => {
                format!("for={node};host=\"{host}\";proto={proto}")
            }
            Some(host) => format!("for={node};host={host};proto={proto}"),
            None => format!("for={node};proto={proto}"),
        }
    }
}

/// Takes out every field by which somebody may claim to know the client.
fn remove_claims(request: &mut RequestHeader) {
    let claims = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-forwarded-") || matches!(name, "x-real-ip" | "forwarded")
    };
    if !request.headers.keys().any(claims) {
        return;
    }
    let names: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|n| claims(n))
        .cloned()
        .collect();
    for name in &names {
        request.remove_header(name);
    }
}

/// Takes out fields with `_` in their names. A CGI-like app (WSGI too) cannot tell
/// `X_Forwarded_For` from `X-Forwarded-For`; nginx drops such fields for the same reason.
pub fn remove_underscored(request: &mut RequestHeader) {
    let doubtful = |name: &HeaderName| name.as_str().contains('_');
    if !request.headers.keys().any(doubtful) {
        return;
    }
    let names: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|n| doubtful(n))
        .cloned()
        .collect();
    for name in &names {
        request.remove_header(name);
    }
}

/// All values of a field as one list.
fn joined(request: &RequestHeader, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = request
        .headers
        .get_all(name)
        .iter()
        .map(|v| String::from_utf8_lossy(v.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn text(address: IpAddr) -> HeaderValue {
    text_value(&[], address.to_string().as_bytes())
}

fn text_value(before: &[u8], after: &[u8]) -> HeaderValue {
    let bytes = Bytes::from([before, after].concat());
    HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// The `Host` of a request, as the client sent it.
pub fn host(request: &RequestHeader) -> Option<&HeaderValue> {
    request.headers.get(HOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    fn trusted() -> TrustedProxies {
        TrustedProxies(vec![
            "10.0.0.0/8".parse().unwrap(),
            "::1/128".parse().unwrap(),
        ])
    }

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let fields: Vec<_> = forwarded.iter().map(|v| ("X-Forwarded-For", *v)).collect();
        client_address(peer.parse().unwrap(), &request(&fields), &trusted()).to_string()
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_no_proxy() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4", "198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(client("::1", &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(
            client("::ffff:10.0.0.1", &["198.51.100.1:99"]),
            "198.51.100.1"
        );
    }

    #[test]
    fn rubbish_ends_the_chain() {
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4, rubbish, 10.0.0.2"]),
            "10.0.0.2"
        );
        assert_eq!(client("10.0.0.1", &["rubbish"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[""]), "10.0.0.1");
    }

    fn forwarded(trusted: bool, fields: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = request(fields);
        let host = HeaderValue::from_static("example.org:8080");
        let forwarding = Forwarding {
            peer: "10.0.0.1".parse().unwrap(),
            client: "198.51.100.1".parse().unwrap(),
            trusted,
            tls: false,
            host: Some(&host),
            rfc7239: true,
        };
        forwarding.apply(&mut request).unwrap();
        request
    }

    fn get(request: &RequestHeader, name: &str) -> String {
        let all: Vec<_> = request
            .headers
            .get_all(name)
            .iter()
            .map(|v| v.to_str().unwrap())
            .collect();
        all.join("|")
    }

    #[test]
    fn an_untrusted_peer_is_never_believed() {
        let request = forwarded(
            false,
            &[
                ("X-Forwarded-For", "6.6.6.6"),
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", "evil"),
                ("X-Forwarded-Port", "1"),
                ("X-Real-IP", "6.6.6.6"),
                ("Forwarded", "for=6.6.6.6"),
            ],
        );
        assert_eq!(get(&request, "x-forwarded-for"), "10.0.0.1");
        assert_eq!(get(&request, "x-forwarded-proto"), "http");
        assert_eq!(get(&request, "x-forwarded-host"), "example.org:8080");
        assert_eq!(get(&request, "x-forwarded-port"), "");
        assert_eq!(get(&request, "x-real-ip"), "198.51.100.1");
        assert_eq!(
            get(&request, "forwarded"),
            "for=10.0.0.1;host=\"example.org:8080\";proto=http"
        );
    }

    #[test]
    fn a_trusted_peers_fields_are_carried_on() {
        let request = forwarded(
            true,
            &[
                ("X-Forwarded-For", "1.1.1.1"),
                ("X-Forwarded-For", "198.51.100.1"),
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", "shop.example"),
                ("Forwarded", "for=198.51.100.1"),
            ],
        );
        assert_eq!(
            get(&request, "x-forwarded-for"),
            "1.1.1.1, 198.51.100.1, 10.0.0.1"
        );
        assert_eq!(get(&request, "x-forwarded-proto"), "https");
        assert_eq!(get(&request, "x-forwarded-host"), "shop.example");
        assert!(get(&request, "forwarded").starts_with("for=198.51.100.1, for=10.0.0.1;"));
    }

    #[test]
    fn underscored_fields_are_dropped() {
        let mut request = request(&[("X_Forwarded_For", "6.6.6.6"), ("X-Good", "1")]);
        remove_underscored(&mut request);
        assert_eq!(request.headers.len(), 1);
    }
}
