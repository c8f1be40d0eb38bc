"""Settings under `train` in a sweep file."""

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
from sweeps.records import MAX_STEPS
from sweeps.train.losses import LOSSES
from sweeps.train.schedules import SCHEDULES

Number = BeforeValidator(parse_quantity)
MAX_PIXELS = 2**28
"""The largest number of high-resolution pixels in the batch of one step. At this number, a step of the smallest network
takes 15 GiB of memory."""


def batch_fault(settings: "TrainSettings", scale: int) -> str | None:
    """Returns why a batch of patches is too large for any machine, or None if it is not."""
    side = settings.patch_size * scale
    pixels = settings.batch_size * side**2
    if pixels <= MAX_PIXELS:
        return None
    most = MAX_PIXELS // side**2
    return (
        f"the high-resolution patches of a batch must have at most {MAX_PIXELS:,} pixels, got {settings.batch_size:,} "
        f"patches of {side:,}x{side:,}; use "
        + (f"at most {most:,} patches or " if most else "")
        + "smaller patches"
    )


class TrainSettings(BaseModel):
    """How a sweep trains every trial. A step is an optimiser step."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    steps: Annotated[int, Number, Field(ge=1, le=MAX_STEPS)] = 4000
    """Number of steps of a full training."""
    patch_size: Annotated[int, Number, Field(ge=4, le=4_096)] = 24
    """Height and width of the training patches, in low-resolution pixels."""
    batch_size: Annotated[int, Number, Field(ge=1, le=65_536)] = 16
    """Number of patches in the batch of one step. Together, the high-resolution patches of a batch have at most 2^28 pixels."""
    learning_rate: Annotated[float, Number, Field(gt=0, le=1e6)] = 1e-3
    """Largest learning rate. The optimizer is Adam with betas 0.9 and 0.999."""
    loss: Annotated[str, one_of(LOSSES)] = "l1"
    """The loss that training minimizes. l1: the mean absolute difference between output and original."""
    schedule: Annotated[str, one_of(SCHEDULES)] = "one_cycle"
    """How the learning rate changes during a training. constant: it does not change. halve: it halves every
    `halve_every` steps, as in many papers. cosine: it falls to zero along a cosine. one_cycle: it rises linearly over
    the first 30 % of the training, then falls to zero along a cosine. cosine_restarts: it falls to zero along a cosine
    several times, and returns to its largest value at each step in `restarts`."""
    restarts: tuple[Annotated[int, Number, Field(ge=1, le=MAX_STEPS)], ...] | None = None
    """Steps at which `schedule: cosine_restarts` restarts. The network is also evaluated at these steps. null: the schedule
    restarts at the rungs of search.halving."""
    halve_every: Annotated[int, Number, Field(ge=1, le=MAX_STEPS)] = 200_000
    """Number of steps between two halvings of the learning rate with `schedule: halve`."""
    clip_gradient: Annotated[float, Number, Field(gt=0, le=1e6)] | None = None
    """Largest norm of the gradient of all weights. A longer gradient is scaled down. null: gradients are not clipped."""
    evaluate_every: Annotated[int, Number, Field(ge=1, le=MAX_STEPS)] = 1000
    """Number of steps between two evaluations on the validation images. Each evaluation also writes a checkpoint."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the computation. bfloat16: mixed precision by autocast. float32: full precision, without TF32 on a GPU.
    auto: bfloat16 if the processor or GPU computes it natively, else float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to train on. cuda: an NVIDIA GPU. cpu: the processor. auto: the GPU if there is one, else the processor."""

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
