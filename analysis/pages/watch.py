"""Keeps the newest state of each sweep that the dashboard shows."""

import threading

from analysis.pages.live import Live, load_live
from analysis.read.frames import load_sweeps


class Watch:
    """Keeps the newest state of each sweep, so that points are not read twice.

    Raises UserError if the database at `url` cannot be read.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()
        self.readings: dict[str, Live] = {}
        self.sweeps = load_sweeps(url)
        """The sweeps at the last call of `names`, as `load_sweeps` returns them."""

    def names(self) -> list[str]:
        """Returns the names of the sweeps in the database, the newest first."""
        self.sweeps = load_sweeps(self.url)
        return [str(name) for name in self.sweeps["name"]][::-1]

    def live(self, sweep: str) -> Live:
        """Reads and returns the current state of `sweep`."""
        with self.lock:
            now = load_live(self.url, sweep, self.readings.get(sweep))
            self.readings[sweep] = now
            return now

    def last(self, sweep: str) -> Live:
        """Returns the state of `sweep` at its last reading, and reads it only if there was none."""
        return self.readings.get(sweep) or self.live(sweep)
