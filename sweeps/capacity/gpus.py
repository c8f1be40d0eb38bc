"""The GPUs of this machine, and which of them each worker process sees."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from sweeps.capacity.settings import AUTO, ResourceSettings

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""What CUDA reads when a process uses it first."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """What a plan must know of a GPU."""

    model: str
    memory: int
    """Bytes in all."""
    bfloat16: bool
    """Whether it computes in bfloat16 natively."""


def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs that this process may use, in their order; none where there is no CUDA.

    They are looked at by a process of its own, so that the asking one holds no memory on them.
    """
    import torch

    if not torch.cuda.device_count():
        return ()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(describe_gpus).result()


def describe_gpus() -> tuple[Gpu, ...]:
    """The same, looked at by this process."""
    import torch

    bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return tuple(Gpu(model=f.name, memory=f.total_memory, bfloat16=bfloat16) for f in found)


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, in CUDA's words: their numbers, or what CUDA_VISIBLE_DEVICES calls them."""
    import torch

    count = torch.cuda.device_count()
    given = os.environ.get(VISIBLE)
    names = [str(number) for number in range(count)] if given is None else given.split(",")
    return [name.strip() for name in names[:count]]


def per_gpu(each: float) -> int:
    """Trials that have room on one GPU, each taking a share of it.

    Shares are rounded down to the four digits that Ray keeps, see `share_of`: 0.1428 has room seven times.
    """
    return int(1 / each)


def share_of(trials: int) -> float:
    """What each of so many trials takes of a GPU."""
    return int(1e4 / trials) / 1e4


def places(gpus: Sequence[str], each: float) -> list[str]:
    """CUDA_VISIBLE_DEVICES of every trial for which there is room at once, `each` GPUs or a share of one to a trial.

    As with Ray, a share is of one GPU: two GPUs have four places of 0.4, not five.
    """
    if each < 1:
        return list(gpus) * per_gpu(each)
    size = int(each)
    return [",".join(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]


def of_workers(num_workers: int, resources: ResourceSettings) -> list[str]:
    """CUDA_VISIBLE_DEVICES of each of the workers; '' to leave it, where trials ask for no GPU or there is none.

    More workers than there is room for, where a person has said so, share the GPUs evenly.
    """
    each = number_of(resources)
    room = places(visible_gpus(), each) if each else []
    return [room[worker % len(room)] if room else "" for worker in range(num_workers)]


def number_of(resources: ResourceSettings) -> float:
    """GPUs of a trial where that is a number; `auto` that nobody has resolved yet is a whole one where there are any."""
    return float(bool(visible_gpus())) if resources.gpu == AUTO else float(resources.gpu)


def show_only(gpus: str) -> None:
    """Let this process, which has not used CUDA yet, see these GPUs alone."""
    if gpus:
        os.environ[VISIBLE] = gpus
