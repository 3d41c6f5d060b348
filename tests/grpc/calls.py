"""Calls of a gRPC client, one case per function.

    calls.py CASE ADDRESS [AUTHORITY'S CERTIFICATE]

With a certificate the channel is one of TLS, else HTTP/2 in the clear.
"""

import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A server that was away is called again at once.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 100),
]
PATIENCE = 20


def channel():
    address, authority = sys.argv[2], sys.argv[3:]
    if not authority:
        return grpc.insecure_channel(address, options=OPTIONS)
    with open(authority[0], "rb") as pem:
        credentials = grpc.ssl_channel_credentials(pem.read())
    name = ("grpc.ssl_target_name_override", "localhost")
    return grpc.secure_channel(address, credentials, options=[*OPTIONS, name])


class Calls:
    def __init__(self, to):
        path = "/test.Echo/"
        self.unary = lambda name: to.unary_unary(path + name)
        self.down = lambda name: to.unary_stream(path + name)
        self.up = lambda name: to.stream_unary(path + name)
        self.both = lambda name: to.stream_stream(path + name)


def refused(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call went well")


def unary(calls):
    assert calls.unary("Echo")(b"hello", timeout=PATIENCE) == b"hello"
    assert calls.unary("Echo")(b"", timeout=PATIENCE) == b""


def metadata(calls):
    sent = [("want-first", "a b"), ("want-last", "z"), ("want-raw-bin", b"\x00\x01\xfe\xff")]
    answer, call = calls.unary("Echo").with_call(b"x", metadata=sent, timeout=PATIENCE)
    assert answer == b"x"
    assert dict(call.initial_metadata())["first"] == "a b"
    last = dict(call.trailing_metadata())
    assert last["last"] == "z" and last["raw-bin"] == b"\x00\x01\xfe\xff", last


def fields(calls):
    sent = [("x-mine", "1"), ("x-mine", "2"), ("my-bin", b"\xff")]
    said = calls.unary("Fields")(b"", metadata=sent, timeout=PATIENCE).decode().split("\n")
    for line in ["x-mine: 1", "x-mine: 2", "my-bin: b'\\xff'"]:
        assert line in said, said
    assert any(line.startswith("x-forwarded-for: 127.0.0.1") for line in said), said
    assert any(line.startswith("user-agent: grpc-python") for line in said), said
    # The deadline is the server's too.
    left = float(said[-1].split()[-1])
    assert 1 < left <= PATIENCE + 1, left


def down(calls):
    messages = list(calls.down("Count")(b"100 1000", timeout=PATIENCE))
    assert messages == [bytes([i]) * 1000 for i in range(100)]
    assert list(calls.down("Count")(b"0 0", timeout=PATIENCE)) == []


def up(calls):
    pieces = (b"x" * i for i in range(200))
    assert calls.up("Gather")(pieces, timeout=PATIENCE) == b"200 19900"
    assert calls.up("Gather")(iter(()), timeout=PATIENCE) == b"0 0"


def both(calls):
    """Each message comes back before the next is sent, and before the request ends."""
    said = queue.Queue()
    answers = calls.both("Talk")(iter(said.get, None), timeout=PATIENCE)
    for i in range(50):
        said.put(b"%d" % i)
        assert next(answers) == b"%d" % i
    said.put(None)
    assert list(answers) == []
    assert answers.code() == grpc.StatusCode.OK


def both_at_once(calls):
    """Neither side waits for the other: large messages go up while large ones come down."""
    message = bytes(range(256)) * 4096
    answers = calls.both("Talk")((message for _ in range(24)), timeout=PATIENCE)
    number = 0
    for answer in answers:
        assert answer == message
        number += 1
    assert number == 24


def large(calls):
    message = bytes(range(256)) * 20_000
    assert calls.unary("Echo")(message, timeout=PATIENCE) == message
    assert calls.up("Gather")(iter([message] * 3), timeout=PATIENCE) == b"3 15360000"
    (one,) = calls.down("Count")(b"1 8000000", timeout=PATIENCE)
    assert len(one) == 8_000_000


def failures(calls):
    error = refused(lambda: calls.unary("Fail")(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    assert error.details() == "not today: \u00e9"
    assert dict(error.trailing_metadata())["why-bin"] == b"\x00\xff"
    error = refused(lambda: calls.unary("Missing")(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    late = calls.down("FailLate")(b"", timeout=PATIENCE)
    assert next(late) == b"one"
    error = refused(lambda: next(late))
    assert error.code() == grpc.StatusCode.DATA_LOSS and error.details() == "late", error


def deadline(calls):
    error = refused(lambda: calls.unary("Slow")(b"15", timeout=0.3))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    wait = calls.down("Wait")(b"deadline", timeout=1)
    assert next(wait) == b"here"
    error = refused(lambda: next(wait))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    assert calls.unary("WasCancelled")(b"deadline", timeout=PATIENCE) == b"True"


def cancel(calls):
    wait = calls.down("Wait")(b"cancel")
    assert next(wait) == b"here"
    wait.cancel()
    assert calls.unary("WasCancelled")(b"cancel", timeout=PATIENCE) == b"True"
    unary(calls)


def many(calls):
    """Many calls at a time on one connection to parvis."""

    def one(i):
        if i % 3 == 0:
            return calls.unary("Echo")(b"%d" % i, timeout=PATIENCE) == b"%d" % i
        if i % 3 == 1:
            return len(list(calls.down("Count")(b"20 5000", timeout=PATIENCE))) == 20
        return calls.up("Gather")(iter([b"abc"] * 10), timeout=PATIENCE) == b"10 30"

    with ThreadPoolExecutor(90) as pool:
        assert all(pool.map(one, range(600)))


def unavailable(calls):
    error = refused(lambda: calls.unary("Echo")(b"x", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error


def lasting(calls):
    """Calls until standard input ends. Each must go well, but for the few that come to a server which
    has just decided to end: it cancels them itself, before its GOAWAY is there."""
    over = threading.Event()

    def work():
        number = 0
        while not over.is_set():
            try:
                assert calls.unary("Echo")(b"x", timeout=PATIENCE) == b"x"
                assert calls.up("Gather")(iter([b"ab"] * 3), timeout=PATIENCE) == b"3 6"
                number += 2
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.CANCELLED, error
        return number

    # Some that are under way when it ends.
    slow = [calls.unary("Slow").future(b"2", timeout=PATIENCE) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        workers = [pool.submit(work) for _ in range(8)]
        print("CALLING", flush=True)
        sys.stdin.read()
        over.set()
        assert all(worker.result() > 0 for worker in workers)
    assert all(one.result() == b"done" for one in slow)
    unary(calls)


def throughput(calls):
    """For who measures: bytes per second each way, and calls per second."""
    message = b"x" * 4_000_000
    began = time.monotonic()
    for _ in range(25):
        calls.up("Gather")(iter([message]), timeout=PATIENCE)
    up = 100 / (time.monotonic() - began)
    began = time.monotonic()
    list(calls.down("Count")(b"25 4000000", timeout=PATIENCE))
    down = 100 / (time.monotonic() - began)
    began = time.monotonic()
    for _ in range(500):
        calls.unary("Echo")(b"x", timeout=PATIENCE)
    print(f"up {up:.0f} MB/s, down {down:.0f} MB/s, {500 / (time.monotonic() - began):.0f} calls/s")


with channel() as to:
    globals()[sys.argv[1]](Calls(to))
