"""CARN and CARN-M: residual blocks in two nested cascades. In a cascade, 1x1 convolutions fuse all outputs so far.

Source: Ahn et al. 2018, "Fast, Accurate, and Lightweight Super-Resolution with Cascading Residual Network", and the
authors' code (nmhkahn/CARN-pytorch); docs/facts.md 6 lists the layers. Here a network has one scale. The paper's
parameter counts are larger, because its network has upsamplers for three scales.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from searchspace.family import Convention, Family, PublicCode, Published
from searchspace.layers import RGB_MEAN_DIV2K, ColourShift, conv
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies import two_strategies
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.reparam import BlockName, block_conv
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, steps
from searchspace.table.cost_parts import Parts

OWN_UPSAMPLER = "grouped"
"""CARN's own upsampler: stepwise, with grouped convolutions and a ReLU before each shuffle."""
CARN_UPSAMPLERS = (OWN_UPSAMPLER, *UPSAMPLERS)


class CarnSpec(Spec):
    """Knobs of CARN. The defaults are the published network at one scale."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 48, 64))] = 64
    """Number of channels of every feature map."""
    n_blocks: Annotated[int, Field(ge=1, le=32), Search((2, 3, 4))] = 3
    """Number of cascading blocks."""
    n_units: Annotated[int, Field(ge=1, le=32), Search((2, 3, 4))] = 3
    """Number of residual blocks in each cascading block."""
    unit: Annotated[Literal["residual", "efficient"], Search(("residual", "efficient"))] = (
        "residual"
    )
    """Kind of residual block. residual: two 3x3 convolutions. efficient: two 3x3 convolutions and a 1x1
    convolution (CARN-M)."""
    groups: Annotated[int, Field(ge=1, le=512), Search((1, 2, 4, 8))] = 1
    """Number of groups in the 3x3 convolutions of the residual blocks and of the upsampler `grouped` (4 in CARN-M)."""
    recursive: Annotated[bool, Search((False, True))] = False
    """Whether all residual blocks of a cascading block share their weights (CARN-M)."""
    attention: AttentionName = "none"
    """Attention on the output of every cascading block, before the output is concatenated."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every residual block."""
    upsampler: Annotated[str, one_of(CARN_UPSAMPLERS), Search(CARN_UPSAMPLERS)] = OWN_UPSAMPLER
    """The layers that turn the features into the upscaled image. grouped: stepwise, with grouped convolutions and a
    ReLU before each shuffle."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the residual blocks. Each kind is deployed as one 3x3 convolution. repvgg, ecb
    and rrrb have more parameters in training."""

    @model_validator(mode="after")
    def _groups_divide(self) -> "CarnSpec":
        if self.n_feats % self.groups:
            raise ValueError(
                f"groups must divide n_feats, got groups={self.groups}, n_feats={self.n_feats}"
            )
        return self

    def canonical(self) -> "CarnSpec":
        """Returns the spec with `recursive` false if a cascading block has a single residual block."""
        recursive = self.recursive and self.n_units > 1
        return self.model_construct(**dict(self) | {"recursive": recursive})


class ResidualBlock(nn.Module):
    """The residual block ReLU(x + body(x)), where x is the input after residual scaling."""

    def __init__(self, spec: CarnSpec) -> None:
        super().__init__()
        n, groups = spec.n_feats, spec.groups
        first, second = (block_conv(spec.block, n, n, groups=groups) for _ in range(2))
        layers = [first, nn.ReLU(), second]
        if spec.unit == "efficient":
            layers += [nn.ReLU(), conv(1, n, n)]
        self.body = nn.Sequential(*layers)
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        return torch.relu(x + self.body(x))


class Fusions(nn.ModuleList):
    """1x1 convolutions, each with a ReLU. Convolution i, counted from 0, fuses i + 2 feature maps into one."""

    def __init__(self, n_feats: int, count: int) -> None:
        super().__init__(
            nn.Sequential(conv(1, (i + 2) * n_feats, n_feats), nn.ReLU()) for i in range(count)
        )


class CascadingBlock(nn.Module):
    """A cascade of residual blocks.

    Each residual block after the first reads a fusion of the input of the cascade and the outputs of all earlier
    blocks.
    """

    def __init__(self, spec: CarnSpec) -> None:
        super().__init__()
        count = 1 if spec.recursive else spec.n_units
        self.units = nn.ModuleList(ResidualBlock(spec) for _ in range(count))
        self.fusions = Fusions(spec.n_feats, spec.n_units)

    def forward(self, x: Tensor) -> Tensor:
        features = x
        for index, fusion in enumerate(self.fusions):
            unit = self.units[index % len(self.units)]
            features = torch.cat([features, unit(x)], 1)
            x = fusion(features)
        return x


class GroupedShuffle(nn.Sequential):
    """Upscales (N, C, H, W) to (N, C, sH, sW) by grouped convolutions, ReLUs and pixel shuffles by 2 or 3."""

    def __init__(self, channels: int, scale: int, groups: int) -> None:
        layers: list[nn.Module] = []
        for factor in steps(scale):
            widened = conv(3, channels, factor**2 * channels, groups=groups)
            layers += [widened, nn.ReLU(), nn.PixelShuffle(factor)]
        super().__init__(*layers)


class Carn(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s.

    Inside, the mean colour of DIV2K is subtracted. Modules are registered in the order of the authors' code, so that
    `load_weights` can match layers by their order.
    """

    def __init__(self, spec: CarnSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.sub_mean = ColourShift(tuple(-channel for channel in RGB_MEAN_DIV2K))
        self.add_mean = ColourShift(RGB_MEAN_DIV2K)
        self.entry = conv(3, 3, n)
        self.blocks = nn.ModuleList(CascadingBlock(spec) for _ in range(spec.n_blocks))
        self.fusions = Fusions(n, spec.n_blocks)
        if spec.upsampler == OWN_UPSAMPLER:
            self.upsample: nn.Module = GroupedShuffle(n, scale, spec.groups)
            self.exit: nn.Module = conv(3, n, 3)
        else:
            self.upsample, self.exit = UPSAMPLERS[spec.upsampler](n, scale), nn.Identity()
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        x = self.entry(self.sub_mean(low_res))
        guide = self.attention.guide(x)
        features = x
        for index, (block, fusion) in enumerate(zip(self.blocks, self.fusions, strict=True)):
            features = torch.cat([features, self.attention(block(x), index, guide)], 1)
            x = fusion(features)
        return self.add_mean(self.exit(self.upsample(x)))


SLWSR_TABLE = "s-LWSR, Table II"
MSSN_TABLE = "MSSN, Table 5"


def _three_scales(
    name: str,
    scale: int,
    multadds: str,
    convention: Convention = "multadds",
    source: str = MSSN_TABLE,
    caveat: str = "",
) -> Published:
    """Returns a published row whose parameters belong to one network for x2, x3 and x4.

    The parameters of CARN-M exclude biases.
    """
    small = name == "CARN-M"
    return Published(
        name=name,
        spec=CarnSpec(unit="efficient", groups=4, recursive=True) if small else CarnSpec(),
        scale=scale,
        params="412K" if small else "1592K",
        params_convention="weights_three_scales" if small else "trained_three_scales",
        multadds=multadds,
        multadds_convention=convention,
        source=source,
        caveat=caveat,
        reproducible=not caveat,
    )


PUBLISHED = (
    two_strategies.row("CARN single-scale", CarnSpec(), "1112K"),
    two_strategies.row("CARN + GGAS", CarnSpec(attention="global"), "1119K"),
    two_strategies.row("CARN + CWSS", CarnSpec(residual_scaling="channelwise"), "1112K"),
    two_strategies.row(
        "CARN + both",
        CarnSpec(attention="global", residual_scaling="channelwise"),
        "1119K",
        "the paper prints +0 for channel-wise scaling; 9 residual connections of 64 channels add 576",
    ),
    _three_scales("CARN", 2, "222.8G"),
    _three_scales("CARN", 3, "118.8G", "multadds_exact_third"),
    _three_scales(
        "CARN",
        4,
        "65.4G",
        source=SLWSR_TABLE,
        caveat="the convolutions at one scale cost 90.9G; no rule of counting gives 65.4G (docs/facts.md 7)",
    ),
    _three_scales("CARN-M", 2, "91.2G"),
    _three_scales("CARN-M", 3, "46.1G", "multadds_exact_third"),
    _three_scales(
        "CARN-M",
        4,
        "18.3G",
        source=SLWSR_TABLE,
        caveat="the convolutions at one scale cost 32.5G; no rule of counting gives 18.3G (docs/facts.md 7)",
    ),
)


def _layers(spec: CarnSpec, scale: int, branch: str = "up") -> Iterator[str]:
    inner = (0, 2, 4) if spec.unit == "efficient" else (0, 2)
    units = 1 if spec.recursive else spec.n_units
    yield "entry"
    for i in range(1, spec.n_blocks + 1):
        yield from (f"b{i}.b{j}.body.{k}" for j in range(1, units + 1) for k in inner)
        yield from (f"b{i}.c{j}.body.0" for j in range(1, spec.n_units + 1))
    yield from (f"c{i}.body.0" for i in range(1, spec.n_blocks + 1))
    yield from (f"upsample.{branch}.body.{3 * i}" for i in range(len(steps(scale))))
    yield "exit"


def _layers_of_several_scales(spec: CarnSpec, scale: int) -> Iterator[str]:
    return _layers(spec, scale, f"up{scale}")


FAMILY = Family(
    name="carn",
    source="CARN, Ahn et al. 2018, arXiv 1803.08664; code nmhkahn/CARN-pytorch",
    spec=CarnSpec,
    network=Carn,
    stages=Stages(pools=("fusions.*",)),
    parts=Parts(
        together=(
            "n_feats unit groups recursive n_units n_blocks",
            "n_feats block groups recursive n_units n_blocks",
            "n_feats residual_scaling recursive n_units n_blocks",
            "n_feats n_units^2 n_blocks",
            "n_feats n_blocks^2",
            "n_feats n_blocks attention",
            "n_feats groups upsampler",
        ),
        repeats={"n_units": 1, "n_blocks": 1},
    ),
    published=PUBLISHED,
    codes=(
        PublicCode(name="nmhkahn/CARN-pytorch", layers=_layers),
        PublicCode(name="nmhkahn/CARN-pytorch", layers=_layers_of_several_scales),
    ),
)
