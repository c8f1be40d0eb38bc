"""What a sweep file says of the machine: `resources`, what one trial takes and how many run at once."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from searchspace.quantity import parse_quantity

AUTO: Literal["auto"] = "auto"
"""GPUs of a trial that are worked out when the sweep starts."""
Gpus = float | Literal["auto"]
LEAST = 1e-4
"""Of a core or a GPU that a trial can have: Ray counts no finer."""


Number = BeforeValidator(parse_quantity)


def parse_gpus(written: object) -> Gpus:
    """'auto', or GPUs of a trial: a whole number, or a share of one; ValueError for anything else."""
    if written == AUTO:
        return "auto"
    try:
        gpus = float(parse_quantity(written))
    except ValueError:
        raise ValueError(f"must be auto or a number such as 0.25, got {written!r}") from None
    if gpus != 0 and gpus < LEAST:
        raise ValueError(f"must be auto, 0 or at least {LEAST:g}, got {gpus:g}")
    if gpus > 1 and gpus != int(gpus):
        raise ValueError(f"must be at most 1 or a whole number, got {gpus:g}")
    return gpus


class ResourceSettings(BaseModel):
    """What one trial takes, and how many run at once."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    cpu: Annotated[float, Number, Field(ge=LEAST)] = 1
    """Processor cores of a trial; its threads, on a machine that has as many."""
    gpu: Annotated[Gpus, BeforeValidator(parse_gpus)] = AUTO
    """GPUs of a trial: a whole number, or below 1, where several trials share one; 0: trained on processors. auto: the
    share with which most steps a second are taken in total, measured once for each kind of GPU (see `srsweep pack`) and
    bounded by the memory that the largest network is predicted to take; 0 where there is no GPU."""
    concurrent: Annotated[int, Number, Field(ge=1, le=100_000)] | None = None
    """Trials at once; null: as many as the machine's (or the cluster's) cores and GPUs take. A cluster that grows on
    demand needs the number that it takes when full: trials that wait for a machine are what makes it grow."""
    hours_per_attempt: Annotated[float, Number, Field(gt=0, le=100_000)] | None = None
    """Hours after which an attempt at a trial is killed, as one that hangs; null: no limit. The next attempt goes on from
    its checkpoint."""

    @property
    def seconds_allowed(self) -> float | None:
        """`hours_per_attempt` in seconds."""
        return None if self.hours_per_attempt is None else self.hours_per_attempt * 3600

    @property
    def threads(self) -> int:
        """Threads of a trial, see `threads_here`."""
        return max(1, int(self.cpu))
