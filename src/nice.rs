//! Threads that work beside requests let those go first.

/// Gives the calling thread a lower priority: on a machine that is busy it gets about a tenth of
/// what a thread that serves requests gets. What it does can wait, and what waits for it has room.
pub fn give_way() {
    const NICE: libc::c_int = 10;
    // SAFETY: a plain system call without pointers; 0 means the calling thread, on Linux.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
}
