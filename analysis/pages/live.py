"""Computes what the dashboard shows of a sweep, from the current state of the database. Does not use Dash.

All points of a sweep are read once. After that, only new points are read. The figures are the figures of the report
(`analysis.figures.cards`). A figure is made when a user looks at it, and made again only if the database has changed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd

from analysis.choose.gates import load_gates, passing
from analysis.choose.means import averaged
from analysis.choose.pareto import front_mask
from analysis.choose.tiers import Chosen, choose_tiers, tier_candidates, tiers_within
from analysis.figures.cards import (
    OF_PUBLISHED,
    Card,
    Facts,
    curves_card,
    facts_of,
    pair_card,
    pareto_card,
    published_cards,
    published_note,
    spend_card,
    volume_card,
)
from analysis.figures.int8_cards import int8_cards, int8_export, int8_note
from analysis.figures.knob_cards import knob_cards
from analysis.figures.pareto import MOST_POINTS, front_of, thin
from analysis.figures.theme import nothing_yet
from analysis.figures.timelines import volume_data
from analysis.figures.training_cost import every, fitting, hours, spend_unit
from analysis.figures.trial_keys import trial_keys
from analysis.published.published import TEST_SETS, same_networks
from analysis.read.columns import is_cost, is_measured
from analysis.read.database import QUALITIES
from analysis.read.frames import load_curves, load_lives, load_sweeps
from analysis.read.live_rows import (
    load_complete_ids,
    load_knobs_of,
    load_late,
    load_late_ids,
    load_rows,
    load_sample_ids,
    load_seconds,
)
from analysis.read.points import load_points, load_pulse
from analysis.tables import front_table, spread_columns

SAMPLE = 3_000
"""Largest number of trials from which the effects of knobs are estimated.

Also the largest number of trials whose test-set and INT8 measurements are shown.
"""
CURVES = 120
"""Largest number of learning curves of trials on the front.

Also the largest number of learning curves of trials that are neither on the front nor running.
"""
ROWS = 100
"""Number of rows on one page of the table of the front."""
EXPLAINED = 5_000
"""Largest number of complete trials with which the page still gives the reasons for the chosen variants.

A reason compares all trials, so with more trials it would take too long.
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Live:
    """The state of one sweep when the database was read."""

    url: str
    sweep: str
    facts: Facts
    pulse: Mapping[str, int]
    """Number of trials in each state."""
    late: Mapping[str, int]
    """Number of stored values of each late measurement, as `load_late` returns it."""
    trials: pd.DataFrame
    """All complete trials with a PSNR: the columns of `load_points`, sweep and state."""
    points: pd.DataFrame
    """The trials, averaged over seeds (see `averaged`), with the column on_front (boolean)."""

    @property
    def stamp(self) -> list[object]:
        """A value in JSON types that changes when the sweep has new trials or measurements."""
        return [
            self.sweep,
            [list(item) for item in sorted(self.pulse.items())],
            [list(item) for item in sorted(self.late.items())],
        ]

    @cached_property
    def shown(self) -> pd.DataFrame:
        """The points to draw, with the column published_as (name of a published network, or '').

        They are all points on the Pareto front, all points on the front of PSNR against any single cost, and at most
        MOST_POINTS others.
        """
        wanted = self.points["on_front"].to_numpy(bool).copy()
        for cost in cost_choices(self):
            wanted |= front_mask(self.points[["psnr_y", cost]], ("maximize", "minimize"))
        shown = self.points[thin(wanted, MOST_POINTS)]
        same = same_networks(self.facts.scale)
        return shown.assign(published_as=shown["architecture"].map(same).fillna(""))

    def has_late(self, view: str) -> bool:
        """Returns whether a trial of the sweep has a late measurement that `view`, 'test sets' or 'INT8', shows."""
        sets = [f"{name}_psnr_y" for name in TEST_SETS]
        names = sets if view == "test sets" else ["psnr_y_int8"]
        stored = [name for name in names if self.late.get(name)]
        return bool(stored) and len(load_late_ids(self.url, self.sweep, stored, 1)) > 0

    @cached_property
    def points_of(self) -> dict[str, str]:
        """Maps the key of a trial without a point of its own to the key of the trial whose point stands for their
        architecture.
        """
        if "num_seeds" not in self.shown:
            return {}
        own = dict(zip(self.shown["architecture"], trial_keys(self.shown), strict=True))
        drawn = self.trials[self.trials["architecture"].isin(own)]
        points = zip(trial_keys(drawn), drawn["architecture"].map(own), strict=True)
        return {key: point for key, point in points if key != point}

    @property
    def front(self) -> pd.DataFrame:
        """The points on the Pareto front of the sweep's objectives."""
        return self.shown[self.shown["on_front"]]

    @property
    def explained(self) -> bool:
        """Whether the reasons for the chosen variants are shown."""
        return len(self.points) <= EXPLAINED

    @cached_property
    def chosen(self) -> Chosen | None:
        """The best variants of the default tiers. None if no tier has one, or if the trials are not comparable."""
        points, limits, gates = self.trials, tiers_within(self.texts[-1:]), self.facts.gates
        if not self.explained:
            points = tier_candidates(points[passing(points, gates)], limits)
        return choose_tiers(points, limits, gates)

    @cached_property
    def texts(self) -> list[str]:
        """The sweep files of all runs, the newest last."""
        return [str(text) for text in load_lives(self.url, [self.sweep])["text"]]

    @cached_property
    def unit(self) -> tuple[str, float]:
        """The unit of training cost, and the cost of training one trial for an hour, as `spend_unit` returns them."""
        return spend_unit(self.texts)

    @cached_property
    def spent(self) -> float:
        """Training cost of all trials so far, in the unit that `unit` gives."""
        return load_seconds(self.url, self.sweep) / 3600 * self.unit[1]


def load_live(url: str, sweep: str, before: Live | None = None) -> Live:
    """Returns the current state of the sweep.

    `before` is an earlier state. If the database has not changed, `before` itself is returned. Otherwise its points are
    not read again, unless at least SAMPLE trials are new or the objectives have changed.
    """
    # Read before the points, so that a trial that ends in between is noticed at the next reading.
    pulse, late = load_pulse(url, sweep), load_late(url)
    if before is not None and (pulse, late) == (before.pulse, before.late):
        return before
    gates = load_gates(url, [sweep]).get(sweep, ())
    facts = facts_of(load_sweeps(url, [sweep]).iloc[0].to_dict(), gates)
    names = dict.fromkeys(["psnr_y", *facts.objectives, *facts.costs])
    read = [name for name in names if is_measured(name)]
    if before is not None and list(before.facts.objectives) == list(facts.objectives):
        known = before.trials["id"].to_numpy()
        new = np.setdiff1d(load_complete_ids(url, sweep), known)
        points = load_points(url, sweep, read, new.tolist()) if len(new) < SAMPLE else None
        points = None if points is None else pd.concat([before.trials, points], ignore_index=True)
    else:
        points = None
    if points is None:
        points = load_points(url, sweep, read)
    trials = points[points["psnr_y"].notna()].reset_index(drop=True)
    trials = trials.assign(sweep=sweep, state="complete")
    points = averaged(trials)
    points = points.assign(on_front=front_of(points, facts.objectives, gates))
    return Live(
        url=url, sweep=sweep, facts=facts, pulse=pulse, late=late, trials=trials, points=points
    )


def cost_choices(live: Live) -> list[str]:
    """Returns the names of the costs that the first plot can have on its x axis."""
    known = [name for name in map(str, live.points) if is_cost(name)]
    return [name for name in known if live.points[name].any()]


@lru_cache(maxsize=4)
def live_pareto(live: Live, cost: str, quality: str = "psnr_y") -> Card:
    """Returns the card of `quality` against `cost`, in which the chosen variants are marked.

    Both may be any quality or cost of the sweep. A pair other than a quality against a cost is drawn with its own front.
    """
    if quality in live.facts.qualities and cost not in live.facts.qualities:
        most = len(live.shown)
        card, _ = pareto_card(live.shown, cost, live.facts, live.chosen, most=most, quality=quality)
    else:
        card = pair_card(live.shown, cost, quality)
    figure = card.figure
    figure["layout"]["uirevision"] = (
        f"{live.sweep} {cost} {quality}"  # plotly.js keeps the zoom while this stays the same
    )
    if live.points.empty:
        figure["layout"]["annotations"] = [nothing_yet("no trial is complete yet")]
    return card


def _knobs(live: Live) -> tuple[list[Card], str]:
    if live.points.empty:
        return [], "No trial is complete yet."
    sample = live.points[thin(np.zeros(len(live.points), bool), SAMPLE)]
    drawn = pd.concat([live.front, sample]).drop_duplicates("id")
    knobs = load_knobs_of(live.url, drawn["id"].to_numpy())
    sampled = ""
    if len(sample) < len(live.points):
        sampled = (
            f" The estimate uses {len(sample):,} of {len(live.points):,} trials, drawn at random."
        )
    cards = knob_cards(sample, knobs, drawn, sampled)
    return cards, "" if cards else "There are too few complete trials to show what the knobs do."


def _published(live: Live) -> tuple[list[Card], str]:
    names = [f"{name}_psnr_y" for name in TEST_SETS]
    trials = load_rows(live.url, load_late_ids(live.url, live.sweep, names, SAMPLE))
    trials = trials.assign(train_data=live.facts.train_data, published_as="")
    trials = trials.assign(**{n: float("nan") for n in OF_PUBLISHED if n not in trials})
    return published_cards(trials, live.facts), published_note(trials, live.facts)


def _training(live: Live) -> tuple[list[Card], str]:
    unit, share = live.unit
    total = sum(live.pulse.values())
    step = every(total)
    ids = load_sample_ids(live.url, live.sweep, step, ("running",))
    trials = load_rows(live.url, ids)
    trials = trials.assign(
        spent=trials["seconds"] / 3600 * share, on_front=trials["id"].isin(live.front["id"])
    )
    cards = [_curves(live, trials, total)]
    volume = volume_data(live.points, live.facts.objectives)
    if len(volume) > 1:
        cards.append(volume_card(volume))
    cards.append(spend_card(trials[trials["number"] % step == 0], unit, step))
    return cards, ""


def _curves(live: Live, sample: pd.DataFrame, total: int) -> Card:
    """Returns the card of learning curves of the front, of running trials and of some other trials.

    If the front is long, the curves of evenly spaced trials on it are drawn.
    """
    front = live.front.sort_values("params")
    front = front.iloc[:: every(len(front), CURVES)]
    others = sample[~sample["on_front"] & (sample["step"] > 0)]
    others = others[thin((others["state"] == "running").to_numpy(bool), CURVES)]
    drawn = pd.concat([front, others], ignore_index=True)
    curves = load_curves(live.url, [live.sweep], trial_ids=drawn["id"].tolist())
    return curves_card(curves, drawn, total, live.facts)


def _int8(live: Live) -> tuple[list[Card], str]:
    trials = load_rows(live.url, load_late_ids(live.url, live.sweep, ["psnr_y_int8"], SAMPLE))
    cards = int8_cards(trials)
    if cards:
        # `trials` are the exported ones. A point that is not among them can be added.
        known = pd.concat([trials, live.points]).drop_duplicates("id")
        return cards, int8_note(known, live.url)
    nothing = "No trial has been exported to INT8 yet."
    if len(live.points):
        trial = f"{live.sweep}#{live.points['number'].iloc[0]}"
        nothing += f" `{int8_export(trial, live.url)}` exports one."
    return [], nothing


VIEWS: dict[str, Callable[[Live], tuple[list[Card], str]]] = {
    "knobs": _knobs,
    "training": _training,
    "test sets": _published,
    "INT8": _int8,
}
"""The views below the first plot other than the front and the failed trials, by their names on the page.

Each is a function that returns its cards and a note on how to read them.
"""


@lru_cache(maxsize=4)
def live_cards(live: Live, view: str) -> tuple[list[Card], str]:
    """Returns the cards of `view`, which is a key of VIEWS, and a note on how to read them."""
    cards, note = VIEWS[view](live)
    for card in cards:
        card.figure["layout"]["uirevision"] = f"{live.sweep} {card.name}"
    return cards, note


def front_rows(live: Live, page: int = 0) -> pd.DataFrame:
    """Returns page number `page` (from 0) of the table of the front, the cheapest trial first.

    One column gives the training cost of each trial.
    """
    unit, share = live.unit
    order = [name for name in live.facts.objectives if name not in QUALITIES]
    front = live.front.sort_values([*order[:1], "number"]).iloc[page * ROWS : (page + 1) * ROWS]
    rows = load_rows(live.url, front["id"].to_numpy()).set_index("id")
    spreads = [name for name in spread_columns(live.facts.objectives) if name in rows]
    front = front.assign(**{name: front["id"].map(rows[name]) for name in spreads})
    spent, unit = fitting(front["id"].map(rows["seconds"]) / 3600 * share, unit)
    return front_table(front.assign(**{unit: spent}), list(live.facts.objectives), [unit])


def sentence(live: Live) -> str:
    """Returns one line of text that sums up the state of the sweep."""
    states = ", ".join(f"{number:,} {state}" for state, number in sorted(live.pulse.items()))
    parts = [
        f"x{live.facts.scale}",
        states or "no trial yet",
        f"{int(live.points['on_front'].sum()):,} on the front",
    ]
    if len(live.points):
        parts.append(f"best {live.points['psnr_y'].max():.2f} dB")
    if live.spent:
        parts.append(f"{hours(live.spent, live.unit[0])} of training")
    left_out = len(live.points) - len(live.shown)
    if left_out:
        parts.append(f"{left_out:,} dominated trials not drawn")
    return " · ".join(parts)
