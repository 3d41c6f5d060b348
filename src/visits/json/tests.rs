use super::*;
use crate::visits::visit::{Device, Source};
use rand::Rng;
use serde_json::{Value, json};

fn full() -> Visit<'static> {
    Visit {
        id: 0x0192_3456_789a_7bcd_8123_4567_89ab_cdef,
        time: 1_763_740_000_000_456,
        site: "shop",
        source: Source::App,
        partial: true,
        status: 304,
        took: 12_045,
        address: Some("2001:db8:1:2::1".parse().unwrap()),
        visitor: 0x00ab_cdef_0123_4567,
        session: 8,
        country: *b"FR",
        region: "Île-de-France",
        city: "Paris",
        asn: 64_500,
        device: Device::Tablet,
        browser: "Safari",
        os: "iPadOS",
        language: "fr-FR",
        path: "/où",
        referrer: "https://example.org/a",
        referrer_host: "example.org",
        user_agent: "Mozilla/5.0 \"x\" \\ \u{1}\u{7f}\t\r\n\u{2028}",
        utm_source: "news",
        utm_medium: "mail",
        utm_campaign: "autumn",
    }
}

fn written(visit: &Visit<'_>, address: AddressKind) -> (String, Value) {
    let mut out = Vec::new();
    write(&mut out, visit, address);
    let text = String::from_utf8(out).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

/// The same by another way.
fn expected(visit: &Visit<'_>, address: AddressKind) -> Value {
    let address = visit.address.and_then(|whole| address.apply(whole));
    let mut value = json!({
        "id": uuid::Uuid::from_u128(visit.id).to_string(),
        "source": visit.source.name(),
        "user_id": null,
        "session_key": format!("{:016x}", visit.session),
        "path": visit.path,
        "method": "GET",
        "ip_address": address.map(|address| address.to_string()),
        "country": visit.country(),
        "device": visit.device.name(),
        "browser": visit.browser,
        "os": visit.os,
        "user_agent": visit.user_agent,
        "referrer": visit.referrer,
        "response_time": f64::from(visit.took) / 1e3,
        "timestamp": visit.time as f64 / 1e6,
        "site": visit.site,
        "status": visit.status,
        "visitor": format!("{:016x}", visit.visitor),
    });
    for (key, text) in [
        ("region", visit.region),
        ("city", visit.city),
        ("language", visit.language),
        ("utm_source", visit.utm_source),
        ("utm_medium", visit.utm_medium),
        ("utm_campaign", visit.utm_campaign),
    ] {
        if !text.is_empty() {
            value[key] = json!(text);
        }
    }
    if visit.asn != 0 {
        value["asn"] = json!(visit.asn);
    }
    if visit.partial {
        value["partial"] = json!(true);
    }
    value
}

#[test]
fn the_format_is_the_consumers() {
    let (text, _) = written(&full(), AddressKind::Full);
    assert_eq!(
        text,
        concat!(
            r#"{"id":"01923456-789a-7bcd-8123-456789abcdef","source":"app","user_id":null,"#,
            r#""session_key":"0000000000000008","path":"/où","method":"GET","#,
            r#""ip_address":"2001:db8:1:2::1","country":"FR","device":"tablet","#,
            r#""browser":"Safari","os":"iPadOS","#,
            r#""user_agent":"Mozilla/5.0 \"x\" \\ \u0001"#,
            "\u{7f}",
            r#"\t\r\n"#,
            "\u{2028}",
            r#"","referrer":"https://example.org/a","response_time":12.045,"#,
            r#""timestamp":1763740000.000456,"site":"shop","status":304,"#,
            r#""region":"Île-de-France","city":"Paris","asn":64500,"#,
            r#""visitor":"00abcdef01234567","language":"fr-FR","utm_source":"news","#,
            r#""utm_medium":"mail","utm_campaign":"autumn","partial":true}"#,
        )
    );
}

#[test]
fn what_says_nothing_is_left_out() {
    let visit = Visit {
        source: Source::Web,
        partial: false,
        address: None,
        region: "",
        city: "",
        asn: 0,
        language: "",
        path: "/",
        user_agent: "",
        referrer: "",
        utm_source: "",
        utm_medium: "",
        utm_campaign: "",
        took: 0,
        ..full()
    };
    let (text, value) = written(&visit, AddressKind::Full);
    let object = value.as_object().unwrap();
    assert_eq!(object.len(), 18, "{text}");
    assert!(text.contains(r#""ip_address":null"#) && text.contains(r#""response_time":0.000"#));
    assert!(text.contains(r#""user_agent":"","referrer":"""#));
}

#[test]
fn an_address_is_as_whole_as_is_asked() {
    let visit = |address: &str| Visit {
        address: Some(address.parse().unwrap()),
        ..full()
    };
    for (address, kind, told) in [
        ("203.0.113.77", AddressKind::Full, json!("203.0.113.77")),
        ("203.0.113.77", AddressKind::Truncated, json!("203.0.113.0")),
        (
            "2001:db8:1:2::3",
            AddressKind::Truncated,
            json!("2001:db8:1::"),
        ),
        ("203.0.113.77", AddressKind::None, Value::Null),
    ] {
        assert_eq!(written(&visit(address), kind).1["ip_address"], told);
    }
}

fn random_text(rng: &mut impl Rng) -> String {
    let length = [0, 1, 5, 40, 200][rng.gen_range(0..5)];
    let kind = rng.gen_range(0..4);
    let letter = |_| match kind {
        0 => char::from(rng.gen_range(b' '..b'\x7f')),
        1 => char::from(rng.gen_range(0..0x40_u8)),
        2 => *['"', '\\', 'a', '/', '\u{0}', 'é', '\u{2029}', '\u{1f600}']
            .get(rng.gen_range(0..8))
            .unwrap(),
        _ => rng.r#gen(),
    };
    (0..length).map(letter).collect()
}

#[test]
fn any_visit_comes_back_from_a_json_parser() {
    let mut rng = rand::thread_rng();
    for _ in 0..2_000 {
        let texts: [String; 13] = std::array::from_fn(|_| random_text(&mut rng));
        let visit = Visit {
            id: rng.r#gen(),
            // To the second, and microseconds: what a float still tells exactly.
            time: rng.gen_range(-4_000_000_000_000_000..4_000_000_000_000_000),
            site: &texts[0],
            source: if rng.r#gen() {
                Source::App
            } else {
                Source::Web
            },
            partial: rng.r#gen(),
            status: rng.r#gen(),
            took: rng.r#gen(),
            address: match rng.gen_range(0..3) {
                0 => None,
                1 => Some(IpAddr::from(rng.r#gen::<[u8; 4]>())),
                _ => Some(IpAddr::from(rng.r#gen::<[u8; 16]>())),
            },
            visitor: rng.r#gen(),
            session: rng.r#gen(),
            country: *b"ZZ",
            region: &texts[1],
            city: &texts[2],
            asn: if rng.r#gen() { 0 } else { rng.r#gen() },
            device: Device::ALL[rng.gen_range(0..5)],
            browser: &texts[3],
            os: &texts[4],
            language: &texts[5],
            path: &texts[6],
            referrer: &texts[7],
            referrer_host: &texts[8],
            user_agent: &texts[9],
            utm_source: &texts[10],
            utm_medium: &texts[11],
            utm_campaign: &texts[12],
        };
        let (text, mut value) = written(&visit, AddressKind::Full);
        let mut expected = expected(&visit, AddressKind::Full);
        // Floats may differ in the last bit; their text is exact.
        for (key, unit, whole) in [
            ("timestamp", 1e6, visit.time as f64),
            ("response_time", 1e3, f64::from(visit.took)),
        ] {
            let told = value[key].as_f64().unwrap() * unit;
            assert!((told - whole).abs() <= 1.0, "{text}");
            value[key].take();
            expected[key].take();
        }
        assert_eq!(value, expected, "{text}");
    }
}

#[test]
fn numbers_have_all_their_digits() {
    let number = |value, width| {
        let mut out = Vec::new();
        decimal(&mut out, value, width);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(number(0, 1), "0");
    assert_eq!(number(7, 3), "007");
    assert_eq!(number(u64::MAX, 1), u64::MAX.to_string());
    let mut out = Vec::new();
    timestamp(&mut out, -1);
    assert_eq!(out, b"-0.000001");
}
