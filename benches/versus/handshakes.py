"""Load of nothing but TLS handshakes, new or resumed ones."""

import sys
from pathlib import Path

import tls
from summary import Summary, marked

CLIENTS = Path(__file__).resolve().parent / "tls_clients.py"


def command(server, row, seconds, connections):
    kind = "resumed" if row.resumed else "new"
    return clients(kind, server, row, seconds, connections)


def clients(kind, server, row, *numbers):
    # -B: nothing is to be left in the source tree.
    words = [sys.executable, "-B", CLIENTS, kind, server.tls.certificate, server.port, row.path]
    return [str(word) for word in [*words, *numbers]]


def judge(output, status, row, _connections, _answer):
    """The Summary, if the run was without fault. A ValueError tells what was wrong."""
    told = marked(output, status)
    expected = told["connections"] if row.resumed else 0
    if told["resumed"] != expected:
        raise ValueError(f"{told['resumed']} resumed handshakes of {told['connections']}, "
                         f"not {expected},")
    agreed(told)
    return Summary(told["connections"], told["seconds"], told["p99_ms"])


def agreed(told):
    """Looks whether all connections were of the one kind that is compared."""
    if told["agreed"] != [[tls.VERSION, tls.SUITE, "http/1.1"]]:
        raise ValueError(f"connections of {told['agreed']}")
