"""Inputs for the tests of the fuzzer itself. The name of each input says what goes wrong."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random


def bases(folder: Path) -> list[Path]:
    return [Path("fine")]


def mutate(random: Random, base: Path, folder: Path) -> Path:
    return base


def reader(folder: Path) -> Callable[[Path], None]:
    from searchspace.errors import UserError

    class Long(UserError):  # noqa: N818 - its text matters
        def __str__(self) -> str:
            return "x" * 100_000

    def refuse() -> None:
        raise UserError("probe: must be fine, got refuse")

    def long() -> None:
        raise Long("refused")

    def grow() -> None:
        bytes(range(256)) * (60 << 12)  # 60 MiB

    def busy() -> None:
        until = time.process_time() + 1.1
        while time.process_time() < until:
            pass

    actions: dict[str, Callable[[], object]] = {
        "fine": lambda: None,
        "refuse": refuse,
        "raise": lambda: {}["missing"],
        "die": lambda: os._exit(3),
        "long": long,
        "grow": grow,
        "busy": busy,
    }
    return lambda path: actions[path.name]() and None
