"""Processes that cannot outlive this one, and what they use."""

import contextlib
import ctypes
import os
import signal
import subprocess

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# Loaded here: between fork and exec is no place to look for a library.
LIBC = ctypes.CDLL(None)
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """Ends the comparison. The text is what the user reads."""

    def __init__(self, text, status=3):
        super().__init__(text)
        self.status = status


def adopt_orphans():
    """Workers whose master was killed become our children, so that we can reap them.

    Otherwise that would be up to process 1, and in a container that often never does it.
    """
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)


class Process:
    """A process group of its own, killed whole on leaving the `with` block.

    Should this process be killed before it gets there, the kernel sends `at_our_death` to the
    group's leader. For one that has workers this has to be a signal on which it ends them.
    """

    def __init__(self, command, at_our_death=signal.SIGKILL, **popen):
        us = os.getpid()

        def before_exec():
            LIBC.prctl(PR_SET_PDEATHSIG, at_our_death)
            if os.getppid() != us:  # it happened before the kernel was asked
                os._exit(1)

        self.popen = subprocess.Popen(command, start_new_session=True, preexec_fn=before_exec,
                                      stdin=subprocess.DEVNULL, **popen)
        self.pid = self.popen.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # None of these holds anything worth a graceful end. Once it is reaped, its number may
        # belong to somebody else.
        if self.popen.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()
            # All of the group is dying and ours by now: wait until it is gone.
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.waitpid(-self.pid, 0)
        for pipe in (self.popen.stdout, self.popen.stderr):
            if pipe:
                pipe.close()

    def alive(self):
        # Not poll(): that reaps the leader, and then its workers could not be killed as a group.
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, look) is None

    def family(self):
        """The process and all its descendants that live now."""
        parents = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                stat = read_stat(name)
                if stat:
                    parents.setdefault(int(stat[1]), []).append(int(name))
        found = [self.pid]
        for pid in found:  # grows while it runs
            found.extend(parents.get(pid, []))
        return found

    def cpu_seconds(self):
        """User and system time since the start, with that of children that have ended."""
        ticks = 0
        for pid in self.family():
            stat = read_stat(pid)
            if stat:
                ticks += sum(int(stat[n]) for n in (11, 12, 13, 14))
        return ticks / TICKS_PER_SECOND

    def cpu_seconds_of_threads(self):
        """The same by the name of threads that live now, without numbers at the name's end."""
        found = {}
        for pid in self.family():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for thread in os.listdir(f"/proc/{pid}/task"):
                    name, seconds = read_thread(f"/proc/{pid}/task/{thread}")
                    found[name] = found.get(name, 0) + seconds
        return found

    def memory_kib(self):
        """Proportional set size: a page shared by n processes counts 1/n in each."""
        total = 0
        for pid in self.family():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as lines:
                    total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it ended meanwhile
        return total

    def sockets(self):
        """How many sockets are open now, listening ones included."""
        count = 0
        for pid in self.family():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for file in os.scandir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                        count += os.readlink(file.path).startswith("socket:")
        return count


def read_stat(pid):
    """The fields of /proc/PID/stat after the name, from the state on; None if there is no such one.

    In proc(5) the state is field 3, so field n there is n - 3 here. The name is skipped because it
    may hold spaces and brackets.
    """
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def read_thread(folder):
    """The name of a thread, and its CPU time in seconds; none for one that has ended."""
    try:
        with open(f"{folder}/comm") as comm, open(f"{folder}/schedstat") as schedstat:
            # In nanoseconds. /proc/PID/stat has hundredths of a second, which of several threads
            # together is as much as what is looked for.
            return comm.read().strip().rstrip("-0123456789"), int(schedstat.read().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
