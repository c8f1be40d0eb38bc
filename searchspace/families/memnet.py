"""MemNet: a chain of memory blocks.

A memory block applies a residual block repeatedly and fuses all results with the outputs of earlier memory blocks.

Source: Tai et al. 2017, "MemNet: A Persistent Memory Network for Image Restoration". The default is the network of the
paper "Two strategies toward lightweight image super-resolution", which works on RGB at low-resolution size
(docs/facts.md 3.4). The original network works on the luma of the interpolated image (docs/facts.md 6).
"""

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from searchspace.bicubic import enlarge_as_matlab
from searchspace.family import Family, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies import two_strategies
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.colours import on_colours
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import Residual, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS
from searchspace.table.cost_parts import Parts

OWN_UPSAMPLER = "shuffle"
"""Name of the default upsampler. It is direct and has no bias, like all other convolutions of MemNet."""
MEMNET_UPSAMPLERS = (OWN_UPSAMPLER, *UPSAMPLERS)


class MemnetSpec(Spec):
    """Knobs of MemNet. The defaults are the network of the paper on two strategies, not the original network."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 48, 64))] = 64
    """Number of channels of every feature map."""
    n_blocks: Annotated[int, Field(ge=1, le=64), Search((2, 4, 6))] = 6
    """Number of memory blocks."""
    n_recursions: Annotated[int, Field(ge=1, le=64), Search((2, 4, 6))] = 6
    """Number of passes through the residual block of a memory block. A gate fuses the outputs of
    all passes."""
    recursive: Annotated[bool, Search((True, False))] = True
    """Whether all passes of a memory block share one residual block. In the authors' released code each
    pass has its own block."""
    norm: Annotated[Literal["batch", "none"], Search(("batch", "none"))] = "batch"
    """Normalisation before every activation."""
    colours: Annotated[Literal[1, 3], Search((1, 3))] = 3
    """Number of colours that the network sees. 3: RGB. 1: only Y; Cb and Cr are upscaled bicubically."""
    interpolated: Annotated[bool, Search((False, True))] = False
    """Whether the network works on the bicubically upscaled image and adds that image to its output."""
    attention: AttentionName = "none"
    """Attention on the output of every memory block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every residual block."""
    upsampler: Annotated[str, one_of(MEMNET_UPSAMPLERS), Search(MEMNET_UPSAMPLERS)] = OWN_UPSAMPLER
    """The layers that turn the features into the upscaled image. Has no effect if `interpolated` is true. shuffle: the
    direct upsampler without a bias."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the residual blocks. Each kind is one 3x3 convolution as deployed. repvgg, ecb
    and rrrb have more parameters in training."""

    @model_validator(mode="after")
    def _luma_keeps_the_own_upsampler(self) -> Self:
        if self.colours == 1 and self.upsampler != OWN_UPSAMPLER:
            raise ValueError(
                f"upsampler must be {OWN_UPSAMPLER} if colours is 1, got {self.upsampler!r}"
            )
        return self

    def canonical(self) -> "MemnetSpec":
        """Returns the spec in which every knob without effect has its default.

        Without recursions, no weights are shared. If the input is interpolated, no upsampler is built.
        """
        values = dict(self) | {"recursive": self.recursive or self.n_recursions == 1}
        if self.interpolated:
            values["upsampler"] = OWN_UPSAMPLER
        return self.model_construct(**values)


def activated(convolution: nn.Module, in_channels: int, norm: str) -> nn.Sequential:
    """Returns batch norm (if `norm` is batch), a ReLU and `convolution`."""
    layers = [nn.BatchNorm2d(in_channels)] if norm == "batch" else []
    return nn.Sequential(*layers, nn.ReLU(), convolution)


def residual_block(spec: MemnetSpec) -> Residual:
    """Builds a residual block: x + body(x), where the body is two 3x3 convolutions, each after norm and ReLU."""
    n = spec.n_feats
    layers = [block_conv(spec.block, n, n, bias=False) for _ in range(2)]
    body = nn.Sequential(*(activated(layer, n, spec.norm) for layer in layers))
    return Residual(body, spec.residual_scaling, n)


class MemoryBlock(nn.Module):
    """A memory block: repeated residual blocks, and a 1x1 gate that fuses all their outputs with the memories.

    The `num_memories` memories are the first features and the outputs of earlier memory blocks.
    """

    def __init__(self, spec: MemnetSpec, num_memories: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.num_recursions = spec.n_recursions
        count = 1 if spec.recursive else spec.n_recursions
        self.units = nn.ModuleList(residual_block(spec) for _ in range(count))
        width = (spec.n_recursions + num_memories) * n
        self.gate = activated(conv(1, width, n, bias=False), width, spec.norm)

    def forward(self, x: Tensor, memories: list[Tensor]) -> Tensor:
        outputs = []
        for index in range(self.num_recursions):
            x = self.units[index % len(self.units)](x)
            outputs.append(x)
        return self.gate(torch.cat([*outputs, *memories], 1))


def _upsampler(spec: MemnetSpec, scale: int) -> nn.Module:
    n, colours = spec.n_feats, spec.colours
    if spec.interpolated:
        return conv(3, n, colours, bias=False)
    if spec.upsampler == OWN_UPSAMPLER:
        widened = conv(3, n, colours * scale**2, bias=False)
        return nn.Sequential(widened, nn.PixelShuffle(scale))
    return UPSAMPLERS[spec.upsampler](n, scale)


class Memnet(nn.Module):
    """The network from (N, C, H, W) in [0, 1] to (N, C, sH, sW) at scale s. C is 3 or 1."""

    def __init__(self, spec: MemnetSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.scale, self.interpolated = scale, spec.interpolated
        self.head = conv(3, spec.colours, n, bias=False)
        self.blocks = nn.ModuleList(MemoryBlock(spec, 1 + i) for i in range(spec.n_blocks))
        self.tail = _upsampler(spec, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        image = enlarge_as_matlab(low_res, self.scale) if self.interpolated else low_res
        x = self.head(image)
        guide = self.attention.guide(x)
        memories = [x]
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x, memories), index, guide)
            memories.append(x)
        return self.tail(x) + image if self.interpolated else self.tail(x)


def network(spec: MemnetSpec, scale: int) -> nn.Module:
    """Builds MemNet for RGB or for Y alone, as the spec says. In both cases, the result takes and returns RGB."""
    return on_colours(Memnet(spec, scale), spec.colours, scale)


PUBLISHED = (
    two_strategies.row("MemNet RGB", MemnetSpec(), "714K"),
    two_strategies.row("MemNet RGB + GGAS", MemnetSpec(attention="global"), "721K"),
    two_strategies.row("MemNet RGB + CWSS", MemnetSpec(residual_scaling="channelwise"), "714K"),
    two_strategies.row(
        "MemNet RGB + both",
        MemnetSpec(attention="global", residual_scaling="channelwise"),
        "721K",
        "the paper prints +0 for channel-wise scaling; 6 residual blocks of 64 channels add 384",
    ),
    Published(
        name="MemNet",
        spec=MemnetSpec(colours=1, interpolated=True),
        scale=4,
        params="677K",
        params_convention="weights",
        multadds="623.9G",
        multadds_convention="weights_times_output_pixels",
        source="s-LWSR, Table II",
    ),
)

FAMILY = Family(
    name="memnet",
    source="MemNet, Tai et al. 2017, arXiv 1708.02209; on RGB at low-resolution size (docs/facts.md 3.4)",
    spec=MemnetSpec,
    network=network,
    stages=Stages(pools=("blocks.*.gate",)),
    parts=Parts(
        together=(
            "n_feats norm interpolated recursive n_recursions n_blocks",
            "n_feats block recursive n_recursions n_blocks",
            "n_feats residual_scaling recursive n_recursions n_blocks",
            "n_feats norm interpolated n_blocks^2",
            "n_feats interpolated attention n_blocks",
            "n_feats interpolated colours upsampler",
        ),
        operators=("n_feats interpolated residual_scaling recursive n_recursions n_blocks",),
        repeats={"n_recursions": 1, "n_blocks": 1},
    ),
    published=PUBLISHED,
)
