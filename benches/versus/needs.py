"""What has to be there before anything is measured: commands, and the two binaries."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from process import Failure, Process

PROJECT = Path(__file__).resolve().parents[2]

# Debian's package of each command. The names are the same in Ubuntu.
PACKAGES = {"nginx": "nginx", "wrk": "wrk"}
# For the rows over TLS, and for those of them over HTTP/2.
TLS_PACKAGES = {"openssl": "openssl"}
HTTP2_PACKAGES = {"h2load": "nghttp2-client", "curl": "curl"}
# By the content coding that the check decodes with them. Python has no decoder for these.
DECODER_PACKAGES = {"br": {"brotli": "brotli"}, "zstd": {"zstd": "zstd"}}
# Only to build: pingora brings C libraries.
BUILD_PACKAGES = {"cargo": "cargo", "c++": "g++", "cmake": "cmake", "make": "make", "nasm": "nasm"}


@dataclass
class Found:
    nginx: str
    parvis: Path
    bare: Optional[Path]


def find(chosen):
    builds = not (chosen.parvis and (chosen.bare or chosen.no_bare))
    wanted = {**PACKAGES, **(BUILD_PACKAGES if builds else {})}
    if any(row.tls for row in chosen.rows):
        wanted.update(TLS_PACKAGES)
    if any(row.http2 for row in chosen.rows):
        wanted.update(HTTP2_PACKAGES)
    for coding, packages in DECODER_PACKAGES.items():
        if any(coding in row.codings for row in chosen.rows):
            wanted.update(packages)
    missing = [command for command in wanted if not which(command)]
    if missing and chosen.install:
        install([wanted[command] for command in missing if command != "cargo"])
        missing = [command for command in wanted if not which(command)]
    if missing:
        raise Failure(advice(missing, wanted), status=2)
    parvis = chosen.parvis or built(["build", "--release"], "parvis")
    bare = None
    if not chosen.no_bare:
        build = ["bench", "--no-run", "--bench", "bare_pingora"]
        bare = chosen.bare or built(build, "bare_pingora")
    return Found(which("nginx"), parvis, bare)


def which(command):
    # Debian keeps nginx where only root's PATH goes.
    return shutil.which(command, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def advice(missing, wanted):
    text = f"not found: {', '.join(missing)}"
    packages = [wanted[command] for command in missing if command != "cargo"]
    if packages:
        text += f"\nDebian: apt-get install {' '.join(packages)}"
        text += "\nor let this do it: benches/versus/run --install"
    if "nginx" in missing:
        text += ("\nDebian's package starts an nginx on port 80, which is not needed here: "
                 "systemctl disable --now nginx")
    if "cargo" in missing:
        text += ("\ncargo: Rust 1.89 or newer, from https://rustup.rs or with Debian's package "
                 "rustup; the package cargo of Debian 12 and 13 is too old")
    return text


def install(packages):
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise Failure("--install: there is no apt-get, so this is not Debian or Ubuntu", status=2)
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    print(f"installing {' '.join(packages)}", file=sys.stderr)
    # One source that does not answer need not matter: whether the packages can be had decides.
    # Not a Process: sudo asks on the terminal, which only the foreground group may read.
    subprocess.run([*apt, "update"], stdout=sys.stderr, check=False)
    command = [*apt, "install", "--yes", "--no-install-recommends", *packages]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        raise Failure("apt-get install failed", status=2)


def built(arguments, name):
    """Builds with cargo and returns the path of the executable, wherever cargo put it."""
    command = ["cargo", *arguments, "--locked", "--message-format=json-render-diagnostics"]
    print(" ".join(command), file=sys.stderr)
    executable = None
    with Process(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as cargo:
        for line in cargo.popen.stdout:
            message = json.loads(line) if line.startswith("{") else {}
            # The library of parvis has the same name as its binary, but no executable.
            if message.get("target", {}).get("name") == name and message.get("executable"):
                executable = Path(message["executable"])
        status = cargo.popen.wait()
    if status != 0 or not executable:
        raise Failure(f"`{' '.join(command)}` gave no executable {name} (status {status})")
    return executable
