"""Damage that any file may have: flipped, lost, doubled and zeroed bytes."""

from collections.abc import Callable
from random import Random


def flip(random: Random, data: bytes) -> bytes:
    """Changes one to eight bytes anywhere."""
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 8])):
        changed[random.randrange(len(changed))] ^= random.randint(1, 255)
    return bytes(changed)


def flip_early(random: Random, data: bytes) -> bytes:
    """Changes one to eight of the first 200 bytes, where headers are."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(min(len(changed), 200))] = random.randint(0, 255)
    return bytes(changed)


def flip_late(random: Random, data: bytes) -> bytes:
    """Changes one to eight of the last 500 bytes, where archives keep their list of files."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 8)):
        place = len(changed) - 1 - random.randrange(min(len(changed), 500))
        changed[place] = random.randint(0, 255)
    return bytes(changed)


def cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def cut_slightly(random: Random, data: bytes) -> bytes:
    return data[: -random.randint(1, min(40, len(data)))]


def lose(random: Random, data: bytes) -> bytes:
    """Loses a piece from the middle."""
    start = random.randrange(len(data))
    return data[:start] + data[start + random.randint(1, 4_000) :]


def double(random: Random, data: bytes) -> bytes:
    start = random.randrange(len(data))
    end = start + random.randint(1, 4_000)
    return data[:end] + data[start:]


def zero(random: Random, data: bytes) -> bytes:
    """Zeroes a piece, as a file system does after a crash."""
    start = random.randrange(len(data))
    length = min(random.choice([1, 16, 512, 4_096, len(data)]), len(data) - start)
    return data[:start] + bytes(length) + data[start + length :]


def nothing(random: Random, data: bytes) -> bytes:
    return b""


DAMAGE: tuple[Callable[[Random, bytes], bytes], ...] = (
    flip,
    flip,
    flip,
    flip_early,
    flip_early,
    flip_late,
    cut,
    cut_slightly,
    lose,
    double,
    zero,
    nothing,
)


def damaged(random: Random, data: bytes) -> bytes:
    """Returns `data`, which is not empty, with one kind of damage."""
    return random.choice(DAMAGE)(random, data)
