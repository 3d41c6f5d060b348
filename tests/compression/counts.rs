//! What is counted: bytes before and after, by coding.

use crate::bodies::page;
use crate::support::{Parvis, until};
use crate::{BROWSER, CODINGS, LENGTH, ask, coding, decoded, edge, obedient, same};

const HTML: &str = "200 OK|Content-Type: text/html";

/// Bytes that went into a coding, and that came out of it.
fn counted(parvis: &Parvis, coding: &str) -> (u64, u64) {
    let side = |side: &str| {
        parvis.metric(&format!(
            "parvis_compressed_bytes_total{{coding=\"{coding}\",side=\"{side}\"}}"
        )) as u64
    };
    (side("in"), side("out"))
}

#[test]
fn bytes_are_counted_before_and_after_by_coding() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    for accepted in CODINGS {
        assert_eq!(counted(&edge.parvis, accepted), (0, 0));
        let (mut before, mut after) = (0, 0);
        // Never the same page: each is compressed on its way.
        for size in [LENGTH, LENGTH + 1, 300_000] {
            for frame in ["length", "chunked"] {
                let size = size + usize::from(frame == "chunked") * 10;
                let fields = format!(
                    "Accept-Encoding: {accepted}\r\nX-Size: {size}\r\nX-Frame: {frame}\r\n"
                );
                let reply = ask(&mut client, "GET", "/", HTML, &fields);
                assert_eq!(coding(&reply), accepted);
                before += size as u64;
                after += reply.body.len() as u64;
            }
        }
        // They are added up when an answer is over, which the client may know a little earlier.
        until("all is counted", || {
            (counted(&edge.parvis, accepted) == (before, after)).then_some(())
        });
    }
}

#[test]
fn what_is_not_compressed_is_not_counted() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    ask(&mut client, "GET", "/", HTML, "");
    ask(&mut client, "HEAD", "/", HTML, BROWSER);
    ask(
        &mut client,
        "GET",
        "/",
        "200 OK|Content-Type: image/png",
        BROWSER,
    );
    ask(
        &mut client,
        "GET",
        "/",
        HTML,
        &format!("{BROWSER}X-Size: 799\r\n"),
    );
    // By the time that this one is counted, those before it are.
    let reply = ask(&mut client, "GET", "/", HTML, "Accept-Encoding: gzip\r\n");
    same("last", &decoded(&reply), &page(LENGTH));
    let expected = (LENGTH as u64, reply.body.len() as u64);
    until("the last one is counted", || {
        (counted(&edge.parvis, "gzip") == expected).then_some(())
    });
    assert_eq!(counted(&edge.parvis, "br"), (0, 0));
    assert_eq!(counted(&edge.parvis, "zstd"), (0, 0));
}
