//! Bearer tokens (RFC 6750 section 2.1).

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

/// Whether a request carries this token. Compares in a time that tells nothing of how much was
/// right.
pub fn has_token(request: &HeaderMap, token: &str) -> bool {
    let given = request
        .get(AUTHORIZATION)
        .map_or(&b""[..], |value| value.as_bytes());
    let (scheme, given) = given.split_at_checked(7).unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"bearer ")
        && bool::from(given.trim_ascii().ct_eq(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderValue;

    #[test]
    fn only_the_token_itself_is_taken() {
        for (given, expected) in [
            ("Bearer secret", true),
            ("bearer  secret ", true),
            ("Bearer secre", false),
            ("Bearer secret2", false),
            ("Basic secret", false),
            ("Bearer", false),
            ("", false),
        ] {
            let mut request = HeaderMap::new();
            request.insert(AUTHORIZATION, HeaderValue::from_static(given));
            assert_eq!(has_token(&request, "secret"), expected, "{given}");
        }
        assert!(!has_token(&HeaderMap::new(), "secret"));
    }
}
