"""Renders data frames as terminal tables, JSON or CSV, for every command that prints a table."""

import itertools
import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from searchspace.predicted import PREDICTED_LATENCY
from searchspace.quantity import format_quantity
from sweeps.measure.latency_names import PREFIX
from sweeps.measure.ntire import RULES
from sweeps.messages import visible

LATENCY = f"{PREFIX} "
"""Prefix of the columns of measured latencies. The setting of the measurement follows."""
Format = Literal["table", "json", "csv"]

SPREAD = ("latency_q1", "latency_q3", "latency_ok")
"""Prefixes of the columns with a latency's lower quartile, upper quartile and reliability (1 or 0). The name and the
dataset of the latency supply the rest of the column name."""
DOUBT = "unreliable"
"""The word for an unreliable latency, after its quartiles if they are known."""

HEADINGS = {
    "psnr_y": "PSNR-Y dB",
    "ssim_y": "SSIM-Y",
    "psnr_rgb": "PSNR-RGB dB",
    "psnr_y_int8": "PSNR-Y INT8 dB",
    "params": "parameters",
    "params_train": "parameters in training",
    "multadds": "Mult-Adds",
    "activations": "activations",
    "num_convs": "convolutions",
    "memory": "memory B",
    PREDICTED_LATENCY: "predicted latency ms",
    **{name: f"NTIRE {name.rpartition('_')[2]} score" for name in RULES},
    "num_seeds": "seeds",
    "psnr_spread": "spread dB",
    "ssim_spread": "SSIM spread",
    "quartiles_ms": "quartiles ms",
    "difference_db": "difference dB",
    "low_db": "95 % from",
    "high_db": "to",
    "multadds_ratio": "Mult-Adds ratio",
    "mean_abs": "mean |output|",
    "high_share": "high freq.",
    "residual_share": "residual / input",
    "residual_high_share": "high freq. added",
    "psnr_loss": "PSNR loss dB",
    "change": "change, levels",
    "negative": "inputs below 0",
    "label": "architecture",
    "architecture": "key",
}
"""Headings by column name, for columns whose heading differs from their name."""

EXACT = frozenset(
    {"number", "trial", "block", "step", "seed", "scale", "num_convs", "num_seeds", "attempts"}
    | {"running", "paused", "complete", "stopped", "failed"}  # counts of trials in each state
)
"""Columns of whole numbers that are shown with all digits, without a suffix such as K."""

LONGEST = 24
"""Maximum number of characters in the words that tell the headings of latencies apart. Beyond it, numbers are used."""
FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")
"""First characters of a text that a spreadsheet interprets as a formula, or skips before it looks for one."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|-")
"""Matches a number, or a dash in place of a number. Spreadsheets do not run these as formulas."""

MARKUP = re.compile(
    r"([\\`*\[\]<>|~&@]|(?<![^\W_])_|_(?![^\W_])|(?<=www)\.|:(?=//))", re.IGNORECASE
)
"""Matches characters with a meaning in Markdown. An underscore inside a word has none."""

FORMS = {
    ("ssim_y", "ssim_spread"): ".4f",
    ("psnr_y", "psnr_db", "psnr_rgb", "psnr_y_int8", "spread"): ".2f",
    ("difference_db", "low_db", "high_db"): "+.3f",
    ("high_share", "residual_share", "zeros", "negative"): ".1%",
    ("psnr_loss",): "+.3f",
    ("mean_abs", "residual", "change"): ".3g",
    ("core-seconds", "GPU-seconds", "minutes"): ".1f",
    ("seconds",): ".0f",
    ("hours",): ".3g",
}
"""Number formats, by the endings of column names."""


def heading(name: str) -> str:
    """Returns the heading of the column `name`, as pages and terminal tables show it."""
    for measure in ("psnr_y", "ssim_y", "psnr_rgb"):
        if name.endswith(f"_{measure}"):
            return f"{name.removesuffix(f'_{measure}')} {HEADINGS[measure]}"
    if name.startswith(LATENCY):
        return f"latency ms {setting_of(name)}"
    return HEADINGS.get(name, name.replace(PREFIX, "latency ms").replace("_", " "))


def headings(names: Iterable[str]) -> dict[str, str]:
    """Returns the heading of each of the columns `names` of one table, with short headings for latencies.

    The heading of a latency is 'latency ms'. If there are several latencies, the heading also has the words in which
    their settings differ, or a number if these words are too long. `notes_on` gives the full settings.
    """
    known = list(dict.fromkeys(map(str, names)))
    timed = [name for name in known if name.startswith(LATENCY)]
    return {name: heading(name) for name in known} | _short(timed)


def _short(timed: Sequence[str]) -> dict[str, str]:
    """Returns the heading of each latency in `timed`."""
    if len(timed) < 2:
        return dict.fromkeys(timed, "latency ms")
    parts = [_parts(name) for name in timed]
    aligned = len({len(part) for part in parts}) == 1
    differing = [len(set(words)) > 1 for words in zip(*parts, strict=False)] if aligned else []
    short = [" ".join(itertools.compress(part, differing)) for part in parts]
    if len(set(short)) < len(timed) or max(map(len, short)) > LONGEST:
        short = [f"({number})" for number in range(1, len(timed) + 1)]
    return {name: f"latency ms {words}" for name, words in zip(timed, short, strict=True)}


def notes_on(names: Iterable[str]) -> list[str]:
    """Returns a line for each latency among the columns `names`: its heading, and the setting of the measurement."""
    return [
        f"{short}: {setting_of(name)}"
        for name, short in headings(names).items()
        if name.startswith(LATENCY)
    ]


def setting_of(latency: str) -> str:
    """Returns how the column `latency` was measured, such as 'torch float32 640x360 1 thread on Intel(R) Xeon(R)'."""
    return " ".join(_parts(latency))


def _parts(latency: str) -> list[str]:
    """Returns the parts of a latency's setting: runtime, precision, size, threads and device."""
    name, on, device = latency.removeprefix(LATENCY).partition(" on ")
    words = name.replace("_", " ").split()
    if words[-1:] == ["threads"] and len(words) > 1:
        words[-2:] = ["1 thread" if words[-2] == "1" else f"{words[-2]} threads"]
    return [*words, *([f"on {device}"] if on else [])]


NO_REASON = "no error message was stored"
"""Text shown for a failed trial that has no error message."""


def cell(name: str, value: Any) -> str:
    """Returns `value`, taken from the column `name`, as readable text.

    PSNR has two decimals and SSIM four. Latencies have four significant digits, other costs a suffix such as K or M.
    Dates are rounded down to the second. A missing value is "-".
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, str) or not isinstance(value, int | float):
        return visible(str(value))
    if name.startswith(PREFIX) or name == PREDICTED_LATENCY:
        return f"{value:.4g}"
    if name in EXACT:
        return str(int(value))
    for endings, form in FORMS.items():
        if name.endswith(endings):
            return f"{value:{form}}"
    return format_quantity(float(value))


def render(frame: pd.DataFrame, form: Format = "table", *, width: int | None = None) -> str:
    """Returns `frame` as text: as a table of rounded numbers, or as JSON or CSV with all digits.

    `width` is the width of the table in characters. None means the width of the terminal.
    """
    if form == "json":
        return json.dumps(records(frame), indent=2, allow_nan=False)
    if form == "csv":
        return as_csv(frame).rstrip("\n")
    console = Console(width=width)
    with console.capture() as capture:
        console.print(rich_table(frame))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join([*lines, *map(visible, notes_on(map(str, frame.columns)))])


def as_csv(frame: pd.DataFrame) -> str:
    """Returns `frame` as CSV that is also safe to open in a spreadsheet.

    A spreadsheet runs a text that begins with one of FORMULA as a formula. Such a text gets a leading apostrophe, which
    spreadsheets do not show. Numbers stay unchanged, even if they are stored as text.
    """
    texts = frame.select_dtypes(exclude=["number", "bool", "datetime"]).columns
    safe = frame.assign(**{name: frame[name].map(_inert) for name in texts})
    safe.columns = pd.Index([_inert(str(name)) for name in frame.columns])
    return safe.to_csv(index=False, lineterminator="\n")


def _inert(value: Any) -> Any:
    """Returns `value`, with a leading apostrophe if it is a text that a spreadsheet would run as a formula.

    Control characters, which a terminal would obey, become visible escapes.
    """
    if not isinstance(value, str):
        return value
    # A spreadsheet ends a row at a lone carriage return, which the writer does not quote.
    text = visible(value.replace("\r\n", "\n").replace("\r", "\n"))
    return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


def rich_table(frame: pd.DataFrame) -> Table:
    """Returns `frame` as a table for rich's console. Numbers are aligned right.

    No text in `frame` is markup: brackets stay, and control characters are shown as escapes.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = headings(frame.columns)
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(
            plain(shown[str(name)]),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=numeric,
        )
    for row in _rows(frame):
        table.add_row(*(plain(cell(name, value)) for name, value in row.items()))
    return table


def as_markdown(text: str) -> str:
    """Returns Markdown that shows `text` literally, on one line.

    No part of `text` acts as a link, HTML or the end of a cell. Web addresses, which GitHub would turn into links, stay
    text as well.
    """
    line = " ".join(visible(text).split())
    return re.sub(MARKUP, r"\\\1", line)


def plain(text: str) -> Text:
    """Returns `text` for rich's console, to be printed literally. rich would read a plain str as markup: '[/data]'
    would end a style.

    Control characters, which a terminal would obey, become visible escapes.
    """
    return Text(visible(text))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns each row of `frame` as a dict of JSON types.

    Whole numbers become integers. Missing and infinite values become None. Dates become text without fractions of a
    second.
    """
    return [{name: _plain(value) for name, value in row.items()} for row in _rows(frame)]


def front_table(
    front: pd.DataFrame, objectives: Sequence[str], extra: Sequence[str] = ()
) -> pd.DataFrame:
    """Returns the most useful columns of `front`, with the trials sorted by cost, the cheapest first.

    `front` has rows of `load_trials` or `load_front`. The columns are the trial's number, the `objectives`, the label
    and the `extra` columns. If the qualities are means over seeds, each quality is followed by its standard deviation
    (psnr_spread, ssim_spread), and num_seeds follows the first one. A latency with known quartiles is followed by a
    column that shows them. PSNR, PSNR of RGB, SSIM, PSNR after INT8 quantisation, parameters and Mult-Adds are added if
    at least one trial has a value. The rows are sorted by the first objective that is a cost. If none is, they are
    sorted by the first objective.
    """
    front, objectives = with_spreads(front, objectives)
    costs = [
        n for n in objectives if not n.endswith(("psnr_y", "ssim_y", "psnr_rgb", "psnr_y_int8"))
    ]
    known = ("psnr_y", "psnr_rgb", "psnr_y_int8", "ssim_y", "params", "multadds")
    others = [n for n in known if n in front]
    others = [n for n in others if front.empty or front[n].notna().any()]
    shown = list(dict.fromkeys([*objectives, *others]))
    if "num_seeds" in front:
        for name, spread in (("psnr_y", "psnr_spread"), ("ssim_y", "ssim_spread")):
            if name in shown and spread in front:
                shown.insert(shown.index(name) + 1, spread)
        first = next((n for n in shown if n.endswith("_spread")), shown[0])
        shown.insert(shown.index(first) + 1, "num_seeds")
    columns = ["number", *shown, "label", *extra]
    order = costs[0] if costs else objectives[0]
    return front.sort_values([order, "number"])[columns].reset_index(drop=True)


def spread_columns(names: Iterable[str]) -> list[str]:
    """Returns the columns of the lower quartile, the upper quartile and the reliability of each latency in `names`."""
    timed = [name.removeprefix("latency_ms") for name in names if name.startswith("latency_ms")]
    return [f"{word}{rest}" for rest in timed for word in SPREAD]


def with_spreads(frame: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Returns `frame` and `names`, with a text column added after each latency with known quartiles or an unreliable value.

    The text is 'LOWER to UPPER' in milliseconds, 'unreliable', or both. It is '' if the row has no quartiles and its
    latency is not marked as unreliable.
    """
    found: list[str] = []
    for name in names:
        found.append(name)
        lower, upper, reliable = spread_columns([name]) or ("", "", "")
        unknown = pd.Series(math.nan, frame.index)
        columns = [frame.get(each, unknown) for each in (lower, upper, reliable)]
        texts = [_spread_text(*row) for row in zip(*columns, strict=True)]
        if not any(texts):
            continue
        added = "quartiles_ms" + f"_{len(found)}" * ("quartiles_ms" in found)
        frame = frame.assign(**{added: texts})
        found.append(added)
    return frame, found


def _spread_text(lower: float, upper: float, reliable: float) -> str:
    quartiles = "" if math.isnan(lower) or math.isnan(upper) else f"{lower:.4g} to {upper:.4g}"
    return ", ".join(filter(None, (quartiles, DOUBT * (reliable == 0))))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, list | dict | str) or value is None:
        return value
    if pd.isna(value):
        return None
    if isinstance(value, float):
        if math.isinf(value):
            return None
        return int(value) if value.is_integer() and abs(value) >= 1 else value
    if isinstance(value, datetime):  # pandas' Timestamp is one
        return value.isoformat(" ", "seconds")
    return value.item() if hasattr(value, "item") else value
