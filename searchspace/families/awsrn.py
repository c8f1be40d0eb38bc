"""AWSRN: local blocks that fuse wide residual units with learnt scalars, and an upsampler of several kernel sizes.

Source: Wang et al. 2019, "Lightweight Image Super-Resolution with Adaptive Weighted Learning Network", and the public
code ChaofWang/AWSRN (docs/facts.md 6). The parameter counts in the paper include the
magnitudes (g) of weight normalisation.
"""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from searchspace.family import Convention, Family, PublicCode, Published
from searchspace.layers import conv, weight_norm
from searchspace.spec import Search, Spec
from searchspace.stages import Stages
from searchspace.strategies.adaptive import SUMS
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.colours import Centred
from searchspace.strategies.reparam import BlockName, block_conv, check_normalised_once
from searchspace.strategies.scaling import RESIDUAL_SCALINGS, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName
from searchspace.table.cost_parts import Parts


class AwsrnSpec(Spec):
    """Knobs of AWSRN. The defaults are the published AWSRN."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 24, 32))] = 32
    """Number of channels between the residual units."""
    inner_feats: Annotated[int, Field(ge=1, le=2048), Search((64, 96, 128))] = 128
    """Number of channels before the activation inside a residual unit."""
    n_blocks: Annotated[int, Field(ge=1, le=64), Search((1, 2, 4))] = 4
    """Number of local fusion blocks."""
    units_per_block: Annotated[int, Field(ge=1, le=64), Search((2, 4, 8))] = 4
    """Number of residual units in each local fusion block."""
    weight_norm: Annotated[bool, Search((False, True))] = True
    """Whether the convolutions, except those of the attention, have weight normalisation."""
    adaptive_weights: Annotated[bool, Search((False, True))] = True
    """Whether learnt scalars multiply the residual path and the identity path of every unit and every block."""
    attention: AttentionName = "none"
    """Attention on the output of every local fusion block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every residual unit and of every local fusion block."""
    upsampler: UpsamplerName = "multi_kernel"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the local fusion blocks. Each kind is one 3x3 convolution as deployed. repvgg, ecb
    and rrrb train more branches, and need weight_norm: false."""

    @model_validator(mode="after")
    def _normalised_once(self) -> "AwsrnSpec":
        check_normalised_once(self.block, self.weight_norm)
        return self


class ResidualUnit(nn.Module):
    """The residual unit (AWRU): a * (3x3 convolution, ReLU, 3x3 convolution)(x) + b * x, with learnt a and b."""

    def __init__(self, spec: AwsrnSpec) -> None:
        super().__init__()
        n, inner = spec.n_feats, spec.inner_feats
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)
        self.sum = SUMS[spec.adaptive_weights]()
        block = spec.block
        self.body = nn.Sequential(
            block_conv(block, n, inner), nn.ReLU(), block_conv(block, inner, n)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        return self.sum(self.body(x), x)


class FusionBlock(nn.Module):
    """The local fusion block (LFB): a * (3x3 convolution of the concatenated outputs of all units) + b * x."""

    def __init__(self, spec: AwsrnSpec) -> None:
        super().__init__()
        n = spec.n_feats
        self.scaling = RESIDUAL_SCALINGS[spec.residual_scaling](n)
        self.units = nn.ModuleList(ResidualUnit(spec) for _ in range(spec.units_per_block))
        self.reduction = block_conv(spec.block, spec.units_per_block * n, n)
        self.sum = SUMS[spec.adaptive_weights]()

    def forward(self, x: Tensor) -> Tensor:
        x = self.scaling(x)
        outputs = [x]
        for unit in self.units:
            outputs.append(unit(outputs[-1]))
        return self.sum(self.reduction(torch.cat(outputs[1:], 1)), x)


class Awsrn(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s.

    Modules are registered in the order of the public code.
    """

    def __init__(self, spec: AwsrnSpec, scale: int) -> None:
        super().__init__()
        n = spec.n_feats
        self.centred = Centred()
        self.head = conv(3, 3, n)
        self.blocks = nn.ModuleList(FusionBlock(spec) for _ in range(spec.n_blocks))
        self.tail = UPSAMPLERS[spec.upsampler](n, scale)
        self.skip = nn.Sequential(conv(3, 3, 3 * scale**2), nn.PixelShuffle(scale))
        if spec.weight_norm:
            weight_norm(self)
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)

    def forward(self, low_res: Tensor) -> Tensor:
        image = self.centred(low_res)
        x = self.head(image)
        guide = self.attention.guide(x)
        for index, block in enumerate(self.blocks):
            x = self.attention(block(x), index, guide)
        return self.centred.restore(self.tail(x) + self.skip(image))


VARIANTS = {
    "AWSRN": AwsrnSpec(),
    "AWSRN-S": AwsrnSpec(n_blocks=1),
    "AWSRN-SD": AwsrnSpec(n_feats=16, n_blocks=1, units_per_block=8),
}


def _published(name: str, scale: int, params: str, multadds: str, table: str) -> Published:
    convention: Convention = "multadds_exact_third" if scale == 3 else "multadds"
    return Published(
        name=name,
        spec=VARIANTS[name],
        scale=scale,
        params=params,
        params_convention="trained",
        multadds=multadds,
        multadds_convention=convention,
        source=f"MSSN, {table}",
    )


def _layers(spec: AwsrnSpec, _scale: int, unit: str = "b{}") -> Iterator[str]:
    scalars = ("res_scale.scale", "x_scale.scale") if spec.adaptive_weights else ()
    yield "head.0"
    for i in range(spec.n_blocks):
        names = [f"body.{i}.{unit.format(j)}" for j in range(spec.units_per_block)]
        yield from (f"{name}.{part}" for name in names for part in (*scalars, "body.0", "body.2"))
        yield from (f"body.{i}.{part}" for part in ("reduction", *scalars))
    kernels = (3, 5, 7, 9)
    yield from (f"tail.tail_k{kernel}" for kernel in kernels)
    yield from (f"tail.scale_k{kernel}.scale" for kernel in kernels)
    yield "skip.0"


def _listed_layers(spec: AwsrnSpec, scale: int) -> Iterator[str]:
    return _layers(spec, scale, "lfl.{}")


FAMILY = Family(
    name="awsrn",
    source="AWSRN, Wang et al. 2019; code ChaofWang/AWSRN",
    spec=AwsrnSpec,
    network=Awsrn,
    stages=Stages(pools=("blocks.*.reduction",), paths=("tail", "skip")),
    parts=Parts(
        together=(
            "n_feats inner_feats weight_norm units_per_block n_blocks",
            # The weights of rrrb grow with the square of the channels that the fusion reads.
            "n_feats inner_feats block units_per_block^2 n_blocks",
            "n_feats residual_scaling units_per_block n_blocks",
            "adaptive_weights units_per_block n_blocks",
            "n_feats n_blocks attention",
            "n_feats weight_norm upsampler",
        ),
        operators=("n_feats adaptive_weights units_per_block n_blocks",),
        repeats={"units_per_block": 1, "n_blocks": 1},
        plain={"weight_norm": False},  # the only one with which every block is valid
    ),
    published=(
        _published("AWSRN", 2, "1397K", "320.5G", "Table 5"),
        _published("AWSRN", 3, "1476K", "150.6G", "Table 5"),
        _published("AWSRN", 4, "1587K", "91.1G", "Table 4 (as a network to compare with)"),
        _published("AWSRN-S", 2, "397K", "91.2G", "Table 5"),
        _published("AWSRN-S", 3, "477K", "48.6G", "Table 5"),
        _published("AWSRN-SD", 2, "348K", "79.6G", "Table 5"),
        _published("AWSRN-SD", 3, "388K", "39.5G", "Table 5"),
    ),
    upstream_range=255.0,
    codes=(
        PublicCode(name="ChaofWang/AWSRN, awsrn.py", layers=_layers),
        PublicCode(
            name="ChaofWang/AWSRN, awsrnv2.py",
            layers=_listed_layers,
            note="the first version of that file adds the last unit's output to a block instead of the block's input, "
            "and the names do not tell the versions apart",
        ),
    ),
)
