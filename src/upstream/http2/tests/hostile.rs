//! Apps that send what is no answer.

use super::app::{END, END_HEADERS, HEADERS, RST_STREAM, block, kind};
use super::*;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// A frame: its kind, its flags, its stream and what it holds.
type Sent<'a> = (u8, u8, u32, &'a [u8]);

/// What comes of a GET whose app sends these frames.
async fn came_of(frames: &[Sent<'_>]) -> io::Result<String> {
    let (link, mut app, _driver) = connected(&[]).await;
    let mut stream = stream(&link);
    stream.write(GET).unwrap();
    app.frame(HEADERS).await;
    app.frames(frames).await;
    all(&mut stream).await
}

const WHOLE: u8 = END | END_HEADERS;

#[test]
fn malformed_heads_are_no_answers() {
    run(async {
        let heads: [&[(&str, &str)]; 12] = [
            &[("a", "b")],
            &[],
            &[(":status", "abc")],
            &[(":status", "20")],
            &[(":status", "")],
            &[(":status", "200"), (":status", "200")],
            &[("a", "b"), (":status", "200")],
            &[(":status", "200"), (":unknown", "x")],
            &[(":status", "200"), ("Upper", "x")],
            &[(":status", "200"), ("connection", "close")],
            &[(":status", "200"), ("transfer-encoding", "chunked")],
            &[(":status", "200"), ("a", "b\r\nc: d")],
        ];
        for head in heads {
            let came = came_of(&[(HEADERS, WHOLE, 1, &block(head))]).await;
            assert!(came.is_err(), "{head:?}: {came:?}");
        }
    });
}

/// The crate forgives these; they must not come through.
#[test]
fn pseudo_fields_are_not_given_on() {
    run(async {
        let head = block(&[(":status", "200"), (":path", "/")]);
        let came = came_of(&[(HEADERS, WHOLE, 1, &head)]).await.unwrap();
        assert_eq!(came, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let head = block(&[(":status", "200")]);
        let last = block(&[(":status", "500"), ("a", "b")]);
        let head = (HEADERS, END_HEADERS, 1, head.as_slice());
        let came = came_of(&[head, (HEADERS, WHOLE, 1, &last)]).await.unwrap();
        assert!(came.ends_with("\r\n\r\n0\r\na: b\r\n\r\n"), "{came}");
    });
}

#[test]
fn another_protocol_is_no_answer() {
    run(async {
        let switch = block(&[(":status", "101")]);
        let came = came_of(&[
            (HEADERS, END_HEADERS, 1, &switch),
            (kind::DATA, 0, 1, b"bytes"),
        ])
        .await;
        assert!(came.is_err());
    });
}

#[test]
fn a_length_that_is_not_kept_is_an_error() {
    run(async {
        let five = block(&[(":status", "200"), ("content-length", "5")]);
        let head = (HEADERS, END_HEADERS, 1, five.as_slice());
        for data in [&b"four"[..], b"six..."] {
            let came = came_of(&[head, (kind::DATA, END, 1, data)]).await;
            assert!(came.is_err(), "{came:?}");
        }
        let twice = [
            (":status", "200"),
            ("content-length", "5"),
            ("content-length", "6"),
        ];
        let twice = block(&twice);
        let came = came_of(&[
            (HEADERS, END_HEADERS, 1, &twice),
            (kind::DATA, END, 1, b"12345"),
        ])
        .await;
        assert!(came.is_err());
    });
}

#[test]
fn a_head_that_is_too_large_is_an_error() {
    run(async {
        let long = "x".repeat(16_000);
        let mut fields = vec![(":status", "200")];
        fields.extend((0..20).map(|_| ("a", long.as_str())));
        let block = block(&fields);
        let mut frames: Vec<Sent<'_>> = Vec::new();
        let pieces: Vec<&[u8]> = block.chunks(16_384).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let kind = if i == 0 { HEADERS } else { 9 };
            let last = i + 1 == pieces.len();
            frames.push((kind, if last { END_HEADERS } else { 0 }, 1, piece));
        }
        assert!(came_of(&frames).await.is_err());
    });
}

#[test]
fn frames_out_of_place_are_errors() {
    run(async {
        let ok = block(&[(":status", "200")]);
        let trailers = block(&[("a", "b")]);
        let head = (HEADERS, END_HEADERS, 1, ok.as_slice());
        let cases: [&[Sent<'_>]; 7] = [
            // Data before the head.
            &[(kind::DATA, END, 1, b"early")],
            // Trailers that do not end.
            &[head, (HEADERS, END_HEADERS, 1, &trailers)],
            // A stream that nobody has opened.
            &[(HEADERS, WHOLE, 3, &ok)],
            &[(kind::DATA, END, 5, b"x")],
            // A promise, which was forbidden.
            &[(5, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &ok].concat())],
            // Broken compression.
            &[(HEADERS, WHOLE, 1, &[0x80])],
            // A continuation of nothing.
            &[(9, END_HEADERS, 1, &ok)],
        ];
        for (i, frames) in cases.into_iter().enumerate() {
            let came = came_of(frames).await;
            // The connection's own fault may look like its end.
            let nothing = matches!(came.as_deref(), Ok("") | Err(_));
            assert!(nothing, "{i}: {came:?}");
        }
    });
}

#[test]
fn an_answer_that_is_taken_back_is_an_error() {
    run(async {
        let ok = block(&[(":status", "200")]);
        let reset = (RST_STREAM, 0, 1, &[0, 0, 0, 2][..]);
        let error = came_of(&[reset]).await.unwrap_err();
        assert_eq!(fault(&error), None);
        let head = (HEADERS, END_HEADERS, 1, ok.as_slice());
        assert!(
            came_of(&[head, (kind::DATA, 0, 1, b"some"), reset])
                .await
                .is_err()
        );
        // Only what was refused may be sent again, and not once there is an answer.
        let refused = (RST_STREAM, 0, 1, &[0, 0, 0, 7][..]);
        let error = came_of(&[head, refused]).await.unwrap_err();
        assert_eq!(fault(&error), None);
    });
}

/// Whatever an app sends, a request comes to an end, and nobody panics.
#[test]
fn rubbish_harms_nobody() {
    run(async {
        let mut random = StdRng::seed_from_u64(5);
        for _ in 0..400 {
            let (link, mut app, driver) = connected(&[]).await;
            let mut stream = stream(&link);
            stream.write(POST).unwrap();
            app.frame(HEADERS).await;
            for _ in 0..random.gen_range(0..6) {
                let mut payload = vec![0; random.gen_range(0..40)];
                random.fill_bytes(&mut payload);
                if random.gen_bool(0.5) {
                    let status = ["200", "100", "204", "304", "999"][random.gen_range(0..5usize)];
                    payload = block(&[(":status", status), ("content-length", "3")]);
                }
                let kind = random.gen_range(0..11);
                let flags = random.gen_range(0..64);
                let on = random.gen_range(0..4);
                app.frames(&[(kind, flags, on, &payload)]).await;
                // What is left of the request may still be written.
                let _ = stream.write(b"1\r\nx\r\n");
            }
            drop(app);
            let _ = all(&mut stream).await;
            drop((stream, link));
            driver.await.unwrap();
        }
    });
}
