//! Lines of the combined format.

use crate::support::Backend;
use crate::{answering, exchange, hostile, lines, logging, now, seconds};

#[derive(Debug, PartialEq)]
pub struct Combined {
    client: String,
    time: u128,
    pub request: String,
    status: u16,
    bytes: u64,
    referrer: String,
    agent: String,
}

/// Takes a line of the combined format apart, and accepts nothing else.
pub fn combined(line: &str) -> Combined {
    let wrong = |what: &str| -> ! { panic!("{what}: {line}") };
    assert!(
        line.bytes().all(|b| (0x20..0x7f).contains(&b)),
        "not printable: {line:?}"
    );
    let Some((client, rest)) = line.split_once(" - - [") else {
        wrong("client")
    };
    let Some((time, rest)) = rest.split_once("] ") else {
        wrong("time")
    };
    let (request, rest) = quoted(rest);
    let Some((status, rest)) = rest.strip_prefix(' ').and_then(|r| r.split_once(' ')) else {
        wrong("status")
    };
    let Some((bytes, rest)) = rest.split_once(' ') else {
        wrong("bytes")
    };
    let (referrer, rest) = quoted(rest);
    let Some(rest) = rest.strip_prefix(' ') else {
        wrong("referrer")
    };
    let (agent, rest) = quoted(rest);
    assert_eq!(rest, "", "{line}");
    Combined {
        client: client.parse::<std::net::IpAddr>().unwrap().to_string(),
        time: common_time(time),
        request,
        status: status.parse().unwrap(),
        bytes: bytes.parse().unwrap(),
        referrer,
        agent,
    }
}

/// `"..."` and what follows it; `\xHH` is the only escape.
fn quoted(text: &str) -> (String, &str) {
    let text = text
        .strip_prefix('"')
        .unwrap_or_else(|| panic!("no quote: {text}"));
    let (inside, rest) = text
        .split_once('"')
        .unwrap_or_else(|| panic!("no end: {text}"));
    let mut pieces = inside.split('\\');
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.strip_prefix('x').and_then(|p| p.get(..2));
        let code = code.unwrap_or_else(|| panic!("an escape that is none: {inside}"));
        assert_eq!(code, code.to_uppercase());
        bytes.push(u8::from_str_radix(code, 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[3..]);
    }
    (String::from_utf8_lossy(&bytes).into_owned(), rest)
}

/// `21/Nov/2026:12:00:00 +0000` in seconds since the Unix epoch.
fn common_time(text: &str) -> u128 {
    let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    assert_eq!(text.len(), 26, "{text}");
    assert_eq!(&text[20..], " +0000");
    for (at, separator) in [(2, '/'), (6, '/'), (11, ':'), (14, ':'), (17, ':')] {
        assert!(text[at..].starts_with(separator), "{text}");
    }
    let part = |at: usize, n: usize| text[at..at + n].parse::<u128>().unwrap();
    let month = names.find(&text[3..6]).unwrap() as u128 / 3 + 1;
    seconds(
        part(7, 4),
        month,
        part(0, 2),
        part(12, 2),
        part(15, 2),
        part(18, 2),
    )
}

const COMBINED: &str = "format = \"combined\"\naccess = \"@DIR/access.log\"";

#[test]
fn a_combined_line_has_its_fields_and_the_right_values() {
    let backend = Backend::text("hello");
    let parvis = logging(COMBINED, &backend);
    let before = now() / 1000;
    let answer = exchange(
        &parvis,
        b"PUT /a?b=c HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 2001:db8::7\r\n\
          Referer: https://r.example/?q\r\nUser-Agent: Agent \"1\" \\ x\r\nConnection: close\r\n\r\n",
    );
    let first = combined(&lines(&parvis, "access.log", 1)[0]);
    let after = now() / 1000;
    assert!((before..=after).contains(&first.time), "{first:?}");
    assert_eq!(
        first,
        Combined {
            client: "2001:db8::7".into(),
            time: first.time,
            request: "PUT /a?b=c HTTP/1.1".into(),
            status: 200,
            bytes: answer.len() as u64,
            referrer: "https://r.example/?q".into(),
            agent: "Agent \"1\" \\ x".into(),
        }
    );
    exchange(&parvis, b"GET / HTTP/1.0\r\n\r\n");
    let second = combined(&lines(&parvis, "access.log", 2)[1]);
    assert_eq!(second.request, "GET / HTTP/1.0");
    assert_eq!(
        (second.referrer.as_str(), second.agent.as_str()),
        ("-", "-")
    );
    assert_eq!(second.client, "127.0.0.1");
}

#[test]
fn whatever_a_client_sends_a_combined_line_can_be_taken_apart() {
    let parvis = answering(COMBINED);
    let requests = hostile();
    let mut client = parvis.client();
    for request in &requests {
        client.send(request);
        assert_eq!(client.reply().status, 200);
    }
    let all = lines(&parvis, "access.log", requests.len());
    assert_eq!(all.len(), requests.len());
    for (line, request) in all.iter().zip(&requests) {
        let text = String::from_utf8_lossy(request);
        let first = text.lines().next().unwrap();
        let parsed = combined(line);
        assert_eq!(parsed.request, first);
        let agent = text
            .split("\r\n")
            .find_map(|l| l.strip_prefix("User-Agent:"));
        assert_eq!(
            parsed.agent,
            agent.map_or("-", |a| a.trim_matches([' ', '\t']))
        );
    }
    exchange(&parvis, b"rubbish \" \\ \r\n\r\n");
    let all = lines(&parvis, "access.log", requests.len() + 1);
    assert_eq!(combined(&all[requests.len()]).status, 400);
}
