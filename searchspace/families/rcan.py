"""RCAN: residual groups of residual blocks with channel attention.

Source: Zhang et al. 2018, "Image Super-Resolution Using Very Deep Residual Channel Attention Networks", and the authors'
code (yulunzhang/RCAN, model/rcan.py). docs/facts.md 6 lists the layers.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import RGB_MEAN_DIV2K, ColourShift, conv
from searchspace.spec import Search, Spec
from searchspace.stages import Stages
from searchspace.strategies.attention import ATTENTIONS, AttentionName, ChannelGate
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import Residual, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName, steps
from searchspace.table.cost_parts import Parts


class RcanSpec(Spec):
    """Knobs of RCAN. The defaults are the published network."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 48, 64))] = 64
    """Number of channels of every feature map."""
    n_groups: Annotated[int, Field(ge=1, le=64), Search((2, 4, 6, 10))] = 10
    """Number of residual groups."""
    n_blocks: Annotated[int, Field(ge=1, le=128), Search((2, 4, 10, 20))] = 20
    """Number of residual blocks in each residual group."""
    block_attention: Annotated[Literal["channel", "none"], Search(("channel", "none"))] = "channel"
    """Attention inside every residual block. The published network uses channel."""
    reduction: Annotated[int, Field(ge=1, le=512), Search((4, 8, 16))] = 16
    """Divisor for the width of the middle layer in the blocks' channel attention. The layer has n_feats / reduction
    channels, rounded down, but at least 1."""
    attention: AttentionName = "none"
    """Attention on the output of every residual group."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every residual block and of every residual group."""
    upsampler: UpsamplerName = "stepwise"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the residual blocks. Each kind is deployed as one 3x3 convolution. repvgg, ecb
    and rrrb have more parameters in training."""

    def canonical(self) -> "RcanSpec":
        """Returns the spec with one common `reduction` for all values that give the same number of middle channels.

        If the blocks have no channel attention, `reduction` becomes the default.
        """
        reduction = self.n_feats // max(1, self.n_feats // self.reduction)
        if self.block_attention == "none":
            reduction = type(self).model_fields["reduction"].default
        return self.model_construct(**dict(self) | {"reduction": reduction})


class ChannelAttention(ChannelGate):
    """Multiplies each channel of (N, C, H, W) by a weight in (0, 1) that is computed from the features."""

    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x)


def residual_block(spec: RcanSpec) -> Residual:
    """Builds a residual block (RCAB of the paper): x + attention(3x3 convolution, ReLU, 3x3 convolution)."""
    n = spec.n_feats
    layers = [block_conv(spec.block, n, n), nn.ReLU(), block_conv(spec.block, n, n)]
    if spec.block_attention == "channel":
        layers.append(ChannelAttention(n, spec.reduction))
    return Residual(nn.Sequential(*layers), spec.residual_scaling, n)


def residual_group(spec: RcanSpec) -> Residual:
    """Builds a residual group: residual blocks and a 3x3 convolution, whose output is added to the input."""
    n = spec.n_feats
    blocks = [residual_block(spec) for _ in range(spec.n_blocks)]
    return Residual(nn.Sequential(*blocks, conv(3, n, n)), spec.residual_scaling, n)


class Rcan(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s.

    Inside, colours run from 0 to 255, as in the authors' code. Modules are registered in the order of that code, so that
    `load_weights` can match layers by their order.
    """

    def __init__(self, spec: RcanSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        mean = tuple(255 * channel for channel in RGB_MEAN_DIV2K)
        self.sub_mean = ColourShift(tuple(-channel for channel in mean))
        self.add_mean = ColourShift(mean)
        self.head = conv(3, 3, n)
        self.groups = nn.ModuleList(residual_group(spec) for _ in range(spec.n_groups))
        self.body_conv = conv(3, n, n)
        self.tail = UPSAMPLERS[spec.upsampler](n, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_groups)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.head(self.sub_mean(low_res * 255))
        guide = self.attention.guide(head)
        x = head
        for index, group in enumerate(self.groups):
            x = self.attention(group(x), index, guide)
        return self.add_mean(self.tail(self.body_conv(x) + head)) / 255


def _layers(spec: RcanSpec, scale: int) -> Iterator[str]:
    inner = ("0", "2", "3.conv_du.0", "3.conv_du.2") if spec.block_attention == "channel" else "02"
    yield "head.0"
    for i in range(spec.n_groups):
        yield from (f"body.{i}.body.{j}.body.{k}" for j in range(spec.n_blocks) for k in inner)
        yield f"body.{i}.body.{spec.n_blocks}"
    yield f"body.{spec.n_groups}"
    yield from (f"tail.0.{2 * i}" for i in range(len(steps(scale))))
    yield "tail.1"


def _layers_of_basicsr(spec: RcanSpec, scale: int) -> Iterator[str]:
    inner = ("0", "2", "3.attention.1", "3.attention.3")
    yield "conv_first"
    for i in range(spec.n_groups):
        block = f"body.{i}.residual_group"
        yield from (f"{block}.{j}.rcab.{k}" for j in range(spec.n_blocks) for k in inner)
        yield f"body.{i}.conv"
    yield "conv_after_body"
    yield from (f"upsample.{2 * i}" for i in range(len(steps(scale))))
    yield "conv_last"


FAMILY = Family(
    name="rcan",
    source="RCAN, Zhang et al. 2018, arXiv 1807.02758; code yulunzhang/RCAN",
    spec=RcanSpec,
    network=Rcan,
    scales=(2, 3, 4, 8),
    stages=Stages(blocks=("groups.*",)),
    parts=Parts(
        together=(
            "n_feats block_attention reduction n_blocks n_groups",
            "n_feats block n_blocks n_groups",
            "n_feats residual_scaling n_blocks n_groups",
            "n_feats attention n_groups",
            "n_feats upsampler",
        ),
        repeats={"n_blocks": 1, "n_groups": 1},
    ),
    published=(
        Published(
            name="RCAN",
            spec=RcanSpec(),
            scale=4,
            source="docs/facts.md 6",
            caveat="the papers that srsweep compares with print no counts for RCAN",
        ),
    ),
    upstream_range=255.0,
    codes=(
        PublicCode(name="yulunzhang/RCAN", layers=_layers),
        PublicCode(name="XPixelGroup/BasicSR", layers=_layers_of_basicsr),
    ),
)
