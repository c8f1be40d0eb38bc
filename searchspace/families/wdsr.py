"""WDSR: residual blocks that are wide before their activation, with weight norm.

Source: Yu et al. 2018, "Wide Activation for Efficient and Accurate Image Super-Resolution", and the public code
JiahuiYu/wdsr_ntire2018 (docs/facts.md 6). The optional share-source skip comes from MSSN (docs/facts.md 2.6). The
defaults are WDSR-A with 32 channels, as in Table 2 of MSSN.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from searchspace.family import Family, PublicCode, Published
from searchspace.layers import conv, weight_norm
from searchspace.spec import Search, Spec
from searchspace.stages import Stages
from searchspace.strategies.adaptive import AdaptiveSum, spread_evenly
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.colours import Centred
from searchspace.strategies.reparam import BlockName, block_conv, check_normalised_once
from searchspace.strategies.scaling import Residual, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName
from searchspace.table.cost_parts import Parts

LINEAR_RATIO = 0.8
"""In a block of kind b, the number of channels between the last two convolutions divided by `n_feats`."""


class WdsrSpec(Spec):
    """Knobs of WDSR. The defaults are WDSR-A in Table 2 of MSSN."""

    kind: Annotated[Literal["a", "b"], Search(("a", "b"))] = "a"
    """Kind of residual block. a: two 3x3 convolutions. b: two 1x1 convolutions, then a 3x3 convolution."""
    n_feats: Annotated[int, Field(ge=2, le=512), Search((16, 24, 32, 64))] = 32
    """Number of channels between the blocks."""
    n_blocks: Annotated[int, Field(ge=1, le=256), Search((4, 8, 16))] = 16
    """Number of residual blocks."""
    expand_ratio: Annotated[float, Field(gt=0, le=16), Search((2, 4, 6))] = 4.0
    """Number of channels before the activation divided by the number of channels between the blocks. Published: 4 for
    kind a, 6 for kind b."""
    weight_norm: Annotated[bool, Search((False, True))] = True
    """Whether the convolutions, except those of the attention, have weight normalisation."""
    share_source_groups: Annotated[int, Field(ge=0, le=256), Search((0, 2, 4))] = 0
    """Number of groups that the blocks are divided into. A share-source skip adds the head's features to the output of
    each group, after learnt scalars have multiplied both. 0: no groups and no skip. Table 2 of MSSN uses 4 groups."""
    attention: AttentionName = "none"
    """Attention on the output of every residual block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every residual block."""
    upsampler: UpsamplerName = "direct"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the residual blocks. Each kind is one 3x3 convolution as deployed. repvgg, ecb
    and rrrb train more branches, and need weight_norm: false."""

    @model_validator(mode="after")
    def _normalised_once(self) -> "WdsrSpec":
        check_normalised_once(self.block, self.weight_norm)
        return self

    @model_validator(mode="after")
    def _groups_fit(self) -> "WdsrSpec":
        if self.share_source_groups > self.n_blocks:
            raise ValueError(
                f"share_source_groups must be at most n_blocks, got share_source_groups="
                f"{self.share_source_groups}, n_blocks={self.n_blocks}"
            )
        return self

    @property
    def inner(self) -> int:
        """Number of channels before the activation."""
        return max(1, round(self.n_feats * self.expand_ratio))

    def canonical(self) -> "WdsrSpec":
        """Returns the spec with the expand_ratio `inner` / `n_feats`, which needs no rounding."""
        return self.model_copy(update={"expand_ratio": self.inner / self.n_feats})


def residual_block(spec: WdsrSpec) -> Residual:
    """Builds a residual block of kind a or b: x + body(x)."""
    n, inner, linear = spec.n_feats, spec.inner, int(spec.n_feats * LINEAR_RATIO)
    if spec.kind == "a":
        ends = [block_conv(spec.block, n, inner), nn.ReLU(), block_conv(spec.block, inner, n)]
    else:
        low_rank = [conv(1, n, inner), nn.ReLU(), conv(1, inner, linear)]
        ends = [*low_rank, block_conv(spec.block, linear, n)]
    body = nn.Sequential(*ends)
    return Residual(body, spec.residual_scaling, n)


class Wdsr(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s.

    Modules are registered in the order of the public code.
    """

    def __init__(self, spec: WdsrSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        groups = spread_evenly(spec.n_blocks, spec.share_source_groups or 1)
        self.group_ends = {group[-1]: i for i, group in enumerate(groups)}
        self.centred = Centred()
        self.head = conv(3, 3, n)
        self.blocks = nn.ModuleList(residual_block(spec) for _ in range(spec.n_blocks))
        self.tail = UPSAMPLERS[spec.upsampler](n, scale)
        self.skip = nn.Sequential(conv(5, 3, 3 * scale**2), nn.PixelShuffle(scale))
        self.share_source = nn.ModuleList(AdaptiveSum() for _ in range(spec.share_source_groups))
        if spec.weight_norm:
            weight_norm(self)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        image = self.centred(low_res)
        source = self.head(image)
        guide = self.attention.guide(source)
        x = source
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
            if self.share_source and index in self.group_ends:
                x = self.share_source[self.group_ends[index]](x, source)
        return self.centred.restore(self.tail(x) + self.skip(image))


def _published(name: str, caveat: str = "", **values: object) -> Published:
    return Published(
        name=name,
        spec=WdsrSpec.model_validate(values),
        scale=4,
        source="MSSN, Table 2",
        caveat=f"the table prints no counts and does not state the scale; we assume x4{caveat}",
    )


def _layers(spec: WdsrSpec, _scale: int) -> Iterator[str]:
    inner = (0, 2) if spec.kind == "a" else (0, 2, 3)
    yield "head.0"
    yield from (f"body.{i}.body.{j}" for i in range(spec.n_blocks) for j in inner)
    yield from ("tail.0", "skip.0")


PLUS_8 = "; it prints +8, which are 2 scalars for each of 4 groups"
FAMILY = Family(
    name="wdsr",
    source="WDSR, Yu et al. 2018; code JiahuiYu/wdsr_ntire2018",
    spec=WdsrSpec,
    network=Wdsr,
    stages=Stages(ends=("attention", "share_source.*"), paths=("tail", "skip")),
    parts=Parts(
        together=(
            "n_feats kind expand_ratio weight_norm n_blocks",
            "n_feats kind expand_ratio block n_blocks",
            "n_feats n_blocks attention",
            "n_feats n_blocks residual_scaling",
            "n_feats weight_norm upsampler",
            "share_source_groups",
        ),
        operators=("n_feats share_source_groups",),
        repeats={"n_blocks": 1, "share_source_groups": 0},
        plain={"weight_norm": False},  # the only one with which every block is valid
    ),
    published=(
        _published("WDSR-A"),
        _published("WDSR-A + AWSSC", PLUS_8, share_source_groups=4),
        _published("WDSR-B", kind="b", expand_ratio=6),
        _published("WDSR-B + AWSSC", PLUS_8, kind="b", expand_ratio=6, share_source_groups=4),
    ),
    upstream_range=255.0,
    codes=(
        PublicCode(
            name="JiahuiYu/wdsr_ntire2018",
            layers=_layers,
            note="the mean colour and the factor of the residual branches, which the file does not hold, are taken to be "
            "the mean of DIV2K and 1",
        ),
    ),
)
