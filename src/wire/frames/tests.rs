use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;
const PRIORITY_UPDATE: u8 = 0x10;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn word(kind: u8, stream: u32, word: u32) -> Vec<u8> {
    frame(kind, 0, stream, &word.to_be_bytes())
}

fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0x82; 30])
}

/// After how many of what `make` makes the watch has enough, all of it within a second.
fn enough(mut make: impl FnMut(u32) -> Vec<u8>) -> (u32, Flood) {
    let (mut watch, start) = (Watch::default(), Instant::now());
    watch.saw(PREFACE, start).unwrap();
    for n in 0..1_000_000 {
        let now = start + Duration::from_nanos(u64::from(n) * 1_000);
        if let Err(flood) = watch.saw(&make(n), now) {
            // From then on, always.
            assert_eq!(watch.saw(&[], now), Err(flood));
            assert_eq!(watch.sent(&[], now + Duration::from_secs(60)), Err(flood));
            return (n, flood);
        }
    }
    panic!("never enough");
}

#[test]
fn each_flood_is_told() {
    let reset = |n: u32| [request(2 * n + 1), word(RST, 2 * n + 1, 8)].concat();
    assert_eq!(enough(reset), (1_000, Flood::Resets));
    assert_eq!(enough(|_| frame(PING, 0, 0, &[0; 8])), (100, Flood::Pings));
    assert_eq!(enough(|_| frame(PING, 1, 0, &[0; 8])).1, Flood::Pings);
    assert_eq!(
        enough(|_| frame(SETTINGS, 0, 0, &[])),
        (100, Flood::Settings)
    );
    assert_eq!(
        enough(|_| frame(SETTINGS, 0, 0, &[0; 16_380])),
        (0, Flood::Settings),
        "2730 settings"
    );
    let (n, flood) = enough(|_| frame(DATA, 0, 1, &[]));
    assert_eq!((n, flood), (100, Flood::EmptyData));
    let (n, flood) = enough(|_| frame(DATA, PADDED, 1, &[99; 100]));
    assert_eq!((n, flood), (100, Flood::EmptyData), "only padding");
    let (n, flood) = enough(|_| frame(PRIORITY, 0, 3, &[0; 5]));
    assert_eq!((n, flood), (1_000, Flood::Priorities));
    let (n, flood) = enough(|_| frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"));
    assert_eq!((n, flood), (1_000, Flood::Priorities));
    let (n, flood) = enough(|_| word(WINDOW, 0, 1 << 20));
    assert!((1_000..1_200).contains(&n) && flood == Flood::Windows);
    let (n, flood) = enough(|_| word(WINDOW, 1, 1));
    assert!((5_000..6_000).contains(&n) && flood == Flood::Windows);
    assert_eq!(enough(|_| frame(0x4d, 0, 1, b"x")), (100, Flood::Unknown));
    assert_eq!(enough(|_| frame(7, 0, 0, &[0; 8])), (100, Flood::Unknown));
}

#[test]
fn header_blocks_end() {
    let block = |size: usize| {
        move |n: u32| match n {
            0 => frame(HEADERS, 0, 1, b"x"),
            _ => frame(CONTINUATION, 0, 1, &vec![0; size]),
        }
    };
    assert_eq!(enough(block(0)), (2, Flood::Continuations));
    assert_eq!(enough(block(1)), (8, Flood::Continuations));
    assert_eq!(enough(block(16_384)), (65, Flood::Continuations));

    // A block of 64 KiB in full frames, and one that was cut oddly, a thousand times.
    let mut watch = Watch::default();
    for n in 0..1_000 {
        for (at, size) in [16_384, 16_384, 16_384, 500, 500, 0].iter().enumerate() {
            let (kind, flags) = match at {
                0 => (HEADERS, 0),
                5 => (CONTINUATION, END_HEADERS),
                _ => (CONTINUATION, 0),
            };
            let bytes = frame(kind, flags, 2 * n + 1, &vec![0; *size]);
            assert_eq!(watch.saw(&bytes, Instant::now()), Ok(()));
        }
    }
}

#[test]
fn a_dribble_pays_for_nothing() {
    let (mut watch, now) = (Watch::default(), Instant::now());
    let over = (0..100_000).find(|_| {
        watch.sent(&frame(DATA, 0, 1, b"x"), now).unwrap();
        watch.saw(&word(WINDOW, 1, 1), now) == Err(Flood::Windows)
    });
    assert_eq!(over, Some(5_000));
}

#[test]
fn provoked_resets_are_counted_once_per_stream() {
    let (mut watch, now) = (Watch::default(), Instant::now());
    // Reasons of ours, and late DATA for streams that were reset.
    for n in 0..5_000 {
        let stream = 2 * n + 1;
        for code in [0, 2, 7, 8] {
            assert_eq!(watch.sent(&word(RST, stream, code), now), Ok(()));
        }
        for _ in 0..64 {
            assert_eq!(watch.sent(&word(RST, stream, 5), now), Ok(()));
        }
    }
    // A hundred uploads refused at once, and what was under way of each.
    for _ in 0..64 {
        for n in 5_000..5_100 {
            assert_eq!(watch.sent(&word(RST, 2 * n + 1, 5), now), Ok(()));
        }
    }
    for code in [1, 3, 5, 6, 9, 11] {
        let mut watch = Watch::default();
        let over = (0..1_000).find(|n| watch.sent(&word(RST, 2 * n + 1, code), now).is_err());
        assert_eq!(over, Some(200));
        assert_eq!(watch.saw(b"", now), Err(Flood::Provoked));
    }
}

/// Half an hour of one, with a step of so many milliseconds.
fn half_an_hour(step: u64, mut act: impl FnMut(u32, &mut Watch, Instant)) {
    let (mut watch, start) = (Watch::default(), Instant::now());
    watch.saw(PREFACE, start).unwrap();
    watch.saw(&frame(SETTINGS, 0, 0, &[0; 36]), start).unwrap();
    watch.saw(&word(WINDOW, 0, 15 << 20), start).unwrap();
    for n in 0..u32::try_from(1_800_000 / step).unwrap() {
        act(n, &mut watch, start + Duration::from_millis(step) * n);
    }
}

#[test]
fn a_browser_that_leaves_pages_is_not_hit() {
    // A page every five seconds: a hundred images asked for with GREASE and priorities, a third of
    // them come, the others are told to be urgent, then not to be sent. And a ping.
    half_an_hour(5_000, |n, watch, now| {
        for image in 0..100 {
            let stream = 200 * n + 2 * image + 1;
            watch.saw(&request(stream), now).unwrap();
            watch.saw(&frame(0xb, 0, stream, b"grease"), now).unwrap();
            watch
                .saw(&frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=5, i"), now)
                .unwrap();
            if image % 3 == 0 {
                watch
                    .sent(&frame(HEADERS, 4, stream, &[0; 60]), now)
                    .unwrap();
                watch.sent(&frame(DATA, 1, stream, &[0; 900]), now).unwrap();
            } else {
                watch
                    .saw(&frame(PRIORITY, 0, stream, &[0; 5]), now)
                    .unwrap();
                watch.saw(&word(RST, stream, 8), now).unwrap();
            }
        }
        watch.saw(&frame(PING, 0, 0, &[0; 8]), now).unwrap();
    });
    // Ten pages at once, left before a byte came of them.
    let (mut watch, now) = (Watch::default(), Instant::now());
    for n in 0..1_000 {
        watch.saw(&request(2 * n + 1), now).unwrap();
        watch.saw(&word(RST, 2 * n + 1, 8), now).unwrap();
    }
}

#[test]
fn grpc_is_not_hit() {
    // Small messages, each answered by a ping that measures and by two updates; a stream ended by
    // a reset every second; a keep-alive ping.
    half_an_hour(10, |n, watch, now| {
        let stream = 2 * (n / 100) + 1;
        if n % 100 == 0 {
            watch.saw(&request(stream), now).unwrap();
            watch
                .sent(&frame(HEADERS, 4, stream, &[0; 60]), now)
                .unwrap();
        }
        for _ in 0..10 {
            watch.sent(&frame(DATA, 0, stream, &[0; 40]), now).unwrap();
            watch.saw(&frame(PING, 0, 0, &[0; 8]), now).unwrap();
            watch.saw(&word(WINDOW, 0, 40), now).unwrap();
            watch.saw(&word(WINDOW, stream, 40), now).unwrap();
        }
        if n % 100 == 99 {
            watch.saw(&word(RST, stream, 8), now).unwrap();
            watch.saw(&frame(PING, 0, 0, &[0; 8]), now).unwrap();
        }
        if n % 1_000 == 0 {
            watch.saw(&frame(PING, 0, 0, &[0; 8]), now).unwrap();
        }
    });
}

#[test]
fn a_download_that_is_read_late_in_small_pieces_is_not_hit() {
    let (mut watch, now) = (Watch::default(), Instant::now());
    for _ in 0..4_096 {
        watch.sent(&frame(DATA, 0, 1, &[0; 16_384]), now).unwrap();
    }
    for _ in 0..16_384 {
        watch.saw(&word(WINDOW, 0, 4_096), now).unwrap();
        watch.saw(&word(WINDOW, 1, 4_096), now).unwrap();
    }
}

#[test]
fn an_upload_is_not_hit() {
    let (mut watch, now) = (Watch::default(), Instant::now());
    watch.saw(&frame(HEADERS, 4, 1, &[0; 60]), now).unwrap();
    for n in 0..10_000 {
        watch.saw(&frame(DATA, 0, 1, &[0; 16_384]), now).unwrap();
        if n % 10 == 0 {
            watch.saw(&frame(PING, 0, 0, &[0; 8]), now).unwrap();
        }
    }
    watch.saw(&frame(DATA, END_STREAM, 1, &[]), now).unwrap();
}

#[test]
fn time_fills_what_was_spent() {
    let (mut watch, start) = (Watch::default(), Instant::now());
    let ping = frame(PING, 0, 0, &[0; 8]);
    for _ in 0..100 {
        watch.saw(&ping, start).unwrap();
    }
    // Five in a second, however finely it is cut; and a clock that goes back harms nobody.
    for tick in 1..=1_000_000 {
        let now = start + Duration::from_micros(tick);
        if tick % 200_000 == 0 {
            watch.saw(&ping, now).unwrap();
        }
    }
    watch
        .saw(&ping, start + Duration::from_millis(1_200))
        .unwrap();
    assert_eq!(watch.saw(&ping, start), Err(Flood::Pings));
}

#[test]
fn any_split_is_followed_alike() {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[0; 36]));
    bytes.extend(word(WINDOW, 0, 1 << 20));
    bytes.extend(request(1));
    bytes.extend(frame(DATA, PADDED, 1, &[2, 0, 0]));
    bytes.extend(frame(DATA, PADDED, 1, &[]));
    bytes.extend(frame(DATA, 0, 1, &[7; 100]));
    bytes.extend(frame(DATA, END_STREAM, 1, &[]));
    bytes.extend(word(WINDOW, 1, 0x8000_0001));
    bytes.extend(frame(WINDOW, 0, 1, &[0, 0]));
    bytes.extend(frame(PING, 0, 0, &[0; 8]));
    bytes.extend(word(RST, 1, 8));
    let now = Instant::now();
    let after = |watch: &Watch| {
        [
            watch.resets.level,
            watch.settings.level,
            watch.pings.level,
            watch.empty.level,
            watch.windows.level,
            watch.tiny.level,
            watch.unknown.level,
            u64::from(watch.theirs.between()),
        ]
    };
    let mut whole = Watch::default();
    whole.saw(&bytes, now).unwrap();
    assert_eq!(whole.resets.level, 999_000);
    assert_eq!(whole.empty.level, 99_000, "the two, and one request");
    assert_eq!(whole.tiny.level, 4_998_000);
    assert!(whole.theirs.between());
    for a in 0..=bytes.len() {
        for b in a..=bytes.len() {
            let mut watch = Watch::default();
            for part in [&bytes[..a], &bytes[a..b], &bytes[b..]] {
                watch.saw(part, now).unwrap();
            }
            assert_eq!(after(&watch), after(&whole), "{a} {b}");
        }
    }
    // Without the preface too, and byte by byte.
    let mut watch = Watch::default();
    for byte in &bytes[PREFACE.len()..] {
        watch.saw(&[*byte], now).unwrap();
    }
    assert_eq!(after(&watch), after(&whole));
    let mut ours = Watch::default();
    for byte in [word(RST, 1, 1), word(RST, 3, 8), word(RST, 5, 3)].concat() {
        ours.sent(&[byte], now).unwrap();
    }
    assert_eq!(ours.provoked.level, 198_000);
}

#[test]
fn rubbish_does_no_harm() {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..2_000 {
        let mut watch = Watch::default();
        for _ in 0..20 {
            let mut bytes = vec![0; random.gen_range(0..200)];
            random.fill(bytes.as_mut_slice());
            if random.gen_bool(0.5) {
                // Short frames of all kinds.
                bytes.iter_mut().take(2).for_each(|byte| *byte = 0);
            }
            let now = Instant::now();
            let _ = (watch.saw(&bytes, now), watch.sent(&bytes, now));
        }
    }
}

#[test]
fn what_stands_out_is_told() {
    let (mut watch, now) = (Watch::default(), Instant::now());
    watch.saw(PREFACE, now).unwrap();
    watch.saw(&frame(SETTINGS, 0, 0, &[]), now).unwrap();
    assert_eq!(watch.most(), None, "every connection has one");
    for _ in 0..50 {
        watch.saw(&frame(PING, 0, 0, &[0; 8]), now).unwrap();
    }
    assert_eq!(watch.most(), Some(Flood::Pings));
    for _ in 0..5 {
        watch
            .saw(&frame(CONTINUATION, 0, 1, &[0; 2_000]), now)
            .unwrap();
    }
    assert_eq!(watch.most(), Some(Flood::Continuations));
}
