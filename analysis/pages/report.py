"""Writes the report: one self-contained HTML page about sweeps, which opens offline and loads no other files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.choose.gates import Gates, common_gates, load_gates
from analysis.choose.means import averaged
from analysis.choose.tiers import Chosen, choose_tiers, tiers_within
from analysis.figures.cards import (
    Card,
    Facts,
    curves_card,
    facts_of,
    pareto_card,
    pareto_note,
    published_cards,
    published_note,
    spend_card,
    volume_card,
)
from analysis.figures.int8_cards import int8_cards, int8_note
from analysis.figures.knob_cards import knob_cards
from analysis.figures.pareto import complete, front_of, thin
from analysis.figures.theme import plotly_source
from analysis.figures.timelines import volume_data
from analysis.figures.training_cost import every, spend_unit
from analysis.pages.endings import reasons
from analysis.pages.environment import render
from analysis.pages.packed import packed_plotly
from analysis.pages.pictures import ChosenSection, FindTrained, Made, chosen_section
from analysis.pages.sections import (
    Failures,
    Headlines,
    Table,
    failures,
    front_of_page,
    headlines,
    origins,
)
from analysis.pages.trial_table import all_trials
from analysis.published.published import same_networks
from analysis.read.frames import load_curves, load_knobs, load_lives, load_sweeps, load_trials
from searchspace.errors import UserError, shown
from searchspace.quantity import format_quantity
from sweeps.files import write_text
from sweeps.measure.latency_model import model_in
from sweeps.store.comparability import training_of

DEFAULT_PATH = Path("report.html")
"""File of the page if the person names none."""
MOST_RANKED = 20_000
"""Trials that halving stopped are ranked only in groups of at most this number of trials."""
OF_CURVES = ["id", "sweep", "step", "value"]
"""Columns of the curves by which halved trials are ranked."""
CURVES = 120
"""Largest number of learning curves drawn for trials that are not on the front."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Sweeps whose trials may be compared: they share scale, images, training settings and number of steps."""

    names: list[str]
    facts: Facts
    trials: pd.DataFrame
    """The rows of `load_trials`, with the added columns on_front (boolean) and published_as.

    published_as is the name of the published network that the trial trained, or ''.
    """


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Cards under a common heading, with a note on how to read them."""

    title: str
    cards: list[Card]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class GroupSections:
    """The sections of the page about one group. A section is None if it has nothing to show."""

    key: str
    """Prefix of the HTML ids of the group's figures."""
    names: list[str]
    headlines: Headlines
    pareto: Grid | None
    chosen: ChosenSection | None
    front: Table | None
    grids: list[Grid]
    trials: Table | None
    failures: Failures | None


def write_report(
    url: str,
    sweep_names: Sequence[str] | None,
    path: Path,
    *,
    tier_limits: Sequence[float] | None = None,
    find: FindTrained | None = None,
) -> None:
    """Writes the page about the sweeps `sweep_names` of the database at `url` to `path`. None stands for all sweeps.

    The page names the best variant with at most as many parameters as each of `tier_limits`. None stands for the
    default tiers, up to the limit that the sweeps set (`tiers_within`). `find` returns the trained network of a
    variant. The page shows images that these networks upscaled. If `find` is None, it shows none. An older page at
    `path` stays until the new one is complete.

    Raises UserError if the database cannot be read or has no such sweep, and OSError if the page cannot be written.
    """
    page = report_page(url, sweep_names, tier_limits=tier_limits, find=find, path=path)
    write_text(path, page)


def report_page(
    url: str,
    sweep_names: Sequence[str] | None = None,
    *,
    tier_limits: Sequence[float] | None = None,
    find: FindTrained | None = None,
    path: Path = DEFAULT_PATH,
) -> str:
    """Returns the page that `write_report` writes to `path`, as HTML. The arguments have the same meaning."""
    groups = load_groups(url, sweep_names)
    names = [name for group in groups for name in group.names]
    made = Made(url=url, tier_limits=tier_limits, path=None if path == DEFAULT_PATH else path)
    shown = [_group_sections(group, f"g{index}", find, made) for index, group in enumerate(groups)]
    return render(
        "page.html.j2",
        names=names,
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        groups=shown,
        origins=origins(load_lives(url, names), load_sweeps(url, names)),
        giga=format_quantity(1e9),
        figures={
            f"{group.key}-{card.name}": card.figure
            for group in shown
            for grid in ([group.pareto] if group.pareto else []) + group.grids
            for card in grid.cards
        },
        plotly=packed_plotly(),
        plotly_source=plotly_source(),
    )


def cards_of(url: str, sweep: str) -> list[Card]:
    """Returns the cards of the page about the sweep `sweep`. No two cards have the same name."""
    (group,) = load_groups(url, [sweep])
    sections = _group_sections(group, "g0", None, Made(url=url, tier_limits=None, path=None))
    grids = [*filter(None, [sections.pareto]), *sections.grids]
    return [card for grid in grids for card in grid.cards]


def load_groups(url: str, sweep_names: Sequence[str] | None) -> list[Group]:
    """Loads the sweeps `sweep_names` and their trials, in groups whose trials may be compared.

    None stands for all sweeps.
    """
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
            model_in(sweep["settings"]),
            steps.get(sweep["name"], 0),
        )
        together.setdefault(key, []).append({str(k): v for k, v in sweep.items()})
    gates = load_gates(url, sweep_names)
    return [_group(members, trials, gates) for members in together.values()]


def _group(
    members: list[dict[str, Any]], trials: pd.DataFrame, gates: Mapping[str, Gates]
) -> Group:
    names = [str(sweep["name"]) for sweep in members]
    own = trials[trials["sweep"].isin(names)].reset_index(drop=True)
    facts = facts_of(members[0], common_gates(gates.get(name, ()) for name in names))
    known = {name: way for name, way in facts.objectives.items() if name in own}
    done = (own["state"] == "complete") & own["psnr_y"].notna()
    if done.any() and not known:
        raise UserError(
            f"sweep: no trial of {names[0]!r} has any of its objectives, {shown(list(facts.objectives))}"
        )
    facts = replace(facts, objectives=known)
    own["published_as"] = own["architecture"].map(same_networks(facts.scale)).fillna("")
    own["on_front"] = False
    means = averaged(own[done])
    front = means[front_of(means, known, facts.gates)]
    # All trials of an architecture are on the front if its mean is.
    best = pd.MultiIndex.from_frame(front[["sweep", "architecture"]])
    own.loc[done, "on_front"] = pd.MultiIndex.from_frame(
        own.loc[done, ["sweep", "architecture"]]
    ).isin(best)
    return Group(names=names, facts=facts, trials=own)


def _group_sections(group: Group, key: str, find: FindTrained | None, made: Made) -> GroupSections:
    url = made.url
    lives = load_lives(url, group.names)
    unit, share = spend_unit(lives["text"])
    # Of several runs of a sweep, the last one counts.
    newest = dict(zip(lives["sweep"].map(str), lives["text"].map(str), strict=True))
    limits = made.tier_limits or tiers_within(newest.values())
    chosen = choose_tiers(group.trials, limits, group.facts.gates)
    trials = group.trials.assign(spent=group.trials["seconds"] / 3600 * share)
    facts, knobs = group.facts, load_knobs(url, group.names)
    int8 = int8_cards(trials)
    published = published_cards(trials, facts)
    grids = [
        Grid(title="What the knobs do", cards=knob_cards(trials, knobs, costs=facts.costs)),
        Grid(title="After INT8", cards=int8, note=int8_note(trials, url) if int8 else ""),
        Grid(title="Published networks", cards=published, note=published_note(trials, facts)),
        Grid(title="Training", cards=_training_cards(url, group, trials, unit)),
    ]
    return GroupSections(
        key=key,
        names=group.names,
        headlines=headlines(trials, facts, unit, newest),
        pareto=_pareto(group, chosen),
        chosen=None if chosen is None else chosen_section(chosen, find, made),
        front=front_of_page(averaged(trials), facts.objectives, unit),
        grids=[grid for grid in grids if grid.cards],
        trials=all_trials(trials, _endings(url, group, newest), facts, unit),
        failures=failures(trials),
    )


def _endings(url: str, group: Group, newest: Mapping[str, str]) -> "pd.Series[str]":
    """Returns why each trial ended. Curves are read only if halving has stopped a trial, and never for a large sweep."""
    trials = group.trials
    stopped = trials["state"] == "stopped"
    halved = trials.loc[stopped & (trials["error"] == ""), "sweep"].unique().tolist()
    ranked = halved and len(trials) <= MOST_RANKED
    curves = load_curves(url, halved) if ranked else pd.DataFrame(columns=OF_CURVES)
    return reasons(trials, curves, newest, group.facts.objectives)


def _pareto(group: Group, chosen: Chosen | None) -> Grid | None:
    """Returns plots in which every objective of the sweeps has an axis, or None before the first complete trial.

    They show PSNR against each cost and, if it is an objective, SSIM against parameters.
    """
    trials = averaged(group.trials)
    first, *others = group.facts.qualities
    axes = [(first, cost) for cost in group.facts.costs] + [(name, "params") for name in others]
    drawn = [
        pareto_card(trials, cost, group.facts, chosen, quality=quality)
        for quality, cost in axes
        if not complete(trials, cost, quality).empty
    ]
    if not drawn:
        return None
    left_out = max(data.left_out for _, data in drawn)
    below = max(data.below for _, data in drawn)
    return Grid(
        title="What PSNR costs",
        cards=[card for card, _ in drawn],
        note=pareto_note(group.facts, left_out, below, seeds="num_seeds" in trials),
    )


def _training_cards(url: str, group: Group, trials: pd.DataFrame, unit: str) -> list[Card]:
    trained = trials[trials["step"] > 0]
    cards = []
    if len(trained):
        drawn = trained[thin(trained["on_front"].to_numpy(bool), CURVES)]
        curves = load_curves(url, group.names, trial_ids=drawn["id"].tolist())
        cards.append(curves_card(curves, drawn, len(trained), group.facts))
    volume = volume_data(averaged(trials), group.facts.objectives)
    if volume["share"].nunique() > 1:
        cards.append(volume_card(volume))
    if trials["spent"].any():
        step = every(len(trials))
        cards.append(spend_card(trials[trials["number"] % step == 0], unit, step))
    return cards
