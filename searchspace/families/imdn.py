"""IMDN: blocks that set part of the channels aside after each convolution and fuse these parts at the end.

Source: Hui et al. 2019, "Lightweight Image Super-Resolution with Information Multi-distillation Network", and the
authors' code (Zheng222/IMDN). docs/facts.md 6 lists the layers.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.family import Family, PublicCode
from searchspace.layers import conv
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies import two_strategies
from searchspace.strategies.attention import ATTENTIONS, AttentionName, ChannelGate, ContrastGate
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName
from searchspace.table.cost_parts import Parts

SLOPE = 0.05
"""Slope of every leaky ReLU for negative inputs."""

BLOCK_ATTENTIONS: dict[str, Callable[[int], nn.Module] | None] = {
    "contrast": ContrastGate,
    "channel": ChannelGate,
    "none": None,
}
"""The builder of a block's gate for each value of `block_attention`. A builder takes the number of channels."""


class ImdnSpec(Spec):
    """Knobs of IMDN. The defaults are the published network."""

    n_feats: Annotated[int, Field(ge=2, le=512), Search((16, 32, 48, 64))] = 64
    """Number of channels between blocks."""
    n_blocks: Annotated[int, Field(ge=1, le=64), Search((2, 4, 6, 8))] = 6
    """Number of multi-distillation blocks. A 1x1 convolution fuses the outputs of all blocks."""
    n_steps: Annotated[int, Field(ge=2, le=16), Search((3, 4, 5))] = 4
    """Number of 3x3 convolutions in a block. A split follows each convolution except the last."""
    distillation_rate: Annotated[float, Field(gt=0, lt=1), Search((0.125, 0.25, 0.5))] = 0.25
    """Share of n_feats that each split sets aside, rounded to a whole number of channels."""
    block_attention: Annotated[str, one_of(BLOCK_ATTENTIONS), Search(tuple(BLOCK_ATTENTIONS))] = (
        "contrast"
    )
    """Attention inside every block, on the channels set aside. The published network uses contrast."""
    attention: AttentionName = "none"
    """Attention on the output of every block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every block."""
    upsampler: UpsamplerName = "direct"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the blocks. Each kind is deployed as one 3x3 convolution. repvgg, ecb
    and rrrb have more parameters in training."""

    @model_validator(mode="after")
    def _both_sides_of_a_split(self) -> "ImdnSpec":
        if not 1 <= self.distilled < self.n_feats:
            raise ValueError(
                "distillation_rate must leave a channel on both sides of a split, got "
                f"distillation_rate={self.distillation_rate:g} of n_feats={self.n_feats}"
            )
        return self

    @property
    def distilled(self) -> int:
        """Number of channels that each split sets aside."""
        return round(self.n_feats * self.distillation_rate)

    def canonical(self) -> "ImdnSpec":
        """Returns the spec with the distillation rate `distilled` / `n_feats`, which needs no rounding."""
        rate = self.distilled / self.n_feats
        return self.model_construct(**dict(self) | {"distillation_rate": rate})


class Block(nn.Module):
    """IMDB: convolutions and splits. The channels set aside pass through a gate and are fused. The input is added."""

    def __init__(self, spec: ImdnSpec) -> None:
        super().__init__()
        n, kept = spec.n_feats, spec.distilled
        self.sizes = (kept, n - kept)
        layer = partial(block_conv, spec.block)
        between = [layer(n - kept, n) for _ in range(spec.n_steps - 2)]
        self.steps = nn.ModuleList([layer(n, n), *between, layer(n - kept, kept)])
        self.fuse = conv(1, spec.n_steps * kept, n)
        gate = BLOCK_ATTENTIONS[spec.block_attention]
        self.gate = gate(spec.n_steps * kept) if gate else None
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        rest, aside = x, []
        for step in self.steps[:-1]:
            part, rest = F.leaky_relu(step(rest), SLOPE).split(self.sizes, 1)
            aside.append(part)
        distilled = torch.cat([*aside, self.steps[-1](rest)], 1)
        if self.gate is not None:
            distilled = distilled * self.gate(distilled)
        return x + self.fuse(distilled)


class Imdn(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s. It does not subtract the mean colour.

    Modules are registered in the order of the authors' code, so that `load_weights` can match layers by their order.
    """

    def __init__(self, spec: ImdnSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.head = conv(3, 3, n)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.n_blocks))
        self.fuse = nn.Sequential(conv(1, spec.n_blocks * n, n), nn.LeakyReLU(SLOPE))
        self.body_conv = conv(3, n, n)
        self.upsample = UPSAMPLERS[spec.upsampler](n, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.head(low_res)
        guide = self.attention.guide(head)
        x, outputs = head, []
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
            outputs.append(x)
        return self.upsample(self.body_conv(self.fuse(torch.cat(outputs, 1))) + head)


PUBLISHED = (
    two_strategies.row("IMDN", ImdnSpec(), "715K"),
    two_strategies.row(
        "IMDN + GGAS",
        ImdnSpec(attention="global"),
        "722K",
        "the base and the attention have 715,176 + 7,360, which rounds to 723K; the paper adds rounded numbers",
    ),
    two_strategies.row(
        "IMDN + CWSS",
        ImdnSpec(residual_scaling="channelwise"),
        "715K",
        "the paper prints +0; 6 residual connections of 64 channels add 384",
    ),
    two_strategies.row(
        "IMDN + both",
        ImdnSpec(attention="global", residual_scaling="channelwise"),
        "722K",
        "the attention and the scaling both differ, as in the two rows above",
    ),
)


def _layers(spec: ImdnSpec, _scale: int) -> Iterator[str]:
    yield "fea_conv"
    for i in range(1, spec.n_blocks + 1):
        yield from (f"IMDB{i}.c{j}" for j in range(1, spec.n_steps + 2))
        if spec.block_attention != "none":
            yield from (f"IMDB{i}.cca.conv_du.{j}" for j in (0, 2))
    yield from ("c.0", "LR_conv", "upsampler.0")


FAMILY = Family(
    name="imdn",
    source="IMDN, Hui et al. 2019, arXiv 1909.11856; code Zheng222/IMDN",
    spec=ImdnSpec,
    network=Imdn,
    stages=Stages(pools=("fuse",)),
    parts=Parts(
        together=(
            "n_feats distillation_rate n_steps block_attention n_blocks",
            "n_feats distillation_rate n_steps block n_blocks",
            "n_feats n_blocks attention",
            "n_feats n_blocks residual_scaling",
            "n_feats upsampler",
        ),
        repeats={"n_blocks": 1},
    ),
    published=PUBLISHED,
    codes=(PublicCode(name="Zheng222/IMDN", layers=_layers),),
)
