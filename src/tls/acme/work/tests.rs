use super::super::certificate::tests::made;
use super::super::order::tests::{ASK, Folder, built};
use super::*;

const NOW: u64 = 1_000_000;

fn issued(names: &[&str], to: u64) -> Arc<Issued> {
    Arc::new(Issued::from_pem(made(names, 1, to).as_bytes()).unwrap())
}

fn report(state: State, next: u64) -> Report {
    Report {
        state,
        ..Report::good(next)
    }
}

#[test]
fn a_reload_keeps_what_is_wanted_still_and_lets_go_of_the_rest() {
    let folder = Folder::new();
    let order = |names: &[&str]| built(&folder.0, "", names).unwrap();
    let mut works = Works::default();
    let (a, b) = (order(&["a.example"]), order(&["b.example"]));
    assert!(works.apply(&[a.clone(), b.clone()], NOW).is_empty());
    let work = works.all.get_mut(&a.id).unwrap();
    work.running = true;
    work.take(report(State::Good, NOW + 500));
    // The same names again, in another configuration.
    let again = order(&["a.example"]);
    let gone = works.apply(std::slice::from_ref(&again), NOW + 9);
    assert_eq!(gone, std::slice::from_ref(&b.id));
    let work = works.all.get(&a.id).unwrap();
    assert!(Arc::ptr_eq(&work.orders[0], &again));
    // It is looked at once more, as what is fresh may be tried sooner.
    assert_eq!(
        (work.state, work.next, work.fresh),
        (State::Good, NOW + 9, true)
    );
    assert_eq!(works.apply(&[], NOW).len(), 1);
    assert!(works.all.is_empty());
}

#[test]
fn two_sites_with_the_same_names_have_one_certificate() {
    let folder = Folder::new();
    let order = || built(&folder.0, "", &["a.example"]).unwrap();
    let (one, other) = (order(), order());
    one.slot.put(issued(&["a.example"], NOW + 100));
    let mut works = Works::default();
    works.apply(&[one.clone(), other.clone()], NOW);
    assert_eq!(works.all.len(), 1);
    let served = |order: &Order| order.slot.issued().unwrap().facts.not_after;
    assert_eq!(served(&other), NOW + 100);
    let work = works.all.get(&one.id).unwrap();
    assert_eq!(work.status().len(), 2);
    // A newer one goes to both; one that is older, or over, to none.
    work.serve(&issued(&["a.example"], NOW + 300), NOW);
    work.serve(&issued(&["a.example"], NOW + 200), NOW);
    work.serve(&issued(&["a.example"], NOW + 400), NOW + 500);
    assert_eq!((served(&one), served(&other)), (NOW + 300, NOW + 300));
}

#[test]
fn a_certificate_that_lacks_a_name_gives_way_to_one_that_has_it() {
    let folder = Folder::new();
    let order = built(&folder.0, "", &["a.example", "b.example"]).unwrap();
    order.slot.put(issued(&["a.example"], NOW + 900));
    let work = Work::new(order.clone(), None, NOW);
    work.serve(&issued(&["a.example", "b.example"], NOW + 100), NOW);
    assert!(order.slot.issued().unwrap().facts.covers("b.example"));
}

#[test]
fn names_that_were_asked_for_stay_over_a_reload_of_the_same() {
    let folder = Folder::new();
    let order = built(&folder.0, ASK, &["*.a.example"]).unwrap();
    let storage = Storage::of_asked(&folder.0, &order.policy.directory, "x.a.example");
    let work = Work::new(order.clone(), Some("x.a.example".to_string()), NOW);
    work.serve(&issued(&["x.a.example"], NOW + 100), NOW);
    assert!(order.certificate(Some("x.a.example")).is_some());
    assert!(order.certificate(Some("y.a.example")).is_none());
    let mut works = Works::default();
    works.all.insert(storage.clone(), work);
    assert!(works.apply(std::slice::from_ref(&order), NOW).is_empty());
    assert!(works.all.contains_key(&storage));
    // A site that is not the same.
    let other = built(&folder.0, ASK, &["*.a.example"]).unwrap();
    assert_eq!(works.apply(&[other], NOW), [storage]);
}

#[test]
fn who_waits_is_woken() {
    let folder = Folder::new();
    let order = built(&folder.0, "", &["a.example"]).unwrap();
    let mut work = Work::new(order, None, NOW);
    let mut looks = work.looks.subscribe();
    assert!(!looks.has_changed().unwrap());
    work.take(report(State::Waiting, NOW));
    assert!(looks.has_changed().unwrap());
    looks.mark_unchanged();
    drop(work);
    assert!(looks.has_changed().is_err());
}

#[test]
fn settings_that_were_mended_during_an_attempt_are_tried_after_it() {
    let folder = Folder::new();
    let order = || built(&folder.0, "", &["a.example"]).unwrap();
    let mut works = Works::default();
    let first = order();
    works.apply(std::slice::from_ref(&first), NOW);
    works.all.get_mut(&first.id).unwrap().running = true;
    works.apply(&[order()], NOW + 5);
    let work = works.all.get_mut(&first.id).unwrap();
    work.take(report(State::Waiting, NOW + 500));
    assert_eq!((work.next, work.fresh), (NOW + 5, true));
    // Once.
    work.running = true;
    work.take(report(State::Waiting, NOW + 500));
    assert_eq!((work.next, work.fresh), (NOW + 500, false));
}

#[test]
fn who_comes_later_is_one_of_those_who_want_it() {
    let folder = Folder::new();
    let order = || built(&folder.0, ASK, &["*.a.example"]).unwrap();
    let (one, other, name) = (order(), order(), "x.a.example");
    let storage = Storage::of_asked(&folder.0, &one.policy.directory, name);
    let mut works = Works::default();
    assert!(works.join(&storage, &one, NOW).is_none());
    let mut work = Work::new(one.clone(), Some(name.to_string()), NOW);
    work.running = true;
    works.all.insert(storage.clone(), work);
    for _ in 0..2 {
        assert!(works.join(&storage, &one, NOW).unwrap().1.is_none());
        works.join(&storage, &other, NOW + 1).unwrap();
    }
    let work = works.all.get_mut(&storage).unwrap();
    assert_eq!(work.orders.len(), 2);
    work.serve(&issued(&[name], NOW + 100), NOW);
    assert!(other.certificate(Some(name)).is_some());
    work.take(report(State::Waiting, NOW + 500));
    assert_eq!((work.next, work.fresh), (NOW + 1, false));
    // A reload takes one of the sites away.
    assert!(works.apply(&[other], NOW).is_empty());
    assert_eq!(works.all.get(&storage).unwrap().orders.len(), 1);
}
