"""The section `resources` of a sweep file: the resources of one trial, and the number of trials in parallel."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from searchspace.errors import UserError, shown
from searchspace.quantity import parse_quantity

AUTO: Literal["auto"] = "auto"
"""The value of `gpu` that srsweep replaces by a measured share when the sweep starts."""
Gpus = float | Literal["auto"]
LEAST = 1e-4
"""Smallest share of a core or a GPU that a trial can take. Ray does not support smaller shares."""
MAX_CORES = 1_000_000_000
"""Maximum number of cores of a trial."""
MAX_GPUS = 10_000
"""Maximum number of GPUs of a trial."""


Number = BeforeValidator(parse_quantity)


def parse_gpus(written: object) -> Gpus:
    """Parses the number of GPUs of a trial: 'auto', a whole number, or a share of one GPU.

    Raises UserError for anything else.
    """
    if written == AUTO:
        return "auto"
    try:
        gpus = float(parse_quantity(written))
    except UserError:
        raise UserError(f"must be auto or a number such as 0.25, got {shown(written)}") from None
    if gpus > MAX_GPUS:
        raise UserError(f"must be at most {MAX_GPUS:,}, got {gpus:g}")
    if gpus != 0 and gpus < LEAST:
        raise UserError(f"must be auto, 0 or at least {LEAST:g}, got {gpus:g}")
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"must be at most 1 or a whole number, got {gpus:g}")
    return gpus


class ResourceSettings(BaseModel):
    """The resources that one trial takes, and the number of trials that run in parallel."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    cpu: Annotated[float, Number, Field(ge=LEAST, le=MAX_CORES)] = 1
    """Processor cores of a trial. A trial uses one thread per core, but not more threads than the machine has cores."""
    gpu: Annotated[Gpus, BeforeValidator(parse_gpus)] = AUTO
    """GPUs of a trial. It is a whole number, or a number below 1 if several trials share a GPU. 0: trials run on
    processors. auto: the share with which all trials together take the most steps per second. The predicted memory of
    the largest network must fit into the share. srsweep measures this share once for each kind of GPU, and `srsweep
    pack` shows it. On a machine without a GPU, auto means 0."""
    concurrent: Annotated[int, Number, Field(ge=1, le=100_000)] | None = None
    """Number of trials that run in parallel. null: the largest number that the cores and GPUs of the machine or the
    cluster allow. For a cluster that grows on demand, give the number for its full size. Such a cluster grows only
    while trials are waiting."""
    hours_per_attempt: Annotated[float, Number, Field(gt=0, le=100_000)] | None = None
    """Hours after which an attempt at a trial counts as hanging and is killed. The next attempt continues from the
    trial's checkpoint. null: no limit."""

    @property
    def seconds_allowed(self) -> float | None:
        """`hours_per_attempt` in seconds."""
        return None if self.hours_per_attempt is None else self.hours_per_attempt * 3600

    @property
    def threads(self) -> int:
        """Number of threads of a trial. `sweeps.machine.threads_here` limits it to the machine's cores."""
        return max(1, int(self.cpu))
