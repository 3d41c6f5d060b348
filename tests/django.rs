//! End to end: through parvis to a real Django + Channels site under Daphne.

mod support;

use serde_json::{Value, json};
use std::net::TcpStream;
use std::process::Command;
use support::{Client, Folder, Parvis, Reply, Site, certificates, programs, secure, until};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

struct Edge {
    parvis: Parvis,
    site: Option<Site>,
}

const HEALTH: &str = "[upstream.app.health]\npath = \"/health/\"\ninterval = \"100ms\"\n";

fn configuration(site: &Site, more: &str) -> String {
    format!(
        "{more}[upstream.app]\nservers = [\"{0}\"]\n{HEALTH}\
         [upstream.chat]\nservers = [\"{0}\"]\n\
         [[site]]\nname = \"django\"\nlisten = [\"127.0.0.1:0\"]\nmax_body = \"32MiB\"\n\
         headers = {{ security = \"strict\", remove = [\"Server\"] }}\n\
         [[site.route]]\npath = \"/ws/*\"\nproxy = \"chat\"\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        site.address()
    )
}

/// Only the signal reloads: the files change before it is sent.
const WATCH_OFF: &str = "[server]\nwatch = false\n";

fn edge() -> Edge {
    edge_with("")
}

fn edge_with(more: &str) -> Edge {
    let site = Site::start();
    let parvis = Parvis::start(&configuration(&site, more));
    Edge {
        parvis,
        site: Some(site),
    }
}

/// A browser's memory of cookies.
#[derive(Default)]
struct Jar(Vec<(String, String)>);

impl Jar {
    fn keep(&mut self, reply: &Reply) {
        for cookie in reply.all("set-cookie") {
            let pair = cookie.split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.0.retain(|(known, _)| known != name);
            self.0.push((name.to_string(), value.to_string()));
        }
    }

    fn get(&self, name: &str) -> String {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .unwrap_or_else(|| panic!("no cookie {name}"))
            .1
            .clone()
    }

    fn field(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(n, v)| format!("{n}={v}")).collect();
        if pairs.is_empty() {
            return String::new();
        }
        format!("Cookie: {}\r\n", pairs.join("; "))
    }
}

fn get_json(client: &mut Client, jar: &mut Jar, path: &str) -> Value {
    let fields = format!("Accept: application/json\r\n{}", jar.field());
    let reply = client.request("GET", path, &fields, b"");
    assert_eq!(reply.status, 200, "{}", reply.head);
    jar.keep(&reply);
    reply.json()
}

fn post_form(client: &mut Client, jar: &mut Jar, path: &str, form: &str) -> Reply {
    let fields = format!(
        "Content-Type: application/x-www-form-urlencoded\r\nX-CSRFToken: {}\r\n{}",
        jar.get("csrftoken"),
        jar.field()
    );
    let reply = client.request("POST", path, &fields, form.as_bytes());
    jar.keep(&reply);
    reply
}

#[test]
fn pages_come_with_the_sites_fields_and_the_apps_own_stay() {
    let edge = edge();
    let mut client = edge.parvis.client();
    let reply = client.get("/health/");
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert_eq!(reply.field("server"), None);
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("X-Frame-Options", "DENY"),
        // Django's, which is not the preset's.
        ("Referrer-Policy", "same-origin"),
    ] {
        assert_eq!(reply.all(name), [value], "{}", reply.head);
    }
    assert!(reply.field("x-request-id").is_some());
    let home = client.get("/");
    assert_eq!(home.status, 200);
    assert!(home.text().contains("<h1>A test site</h1>"));
    assert_eq!(
        home.field("content-type").as_deref(),
        Some("text/html; charset=utf-8")
    );
    let head = client.request("HEAD", "/", "", b"");
    assert_eq!(head.status, 200);
    assert_eq!(client.get("/json/").json()["numbers"], json!([1, 2, 3]));
    // Django's own redirect to the slash is its own.
    assert_eq!(
        client.get("/health").field("location").as_deref(),
        Some("/health/")
    );
}

/// What the app says of its own failures is passed on as it is.
#[test]
fn the_apps_errors_are_its_own() {
    let edge = edge();
    let mut client = edge.parvis.client();
    for (path, status, body) in [
        ("/boom/", 500, "<h1>Server Error (500)</h1>"),
        ("/nothing/", 404, "<h1>Not Found</h1>"),
        ("/status/418/", 418, "418\n"),
        ("/status/503/", 503, "503\n"),
    ] {
        let reply = client.get(path);
        assert_eq!(reply.status, status);
        assert!(reply.text().contains(body), "{path}: {}", reply.text());
        assert!(reply.field("x-request-id").is_some());
    }
    assert_eq!(client.get("/status/204/").status, 204);
    assert_eq!(client.get("/health/").text(), "ok");
}

#[test]
fn cookies_of_one_answer_stay_apart_and_a_session_is_kept() {
    let edge = edge();
    let mut client = edge.parvis.client();
    let cookies = client.get("/cookies/").all("set-cookie");
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies[0].starts_with("flavour=oat;") && cookies[1].starts_with("colour=green;"));
    let mut jar = Jar::default();
    for visit in 1..=3 {
        assert_eq!(
            get_json(&mut client, &mut jar, "/session/")["visits"],
            visit
        );
    }
}

#[test]
fn one_logs_in_with_csrf_and_out_again() {
    let edge = edge();
    let (mut client, mut jar) = (edge.parvis.client(), Jar::default());
    assert_eq!(
        get_json(&mut client, &mut jar, "/account/")["user"],
        Value::Null
    );
    let wrong = post_form(
        &mut client,
        &mut jar,
        "/account/",
        "username=ada&password=wrong",
    );
    assert_eq!(wrong.status, 403);
    assert_eq!(wrong.json()["error"], "wrong user name or password");
    let without = client.request(
        "POST",
        "/account/",
        &jar.field(),
        b"username=ada&password=lovelace",
    );
    assert_eq!(without.status, 403, "a POST without its CSRF token");
    let good = post_form(
        &mut client,
        &mut jar,
        "/account/",
        "username=ada&password=lovelace",
    );
    assert_eq!((good.status, &good.json()["user"]), (200, &json!("ada")));
    assert_eq!(get_json(&mut client, &mut jar, "/account/")["user"], "ada");
    assert_eq!(
        post_form(&mut client, &mut jar, "/account/logout/", "").status,
        200
    );
    assert_eq!(
        get_json(&mut client, &mut jar, "/account/")["user"],
        Value::Null
    );
}

#[test]
fn a_browsers_login_over_a_trusted_tls_proxy_passes_djangos_checks() {
    // Django compares Origin with the scheme and host that it is told.
    let edge = edge_with("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n");
    let (mut client, mut jar) = (edge.parvis.client(), Jar::default());
    get_json(&mut client, &mut jar, "/account/");
    let fields = format!(
        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\nOrigin: https://shop.example\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nX-CSRFToken: {}\r\n{}",
        jar.get("csrftoken"),
        jar.field()
    );
    let reply = client.request(
        "POST",
        "/account/",
        &fields,
        b"username=ada&password=lovelace",
    );
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[test]
fn the_app_is_told_who_asks_and_sees_the_path_as_it_was_sent() {
    let edge = edge();
    let target = "/echo/a%20b/%C3%A9;x=1/?q=a+b&r=%2F";
    let fields =
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX_Forwarded_For: 6.6.6.6\r\n";
    let reply = edge.parvis.client().request("GET", target, fields, b"");
    let echo = reply.json();
    assert_eq!(echo["path"], target);
    assert_eq!(echo["secure"], false);
    assert_eq!(echo["host"], "test");
    let field = |name: &str| {
        let fields = echo["headers"].as_array().unwrap();
        let found = fields.iter().find(|pair| pair[0] == name);
        found.map(|pair| pair[1].as_str().unwrap().to_string())
    };
    assert_eq!(field("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(field("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(field("x-real-ip").as_deref(), Some("127.0.0.1"));
    assert_eq!(field("x-request-id"), reply.field("x-request-id"));
}

/// The scheme and the host that a trusted peer names are the app's to know.
#[test]
fn the_app_is_told_what_a_trusted_proxy_says() {
    let edge = edge_with("[server]\ntrusted_proxies = [\"127.0.0.1\"]\n");
    let mut client = edge.parvis.client();
    let fields = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: shop.example\r\nX-Request-ID: chosen-by-the-proxy\r\n";
    let reply = client.request("GET", "/echo/", fields, b"");
    let echo = reply.json();
    assert_eq!(echo["secure"], true);
    assert_eq!(echo["host"], "shop.example");
    assert_eq!(
        reply.field("x-request-id").as_deref(),
        Some("chosen-by-the-proxy")
    );
    let all = echo["headers"].as_array().unwrap();
    let field = |name: &str| all.iter().find(|pair| pair[0] == name).map(|pair| &pair[1]);
    assert_eq!(
        field("x-forwarded-for"),
        Some(&json!("198.51.100.7, 127.0.0.1"))
    );
    assert_eq!(field("x-real-ip"), Some(&json!("198.51.100.7")));
    assert_eq!(field("x-request-id"), Some(&json!("chosen-by-the-proxy")));
    // Without its word it is plain HTTP.
    assert_eq!(client.get("/echo/").json()["secure"], false);
}

#[test]
fn a_streaming_answer_flows_line_by_line() {
    let edge = edge();
    for (path, kind, lines) in [
        (
            "/events/?n=1000000&ms=20",
            "text/event-stream",
            "data: 1\n\ndata: 2\n\ndata: 3\n\n",
        ),
        (
            "/stream/?n=1000000&ms=20",
            "text/plain; charset=utf-8",
            "line 1\nline 2\nline 3\n",
        ),
    ] {
        let mut client = edge.parvis.client();
        // The site never ends this within the test: what comes has not waited for the end.
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let head = client.head_only();
        assert_eq!(head.field("content-type").as_deref(), Some(kind));
        let mut text = String::new();
        while text.len() < lines.len() {
            let piece = client.chunk(&mut Vec::new()).expect("it ended");
            text.push_str(&String::from_utf8(piece).unwrap());
        }
        assert!(text.starts_with(lines), "{text}");
    }
    let whole = edge.parvis.get("/stream/?n=3&ms=1");
    assert_eq!(whole.text(), "line 1\nline 2\nline 3\n");
}

#[test]
fn an_upload_arrives_whole() {
    let edge = edge();
    let body: Vec<u8> = (0..16 * 1024 * 1024u32).map(|n| (n / 251) as u8).collect();
    let fields = "Content-Type: application/octet-stream\r\n";
    let reply = edge
        .parvis
        .client()
        .request("POST", "/upload/", fields, &body);
    assert_eq!(reply.json()["size"], body.len());
    let folder = Folder::new();
    std::fs::write(folder.join("body"), &body).unwrap();
    let sum = Command::new("sha256sum")
        .arg(folder.join("body"))
        .output()
        .unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(reply.json()["sha256"], sum.split(' ').next().unwrap());
}

/// curl is a client that parvis's tests did not write.
#[test]
fn curl_gets_posts_uploads_and_logs_in() {
    let edge = edge();
    let folder = Folder::new();
    let jar = folder.join("cookies");
    let file = folder.write("a file.txt", &"0123456789abcdef".repeat(64 * 1024));
    let curl = |path: &str, arguments: &[&str]| {
        let output = Command::new("curl")
            .args(["-sS", "--fail-with-body", "-b"])
            .arg(&jar)
            .arg("-c")
            .arg(&jar)
            .args(arguments)
            .arg(format!("http://{}{path}", edge.parvis.address()))
            .output()
            .expect("curl is missing: run `tests/run --install`");
        assert!(output.status.success(), "{path}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let parsed = |said: String| -> Value { serde_json::from_str(&said).unwrap() };
    assert_eq!(curl("/health/", &[]), "ok");
    let (expect, chunked) = ("Expect: 100-continue", "Transfer-Encoding: chunked");
    let hello = ["-H", expect, "-H", chunked, "--data-binary", "hello"];
    let echo = parsed(curl("/echo/", &hello));
    assert_eq!(
        (&echo["size"], &echo["method"]),
        (&json!(5), &json!("POST"))
    );
    let form = format!("upload=@{}", file.display());
    let upload = parsed(curl("/upload/", &["-F", &form]));
    assert_eq!(upload["name"], "a file.txt");
    assert_eq!(upload["size"], 1024 * 1024);

    let json = ["-H", "Accept: application/json"];
    let token = parsed(curl("/account/", &json))["csrf"].clone();
    let token = format!("X-CSRFToken: {}", token.as_str().unwrap());
    let form = "username=ada&password=lovelace";
    assert_eq!(
        parsed(curl("/account/", &["-H", &token, "-d", form])),
        json!({ "user": "ada" })
    );
    assert_eq!(parsed(curl("/account/", &json))["user"], "ada");
    for visits in 1..=2 {
        assert_eq!(parsed(curl("/session/", &[]))["visits"], visits);
    }
}

type Socket = WebSocket<TcpStream>;

fn chat(edge: &Edge, room: &str, name: &str) -> Result<Socket, Box<tungstenite::Error>> {
    let address = edge.parvis.address();
    let mut request = format!("ws://{address}/ws/chat/{room}/?name={name}")
        .into_client_request()
        .unwrap();
    let protocols = "other, chat.v1".parse().unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocols);
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    match tungstenite::client(request, stream) {
        Ok((socket, response)) => {
            assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v1");
            Ok(socket)
        }
        Err(tungstenite::HandshakeError::Failure(error)) => Err(Box::new(error)),
        Err(error) => panic!("{error}"),
    }
}

fn hear(socket: &mut Socket) -> Value {
    loop {
        match socket.read().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

fn say(socket: &mut Socket, text: &str) {
    let message = json!({ "type": "message", "text": text }).to_string();
    socket.send(Message::text(message)).unwrap();
}

fn texts(socket: &mut Socket, n: usize) -> Vec<String> {
    let text = |value: Value| {
        format!(
            "{}: {}",
            value["user"].as_str().unwrap(),
            value["text"].as_str().unwrap()
        )
    };
    (0..n).map(|_| text(hear(socket))).collect()
}

#[test]
fn two_people_chat_and_a_reload_in_the_middle_does_not_matter() {
    let edge = edge_with(WATCH_OFF);
    let mut ada = chat(&edge, "tea", "ada").unwrap();
    assert_eq!(hear(&mut ada), json!({ "type": "history", "messages": [] }));
    assert_eq!(
        hear(&mut ada),
        json!({ "type": "join", "user": "ada", "users": ["ada"] })
    );
    for text in ["one", "two", "three", "four"] {
        say(&mut ada, text);
    }
    assert_eq!(
        texts(&mut ada, 4),
        ["ada: one", "ada: two", "ada: three", "ada: four"]
    );

    let mut bob = chat(&edge, "tea", "bob").unwrap();
    let history = hear(&mut bob);
    let last: Vec<&str> = history["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["text"].as_str().unwrap())
        .collect();
    assert_eq!(last, ["two", "three", "four"]);
    let joined = json!({ "type": "join", "user": "bob", "users": ["ada", "bob"] });
    assert_eq!((hear(&mut bob), hear(&mut ada)), (joined.clone(), joined));
    say(&mut bob, "hello");
    assert_eq!(texts(&mut ada, 1), texts(&mut bob, 1));

    let site = edge.site.as_ref().unwrap();
    let reload = |configuration: &str, generation: u64| {
        Parvis::write_configuration(&edge.parvis.folder, configuration);
        edge.parvis.signal("HUP");
        until("the configuration is reloaded", || {
            (edge.parvis.status()["generation"] == generation).then_some(())
        });
    };
    let changed =
        configuration(site, WATCH_OFF).replace("remove = [", "remove = [\"X-Frame-Options\", ");
    reload(&changed, 2);
    assert_eq!(edge.parvis.get("/health/").field("x-frame-options"), None);
    // Another client comes by the new configuration, into the same room.
    let mut eve = chat(&edge, "tea", "eve").unwrap();
    hear(&mut eve);
    assert_eq!(hear(&mut eve)["users"], json!(["ada", "bob", "eve"]));
    hear(&mut ada);
    hear(&mut bob);
    for n in 0..50 {
        say(&mut ada, &n.to_string());
    }
    let expected: Vec<String> = (0..50).map(|n| format!("ada: {n}")).collect();
    for socket in [&mut ada, &mut bob, &mut eve] {
        assert_eq!(texts(socket, 50), expected);
    }

    // A configuration without the chat is for those who come after it.
    let without =
        configuration(site, WATCH_OFF).replace("proxy = \"chat\"", "respond = { status = 410 }");
    reload(&without, 3);
    match *chat(&edge, "tea", "late").unwrap_err() {
        tungstenite::Error::Http(response) => assert_eq!(response.status(), 410),
        other => panic!("{other}"),
    }
    say(&mut bob, "still here");
    for socket in [&mut ada, &mut bob, &mut eve] {
        assert_eq!(texts(socket, 1), ["bob: still here"]);
    }

    eve.close(None).unwrap();
    let left = json!({ "type": "leave", "user": "eve", "users": ["ada", "bob"] });
    assert_eq!((hear(&mut ada), hear(&mut bob)), (left.clone(), left));
    bob.send(Message::text(json!({ "type": "bye" }).to_string()))
        .unwrap();
    match bob.read().unwrap() {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 4000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_room_is_refused_as_the_app_refuses_it() {
    let edge = edge();
    match *chat(&edge, "closed", "ada").unwrap_err() {
        tungstenite::Error::Http(response) => assert_eq!(response.status(), 403),
        other => panic!("{other}"),
    }
}

#[test]
fn an_app_that_is_gone_is_told_to_visitors_and_to_the_operator() {
    let mut edge = edge();
    assert_eq!(edge.parvis.get("/health/").status, 200);
    let up = |edge: &Edge| {
        let server = edge.parvis.status()["upstreams"][0]["servers"][0].clone();
        (server["up"].clone(), server["checks"].as_u64().unwrap())
    };
    until("the app is checked", || (up(&edge).1 > 0).then_some(()));
    assert_eq!(up(&edge).0, true);
    let mut ada = chat(&edge, "tea", "ada").unwrap();
    hear(&mut ada);
    hear(&mut ada);

    drop(edge.site.take());
    // Its conversations end with it.
    assert!(matches!(ada.read(), Ok(Message::Close(_)) | Err(_)));
    until("the health check has noticed", || {
        (up(&edge).0 == false).then_some(())
    });
    let page = edge.parvis.get("/");
    assert_eq!(page.status, 503);
    assert!(page.field("retry-after").is_some());
    assert!(page.field("content-type").unwrap().starts_with("text/html"));
    let id = page.field("x-request-id").unwrap();
    assert!(page.text().contains(&id), "{}", page.text());
    // The site's fields are on errors too.
    assert_eq!(page.field("x-frame-options").as_deref(), Some("DENY"));
    // The chat's upstream has no health check: it is tried, and refuses.
    let mut client = edge.parvis.client();
    let page = client.request("GET", "/ws/chat/tea/", "Accept: application/json\r\n", b"");
    assert_eq!(page.status, 502);
    let id = page.field("x-request-id").unwrap();
    assert!(page.json().to_string().contains(&id), "{}", page.text());
    match *chat(&edge, "tea", "ada").unwrap_err() {
        tungstenite::Error::Http(response) => assert_eq!(response.status(), 502),
        other => panic!("{other}"),
    }
    let series = format!(
        "parvis_upstream_server_up{{server=\"{}\",upstream=\"app\"}}",
        edge.parvis.status()["upstreams"][0]["servers"][0]["address"]
            .as_str()
            .unwrap()
    );
    let metrics = edge.parvis.admin_request("GET", "/metrics", "").text();
    assert!(metrics.contains(&format!("{series} 0\n")), "{metrics}");
}

/// Guests' pages are recorded, and those of who is signed in are not: the site says so by a field
/// that only parvis sees.
#[test]
fn guests_are_recorded_and_who_is_signed_in_is_not() {
    const BROWSER: &str =
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n";
    let site = Site::start();
    let text = configuration(&site, "[visits]\nstore = \"@DIR/visits.sqlite\"\n")
        .replace("name = \"django\"", "name = \"django\"\nvisits = true");
    let parvis = Parvis::start(&text);
    let mut client = parvis.client();
    let mut jar = Jar::default();
    let mut page = |jar: &Jar, path: &str| {
        let fields = format!("{BROWSER}Accept: text/html\r\n{}", jar.field());
        let reply = client.request("GET", path, &fields, b"");
        assert_eq!((reply.status, reply.field("x-parvis-user")), (200, None));
    };
    page(&jar, "/account/");
    page(&jar, "/");
    let mut other = parvis.client();
    get_json(&mut other, &mut jar, "/account/");
    // A guest with a session cookie is a guest.
    get_json(&mut other, &mut jar, "/session/");
    page(&jar, "/styled/");
    let form = "username=ada&password=lovelace";
    let signed_in = post_form(&mut other, &mut jar, "/account/", form);
    assert_eq!(signed_in.status, 200, "{}", signed_in.text());
    page(&jar, "/account/");
    page(&jar, "/");
    assert_eq!(
        post_form(&mut other, &mut jar, "/account/logout/", "").status,
        200
    );
    page(&jar, "/");
    let skipped = "parvis_visits_skipped_total{reason=\"authenticated\"}";
    assert_eq!(parvis.metric(skipped), 2.0);
    until("the guest's pages are counted", || {
        let pages = parvis
            .admin_request("GET", "/api/analytics/top-pages/", "")
            .json();
        let items: Vec<(&str, u64)> = pages["items"]
            .as_array()?
            .iter()
            .map(|item| {
                (
                    item["name"].as_str().unwrap(),
                    item["views"].as_u64().unwrap(),
                )
            })
            .collect();
        (items == [("/", 2), ("/account/", 1), ("/styled/", 1)]).then_some(())
    });
}

/// The site over TLS alone, as Django documents it for a site behind a proxy, and its authority's
/// certificate.
fn secure_edge() -> (Edge, certificates::Authority, std::path::PathBuf) {
    let site = Site::start_with(&[("SITE_SECURE", "1")]);
    let authority = certificates::Authority::new();
    let folder = Folder::new();
    authority.sign(&["localhost"]).write(&folder, "site");
    let ca = folder.write("ca.pem", &authority.pem);
    let tls = "[site.tls]\ncertificate = \"@DIR/site.pem\"\nkey = \"@DIR/site.key\"\n\
               redirect = false\n[[site.route]]\npath = \"/ws/*\"";
    let text = configuration(&site, "")
        .replace(
            "\"127.0.0.1:0\"]",
            "\"127.0.0.1:0\", { address = \"127.0.0.2:0\", tls = true }]",
        )
        .replace("[[site.route]]\npath = \"/ws/*\"", tls)
        // Django asks of it whether the app is well, without TLS and so in vain.
        .replace(HEALTH, "");
    let parvis = Parvis::start_in(folder, &text, &[]);
    let site = Some(site);
    (Edge { parvis, site }, authority, ca)
}

/// A browser's part: what Django asks of a form over https is more than over http.
const SIGN_IN: &str = r#"
import json, socket, sys, requests
plain, port, ca = sys.argv[1], sys.argv[2], sys.argv[3]
find = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: find("127.0.0.2" if host == "localhost" else host, *rest, **more)
site = f"https://localhost:{port}"
told = {}
with requests.Session() as session:
    # Nothing of the machine's own: no proxy, and no other authorities.
    session.trust_env = False
    session.verify, session.headers["Accept"] = ca, "application/json"
    # Without TLS, Django sends the client to where it is: it knows that it was not used.
    answer = session.get(f"http://{plain}/account/", allow_redirects=False, timeout=20)
    told["plain"] = [answer.status_code, answer.headers["Location"]]
    token = session.get(f"{site}/account/", timeout=20).json()["csrf"]
    form = {"username": "ada", "password": "lovelace"}
    def sign_in(**fields):
        fields["X-CSRFToken"] = token
        return session.post(f"{site}/account/", form, headers=fields, timeout=20)
    told["bare"] = sign_in().status_code
    told["other"] = sign_in(Referer="https://evil.test/").status_code
    told["origin"] = sign_in(Origin="https://evil.test").status_code
    told["user"] = sign_in(Referer=f"{site}/account/", Origin=site).json()
    told["again"] = session.get(f"{site}/account/", timeout=20).json()["user"]
    told["cookies"] = {cookie.name: cookie.secure for cookie in session.cookies}
    echo = session.get(f"{site}/echo/", timeout=20, headers={"X-Forwarded-Proto": "http"}).json()
    told["secure"], told["host"] = echo["secure"], echo["host"] == f"localhost:{port}"
print(json.dumps(told))
"#;

#[test]
fn over_tls_django_is_secure_and_signs_in() {
    let (edge, _, ca) = secure_edge();
    let plain = edge.parvis.address().to_string();
    let port = edge.parvis.listeners()[1].port().to_string();
    let told = programs::script(SIGN_IN, &[&plain, &port, ca.to_str().unwrap()]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let expected = json!({
        "plain": [301, format!("https://{plain}/account/")],
        "bare": 403,
        "other": 403,
        "origin": 403,
        "user": { "user": "ada" },
        "again": "ada",
        "cookies": { "csrftoken": true, "sessionid": true },
        "secure": true,
        "host": true,
    });
    assert_eq!(told, expected);
}

#[test]
fn two_people_chat_over_tls() {
    let (edge, authority, _) = secure_edge();
    let address = edge.parvis.listeners()[1];
    let enter = |name: &str| {
        let stream = secure::Secure::open(address, "localhost", &secure::trusting(&authority));
        let url = format!(
            "wss://localhost:{}/ws/chat/tea/?name={name}",
            address.port()
        );
        let mut request = url.into_client_request().unwrap();
        let protocol = "chat.v1".parse().unwrap();
        let fields = request.headers_mut();
        fields.insert("Sec-WebSocket-Protocol", protocol);
        let (socket, response) = tungstenite::client(request, stream.stream).unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v1");
        socket
    };
    fn hear<S: std::io::Read + std::io::Write>(socket: &mut WebSocket<S>) -> Value {
        loop {
            if let Message::Text(text) = socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
    let mut ada = enter("ada");
    assert_eq!(hear(&mut ada)["type"], "history");
    assert_eq!(hear(&mut ada)["users"], json!(["ada"]));
    let mut bob = enter("bob");
    assert_eq!(hear(&mut bob)["type"], "history");
    for socket in [&mut ada, &mut bob] {
        assert_eq!(hear(socket)["users"], json!(["ada", "bob"]));
    }
    // Each message is longer than a record of TLS.
    let long = "x".repeat(20_000);
    for n in 0..20 {
        let text = format!("{n} {long}");
        let message = json!({ "type": "message", "text": text }).to_string();
        ada.send(Message::text(message)).unwrap();
        for socket in [&mut ada, &mut bob] {
            assert_eq!(hear(socket)["text"], text);
        }
    }
    bob.close(None).unwrap();
    assert_eq!(hear(&mut ada)["users"], json!(["ada"]));
}
