"""BSRN: distillation blocks of blueprint separable convolutions, with spatial and channel attention in every block.

Source: Li et al. 2022, "Blueprint Separable Residual Network for Efficient Image Super-Resolution", and the authors'
code (xiaom233/BSRN). docs/facts.md 6 lists the layers.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies.activation import ACTIVATIONS, ActivationName
from searchspace.strategies.attention import (
    ATTENTIONS,
    AttentionName,
    ChannelGate,
    ContrastGate,
    EnhancedSpatialGate,
)
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName
from searchspace.table.cost_parts import Parts

CONVOLUTIONS = ("blueprint", "depthwise", "plain")
SPATIAL = ("separable", "strided_plain", "none")
CHANNEL = ("contrast", "channel", "weights", "none")


class BsrnSpec(Spec):
    """Knobs of BSRN. The defaults are the published network."""

    n_feats: Annotated[int, Field(ge=2, le=512), Search((16, 32, 48, 64))] = 64
    """Number of channels between blocks."""
    n_blocks: Annotated[int, Field(ge=1, le=64), Search((2, 5, 8))] = 8
    """Number of distillation blocks. A 1x1 convolution fuses the outputs of all blocks."""
    n_steps: Annotated[int, Field(ge=2, le=16), Search((3, 4))] = 4
    """Number of 3x3 convolutions in a block. A 1x1 convolution beside each of them, except the last, distils the same
    input."""
    distillation_rate: Annotated[float, Field(gt=0, le=1), Search((0.25, 0.5))] = 0.5
    """Share of n_feats that each step distils, rounded to a whole number of channels."""
    convolution: Annotated[str, one_of(CONVOLUTIONS), Search(CONVOLUTIONS)] = "blueprint"
    """Kind of the 3x3 convolutions. blueprint: 1x1, then depthwise. depthwise: depthwise, then 1x1. plain: an ordinary
    convolution."""
    pointwise_bias: Annotated[bool, Search((False, True))] = False
    """Whether the 1x1 convolution of a blueprint or depthwise convolution has a bias (true in BSRN-S)."""
    image_copies: Annotated[int, Field(ge=1, le=16), Search((1, 4))] = 4
    """Number of copies of the image that the first convolution reads."""
    spatial_attention: Annotated[str, one_of(SPATIAL), Search(SPATIAL)] = "separable"
    """Spatial attention (ESA) in every block. separable: all 3x3 convolutions of the attention are of the kind
    `convolution`. strided_plain: the strided convolution is plain, and all others are of that kind (BSRN-S)."""
    channel_attention: Annotated[str, one_of(CHANNEL), Search(CHANNEL)] = "contrast"
    """Channel attention in every block. weights: one learnt weight for each channel, then a 1x1 convolution (BSRN-S)."""
    activation: ActivationName = "gelu"
    """Activation everywhere except inside the channel attention."""
    attention: AttentionName = "none"
    """Attention on the output of every block, after the block's own attention."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every block."""
    upsampler: UpsamplerName = "direct"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the blocks, except in the spatial attention. These are the depthwise
    convolutions, or the ordinary ones if `convolution` is plain. Each kind is deployed as one 3x3 convolution. repvgg,
    ecb and rrrb train additional branches."""

    @model_validator(mode="after")
    def _distils_a_channel(self) -> "BsrnSpec":
        if not self.distilled:
            raise ValueError(
                f"distillation_rate must leave a channel, got distillation_rate={self.distillation_rate:g} of "
                f"n_feats={self.n_feats}"
            )
        return self

    @property
    def distilled(self) -> int:
        """Number of channels that each step distils."""
        return round(self.n_feats * self.distillation_rate)

    def canonical(self) -> "BsrnSpec":
        """Returns the spec with the distillation rate `distilled` / `n_feats`, and with a fixed value for each knob
        without effect.

        If `convolution` is plain, there is no pointwise bias, and the two kinds of spatial attention are equal.
        """
        values = dict(self) | {"distillation_rate": self.distilled / self.n_feats}
        if self.convolution == "plain":
            values["pointwise_bias"] = False
            if self.spatial_attention == "strided_plain":
                values["spatial_attention"] = "separable"
        return self.model_construct(**values)

    def conv3(
        self, inputs: int, outputs: int, *, stride: int = 1, padding: int = 1, plain: bool = False
    ) -> nn.Module:
        """Builds a 3x3 convolution of the kind `convolution` without branches. If `plain`, builds an ordinary 3x3
        convolution.
        """
        if plain or self.convolution == "plain":
            return nn.Conv2d(inputs, outputs, 3, stride, padding)
        point = conv(1, inputs, outputs, bias=self.pointwise_bias)
        if self.convolution == "blueprint":
            return nn.Sequential(
                point, nn.Conv2d(outputs, outputs, 3, stride, padding, groups=outputs)
            )
        return nn.Sequential(nn.Conv2d(inputs, inputs, 3, stride, padding, groups=inputs), point)

    def branched(self, inputs: int, outputs: int) -> nn.Module:
        """Builds a 3x3 convolution of the kind `convolution` whose inner 3x3 layer is of the kind `block`."""
        if self.convolution == "plain":
            return block_conv(self.block, inputs, outputs)
        point = conv(1, inputs, outputs, bias=self.pointwise_bias)
        if self.convolution == "blueprint":
            return nn.Sequential(point, block_conv(self.block, outputs, outputs, groups=outputs))
        return nn.Sequential(block_conv(self.block, inputs, inputs, groups=inputs), point)


class BlockGate(EnhancedSpatialGate):
    """The spatial gate of BSRN. Its 3x3 convolutions have the kind that the spec chooses."""

    traced_as_one = True

    def __init__(self, spec: BsrnSpec) -> None:
        middle = max(1, spec.n_feats // 4)
        plain = spec.spatial_attention == "strided_plain"
        act = ACTIVATIONS[spec.activation]
        three = [spec.conv3(middle, middle) for _ in range(3)]
        super().__init__(
            spec.n_feats,
            middle=middle,
            strided=spec.conv3(middle, middle, stride=2, padding=0, plain=plain),
            body=nn.Sequential(three[0], act(), three[1], act(), three[2]),
        )


class Gated(nn.Module):
    """Multiplies features (N, C, H, W) by a gate computed from them."""

    def __init__(self, gate: nn.Module) -> None:
        super().__init__()
        self.gate = gate

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class ChannelWeights(nn.Module):
    """Multiplies every channel of (N, C, H, W) by a learnt weight, and applies a 1x1 convolution.

    The weights start near 1, drawn from a normal distribution with a deviation of 0.2, as in the authors' code.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.empty(1, channels, 1, 1))
        nn.init.normal_(self.weights, 1, 0.2)
        self.project = conv(1, channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(x * self.weights)


CHANNEL_ATTENTIONS: dict[str, Callable[[int], nn.Module]] = {
    "contrast": lambda channels: Gated(ContrastGate(channels)),
    "channel": lambda channels: Gated(ChannelGate(channels)),
    "weights": ChannelWeights,
    "none": lambda channels: nn.Identity(),
}
"""The builder of the layers for each value of `channel_attention`. A builder takes the number of channels."""


class Block(nn.Module):
    """ESDB: each step distils a part. The parts are fused and pass through attention, and the input is added."""

    def __init__(self, spec: BsrnSpec) -> None:
        super().__init__()
        n, kept = spec.n_feats, spec.distilled
        self.activation = ACTIVATIONS[spec.activation]()
        self.distil = nn.ModuleList(conv(1, n, kept) for _ in range(spec.n_steps - 1))
        self.steps = nn.ModuleList(spec.branched(n, n) for _ in range(spec.n_steps - 1))
        self.last = spec.branched(n, kept)
        self.fuse = conv(1, spec.n_steps * kept, n)
        spatial = spec.spatial_attention != "none"
        self.spatial = Gated(BlockGate(spec)) if spatial else nn.Identity()
        self.channel = CHANNEL_ATTENTIONS[spec.channel_attention](n)
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        rest, parts = x, []
        for distil, step in zip(self.distil, self.steps, strict=True):
            parts.append(self.activation(distil(rest)))
            rest = self.activation(step(rest) + rest)
        fused = self.fuse(torch.cat([*parts, self.activation(self.last(rest))], 1))
        return x + self.channel(self.spatial(fused))


class Bsrn(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s. It does not subtract the mean colour."""

    def __init__(self, spec: BsrnSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.copies = spec.image_copies
        self.head = spec.conv3(3 * spec.image_copies, n)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.n_blocks))
        self.fuse = nn.Sequential(conv(1, spec.n_blocks * n, n), ACTIVATIONS[spec.activation]())
        self.body_conv = spec.conv3(n, n)
        self.upsample = UPSAMPLERS[spec.upsampler](n, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.head(torch.cat([low_res] * self.copies, 1))
        guide = self.attention.guide(head)
        x, outputs = head, []
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
            outputs.append(x)
        return self.upsample(self.body_conv(self.fuse(torch.cat(outputs, 1))) + head)


def _layers(spec: BsrnSpec, _scale: int) -> Iterator[str]:
    """Yields the layers' names in BSRN_arch.py and rfdnfinalB5_arch.py, in the order of registration in `Bsrn`.

    Yields no names if the convolutions are plain, because the authors' spatial attention then has no padding.
    """
    parts = {"blueprint": (".pw", ".dw"), "depthwise": (".dw", ".pw"), "plain": ()}[
        spec.convolution
    ]
    if not parts:
        return

    def conv3(names: Iterable[str]) -> Iterator[str]:
        yield from (name + part for name in names for part in parts)

    yield from conv3(["fea_conv"])
    for i in range(1, spec.n_blocks + 1):
        steps = range(1, spec.n_steps)
        yield from (f"B{i}.c{step}_d" for step in steps)
        yield from conv3([*(f"B{i}.c{step}_r" for step in steps), f"B{i}.c{spec.n_steps}"])
        yield f"B{i}.c{spec.n_steps + 1}"
        if spec.spatial_attention != "none":
            # The order of `EnhancedSpatialGate`: squeeze, strided, body, skip, excite.
            esa = f"B{i}.esa"
            separable = spec.spatial_attention == "separable"
            yield from (
                f"{esa}.conv1",
                *(conv3([f"{esa}.conv2"]) if separable else [f"{esa}.conv2"]),
            )
            yield from conv3(f"{esa}.{part}" for part in ("conv_max", "conv3", "conv3_"))
            yield from (f"{esa}.conv_f", f"{esa}.conv4")
        yield from (f"B{i}.{part}" for part in CHANNEL_NAMES[spec.channel_attention])
    yield from ("c1", *conv3(["c2"]), "upsampler.upsampleOneStep.0")


CHANNEL_NAMES = {
    "contrast": ("cca.conv_du.0", "cca.conv_du.2"),
    "channel": (),
    "weights": ("cw", "conv_out"),
    "none": (),
}
"""The authors' names for each kind of channel attention in a block. Their networks do not use the kind `channel`."""
SMALL = BsrnSpec(
    n_feats=48,
    n_blocks=5,
    pointwise_bias=True,
    spatial_attention="strided_plain",
    channel_attention="weights",
)
PUBLISHED = (
    Published(
        name="BSRN",
        spec=BsrnSpec(),
        scale=4,
        params="352K",
        multadds="19.4G",
        multadds_convention="multadds_with_bias",
        source="BSRN's results as LKDN quotes them",
    ),
    Published(
        name="BSRN-S",
        spec=SMALL,
        scale=4,
        params="156.288K",
        source="the authors' weights, net_g_BSRN-S.pth",
    ),
)

FAMILY = Family(
    name="bsrn",
    source="BSRN, Li et al. 2022, arXiv 2205.05996; code xiaom233/BSRN",
    spec=BsrnSpec,
    network=Bsrn,
    stages=Stages(pools=("fuse",)),
    parts=Parts(
        together=(
            "n_feats n_steps distillation_rate convolution pointwise_bias n_blocks",
            "n_feats n_steps distillation_rate convolution block n_blocks",
            "n_feats spatial_attention convolution pointwise_bias n_blocks",
            "n_feats image_copies convolution pointwise_bias",
            "n_feats channel_attention n_blocks",
            "n_feats n_blocks attention",
            "n_feats n_blocks residual_scaling",
            "n_feats upsampler",
        ),
        repeats={"n_blocks": 1},
    ),
    published=PUBLISHED,
    codes=(PublicCode(name="xiaom233/BSRN", layers=_layers),),
)
