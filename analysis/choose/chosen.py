"""The chosen variants on the page: marked in the plots, explained, and seen beside bicubic and the original."""

import base64
import io
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from analysis.choose.select import Selection, selection_table, tiers
from analysis.choose.variants import spread_of, variants
from analysis.figures.theme import INK, Figure
from analysis.pages.sections import html_table
from searchspace.quantity import format_quantity
from sweeps.data.cache import PairSet
from sweeps.data.imresize import imresize
from sweeps.measure.evaluate import enlarge
from sweeps.measure.metrics import psnr_y

TIERS = (50e3, 150e3, 600e3)
"""Limits of parameters for which the page names a variant each, unless others are asked for."""
SIDE = 40
"""Of a crop in low-resolution pixels."""
IMAGES = 2
"""Validation pictures shown."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A variant's network with its weights, and the images to show it on."""

    network: nn.Module
    validation: PairSet
    note: str = ""
    """How it was trained, where otherwise than in its sweep."""


FindTrained = Callable[[str, int], Trained | str]
"""(sweep, number of the trial) -> its network, or in words why it is not to be had."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The variants chosen of comparable sweeps."""

    frame: pd.DataFrame
    """As of `variants`."""
    selections: list[Selection]
    """Those that chose something, each variant once."""
    limits: Sequence[float] = TIERS
    """Of parameters, for which they were chosen."""


def choose_tiers(trials: pd.DataFrame, limits: Sequence[float] = TIERS) -> Chosen | None:
    """The best variant within each limit of parameters; None where nothing can be chosen."""
    try:
        frame = variants(trials)
    except ValueError:
        return None
    if frame.empty:
        return None
    found: dict[int, Selection] = {}
    for selection in tiers(frame, "params", limits):
        if selection.row is not None:
            found.setdefault(selection.row, selection)
    if not found:
        return None
    return Chosen(frame=frame, selections=list(found.values()), limits=limits)


def tier_candidates(
    trials: pd.DataFrame, limits: Sequence[float] = TIERS, cost: str = "params"
) -> pd.DataFrame:
    """Those of the complete `trials` among which `choose_tiers` finds what it would find among all of them.

    A few hundred of 100,000: the architectures with several seeds, which tell the spread, and what is within the spread
    of the best of each tier. The reasons, which count and compare all variants, are lost.
    """
    several = trials["architecture"].duplicated(keep=False)
    repeated = trials[several]
    spread = spread_of(variants(repeated)) if len(repeated) else 0.0
    wanted = several.copy()
    for limit in limits:
        fits = (trials[cost] <= limit) & ~several
        best = trials.loc[fits, "psnr_y"].max()
        wanted |= fits & (trials["psnr_y"] >= best - spread)
    return trials[wanted]


def mark(figure: Figure, chosen: Chosen, cost: str) -> None:
    """Rings around the chosen variants, with the limit that each was chosen for, and room for it above."""
    floor, top = figure["layout"]["yaxis"]["range"]
    figure["layout"]["yaxis"]["range"] = [floor, top + 0.1 * (top - floor)]
    rows = chosen.frame.loc[[s.row for s in chosen.selections if s.row is not None]]
    # WebGL draws above SVG: among points that it draws, the rings must be drawn by it too.
    by_webgl = any(trace["type"] == "scattergl" for trace in figure["data"])
    figure["data"].append(
        {
            "type": "scattergl" if by_webgl else "scatter",
            "mode": "markers+text",
            "name": "chosen",
            "x": rows[cost].tolist(),
            "y": rows["psnr_y"].tolist(),
            "text": [s.rule.rpartition("<=")[2].strip() for s in chosen.selections],
            "textposition": "top left",
            "textfont": {"size": 11, "color": INK},
            "hoverinfo": "skip",
            **({} if by_webgl else {"cliponaxis": False}),
            "marker": {"symbol": "circle-open", "size": 32, "color": INK, "line": {"width": 1.6}},
        }
    )


def chosen_section(chosen: Chosen, find: FindTrained | None) -> list[str]:
    """The choices as a table, each with its reason; pictures of those whose weights are there."""
    table = selection_table(chosen.frame, chosen.selections)
    columns = ["rule", "sweep", "number", "psnr_y", "params", "multadds", "label"]
    if table["sweep"].nunique() == 1:
        columns.remove("sweep")
    reasons = "".join(f"<li>{escape(s.sentence)}</li>" for s in chosen.selections)
    parts = ["<h2>Chosen variants</h2>", html_table(table[columns]), f"<ul>{reasons}</ul>"]
    if find is None:
        return parts
    trained, missing = {}, {}
    for row in table.to_dict("records"):
        found = find(str(row["sweep"]), int(row["number"]))
        if isinstance(found, str):
            missing[f"{row['sweep']}#{row['number']}"] = found
        else:
            size = format_quantity(float(row["params"]))
            name = f"trial {row['number']}, {size} parameters"
            trained[f"{name}, {found.note}" if found.note else name] = found
    return [
        *parts,
        "<h3>Side by side</h3>",
        *_pictures(trained),
        *_no_pictures(missing, chosen.limits),
    ]


def _no_pictures(missing: Mapping[str, str], limits: Sequence[float]) -> list[str]:
    """Of which variants there are no pictures, why, and the commands that make them."""
    if not missing:
        return []
    reasons: dict[str, list[str]] = {}
    for trial, reason in missing.items():
        reasons.setdefault(reason, []).append(trial)
    told = "".join(
        f"<li>{escape(', '.join(trials))}: {escape(reason)}</li>"
        for reason, trials in reasons.items()
    )
    folders = {trial: trial.replace("#", "-") for trial in missing}
    sweeps = dict.fromkeys(trial.rpartition("#")[0] for trial in missing)
    given = " ".join(f"--trained {shlex.quote(folder)}" for folder in folders.values())
    if tuple(limits) != TIERS:
        given = f"--tiers {','.join(map(format_quantity, limits))} {given}"
    lines = [
        f"srsweep train {shlex.quote(trial)} -o {shlex.quote(folder)}"
        for trial, folder in folders.items()
    ]
    lines.append(f"srsweep report {' '.join(map(shlex.quote, sweeps))} {given}")
    return [
        "<p>Of these variants there is no picture:</p>",
        f"<ul>{told}</ul>",
        "<p>These commands train them anew, by default with the settings of their sweep, and show them "
        "(with <code>--db</code>, where this report was made so):</p>",
        f"<pre>{escape(chr(10).join(lines))}</pre>",
    ]


def _pictures(trained: Mapping[str, Trained]) -> list[str]:
    if not trained:
        return []
    pairs = next(iter(trained.values())).validation
    strips = [_strip(trained, pairs, index) for index in range(min(IMAGES, len(pairs)))]
    note = (
        "Parts of validation pictures, trained networks between bicubic and the original; the PSNR is that of "
        "the whole picture. Selection used these pictures, so they flatter ours a little."
    )
    return [*strips, f'<p class="quiet">{note}</p>']


def _strip(trained: Mapping[str, Trained], pairs: PairSet, index: int) -> str:
    scale = pairs.scale
    low_res, high_res = pairs.low_res(index), pairs.high_res(index)
    top, left = busiest(low_res)
    bicubic = imresize(low_res, scale)
    shown = [("low resolution", _part(low_res, top, left, 1), "")]
    enlarged = {"bicubic": bicubic} | {
        name: enlarge(found.network, low_res, device="cpu") for name, found in trained.items()
    }
    for name, image in enlarged.items():
        value = f"{psnr_y(image, high_res, scale):.2f} dB"
        shown.append((name, _part(image, top, left, scale), value))
    shown.append(("original", _part(high_res, top, left, scale), ""))
    figures = "".join(
        f'<figure><img alt="{escape(name)}" src="{_data_url(part)}">'
        f"<figcaption>{escape(name)}<br><b>{value}</b></figcaption></figure>"
        for name, part, value in shown
    )
    return f'<div class="strip" aria-label="{escape(pairs.names[index])}">{figures}</div>'


def busiest(low_res: Pixels) -> tuple[int, int]:
    """Top and left of the square of SIDE pixels with the most contrast between neighbours."""
    luma = low_res.astype(np.float64).mean(axis=2)
    contrast = np.abs(np.diff(luma, axis=0))[:, :-1] + np.abs(np.diff(luma, axis=1))[:-1]
    best, place = -1.0, (0, 0)
    for top in range(0, max(1, low_res.shape[0] - SIDE + 1), SIDE // 2):
        for left in range(0, max(1, low_res.shape[1] - SIDE + 1), SIDE // 2):
            total = float(contrast[top : top + SIDE, left : left + SIDE].sum())
            if total > best:
                best, place = total, (top, left)
    return place


def _part(image: Pixels, top: int, left: int, scale: int) -> Pixels:
    return image[scale * top : scale * (top + SIDE), scale * left : scale * (left + SIDE)]


def _data_url(image: Pixels) -> str:
    memory = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(memory, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(memory.getvalue()).decode()
