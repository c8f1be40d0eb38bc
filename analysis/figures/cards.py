"""The figures that the report and the dashboard share, each with its title and what one must know to read it.

Frames in, cards out: whoever calls decides which trials are read, and how a card becomes a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.choose.chosen import Chosen, mark
from analysis.choose.pareto import Direction, front_mask
from analysis.figures.comparison import draw_test_set
from analysis.figures.knobs import draw_effects, draw_parallel, effects_data
from analysis.figures.pareto import (
    MOST_POINTS,
    ParetoData,
    complete,
    draw_pareto,
    pareto_data,
    thin,
)
from analysis.figures.quantised import (
    MOST_DOMINATED,
    MOST_RANKED,
    draw_int8_front,
    draw_int8_ranks,
    exported,
    int8_costs,
    rank_changes,
)
from analysis.figures.theme import Figure
from analysis.figures.timelines import curves_data, draw_curves, draw_volume
from analysis.figures.training_cost import draw_spend
from analysis.published.published import TEST_SETS, published_networks, published_points
from analysis.tables import heading

DEFAULT_OBJECTIVES: dict[str, Direction] = {
    "psnr_y": "maximize",
    "params": "minimize",
    "multadds": "minimize",
}
OF_PUBLISHED = ("params", "multadds")
"""Costs that published networks are known by."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """One figure with its words."""

    name: str
    """Unlike that of any other card on the page."""
    title: str
    text: str = ""
    figure: Figure
    low: bool = False
    """A wide figure rather than a high one."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What comparable trials have in common."""

    scale: int
    objectives: dict[str, Direction]
    bicubic: float | None
    """PSNR of bicubic on the validation images [dB]."""
    train_data: str


def facts_of(sweep: Mapping[Any, Any]) -> Facts:
    """The facts in a row of load_sweeps."""
    settings = sweep["settings"] if isinstance(sweep["settings"], dict) else {}
    bicubic = sweep["validation_bicubic_psnr_y"]
    return Facts(
        scale=int(sweep["scale"]),
        objectives=settings.get("objectives") or DEFAULT_OBJECTIVES,
        bicubic=None if pd.isna(bicubic) else float(bicubic),
        train_data=str(sweep["train_data"] or "unknown images"),
    )


def pareto_card(
    trials: pd.DataFrame,
    cost: str,
    facts: Facts,
    chosen: Chosen | None,
    *,
    most: int = MOST_POINTS,
) -> tuple[Card, ParetoData]:
    """PSNR against `cost`, the chosen variants marked, published networks by what they cost."""
    other = "multadds" if cost == "params" else "params"
    data = pareto_data(
        trials,
        cost,
        other,
        objectives=facts.objectives,
        bicubic=facts.bicubic,
        networks=published_networks(facts.scale, cost) if cost in OF_PUBLISHED else None,
        most=most,
    )
    figure = draw_pareto(data)
    if chosen is not None:
        mark(figure, chosen, cost)
    text = f"Bubble area: {heading(other)}."
    card = Card(name=cost, title=f"PSNR against {heading(cost)}", text=text, figure=figure)
    return card, data


def pareto_note(facts: Facts, left_out: int, below: int) -> str:
    """What the Pareto plots show and what they do not."""
    text = (
        "Finished trials only. The line is the best PSNR to be had at each cost; outlined points "
        f"are on the front of {in_words(list(facts.objectives))} together; rings mark the chosen variants. PSNR is "
        "that of the validation split, where published networks were never measured: the strip below shows only "
        f"what they cost at x{facts.scale}, never a PSNR (counted by us where we build the network, otherwise as "
        "printed; hover tells which)."
    )
    if left_out:
        text += (
            f" {left_out:,} dominated trials are not drawn, to keep the page quick; no trial of a "
            "front is left out, and all of them count in the numbers."
        )
    if below:
        text += f" {below:,} trials with a far lower PSNR lie below the plots' lower edge."
    return text


def knob_cards(
    trials: pd.DataFrame,
    knobs: pd.DataFrame,
    drawn: pd.DataFrame | None = None,
    sampled: str = "",
) -> list[Card]:
    """What the knobs do at equal cost, estimated from `trials`, and all knobs side by side.

    Where `trials` are a sample, `drawn` are those to draw as lines, and `sampled` says so.
    """
    if complete(trials, "params").empty or "multadds" not in trials:
        return []
    cards = []
    effects = effects_data(trials, knobs)
    if len(effects):
        text = (
            "Mean PSNR of the trials with a value, above the trend of their family at equal parameters and "
            "Mult-Adds; bars are standard errors. What a search prefers is tried more, so this is no experiment."
        )
        figure = draw_effects(effects)
        card = Card(name="effects", title="Knobs at equal cost", text=text + sampled, figure=figure)
        cards.append(card)
    lines = draw_parallel(trials if drawn is None else drawn, knobs)
    if lines is not None:
        text = "A line a trial; costs as logarithms. The front in blue."
        cards.append(Card(name="parallel", title="Knobs, costs and PSNR", text=text, figure=lines))
    return cards


def measured_sets(trials: pd.DataFrame) -> list[str]:
    """The test sets on which some of `trials` were measured."""
    return [
        name
        for name in TEST_SETS
        if f"{name}_psnr_y" in trials and trials[f"{name}_psnr_y"].notna().any()
    ]


def published_cards(trials: pd.DataFrame, facts: Facts) -> list[Card]:
    """Published networks on the test sets, our trials beside them where they were measured there."""
    cards = []
    for dataset in measured_sets(trials) or ["Set5"]:
        for cost in OF_PUBLISHED:
            points = published_points(facts.scale, dataset, cost)
            if points.empty or cost not in trials:
                continue
            ours = complete(trials, cost)
            if f"{dataset}_psnr_y" in ours:
                best = front_mask(ours[[f"{dataset}_psnr_y", cost]], ("maximize", "minimize"))
                ours = ours[thin(best, MOST_DOMINATED)]
            figure = draw_test_set(ours, points, cost, dataset)
            title = f"{dataset} x{facts.scale} against {heading(cost)}"
            cards.append(Card(name=f"{dataset}-{cost}", title=title, figure=figure))
    return cards


def published_note(trials: pd.DataFrame, facts: Facts) -> str:
    """How to read `published_cards`."""
    ours = (
        f"Our trials were trained on {facts.train_data} and stand beside them in another colour"
        if measured_sets(trials)
        else "No trial of this sweep was measured on a test set (selection never looks at them)"
    )
    many = any(trials[f"{n}_psnr_y"].count() > MOST_DOMINATED for n in measured_sets(trials))
    few = f", of the dominated {MOST_DOMINATED} drawn" if many else ""
    return (
        "Figures as printed in the papers, on the test sets. Diamonds are published, circles are "
        f"ours{few}. {ours}. A PSNR depends on the training images and the length of training, so points "
        "of different legend entries must not be ranked against each other. Self-ensembles are left out."
    )


def curves_card(curves: pd.DataFrame, drawn: pd.DataFrame, total: int, facts: Facts) -> Card:
    """Learning curves of the trials in `drawn`, of `total` that were trained at all."""
    text = (
        "Trials of the front in blue, darker with more parameters; what runs in green; others grey, ending early "
        "where halving stopped them."
    )
    if len(drawn) < total:
        front = int(drawn["on_front"].sum())
        text += f" {len(drawn):,} of {total:,} trials drawn, {front:,} of the front among them."
    figure = draw_curves(curves_data(curves, drawn, most=len(drawn)), facts.bicubic)
    return Card(name="curves", title="Learning curves", text=text, figure=figure, low=True)


def volume_card(volume: pd.DataFrame) -> Card:
    """How the front grew; `volume` as of volume_data."""
    text = "How much the finished trials dominate together, costs as logarithms."
    figure = draw_volume(volume)
    return Card(name="volume", title="How the front grew", text=text, figure=figure, low=True)


def spend_card(trials: pd.DataFrame, unit: str, step: int) -> Card:
    """What each trial cost; `trials` with the column spent [unit] are every `step`-th."""
    text = f"{unit.capitalize().replace('Gpu', 'GPU')} of each trial, all of its attempts together."
    if step > 1:
        text += f" Every {step:,}th trial drawn."
    figure = draw_spend(trials, unit)
    return Card(name="spend", title="What each trial cost", text=text, figure=figure, low=True)


def int8_cards(trials: pd.DataFrame) -> list[Card]:
    """The front before and after INT8, and the order of the variants; none where none was exported so."""
    own = exported(trials)
    if own.empty:
        return []
    cards = []
    for before, after in int8_costs(own):
        kind, _, where = heading(after).replace(" int8", "").partition(" ms ")
        title = f"The front after INT8, against {kind}"
        text = (
            "Filled points are on the front of their precision; a dotted line joins a trial's two."
        )
        text += f" Latency of {where}." if where else ""
        figure = draw_int8_front(own, before, after)
        cards.append(Card(name=f"int8-{_slug(after)}", title=title, text=text, figure=figure))
    if len(own) > 1:
        cards.append(_ranks_card(own))
    return cards


def _ranks_card(own: pd.DataFrame) -> Card:
    turned, pairs = rank_changes(own), len(own) * (len(own) - 1) // 2
    text = (
        f"The best on top. INT8 turns the order of {turned:,} of {pairs:,} pairs; what rises is blue, "
        "what falls orange."
    )
    if len(own) > MOST_RANKED:
        text += f" The {MOST_RANKED} best in float32 of {len(own):,} are drawn."
    figure = draw_int8_ranks(own)
    return Card(
        name="int8-ranks", title="The order before and after INT8", text=text, figure=figure
    )


def int8_note(trials: pd.DataFrame) -> str:
    """Which trials the INT8 figures show, and how to have more."""
    own = exported(trials)
    lost = (own["psnr_y"] - own["psnr_y_int8"]).median()
    text = (
        f"Of the {len(own):,} trials whose INT8 file was measured (`srsweep export SWEEP#NUMBER --to int8`), on the "
        f"validation images; both fronts are of these alone. INT8 costs {lost:.3f} dB in the median. Latencies are "
        "of one device and number of threads."
    )
    if len(own) > MOST_DOMINATED:
        text += f" Of what is on neither front {MOST_DOMINATED} are drawn."
    return text


def pieces(note: str) -> list[tuple[str, bool]]:
    """The parts of a note, each with whether it stands between backticks: a command."""
    return [(text, index % 2 == 1) for index, text in enumerate(note.split("`"))]


def _slug(name: str) -> str:
    """`name` as part of an HTML id."""
    return "".join(c if c.isalnum() else "-" for c in name)


def in_words(names: Sequence[str]) -> str:
    """Columns listed as a person does: 'PSNR-Y, parameters and Mult-Adds'."""
    words = [heading(name).removesuffix(" dB") for name in names]
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)
