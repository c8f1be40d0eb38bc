"""An exponential moving average (EMA) of the weights. Many papers evaluate the averaged weights."""

import copy

import torch
from torch import Tensor, nn

from searchspace.rounding import Rounding
from sweeps.train.settings import TrainSettings


class Average:
    """A copy of a network whose weights are the moving average of the network's weights over the steps.

    At step t, counted from 0, each averaged weight a becomes d * a + (1 - d) * w, where w is the new weight and d is
    the smaller of `decay` and (1 + t) / (10 + t). The second value makes the average forget the random initial weights
    quickly, so that short training runs can use a large decay. TensorFlow's ExponentialMovingAverage has the same ramp
    (`num_updates`). Floating-point buffers, such as the statistics of batch norm, are averaged too. All other buffers
    are copied. The ranges of simulated rounding are also copied, because they are infinite before the first step.

    The step number is a tensor on the device, so a CUDA graph can replay an update.
    """

    def __init__(self, network: nn.Module, decay: float, step: int = 0) -> None:
        """Copies `network`, which has taken `step` steps."""
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay
        raw, own = _tensors(network), _tensors(self.network)
        ranges = _ranges(network)
        floating = [t.is_floating_point() and t.data_ptr() not in ranges for t in raw]
        self.raw = [tensor for tensor, real in zip(raw, floating, strict=True) if real]
        self.own = [tensor for tensor, real in zip(own, floating, strict=True) if real]
        pairs = zip(own, raw, floating, strict=True)
        self.copied = [(to, tensor) for to, tensor, real in pairs if not real]
        device = raw[0].device
        # In float64, because float32 cannot count beyond 2^24.
        self.step = torch.tensor(step, dtype=torch.float64, device=device)

    @torch.no_grad()
    def update(self) -> None:
        """Moves the averaged weights towards the weights after the newest step."""
        kept = ((1 + self.step) / (10 + self.step)).clamp_max(self.decay)
        difference = torch._foreach_sub(self.raw, self.own)
        torch._foreach_mul_(difference, (1 - kept).float())
        torch._foreach_add_(self.own, difference)
        for own, raw in self.copied:
            own.copy_(raw)
        self.step.add_(1)


def average_of(network: nn.Module, settings: TrainSettings, step: int = 0) -> Average | None:
    """Returns the average for a network that has taken `step` steps, or None if the settings ask for no average."""
    return None if settings.ema is None else Average(network, settings.ema, step)


def _ranges(network: nn.Module) -> set[int]:
    """Returns the addresses of the ranges of simulated rounding in `network`."""
    layers = [part for part in network.modules() if isinstance(part, Rounding)]
    return {buffer.data_ptr() for layer in layers for buffer in layer.buffers()}


def _tensors(network: nn.Module) -> list[Tensor]:
    """Returns each parameter and buffer once, even if several modules share it."""
    return [tensor.detach() for tensor in (*network.parameters(), *network.buffers())]
