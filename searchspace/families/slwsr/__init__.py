"""s-LWSR: residual blocks, grouped into local blocks, in an encoder, a decoder and an information pool between them.

Source: Li et al. 2019, "s-LWSR: Super Lightweight Super-Resolution Network", arXiv 1909.10774, and the authors' code
(Sudo-Biao/s-LWSR, model/lwsr.py). Where the two differ, this family follows the code, because only the code gives the
published counts (docs/facts.md 1).

`layout` divides the residual blocks among local blocks, `spec` holds the knobs, and `network` holds the layers.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from searchspace.families.slwsr.layout import Layout, evenly, joined, parse_layout, spread
from searchspace.families.slwsr.network import (
    DecoderBlock,
    Slwsr,
    compressed_body,
    plain_body,
    residual_block,
)
from searchspace.families.slwsr.spec import HALF_KEPT, PLACEMENTS, POOLS, SHARES, SlwsrSpec
from searchspace.family import Family, PublicCode, Published
from searchspace.stages import Stages
from searchspace.strategies.upsample import steps
from searchspace.table.cost_parts import Parts

__all__ = [
    "FAMILY",
    "HALF_KEPT",
    "PLACEMENTS",
    "POOLS",
    "PUBLISHED",
    "SHARES",
    "TABLE_2",
    "DecoderBlock",
    "Layout",
    "Slwsr",
    "SlwsrSpec",
    "compressed_body",
    "evenly",
    "joined",
    "parse_layout",
    "plain_body",
    "residual_block",
    "small",
    "spread",
]


def small(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the knobs of a network whose numbers of blocks, local blocks, ReLUs and pool inputs are given in `wanted`."""
    values = dict(wanted)
    compressed, encoders = values.pop("num_compressed"), values.pop("num_encoders")
    longer = values.pop("num_long") - 1
    encoder = [2] * longer + [1] * (encoders - longer)
    encoder[-1] += values.pop("num_plain") + compressed - sum(encoder)
    layout = Layout(tuple(encoder), (0,) * values.pop("num_decoders"))
    relus = range(values.pop("num_relus_compressed"))
    relus_plain = range(compressed, compressed + values.pop("num_relus_plain"))
    pooled = values.pop("num_pooled") * values.pop("has_pool")
    return values | {
        "n_blocks": str(layout),
        "compression": tuple(range(compressed)),
        "activation_ratio": (*relus, *relus_plain),
        "pool_layers": tuple(range(pooled)),
    }


def _published(name: str, **values: object) -> Published:
    """Returns a published row at x4. Its Mult-Adds are parameters times low-resolution pixels (docs/facts.md 1.3)."""
    knob_values = values.pop("spec")
    assert isinstance(knob_values, dict)
    return Published(
        name=name,
        spec=SlwsrSpec(**knob_values),
        scale=4,
        params_convention="trained_with_mean_shift",
        multadds_convention="params_times_low_res_pixels",
        **values,  # type: ignore[arg-type]
    )


TABLE_2 = "s-LWSR, Table II"
PUBLISHED = (
    _published("s-LWSR16", spec={"n_feats": 16}, params="144K", multadds="8.3G", source=TABLE_2),
    _published("s-LWSR32", spec={"n_feats": 32}, params="571K", multadds="32.9G", source=TABLE_2),
    _published("s-LWSR64", spec={"n_feats": 64}, params="2277K", multadds="131.1G", source=TABLE_2),
    _published(
        "s-LWSR32 depth",
        spec={"n_blocks": "2-2-2/2-2-2"},
        params="308K",
        source="s-LWSR, Table I",
        caveat="the paper says 6 blocks; 6 local blocks of 2 residual blocks each give the printed count, "
        "but 6 residual blocks give 201,211",
    ),
    _published(
        "s-LWSR32C",
        spec={"compression": "all"},
        params="124K",
        source="s-LWSR, Section IV (all blocks compressed)",
        caveat="we read the blocks as MobileNetV2 at ratio 1 without an expanding convolution; ratio 0.5 with "
        "batch norm also rounds to 124K; the text asks for a ratio above 1, which cannot give 124K",
    ),
)


def _layers(spec: SlwsrSpec, scale: int) -> Iterator[str]:
    """Yields the names of the layers in the authors' code, which numbers the local blocks from 2."""
    encoder, decoder = spec.layout
    yield "head.0"
    for number, size in enumerate(encoder, 2):
        yield from (f"feat{number}_{i}.body.{j}" for i in range(1, size + 1) for j in (0, 2))
    if decoder and spec.pooled:
        yield "conv1"
    for number, size in enumerate(decoder, 2 + len(encoder)):
        yield f"feat{number}_1.conv"
        names = [*(f"feat{number}_{i}" for i in range(1, size)), f"conv{number}"]
        yield from (f"{name}.body.{j}" for name in names for j in (0, 2))
    yield from (f"tail.0.{2 * i}" for i in range(len(steps(scale))))
    yield "tail.1"


FAMILY = Family(
    name="slwsr",
    source="s-LWSR, Li et al. 2019, arXiv 1909.10774; code Sudo-Biao/s-LWSR",
    spec=SlwsrSpec,
    network=Slwsr,
    scales=(2, 3, 4, 8),
    published=PUBLISHED,
    stages=Stages(blocks=("encoder.*", "decoder.*.blocks.*"), pools=("pool", "decoder.*.fuse")),
    parts=Parts(
        together=(
            "n_feats num_plain residual_scaling",
            "n_feats num_plain block",
            "n_feats num_compressed residual_scaling",
            "n_feats num_compressed expand_ratio expand_conv compress_bias compress_norm",
            "n_feats num_decoders attention",
            "n_feats num_encoders attention",
            "n_feats has_pool num_pooled",
            "n_feats upsampler",
        ),
        operators=(
            "n_feats num_long",
            "n_feats num_relus_plain",
            "n_feats num_relus_compressed expand_ratio expand_conv",
            "n_feats num_decoders has_pool",
        ),
        repeats={
            "num_plain": 3,
            "num_compressed": 1,
            "num_long": 1,
            "num_relus_plain": 0,
            "num_relus_compressed": 0,
            "num_encoders": 2,
            "num_decoders": 1,
            "num_pooled": 1,
        },
        plain={"has_pool": False, "upsampler": "direct"},
        small=small,
    ),
    upstream_range=255.0,
    codes=(PublicCode(name="Sudo-Biao/s-LWSR", layers=_layers),),
)
