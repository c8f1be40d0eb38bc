"""IDN: blocks that set part of the channels aside half-way and use them again at the end.

Source: Hui et al. 2018, "Fast and Accurate Single Image Super-Resolution via Information Distillation Network". The
default is the authors' RGB version with a sub-pixel layer (Zheng222/IDN-tensorflow), because later papers compare with
it. docs/facts.md 6 lists the layers. The original network works on the luma.
"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from searchspace.bicubic import enlarge_as_matlab
from searchspace.family import Family, PublicCode, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies import two_strategies
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.colours import on_colours
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, DirectShuffle
from searchspace.table.cost_parts import Parts

SLOPE = 0.05
"""Slope of every leaky ReLU for negative inputs."""
OWN_UPSAMPLERS = ("subpixel", "deconv17")
IDN_UPSAMPLERS = (*OWN_UPSAMPLERS, *UPSAMPLERS)


class IdnSpec(Spec):
    """Knobs of IDN. The defaults are the RGB network with a sub-pixel layer."""

    n_feats: Annotated[int, Field(ge=4, le=512), Search((16, 32, 48, 64))] = 64
    """Number of channels between blocks (n)."""
    n_blocks: Annotated[int, Field(ge=1, le=64), Search((2, 3, 4, 6))] = 4
    """Number of distillation blocks."""
    distillation_rate: Annotated[float, Field(gt=0, lt=0.5), Search((0.125, 0.25))] = 0.25
    """Share of the n channels that a block sets aside half-way. The number of these channels (d) is rounded to a whole
    number. The convolutions of a block also narrow and widen the features by d channels."""
    groups: Annotated[int, Field(ge=1, le=64), Search((1, 2, 4))] = 4
    """Number of groups in the middle convolution of each half of a block. n, n - d and n - 2d must be multiples of it."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 3
    """Number of colours that the network sees. 3: RGB. 1: only Y; Cb and Cr are upscaled bicubically."""
    attention: AttentionName = "none"
    """Attention on the output of every block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every block."""
    upsampler: Annotated[str, one_of(IDN_UPSAMPLERS), Search(IDN_UPSAMPLERS)] = "subpixel"
    """The layers that turn the features into the upscaled image. subpixel: a 3x3 convolution and the direct
    upsampler. deconv17: the transposed 17x17 convolution of the original network."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the distillation blocks. Each kind is deployed as one 3x3 convolution. repvgg, ecb
    and rrrb have more parameters in training."""

    @model_validator(mode="after")
    def _channels_fit(self) -> Self:
        n, d, groups = self.n_feats, self.distilled, self.groups
        if not 1 <= d < n / 2:
            raise ValueError(
                "distillation_rate must set at least one channel aside and leave at least one after narrowing twice, "
                f"got distillation_rate={self.distillation_rate:g} of n_feats={n}"
            )
        if any(width % groups for width in (n, n - d, n - 2 * d)):
            raise ValueError(
                f"groups must divide n_feats and the channels left after distillation ({n}, {n - d} and "
                f"{n - 2 * d}), got groups={groups}"
            )
        if self.colours == 1 and self.upsampler not in OWN_UPSAMPLERS:
            raise ValueError(
                f"upsampler must be one of {', '.join(OWN_UPSAMPLERS)} if colours is 1, "
                f"got {self.upsampler!r}"
            )
        return self

    @property
    def distilled(self) -> int:
        """Number of channels that a block sets aside (d)."""
        return round(self.n_feats * self.distillation_rate)

    def canonical(self) -> "IdnSpec":
        """Returns the spec with the distillation rate `distilled` / `n_feats`, which needs no rounding."""
        rate = self.distilled / self.n_feats
        return self.model_construct(**dict(self) | {"distillation_rate": rate})


class Block(nn.Module):
    """DBlock: three convolutions, a split, three more convolutions on the larger part, and a 1x1 convolution that fuses."""

    def __init__(self, spec: IdnSpec) -> None:
        super().__init__()
        n, d, groups = spec.n_feats, spec.distilled, spec.groups
        self.sizes = (d, n - d)
        layer = partial(block_conv, spec.block)
        self.first = _activated(
            layer(n, n - d), layer(n - d, n - 2 * d, groups=groups), layer(n - 2 * d, n)
        )
        self.second = _activated(
            layer(n - d, n), layer(n, n - d, groups=groups), layer(n - d, n + d)
        )
        self.compress = _activated(conv(1, n + d, n))
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        aside, rest = self.first(x).split(self.sizes, 1)
        return self.compress(torch.cat([x, aside], 1) + self.second(rest))


def _activated(*convolutions: nn.Module) -> nn.Sequential:
    """Returns the convolutions, each followed by a leaky ReLU."""
    return nn.Sequential(*(part for c in convolutions for part in (c, nn.LeakyReLU(SLOPE))))


def _upsampler(spec: IdnSpec, scale: int) -> nn.Module:
    n, colours = spec.n_feats, spec.colours
    if spec.upsampler == "subpixel":
        return nn.Sequential(conv(3, n, n), DirectShuffle(n, scale, colours))
    if spec.upsampler == "deconv17":
        return nn.ConvTranspose2d(n, colours, 17, scale, 8, output_padding=scale - 1)
    return UPSAMPLERS[spec.upsampler](n, scale)


class Idn(nn.Module):
    """The network from (N, C, H, W) in [0, 1] to (N, C, sH, sW) at scale s. C is 3 or 1.

    The layers compute the difference from the bicubically upscaled image. Inside, colours run from 0 to 255, as in the
    authors' code. Modules are registered in the order of that code.
    """

    def __init__(self, spec: IdnSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.scale = scale
        self.head = _activated(conv(3, spec.colours, n), conv(3, n, n))
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.n_blocks))
        self.upsample = _upsampler(spec, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        x = self.head(low_res * 255)
        guide = self.attention.guide(x)
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
        return self.upsample(x) / 255 + enlarge_as_matlab(low_res, self.scale)


def network(spec: IdnSpec, scale: int) -> nn.Module:
    """Builds IDN for RGB or for Y alone, as `spec.colours` chooses. The network takes and returns RGB."""
    return on_colours(Idn(spec, scale), spec.colours, scale)


PUBLISHED = (
    Published(
        name="IDN",
        spec=IdnSpec(),
        scale=4,
        params="600K",
        multadds="34.5G",
        source="s-LWSR, Table II",
    ),
    two_strategies.row("IDN + GGAS", IdnSpec(attention="global"), "607K"),
    two_strategies.row("IDN + CWSS", IdnSpec(residual_scaling="channelwise"), "600K"),
    two_strategies.row(
        "IDN + both",
        IdnSpec(attention="global", residual_scaling="channelwise"),
        "607K",
        "the paper prints +0 for channel-wise scaling; 4 residual connections of 64 channels add 256",
    ),
)


def _layers_of_yjn870(spec: IdnSpec, _scale: int) -> Iterator[str]:
    yield from ("fblock.module.0", "fblock.module.2")
    for i in range(spec.n_blocks):
        for half in ("top", "bottom"):
            yield from (f"dblocks.{i}.enhancement_{half}.{j}" for j in (0, 2, 4))
        yield f"dblocks.{i}.compression"
    yield "deconv"


FAMILY = Family(
    name="idn",
    source="IDN, Hui et al. 2018, arXiv 1803.09454; code Zheng222/IDN-tensorflow",
    spec=IdnSpec,
    network=network,
    stages=Stages(paths=("upsample",)),
    parts=Parts(
        together=(
            "n_feats distillation_rate groups block n_blocks",
            "n_feats n_blocks attention",
            "n_feats n_blocks residual_scaling",
            "n_feats colours upsampler",
        ),
        repeats={"n_blocks": 1},
        plain={"groups": 1},
    ),
    published=PUBLISHED,
    upstream_range=255.0,
    codes=(
        PublicCode(
            name="yjn870/IDN-pytorch",
            layers=_layers_of_yjn870,
            refused="it takes colours up to 1, has no activation after the fusion of a block, sets the last channels "
            "aside instead of the first, and adds the bicubic image of PyTorch",
        ),
    ),
)
