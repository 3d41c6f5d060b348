//! `Server-Timing`.

use crate::support::{Backend, Parvis, Refusing};
use crate::{puppet, site};
use std::time::Duration;

/// Milliseconds of `NAME;dur=MS`, written with three decimals.
fn duration(entry: &str, name: &str) -> f64 {
    let text = entry
        .trim()
        .strip_prefix(name)
        .and_then(|e| e.strip_prefix(";dur="));
    let text = text.unwrap_or_else(|| panic!("no {name} in {entry:?}"));
    let (whole, fraction) = text.split_once('.').unwrap();
    assert!(whole.bytes().all(|b| b.is_ascii_digit()), "{text}");
    assert!(
        fraction.len() == 3 && fraction.bytes().all(|b| b.is_ascii_digit()),
        "{text}"
    );
    text.parse().unwrap()
}

#[test]
fn server_timing_stands_beside_the_apps_own() {
    let backend = Backend::http(|_| {
        std::thread::sleep(Duration::from_millis(60));
        b"HTTP/1.1 200 OK\r\nServer-Timing: db;dur=5\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let parvis = site(&backend, "server_timing = true", "");
    let began = std::time::Instant::now();
    let reply = parvis.get("/");
    let took = began.elapsed().as_secs_f64() * 1000.0;
    let fields = reply.all("Server-Timing");
    assert_eq!(fields.len(), 2, "{}", reply.head);
    assert_eq!(fields[0], "db;dur=5");
    let (edge, app) = fields[1].split_once(", ").unwrap();
    let (edge, app) = (duration(edge, "edge"), duration(app, "app"));
    // The app's wait is the app's, not ours; together they are no longer than the client waited.
    assert!(app >= 60.0, "{app}");
    assert!(edge + app <= took, "{edge} + {app} > {took}");
}

#[test]
fn server_timing_is_off_unless_asked_for_and_a_route_may_differ() {
    let backend = puppet();
    let off = site(&backend, "", "");
    assert_eq!(off.get("/?HTTP/1.1_200_OK").field("Server-Timing"), None);
    let differs = site(&backend, "server_timing = true", "server_timing = false");
    assert_eq!(
        differs.get("/?HTTP/1.1_200_OK").field("Server-Timing"),
        None
    );
}

#[test]
fn answers_of_parviss_own_tell_its_time_alone() {
    let refusing = Refusing::new();
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nserver_timing = true\n\
         [[site.route]]\npath = \"/own\"\nrespond = {{ body = \"x\" }}\n\
         [[site.route]]\npath = \"/moved\"\nredirect = {{ to = \"/own\" }}\n\
         [[site.route]]\npath = \"/refused\"\nproxy = \"app\"\n\
         [[site.route]]\npath = \"/not\"\nrespond = {{}}\nserver_timing = false\n",
        refusing.address()
    ));
    for path in ["/own", "/moved", "/refused"] {
        let fields = parvis.get(path).all("Server-Timing");
        assert_eq!(fields.len(), 1, "{path}");
        assert!(duration(&fields[0], "edge") > 0.0, "{path}");
    }
    assert_eq!(parvis.get("/not").field("Server-Timing"), None);
}
