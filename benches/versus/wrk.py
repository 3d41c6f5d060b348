"""One load run, and what the server used meanwhile."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional

from contenders import HOST
from process import Failure, Process

SCRIPT = Path(__file__).resolve().parent / "wrk.lua"

# Reading the memory costs the kernel a walk over the server's pages; the peak of a load that does
# not change is found with a few looks.
MEMORY_EVERY_SECONDS = 0.25

# How much longer than the one that was checked the answers under load may be on average, for what
# marks the chunks and for fields that vary.
LONGER_BYTES, LONGER_SHARE = 150, 0.01


@dataclass
class Measurement:
    """One server, one row, one round."""

    rps: float
    # CPU time per request, in microseconds.
    cpu_us: float
    memory_kib: int
    p99_ms: float
    requests: int
    # Lines in the access log per request; None without a log.
    logged: Optional[float]
    # CPU time per request by the name of the server's threads, in microseconds.
    threads_us: Dict[str, float]

    @property
    def request_cpu_us(self):
        """That of parvis's threads that serve requests."""
        return self.threads_us.get("worker", 0)


def load(server, row, seconds, connections, answer):
    """Loads the server with requests whose answers weigh as much as `answer`."""
    connections = row.connections or connections
    # A thread without a connection is refused by wrk.
    threads = min(row.wrk_threads, connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
               "-s", str(SCRIPT)]
    for name, value in row.headers_for(server.name).items():
        command += ["-H", f"{name}: {value}"]
    command.append(f"http://{HOST}:{server.port}{row.path}")

    memory = 0
    visits = server.visits.delivered() if server.visits else 0
    before, threads_before = server.process.cpu_seconds(), server.process.cpu_seconds_of_threads()
    deadline = time.monotonic() + seconds + 30
    with Process(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as wrk:
        while True:
            # Its output is one screen, so the pipe cannot fill while nobody reads it.
            try:
                wrk.popen.wait(MEMORY_EVERY_SECONDS)
                break
            except subprocess.TimeoutExpired:
                memory = max(memory, server.process.memory_kib())
            if time.monotonic() > deadline:
                raise Failure(f"row {row.name}: wrk on {server.name} does not end")
        output = wrk.popen.stdout.read()

    summary = judge(output, wrk.popen.returncode, server, row, connections, answer)
    if server.visits:
        server.visits.wait(visits + summary["requests"])
    cpu = server.process.cpu_seconds() - before
    threads = server.process.cpu_seconds_of_threads()
    return Measurement(
        rps=summary["requests"] / (summary["microseconds"] / 1e6),
        cpu_us=cpu * 1e6 / summary["requests"],
        memory_kib=memory,
        p99_ms=summary["p99_us"] / 1e3,
        requests=summary["requests"],
        logged=logged(server.log, summary["requests"]) if server.log else None,
        threads_us={name: (seconds - threads_before.get(name, 0)) * 1e6 / summary["requests"]
                    for name, seconds in threads.items()},
    )


def judge(output, status, server, row, connections, answer):
    """The summary that wrk.lua printed, if the run was without fault."""
    def wrong(what):
        return Failure(f"row {row.name}: {what} from {server.name} under load\n{output.strip()}")

    marked = [line for line in output.splitlines() if line.startswith("SUMMARY ")]
    if status != 0 or len(marked) != 1:
        raise wrong(f"wrk ended with status {status}, no result")
    summary = json.loads(marked[0][len("SUMMARY "):])
    errors = {name: summary[name] for name in ("connect", "read", "write", "timeout")}
    if any(errors.values()):
        raise wrong("socket errors " + ", ".join(f"{n} {what}" for what, n in errors.items() if n))
    # These are 4xx and 5xx only; a 3xx is seen by the size of the answers.
    if summary["status"] or "Non-2xx" in output:
        raise wrong(f"{summary['status']} answers that are not 2xx")
    if not server.process.alive():
        raise wrong("the server ended: no answers")
    if not summary["requests"]:
        raise wrong("not one answer")
    if summary["bytes"] < summary["requests"] * answer.body_bytes:
        raise wrong(f"answers of less than {answer.body_bytes} bytes")
    # The bytes of those that the end cut off are counted too, one at most per connection. More than
    # that, and what was checked is not what was measured: it was compressed better, for example.
    longest = answer.whole_bytes * (1 + LONGER_SHARE) + LONGER_BYTES
    if summary["bytes"] > (summary["requests"] + connections) * longest:
        one = summary["bytes"] / summary["requests"]
        raise wrong(f"answers of {one:.0f} bytes, {answer.whole_bytes} before it,")
    return summary


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
