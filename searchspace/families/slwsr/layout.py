"""The layout of s-LWSR: how many residual blocks each local block holds."""

from typing import NamedTuple


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
