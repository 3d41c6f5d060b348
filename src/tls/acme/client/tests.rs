use super::*;

#[test]
fn later_is_a_number_or_a_date_and_has_a_bound() {
    let parsed = |text: &'static str| seconds(&HeaderValue::from_static(text));
    assert_eq!(parsed("0"), Some(0));
    assert_eq!(parsed(" 120 "), Some(120));
    assert_eq!(parsed("18446744073709551615"), Some(LONGEST_WAIT));
    assert_eq!(parsed("99999999999999999999999999"), Some(LONGEST_WAIT));
    assert_eq!(parsed("Fri, 31 Dec 1999 23:59:59 GMT"), Some(0));
    assert_eq!(parsed("Fri, 31 Dec 9999 23:59:59 GMT"), Some(LONGEST_WAIT));
    assert_eq!(parsed("soon"), None);
    assert_eq!(parsed("-1"), None);
    assert_eq!(parsed(""), None);
}

#[test]
fn a_directory_that_the_library_would_stumble_over_is_none() {
    let sound = r#"{"newNonce":"https://a/n","newAccount":"https://a/a","newOrder":"https://a/o"}"#;
    assert!(is_sound_directory(sound.as_bytes()));
    for broken in [
        "",
        "[]",
        "{}",
        r#"{"newNonce":"https://a/n","newAccount":"https://a/a"}"#,
        r#"{"newNonce":"ht tp://","newAccount":"https://a/a","newOrder":"https://a/o"}"#,
        r#"{"newNonce":1,"newAccount":"https://a/a","newOrder":"https://a/o"}"#,
    ] {
        assert!(!is_sound_directory(broken.as_bytes()), "{broken}");
    }
}

#[test]
fn who_is_connected_to() {
    for (uri, port, to, host) in [
        (
            "https://ca.example/dir",
            443,
            "ca.example:443",
            "ca.example",
        ),
        (
            "https://ca.example:14000/dir",
            443,
            "ca.example:14000",
            "ca.example",
        ),
        ("http://[::1]/x", 80, "[::1]:80", "::1"),
    ] {
        let uri: Uri = uri.parse().unwrap();
        assert_eq!(authority(&uri, port).unwrap(), to);
        assert_eq!(host_of(to), host);
    }
}
