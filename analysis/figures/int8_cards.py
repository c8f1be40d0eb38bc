"""Makes the cards about INT8 quantisation, which the report and the dashboard share."""

import pandas as pd

from analysis.figures.cards import Card, are, slug
from analysis.figures.quantised import (
    MOST_DOMINATED,
    MOST_RANKED,
    draw_int8_front,
    draw_int8_ranks,
    exported,
    int8_costs,
    rank_changes,
)
from analysis.tables import heading
from sweeps.advice import command, folder_for


def int8_cards(trials: pd.DataFrame) -> list[Card]:
    """Returns cards that show how INT8 quantisation changes the front and the order of the trials.

    Returns no cards if no trial was exported to INT8.
    """
    own = exported(trials)
    if own.empty:
        return []
    cards = []
    for before, after in int8_costs(own):
        kind, _, where = heading(after).replace(" int8", "").partition(" ms ")
        title = f"The front after INT8 quantisation, against {kind}"
        text = (
            "Filled points are on the Pareto front of their precision. "
            "A dotted line joins the two points of each trial."
        )
        text += f" Latency setting: {where}." if where else ""
        figure = draw_int8_front(own, before, after)
        cards.append(Card(name=f"int8-{slug(after)}", title=title, text=text, figure=figure))
    if len(own) > 1:
        cards.append(_ranks_card(own))
    return cards


def _ranks_card(own: pd.DataFrame) -> Card:
    turned, pairs = rank_changes(own), len(own) * (len(own) - 1) // 2
    text = (
        f"The best trial is at the top. INT8 quantisation reverses the order of {turned:,} of {pairs:,} pairs of "
        "trials. Trials that rise are blue, trials that fall are orange."
    )
    if len(own) > MOST_RANKED:
        text += (
            f" The plot shows those {MOST_RANKED} of {len(own):,} trials that are best in float32."
        )
    figure = draw_int8_ranks(own)
    return Card(
        name="int8-ranks",
        title="The order before and after INT8 quantisation",
        text=text,
        figure=figure,
    )


def int8_note(trials: pd.DataFrame, url: str) -> str:
    """Returns the caption of the cards that `int8_cards` returns: which trials they show, and how to add one.

    `url` is the URL of the database.
    """
    own = exported(trials)
    lost = (own["psnr_y"] - own["psnr_y_int8"]).median()
    text = (
        f"{are(len(own), 'trial')} shown: all whose INT8 file was measured on the validation images. The fronts "
        f"consist of these trials only.{_adding(trials, own, url)} The median loss through INT8 is {lost:.3f} dB. Each latency is measured on one device with one number of threads."
    )
    if len(own) > MOST_DOMINATED:
        text += f" At most {MOST_DOMINATED} of the trials on neither front are drawn."
    return text


def _adding(trials: pd.DataFrame, own: pd.DataFrame, url: str) -> str:
    """Returns a sentence with a command that exports a complete trial outside `own`, or '' if there is no such trial."""
    others = trials[(trials["state"] == "complete") & ~trials["id"].isin(own["id"])]
    if others.empty:
        return ""
    trial = f"{others['sweep'].iloc[0]}#{others['number'].iloc[0]}"
    return f" `{int8_export(trial, url)}` adds a trial."


def int8_export(trial: str, url: str) -> str:
    """Returns the command that exports `trial` (SWEEP#NUMBER) of the database at `url` to INT8."""
    return command("export", trial, "--to", "int8", "-o", folder_for(trial), storage=url)
