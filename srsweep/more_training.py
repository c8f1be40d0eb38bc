"""Says what more training of a sweep would be worth, for `srsweep select`."""

import pandas as pd

from analysis.choose.words import noun_of, value_of
from analysis.read.frames import load_sweeps
from analysis.read.rows import load_rows
from analysis.tables import heading
from searchspace.errors import UserError
from searchspace.quantity import format_duration, format_quantity

ENOUGH = 12
"""Minimum number of complete networks for an estimate."""

NONE = "More training: no estimate, because"


def has_enough(trials: pd.DataFrame) -> bool:
    """Returns whether enough networks of a sweep are complete for an estimate. `trials` are those of `load_trials`."""
    complete = trials[trials["state"] == "complete"]
    return len(complete) >= ENOUGH and complete["architecture"].nunique() >= ENOUGH


def words_on_prospects(url: str, sweep: str, trials: pd.DataFrame) -> str:
    """Returns two sentences about what the next training of a sweep is expected to bring.

    `trials` are the trials of the sweep, as `load_trials` returns them. If there is no estimate, returns one sentence with
    the reason.
    """
    if not has_enough(trials):
        return f"{NONE} fewer than {ENOUGH} networks are complete."
    # Imported here, because PyTorch takes seconds, which other uses of `select` should not cost.
    from srsweep.choice import stored_config
    from sweeps.engine.prospects import prospects

    try:
        config = stored_config(url, sweep)
    except UserError as error:
        return f"{NONE} the stored settings cannot be read: {error}"
    row = load_sweeps(url, [sweep]).iloc[0]
    facts = {str(name): str(value) for name, value in row.items() if not pd.isna(value)}
    found = prospects(config, load_rows(url, sweep), facts)
    if isinstance(found, str):
        return f"{NONE} {found}."
    best, noun = found.best, heading(found.best.cost)
    low, high = (value_of(found.learnt, score) for score in best.scores)
    least, largest = (format_quantity(end) for end in best.promising)
    inside = " inside the focus" if config.search.focus else ""
    took = format_duration(found.hours * 3600)
    hourly = (
        f", which is {_share(best.gain / found.hours)} per hour of training" if found.hours else ""
    )
    return (
        f"More training: the next network is expected to enlarge the hypervolume{inside} by {_share(best.gain)} in {took}"
        f"{hourly}.\n"
        f"This is an estimate of pareto's model from {found.trained} networks. The model would train "
        f"{best.architecture.label} ({format_quantity(best.counted)} {noun}, predicted {noun_of(found.learnt)} {low} to "
        f"{high}), and expects similar gains from {least} to {largest} {noun}."
    )


def _share(gain: float) -> str:
    return "less than 0.01 %" if gain < 1e-4 else f"{100 * gain:.2g} %"
