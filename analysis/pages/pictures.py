"""Makes the section about the chosen variants: a table, the reasons, and pictures.

The pictures show an image as each variant upscales it, beside bicubic upscaling and the original.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from analysis.choose.select import selection_table
from analysis.choose.tiers import Chosen
from analysis.pages.sections import Table, table
from searchspace.quantity import format_quantity
from sweeps.advice import command, folder_for
from sweeps.data.cache import PairSet
from sweeps.data.imresize import imresize
from sweeps.measure.evaluate import enlarge
from sweeps.measure.metrics import psnr_y

SIDE = 40
"""Height and width of the part of an image that a picture shows, in low-resolution pixels."""
IMAGES = 2
"""Number of validation images of which the page shows a part."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The trained network of a variant, and the images on which to show it."""

    network: nn.Module
    validation: PairSet
    note: str = ""
    """Words on how the network was trained. Empty if its sweep trained it."""


FindTrained = Callable[[str, int], Trained | str]
"""A function that takes the name of a sweep and the number of a trial, and returns the trained network.

If there is none, it returns a sentence that says why.
"""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The picture of a part of a validation image, in one version, such as bicubic or the original."""

    name: str
    """Name of the version, such as 'bicubic'."""
    url: str
    """Data URL of the picture as a PNG."""
    psnr: str
    """PSNR of the whole enlarged image, with its unit. Empty for the low resolution and the original."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Pictures of the same part of one validation image, one for each version."""

    name: str
    """Name of the image."""
    parts: list[Part]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The pictures of the chosen variants, and how to make missing pictures."""

    strips: list[Strip]
    missing: dict[str, list[str]]
    """References (SWEEP#NUMBER) of the variants without a picture, grouped by the reason for the missing picture."""
    commands: list[str]
    """Commands that make the missing pictures."""


@dataclass(frozen=True, kw_only=True)
class ChosenSection:
    """The section of the page about the chosen variants."""

    table: Table
    reasons: list[str]
    pictures: Pictures | None


@dataclass(frozen=True, kw_only=True)
class Made:
    """The settings with which the page was made. A printed command repeats them to make the same page again."""

    url: str
    """URL of the database."""
    tier_limits: Sequence[float] | None = None
    """Limits of the tiers that the person gave. None if the person gave none."""
    path: Path | None = None
    """File of the page. None if it is the default file."""


def chosen_section(chosen: Chosen, find: FindTrained | None, made: Made) -> ChosenSection:
    """Returns the section about the `chosen` variants, with pictures unless `find` is None."""
    rows = selection_table(chosen.frame, chosen.selections)
    columns = ["rule", "sweep", "number", "psnr_y", "params", "multadds", "label"]
    if rows["sweep"].nunique() == 1:
        columns.remove("sweep")
    return ChosenSection(
        table=table(rows[columns]),
        reasons=[selection.sentence for selection in chosen.selections],
        pictures=None if find is None else _pictures(rows, find, made),
    )


def _pictures(rows: pd.DataFrame, find: FindTrained, made: Made) -> Pictures:
    trained: dict[str, Trained] = {}
    missing: dict[str, list[str]] = {}
    for row in rows.to_dict("records"):
        found = find(str(row["sweep"]), int(row["number"]))
        if isinstance(found, str):
            missing.setdefault(found, []).append(f"{row['sweep']}#{row['number']}")
        else:
            size = format_quantity(float(row["params"]))
            name = f"trial {row['number']}, {size} parameters"
            trained[f"{name}, {found.note}" if found.note else name] = found
    commands = _commands(rows, missing, made)
    return Pictures(strips=strips_of(trained), missing=missing, commands=commands)


def _commands(rows: pd.DataFrame, missing: Mapping[str, Sequence[str]], made: Made) -> list[str]:
    """Returns the commands that train the variants without a picture and write the page with their pictures."""
    without = {trial for trials in missing.values() for trial in trials}
    trials = [
        trial for trial in rows["sweep"] + "#" + rows["number"].astype(str) if trial in without
    ]
    if not trials:
        return []
    folders = {trial: folder_for(trial) for trial in trials}
    lines = [
        command("train", trial, "-o", folder, storage=made.url) for trial, folder in folders.items()
    ]
    words: list[object] = ["report", *dict.fromkeys(trial.rpartition("#")[0] for trial in trials)]
    if made.tier_limits is not None:
        words += ["--tiers", ",".join(map(format_quantity, made.tier_limits))]
    words += [word for folder in folders.values() for word in ("--trained", folder)]
    words += [] if made.path is None else ["-o", made.path]
    return [*lines, command(*words, storage=made.url)]


def strips_of(trained: Mapping[str, Trained]) -> list[Strip]:
    """Returns the pictures of the first IMAGES validation images, with one version for each of the networks `trained`.

    All networks are shown on the validation images of the first.
    """
    if not trained:
        return []
    pairs = next(iter(trained.values())).validation
    return [_strip(trained, pairs, index) for index in range(min(IMAGES, len(pairs)))]


def _strip(trained: Mapping[str, Trained], pairs: PairSet, index: int) -> Strip:
    scale = pairs.scale
    low_res, high_res = pairs.low_res(index), pairs.high_res(index)
    top, left = busiest(low_res)
    enlarged = {"bicubic": imresize(low_res, scale)} | {
        name: enlarge(found.network, low_res, device="cpu") for name, found in trained.items()
    }

    def part(name: str, image: Pixels, factor: int, psnr: str = "") -> Part:
        rows = slice(factor * top, factor * (top + SIDE))
        columns = slice(factor * left, factor * (left + SIDE))
        return Part(name=name, url=_data_url(image[rows, columns]), psnr=psnr)

    parts = [part("low resolution", low_res, 1)]
    for name, image in enlarged.items():
        parts.append(part(name, image, scale, f"{psnr_y(image, high_res, scale):.2f} dB"))
    parts.append(part("original", high_res, scale))
    return Strip(name=pairs.names[index], parts=parts)


def busiest(low_res: Pixels) -> tuple[int, int]:
    """Returns the (top, left) pixel of the part of an image in which neighbouring pixels differ most.

    `low_res` is (H, W, 3). The parts are squares with a side of SIDE pixels, and neighbouring parts overlap by half.
    """
    luma = low_res.astype(np.float64).mean(axis=2)
    contrast = np.abs(np.diff(luma, axis=0))[:, :-1] + np.abs(np.diff(luma, axis=1))[:-1]
    best, place = -1.0, (0, 0)
    for top in range(0, max(1, low_res.shape[0] - SIDE + 1), SIDE // 2):
        for left in range(0, max(1, low_res.shape[1] - SIDE + 1), SIDE // 2):
            total = float(contrast[top : top + SIDE, left : left + SIDE].sum())
            if total > best:
                best, place = total, (top, left)
    return place


def _data_url(image: Pixels) -> str:
    memory = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(memory, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(memory.getvalue()).decode()
