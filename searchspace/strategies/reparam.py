"""Re-parameterised 3x3 convolutions, chosen by the knob `block`. They have more parameters only in training.

A block has several branches. All branches are linear, so their sum is one 3x3 convolution. Training computes the kernel
of this convolution from the parameters of the branches in every step, and then convolves once. Gradients reach the
parameters of every branch as if each branch had been applied to the image. The additional work is on kernels, so it
does not grow with the image. `searchspace.layers.deployed` replaces the block by the convolution itself.

In ECBSR and FMEN, a 1x1 convolution with a bias precedes a 3x3 convolution. The padding of the 3x3 convolution holds
this bias, because only then do the two fold exactly into one. The block computes the same function: its single
convolution pads the input with zeros, and the 1x1 convolution would map these zeros to its bias.

A block starts with the kernel and the bias of a plain convolution with the same seed, because one branch is adjusted by
the difference. Before its first step, a network therefore computes the same image with every kind of block. Departure
from the sources: their branches start independently of each other. The identities of `repvgg` and `rrrb` would then
double the features in every residual block of a host.

Sources:
- repvgg: DingXiaoH/RepVGG, repvgg.py, commit 022edbe. Here without batch norm, which the hosts do not have either. The
  learnt factor of the identity remains.
- ecb: xindongzhang/ECBSR, models/ecb.py, commit 450187c. The optional identity is left out, as in all configurations of
  that repository.
- rrrb: NJU-Jet/FMEN, train_fmen.py, commit 5c484cc, with ratio 2.
"""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn

from searchspace.layers import conv
from searchspace.spec import Search, one_of
from searchspace.strategies.branched import Branched, Kernel, at_centre, identity

Filter = tuple[tuple[int, ...], ...]
"""The rows of a 3x3 filter."""
EDGES: dict[str, Filter] = {
    "sobel_x": ((1, 0, -1), (2, 0, -2), (1, 0, -1)),
    "sobel_y": ((1, 2, 1), (0, 0, 0), (-1, -2, -1)),
    "laplacian": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
}
"""The edge filters of ECB."""
START = 1e-3
"""Standard deviation of the factors and biases of the edge filters before the first step."""


class Reparameterised(Branched):
    """A branched convolution that starts as the plain convolution of the same seed. Maps (N, C, H, W) to (N, C', H, W)."""

    bias: Tensor | None
    """A bias that is added last, (C',). None if no branch has a bias."""

    def __init__(self, in_channels: int, out_channels: int, groups: int, bias: bool) -> None:
        super().__init__(in_channels, out_channels, groups=groups, bias=bias)
        plain = conv(3, in_channels, out_channels, groups=groups, bias=bias)
        # The layers after this one draw the numbers that they would draw after a plain convolution.
        with torch.random.fork_rng(devices=[]):
            self.make_branches(bias)
        self.start_from(plain.weight, plain.bias)

    def make_branches(self, bias: bool) -> None:
        """Registers the parameters of the branches, `self.bias` included."""
        raise NotImplementedError

    def add_to_kernel(self, difference: Tensor) -> None:
        """Changes a branch in place so that `difference` (C', C / groups, 3, 3) is added to the result of `kernel`."""
        raise NotImplementedError

    @torch.no_grad()
    def start_from(self, weight: Tensor, bias: Tensor | None) -> None:
        """Changes the branches so that the block equals the convolution with `weight` and `bias`."""
        if weight.is_meta:
            return
        self.add_to_kernel(weight - self.kernel()[0])
        constant = self.kernel()[1]  # depends on the kernel
        if self.bias is not None:
            assert bias is not None
            assert constant is not None
            self.bias.add_(bias - constant)

    def by_group(self, tensor: Tensor) -> Tensor:
        """Splits the first dimension of `tensor` into groups."""
        return tensor.unflatten(0, (self.groups, -1))

    def after_point(self, kernel: Tensor, point: Tensor) -> Tensor:
        """Returns the kernel (O, I / groups, 3, 3) of a 1x1 convolution followed by a 3x3 convolution.

        `kernel` is (O, M / groups, 3, 3) and `point` is (M, I / groups, 1, 1).
        """
        both = (self.by_group(kernel), self.by_group(point).flatten(2))
        return torch.einsum("gomyx,gmi->goiyx", *both).flatten(0, 1)

    def of_constant(self, kernel: Tensor, constant: Tensor) -> Tensor:
        """Returns the output (O,) of a convolution for a constant image.

        `kernel` is (O, M / groups, 3, 3), `constant` is (M,).
        """
        both = (self.by_group(kernel.sum((2, 3))), self.by_group(constant))
        return torch.einsum("gom,gm->go", *both).flatten()


class RepVgg(Reparameterised):
    """The sum of a 3x3 convolution, a 1x1 convolution and, if C' = C, the input times a learnt factor per channel."""

    def make_branches(self, bias: bool) -> None:
        """Registers the kernels of both convolutions, the factors of the identity, and the only bias."""
        dense, point = (
            conv(size, self.in_channels, self.out_channels, groups=self.groups, bias=bias)
            for size in (3, 1)
        )
        self.weight, self.bias, self.point = dense.weight, dense.bias, point.weight
        has_identity = self.in_channels == self.out_channels
        self.identity = nn.Parameter(torch.ones(self.out_channels)) if has_identity else None

    def _kernel(self) -> Kernel:
        """Returns the 3x3 kernel plus, at its centre, the 1x1 kernel and the factors of the identity."""
        centre = self.point
        if self.identity is not None:
            channels = self.in_channels // self.groups
            same = torch.eye(channels, dtype=centre.dtype, device=centre.device)
            factors = self.by_group(self.identity).unsqueeze(2) * same
            centre = centre + factors.view(centre.shape)
        return self.weight + at_centre(centre), self.bias

    def add_to_kernel(self, difference: Tensor) -> None:
        """Adds `difference` to the 3x3 kernel."""
        self.weight += difference


class Edge(nn.Module):
    """A 1x1 convolution, then a fixed edge filter on each channel, times a learnt factor per channel.

    Departure from ECBSR: the 1x1 convolution has no bias. The values of an edge filter add up to 0, so the bias would
    have no effect.
    """

    mask: Tensor
    """The edge filter, (1, 1, 3, 3)."""

    def __init__(self, filter_: Filter, point: nn.Conv2d, bias: bool) -> None:
        super().__init__()
        channels = point.out_channels
        self.point = point.weight
        self.scale = nn.Parameter(nn.init.normal_(torch.empty(channels, 1, 1, 1), std=START))
        self.bias = (
            nn.Parameter(nn.init.normal_(torch.empty(channels), std=START)) if bias else None
        )
        mask = torch.tensor(filter_, dtype=torch.float32).view(1, 1, 3, 3)
        self.register_buffer("mask", mask, persistent=False)

    def kernel(self) -> Tensor:
        """Returns the 3x3 kernel (C', C / groups, 3, 3)."""
        return self.scale * self.mask * self.point


class Ecb(Reparameterised):
    """ECB: the sum of a 3x3 convolution, an expanding 1x1 with a squeezing 3x3 convolution, and three edge filters."""

    def make_branches(self, bias: bool) -> None:
        """Registers the branches in the order of the authors' code."""
        n, channels, groups = self.in_channels, self.out_channels, self.groups
        dense = conv(3, n, channels, groups=groups, bias=bias)
        expand = conv(1, n, 2 * channels, groups=groups, bias=bias)
        squeeze = conv(3, 2 * channels, channels, groups=groups, bias=bias)
        self.weight, self.bias = dense.weight, dense.bias
        self.expand, self.expand_bias = expand.weight, expand.bias
        self.squeeze, self.squeeze_bias = squeeze.weight, squeeze.bias
        self.edges = nn.ModuleDict(
            {
                name: Edge(filter_, conv(1, n, channels, groups=groups, bias=False), bias)
                for name, filter_ in EDGES.items()
            }
        )

    def _kernel(self) -> Kernel:
        """Returns the sum of the kernels and of the biases of all branches."""
        weight = self.weight + self.after_point(self.squeeze, self.expand)
        bias = self.bias
        if bias is not None:
            assert self.expand_bias is not None
            assert self.squeeze_bias is not None
            bias = bias + self.of_constant(self.squeeze, self.expand_bias) + self.squeeze_bias
        for edge in self.edges.values():
            assert isinstance(edge, Edge)
            weight = weight + edge.kernel()
            if bias is not None and edge.bias is not None:
                bias = bias + edge.bias
        return weight, bias

    def add_to_kernel(self, difference: Tensor) -> None:
        """Adds `difference` to the kernel of the 3x3 convolution."""
        self.weight += difference


class Rrrb(Reparameterised):
    """RRRB: x + reduce(e + 3x3 convolution of e), where e = expand(x). The skip of x exists only if C' = C.

    expand and reduce are 1x1 convolutions, and e has C + C' channels. Before the first step, the first C channels of e
    are the input, and reduce passes on the last C' channels. One piece of the 3x3 kernel therefore maps the input to
    the output.
    """

    def make_branches(self, bias: bool) -> None:
        """Registers the kernels and biases of the three convolutions."""
        n, channels, groups = self.in_channels, self.out_channels, self.groups
        middle = n + channels
        expand = conv(1, n, middle, groups=groups, bias=bias)
        inner = conv(3, middle, middle, groups=groups, bias=bias)
        reduce = conv(1, middle, channels, groups=groups, bias=bias)
        self.expand, self.expand_bias = expand.weight, expand.bias
        self.inner, self.inner_bias = inner.weight, inner.bias
        self.reduce, self.bias = reduce.weight, reduce.bias
        with torch.no_grad():
            passed = self.by_group(self.expand)[:, : n // groups, :, 0, 0]
            passed.copy_(torch.eye(n // groups).expand_as(passed))
            taken = self.by_group(self.reduce)[:, :, n // groups :, 0, 0]
            taken.copy_(torch.eye(channels // groups).expand_as(taken))

    def _kernel(self) -> Kernel:
        """Returns the product of the three convolutions, with both skips."""
        inner = self.inner + identity(self.inner, self.groups)
        # (g, o, m) x (g, m, i, 3, 3): reduce after the 3x3 convolution.
        reduce = self.by_group(self.reduce).flatten(2)
        reduced = torch.einsum("gom,gmiyx->goiyx", reduce, self.by_group(inner)).flatten(0, 1)
        weight = self.after_point(reduced, self.expand)
        if self.in_channels == self.out_channels:
            weight = weight + identity(weight, self.groups)
        bias = self.bias
        if bias is not None:
            assert self.expand_bias is not None
            assert self.inner_bias is not None
            inner_bias = torch.einsum("gom,gm->go", reduce, self.by_group(self.inner_bias))
            bias = bias + self.of_constant(reduced, self.expand_bias) + inner_bias.flatten()
        return weight, bias

    def add_to_kernel(self, difference: Tensor) -> None:
        """Adds `difference` to the piece of the 3x3 kernel that maps input to output. Valid only before the first step."""
        inputs = self.in_channels // self.groups
        self.by_group(self.inner)[:, inputs:, :inputs].add_(self.by_group(difference))


def _plain(in_channels: int, out_channels: int, groups: int, bias: bool) -> nn.Conv2d:
    return conv(3, in_channels, out_channels, groups=groups, bias=bias)


BLOCKS: dict[str, Callable[[int, int, int, bool], nn.Module]] = {
    "plain": _plain,
    "repvgg": RepVgg,
    "ecb": Ecb,
    "rrrb": Rrrb,
}
"""The builder for each value of the knob `block`. A builder takes (channels in, channels out, groups, bias)."""
BlockName = Annotated[str, one_of(BLOCKS), Search(tuple(BLOCKS), only_if_named=True)]
"""The type of the knob `block`. If a sweep file says `block: auto`, the sweep tries all names."""


def check_normalised_once(block: str, weight_norm: bool) -> None:
    """Raises ValueError if a network would have both branched convolutions and weight normalisation."""
    if weight_norm and block != "plain":
        raise ValueError(
            f"block must be plain unless weight_norm is false, got block={block}: weight normalisation already "
            "re-parameterises the convolutions"
        )


def ungrouped(block: str) -> Callable[..., nn.Module]:
    """Returns a builder of kind `block` that takes (channels in, channels out, bias). The bias may be left out."""

    def build(in_channels: int, out_channels: int, bias: bool = True) -> nn.Module:
        return BLOCKS[block](in_channels, out_channels, 1, bias)

    return build


COMMON: dict[str, Callable[..., nn.Module]] = {name: ungrouped(name) for name in BLOCKS}
"""BLOCKS for families whose knob `block` has further values of their own."""


def block_conv(
    block: str, in_channels: int, out_channels: int, *, groups: int = 1, bias: bool = True
) -> nn.Module:
    """Returns a 3x3 convolution of kind `block` with a padding of one zero."""
    return BLOCKS[block](in_channels, out_channels, groups, bias)
