"""What connections cost that nothing happens on: memory."""

import os
import resource
import subprocess
import time

import check
import handshakes
from measure import Measurement
from process import Failure, Process
from summary import MARK, marked

# Of the clients: OpenSSL's half of the handshakes takes time too.
PROCESSES = 4
# Files that a server opens beside the connections, generously: it may keep some back for itself.
SPARE_FILES = 2000
# How long it may take until the memory holds still.
SETTLE_SECONDS = 20
LOOK_EVERY_SECONDS = 0.5
# What is no change of the memory.
STILL_KIB = 64


def allow_files(rows):
    """Raises the limit of open files, for us and for all that we start, as far as rows need it."""
    most = max((row.idle for row in rows), default=0)
    if not most:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Failure(f"{most} connections need {wanted} open files, and the limit is {hard}: "
                      f"raise it (ulimit -Hn {wanted})", status=2)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def measure(contender, row, backend, home):
    """Starts the server, opens the connections and holds them. Returns (Measurement, Answer).

    The server is new each time: the memory of the round before would be there already.
    """
    with contender.start(row, backend, home) as server:
        answer = check.check(server, row, backend)
        before, sockets = still(server), server.process.sockets()
        cpu = server.process.cpu_seconds()
        command = handshakes.clients("idle", server, row, row.idle, PROCESSES)
        environment = {**os.environ, **server.tls.environment}
        with Process(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                     env=environment) as clients:
            told = opened(clients, server, row)
            cpu = server.process.cpu_seconds() - cpu
            after = still(server)
            left = server.process.sockets() - sockets
        if left < row.idle:
            raise Failure(f"row {row.name}: of {row.idle} connections {server.name} holds {left}")
        return Measurement(
            rps=row.idle / told["seconds"],
            cpu_us=cpu * 1e6 / row.idle,
            memory_kib=after,
            p99_ms=told["p99_ms"],
            requests=row.idle,
            logged=None,
            threads_us={},
            idle_bytes=(after - before) * 1024 / row.idle,
        ), answer


def opened(clients, server, row):
    """Waits until the clients have all connections, or give up. Returns what they tell."""
    lines = []
    for line in clients.popen.stdout:
        lines.append(line)
        if line.startswith(MARK):
            break
    try:
        told = marked("".join(lines), 0)
        handshakes.agreed(told)
    except ValueError as error:
        text = "".join(lines).strip()
        raise Failure(f"row {row.name}: {error} with {server.name}\n{text}") from error
    return told


def still(server):
    """The memory in KiB, once it does not change any more."""
    end = time.monotonic() + SETTLE_SECONDS
    last = None
    while True:
        now = server.process.memory_kib()
        if last is not None and abs(now - last) <= STILL_KIB or time.monotonic() > end:
            return now
        last = now
        time.sleep(LOOK_EVERY_SECONDS)
