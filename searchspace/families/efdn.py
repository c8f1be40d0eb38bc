"""EFDN: blocks that fuse four narrowed feature maps and pass them through a spatial attention.

Source: Wang 2022, "Edge-enhanced Feature Distillation Network for Efficient Super-Resolution", and the author's code
(icandle/EFDN, models/EFDN_deploy.py and models/unitv2.py at 322cada4527dedd45370b358a2c75abcab6d2d6e). docs/facts.md 11
lists the layers.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import conv
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies import edbb
from searchspace.strategies.attention import (
    ATTENTIONS,
    AttentionName,
    ChannelGate,
    ContrastGate,
    EnhancedSpatialGate,
)
from searchspace.strategies.reparam import COMMON, EDGES
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName
from searchspace.table.cost_parts import Parts

CONVOLUTIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "edbb": edbb.EdgeConv,
    **COMMON,
}
"""The builder of a 3x3 convolution for each value of `block`. A builder takes (input channels, output channels)."""

OWN_BLOCKS = ("edbb", "plain")
"""The values of `block` in the author's code. With `auto`, a sweep tries only these."""

ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "prelu": nn.PReLU,
    "relu": lambda channels: nn.ReLU(),
    "silu": lambda channels: nn.SiLU(),
}
"""The builder of an activation for each value of `activation`. A builder takes the number of channels."""

BLOCK_ATTENTIONS: dict[str, Callable[[int], nn.Module] | None] = {
    "enhanced_spatial": EnhancedSpatialGate,
    "channel": ChannelGate,
    "contrast": ContrastGate,
    "none": None,
}
"""The builder of a block's gate for each value of `block_attention`. A builder takes the number of channels."""


class EfdnSpec(Spec):
    """Knobs of EFDN. The defaults are the published network."""

    n_feats: Annotated[int, Field(ge=2, le=512), Search((16, 24, 32, 48))] = 48
    """Number of channels between blocks. Inside a block, four feature maps are narrowed to half of the channels."""
    n_blocks: Annotated[int, Field(ge=2, le=64), Search((2, 3, 4, 6))] = 4
    """Number of blocks. After each block but the first, a 1x1 convolution fuses its output with an earlier one."""
    block: Annotated[str, one_of(CONVOLUTIONS), Search(OWN_BLOCKS)] = "edbb"
    """The form in which the 3x3 convolutions of the blocks train. edbb: each has a 1x1 convolution and three edge
    filters beside it, which are folded into it for deployment. plain: one convolution. repvgg, ecb and rrrb: branches
    from other papers. A sweep searches these three only if its file names them."""
    activation: Annotated[str, one_of(ACTIVATIONS), Search(tuple(ACTIVATIONS))] = "prelu"
    """The activation after each of the first three convolutions of a block."""
    block_attention: Annotated[str, one_of(BLOCK_ATTENTIONS), Search(tuple(BLOCK_ATTENTIONS))] = (
        "enhanced_spatial"
    )
    """Attention inside every block, on the fused features. The published network uses enhanced_spatial."""
    attention: AttentionName = "none"
    """Attention on the output of every block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every block."""
    upsampler: UpsamplerName = "direct"
    """The layers that turn the features into the upscaled image."""


class Block(nn.Module):
    """A 1x1 and two 3x3 convolutions in a row.

    The input of the block and the output of each convolution are narrowed, fused and gated. The input of the block is
    added to the result.
    """

    def __init__(self, spec: EfdnSpec) -> None:
        super().__init__()
        n, half = spec.n_feats, spec.n_feats // 2
        make, act = CONVOLUTIONS[spec.block], ACTIVATIONS[spec.activation]
        first = (conv(1, n, n), make(n, n), make(n, n))
        self.steps = nn.ModuleList(nn.Sequential(step, act(n)) for step in first)
        self.fuse = conv(1, 4 * half, n)
        gate = BLOCK_ATTENTIONS[spec.block_attention]
        self.gate = gate(n) if gate else None
        self.branches = nn.ModuleList(conv(1, n, half) for _ in range(4))
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        features = [x]
        for step in self.steps:
            features.append(step(features[-1]))
        reduced = [branch(f) for branch, f in zip(self.branches, features, strict=True)]
        fused = self.fuse(torch.cat(reduced, 1))
        return x + (fused if self.gate is None else fused * self.gate(fused))


class Efdn(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s. It does not subtract the mean colour.

    The author's code clips the image to [0, 1], and this network does not.
    """

    def __init__(self, spec: EfdnSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.head = conv(3, 3, n)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.n_blocks))
        self.fuse = nn.ModuleList(conv(1, 2 * n, n) for _ in range(spec.n_blocks - 1))
        self.upsample = UPSAMPLERS[spec.upsampler](n, scale)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.head(low_res)
        guide = self.attention.guide(head)
        x, outputs = head, []
        for index, block in enumerate(self.blocks):
            outputs.append(self.attention(block(x), index, guide))
            x = outputs[-1]
            if index:
                # The last block skips the block before it, as in the author's code.
                last = index == len(self.blocks) - 1
                earlier = outputs[max(0, index - 2) if last else index - 1]
                x = self.fuse[index - 1](torch.cat([earlier, x], 1))
        image: Tensor = self.upsample(x + head)
        return image


def _convolution(spec: EfdnSpec, layer: str) -> Iterator[str]:
    yield f"{layer}.rep_conv"
    if spec.block != "edbb":
        return
    yield f"{layer}.conv1x1"
    for index in range(len(EDGES)):
        edge = f"{layer}.edges.{index}"
        yield from (f"{edge}.point", f"{edge}.scale", edge)


def _layers(spec: EfdnSpec, _scale: int) -> Iterator[str]:
    gates = {
        "enhanced_spatial": ("conv1", "conv2", "conv_max", "conv3", "conv3_", "conv_f", "conv4"),
        "none": (),
    }
    if spec.block_attention not in gates or spec.block not in OWN_BLOCKS:
        return
    slopes = spec.activation == "prelu"
    yield "head"
    for i in range(spec.n_blocks):
        yield f"cells.{i}.conv1.conv1x1"
        yield from (["cells." + f"{i}.conv1.act"] if slopes else [])
        for j in (2, 3):
            yield from _convolution(spec, f"cells.{i}.conv{j}")
            yield from ([f"cells.{i}.conv{j}.act"] if slopes else [])
        yield f"cells.{i}.fuse"
        yield from (f"cells.{i}.att.{name}" for name in gates[spec.block_attention])
        yield from (f"cells.{i}.branch.{j}" for j in range(4))
    yield from (f"local_fuse.{i}" for i in range(spec.n_blocks - 1))
    yield "tail.0"


def _rewrite(spec: EfdnSpec, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Returns the tensors of a deployed file in the form in which `spec` trains."""
    return edbb.branches(tensors) if spec.block == "edbb" else tensors


FAMILY = Family(
    name="efdn",
    source="EFDN, Wang 2022, arXiv 2204.08759; code icandle/EFDN",
    spec=EfdnSpec,
    network=Efdn,
    stages=Stages(pools=("fuse.*",)),
    parts=Parts(
        together=(
            "n_feats n_blocks block",
            "n_feats n_blocks activation",
            "n_feats n_blocks block_attention",
            "n_feats n_blocks attention",
            "n_feats n_blocks residual_scaling",
            "n_feats upsampler",
        ),
        repeats={"n_blocks": 2},
    ),
    published=(
        Published(
            name="EFDN",
            spec=EfdnSpec(),
            scale=4,
            params="0.276M",
            multadds="16.70G",
            multadds_convention="multadds_at_256",
            source="NTIRE 2025 efficient SR, README (Amazingren/NTIRE2025_ESR)",
            reproducible=False,
            caveat="the printed Mult-Adds include four operations for each value of a bilinear interpolation, 0.013G; "
            "the parameters agree",
        ),
    ),
    codes=(PublicCode(name="icandle/EFDN", layers=_layers, rewrite=_rewrite),),
)
