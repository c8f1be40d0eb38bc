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
    """Parses a layout such as '3-3-3-3-2/3-3-3-3': the local blocks of the encoder, a slash, those of the decoder.

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
    """Parses a number written in plain digits. int() would also accept '1_0'."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def spread(num_blocks: int, local_blocks: int) -> Layout:
    """Distributes `num_blocks` over `local_blocks` local blocks of the encoder and one fewer of the decoder.

    Blocks are dealt out in rounds. The first round serves the whole encoder, then the decoder. Later rounds serve the
    deepest local block last. For 26 and 5 this gives the published 3-3-3-3-2/3-3-3-3.
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
    """Returns the same network with the fewest local blocks. Valid only if no attention acts on local blocks.

    Each local block of the decoder reads the output of one of the first local blocks of the encoder. After those, a local
    block of one block only passes its output on, so it can be merged into the last one.
    """
    encoder = layout.encoder
    while len(encoder) - 2 >= len(layout.decoder) and encoder[-2:-1] == (1,):
        encoder = (*encoder[:-2], 1 + encoder[-1])
    return Layout(encoder, layout.decoder)


def evenly(count: int, total: int) -> tuple[int, ...]:
    """Picks `count` of the numbers below `total`, including the first and the last, as evenly spaced as possible."""
    if count >= total:
        return tuple(range(total))
    if count <= 1:
        return (0,) * min(count, total)
    return tuple(i * (total - 1) // (count - 1) for i in range(count))
