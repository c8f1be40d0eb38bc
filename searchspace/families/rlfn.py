"""RLFN: chains of three 3x3 convolutions with a small spatial gate, without splits or concatenations.

Source: Kong et al. 2022, "Residual Local Feature Network for Efficient Super-Resolution", and the authors' code
(bytedance/RLFN). docs/facts.md 6 lists the layers.
"""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec
from searchspace.strategies.activation import ACTIVATIONS, ActivationName
from searchspace.strategies.attention import ATTENTIONS, AttentionName, EnhancedSpatialGate
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName
from searchspace.table.cost_parts import Parts


class RlfnSpec(Spec):
    """Knobs of RLFN. The defaults are the published network."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 48, 52))] = 52
    """Number of channels between blocks."""
    inner_feats: Annotated[int, Field(ge=0, le=512), Search((0, 32, 48))] = 0
    """Number of channels between the convolutions of a block. 0: n_feats channels."""
    n_blocks: Annotated[int, Field(ge=1, le=64), Search((2, 4, 6))] = 6
    """Number of residual local feature blocks."""
    n_convs: Annotated[int, Field(ge=2, le=8), Search((2, 3))] = 3
    """Number of 3x3 convolutions in a block, each followed by the activation."""
    gate_feats: Annotated[int, Field(ge=0, le=512), Search((0, 8, 16))] = 16
    """Number of channels inside the spatial gate (ESA) of every block. 0: no gate."""
    activation: ActivationName = "leaky_relu"
    """Activation after every 3x3 convolution of a block."""
    attention: AttentionName = "none"
    """Attention on the output of every block, after the block's own gate."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every block."""
    upsampler: UpsamplerName = "direct"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the blocks, apart from the gate. Each kind is deployed as one 3x3 convolution.
    repvgg, ecb and rrrb have more parameters in training."""

    @property
    def inner(self) -> int:
        """Number of channels between the convolutions of a block."""
        return self.inner_feats or self.n_feats

    def canonical(self) -> "RlfnSpec":
        """Returns the spec with inner_feats=0 in place of inner_feats=n_feats, which means the same."""
        if self.inner_feats != self.n_feats:
            return self
        return self.model_copy(update={"inner_feats": 0})


class SmallGate(EnhancedSpatialGate):
    """The spatial gate of RLFN. It has one 3x3 convolution after the pooling, where the original gate has three."""

    traced_as_one = True

    def __init__(self, channels: int, middle: int) -> None:
        super().__init__(channels, middle=middle, body=conv(3, middle, middle))


class Block(nn.Module):
    """RLFB: 3x3 convolutions with activations, a sum with the block's input, a 1x1 convolution, and a spatial gate."""

    def __init__(self, spec: RlfnSpec) -> None:
        super().__init__()
        n, inner = spec.n_feats, spec.inner
        widths = [n, *[inner] * (spec.n_convs - 1), n]
        layer = partial(block_conv, spec.block)
        self.convs = nn.ModuleList(
            layer(before, after) for before, after in zip(widths, widths[1:], strict=False)
        )
        self.activation = ACTIVATIONS[spec.activation]()
        self.fuse = conv(1, n, n)
        self.gate = SmallGate(n, spec.gate_feats) if spec.gate_feats else None
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        y = x
        for convolution in self.convs:
            y = self.activation(convolution(y))
        y = self.fuse(y + x)
        return y if self.gate is None else y * self.gate(y)


class Rlfn(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s.

    Inside, colours run from 0 to 255, as in the authors' code. The network does not subtract the mean colour.
    """

    def __init__(self, spec: RlfnSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.head = conv(3, 3, n)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.n_blocks))
        self.body_conv = conv(3, n, n)
        self.upsample = UPSAMPLERS[spec.upsampler](n, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.head(low_res * 255)
        guide = self.attention.guide(head)
        x = head
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
        return self.upsample(self.body_conv(x) + head) / 255


def _layers(spec: RlfnSpec, _scale: int) -> Iterator[str]:
    yield "conv_1"
    for i in range(1, spec.n_blocks + 1):
        block = f"block_{i}"
        yield from (f"{block}.c{j}_r" for j in range(1, spec.n_convs + 1))
        yield f"{block}.c5"
        if spec.gate_feats:
            # The order of `EnhancedSpatialGate`: squeeze, strided, body, skip, excite.
            yield from (f"{block}.esa.{part}" for part in ("conv1", "conv2", "conv3"))
            yield from (f"{block}.esa.{part}" for part in ("conv_f", "conv4"))
    yield from ("conv_2", "upsampler.0")


SMALL = RlfnSpec(n_feats=48)
CHALLENGE = RlfnSpec(n_feats=46, inner_feats=48, n_blocks=4)

PUBLISHED = (
    Published(name="RLFN", spec=RlfnSpec(), scale=2, params="527K", source="RLFN, Table 1"),
    Published(
        name="RLFN",
        spec=RlfnSpec(),
        scale=4,
        params="543K",
        source="RLFN, Table 1",
        caveat="543,740 rounds to 544K; the paper cuts the digits off. The authors of SAFMN print 543.74K",
        reproducible=False,
    ),
    Published(
        name="RLFN-S",
        spec=SMALL,
        scale=4,
        params="470.208K",
        source="the authors' weights, model_zoo/rlfn_s_x4.pth",
    ),
    Published(
        name="RLFN (NTIRE 2022)",
        spec=CHALLENGE,
        scale=4,
        params="317K",
        multadds="19.70G",
        multadds_convention="multadds_at_256",
        source="README of bytedance/RLFN",
        caveat="the challenge's counter adds one operation per output value of the leaky ReLUs: 19.658G + 0.037G = 19.695G",
        reproducible=False,
    ),
)
FAMILY = Family(
    name="rlfn",
    source="RLFN, Kong et al. 2022, arXiv 2205.07514; code bytedance/RLFN",
    spec=RlfnSpec,
    network=Rlfn,
    parts=Parts(
        together=(
            "n_feats inner_feats n_convs block n_blocks",
            "n_feats gate_feats n_blocks",
            "n_feats n_blocks attention",
            "n_feats n_blocks residual_scaling",
            "n_feats upsampler",
        ),
        repeats={"n_blocks": 1},
    ),
    published=PUBLISHED,
    upstream_range=255.0,
    codes=(PublicCode(name="bytedance/RLFN", layers=_layers),),
)
