"""Opens a file that `srsweep export` wrote, runs it, and finds the image sizes that it accepts.

The ending of the file name determines the runtime. The size limits come from the model card beside the file, if the
card belongs to the file. Otherwise they come from the file itself. Limits that the file does not hold are unknown.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.export.pipeline import reason
from analysis.export.silence import silent
from analysis.export.target import EXAMPLE_SIZE, LARGEST, Run, Target
from analysis.export.targets import TARGETS
from searchspace.architecture import Architecture, architecture
from searchspace.errors import UserError, shown
from sweeps.files import digest_of_file


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """A file that runs on this machine."""

    run: Run
    scale: int
    smallest: int = 1
    """The file accepts images whose height and width are at least this number of pixels."""
    largest: int | None = None
    """Largest height and width that the file accepts. None if there is no limit."""
    fixed: tuple[int, int] | None = None
    """Height and width of the only image that the file accepts. None for a file of free size."""
    architecture: Architecture | None = None
    """The network in the file. None if no model card names it."""
    unknown: str = ""
    """Why the network is unknown, or ''."""


STEM = re.compile(r"(?P<family>\w+)-(?P<key>[0-9a-f]{8})_x(?P<scale>\d+)(?:_(?P<size>\d+x\d+))?")
"""The name of an exported file without its ending."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """The information encoded in the name of an exported file."""

    family: str
    key: str
    """The first eight digits of the architecture's key."""
    scale: int
    size: tuple[int, int] | None
    """Height and width of the only image that the file accepts. None if the name holds no size."""


def named(path: Path) -> Named | None:
    """Returns the information in the file name of `path`, or None if `srsweep export` does not give such names."""
    target = target_of(path)
    match = STEM.fullmatch(path.name.removesuffix("" if target is None else target.suffix))
    if match is None:
        return None
    width, _, height = (match["size"] or "").partition("x")
    return Named(
        family=match["family"],
        key=match["key"],
        scale=int(match["scale"]),
        size=(int(height), int(width)) if match["size"] else None,
    )


def target_of(path: Path) -> Target | None:
    """Returns the export target whose file names end like `path`, or None if there is no such target."""
    fitting = [target for target in TARGETS.values() if path.name.endswith(target.suffix)]
    return max(fitting, key=lambda target: len(target.suffix), default=None)


def open_exported(path: Path, threads: int) -> ExportedFile:
    """Opens the exported file `path`, to run it with this number of `threads`.

    Raises UserError if `path` is not a file of `srsweep export`, or if this machine cannot run it. Raises
    ModuleNotFoundError if its runtime is not installed.
    """
    target = target_of(path)
    if target is None:
        known = ", ".join(sorted({target.suffix for target in TARGETS.values()}))
        raise UserError(f"{path}: the name of an exported file must end in one of {known}")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    if target.fault is not None:
        raise UserError(f"{path}: {target.runtime} does not run files on this system")
    card, unknown = card_of(path, target)
    stated: Architecture | None = None
    if not unknown:
        try:
            stated = architecture(card["family"], card["knobs"])
        except (UserError, KeyError, TypeError) as error:
            unknown = f"its model card states a network that this srsweep does not know ({error})"
    try:
        with silent():
            run = target.load(path, threads)
            fixed = target.input_size(path) if target.input_size else None
            scale = _scale(run, fixed or EXAMPLE_SIZE)
    except (ModuleNotFoundError, MemoryError):
        raise
    except Exception as error:  # each runtime has its own errors
        raise UserError(
            f"{path}: cannot be run as {target.description} ({reason(error)}); export the network again"
        ) from None
    return ExportedFile(
        run=_guarded(run, path),
        scale=scale,
        smallest=_number(card, "smallest_input") or 1 if fixed is None else 1,
        largest=_number(card, "largest_input") or (LARGEST if target.bounded else None),
        fixed=fixed,
        architecture=stated,
        unknown=unknown,
    )


def _guarded(run: Run, path: Path) -> Run:
    """Returns a version of `run` that turns errors into a UserError, which names the file and the size of the image."""

    def guarded(low_res: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return run(low_res)
        except MemoryError:
            raise
        except Exception as error:  # each runtime has its own errors
            height, width = low_res.shape[2:]
            raise UserError(
                f"{path}: cannot upscale {width}x{height} pixels ({reason(error)})"
            ) from None

    return guarded


def card_of(path: Path, target: Target) -> tuple[dict[str, Any], str]:
    """Returns the model card beside the exported file `path`, and ''.

    If no card belongs to the file, returns {} and the reason.
    """
    beside = path.with_name(f"{path.name.removesuffix(target.suffix)}-{target.name}.json")
    try:
        card = json.loads(beside.read_text(encoding="utf-8"))
    except OSError:
        return {}, f"there is no model card {beside.name} beside it"
    except ValueError:
        card = None
    if not isinstance(card, dict):
        return {}, f"its model card {beside.name} is not valid JSON"
    if card.get("sha256") != digest_of_file(path):
        described = shown(card.get("sha256"))
        return {}, f"its model card {beside.name} describes another file (SHA-256 {described})"
    return card, ""


def _scale(run: Run, size: tuple[int, int]) -> int:
    """Returns the scale of a file, found by running it on an image of `size`.

    Raises ValueError if the output is not an upscaled image.
    """
    output = run(np.zeros((1, 3, *size), np.float32))
    scale = output.shape[2] // size[0] if output.ndim == 4 else 0
    expected = (1, 3, scale * size[0], scale * size[1])
    if scale < 1 or output.shape != expected:
        raise ValueError(f"the output for {size[1]}x{size[0]} pixels has the shape {output.shape}")
    return scale


def _number(card: dict[str, Any], key: str) -> int | None:
    value = card.get(key)
    return value if isinstance(value, int) and value > 0 else None
