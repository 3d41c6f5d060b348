"""Load over HTTP/1.1, with or without TLS, by wrk."""

from pathlib import Path

from contenders import HOST
from summary import Summary, marked

SCRIPT = Path(__file__).resolve().parent / "wrk.lua"

# How much longer than the one that was checked the answers under load may be on average, for what
# marks the chunks and for fields that vary.
LONGER_BYTES, LONGER_SHARE = 150, 0.01


def command(server, row, seconds, connections):
    # A thread without a connection is refused by wrk.
    threads = min(row.client_threads, connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
               "-s", str(SCRIPT)]
    for name, value in row.headers_for(server.name).items():
        command += ["-H", f"{name}: {value}"]
    scheme = "https" if server.tls else "http"
    return [*command, f"{scheme}://{HOST}:{server.port}{row.path}"]


def judge(output, status, _row, connections, answer):
    """The Summary, if the run was without fault. A ValueError tells what was wrong."""
    told = marked(output, status)
    errors = {name: told[name] for name in ("connect", "read", "write", "timeout")}
    if any(errors.values()):
        raise ValueError("socket errors "
                         + ", ".join(f"{n} {what}" for what, n in errors.items() if n))
    # These are 4xx and 5xx only; a 3xx is seen by the size of the answers.
    if told["status"] or "Non-2xx" in output:
        raise ValueError(f"{told['status']} answers that are not 2xx")
    requests = told["requests"]
    if told["bytes"] < requests * answer.body_bytes:
        raise ValueError(f"answers of less than {answer.body_bytes} bytes")
    # The bytes of those that the end cut off are counted too, one at most per connection. More than
    # that, and what was checked is not what was measured: it was compressed better, for example.
    longest = answer.whole_bytes * (1 + LONGER_SHARE) + LONGER_BYTES
    if told["bytes"] > (requests + connections) * longest:
        one = told["bytes"] / max(requests, 1)
        raise ValueError(f"answers of {one:.0f} bytes, {answer.whole_bytes} before it,")
    return Summary(requests, told["microseconds"] / 1e6, told["p99_us"] / 1e3)
