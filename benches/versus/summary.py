"""What a load says of itself."""

import json
from dataclasses import dataclass
from typing import Optional

MARK = "SUMMARY "


@dataclass
class Summary:
    """Requests that were answered, or handshakes that were made, without fault."""

    requests: int
    seconds: float
    # None where the tool does not tell.
    p99_ms: Optional[float]


def marked(output, status):
    """The one line of JSON in the output. A ValueError tells what is there instead."""
    lines = [line for line in output.splitlines() if line.startswith(MARK)]
    if status != 0 or len(lines) != 1:
        raise ValueError(f"the client ended with status {status}, no result")
    return json.loads(lines[0][len(MARK):])
