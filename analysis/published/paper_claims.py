"""Lists claims of papers. Their sweep files are in `configs/claims/`.

To add a claim, add an entry to CLAIMS, and sweep files named claim-NAME-seed0, claim-NAME-seed1, ... that train its
designs. If another claim's sweeps already train the designs, name that claim in `trained_by` instead of adding sweep
files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    cost: str
    """One sentence that compares the costs of the designs, in the paper and here."""
    printed: Mapping[str, float] = field(default_factory=dict)
    """The PSNR [dB] that the paper prints, by the name of the design. Designs without a printed PSNR are left out."""
    printed_on: str = ""
    """The network, test set and scale of the `printed` figures."""
    trained_by: str = ""
    """Name of the claim whose sweeps train the designs; '' if this claim has sweeps of its own."""
    remark: str = ""
    """A remark that a reader needs to judge the comparison; '' if there is none."""

    @property
    def trainings(self) -> str:
        """Name of the claim whose sweeps train the designs."""
        return self.trained_by or self.name

    def owns(self, sweep: str) -> bool:
        """Returns whether the sweep with the name `sweep` trains designs of this claim."""
        name, _, seed = sweep.removeprefix(PREFIX).partition("-seed")
        own = name == self.trainings and (not seed or seed.isdecimal())
        return sweep.startswith(PREFIX) and own

    def printed_gain(self, other: str) -> float | None:
        """Returns the printed PSNR of the preferred design minus that of the design `other` [dB].

        Returns None if the paper does not print both.
        """
        preferred = next(iter(self.designs))
        if preferred not in self.printed or other not in self.printed:
            return None
        return self.printed[preferred] - self.printed[other]

    def networks(self) -> dict[str, Architecture]:
        """Returns the architecture of each design, by the name of the design."""
        return {
            name: architecture(self.family, {**self.common, **knobs})
            for name, knobs in self.designs.items()
        }


def _compressed(placement: str, n_feats: int) -> dict[str, Any]:
    return {"n_feats": n_feats, "compression": placement, "expand_ratio": 2}


_PLAIN_UNIT = {"unit": "mobilenet_v2", "weight_norm": False}
_EDSR = {"n_feats": 16, "n_blocks": 8, "body_conv": False, "upsampler": "direct"}
_SWISENET = {"n_groups": 2, "blocks_per_group": 2}

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
        cost="Equal within 1 % in the paper and here.",
        printed={"pool": 31.63, "no pool": 31.63, "former 11 layers": 31.63},
        printed_on="s-LWSR16, Set5, x4",
        remark="The paper's own figures differ by at most 0.05 dB: with s-LWSR32, 32.02 dB with the pool and 31.97 dB without.",
    ),
    Claim(
        name="compression",
        sentence="At equal cost, compressing every second block restores better than other placements and than no compression.",
        source="s-LWSR, Fig. 5",
        family="slwsr",
        common={},
        designs={
            "alternate, 9 channels": _compressed("alternate", 9),
            "none, 8 channels": {"n_feats": 8},
            "first half, 9 channels": _compressed("head", 9),
            "last half, 9 channels": _compressed("tail", 9),
            "all, 11 channels": _compressed("all", 11),
        },
        cost="The paper compares networks of equal width, at unequal cost. Here compressed networks are wider.",
        remark="The figure's values are not known to us, only that s-LWSR32 with all blocks compressed is about 0.4 dB "
        "below s-LWSR16.",
    ),
    Claim(
        name="activation",
        sentence="Of five shares of activations, keeping half restores best.",
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
        cost="Equal in the paper and here.",
        remark="The figure's values are not known to us. The released code keeps all activations.",
    ),
    Claim(
        name="activation-which",
        sentence="Of all choices of 12 blocks that keep their activation, the authors' choice restores best.",
        source="s-LWSR, final model and code",
        family="slwsr",
        common={"n_feats": 8},
        designs={
            "authors' blocks": {"activation_ratio": "1/2"},
            "first 12 blocks": {"activation_ratio": list(range(12))},
            "last 12 blocks": {"activation_ratio": list(range(14, 26))},
            "even distances": {"activation_ratio": [0, 2, 4, 6, 9, 11, 13, 15, 18, 20, 22, 25]},
        },
        cost="Equal.",
        remark="The paper does not compare other choices of 12 blocks, so this is our question, not its claim.",
    ),
    Claim(
        name="depth-width",
        sentence="At equal cost, a wide and shallow network restores better than a narrow and deep one.",
        source="s-LWSR, Table I",
        family="slwsr",
        common={},
        designs={
            "6 blocks of 12 channels": {"n_feats": 12, "n_blocks": 6},
            "14 blocks of 10 channels": {"n_feats": 10, "n_blocks": 14},
            "26 blocks of 8 channels": {"n_feats": 8, "n_blocks": 26},
        },
        cost="The paper compares unequal costs: 571K parameters 32.15 dB, shallower 308K 31.93 dB, narrower 144K 31.78 dB "
        "(Set5, x4, self-ensemble). Here the costs are nearly equal.",
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
        cost="Equal within the scalars of the skips, in the paper and here.",
        printed={
            "skip and weights": 32.19,
            "neither": 32.07,
            "skip alone": 32.14,
            "weights alone": 32.15,
        },
        printed_on="16 units, Set5, x4",
    ),
    Claim(
        name="units",
        sentence="At equal cost, MobileNetV2's unit restores better than the units of other mobile networks.",
        source="MSSN, Table 1",
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
        cost="The paper compares unequal costs, 2.7G to 6.2G Mult-Adds. Here they are nearly equal.",
        printed={
            "MobileNetV2, 20 channels": 28.42,
            "MobileNetV1, 32 channels": 28.39,
            "ShuffleNetV1, 48 channels": 28.04,
            "ShuffleNetV2, 38 channels": 28.32,
        },
        printed_on="16 units of 32 or 64 channels, Set14, x4",
        remark="MobileNetV1's unit has no skip connection, so a stack of them learns slowest at first.",
    ),
    Claim(
        name="attention",
        sentence="Global attention with channel-wise scaling restores better than attentions of single blocks.",
        source="Two strategies, Table 1",
        family="edsr",
        common=_EDSR,
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
        cost="Equal within 4 % of the Mult-Adds here, and nearly equal in the paper.",
        printed={
            "global and channel-wise": 31.69,
            "neither": 31.52,
            "channel": 31.59,
            "contrast": 31.60,
            "spatial": 31.54,
            "enhanced spatial": 31.63,
        },
        printed_on="EDSR with 8 blocks of 64 channels, Set5, x4",
    ),
    Claim(
        name="global-attention",
        sentence="Global attention alone restores better than none and than attentions of single blocks.",
        source="Two strategies, Tables 1 and 2",
        family="edsr",
        common=_EDSR,
        designs={
            "global": {"attention": "global"},
            "none": {},
            "channel": {"attention": "channel"},
            "contrast": {"attention": "contrast"},
            "spatial": {"attention": "spatial"},
            "enhanced spatial": {"attention": "enhanced_spatial"},
        },
        cost="Equal within 3 % of the Mult-Adds here.",
        printed={"global": 32.21, "none": 32.09},
        printed_on="EDSR-baseline, Set5, x4",
        trained_by="attention",
    ),
    Claim(
        name="channelwise",
        sentence="Channel-wise scaling of the identity restores better than none.",
        source="Two strategies, Table 2",
        family="edsr",
        common=_EDSR,
        designs={"channel-wise": {"residual_scaling": "channelwise"}, "none": {}},
        cost="Equal.",
        printed={"channel-wise": 32.17, "none": 32.09},
        printed_on="EDSR-baseline, Set5, x4",
        trained_by="attention",
    ),
    Claim(
        name="upsampler",
        sentence="The scale-wise upsampler restores better than one convolution and a shuffle.",
        source="SwiseNet, results table",
        family="swisenet",
        common=_SWISENET,
        designs={
            "scale-wise, 12 channels": {"n_feats": 12},
            "one shuffle, 21 channels": {"n_feats": 21, "upsampler": "direct"},
            "one shuffle, 12 channels": {"n_feats": 12, "upsampler": "direct"},
        },
        cost="The paper compares equal widths, with 11 % more Mult-Adds at x2. Here 21 channels cost nearly as much as the "
        "scale-wise upsampler at 12, and 12 channels much less.",
        printed={"scale-wise, 12 channels": 38.18, "one shuffle, 12 channels": 38.10},
        printed_on="64 channels, Set5, x2; the authors later replaced these values",
    ),
)
