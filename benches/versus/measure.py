"""One load run, and what the server used meanwhile."""

import os
import subprocess
import time
from dataclasses import dataclass
from typing import Dict, Optional

import h2load
import handshakes
import wrk
from process import Failure, Process

# Reading the memory costs the kernel a walk over the server's pages; the peak of a load that does
# not change is found with a few looks.
MEMORY_EVERY_SECONDS = 0.25

# By the name that a row says. Each has `command`, and `judge` that makes a Summary of its output.
LOADS = {"wrk": wrk, "h2load": h2load, "handshakes": handshakes}


# The name of parvis's threads that serve requests.
SERVING = "worker"


@dataclass
class Measurement:
    """One server, one row, one round. A request is a handshake where a row makes only these."""

    rps: float
    # CPU time per request, in microseconds.
    cpu_us: float
    memory_kib: int
    # None where the load does not tell.
    p99_ms: Optional[float]
    requests: int
    # Lines in the access log per request; None without a log.
    logged: Optional[float]
    # CPU time per request by the name of the server's threads, in microseconds.
    threads_us: Dict[str, float]
    # Memory that a connection takes while nothing happens; None where that is not measured.
    idle_bytes: Optional[float] = None

    @property
    def request_cpu_us(self):
        """That of parvis's threads that serve requests."""
        return self.threads_us.get(SERVING, 0)

    @property
    def per_cpu_second(self):
        """Requests that a second of CPU time is enough for."""
        return 1e6 / self.cpu_us


def load(server, row, seconds, connections, answer):
    """Loads the server with requests whose answers weigh as much as `answer`."""
    connections = row.connections or connections
    tool = LOADS[row.load]
    command = tool.command(server, row, seconds, connections)

    memory = 0
    visits = server.visits.delivered() if server.visits else 0
    before, threads_before = server.process.cpu_seconds(), server.process.cpu_seconds_of_threads()
    deadline = time.monotonic() + seconds + 30
    environment = {**os.environ, **(server.tls.environment if server.tls else {})}
    with Process(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                 env=environment) as client:
        while True:
            # Its output is one screen, so the pipe cannot fill while nobody reads it.
            try:
                client.popen.wait(MEMORY_EVERY_SECONDS)
                break
            except subprocess.TimeoutExpired:
                memory = max(memory, server.process.memory_kib())
            if time.monotonic() > deadline:
                raise Failure(f"row {row.name}: {row.load} on {server.name} does not end")
        output = client.popen.stdout.read()

    def wrong(what):
        return Failure(f"row {row.name}: {what} from {server.name} under load\n{output.strip()}")

    if not server.process.alive():
        raise wrong("the server ended: no answers")
    try:
        summary = tool.judge(output, client.popen.returncode, row, connections, answer)
    except ValueError as error:
        raise wrong(error) from error
    if not summary.requests:
        raise wrong("not one answer")
    serving = server.process.cpu_seconds_of_threads()
    if server.visits:
        server.visits.wait(visits + summary.requests)
    cpu = server.process.cpu_seconds() - before
    # What those who serve requests do while the rest is waited for is none of the requests'.
    threads = server.process.cpu_seconds_of_threads()
    if SERVING in serving:
        threads[SERVING] = serving[SERVING]
    return Measurement(
        rps=summary.requests / summary.seconds,
        cpu_us=cpu * 1e6 / summary.requests,
        memory_kib=memory,
        p99_ms=summary.p99_ms,
        requests=summary.requests,
        logged=logged(server.log, summary.requests) if server.log and row.asks else None,
        threads_us={name: (seconds - threads_before.get(name, 0)) * 1e6 / summary.requests
                    for name, seconds in threads.items()},
    )


def logged(log, requests):
    """Lines in the log per request. The log is emptied, so that it does not fill the disk."""
    # Both hold lines back for a moment.
    deadline = time.monotonic() + 3
    while True:
        with open(log, "rb") as file:
            lines = sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))
        if lines >= requests or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    # Both append, so the next line goes to the new end.
    with open(log, "wb"):
        pass
    return lines / requests
