"""The layout of s-LWSR: how many residual blocks each local block has."""

from typing import NamedTuple


class Layout(NamedTuple):
    """The number of residual blocks in each local block of the encoder and of the decoder."""

    encoder: tuple[int, ...]
    decoder: tuple[int, ...]

    @property
    def num_blocks(self) -> int:
        """Number of residual blocks in the encoder and the decoder together."""
        return sum(self.encoder) + sum(self.decoder)

    def __str__(self) -> str:
        return "/".join("-".join(map(str, part)) for part in self)


def parse_layout(text: str) -> Layout:
    """Parses a layout such as '3-3-3-3-2/3-3-3-3'. Each number is the number of residual blocks in one local block.

    The numbers before the slash belong to the encoder, and those after it to the decoder.

    Raises ValueError if `text` is not a layout.
    """
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
            "must be a number of residual blocks or a layout such as 3-3-3-3-2/3-3-3-3, with at least one "
            "block in each local block of the encoder and no more local blocks in the decoder than in the encoder"
        )
    return Layout(encoder, decoder)


def _digits(text: str) -> int:
    """Parses a number of ASCII digits. int() would also accept '1_0'."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def spread(num_blocks: int, local_blocks: int) -> Layout:
    """Spreads `num_blocks` residual blocks over `local_blocks` local blocks of the encoder and one fewer of the
    decoder.

    Residual blocks are dealt out in rounds, one to each local block. The first round starts with the whole encoder, and
    the decoder follows. In later rounds, the last local block of the encoder comes after the decoder, so it is the
    first to be left out if the residual blocks run out. For 26 residual blocks and 5 local blocks, the result is the
    published 3-3-3-3-2/3-3-3-3.
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
    """Returns the layout with the fewest local blocks that gives the same network.

    The networks are equal only without attention. A decoder of d local blocks reads the outputs of the first d local
    blocks of the encoder. A later local block with a single residual block only passes on the output of this block, so
    it can be merged into the next local block.
    """
    encoder = layout.encoder
    while len(encoder) - 2 >= len(layout.decoder) and encoder[-2:-1] == (1,):
        encoder = (*encoder[:-2], 1 + encoder[-1])
    return Layout(encoder, layout.decoder)


def evenly(count: int, total: int) -> tuple[int, ...]:
    """Picks `count` numbers from 0 to `total` - 1, including the first and the last, as evenly spaced as possible."""
    if count >= total:
        return tuple(range(total))
    if count <= 1:
        return (0,) * min(count, total)
    return tuple(i * (total - 1) // (count - 1) for i in range(count))
