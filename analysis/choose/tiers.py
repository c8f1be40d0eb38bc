"""Chooses the best variant of each tier. A tier is an upper limit on the number of parameters."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd

from analysis.choose.gates import Gates, passing
from analysis.choose.select import Selection, tiers
from analysis.choose.variants import spread_of, variants
from searchspace.constraint import Constraint, at_most, parse_constraint
from searchspace.errors import UserError
from sweeps.yaml_text import YamlError, read_stored

TIERS = (50e3, 150e3, 600e3)
"""Maximum number of parameters of each default tier, for sweeps that do not limit the number of parameters."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The variants that the tiers choose from comparable sweeps."""

    frame: pd.DataFrame
    """The variants to choose from, as `variants` returns them."""
    selections: list[Selection]
    """The selections that found a variant. If several tiers choose the same variant, only the smallest tier is kept."""
    limits: Sequence[float] = TIERS
    """Maximum number of parameters of each tier."""


def tiers_within(texts: Iterable[str]) -> tuple[float, ...]:
    """Returns the default tiers of sweeps, given the texts of their sweep files.

    The default tiers are TIERS. If all sweeps limit the number of parameters, the largest of these limits becomes the
    last tier, and tiers above it are left out.
    """
    limits = [_limit_on_params(text) for text in texts]
    known = [limit for limit in limits if limit is not None]
    if not known or len(known) < len(limits) or max(known) > TIERS[-1]:
        return TIERS
    return (*(tier for tier in TIERS if tier < max(known)), max(known))


def _limit_on_params(text: str) -> float | None:
    """Returns the largest number of parameters that a sweep file allows, or None if it sets no limit."""
    try:
        sweep = read_stored(text)
    except YamlError:
        return None
    if not isinstance(sweep, dict):
        return None
    budget, constraints = sweep.get("budget"), sweep.get("constraints")
    limits = [budget["params"]] if isinstance(budget, dict) and "params" in budget else []
    found = [_parsed(partial(at_most, "params", limit)) for limit in limits]
    texts = constraints if isinstance(constraints, list) else []
    found += [_parsed(partial(parse_constraint, text, ())) for text in texts]
    is_limit = [c for c in found if c is not None and c.name == "params" and "<" in c.comparison]
    return min((limit.limit for limit in is_limit), default=None)


def _parsed(parse: Callable[[], Constraint]) -> Constraint | None:
    """Calls `parse` and returns its constraint, or None if the constraint is not valid or limits a knob."""
    try:
        return parse()
    except UserError:
        return None


def choose_tiers(
    trials: pd.DataFrame, limits: Sequence[float] = TIERS, gates: Gates = ()
) -> Chosen | None:
    """Chooses, for each of the `limits` on parameters, the best variant within it that passes the `gates`.

    Returns None if no variant is within a limit or the trials are not comparable.
    """
    try:
        frame = variants(trials)
    except UserError:  # the trials are not comparable
        return None
    frame = frame[passing(frame, gates)]
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
    """Returns the subset of the complete `trials` that `choose_tiers` needs: a few hundred out of 100,000.

    `choose_tiers` chooses the same variants from this subset as from all trials. The subset holds all trials of
    architectures with several seeds, because they determine the seeds' spread. It also holds, for each tier, the trials
    whose PSNR is within the spread of the tier's best trial. Do not show people the explanations that `choose_tiers`
    gives for the subset: their counts and comparisons leave out all other trials.
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
