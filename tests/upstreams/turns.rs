//! Whose turn it is, and where a server may be.

use crate::support::{Backend, Client, Folder, Parvis};
use crate::{app, at, errors, shares};
use std::collections::BTreeMap;

#[test]
fn servers_take_turns_evenly() {
    let backends = [Backend::text("a"), Backend::text("b"), Backend::text("c")];
    let servers: Vec<String> = backends.iter().map(|b| at(b.address())).collect();
    // Two workers: the turns are those of the process.
    let parvis = Parvis::start(&app(&servers, "").replace("threads = 1", "threads = 2"));
    let answers: Vec<String> = (0..6).map(|_| parvis.get("/").text()).collect();
    assert_eq!(answers, ["a", "b", "c", "a", "b", "c"]);
    let address = parvis.address();
    let clients: Vec<_> = (0..6)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                (0..48).for_each(|_| assert_eq!(client.get("/").status, 200));
            })
        })
        .collect();
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
    assert_eq!(shares(&backends), [98, 98, 98]);
}

#[test]
fn weights_are_shares_of_the_requests() {
    let backends = [Backend::text("a"), Backend::text("b"), Backend::text("c")];
    let weighted = |backend: &Backend, weight: u16| {
        format!(
            "{{ address = \"{}\", weight = {weight} }}",
            backend.address()
        )
    };
    let servers = [
        weighted(&backends[0], 5),
        at(backends[1].address()),
        weighted(&backends[2], 2),
    ];
    let parvis = Parvis::start(&app(&servers, ""));
    let mut client = parvis.client();
    let answers: Vec<String> = (0..80).map(|_| client.get("/").text()).collect();
    assert_eq!(shares(&backends), [50, 10, 20]);
    // Not in one go each: whoever has most never has more than three turns in a row.
    let longest = answers.chunk_by(|a, b| a == b).map(<[String]>::len).max();
    assert!(longest <= Some(3), "{answers:?}");
}

#[test]
fn a_server_may_be_a_unix_socket() {
    let folder = Folder::new();
    crate::support::backend::unix(&folder.join("app.sock"), "unix");
    let other = Backend::text("tcp");
    // Absolute, and relative to the file that names it.
    let servers = [
        at("unix:@DIR/app.sock"),
        at("unix:app.sock"),
        at(other.address()),
    ];
    let parvis = Parvis::start_in(folder, &app(&servers, ""), &[]);
    let mut client = parvis.client();
    let answers: Vec<String> = (0..6).map(|_| client.get("/").text()).collect();
    assert_eq!(answers, ["unix", "unix", "tcp", "unix", "unix", "tcp"]);
}

#[test]
fn a_server_may_be_a_name() {
    let backend = Backend::text("named");
    let name = format!("localhost:{}", backend.address().port());
    let parvis = Parvis::start(&app(&[at(&name)], ""));
    for _ in 0..3 {
        assert_eq!(parvis.get("/").text(), "named");
    }
    let server = &parvis.status()["upstreams"][0]["servers"][0];
    assert_eq!(server["address"], name);
    assert_eq!(server["resolved"], backend.address().to_string());
}

#[test]
fn a_socket_that_is_missing_is_502_and_tried_again_when_it_is_there() {
    let folder = Folder::new();
    let path = folder.join("app.sock");
    let stale = folder.join("stale.sock");
    // A file that is left of a server that ended.
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let configuration = format!(
        "[upstream.stale]\nservers = [\"unix:stale.sock\"]\n{}\
         [[site.route]]\npath = \"/stale\"\nproxy = \"stale\"\n",
        app(&[at("unix:app.sock")], "")
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    assert_eq!(parvis.get("/").status, 502);
    assert_eq!(parvis.get("/stale").status, 502);
    assert_eq!(errors(&parvis, "connect_refused"), 1.0);
    crate::support::backend::unix(&path, "there");
    assert_eq!(parvis.get("/").text(), "there");
}

#[test]
fn no_certificates_are_needed() {
    let backend = Backend::text("app");
    let environment = [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    let configuration = app(&[at(backend.address())], "");
    let parvis = Parvis::start_in(Folder::new(), &configuration, &environment);
    assert_eq!(parvis.get("/").text(), "app");
}

#[test]
fn several_upstreams_have_servers_of_their_own() {
    let backends: BTreeMap<&str, Backend> = ["a", "b"].map(|n| (n, Backend::text(n))).into();
    let parvis = Parvis::start(&format!(
        "[upstream.a]\nservers = [\"{}\"]\n[upstream.b]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/a\"\nproxy = \"a\"\n[[site.route]]\npath = \"/b\"\nproxy = \"b\"\n",
        backends["a"].address(),
        backends["b"].address()
    ));
    let mut client = parvis.client();
    for _ in 0..5 {
        assert_eq!(client.get("/a").text(), "a");
        assert_eq!(client.get("/b").text(), "b");
    }
}
