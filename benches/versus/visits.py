"""What parvis says of the visits that it records."""

import http.client
import re
import time

from process import Failure

# How long no visit may come any more before the rest is lost.
PATIENCE_SECONDS = 30
LOOK_EVERY_SECONDS = 0.2

# Visits that the database has. It is the last to have them.
DELIVERED = re.compile(r'^parvis_visits_delivered_total\{sink="store"\} (\S+)$', re.MULTILINE)


class Visits:
    """The visits of a running parvis, asked for at its admin interface."""

    def __init__(self, host, port):
        self.host, self.port = host, port

    def delivered(self):
        """How many the database has."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"parvis does not tell its metrics: {error!r}") from error
        finally:
            connection.close()
        found = DELIVERED.search(text)
        return float(found.group(1)) if found else 0

    def wait(self, count):
        """Waits until the database has this many, so that their cost is all paid."""
        last, since = None, time.monotonic()
        while True:
            now = self.delivered()
            if now >= count:
                return
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() - since > PATIENCE_SECONDS:
                raise Failure(f"of {count:.0f} visits the database has {now:.0f}, and no more come")
            time.sleep(LOOK_EVERY_SECONDS)
