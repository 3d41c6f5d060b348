#!/usr/bin/env python3
"""Clients that open TLS connections, in several processes. Prints one line for handshakes.py.

    tls_clients.py new|resumed CERTIFICATE PORT PATH SECONDS PROCESSES
    tls_clients.py idle        CERTIFICATE PORT PATH CONNECTIONS PROCESSES

`new` and `resumed` make one handshake after the other; `resumed` makes one request before it
counts, to get a ticket. `idle` makes one request on each connection, and holds them all until it is
killed.
"""

import json
import multiprocessing
import signal
import socket
import sys
import time

from contenders import HOST
from summary import MARK
from tls import context

# A handshake takes milliseconds; this is for a server that hangs.
PATIENCE_SECONDS = 10
# All connections of `idle` are there after some seconds.
IDLE_SECONDS = 120


class Client:
    """What one process counts, or holds."""

    def __init__(self, certificate, port, path):
        self.context, self.port, self.path = context(certificate), port, path
        self.seconds, self.resumed, self.agreed = [], 0, set()

    def connect(self, session=None):
        plain = socket.create_connection((HOST, self.port), timeout=PATIENCE_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        before = time.monotonic()
        connection = self.context.wrap_socket(plain, server_hostname="localhost", session=session)
        self.seconds.append(time.monotonic() - before)
        self.resumed += connection.session_reused
        suite, _, _ = connection.cipher()
        self.agreed.add((connection.version(), suite, connection.selected_alpn_protocol()))
        return connection

    def ask(self, connection):
        """One request, and its answer to the last byte."""
        connection.sendall(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer, wanted = b"", None
        while wanted is None or len(answer) < wanted:
            piece = connection.recv(1 << 16)
            assert piece, f"the server ends the connection in its answer {answer[:200]}"
            answer += piece
            head, end, _ = answer.partition(b"\r\n\r\n")
            if end and wanted is None:
                assert head.startswith(b"HTTP/1.1 200 "), head
                (length,) = [line.split(b":")[1] for line in head.lower().split(b"\r\n")
                             if line.startswith(b"content-length:")]
                wanted = len(head) + len(end) + int(length)
        # What was sent after the handshake is read by now.
        return connection.session

    def told(self):
        return self.seconds, self.resumed, self.agreed


def handshakes(client, resumed, seconds):
    session = None
    if resumed:
        with client.connect() as connection:
            session = client.ask(connection)
        assert session and session.has_ticket, "the server gives no ticket"
        client.seconds, client.resumed, client.agreed = [], 0, set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection = client.connect(session)
        # Says that it ends, and waits until the server has ended it too: all that a connection
        # costs is paid then, tickets included. Servers need not say it, and nginx does not.
        try:
            connection.unwrap().close()
        except OSError:
            connection.close()
    return client.told()


def held(client, count):
    """Opens connections, each with one request behind it."""
    connections = []
    for _ in range(count):
        connections.append(client.connect())
        client.ask(connections[-1])
    return connections


def work(sink, kind, number, client):
    """One process. What it sends is sent once, when it has done everything."""
    if kind == "idle":
        connections = held(client, number)
        sink.send(client.told())
        while connections:
            signal.pause()
    else:
        sink.send(handshakes(client, kind == "resumed", number))


def start(*order):
    """Starts a process. Returns the end of a pipe that it answers to, closed when it fails."""
    source, sink = multiprocessing.Pipe(duplex=False)
    multiprocessing.Process(target=work, args=(sink, *order), daemon=True).start()
    sink.close()
    return source


def main():
    kind, certificate, port, path, number, processes = sys.argv[1:]
    number, processes = int(number), int(processes)
    before = time.monotonic()
    sources = []
    for n in range(processes):
        share = number // processes + (n < number % processes) if kind == "idle" else number
        sources.append(start(kind, share, Client(certificate, int(port), path)))
    told = []
    for source in sources:
        patience = before + (IDLE_SECONDS if kind == "idle" else number + PATIENCE_SECONDS)
        if not source.poll(max(0, patience - time.monotonic())):
            sys.exit("not all connections are there, and it takes too long")
        told.append(source.recv())
    seconds = time.monotonic() - before
    durations = sorted(one for durations, _, _ in told for one in durations)
    print(MARK + json.dumps({
        "connections": len(durations),
        "seconds": seconds,
        "resumed": sum(resumed for _, resumed, _ in told),
        "agreed": sorted(set().union(*(agreed for _, _, agreed in told))),
        "p99_ms": durations[int(len(durations) * 0.99)] * 1e3 if durations else 0,
    }), flush=True)
    if kind == "idle":
        signal.pause()


if __name__ == "__main__":
    main()
