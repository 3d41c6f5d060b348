//! Which hosts a certificate is for.

use std::net::IpAddr;

/// Whether a certificate for `own` (a DNS name, with or without `*.` before it, or an address) is for
/// `host`. A wildcard takes one label (RFC 9525 section 6.3). Letters' case does not matter.
pub fn is_for(own: &str, host: &str) -> bool {
    match own.strip_prefix("*.") {
        Some(suffix) => host
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(suffix)),
        None => own.eq_ignore_ascii_case(host),
    }
}

/// Whether a certificate for `own` is for all that a site's host means, as far as a certificate can
/// be: the same wildcard is enough, although the site's takes several labels and a certificate's
/// takes one.
pub fn covers(own: &str, host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(address) => own.parse() == Ok(address),
        Err(_) if host.starts_with("*.") => own.eq_ignore_ascii_case(host),
        Err(_) => is_for(own, host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_takes_one_label() {
        for (own, host, answer) in [
            ("example.org", "Example.ORG", true),
            ("example.org", "www.example.org", false),
            ("*.example.org", "www.example.org", true),
            ("*.Example.org", "www.example.ORG", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", ".example.org", false),
            ("*.example.org", "a.b.example.org", false),
        ] {
            assert_eq!(is_for(own, host), answer, "{own} {host}");
        }
    }

    #[test]
    fn a_sites_host_is_covered_by_the_same_wildcard_or_address() {
        for (own, host, answer) in [
            ("*.example.org", "*.example.org", true),
            ("*.example.org", "www.example.org", true),
            ("example.org", "*.example.org", false),
            ("www.example.org", "*.example.org", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("::1", "[::1]", true),
            ("::1", "[0:0::1]", true),
            ("*.0.0.1", "127.0.0.1", false),
        ] {
            assert_eq!(covers(own, host), answer, "{own} {host}");
        }
    }
}
