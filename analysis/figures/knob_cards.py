"""Makes the cards about knobs, which the report and the dashboard share."""

from collections.abc import Sequence

import pandas as pd

from analysis.choose.importance import importances
from analysis.choose.pareto import Direction
from analysis.figures.cards import OF_PUBLISHED, Card
from analysis.figures.importance import draw_importance, knob_values
from analysis.figures.knobs import draw_effects, draw_parallel, effects_data
from analysis.figures.pareto import complete
from analysis.read.columns import is_cost


def knob_cards(
    trials: pd.DataFrame,
    knobs: pd.DataFrame,
    drawn: pd.DataFrame | None = None,
    sampled: str = "",
    costs: Sequence[str] = OF_PUBLISHED,
) -> list[Card]:
    """Returns three cards: the importance of each knob, its effect on PSNR at equal cost, and all trials as lines.

    Importance and effects are estimated from `trials`. If `trials` are only a sample, `drawn` holds the trials to draw
    as lines, and `sampled` is a sentence about the sample for the caption. The lines also cross the axes of `costs`. A
    card that would be empty is left out.
    """
    if complete(trials, "params").empty or "multadds" not in trials:
        return []
    cards = []
    shares = _importances(trials, knobs)
    if len(shares):
        text = (
            "How much each knob matters for being among the best tenth of the trials, for PSNR and for each cost, as a "
            "share of all knobs (PED-ANOVA). A knob with a large share for a cost and a small share for PSNR lowers the cost "
            "with little loss of PSNR. The trials are those that the search chose."
        )
        figure = draw_importance(shares)
        title = "Importance of the knobs"
        cards.append(Card(name="importance", title=title, text=text + sampled, figure=figure))
    effects = effects_data(trials, knobs)
    if len(effects):
        text = (
            "Each point shows by how much the PSNR of the trials with this value differs, on "
            "average, from the trend "
            "of their family at equal parameters and Mult-Adds. Bars are standard errors. A search "
            "tries good values "
            "more often than others, so the plot shows observations, not the results of a "
            "controlled experiment."
        )
        figure = draw_effects(effects)
        card = Card(name="effects", title="Knobs at equal cost", text=text + sampled, figure=figure)
        cards.append(card)
    lines = draw_parallel(trials if drawn is None else drawn, knobs, costs)
    if lines is not None:
        text = "Each line is a trial. The cost axes are logarithmic. Trials with the same value lie a little apart. "
        text += (
            "Trials of the Pareto front have the colours of their families. On the axis of a knob, "
            "trials of families without this knob are at none."
            if trials["family"].nunique() > 1
            else "Trials of the Pareto front are blue."
        )
        cards.append(Card(name="parallel", title="Knobs, costs and PSNR", text=text, figure=lines))
    return cards


def _importances(trials: pd.DataFrame, knobs: pd.DataFrame) -> pd.DataFrame:
    done = complete(trials, "params")
    costs = [name for name in map(str, done) if is_cost(name)]
    targets: dict[str, Direction] = {"psnr_y": "maximize", **dict.fromkeys(costs, "minimize")}
    return importances(done, knob_values(knobs.reindex(done["id"])), targets)
