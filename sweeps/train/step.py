"""One optimiser step, as near to the limit of the device as plain PyTorch gets.

On a CPU: channels-last bfloat16 from oneDNN, slow operators rewritten (`sweeps.train.fast_cpu.graph_rewrites`), a fused Adam, and
no memory given back to the kernel between steps. On CUDA: images stay on the device, patches are cut there, and the whole step, drawing
included, is one CUDA graph; the host adds nothing to it but its launch and that of adding up the losses. These come back as tensors,
so that nothing waits for them.
"""

import ctypes
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sweeps.data.patches import PatchSampler, addresses, cut
from sweeps.data.resident import resident
from sweeps.train.fast_cpu.graph_rewrites import fused

if TYPE_CHECKING:
    from sweeps.train.loop import TrainSettings

Step = Callable[[int], Tensor]
"""Takes the step of that number, from 0, and returns its loss, valid until the next call."""
Work = Callable[[], None]
Rate = Callable[[int], float]
"""Learning rate of a step."""

BLOCK = 256
"""Steps whose patches and learning rates go to a GPU in one copy."""
WARM_UP = 3
"""Steps taken one kernel at a time before the step is recorded as a graph."""
NO_MEMORY = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
"""In a RuntimeError of CUDA's (or of a recording that it ended), of torch on a processor, of cuDNN or cuBLAS."""


def pick_autocast(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16 under autocast."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def make_optimizer(network: nn.Module) -> torch.optim.Adam:
    """Adam (beta 0.9, 0.999) in one kernel; on CUDA with its state there, so that a graph can hold it."""
    on_cuda = next(network.parameters()).device.type == "cuda"
    return torch.optim.Adam(network.parameters(), fused=True, capturable=on_cuda)


def make_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: "TrainSettings",
    sampler: PatchSampler,
    rate: Rate,
) -> Step:
    """The steps of a training; `optimizer` must have its state loaded already."""
    device = next(network.parameters()).device
    update = make_update(network, optimizer, settings)
    if device.type == "cuda" and resident(sampler.pairs, device) is not None:
        return ResidentSteps(update, optimizer, sampler, rate, device)
    keep_freed_memory()

    def take_step(step: int) -> Tensor:
        set_rate(optimizer, rate(step))
        low_res, high_res = sampler.batch(step)
        return update(sent(low_res, device), sent(high_res, device))

    return take_step


def make_update(
    network: nn.Module, optimizer: torch.optim.Optimizer, settings: "TrainSettings"
) -> Callable[[Tensor, Tensor], Tensor]:
    """(low_res, high_res), both uint8 on the network's device -> the L1 loss, the weights being updated."""
    parameters = list(network.parameters())
    device = parameters[0].device
    lowered = pick_autocast(settings.precision, device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=lowered, cache_enabled=False)
    forward = fused(network) if lowered and device.type == "cpu" else network

    def update(low_res: Tensor, high_res: Tensor) -> Tensor:
        network.train()
        low_res, high_res = _to_float(low_res), _to_float(high_res)
        with autocast:
            super_res = forward(low_res)
        loss: Tensor = L1Loss.apply(super_res.float(), high_res)  # type: ignore[no-untyped-call]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if settings.clip_gradient is not None:
            nn.utils.clip_grad_norm_(parameters, settings.clip_gradient)
        optimizer.step()
        return loss.detach()

    return update if lowered else without_tf32()(update)


@contextmanager
def without_tf32() -> Iterator[None]:
    """Convolutions of float32 with all their bits: cuDNN's have 10, TF32, unless told; its other flags stay as they are."""
    with torch.backends.cudnn.flags(
        enabled=None, benchmark=None, benchmark_limit=None, deterministic=None, allow_tf32=False
    ):
        yield


class L1Loss(torch.autograd.Function):
    """The mean absolute difference of (super_res, high_res), to the bit as torch's.

    torch's own gradient leaves the order of memory in which the images are: mixing the two took 3 % of a step of s-LWSR16.
    """

    @staticmethod
    def forward(ctx: Any, super_res: Tensor, high_res: Tensor) -> Tensor:
        difference = super_res - high_res
        ctx.save_for_backward(difference)
        return difference.abs().mean()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (difference,) = ctx.saved_tensors
        return difference.sign().mul_(gradients[0] / difference.numel()), None


def sent(batch: Tensor, device: torch.device) -> Tensor:
    """`batch` on `device`; a GPU copies it while the host goes on, which takes memory that stays in place."""
    if device.type == "cuda":
        batch = batch.pin_memory()
    return batch.to(device, non_blocking=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float | Tensor) -> None:
    """Set the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _to_float(batch: Tensor) -> Tensor:
    """uint8 (N, 3, H, W) -> [0, 1], channels last: three times faster on CPU."""
    return batch.to(torch.float32, memory_format=torch.channels_last).div_(255)


@cache
def keep_freed_memory() -> None:
    """Let the C library keep what is freed, on Linux.

    Otherwise every step's activations go back to the kernel and are cleared and mapped in anew at the
    next: 8 % of a step of s-LWSR16 and 11 % of one of s-LWSR32 (batch 16, patch 48).
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        trim_threshold, mmap_max = -1, -4  # M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(mmap_max, 0)


class ResidentSteps:
    """Steps that read nothing from the host: pixels, places and rates lie on the device.

    Places and rates are copied there for a block of steps at a time, and a counter beside them says
    whose turn it is, so that every step is the same work on the same addresses: a CUDA graph.
    """

    def __init__(
        self,
        update: Callable[[Tensor, Tensor], Tensor],
        optimizer: torch.optim.Optimizer,
        sampler: PatchSampler,
        rate: Rate,
        device: torch.device,
    ) -> None:
        self.update, self.sampler, self.rate_of = update, sampler, rate
        pixels = resident(sampler.pairs, device)
        assert pixels is not None
        self.low_res, self.high_res = pixels
        self.block = range(0)
        with torch.device(device):
            self.places = torch.zeros((BLOCK, 2, 3, sampler.batch_size), dtype=torch.int64)
            self.rates = torch.zeros(BLOCK)
            self.turn = torch.zeros(1, dtype=torch.int64)
            self.rate, self.loss = torch.zeros(()), torch.zeros(())
        set_rate(optimizer, self.rate)
        on_cuda = device.type == "cuda"
        self.take = graphed(self._take, CudaRecorder()) if on_cuda else self._take

    def __call__(self, step: int) -> Tensor:
        """Take step `step`, the one after the last; its loss is overwritten by the next one."""
        if step not in self.block:
            self._load(range(step, step + BLOCK))
        self.take()
        return self.loss

    def _load(self, block: range) -> None:
        places = np.stack([addresses(self.sampler, step) for step in block])
        rates = torch.tensor([self.rate_of(step) for step in block])
        self.places.copy_(sent(torch.from_numpy(places), self.places.device))
        self.rates.copy_(sent(rates, self.rates.device))
        self.turn.zero_()
        self.block = block

    def _take(self) -> None:
        places = self.places.index_select(0, self.turn)[0]
        self.rate.copy_(self.rates.index_select(0, self.turn)[0])
        self.turn.add_(1)
        side, scale = self.sampler.patch_size, self.sampler.pairs.scale
        low_res = cut(self.low_res, places[0], side)
        high_res = cut(self.high_res, places[1], scale * side)
        self.loss.copy_(self.update(low_res, high_res))


class Recorder(Protocol):
    """What turns work into something that is replayed."""

    def warm_up(self, work: Work) -> None:
        """Do the work, one kernel at a time."""

    def record(self, work: Work) -> Work:
        """What does the recorded work; RuntimeError where it cannot be recorded."""


class CudaRecorder:
    """Records CUDA graphs; to be made where there is CUDA."""

    def __init__(self) -> None:
        # Recording demands that what ran before it ran beside the default stream.
        self.side = torch.cuda.Stream()

    def warm_up(self, work: Work) -> None:
        """Do the work on a stream of its own."""
        current = torch.cuda.current_stream()
        self.side.wait_stream(current)
        with torch.cuda.stream(self.side):
            work()
        current.wait_stream(self.side)

    def record(self, work: Work) -> Work:
        """The replay of a graph of the work, which is not done by this."""
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph):
                work()
        except RuntimeError:
            # A recording that fails does not leave its stream.
            torch.cuda.set_stream(current)
            raise
        return graph.replay


def graphed(work: Work, recorder: Recorder) -> Work:
    """`work`, which must do the same each time, recorded after WARM_UP calls; as it is where that cannot be."""
    calls, again = 0, work

    def call() -> None:
        nonlocal calls, again
        calls += 1
        if calls <= WARM_UP:
            recorder.warm_up(work)
            return
        if calls == WARM_UP + 1:
            again = _recorded(work, recorder)
        again()

    return call


def _recorded(work: Work, recorder: Recorder) -> Work:
    try:
        return recorder.record(work)
    except RuntimeError as error:
        if lacks_memory(error):
            raise
        warnings.warn(
            "this network's training step cannot be a CUDA graph, and is taken kernel by kernel, which is slower: "
            f"{str(error).partition(chr(10))[0]}",
            stacklevel=3,
        )
        return work


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it followed from, was a lack of memory, which not all of torch says by type."""
    if error is None:
        return False
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    told = isinstance(error, RuntimeError) and any(each in str(error) for each in NO_MEMORY)
    return told or lacks_memory(error.__cause__ or error.__context__)
