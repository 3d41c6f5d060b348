use super::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn told(client: &str) -> Option<SocketAddr> {
    Some(client.parse().unwrap())
}

fn version_2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE_2.to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend(block);
    bytes
}

const FOUR: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xc0, 0x01, 0x01, 0xbb];

fn six() -> Vec<u8> {
    let client: Ipv6Addr = "2001:db8::7".parse().unwrap();
    let server: Ipv6Addr = "::ffff:1.2.3.4".parse().unwrap();
    let mut block = [client.octets(), server.octets()].concat();
    block.extend([0xff, 0xff, 0, 0]);
    block
}

/// What an AWS balancer sends: a checksum, the endpoint's name, and padding.
fn aws() -> Vec<u8> {
    let mut block = vec![172, 31, 7, 113, 172, 31, 10, 31, 0xc8, 0xf2, 0x00, 0x50];
    block.extend([0x03, 0x00, 0x04, 0xe8, 0xd6, 0x89, 0x2d]);
    block.extend([0xea, 0x00, 0x17, 0x01]);
    block.extend(b"vpce-08d2bf15fac5001c9");
    block.extend([0x04, 0x00, 0x24]);
    block.extend([0; 36]);
    version_2(0x21, 0x11, &block)
}

/// Sound headers and the clients that they name.
fn sound() -> Vec<(Vec<u8>, Option<SocketAddr>)> {
    let four = told("192.0.2.7:49153");
    let line = |text: &str| text.as_bytes().to_vec();
    let unix = version_2(0x21, 0x31, &[b'a'; 216]);
    let more = [FOUR.as_slice(), &[0x20, 0, 2, 1, 2, 0x04, 0, 0]].concat();
    vec![
        (
            line("PROXY TCP4 192.0.2.7 198.51.100.1 49153 443\r\n"),
            four,
        ),
        (
            line("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n"),
            told("255.255.255.255:65535"),
        ),
        (
            line("PROXY TCP6 2001:db8::7 ::ffff:1.2.3.4 65535 0\r\n"),
            told("[2001:db8::7]:65535"),
        ),
        (line("PROXY UNKNOWN\r\n"), None),
        (line("PROXY UNKNOWN what ever it says\r\n"), None),
        (version_2(0x21, 0x11, &FOUR), four),
        (version_2(0x21, 0x11, &more), four),
        (version_2(0x21, 0x21, &six()), told("[2001:db8::7]:65535")),
        (aws(), told("172.31.7.113:51442")),
        (unix, None),
        (version_2(0x21, 0x00, &[]), None),
        (version_2(0x21, 0x00, b"ignored"), None),
        (version_2(0x20, 0x00, &[]), None),
        (version_2(0x20, 0x11, &FOUR), None),
        (version_2(0x20, 0xff, b"ignored"), None),
        (version_2(0x20, 0x00, &[0; LONGEST]), None),
    ]
}

#[test]
fn a_sound_header_is_understood_and_its_prefixes_are_too_short() {
    for (bytes, client) in sound() {
        let used = bytes.len();
        assert_eq!(parse(&bytes), Ok(Parsed::Done { used, client }));
        let more = [bytes.as_slice(), b"\r\nGET / HTTP/1.1\r\n"].concat();
        assert_eq!(parse(&more), Ok(Parsed::Done { used, client }));
        for cut in 0..used {
            let Ok(Parsed::Need(need)) = parse(&bytes[..cut]) else {
                panic!("{cut} of {bytes:?}: {:?}", parse(&bytes[..cut]));
            };
            assert!(need > 0 && cut + need <= used, "{cut} of {bytes:?}: {need}");
        }
        // Whoever reads what is needed gets there.
        let mut have = 0;
        while let Ok(Parsed::Need(need)) = parse(&bytes[..have]) {
            have += need;
        }
        assert_eq!(have, used);
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    for (text, why) in [
        ("GET / HTTP/1.1\r\n", Refused::NotProxy),
        ("proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n", Refused::NotProxy),
        ("PROXYTCP4", Refused::NotProxy),
        ("\r\n\r\nX", Refused::NotProxy),
        ("PROXY \r\n", Refused::Family),
        ("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n", Refused::Family),
        ("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", Refused::Family),
        ("PROXY UNKNOWNS\r\n", Refused::Family),
        ("PROXY TCP4\r\n", Refused::Line),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", Refused::Line),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", Refused::Line),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", Refused::Line),
        ("PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n", Refused::Address),
        ("PROXY TCP4 1.1.1.1 ::1 1 2\r\n", Refused::Address),
        ("PROXY TCP6 ::1 1.1.1.1 1 2\r\n", Refused::Address),
        ("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", Refused::Address),
        ("PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n", Refused::Address),
        ("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", Refused::Address),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", Refused::Port),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 00 2\r\n", Refused::Port),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", Refused::Port),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n", Refused::Port),
        ("PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n", Refused::Port),
        ("PROXY UNKNOWN\n", Refused::Line),
        ("PROXY UNKNOWN\rX", Refused::Line),
        ("PROXY UNKNOWN\t\r\n", Refused::Line),
        ("PROXY UNKNOWN \u{e9}\r\n", Refused::Line),
        (&long, Refused::Line),
    ] {
        assert_eq!(parse(text.as_bytes()), Err(why), "{text:?}");
    }
    // The longest line may just be, and no line goes on for ever.
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(LINE - 16));
    assert_eq!(longest.len(), LINE);
    assert!(matches!(
        parse(longest.as_bytes()),
        Ok(Parsed::Done { used: LINE, .. })
    ));
    assert_eq!(parse(&long.as_bytes()[..LINE]), Err(Refused::Line));
}

#[test]
fn a_wrong_version_2_is_refused_as_soon_as_it_shows() {
    for (bytes, why) in [
        (version_2(0x11, 0x11, &FOUR), Refused::Version),
        (version_2(0x31, 0x11, &FOUR), Refused::Version),
        (version_2(0x22, 0x11, &FOUR), Refused::Command),
        (version_2(0x21, 0x41, &FOUR), Refused::Family),
        (version_2(0x21, 0x12, &FOUR), Refused::Family),
        (version_2(0x21, 0x10, &FOUR), Refused::Family),
        (version_2(0x21, 0x01, &FOUR), Refused::Family),
        (version_2(0x21, 0x21, &FOUR), Refused::Length),
        (version_2(0x21, 0x31, &FOUR), Refused::Length),
        (version_2(0x21, 0x11, &FOUR[..11]), Refused::Length),
        (version_2(0x20, 0x11, &[0; LONGEST + 1]), Refused::Length),
        (
            version_2(0x21, 0x11, &[FOUR.as_slice(), &[4]].concat()),
            Refused::Additions,
        ),
        (
            version_2(0x21, 0x11, &[FOUR.as_slice(), &[4, 0, 2, 0]].concat()),
            Refused::Additions,
        ),
        (
            version_2(0x21, 0x11, &[FOUR.as_slice(), &[3, 0, 1, 0]].concat()),
            Refused::Additions,
        ),
    ] {
        assert_eq!(parse(&bytes), Err(why), "{bytes:?}");
    }
    let until_version = version_2(0x11, 0x11, &FOUR);
    assert_eq!(parse(&until_version[..13]), Err(Refused::Version));
    let until_length = version_2(0x21, 0x11, &FOUR[..11]);
    assert_eq!(parse(&until_length[..16]), Err(Refused::Length));
}

#[test]
fn the_checksum_is_castagnolis_and_covers_every_bit() {
    assert_eq!(!castagnoli(!0, b"123456789"), 0xe306_9283);
    let bytes = aws();
    for at in 16..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            // A type or a length that broke may leave no checksum to be seen or nothing that fits.
            let of_an_addition = [28, 29, 30, 35, 36, 37, 61, 62, 63].contains(&at);
            match parse(&broken) {
                Err(Refused::Checksum) => {}
                Err(Refused::Additions) | Ok(_) => assert!(of_an_addition, "{at}"),
                Err(other) => panic!("{at}: {other}"),
            }
        }
    }
}

#[test]
fn whatever_comes_nothing_breaks() {
    let mut random = StdRng::seed_from_u64(5);
    let sound = sound();
    for _ in 0..100_000 {
        let (bytes, _) = &sound[random.gen_range(0..sound.len())];
        let mut bytes = bytes[..bytes.len().min(300)].to_vec();
        for _ in 0..random.gen_range(1..4) {
            let at = random.gen_range(0..bytes.len());
            match random.gen_range(0..4) {
                0 => bytes[at] = random.r#gen(),
                1 => bytes.truncate(at + 1),
                2 => bytes.insert(at, random.r#gen()),
                _ => bytes[at] ^= 1 << random.gen_range(0..8),
            }
        }
        let whole = parse(&bytes);
        if let Ok(Parsed::Done { used, .. }) = whole {
            assert!(used <= bytes.len());
        }
        // Byte by byte says the same: no prefix is whole or wrong when the whole is neither.
        for cut in 0..bytes.len() {
            match (parse(&bytes[..cut]), whole) {
                (Ok(Parsed::Need(need)), Ok(Parsed::Done { used, .. })) => {
                    assert!(cut < used && cut + need <= used);
                }
                (Ok(Parsed::Need(_)), _) => {}
                (earlier, _) => {
                    assert_eq!(earlier, whole, "{cut} of {bytes:?}");
                }
            }
        }
    }
}
