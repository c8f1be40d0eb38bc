"""Chooses the best variant of each tier. A tier is an upper limit on the number of parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.choose.select import Selection, tiers
from analysis.choose.variants import spread_of, variants
from searchspace.errors import UserError

TIERS = (50e3, 150e3, 600e3)
"""Limits of the default tiers: the largest number of parameters in each tier."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The variants that the tiers choose from comparable sweeps."""

    frame: pd.DataFrame
    """The variants to choose from, as `variants` returns them."""
    selections: list[Selection]
    """The selections that found a variant. If several tiers choose the same variant, only the smallest tier is kept."""
    limits: Sequence[float] = TIERS
    """Limits of the tiers: the largest number of parameters in each tier."""


def choose_tiers(trials: pd.DataFrame, limits: Sequence[float] = TIERS) -> Chosen | None:
    """Chooses, for each of the `limits` on parameters, the best variant within it.

    Returns None if no variant is within a limit or the trials are not comparable.
    """
    try:
        frame = variants(trials)
    except UserError:  # the trials are not comparable
        return None
    if frame.empty:
        return None
    found: dict[int, Selection] = {}
    for selection in tiers(frame, "params", limits):
        if selection.row is not None:
            found.setdefault(selection.row, selection)
    if not found:
        return None
    return Chosen(frame=frame, selections=list(found.values()), limits=limits)


def tier_candidates(
    trials: pd.DataFrame, limits: Sequence[float] = TIERS, cost: str = "params"
) -> pd.DataFrame:
    """Returns those of the complete `trials` that `choose_tiers` needs: a few hundred out of 100,000.

    `choose_tiers` chooses the same variants from the result as from all trials. The result has all trials of
    architectures with several seeds, because they determine the seeds' spread. For each tier, it also has the trials
    that differ from the tier's best trial by no more than the spread. Do not show the sentences of the choices: they count and compare only the trials in the
    result.
    """
    several = trials["architecture"].duplicated(keep=False)
    repeated = trials[several]
    spread = spread_of(variants(repeated)) if len(repeated) else 0.0
    wanted = several.copy()
    for limit in limits:
        fits = (trials[cost] <= limit) & ~several
        best = trials.loc[fits, "psnr_y"].max()
        wanted |= fits & (trials["psnr_y"] >= best - spread)
    return trials[wanted]
