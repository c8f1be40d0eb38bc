"""FSRCNN: narrow layers between a wide first and a wide last layer. A transposed convolution computes the image.

Source: Dong et al. 2016, "Accelerating the Super-Resolution Convolutional Neural Network". docs/facts.md 3.4 lists the
layers. The original network works on the luma. The paper "Two strategies toward lightweight image super-resolution"
uses it on RGB.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec
from searchspace.strategies import two_strategies
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.colours import on_colours
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName, transposed
from searchspace.table.cost_parts import Parts


class FsrcnnSpec(Spec):
    """Knobs of FSRCNN. The defaults are FSRCNN(56, 12, 4) on RGB.

    There is no knob `residual_scaling`, because the network has no residual connection.
    """

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 48, 56))] = 56
    """Number of channels before shrinking and after expanding (d)."""
    n_shrunk: Annotated[int, Field(ge=1, le=512), Search((8, 12, 16))] = 12
    """Number of channels of the mapping layers (s)."""
    n_blocks: Annotated[int, Field(ge=1, le=64), Search((1, 2, 4, 6))] = 4
    """Number of mapping layers (m)."""
    first_kernel: Annotated[Literal[3, 5], Search((3, 5))] = 5
    """Kernel size of the first convolution."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 3
    """Number of colours that the network sees. 3: RGB. 1: only Y; Cb and Cr are upscaled bicubically."""
    attention: AttentionName = "none"
    """Attention on the output of every mapping layer. global computes its map from the
    features after shrinking."""
    upsampler: UpsamplerName = "transposed"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the mapping layers. Each kind is deployed as one 3x3 convolution. repvgg, ecb
    and rrrb have more parameters in training."""

    @model_validator(mode="after")
    def _luma_keeps_the_own_upsampler(self) -> Self:
        if self.colours == 1 and self.upsampler != "transposed":
            raise ValueError(
                f"upsampler must be transposed if colours is 1, got {self.upsampler!r}"
            )
        return self


def _activated(kernel: int, in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(conv(kernel, in_channels, out_channels), nn.PReLU(out_channels))


class Fsrcnn(nn.Module):
    """The network from (N, C, H, W) in [0, 1] to (N, C, sH, sW) at scale s. C is 3 or 1."""

    def __init__(self, spec: FsrcnnSpec, scale: int) -> None:
        super().__init__()
        d, s = spec.n_feats, spec.n_shrunk
        self.head = _activated(spec.first_kernel, spec.colours, d)
        self.shrink = _activated(1, d, s)
        self.blocks = nn.ModuleList(
            nn.Sequential(block_conv(spec.block, s, s), nn.PReLU(s)) for _ in range(spec.n_blocks)
        )
        self.expand = _activated(1, s, d)
        if spec.colours == 1:
            self.tail: nn.Module = transposed(d, scale, 1)
        else:
            self.tail = UPSAMPLERS[spec.upsampler](d, scale)
        self.attention = ATTENTIONS[spec.attention](s, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        x = self.shrink(self.head(low_res))
        guide = self.attention.guide(x)
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
        return self.tail(self.expand(x))


def network(spec: FsrcnnSpec, scale: int) -> nn.Module:
    """Builds FSRCNN for RGB or for Y alone, as `spec.colours` chooses. The network takes and returns RGB."""
    return on_colours(Fsrcnn(spec, scale), spec.colours, scale)


def _luma(scale: int, multadds: str, source: str) -> Published:
    """Returns a published row for the original network. The printed 12K parameters exclude biases and PReLU slopes."""
    return Published(
        name="FSRCNN",
        spec=FsrcnnSpec(colours=1),
        scale=scale,
        params="12K",
        params_convention="weights",
        multadds=multadds,
        source=source,
    )


def _rgb(name: str, params: str, **values: str) -> Published:
    caveat = (
        "FSRCNN(56, 12, 4) with 3 colours in and out has 24,683 parameters; the paper does not say which "
        "network it retrained (docs/facts.md 3.4)"
    )
    return two_strategies.row(name, FsrcnnSpec.model_validate(values), params, caveat)


def _layers(spec: FsrcnnSpec, _scale: int) -> list[str]:
    middle = [f"mid_part.{i}" for i in range(2 * spec.n_blocks + 4)]
    return ["first_part.0", "first_part.1", *middle, "last_part"]


FAMILY = Family(
    name="fsrcnn",
    source="FSRCNN, Dong et al. 2016, arXiv 1608.00367",
    spec=FsrcnnSpec,
    network=network,
    parts=Parts(
        together=(
            "n_shrunk attention n_blocks",
            "n_shrunk block n_blocks",
            "n_feats n_shrunk",
            "n_feats first_kernel colours",
            "n_feats colours upsampler",
        ),
        repeats={"n_blocks": 1},
    ),
    published=(
        _luma(2, "6.0G", "MSSN, Table 5"),
        _luma(3, "5.0G", "MSSN, Table 5"),
        _luma(4, "4.6G", "s-LWSR, Table II"),
        _rgb("FSRCNN RGB", "33K"),
        _rgb("FSRCNN RGB + GGAS", "34K", attention="global"),
    ),
    codes=(PublicCode(name="yjn870/FSRCNN-pytorch", layers=_layers),),
)
