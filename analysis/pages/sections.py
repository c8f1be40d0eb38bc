"""What the report's sections say, as plain values. The templates turn them into sentences and tables."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.choose.pareto import Direction
from analysis.choose.select import Selection, at_knee, row_of
from analysis.choose.variants import variants
from analysis.figures.cards import Facts, in_words
from analysis.figures.training_cost import hours
from analysis.tables import NO_REASON, cell, front_table, heading
from searchspace.errors import UserError
from sweeps.messages import reason_of

STATES = {
    "complete": "complete",
    "stopped": "stopped early by halving",
    "failed": "failed",
    "running": "running",
    "paused": "paused",
}
"""How the page names the states of trials, in this order."""
FAILURES = 200
"""Largest number of failed trials that the page lists."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """A trial as a sentence names it."""

    label: str
    number: int
    psnr: str
    sizes: list[str]
    """Such as '12K parameters'."""


@dataclass(frozen=True, kw_only=True)
class Spend:
    """What training took, each value with its unit."""

    total: str
    median: str | None
    """Median over the finished trials. None, like `most`, if no trial has finished."""
    most: str | None
    wasted: str | None
    """What failed trials took. None when it is nothing."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """What the finished trials show."""

    best: Named
    against_bicubic: str | None
    """None when the PSNR of bicubic is unknown."""
    on_front: str
    objectives: str
    smaller: Named | None
    """The smallest network within 0.1 dB of the best. None when that is the best itself."""
    saved: str | None
    """The share of the best network's parameters that `smaller` saves."""
    knee: Selection | None


@dataclass(frozen=True, kw_only=True)
class Headlines:
    """The facts of the page's first list."""

    trials: str
    scale: int
    train_data: str
    states: str
    """The number of trials in each state. Empty when there are no trials."""
    results: Results | None
    """None before the first finished trial."""
    spend: Spend


@dataclass(frozen=True, kw_only=True)
class Column:
    """The head of a table's column."""

    heading: str
    numeric: bool


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a table."""

    text: str
    value: str | None
    """All digits of a number, by which the column sorts. None for text."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as the page shows it."""

    columns: list[Column]
    rows: list[list[Cell]]


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A failed trial."""

    number: int
    label: str
    reason: str
    traceback: str | None
    """None when the error has one line, which is the reason."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """The failed trials."""

    total: str
    shown: list[Failed]
    more: str | None
    """How many are not shown."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the numbers of one sweep come from."""

    facts: dict[str, str]
    text: str | None
    """The sweep file of the newest run."""
    settings: str
    """The settings as JSON."""


def headlines(trials: pd.DataFrame, facts: Facts, unit: str) -> Headlines:
    """Returns the sweeps' first facts. `trials` has the columns on_front and spent [unit]."""
    counts = trials["state"].value_counts()
    done = trials[(trials["state"] == "complete") & trials["psnr_y"].notna()]
    return Headlines(
        trials=_counted(len(trials), "trial"),
        scale=facts.scale,
        train_data=facts.train_data,
        states=", ".join(f"{counts[s]:,} {words}" for s, words in STATES.items() if s in counts),
        results=_results(trials, done, facts) if len(done) else None,
        spend=spend(trials, unit),
    )


def _results(trials: pd.DataFrame, done: pd.DataFrame, facts: Facts) -> Results:
    best = row_of(done, done["psnr_y"].idxmax())
    small = _smaller(done, best)
    front = int(trials["on_front"].sum())
    return Results(
        best=_named(best),
        against_bicubic=_against(facts.bicubic, best["psnr_y"]) if facts.bicubic else None,
        on_front=_counted(front, "trial"),
        objectives=in_words(list(facts.objectives)),
        smaller=None if small is None else _named(small),
        saved=None if small is None else f"{1 - small['params'] / best['params']:.0%}",
        knee=_knee(trials) if "params" in done else None,
    )


def _against(bicubic: float, psnr: float) -> str:
    side = "above" if psnr >= bicubic else "below"
    return f"{abs(psnr - bicubic):.2f} dB {side} bicubic ({bicubic:.2f} dB)"


def _smaller(done: pd.DataFrame, best: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The smallest network within 0.1 dB of the best. None when that is the best itself."""
    if "params" not in done:
        return None
    close = done[done["psnr_y"] >= best["psnr_y"] - 0.1]
    smallest = row_of(close, close["params"].idxmin())
    return None if smallest["id"] == best["id"] else smallest


def _knee(trials: pd.DataFrame) -> Selection | None:
    """The knee over architectures. None when the trials may not be pooled, for example after a changed length."""
    try:
        chosen = at_knee(variants(trials))
    except UserError:
        return None
    return chosen if chosen.row is not None else None


def _named(row: Mapping[str, object]) -> Named:
    units = {"params": "parameters", "multadds": "Mult-Adds"}
    return Named(
        label=str(row["label"]),
        number=int(str(row["number"])),
        psnr=f"{row['psnr_y']:.2f} dB",
        sizes=[f"{cell(name, row[name])} {unit}" for name, unit in units.items() if name in row],
    )


def spend(trials: pd.DataFrame, unit: str) -> Spend:
    """Returns what training took: in total, by finished trial, and in trials that failed."""
    done = trials.loc[trials["state"] == "complete", "spent"]
    wasted = trials.loc[trials["state"] == "failed", "spent"].sum()
    return Spend(
        total=f"{trials['spent'].sum():,.2f} {unit}",
        median=hours(done.median(), unit) if len(done) else None,
        most=hours(done.max(), unit) if len(done) else None,
        wasted=f"{wasted:,.2f} {unit}" if wasted > 0 else None,
    )


def front_of_page(
    trials: pd.DataFrame, objectives: Mapping[str, Direction], unit: str
) -> Table | None:
    """Returns the front as a table, with what each trial cost [unit]. None when the front is empty."""
    front = trials[trials["on_front"]]
    if front.empty:
        return None
    extra = [unit]
    extra += ["sweep"] if front["sweep"].nunique() > 1 else []
    extra += ["published_as"] if front["published_as"].any() else []
    return table(front_table(front.rename(columns={"spent": unit}), list(objectives), extra))


def table(frame: pd.DataFrame) -> Table:
    """Returns `frame` as the page shows it."""
    numeric = {str(name): pd.api.types.is_numeric_dtype(frame[name]) for name in frame}
    rows = [
        [
            Cell(text=cell(str(name), value), value=str(value) if numeric[str(name)] else None)
            for name, value in record.items()
        ]
        for record in frame.to_dict("records")
    ]
    columns = [Column(heading=heading(name), numeric=is_one) for name, is_one in numeric.items()]
    return Table(columns=columns, rows=rows)


def failures(trials: pd.DataFrame) -> Failures | None:
    """Returns the failed trials with their reasons. None when no trial failed."""
    failed = trials[trials["state"] == "failed"]
    if failed.empty:
        return None
    shown = [_failed(row) for row in failed.head(FAILURES).to_dict("records")]
    more = len(failed) - len(shown)
    return Failures(
        total=_counted(len(failed), "trial"), shown=shown, more=f"{more:,}" if more else None
    )


def _failed(row: Mapping[object, object]) -> Failed:
    error = str(row["error"]).strip()
    return Failed(
        number=int(str(row["number"])),
        label=str(row["label"]),
        reason=reason_of(error) or NO_REASON,
        traceback=error if "\n" in error else None,
    )


def origins(lives: pd.DataFrame, sweeps: pd.DataFrame) -> list[Origin]:
    """Returns for each sweep its commits, versions, data and seed, its file and its settings."""
    found = []
    for sweep in sweeps.to_dict("records"):
        own = lives[lives["sweep"] == sweep["name"]]
        settings = sweep["settings"] if isinstance(sweep["settings"], dict) else {}
        versions = [f"{n} {v}" for given in own["versions"] for n, v in given.items()]
        facts = {
            "sweep": sweep["name"],
            "training images": sweep["train_data"] or "not recorded",
            "data fingerprint": sweep["data_fingerprint"] or "not recorded",
            "seed": settings.get("seed", "not recorded"),
            "started": f"{sweep['created_at']:%Y-%m-%d %H:%M} UTC",
            "code": ", ".join(dict.fromkeys(_commit(life) for life in own.to_dict("records"))),
            "hosts": ", ".join(sorted(set(own["host"]))),
            "versions": ", ".join(dict.fromkeys(versions)),
        }
        found.append(
            Origin(
                facts={name: str(value) for name, value in facts.items()},
                text=(str(own["text"].iloc[-1]) or None) if len(own) else None,
                settings=json.dumps(settings, indent=2, default=str),
            )
        )
    return found


def _commit(life: Mapping[object, object]) -> str:
    changed = " with uncommitted changes" if life["git_dirty"] else ""
    return f"{str(life['git_commit'])[:12] or 'unknown'}{changed}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
