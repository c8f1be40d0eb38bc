"""Training one network: a generator of records that resumes from its one checkpoint file.

No Ray and no SQL here; the caller stores, reports, prunes and stops. What happens at step t depends on
the settings, the seed and t alone (batches and learning rates are functions of the step), so that a run
cut anywhere and resumed gives the same weights as one that was not: bit for bit on the same kind of device with the
same number of threads and precision, which every checkpoint states.
"""

import contextlib
import io
import itertools
import math
import os
import time
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Annotated, Any, Literal

import torch
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)
from torch import Tensor, nn

from searchspace.quantity import parse_quantity
from sweeps.data.patches import PatchSampler
from sweeps.data.split import DataSplit
from sweeps.measure.evaluate import Scores, evaluate
from sweeps.records import Evaluation, Measurement, Progress
from sweeps.train.step import keep_freed_memory, make_optimizer, make_step, make_update, set_rate

Number = BeforeValidator(parse_quantity)

DIVERGED = 50.0
"""A mean loss so many times above the best one seen ends the training as diverged."""


class TrainingFailed(Exception):  # noqa: N818 - reads as what happened
    """Training cannot go on; the message says why and at which step."""


class CheckpointFailed(Exception):  # noqa: N818 - reads as what happened
    """The training state cannot be written, which is no fault of the network's."""


class TrainSettings(BaseModel):
    """How every trial of a sweep is trained. Steps are optimiser steps."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    steps: Annotated[int, Number, Field(ge=1)] = 4000
    """Full length of a training."""
    patch_size: Annotated[int, Number, Field(ge=4)] = 24
    """Side of a low-resolution patch in pixels."""
    batch_size: Annotated[int, Number, Field(ge=1)] = 16
    """Patches a step."""
    learning_rate: Annotated[float, Number, Field(gt=0)] = 1e-3
    """Largest learning rate of Adam (beta 0.9, 0.999)."""
    schedule: Literal["constant", "halve", "cosine", "one_cycle", "cosine_restarts"] = "one_cycle"
    """constant; halve: halved every `halve_every` steps, as in the papers; cosine: to zero over `steps`; one_cycle: a
    linear rise over the first 30 %, then cosine to zero; cosine_restarts: cosine to zero at each of `restarts` and at
    the end, starting anew from the largest rate after each (warm restarts)."""
    restarts: tuple[Annotated[int, Number, Field(ge=1)], ...] | None = None
    """Steps after which schedule: cosine_restarts starts anew, each evaluated; null: the rungs of search.halving."""
    halve_every: Annotated[int, Number, Field(ge=1)] = 200_000
    """Steps between halvings under schedule: halve."""
    clip_gradient: Annotated[float, Number, Field(gt=0)] | None = None
    """Largest norm of the gradient; null: not clipped."""
    evaluate_every: Annotated[int, Number, Field(ge=1)] = 1000
    """Steps between evaluations on the validation images; each also writes the checkpoint."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 autocast where the processor or GPU computes it natively; float32: and not TF32, on a GPU."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: CUDA where there is one."""

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
                f"only schedule: cosine_restarts starts anew, got {list(restarts)} with schedule: {schedule}; "
                "use null"
            )
        if list(restarts) != sorted({*restarts}) or any(restart >= steps for restart in restarts):
            raise ValueError(
                f"must increase and stay below steps ({steps:,}), got {list(restarts)}"
            )
        return restarts

    @model_serializer(mode="wrap")
    def _without_unused(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Trainings from before there were restarts stay comparable, and their checkpoints of use.
        dumped: dict[str, Any] = handler(self)
        return {
            name: value for name, value in dumped.items() if (name, value) != ("restarts", None)
        }


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """Where a trial's training state is read from and written to."""

    write: Path
    read: tuple[Path, ...] = ()
    """Candidates to resume from, the newest first; unreadable ones are passed over."""
    identity: str = ""
    """Of the training: a checkpoint of another one (other settings, seed, images) is passed over."""
    computed: str = ""
    """How numbers are rounded here, which is written down and does not keep a checkpoint from being resumed."""


def learning_rate_at(settings: TrainSettings, step: int) -> float:
    """The learning rate of step `step`, from 0."""
    peak, done = settings.learning_rate, step / settings.steps
    if settings.schedule == "halve":
        return peak * 0.5 ** (step // settings.halve_every)
    if settings.schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    if settings.schedule == "one_cycle":
        if done < 0.3:
            return peak * (0.04 + 0.96 * done / 0.3)
        return peak * 0.5 * (1 + math.cos(math.pi * (done - 0.3) / 0.7))
    if settings.schedule == "cosine_restarts":
        # SGDR (Loshchilov and Hutter 2017, arXiv 1608.03983, equation 5) with a cycle for each rung.
        edges = (0, *(settings.restarts or ()), settings.steps)
        cycle = min(bisect_right(edges, step), len(edges) - 1)
        within = (step - edges[cycle - 1]) / (edges[cycle] - edges[cycle - 1])
        return peak * 0.5 * (1 + math.cos(math.pi * within))
    return peak


def pick_device(settings: TrainSettings) -> torch.device:
    """The device to train on; ValueError where CUDA is demanded and there is none."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("train.device: cuda is demanded, but this machine has no CUDA device")
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(settings.device)


def train(
    network: nn.Module,
    split: DataSplit,
    settings: TrainSettings,
    *,
    seed: int,
    checkpoints: Checkpoints,
    until_step: int | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Progress | Evaluation]:
    """Train `network` in place to `until_step` (the full length by default), yielding records.

    An `Evaluation` is yielded after its checkpoint is on disk; after a resume the earlier ones come
    again, since whoever was to store them may have died first. Raises TrainingFailed for a loss that is
    not finite or has diverged, CheckpointFailed for a checkpoint that cannot be written, and KeyboardInterrupt,
    after a checkpoint, once `is_stopped`, which is asked between any two steps.
    """
    until_step = settings.steps if until_step is None else until_step
    device = pick_device(settings)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(network)
    watch = _LossWatch(settings)
    step, seconds, history = _resume(network, optimizer, watch, checkpoints, device)
    for evaluated, measurements in itertools.groupby(history, key=lambda item: item.step):
        yield Evaluation(step=evaluated, measurements=tuple(measurements))
    sampler = PatchSampler(split.train, settings.patch_size, settings.batch_size, seed)
    rate = partial(learning_rate_at, settings)
    take_step = make_step(network, optimizer, settings, sampler, rate)
    # The end of a cycle too, whether the trial pauses there or not: its history is the same then.
    also = {until_step, *(settings.restarts or ())}
    started = clock() - seconds

    def save() -> None:
        state = {
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict() if step < settings.steps else None,
            "step": step,
            "seconds": seconds,
            "identity": checkpoints.identity,
            "computed": checkpoints.computed,
            "history": [asdict(measurement) for measurement in history],
            "losses": (watch.total, watch.count),
            "best": watch.best,
        }
        _save(state, checkpoints.write)

    while step < until_step:
        if is_stopped():
            seconds = clock() - started
            save()
            raise KeyboardInterrupt
        watch.add(take_step(step))
        step += 1
        if step % settings.evaluate_every == 0 or step in also:
            loss = watch.mean(step)
            seconds = clock() - started
            scores = evaluate(network, split.validation, device=device)
            evaluation = _evaluation(step, scores, loss, seconds)
            history += evaluation.measurements
            save()
            yield evaluation
        elif step % 100 == 0:
            yield Progress(step=step, loss=watch.mean(step, reset=False))


def time_step(network: nn.Module, scale: int, settings: TrainSettings, steps: int = 3) -> float:
    """Seconds of one optimiser step of `network` on this machine, the median of `steps` after a first one."""
    device = pick_device(settings)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    keep_freed_memory()
    optimizer = make_optimizer(network)
    set_rate(optimizer, 1e-6)
    update = make_update(network, optimizer, settings)
    side, batch = settings.patch_size, settings.batch_size
    low_res = torch.zeros((batch, 3, side, side), dtype=torch.uint8, device=device)
    high_res = torch.zeros((batch, 3, side * scale, side * scale), dtype=torch.uint8, device=device)
    times = []
    for _ in range(steps + 1):
        started = time.perf_counter()
        float(update(low_res, high_res))
        times.append(time.perf_counter() - started)
    return sorted(times[1:])[steps // 2]


def _evaluation(step: int, scores: Scores, loss: float, seconds: float) -> Evaluation:
    """The record of an evaluation: quality, and mean loss and seconds of the training so far."""
    rows = (
        ("validation", "psnr_y", scores.psnr_y),
        ("validation", "ssim_y", scores.ssim_y),
        ("train", "loss", loss),
        ("train", "seconds", seconds),
    )
    measurements = tuple(
        Measurement(step=step, dataset=dataset, name=name, value=value)
        for dataset, name, value in rows
    )
    return Evaluation(step=step, measurements=measurements)


class _LossWatch:
    """Mean loss since the last evaluation, looked at rarely so that a GPU need not wait."""

    def __init__(self, settings: TrainSettings) -> None:
        self.total: Tensor | None = None
        self.count = 0
        self.best = math.inf
        self.settings = settings

    def add(self, loss: Tensor) -> None:
        # A new tensor each time: the one given may be written to by the next step.
        self.total = loss.clone() if self.total is None else self.total + loss
        self.count += 1

    def mean(self, step: int, *, reset: bool = True) -> float:
        """The mean; raises TrainingFailed where it is not finite or has diverged."""
        assert self.total is not None
        loss = float(self.total) / self.count
        if not math.isfinite(loss):
            raise TrainingFailed(
                f"the loss is {loss} at step {step}; try a lower learning_rate than "
                f"{self.settings.learning_rate:g}, or clip_gradient: 1"
            )
        if loss > DIVERGED * self.best:
            raise TrainingFailed(
                f"the loss has diverged to {loss:.3g} at step {step} from {self.best:.3g}; try a lower "
                f"learning_rate than {self.settings.learning_rate:g}, or clip_gradient: 1"
            )
        self.best = min(self.best, loss)
        if reset:
            self.total, self.count = None, 0
        return loss


def _resume(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    watch: _LossWatch,
    checkpoints: Checkpoints,
    device: torch.device,
) -> tuple[int, float, list[Measurement]]:
    """Load the newest readable checkpoint; its step, the seconds trained, what was measured so far."""
    state = newest_state(checkpoints, device)
    if state is None:
        return 0, 0.0, []
    network.load_state_dict(state["network"])
    if state["optimizer"] is not None:
        # Its state alone: options such as a rate kept on the device belong to this run.
        moments = state["optimizer"]["state"]
        optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    watch.total, watch.count = state.get("losses", (None, 0))
    history = [Measurement(**measurement) for measurement in state["history"]]
    evaluated = (m.value for m in history if m.name == "loss")
    watch.best = state.get("best", min(evaluated, default=math.inf))  # older checkpoints lack it
    return state["step"], state["seconds"], history


def newest_state(checkpoints: Checkpoints, device: torch.device | str) -> dict[str, Any] | None:
    """The training state that a training goes on from, or None."""
    for path in checkpoints.read:
        state = read_checkpoint(path, device)
        if state is not None and state.get("identity", "") == checkpoints.identity:
            return state
    return None


def read_checkpoint(path: Path, device: torch.device | str = "cpu") -> dict[str, Any] | None:
    """The training state in a file (network, optimizer, step, seconds, history), or None."""
    # Half a file is no zip archive any more; torch would take it for its old format and stumble anyhow.
    if not zipfile.is_zipfile(path):
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError):
        return None
    return state if isinstance(state, dict) and "step" in state else None


def _save(state: dict[str, Any], path: Path) -> None:
    """Write the checkpoint under a temporary name first: a crash leaves the old one whole."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Through memory: of a full disk torch itself would say "unexpected pos 139968 vs 139864".
        whole = io.BytesIO()
        torch.save(state, whole)
        temporary.write_bytes(whole.getbuffer())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise CheckpointFailed(f"the checkpoint {path} cannot be written: {error}") from error
