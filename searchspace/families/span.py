"""SPAN and its successor SPANV2: blocks of three convolutions that use their own output as an attention map.

Source: Wan et al. 2024, "Swift Parameter-free Attention Network for Efficient Super-Resolution", the authors' code
(hongyuanyu/SPAN, basicsr/archs/span_arch.py at e19736ddab983d4787ef24d4b9c64b5e6bc5fee4), and for SPANV2
Amazingren/NTIRE2026_ESR, models/team22_SPANV2_ESR.py at f8395010ea986a20c77f4ee7b4975c2ee14d2a56. docs/facts.md 11
lists the layers.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import RGB_MEAN_DIV2K, conv
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies import conv3xc
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.reparam import COMMON
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS
from searchspace.table.cost_parts import Parts

CONVOLUTIONS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "conv3xc": conv3xc.Conv3XC,
    **COMMON,
}
"""The builder of a 3x3 convolution for each value of `block`. A builder takes (input channels, output channels, bias)."""

OWN_BLOCKS = ("conv3xc", "plain")
"""The values of `block` in the authors' code. With `auto`, a sweep tries only these."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"silu": F.silu, "relu": torch.relu}
"""The activation for each value of `activation`."""


class SeparableShuffle(nn.Sequential):
    """A depthwise 3x3 convolution, a 1x1 convolution to 3 s^2 channels, and one pixel shuffle (SPANV2)."""

    def __init__(self, channels: int, scale: int, *, bias: bool = True) -> None:
        super().__init__(
            conv(3, channels, channels, groups=channels, bias=bias),
            conv(1, channels, 3 * scale**2, bias=bias),
            nn.PixelShuffle(scale),
        )


SPAN_UPSAMPLERS: dict[str, Callable[[int, int], nn.Module]] = {
    **UPSAMPLERS,
    "separable": SeparableShuffle,
}
"""The builder for each value of `upsampler`."""

Gate = Literal["parameter_free", "guided", "none"]


class SpanSpec(Spec):
    """Knobs of SPAN. The defaults are SPAN with 28 channels, which won NTIRE 2024 and is the baseline of NTIRE 2026."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 24, 28, 32, 48))] = 28
    """Number of channels of every feature map."""
    n_blocks: Annotated[int, Field(ge=1, le=64), Search((2, 4, 5, 6, 8))] = 6
    """Number of blocks of three convolutions."""
    layout: Annotated[Literal["span", "v2"], Search(("span", "v2"))] = "span"
    """The layers around the blocks. span: a convolution before them, and a 1x1 convolution after them that fuses four
    feature maps. v2: the first block reads the image, and the upsampler reads the image and the features."""
    block: Annotated[str, one_of(CONVOLUTIONS), Search(OWN_BLOCKS)] = "conv3xc"
    """The form in which every 3x3 convolution before the upsampler trains. conv3xc: four convolutions, which are
    deployed as one. plain: one convolution. repvgg, ecb and rrrb: branches from other papers. A sweep searches these
    three only if its file names them."""
    activation: Annotated[str, one_of(ACTIVATIONS), Search(tuple(ACTIVATIONS))] = "silu"
    """The activation between the convolutions of a block."""
    block_attention: Annotated[Gate, Search(("parameter_free", "guided", "none"))] = (
        "parameter_free"
    )
    """The map that multiplies the sum of a block's input x and last features f. parameter_free: sigmoid(f) - 0.5.
    guided: a 1x1 convolution of f. guided needs the layout v2 or image_range 1, because features that start from a
    larger range grow without bound."""
    bias: Annotated[bool, Search((True, False))] = True
    """Whether the 3x3 convolutions before the upsampler have biases. If the upsampler is separable, this also applies
    to its convolutions."""
    image_range: Annotated[Literal[1, 255], Search((1, 255))] = 255
    """The largest value of a colour inside the network. The layout v2 ignores this knob."""
    attention: AttentionName = "none"
    """Further attention on the output of every block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every block."""
    upsampler: Annotated[str, one_of(SPAN_UPSAMPLERS), Search(tuple(SPAN_UPSAMPLERS))] = "direct"
    """The layers that turn the features into the upscaled image. SPANV2 uses separable."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.block_attention == "guided" and (self.layout, self.image_range) == ("span", 255):
            raise ValueError(
                "block_attention=guided needs layout=v2 or image_range=1, got layout=span, image_range=255"
            )
        return self

    def canonical(self) -> Self:
        """Returns the spec with the default for each knob without effect. Only layout v2 has such knobs."""
        if self.layout == "span":
            return self
        idle = ["image_range"]
        if self.n_blocks == 1:
            idle += ["block_attention", "residual_scaling"]
        fields = type(self).model_fields
        return self.model_copy(update={name: fields[name].default for name in idle})


class Block(nn.Module):
    """SPAB: three 3x3 convolutions. The sum of their output and the input is multiplied by a map of their output.

    A block that changes the number of channels has neither the sum nor the map.
    """

    def __init__(self, spec: SpanSpec, in_channels: int) -> None:
        super().__init__()
        n, make = spec.n_feats, CONVOLUTIONS[spec.block]
        self.convs = nn.ModuleList(make(channels, n, spec.bias) for channels in (in_channels, n, n))
        self.act = ACTIVATIONS[spec.activation]
        self.map = spec.block_attention
        self.guide = conv(1, n, n) if spec.block_attention == "guided" else None
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the output of the block, and the first convolution's features after activation, both (N, C, H, W)."""
        x = self.scaling(x)
        first = self._first(x)
        last = self._last(first)
        summed = last + x
        if self.guide is not None:
            return summed * self.guide(last), first
        return (summed * (torch.sigmoid(last) - 0.5) if self.map != "none" else summed), first

    def _first(self, x: Tensor) -> Tensor:
        return self.act(self.convs[0](x))

    def _last(self, first: Tensor) -> Tensor:
        features: Tensor = self.convs[2](self.act(self.convs[1](first)))
        return features


class EntryBlock(nn.Module):
    """The first block of SPANV2: three 3x3 convolutions from the image to the features, each with an activation."""

    def __init__(self, spec: SpanSpec) -> None:
        super().__init__()
        n, make = spec.n_feats, CONVOLUTIONS[spec.block]
        self.convs = nn.ModuleList(make(channels, n, spec.bias) for channels in (3, n, n))
        self.act = ACTIVATIONS[spec.activation]

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convs:
            x = self.act(convolution(x))
        return x


def _upsampler(spec: SpanSpec, channels: int, scale: int) -> nn.Module:
    build = SPAN_UPSAMPLERS[spec.upsampler]
    if spec.upsampler == "separable":
        build = partial(SeparableShuffle, bias=spec.bias)
    return build(channels, scale)


class Span(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s.

    The network subtracts the mean colour and does not add it back. Modules are registered in the order of the authors'
    code.
    """

    mean: Tensor

    def __init__(self, spec: SpanSpec, scale: int) -> None:
        super().__init__()
        n, make = spec.n_feats, CONVOLUTIONS[spec.block]
        mean = torch.tensor(RGB_MEAN_DIV2K).view(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)
        self.image_range = spec.image_range
        self.head = make(3, n, spec.bias)
        self.blocks = nn.ModuleList(Block(spec, n) for _ in range(spec.n_blocks))
        self.fuse = conv(1, 4 * n, n)
        self.body_conv = make(n, n, spec.bias)
        self.upsample = _upsampler(spec, n, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.head((low_res - self.mean) * self.image_range)
        guide = self.attention.guide(head)
        x, outputs, inner = head, [], []
        for index, block in enumerate(self.blocks):
            x, first = block(x)
            x = self.attention(x, index, guide)
            outputs.append(x)
            inner.append(first)
        joined = torch.cat([head, self.body_conv(x), outputs[0], inner[-1]], 1)
        image: Tensor = self.upsample(self.fuse(joined))
        return image


class SpanV2(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s, in the layout of SPANV2.

    The upsampler reads the features and 3 s^2 channels, which a convolution computes from the image. The convolution
    starts by repeating each colour s^2 times, so that a pixel shuffle of its output would give the nearest-neighbour
    image. Training then changes its weights.
    """

    def __init__(self, spec: SpanSpec, scale: int) -> None:
        super().__init__()
        n, copies = spec.n_feats, scale**2
        self.entry = EntryBlock(spec)
        self.blocks = nn.ModuleList(Block(spec, n) for _ in range(spec.n_blocks - 1))
        self.near = conv(3, 3, 3 * copies, groups=3, bias=False)
        nn.init.zeros_(self.near.weight)
        nn.init.ones_(self.near.weight[:, :, 1, 1].detach())
        self.upsample = _upsampler(spec, 3 * copies + n, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        first = self.entry(low_res)
        guide = self.attention.guide(first)
        x = self.attention(first, 0, guide)
        for index, block in enumerate(self.blocks, 1):
            x = self.attention(block(x)[0], index, guide)
        image: Tensor = self.upsample(torch.cat([self.near(low_res), x], 1))
        return image


def network(spec: SpanSpec, scale: int) -> nn.Module:
    """Builds the network that upscales by the factor `scale`."""
    return SpanV2(spec, scale) if spec.layout == "v2" else Span(spec, scale)


def _names(spec: SpanSpec, layer: str, deployed: str) -> list[str]:
    """Returns the authors' names of the convolutions inside one layer."""
    inside = conv3xc.BRANCHES if spec.block == "conv3xc" else (deployed,)
    return [f"{layer}.{name}" for name in inside]


def _layers(spec: SpanSpec, _scale: int) -> Iterator[str]:
    if spec.layout != "span" or spec.block not in OWN_BLOCKS:
        return
    yield from _names(spec, "conv_1", "eval_conv")
    for i in range(1, spec.n_blocks + 1):
        for j in (1, 2, 3):
            yield from _names(spec, f"block_{i}.c{j}_r", "eval_conv")
    yield "conv_cat"
    yield from _names(spec, "conv_2", "eval_conv")
    yield "upsampler.0"


def _layers_v2(spec: SpanSpec, _scale: int) -> Iterator[str]:
    if spec.layout != "v2" or spec.block not in OWN_BLOCKS:
        return
    for i in range(1, spec.n_blocks + 1):
        for j in (1, 2, 3):
            yield from _names(spec, f"block_{i}.c{j}", "conv")
        if i > 1 and spec.block_attention == "guided":
            yield f"block_{i}.guidance_map_conv"
    yield from ("conv_near", "depthwise_conv", "pointwise_conv")


def _rewrite(
    spec: SpanSpec, tensors: Mapping[str, Tensor], deployed: str = "eval_conv"
) -> Mapping[str, Tensor]:
    """Returns the tensors of a file in the form in which `spec` trains: branches or folded convolutions."""
    form = conv3xc.branches if spec.block == "conv3xc" else conv3xc.without_branches
    return form(tensors, deployed)


V2 = SpanSpec(
    n_feats=32,
    n_blocks=5,
    layout="v2",
    activation="relu",
    block_attention="guided",
    bias=False,
    upsampler="separable",
)
"""The network SPANV2 of NTIRE 2026."""
FACTS = "SPAN (docs/facts.md 11)"
NTIRE_2026 = "NTIRE 2026 efficient SR, results.txt (Amazingren/NTIRE2026_ESR)"
FAMILY = Family(
    name="span",
    source="SPAN, Wan et al. 2024, arXiv 2311.12770; code hongyuanyu/SPAN",
    spec=SpanSpec,
    network=network,
    stages=Stages(blocks=("entry", "blocks.*"), pools=("fuse",)),
    parts=Parts(
        together=(
            "n_feats n_blocks layout block bias",
            "n_feats n_blocks layout block_attention",
            "n_feats n_blocks layout residual_scaling",
            "n_feats n_blocks attention",
            "n_feats layout bias upsampler",
        ),
        repeats={"n_blocks": 1},
        plain={"image_range": 1},
    ),
    published=(
        Published(
            name="SPAN-28",
            spec=SpanSpec(),
            scale=4,
            params="0.151M",
            multadds="9.83G",
            multadds_convention="multadds_at_256",
            source=NTIRE_2026,
        ),
        Published(
            name="SPANV2",
            spec=V2,
            scale=4,
            params="0.139M",
            multadds="1.59G",
            multadds_convention="multadds_at_256",
            source=NTIRE_2026,
            reproducible=False,
            caveat="the printed Mult-Adds lack the last four blocks (114,688 weights at 65,536 pixels), whose operator of "
            "its own the counting tool cannot trace; the parameters agree",
        ),
        Published(name="SPAN-S", spec=SpanSpec(n_feats=48), scale=4, params="426K", source=FACTS),
        *(
            Published(name="SPAN-52", spec=SpanSpec(n_feats=52), scale=scale, source=FACTS)
            for scale in (2, 4)
        ),
    ),
    upstream_range=255.0,
    codes=(
        PublicCode(
            name="hongyuanyu/SPAN",
            layers=_layers,
            rewrite=_rewrite,
            open_knobs=("image_range",),
        ),
        PublicCode(
            name="Amazingren/NTIRE2026_ESR, team22_SPANV2_ESR",
            layers=_layers_v2,
            rewrite=partial(_rewrite, deployed="conv"),
        ),
    ),
)
