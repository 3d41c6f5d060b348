"""The rows of the table, as data: what is asked for, how both are configured, what is demanded.

A new row is a new `Row` at the end of ROWS. One that needs another configuration brings its own
`server` block for nginx and its own site for parvis. In both, these words are filled in:

    @PORT         where this server listens
    @BACKEND      address and port of the backend
    @DIR          a directory of this server's own, removed at the end
    @FILES        the directory of the files, the backend's own root, quoted for that configuration
    @SMALL        the answer of 66 bytes, quoted for that configuration
    @CERTIFICATE  the certificate of the rows over TLS, and
    @KEY          its key: paths, quoted for that configuration
    @VISITS       true; false for parvis as the contender that records no visits
"""

from dataclasses import dataclass, field
from typing import Dict, Optional

from page import page

# The answer of a small API call.
SMALL = b'{"id":12345,"name":"parvis","ok":true,"items":[1,2,3],"t":123456}\n'
assert len(SMALL) == 66

# Files of random bytes below the backend's root.
FILES = {"1k": 1 << 10, "100k": 100 << 10, "1m": 1 << 20, "16m": 16 << 20}

# Files with a content of their own there.
PAGES = {"page.html": page()}

# A visit is what asks for a page as a browser does: these are the fields that are recorded.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                  "Chrome/141.0.0.0 Safari/537.36",
    "Accept-Language": "en-GB,en;q=0.9,fr;q=0.8",
    "Referer": "https://www.example.org/a/page/that/links/here",
}

# What parvis tells an app about the client, always. nginx has to be told to.
FORWARDED = ["Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP",
             "X-Request-ID"]

# What parvis says about every file, beside Content-Type. nginx has to be told to say some of it.
FILE_FIELDS = ["ETag", "Last-Modified", "Cache-Control", "X-Content-Type-Options"]

# When wrk is slower than the backend, nginx writes what its buffers do not take to a file. parvis
# holds the backend back instead, and so does nginx with proxy_max_temp_file_size 0.
NGINX_PROXY = """
server {
    listen @PORT reuseport;
    add_header X-Request-ID $request_id;
    location = /own {
        default_type application/json;
        return 200 @SMALL;
    }
    location / {
        proxy_pass http://app;
        proxy_http_version 1.1;
        proxy_max_temp_file_size 0;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Request-ID $request_id;
    }
}
"""

# gzip as it is recommended everywhere. text/html is always among the types.
GZIP = """
    gzip on;
    gzip_comp_level 6;
    gzip_types text/css text/plain text/javascript application/javascript application/json
               application/xml image/svg+xml;
    gzip_proxied any;
    gzip_vary on;
    gzip_min_length 800;
"""

NGINX_PROXY_GZIP = NGINX_PROXY.replace("    location / {", GZIP + "    location / {")

# parvis looks within a second whether a file has changed, so nginx has to as well: its own default
# is a minute.
NGINX_FILES = """
server {
    listen @PORT reuseport;
    root @FILES;
    types { text/html html; }
    charset utf-8;
    open_file_cache max=1000 inactive=1d;
    open_file_cache_valid 1s;
    add_header X-Request-ID $request_id;
    add_header Cache-Control no-cache;
    add_header X-Content-Type-Options nosniff;
    location / { }
}
"""

NGINX_FILES_GZIP = NGINX_FILES.replace("    location / {", GZIP + "    location / {")

PARVIS_PROXY = """
[[site]]
name = "bench"
listen = ["@PORT"]
[site.headers]
security = "off"

[[site.route]]
path = "/own"
respond = { status = 200, body = @SMALL, content_type = "application/json" }

[[site.route]]
path = "/*"
proxy = "app"
"""

PARVIS_FILES = """
[[site]]
name = "bench"
listen = ["@PORT"]
[site.headers]
security = "off"

[[site.route]]
path = "/*"
files = { root = @FILES }
"""


PARVIS_VISITS = (
    '[visits]\nstore = "@DIR/visits.sqlite"\n'
    + PARVIS_PROXY.replace('name = "bench"', 'name = "bench"\nvisits = @VISITS')
                  .replace("application/json", "text/html")
)


# The certificate is ECDSA P-256; what else is agreed on, tls.py says. Sessions are resumed by
# tickets. The cache is for clients that know none, and the guides have it; without it nginx's
# handshakes cost 2 to 3 % less.
NGINX_TLS = """
    listen @PORT ssl http2 reuseport;
    ssl_certificate @CERTIFICATE;
    ssl_certificate_key @KEY;
    ssl_protocols TLSv1.3;
    ssl_session_tickets on;
    ssl_session_cache shared:tls:10m;
    ssl_session_timeout 1h;
"""

PARVIS_TLS = """
listen = [{ address = "@PORT", tls = true }]
[site.tls]
certificate = @CERTIFICATE
key = @KEY
"""


def nginx_over_tls(server):
    return server.replace("    listen @PORT reuseport;", NGINX_TLS.strip("\n"))


def parvis_over_tls(site):
    return site.replace('listen = ["@PORT"]\n', PARVIS_TLS.lstrip("\n"))


@dataclass(frozen=True)
class Row:
    """One line of the table. `path` is what is asked for."""

    name: str
    title: str
    path: str
    # The backend's path whose body the answer has to equal; None: the same as `path`.
    reference: Optional[str] = None
    # Whom parvis is compared with: the name of another contender.
    against: str = "nginx"
    # Whether the answer comes from the backend. Bare pingora takes part only then.
    proxied: bool = True
    # Whether it is a file that the server reads itself.
    file: bool = False
    # At most this much CPU time per request, as a multiple of the other's.
    cpu_at_most: Optional[float] = None
    # At most this many bytes of body as they are sent, compressed, as a multiple of the other's.
    bytes_at_most: Optional[float] = None
    # At least this many requests per second, as a multiple of the other's.
    rps_at_least: Optional[float] = None
    # At most this many microseconds of CPU time per request more than the other: on the threads
    # that serve requests, and in all.
    request_cpu_more_at_most: Optional[float] = None
    cpu_more_at_most: Optional[float] = None
    # At least this many requests or handshakes per CPU second, as a multiple of the other's.
    per_cpu_second_at_least: Optional[float] = None
    # At most this much memory per idle connection, as a multiple of the other's.
    idle_bytes_at_most: Optional[float] = None
    # What makes the load: wrk, h2load or handshakes.
    load: str = "wrk"
    # With h2load: requests at once on each connection, each a stream.
    streams: int = 1
    # With handshakes: whether they are resumed.
    resumed: bool = False
    # No load, but this many connections that have asked once and then hold still.
    idle: int = 0
    # What --rounds and --seconds are when they are not given. A small difference takes many rounds,
    # short ones: how wrk's connections fall to the threads of a server is new in each.
    rounds: int = 5
    seconds: int = 4
    # Whether all servers are loaded at the same time: each request then costs what it does on a
    # machine that is busy, and what changes the machine's speed changes all of them. Requests per
    # second tell nothing then.
    together: bool = False
    # Seconds between rounds: what a server still has to do after one is not the next one's.
    rest: float = 0
    # Connections at once; None: what --connections says. Each of handshakes has its own process.
    connections: Optional[int] = None
    client_threads: int = 2
    # An Accept-Encoding here names one coding, and the answer has to have it.
    request_headers: Dict[str, str] = field(default_factory=dict)
    # For nginx, where it is asked for something else; None: the same.
    nginx_request_headers: Optional[Dict[str, str]] = None
    # Whether every answer is another page: `page` with a new token.
    unique: bool = False
    # Ask before the check until the answer does not change any more: an answer that comes again
    # may be compressed in haste at first, and then better.
    warm_up: bool = False
    nginx: str = NGINX_PROXY
    parvis: str = PARVIS_PROXY

    @property
    def tls(self):
        return "@CERTIFICATE" in self.nginx

    @property
    def http2(self):
        return self.load == "h2load"

    @property
    def asks(self):
        """Whether the load makes requests."""
        return self.load != "handshakes"

    def headers_for(self, server):
        """The request's headers for the server of that name."""
        if server == "nginx" and self.nginx_request_headers is not None:
            return self.nginx_request_headers
        return self.request_headers

    def coding_for(self, server):
        """The Content-Encoding that server's answer has to have; None: none at all."""
        return self.headers_for(server).get("Accept-Encoding")

    @property
    def codings(self):
        """All codings that an answer of this row may have."""
        return {self.coding_for("nginx"), self.coding_for("parvis")} - {None}


def file(name, title, **more):
    """A row of a file on disk."""
    return Row(f"file-{name}", title, f"/{name}", proxied=False, file=True,
               nginx=NGINX_FILES, parvis=PARVIS_FILES, **more)


def visits(name, title, path, **more):
    """A row of parvis that records visits against parvis that does not.

    The difference is small beside what the machine's speed changes by within seconds: short turns,
    and many of them. The database has its visits when a turn ends, but not all is done then.
    """
    return Row(name, title, path, reference="/66.html", against="visits off",
               request_headers=BROWSER, parvis=PARVIS_VISITS, **{"seconds": 1, "rest": 1, **more})


def html(name, title, path, coding, **more):
    """A row of a compressed page: parvis is asked for `coding`, nginx for the only one it has."""
    more = {"nginx": NGINX_PROXY_GZIP, **more}
    return Row(f"html-{name}", f"50 KiB HTML {title}", path,
               request_headers={"Accept-Encoding": coding},
               nginx_request_headers={"Accept-Encoding": "gzip"}, **more)


def html_file(name, title, coding, **more):
    """A row of a compressed page that is a file on disk."""
    return html(name, title, "/page.html", coding, proxied=False, file=True, warm_up=True,
                nginx=NGINX_FILES_GZIP, parvis=PARVIS_FILES, **more)


def own_over_tls(name, title, **more):
    """A row over TLS of the small answer, or of connections only."""
    return Row(name, title, "/own", reference="/66", proxied=False,
               nginx=nginx_over_tls(NGINX_PROXY), parvis=parvis_over_tls(PARVIS_PROXY), **more)


ROWS = [
    Row("66b", "66-byte JSON, proxied", "/66", cpu_at_most=2.2),
    Row("1k", "1 KiB, proxied", "/1k"),
    Row("100k", "100 KiB, proxied", "/100k", cpu_at_most=1.15),
    Row("1m", "1 MiB, proxied", "/1m"),
    Row("own", "66-byte answer of its own", "/own", reference="/66", proxied=False),
    file("1k", "1 KiB file", cpu_at_most=1.15),
    file("100k", "100 KiB file", cpu_at_most=1.1),
    file("1m", "1 MiB file", cpu_at_most=1.1),
    # More than parvis keeps in memory. With more connections, those that the end of a measurement
    # cuts off would be a good part of it.
    file("16m", "16 MiB file", connections=16),
    html("gzip", "proxied, gzip", "/page.html", "gzip", warm_up=True,
         cpu_at_most=0.5, bytes_at_most=1),
    html("br", "proxied, br against gzip", "/page.html", "br", warm_up=True,
         cpu_at_most=0.7, bytes_at_most=0.88),
    # The worst case, where nothing that was kept helps.
    html("unique-gzip", "always new, gzip", "/unique", "gzip", unique=True),
    html("unique-br", "always new, br against gzip", "/unique", "br", unique=True),
    html("unique-zstd", "always new, zstd against gzip", "/unique", "zstd", unique=True),
    html_file("file-gzip", "file, gzip", "gzip", cpu_at_most=0.06),
    html_file("file-br", "file, br against gzip", "br", cpu_at_most=0.06),
    visits("visits", "66-byte page, proxied, visits", "/66.html", rounds=81,
           rps_at_least=0.97),
    visits("visits-cpu", "the same, at the same time", "/66.html", rounds=31, seconds=2,
           together=True, request_cpu_more_at_most=1, cpu_more_at_most=6),
    # Where nothing else is done for a request, recording weighs most.
    visits("visits-own", "66-byte page of its own, visits", "/own", rounds=41,
           proxied=False),
    # Eight processes that wait for each other's turn keep both cores busy.
    own_over_tls("tls-handshake", "new TLS 1.3 handshakes", load="handshakes", connections=8,
                 per_cpu_second_at_least=1.3),
    own_over_tls("tls-resumed", "resumed TLS 1.3 handshakes", load="handshakes", connections=8,
                 resumed=True, per_cpu_second_at_least=1.2),
    Row("tls-100k", "100 KiB file over TLS", "/100k", proxied=False, file=True, cpu_at_most=1.05,
        nginx=nginx_over_tls(NGINX_FILES), parvis=parvis_over_tls(PARVIS_FILES)),
    # With fewer connections, the kernel gives one of the server's threads all of them too often;
    # with many more, h2load is the slower side, and few requests come at once.
    own_over_tls("h2-own", "66 bytes of its own, HTTP/2", load="h2load", connections=8,
                 streams=100, cpu_at_most=1.0),
    own_over_tls("tls-idle", "idle TLS connections", idle=10_000, rounds=3,
                 idle_bytes_at_most=1.3),
]
