"""What the rows over TLS share: the certificate, and what their clients offer.

The clients offer one version, one group and one suite, so that both servers compute the same.
"""

import functools
import ssl
import subprocess

from process import Failure

VERSION = "TLSv1.3"
# Not X25519MLKEM768, which nginx has only with OpenSSL 3.5 or newer.
GROUP = "X25519"
# The one that browsers name first.
SUITE = "TLS_AES_128_GCM_SHA256"

# All clients here are made with OpenSSL, and it reads this when it is loaded.
CLIENTS = f"""
openssl_conf = everything
[everything]
ssl_conf = tls
[tls]
system_default = clients
[clients]
MinProtocol = {VERSION}
MaxProtocol = {VERSION}
Ciphersuites = {SUITE}
Groups = {GROUP}
"""


class Tls:
    """An ECDSA P-256 certificate of this run's own, in a directory that is made here."""

    def __init__(self, openssl, directory):
        directory.mkdir()
        self.certificate, self.key = directory / "certificate.pem", directory / "key.pem"
        command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                   "-nodes", "-keyout", self.key, "-out", self.certificate, "-days", "2",
                   "-subj", "/CN=localhost", "-addext", "basicConstraints=critical,CA:FALSE",
                   "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Failure(f"openssl makes no certificate\n{made.stderr.strip()}")
        clients = directory / "clients.cnf"
        clients.write_text(CLIENTS)
        # For clients only: a server that saw it would obey it too.
        self.environment = {"OPENSSL_CONF": str(clients)}

    @functools.cached_property
    def context(self):
        """For a client in Python that believes this certificate and no other."""
        return context(self.certificate)


def context(certificate):
    made = ssl.create_default_context(cafile=str(certificate))
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.set_alpn_protocols(["http/1.1"])
    return made
