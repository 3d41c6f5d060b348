"""The check that the servers do the same job, and what an answer weighs in bytes."""

import gzip
import http.client
import os
import re
import statistics
import subprocess
import time
import zlib
from dataclasses import dataclass

import needs
from contenders import Bare
from page import TOKENS
from process import Failure
from rows import FILE_FIELDS, FORWARDED

# How long an answer must not have changed to be the one that is measured, and how long it may take.
SETTLED_SECONDS = 2
SETTLE_SECONDS = 30
# Between two requests meanwhile: a server that makes a better answer needs some of the processor.
SETTLE_PAUSE_SECONDS = 0.01

# The pages of a unique row do not all shrink to the same size.
UNIQUE_ANSWERS = 20

# What stands for page.FIXED_TOKEN in an answer of the backend's /unique.
TOKEN = re.compile(rb"\b[0-9a-f]{32}\b")

# Python decodes gzip itself.
DECODERS = {"br": ["brotli", "-d", "-c", "-"], "zstd": ["zstd", "-q", "-d", "-c", "-"]}


@dataclass
class Answer:
    """What one answer of a server weighs. The mean, where every answer is another one."""

    # The body as it is sent, compressed, without what marks the chunks.
    body_bytes: int
    # With the head.
    whole_bytes: int


def settle(server, row):
    """Asks until the answer does not change any more. Returns how many seconds it had changed."""
    first = time.monotonic()
    body, since = None, first
    while True:
        _, _, now = asked(server, row, row.path)
        moment = time.monotonic()
        if now != body:
            body, since = now, moment
        elif moment - since >= SETTLED_SECONDS:
            return since - first
        if moment - first > SETTLE_SECONDS:
            raise Failure(f"row {row.name}: after {SETTLE_SECONDS} s the answers of {server.name} "
                          "still change")
        time.sleep(SETTLE_PAUSE_SECONDS)


def check(server, row, backend):
    """That the server answers the row as the backend would, and tells the backend what it has to.

    Returns the Answer.
    """
    status, reference, expected = asked(backend, row, row.reference or row.path)
    if status != 200:
        raise Failure(f"row {row.name}: the backend answers {row.path} with {status}")
    seen = set(TOKEN.findall(expected))
    answers = [compared(server, row, reference, expected, seen)
               for _ in range(UNIQUE_ANSWERS if row.unique else 1)]
    return Answer(round(statistics.mean(one.body_bytes for one in answers)),
                  round(statistics.mean(one.whole_bytes for one in answers)))


def compared(server, row, reference, expected, seen):
    """Compares one answer with the backend's. `seen` are the tokens that a page must not have."""
    def wrong(what):
        return Failure(f"row {row.name}: the answer of {server.name} to {row.path} {what}")

    status, headers, body = asked(server, row, row.path)
    if status != 200:
        raise wrong(f"has the status {status}")
    if media_type(headers) != media_type(reference):
        raise wrong(f"is {media_type(headers)}, the backend's is {media_type(reference)}")
    coding = row.coding_for(server.name)
    if headers.get("Content-Encoding") != coding:
        raise wrong(f"has Content-Encoding {headers.get('Content-Encoding')}, not {coding}")
    if coding and "accept-encoding" not in ",".join(headers.get_all("Vary", [])).lower():
        raise wrong("has no Vary: Accept-Encoding")

    try:
        content = decoded(coding, body)
    except ValueError as error:
        raise wrong(f"is no {coding}: {error}") from error
    if row.unique:
        tokens = TOKEN.findall(content)
        if len(tokens) != TOKENS or len(set(tokens)) != 1 or tokens[0] in seen:
            raise wrong("is not a page with a token of its own")
        seen.add(tokens[0])
        content, expected = TOKEN.sub(b"token", content), TOKEN.sub(b"token", expected)
    if content != expected:
        same = len(os.path.commonprefix([content, expected]))
        raise wrong(f"({len(content)} bytes) differs from the backend's ({len(expected)} bytes) "
                    f"from byte {same} on")

    answer = Answer(len(body), len(body) + head_bytes(headers))
    # Bare pingora forwards nothing about the client: it is the floor, not an equal.
    if server.name == Bare.name:
        return answer
    missing = [name for name in ["X-Request-ID", *(FILE_FIELDS if row.file else [])]
               if name not in headers]
    if missing:
        raise wrong(f"has no {', '.join(missing)}")
    if row.proxied:
        _, _, job = asked(server, row, "/job")
        told = dict(line.split(": ", 1) for line in job.decode().splitlines() if ": " in line)
        missing = [name for name in FORWARDED if not told.get(name)]
        if missing:
            raise Failure(f"row {row.name}: {server.name} does not send {', '.join(missing)} "
                          "to the backend, so the jobs are not equal")
    return answer


def asked(server, row, path):
    """Status, headers and body as sent of one request with the row's headers."""
    try:
        return server.get(path, row.headers_for(server.name))
    except (OSError, http.client.HTTPException) as error:
        # Over HTTP/2 this is also said of a server that speaks only HTTP/1.1.
        raise Failure(f"row {row.name}: {server.name} breaks off its answer: {error!r}") from error


def media_type(headers):
    return headers.get("Content-Type", "of no type").partition(";")[0].strip().lower()


def head_bytes(headers):
    status_line, end = len("HTTP/1.1 200 OK\r\n"), len("\r\n")
    return status_line + sum(len(f"{name}: {value}\r\n") for name, value in headers.items()) + end


def decoded(coding, body):
    """The content of a body. A ValueError tells what is wrong with it."""
    if coding is None:
        return body
    if coding == "gzip":
        try:
            return gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(error) from error
    name, *arguments = DECODERS[coding]
    ended = subprocess.run([needs.which(name), *arguments], input=body, capture_output=True,
                           check=False)
    if ended.returncode != 0:
        raise ValueError(ended.stderr.decode(errors="replace").strip())
    return ended.stdout
