"""Reads the results of sweeps as data frames and figures."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.choose.comparison import Compared, compare_sweeps
from analysis.choose.pareto import Direction
from analysis.figures.theme import as_plotly
from analysis.pages.report import cards_of
from analysis.read.frames import load_knobs, load_trials
from searchspace.cost import COSTS
from srsweep.api.errors import with_user_errors
from srsweep.api.places import located
from srsweep.pareto_front import front_of, named_objectives

KNOB = "knob_"
"""Prefix of the columns of knobs."""


@with_user_errors
def trials(
    *sweeps: str | os.PathLike[str], db: str | None = None, knobs: bool = False
) -> pd.DataFrame:
    """Returns one row per trial of the sweeps, ordered by sweep and number.

    Each of `sweeps` is the name of a sweep, or a sweep file. If none is given, the trials of all sweeps are returned.
    `db` is the URL of the database. The default is the environment variable SRSWEEP_DB, otherwise the database of the
    first sweep file, otherwise sqlite:///results.db.

    The columns include sweep, number, state (complete, stopped, failed, running or paused), family, label, seed, step
    (the last one that was evaluated), psnr_y [dB] and ssim_y on the validation images, Set5_psnr_y and others for each
    test set that was measured, one column per cost and per measured latency, seconds (the training time of all
    attempts), and error ('' if there is none). Costs are whole numbers. A value that was not measured is NaN. With
    `knobs`, each knob is a column too, such as knob_n_feats. Raises UserError if a sweep or the database does not exist.
    """
    names, url = located(sweeps, db)
    frame = _with_whole_costs(load_trials(url, names or None))
    if not knobs:
        return frame
    columns = load_knobs(url, names or None).add_prefix(KNOB)
    return frame.join(columns, on="id")


@with_user_errors
def pareto(
    sweep: str | os.PathLike[str],
    objectives: Sequence[str] | Mapping[str, Direction] | None = None,
    *,
    int8: bool = False,
    db: str | None = None,
) -> pd.DataFrame:
    """Returns the Pareto front of a sweep, one row per trial, the cheapest first, as `srsweep front --csv` prints it.

    `sweep` is the name of a sweep, or a sweep file. `objectives` replace the sweep's own. They are a mapping from names
    to "maximize" or "minimize", or a list of names such as ["psnr_y", "params"]. In a list, qualities are maximized and
    all others are minimized. With `int8`, the PSNR after INT8 quantisation takes the place of psnr_y. `db` is the URL
    of the database. Raises UserError if there is no such sweep, objective or database.
    """
    (name,), url = located((sweep,), db)
    wanted = [objectives] if isinstance(objectives, str) else objectives
    return _with_whole_costs(front_of(url, name, wanted, int8=int8))


@with_user_errors
def compare(
    *sweeps: str | os.PathLike[str],
    objectives: Sequence[str] | Mapping[str, Direction] | None = None,
    budgets: Sequence[float] = (),
    db: str | None = None,
) -> Compared:
    """Compares two or more sweeps, as `srsweep compare` does.

    Each of `sweeps` is the name of a sweep, or a sweep file. `objectives` are as for `pareto`. The default is the
    objectives that all sweeps share. `budgets` are upper limits on the first objective that is not a quality. `db` is
    the URL of the database. Returns the data frames `summary`, `fronts`, `budgets` and `settings`, and the lines
    `notes`. Raises UserError if the sweeps cannot be compared, because they have different scales, different validation
    images or no common objective.
    """
    names, url = located(sweeps, db)
    wanted = [objectives] if isinstance(objectives, str) else objectives
    return compare_sweeps(url, names, named_objectives(url, wanted) if wanted else None, budgets)


@with_user_errors
def figures(sweep: str | os.PathLike[str], *, db: str | None = None) -> dict[str, Any]:
    """Returns the figures of the report about a sweep, by name, such as "params" (PSNR against parameters).

    `sweep` is the name of a sweep, or a sweep file. `db` is the URL of the database. Each figure is a
    `plotly.graph_objects.Figure` with its title. Figures without data are left out. Raises UserError if there is no such
    sweep or database.
    """
    (name,), url = located((sweep,), db)
    return {card.name: as_plotly(card.figure, card.title) for card in cards_of(url, name)}


def _with_whole_costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns `frame` with costs as integers. The database holds them as floating-point numbers.

    A column of costs stays as it is if a trial lacks the cost or if a value is not a whole number.
    """
    whole = {
        name: "int64"
        for name in COSTS
        if name in frame and frame[name].notna().all() and (frame[name] % 1 == 0).all()
    }
    return frame.astype(whole)
