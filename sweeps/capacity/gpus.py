"""The GPUs of this machine, and which of them each worker sees."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from sweeps.capacity.settings import AUTO, ResourceSettings

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable that lists the GPUs that a process sees. CUDA reads it when the process first uses CUDA."""


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """The properties of a GPU that a plan needs."""

    model: str
    memory: int
    """Total memory in bytes."""
    bfloat16: bool
    """Whether the GPU computes in bfloat16 natively."""


def find_gpus() -> tuple[Gpu, ...]:
    """Returns the GPUs that this process may use, in CUDA's order. The tuple is empty on a machine without CUDA.

    A separate process queries the GPUs, so that this process allocates no memory on them.
    """
    import torch

    if not torch.cuda.device_count():
        return ()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(describe_gpus).result()


def describe_gpus() -> tuple[Gpu, ...]:
    """Returns the result of `find_gpus`, but queries the GPUs in this process."""
    import torch

    bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return tuple(Gpu(model=f.name, memory=f.total_memory, bfloat16=bfloat16) for f in found)


def visible_gpus() -> list[str]:
    """Returns CUDA's names for the GPUs that this process may use.

    They are the entries of CUDA_VISIBLE_DEVICES or, if it is not set, the numbers from 0.
    """
    import torch

    count = torch.cuda.device_count()
    given = os.environ.get(VISIBLE)
    names = [str(number) for number in range(count)] if given is None else given.split(",")
    return [name.strip() for name in names[:count]]


def per_gpu(each: float) -> int:
    """Returns the number of trials that fit on one GPU if each takes the share `each`, a number above 0.

    `share_of` rounds shares down to the four digits that Ray keeps, so 0.1428 fits seven times.
    """
    return int(1 / each)


def share_of(trials: int) -> float:
    """Returns the share of a GPU that each of `trials` trials takes, rounded down to four digits."""
    return int(1e4 / trials) / 1e4


def places(gpus: Sequence[str], each: float) -> list[str]:
    """Returns a value of CUDA_VISIBLE_DEVICES for each trial that fits on the GPUs at the same time.

    A trial takes `each` GPUs, or a share of one GPU if `each` is below 1. As in Ray, a share never spans two GPUs: two
    GPUs have room for four shares of 0.4, not five.
    """
    if each < 1:
        return list(gpus) * per_gpu(each)
    size = int(each)
    return [",".join(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]


def of_workers(num_workers: int, resources: ResourceSettings) -> list[str]:
    """Returns the value of CUDA_VISIBLE_DEVICES for each worker.

    The value is empty, which leaves the variable unchanged, if trials take no GPU or the machine has none. If there are
    more workers than trials that fit on the GPUs, the workers share the GPUs evenly.
    """
    each = number_of(resources)
    room = places(visible_gpus(), each) if each else []
    return [room[worker % len(room)] if room else "" for worker in range(num_workers)]


def number_of(resources: ResourceSettings) -> float:
    """Returns the number of GPUs that a trial takes.

    If `gpu` is still 'auto', the number is 1 on a machine with GPUs and 0 on any other.
    """
    return float(bool(visible_gpus())) if resources.gpu == AUTO else float(resources.gpu)


def show_only(gpus: str) -> None:
    """Makes only the GPUs `gpus` visible to this process, which must not have used CUDA yet.

    `gpus` is a value of CUDA_VISIBLE_DEVICES. If it is empty, nothing changes.
    """
    if gpus:
        os.environ[VISIBLE] = gpus
