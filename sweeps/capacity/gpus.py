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

    A separate process queries the GPUs, so that this process does not allocate memory on them.
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

    These are the entries of CUDA_VISIBLE_DEVICES. If the variable is not set, they are the numbers from 0.
    """
    import torch

    count = torch.cuda.device_count()
    given = os.environ.get(VISIBLE)
    names = [str(number) for number in range(count)] if given is None else given.split(",")
    return [name.strip() for name in names[:count]]


def per_gpu(each: float) -> int:
    """Returns the number of trials that fit on one GPU if each takes the share `each`, which is above 0.

    `share_of` rounds shares down to the four decimals that Ray keeps, so seven trials of 0.1428 fit.
    """
    return int(1 / each)


def share_of(trials: int) -> float:
    """Returns the share of a GPU for each of `trials` trials, rounded down to four decimals."""
    return int(1e4 / trials) / 1e4


def places(gpus: Sequence[str], each: float) -> list[str]:
    """Returns one value of CUDA_VISIBLE_DEVICES for each trial that the GPUs have room for at the same time.

    A trial takes `each` GPUs, or a share of one GPU if `each` is below 1. As in Ray, a share never spans two GPUs: two
    GPUs have room for four shares of 0.4, not five.
    """
    if each < 1:
        return list(gpus) * per_gpu(each)
    size = int(each)
    return [",".join(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]


def of_workers(num_workers: int, resources: ResourceSettings) -> list[str]:
    """Returns the value of CUDA_VISIBLE_DEVICES for each worker.

    An empty value leaves the variable unchanged. All values are empty if trials take no GPU or the machine has none. If
    the GPUs have room for fewer trials than there are workers, the workers share the GPUs evenly.
    """
    each = number_of(resources)
    room = places(visible_gpus(), each) if each else []
    return [room[worker % len(room)] if room else "" for worker in range(num_workers)]


def number_of(resources: ResourceSettings) -> float:
    """Returns the number of GPUs that a trial takes.

    If `gpu` is still 'auto', the number is 1 on a machine with GPUs and 0 on a machine without.
    """
    return float(bool(visible_gpus())) if resources.gpu == AUTO else float(resources.gpu)


def show_only(gpus: str) -> None:
    """Makes only the GPUs `gpus` visible to this process, which must not have used CUDA yet.

    `gpus` is a value of CUDA_VISIBLE_DEVICES. If it is empty, nothing changes.
    """
    if gpus:
        os.environ[VISIBLE] = gpus
