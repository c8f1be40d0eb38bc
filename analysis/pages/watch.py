"""Keeps the newest state of each sweep that the dashboard shows."""

import threading

from analysis.pages.live import Live, load_live
from analysis.read.frames import load_sweeps


class Watch:
    """Keeps the newest state of each sweep, so that points are not read twice."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()
        self.readings: dict[str, Live] = {}

    def names(self) -> list[str]:
        """Returns the names of the sweeps in the database, the newest first."""
        return [str(name) for name in load_sweeps(self.url)["name"]][::-1]

    def live(self, sweep: str) -> Live:
        """Reads and returns the current state of `sweep`."""
        with self.lock:
            now = load_live(self.url, sweep, self.readings.get(sweep))
            self.readings[sweep] = now
            return now

    def last(self, sweep: str) -> Live:
        """Returns the state of `sweep` at its last reading, and reads it only if there was none."""
        return self.readings.get(sweep) or self.live(sweep)
