"""ABPN: a plain chain of 3x3 convolutions for INT8.

The image is added before the shuffle, and the output is clipped. Source: Du et al. 2021, "Anchor-based Plain Net for
Mobile Image Super-Resolution", arXiv 2105.09750, and the authors' code (NJU-Jet/SR_Mobile_Quantization,
solvers/networks/base7.py, commit d7a6271). The authors' code is written in TensorFlow. quic/aimet-model-zoo has a
version in PyTorch (aimet_zoo_torch/abpn, commit 59640d1). It lacks the convolution in image space and the clipping.
"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.colours import on_colours, take_colours_up_to_1
from searchspace.strategies.reparam import BLOCKS, block_conv
from searchspace.strategies.upsample import anchor
from searchspace.table.cost_parts import Parts


class AbpnSpec(Spec):
    """Knobs of ABPN. The defaults are the authors' network."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 28, 32, 48))] = 28
    """Number of channels of every feature map."""
    n_blocks: Annotated[int, Field(ge=1, le=256), Search((2, 4, 6, 8))] = 4
    """Number of convolutions from n_feats to n_feats channels."""
    image_conv: Annotated[bool, Search((True, False))] = True
    """Whether a ReLU and another 3x3 convolution follow the convolution to s x s output pixels per input pixel. s is
    the scale."""
    clip: bool = True
    """Whether the output is clipped to the range of colours. The clipping is meant for INT8."""
    block: Annotated[str, one_of(BLOCKS), Search(tuple(BLOCKS))] = "plain"
    """Kind of the 3x3 convolutions. Each kind is deployed as one 3x3 convolution. repvgg, ecb and rrrb have more
    parameters in training."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 3
    """Number of colours that the network sees. 3: RGB, as published. 1: only Y; Cb and Cr are upscaled bicubically."""
    attention: AttentionName = "none"
    """Attention on the output of each of the `n_blocks` convolutions."""


class Abpn(nn.Module):
    """The network from (N, C, H, W) in [0, 1] to (N, C, sH, sW) at scale s. C is the number of colours.

    Inside, colours run from 0 to 255, as in the authors' code. Departure from the code: it draws the initial weights
    from Glorot's normal distribution, whereas this network uses PyTorch's default.
    """

    def __init__(self, spec: AbpnSpec, scale: int) -> None:
        super().__init__()
        n, pixels = spec.n_feats, spec.colours * scale**2
        self.scale, self.largest, self.clip = scale, 255.0, spec.clip
        layer = partial(block_conv, spec.block)
        self.head = nn.Sequential(layer(spec.colours, n), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(layer(n, n), nn.ReLU()) for _ in range(spec.n_blocks)
        )
        more = [nn.ReLU(), layer(pixels, pixels)] if spec.image_conv else []
        self.tail = nn.Sequential(layer(n, pixels), *more)
        self.shuffle = nn.PixelShuffle(scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        image = low_res * self.largest
        x = self.head(image)
        guide = self.attention.guide(x)
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
        enlarged = self.shuffle(self.tail(x) + anchor(image, self.scale)) / self.largest
        return enlarged.clamp(0, 1) if self.clip else enlarged


def network(spec: AbpnSpec, scale: int) -> nn.Module:
    """Builds ABPN for RGB or for Y alone, as `spec.colours` chooses. The network takes and returns RGB."""
    return on_colours(Abpn(spec, scale), spec.colours, scale)


def _of_aimet(feats: int) -> Published:
    return Published(
        name=f"ABPN-{feats} of AIMET",
        spec=AbpnSpec(n_feats=feats, n_blocks=5, image_conv=False, clip=False),
        scale=2,
        source="quic/aimet-model-zoo, aimet_zoo_torch/abpn/ABPN.md",
        caveat="that page prints no counts",
    )


def _layers_of_aimet(spec: AbpnSpec, _scale: int) -> Iterator[str]:
    if spec.block == "plain" and not spec.image_conv and not spec.clip:
        yield from (f"cnn.{2 * i}" for i in range(spec.n_blocks + 2))


FAMILY = Family(
    name="abpn",
    source="ABPN, Du et al. 2021, arXiv 2105.09750; TensorFlow in NJU-Jet/SR_Mobile_Quantization",
    spec=AbpnSpec,
    network=network,
    stages=Stages(paths=("tail",)),
    parts=Parts(
        together=(
            "n_feats block n_blocks",
            "n_feats attention n_blocks",
            "n_feats block colours image_conv",
        ),
        repeats={"n_blocks": 1},
    ),
    published=(
        Published(
            name="ABPN",
            spec=AbpnSpec(),
            scale=3,
            params="42.54K",
            source="NJU-Jet/SR_Mobile_Quantization, README.md",
        ),
        _of_aimet(28),
        _of_aimet(32),
    ),
    upstream_range=255.0,
    codes=(
        PublicCode(
            name="quic/aimet-model-zoo",
            layers=_layers_of_aimet,
            unused=r"^anchor\.net$",
            adapt=take_colours_up_to_1,
            note="that code takes colours up to 1, and this network now takes them too",
        ),
    ),
)
