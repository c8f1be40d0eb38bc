"""LapSRN: each level upscales the features and the image by 2 and adds detail to the image.

Source: Lai et al. 2017, "Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution", and the released
weights (docs/facts.md 6). The paper also trains on the images of the lower levels. This implementation returns only the
last image. The printed 813K parameters belong to the network for x4 and exclude biases.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec
from searchspace.stages import Stages
from searchspace.strategies.adaptive import he_normal
from searchspace.strategies.colours import on_colours
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.table.cost_parts import Parts


class LapsrnSpec(Spec):
    """Knobs of LapSRN. The defaults are the published network."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 64))] = 64
    """Number of channels of every feature map."""
    n_convs: Annotated[int, Field(ge=1, le=64), Search((3, 5, 10))] = 10
    """Number of 3x3 convolutions in a level, before its transposed convolution."""
    enlarging_kernel: Annotated[Literal[3, 4], Search((3, 4))] = 3
    """Kernel size of the transposed convolution that upscales the features (4 in twtygqyy/pytorch-LapSRN)."""
    bias: Annotated[bool, Search((True, False))] = True
    """Whether the convolutions have biases (false in twtygqyy/pytorch-LapSRN). The convolution that
    upscales the image never has a bias."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 1
    """Number of colours that the network sees. 1: only Y, as published; Cb and Cr are upscaled bicubically. 3: RGB."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions before the transposed convolutions. Each kind is deployed as one 3x3 convolution.
    repvgg, ecb and rrrb have more parameters in training."""


class Level(nn.Module):
    """One level of the pyramid: upscales the features and the image by 2 and adds detail to the image."""

    def __init__(self, spec: LapsrnSpec) -> None:
        super().__init__()
        n, kernel, bias = spec.n_feats, spec.enlarging_kernel, spec.bias
        self.image = nn.ConvTranspose2d(spec.colours, spec.colours, 4, 2, 1, bias=False)
        self.residual = conv(3, n, spec.colours, bias=bias)
        layers: list[nn.Module] = []
        for _ in range(spec.n_convs):
            layers += [block_conv(spec.block, n, n, bias=bias), nn.LeakyReLU(0.2)]
        enlarging = nn.ConvTranspose2d(n, n, kernel, 2, 1, output_padding=kernel % 2, bias=bias)
        self.features = nn.Sequential(*layers, enlarging, nn.LeakyReLU(0.2))

    def forward(self, features: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(features)
        return features, self.image(image) + self.residual(features)


class Lapsrn(nn.Module):
    """The network from (N, C, H, W) to (N, C, sH, sW) at scale s. C is the number of colours."""

    def __init__(self, spec: LapsrnSpec, scale: int) -> None:
        super().__init__()
        self.head = nn.Sequential(
            conv(3, spec.colours, spec.n_feats, bias=spec.bias), nn.LeakyReLU(0.2)
        )
        self.levels = nn.ModuleList(Level(spec) for _ in range(scale.bit_length() - 1))
        he_normal(self)
        for level in self.levels:
            _make_bilinear(level.image)  # type: ignore[arg-type]

    def forward(self, low_res: Tensor) -> Tensor:
        features, image = self.head(low_res), low_res
        for level in self.levels:
            features, image = level(features, image)
        return image


def _make_bilinear(image: nn.ConvTranspose2d) -> None:
    """Sets the weights of the transposed convolution `image` so that it upscales each colour bilinearly by 2."""
    sides = torch.tensor([0.25, 0.75, 0.75, 0.25])
    colours = torch.eye(image.in_channels)
    with torch.no_grad():
        image.weight.copy_(colours[:, :, None, None] * sides.outer(sides))


def network(spec: LapsrnSpec, scale: int) -> nn.Module:
    """Builds the network that upscales by the factor `scale`. The network takes and returns RGB."""
    return on_colours(Lapsrn(spec, scale), spec.colours, scale)


def _layers(spec: LapsrnSpec, scale: int) -> Iterator[str]:
    yield "conv_input"
    for level in range(1, scale.bit_length()):
        yield from (f"convt_I{level}", f"convt_R{level}")
        yield from (f"convt_F{level}.0.cov_block.{2 * i}" for i in range(spec.n_convs + 1))


FAMILY = Family(
    name="lapsrn",
    source="LapSRN, Lai et al. 2017; released weights",
    spec=LapsrnSpec,
    network=network,
    scales=(2, 4, 8),
    stages=Stages(
        blocks=("levels.*.features.*[02468]",),
        ends=("levels.*.features.*[13579]",),
        paths=("levels.*.residual",),
    ),
    parts=Parts(
        together=(
            "n_feats bias block n_convs",
            "n_feats bias colours",
            "n_feats enlarging_kernel",
        ),
        repeats={"n_convs": 1},
    ),
    published=(
        Published(
            name="LapSRN",
            spec=LapsrnSpec(),
            scale=4,
            params="813K",
            params_convention="weights",
            multadds="149.4G",
            source="s-LWSR, Table II",
        ),
        Published(
            name="LapSRN",
            spec=LapsrnSpec(),
            scale=2,
            params="813K",
            params_convention="weights",
            multadds="29.9G",
            source="MSSN, Table 5",
            reproducible=False,
            caveat="813K belongs to the network for x4, which has two levels; 29.9G is a quarter of what this "
            "network costs at x2, as if the input were 320x180",
        ),
    ),
    codes=(PublicCode(name="twtygqyy/pytorch-LapSRN", layers=_layers),),
)
