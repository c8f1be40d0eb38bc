"""The settings under `train` in a sweep file."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from searchspace.architecture import architecture
from searchspace.errors import UserError, shown
from searchspace.quantity import parse_quantity
from searchspace.recipe import Recipe
from searchspace.spec import OrText, explain, one_of
from sweeps.paths import expanded
from sweeps.records import MAX_STEPS
from sweeps.train.losses import HEAVIEST, parse_loss
from sweeps.train.schedules import SCHEDULES

Number = BeforeValidator(parse_quantity)
Beta = Annotated[float, Number, Field(ge=0, lt=1)]
OPTIMIZERS = ("adam", "adamw")
LARGEST_PATCH = 4_096
MAX_PIXELS = 2**28
"""Maximum number of high-resolution pixels in the batch of one step. With this number, a step of the smallest network
takes 15 GiB of memory."""


def batch_fault(settings: "TrainSettings", scale: int) -> str | None:
    """Returns a message if a batch of patches is too large for any machine, otherwise None."""
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


def _size(stage: object) -> int | None:
    """Returns the `size` of a stage that has not been validated yet, or None if that is not a whole number."""
    written = stage.get("size") if isinstance(stage, Mapping) else getattr(stage, "size", None)
    try:
        size = parse_quantity(written)
    except UserError:
        return None
    return size if isinstance(size, int) and 4 <= size <= LARGEST_PATCH else None


class PatchStage(BaseModel):
    """A part of a training run in which all patches have the same size."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    size: Annotated[int, Number, Field(ge=4, le=LARGEST_PATCH)]
    """Height and width of the training patches, in low-resolution pixels."""
    until: Annotated[float, Number, Field(gt=0, le=1)] = 1.0
    """Fraction of all steps at which the stage ends. The last stage ends at 1."""


def _with_weights(teacher: object) -> object:
    """Returns the setting `teacher` as a mapping. A text becomes a mapping with the file of the weights."""
    return {"weights": teacher} if isinstance(teacher, str) else teacher


class TeacherSettings(BaseModel):
    """A trained network. The network in training imitates its output."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    weights: Annotated[str, AfterValidator(expanded)]
    """File of the teacher's weights: a checkpoint of srsweep or of a public code."""
    family: str | None = None
    """Family of the teacher. null: the family that a checkpoint of srsweep names."""
    knobs: dict[str, Any] = {}
    """Knobs of the teacher that differ from the published network of its family."""

    @model_validator(mode="after")
    def _known_network(self) -> Self:
        if self.family is not None:
            try:
                architecture(self.family, self.knobs)
            except UserError as error:
                raise ValueError("; ".join(str(error).splitlines())) from None
        elif self.knobs:
            raise ValueError(f"family must be given beside knobs, got {shown(self.knobs)}")
        return self


class DistillSettings(BaseModel):
    """Distillation: the network also learns from the output of a trained network, the teacher."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    teacher: Annotated[TeacherSettings, BeforeValidator(_with_weights), OrText()]
    """The teacher: the file of its weights, or a mapping with weights, family and knobs. It must have the sweep's
    scale."""
    weight: Annotated[float, Number, Field(gt=0, le=1e6)] = 1.0
    """Weight of the loss between the output and the teacher's output. The loss between the output and the original has
    weight 1."""


class TrainSettings(BaseModel):
    """How a sweep trains each trial. A step is an optimiser step."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    steps: Annotated[int, Number, Field(ge=1, le=MAX_STEPS)] = 4000
    """Number of steps of a full training."""
    patch_size: Annotated[int, Number, Field(ge=4, le=LARGEST_PATCH)] = 24
    """Height and width of the training patches, in low-resolution pixels."""
    patch_stages: tuple[PatchStage, ...] | None = None
    """Stages with patches of different sizes, such as [{until: 0.5, size: 24}, {size: 48}]. patch_size is then the
    largest size and need not be given. null: all patches have patch_size."""
    batch_size: Annotated[int, Number, Field(ge=1, le=65_536)] = 16
    """Number of patches in the batch of one step. The high-resolution patches of a batch may have at most 2^28 pixels
    in total."""
    learning_rate: Annotated[float, Number, Field(gt=0, le=1e6)] = 1e-3
    """Maximum learning rate."""
    loss: Annotated[
        str | dict[str, Annotated[float, Field(gt=0, le=HEAVIEST)]], BeforeValidator(parse_loss)
    ] = "l1"
    """The loss that training minimizes. l1: the mean absolute difference between output and original. charbonnier: a
    smooth form of l1. mse: the mean squared difference. fft: the mean absolute difference between the spectra of output
    and original. A mapping from names to weights, such as {l1: 1.0, fft: 0.05}, gives a weighted sum."""
    schedule: Annotated[str, one_of(SCHEDULES)] = "one_cycle"
    """How the learning rate changes during training. constant: it does not change. halve: it halves every `halve_every`
    steps, as in many papers. cosine: it falls to zero along a cosine. one_cycle: it rises linearly over the first 30 %
    of the training, then falls to zero along a cosine. cosine_restarts: it falls to zero along a cosine several times,
    and returns to its largest value at each step in `restarts`."""
    restarts: tuple[Annotated[int, Number, Field(ge=1, le=MAX_STEPS)], ...] | None = None
    """Steps at which `schedule: cosine_restarts` restarts. The network is also evaluated at these steps. null: the schedule
    restarts at the rungs of search.halving."""
    halve_every: Annotated[int, Number, Field(ge=1, le=MAX_STEPS)] = 200_000
    """Number of steps after which `schedule: halve` halves the learning rate."""
    warmup: Annotated[int, Number, Field(ge=0, le=MAX_STEPS)] = 0
    """Number of steps at the beginning during which a factor for the learning rate rises linearly to 1. It must be 0
    with schedule: one_cycle, which has its own rise."""
    optimizer: Annotated[str, one_of(OPTIMIZERS)] = "adam"
    """The optimizer. adam: Adam; it adds weight decay to the gradient. adamw: AdamW; at each step, it shrinks the
    weights by learning_rate times weight_decay, independently of the gradient."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Two fractions, for the running mean of the gradient and for that of its square. At each step, the optimizer keeps
    the given fraction of each mean."""
    weight_decay: Annotated[float, Number, Field(ge=0, le=1e6)] | None = None
    """Strength of the pull of all weights towards 0. null: 0 with adam, 0.01 with adamw, as in PyTorch."""
    ema: Annotated[float, Number, Field(gt=0, lt=1)] | None = None
    """Decay of an exponential moving average of the weights, such as 0.999. The averaged weights are evaluated, stored
    and exported as the network. Training continues with the weights themselves. null: no average."""
    warm_start: Annotated[str, AfterValidator(expanded)] | None = None
    """File of weights from which each training run starts: a checkpoint of srsweep or of a public code. The file may be
    for another scale. Layers whose shapes depend on the scale then start with random weights. null: all weights start
    at random."""
    distill: DistillSettings | None = None
    """Distillation from a trained network, such as {teacher: runs/large/3/attempt-1.pt, weight: 1}. null: none."""
    function: Annotated[str, AfterValidator(expanded)] | None = None
    """Your own training function, as FILE.py:NAME. It replaces srsweep's steps and chooses its own loss, optimizer and
    schedule. null: srsweep takes the steps."""
    quantize: Literal["int8"] | None = None
    """Simulated rounding. int8: the folded network trains with weights and activations rounded as in INT8 and with its
    output clipped to [0, 1]. An exported INT8 file then loses less quality. Training runs in float32. null: no
    rounding."""
    clip_gradient: Annotated[float, Number, Field(gt=0, le=1e6)] | None = None
    """Maximum norm of the gradient of all weights. A larger gradient is scaled down. null: gradients are not
    clipped."""
    evaluate_every: Annotated[int, Number, Field(ge=1, le=MAX_STEPS)] = 1000
    """Number of steps between two evaluations on the validation images. A checkpoint is written at each evaluation."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the computation. bfloat16: mixed precision by autocast. float32: full precision, without TF32 on a GPU.
    auto: bfloat16 if the processor or GPU computes it natively, else float32."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to train on. cuda: an NVIDIA GPU. cpu: the processor. auto: the GPU if there is one, else the processor."""

    def patch_size_at(self, step: int) -> int:
        """Returns the size of the patches of `step`, counted from 0."""
        ends = ((round(stage.until * self.steps), stage.size) for stage in self.patch_stages or ())
        return next((size for end, size in ends if step < end), self.patch_size)

    @property
    def mean_patch_area(self) -> float:
        """The number of low-resolution pixels in a patch, averaged over all steps."""
        if self.patch_stages is None:
            return self.patch_size**2
        starts = (0.0, *(stage.until for stage in self.patch_stages))
        return sum(
            s.size**2 * (s.until - start)
            for s, start in zip(self.patch_stages, starts, strict=False)
        )

    @model_validator(mode="before")
    @classmethod
    def _largest_patch(cls, values: Any) -> Any:
        """Fills in `patch_size` if only `patch_stages` is given."""
        if not isinstance(values, Mapping) or "patch_size" in values:
            return values
        stages = values.get("patch_stages")
        sizes = [_size(stage) for stage in stages] if isinstance(stages, list | tuple) else []
        known = [size for size in sizes if size is not None]
        return {**values, "patch_size": max(known)} if known else values

    @model_validator(mode="after")
    def _rounds_in_float32(self) -> Self:
        if self.quantize is not None and self.precision == "bfloat16":
            raise ValueError(
                "precision must be float32 or auto with quantize, because bfloat16 rounds more coarsely than INT8, "
                "got bfloat16"
            )
        return self

    @property
    def computed_precision(self) -> str:
        """The setting `precision`, or 'float32' if training simulates rounding."""
        return self.precision if self.quantize is None else "float32"

    @field_validator("patch_stages")
    @classmethod
    def _stages_in_order(
        cls, stages: tuple[PatchStage, ...] | None, info: ValidationInfo
    ) -> tuple[PatchStage, ...] | None:
        if stages is None:
            return None
        ends = [stage.until for stage in stages]
        if not ends:
            raise ValueError("must have at least one stage, got none; use null")
        if ends != sorted({*ends}) or ends[-1] != 1:
            raise ValueError(
                f"the values of until must increase and end at 1, which the last stage may leave out, got {ends}"
            )
        steps = info.data.get("steps")
        if steps is not None and len({0, *(round(end * steps) for end in ends)}) <= len(ends):
            raise ValueError(f"each stage must last at least one of {steps:,} steps, got {ends}")
        largest = max(stage.size for stage in stages)
        if info.data.get("patch_size", largest) != largest:
            raise ValueError(
                f"patch_size must be their largest size, {largest}, or be left out, got {info.data['patch_size']}"
            )
        return stages

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

    @field_validator("function")
    @classmethod
    def _names_a_function(cls, function: str | None, info: ValidationInfo) -> str | None:
        if function is None:
            return None
        if not re.fullmatch(r".+\.py:[A-Za-z_]\w*", function):
            raise ValueError(
                f"must be FILE.py:NAME, such as my_training.py:train, got {shown(function)}"
            )
        if info.data.get("distill") is not None:
            raise ValueError("srsweep's distillation has no effect on it; set distill: null")
        return function

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


def training_with(train: TrainSettings, recipe: Recipe) -> TrainSettings:
    """Returns a trial's training settings: `train`, which all trials of a sweep share, updated by the trial's `recipe`.

    Raises UserError with a message of one line if the two are not valid together.
    """
    if not recipe:
        return train
    try:
        return TrainSettings.model_validate({**train.model_dump(exclude_unset=True), **recipe})
    except ValidationError as error:
        path, text = explain(error, lambda path: TrainSettings.model_fields)[0]
        raise UserError(f"{'.'.join(('train', *path))}: {text}") from None


def differing(trainings: Iterable[TrainSettings], *names: str) -> list[TrainSettings]:
    """Returns those of `trainings` that differ in the settings `names`. For equal ones, returns only the first."""
    found: dict[str, TrainSettings] = {}
    for each in trainings:
        chosen = each.model_dump(mode="json", include={*names})
        found.setdefault(json.dumps(chosen, sort_keys=True), each)
    return list(found.values())


def heaviest(trainings: Sequence[TrainSettings]) -> TrainSettings:
    """Returns settings that need no less memory than any of `trainings`, not counting the teacher.

    The result is the item of `trainings` with the largest batch. It gets averaged weights if any item has them, and
    likewise a teacher. A single item is returned unchanged.
    """
    largest = max(trainings, key=lambda each: each.batch_size * each.patch_size**2)
    missing = {
        name: next((found for each in trainings if (found := getattr(each, name))), None)
        for name in ("ema", "distill")
        if getattr(largest, name) is None
    }
    added = {name: value for name, value in missing.items() if value is not None}
    return largest.model_copy(update=added) if added else largest


def work_of(settings: TrainSettings) -> str:
    """Returns the settings that affect how much a step computes, except the batch, as a text such as ', ema 0.9'.

    Settings with default values are left out, so the text is usually empty.
    """
    names = {"loss", "ema", "distill", "quantize"}
    values, defaults = (
        each.model_dump(mode="json", include=names) for each in (settings, TrainSettings())
    )
    return "".join(f", {n} {values[n]}" for n in sorted(names) if values[n] != defaults[n])
