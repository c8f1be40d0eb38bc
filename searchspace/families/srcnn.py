"""SRCNN: three convolutions on the bicubically upscaled image.

Source: Dong et al. 2014, "Learning a Deep Convolutional Network for Image Super-Resolution" (docs/facts.md 6). The
paper's network works on Y. With `colours: 3` the network works on RGB.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from torch import Tensor, nn

from searchspace.bicubic import enlarge_as_matlab
from searchspace.family import Convention, Family, PublicCode, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec
from searchspace.stages import Stages
from searchspace.strategies.colours import on_colours
from searchspace.table.cost_parts import Parts


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd, because an even kernel changes the size of the image")
    return value


Kernel = Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]


class SrcnnSpec(Spec):
    """Knobs of SRCNN. The defaults are the 9-5-5 network."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((32, 64, 128))] = 64
    """Number of channels after the first convolution."""
    mapped_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 64))] = 32
    """Number of channels after the second convolution."""
    head_kernel: Annotated[Kernel, Search((5, 7, 9))] = 9
    """Kernel size of the first convolution."""
    middle_kernel: Annotated[Kernel, Search((1, 3, 5))] = 5
    """Kernel size of the second convolution."""
    tail_kernel: Annotated[Kernel, Search((3, 5))] = 5
    """Kernel size of the last convolution."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 1
    """Number of colours that the network sees. 1: only Y, as published; Cb and Cr are upscaled bicubically. 3: RGB."""


class Srcnn(nn.Module):
    """The network from (N, C, H, W) to (N, C, sH, sW) at scale s. C is the number of colours."""

    def __init__(self, spec: SrcnnSpec, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.layers = nn.Sequential(
            conv(spec.head_kernel, spec.colours, spec.n_feats),
            nn.ReLU(),
            conv(spec.middle_kernel, spec.n_feats, spec.mapped_feats),
            nn.ReLU(),
            conv(spec.tail_kernel, spec.mapped_feats, spec.colours),
        )

    def forward(self, low_res: Tensor) -> Tensor:
        return self.layers(enlarge_as_matlab(low_res, self.scale))


def network(spec: SrcnnSpec, scale: int) -> nn.Module:
    """Builds the network that upscales by the factor `scale`. The network takes and returns RGB."""
    return on_colours(Srcnn(spec, scale), spec.colours, scale)


def _published(scale: int, convention: Convention, source: str) -> Published:
    return Published(
        name="SRCNN",
        spec=SrcnnSpec(),
        scale=scale,
        params="57K",
        multadds="52.7G",
        multadds_convention=convention,
        source=source,
    )


def _layers(_spec: SrcnnSpec, _scale: int) -> list[str]:
    return ["conv1", "conv2", "conv3"]


FAMILY = Family(
    name="srcnn",
    source="SRCNN, Dong et al. 2014",
    spec=SrcnnSpec,
    network=network,
    scales=(2, 3, 4, 8),
    stages=Stages(blocks=("layers.*[02468]",), ends=("layers.*[13579]",)),
    parts=Parts(
        together=(
            "n_feats head_kernel colours",
            "n_feats mapped_feats middle_kernel",
            "mapped_feats tail_kernel colours",
        ),
    ),
    published=(
        _published(2, "multadds", "MSSN, Table 5"),
        _published(3, "multadds_exact_third", "MSSN, Table 5"),
        _published(4, "multadds", "s-LWSR, Table II"),
    ),
    codes=(PublicCode(name="yjn870/SRCNN-pytorch", layers=_layers),),
)
