"""The rows of the table, as data: what is asked for, how both are configured, what is demanded.

A new row is a new `Row` at the end of ROWS. One that needs another configuration brings its own
`server` block for nginx and its own site for parvis. In both, these words are filled in:

    @PORT         where this server listens
    @BACKEND      address and port of the backend
    @DIR          a directory of this server's own, removed at the end
    @SMALL        the answer of 66 bytes, quoted for that configuration
"""

from dataclasses import dataclass, field
from typing import Dict, Optional

# The answer of a small API call.
SMALL = b'{"id":12345,"name":"parvis","ok":true,"items":[1,2,3],"t":123456}\n'
assert len(SMALL) == 66

# Files of random bytes below the backend's root.
FILES = {"1k": 1 << 10, "100k": 100 << 10, "1m": 1 << 20}

# What parvis tells an app about the client, always. nginx has to be told to.
FORWARDED = ["Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP",
             "X-Request-ID"]

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


@dataclass(frozen=True)
class Row:
    """One line of the table. `path` is what wrk asks for."""

    name: str
    title: str
    path: str
    # The backend's path whose body the answer has to equal; None: the same as `path`.
    reference: Optional[str] = None
    # Whether the answer comes from the backend. Bare pingora takes part only then.
    proxied: bool = True
    # At most this much CPU time per request, as a multiple of nginx's.
    cpu_at_most: Optional[float] = None
    # Connections of wrk; None: what --connections says.
    connections: Optional[int] = None
    wrk_threads: int = 2
    request_headers: Dict[str, str] = field(default_factory=dict)
    nginx: str = NGINX_PROXY
    parvis: str = PARVIS_PROXY


ROWS = [
    Row("66b", "66-byte JSON, proxied", "/66", cpu_at_most=2.2),
    Row("1k", "1 KiB, proxied", "/1k"),
    Row("100k", "100 KiB, proxied", "/100k", cpu_at_most=1.15),
    Row("1m", "1 MiB, proxied", "/1m"),
    Row("own", "66-byte answer of its own", "/own", reference="/66", proxied=False),
]
