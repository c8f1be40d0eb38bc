"""The simplest driver: it runs one segment after another in this process."""

from sweeps.engine.sweep import Sweep
from sweeps.records import together
from sweeps.train import segment as segments


def run(sweep: Sweep) -> None:
    """Runs the sweep to its end. Raises SweepFailed or StoreError if the sweep cannot go on."""
    while (segment := sweep.next_segment()) is not None:
        for records in together(segments.run(segment), segment.until_step):
            sweep.handle(segment, *records)
