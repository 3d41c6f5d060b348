use super::super::certificate::tests::made;
use super::super::order::tests::{ASK, Folder, built};
use super::super::plan::Failures;
use super::super::wanted::tests::issuer;
use super::super::work::Work;
use super::*;

const NAME: &str = "x.a.example";

/// A look at a name that the application allows.
fn look(folder: &Folder) -> Look {
    let order = built(&folder.0, ASK, &["*.a.example"]).unwrap();
    let inner = issuer().inner;
    let who = order.policy.on_demand.as_ref().unwrap();
    inner.answers.keep(who, NAME, true, now(), 500);
    Look {
        inner,
        storage: Storage::of_asked(&folder.0, &order.policy.directory, NAME),
        order,
        asked: Some(NAME.to_string()),
        fresh: false,
    }
}

fn known(look: &Look) -> Option<bool> {
    let who = look.order.policy.on_demand.as_ref().unwrap();
    look.inner.answers.known(who, NAME, now())
}

fn issued(to: u64) -> Issued {
    Issued::from_pem(made(&[NAME], 1, to).as_bytes()).unwrap()
}

#[tokio::test]
async fn nobody_waits_for_a_name_that_is_not_to_be_tried_yet() {
    let folder = Folder::new();
    let look = look(&folder);
    let failures = Failures {
        refused: 9,
        last: now(),
        next: now() + 1_000,
        ..Failures::default()
    };
    let memory = Memory {
        failures,
        tried: look.order.policy.fingerprint(),
        ..Memory::default()
    };
    memory.write(&look.storage).unwrap();
    assert!(look.later(&memory).unwrap().over);
    assert_eq!(known(&look), Some(false));
    // The whole way to it is as short.
    let who = look.order.policy.on_demand.clone().unwrap();
    look.inner.answers.keep(&who, NAME, true, now(), 500);
    let storage = look.storage.clone();
    let report = look.run().await;
    assert!(report.over && report.next > now());
    assert!(storage.memory().exists());
}

#[test]
fn who_comes_for_a_name_hurries_nothing() {
    let folder = Folder::new();
    let look = look(&folder);
    let fresh = |asked: Option<&str>| Work::new(look.order.clone(), asked.map(Into::into), 0).fresh;
    assert!(fresh(None) && !fresh(Some(NAME)));
}

#[test]
fn orders_for_names_that_clients_come_for_have_a_bound_and_renewals_have_none() {
    let folder = Folder::new();
    let look = look(&folder);
    while look.too_many(None).is_none() {}
    assert_eq!(known(&look), Some(false));
    assert!(look.too_many(None).unwrap().over);
    assert!(look.too_many(Some(&issued(now() - 9))).is_some());
    assert!(look.too_many(Some(&issued(now() + 900))).is_none());
    let own = Look {
        asked: None,
        ..look
    };
    assert!(own.too_many(None).is_none());
}

#[tokio::test]
async fn what_cannot_be_written_is_remembered_all_the_same() {
    let folder = Folder::new();
    let look = look(&folder);
    // A folder in the place of the file.
    std::fs::create_dir_all(look.storage.memory()).unwrap();
    let refused = Failure::new(Why::Refused, "no");
    let next = look.failed(&refused).await.next;
    assert!(next > now());
    let memory = look.remembered().await;
    assert_eq!((memory.failures.next, memory.failures.count()), (next, 1));
    assert!(look.later(&memory).is_some());
    // It counts with what another process could write; the later holds.
    std::fs::remove_dir(look.storage.memory()).unwrap();
    let other = Memory {
        noted: now() + 60,
        ..Memory::default()
    };
    let other = Memory { issued: 1, ..other };
    other.write(&look.storage).unwrap();
    assert_eq!(look.remembered().await, other);
    assert_eq!(look.failed(&refused).await.failures, 1);
    assert!(look.inner.unwritten().is_empty());
}

#[tokio::test]
async fn a_change_does_not_undo_what_others_noted() {
    let folder = Folder::new();
    let look = look(&folder);
    let mut memory = look.remembered().await;
    // Another process is at it, and fails.
    let lock = look.storage.lock().unwrap();
    let window = |memory: &mut Memory| memory.keep_no_window(&issued(now() + 900).facts, 5);
    look.change(&mut memory, window).await;
    assert!(Memory::read(&look.storage).window.is_none());
    assert!(memory.window.is_some() && look.remembered().await.window.is_some());
    let other = Memory {
        noted: now() + 60,
        issued: 1,
        ..Memory::default()
    };
    other.write(&look.storage).unwrap();
    look.failed(&Failure::new(Why::Refused, "no")).await;
    drop(lock);
    look.change(&mut memory, window).await;
    assert_eq!(memory, look.remembered().await);
    assert!(memory.window.is_some() && memory.failures.count() == 1);
    assert_eq!(memory.issued, 1);
}
