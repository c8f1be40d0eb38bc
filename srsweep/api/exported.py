"""Opens files that `srsweep export` wrote, as networks that enlarge images."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from analysis.export.pipeline import reason
from analysis.export.silence import silent
from analysis.export.target import Target
from analysis.export.targets import TARGETS
from analysis.export.verify import LARGE, AsNetwork
from searchspace.architecture import Architecture, architecture
from searchspace.errors import UserError, shown
from sweeps.measure.inference import OVERLAP

SIZE = re.compile(r"_(?P<width>\d+)x(?P<height>\d+)$")
"""Matches the size of the images that a file of fixed size accepts, at the end of its name."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An exported file, and what is known about its network."""

    network: AsNetwork
    """Runs the file on the processor."""
    scale: int
    architecture: Architecture | None
    """The design of the network. None if the file has no model card."""
    unknown: str
    """Why the design is unknown, or ''."""
    fixed: tuple[int, int] | None
    """Height and width of the only image that the file accepts. None for a file of free size."""
    smallest: int = 1
    """Smallest height and width that the file accepts."""
    largest: int | None = None
    """Largest height and width that the file accepts. None: there is no limit."""

    def refuse(self, size: tuple[int, int], tile: int | None) -> None:
        """Raises UserError if the file does not accept an image of `size` (height, width) in tiles of side `tile`."""
        got = f"got {size[1]}x{size[0]}"
        if self.fixed is not None and size != self.fixed:
            raise UserError(
                "image: the file accepts only images of {1}x{0} pixels, {2}".format(
                    *self.fixed, got
                )
            )
        if min(size) < self.smallest:
            raise UserError(
                f"image: the file accepts images of at least {self.smallest}x{self.smallest} pixels, {got}"
            )
        seen = max(size) if tile is None else min(max(size), tile + 2 * OVERLAP)
        if self.largest is not None and seen > self.largest:
            most = self.largest - 2 * OVERLAP
            raise UserError(
                f"image: the file accepts at most {self.largest}x{self.largest} pixels at once, {got}"
                + (f"; enlarge it in squares with tile={most}" if most > 0 else "")
            )


def target_of(path: Path) -> Target | None:
    """Returns the export target whose files end like `path`, or None if there is none."""
    named = [target for target in TARGETS.values() if path.name.endswith(target.suffix)]
    return max(named, key=lambda target: len(target.suffix), default=None)


def open_exported(path: Path, target: Target) -> Exported:
    """Returns the exported file at `path`.

    The model card beside it states the design of its network and the sizes that it accepts. Raises UserError if this
    machine cannot run the file, and ModuleNotFoundError if the package that runs it is not installed.
    """
    if target.fault is not None:
        raise UserError(f"{path}: {target.runtime} cannot run on this machine")
    stem = path.name.removesuffix(target.suffix)
    sized = SIZE.search(stem) if target.fixed else None
    fixed = (int(sized["height"]), int(sized["width"])) if sized else None
    network, scale = _run(path, target, fixed or (LARGE, LARGE))
    card, unknown = _card(path, path.with_name(f"{stem}-{target.name}.json"))
    known = None
    if not unknown:
        try:
            known = architecture(card["family"], card["knobs"])
        except (UserError, KeyError, TypeError) as error:
            unknown = f"its model card states a network that this srsweep does not know ({error})"
    return Exported(
        network=network,
        scale=scale,
        architecture=known,
        unknown=unknown,
        fixed=fixed,
        smallest=card.get("smallest_input") or 1,
        largest=card.get("largest_input"),
    )


def _run(path: Path, target: Target, size: tuple[int, int]) -> tuple[AsNetwork, int]:
    """Returns the file as a network, and by which factor it enlarges an image of `size`."""
    try:
        with silent():  # runtimes print, from C++, why they refuse a file
            network = AsNetwork(target.load(path, torch.get_num_threads()))
            large = network(torch.zeros(1, 3, *size))
    except (ModuleNotFoundError, OSError):
        raise
    except Exception as error:  # each runtime has its own errors
        raise UserError(f"{path}: {target.runtime} cannot run it: {reason(error)}") from error
    height, width = large.shape[2:]
    scale, rest = divmod(height, size[0])
    if large.shape[:2] != (1, 3) or rest or width != scale * size[1]:
        raise UserError(
            f"{path}: must enlarge (1, 3, H, W) by a whole number, got {tuple(large.shape)} "
            f"from {(1, 3, *size)}"
        )
    return network, scale


def _card(path: Path, beside: Path) -> tuple[dict[str, Any], str]:
    """Returns the model card `beside` the file and '', or an empty card and why there is none."""
    if not beside.is_file():
        return {}, f"there is no model card {beside.name} beside it"
    try:
        card = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError:
        card = None
    if not isinstance(card, dict):
        return {}, f"its model card {beside.name} is not valid JSON"
    if card.get("sha256") != hashlib.sha256(path.read_bytes()).hexdigest():
        return (
            {},
            f"its model card {beside.name} describes another file (SHA-256 {shown(card.get('sha256'))})",
        )
    return card, ""
