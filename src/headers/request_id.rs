//! `X-Request-ID`: one name for a request in every log.

use http::header::HeaderValue;
use rand::Rng;
use std::cell::RefCell;
use std::time::SystemTime;
use uuid::{Builder, fmt::Hyphenated};

/// A client's own id, when it may have one: 1 to 128 visible ASCII characters.
pub fn acceptable(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=128).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

/// A new id: a UUIDv7 (RFC 9562 section 5.7) of this time.
pub fn make(now: SystemTime) -> HeaderValue {
    thread_local! {
        // The thread's generator is seeded by the system once; asking it for every request
        // would be a system call each.
        static RANDOM: RefCell<rand::rngs::StdRng> =
            RefCell::new(rand::SeedableRng::from_entropy());
    }
    let millis = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let random: [u8; 10] = RANDOM.with_borrow_mut(Rng::r#gen);
    let id = Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(0), &random);
    let mut text = [0u8; Hyphenated::LENGTH];
    let text = id.into_uuid().hyphenated().encode_lower(&mut text);
    // Hexadecimal digits and hyphens are always a field's value.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_uuids_of_version_7_in_the_order_of_time() {
        let at = |ms| make(SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(ms));
        let (a, b) = (at(1_000), at(2_000));
        let id = uuid::Uuid::try_parse(a.to_str().unwrap()).unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert!(a.as_bytes() < b.as_bytes());
        assert_ne!(at(1_000), a);
    }

    #[test]
    fn only_visible_ids_are_acceptable() {
        let ok = |text: &str| acceptable(&HeaderValue::from_bytes(text.as_bytes()).unwrap());
        assert!(ok("a") && ok(&"x".repeat(128)));
        assert!(!ok("") && !ok(&"x".repeat(129)) && !ok("a b") && !ok("a\t") && !ok("é"));
    }
}
