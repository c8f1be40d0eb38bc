"""The teacher of a distillation: a trained network. The network in training imitates its output."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from searchspace.errors import UserError
from sweeps.checkpoints.seal import refuse_damaged
from sweeps.checkpoints.upstream_weights import load_weights
from sweeps.checkpoints.warm_start import stated_architecture
from sweeps.train.settings import TrainSettings, differing

KEY = "train.distill.teacher"


def teacher_architecture(settings: TrainSettings) -> Architecture | None:
    """Returns the architecture of the teacher, or None if the settings name no teacher.

    Raises UserError if neither the settings nor the weights file gives the architecture.
    """
    if settings.distill is None:
        return None
    teacher = settings.distill.teacher
    if teacher.family is not None:
        return architecture(teacher.family, teacher.knobs)
    try:
        stated = stated_architecture(Path(teacher.weights))
    except UserError as error:
        raise UserError(f"{KEY}.weights: {error}") from None
    if stated is None:
        raise UserError(
            f"{KEY}.family: must be given, because {teacher.weights} does not state the network that it is for"
        )
    return stated[0]


def largest_teacher(trainings: Iterable[TrainSettings], scale: int) -> Architecture | None:
    """Returns the architecture of the teacher in `trainings` that needs the most memory, or None if none has a teacher.

    Raises UserError like `teacher_architecture`.
    """
    found = map(teacher_architecture, differing(trainings, "distill"))
    known = [each for each in found if each is not None]
    return max(known, key=lambda each: costs(each, scale)["memory"], default=None)


def teacher_of(settings: TrainSettings, scale: int, device: torch.device) -> nn.Module | None:
    """Returns the teacher on `device`, in evaluation mode and without gradients. Returns None if the settings name no
    teacher.

    Raises UserError if the weights cannot be read, or if they do not fit the teacher at `scale`. The state of torch's
    random generator is unchanged.
    """
    wanted = teacher_architecture(settings)
    if wanted is None or settings.distill is None:
        return None
    path = Path(settings.distill.teacher.weights)
    try:
        with torch.random.fork_rng(devices=[]):
            network = wanted.network(scale)
        refuse_damaged(path)
        load_weights(network, path)
    except UserError as error:
        raise UserError(f"{KEY}: {error}") from None
    network.requires_grad_(False).eval()
    return network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
