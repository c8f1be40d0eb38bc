"""Makes a page's table of trials in every state, with the reason for each trial that did not complete."""

from dataclasses import replace

import pandas as pd

from analysis.figures.cards import Facts
from analysis.figures.training_cost import fitting
from analysis.pages.sections import Table, table

HALVING = (
    "At each of its steps, halving promotes a fixed share of the trials, front by front. Front 1 consists of the trials that "
    "no other trial at that step beats in PSNR and in every cost that the sweep optimises. Front 2 consists of the trials "
    "that only trials of front 1 beat."
)
ROWS = 2_000
"""Largest number of trials that the table lists."""


def all_trials(
    trials: pd.DataFrame, endings: "pd.Series[str]", facts: Facts, unit: str
) -> Table | None:
    """Returns the trials in every state as a table, with the reason for each trial that did not complete. None without
    trials.

    `trials` has the columns on_front and spent (training cost in `unit`), and `endings` is from `reasons`. The table
    has at most ROWS trials. If there are more, trials on the front take precedence.
    """
    if trials.empty:
        return None
    kept = trials
    if len(trials) > ROWS:
        order = (~trials["on_front"]).sort_values(kind="stable").index[:ROWS]
        kept = trials.loc[sorted(order)]
    spent, unit = fitting(kept["spent"], unit)
    names = dict.fromkeys([*facts.qualities, "psnr_y_int8", *facts.costs])
    numbers = [name for name in names if name in kept and kept[name].notna().any()]
    shown = pd.DataFrame(
        {
            "sweep": kept["sweep"],
            "trial": kept["number"],
            "state": kept["state"].where(~kept["on_front"], "front"),
            "how it ended": endings[kept.index],
            "step": kept["step"],
            **{name: kept[name] for name in numbers},
            unit: spent,
            "label": kept["label"],
        }
    )
    if shown["sweep"].nunique() == 1:
        shown = shown.drop(columns="sweep")
    if not shown["how it ended"].any():
        shown = shown.drop(columns="how it ended")
    made = table(shown)
    left_out = len(trials) - len(kept)
    note = [HALVING] if shown.get("how it ended", pd.Series()).str.contains("halving").any() else []
    note += (
        [f"The table has {ROWS:,} of {len(trials):,} trials, with all of the front."]
        if left_out
        else []
    )
    return replace(made, notes=[*note, *made.notes])
