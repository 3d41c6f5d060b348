//! What never appears in any log.

use crate::support::{Backend, Parvis, Refusing};
use crate::{TO_FILE, exchange, json, lines, logging};

/// Everything that was written anywhere.
fn everything(parvis: &Parvis) -> String {
    let mut all = parvis.log() + &parvis.output();
    let bytes = std::fs::read(parvis.folder.join("access.log")).unwrap_or_default();
    all.push_str(&String::from_utf8_lossy(&bytes));
    for path in ["/metrics", "/status"] {
        all.push_str(&parvis.admin_request("GET", path, "").text());
    }
    all
}

const SECRET_FIELDS: &str = "Authorization: Basic geheim\r\nProxy-Authorization: geheim\r\nCookie: s=geheim; token=geheim\r\n\
     Referer: https://r.example/p?a=1&token=geheim&PassWord=geheim&%74oken=geheim#x\r\n";

const SECRET_QUERIES: [&str; 14] = [
    "token=geheim",
    "a=1&token=geheim&b=2",
    "TOKEN=geheim",
    "access_token=geheim",
    "csrf-token=geheim",
    "password=geheim",
    "new_password=geheim&password=geheim",
    "%74oken=geheim",
    "tok%65n=geheim",
    "%70%61%73%73%77%6f%72%64=geheim",
    "%70%61%73%73%77%6F%72%64=geheim",
    "token=geheim=geheim",
    "token%3d=geheim",
    "a=1;token=geheim;b=2",
];

#[test]
fn secrets_never_appear_in_any_log() {
    for format in ["json", "combined"] {
        // By the path: an answer, or something that is none, with a secret in it.
        let backend = Backend::raw(|incoming| {
            while let Some(request) = incoming.request() {
                let path = request.target.split('?').next().unwrap().to_string();
                let cookie = "Set-Cookie: s=geheim; HttpOnly\r\n";
                let answer = match path.as_str() {
                    "/reset" => return,
                    "/rubbish" => format!("HTTP/1.1 200 OK\r\n{cookie}no field\r\n\r\n"),
                    "/status" => format!("HTTP/1.1 geheim\r\n{cookie}\r\n"),
                    "/length" => {
                        format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: geheim\r\n\r\n")
                    }
                    "/lengths" => format!(
                        "HTTP/1.1 200 OK\r\n{cookie}Content-Length: 1\r\nContent-Length: 2\r\n\r\ngeheim"
                    ),
                    "/chunk" => format!(
                        "HTTP/1.1 200 OK\r\n{cookie}Transfer-Encoding: chunked\r\n\r\ngeheim\r\n"
                    ),
                    "/short" => {
                        format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: 99\r\n\r\ngeheim")
                    }
                    "/cut" => format!("HTTP/1.1 200 OK\r\n{cookie}"),
                    "/large" => format!("HTTP/1.1 200 OK\r\n{}\r\n", cookie.repeat(300)),
                    _ => format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: 2\r\n\r\nok"),
                };
                if !incoming.send(answer) || path != "/" {
                    return;
                }
            }
        });
        let refusing = Refusing::new();
        let parvis = Parvis::start(&format!(
            "[log]\nlevel = \"trace\"\nformat = \"{format}\"\nslow = \"0ms\"\n{TO_FILE}\n\
             [upstream.app]\nservers = [\"{}\"]\n[upstream.none]\nservers = [\"{}\"]\n\
             [[site]]\nname = \"s\"\nhosts = [\"test\"]\nlisten = [\"127.0.0.1:0\"]\nserver_timing = true\n\
             [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n\
             [[site.route]]\npath = \"/none\"\nproxy = \"none\"\n\
             [[site.route]]\npath = \"/moved\"\nredirect = {{ to = \"/\" }}\n\
             [[site.route]]\npath = \"/post\"\nmethods = [\"POST\"]\nproxy = \"app\"\n",
            backend.address(),
            refusing.address(),
        ));
        let mut count = 0;
        let mut send = |bytes: &str| {
            exchange(&parvis, bytes.as_bytes());
            count += 1;
        };
        let paths = [
            "/", "/reset", "/rubbish", "/status", "/length", "/lengths", "/chunk", "/short",
            "/cut", "/large", "/none", "/moved", "/post", "/%zz",
        ];
        let end = format!("{SECRET_FIELDS}Connection: close\r\n\r\n");
        for path in paths {
            for host in ["test", "other"] {
                send(&format!(
                    "GET {path}?token=geheim HTTP/1.1\r\nHost: {host}\r\n{end}"
                ));
            }
        }
        for query in SECRET_QUERIES {
            let referrer = format!("Referer: https://r.example/?{query}\r\n");
            send(&format!(
                "GET /?{query} HTTP/1.1\r\nHost: test\r\n{referrer}Connection: close\r\n\r\n"
            ));
            send(&format!(
                "GET /none?{query} HTTP/1.1\r\nHost: test\r\n{referrer}Connection: close\r\n\r\n"
            ));
        }
        // Not understood, whatever is in them.
        for head in [
            "GET /?token=geheim HTTP/9.9\r\n",
            "GET /?token=geheim HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
            "GET /?token=geheim HTTP/1.1\r\nHost: geheim@a\r\n",
            "GET http://user:geheim@test/ HTTP/1.1\r\nHost: test\r\n",
            "POST /?token=geheim HTTP/1.1\r\nHost: test\r\nContent-Length: geheim\r\n",
            "geheim\r\n",
        ] {
            send(&format!("{head}{end}"));
        }
        send(&format!(
            "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n{end}geheim\r\n"
        ));
        // What was read in vain is not said either.
        lines(&parvis, "access.log", count);
        let all = everything(&parvis);
        assert!(all.contains("slow request"), "{all}");
        for line in all.lines() {
            assert!(!line.to_lowercase().contains("geheim"), "{format}: {line}");
        }
    }
}

#[test]
fn only_the_secrets_are_hidden() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    let mut client = parvis.client();
    let fields = "Referer: https://r.example/t?keep=1&token=x&monkey=2\r\n";
    client.request(
        "GET",
        "/p?a=1&access_token=x&b=%20&password=&token&c=3",
        fields,
        b"",
    );
    let line = &json(&parvis, 1)[0];
    assert_eq!(
        line["query"],
        "a=1&access_token=***&b=%20&password=***&token&c=3"
    );
    assert_eq!(
        line["referrer"],
        "https://r.example/t?keep=1&token=***&monkey=2"
    );
}
