"""Passes the trials of a running sweep to its sinks, each in a thread of its own.

A sink may fail, or may be slow because a server answers late. Neither must affect the sweep or another sink.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence

from searchspace.errors import UserError
from sweeps.config.sweep_config import SweepConfig
from sweeps.messages import redacted, visible
from sweeps.records import TrialRow
from sweeps.sinks.sink import Sink, Subject, sink_class
from sweeps.store.store import Store

CLOSING_SECONDS = 60.0
"""Maximum time, in seconds, for which a sweep waits for slow sinks at its end."""
LONGEST_REASON = 200
"""Maximum number of characters that are shown of an error."""
MAX_NAMED = 500
"""Maximum number of trials in one query, because databases limit the parameters of a query."""

Rows = Sequence[TrialRow]


class Pipe(threading.Thread):
    """A thread that writes trials to one sink until it receives None or the sink fails."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Sink],
        failures: deque[str],
    ) -> None:
        """Starts the thread. `make` opens the sink. If the sink fails, one line is appended to `failures`."""
        super().__init__(name=f"log.{name}", daemon=True)
        self.make, self.failures = make, failures
        self.trials: queue.SimpleQueue[Rows | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        """Writes the trials from the queue. A failure ends only this thread."""
        try:
            sink = self.make()
            try:
                while (rows := self.trials.get()) is not None:
                    sink.write(rows)
            finally:
                sink.close()
        except Exception as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), "")
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            told = visible(redacted(kind + reason))[:LONGEST_REASON]
            self.failures.append(
                f"{self.name}: {told}; the sweep continues without it, and its next run adds what is missing"
            )


class Feed:
    """The sinks of one sweep. The driver calls `update` after each change, and `close` at the end."""

    def __init__(
        self, config: SweepConfig, store: Store, sweep_id: int, say: Callable[[str], None]
    ) -> None:
        """Passes all stored trials to the sinks that `config.log` names, so that the sinks catch up.

        `say` is called in the driver's thread, with one line for each sink that fails. Raises UserError if the package
        of a sink is missing.
        """
        self.store, self.sweep_id, self.say = store, sweep_id, say
        self.failures: deque[str] = deque()
        subject = Subject(name=config.name, scale=config.scale, objectives=config.objectives)
        self.pipes = [
            Pipe(name, _maker(sink_class(name), target, subject), self.failures)
            for name, target in config.log.items()
        ]
        store.touched.clear()
        if self.pipes:
            self._pass_on(store.trials(sweep_id))

    def update(self) -> None:
        """Passes on every trial written to the store since the last call, and reports the sinks that have failed."""
        while self.failures:
            self.say(self.failures.popleft())
        if self.pipes and self.store.touched:
            touched, self.store.touched = self.store.touched, set()
            few = len(touched) <= MAX_NAMED
            self._pass_on(self.store.trials(self.sweep_id, touched if few else None))

    def close(self) -> None:
        """Passes on the last changes, and waits for each sink to write them, at most CLOSING_SECONDS per sink."""
        try:
            self.update()
        finally:
            for pipe in self.pipes:
                pipe.trials.put(None)
            for pipe in self.pipes:
                pipe.join(CLOSING_SECONDS)
                if pipe.is_alive():
                    self.failures.append(
                        f"{pipe.name}: has not finished after {CLOSING_SECONDS:.0f} s; the next run of the sweep adds what is "
                        "missing"
                    )
            self.pipes = []
            self.update()

    def _pass_on(self, rows: Rows) -> None:
        for pipe in self.pipes:
            pipe.trials.put(rows)


def _maker(class_: type[Sink], target: str, subject: Subject) -> Callable[[], Sink]:
    return lambda: class_(target, subject)
