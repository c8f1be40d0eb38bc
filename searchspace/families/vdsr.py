"""VDSR: a deep chain of 3x3 convolutions that adds detail to the bicubically upscaled image.

Source: Kim et al. 2016, "Accurate Image Super-Resolution Using Very Deep Convolutional Networks" (docs/facts.md 6). The
printed 665K parameters exclude biases. The public PyTorch code (twtygqyy/pytorch-vdsr) has no biases either. With
biases, the network has 665,921 parameters.
"""

from functools import partial
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from searchspace.bicubic import enlarge_as_matlab
from searchspace.family import Convention, Family, PublicCode, Published
from searchspace.spec import Search, Spec
from searchspace.stages import Stages
from searchspace.strategies.adaptive import he_normal
from searchspace.strategies.colours import on_colours
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.table.cost_parts import Parts


class VdsrSpec(Spec):
    """Knobs of VDSR. The defaults are the published network of 20 layers."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 64))] = 64
    """Number of channels between the first and the last convolution."""
    n_convs: Annotated[int, Field(ge=2, le=200), Search((8, 14, 20))] = 20
    """Number of convolutions."""
    bias: Annotated[bool, Search((False, True))] = False
    """Whether the convolutions have biases."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 1
    """Number of colours that the network sees. 1: only Y, as published; Cb and Cr are upscaled bicubically. 3: RGB."""
    block: BlockName = "plain"
    """Kind of the convolutions, deployed as one 3x3 convolution each. repvgg, ecb and rrrb train more parameters."""


class Vdsr(nn.Module):
    """The network from (N, C, H, W) to (N, C, sH, sW) at scale s. C is the number of colours."""

    def __init__(self, spec: VdsrSpec, scale: int) -> None:
        super().__init__()
        self.scale = scale
        n, layer = spec.n_feats, partial(block_conv, spec.block, bias=spec.bias)
        layers: list[nn.Module] = [layer(spec.colours, n), nn.ReLU()]
        for _ in range(spec.n_convs - 2):
            layers += [layer(n, n), nn.ReLU()]
        self.layers = nn.Sequential(*layers, layer(n, spec.colours))
        he_normal(self)

    def forward(self, low_res: Tensor) -> Tensor:
        enlarged = enlarge_as_matlab(low_res, self.scale)
        return enlarged + self.layers(enlarged)


def network(spec: VdsrSpec, scale: int) -> nn.Module:
    """Builds the network that upscales by the factor `scale`. The network takes and returns RGB."""
    return on_colours(Vdsr(spec, scale), spec.colours, scale)


def _published(scale: int, convention: Convention, source: str) -> Published:
    return Published(
        name="VDSR",
        spec=VdsrSpec(),
        scale=scale,
        params="665K",
        multadds="612.6G",
        multadds_convention=convention,
        source=source,
    )


def _layers(spec: VdsrSpec, _scale: int) -> list[str]:
    """Returns the layers' names in the public code, which registers the inner layers before the first and the last."""
    inner = [f"residual_layer.{i}.conv" for i in range(spec.n_convs - 2)]
    return ["input", *inner, "output"]


def _layers_at_first(spec: VdsrSpec, _scale: int) -> list[str]:
    return [f"features.{2 * i}" for i in range(spec.n_convs)]


FAMILY = Family(
    name="vdsr",
    source="VDSR, Kim et al. 2016; code twtygqyy/pytorch-vdsr",
    spec=VdsrSpec,
    network=network,
    scales=(2, 3, 4, 8),
    stages=Stages(blocks=("layers.*[02468]",), ends=("layers.*[13579]",), paths=("layers",)),
    parts=Parts(
        together=("n_feats bias block n_convs", "n_feats bias block colours"),
        repeats={"n_convs": 2},
    ),
    published=(
        _published(2, "multadds", "MSSN, Table 5"),
        _published(3, "multadds_exact_third", "MSSN, Table 5"),
        _published(4, "multadds", "s-LWSR, Table II"),
    ),
    codes=(
        PublicCode(name="twtygqyy/pytorch-vdsr", layers=_layers),
        PublicCode(name="twtygqyy/pytorch-vdsr, first version", layers=_layers_at_first),
    ),
)
