"""DRCN: one convolution applied many times. The output is a weighted sum of one image per application.

Source: Kim et al. 2016, "Deeply-Recursive Convolutional Network for Image Super-Resolution" (docs/facts.md 6). This
implementation follows no public PyTorch code. The weights of the sum start equal, and nothing forces them to add up to
one. The printed 1774K parameters exclude the biases and the 16 weights of the sum.
"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from searchspace.bicubic import enlarge_as_matlab
from searchspace.family import Convention, Family, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec
from searchspace.stages import Stages
from searchspace.strategies.adaptive import he_normal
from searchspace.strategies.colours import on_colours
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.table.cost_parts import Parts


class DrcnSpec(Spec):
    """Knobs of DRCN. The defaults are the published network."""

    n_feats: Annotated[int, Field(ge=1, le=1024), Search((32, 64, 128, 256))] = 256
    """Number of channels of every feature map."""
    recursions: Annotated[int, Field(ge=1, le=64), Search((4, 9, 16))] = 16
    """Number of times that the recursive convolution is applied."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 1
    """Number of colours that the network sees. 1: only Y, as published; Cb and Cr are upscaled bicubically. 3: RGB."""
    block: BlockName = "plain"
    """Kind of the recursive 3x3 convolution. Each kind is deployed as one 3x3 convolution. repvgg, ecb and rrrb have
    more parameters in training."""


class Drcn(nn.Module):
    """The network from (N, C, H, W) to (N, C, sH, sW) at scale s. C is the number of colours."""

    def __init__(self, spec: DrcnSpec, scale: int) -> None:
        super().__init__()
        self.scale = scale
        n = spec.n_feats
        self.embedding = nn.Sequential(
            conv(3, spec.colours, n), nn.ReLU(), conv(3, n, n), nn.ReLU()
        )
        self.recursion = nn.Sequential(block_conv(spec.block, n, n), nn.ReLU())
        self.reconstruction = nn.Sequential(conv(3, n, n), nn.ReLU(), conv(3, n, spec.colours))
        he_normal(self)
        self.weights = nn.Parameter(torch.full((spec.recursions,), 1 / spec.recursions))

    def forward(self, low_res: Tensor) -> Tensor:
        enlarged = enlarge_as_matlab(low_res, self.scale)
        x = self.embedding(enlarged)
        summed = torch.zeros_like(enlarged)
        for weight in self.weights:
            x = self.recursion(x)
            summed = summed + weight * (enlarged + self.reconstruction(x))
        return summed


def network(spec: DrcnSpec, scale: int) -> nn.Module:
    """Builds the network that upscales by the factor `scale`. The network takes and returns RGB."""
    return on_colours(Drcn(spec, scale), spec.colours, scale)


def _published(scale: int, convention: Convention) -> Published:
    return Published(
        name="DRCN",
        spec=DrcnSpec(),
        scale=scale,
        params="1774K",
        params_convention="weights",
        multadds="17974G",
        multadds_convention=convention,
        source="MSSN, Table 5",
    )


FAMILY = Family(
    name="drcn",
    source="DRCN, Kim et al. 2016",
    spec=DrcnSpec,
    network=network,
    scales=(2, 3, 4, 8),
    stages=Stages(blocks=("recursion",)),
    parts=Parts(
        together=("n_feats colours recursions", "n_feats block"),
        repeats={"recursions": 1},
    ),
    published=(
        _published(2, "multadds"),
        _published(3, "multadds_exact_third"),
        Published(
            name="DRCN",
            spec=DrcnSpec(),
            scale=4,
            params="1774K",
            params_convention="weights",
            multadds="9788.7G",
            source="s-LWSR, Table II",
            reproducible=False,
            caveat="9788.7G comes from a third party; MSSN prints 17974G, which is what the network costs "
            "at every scale",
        ),
    ),
)
