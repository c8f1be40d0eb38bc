"""One self-contained HTML page about a sweep: it opens offline and asks no other machine for anything.

plotly.js is packed into the page (gzip, base64) and unpacked by the browser: 1.9 MB instead of 4.8.
"""

import base64
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from analysis.choose.chosen import TIERS, Chosen, FindTrained, choose_tiers, chosen_section
from analysis.figures.cards import (
    OF_PUBLISHED,
    Card,
    Facts,
    curves_card,
    facts_of,
    int8_cards,
    int8_note,
    knob_cards,
    pareto_card,
    pareto_note,
    pieces,
    published_cards,
    published_note,
    spend_card,
    volume_card,
)
from analysis.figures.pareto import complete, front_of, plotly_source, thin
from analysis.figures.theme import FIT, SCROLL, Figure
from analysis.figures.timelines import volume_data
from analysis.figures.training_cost import every, spend_unit
from analysis.pages.sections import failures, front_section, headlines, provenance
from analysis.published.published import same_networks
from analysis.read.frames import load_curves, load_knobs, load_lives, load_sweeps, load_trials
from sweeps.store.comparability import training_of

PAGE = Path(__file__).with_name("page.html")
CURVES = 120
"""Learning curves drawn of trials that are not on the front."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Sweeps whose trials may be compared: same scale, same images, same training set, same steps."""

    names: list[str]
    facts: Facts
    trials: pd.DataFrame
    """load_trials' rows with the columns on_front (boolean) and published_as (a published network's name or '')."""


def write_report(
    url: str,
    sweep_names: Sequence[str] | None,
    path: Path,
    *,
    tier_limits: Sequence[float] = TIERS,
    find: FindTrained | None = None,
) -> None:
    """Write the page about these sweeps (all where None) of the database at `url` to `path`.

    `tier_limits` are the parameters within which it names a variant each; `find` hands over their trained
    networks for the pictures.
    Raises ValueError where the database cannot be read or has no such sweep.
    """
    page = report_page(url, sweep_names, tier_limits=tier_limits, find=find)
    path.write_text(page, encoding="utf-8")


def report_page(
    url: str,
    sweep_names: Sequence[str] | None = None,
    *,
    tier_limits: Sequence[float] = TIERS,
    find: FindTrained | None = None,
) -> str:
    """The page as HTML."""
    groups = load_groups(url, sweep_names)
    names = [name for group in groups for name in group.names]
    lives = load_lives(url, names)
    body = [
        f"<h1>{escape(', '.join(names) or 'No sweep yet')}</h1>",
        f'<p class="quiet">Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.</p>',
        '<p id="trouble" hidden></p>',
        '<noscript><p class="quiet">The plots need JavaScript; the text and the tables do not.</p></noscript>',
    ]
    if len(groups) > 1:
        body.append(
            "<p>These sweeps differ in scale, images or training. Their PSNR cannot be compared, so they "
            "stand one after another and share no plot.</p>"
        )
    figures: dict[str, Figure] = {}
    for index, group in enumerate(groups):
        chosen = choose_tiers(group.trials, tier_limits)
        sections = _group_sections(url, group, f"g{index}", figures, chosen, find)
        body += [f"<h2>{escape(', '.join(group.names))}</h2>"] if len(groups) > 1 else []
        body += sections
    body.append(provenance(lives, load_sweeps(url, names)))
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        fit=FIT.read_text(encoding="utf-8"),
        scroll=SCROLL,
        title=escape(f"srsweep: {', '.join(names)}"),
        body="\n".join(body),
        figures=_script_json(figures),
        plotly=_packed_plotly(),
    )


def load_groups(url: str, sweep_names: Sequence[str] | None) -> list[Group]:
    """The sweeps with their trials, put together where their trials may be compared."""
    sweeps = load_sweeps(url, sweep_names)
    trials = load_trials(url, sweep_names)
    finished = trials[trials["state"] == "complete"]
    steps = finished.groupby("sweep")["step"].max()
    together: dict[tuple[object, ...], list[dict[str, Any]]] = {}
    for sweep in sweeps.to_dict("records"):
        fingerprint = sweep["data_fingerprint"]
        known = isinstance(fingerprint, str) and fingerprint
        key = (
            sweep["scale"],
            fingerprint if known else sweep["name"],
            str(sweep["train_data"]),
            training_of(sweep["settings"] or {}),
            steps.get(sweep["name"], 0),
        )
        together.setdefault(key, []).append({str(k): v for k, v in sweep.items()})
    return [_group(members, trials) for members in together.values()]


def _group(members: list[dict[str, Any]], trials: pd.DataFrame) -> Group:
    names = [str(sweep["name"]) for sweep in members]
    own = trials[trials["sweep"].isin(names)].reset_index(drop=True)
    facts = facts_of(members[0])
    known = {name: way for name, way in facts.objectives.items() if name in own}
    facts = replace(facts, objectives=known)
    done = (own["state"] == "complete") & own["psnr_y"].notna()
    own["published_as"] = own["architecture"].map(same_networks(facts.scale)).fillna("")
    own["on_front"] = False
    own.loc[done, "on_front"] = front_of(own[done], known)
    return Group(names=names, facts=facts, trials=own)


def _group_sections(
    url: str,
    group: Group,
    key: str,
    figures: dict[str, Figure],
    chosen: Chosen | None,
    find: FindTrained | None,
) -> list[str]:
    unit, share = spend_unit(load_lives(url, group.names)["text"])
    trials = group.trials.assign(spent=group.trials["seconds"] / 3600 * share)
    facts, knobs = group.facts, load_knobs(url, group.names)

    def grid(title: str, cards: Sequence[Card], note: str = "") -> list[str]:
        """The cards under a heading, their figures put with the others of the page."""
        figures.update({f"{key}-{card.name}": card.figure for card in cards})
        return _grid(title, cards, key, note) if cards else []

    cards, note = _pareto(group, chosen)
    nothing = ["<p>No trial is finished yet, so there is nothing to plot.</p>"]
    return [
        headlines(trials, facts.scale, facts.bicubic, facts.train_data, facts.objectives, unit),
        *(grid("What PSNR costs", cards, note) or nothing),
        *(chosen_section(chosen, find) if chosen is not None else []),
        front_section(trials, facts.objectives, unit),
        *grid("What the knobs do", knob_cards(trials, knobs)),
        *_int8(trials, grid),
        *grid("Published networks", published_cards(trials, facts), published_note(trials, facts)),
        *grid("Training", _training_cards(url, group, trials, unit)),
        failures(trials),
    ]


def _pareto(group: Group, chosen: Chosen | None) -> tuple[list[Card], str]:
    """PSNR against parameters and against Mult-Adds, and how to read both."""
    drawn = [
        pareto_card(group.trials, cost, group.facts, chosen)
        for cost in OF_PUBLISHED
        if not complete(group.trials, cost).empty
    ]
    left_out = max((data.left_out for _, data in drawn), default=0)
    below = max((data.below for _, data in drawn), default=0)
    return [card for card, _ in drawn], pareto_note(group.facts, left_out, below)


def _int8(trials: pd.DataFrame, grid: Callable[[str, Sequence[Card], str], list[str]]) -> list[str]:
    cards = int8_cards(trials)
    return grid("After INT8", cards, int8_note(trials)) if cards else []


def _training_cards(url: str, group: Group, trials: pd.DataFrame, unit: str) -> list[Card]:
    trained = trials[trials["step"] > 0]
    cards = []
    if len(trained):
        drawn = trained[thin(trained["on_front"].to_numpy(bool), CURVES)]
        curves = load_curves(url, group.names, trial_ids=drawn["id"].tolist())
        cards.append(curves_card(curves, drawn, len(trained), group.facts))
    volume = volume_data(trials, group.facts.objectives)
    if len(volume) > 1:
        cards.append(volume_card(volume))
    if trials["spent"].any():
        step = every(len(trials))
        cards.append(spend_card(trials[trials["number"] % step == 0], unit, step))
    return cards


def _grid(title: str, cards: Sequence[Card], key: str, note: str) -> list[str]:
    parts = [f"<h2>{escape(title)}</h2>", f'<div class="grid">{_cards(cards, key)}</div>']
    note = "".join(
        f"<code>{escape(text)}</code>" if code else escape(text) for text, code in pieces(note)
    )
    return [*parts, f'<p class="quiet">{note}</p>'] if note else parts


def _cards(cards: Sequence[Card], key: str) -> str:
    return "".join(
        f'<section class="card"><h3>{escape(card.title)}</h3><p class="quiet">{escape(card.text)}</p>'
        f'<div class="figure{" low" * card.low}" id="{escape(key)}-{escape(card.name)}"></div></section>'
        for card in cards
    )


def _script_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


@lru_cache
def _packed_plotly() -> str:
    return base64.b64encode(gzip.compress(plotly_source().encode(), 9, mtime=0)).decode()
