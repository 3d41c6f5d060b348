//! Which coding a client gets: `Accept-Encoding` (RFC 9110, 12.5.3) and the operator's order.

use crate::bodies::page;
use crate::support::{Backend, Client};
use crate::{BROWSER, Edge, LENGTH, coding, decoded, edge, edge_with, obedient, same, vary};

/// Each row: what the client accepts, and the codings of which it must get one (parted by `|`).
/// Whatever it gets, it can decode, and a cache is told that it depends on the client.
fn negotiated(edge: &Edge, rows: &[(&str, &str)]) {
    let mut client = edge.parvis.client();
    for (accepted, expected) in rows {
        let fields = format!("Accept-Encoding: {accepted}\r\n");
        check(&mut client, &fields, expected);
    }
}

fn check(client: &mut Client, fields: &str, expected: &str) {
    let reply = client.request("GET", "/", fields, b"");
    assert_eq!(reply.status, 200, "{fields:?}");
    let found = coding(&reply);
    let good = expected.split('|').any(|one| one == found);
    assert!(good, "{fields:?}: {found} instead of {expected}");
    same(fields, &decoded(&reply), &page(LENGTH));
    assert_eq!(vary(&reply), ["accept-encoding"], "{fields:?}");
    let own = (found == "identity").then(|| LENGTH.to_string());
    assert_eq!(reply.field("content-length"), own, "{fields:?}");
}

#[test]
fn the_coding_with_the_highest_q_value_wins() {
    negotiated(
        &edge(obedient()),
        &[
            ("gzip", "gzip"),
            ("br", "br"),
            ("zstd", "zstd"),
            ("gzip;q=1.0, br;q=0.5", "gzip"),
            ("gzip;q=0.5, br;q=1.0", "br"),
            ("gzip;q=0.5, br", "br"),
            ("gzip, br;q=0.999", "gzip"),
            ("gzip;q=0.8, zstd;q=0.9, br;q=0.7", "zstd"),
            ("gzip;q=0.001", "gzip"),
            ("gzip;q=0.001, br;q=0.002", "br"),
            ("gzip;q=0.001, zstd;q=0.0", "gzip"),
            ("br;q=0.9, gzip;q=0.90, zstd;q=0.89", "br"),
            ("deflate, gzip;q=0.1", "gzip"),
            ("br;q=0.1, deflate;q=0.9, compress", "br"),
        ],
    );
}

#[test]
fn equal_q_values_go_by_the_operators_order() {
    let rows = [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("zstd, gzip", "zstd"),
        ("zstd, br", "br"),
        ("gzip;q=0.5, br;q=0.5, zstd;q=0.5", "br"),
        ("gzip;q=0.5, zstd;q=0.500", "zstd"),
        ("gzip;q=1.000, br;q=1", "br"),
        ("br;q=0.3, zstd, gzip", "zstd"),
    ];
    negotiated(&edge(obedient()), &rows);
    let mirrored = "compress = { algorithms = [\"gzip\", \"zstd\", \"br\"] }";
    negotiated(
        &edge_with(obedient(), "", mirrored, ""),
        &[
            ("gzip, deflate, br, zstd", "gzip"),
            ("br, zstd", "zstd"),
            ("br, zstd, gzip;q=0.9", "zstd"),
            ("br", "br"),
            ("*", "gzip"),
        ],
    );
}

#[test]
fn a_q_value_of_0_excludes() {
    negotiated(
        &edge(obedient()),
        &[
            ("gzip;q=0", "identity"),
            ("gzip;q=0.0", "identity"),
            ("gzip;q=0.000", "identity"),
            ("br;q=0, gzip", "gzip"),
            ("gzip, br;q=0, zstd;q=0", "gzip"),
            ("br;q=0, zstd;q=0, gzip;q=0", "identity"),
            ("br;q=0, *", "zstd"),
            ("br;q=0, zstd;q=0, *", "gzip"),
            ("br;q=0, zstd;q=0, gzip;q=0, *", "identity"),
        ],
    );
}

#[test]
fn a_star_stands_for_what_is_not_named() {
    negotiated(
        &edge(obedient()),
        &[
            ("*", "br"),
            ("*;q=0.001", "br"),
            ("*;q=0", "identity"),
            ("*;q=0, gzip", "gzip"),
            ("gzip, *;q=0", "gzip"),
            ("gzip;q=0.5, *;q=0.1", "gzip"),
            ("gzip;q=0.1, *;q=0.5", "br"),
            ("br;q=0.2, *;q=0.8", "zstd"),
            ("br;q=0.2, zstd;q=0.2, *;q=0.8", "gzip"),
            ("deflate, *;q=0.5", "br"),
        ],
    );
}

#[test]
fn identity_wins_only_when_it_is_asked_for() {
    negotiated(
        &edge(obedient()),
        &[
            ("identity", "identity"),
            ("identity;q=1", "identity"),
            ("identity;q=0.5", "identity"),
            ("identity, gzip;q=0.5", "identity"),
            ("gzip;q=0.5, identity;q=0.6", "identity"),
            ("identity, *;q=0.5", "identity"),
            ("gzip;q=0.5, identity;q=0.4", "gzip"),
            ("identity;q=0.5, gzip;q=0.5", "gzip"),
            ("gzip, identity", "gzip"),
            // Not named, it is what is left.
            ("gzip;q=0.001", "gzip"),
            ("*;q=0.5, identity;q=0.1", "br"),
            ("*, identity;q=0", "br"),
            ("identity;q=0, gzip;q=0.001", "gzip"),
            ("*;q=0, identity", "identity"),
        ],
    );
}

/// Nothing is acceptable then; RFC 9110 lets the server answer as if nothing had been asked.
#[test]
fn identity_is_sent_when_nothing_is_acceptable() {
    negotiated(
        &edge(obedient()),
        &[
            ("identity;q=0", "identity"),
            ("identity;q=0, deflate", "identity"),
            ("*;q=0, identity;q=0", "identity"),
            ("br;q=0, gzip;q=0, zstd;q=0, identity;q=0", "identity"),
        ],
    );
}

#[test]
fn names_have_no_case_and_white_space_does_not_matter() {
    negotiated(
        &edge(obedient()),
        &[
            ("GZIP", "gzip"),
            ("Br", "br"),
            ("ZStd;Q=0.5", "zstd"),
            ("IDENTITY, gzip;q=0.1", "identity"),
            ("gzip , br;q=0.5", "gzip"),
            ("gzip;q=0.5,br;q=0.6", "br"),
            ("gzip ; q=0.5 , br ; q=0.6", "br"),
            ("gzip;\tq=0.5\t,\tbr;\tq=0.6", "br"),
            ("   gzip   ", "gzip"),
            (",,gzip,,", "gzip"),
            (", ,gzip, ,br;q=0.1,", "gzip"),
            ("gzip;q=1.", "gzip"),
            ("gzip;q=0.", "identity"),
        ],
    );
}

#[test]
fn x_gzip_is_gzip() {
    negotiated(
        &edge(obedient()),
        &[
            ("x-gzip", "gzip"),
            ("X-GZip;q=0.5", "gzip"),
            ("x-gzip, br;q=0.5", "gzip"),
            ("x-gzip;q=0", "identity"),
            ("x-gzip;q=0, *", "br"),
            ("x-compress, x-deflate", "identity"),
        ],
    );
}

#[test]
fn the_same_coding_twice_is_that_coding() {
    negotiated(
        &edge(obedient()),
        &[
            ("gzip, gzip", "gzip"),
            ("gzip, x-gzip", "gzip"),
            ("gzip;q=0.5, GZIP;q=0.5, br;q=0.1", "gzip"),
            ("gzip;q=0, gzip;q=0", "identity"),
            ("*, *", "br"),
            // RFC 9110 does not say which of the two counts.
            ("gzip;q=1, gzip;q=0", "gzip|identity"),
            ("br;q=0.1, br;q=0.9, gzip;q=0.5", "br|gzip"),
        ],
    );
}

#[test]
fn several_lines_are_one_list() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    for (lines, expected) in [
        (["gzip", "br"], "br"),
        (["gzip;q=0.5", "br;q=0.1"], "gzip"),
        (["deflate", "zstd"], "zstd"),
        (["", "gzip"], "gzip"),
        (["gzip;q=0", "*;q=0.5"], "br"),
        (["identity", "gzip;q=0.5"], "identity"),
    ] {
        let fields = lines.map(|line| format!("Accept-Encoding: {line}\r\n"));
        check(&mut client, &fields.concat(), expected);
    }
}

#[test]
fn a_client_that_accepts_nothing_in_particular_gets_identity() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    for fields in [
        "",
        "Accept-Encoding:\r\n",
        "Accept-Encoding:   \r\n",
        "Accept-Encoding: ,\r\n",
        "Accept: gzip\r\nX-Accept-Encoding: gzip\r\nTE: gzip\r\nConnection: TE\r\n",
    ] {
        check(&mut client, fields, "identity");
    }
}

#[test]
fn what_is_not_a_coding_of_ours_is_passed_over() {
    negotiated(
        &edge(obedient()),
        &[
            ("deflate", "identity"),
            ("compress", "identity"),
            ("gzipped", "identity"),
            ("gz", "identity"),
            ("brotli", "identity"),
            ("pack200-gzip, exi", "identity"),
            ("gzip2, br;q=0.1", "br"),
            ("dcb, dcz, br", "br"),
            ("aws-chunked, gzip", "gzip"),
            ("q=1, gzip", "gzip"),
            (";q=1, gzip", "gzip"),
            ("@@@, \"br\", gzip", "gzip"),
        ],
    );
}

/// There is no right answer to these, only wrong ones: an error, or what cannot be decoded.
#[test]
fn rubbish_does_no_harm() {
    let edge = edge(obedient());
    negotiated(
        &edge,
        &[
            ("gzip;q=", "gzip|identity"),
            ("gzip;q=foo", "gzip|identity"),
            ("gzip;q=-1", "gzip|identity"),
            ("gzip;q=2", "gzip|identity"),
            ("gzip;q=1.001", "gzip|identity"),
            ("gzip;q=0.0001", "gzip|identity"),
            ("gzip;q=99999999999999999999", "gzip|identity"),
            ("gzip;q=NaN", "gzip|identity"),
            ("gzip;q=inf", "gzip|identity"),
            ("gzip;q=1e3", "gzip|identity"),
            ("gzip;q=0x1", "gzip|identity"),
            ("gzip;q=\"1\"", "gzip|identity"),
            ("gzip;;;q=0.5", "gzip|identity"),
            ("gzip;q=0.5;q=0", "gzip|identity"),
            ("gzip;x=1", "gzip|identity"),
            ("gzip;level=9;q=0.5", "gzip|identity"),
            ("gzip q=0.5", "gzip|identity"),
            ("gzip br", "gzip|br|identity"),
            ("gzip;br", "gzip|br|identity"),
            ("gzip/br", "identity"),
            (";;;;", "identity"),
            ("q=1", "identity"),
            ("**", "identity"),
        ],
    );
    // More elements than anybody has a use for.
    let many = "x;q=0.5, ".repeat(5_000) + "zstd";
    check(
        &mut edge.parvis.client(),
        &format!("Accept-Encoding: {many}\r\n"),
        "zstd|identity",
    );
}

#[test]
fn bytes_that_are_no_text_do_no_harm() {
    let edge = edge(Backend::raw(|incoming| {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(incoming.exactly(1).expect("no end of the head"));
        }
        let own = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20000\r\n\r\n";
        incoming.send(own);
        incoming.send(page(LENGTH));
    }));
    for accepted in [b"\xff\xfe, gzip\xe9, br".as_slice(), b"br;q=\xb2", b"\x80"] {
        let mut client = edge.parvis.client();
        client.send("GET / HTTP/1.1\r\nHost: test\r\nAccept-Encoding: ");
        client.send(accepted);
        client.send("\r\n\r\n");
        let reply = client.reply();
        assert_eq!(reply.status, 200, "{accepted:?}");
        assert!(["br", "identity"].contains(&coding(&reply).as_str()));
        same("no text", &decoded(&reply), &page(LENGTH));
    }
}

#[test]
fn only_the_operators_codings_are_used() {
    let two = edge_with(
        obedient(),
        "",
        "compress = { algorithms = [\"gzip\", \"br\"] }",
        "",
    );
    negotiated(
        &two,
        &[
            ("gzip, deflate, br, zstd", "gzip"),
            ("br", "br"),
            ("zstd", "identity"),
            ("zstd, br", "br"),
            ("gzip;q=0.9, br", "br"),
            ("*", "gzip"),
            ("zstd, *;q=0.1", "gzip"),
            ("gzip;q=0, *;q=0.1", "br"),
        ],
    );
    let one = edge_with(obedient(), "", "compress = { algorithms = [\"gzip\"] }", "");
    negotiated(
        &one,
        &[
            ("gzip, deflate, br, zstd", "gzip"),
            ("br, zstd", "identity"),
            ("br, gzip;q=0.1", "gzip"),
            ("*", "gzip"),
            ("gzip;q=0, *", "identity"),
            ("br, identity;q=0", "identity"),
        ],
    );
}

/// Neither a coding nor a `Vary` that would say there could be one.
fn untouched(edge: &Edge, path: &str) {
    let reply = edge.parvis.client().request("GET", path, BROWSER, b"");
    assert_eq!(coding(&reply), "identity", "{path}");
    assert_eq!(reply.field("vary"), None, "{path}");
    assert_eq!(reply.field("content-length"), Some(LENGTH.to_string()));
    same(path, &reply.body, &page(LENGTH));
}

fn coding_of(edge: &Edge, path: &str, fields: &str) -> String {
    coding(&edge.parvis.client().request("GET", path, fields, b""))
}

#[test]
fn off_is_off() {
    untouched(&edge_with(obedient(), "", "compress = \"off\"", ""), "/");
    untouched(&edge_with(obedient(), "", "", "compress = \"off\""), "/");
}

#[test]
fn a_route_overrides_its_site() {
    let proxy = "\nproxy = \"app\"\n";
    let routes = |rows: &[(&str, &str)]| -> String {
        let one = |(path, compress): &(&str, &str)| {
            format!("[[site.route]]\npath = \"{path}\"{proxy}{compress}\n")
        };
        rows.iter().map(one).collect()
    };
    let off = edge_with(
        obedient(),
        "",
        "compress = \"off\"",
        &routes(&[
            ("/on", "compress = {}"),
            ("/gzip", "compress = { algorithms = [\"gzip\"] }"),
            ("/off", "compress = \"off\""),
        ]),
    );
    untouched(&off, "/");
    untouched(&off, "/off");
    assert_eq!(coding_of(&off, "/on", BROWSER), "br");
    assert_eq!(coding_of(&off, "/gzip", BROWSER), "gzip");

    // What a route does not say comes from its site.
    let some = edge_with(
        obedient(),
        "",
        "compress = { algorithms = [\"zstd\", \"gzip\"], min_length = \"10000\" }",
        &routes(&[
            ("/gzip", "compress = { algorithms = [\"gzip\"] }"),
            ("/long", "compress = { min_length = \"30000\" }"),
            ("/off", "compress = \"off\""),
        ]),
    );
    for (path, size, expected) in [
        ("/", 20_000, "zstd"),
        ("/", 9_999, "identity"),
        ("/gzip", 20_000, "gzip"),
        ("/gzip", 9_999, "identity"),
        ("/long", 20_000, "identity"),
        ("/long", 30_000, "zstd"),
    ] {
        let fields = format!("{BROWSER}X-Size: {size}\r\n");
        assert_eq!(coding_of(&some, path, &fields), expected, "{path} {size}");
    }
    untouched(&some, "/off");
}
