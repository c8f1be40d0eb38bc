"""The table of all trials of a sweep: what the dashboard sends for one block of its rows. Does not use Dash.

A browser holds a few hundred rows. The server sorts, filters and searches, so the table stays fast with 100,000 trials.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures.trial_keys import trial_keys
from analysis.pages.live import Live
from analysis.read.columns import is_cost, is_measured
from analysis.read.database import QUALITIES
from analysis.read.notes import load_notes
from analysis.read.points import load_others, load_points
from analysis.tables import cell, heading, headings
from searchspace.errors import UserError
from searchspace.quantity import parse_quantity
from sweeps.messages import visible

BLOCK = 200
"""Largest number of rows that one answer holds."""
LONGEST_FILTER = 200
"""Largest number of characters of a filter or a search that is read."""
COMPARISONS: dict[str, Callable[[Any, float], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}
RANGE = re.compile(r"\s*(\S+?)\s*\.\.\s*(\S+)\s*")
COMPARED = re.compile(r"\s*(<=|>=|<|>|=)\s*(\S+)\s*")


def table_columns(live: Live) -> list[str]:
    """Returns the columns of the table: number, state, qualities, costs, seed if seeds differ, family, label, star, note.

    The first ones have to show on a phone what a trial is worth.
    """
    known = [str(name) for name in live.trials]
    qualities = [name for name in known if name in QUALITIES]
    costs = [name for name in known if is_cost(name)]
    seed = ["seed"] if live.trials["seed"].nunique() > 1 else []
    return ["number", "state", *qualities, *costs, *seed, "family", "label", "star", "note"]


@lru_cache(maxsize=4)
def all_trials(live: Live) -> pd.DataFrame:
    """Returns one row per trial of the sweep, whatever its state, ordered by number.

    The columns are those of `table_columns`, sweep and id. A trial that is not complete has only its costs and, after
    its first evaluation, its newest PSNR.
    """
    names = [name for name in table_columns(live) if name in live.trials and is_measured(name)]
    parts = [live.trials, load_others(live.url, live.sweep, names)]
    # A training function of the user may report no PSNR. Such a trial is complete and is not among the points.
    missing = live.pulse.get("complete", 0) - len(live.trials)
    if missing > 0:
        complete = load_points(live.url, live.sweep, names)
        parts.append(complete[complete["psnr_y"].isna()].assign(state="complete"))
    whole = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return whole.assign(sweep=live.sweep).sort_values("number", ignore_index=True)


def column_definitions(live: Live) -> list[dict[str, Any]]:
    """Returns the definitions of the table's columns as AG Grid takes them. A column is called c0, c1, ...

    The name of a latency holds dots and brackets, which AG Grid would read as a path.
    """
    columns = table_columns(live)
    shown = headings(columns)
    return [
        {
            "field": f"c{index}",
            "headerName": visible(shown[name]),
            "headerTooltip": visible(heading(name)),
            **_look(name, f"c{index}"),
        }
        for index, name in enumerate(columns)
    ]


def _look(name: str, field: str) -> dict[str, Any]:
    if name == "label":
        return {"minWidth": 260, "flex": 1, "tooltipField": field}
    if name == "star":
        return {"width": 60, "headerName": "★"}
    if name == "note":
        return {"minWidth": 160, "flex": 1, "tooltipField": field}
    if name in ("state", "family"):
        return {"width": 100}
    return {"width": 86 if name in ("number", "seed") else 116, "type": "rightAligned"}


def table_block(live: Live, request: Mapping[str, Any], search: object = "") -> dict[str, Any]:
    """Returns the rows that AG Grid asks for: rowData, a list of dicts of texts, and rowCount, the number of all
    matching rows.

    `request` has startRow and endRow, sortModel (a list of colId and sort) and filterModel (by colId, with the text of
    the filter in `filter`). It comes from a browser, so parts that do not fit the table are ignored. `search` is a text
    that a row must contain. A filter of a column of numbers may compare: '<50K', '>=28.5', '10K..50K'.
    """
    columns = table_columns(live)
    rows = _with_notes(all_trials(live), load_notes(live.url, live.sweep))
    kept = np.ones(len(rows), bool)
    for name, wanted in _filters(columns, request.get("filterModel")):
        kept &= matches(rows[name], name, wanted)
    if isinstance(search, str) and search.strip():
        kept &= _found(rows, search[:LONGEST_FILTER])
    rows = rows[kept]
    for name, descending in reversed(_order(columns, request.get("sortModel"))):
        rows = rows.sort_values(name, ascending=not descending, kind="stable", na_position="last")
    start = _whole(request.get("startRow"))
    stop = min(_whole(request.get("endRow"), start + BLOCK), start + BLOCK)
    return {"rowData": _shown(rows.iloc[start:stop], columns), "rowCount": len(rows)}


def _with_notes(rows: pd.DataFrame, notes: pd.DataFrame) -> pd.DataFrame:
    """Returns `rows` with the columns star, '★' or '', and note. Notes are few, so they are read again each time."""
    texts = dict(zip(notes["id"], notes["note"].astype(str), strict=True))
    starred = rows["id"].isin(notes.loc[notes["is_starred"].astype(bool), "id"])
    noted = rows["id"].isin(list(texts)).to_numpy()
    written = np.full(len(rows), "", object)
    written[noted] = [texts[trial] for trial in rows["id"][noted]]
    return rows.assign(star=np.where(starred, "★", ""), note=written)


def _shown(rows: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, str]]:
    fields = {f"c{index}": name for index, name in enumerate(columns)}
    return [
        {"key": key} | {field: cell(name, row[name]) for field, name in fields.items()}
        for key, row in zip(trial_keys(rows), rows.to_dict("records"), strict=True)
    ]


def _whole(value: object, otherwise: int = 0) -> int:
    return value if type(value) is int and 0 <= value < 2**31 else otherwise


def _filters(columns: Sequence[str], model: object) -> list[tuple[str, str]]:
    """Returns the (column, text) of each filter in AG Grid's `model`."""
    found = []
    for field, wanted in model.items() if isinstance(model, dict) else ():
        text = wanted.get("filter") if isinstance(wanted, dict) else None
        name = _column(columns, field)
        if name and isinstance(text, str) and text.strip():
            found.append((name, text[:LONGEST_FILTER]))
    return found


def _order(columns: Sequence[str], model: object) -> list[tuple[str, bool]]:
    """Returns the (column, whether it is descending) of each part of AG Grid's `model`, the most important first."""
    found = []
    for part in model if isinstance(model, list) else ():
        name = _column(columns, part.get("colId")) if isinstance(part, dict) else None
        if name:
            found.append((name, part.get("sort") == "desc"))
    return found


def _column(columns: Sequence[str], field: object) -> str | None:
    return {f"c{index}": name for index, name in enumerate(columns)}.get(str(field))


def matches(values: "pd.Series[Any]", name: str, wanted: str) -> Any:
    """Returns a mask (N,) of the `values` of the column `name` that fit the filter `wanted`."""
    if pd.api.types.is_numeric_dtype(values):
        compared = _compared(values, wanted)
        if compared is not None:
            return compared.to_numpy(bool)
        distinct = values.drop_duplicates()
        texts = {value: cell(name, value) for value in distinct}
        values = values.map(texts)
    return _holds(values, wanted)


def _compared(values: "pd.Series[float]", wanted: str) -> "pd.Series[bool] | None":
    """Returns which `values` fit a comparison such as '<50K' or '10K..50K'. None if `wanted` is not a comparison."""
    try:
        if between := RANGE.fullmatch(wanted):
            low, high = (float(parse_quantity(end)) for end in between.groups())
            return (values >= low) & (values <= high)
        if compared := COMPARED.fullmatch(wanted):
            sign, number = compared.groups()
            return COMPARISONS[sign](values, float(parse_quantity(number)))
    except UserError:
        pass  # not a number yet: a person is still typing
    return None


def _holds(values: "pd.Series[Any]", wanted: str) -> Any:
    texts = values.fillna("").astype(str)
    return texts.str.contains(wanted.strip(), case=False, regex=False).to_numpy(bool)


def _found(rows: pd.DataFrame, search: str) -> Any:
    """Returns a mask (N,) of the rows that hold each word of `search` in a text, or in the number of the trial."""
    kept = np.ones(len(rows), bool)
    for word in search.split():
        number = word.removeprefix("#")
        found = (rows["number"] == int(number)).to_numpy() if number.isdecimal() else False
        for name in ("state", "family", "label", "note"):
            found = found | _holds(rows[name], word)
        kept &= found
    return kept
