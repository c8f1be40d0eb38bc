"""Keeps the newest state of each sweep that the dashboard shows."""

import contextlib
import threading

import flask

from analysis.pages.live import Live, load_live
from analysis.read.frames import load_sweeps
from searchspace.errors import UserError


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

    def read_ahead(self, sweep: str | None) -> threading.Thread:
        """Starts to read `sweep`, and returns the thread that reads it. An unknown sweep stands for the newest one.

        A browser needs about half a second for the scripts of the page before it asks for the first figure. A large
        sweep is read in the meantime. If the database cannot be read, the browser's own request reports why.
        """

        def read() -> None:
            with contextlib.suppress(UserError):
                names = self.names()
                if names:
                    self.live(sweep if sweep in names else names[0])

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        return reading


def read_with_the_page(server: flask.Flask, watch: Watch) -> None:
    """Starts to read the newest sweep, and each sweep that is named in the address when a browser asks for the page."""
    watch.read_ahead(None)

    @server.before_request
    def begin() -> None:
        if flask.request.path == "/":
            watch.read_ahead(flask.request.args.get("sweep"))
