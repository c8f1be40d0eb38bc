"""s-LWSR: residual blocks in a U-shaped chain of local blocks with an information pool.

Source: Li et al. 2019, "s-LWSR: Super Lightweight Super-Resolution Network", arXiv 1909.10774, and
the authors' code (Sudo-Biao/s-LWSR, model/lwsr.py). Where they differ the code is followed, since only
the code gives the published counts (FACTS 1).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor, nn

from searchspace.family import Family, Published
from searchspace.layers import RGB_MEAN_DIV2K, ColourShift, ConvNorm, conv
from searchspace.spec import Search, Spec, name_or_numbers
from searchspace.strategies.attention import ATTENTIONS, AttentionName
from searchspace.strategies.scaling import Residual, ScalingName
from searchspace.strategies.upsample import UPSAMPLERS, UpsamplerName
from searchspace.table.cost_parts import Parts

HALF_KEPT = (2, 5, 6, 8, 9, 11, 12, 13, 14, 17, 20, 23)
"""The 12 of 26 blocks that keep their activation in the authors' final model (FACTS 1.4)."""

PLACEMENTS = ("none", "head", "tail", "alternate", "all")
SHARES = ("rare", "1/3", "1/2", "2/3", "all")
POOLS = ("none", "default", "former_11", "all")


class Layout(NamedTuple):
    """Residual blocks in each local block of the encoder and of the decoder."""

    encoder: tuple[int, ...]
    decoder: tuple[int, ...]

    @property
    def num_blocks(self) -> int:
        """Residual blocks in all."""
        return sum(self.encoder) + sum(self.decoder)

    def __str__(self) -> str:
        return "/".join("-".join(map(str, part)) for part in self)


def parse_layout(text: str) -> Layout:
    """'3-3-3-3-2/3-3-3-3' -> the local blocks of the encoder and of the decoder."""
    encoder_text, _, decoder_text = text.partition("/")
    try:
        encoder, decoder = (
            tuple(_digits(part) for part in side.split("-") if side)
            for side in (encoder_text, decoder_text)
        )
    except ValueError:
        encoder, decoder = (), ()
    valid = encoder and min(encoder) >= 1 and len(decoder) <= len(encoder)
    if not valid or any(size < 0 for size in decoder):
        raise ValueError(
            "must be a number of residual blocks or a layout such as 3-3-3-3-2/3-3-3-3: one block or "
            "more in each local block of the encoder, and no more local blocks in the decoder"
        )
    return Layout(encoder, decoder)


def _digits(text: str) -> int:
    """The number written in plain digits; int() would take '1_0' as well."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def spread(num_blocks: int, local_blocks: int) -> Layout:
    """`num_blocks` dealt out over `local_blocks` of the encoder and one less of the decoder.

    In rounds, the encoder first; from the second round on the deepest local block comes last, which
    gives the published 3-3-3-3-2/3-3-3-3 for 26 and 5.
    """
    encoder = [1] * local_blocks
    decoder = [0] * (local_blocks - 1)
    shallow = [(encoder, i) for i in range(local_blocks - 1)]
    mirrored = [(decoder, i) for i in range(local_blocks - 1)]
    order = [*shallow, *mirrored, (encoder, local_blocks - 1)]
    turns = [*mirrored, *(order * (num_blocks // len(order) + 1))]
    for side, i in turns[: num_blocks - local_blocks]:
        side[i] += 1
    return Layout(tuple(encoder), tuple(decoder))


def joined(layout: Layout) -> Layout:
    """The same chain of blocks with as few local blocks as can be, where none is gated.

    The decoder reads the ends of the first local blocks of the encoder, one each. Behind these a local
    block of one block hands its output on as it is, and what the last one adds up nobody reads.
    """
    encoder = layout.encoder
    while len(encoder) - 2 >= len(layout.decoder) and encoder[-2:-1] == (1,):
        encoder = (*encoder[:-2], 1 + encoder[-1])
    return Layout(encoder, layout.decoder)


def evenly(count: int, total: int) -> tuple[int, ...]:
    """`count` of the numbers below `total`, first and last included, as evenly spaced as can be."""
    if count >= total:
        return tuple(range(total))
    if count <= 1:
        return (0,) * min(count, total)
    return tuple(i * (total - 1) // (count - 1) for i in range(count))


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


def residual_block(spec: SlwsrSpec, body: nn.Module) -> Residual:
    """A block: x + residual_scale * body(x) (RB of the paper, and what replaces it when compressed)."""
    return Residual(body, spec.residual_scaling, spec.n_feats, spec.residual_scale)


def plain_body(spec: SlwsrSpec, *, activated: bool) -> nn.Sequential:
    """conv3, ReLU, conv3, all with biases."""
    n = spec.n_feats
    return nn.Sequential(conv(3, n, n), _activation(activated), conv(3, n, n))


def compressed_body(spec: SlwsrSpec, *, activated: bool) -> nn.Sequential:
    """A MobileNetV2 inverted residual.

    At ratio 1 without an expanding convolution and without biases it gives the published 124K (the
    paper's prose describes another block, FACTS 1.4).
    """
    n, bias = spec.n_feats, spec.compress_bias
    inner = spec.inner_feats

    def layer(kernel: int, in_channels: int, out_channels: int, groups: int = 1) -> nn.Module:
        convolution = conv(kernel, in_channels, out_channels, groups=groups, bias=bias)
        return convolution if spec.compress_norm == "none" else ConvNorm(convolution)

    layers: list[nn.Module] = []
    if spec.expand_ratio != 1 or spec.expand_conv == "always":
        layers += [layer(1, n, inner), _activation(activated)]
    layers += [layer(3, inner, inner, inner), _activation(activated), layer(1, inner, n)]
    return nn.Sequential(*layers)


def _activation(activated: bool) -> nn.Module:
    return nn.ReLU() if activated else nn.Identity()


class DecoderBlock(nn.Module):
    """A local block of the decoder: conv1(concat(running, skip)), then residual blocks."""

    def __init__(self, n_feats: int, blocks: list[Residual]) -> None:
        super().__init__()
        self.fuse = conv(1, 2 * n_feats, n_feats)
        self.blocks = nn.Sequential(*blocks)

    def forward(self, running: Tensor, skip: Tensor) -> Tensor:
        return self.blocks(self.fuse(torch.cat([running, skip], 1)))


class Slwsr(nn.Module):
    """(N, 3, H, W) in [0, 1] -> (N, 3, sH, sW). Inside, colours run from 0 to 255 as upstream.

    Modules are registered in the order of the upstream code, so that its checkpoints load by order.
    """

    def __init__(self, spec: SlwsrSpec, scale: int) -> None:
        super().__init__()
        n, layout = spec.n_feats, spec.layout
        mean = tuple(255 * channel for channel in RGB_MEAN_DIV2K)
        self.layout, self.pooled = layout, spec.pooled if layout.decoder else ()
        self.sub_mean = ColourShift(tuple(-channel for channel in mean))
        self.add_mean = ColourShift(mean)
        self.head = conv(3, 3, n)
        compressed, activated = set(spec.compressed), set(spec.activated)
        blocks = []
        for number in range(layout.num_blocks):
            body = compressed_body if number in compressed else plain_body
            blocks.append(residual_block(spec, body(spec, activated=number in activated)))
        encoder_size = sum(layout.encoder)
        self.encoder = nn.ModuleList(blocks[:encoder_size])
        self.pool = conv(1, len(self.pooled) * n, n, bias=False) if self.pooled else None
        self.decoder = nn.ModuleList()
        rest = iter(blocks[encoder_size:])
        for size in layout.decoder:
            self.decoder.append(DecoderBlock(n, [next(rest) for _ in range(size)]))
        local_blocks = len(layout.encoder) + len(layout.decoder)
        self.attention = ATTENTIONS[spec.attention](n, local_blocks)
        self.tail = UPSAMPLERS[spec.upsampler](n, scale)

    def forward(self, low_res: Tensor) -> Tensor:
        head = self.head(self.sub_mean(low_res * 255))
        guide = self.attention.guide(head)
        features, ends = self._encode(head, guide)
        pooled = self.pool(torch.cat([features[i] for i in self.pooled], 1)) if self.pool else None
        running = ends[-1]
        skips = ends[: len(self.decoder)][::-1]
        for index, (local_block, skip) in enumerate(zip(self.decoder, skips, strict=True)):
            fused = skip if pooled is None else 0.5 * skip + 0.5 * pooled
            running = self.attention(local_block(running, fused), len(ends) + index, guide)
        return self.add_mean(self.tail(running + head)) / 255

    def _encode(self, head: Tensor, guide: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The head and every block's output, and the output of every local block."""
        features, ends = [head], []
        blocks = iter(self.encoder)
        entry = head
        for index, size in enumerate(self.layout.encoder):
            outputs = []
            x = entry
            for _ in range(size):
                x = next(blocks)(x)
                outputs.append(x)
            outputs[-1] = self.attention(outputs[-1], index, guide)
            features += outputs
            ends.append(outputs[-1])
            # The next local block starts from the first plus the last block of this one (FACTS 1.1).
            entry = outputs[0] + outputs[-1] if size > 1 else outputs[-1]
        return features, ends


def small(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs of a network with the `wanted` numbers of blocks, of local blocks and of inputs to the pool."""
    values = dict(wanted)
    compressed, encoders = values.pop("num_compressed"), values.pop("num_encoders")
    blocks = values.pop("num_plain") + compressed
    encoder = (*[1] * (encoders - 1), blocks - encoders + 1)
    layout = Layout(encoder, (0,) * values.pop("num_decoders"))
    pooled = values.pop("num_pooled") * values.pop("has_pool")
    return values | {
        "n_blocks": str(layout),
        "compression": tuple(range(compressed)),
        "pool_layers": tuple(range(pooled)),
    }


def _published(name: str, **values: object) -> Published:
    """A row of the paper's x4 tables; its Mult-Adds are parameters times LR pixels (FACTS 1.3)."""
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
        caveat="the paper says 6 blocks; 6 local blocks of 2 residual blocks each give its count, "
        "6 residual blocks do not (201,211)",
    ),
    _published(
        "s-LWSR32C",
        spec={"compression": "all"},
        params="124K",
        source="s-LWSR, Section IV (all blocks compressed)",
        caveat="read as MobileNetV2 at ratio 1 without an expanding convolution; ratio 0.5 with batch "
        "norm also rounds to 124K, the prose demands a ratio above 1, which cannot",
    ),
)

FAMILY = Family(
    name="slwsr",
    source="s-LWSR, Li et al. 2019, arXiv 1909.10774; code Sudo-Biao/s-LWSR",
    spec=SlwsrSpec,
    network=Slwsr,
    scales=(2, 3, 4, 8),
    published=PUBLISHED,
    parts=Parts(
        together=(
            "n_feats num_plain residual_scaling",
            "n_feats num_compressed residual_scaling",
            "n_feats num_compressed expand_ratio expand_conv compress_bias compress_norm",
            "n_feats num_decoders attention",
            "n_feats num_encoders attention",
            "n_feats has_pool num_pooled",
            "n_feats upsampler",
        ),
        repeats={
            "num_plain": 3,
            "num_compressed": 0,
            "num_encoders": 2,
            "num_decoders": 1,
            "num_pooled": 1,
        },
        plain={"has_pool": False, "upsampler": "direct"},
        small=small,
    ),
    upstream_range=255.0,
)
