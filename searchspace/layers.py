"""Layers that more than one family uses.

Shapes in docstrings: N images, C channels, H rows and W columns of the low-resolution image, scale s.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import fusion, parametrizations, parametrize

RGB_MEAN_DIV2K = (0.4488, 0.4371, 0.4040)
"""Mean colour of DIV2K in [0, 1]. EDSR and the networks derived from EDSR subtract this colour (docs/facts.md 1.1)."""


def conv(
    kernel: int,
    in_channels: int,
    out_channels: int,
    *,
    groups: int = 1,
    bias: bool = True,
    stride: int = 1,
) -> nn.Conv2d:
    """Returns a convolution with a padding of `kernel // 2` zeros.

    With an odd kernel and stride 1, it keeps the image size.
    """
    return nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=bias
    )


class ColourShift(nn.Module):
    """The mean shift of EDSR: adds a constant to each colour.

    The constants are buffers, so they are neither trained nor counted as parameters. Some authors trained the shift by
    accident. Their checkpoints hold a 1x1 convolution that mixes the three colours (docs/facts.md 1.1). After such a
    checkpoint is loaded, the layer applies this convolution.
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
        """Shifts the colours of (N, C, H, W).

        The addition stays in float32 under autocast, because bfloat16 loses colour levels. The convolution that mixes
        colours does run in the lower precision of autocast.
        """
        if self.mixes:
            return nn.functional.conv2d(x, self.weight, self.bias)
        return x + self.bias.view(1, -1, 1, 1)

    def _look_for_mix(self, _incompatible: object) -> None:
        identity = torch.eye(self.weight.shape[0], device=self.weight.device)
        self.mixes = not torch.equal(self.weight.flatten(1), identity)


class Folding(nn.Module):
    """The base class of layers that `deployed` replaces by one convolution."""

    def folded(self) -> nn.Conv2d:
        """Returns the convolution whose output equals the output of this layer in evaluation mode."""
        raise NotImplementedError


class ConvNorm(nn.Sequential, Folding):
    """A convolution followed by a batch norm, which `deployed` folds into the convolution."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__(convolution, nn.BatchNorm2d(convolution.out_channels))

    def folded(self) -> nn.Conv2d:
        """Returns a single convolution whose output equals the output of this layer in evaluation mode.

        On the meta device, only the shape of the convolution is right.
        """
        convolution, norm = self
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        if (
            convolution.weight.is_meta
        ):  # Only the shape matters here, and torch's own folding is slow.
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
    """Applies weight norm to every Conv2d in `module`, with one scale g per output channel, and returns `module`."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and not parametrize.is_parametrized(part):
            parametrizations.weight_norm(part)
    return module


def deployed(network: nn.Module) -> nn.Module:
    """Returns a copy of `network` for deployment: in evaluation mode, with weight norm and all `Folding` layers folded.

    Only the batch norm of a `ConvNorm` is folded. Any other batch norm stays as it is.
    """
    return fold(copy.deepcopy(network).eval())


def fold(network: nn.Module) -> nn.Module:
    """Folds weight norm and each `Folding` layer in place, and returns `network`.

    `network` must be in evaluation mode.
    """
    for part in list(network.modules()):
        if parametrize.is_parametrized(part):
            _fold_parametrizations(part)
        for name, child in list(part.named_children()):
            if isinstance(child, Folding):
                setattr(part, name, child.folded())
    return network


def _fold_parametrizations(part: nn.Module) -> None:
    """Turns the parametrised weights of `part` into plain parameters.

    The function does not use torch's `remove_parametrizations`, which edits the class of the module. A deep copy shares
    its class with the original module, so this edit would remove the weight of the original too.
    """
    weights = {name: getattr(part, name).detach() for name in part.parametrizations}  # type: ignore[union-attr]
    part.__class__ = type(part).__bases__[0]
    del part.parametrizations
    for name, weight in weights.items():
        part.register_parameter(name, nn.Parameter(weight))
