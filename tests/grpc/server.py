"""A gRPC server without generated code: messages are bytes, handlers are by name.

Its port is its argument, 0 for any. Says "LISTENING address" when it takes calls. Ends gracefully,
by GOAWAY, when it gets SIGTERM, and at once when its standard input ends, as it does with the test.
"""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc

seen = threading.Condition()
cancelled = set()


def echo(request, context):
    asked = {k: v for k, v in context.invocation_metadata() if k.startswith("want-")}
    if asked:
        context.send_initial_metadata([("first", asked.get("want-first", ""))])
        context.set_trailing_metadata([("last", asked.get("want-last", "")), ("raw-bin", asked.get("want-raw-bin", b""))])
    return request


def fields(request, context):
    lines = (f"{k}: {v}" for k, v in context.invocation_metadata())
    return "\n".join([*lines, f"peer-remaining: {context.time_remaining()}"]).encode()


def count(request, context):
    number, size = map(int, request.split())
    for i in range(number):
        yield bytes([i % 251]) * size


def gather(requests, context):
    total = number = 0
    for request in requests:
        total, number = total + len(request), number + 1
    return f"{number} {total}".encode()


def talk(requests, context):
    yield from requests


def fail(request, context):
    context.set_trailing_metadata([("why-bin", b"\x00\xff")])
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: \u00e9")


def fail_late(request, context):
    yield b"one"
    context.abort(grpc.StatusCode.DATA_LOSS, "late")


def wait(request, context):
    """Says that it is there, and waits for its caller to go."""
    ended = threading.Event()
    context.add_callback(ended.set)
    yield b"here"
    ended.wait()
    with seen:
        cancelled.add(request)
        seen.notify_all()


def was_cancelled(request, context):
    with seen:
        return str(seen.wait_for(lambda: request in cancelled, timeout=20)).encode()


def slow(request, context):
    context.time_remaining()
    threading.Event().wait(float(request))
    return b"done"


handlers = {
    "Echo": grpc.unary_unary_rpc_method_handler(echo),
    "Fields": grpc.unary_unary_rpc_method_handler(fields),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Gather": grpc.stream_unary_rpc_method_handler(gather),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "FailLate": grpc.unary_stream_rpc_method_handler(fail_late),
    "Wait": grpc.unary_stream_rpc_method_handler(wait),
    "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
    "Slow": grpc.unary_unary_rpc_method_handler(slow),
}
server = grpc.server(
    ThreadPoolExecutor(200),
    options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
)
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
signal.signal(signal.SIGTERM, lambda *_: server.stop(20))
server.start()
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(f"LISTENING 127.0.0.1:{port}", flush=True)
server.wait_for_termination()
