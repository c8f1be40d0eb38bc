"""The settings `resources` of a sweep file: what one trial takes, and how many trials run at once."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from searchspace.errors import UserError
from searchspace.quantity import parse_quantity

AUTO: Literal["auto"] = "auto"
"""The value of `gpu` that is resolved when the sweep starts."""
Gpus = float | Literal["auto"]
LEAST = 1e-4
"""Smallest share of a core or a GPU that a trial can take. Ray counts no finer."""


Number = BeforeValidator(parse_quantity)


def parse_gpus(written: object) -> Gpus:
    """Parse the GPUs of a trial: 'auto', a whole number, or a share of one GPU. Raises UserError for anything else."""
    if written == AUTO:
        return "auto"
    try:
        gpus = float(parse_quantity(written))
    except UserError:
        raise UserError(f"must be auto or a number such as 0.25, got {written!r}") from None
    if gpus != 0 and gpus < LEAST:
        raise UserError(f"must be auto, 0 or at least {LEAST:g}, got {gpus:g}")
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"must be at most 1 or a whole number, got {gpus:g}")
    return gpus


class ResourceSettings(BaseModel):
    """What one trial takes, and how many trials run at once."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    cpu: Annotated[float, Number, Field(ge=LEAST)] = 1
    """Processor cores of a trial. Also its threads, on a machine with that many cores."""
    gpu: Annotated[Gpus, BeforeValidator(parse_gpus)] = AUTO
    """GPUs of a trial. A whole number, or a number below 1 if several trials share a GPU. 0: trials run on processors.
    auto: the share with which trials together take the most steps per second, as `srsweep pack` measures it once for
    each kind of GPU, as far as the predicted memory of the largest network allows; 0 on a machine without a GPU."""
    concurrent: Annotated[int, Number, Field(ge=1, le=100_000)] | None = None
    """Trials at once. null: as many as the cores and GPUs of the machine or the cluster take. For a cluster that grows
    on demand, give the number that it takes at full size: waiting trials are what makes it grow."""
    hours_per_attempt: Annotated[float, Number, Field(gt=0, le=100_000)] | None = None
    """Hours after which an attempt at a trial counts as hanging and is killed. The next attempt continues from its
    checkpoint. null: no limit."""

    @property
    def seconds_allowed(self) -> float | None:
        """`hours_per_attempt` in seconds."""
        return None if self.hours_per_attempt is None else self.hours_per_attempt * 3600

    @property
    def threads(self) -> int:
        """Threads of a trial. `sweeps.machine.threads_here` limits them to the cores of the machine."""
        return max(1, int(self.cpu))
