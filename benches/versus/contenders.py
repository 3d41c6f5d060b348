"""The backend and the servers that are compared: their configurations, and how they start."""

import contextlib
import http.client
import json
import os
import signal
import socket
import time

import curl
from page import page
from process import Failure, Process
from rows import FILES, FORWARDED, PAGES, SMALL
from visits import Visits

START_SECONDS = 10
HOST = "127.0.0.1"

NGINX = """
worker_processes 2;
daemon off;
pid @DIR/pid;
error_log @DIR/error.log;
@USER
events { worker_connections @CONNECTIONS; }
http {
    client_body_temp_path @DIR/client;
    proxy_temp_path @DIR/proxy;
    fastcgi_temp_path @DIR/fastcgi;
    uwsgi_temp_path @DIR/uwsgi;
    scgi_temp_path @DIR/scgi;
    types { }
    default_type application/octet-stream;
    # Without it nginx closes a connection after 1000 requests.
    keepalive_requests 1000000000;
    keepalive_timeout 10m;
    sendfile on;
    tcp_nopush on;
@HTTP
}
"""

NGINX_CONTENDER = """
    access_log @LOG;
    upstream app {
        server @BACKEND;
        keepalive 64;
        keepalive_requests 1000000000;
    }
"""

# Of each worker, unless the row has more of them.
NGINX_CONNECTIONS = 4096

# What one parameter of nginx's configuration may hold is a little more.
NGINX_PARAMETER = 3500

# /job answers with what the request said, one line per header; /unique with a page that is another
# one each time, as most are that an app makes for a user.
NGINX_BACKEND = """
    access_log off;
    open_file_cache max=100 inactive=1d;
    open_file_cache_valid 1d;
    server {
        listen @PORT reuseport;
        root @FILES;
        types { text/html html; }
        charset utf-8;
        location = /66 {
            default_type application/json;
            return 200 @SMALL;
        }
        location = /66.html {
            default_type text/html;
            return 200 @SMALL;
        }
        location = /job {
            return 200 "@JOB";
        }
        location = /unique {
            default_type text/html;
            @UNIQUE
        }
    }
"""

PARVIS = """
[server]
threads = 2
keepalive_timeout = "10m"

[admin]
listen = "@ADMIN"

[log]
format = "json"
access = @LOG

[upstream.app]
servers = ["@BACKEND"]
"""


class Server:
    """A running server: its process, its port, and its access log if it writes one.

    It has what belongs to TLS if it speaks that, and `http2` if it is to be asked over it. The
    backend has the directory of its files too, and what those who speak TLS need for it; parvis
    its visits where it records them.
    """

    def __init__(self, name, process, port, log=None, tls=None, http2=False):
        self.name, self.process, self.port, self.log = name, process, port, log
        self.tls, self.http2 = tls, http2
        self.files = self.for_tls = None
        self.visits = None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.__exit__(*exception)

    def get(self, path, headers=None):
        """Status, headers and body of one request on a connection of its own."""
        if self.http2:
            return curl.get(f"https://{HOST}:{self.port}{path}", headers or {}, self.tls)
        if self.tls:
            connection = http.client.HTTPSConnection(HOST, self.port, timeout=START_SECONDS,
                                                     context=self.tls.context)
        else:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=START_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()


class Contender:
    """A server before it is started."""

    def takes_part(self, row):
        return row.against == self.name


class Nginx(Contender):
    name = "nginx"

    def __init__(self, binary, with_log):
        self.binary, self.with_log = binary, with_log

    def start(self, row, backend, home):
        (port,) = free_ports(1)
        log = home / "access.log" if self.with_log else None
        http = fill(NGINX_CONTENDER + row.nginx, port, backend, home, nginx_quoted)
        # parvis collects lines too before it writes them.
        http = http.replace("@LOG", f"{log} combined buffer=64k flush=1s" if log else "off")
        command = nginx_command(self.binary, http, home, max(NGINX_CONNECTIONS, row.idle))
        return start(self.name, command, port, home, log, **speaks(row, backend))


class Parvis(Contender):
    name = "parvis"
    records = True

    def __init__(self, binary, with_log):
        self.binary, self.with_log = binary, with_log

    def takes_part(self, row):
        return True

    def start(self, row, backend, home):
        port, admin = free_ports(2)
        log = home / "access.log" if self.with_log else None
        visits = "@VISITS" in row.parvis and self.records
        text = fill(PARVIS + row.parvis, port, backend, home, toml_quoted)
        text = text.replace("@VISITS", "true" if visits else "false")
        text = text.replace("@ADMIN", f"{HOST}:{admin}")
        text = text.replace("@LOG", toml_quoted(str(log) if log else "off"))
        config = home / "parvis.toml"
        config.write_text(text)
        command = [self.binary, "run", "-c", config]
        server = start(self.name, command, port, home, log, **speaks(row, backend))
        if visits:
            server.visits = Visits(HOST, admin)
        return server


class VisitsOff(Parvis):
    """The same, but for what it records."""

    name = "visits off"
    records = False

    def takes_part(self, row):
        return row.against == self.name


class Bare(Contender):
    name = "bare pingora"

    def __init__(self, binary):
        self.binary = binary

    def takes_part(self, row):
        # It compresses nothing.
        return row.against == Nginx.name and row.proxied and not row.codings

    def start(self, row, backend, home):
        (port,) = free_ports(1)
        where = {"LISTEN": f"{HOST}:{port}", "UPSTREAM": f"{HOST}:{backend.port}"}
        # On SIGTERM pingora waits five minutes for its connections.
        return start(self.name, [self.binary], port, home, env={**os.environ, **where},
                     at_our_death=signal.SIGKILL)


def start_backend(binary, directory):
    home = directory / "backend"
    files = home / "files"
    files.mkdir(parents=True)
    for name, size in FILES.items():
        (files / name).write_bytes(os.urandom(size))
    for name, content in PAGES.items():
        (files / name).write_bytes(content)
    (port,) = free_ports(1)
    job = "".join(f"{name}: $http_{name.lower().replace('-', '_')}\\n" for name in FORWARDED)
    http = NGINX_BACKEND.replace("@JOB", job).replace("@UNIQUE", unique_page())
    http = http.replace("@FILES", nginx_quoted(str(files)))
    http = fill(http, port, None, home, nginx_quoted)
    server = start("the backend", nginx_command(binary, http, home), port, home)
    server.files = files
    return server


def unique_page():
    """nginx's directives that answer with the page, $request_id being the token."""
    token = "@" * 32
    answer, sets = "", []
    for number, part in enumerate(page(token).decode().split(token)):
        answer += "$request_id" if number else ""
        for start in range(0, len(part), NGINX_PARAMETER):
            name = f"$page{len(sets)}"
            sets.append(f"set {name} {nginx_quoted(part[start:start + NGINX_PARAMETER])};")
            answer += name
    return "\n".join([*sets, f'return 200 "{answer}";'])


def speaks(row, backend):
    """How a server of the row is to be asked."""
    return {"tls": backend.for_tls if row.tls else None, "http2": row.http2}


def nginx_command(binary, http, home, connections=NGINX_CONNECTIONS):
    """Writes the configuration; what is returned runs nginx with it in the foreground."""
    # Without a user of its own choosing, a worker started by root becomes nobody, who may not
    # read our directory.
    text = NGINX.replace("@USER", "user root;" if os.geteuid() == 0 else "")
    text = text.replace("@CONNECTIONS", str(connections))
    config = home / "nginx.conf"
    config.write_text(text.replace("@HTTP", http).replace("@DIR", str(home)))
    # -e: until it has read its configuration, nginx complains into Debian's /var/log/nginx.
    return [binary, "-p", home, "-e", home / "error.log", "-c", config]


def start(name, command, port, home, log=None, tls=None, http2=False, env=None,
          at_our_death=signal.SIGTERM):
    """Starts it and waits until it answers a request."""
    output = home / "output"
    with open(output, "wb") as sink:
        process = Process(command, at_our_death, cwd=home, env=env, stdout=sink, stderr=sink)
    server = Server(name, process, port, log, tls, http2)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                server.get("/")
                return server
            except (OSError, http.client.HTTPException) as error:
                why = error
            if not process.alive():
                raise Failure(f"{name} ended instead of listening\n{last_words(home)}")
            if time.monotonic() > deadline:
                what = f"{name} does not answer on port {port} within {START_SECONDS} s: {why}"
                raise Failure(f"{what}\n{last_words(home)}")
            # A refused connection returns at once; without a pause this would be a busy loop.
            time.sleep(0.01)
    except BaseException:
        process.__exit__()
        raise


def last_words(home):
    text = ""
    for name in ("output", "error.log"):
        with contextlib.suppress(FileNotFoundError):
            text += (home / name).read_text(errors="replace")
    lines = text.splitlines()[-30:]
    return "\n".join(f"    {line}" for line in lines) or "    (it said nothing)"


def free_ports(count):
    """Ports that the kernel gave, all different because all are held until the last is known."""
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            listener = stack.enter_context(socket.socket())
            listener.bind((HOST, 0))
            ports.append(listener.getsockname()[1])
        return ports


def fill(text, port, backend, home, quote):
    text = text.replace("@PORT", f"{HOST}:{port}").replace("@DIR", str(home))
    if backend:
        text = text.replace("@BACKEND", f"{HOST}:{backend.port}")
        text = text.replace("@FILES", quote(str(backend.files)))
        if backend.for_tls:
            text = text.replace("@CERTIFICATE", quote(str(backend.for_tls.certificate)))
            text = text.replace("@KEY", quote(str(backend.for_tls.key)))
    return text.replace("@SMALL", quote(SMALL.decode()))


def nginx_quoted(text):
    # In single quotes only these mean something; a `$` would, and could not be escaped.
    assert "$" not in text
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def toml_quoted(text):
    # JSON's escapes are a subset of those of TOML's basic strings.
    return json.dumps(text)
