"""Measures the processor time that other processes use while this process measures something else."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

from sweeps.machine import allowed_cores

PROC = Path("/proc")
"""The folder in which Linux reports the processor time of cores and processes."""
QUIET_CORES = 0.1
"""Number of cores that other processes may use without distorting a measurement. The background services of an
operating system usually need less."""
QUIET_SHARE = 0.05
"""Share of the allowed cores that other processes may use without distorting a measurement. The limit is this share or
QUIET_CORES, whichever is larger."""
UNCERTAIN_SECONDS = 0.03
"""Uncertainty of the processor time of other processes, in seconds. The kernel counts in steps of 0.01 s."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """The processor time that other processes used during the measured interval."""

    others: float
    """Mean number of cores that other processes used. Only the cores that this process may use are counted. NaN if the
    system does not report the load."""
    cores: int
    """Number of cores that this process may use."""
    seconds: float
    """Length of the measured interval in seconds."""

    @property
    def is_known(self) -> bool:
        """Whether the system reports the load."""
        return not isnan(self.others)

    @property
    def is_busy(self) -> bool:
        """Whether other processes used too much processor time for a reliable measurement.

        False if the load is unknown.
        """
        allowed = max(QUIET_CORES, QUIET_SHARE * self.cores)
        return self.others * self.seconds > allowed * self.seconds + UNCERTAIN_SECONDS

    def __str__(self) -> str:
        if not self.is_known:
            return "the load of other processes is unknown"
        return (
            f"other processes used {self.others:.1f} of {self.cores} core{'s' * (self.cores > 1)}"
        )


class Meter:
    """Measures the load of other processes since the meter was created or last restarted.

    The processor time of this process and of the processes `own` is not counted. On a virtual machine, time that the
    host gave to other virtual machines counts as load, because this machine could not use it.
    """

    def __init__(self, own: Sequence[int] = ()) -> None:
        self.own, self.cores = own, allowed_cores()
        self.restart()

    def restart(self) -> None:
        """Begins a new measurement of the load."""
        self.began = (time.perf_counter(), self._others())

    def load(self) -> Load:
        """Returns the load since the last `restart`."""
        began, before = self.began
        now, after = time.perf_counter(), self._others()
        seconds = max(now - began, 1e-9)
        return Load(
            others=max(0.0, (after - before) / seconds) if after == after else nan,
            cores=len(self.cores),
            seconds=seconds,
        )

    def _others(self) -> float:
        """Returns the processor time in seconds that other processes have used on the cores so far, or NaN if it is
        unknown.
        """
        with suppress(OSError, ValueError, IndexError):
            used = busy_seconds((PROC / "stat").read_text(), self.cores)
            return used - time.process_time() - sum(map(process_seconds, self.own))
        return nan


def busy_seconds(text: str, cores: Sequence[int]) -> float:
    """Returns the busy seconds of `cores` since boot, summed over the cores, from the `text` of /proc/stat.

    Raises ValueError if one of the cores is missing.
    """
    named = {f"cpu{core}" for core in cores}
    rows = [line.split() for line in text.splitlines()]
    found = [row for row in rows if row and row[0] in named]
    if len(found) < len(named):
        raise ValueError("a core is missing in /proc/stat")
    # user, nice, system, idle, iowait, irq, softirq, steal; the time of guests is part of user and nice.
    ticks = sum(int(row[i]) for row in found for i in (1, 2, 3, 6, 7, 8))
    return ticks / os.sysconf("SC_CLK_TCK")


def process_seconds(pid: int) -> float:
    """Returns the processor seconds that a process has used so far. Raises OSError if there is no such process."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
