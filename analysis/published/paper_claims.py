"""The claims of the papers that srsweep has sweep files for, in `configs/claims/`.

To add one, add an entry to CLAIMS and sweep files named claim-NAME-seed0, claim-NAME-seed1, ... that train its designs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from searchspace.architecture import Architecture, architecture

PREFIX = "claim-"
"""Prefix of the names of all sweeps that belong to a claim."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of a paper: one design restores better than others."""

    name: str
    """Name of the claim. Its sweeps are called claim-NAME, claim-NAME-seed0, claim-NAME-seed1 and so on."""
    sentence: str
    source: str
    """The paper, and the table or figure that supports the claim."""
    family: str
    common: Mapping[str, Any]
    """The knobs that all designs share."""
    designs: Mapping[str, Mapping[str, Any]]
    """The knobs in which the designs differ, by the name of the design. The claim prefers the first design."""

    def owns(self, sweep: str) -> bool:
        """Returns whether the sweep with the name `sweep` belongs to this claim."""
        name, _, seed = sweep.removeprefix(PREFIX).partition("-seed")
        return sweep.startswith(PREFIX) and name == self.name and (not seed or seed.isdecimal())

    def networks(self) -> dict[str, Architecture]:
        """Returns the architecture of each design, by the name of the design."""
        return {
            name: architecture(self.family, {**self.common, **knobs})
            for name, knobs in self.designs.items()
        }


def _compressed(placement: str, n_feats: int) -> dict[str, Any]:
    return {"n_feats": n_feats, "compression": placement, "expand_ratio": 2}


_PLAIN_UNIT = {"unit": "mobilenet_v2", "weight_norm": False}

CLAIMS: Sequence[Claim] = (
    Claim(
        name="pool",
        sentence="The information pool restores better than no pool and than a pool of the former 11 layers.",
        source="s-LWSR, Table III",
        family="slwsr",
        common={"n_feats": 8},
        designs={
            "pool": {},
            "no pool": {"pool_layers": "none"},
            "former 11 layers": {"pool_layers": "former_11"},
        },
    ),
    Claim(
        name="activation",
        sentence="Removing half of the activations restores better than keeping all of them.",
        source="s-LWSR, Fig. 6",
        family="slwsr",
        common={"n_feats": 8},
        designs={
            "half of the blocks activated": {"activation_ratio": "1/2"},
            "all": {"activation_ratio": "all"},
            "two thirds": {"activation_ratio": "2/3"},
            "one third": {"activation_ratio": "1/3"},
            "first and last block": {"activation_ratio": "rare"},
        },
    ),
    Claim(
        name="compression",
        sentence="At equal cost, compressing every second block restores better than other placements and than no compression.",
        source="s-LWSR, Fig. 5, at equal width there",
        family="slwsr",
        common={},
        designs={
            "alternate, 9 channels": _compressed("alternate", 9),
            "none, 8 channels": {"n_feats": 8},
            "first half, 9 channels": _compressed("head", 9),
            "last half, 9 channels": _compressed("tail", 9),
            "all, 11 channels": _compressed("all", 11),
        },
    ),
    Claim(
        name="depth-width",
        sentence="At equal cost, a wide and shallow network restores better than a narrow and deep one.",
        source="s-LWSR, Table I, at unequal cost there",
        family="slwsr",
        common={},
        designs={
            "6 blocks of 12 channels": {"n_feats": 12, "n_blocks": 6},
            "14 blocks of 10 channels": {"n_feats": 10, "n_blocks": 14},
            "26 blocks of 8 channels": {"n_feats": 8, "n_blocks": 26},
        },
    ),
    Claim(
        name="share-source",
        sentence="The adaptive weighted skip from the head and the adaptive weights in the units restore best together.",
        source="MSSN, Table 3",
        family="mssn",
        common={"n_feats": 16, "n_blocks": 4, "units_per_block": 2, "expand_ratio": 2},
        designs={
            "skip and weights": {"share_source": True},
            "neither": {**_PLAIN_UNIT, "share_source": False},
            "skip alone": {**_PLAIN_UNIT, "share_source": True},
            "weights alone": {"share_source": False},
        },
    ),
    Claim(
        name="units",
        sentence="At equal cost, MobileNetV2's unit restores better than the units of other mobile networks.",
        source="MSSN, Table 1, at unequal cost there",
        family="mssn",
        common={
            "n_blocks": 4,
            "units_per_block": 2,
            "weight_norm": False,
            "share_source": False,
        },
        designs={
            "MobileNetV2, 20 channels": {"unit": "mobilenet_v2", "n_feats": 20, "expand_ratio": 2},
            "MobileNetV1, 32 channels": {"unit": "mobilenet_v1", "n_feats": 32},
            "ShuffleNetV1, 48 channels": {
                "unit": "shufflenet_v1",
                "n_feats": 48,
                "expand_ratio": 0.5,
            },
            "ShuffleNetV2, 38 channels": {"unit": "shufflenet_v2", "n_feats": 38},
        },
    ),
    Claim(
        name="attention",
        sentence="Global attention with channel-wise scaling restores better than attentions of single blocks.",
        source="Two strategies, Table 1",
        family="edsr",
        common={"n_feats": 16, "n_blocks": 8, "body_conv": False, "upsampler": "direct"},
        designs={
            "global and channel-wise": {"attention": "global", "residual_scaling": "channelwise"},
            "neither": {},
            "channel": {"attention": "channel"},
            "contrast": {"attention": "contrast"},
            "spatial": {"attention": "spatial"},
            "enhanced spatial": {"attention": "enhanced_spatial"},
            "global alone": {"attention": "global"},
            "channel-wise alone": {"residual_scaling": "channelwise"},
        },
    ),
)
