use super::*;
use crate::media::{Format, Store, Variant};
use futures_util::FutureExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

const LONG: Duration = Duration::from_secs(60);

fn key(number: u8) -> VariantKey {
    VariantKey([number; 16])
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LONG, "not: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn made() -> Outcome {
    Ok(Kept::OriginalIsBest)
}

/// Waits for a ticket, as a request does.
fn wait(ticket: Ticket) -> Outcome {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    let outcome = runtime.block_on(async { tokio::time::timeout(LONG, ticket).await });
    outcome.expect("never made")
}

/// Holds a thread until it is let go.
struct Held {
    ticket: Ticket,
    go: Sender<()>,
}

fn hold(workshop: &Workshop, number: u8, urgency: Urgency) -> Held {
    let (go, gone) = channel::<()>();
    let (begin, begun) = channel();
    let work = move |_| {
        begin.send(()).unwrap();
        let _ = gone.recv();
        made()
    };
    let ticket = workshop.order(key(number), urgency, LONG, work).unwrap();
    begun.recv_timeout(LONG).expect("never begun");
    Held { ticket, go }
}

/// Orders that tell when they are made, in that order.
struct Told {
    tell: Sender<u8>,
    told: Receiver<u8>,
}

impl Told {
    fn new() -> Self {
        let (tell, told) = channel();
        Told { tell, told }
    }

    fn order(&self, workshop: &Workshop, number: u8, urgency: Urgency) -> Result<Ticket, Full> {
        let tell = self.tell.clone();
        let work = move |_| {
            tell.send(number).unwrap();
            made()
        };
        workshop.order(key(number), urgency, LONG, work)
    }

    /// What was made, when all is done.
    fn all(self) -> Vec<u8> {
        drop(self.tell);
        self.told.iter().collect()
    }
}

#[test]
fn one_variant_is_made_once_for_all_who_ask() {
    let workshop = Workshop::new(4, 8);
    let count = Arc::new(AtomicUsize::new(0));
    let (go, gone) = channel::<()>();
    let gone = Arc::new(Mutex::new(gone));
    let tickets: Vec<Ticket> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64)
            .map(|turn| {
                let (count, gone, workshop) = (count.clone(), gone.clone(), &workshop);
                let work = move |_| {
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = gone.lock().unwrap().recv();
                    Err(Fault::Unsupported("this"))
                };
                let urgency = [Urgency::Now, Urgency::Later][usize::from(turn % 8 == 0)];
                scope.spawn(move || workshop.order(key(1), urgency, LONG, work).unwrap())
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    wait_for("begun", || workshop.status().working == 1);
    let status = workshop.status();
    assert_eq!((status.waiting, status.later), (0, 0));
    drop(go);
    for ticket in tickets {
        assert_eq!(wait(ticket).unwrap_err(), Fault::Unsupported("this"));
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // What comes after it is another order.
    wait(
        workshop
            .order(key(1), Urgency::Now, LONG, |_| made())
            .unwrap(),
    )
    .unwrap();
}

#[test]
fn with_a_look_into_the_store_it_is_made_once_for_those_who_come_late_too() {
    let (workshop, store) = (Workshop::new(4, 64), Store::in_memory(1 << 20));
    let count = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let (count, store) = (count.clone(), store.clone());
                let work = move |_| {
                    let made = || {
                        count.fetch_add(1, Ordering::SeqCst);
                        store.put(&key(1), Format::WebP, (1, 1), vec![1; 100])
                    };
                    Ok(store.find(&key(1)).unwrap_or_else(made))
                };
                let ticket = workshop.order(key(1), Urgency::Now, LONG, work);
                let Kept::Variant(variant) = wait(ticket.unwrap()).unwrap() else {
                    panic!("no variant");
                };
                assert_eq!(Variant::notes(&variant, || 7), Some(&7));
            });
        }
    });
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn a_full_queue_refuses_and_says_so() {
    let workshop = Workshop::new(1, 2);
    let held = hold(&workshop, 0, Urgency::Now);
    let told = Told::new();
    let first = told.order(&workshop, 1, Urgency::Now).unwrap();
    let second = told.order(&workshop, 2, Urgency::Now).unwrap();
    assert_eq!(told.order(&workshop, 3, Urgency::Now).unwrap_err(), Full);
    // To join is no further order.
    let joined = told.order(&workshop, 1, Urgency::Now).unwrap();
    let also = told.order(&workshop, 0, Urgency::Now).unwrap();
    // What is not urgent has a queue of its own, whose orders have no place among the others.
    let later: Vec<_> = (10..14)
        .map(|n| told.order(&workshop, n, Urgency::Later).unwrap())
        .collect();
    assert_eq!(told.order(&workshop, 10, Urgency::Now).unwrap_err(), Full);
    let status = workshop.status();
    assert_eq!((status.waiting, status.later, status.working), (2, 4, 1));
    assert_eq!((status.refused, status.dropped), (2, 0));
    // One gives up: there is room again.
    drop(second);
    let third = told.order(&workshop, 3, Urgency::Now).unwrap();
    held.go.send(()).unwrap();
    let all = [held.ticket, also, first, joined, third];
    for ticket in all.into_iter().chain(later) {
        wait(ticket).unwrap();
    }
    assert_eq!(told.all(), [1, 3, 10, 11, 12, 13]);
}

#[test]
fn without_a_queue_free_threads_take_orders_still() {
    let workshop = Workshop::new(2, 0);
    let held = [0, 1].map(|n| hold(&workshop, n, Urgency::Now));
    assert_eq!(
        workshop
            .order(key(2), Urgency::Now, LONG, |_| made())
            .unwrap_err(),
        Full
    );
    for held in held {
        held.go.send(()).unwrap();
        wait(held.ticket).unwrap();
    }
    wait_for("free", || workshop.status().working == 0);
    wait(
        workshop
            .order(key(2), Urgency::Now, LONG, |_| made())
            .unwrap(),
    )
    .unwrap();
}

#[test]
fn what_can_wait_waits_for_all_that_is_urgent() {
    let workshop = Workshop::new(1, 8);
    let held = hold(&workshop, 0, Urgency::Now);
    let told = Told::new();
    let order = |number, urgency| told.order(&workshop, number, urgency).unwrap();
    let mut tickets: Vec<_> = [1, 2, 3].map(|n| order(n, Urgency::Later)).into();
    tickets.extend([4, 5].map(|n| order(n, Urgency::Now)));
    // Somebody waits for it now: it comes after those that waited before.
    tickets.push(order(2, Urgency::Now));
    let status = workshop.status();
    assert_eq!((status.waiting, status.later), (3, 2));
    held.go.send(()).unwrap();
    for ticket in tickets {
        wait(ticket).unwrap();
    }
    assert_eq!(told.all(), [4, 5, 2, 1, 3]);
}

#[test]
fn what_nobody_wants_any_more_is_not_made() {
    let workshop = Workshop::new(1, 8);
    let held = hold(&workshop, 0, Urgency::Now);
    let told = Told::new();
    let order = |number, urgency| told.order(&workshop, number, urgency).unwrap();
    // One of two goes; both go; nobody ever waited; it could wait, was urgent, and is not any more.
    let (gone, stays) = (order(1, Urgency::Now), order(1, Urgency::Now));
    drop(gone);
    drop((order(2, Urgency::Now), order(2, Urgency::Now)));
    drop(order(3, Urgency::Later));
    drop((order(4, Urgency::Later), order(4, Urgency::Now)));
    drop((order(5, Urgency::Now), order(5, Urgency::Later)));
    let status = workshop.status();
    assert_eq!((status.waiting, status.later), (1, 3));
    // An old ticket is none for a new order.
    let old = order(6, Urgency::Now);
    let again = order(6, Urgency::Now);
    drop(old);
    // What is begun is finished.
    drop(held.ticket);
    held.go.send(()).unwrap();
    for ticket in [stays, again] {
        wait(ticket).unwrap();
    }
    wait_for("all", || {
        let status = workshop.status();
        status.later + status.working == 0
    });
    // Of the others, those that came first to where nobody waits.
    assert_eq!(told.all(), [1, 6, 3, 4, 5]);
}

#[test]
fn a_ticket_that_was_asked_before_is_woken() {
    let workshop = Workshop::new(1, 8);
    let held = hold(&workshop, 0, Urgency::Now);
    let mut ticket = workshop
        .order(key(0), Urgency::Now, LONG, |_| made())
        .unwrap();
    assert!((&mut ticket).now_or_never().is_none());
    let waiting = std::thread::spawn(move || wait(ticket));
    held.go.send(()).unwrap();
    waiting.join().unwrap().unwrap();
    wait(held.ticket).unwrap();
}

#[test]
fn one_of_several_threads_is_free_for_what_is_urgent() {
    let workshop = Workshop::new(2, 8);
    let held = hold(&workshop, 0, Urgency::Later);
    let told = Told::new();
    let later = told.order(&workshop, 1, Urgency::Later).unwrap();
    wait(told.order(&workshop, 2, Urgency::Now).unwrap()).unwrap();
    assert_eq!(workshop.status().later, 1);
    held.go.send(()).unwrap();
    for ticket in [held.ticket, later] {
        wait(ticket).unwrap();
    }
    assert_eq!(told.all(), [2, 1]);
}

#[test]
fn the_queue_of_what_can_wait_is_bounded() {
    let workshop = Workshop::new(1, 8);
    let held = hold(&workshop, 0, Urgency::Now);
    let count = Arc::new(AtomicUsize::new(0));
    for number in 0..=line::LATER {
        let mut key = [255; 16];
        key[..8].copy_from_slice(&number.to_be_bytes());
        let count = count.clone();
        let work = move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            made()
        };
        let ordered = workshop.order(VariantKey(key), Urgency::Later, LONG, work);
        assert_eq!(ordered.is_err(), number == line::LATER, "{number}");
    }
    assert_eq!(workshop.status().dropped, 1);
    held.go.send(()).unwrap();
    wait_for("all", || count.load(Ordering::SeqCst) == line::LATER);
}

#[test]
fn a_panic_is_an_outcome() {
    let workshop = Workshop::new(1, 8);
    let work = |_| std::panic::resume_unwind(Box::new("oh"));
    let fault = wait(workshop.order(key(1), Urgency::Now, LONG, work).unwrap()).unwrap_err();
    assert_eq!(fault, Fault::Encoder("it panicked: oh".to_string()));
    let work = |_| std::panic::resume_unwind(Box::new(7));
    let fault = wait(workshop.order(key(1), Urgency::Now, LONG, work).unwrap()).unwrap_err();
    assert_eq!(
        fault,
        Fault::Encoder("it panicked: without a word".to_string())
    );
    wait(
        workshop
            .order(key(1), Urgency::Now, LONG, |_| made())
            .unwrap(),
    )
    .unwrap();
    assert_eq!(workshop.status().panics, 2);
}

#[test]
fn the_time_begins_with_the_work() {
    let workshop = Workshop::new(1, 8);
    let held = hold(&workshop, 0, Urgency::Now);
    let time = Duration::from_secs(10);
    let (tell, told) = channel();
    let work = move |deadline: Deadline| {
        tell.send((Instant::now(), deadline.0)).unwrap();
        made()
    };
    let ordered = Instant::now();
    let ticket = workshop.order(key(1), Urgency::Now, time, work).unwrap();
    while ordered.elapsed() < Duration::from_millis(20) {
        std::thread::yield_now();
    }
    let let_go = Instant::now();
    held.go.send(()).unwrap();
    wait(ticket).unwrap();
    let (begun, deadline) = told.recv().unwrap();
    assert!(deadline >= let_go + time && deadline <= begun + time);
    // However long it may take, there is an end.
    let work = |deadline: Deadline| deadline.check().map(|()| Kept::OriginalIsBest);
    wait(
        workshop
            .order(key(1), Urgency::Now, Duration::MAX, work)
            .unwrap(),
    )
    .unwrap();
}

#[test]
fn the_end_waits_for_nobody_and_is_told() {
    let workshop = Workshop::new(1, 8);
    let held = hold(&workshop, 0, Urgency::Now);
    let told = Told::new();
    let waiting = told.order(&workshop, 1, Urgency::Now).unwrap();
    drop(told.order(&workshop, 2, Urgency::Later).unwrap());
    let shared = Arc::downgrade(&workshop.shared);
    drop(workshop);
    for ticket in [held.ticket, waiting] {
        assert!(matches!(wait(ticket), Err(Fault::Encoder(_))));
    }
    assert!(told.all().is_empty());
    held.go.send(()).unwrap();
    wait_for("the thread's end", || shared.strong_count() == 0);
}

#[test]
fn another_number_of_threads() {
    let workshop = Workshop::new(1, 8);
    let first = hold(&workshop, 0, Urgency::Now);
    let told = Told::new();
    let waiting = told.order(&workshop, 1, Urgency::Now).unwrap();
    // What waits is taken by those that come.
    workshop.resize(3, 0);
    wait(waiting).unwrap();
    let others = [2, 3].map(|n| hold(&workshop, n, Urgency::Now));
    assert_eq!(workshop.status().working, 3);
    assert!(told.order(&workshop, 4, Urgency::Now).is_err());
    workshop.resize(1, 8);
    let waiting = told.order(&workshop, 4, Urgency::Now).unwrap();
    let [second, third] = others;
    for held in [second, third] {
        held.go.send(()).unwrap();
        wait(held.ticket).unwrap();
    }
    // They were too many, and ended: the one that is left is busy.
    wait_for("fewer threads", || workshop.shared.state().running == 1);
    assert_eq!(workshop.status().waiting, 1);
    first.go.send(()).unwrap();
    wait(first.ticket).unwrap();
    wait(waiting).unwrap();
    assert_eq!(told.all(), [1, 4]);
}

#[test]
fn nothing_is_lost_when_many_order_and_many_give_up() {
    let workshop = Workshop::new(3, 16);
    let made_count = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for turn in 0..8_usize {
            let (workshop, count) = (&workshop, made_count.clone());
            scope.spawn(move || {
                for step in 0..2000_usize {
                    let number = u8::try_from((step * 31 + turn * 17) % 40).unwrap();
                    let urgency = [Urgency::Now, Urgency::Later][usize::from(step % 5 == 0)];
                    let count = count.clone();
                    let work = move |_| {
                        count.fetch_add(1, Ordering::SeqCst);
                        made()
                    };
                    match workshop.order(key(number), urgency, LONG, work) {
                        Ok(ticket) if step % 3 == 0 => wait(ticket).map(drop).unwrap(),
                        Ok(ticket) => drop(ticket),
                        Err(Full) => {}
                    }
                }
            });
        }
    });
    wait_for("quiet", || {
        let status = workshop.status();
        status.waiting + status.later + status.working == 0
    });
    assert!(made_count.load(Ordering::SeqCst) > 0);
    assert!(workshop.shared.state().running <= 3);
}
