"""The simplest driver: one segment after another in this process."""

from sweeps.engine.sweep import Sweep
from sweeps.records import together
from sweeps.train import segment as segments


def run(sweep: Sweep) -> None:
    """Run the sweep to its end."""
    while (segment := sweep.next_segment()) is not None:
        for records in together(segments.run(segment), segment.until_step):
            sweep.handle(segment, *records)
