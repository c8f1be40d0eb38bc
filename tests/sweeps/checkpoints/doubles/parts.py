"""Parts that several of the doubles are built from."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

MEAN = torch.tensor([0.4488, 0.4371, 0.4040])


def conv(kernel: int, inputs: int, outputs: int, **options) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **options)


def normed(layer: nn.Module) -> nn.Module:
    """Weight norm as in public code of its time: weight_g and weight_v, after the bias."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


class Apply(nn.Module):
    """Modules by their upstream names, in upstream order, and what is computed with them."""

    def __init__(self, forward: Callable[[nn.Module, Tensor], Tensor], **modules: nn.Module):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.compute = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self, x)


def chain(modules: list[nn.Module]) -> nn.Sequential:
    return nn.Sequential(*modules)


def shift(sign: int, largest: int) -> nn.Conv2d:
    layer = nn.Conv2d(3, 3, 1)
    layer.weight.data = torch.eye(3).view(3, 3, 1, 1)
    layer.bias.data = sign * largest * MEAN
    return layer


def keeping_shifts(network: nn.Module) -> nn.Module:
    """`network` with noise on all weights but the mean shift's and constants, and gains of the size of 1."""
    torch.manual_seed(3)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "_mean" not in name and parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    return network.eval()


def shuffles(n: int, scale: int) -> nn.Sequential:
    if scale == 3:
        return chain([conv(3, n, 9 * n), nn.PixelShuffle(3)])
    return chain([m for _ in range(scale // 2) for m in (conv(3, n, 4 * n), nn.PixelShuffle(2))])


def scalar(value: float) -> nn.Module:
    module = Apply(lambda m, x: x * m.scale)
    module.scale = nn.Parameter(torch.tensor([float(value)]))
    return module
