"""Computes the contents of the report's sections. The templates turn them into sentences and tables."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.choose.gates import Gates, passing
from analysis.choose.means import averaged
from analysis.choose.pareto import Direction
from analysis.choose.select import Selection, at_knee
from analysis.choose.variants import variants
from analysis.choose.words import row_of
from analysis.figures.cards import Facts, in_words
from analysis.figures.training_cost import fitting, hours
from analysis.pages.endings import states_in_words
from analysis.tables import NO_REASON, cell, front_table, heading, headings, notes_on
from searchspace.errors import UserError
from sweeps.messages import reason_of

FAILURES = 200
"""Largest number of failed trials that the page lists."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """The words about one trial that sentences of the page use."""

    label: str
    trial: str
    """'trial 7', or 'first#7' on a page about several sweeps."""
    psnr: str
    """PSNR with its unit."""
    sizes: list[str]
    """Numbers of parameters and Mult-Adds, such as '12K parameters'."""


@dataclass(frozen=True, kw_only=True)
class Spend:
    """Training costs, each with its unit."""

    total: str
    """Cost of all trials."""
    median: str | None
    """Median cost of a complete trial. None if no trial is complete."""
    most: str | None
    """Largest cost of a complete trial. None if no trial is complete."""
    wasted: str | None
    """Cost of all failed trials. None if they cost nothing."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Facts about the complete trials that the report shows above its figures."""

    best: Named
    """The trial with the highest PSNR."""
    against_bicubic: str | None
    """How the best PSNR compares with bicubic, in words. None if the PSNR of bicubic is unknown."""
    on_front: str
    """Number of trials on the Pareto front, such as '12 trials'."""
    objectives: str
    """The objectives of the front, in words."""
    smaller: Named | None
    """The trial with the fewest parameters within 0.1 dB of the best trial. None if it is the best trial itself."""
    saved: str | None
    """Percentage of parameters that `smaller` saves compared with the best trial. None if `smaller` is None."""
    knee: Selection | None
    """The variant at the knee of PSNR against parameters. None if there is none."""


@dataclass(frozen=True, kw_only=True)
class Headlines:
    """The facts in the first list of a group's sections."""

    trials: str
    """Number of trials, such as '3 trials'."""
    scale: int
    train_data: str
    states: str
    """The number of trials in each state, as text, such as '4 complete, 1 failed'. Empty if there are no trials."""
    results: Results | None
    """Facts about the complete trials. None if no trial is complete."""
    spend: Spend


@dataclass(frozen=True, kw_only=True)
class Column:
    """The heading of a column of a table."""

    heading: str
    numeric: bool


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a table."""

    text: str
    value: str | None
    """The number with all digits, by which the column is sorted. None if the column holds text."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """The headings and the rows of a table."""

    columns: list[Column]
    rows: list[list[Cell]]
    notes: list[str]
    """Lines below the table, such as how a latency was measured."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A failed trial and the reason."""

    trial: str
    """'trial 7', or 'first#7' on a page about several sweeps."""
    label: str
    reason: str
    traceback: str | None
    """The error with its traceback. None if the error has only one line, which is then the reason."""


@dataclass(frozen=True, kw_only=True)
class Failures:
    """The failed trials of a group."""

    total: str
    """Number of all failed trials, such as '3 trials'."""
    shown: list[Failed]
    more: str | None
    """Number of failed trials that are not in `shown`. None if there are none."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The origin of the results of one sweep: code, data and settings."""

    facts: dict[str, str]
    """Facts by their names, in words."""
    text: str | None
    """The sweep file of the newest run. None if none is stored."""
    settings: str
    """The stored settings of the sweep as JSON."""


def headlines(
    trials: pd.DataFrame, facts: Facts, unit: str, texts: Mapping[str, str] | None = None
) -> Headlines:
    """Returns the facts in the first list about a group of sweeps.

    `trials` has the columns on_front and spent (training cost in `unit`). `texts` are the newest sweep files by sweep.
    """
    done = trials[(trials["state"] == "complete") & trials["psnr_y"].notna()]
    return Headlines(
        trials=_counted(len(trials), "trial"),
        scale=facts.scale,
        train_data=facts.train_data,
        states=states_in_words(trials, texts),
        results=_results(trials, done, facts) if len(done) else None,
        spend=spend(trials, unit),
    )


def _results(trials: pd.DataFrame, done: pd.DataFrame, facts: Facts) -> Results:
    done = averaged(done)
    best = row_of(done, done["psnr_y"].idxmax())
    small, several = _smaller(done, best), trials["sweep"].nunique() > 1
    front = int(done["on_front"].sum())
    return Results(
        best=_named(best, facts, several),
        against_bicubic=_against(facts.bicubic, best["psnr_y"]) if facts.bicubic else None,
        on_front=_counted(front, "trial"),
        objectives=in_words(list(facts.objectives)),
        smaller=None if small is None else _named(small, facts, several),
        saved=None if small is None else f"{1 - small['params'] / best['params']:.0%}",
        knee=_knee(trials, _first_cost(facts), facts.gates) if "params" in done else None,
    )


def _against(bicubic: float, psnr: float) -> str:
    side = "above" if psnr >= bicubic else "below"
    return f"{abs(psnr - bicubic):.2f} dB {side} bicubic ({bicubic:.2f} dB)"


def _smaller(done: pd.DataFrame, best: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the trial with the fewest parameters within 0.1 dB of the best, or None if it saves less than 1 %."""
    if "params" not in done:
        return None
    close = done[done["psnr_y"] >= best["psnr_y"] - 0.1]
    smallest = row_of(close, close["params"].idxmin())
    return smallest if smallest["params"] < 0.99 * best["params"] else None


def _first_cost(facts: Facts) -> str:
    """Returns the cost against which the page names a knee: parameters, unless only other costs are objectives."""
    own = [name for name in facts.costs if name in facts.objectives]
    return own[0] if own and "params" not in own else "params"


def _knee(trials: pd.DataFrame, cost: str, gates: Gates) -> Selection | None:
    """Returns the variant at the knee of PSNR against `cost`, of those that pass the `gates`.

    Returns None if the trials are not comparable, for example in number of steps.
    """
    try:
        frame = variants(trials)
        chosen = at_knee(frame[passing(frame, gates)], cost)
    except UserError:
        return None
    rule = chosen.rule.replace(heading(cost), headings([cost])[cost].removesuffix(" ms"))
    return replace(chosen, rule=rule) if chosen.row is not None else None


def _trial(row: Mapping[Any, object], several: bool) -> str:
    return f"{row['sweep']}#{row['number']}" if several else f"trial {row['number']}"


def _named(row: Mapping[str, object], facts: Facts, several: bool) -> Named:
    units = {"params": "parameters", "multadds": "Mult-Adds"}
    if facts.latency in row and not math.isnan(float(str(row[facts.latency]))):
        units |= {facts.latency: "ms"}
    return Named(
        label=str(row["label"]),
        trial=_trial(row, several),
        psnr=f"{row['psnr_y']:.2f} dB",
        sizes=[f"{cell(name, row[name])} {unit}" for name, unit in units.items() if name in row],
    )


def spend(trials: pd.DataFrame, unit: str) -> Spend:
    """Returns the training cost of all trials, of a complete trial, and of the failed trials.

    `trials` has the column spent (training cost in `unit`).
    """
    done = trials.loc[trials["state"] == "complete", "spent"]
    wasted = trials.loc[trials["state"] == "failed", "spent"].sum()
    return Spend(
        total=hours(trials["spent"].sum(), unit),
        median=hours(done.median(), unit) if len(done) else None,
        most=hours(done.max(), unit) if len(done) else None,
        wasted=hours(wasted, unit) if wasted > 0 else None,
    )


def front_of_page(
    trials: pd.DataFrame, objectives: Mapping[str, Direction], unit: str
) -> Table | None:
    """Returns the front as a table that includes training costs in `unit`, or None if the front is empty."""
    front = trials[trials["on_front"]]
    if front.empty:
        return None
    spent, unit = fitting(front["spent"], unit)
    front = front.assign(spent=spent)
    extra = [unit]
    extra += ["published_as"] if front["published_as"].any() else []
    rows = front_table(front.rename(columns={"spent": unit}), list(objectives), ["sweep", *extra])
    sweep = rows.pop("sweep")
    if sweep.nunique() > 1:
        rows.insert(0, "sweep", sweep)
    return table(rows)


def table(frame: pd.DataFrame) -> Table:
    """Returns `frame` as a table for the page."""
    numeric = {str(name): pd.api.types.is_numeric_dtype(frame[name]) for name in frame}
    rows = [
        [
            Cell(text=cell(str(name), value), value=str(value) if numeric[str(name)] else None)
            for name, value in record.items()
        ]
        for record in frame.to_dict("records")
    ]
    shown = headings(numeric)
    columns = [Column(heading=shown[name], numeric=is_one) for name, is_one in numeric.items()]
    return Table(columns=columns, rows=rows, notes=notes_on(numeric))


def failures(trials: pd.DataFrame) -> Failures | None:
    """Returns the failed trials with their reasons, or None if no trial failed."""
    failed = trials[trials["state"] == "failed"]
    if failed.empty:
        return None
    several = trials["sweep"].nunique() > 1
    shown = [_failed(row, several) for row in failed.head(FAILURES).to_dict("records")]
    more = len(failed) - len(shown)
    return Failures(
        total=_counted(len(failed), "trial"), shown=shown, more=f"{more:,}" if more else None
    )


def _failed(row: Mapping[Any, object], several: bool) -> Failed:
    error = str(row["error"]).strip()
    return Failed(
        trial=_trial(row, several),
        label=str(row["label"]),
        reason=reason_of(error) or NO_REASON,
        traceback=error if "\n" in error else None,
    )


def origins(lives: pd.DataFrame, sweeps: pd.DataFrame) -> list[Origin]:
    """Returns, for each sweep, its commits, versions, images and seed, its sweep file and its settings.

    `lives` is a data frame of `load_lives`, and `sweeps` a data frame of `load_sweeps`.
    """
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
