"""Draws further sweeps over the first figure of the dashboard, and says how far they can be compared. Does not use Dash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pandas as pd

from analysis.choose.comparison import PLACES
from analysis.figures.cards import Card, area_of, facts_of, pair_card, pareto_card
from analysis.figures.layers import MOST_LAYERS
from analysis.figures.pareto import ParetoData, family_symbol, pareto_data
from analysis.figures.theme import SYMBOL_TEXTS
from analysis.pages.live import Live, live_pareto
from analysis.pages.watch import Watch
from analysis.read.frames import BICUBIC
from analysis.tables import headings
from searchspace.predicted import PREDICTED_LATENCY
from sweeps.advice import command
from sweeps.messages import visible
from sweeps.store.comparability import training_of

MOST_OVER = MOST_LAYERS - 1
"""Largest number of sweeps that are drawn over the chosen one."""
Row = Mapping[Any, Any]
"""A row of `load_sweeps`."""


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """The sweeps that are drawn over the chosen one."""

    lives: tuple[Live, ...]
    """Their states, in the order in which they were chosen."""
    left_out: list[str]
    """One sentence for each sweep that was asked for and cannot be drawn."""
    doubts: list[str]
    """Sentences about qualities that cannot be compared."""

    @property
    def names(self) -> list[str]:
        """The names of the sweeps."""
        return [live.sweep for live in self.lives]


def over_options(sweeps: pd.DataFrame, main: str) -> list[dict[str, Any]]:
    """Returns the options of a control that chooses sweeps to draw over `main`, the newest first.

    `sweeps` is from `load_sweeps`. A sweep that cannot be drawn is disabled, and its label says why.
    """
    rows = {str(row["name"]): row for row in sweeps.to_dict("records")}
    reasons = {n: refusal(rows[main], row) for n, row in rows.items() if main in rows and n != main}
    return [
        {"label": f"{name} ({why})" if why else name, "value": name, "disabled": bool(why)}
        for name, why in reversed(reasons.items())
    ]


def refusal(main: Row, other: Row) -> str:
    """Returns why the sweep `other` cannot be drawn over the sweep `main`; '' if it can. Both are rows of `load_sweeps`."""
    if other["scale"] != main["scale"]:
        return f"x{other['scale']}, not x{main['scale']}"
    theirs = facts_of(other).objectives
    if not any(theirs.get(name) == way for name, way in facts_of(main).objectives.items()):
        return "no objective in common"
    return ""


def overlay(watch: Watch, live: Live, wanted: object, axes: Sequence[str]) -> Overlay:
    """Returns the sweeps among `wanted` that can be drawn over `live` on these `axes`. A browser sent the names in
    `wanted`.

    Raises UserError if the database cannot be read.
    """
    names = [n for n in wanted if isinstance(n, str)] if isinstance(wanted, list) else []
    rows = {str(row["name"]): row for row in watch.sweeps.to_dict("records")}
    main = rows.get(live.sweep)
    known = [name for name in dict.fromkeys(names) if name in rows and name != live.sweep]
    if main is None or not known:
        return Overlay(lives=(), left_out=[], doubts=[])
    lives: list[Live] = []
    left_out: list[str] = []
    doubts: list[str] = []
    for name in known:
        why = refusal(main, rows[name])
        if not why and len(lives) == MOST_OVER:
            why = f"at most {MOST_OVER} sweeps fit over another one"
        if why:
            left_out.append(visible(f"{name} is not drawn: {why}."))
            continue
        lives.append(watch.live(name))
        if nothing := _nothing(live, lives[-1], axes):
            left_out.append(visible(f"{name} has no points here: {nothing}."))
        elif any(axis in live.facts.qualities for axis in axes):
            doubts += [visible(text) for text in quality_doubts(main, rows[name], live.url)]
    return Overlay(lives=tuple(lives), left_out=left_out, doubts=doubts)


def _nothing(live: Live, other: Live, axes: Sequence[str]) -> str:
    """Returns why a figure with these `axes` shows no point of the sweep `other`; '' if it shows some."""
    if other.points.empty:
        return "no trial is complete yet"
    if PREDICTED_LATENCY in axes and other.facts.predicted != live.facts.predicted:
        return "another model predicted its latencies"
    for axis in axes:
        if not _has(other, axis):
            return f"{headings([axis])[axis]} is not among its objectives and costs"
    return ""


def _has(live: Live, axis: str) -> bool:
    return axis in live.points and bool(live.points[axis].notna().any())


def quality_doubts(main: Row, other: Row, url: str) -> list[str]:
    """Returns sentences that say why the qualities of two sweeps cannot be compared; none if they can.

    Sweeps with different PSNRs of bicubic have different validation images. `url` is the database that a command in a
    sentence names.
    """
    pair = f"{main['name']} and {other['name']}"
    levels = [main[BICUBIC], other[BICUBIC]]
    if any(pd.isna(level) for level in levels):
        return [
            f"It is not stored whether {pair} were validated on the same images. If the images differ, "
            "their qualities are not comparable."
        ]
    if round(levels[0], PLACES) != round(levels[1], PLACES):
        return [
            f"{pair} were validated on different images, on which bicubic reaches {levels[0]:.2f} and "
            f"{levels[1]:.2f} dB. Their qualities are not comparable."
        ]
    if _training(main) != _training(other):
        differing = command("compare", main["name"], other["name"], storage=url)
        return [
            f"{pair} were trained differently, so a difference in quality need not come from the networks. "
            f"`{differing}` lists the settings that differ."
        ]
    return []


def _training(sweep: Row) -> tuple[str, str]:
    settings = sweep["settings"] if isinstance(sweep["settings"], dict) else {}
    return training_of(settings), str(sweep["data_fingerprint"])


@lru_cache(maxsize=4)
def overlaid_card(live: Live, others: tuple[Live, ...], cost: str, quality: str) -> Card:
    """Returns the card of `live_pareto` for `live`, with the points and the fronts of the sweeps `others` drawn over it."""
    card = live_pareto(live, cost, quality)
    drawn = [other for other in others if not _nothing(live, other, (cost, quality))]
    if not drawn:
        return card
    qualities = live.facts.qualities
    if quality in qualities and cost not in qualities:
        data = [_data(other, cost, quality) for other in drawn]
        own = len(live.shown)
        made, _ = pareto_card(
            live.shown, cost, live.facts, live.chosen, most=own, quality=quality, others=data
        )
    else:
        made = pair_card(live.shown, cost, quality, [other.shown for other in drawn])
    names = ", ".join(other.sweep for other in drawn)
    made.figure["layout"]["uirevision"] = f"{live.sweep} {cost} {quality} {names}"
    text = (
        f"{card.text} Each colour is a sweep{_symbols(live, *drawn)}. An outlined point is on the front of its own sweep. "
        f"Limits, tables and the views below show {live.sweep} alone."
    )
    return replace(made, name=card.name, text=visible(text))


def _symbols(*lives: Live) -> str:
    """Returns words on the symbols of the families in a figure of these sweeps; '' if there is one family."""
    families = sorted({str(family) for live in lives for family in live.shown["family"]})
    if len(families) < 2:
        return ""
    if len(families) > len(SYMBOL_TEXTS):  # symbols come back, so a list would mislead
        return ", and hovering over a point names its family"
    symbols = [SYMBOL_TEXTS[family_symbol(index)] for index in range(len(families))]
    named = ", ".join(f"{symbol} {name}" for symbol, name in zip(symbols, families, strict=True))
    return f", and each symbol a family: {named}"


def _data(live: Live, cost: str, quality: str) -> ParetoData:
    facts, shown = live.facts, live.shown
    return pareto_data(
        shown,
        cost,
        area_of(cost),
        objectives=facts.objectives,
        gates=facts.gates,
        most=len(shown),
        quality=quality,
    )
