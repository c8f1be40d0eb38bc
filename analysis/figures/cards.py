"""Makes the cards that the report and the dashboard share. A card is a figure with its title and its caption.

The functions turn data frames into cards. Their callers decide which trials to read and how to show a card on a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.choose.gates import Gates, words_of
from analysis.choose.pareto import Direction, front_mask
from analysis.choose.tiers import Chosen
from analysis.choose.words import noun_of
from analysis.figures.comparison import draw_test_set
from analysis.figures.marks import mark
from analysis.figures.pair import draw_pair
from analysis.figures.pareto import (
    MOST_POINTS,
    ParetoData,
    complete,
    draw_pareto,
    pareto_data,
    thin,
)
from analysis.figures.quantised import MOST_DOMINATED
from analysis.figures.theme import Figure
from analysis.figures.timelines import curves_data, draw_curves, draw_volume
from analysis.figures.training_cost import draw_spend, fitting
from analysis.published.published import TEST_SETS, published_networks, published_points
from analysis.read.database import LATENCY, QUALITIES
from analysis.tables import heading, headings, setting_of
from searchspace.predicted import PREDICTED_LATENCY
from sweeps.measure.latency_model import told_by

DEFAULT_OBJECTIVES: dict[str, Direction] = {
    "psnr_y": "maximize",
    "params": "minimize",
    "multadds": "minimize",
}
"""Objectives that are assumed for a sweep whose settings name no objectives."""
OF_PUBLISHED = ("params", "multadds")
"""Costs that are known for published networks."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A figure with its title and its caption."""

    name: str
    """Name of the card, which no other card in the same section has."""
    title: str
    text: str = ""
    """The caption."""
    figure: Figure
    low: bool = False
    """Whether pages give the figure less height than other figures."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts that all trials in a group of comparable sweeps share."""

    scale: int
    objectives: dict[str, Direction]
    bicubic: float | None
    """PSNR of bicubic on the validation images [dB]; None if unknown."""
    train_data: str
    """The training images, in words."""
    latency: str = ""
    """Column of the latency that the sweep measured itself, as an objective or for its budget; '' if it measured none."""
    gates: Gates = ()
    """The minimum qualities that a trial must reach to be on the front."""
    predicted: str = ""
    """Device, runtime and error of the model that predicts latencies; '' if there is none."""

    @property
    def costs(self) -> list[str]:
        """The costs that have a plot: those that the sweep optimises or measures itself, then parameters and Mult-Adds."""
        own = [name for name in self.objectives if name not in QUALITIES]
        predicted = [PREDICTED_LATENCY] if self.predicted else []
        timed = [*filter(None, [self.latency]), *predicted]
        return list(dict.fromkeys([*own, *timed, *OF_PUBLISHED]))

    @property
    def qualities(self) -> list[str]:
        """The quality metrics to plot: always PSNR-Y; SSIM-Y and RGB PSNR only if the sweep optimises them."""
        return ["psnr_y", *(n for n in ("ssim_y", "psnr_rgb") if n in self.objectives)]


def facts_of(sweep: Mapping[Any, Any], gates: Gates = ()) -> Facts:
    """Returns the facts of `sweep`, a row of `load_sweeps`, with its `gates`."""
    settings = sweep["settings"] if isinstance(sweep["settings"], dict) else {}
    bicubic = sweep["validation_bicubic_psnr_y"]
    return Facts(
        scale=int(sweep["scale"]),
        objectives=settings.get("objectives") or DEFAULT_OBJECTIVES,
        bicubic=None if pd.isna(bicubic) else float(bicubic),
        train_data=str(sweep["train_data"] or "unknown images"),
        latency=latency if isinstance(latency := sweep.get("latency"), str) else "",
        gates=gates,
        predicted=told_by(settings),
    )


def pareto_card(
    trials: pd.DataFrame,
    cost: str,
    facts: Facts,
    chosen: Chosen | None,
    *,
    most: int = MOST_POINTS,
    quality: str = "psnr_y",
    others: Sequence[ParetoData] = (),
) -> tuple[Card, ParetoData]:
    """Returns the card of `quality`, psnr_y, ssim_y or psnr_rgb, against `cost`, and the data of its figure.

    The figure marks the `chosen` variants and the costs of published networks. It shows at most `most` of the
    trials that are not on a front. `others` are further sweeps to draw, with the same cost and quality.
    """
    other = area_of(cost)
    data = pareto_data(
        trials,
        cost,
        other,
        objectives=facts.objectives,
        gates=facts.gates,
        bicubic=facts.bicubic if quality == "psnr_y" else None,
        networks=published_networks(facts.scale, cost) if cost in OF_PUBLISHED else None,
        most=most,
        quality=quality,
    )
    figure = draw_pareto(data, others)
    if chosen is not None:
        mark(figure, chosen, cost, quality)
    text = f"The area of a bubble shows its {heading(other)}."
    text += f" Latency setting: {setting_of(cost)}." if cost.startswith(LATENCY) else ""
    text += f" Predicted for {facts.predicted}." if cost == PREDICTED_LATENCY else ""
    name = slug(cost) if quality == "psnr_y" else slug(f"{quality}-{cost}")
    noun = "latency" if cost.startswith(LATENCY) else heading(cost)
    title = f"{noun_of(quality)} against {noun}"
    return Card(name=name, title=title, text=text, figure=figure), data


def area_of(cost: str) -> str:
    """Returns the cost that the areas of bubbles show in a plot against `cost`."""
    return "multadds" if cost == "params" else "params"


def pair_card(trials: pd.DataFrame, x: str, y: str, others: Sequence[pd.DataFrame] = ()) -> Card:
    """Returns the card of any two columns of `trials`, qualities or costs, against each other.

    `others` are the trials of further sweeps to draw.
    """
    nouns = [noun_of(n) if n in QUALITIES else headings([n])[n] for n in (y, x)]
    text = "The line is the front of these two alone. Outlined points are on the front of all objectives."
    title = " against ".join(nouns)
    return Card(
        name=slug(f"{y}-{x}"), title=title, text=text, figure=draw_pair(trials, x, y, others)
    )


def pareto_note(facts: Facts, left_out: int, below: int, *, seeds: bool = False) -> str:
    """Returns the caption of the Pareto plots.

    `left_out` and `below` are the largest values of `ParetoData.left_out` and `ParetoData.below` over all plots.
    `seeds` says that architectures were trained with several seeds, so that the plots show their means.
    """
    text = (
        "The plots show complete trials. The line is the best quality up to each cost. Outlined "
        "points are on the Pareto "
        f"front of {in_words(list(facts.objectives))} together. Rings mark the chosen variants. "
        "PSNR is measured on the validation split, where published networks were never measured. "
        "The strip below "
        f"each plot therefore shows only the cost of published networks at x{facts.scale}. srsweep "
        "counts this cost "
        "itself if it can build the network. Otherwise the cost is the printed one. Hover over a "
        "mark to see which."
    )
    if facts.gates:
        text += f" Only trials with {words_of(facts.gates)}, the gate, are on the front."
    if seeds:
        text += (
            " A point with a vertical bar is the mean of an architecture over its seeds. The bar shows one "
            "standard deviation of a single training run in both directions."
        )
    if left_out:
        text += (
            f" To keep the page fast, {are(left_out, 'dominated trial')} not drawn. "
            "All trials of the front are drawn, and the numbers on this page count all trials."
        )
    if below:
        text += f" {are(below, 'trial')} below the lower edge of the plots, with a far lower PSNR."
    return text


def measured_sets(trials: pd.DataFrame) -> list[str]:
    """Returns the names of the test sets on which at least one of `trials` was measured."""
    return [
        name
        for name in TEST_SETS
        if f"{name}_psnr_y" in trials and trials[f"{name}_psnr_y"].notna().any()
    ]


def published_cards(trials: pd.DataFrame, facts: Facts) -> list[Card]:
    """Returns one card per test set and cost, showing published networks and those of our trials that were measured on it.

    The test sets are the ones that `measured_sets` returns, or Set5 if no trial was measured on a test set.
    """
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
    """Returns the caption of the cards that `published_cards` returns."""
    ours = (
        f"Circles are our trials, which were trained on {facts.train_data}."
        if measured_sets(trials)
        else "No trial of this sweep was measured on a test set. Selection never uses the test sets."
    )
    if any(trials[f"{n}_psnr_y"].count() > MOST_DOMINATED for n in measured_sets(trials)):
        ours += f" At most {MOST_DOMINATED} of the dominated trials are drawn."
    return (
        f"Diamonds are published networks with the PSNR that papers print. {ours} A PSNR depends on the "
        "training images and on the length of the training. Points of different legend entries must"
        " therefore not be "
        "ranked against each other. Self-ensembles are left out."
    )


def curves_card(curves: pd.DataFrame, drawn: pd.DataFrame, total: int, facts: Facts) -> Card:
    """Returns the card of the learning curves of the trials in `drawn`.

    `curves` is the data frame that `load_curves` returns. `total` is the number of all trials, and `drawn` may hold
    only some of them.
    """
    text = (
        "Trials of the Pareto front are blue: the more parameters, the darker. Running trials are "
        "green. All other "
        "trials are grey. Their curves end early if halving stopped them."
    )
    if len(drawn) < total:
        front = int(drawn["on_front"].sum())
        text += f" The plot shows {len(drawn):,} of {total:,} trials, {front:,} of which are on the front."
    figure = draw_curves(curves_data(curves, drawn, most=len(drawn)), facts.bicubic)
    return Card(name="curves", title="Learning curves", text=text, figure=figure, low=True)


def volume_card(volume: pd.DataFrame) -> Card:
    """Returns the card that shows how the front grew. `volume` is the data frame that `volume_data` returns."""
    text = (
        "The hypervolume is the size of the part of the objective space that the complete trials dominate. "
        "Costs enter as logarithms."
    )
    figure = draw_volume(volume)
    return Card(name="volume", title="How the front grew", text=text, figure=figure, low=True)


def spend_card(trials: pd.DataFrame, unit: str, step: int) -> Card:
    """Returns the card of the training cost of each trial.

    `trials` holds every `step`-th trial. Its column spent holds the training cost in the unit `unit`. If no trial took
    an hour, the card shows minutes. If none took a minute, it shows seconds.
    """
    spent, unit = fitting(trials["spent"], unit)
    trials = trials.assign(spent=spent)
    text = (
        f"{unit.capitalize().replace('Gpu', 'GPU')} that each trial used, over all of its attempts."
    )
    if step > 1:
        text += f" The plot shows one trial in {step:,}."
    figure = draw_spend(trials, unit)
    return Card(
        name="spend", title="Training cost of each trial", text=text, figure=figure, low=True
    )


def pieces(note: str) -> list[tuple[str, bool]]:
    """Splits `note` at its backticks. Returns each part, and whether it is a command, that is, whether it was between
    backticks.
    """
    return [(text, index % 2 == 1) for index, text in enumerate(note.split("`"))]


def are(count: int, noun: str) -> str:
    """Returns a count with its noun and verb, such as '1 trial is' or '2 trials are'."""
    return f"{count:,} {noun} is" if count == 1 else f"{count:,} {noun}s are"


def slug(name: str) -> str:
    """Returns `name` with every character that an HTML id forbids replaced by '-'."""
    return "".join(c if c.isalnum() or c == "_" else "-" for c in name)


def in_words(names: Sequence[str]) -> str:
    """Returns the headings of the columns `names` as a phrase, such as 'PSNR-Y, parameters and Mult-Adds'."""
    shown = headings(names)
    words = [shown[n].removesuffix(" dB").replace("latency ms", "latency") for n in shown]
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)
