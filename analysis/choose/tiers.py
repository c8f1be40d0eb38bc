"""The tiers: for each limit of parameters, the best variant within it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.choose.select import Selection, tiers
from analysis.choose.variants import spread_of, variants
from searchspace.errors import UserError

TIERS = (50e3, 150e3, 600e3)
"""Limits of parameters that a page uses unless a person names others."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The variants chosen from comparable sweeps."""

    frame: pd.DataFrame
    """The variants to choose from, as `variants` returns them."""
    selections: list[Selection]
    """The choices that found a variant. Each variant occurs once, for the smallest tier that takes it."""
    limits: Sequence[float] = TIERS
    """The limits of parameters for which the variants were chosen."""


def choose_tiers(trials: pd.DataFrame, limits: Sequence[float] = TIERS) -> Chosen | None:
    """Returns the best variant within each limit of parameters, or None when no variant can be chosen."""
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
    """Returns the few of the complete `trials` from which `choose_tiers` chooses the same variants as from all.

    They are the architectures with several seeds, which determine the spread, and for each tier the trials within the
    spread of its best: a few hundred of 100,000. The sentences of the choices do not hold for all trials, because
    they count and compare the variants that are left.
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
