"""The simplest driver: one segment after another in this process."""

from sweeps import trial
from sweeps.records import together
from sweeps.sweep import Sweep


def run(sweep: Sweep) -> None:
    """Run the sweep to its end."""
    while (segment := sweep.next_segment()) is not None:
        for records in together(trial.run(segment), segment.until_step):
            sweep.handle(segment, *records)
