"""The re-parameterised convolution of SPAN: 1x1, 3x3 and 1x1 convolutions in a row, and a 1x1 convolution beside them.

Source: hongyuanyu/SPAN, basicsr/archs/span_arch.py at e19736ddab983d4787ef24d4b9c64b5e6bc5fee4, class Conv3XC. The
authors pad the input of the first 1x1 convolution with zeros, so that its bias also fills the border that the 3x3
convolution reads. Therefore the folded convolution is exact at the border too.

A checkpoint of this code holds the branches (`sk`, `conv.0` to `conv.2`), the folded convolution (`eval_conv`), or
both. The code computes `eval_conv` from the branches before it uses `eval_conv`. In a file that has both, the branches
therefore take precedence.
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from searchspace.layers import conv
from searchspace.strategies.branched import Branched, Kernel, at_centre, summed

GAIN = 2
"""Number of channels inside divided by the number of channels outside."""

BRANCHES = ("sk", "conv.0", "conv.1", "conv.2")
"""Names of the convolutions inside a layer, in the authors' order of registration."""


class Conv3XC(Branched):
    """A 3x3 convolution from I to O channels that trains as a chain of 1x1, 3x3 and 1x1, plus a 1x1 convolution beside
    it.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, bias=bias)
        inner, outer = GAIN * in_channels, GAIN * out_channels
        self.sk = conv(1, in_channels, out_channels, bias=bias)
        self.conv = nn.Sequential(
            conv(1, in_channels, inner, bias=bias),
            conv(3, inner, outer, bias=bias),
            conv(1, outer, out_channels, bias=bias),
        )

    def _kernel(self) -> Kernel:
        first, second, third = (cast(nn.Conv2d, part) for part in self.conv)
        weight = chained(first.weight, second.weight, third.weight) + at_centre(self.sk.weight)
        inner = chained_bias(first.bias, second.weight, second.bias, third.weight)
        return weight, summed((inner, third.bias, self.sk.bias))


def chained(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """Returns the 3x3 kernel (O, I, 3, 3) of 1x1, 3x3 and 1x1 convolutions in a row."""
    outer = torch.tensordot(third.flatten(1), second, 1)
    return torch.einsum("omhw,mi->oihw", outer, first.flatten(1))


def chained_bias(
    first: Tensor | None, second: Tensor, second_bias: Tensor | None, third: Tensor
) -> Tensor | None:
    """Returns what the biases of the first two convolutions add to the output channels, (O,).

    None if there are no biases.
    """
    if first is None or second_bias is None:
        return None
    return third.flatten(1) @ (second.sum((2, 3)) @ first + second_bias)


def unfolded(weight: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    """Returns the tensors of a `Conv3XC` that is equivalent to the 3x3 convolution (`weight`, `bias`).

    The inner channels are copies of the outer channels, and only the first copy contributes. The result is exact. After
    the first training step, every weight has a gradient.
    """
    outer, inner = weight.shape[:2]
    first = torch.eye(inner, dtype=weight.dtype).repeat(GAIN, 1)
    second = weight.repeat(GAIN, GAIN, 1, 1)
    second[:, inner:] = 0
    third = torch.eye(outer, dtype=weight.dtype).repeat(1, GAIN)
    third[:, outer:] = 0
    kernels = (torch.zeros_like(weight[:, :, 0, 0]), first, second, third)
    tensors = {}
    for name, kernel in zip(BRANCHES, kernels, strict=True):
        tensors[f"{name}.weight"] = kernel if kernel.ndim == 4 else kernel[..., None, None]
        if bias is not None:
            tensors[f"{name}.bias"] = torch.zeros(kernel.shape[0], dtype=weight.dtype)
    if bias is not None:
        tensors["conv.1.bias"] = bias.repeat(GAIN)
    return tensors


def branches(stored: Mapping[str, Tensor], deployed: str = "eval_conv") -> dict[str, Tensor]:
    """Returns the tensors of a file, where each folded convolution, named `deployed`, is replaced by its branches.

    If the file also has the branches, they are kept and the folded convolution is dropped.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        layer, folded, kind = _parts(name, deployed)
        if not folded:
            tensors[name] = tensor
        elif kind == "weight" and f"{layer}sk.weight" not in stored:
            made = unfolded(tensor, stored.get(f"{layer}{deployed}.bias"))
            tensors |= {f"{layer}{part}": value for part, value in made.items()}
    return tensors


def without_branches(
    stored: Mapping[str, Tensor], deployed: str = "eval_conv"
) -> dict[str, Tensor]:
    """Returns the tensors of a file, where the branches of each layer are replaced by the folded convolution,
    `deployed`.
    """
    layers = {name.removesuffix("sk.weight") for name in stored if name.endswith("sk.weight")}
    whole = {layer for layer in layers if all(f"{layer}{p}.weight" in stored for p in BRANCHES)}
    parts = {
        f"{layer}{p}.{kind}" for layer in whole for p in BRANCHES for kind in ("weight", "bias")
    }
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        layer, folded, _ = _parts(name, deployed)
        if name.endswith("sk.weight") and name.removesuffix("sk.weight") in whole:
            tensors |= _folded(stored, name.removesuffix("sk.weight"), deployed)
        elif name not in parts and not (folded and layer in whole):
            tensors[name] = tensor
    return tensors


def _parts(name: str, deployed: str) -> tuple[str, bool, str]:
    """Splits the name of a tensor. Returns its layer, whether it belongs to the folded convolution, and its kind."""
    rest, _, kind = name.rpartition(".")
    folded = rest == deployed or rest.endswith(f".{deployed}")
    return rest.removesuffix(deployed) if folded else rest, folded, kind


def _folded(stored: Mapping[str, Tensor], layer: str, deployed: str) -> dict[str, Tensor]:
    """Returns the folded convolution of one layer, whose name ends with a dot or is empty."""
    first, inner = (
        stored[f"{layer}conv.0.weight"].shape[1],
        stored[f"{layer}conv.2.weight"].shape[0],
    )
    module = Conv3XC(first, inner, f"{layer}sk.bias" in stored)
    module.load_state_dict({name: stored[f"{layer}{name}"] for name in module.state_dict()})
    state = module.folded().state_dict()
    return {f"{layer}{deployed}.{kind}": tensor for kind, tensor in state.items()}
