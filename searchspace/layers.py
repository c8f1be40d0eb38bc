"""Layers that more than one family uses.

Letters: N images, C channels, H and W rows and columns of the low-resolution input, s the scale.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import fusion, parametrizations, parametrize

RGB_MEAN_DIV2K = (0.4488, 0.4371, 0.4040)
"""Mean colour of DIV2K in [0, 1], as EDSR and its descendants subtract it (FACTS 1.1)."""


def conv(
    kernel: int,
    in_channels: int,
    out_channels: int,
    *,
    groups: int = 1,
    bias: bool = True,
    stride: int = 1,
) -> nn.Conv2d:
    """A convolution with zero padding that keeps the size at stride 1 and odd kernels."""
    return nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=bias
    )


class ColourShift(nn.Module):
    """`factor * x + offset` per colour, the mean shift of EDSR and its descendants.

    The constants are buffers: they are neither trained nor counted. Some upstream checkpoints trained
    the shift by accident into a 3x3 colour mix (FACTS 1.1); such a mix can be loaded, and only then
    is it computed.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, offset: tuple[float, ...]) -> None:
        super().__init__()
        channels = len(offset)
        self.register_buffer("weight", torch.eye(channels).view(channels, channels, 1, 1))
        self.register_buffer("bias", torch.tensor(offset))
        self.mixes = False
        self.register_load_state_dict_post_hook(  # type: ignore[no-untyped-call]
            ColourShift._look_for_mix
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) shifted, in float32 even under autocast: 8 bits of mantissa lose levels."""
        if self.mixes:
            return nn.functional.conv2d(x, self.weight, self.bias)
        return x + self.bias.view(1, -1, 1, 1)

    def _look_for_mix(self, _incompatible: object) -> None:
        identity = torch.eye(self.weight.shape[0], device=self.weight.device)
        self.mixes = not torch.equal(self.weight.flatten(1), identity)


class ConvNorm(nn.Sequential):
    """A convolution followed by batch norm; `deployed` folds the norm into the convolution."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__(convolution, nn.BatchNorm2d(convolution.out_channels))

    def folded(self) -> nn.Conv2d:
        """One convolution with the same output in evaluation mode."""
        convolution, norm = self
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        if convolution.weight.is_meta:  # only its shape matters; torch would compute that at length
            shape = (
                "in_channels",
                "out_channels",
                "kernel_size",
                "stride",
                "padding",
                "dilation",
                "groups",
            )
            return nn.Conv2d(**{name: getattr(convolution, name) for name in shape}, device="meta")
        return fusion.fuse_conv_bn_eval(convolution.eval(), norm.eval())


def weight_norm(module: nn.Module) -> nn.Module:
    """`module` with every convolution in it weight-normalised (one g an output channel)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and not parametrize.is_parametrized(part):
            parametrizations.weight_norm(part)
    return module


def deployed(network: nn.Module) -> nn.Module:
    """A copy of `network` as it would be shipped: evaluation mode, weight and batch norm folded.

    Batch norms that do not follow a convolution directly (a `ConvNorm`) stay as they are.
    """
    return fold(copy.deepcopy(network).eval())


def fold(network: nn.Module) -> nn.Module:
    """`network`, which must be in evaluation mode, with weight and batch norm folded in place."""
    for part in list(network.modules()):
        if parametrize.is_parametrized(part):
            _fold_parametrizations(part)
        for name, child in list(part.named_children()):
            if isinstance(child, ConvNorm):
                setattr(part, name, child.folded())
    return network


def _fold_parametrizations(part: nn.Module) -> None:
    """Turns the parametrised weights of `part` into plain ones.

    Not by torch's `remove_parametrizations`: it edits the class, which a deep copy shares with the
    network that it was copied from, and the original would be left without a weight.
    """
    weights = {name: getattr(part, name).detach() for name in part.parametrizations}  # type: ignore[union-attr]
    part.__class__ = type(part).__bases__[0]
    del part.parametrizations
    for name, weight in weights.items():
        part.register_parameter(name, nn.Parameter(weight))
