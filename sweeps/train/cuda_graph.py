"""Training steps that run without the host. Images stay on the GPU, and each step is one CUDA graph."""

import warnings
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sweeps.data.patches import PatchSampler, addresses, cut
from sweeps.data.resident import resident
from sweeps.device import lacks_memory, sent
from sweeps.train.optimizer import Rate, set_rate

Work = Callable[[], None]


BLOCK = 256
"""Number of steps whose patch positions and learning rates are copied to the GPU in one transfer."""


WARM_UP = 3
"""Number of steps that run kernel by kernel before a step is recorded as a CUDA graph."""


class ResidentSteps:
    """Takes training steps whose inputs are already on the device: pixels, patch positions and learning rates.

    Positions and learning rates are copied to the device for BLOCK steps at a time. A counter on the device points to
    the entries for the next step. Every step therefore runs the same kernels on the same addresses, so a CUDA graph can
    replay it.
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
        """Takes step number `step` and returns its loss, a scalar tensor that the next call overwrites.

        `step` must be one higher than in the previous call.
        """
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
    """Records the kernels that a function, the work, launches, so that they can be replayed."""

    def warm_up(self, work: Work) -> None:
        """Runs the work kernel by kernel."""

    def record(self, work: Work) -> Work:
        """Records the work and returns a function that replays it. Raises RuntimeError if it cannot be recorded."""


class CudaRecorder:
    """Records work as a CUDA graph. Needs a CUDA device."""

    def __init__(self) -> None:
        # Before a recording, the warm-up must run on a stream other than the default stream.
        self.side = torch.cuda.Stream()

    def warm_up(self, work: Work) -> None:
        """Runs the work kernel by kernel, on a separate stream."""
        current = torch.cuda.current_stream()
        self.side.wait_stream(current)
        with torch.cuda.stream(self.side):
            work()
        current.wait_stream(self.side)

    def record(self, work: Work) -> Work:
        """Records a graph of the work without running it, and returns the function that replays the graph."""
        graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph):
                work()
        except RuntimeError:
            # A recording that fails leaves its own stream current.
            torch.cuda.set_stream(current)
            raise
        return graph.replay


def graphed(work: Work, recorder: Recorder) -> Work:
    """Returns a function that is equivalent to `work`.

    After WARM_UP calls, it records `work` and then replays the recording. `work` must launch the same kernels in each
    call. If `work` cannot be recorded, the returned function warns once and keeps calling `work`. If recording fails
    because the device lacks memory, the returned function raises that error.
    """
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
            "the training step of this network cannot be recorded as a CUDA graph; it runs kernel by kernel, which is slower: "
            f"{str(error).partition(chr(10))[0]}",
            stacklevel=3,
        )
        return work
