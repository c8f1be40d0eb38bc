"""DRRN: one unit applied many times. Each output of the unit is added to the first features.

Source: Tai et al. 2017, "Image Super-Resolution via Deep Recursive Residual Network" (docs/facts.md 6). The default is
B1U25, one recursive block of 25 units. Like the public code jt827859032/DRRN-pytorch, this network has no biases and no
batch norm, and it has a ReLU before every convolution. The ReLU of that code works in place, so the skips of that code
add activated features. The skips of this network do so only after weights of that code are loaded.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from searchspace.bicubic import enlarge_as_matlab
from searchspace.family import Convention, Family, PublicCode, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec
from searchspace.stages import Stages
from searchspace.strategies.adaptive import he_normal
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.colours import on_colours
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.table.cost_parts import Parts


class DrrnSpec(Spec):
    """Knobs of DRRN. The defaults are B1U25."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((32, 64, 128))] = 128
    """Number of channels of every feature map."""
    recursions: Annotated[int, Field(ge=1, le=100), Search((9, 17, 25))] = 25
    """Number of times that the unit is applied (U)."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 1
    """Number of colours that the network sees. 1: only Y, as published; Cb and Cr are upscaled bicubically. 3: RGB."""
    attention: AttentionName = "none"
    """Attention after every application of the unit. global uses one map for all applications. Every other kind has a
    separate gate for each application."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the first features, before the outputs of the unit are added to them."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the unit. Each kind is deployed as one 3x3 convolution. repvgg, ecb
    and rrrb have more parameters in training."""


class Drrn(nn.Module):
    """The network from (N, C, H, W) to (N, C, sH, sW) at scale s. C is the number of colours."""

    def __init__(self, spec: DrrnSpec, scale: int) -> None:
        super().__init__()
        self.scale, self.recursions = scale, spec.recursions
        self.skips_activated = False
        n = spec.n_feats
        self.head = nn.Sequential(nn.ReLU(), conv(3, spec.colours, n, bias=False))
        first, second = (block_conv(spec.block, n, n, bias=False) for _ in range(2))
        self.unit = nn.Sequential(nn.ReLU(), first, nn.ReLU(), second)
        self.tail = nn.Sequential(nn.ReLU(), conv(3, n, spec.colours, bias=False))
        he_normal(self)
        self.attention = ATTENTIONS[spec.attention](n, spec.recursions)
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, low_res: Tensor) -> Tensor:
        enlarged = enlarge_as_matlab(low_res, self.scale)
        first = self.head(enlarged)
        if self.skips_activated:
            enlarged, first = torch.relu(enlarged), torch.relu(first)
        guide = self.attention.guide(first)
        identity = self.scaling(first)
        x = first
        for index in range(self.recursions):
            x = self.attention(identity + self.unit(x), index, guide)
        return enlarged + self.tail(x)


def network(spec: DrrnSpec, scale: int) -> nn.Module:
    """Builds the network that upscales by the factor `scale`. The network takes and returns RGB."""
    return on_colours(Drrn(spec, scale), spec.colours, scale)


def _published(scale: int, convention: Convention) -> Published:
    return Published(
        name="DRRN",
        spec=DrrnSpec(),
        scale=scale,
        params="297K",
        multadds="6796.9G",
        multadds_convention=convention,
        source="MSSN, Table 5",
    )


def _layers(_spec: DrrnSpec, _scale: int) -> list[str]:
    return ["input", "conv1", "conv2", "output"]


def _activate_skips(network: nn.Module) -> None:
    """Makes both skips add activated features. The public code does so, because its ReLU overwrites its input."""
    for part in network.modules():
        if isinstance(part, Drrn):
            part.skips_activated = True


FAMILY = Family(
    name="drrn",
    source="DRRN, Tai et al. 2017; code jt827859032/DRRN-pytorch",
    spec=DrrnSpec,
    network=network,
    scales=(2, 3, 4, 8),
    stages=Stages(blocks=("unit",), paths=("tail",)),
    parts=Parts(
        together=(
            "n_feats attention recursions",
            "n_feats block",
            "n_feats residual_scaling",
            "n_feats colours",
        ),
        repeats={"recursions": 1},
    ),
    published=(_published(2, "multadds"), _published(3, "multadds_exact_third")),
    codes=(
        PublicCode(
            name="jt827859032/DRRN-pytorch",
            layers=_layers,
            adapt=_activate_skips,
            note="that code adds relu(features) in its skips, because its ReLU works in place, and this network now adds "
            "them too",
        ),
    ),
)
