//! Who counts: requests and answers of all kinds, and what is recorded of them.

use crate::cases::Becomes::{App, Nothing, Partial, Skipped, Web};
use crate::cases::CASES;
use crate::support::{Backend, Folder, Parvis, until};
use crate::{ON, app, ask, configuration, request, rows, said, see, stored, texts, view};
use std::collections::BTreeMap;

/// One thread: whatever came before a page on another connection is recorded before it.
const ONE: &str = "[server]\nthreads = 1\n";

const SITE: &str = "visits = { exclude = [\"/private/*\"], api = [\"/api/*\"], respect = [\"gpc\"], \
    authenticated_cookies = [\"member\"] }";

#[test]
fn what_becomes_of_requests_and_answers() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, ONE, "", SITE));
    let mut client = parvis.client();
    let mut expected = Vec::new();
    let mut skipped: BTreeMap<&str, f64> = BTreeMap::new();
    for (place, (method, path, say, fields, becomes)) in CASES.iter().enumerate() {
        let fields = format!("X-Say: {say}\r\n{fields}");
        let path = format!(
            "{path}{}{place}",
            if path.ends_with('/') { "" } else { "/" }
        );
        let reply = request(&mut client, method, &path, &fields);
        assert!(say.starts_with(&reply.status.to_string()), "{}", reply.head);
        assert!(
            !reply.head.to_ascii_lowercase().contains("x-parvis-user"),
            "{}",
            reply.head
        );
        match becomes {
            Web => expected.push((path, 0, 0)),
            App => expected.push((path, 1, 0)),
            Partial => expected.push((path, 0, 1)),
            Skipped(why) => *skipped.entry(why).or_default() += 1.0,
            Nothing => {}
        }
    }
    view(&mut client, "/last", "");
    expected.push(("/last".to_string(), 0, 0));
    let rows = stored(&parvis.folder, expected.len() as u64);
    let found: Vec<(String, i64, i64)> = rows
        .iter()
        .map(|row| {
            let number = |name: &str| row[name].as_i64().unwrap();
            (
                row["path"].as_str().unwrap().to_string(),
                number("source"),
                number("partial"),
            )
        })
        .collect();
    assert_eq!(found, expected);
    for (why, times) in skipped {
        let series = format!("parvis_visits_skipped_total{{reason=\"{why}\"}}");
        assert_eq!(parvis.metric(&series), times, "{why}");
    }
    let of = |source: i64| found.iter().filter(|row| row.1 == source).count();
    for (source, visits) in [("web", of(0)), ("app", of(1))] {
        let series = format!("parvis_visits_total{{site=\"s\",source=\"{source}\"}}");
        assert_eq!(parvis.metric(&series), visits as f64, "{source}");
    }
    let overview = crate::counted(&parvis, found.len() as u64);
    let today = &overview["today"];
    assert_eq!(today["partials"], 1);
    assert_eq!(today["views"], found.len() as u64 - 1);
    assert_eq!(today["app"]["views"], of(1) as u64);
    assert_eq!(today["web"]["views"], of(0) as u64 - 1);
    assert_eq!(overview["yesterday"]["views"], 0);
    let pages = ask(&parvis, "top-pages/?days=1&limit=100");
    assert_eq!(pages["total"]["views"], found.len() as u64 - 1);
    for page in pages["items"].as_array().unwrap() {
        let named = |row: &&(String, i64, i64)| page["name"] == row.0.as_str() && row.2 == 0;
        assert_eq!(
            found.iter().filter(named).count() as u64,
            page["views"],
            "{page}"
        );
    }
}

#[test]
fn what_an_operator_decides_otherwise() {
    let app = app();
    let visits = "authenticated = \"X-Known\"\nexclude = [\"/left/*\"]\nrespect = [\"dnt\"]";
    let site = "visits = { authorization = false, api = [\"/api/*\"] }";
    let mut text = configuration(&app, ONE, visits, site);
    // A site with nothing of its own, and one that is not recorded.
    for (name, lines) in [("plain", ON), ("off", ""), ("no", "visits = false")] {
        text.push_str(&format!(
            "[[site]]\nname = \"{name}\"\nhosts = [\"{name}.test\"]\nlisten = [\"127.0.0.1:0\"]\n\
             {lines}\n[[site.route]]\npath = \"/*\"\nproxy = \"app\"\n"
        ));
    }
    let parvis = Parvis::start(&text);
    let mut client = parvis.client();
    let mut get = |host: &str, path: &str, fields: &str| {
        let agent = crate::FIREFOX;
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n{fields}\r\n"
        ));
        client.reply()
    };
    let known = "X-Say: 200 OK|Content-Type: text/html|X-Known: 1|X-Parvis-User: 1\r\n";
    let reply = get("any.test", "/known", known);
    assert_eq!(
        (reply.field("x-known"), reply.field("x-parvis-user")),
        (None, Some("1".into()))
    );
    // Clients see it on no site, recorded or not.
    let reply = get("off.test", "/known", known);
    assert_eq!(reply.field("x-known"), None);
    let json = "X-Say: 200 OK|Content-Type: application/json\r\nAuthorization: Bearer a\r\n";
    get("any.test", "/api/guest", json);
    get("any.test", "/left/1", "");
    get("any.test", "/dnt", "DNT: 1\r\n");
    get("any.test", "/gpc", "Sec-GPC: 1\r\n");
    get("plain.test", "/bearer", "Authorization: Bearer a\r\n");
    get("plain.test", "/left/2", "");
    get("plain.test", "/plain", "");
    get("off.test", "/off", "");
    get("no.test", "/no", "");
    get("any.test", "/last", "");
    let rows = stored(&parvis.folder, 4);
    assert_eq!(
        texts(&rows, "path"),
        ["/api/guest", "/gpc", "/plain", "/last"]
    );
    assert_eq!(texts(&rows, "name"), ["s", "s", "plain", "s"]);
    assert_eq!(rows[0]["source"], 1);
}

#[test]
fn answers_that_parvis_makes_itself_and_those_that_it_changes() {
    let folder = Folder::new();
    folder.write("www/page.html", &"<p>a page of some length</p>".repeat(200));
    folder.write("www/style.css", "p {}");
    let long = Backend::raw(|incoming| {
        while let Some(request) = incoming.request() {
            if request.target == "/after" {
                incoming.send(said(&request));
                continue;
            }
            let body = "<p>a page of some length</p>".repeat(200);
            // The app breaks off in the middle of one.
            let length = body.len() + usize::from(request.target == "/short") * 1000;
            incoming.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: \"a\"\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            ));
            return;
        }
    });
    let text = configuration(&long, ONE, "", ON)
        + "[[site.route]]\npath = \"/static/*\"\nfiles = { root = \"www\" }\n\
           [[site.route]]\npath = \"/fixed\"\nrespond = { body = \"<p>\", content_type = \"text/html\" }\n\
           [[site.route]]\npath = \"/plain\"\nrespond = { body = \"pong\" }\n\
           [[site.route]]\npath = \"/gone\"\nrespond = { status = 410, body = \"<p>\", content_type = \"text/html\" }\n\
           [[site.route]]\npath = \"/moved\"\nredirect = { to = \"/fixed\", status = 302 }\n";
    let parvis = Parvis::start_in(folder, &text, &[]);
    let get = |path: &str, fields: &str| view(&mut parvis.client(), path, fields);
    let file = get("/static/page.html", "");
    let etag = file.field("etag").unwrap();
    // As browsers ask.
    let fields = format!("Accept: text/html,*/*;q=0.8\r\nIf-None-Match: {etag}\r\n");
    assert_eq!(get("/static/page.html", &fields).status, 304);
    assert_eq!(get("/static/style.css", "").status, 200);
    assert_eq!(get("/static/none.html", "").status, 404);
    get("/static/page.html?br", "Accept-Encoding: br\r\n");
    assert_eq!(get("/fixed", "").status, 200);
    assert_eq!(get("/plain", "").status, 200);
    assert_eq!(get("/gone", "").status, 410);
    assert_eq!(get("/moved", "").status, 302);
    let coded = get("/page", "Accept-Encoding: gzip\r\n");
    assert_eq!(coded.field("content-encoding").as_deref(), Some("gzip"));
    let mut client = parvis.client();
    client.send(format!(
        "GET /short HTTP/1.1\r\nHost: test\r\nUser-Agent: {}\r\n\r\n",
        crate::FIREFOX
    ));
    while client.read_or_end(&mut [0; 4096]) > 0 {}
    see(&parvis, "/after", "");
    let rows = stored(&parvis.folder, 6);
    let pages = [
        "/static/page.html",
        "/static/page.html",
        "/static/page.html",
        "/fixed",
        "/page",
        "/after",
    ];
    assert_eq!(texts(&rows, "path"), pages);
    let statuses: Vec<i64> = rows
        .iter()
        .map(|row| row["status"].as_i64().unwrap())
        .collect();
    assert_eq!(statuses, [200, 304, 200, 200, 200, 200]);
}

#[test]
fn a_download_that_the_visitor_breaks_off_is_no_view() {
    let endless = Backend::raw(|incoming| {
        while let Some(request) = incoming.request() {
            if request.target == "/after" {
                incoming.send(said(&request));
                continue;
            }
            incoming.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n");
            while incoming.send("<p>more</p>".repeat(1000)) {}
            return;
        }
    });
    let parvis = Parvis::start(&configuration(&endless, ONE, "", ON));
    let mut client = parvis.client();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: {}\r\n\r\n",
        crate::FIREFOX
    ));
    assert_eq!(client.head_only().status, 200);
    drop(client);
    until("the download has ended", || {
        (parvis.metric("parvis_requests_in_flight") == 0.0).then_some(())
    });
    see(&parvis, "/after", "");
    assert_eq!(texts(&stored(&parvis.folder, 1), "path"), ["/after"]);
    assert_eq!(rows(&parvis.folder).len(), 1);
}

#[test]
fn json_that_is_no_view_is_not_counted_as_a_bots() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, ONE, "", SITE));
    let json = "X-Say: 200 OK|Content-Type: application/json\r\n";
    for (path, agent) in [
        ("/items/", "curl/8.5.0"),
        ("/private/items/", crate::FIREFOX),
    ] {
        see(&parvis, path, &format!("User-Agent: {agent}\r\n{json}"));
    }
    see(&parvis, "/last", "");
    stored(&parvis.folder, 1);
    for why in ["bot", "excluded"] {
        let series = format!("parvis_visits_skipped_total{{reason=\"{why}\"}}");
        assert_eq!(parvis.metric(&series), 0.0, "{why}");
    }
}

#[test]
fn who_the_app_knows_is_told_in_no_other_answer_either() {
    let app = Backend::raw(|incoming| {
        while let Some(request) = incoming.request() {
            let known = "X-Parvis-User: 7\r\n";
            if request.field("upgrade").is_some() {
                incoming.send(format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n{known}\
                     Connection: Upgrade\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                ));
                return;
            }
            incoming.send(format!(
                "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n{known}\r\n"
            ));
            incoming.send(said(&request));
        }
    });
    let parvis = Parvis::start(&configuration(&app, ONE, "", ON));
    let hidden = |head: &str| {
        assert!(
            !head.to_ascii_lowercase().contains("x-parvis-user"),
            "{head}"
        );
    };
    let mut client = parvis.client();
    client.send(crate::support::websocket::ASK);
    let reply = client.head_only();
    assert_eq!(reply.status, 101);
    hidden(&reply.head);
    let mut client = parvis.client();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: t\r\nUser-Agent: {}\r\n\r\n",
        crate::FIREFOX
    ));
    let first = client.head_only();
    hidden(&first.head);
    if first.status == 103 {
        hidden(&client.reply().head);
    }
}
