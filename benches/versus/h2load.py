"""Load over HTTP/2 by h2load: many streams at once on few connections."""

import re

import tls
from contenders import HOST
from summary import Summary

# What it prints, and what of it has to be exactly so.
FINISHED = re.compile(r"^finished in ([0-9.]+)(us|ms|s|m), ", re.MULTILINE)
REQUESTS = re.compile(r"^requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, "
                      r"(\d+) timeout$", re.MULTILINE)
DATA = re.compile(r"^traffic: .* \((\d+)\) data$", re.MULTILINE)
AGREED = {
    "Application protocol": "h2",
    "TLS Protocol": tls.VERSION,
    "Cipher": tls.SUITE,
    "Server Temp Key": tls.GROUP,
}
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}


def command(server, row, seconds, connections):
    threads = min(row.client_threads, connections)
    # It sets these two itself, whatever the configuration of OpenSSL says.
    command = ["h2load", "-c", connections, "-t", threads, "-m", row.streams, "-D", seconds,
               f"--tls13-ciphers={tls.SUITE}", f"--groups={tls.GROUP}"]
    for name, value in row.headers_for(server.name).items():
        command += ["-H", f"{name}: {value}"]
    return [*map(str, command), f"https://{HOST}:{server.port}{row.path}"]


def judge(output, status, _row, _connections, answer):
    """The Summary, if the run was without fault. A ValueError tells what was wrong."""
    finished, requests, data = (told.search(output) for told in (FINISHED, REQUESTS, DATA))
    if status != 0 or not (finished and requests and data):
        raise ValueError(f"h2load ended with status {status}, no result")
    for what, expected in AGREED.items():
        # A key has its bits behind the name.
        if not re.search(rf"^{what}: {expected}( |$)", output, re.MULTILINE):
            raise ValueError(f"not {what} {expected}")
    done, succeeded, *faults = map(int, requests.groups())
    # What is not 2xx or 3xx has failed; a 3xx is seen by the size of the answers.
    if succeeded != done or any(faults):
        raise ValueError(f"{done - succeeded} answers of {done} that are none")
    if int(data.group(1)) < done * answer.body_bytes:
        raise ValueError(f"answers of less than {answer.body_bytes} bytes")
    return Summary(done, float(finished.group(1)) * UNITS[finished.group(2)], None)
