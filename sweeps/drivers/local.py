"""The simplest driver: it runs one segment after another in this process."""

from sweeps.engine.sweep import Sweep
from sweeps.records import TELL_SECONDS, together
from sweeps.train import segment as segments


def run(sweep: Sweep) -> None:
    """Runs the sweep to its end. Raises SweepFailed or StoreError if the sweep cannot continue."""
    while (segment := sweep.next_segment()) is not None:
        found = segments.run(segment, tell_seconds=TELL_SECONDS)
        for records in together(found, segment.until_step):
            sweep.handle(segment, *records)
