//! A gRPC client, parvis, and a gRPC server.

use crate::support::programs::said;
use crate::*;
use socket2::{Domain, Socket, Type};
use std::io::Read;
use std::net::Ipv4Addr;

/// A client that makes the calls of this case.
fn caller(parvis: &Parvis, case: &str, tls: bool) -> Command {
    let mut command = Command::new(python());
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grpc/calls.py"))
        .arg(case);
    match tls {
        true => command
            .arg(parvis.listeners()[0].to_string())
            .arg(parvis.folder.join("ca.pem")),
        false => command.arg(clear(parvis).to_string()),
    };
    for proxy in ["http_proxy", "https_proxy", "grpc_proxy"] {
        command.env_remove(proxy);
    }
    command.stdin(Stdio::null());
    command
}

fn calls(parvis: &Parvis, case: &str, tls: bool) {
    let output = caller(parvis, case, tls).output().unwrap();
    assert!(
        output.status.success(),
        "{case}, TLS: {tls}: {}",
        said(&output)
    );
}

/// Makes the calls of these cases, over TLS and in the clear.
fn all_go_well(cases: &[&str]) {
    let server = Process::start("server.py", 0);
    let parvis = edge(&[server.address], "");
    for case in cases {
        calls(&parvis, case, true);
        calls(&parvis, case, false);
    }
}

#[test]
fn single_messages_go_with_their_metadata() {
    all_go_well(&["unary", "metadata", "fields"]);
}

#[test]
fn messages_stream_in_either_direction() {
    all_go_well(&["down", "up"]);
}

#[test]
fn messages_stream_in_both_directions() {
    all_go_well(&["both"]);
}

/// A server that answers each message before it takes the next one takes none while its answers are
/// not taken: whoever waits for it to take the request has to go on taking answers.
#[test]
fn neither_direction_waits_for_the_other() {
    all_go_well(&["both_at_once"]);
}

#[test]
fn large_messages_go_both_ways() {
    all_go_well(&["large"]);
}

#[test]
fn failures_are_those_of_the_server() {
    all_go_well(&["failures"]);
}

#[test]
fn calls_end_at_their_deadline_and_when_they_are_cancelled() {
    all_go_well(&["deadline", "cancel"]);
}

#[test]
fn many_calls_go_at_a_time() {
    all_go_well(&["many"]);
}

#[test]
fn a_server_that_was_killed_is_called_again_when_it_is_back() {
    // Keeps the port for the second server: the first one leaves it, and others would be given it.
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    held.set_reuse_port(true).unwrap();
    held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    let port = held.local_addr().unwrap().as_socket().unwrap().port();
    let server = Process::start("server.py", port);
    let parvis = edge(&[server.address], "");
    calls(&parvis, "unary", true);
    server.kill();
    calls(&parvis, "unavailable", true);
    calls(&parvis, "unavailable", false);
    let _server = Process::start("server.py", port);
    calls(&parvis, "unary", true);
}

#[test]
fn a_server_that_ends_in_order_answers_what_it_has() {
    let going = Process::start("server.py", 0);
    let staying = Process::start("server.py", 0);
    let parvis = edge(&[going.address, staying.address], "");
    let mut client = caller(&parvis, "lasting", true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 8];
    client
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut said)
        .unwrap();
    // Both have been called, and one goes.
    support::until("both are called", || {
        let made = parvis.metric(
            "parvis_requests_total{method=\"POST\",route=\"/*\",site=\"s\",status=\"2xx\"}",
        );
        (made > 50.0).then_some(())
    });
    assert!(going.ends_in_order());
    drop(client.stdin.take());
    let output = client.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        support::programs::said(&output)
    );
}
