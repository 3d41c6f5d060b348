//! Clients that are slow, go away, or say nothing: the others do not notice.

use super::{failures, folder, one, one_with, says, site};
use crate::support::certificates::Authority;
use crate::support::secure::{Secure, hello, plain, trusting, until_closed};
use crate::support::{Parvis, until};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn half_a_hello_is_waited_for_no_longer_than_allowed() {
    let top = "[server.connections]\nhandshake_timeout = \"300ms\"\n";
    let (authority, parvis) = one_with("", top);
    let hello = hello("a.test", &trusting(&authority));
    // Half of it, one byte, all of it and no answer to ours, and nothing at all.
    for (n, part) in [&hello[..hello.len() / 2], &hello[..1], &hello[..], b""]
        .into_iter()
        .enumerate()
    {
        let mut socket = plain(parvis.address()).unwrap();
        let began = Instant::now();
        socket.write_all(part).unwrap();
        until_closed(&mut socket);
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(250), "{n}: {took:?}");
        until("it is counted", || {
            (failures(&parvis, "timeout") == (n + 1) as f64).then_some(())
        });
    }
    assert_eq!(says(&parvis, &authority, "a.test"), "a");
}

#[test]
fn a_hello_byte_by_byte_is_a_hello() {
    let (authority, parvis) = one();
    let bytes = hello("a.test", &trusting(&authority));
    let mut socket = plain(parvis.address()).unwrap();
    for byte in &bytes {
        socket.write_all(&[*byte]).unwrap();
    }
    let mut first = [0];
    assert_eq!(socket.peek(&mut first).unwrap(), 1);
    // A record of the handshake: ServerHello.
    assert_eq!(first, [22]);
}

#[test]
fn who_goes_in_the_middle_leaves_nothing_behind() {
    let (authority, parvis) = one();
    let hello = hello("a.test", &trusting(&authority));
    for n in 0..60 {
        let mut socket = plain(parvis.address()).unwrap();
        let part = hello.len() * (n % 6 + 1) / 6;
        socket.write_all(&hello[..part]).unwrap();
    }
    until("they are counted", || {
        (failures(&parvis, "closed") == 60.0).then_some(())
    });
    until("they have gone", || {
        (parvis.metric("parvis_connections_open") == 0.0).then_some(())
    });
    assert_eq!(says(&parvis, &authority, "a.test"), "a");
}

#[test]
fn two_hundred_who_say_nothing_keep_nobody_waiting() {
    let (authority, parvis) = one_with("", "[server]\nthreads = 1\n");
    let hello = hello("a.test", &trusting(&authority));
    let silent: Vec<_> = (0..200)
        .map(|n| {
            let mut socket = plain(parvis.address()).unwrap();
            // Every second one has begun.
            let part = if n % 2 == 0 { 0 } else { hello.len() / 2 };
            socket.write_all(&hello[..part]).unwrap();
            socket
        })
        .collect();
    until("all have been accepted", || {
        (parvis.metric("parvis_connections_open") >= 200.0).then_some(())
    });
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(says(&parvis, &authority, "a.test"), "a");
    }
    // Less than the time for which the silent ones are waited for.
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    drop(silent);
}

/// Signing with RSA takes long: others of the same worker are served meanwhile.
#[test]
fn handshakes_with_rsa_hold_up_nobody() {
    let authority = Authority::new();
    let folder = folder(&[
        ("slow", &authority.sign_rsa(&["slow.test"])),
        ("quick", &authority.sign(&["quick.test"])),
    ]);
    let configuration = format!(
        "[server]\nthreads = 1\n{}{}",
        site("slow", &["slow.test"], ""),
        site("quick", &["quick.test"], "")
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let config = trusting(&authority);
    let mut kept = Secure::open(parvis.address(), "quick.test", &config);
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let mut open = Secure::open(parvis.address(), "slow.test", &config);
                    assert_eq!(open.get("slow.test", "/").text(), "slow");
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        until("they have begun", || {
            (done.load(Ordering::SeqCst) > 20).then_some(())
        });
        for _ in 0..100 {
            let began = Instant::now();
            assert_eq!(kept.get("quick.test", "/").text(), "quick");
            times.push(began.elapsed());
        }
        over.store(true, Ordering::SeqCst);
    });
    times.sort();
    // Loose: twenty threads of the test itself want the same processors.
    assert!(times[98] < Duration::from_secs(2), "{times:?}");
    assert!(times[50] < Duration::from_millis(500), "{times:?}");
}
