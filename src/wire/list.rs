//! Fields that are lists (RFC 9110 section 5.6.1).

use http::HeaderMap;
use http::header::HeaderName;

/// Whether the field, in all of its lines, has this item, in any case.
pub fn has_item(headers: &HeaderMap, name: &HeaderName, item: &[u8]) -> bool {
    headers.get_all(name).iter().any(|value| {
        let mut items = value.as_bytes().split(|b| *b == b',');
        items.any(|i| i.trim_ascii().eq_ignore_ascii_case(item))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderValue, VARY};

    #[test]
    fn an_item_is_found_wherever_it_stands() {
        let mut headers = HeaderMap::new();
        assert!(!has_item(&headers, &VARY, b"cookie"));
        headers.append(VARY, HeaderValue::from_static("Accept , COOKIE"));
        headers.append(VARY, HeaderValue::from_static("x-a"));
        for item in ["accept", "cookie", "X-A"] {
            assert!(has_item(&headers, &VARY, item.as_bytes()), "{item}");
        }
        for item in ["acc", "accept , cookie", "*"] {
            assert!(!has_item(&headers, &VARY, item.as_bytes()), "{item}");
        }
    }
}
