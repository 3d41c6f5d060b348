use super::order::STALLED;
use super::*;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::time::Duration;

fn priority(urgency: u8, incremental: bool) -> Priority {
    Priority {
        urgency,
        incremental,
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An order with a clock of its own.
struct Clocked {
    order: Order,
    now: Instant,
    calls: Vec<(Place, Arc<Count>)>,
}

impl Clocked {
    fn new() -> Self {
        Clocked {
            order: Order::default(),
            now: Instant::now(),
            calls: Vec::new(),
        }
    }

    fn later(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn begin(&mut self, urgency: u8, incremental: bool) -> Place {
        let place = self.order.begin(priority(urgency, incremental), self.now);
        self.calls.push((place, Arc::default()));
        place
    }

    fn ask(&mut self, place: Place) -> May {
        let (_, count) = self.calls.iter().find(|(of, _)| *of == place).unwrap();
        let waker = Waker::from(Arc::clone(count));
        let (may, woken) = self.order.ask(place, &waker, self.now);
        woken.into_iter().for_each(Waker::wake);
        may
    }

    fn waits(&mut self, place: Place) -> bool {
        self.ask(place) != May::Go
    }

    fn moved(&mut self, place: Place) {
        self.order.moved(place, self.now);
    }

    fn leave(&mut self, place: Place) {
        let woken = self.order.leave(place, self.now);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Whether it was woken since this was asked last.
    fn woken(&self, place: Place) -> bool {
        let (_, count) = self.calls.iter().find(|(of, _)| *of == place).unwrap();
        count.0.swap(0, Ordering::Relaxed) > 0
    }
}

#[test]
fn the_urgent_goes_first_as_long_as_it_gets_on() {
    let mut clock = Clocked::new();
    let slow = clock.begin(5, true);
    assert_eq!(clock.ask(slow), May::Go);
    let fast = clock.begin(1, false);
    for _ in 0..100 {
        assert!(clock.waits(slow));
        assert_eq!(clock.ask(fast), May::Go);
        clock.later(49);
        clock.moved(fast);
    }
    assert_eq!(clock.ask(slow), May::WaitUntil(clock.now + STALLED));
    assert!(!clock.woken(slow));
    clock.leave(fast);
    assert!(clock.woken(slow));
    assert_eq!(clock.ask(slow), May::Go);
}

#[test]
fn whoever_is_stuck_has_nobody_wait() {
    let mut clock = Clocked::new();
    let (fast, slow) = (clock.begin(1, false), clock.begin(2, false));
    let slowest = clock.begin(3, false);
    assert_eq!(clock.ask(slowest), May::WaitUntil(clock.now + STALLED));
    // Only the first of those who wait needs a timer.
    assert_eq!(clock.ask(slow), May::WaitUntil(clock.now + STALLED));
    assert_eq!(clock.ask(slowest), May::Wait);
    clock.later(50);
    assert_eq!(clock.ask(slow), May::Go);
    // Now that one is ahead, and the last has to look after itself.
    assert!(clock.woken(slowest));
    assert_eq!(clock.ask(slowest), May::WaitUntil(clock.now + STALLED));
    clock.later(50);
    assert_eq!(clock.ask(slowest), May::Go);
    // Asking is no progress.
    assert_eq!(clock.ask(fast), May::Go);
    assert_eq!(clock.ask(slowest), May::Go);
    // Sending is.
    clock.moved(fast);
    assert!(clock.waits(slowest) && clock.waits(slow));
}

#[test]
fn the_same_timer_lets_all_go_that_may() {
    let mut clock = Clocked::new();
    let _stuck = clock.begin(0, false);
    let whole = [clock.begin(3, false), clock.begin(3, false)];
    let parts = [clock.begin(3, true), clock.begin(3, true)];
    for place in whole.into_iter().chain(parts) {
        assert!(clock.waits(place));
    }
    assert!(matches!(clock.ask(whole[0]), May::WaitUntil(_)));
    clock.later(50);
    assert!(!clock.woken(whole[1]) && !clock.woken(parts[0]));
    assert_eq!(clock.ask(whole[0]), May::Go);
    assert!(clock.woken(parts[0]) && clock.woken(parts[1]));
    // Woken too, to set its timer, for it is the first that waits now.
    assert!(clock.woken(whole[1]));
    assert!(matches!(clock.ask(whole[1]), May::WaitUntil(_)));
}

#[test]
fn among_equals_wholes_go_in_order_and_parts_by_turns() {
    let mut clock = Clocked::new();
    let first = clock.begin(3, false);
    let part = clock.begin(3, true);
    let second = clock.begin(3, false);
    let other = clock.begin(3, true);
    let third = clock.begin(3, false);
    for place in [first, part, other] {
        assert_eq!(clock.ask(place), May::Go);
    }
    assert!(clock.waits(third) && clock.waits(second));
    clock.leave(part);
    assert!(clock.waits(second));
    clock.leave(first);
    assert!(clock.woken(second));
    assert!(clock.waits(third));
    assert_eq!(clock.ask(second), May::Go);
    // The one with the timer leaves: the next sets its own.
    let fourth = clock.begin(3, false);
    assert_eq!(clock.ask(fourth), May::Wait);
    clock.leave(third);
    assert!(clock.woken(fourth));
    assert!(matches!(clock.ask(fourth), May::WaitUntil(_)));
}

#[test]
fn whoever_was_alone_is_ahead_of_the_next() {
    let mut clock = Clocked::new();
    let first = clock.begin(3, false);
    clock.later(10_000);
    assert!(clock.order.alone());
    clock.order.go_alone();
    let second = clock.begin(3, false);
    assert!(clock.waits(second));
    assert_eq!(clock.ask(first), May::Go);
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap().block_on(test);
}

#[test]
fn a_timer_ends_the_wait_for_the_stuck() {
    fn is_send<T: Send>(of: T) -> T {
        of
    }
    run(async {
        let turns = Turns::default();
        let mut stuck = is_send(turns.begin(priority(0, false)));
        poll_fn(|cx| stuck.poll_turn(cx)).await;
        let start = Instant::now();
        let mut waiting = Vec::new();
        for urgency in 1..4 {
            let mut turn = turns.begin(priority(urgency, false));
            waiting.push(tokio::spawn(async move {
                poll_fn(|cx| turn.poll_turn(cx)).await;
                (Instant::now(), turn)
            }));
        }
        // Each goes on when the one before it is stuck too.
        let mut kept = Vec::new();
        for (n, task) in (1..).zip(waiting) {
            let (when, turn) = task.await.unwrap();
            assert!(when - start >= STALLED * n, "{n}");
            kept.push(turn);
        }
    });
}

#[test]
fn everything_is_sent_whoever_comes_and_goes() {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    run(async {
        let turns = Turns::default();
        let mut tasks = Vec::new();
        for seed in 0..60 {
            let turns = turns.clone();
            tasks.push(tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(seed);
                for _ in 0..5 {
                    let asked = priority(random.gen_range(0..4), random.r#gen());
                    let mut turn = turns.begin(asked);
                    for _ in 0..random.gen_range(1..10) {
                        poll_fn(|cx| turn.poll_turn(cx)).await;
                        match random.gen_range(0..10) {
                            0 => {}
                            1 => tokio::time::sleep(Duration::from_millis(1)).await,
                            _ => turn.progress(1_000),
                        }
                        tokio::task::yield_now().await;
                    }
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert!(
            turns
                .lock()
                .ask((0, 0), Waker::noop(), Instant::now())
                .1
                .is_empty()
        );
    });
}
