"""The training settings of a sweep file, `train`."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from searchspace.quantity import parse_quantity
from searchspace.spec import one_of
from sweeps.train.losses import LOSSES
from sweeps.train.schedules import SCHEDULES

Number = BeforeValidator(parse_quantity)


class TrainSettings(BaseModel):
    """How every trial of a sweep is trained. Every count of steps is in optimiser steps."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    steps: Annotated[int, Number, Field(ge=1)] = 4000
    """Full length of a training."""
    patch_size: Annotated[int, Number, Field(ge=4)] = 24
    """Side of a low-resolution patch, in pixels."""
    batch_size: Annotated[int, Number, Field(ge=1)] = 16
    """Patches in one step."""
    learning_rate: Annotated[float, Number, Field(gt=0)] = 1e-3
    """Largest learning rate of Adam (beta 0.9, 0.999)."""
    loss: Annotated[str, one_of(LOSSES)] = "l1"
    """The quantity that training minimizes. l1: the mean absolute difference."""
    schedule: Annotated[str, one_of(SCHEDULES)] = "one_cycle"
    """How the learning rate changes. constant: never. halve: halves every `halve_every` steps, as in the papers.
    cosine: falls to zero over `steps`. one_cycle: rises linearly over the first 30 %, then falls to zero along a
    cosine. cosine_restarts: falls to zero at each of `restarts` and at the end, and starts anew from the largest rate
    after each restart."""
    restarts: tuple[Annotated[int, Number, Field(ge=1)], ...] | None = None
    """Steps after which `schedule: cosine_restarts` starts anew. The network is evaluated at each. null: the rungs of
    search.halving."""
    halve_every: Annotated[int, Number, Field(ge=1)] = 200_000
    """Steps between halvings under `schedule: halve`."""
    clip_gradient: Annotated[float, Number, Field(gt=0)] | None = None
    """Largest norm of the gradient. null: gradients are not clipped."""
    evaluate_every: Annotated[int, Number, Field(ge=1)] = 1000
    """Steps between evaluations on the validation images. Each evaluation also writes the checkpoint."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 autocast on a processor or GPU that computes it natively. float32: full precision; a GPU does
    not use TF32 either."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the GPU if the machine has one, else the processor."""

    @field_validator("restarts")
    @classmethod
    def _within_the_training(
        cls, restarts: tuple[int, ...] | None, info: ValidationInfo
    ) -> tuple[int, ...] | None:
        steps, schedule = info.data.get("steps"), info.data.get("schedule")
        if restarts is None or steps is None or schedule is None:
            return restarts
        if schedule != "cosine_restarts":
            raise ValueError(
                f"only schedule: cosine_restarts takes restarts, got {list(restarts)} with schedule: {schedule}; "
                "use null"
            )
        if list(restarts) != sorted({*restarts}) or any(restart >= steps for restart in restarts):
            raise ValueError(
                f"must increase and stay below steps ({steps:,}), got {list(restarts)}"
            )
        return restarts
