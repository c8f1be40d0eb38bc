"""Compares a few trials side by side: what they have in common, what differs, and what to do with them. Does not use Dash."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures.cards import Card
from analysis.figures.knobs import knob_text
from analysis.figures.timelines import draw_few_curves
from analysis.figures.training_cost import hours
from analysis.figures.trial_keys import trial_keys
from analysis.read.columns import is_cost
from analysis.read.frames import load_curves, load_sweeps
from analysis.read.live_rows import load_ids, load_knobs_of, load_rows
from analysis.read.notes import load_notes
from analysis.tables import SPREAD, cell, headings
from sweeps.advice import command, folder_for
from sweeps.messages import visible

MOST_COMPARED = 6
"""Largest number of trials that are shown side by side."""
KEY = re.compile(r"(?P<sweep>.{1,200})#(?P<number>\d{1,9})", re.DOTALL)
BETTER_HIGH = ("psnr_y", "ssim_y", "psnr_rgb", "psnr_y_int8")
"""Endings of the columns in which a higher value is better."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One property of the compared trials."""

    name: str
    texts: list[str]
    """The property of each trial, as text."""
    best: frozenset[int] = frozenset()
    """Positions of the trials with the best value. Empty if all values are equal, or if the property has no better or
    worse."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A few trials side by side."""

    keys: list[str]
    """SWEEP#NUMBER of each trial."""
    ids: list[int]
    """The trials' ids in the database."""
    properties: list[Row]
    """State, scores, costs and training time."""
    knobs: list[Row]
    """The knobs that differ between the trials. All knobs if there is one trial."""
    common: list[str]
    """The knobs that all trials share, as NAME=VALUE. Empty if there is one trial."""
    commands: list[list[str]]
    """The commands that train, export and select each trial."""
    notes: list[tuple[bool, str]]
    """Whether each trial has a star, and its note; '' if it has none."""
    curves: Card | None
    """The card of learning curves. None if no trial was evaluated."""
    left_out: int
    """Number of keys beyond the first MOST_COMPARED that were asked for, whether or not they name a trial."""
    unknown: list[str]
    """Keys that were asked for but name no trial."""


def compared(
    url: str, wanted: Iterable[object], limits: Mapping[str, float] | None = None
) -> Comparison | None:
    """Compares the trials that `wanted` names, at most MOST_COMPARED. The keys (SWEEP#NUMBER) come from a browser.

    `limits` are limits on costs to put into the `srsweep select` command that is shown. Without them, the command has
    the trial's own costs as limits. Returns None if no text in `wanted` has the form of a key.
    """
    keys = [key for key in wanted if isinstance(key, str) and KEY.fullmatch(key)]
    keys = list(dict.fromkeys(keys))
    rows = _rows(url, keys[:MOST_COMPARED])
    found = trial_keys(rows) if len(rows) else []
    unknown = [key for key in keys[:MOST_COMPARED] if key not in found]
    if not found and not unknown:
        return None
    knobs, common = _knobs(load_knobs_of(url, rows["id"].to_numpy()), rows["id"].tolist())
    curves = _curves(url, rows)
    return Comparison(
        keys=found,
        ids=rows["id"].tolist(),
        properties=_properties(rows),
        knobs=knobs,
        common=common,
        commands=[_commands(row, url, limits) for row in rows.to_dict("records")],
        notes=_notes(url, rows),
        curves=curves,
        left_out=max(len(keys) - MOST_COMPARED, 0),
        unknown=[visible(key) for key in unknown],
    )


def _rows(url: str, keys: Sequence[str]) -> pd.DataFrame:
    """Returns the rows of `load_rows` for those `keys` that name a trial, in the order of `keys`."""
    known = set(load_sweeps(url)["name"])
    numbers: dict[str, list[int]] = {}
    for key in keys:
        sweep, _, number = key.rpartition("#")
        if sweep in known:
            numbers.setdefault(sweep, []).append(int(number))
    ids = [load_ids(url, sweep, own) for sweep, own in numbers.items()]
    rows = load_rows(url, np.concatenate([np.zeros(0, np.int64), *ids]))
    place = {key: index for index, key in enumerate(keys)}
    order = [place[key] for key in trial_keys(rows)]
    return rows.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)


def _properties(rows: pd.DataFrame) -> list[Row]:
    names = [str(name) for name in rows if _is_number(str(name)) and rows[name].notna().any()]
    shown = headings(names)
    seeds = ["seed"] if rows["seed"].nunique() > 1 else []
    found = [
        Row(name="state", texts=rows["state"].tolist()),
        Row(name="architecture", texts=[visible(text) for text in rows["label"]]),
        *(Row(name=n, texts=[cell(n, v) for v in rows[n]]) for n in seeds),
    ]
    for name in names:
        texts = [cell(name, value) for value in rows[name]]
        found.append(Row(name=visible(shown[name]), texts=texts, best=_best(rows[name], name)))
    spent = [hours(value / 3600, "hours") for value in rows["seconds"]]
    return [*found, Row(name="training time", texts=spent), Row(name="steps", texts=_steps(rows))]


def _steps(rows: pd.DataFrame) -> list[str]:
    return [f"{step:,}" for step in rows["step"]]


def _is_number(name: str) -> bool:
    measured = is_cost(name) or name.endswith(BETTER_HIGH)
    return measured and not name.startswith(SPREAD)


def _best(values: "pd.Series[float]", name: str) -> frozenset[int]:
    if values.nunique() < 2:
        return frozenset()
    best = values.max() if name.endswith(BETTER_HIGH) else values.min()
    return frozenset(np.flatnonzero(values.to_numpy() == best).tolist())


def _knobs(knobs: pd.DataFrame, ids: list[int]) -> tuple[list[Row], list[str]]:
    """Returns the knobs that differ between the trials `ids`, and those that all trials share, as NAME=VALUE."""
    own = knobs.reindex(ids)
    differing, common = [], []
    for name in own:
        texts = [visible(knob_text(value)) for value in own[name]]
        if len(texts) == 1 or len(set(texts)) > 1:
            differing.append(Row(name=visible(str(name)), texts=texts))
        else:
            common.append(visible(f"{name}={texts[0]}"))
    return differing, common


def _commands(row: Mapping[Any, Any], url: str, limits: Mapping[str, float] | None) -> list[str]:
    trial = f"{row['sweep']}#{row['number']}"
    folder = folder_for(trial)
    costs = {name: float(row[name]) for name in ("params", "multadds") if _known(row.get(name))}
    within = [
        word
        for name, limit in (limits or costs).items()
        for word in ("--max", f"{name}={int(limit) if float(limit).is_integer() else limit}")
    ]
    return [
        command("train", trial, "-o", folder, storage=url),
        command("export", trial, "--to", "onnx", "-o", folder, storage=url),
        command("select", row["sweep"], *within, storage=url),
    ]


def _known(value: object) -> bool:
    return isinstance(value, int | float) and not pd.isna(value)


def _notes(url: str, rows: pd.DataFrame) -> list[tuple[bool, str]]:
    known = {
        row["id"]: (bool(row["is_starred"]), str(row["note"]))
        for sweep in dict.fromkeys(rows["sweep"])
        for row in load_notes(url, sweep).to_dict("records")
    }
    return [known.get(trial, (False, "")) for trial in rows["id"]]


def _curves(url: str, rows: pd.DataFrame) -> Card | None:
    sweeps = sorted(set(rows["sweep"]))
    if not sweeps:
        return None
    curves = load_curves(url, sweeps, trial_ids=rows["id"].tolist())
    if curves.empty:
        return None
    place = {trial: index for index, trial in enumerate(rows["id"])}
    curves = curves.sort_values("step").sort_values(
        "id", key=lambda ids: ids.map(place), kind="stable"
    )
    figure = draw_few_curves(curves)
    return Card(name="few-curves", title="Learning curves", figure=figure, low=True)
