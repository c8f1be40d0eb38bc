"""MSSN: cascading blocks of mobile units. A share-source skip adds the head's features to the output of each block.

Source: Du et al., "MSSN" (Mobile Share-Source Network), IEEE Access. No public code was found. The layers were chosen
so that they give the printed counts (docs/facts.md 2). The paper states neither the normalisation of the input nor the
activation. This implementation centres the input as WDSR does and uses ReLU.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, model_validator
from torch import Tensor, nn

from searchspace.family import Convention, Family, Published
from searchspace.layers import conv, weight_norm
from searchspace.spec import Search, Spec, one_of
from searchspace.stages import Stages
from searchspace.strategies.adaptive import SUMS
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.colours import Centred
from searchspace.strategies.mobile_units import ACTIVATIONS, UNITS, UnitShape
from searchspace.strategies.scaling import ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName
from searchspace.table.cost_parts import Parts

EXPANDING = ("mawru", "mobilenet_v2", "shufflenet_v1")
"""Kinds of unit whose number of inner channels can be chosen. Only these kinds have a residual connection."""
MAX_UNITS = 1024


class MssnSpec(Spec):
    """Knobs of MSSN. The defaults are the full MSSN."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 48, 64))] = 64
    """Number of channels of every feature map (c)."""
    n_blocks: Annotated[int, Field(ge=1, le=MAX_UNITS), Search((2, 4, 6))] = 6
    """Number of cascading blocks."""
    units_per_block: Annotated[int, Field(ge=1, le=MAX_UNITS), Search((2, 4))] = 4
    """Number of units in each cascading block."""
    unit: Annotated[str, one_of(UNITS), Search(tuple(UNITS))] = "mawru"
    """Kind of unit. mawru (mobile adaptive weighted residual unit) is mobilenet_v2 with learnt scalars on both
    paths of the residual connection."""
    expand_ratio: Annotated[float, Field(gt=0, le=16), Search((1, 2, 3, 4, 6))] = 4.0
    """Ratio of inner to outer channels in mawru, mobilenet_v2 and shufflenet_v1. The published shufflenet_v1
    has the ratio 0.5."""
    shuffle_groups: Annotated[int, Field(ge=1, le=64), Search((2, 4, 8))] = 8
    """Number of groups in the 1x1 convolutions of shufflenet_v1. It must divide the outer and the inner channels."""
    activation: Annotated[str, one_of(ACTIVATIONS), Search(tuple(ACTIVATIONS))] = "relu"
    """Activation inside the units."""
    weight_norm: Annotated[bool, Search((False, True))] = True
    """Whether the convolutions, except those of the attention, have weight normalisation."""
    adaptive_weights: Annotated[bool, Search((False, True))] = True
    """Whether both paths of every mawru and of every share-source skip are multiplied by learnt scalars."""
    share_source: Annotated[bool, Search((False, True))] = True
    """Whether the head's features are added to the output of every cascading block (AWSSC)."""
    attention: AttentionName = "none"
    """Attention on the output of every cascading block, before the head's features are added."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every mawru, mobilenet_v2 or shufflenet_v1. Other units have no scaling."""
    upsampler: UpsamplerName = "direct"
    """The layers that turn the features into the upscaled image."""

    @model_validator(mode="after")
    def _channels_fit(self) -> "MssnSpec":
        n, inner, groups = self.n_feats, self.inner, self.shuffle_groups
        if self.unit == "shufflenet_v1" and (n % groups or inner % groups):
            raise ValueError(
                f"shuffle_groups must divide the outer and inner channels of shufflenet_v1, got "
                f"shuffle_groups={groups}, outer {n}, inner {inner}"
            )
        if self.unit == "shufflenet_v2" and n % 2:
            raise ValueError(f"n_feats must be even for shufflenet_v2, got {n}")
        if self.num_units > MAX_UNITS:
            raise ValueError(
                f"n_blocks * units_per_block must be at most {MAX_UNITS}, got "
                f"{self.n_blocks} * {self.units_per_block}"
            )
        return self

    @property
    def num_units(self) -> int:
        """Number of units in all cascading blocks together."""
        return self.n_blocks * self.units_per_block

    @property
    def inner(self) -> int:
        """Number of inner channels of a mawru, mobilenet_v2 or shufflenet_v1."""
        return max(1, round(self.n_feats * self.expand_ratio))

    @property
    def unit_shape(self) -> UnitShape:
        """The settings that every unit is built from."""
        return UnitShape(
            channels=self.n_feats,
            inner=self.inner,
            groups=self.shuffle_groups,
            activation=self.activation,
            adaptive=self.adaptive_weights,
            residual_scaling=self.residual_scaling,
        )

    def canonical(self) -> "MssnSpec":
        """Returns the spec in which every knob without effect has its default.

        A mawru without learnt scalars becomes a mobilenet_v2. Without share-source skip and attention, only the total
        number of units matters, so every block gets one unit.
        """
        values = dict(self)
        if self.unit == "mawru" and not self.adaptive_weights:
            values["unit"] = "mobilenet_v2"
        without_effect = {
            "adaptive_weights": values["unit"] != "mawru" and not self.share_source,
            "expand_ratio": self.unit not in EXPANDING,
            "shuffle_groups": self.unit != "shufflenet_v1",
            "residual_scaling": self.unit not in EXPANDING,
        }
        values["expand_ratio"] = self.inner / self.n_feats
        for name in (name for name, unused in without_effect.items() if unused):
            values[name] = type(self).model_fields[name].default
        if not self.share_source and self.attention == "none":
            values["n_blocks"] = self.num_units
            values["units_per_block"] = 1
        return self.model_construct(**values)


class Mssn(nn.Module):
    """The network from (N, 3, H, W) in [0, 1] to (N, 3, sH, sW) at scale s."""

    def __init__(self, spec: MssnSpec, scale: int) -> None:
        super().__init__()
        n, self.units_per_block = spec.n_feats, spec.units_per_block
        self.centred = Centred()
        self.head = conv(3, 3, n)
        # One list holds the units of all blocks. So if the division into blocks has no effect,
        # networks that differ only in it have the same parameter names.
        self.units = nn.ModuleList(UNITS[spec.unit](spec.unit_shape) for _ in range(spec.num_units))
        sources = spec.n_blocks if spec.share_source else 0
        self.share_source = nn.ModuleList(SUMS[spec.adaptive_weights]() for _ in range(sources))
        self.attention = ATTENTIONS[spec.attention](n, spec.n_blocks)
        self.tail = UPSAMPLERS[spec.upsampler](n, scale)
        self.skip = nn.Sequential(conv(5, 3, 3 * scale**2), nn.PixelShuffle(scale))
        if spec.weight_norm:
            # The attention is left out, because it has batch norm instead.
            for part in (self.head, self.units, self.tail, self.skip):
                weight_norm(part)

    def forward(self, low_res: Tensor) -> Tensor:
        image = self.centred(low_res)
        source = self.head(image)
        guide = self.attention.guide(source)
        x = source
        for number, unit in enumerate(self.units, start=1):
            x = unit(x)
            if number % self.units_per_block == 0:
                x = self._end_block(x, number // self.units_per_block - 1, guide, source)
        return self.centred.restore(self.tail(x) + self.skip(image))

    def _end_block(self, x: Tensor, index: int, guide: Tensor, source: Tensor) -> Tensor:
        x = self.attention(x, index, guide)
        return self.share_source[index](x, source) if self.share_source else x


def small(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the knobs in `wanted` with `units_per_block` instead of `num_units`, the total number of units."""
    values = dict(wanted)
    values["units_per_block"] = values.pop("num_units") // values["n_blocks"]
    return values


SMALL = MssnSpec(n_blocks=4, n_feats=32, expand_ratio=2)
MEDIUM = MssnSpec(n_blocks=4, expand_ratio=2)
FULL = MssnSpec()
TABLE_1: dict[str, object] = {
    "n_blocks": 4,
    "weight_norm": False,
    "share_source": False,
    "adaptive_weights": False,
}
"""Knobs of the networks in Table 1, which have 16 units of one kind, no weight norm, no learnt scalars and no skip."""


def _table_5(
    name: str, spec: MssnSpec, scale: int, *, params: str, multadds: str, convention: Convention
) -> Published:
    return Published(
        name=name,
        spec=spec,
        scale=scale,
        params=params,
        params_convention=convention,
        multadds=multadds,
        multadds_convention="multadds_with_bias",
        source="MSSN, Table 5",
        caveat="the paper counts the g of weight norm for MSSN, but not for MSSN-S and MSSN-M",
    )


def _small(scale: int, params: str, multadds: str) -> Published:
    return _table_5("MSSN-S", SMALL, scale, params=params, multadds=multadds, convention="deployed")


def _medium(scale: int, params: str, multadds: str) -> Published:
    return _table_5(
        "MSSN-M", MEDIUM, scale, params=params, multadds=multadds, convention="deployed"
    )


def _full(scale: int, params: str, multadds: str) -> Published:
    return _table_5("MSSN", FULL, scale, params=params, multadds=multadds, convention="trained")


def _table_1(
    name: str, params: str, multadds: str, caveat: str = "", **values: object
) -> Published:
    return Published(
        name=name,
        spec=MssnSpec.model_validate(TABLE_1 | values),
        scale=4,
        params=params,
        multadds=multadds,
        multadds_convention="multadds_with_bias",
        source="MSSN, Table 1",
        caveat=caveat,
        reproducible=not caveat,
    )


def _x4(name: str, spec: MssnSpec, source: str, caveat: str = "") -> Published:
    """Returns a row for a network at x4 for which the paper prints no counts."""
    return Published(
        name=name,
        spec=spec,
        scale=4,
        params_convention="trained" if spec == FULL else "deployed",
        multadds_convention="multadds_with_bias",
        source=source,
        caveat=caveat,
    )


MISSING = "our copy of the paper lacks the x4 rows of Table 5, so no printed counts are known"
PUBLISHED = (
    _small(2, "80K", "18.4G"),
    _small(3, "86K", "8.7G"),
    _x4("MSSN-S", SMALL, "MSSN, Table 5", MISSING),
    _medium(2, "290K", "66.9G"),
    _medium(3, "300K", "30.7G"),
    _x4("MSSN-M", MEDIUM, "MSSN, Table 5", MISSING),
    _full(2, "865K", "196.2G"),
    _full(3, "875K", "88.0G"),
    _x4("MSSN", FULL, "MSSN, Table 5", MISSING),
    _table_1("M_v1", "108K", "6.2G", unit="mobilenet_v1"),
    _table_1(
        "S_v1",
        "46K",
        "2.7G",
        caveat="our count is 2.646G, which rounds to 2.7 only by way of 2.65",
        unit="shufflenet_v1",
        expand_ratio=0.5,
    ),
    _table_1("S_v2", "71K", "4.1G", unit="shufflenet_v2"),
    _table_1("M_v2_32", "93K", "5.4G", unit="mobilenet_v2", n_feats=32, expand_ratio=2),
    _table_1("M_v2_64", "314K", "18.1G", unit="mobilenet_v2", expand_ratio=2),
    _x4(
        "Baseline (16 MobileNetV2 blocks)",
        MEDIUM.model_copy(
            update={"unit": "mobilenet_v2", "weight_norm": False, "share_source": False}
        ),
        "MSSN, Table 3",
    ),
    _x4("MSSN-NA", MEDIUM.model_copy(update={"share_source": False}), "MSSN, Table 3"),
    _x4(
        "MSSN-NM",
        MEDIUM.model_copy(update={"unit": "mobilenet_v2", "weight_norm": False}),
        "MSSN, Table 3",
    ),
    _x4(
        "MSSN (Table 3)",
        MEDIUM,
        "MSSN, Table 3",
        "Table 3 calls it MSSN, but its baseline of 16 blocks implies the size of MSSN-M",
    ),
)

FAMILY = Family(
    name="mssn",
    source="MSSN, Du et al., IEEE Access; no public code",
    spec=MssnSpec,
    network=Mssn,
    stages=Stages(
        blocks=("units.*",), ends=("attention", "share_source.*"), paths=("tail", "skip")
    ),
    parts=Parts(
        together=(
            "n_feats unit expand_ratio shuffle_groups weight_norm num_units",
            "n_feats unit residual_scaling num_units",
            "unit adaptive_weights num_units",
            "share_source adaptive_weights n_blocks",
            "n_feats attention n_blocks",
            "n_feats weight_norm upsampler",
        ),
        operators=(
            "n_feats unit adaptive_weights num_units",
            "n_feats share_source adaptive_weights n_blocks",
        ),
        repeats={"num_units": 2, "n_blocks": 1},
        plain={
            "shuffle_groups": 1,
            "expand_ratio": 1,
            "weight_norm": False,
            "share_source": False,
            "adaptive_weights": False,
        },
        small=small,
    ),
    published=PUBLISHED,
    upstream_range=255.0,
)
