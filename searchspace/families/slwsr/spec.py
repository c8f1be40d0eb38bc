"""The knobs of s-LWSR."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from searchspace.families.slwsr.layout import Layout, evenly, joined, parse_layout, spread
from searchspace.spec import Search, Spec, name_or_numbers
from searchspace.strategies.attention import AttentionName
from searchspace.strategies.reparam import BlockName
from searchspace.strategies.scaling import ScalingName
from searchspace.strategies.upsample import UpsamplerName

HALF_KEPT = (2, 5, 6, 8, 9, 11, 12, 13, 14, 17, 20, 23)
"""Numbers of the blocks that keep their ReLU in the authors' final model: 12 of 26 blocks (docs/facts.md 1.4)."""

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
    """Knobs of s-LWSR. The defaults are s-LWSR32."""

    n_feats: Annotated[int, Field(ge=1, le=512), Search((16, 32, 64))] = 32
    """Number of channels of every feature map (n)."""
    n_blocks: Annotated[int | str, BeforeValidator(_number_or_layout), Search((6, 14, 26))] = 26
    """Number of residual blocks, which are spread over the local blocks, or a full layout such as 3-3-3-3-2/3-3-3-3."""
    local_blocks: Annotated[int, Field(ge=1, le=64), Search((3, 5))] = 5
    """Number of local blocks in the encoder. The decoder has one fewer. Has no effect if n_blocks is a layout."""
    compression: Annotated[
        str | tuple[int, ...], name_or_numbers(*PLACEMENTS), Search(PLACEMENTS)
    ] = "none"
    """Which residual blocks are compressed, that is, depthwise-separable. head: the first half of the blocks. tail: the
    last half. alternate: every second block. A list of block numbers, counted from 0, is also allowed."""
    expand_ratio: Annotated[float, Field(gt=0, le=16), Search((1, 2, 3, 4, 6))] = 1.0
    """Ratio of inner to outer channels in compressed blocks."""
    expand_conv: Literal["auto", "always"] = "auto"
    """Whether compressed blocks begin with an expanding 1x1 convolution. auto: yes, unless expand_ratio is 1, as in
    MobileNetV2. always: yes, at every expand_ratio."""
    compress_bias: bool = False
    """Whether the convolutions of compressed blocks have biases."""
    compress_norm: Literal["none", "batch"] = "none"
    """Normalisation after each convolution of compressed blocks."""
    activation_ratio: Annotated[str | tuple[int, ...], name_or_numbers(*SHARES), Search(SHARES)] = (
        "all"
    )
    """Share of the blocks that have a ReLU. rare: only the first and the last block. A list of block numbers, counted
    from 0, is also allowed."""
    pool_layers: Annotated[
        str | tuple[int, ...], name_or_numbers(*POOLS), Search(("none", "default", "all"))
    ] = "default"
    """Feature maps that the information pool fuses. default: the head, the first residual block of each local block of
    the encoder from the second local block on, and the last residual block of the encoder. former_11: the head and the
    first ten residual blocks. all: the head and every residual block of the encoder. A list of numbers is also allowed:
    0 is the head, i is the i-th residual block."""
    residual_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Constant factor on the residual branch of every block."""
    attention: AttentionName = "none"
    """Attention on the output of every local block."""
    residual_scaling: ScalingName = "none"
    """Learnt scaling applied to the input of every residual connection."""
    upsampler: UpsamplerName = "stepwise"
    """The layers that turn the features into the upscaled image."""
    block: BlockName = "plain"
    """Kind of the 3x3 convolutions in the residual blocks that are not compressed. Each kind is one 3x3 convolution as deployed. repvgg, ecb
    and rrrb have more parameters in training."""

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
        """Number of residual blocks in each local block."""
        if isinstance(self.n_blocks, str):
            return parse_layout(self.n_blocks)
        return spread(self.n_blocks, self.local_blocks)

    @property
    def compressed(self) -> tuple[int, ...]:
        """The numbers of the compressed blocks, counted from 0."""
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
        """Number of inner channels of a compressed block."""
        return max(1, round(self.n_feats * self.expand_ratio))

    @property
    def activated(self) -> tuple[int, ...]:
        """The numbers of the blocks that have a ReLU, counted from 0."""
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
        """The inputs of the information pool: 0 is the head, i is the i-th residual block of the encoder."""
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
        """Number of blocks that are not compressed."""
        return self.layout.num_blocks - self.num_compressed

    @property
    def num_compressed(self) -> int:
        """Number of compressed blocks."""
        return len(self.compressed)

    @property
    def num_relus_compressed(self) -> int:
        """Number of compressed blocks with ReLUs."""
        return len({*self.activated} & {*self.compressed})

    @property
    def num_relus_plain(self) -> int:
        """Number of blocks with a ReLU that are not compressed."""
        return len(self.activated) - self.num_relus_compressed

    @property
    def num_long(self) -> int:
        """Number of local blocks in the encoder with several blocks. Each adds the outputs of its first and its last
        block.
        """
        layout = self.layout if self.attention != "none" else joined(self.layout)
        return sum(size > 1 for size in layout.encoder)

    @property
    def num_encoders(self) -> int:
        """Number of local blocks in the encoder."""
        return len(self.layout.encoder)

    @property
    def num_decoders(self) -> int:
        """Number of local blocks in the decoder."""
        return len(self.layout.decoder)

    @property
    def has_pool(self) -> bool:
        """Whether the network has an information pool. A network without a decoder has none."""
        return bool(self.pooled) and self.num_decoders > 0

    @property
    def num_pooled(self) -> int:
        """Number of inputs of the information pool, or 1 if there is no pool."""
        return len(self.pooled) if self.has_pool else 1

    def canonical(self) -> "SlwsrSpec":
        """Returns the spec with the layout and all lists written out. Every knob without effect has its default.

        Without a decoder, `pool_layers` has no effect. Without compressed blocks, the knobs of such blocks have no
        effect, and without plain blocks `block` has none. Without attention, `joined` merges local blocks.
        """
        layout = self.layout if self.attention != "none" else joined(self.layout)
        plain = type(self).model_fields
        values = dict(self)
        values |= {"n_blocks": str(layout), "local_blocks": len(layout.encoder)}
        values |= {"compression": self.compressed, "activation_ratio": self.activated}
        values["pool_layers"] = self.pooled if layout.decoder else ()
        if self.num_plain == 0:
            values["block"] = plain["block"].default
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
