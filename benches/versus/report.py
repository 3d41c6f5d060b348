"""From measurements to a table."""

import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Dict, List

import tls
from measure import Measurement
from rows import Row

SUBJECT = "parvis"


def shown(ratio):
    """A ratio as text. A small one has a digit more, so that it does not pass a bar by rounding."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3f}"


@dataclass
class Result:
    """All rounds of one row."""

    row: Row
    rounds: Dict[str, List[Measurement]]
    # By server: the body of an answer as it is sent.
    body_bytes: Dict[str, int]

    def median(self, server, what):
        """None where it was not measured."""
        found = [getattr(one, what) for one in self.rounds[server]]
        return None if None in found else statistics.median(found)

    def memory_mib(self, server):
        """The peak over all rounds: memory once taken is seldom given back."""
        return max(one.memory_kib for one in self.rounds[server]) / 1024

    def pairs(self, server, what):
        """Its value and the reference's in each round: measured within seconds of each other."""
        pairs = zip(self.rounds[server], self.rounds[self.row.against])
        return [(getattr(one, what), getattr(other, what)) for one, other in pairs]

    def ratios(self, server, what):
        return [one / (other or 1e-9) for one, other in self.pairs(server, what)]

    def ratio(self, server, what):
        return statistics.median(self.ratios(server, what))

    def more(self, server, what):
        return statistics.median(one - other for one, other in self.pairs(server, what))

    def bytes_ratio(self, server):
        return self.body_bytes[server] / self.body_bytes[self.row.against]

    def bars(self):
        """What was demanded: [(as text, whether it held)]. What is printed is what is judged."""
        row, found = self.row, []
        if row.cpu_at_most is not None:
            held = float(shown(self.ratio(SUBJECT, "cpu_us"))) <= row.cpu_at_most
            found.append((f"CPU <= {row.cpu_at_most:.2f}", held))
        if row.bytes_at_most is not None:
            # The bytes themselves are printed too, so nothing is rounded.
            held = self.bytes_ratio(SUBJECT) <= row.bytes_at_most
            found.append((f"bytes <= {row.bytes_at_most:.2f}", held))
        if row.rps_at_least is not None:
            held = float(shown(self.ratio(SUBJECT, "rps"))) >= row.rps_at_least
            found.append((f"req/s >= {row.rps_at_least:.2f}", held))
        if row.per_cpu_second_at_least is not None:
            ratio = shown(self.ratio(SUBJECT, "per_cpu_second"))
            found.append((f"per CPU second {ratio} >= {row.per_cpu_second_at_least:.2f}",
                          float(ratio) >= row.per_cpu_second_at_least))
        if row.idle_bytes_at_most is not None:
            ratio = shown(self.ratio(SUBJECT, "idle_bytes"))
            found.append((f"bytes per connection {ratio} <= {row.idle_bytes_at_most:.2f}",
                          float(ratio) <= row.idle_bytes_at_most))
        for what, name, most in [("request_cpu_us", "request CPU", row.request_cpu_more_at_most),
                                 ("cpu_us", "all CPU", row.cpu_more_at_most)]:
            if most is not None:
                more = f"{self.more(SUBJECT, what):+.2f}"
                found.append((f"{name} {more} us <= {most:.2f}", float(more) <= most))
        return found

    @property
    def held(self):
        """Whether all bars held; None if there is none."""
        bars = self.bars()
        return all(held for _, held in bars) if bars else None


HEAD = ["row", "server", "req/s", "CPU us/req", "memory MiB", "p99 ms", "body bytes",
        "req/s ratio", "CPU ratio", "(min-max)", "bytes ratio", "bars"]


def lines(result):
    for server in result.rounds:
        first = server == result.row.against
        p99 = result.median(server, "p99_ms")
        line = [
            result.row.title if first else "",
            server,
            f"{result.median(server, 'rps'):,.0f}",
            f"{result.median(server, 'cpu_us'):.1f}",
            f"{result.memory_mib(server):.1f}",
            "-" if p99 is None else f"{p99:.2f}",
            f"{result.body_bytes[server]:,}",
        ]
        if not first:
            cpu = result.ratios(server, "cpu_us")
            line += [shown(result.ratio(server, "rps")), shown(statistics.median(cpu)),
                     f"({shown(min(cpu))}-{shown(max(cpu))})", f"{result.bytes_ratio(server):.3f}"]
        if server == SUBJECT:
            line.append("  ".join(f"{bar} {'ok' if held else 'MISSED'}"
                                  for bar, held in result.bars()))
        yield line + [""] * (len(HEAD) - len(line))


def table(results):
    blocks = [list(lines(result)) for result in results]
    widths = [max(len(line[n]) for block in [[HEAD], *blocks] for line in block)
              for n in range(len(HEAD))]

    def laid(line):
        # Text to the left, numbers to the right.
        cells = [cell.ljust(width) if n in (0, 1, len(HEAD) - 1) else cell.rjust(width)
                 for n, (cell, width) in enumerate(zip(line, widths))]
        return "  ".join(cells).rstrip()

    rule = "-" * len("  ".join("-" * width for width in widths))
    text = [laid(HEAD)]
    for block in blocks:
        text += [rule, *map(laid, block)]
    return "\n".join(text + [rule])


def notes(results):
    """What a reader has to know before believing the table."""
    if any(result.row.tls for result in results):
        yield f"TLS: {tls.VERSION}, {tls.GROUP}, {tls.SUITE}, an ECDSA P-256 certificate"
    for result in results:
        for server, rounds in result.rounds.items():
            shares = [one.logged for one in rounds if one.logged is not None]
            if shares and min(shares) < 0.99:
                yield (f"{result.row.title}: {server} wrote only {min(shares):.0%} of its access "
                       "log in one of the rounds, so it was spared work")
        if result.row.idle:
            told = ", ".join(f"{server} {result.median(server, 'idle_bytes'):,.0f}"
                             for server in result.rounds)
            yield (f"{result.row.title}: bytes of memory for each of {result.row.idle:,}, which "
                   f"has asked once: {told}")
        if "@VISITS" in result.row.parvis:
            yield f"{result.row.title}: CPU us/req {of_threads(result)}"
            ratios = sorted(result.ratios(SUBJECT, "rps"))
            quarter = len(ratios) // 4
            yield (f"{result.row.title}: in half of the rounds the req/s ratio was from "
                   f"{ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f}")


def of_threads(result):
    """Which threads take parvis's CPU time, the busiest first, and how it was without visits."""
    def told(server):
        rounds = result.rounds[server]
        names = {name for one in rounds for name in one.threads_us}
        cost = {name: statistics.median(one.threads_us.get(name, 0) for one in rounds)
                for name in names}
        return ", ".join(f"{name} {cost[name]:.2f}" for name in sorted(cost, key=cost.get)[::-1]
                         if cost[name] >= 0.01)
    return f"{told(SUBJECT)}; {result.row.against}: {told(result.row.against)}"


def machine(nginx):
    said = subprocess.run([nginx, "-v"], stderr=subprocess.PIPE, text=True, check=True).stderr
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "kernel": platform.release(),
        "nginx": re.search(r"nginx/(\S+)", said).group(1),
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "load_average": os.getloadavg()[0],
    }


def processor():
    with open("/proc/cpuinfo") as text:
        found = re.search(r"^model name\s*: (.+)$", text.read(), re.MULTILINE)
    return found.group(1) if found else platform.machine()


def machine_line(machine):
    return ("{cores} cores ({processor}), Linux {kernel}, nginx {nginx}, {date}").format(**machine)


def command_line():
    return " ".join(shlex.quote(word) for word in ["benches/versus/run", *sys.argv[1:]])


def as_json(results, machine, chosen):
    rows = []
    for result in results:
        servers = {}
        for server, rounds in result.rounds.items():
            servers[server] = {
                "rps": result.median(server, "rps"),
                "cpu_us": result.median(server, "cpu_us"),
                "memory_mib": result.memory_mib(server),
                "p99_ms": result.median(server, "p99_ms"),
                "body_bytes": result.body_bytes[server],
                "rps_ratio": result.ratio(server, "rps"),
                "cpu_ratio": result.ratio(server, "cpu_us"),
                "bytes_ratio": result.bytes_ratio(server),
                "cpu_more_us": result.more(server, "cpu_us"),
                "idle_bytes": result.median(server, "idle_bytes"),
                "rounds": [asdict(one) for one in rounds],
            }
        rows.append({
            "name": result.row.name,
            "title": result.row.title,
            "cpu_at_most": result.row.cpu_at_most,
            "bytes_at_most": result.row.bytes_at_most,
            "rps_at_least": result.row.rps_at_least,
            "per_cpu_second_at_least": result.row.per_cpu_second_at_least,
            "idle_bytes_at_most": result.row.idle_bytes_at_most,
            "request_cpu_more_at_most": result.row.request_cpu_more_at_most,
            "cpu_more_at_most": result.row.cpu_more_at_most,
            "against": result.row.against,
            "held": result.held,
            "servers": servers,
        })
    settings = {name: getattr(chosen, name)
                for name in ("seconds", "rounds", "connections", "with_log")}
    return {"machine": machine, "command": command_line(), **settings, "rows": rows}
