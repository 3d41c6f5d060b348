"""One request over HTTP/2, which Python does not speak, by curl."""

import email.parser
import subprocess
import tempfile

SECONDS = 10


def get(url, headers, tls):
    """Status, headers and body. An OSError tells why there is no answer over HTTP/2."""
    with tempfile.NamedTemporaryFile(prefix="parvis-versus-") as head:
        command = ["curl", "--silent", "--show-error", "--http2", "--max-time", str(SECONDS),
                   "--cacert", tls.certificate, "--dump-header", head.name,
                   "--write-out", "%{stderr}HTTP/%{http_version}"]
        for name, value in headers.items():
            command += ["--header", f"{name}: {value}"]
        ended = subprocess.run([*command, url], capture_output=True, check=False)
        said = ended.stderr.decode(errors="replace").strip()
        if ended.returncode != 0 or said != "HTTP/2":
            raise OSError(f"curl ended with status {ended.returncode}, {said}")
        status_line, _, fields = head.read().decode("iso-8859-1").partition("\r\n")
    # curl asks without an Accept-Encoding, and would leave the body as it is anyway.
    return int(status_line.split()[1]), email.parser.Parser().parsestr(fields), ended.stdout
