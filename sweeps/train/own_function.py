"""Runs a training function that the user wrote, which replaces srsweep's own optimiser steps.

The setting `train.function: FILE.py:NAME` names the function. It is a generator that gets a `TrainingJob` and yields
the loss of each step. srsweep counts the steps, and evaluates and stores the network. Between two steps, srsweep may
stop or resume the training.

Worked example. A training run of three steps is stopped after the second step:

    def train(job):                                  # job.steps is range(0, 3)
        optimizer = torch.optim.Adam(job.network.parameters())
        job.keep(optimizer=optimizer)                # its state goes into each checkpoint
        for step in job.steps:
            low_res, high_res = job.batch(step)
            ...
            yield loss                               # reached twice, then the generator is closed

The resumed training run calls `train` again with job.steps = range(2, 3) and the network as it was. `keep` then loads
the state of the optimizer from the checkpoint before it returns.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from searchspace.errors import UserError
from sweeps.data.cache import PairSet
from sweeps.data.patches import PatchSampler
from sweeps.device import sent
from sweeps.train.settings import TrainSettings, differing
from sweeps.train.step import to_float

STEP_SEEDS = 1_000_003
"""Factor by which the trial's seed is multiplied before the step is added. Most training runs have fewer steps than
this."""


class Stateful(Protocol):
    """An object whose state a checkpoint can hold, such as an optimizer or a scheduler of PyTorch."""

    def state_dict(self) -> dict[str, Any]:
        """Returns the state: tensors, numbers and texts in dicts and lists."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> object:
        """Restores a state that `state_dict` returned."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingJob:
    """The argument of a training function: the network, the settings, and the training images."""

    network: nn.Module
    """The network on `device`, with its weights before the first of `steps`. At each step, it is in training mode."""
    scale: int
    """The upscaling factor."""
    seed: int
    """The seed of the trial. Before each step, srsweep seeds torch's random generator with a number that depends on
    this seed and the step."""
    steps: range
    """The numbers of the steps to take. In a resumed training run, they begin above 0."""
    settings: TrainSettings
    """The settings under `train`, such as `learning_rate`. Settings of srsweep's own step, such as `optimizer`, have an
    effect only if the function uses them."""
    device: torch.device
    """The device to train on."""
    pairs: PairSet = field(repr=False)
    """The training images."""
    stored: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The states in the checkpoint, by the names passed to `keep`."""
    kept: dict[str, Stateful] = field(default_factory=dict, repr=False)
    """The objects passed to `keep`, by name."""
    samplers: dict[int, PatchSampler] = field(default_factory=dict, repr=False)
    """The patch samplers that `batch` has made, by patch size."""

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Returns the patches of `step`: low_res (N, 3, p, p) and high_res (N, 3, sp, sp) for scale s, float32 in [0, 1].

        N is `settings.batch_size` and p is `settings.patch_size`, or the size of the stage. The patches are a function
        of the seed and the step, as in srsweep's own training.
        """
        size = self.settings.patch_size_at(step)
        if size not in self.samplers:
            batch_size = self.settings.batch_size
            self.samplers[size] = PatchSampler(self.pairs, size, batch_size, self.seed)
        low_res, high_res = self.samplers[size].batch(step)
        return to_float(sent(low_res, self.device)), to_float(sent(high_res, self.device))

    def keep(self, **objects: Stateful) -> None:
        """Stores the state of each object in every checkpoint. In a resumed training run, restores each object from the
        checkpoint.

        Raises UserError if the checkpoint of a resumed training run lacks the state of an object.
        """
        for name, kept in objects.items():
            self.kept[name] = kept
            if self.steps.start == 0:
                continue
            if name not in self.stored:
                raise UserError(
                    f"train.function: the checkpoint at step {self.steps.start:,} has no state of {name!r}; keep the same "
                    "objects in every run, or give the sweep another name"
                )
            kept.load_state_dict(self.stored[name])

    def state(self) -> dict[str, Any]:
        """Returns the states for a checkpoint, by name."""
        return {**self.stored, **{name: kept.state_dict() for name, kept in self.kept.items()}}


TrainingFunction = Callable[[TrainingJob], Iterator[Tensor | float]]
"""A function that yields the loss of each step: a number, or a tensor with one element."""


def own_step(job: TrainingJob) -> Callable[[int], Tensor]:
    """Returns a function that takes one step of the job with the training function that the settings name.

    The returned function raises UserError if the training function ends too early or yields something other than a
    loss.
    """
    text = job.settings.function
    assert text is not None
    made = load_function(text)(job)
    if not isinstance(made, Iterable):
        raise UserError(
            f"train.function: {text} must yield the loss of each step, but it returned {type(made).__name__}"
        )
    losses = iter(made)

    def take_step(step: int) -> Tensor:
        job.network.train()
        torch.manual_seed(job.seed * STEP_SEEDS + step)
        try:
            loss = next(losses)
        except StopIteration:
            raise UserError(
                f"train.function: {text} has ended after {step:,} of {job.settings.steps:,} steps; it must yield the "
                "loss of each step"
            ) from None
        if not isinstance(loss, Tensor | float | int) or torch.as_tensor(loss).numel() != 1:
            raise UserError(
                f"train.function: {text} must yield a loss, which is one number, got {type(loss).__name__}"
            )
        return torch.as_tensor(loss).detach().float().reshape(())

    return take_step


def load_function(text: str) -> TrainingFunction:
    """Imports FILE.py:NAME and returns the function. The file may import modules that lie beside it.

    Raises UserError if there is no such file or function. Exceptions that the file raises during its import pass
    through.
    """
    file, _, name = text.rpartition(":")
    path = Path(file).absolute()
    if not path.is_file():
        raise UserError(f"train.function: there is no file {file}")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"srsweep_function_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SystemExit as end:
        # A script that is not guarded would end srsweep without a word.
        raise UserError(
            f"train.function: {file} ends the program while it is imported (exit code {end.code}); put what it does as a "
            "script under `if __name__ == '__main__':`"
        ) from None
    found = getattr(module, name, None)
    if not callable(found):
        raise UserError(f"train.function: {file} has no function {name}")
    function: TrainingFunction = found
    return function


def functions_of(trainings: Iterable[TrainSettings]) -> list[str]:
    """Returns the distinct training functions that `trainings` name, as FILE.py:NAME."""
    return [each.function for each in differing(trainings, "function") if each.function is not None]


def check_function(text: str) -> None:
    """Raises UserError with a message of one line if the training function `text` cannot be imported on this machine."""
    try:
        load_function(text)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"train.function: {text.rpartition(':')[0]} cannot be imported: {type(error).__name__}: {error}"
        ) from error
