//! Guests' visits: who counts, where they go, what becomes of them when something on their way
//! breaks, and what is told of them.

mod support;

#[path = "visits/api.rs"]
mod api;
#[path = "visits/bad.rs"]
mod bad;
#[path = "visits/cases.rs"]
mod cases;
#[path = "visits/clock.rs"]
mod clock;
#[path = "visits/command.rs"]
mod command;
#[path = "visits/consumer.rs"]
mod consumer;
#[path = "visits/dashboard.rs"]
mod dashboard;
#[path = "visits/fields.rs"]
mod fields;
#[path = "visits/full.rs"]
mod full;
#[path = "visits/geography.rs"]
mod geography;
#[path = "visits/killed.rs"]
mod killed;
#[path = "visits/load.rs"]
mod load;
#[path = "visits/redis.rs"]
mod redis;
#[path = "visits/shared.rs"]
mod shared;
#[path = "visits/store.rs"]
mod store;
#[path = "visits/switched.rs"]
mod switched;
#[path = "visits/time.rs"]
mod time;
#[path = "visits/who.rs"]
mod who;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use support::backend::Request;
use support::{Backend, Client, Folder, Parvis, Reply, until};

/// A browser; what does not say that it is one counts as a bot.
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
/// Another.
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 \
    (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

/// A site whose guests are recorded.
const ON: &str = "visits = true";
/// Its database.
const DATABASE: &str = "visits.sqlite";

/// An app that answers as the request tells it. `X-Say` has the status and then the fields, parted
/// by `|`; a page otherwise.
fn app() -> Backend {
    Backend::http(said)
}

fn said(request: &Request) -> Vec<u8> {
    let say = request.field("x-say");
    let say = say
        .as_deref()
        .unwrap_or("200 OK|Content-Type: text/html; charset=utf-8");
    let head = format!("HTTP/1.1 {}\r\n", say.replace('|', "\r\n"));
    if ["204", "304"].iter().any(|status| say.starts_with(status)) {
        return format!("{head}\r\n").into_bytes();
    }
    let body = match request.method.as_str() {
        "HEAD" => "",
        _ => "<p>page",
    };
    format!("{head}Content-Length: 7\r\n\r\n{body}").into_bytes()
}

/// One app behind a site: these lines at the top, in `[visits]` and in the site.
fn configuration(app: &Backend, top: &str, visits: &str, site: &str) -> String {
    // Keys of `[visits]` itself stand before its tables.
    let store = match visits.contains("store = ") {
        true => String::new(),
        false => format!("store = \"@DIR/{DATABASE}\""),
    };
    let zone = match visits.contains("time_zone = ") {
        true => String::new(),
        false => format!("time_zone = \"{}\"", about_noon(0)),
    };
    format!(
        "{top}\n[upstream.app]\nservers = [\"{}\"]\n[visits]\n{store}\n{zone}\n{visits}\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n{site}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        app.address()
    )
}

/// A zone in which it is about noon, or so many hours later: no day ends while a test runs.
fn about_noon(later: i64) -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let hour = i64::try_from(since / 3600 % 24).unwrap();
    // East of Greenwich is minus there.
    match hour - 12 - later {
        0 => "Etc/GMT".to_string(),
        offset => format!("Etc/GMT{offset:+}"),
    }
}

/// Ends parvis at once and starts it again where it was.
fn again(mut parvis: Parvis, configuration: &str) -> Parvis {
    let folder = std::mem::replace(&mut parvis.folder, Folder::new());
    drop(parvis);
    Parvis::start_in(folder, configuration, &[])
}

/// Tells parvis to end and waits until it has.
fn end(parvis: &mut Parvis) {
    parvis.signal("TERM");
    assert!(parvis.wait().success(), "{}", parvis.log());
}

/// `GET path` with these fields; `User-Agent` is a browser's unless they have it.
fn view(client: &mut Client, path: &str, fields: &str) -> Reply {
    request(client, "GET", path, fields)
}

/// The same with another method.
fn request(client: &mut Client, method: &str, path: &str, fields: &str) -> Reply {
    let agent = match fields.contains("User-Agent:") {
        true => String::new(),
        false => format!("User-Agent: {FIREFOX}\r\n"),
    };
    client.request(method, path, &format!("{agent}{fields}"), b"")
}

/// A page view on a connection of its own.
fn see(parvis: &Parvis, path: &str, fields: &str) {
    let reply = view(&mut parvis.client(), path, fields);
    assert_eq!(reply.status, 200, "{}", reply.head);
}

/// The database, which parvis may be writing to; `None` before it is there.
fn database(path: &Path) -> Option<Connection> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
    db.busy_timeout(support::PATIENCE).ok()?;
    Some(db)
}

/// What a query gives: rows of columns by name, blobs in hexadecimal.
fn query(folder: &Folder, sql: &str) -> Vec<Value> {
    let Some(db) = database(&folder.join(DATABASE)) else {
        return Vec::new();
    };
    // The tables may not be there yet.
    let Ok(mut statement) = db.prepare(sql) else {
        return Vec::new();
    };
    let names: Vec<String> = statement
        .column_names()
        .map(|name| name.to_string())
        .collect();
    let rows = statement.query_map([], |row| {
        let columns = names.iter().enumerate();
        let column = |(at, name): (usize, &String)| {
            let value = match row.get_ref(at)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => json!(number),
                ValueRef::Real(number) => json!(number),
                ValueRef::Text(text) => json!(std::str::from_utf8(text).expect("UTF-8")),
                ValueRef::Blob(bytes) => {
                    json!(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
                }
            };
            Ok((name.clone(), value))
        };
        let columns: rusqlite::Result<Map<String, Value>> = columns.map(column).collect();
        columns.map(Value::Object)
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// The single visits, in the order of their times, with their site's name as `name`.
fn rows(folder: &Folder) -> Vec<Value> {
    query(
        folder,
        "SELECT visits.*, sites.name FROM visits LEFT JOIN sites ON sites.id = visits.site \
         ORDER BY visits.id",
    )
}

/// How many single visits there are.
fn count(folder: &Folder) -> u64 {
    let found = query(folder, "SELECT count(*) AS n FROM visits");
    found.first().and_then(|row| row["n"].as_u64()).unwrap_or(0)
}

/// Waits until so many visits are in the database, and no more, and gives them.
fn stored(folder: &Folder, visits: u64) -> Vec<Value> {
    until(&format!("{visits} visits are stored"), || {
        (count(folder) >= visits).then_some(())
    });
    let rows = rows(folder);
    assert_eq!(rows.len() as u64, visits, "too many: {rows:#?}");
    rows
}

/// The text in a column of every row.
fn texts<'a>(rows: &'a [Value], column: &str) -> Vec<&'a str> {
    rows.iter()
        .map(|row| row[column].as_str().unwrap_or(""))
        .collect()
}

/// The answer to a question: `"overview/?days=1"`.
fn ask(parvis: &Parvis, question: &str) -> Value {
    let reply = parvis.admin_request("GET", &format!("/api/analytics/{question}"), "");
    assert_eq!(reply.status, 200, "{question}: {}", reply.text());
    reply.json()
}

/// Waits until the API knows of so many views, the partial ones included.
fn counted(parvis: &Parvis, views: u64) -> Value {
    let mut last = Value::Null;
    let all = |overview: &Value| {
        let all = &overview["all_time"];
        Some(all["views"].as_u64()? + all["partials"].as_u64()?)
    };
    until(&format!("{views} views are counted"), || {
        last = ask(parvis, "overview/");
        (all(&last)? >= views).then_some(())
    });
    assert_eq!(all(&last), Some(views), "{last:#}");
    last
}

/// A sink in `/status`: `store` or `redis`.
fn sink(parvis: &Parvis, name: &str) -> Value {
    let status = parvis.status();
    let sinks = status["visits"]["sinks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut named = sinks.into_iter().filter(|sink| sink["name"] == name);
    named
        .next()
        .unwrap_or_else(|| panic!("no sink {name}: {status:#}"))
}

/// Waits until a sink's trouble in `/status` has this in it, and gives the whole.
fn trouble(parvis: &Parvis, name: &str, part: &str) -> String {
    until(&format!("{name} has trouble with {part:?}"), || {
        let sink = sink(parvis, name);
        let error = sink["error"].as_str()?;
        error.contains(part).then(|| error.to_string())
    })
}

/// Writes the configuration and has it loaded.
fn reload(parvis: &Parvis, configuration: &str) {
    Parvis::write_configuration(&parvis.folder, configuration);
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 200, "{}", reply.text());
}
