//! Certificates whose files change: nobody is kept waiting, and nobody is sent away.

use super::{SECURED, app_at, folder, one, says, site};
use crate::support::certificates::{Authority, Pair};
use crate::support::secure::{Secure, trusting};
use crate::support::websocket::{ASK, echoing};
use crate::support::{Backend, Folder, Parvis, until};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const SUCCESS: &str = "parvis_config_last_reload_success";

/// Puts a file in the place of another at once.
fn rename(folder: &Folder, name: &str, text: &str) {
    let beside = folder.write("new", text);
    std::fs::rename(beside, folder.join(name)).unwrap();
}

/// Waits until new connections see this certificate.
fn until_shown(parvis: &Parvis, authority: &Authority, own: &Pair) {
    let config = trusting(authority);
    until("the new certificate is shown", || {
        let connection = Secure::open(parvis.address(), "a.test", &config);
        (connection.certificate() == own.der()).then_some(())
    });
}

#[test]
fn no_handshake_fails_while_certificates_are_replaced() {
    let (authority, parvis) = one();
    let (over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed = Mutex::new(Vec::new());
    let config = trusting(&authority);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let connection = Secure::try_open(parvis.address(), "a.test", &config);
                    match connection.and_then(|mut open| open.try_get("a.test", "/")) {
                        Ok(reply) if reply.status == 200 => {}
                        other => failed.lock().unwrap().push(format!("{other:?}")),
                    }
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for n in 0..5 {
            let before = done.load(Ordering::SeqCst);
            let own = match n {
                3 => authority.sign_rsa(&["a.test"]),
                _ => authority.sign(&["a.test"]),
            };
            let files = match n % 2 {
                0 => [("a.key", &own.key), ("a.pem", &own.certificate)],
                _ => [("a.pem", &own.certificate), ("a.key", &own.key)],
            };
            for (index, (name, text)) in files.into_iter().enumerate() {
                rename(&parvis.folder, name, text);
                if n == 2 && index == 0 {
                    // One without the other is noticed, and changes nothing.
                    until("the half is refused", || {
                        (parvis.metric(SUCCESS) == 0.0).then_some(())
                    });
                }
            }
            until_shown(&parvis, &authority, &own);
            until("more have come", || {
                (done.load(Ordering::SeqCst) > before + 20).then_some(())
            });
        }
        over.store(true, Ordering::SeqCst);
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} failed: {:?}",
        failed.len(),
        failed[0]
    );
    assert_eq!(parvis.metric(SUCCESS), 1.0);
}

#[test]
fn a_broken_file_changes_nothing_and_is_told_of() {
    let (authority, parvis) = one();
    let first = Secure::open(parvis.address(), "a.test", &trusting(&authority)).certificate();
    let stranger = authority.sign(&["a.test"]);
    let key = parvis.folder.read("a.key");
    for (name, text, told) in [
        ("a.pem", "no certificate\n", "is no PEM"),
        ("a.pem", "", "is empty"),
        (
            "a.key",
            stranger.key.as_str(),
            "does not belong to the certificate",
        ),
    ] {
        let good = parvis.folder.read(name);
        let logged = parvis.log().matches(told).count();
        rename(&parvis.folder, name, text);
        until("it is refused", || {
            (parvis.metric(SUCCESS) == 0.0).then_some(())
        });
        let status = parvis.status();
        let load = &status["last_load"];
        assert_eq!(load["success"], false);
        let error = load["error"].as_str().unwrap();
        assert!(error.contains(told), "{error}");
        let line = "parvis.toml:";
        assert!(error.contains(line), "{error}");
        assert!(
            parvis.log().matches(told).count() > logged,
            "{}",
            parvis.log()
        );
        let shown = Secure::open(parvis.address(), "a.test", &trusting(&authority));
        assert_eq!(shown.certificate(), first);
        assert_eq!(says(&parvis, &authority, "a.test"), "a");
        rename(&parvis.folder, name, &good);
        until("the mended one is taken", || {
            (parvis.metric(SUCCESS) == 1.0).then_some(())
        });
        assert_eq!(parvis.status()["last_load"]["success"], true);
    }
    assert_eq!(parvis.folder.read("a.key"), key);
    // A file that is away is one that is broken, and one that comes back is taken.
    std::fs::remove_file(parvis.folder.join("a.pem")).unwrap();
    until("it is missed", || {
        (parvis.metric(SUCCESS) == 0.0).then_some(())
    });
    let new = authority.sign(&["a.test"]);
    new.write(&parvis.folder, "a");
    until_shown(&parvis, &authority, &new);
}

#[test]
fn open_connections_live_through_it() {
    let authority = Authority::new();
    let app = echoing();
    let pages = Backend::text("page");
    let folder = folder(&[("a", &authority.sign(&["a.test"]))]);
    let configuration = format!(
        "{}[[site.route]]\npath = \"/page\"\nproxy = \"pages\"\n[upstream.pages]\nservers = [\"{}\"]\n",
        app_at(SECURED, "a", app.address(), ""),
        pages.address()
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    let config = trusting(&authority);
    let mut kept = Secure::open(parvis.address(), "a.test", &config);
    assert_eq!(kept.get("a.test", "/page").text(), "page");
    let mut socket = Secure::open(parvis.address(), "a.test", &config);
    socket.send(ASK);
    assert_eq!(socket.reply().unwrap().status, 101);
    for word in ["one", "two", "three"] {
        let own = authority.sign(&["a.test"]);
        own.write(&parvis.folder, "a");
        until_shown(&parvis, &authority, &own);
        socket.send(word);
        assert_eq!(socket.exactly(word.len()).unwrap(), word.as_bytes());
        assert_eq!(kept.get("a.test", "/page").text(), "page");
    }
}

/// Several edges' certificates are often links: `live/` to `archive/`, or a volume of Kubernetes.
#[test]
fn a_link_that_points_elsewhere_is_a_new_file() {
    let authority = Authority::new();
    let folder = Folder::new();
    let (old, new) = (authority.sign(&["a.test"]), authority.sign(&["a.test"]));
    for (place, pair) in [("one", &old), ("two", &new)] {
        folder.write(&format!("{place}/a.pem"), &pair.certificate);
        folder.write(&format!("{place}/a.key"), &pair.key);
    }
    let point = |folder: &Folder, to: &str| {
        std::os::unix::fs::symlink(to, folder.join("beside")).unwrap();
        std::fs::rename(folder.join("beside"), folder.join("live")).unwrap();
    };
    point(&folder, "one");
    let configuration = site("a", &["a.test"], "").replace("@DIR/a.", "@DIR/live/a.");
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    until_shown(&parvis, &authority, &old);
    point(&parvis.folder, "two");
    until_shown(&parvis, &authority, &new);
}
