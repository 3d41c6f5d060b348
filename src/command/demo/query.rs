//! The parameters of a query.

/// The first value of `name` in a query, decoded as a form would be
/// (URL Standard section 5.1). A `%` without two hexadecimal digits behind it stands for itself;
/// what is no UTF-8 becomes U+FFFD.
pub(super) fn value(query: Option<&str>, name: &str) -> Option<String> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then(|| decoded(value))
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escaped(after)) {
            (b'%', Some((byte, after))) => {
                bytes.push(byte);
                rest = after;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_at_checked(2)?;
    // `from_str_radix` would take a sign too.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let digits = std::str::from_utf8(digits).ok()?;
    Some((u8::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_name(query: &str, expected: Option<&str>) {
        assert_eq!(value(Some(query), "name").as_deref(), expected);
    }

    #[test]
    fn the_first_value_counts() {
        assert_name("a=1&name=Ada&name=Eve", Some("Ada"));
        assert_name("name", Some(""));
        assert_name("na%6De=x", Some("x"));
        assert_name("names=Ada&=name", None);
        assert_name("", None);
        assert_eq!(value(None, "name"), None);
    }

    #[test]
    fn escapes_are_decoded() {
        assert_name("name=Ada+L%20%2B", Some("Ada L +"));
        assert_name("name=Zo%C3%AB", Some("Zo\u{eb}"));
        assert_name("name=a%3Db=c", Some("a=b=c"));
    }

    #[test]
    fn malformed_escapes_stand_for_themselves() {
        assert_name("name=100%", Some("100%"));
        assert_name("name=%4", Some("%4"));
        assert_name("name=%+1%zz", Some("% 1%zz"));
        assert_name("name=%ff", Some("\u{fffd}"));
    }
}
