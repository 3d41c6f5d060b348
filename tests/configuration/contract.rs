//! The configuration that operators write, as far as its keys exist: it loads, and does what it
//! says.

use crate::certificate::Made;
use crate::support::{Backend, Client, Folder, PATIENCE, Parvis, Reply, until};
use crate::tls::bring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

const MAIN: &str = r#"include = ["sites/*.toml"]

[server]
threads = 0                              # 0: one per processor
trusted_proxies = ["127.0.0.0/8", "::1"] # whose X-Forwarded-For is believed; the first address from the right not in here is the client
shutdown_grace = "30s"

[admin]
listen = "127.0.0.1:@ADMIN_PORT"         # /metrics /status /reload /dashboard; never on a public address without a token
token = { env = "PARVIS_ADMIN_TOKEN", default = "" }

[log]
level = "info"
format = "json"                          # json | combined
access = "@DIR/access.log"               # a path, "stdout", "stderr" or "off"
slow = "1s"                              # a request slower than this is logged as a warning with its timings

[geoip]
database = "@DIR/country.mmdb"           # absent: the bundled database

[visits]
store = "@DIR/visits.sqlite"             # the embedded store
exclude = ["/api/admin/*", "/static/*", "/media/*", "/admin/*", "/__debug__/*", "/silk/*"]

# [visits.redis]                         # push every visit to this list too, for an app that consumes it
# url = "redis://127.0.0.1:@REDIS_PORT/0"
# list = "analytics:queue"
# keep = 10000

[media]
storage = "@DIR/cache"
"#;

const SITE: &str = r#"[upstream.app]
servers = ["127.0.0.1:@APP_PORT"]
balance = "least-connections"            # round-robin | least-connections | two-choices
connect_timeout = "2s"
read_timeout = "60s"

[upstream.app.health]
path = "/health/"
interval = "5s"
timeout = "1s"

[upstream.chat]
servers = [{ address = "127.0.0.1:@CHAT_PORT", weight = 1 }]

[[site]]
name = "communiconnect"
hosts = ["communiconnect.test", "*.communiconnect.test"]
listen = ["127.0.0.1:@HTTP_PORT", { address = "127.0.0.2:@HTTPS_PORT", tls = true }]
visits = true
max_body = "10MiB"

[site.tls]
certificate = "@FOLDER/cert.pem"
key = "@FOLDER/key.pem"
# or:  acme = { email = "ops@communiconnect.test" }

[site.compress]                          # on by default with these values
algorithms = ["br", "zstd", "gzip"]
min_length = "800"

[site.headers]
security = "strict"                      # strict | classic | off
set = { "X-Served-By" = "parvis" }
remove = ["Server", "X-Powered-By"]

[[site.route]]
path = "/static/*"
files = { root = "../static" }
cache_control = "public, max-age=31536000, immutable"

[[site.route]]
path = "/media/*"
files = { root = "../media" }
cache_control = "public, max-age=31536000"
images = { widths = [150, 300, 320, 600, 640, 960, 1280, 1920], formats = ["avif", "webp"], quality = 85 }

[[site.route]]
path = "/ws/*"
proxy = "chat"

[[site.route]]
path = "/old/*"
redirect = { to = "/new/{path}", status = 308 }

[[site.route]]
path = "/ping"
respond = { status = 200, body = "pong\n", content_type = "text/plain; charset=utf-8" }

[[site.route]]
path = "/*"
proxy = "app"
"#;

fn named(name: &'static str) -> Backend {
    Backend::http(move |request| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: {name}\r\nX-Powered-By: {name}\r\nX-Frame-Options: SAMEORIGIN\r\n\
             X-Served-By: {name}\r\nContent-Length: {}\r\n\r\n{}",
            name.len() + 1 + request.target.len(),
            format_args!("{name} {}", request.target)
        )
        .into_bytes()
    })
}

/// The site's file with its ports, and what it needs in the folder. Returns the certificate.
fn bring_site(folder: &Folder, app: u16, chat: u16) -> Made {
    let site = SITE
        .replace("@APP_PORT", &app.to_string())
        .replace("@CHAT_PORT", &chat.to_string())
        .replace("@HTTP_PORT", "0")
        .replace("@HTTPS_PORT", "0")
        .replace("@FOLDER", folder.path().to_str().unwrap());
    folder.write("static/site.css", "body { color: black }\n");
    folder.write("media/a.txt", "a picture\n");
    folder.write("sites/communiconnect.toml", &site);
    bring_countries(folder);
    bring(folder, &["communiconnect.test", "*.communiconnect.test"])
}

/// Asks by https, as a client that checks the certificate.
struct Secure {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Secure {
    fn new(parvis: &Parvis, trusted: &Made) -> Self {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(trusted.certificate.as_bytes());
        roots.add(certificate.unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Secure {
            address: parvis.listeners()[1],
            config: Arc::new(config),
        }
    }

    /// The answer to a request, whose head lacks only `Connection` and its empty line.
    fn ask(&self, request: &str) -> Reply {
        let name = "communiconnect.test".try_into().unwrap();
        let session = ClientConnection::new(self.config.clone(), name).unwrap();
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = StreamOwned::new(session, socket);
        let request = format!("{request}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // Whether its end is announced is not what is looked at here.
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert!(!answer.is_empty(), "{error}"),
        }
        read_back(answer)
    }

    fn get(&self, host: &str, fields: &str, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}"))
    }
}

/// Takes an answer apart, as the harness's client does.
fn read_back(answer: Vec<u8>) -> Reply {
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = Client::connect(relay.local_addr().unwrap());
    let (mut stream, _) = relay.accept().unwrap();
    let writing = std::thread::spawn(move || stream.write_all(&answer).unwrap());
    let reply = client.reply();
    writing.join().unwrap();
    reply
}

fn bring_countries(folder: &Folder) {
    let bundled = concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/country.mmdb");
    std::fs::copy(bundled, folder.join("country.mmdb")).unwrap();
}

#[test]
fn the_contract_loads_and_does_what_it_says() {
    let (app, chat) = (named("app"), named("chat"));
    let folder = Folder::new();
    let made = bring_site(&folder, app.address().port(), chat.address().port());
    let parvis = Parvis::start_in(folder, &MAIN.replace("@ADMIN_PORT", "0"), &[]);
    let host = "communiconnect.test";

    // Plain HTTP leads to https, whatever is asked for.
    for path in ["/", "/ping", "/static/site.css", "/ws/chat/lobby/?name=a"] {
        let mut client = Client::connect(parvis.address());
        let plain = client.get_from(host, path);
        let to = plain.field("location").unwrap();
        assert_eq!(plain.status, 308, "{path}");
        assert!(to.starts_with(&format!("https://{host}")), "{to}");
        assert!(to.ends_with(path), "{to}");
    }
    assert!(
        app.requests()
            .iter()
            .all(|request| request.target == "/health/")
    );
    let secure = Secure::new(&parvis, &made);
    let get = |host: &str, fields: &str, path: &str| secure.get(host, fields, path);

    // Where each path goes.
    assert_eq!(get(host, "", "/").text(), "app /");
    assert_eq!(get(host, "", "/a/b%20c?d=e").text(), "app /a/b%20c?d=e");
    assert_eq!(
        get(host, "", "/ws/chat/lobby/?name=a").text(),
        "chat /ws/chat/lobby/?name=a"
    );
    assert_eq!(get(host, "", "/wsx").text(), "app /wsx");
    let ping = get(host, "", "/ping");
    assert_eq!((ping.status, ping.text().as_str()), (200, "pong\n"));
    assert_eq!(
        ping.field("content-type").as_deref(),
        Some("text/plain; charset=utf-8")
    );
    let old = get(host, "", "/old/a/b%20c?d=e");
    assert_eq!(
        (old.status, old.field("location")),
        (308, Some("/new/a/b%20c?d=e".into()))
    );
    for (bare, slash) in [("/ws", "/ws/"), ("/old", "/old/")] {
        let reply = get(host, "", bare);
        assert_eq!(
            (reply.status, reply.field("location")),
            (308, Some(slash.into()))
        );
    }

    for (path, body, control) in [
        (
            "/static/site.css",
            "body { color: black }\n",
            "public, max-age=31536000, immutable",
        ),
        ("/media/a.txt", "a picture\n", "public, max-age=31536000"),
    ] {
        let file = get(host, "", path);
        assert_eq!((file.status, file.text().as_str()), (200, body), "{path}");
        assert_eq!(file.field("cache-control").as_deref(), Some(control));
    }
    assert_eq!(get(host, "", "/static/none").status, 404);

    // Who counts: a browser that looks at a page, from where its proxy says.
    let browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\nX-Forwarded-For: 8.8.8.8\r\n";
    for path in ["/", "/admin/", "/about", "/static/site.css"] {
        get(host, browser, path);
    }
    until("the visits are counted", || {
        let reply = parvis.admin_request("GET", "/api/analytics/top-countries/", "");
        let counted = reply.json();
        let seen = (&counted["total"]["views"], &counted["items"][0]["name"]);
        (seen == (&2.into(), &"US".into())).then_some(())
    });

    // Whose it is.
    for served in [
        "COMMUNICONNECT.test:80",
        "www.communiconnect.test",
        "a.b.communiconnect.test",
    ] {
        assert_eq!(get(served, "", "/").status, 200, "{served}");
    }
    let other = get("communiconnect.example", "", "/");
    assert_eq!(other.status, 421);

    // What every answer carries: the app's, parvis's own, and errors.
    let large = secure.ask(&format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 10485761\r\n"
    ));
    assert_eq!(large.status, 413);
    for (name, reply) in [
        ("app", get(host, "", "/")),
        ("ping", ping),
        ("old", old),
        ("other", other),
        ("large", large),
    ] {
        for (field, value) in [
            ("X-Served-By", "parvis"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "strict-origin-when-cross-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("X-XSS-Protection", "0"),
            (
                "Strict-Transport-Security",
                "max-age=63072000; includeSubDomains",
            ),
            // A preset does not override the app.
            (
                "X-Frame-Options",
                if name == "app" { "SAMEORIGIN" } else { "DENY" },
            ),
        ] {
            assert_eq!(
                reply.field(field).as_deref(),
                Some(value),
                "{name}: {}",
                reply.head
            );
        }
        assert!(reply.field("permissions-policy").is_some(), "{name}");
        assert!(reply.field("x-request-id").is_some(), "{name}");
        for absent in ["server", "x-powered-by"] {
            assert_eq!(reply.field(absent), None, "{name}: {}", reply.head);
        }
    }

    // This test's connections come from a trusted network.
    get(host, "X-Forwarded-For: 198.51.100.7\r\n", "/forwarded");
    let request = app.last();
    assert_eq!(
        request.field("x-forwarded-for").as_deref(),
        Some("198.51.100.7, 127.0.0.1")
    );
    assert_eq!(request.field("x-real-ip").as_deref(), Some("198.51.100.7"));
    assert_eq!(request.field("host").as_deref(), Some(host));
    assert_eq!(request.field("x-forwarded-proto").as_deref(), Some("https"));

    // The operator's side.
    until("the app is checked", || {
        let asked = app
            .requests()
            .iter()
            .any(|request| request.target == "/health/");
        asked.then_some(())
    });
    let status = parvis.status();
    let names: Vec<&str> = status["upstreams"]
        .as_array()
        .unwrap()
        .iter()
        .map(|u| u["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["app", "chat"]);
    assert_eq!(status["files"].as_array().unwrap().len(), 2);
    assert_eq!(status["sites"][0]["name"], "communiconnect");
    assert_eq!(status["certificates"][0]["state"], "good");
    until("the access log is written", || {
        let log = parvis.folder.read("access.log");
        let line = log.lines().find(|line| line.contains("/forwarded"))?;
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["site"], "communiconnect");
        assert_eq!(line["client"], "198.51.100.7");
        Some(())
    });
}

/// The token is what keeps others out, when there is one.
#[test]
fn the_contracts_token_comes_from_the_environment() {
    let folder = Folder::new();
    bring_site(&folder, 1, 1);
    let main = MAIN.replace("@ADMIN_PORT", "0");
    let parvis = Parvis::start_in(folder, &main, &[("PARVIS_ADMIN_TOKEN", "open-sesame")]);
    assert_eq!(parvis.admin_request("GET", "/status", "").status, 401);
    let authorised = "Authorization: Bearer open-sesame\r\n";
    assert_eq!(
        parvis.admin_request("GET", "/status", authorised).status,
        200
    );
}
