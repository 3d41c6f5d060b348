"""An app like any other, under Hypercorn, which speaks HTTP/2 and HTTP/1.

Says "LISTENING address" when it serves, and ends with its standard input.
"""

import asyncio
import os
import socket
import sys
import threading

from hypercorn.asyncio import serve
from hypercorn.config import Config

sick = False


async def app(scope, receive, send):
    global sick
    if scope["type"] != "http":
        return
    path, body = scope["path"], b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break

    async def answer(status, fields=(), body=b""):
        await send({"type": "http.response.start", "status": status, "headers": list(fields)})
        await send({"type": "http.response.body", "body": body})

    if path == "/204":
        await answer(204)
    elif path == "/304":
        await answer(304, [(b"etag", b'"x"')])
    elif path == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for i in range(50):
            await send({"type": "http.response.body", "body": b"%d," % i * 1000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    elif path == "/cookies":
        await answer(200, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"content-length", b"0")])
    elif path == "/fail":
        raise RuntimeError("asked for")
    elif path in ("/health", "/sicken"):
        sick = sick or path == "/sicken"
        await answer(503 if sick else 200, [(b"content-length", b"0")])
    else:
        names = {name.decode(): value.decode() for name, value in scope["headers"]}
        said = f"HTTP/{scope['http_version']} {scope['method']} {path} {names.get('host')} ".encode() + body
        await answer(200, [(b"content-length", b"%d" % len(said)), (b"content-type", b"text/plain")], said)


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(100)
config = Config()
config.bind = [f"fd://{listener.fileno()}"]
config.errorlog = None
config.h2_max_concurrent_streams = 20
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(f"LISTENING 127.0.0.1:{listener.getsockname()[1]}", flush=True)
asyncio.run(serve(app, config))
