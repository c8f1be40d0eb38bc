"""The simplest driver: one segment after another in this process."""

from sweeps import trial
from sweeps.sweep import Sweep


def run(sweep: Sweep) -> None:
    """Run the sweep to its end."""
    while (segment := sweep.next_segment()) is not None:
        for record in trial.run(segment):
            sweep.handle(segment, record)
