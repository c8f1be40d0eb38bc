"""The knobs of s-LWSR."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from searchspace.families.slwsr.layout import Layout, evenly, joined, parse_layout, spread
from searchspace.spec import Search, Spec, name_or_numbers
from searchspace.strategies.attention import AttentionName
from searchspace.strategies.scaling import ScalingName
from searchspace.strategies.upsample import UpsamplerName

HALF_KEPT = (2, 5, 6, 8, 9, 11, 12, 13, 14, 17, 20, 23)
"""The 12 of 26 blocks that keep their activation in the authors' final model (FACTS 1.4)."""

PLACEMENTS = ("none", "head", "tail", "alternate", "all")
SHARES = ("rare", "1/3", "1/2", "2/3", "all")
POOLS = ("none", "default", "former_11", "all")


def _number_or_layout(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(
            "must be a number of residual blocks or a layout such as 3-3-3-3-2/3-3-3-3"
        )
    if isinstance(value, str):
        parse_layout(value)
    elif not 1 <= value <= 1000:
        raise ValueError("must be from 1 to 1000")
    return value


class SlwsrSpec(Spec):
    """Knobs of s-LWSR; the defaults are s-LWSR32."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 64))] = 32
    """Channels of every feature map (n)."""
    n_blocks: Annotated[int | str, BeforeValidator(_number_or_layout), Search((6, 14, 26))] = 26
    """Residual blocks in all, dealt out over the local blocks, or the layout in full: 3-3-3-3-2/3-3-3-3."""
    local_blocks: Annotated[int, Field(ge=1, le=64), Search((3, 5))] = 5
    """Local blocks of the encoder (the decoder has one less); not used where n_blocks is a layout."""
    compression: Annotated[
        str | tuple[int, ...], name_or_numbers(*PLACEMENTS), Search(PLACEMENTS)
    ] = "none"
    """Which residual blocks become depthwise-separable: head and tail are the first and last half, alternate every
    other one (half of them in all three), or a list of block numbers from 0."""
    expand_ratio: Annotated[float, Field(gt=0, le=16), Search((1, 2, 3, 4, 6))] = 1.0
    """Inner over outer channels of a compressed block."""
    expand_conv: Literal["auto", "always"] = "auto"
    """auto: no expanding 1x1 convolution at ratio 1, as in MobileNetV2; always: one at every ratio."""
    compress_bias: bool = False
    """Biases in compressed blocks."""
    compress_norm: Literal["none", "batch"] = "none"
    """Normalisation after each convolution of compressed blocks."""
    activation_ratio: Annotated[str | tuple[int, ...], name_or_numbers(*SHARES), Search(SHARES)] = (
        "all"
    )
    """Share of the blocks that keep their activations (rare: the first and the last), or a list of block numbers."""
    pool_layers: Annotated[
        str | tuple[int, ...], name_or_numbers(*POOLS), Search(("none", "default", "all"))
    ] = "default"
    """What the information pool fuses: default is the head, the first block of each later local block and the last
    block of the encoder; former_11 the head and the first ten blocks; or a list, 0 being the head and i block i."""
    residual_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Constant factor of the residual branch of every block."""
    attention: AttentionName = "none"
    """Attention on the output of every local block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling of the input of every residual connection."""
    upsampler: UpsamplerName = "stepwise"
    """How features become the enlarged image."""

    @model_validator(mode="after")
    def _numbers_fit(self) -> "SlwsrSpec":
        layout = self.layout
        if isinstance(self.n_blocks, int) and self.n_blocks < self.local_blocks:
            raise ValueError(
                f"n_blocks must be at least local_blocks, got n_blocks={self.n_blocks}, "
                f"local_blocks={self.local_blocks}"
            )
        limits = {
            "compression": layout.num_blocks - 1,
            "activation_ratio": layout.num_blocks - 1,
            "pool_layers": sum(layout.encoder),
        }
        for name, largest in limits.items():
            listed = getattr(self, name)
            if not isinstance(listed, str) and listed and listed[-1] > largest:
                raise ValueError(f"{name} must list numbers up to {largest}, got {listed[-1]}")
        return self

    @property
    def layout(self) -> Layout:
        """The local blocks in full."""
        if isinstance(self.n_blocks, str):
            return parse_layout(self.n_blocks)
        return spread(self.n_blocks, self.local_blocks)

    @property
    def compressed(self) -> tuple[int, ...]:
        """Numbers of the compressed blocks."""
        if not isinstance(self.compression, str):
            return self.compression
        total = self.layout.num_blocks
        half = total // 2
        placements: dict[str, Sequence[int]] = {
            "none": (),
            "head": range(half),
            "tail": range(total - half, total),
            "alternate": range(1, 2 * half, 2),
            "all": range(total),
        }
        return tuple(placements[self.compression])

    @property
    def inner_feats(self) -> int:
        """Inner channels of a compressed block."""
        return max(1, round(self.n_feats * self.expand_ratio))

    @property
    def activated(self) -> tuple[int, ...]:
        """Numbers of the blocks that keep their activations."""
        if not isinstance(self.activation_ratio, str):
            return self.activation_ratio
        total = self.layout.num_blocks
        if self.activation_ratio == "1/2" and total == 26:
            return HALF_KEPT
        shares = {
            "rare": 2,
            "1/3": round(total / 3),
            "1/2": total // 2,
            "2/3": round(total * 2 / 3),
        }
        return evenly(shares.get(self.activation_ratio, total), total)

    @property
    def pooled(self) -> tuple[int, ...]:
        """Inputs of the information pool: 0 is the head, i the i-th block of the encoder."""
        if not isinstance(self.pool_layers, str):
            return self.pool_layers
        encoder = self.layout.encoder
        last = sum(encoder)
        firsts = [1 + sum(encoder[:i]) for i in range(1, len(encoder))]
        pools: dict[str, Sequence[int]] = {
            "none": (),
            "default": sorted({0, *firsts, last}),
            "former_11": range(min(11, last + 1)),
            "all": range(last + 1),
        }
        return tuple(pools[self.pool_layers])

    @property
    def num_plain(self) -> int:
        """Blocks that are not compressed."""
        return self.layout.num_blocks - self.num_compressed

    @property
    def num_compressed(self) -> int:
        """Compressed blocks."""
        return len(self.compressed)

    @property
    def num_encoders(self) -> int:
        """Local blocks of the encoder."""
        return len(self.layout.encoder)

    @property
    def num_decoders(self) -> int:
        """Local blocks of the decoder."""
        return len(self.layout.decoder)

    @property
    def has_pool(self) -> bool:
        """Whether there is an information pool, which only a decoder reads."""
        return bool(self.pooled) and self.num_decoders > 0

    @property
    def num_pooled(self) -> int:
        """Inputs of the pool; 1 where there is none."""
        return len(self.pooled) if self.has_pool else 1

    def canonical(self) -> "SlwsrSpec":
        """Everything written in full; knobs without effect at their default.

        Without a decoder nothing reads the pool; without compressed blocks nothing reads the knobs of
        compression; and a local block of one block that only the last one reads is a part of that.
        """
        layout = self.layout if self.attention != "none" else joined(self.layout)
        plain = type(self).model_fields
        values = dict(self)
        values |= {"n_blocks": str(layout), "local_blocks": len(layout.encoder)}
        values |= {"compression": self.compressed, "activation_ratio": self.activated}
        values["pool_layers"] = self.pooled if layout.decoder else ()
        if not self.compressed:
            names = ("expand_ratio", "expand_conv", "compress_bias", "compress_norm")
            values |= {name: plain[name].default for name in names}
        else:
            values["expand_ratio"] = self.inner_feats / self.n_feats
            if self.inner_feats != self.n_feats:
                values["expand_conv"] = plain["expand_conv"].default
            elif self.expand_ratio != 1:
                values["expand_conv"] = "always"
        return self.model_construct(**values)
