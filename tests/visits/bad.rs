//! What nobody should send, recorded safely and shown escaped.

use crate::redis::{LIST, to_redis};
use crate::support::{Client, Parvis, Redis, command, until};
use crate::{FIREFOX, ON, app, ask, configuration, counted, see, stored, texts};

const BEHIND: &str =
    "[server]\nthreads = 1\ntrusted_proxies = [\"127.0.0.0/8\"]\nmax_header = \"64KiB\"\n";

/// A request of these bytes; what is answered does not matter as long as something is.
fn sent(parvis: &Parvis, target: &[u8], fields: &[u8]) -> u16 {
    let mut client = Client::connect(parvis.address());
    let agent = format!("User-Agent: {FIREFOX}\r\n");
    let agent = match fields.windows(11).any(|part| part == b"User-Agent:") {
        true => String::new(),
        false => agent,
    };
    let parts: [&[u8]; 6] = [
        b"GET ",
        target,
        b" HTTP/1.1\r\nHost: s.test\r\n",
        agent.as_bytes(),
        fields,
        b"\r\n",
    ];
    client.send(parts.concat());
    client.reply().status
}

#[test]
fn rubbish_for_an_address_is_no_address() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, BEHIND, "ip = \"full\"", ON));
    let long = "1.2.3.4, ".repeat(2000) + "nobody";
    let claims: &[&[u8]] = &[
        b"who",
        b"",
        b",,,",
        b"999.1.1.1",
        b"1.2.3",
        b"193.0.6.139:99999:x",
        b"[2001:db8::1",
        b"\xff\xfe",
        b"<script>",
        b"' OR 1=1 --",
        b"unknown, _hidden",
        b"::ffff:999.1.1.1",
        long.as_bytes(),
    ];
    for claim in claims {
        let field = [b"X-Forwarded-For: ", *claim, b"\r\n"].concat();
        assert_eq!(
            sent(&parvis, b"/", &field),
            200,
            "{}",
            String::from_utf8_lossy(claim)
        );
    }
    let rows = stored(&parvis.folder, claims.len() as u64);
    for row in rows {
        assert_eq!(row["country"], "ZZ", "{row:#}");
        let address = row["address"].as_str().unwrap_or("127.0.0.1");
        assert!(address.parse::<std::net::IpAddr>().is_ok(), "{row:#}");
    }
}

const HOSTILE: [(&str, &[u8]); 9] = [
    ("html", b"/%3Cimg%20src=x%20onerror=alert(1)%3E"),
    ("quotes", b"/%22'%5C;DROP%20TABLE%20visits--"),
    ("controls", b"/%1b[31mred%1b[0m%07%08%0a%0d%09"),
    ("nul", b"/a%00b"),
    ("invalid", b"/%ff%fe%c3"),
    ("surrogate", b"/%ed%a0%80"),
    ("raw", b"/\xc3\xa9\xff"),
    ("turned", b"/%e2%80%aegnp.exe"),
    ("c1", b"/%c2%9b31m"),
];

#[test]
fn hostile_paths_referrers_and_agents_are_recorded_safely() {
    let redis = Redis::start();
    let app = app();
    let text = format!("{BEHIND}{}", to_redis(&app, &redis, ""));
    let parvis = Parvis::start(&text);
    let long = format!("{FIREFOX} {}", "A".repeat(16 * 1024));
    let mut taken = 0;
    for (name, target) in HOSTILE {
        let fields = [b"Referer: https://evil.example", target, b"\r\n"].concat();
        taken += u64::from(sent(&parvis, target, &fields) == 200);
        assert!(
            parvis.admin_request("GET", "/health", "").status == 200,
            "{name}"
        );
    }
    assert!(taken >= 7, "{taken}");
    let raw_host = b"Referer: https://\xff\xfe\x80.example/\r\n";
    let agents: [&[u8]; 4] = [
        long.as_bytes(),
        b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 \xff\xfe",
        b"Mozilla/5.0 (X11; Linux x86_64) <script>alert(1)</script> Firefox/140.0",
        b"Mozilla/5.0 (((((((((((((((((((((((((((((((( Firefox/",
    ];
    for agent in agents {
        let fields = [b"User-Agent: ", agent, b"\r\n", raw_host].concat();
        taken += u64::from(sent(&parvis, b"/agents", &fields) == 200);
    }
    // As long as the head may be.
    let longest = format!("/long/{}", "%41".repeat(10_000));
    taken += u64::from(sent(&parvis, longest.as_bytes(), b"") == 200);
    see(&parvis, "/last", "");
    let rows = stored(&parvis.folder, taken + 1);
    let paths = texts(&rows, "path");
    assert!(
        paths.contains(&"/<img src=x onerror=alert(1)>"),
        "{paths:?}"
    );
    assert!(paths.contains(&"/\"'\\;DROP TABLE visits--"), "{paths:?}");
    assert!(
        paths.iter().any(|path| path.contains('\u{fffd}')),
        "{paths:?}"
    );
    assert!(paths.iter().all(|path| path.len() <= 1000), "{paths:?}");
    for agent in texts(&rows, "user_agent") {
        assert!(agent.len() <= 2048, "{} bytes of a user agent", agent.len());
    }
    counted(&parvis, taken + 1);

    // The API's JSON is read back by a parser of JSON, and what was sent can be asked for again.
    let pages = ask(&parvis, "top-pages/?limit=100");
    for page in pages["items"].as_array().unwrap() {
        let name = page["name"].as_str().unwrap();
        let query: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let one = ask(&parvis, &format!("overview/?path={query}"));
        assert_eq!(one["all_time"]["views"], page["views"], "{name:?}");
    }
    ask(&parvis, "top-referrers/");
    // So is the list's.
    until("all are in the list", || {
        (redis.length(LIST) as u64 == taken + 1).then_some(())
    });
    let list = redis.list(LIST);
    assert_eq!(texts(&list, "path"), paths);

    // And a terminal is shown nothing that it would obey.
    let shown = told(&parvis, &[]);
    assert!(
        !shown.contains('\u{202e}'),
        "it would turn the line: {shown:?}"
    );
    assert_eq!(shown.chars().find(obeyed), None, "{shown:?}");
    assert!(shown.contains("/last"), "{shown}");
}

/// What `parvis visits` prints.
fn told(parvis: &Parvis, more: &[&str]) -> String {
    let config = parvis.configuration();
    let arguments = [&["visits", "today", "-c", config.to_str().unwrap()], more].concat();
    let output = command(&arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Control characters, of which C1 (U+0080 to U+009F) are some.
fn obeyed(c: &char) -> bool {
    c.is_control() && *c != '\n'
}

#[test]
fn json_that_is_printed_has_control_characters_escaped() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, BEHIND, "", ON));
    for path in ["/%1b%5b31m", "/%c2%9b31m", "/%7f"] {
        assert_eq!(sent(&parvis, path.as_bytes(), b""), 200);
    }
    counted(&parvis, 3);
    let shown = told(&parvis, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert!(json.to_string().contains("\u{9b}31m"), "it is another name");
    assert_eq!(shown.chars().find(obeyed), None, "{shown:?}");
}
