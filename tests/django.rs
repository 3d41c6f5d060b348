//! End to end: through parvis to a real Django + Channels site under Daphne.

mod support;

use serde_json::{Value, json};
use std::net::TcpStream;
use std::process::Command;
use support::{Client, Folder, Parvis, Reply, Site, until};
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
fn pages_come_with_the_sites_fields() {
    let edge = edge();
    let mut client = edge.parvis.client();
    let reply = client.get("/health/");
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert_eq!(reply.field("server"), None);
    assert_eq!(
        reply.field("x-content-type-options").as_deref(),
        Some("nosniff")
    );
    assert!(reply.field("x-request-id").is_some());
    assert!(client.get("/").text().contains("<html"));
    assert_eq!(client.get("/json/").json()["numbers"], json!([1, 2, 3]));
    assert_eq!(client.get("/boom/").status, 500);
    assert_eq!(client.get("/status/418/").status, 418);
    // Django's own redirect to the slash is its own.
    assert_eq!(
        client.get("/health").field("location").as_deref(),
        Some("/health/")
    );
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

#[test]
fn a_streaming_answer_flows_line_by_line() {
    let edge = edge();
    let mut client = edge.parvis.client();
    // The site never ends this within the test: what comes has not waited for the end.
    client.send("GET /events/?n=1000000&ms=20 HTTP/1.1\r\nHost: test\r\n\r\n");
    let head = client.head_only();
    assert_eq!(
        head.field("content-type").as_deref(),
        Some("text/event-stream")
    );
    let mut text = String::new();
    while !text.contains("data: 3\n\n") {
        text.push_str(&String::from_utf8(client.chunk(&mut Vec::new()).unwrap()).unwrap());
    }
    assert!(text.starts_with("data: 1\n\ndata: 2\n\n"), "{text}");
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

#[test]
fn curl_gets_and_posts() {
    let edge = edge();
    let address = edge.parvis.address();
    let curl = |arguments: &[&str]| {
        let output = Command::new("curl")
            .args(["-sS", "--fail-with-body"])
            .args(arguments)
            .output()
            .expect("curl is missing: run `tests/run --install`");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(curl(&[&format!("http://{address}/health/")]), "ok");
    // curl sends this with `Expect: 100-continue` and chunked.
    let echo = curl(&[
        "-H",
        "Expect: 100-continue",
        "-H",
        "Transfer-Encoding: chunked",
        "--data-binary",
        "hello",
        &format!("http://{address}/echo/"),
    ]);
    let echo: Value = serde_json::from_str(&echo).unwrap();
    assert_eq!(
        (&echo["size"], &echo["method"]),
        (&json!(5), &json!("POST"))
    );
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
    let edge = edge();
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

    edge.parvis.signal("HUP");
    until("the configuration is reloaded", || {
        (edge.parvis.status()["generation"] == 2).then_some(())
    });
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
    drop(edge.site.take());
    let down = |edge: &Edge| edge.parvis.status()["upstreams"][0]["servers"][0]["up"] == false;
    until("the health check has noticed", || down(&edge).then_some(()));
    let reply = edge.parvis.get("/");
    assert_eq!(reply.status, 503);
    assert!(reply.field("retry-after").is_some());
    assert!(reply.text().contains(&reply.field("x-request-id").unwrap()));
    // The chat's upstream has no health check: it is tried, and refuses.
    assert_eq!(edge.parvis.get("/ws/chat/tea/").status, 502);
}
