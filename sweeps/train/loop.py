"""Trains one network. The training loop yields records, and resumes from a checkpoint file.

The loop knows neither Ray nor SQL. Its caller stores the records and decides when to stop. Batches and learning rates
are functions of the settings, the seed and the step. A training run that was interrupted and resumed therefore ends
with the same weights as an uninterrupted one. The weights are bit-identical if the kind of device, the number of
threads and the precision are the same.
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from searchspace.errors import UserError
from searchspace.rounding import Rounded
from sweeps.checkpoints.state import Checkpoints, newest_state, write_state
from sweeps.checkpoints.stored_state import training_fault
from sweeps.data.patches import PatchSampler
from sweeps.data.split import DataSplit
from sweeps.device import pick_device
from sweeps.machine import keep_freed_memory
from sweeps.measure.evaluate import Scores, evaluate
from sweeps.measure.turns import clock as working_clock
from sweeps.measure.turns import give_way
from sweeps.records import Activity, Evaluation, Measurement, Progress
from sweeps.train.average import Average, average_of
from sweeps.train.networks import start
from sweeps.train.optimizer import learning_rate_at, make_optimizer, set_rate
from sweeps.train.own_function import TrainingJob, own_step
from sweeps.train.settings import TrainSettings
from sweeps.train.step import Step, make_step, make_update
from sweeps.train.teacher import teacher_of
from sweeps.train.teller import Teller

DIVERGED = 50.0
"""Training counts as diverged if the mean loss exceeds the smallest mean loss so far by this factor."""

logger = logging.getLogger(__name__)


class TrainingFailed(Exception):  # noqa: N818 - reads as what happened
    """The error for a training run that cannot continue. The message gives the reason and the step."""


def train(
    network: nn.Module,
    split: DataSplit,
    settings: TrainSettings,
    *,
    seed: int,
    checkpoints: Checkpoints,
    until_step: int | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = working_clock,
    tell_seconds: float | None = None,
) -> Iterator[Progress | Activity | Evaluation]:
    """Trains `network` in place up to `until_step` and yields records.

    By default, it trains for all `settings.steps`. With `settings.ema`, the averaged weights are evaluated and stored
    as the network. After the last of `settings.steps`, `network` has the averaged weights.

    If `checkpoints` holds a state, the training resumes from it. Otherwise it starts from the weights in
    `settings.warm_start`, if that is set. Each `Evaluation` is yielded after its checkpoint is on disk. A resumed
    training run first yields all earlier evaluations again, because the earlier process may have died before they were
    stored. `is_stopped` is called before each step. If it returns True, the state is saved and KeyboardInterrupt is
    raised. `clock` returns seconds. Training waits while another process measures a latency. The default `clock` does
    not count this time. With `tell_seconds`, an Activity is yielded before each evaluation, and every `tell_seconds`
    seconds between evaluations.

    Raises TrainingFailed if the loss is not finite or has diverged, or if the weights of `warm_start` or of the teacher
    do not fit. Raises CheckpointFailed if a checkpoint cannot be written.
    """
    until_step = settings.steps if until_step is None else until_step
    device = pick_device(settings.device)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = None if settings.function else make_optimizer(network, settings)
    watch = _LossWatch(settings)
    state = _newest(network, checkpoints, settings)
    step, seconds, history = _resume(network, optimizer, watch, settings, state)
    average = _averaged(network, settings, state)
    scored = network if average is None else average.network
    for evaluated, measurements in itertools.groupby(history, key=lambda item: item.step):
        yield Evaluation(step=evaluated, measurements=tuple(measurements))
    take_step, kept = _steps(network, optimizer, settings, split, seed, step, state, average)
    # Evaluates at the end of each cycle too, so that the history does not depend on whether the trial pauses there.
    also = {until_step, *(settings.restarts or ())}
    started = clock() - seconds
    training = checkpoints.training
    teller = Teller(tell_seconds)

    def save() -> None:
        ended = step == settings.steps
        state = {
            "network": scored.state_dict(),
            "optimizer": None if ended or optimizer is None else optimizer.state_dict(),
            "step": step,
            "seconds": seconds,
            "training": training.stored() if training is not None else None,
            "variant": checkpoints.variant,
            "computed": checkpoints.computed,
            "history": [asdict(measurement) for measurement in history],
            "losses": (watch.total, watch.count),
            "best": watch.best,
            **_raw(network, average, ended),
            **({} if ended else kept()),
        }
        write_state(state, checkpoints.write)

    while step < until_step:
        if is_stopped():
            seconds = clock() - started
            save()
            raise KeyboardInterrupt
        give_way()
        watch.add(take_step(step))
        step += 1
        if step % settings.evaluate_every == 0 or step in also:
            loss = watch.mean(step)
            _refuse_not_finite(network, step, settings)
            seconds = clock() - started
            yield from teller.evaluating(step)
            scores = evaluate(scored, split.validation, device=device)
            evaluation = _evaluation(step, scores, loss, seconds)
            history += evaluation.measurements
            save()
            yield evaluation
        elif step % 100 == 0:
            yield Progress(step=step, loss=watch.mean(step, reset=False))
        else:
            yield from teller.training(step)
    if average is not None and step == settings.steps:
        network.load_state_dict(average.network.state_dict())


def time_step(network: nn.Module, scale: int, settings: TrainSettings, steps: int = 3) -> float:
    """Returns the duration of one optimiser step on this machine, in seconds. It is the median of `steps` steps.

    One untimed step is taken first. The function changes the weights of `network`.
    """
    device = pick_device(settings.device)
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    keep_freed_memory()
    optimizer = make_optimizer(network, settings)
    set_rate(optimizer, 1e-6)
    average, teacher = average_of(network, settings), teacher_of(settings, scale, device)
    update = make_update(network, optimizer, settings, average, teacher)
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
    """Returns the record of an evaluation.

    `loss` is the mean loss since the last evaluation, and `seconds` is the training time so far.
    """
    rows = (
        ("validation", "psnr_y", scores.psnr_y),
        ("validation", "ssim_y", scores.ssim_y),
        ("validation", "psnr_rgb", scores.psnr_rgb),
        ("train", "loss", loss),
        ("train", "seconds", seconds),
    )
    measurements = tuple(
        Measurement(step=step, dataset=dataset, name=name, value=value)
        for dataset, name, value in rows
    )
    return Evaluation(step=step, measurements=measurements)


class _LossWatch:
    """Accumulates the losses since the last evaluation. Reading their mean makes the host wait for the GPU."""

    def __init__(self, settings: TrainSettings) -> None:
        self.total: Tensor | None = None
        self.count = 0
        self.best = math.inf
        self.settings = settings

    def add(self, loss: Tensor) -> None:
        # Copied, because the next step may overwrite the tensor.
        self.total = loss.clone() if self.total is None else self.total + loss
        self.count += 1

    def mean(self, step: int, *, reset: bool = True) -> float:
        """Returns the mean loss since the last reset. Raises TrainingFailed if it is not finite or has diverged."""
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


def _refuse_not_finite(network: nn.Module, step: int, settings: TrainSettings) -> None:
    """Raises TrainingFailed if a network with simulated rounding has weights or ranges that are not finite."""
    if isinstance(network, Rounded) and not network.is_finite():
        raise TrainingFailed(
            f"the weights are not finite at step {step}; try a lower learning_rate than "
            f"{settings.learning_rate:g}, or clip_gradient: 1"
        )


def _newest(
    network: nn.Module, checkpoints: Checkpoints, settings: TrainSettings
) -> dict[str, Any] | None:
    """Returns the newest checkpoint that is intact and belongs to this training run, or None if there is none.

    A line is logged for each checkpoint that is skipped.
    """
    return newest_state(
        checkpoints,
        next(network.parameters()).device,
        fault=lambda state: training_fault(state, network, settings),
        say=logger.warning,
    )


def _start(network: nn.Module, settings: TrainSettings) -> None:
    """Loads the weights that the settings name, if any. Raises TrainingFailed if they do not fit the network."""
    if settings.warm_start is None:
        return
    with _final_mistakes("train.warm_start: "):
        logger.info(str(start(network, Path(settings.warm_start))))


def _steps(
    network: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    settings: TrainSettings,
    split: DataSplit,
    seed: int,
    step: int,
    state: Mapping[str, Any] | None,
    average: Average | None,
) -> tuple[Step, Callable[[], dict[str, Any]]]:
    """Returns two functions.

    The first takes one training step and is first called with `step`. The second returns the additional content of a
    checkpoint. Without an optimizer, the user's own training function takes the steps. Raises TrainingFailed if this
    function or a teacher cannot be loaded.
    """
    device = next(network.parameters()).device
    if optimizer is not None:
        sampler = PatchSampler(split.train, settings.patch_size, settings.batch_size, seed)
        with _final_mistakes():
            teacher = teacher_of(settings, split.train.scale, device)
        rate = partial(learning_rate_at, settings)
        own = make_step(network, optimizer, settings, sampler, rate, average, teacher)
        return own, dict
    job = TrainingJob(
        network=network,
        scale=split.train.scale,
        seed=seed,
        steps=range(step, settings.steps),
        settings=settings,
        device=device,
        pairs=split.train,
        stored=(state or {}).get("kept") or {},
    )
    with _final_mistakes():
        step_of = own_step(job)

    def take_step(number: int) -> Tensor:
        with _final_mistakes():
            loss = step_of(number)
        if average is not None:
            average.update()
        return loss

    return take_step, lambda: {"kept": job.state()}


@contextmanager
def _final_mistakes(where: str = "") -> Iterator[None]:
    """Turns a UserError into a TrainingFailed whose message begins with `where`. Another attempt would fail too."""
    try:
        yield
    except UserError as error:
        raise TrainingFailed(f"{where}{error}") from None


def _resume(
    network: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    watch: _LossWatch,
    settings: TrainSettings,
    state: Mapping[str, Any] | None,
) -> tuple[int, float, list[Measurement]]:
    """Loads the checkpoint `state` except the averaged weights. If `state` is None, loads the weights to start from.

    Returns the step reached, the training time in seconds, and the measurements so far. The step is 0 without a
    checkpoint.
    """
    if state is None:
        _start(network, settings)
        return 0, 0.0, []
    network.load_state_dict(state.get("raw") or state["network"])
    if optimizer is not None and state["optimizer"] is not None:
        # Only the moments are loaded. The options, such as a learning rate on the device, belong to this run.
        moments = state["optimizer"]["state"]
        optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    watch.total, watch.count = state.get("losses", (None, 0))
    history = [Measurement(**measurement) for measurement in state["history"]]
    evaluated = (m.value for m in history if m.name == "loss")
    watch.best = state.get(
        "best", min(evaluated, default=math.inf)
    )  # older checkpoints lack "best"
    return state["step"], state["seconds"], history


def _raw(network: nn.Module, average: Average | None, ended: bool) -> dict[str, Any]:
    """Returns the part of a checkpoint that exists only with averaging: the raw weights from which training continues."""
    return {} if average is None or ended else {"raw": network.state_dict()}


def _averaged(
    network: nn.Module, settings: TrainSettings, state: Mapping[str, Any] | None
) -> Average | None:
    """Returns the averaged weights, loaded from the checkpoint if there is one; None without averaging."""
    average = average_of(network, settings, 0 if state is None else state["step"])
    if average is not None and state is not None:
        average.network.load_state_dict(state["network"])
    return average
