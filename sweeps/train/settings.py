"""Settings under `train` in a sweep file."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from searchspace.quantity import parse_quantity
from searchspace.spec import one_of
from sweeps.paths import expanded
from sweeps.records import MAX_STEPS
from sweeps.train.losses import HEAVIEST, parse_loss
from sweeps.train.schedules import SCHEDULES

Number = BeforeValidator(parse_quantity)
Beta = Annotated[float, Number, Field(ge=0, lt=1)]
OPTIMIZERS = ("adam", "adamw")
MAX_PIXELS = 2**28
"""The largest number of high-resolution pixels in the batch of one step. A step of the smallest network takes 15 GiB of
memory for so many pixels."""


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
    """Largest learning rate."""
    loss: Annotated[
        str | dict[str, Annotated[float, Field(gt=0, le=HEAVIEST)]], BeforeValidator(parse_loss)
    ] = "l1"
    """The loss that training minimizes. l1: the mean absolute difference between output and original. charbonnier: a
    smooth form of l1. mse: the mean squared difference. fft: the mean absolute difference of their spectra. A mapping
    from these names to weights is a weighted sum, such as {l1: 1.0, fft: 0.05}."""
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
    warmup: Annotated[int, Number, Field(ge=0, le=MAX_STEPS)] = 0
    """Number of steps at the beginning during which the learning rate of the schedule is multiplied by a factor that
    rises linearly to 1. It must be 0 with schedule: one_cycle, which rises by itself."""
    optimizer: Annotated[str, one_of(OPTIMIZERS)] = "adam"
    """The optimizer. adam: Adam; it adds weight decay to the gradient. adamw: AdamW; it shrinks the weights by
    learning_rate times weight_decay at each step, apart from the gradient."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """How much of the running means of the gradient and of its square the optimizer keeps at each step."""
    weight_decay: Annotated[float, Number, Field(ge=0, le=1e6)] | None = None
    """Strength of the pull of all weights towards 0. null: 0 with adam, 0.01 with adamw, as in PyTorch."""
    ema: Annotated[float, Number, Field(gt=0, lt=1)] | None = None
    """Decay of an exponential moving average of the weights, such as 0.999. The averaged weights are evaluated, stored
    and exported as the network, and training continues with the weights themselves. null: no average."""
    warm_start: Annotated[str, AfterValidator(expanded)] | None = None
    """File of weights that each training starts from: a checkpoint of srsweep, or one of a public code. It may be for
    another scale; layers whose shapes depend on the scale then start new. null: all weights start at random."""
    clip_gradient: Annotated[float, Number, Field(gt=0, le=1e6)] | None = None
    """Largest norm of the gradient of all weights. A longer gradient is scaled down. null: gradients are not clipped."""
    evaluate_every: Annotated[int, Number, Field(ge=1, le=MAX_STEPS)] = 1000
    """Number of steps between two evaluations on the validation images. Each evaluation also writes a checkpoint."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the computation. bfloat16: mixed precision by autocast. float32: full precision, without TF32 on a GPU.
    auto: bfloat16 if the processor or GPU computes it natively, else float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to train on. cuda: an NVIDIA GPU. cpu: the processor. auto: the GPU if there is one, else the processor."""

    @field_validator("warmup")
    @classmethod
    def _room_to_warm_up(cls, warmup: int, info: ValidationInfo) -> int:
        steps, schedule = info.data.get("steps"), info.data.get("schedule")
        if warmup and schedule == "one_cycle":
            raise ValueError(
                "must be 0 with schedule: one_cycle, which raises the learning rate over the first 30 % by itself, "
                f"got {warmup:,}; choose another schedule, such as cosine"
            )
        if steps is not None and warmup >= steps:
            raise ValueError(f"must be below steps ({steps:,}), got {warmup:,}")
        return warmup

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
