"""The kinds of input: where the real inputs come from, how they are mutated, and which code reads them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz import checkpoints, databases, image_files, probe, sweep_files

Read = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of input."""

    bases: Callable[[Path], list[Path]]
    """Returns the real inputs. Those that are not in the repository are made in the folder, at the first call."""
    mutate: Callable[[Random, Path, Path], Path]
    """Writes a mutation of a base to a new file in a folder, and returns the file."""
    reader: Callable[[Path], Read]
    """Returns the function that reads an input. It is called once, in the child, with the folder of the bases."""


KINDS = {
    "sweep": Kind(bases=sweep_files.bases, mutate=sweep_files.mutate, reader=sweep_files.reader),
    "check": Kind(
        bases=sweep_files.small_bases,
        mutate=sweep_files.mutate,
        reader=sweep_files.checker,
    ),
    "checkpoint": Kind(
        bases=checkpoints.bases, mutate=checkpoints.mutate, reader=checkpoints.reader
    ),
    "upstream": Kind(
        bases=checkpoints.upstream_bases,
        mutate=checkpoints.mutate,
        reader=checkpoints.upstream_reader,
    ),
    "database": Kind(bases=databases.bases, mutate=databases.mutate, reader=databases.reader),
    "image": Kind(bases=image_files.bases, mutate=image_files.mutate, reader=image_files.reader),
}

PROBE = Kind(bases=probe.bases, mutate=probe.mutate, reader=probe.reader)
"""A kind whose inputs do what a test of the fuzzer asks."""
