//! Threads that work beside requests let those go first.

/// Gives the calling thread a lower priority: on a machine that is busy it gets about a tenth of
/// what a thread that serves requests gets.
pub fn give_way() {
    lower(10);
}

/// The lowest priority: on a machine that is busy the thread gets a hundredth. For what can wait
/// for minutes, and has where to wait.
pub fn give_way_to_all() {
    lower(19);
}

/// Has the calling thread, which keeps its share, wait for its turn: else what has slept gets a
/// processor at once, and the thread that serves requests there loses it, a hundred times a second
/// (`SCHED_BATCH`, sched(7)).
pub fn wait_for_turn() {
    let usual = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameter is read during the call only; 0 means the calling thread.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const usual) };
}

fn lower(nice: libc::c_int) {
    // SAFETY: a plain system call without pointers; 0 means the calling thread, on Linux.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
}
