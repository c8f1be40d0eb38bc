"""The GPUs of this machine, and which of them each worker sees."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from sweeps.capacity.settings import AUTO, ResourceSettings

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The variable that CUDA reads when a process first uses it."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """The properties of a GPU that a plan needs."""

    model: str
    memory: int
    """Total memory in bytes."""
    bfloat16: bool
    """Whether it computes in bfloat16 natively."""


def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs that this process may use, in order. Empty without CUDA.

    A separate process looks at them, so that this one allocates no memory on them.
    """
    import torch

    if not torch.cuda.device_count():
        return ()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(describe_gpus).result()


def describe_gpus() -> tuple[Gpu, ...]:
    """Like `find_gpus`, but in this process."""
    import torch

    bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return tuple(Gpu(model=f.name, memory=f.total_memory, bfloat16=bfloat16) for f in found)


def visible_gpus() -> list[str]:
    """The names that CUDA has for the GPUs that this process may use: numbers, or those in CUDA_VISIBLE_DEVICES."""
    import torch

    count = torch.cuda.device_count()
    given = os.environ.get(VISIBLE)
    names = [str(number) for number in range(count)] if given is None else given.split(",")
    return [name.strip() for name in names[:count]]


def per_gpu(each: float) -> int:
    """Trials that fit on one GPU if each takes the share `each`.

    Shares are rounded down to the four digits that Ray keeps, see `share_of`: 0.1428 fits seven times.
    """
    return int(1 / each)


def share_of(trials: int) -> float:
    """The share of a GPU that each of `trials` trials takes."""
    return int(1e4 / trials) / 1e4


def places(gpus: Sequence[str], each: float) -> list[str]:
    """CUDA_VISIBLE_DEVICES of every trial that fits at once, if a trial takes `each` GPUs or a share of one.

    As in Ray, a share never spans two GPUs: two GPUs have four places of 0.4, not five.
    """
    if each < 1:
        return list(gpus) * per_gpu(each)
    size = int(each)
    return [",".join(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]


def of_workers(num_workers: int, resources: ResourceSettings) -> list[str]:
    """CUDA_VISIBLE_DEVICES of each worker. Empty, which means unchanged, if trials take no GPU or there is none.

    If a person asked for more workers than fit, they share the GPUs evenly.
    """
    each = number_of(resources)
    room = places(visible_gpus(), each) if each else []
    return [room[worker % len(room)] if room else "" for worker in range(num_workers)]


def number_of(resources: ResourceSettings) -> float:
    """GPUs of a trial as a number. An unresolved `auto` counts as one GPU if the machine has any."""
    return float(bool(visible_gpus())) if resources.gpu == AUTO else float(resources.gpu)


def show_only(gpus: str) -> None:
    """Make only these GPUs visible to this process, which must not have used CUDA yet."""
    if gpus:
        os.environ[VISIBLE] = gpus
