//! Tests that measure time have the machine to themselves; all others run beside each other.

use std::sync::{Condvar, Mutex};

static RUNNING: Mutex<Running> = Mutex::new(Running {
    together: 0,
    alone: false,
});
static ENDED: Condvar = Condvar::new();

struct Running {
    together: usize,
    alone: bool,
}

/// The right to run; ends when it is dropped.
pub enum Turn {
    Together,
    Alone,
    /// Within the turn that the test has already.
    Within,
}

impl Turn {
    /// Beside all others that are not alone. A test may take several.
    pub fn together() -> Self {
        let running = RUNNING.lock().unwrap();
        let mut running = ENDED.wait_while(running, |r| r.alone).unwrap();
        running.together += 1;
        Turn::Together
    }

    /// As the only test of this file. A test that has a turn already would wait for ever.
    pub fn alone() -> Self {
        let running = RUNNING.lock().unwrap();
        let busy = |r: &mut Running| r.alone || r.together > 0;
        let mut running = ENDED.wait_while(running, busy).unwrap();
        running.alone = true;
        Turn::Alone
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = RUNNING.lock().unwrap();
        match self {
            Turn::Together => running.together -= 1,
            Turn::Alone => running.alone = false,
            Turn::Within => {}
        }
        ENDED.notify_all();
    }
}
