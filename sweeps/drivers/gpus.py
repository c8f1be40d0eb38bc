"""Which GPUs each worker process of this machine sees."""

import os
from collections.abc import Sequence

from sweeps.config import ResourceSettings

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""What CUDA reads when a process uses it first."""


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, in CUDA's words: their numbers, or what CUDA_VISIBLE_DEVICES calls them."""
    import torch

    count = torch.cuda.device_count()
    given = os.environ.get(VISIBLE)
    names = [str(number) for number in range(count)] if given is None else given.split(",")
    return [name.strip() for name in names[:count]]


def places(gpus: Sequence[str], each: float) -> list[str]:
    """CUDA_VISIBLE_DEVICES of every trial for which there is room at once, `each` GPUs or a share of one to a trial.

    As with Ray, a share is of one GPU: two GPUs have four places of 0.4, not five.
    """
    if each < 1:
        return list(gpus) * int(1 / each)
    size = int(each)
    return [",".join(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]


def of_workers(num_workers: int, resources: ResourceSettings) -> list[str]:
    """CUDA_VISIBLE_DEVICES of each of the workers; '' to leave it, where trials ask for no GPU or there is none.

    More workers than there is room for, where a person has said so, share the GPUs evenly.
    """
    room = places(visible_gpus(), resources.gpu) if resources.gpu else []
    return [room[worker % len(room)] if room else "" for worker in range(num_workers)]


def show_only(gpus: str) -> None:
    """Let this process, which has not used CUDA yet, see these GPUs alone."""
    if gpus:
        os.environ[VISIBLE] = gpus
