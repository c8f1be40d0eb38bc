"""Chooses the device and the precision of a computation, and recognises out-of-memory errors."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from searchspace.errors import UserError


def pick_device(wanted: str) -> torch.device:
    """Returns the device that the setting `train.device` names: 'cpu', 'cuda' or 'auto'.

    'auto' means the GPU if this machine has one. Raises UserError for 'cuda' on a machine without a CUDA device.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "train.device: must be auto or cpu on a machine without a CUDA device, got cuda"
        )
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def device_model(device: torch.device | None = None) -> str:
    """Returns the model name of the GPU `device`.

    For any other device or None, returns the model name of this machine's processor.
    """
    if device is not None and device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    found = next((line for line in lines if line.startswith("model name")), "")
    return found.partition(":")[2].strip() or platform.processor() or platform.machine()


NO_MEMORY = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
"""Phrases that report a lack of memory in the message of a RuntimeError. They come from CUDA, torch on a CPU, cuDNN and
cuBLAS."""


def pick_autocast(precision: str, device: torch.device) -> bool:
    """Returns True if the computation should run in bfloat16 under autocast.

    `precision` is the setting `train.precision`. The value 'auto' selects bfloat16 if the device supports it natively.
    """
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@contextmanager
def without_tf32() -> Iterator[None]:
    """Makes float32 convolutions compute in full precision inside the `with` block.

    By default, cuDNN uses TF32, which has a mantissa of only 10 bits.
    """
    with torch.backends.cudnn.flags(
        enabled=None, benchmark=None, benchmark_limit=None, deterministic=None, allow_tf32=False
    ):
        yield


@contextmanager
def num_threads(number: int) -> Iterator[None]:
    """Sets torch's number of threads in this process to `number` inside the `with` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sent(batch: Tensor, device: torch.device) -> Tensor:
    """Returns a copy of `batch` on `device`. The copy to a GPU is asynchronous, so it goes through pinned memory."""
    if device.type == "cuda":
        batch = batch.pin_memory()
    return batch.to(device, non_blocking=True)


def lacks_memory(error: BaseException | None) -> bool:
    """Returns whether `error`, or any error in its chain of causes, reports a lack of memory.

    Some parts of torch report a lack of memory only in the message of a RuntimeError.
    """
    if error is None:
        return False
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    told = isinstance(error, RuntimeError) and any(each in str(error) for each in NO_MEMORY)
    return told or lacks_memory(error.__cause__ or error.__context__)
