"""The Pareto front of a stored sweep."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.choose.pareto import Direction, front_mask
from analysis.read.points import load_details, load_objectives


def load_front(
    url: str, sweep: str, objectives: Mapping[str, Direction], extra: Sequence[str] = ()
) -> pd.DataFrame:
    """One row per trial on the Pareto front of a sweep's complete trials, in order of number.

    The columns are those of `load_details`, the `objectives` and the `extra` costs. psnr_y and ssim_y come from the
    validation split. All trials lend their numbers, but only the front's texts are read: with 100,000 trials the
    texts would take most of the time. Raises UserError when nothing stored has the name of an objective.
    """
    names = list(dict.fromkeys([*objectives, *extra]))
    points = load_objectives(url, sweep, names)
    values = points[list(objectives)].to_numpy(float)
    front = points[front_mask(values, list(objectives.values()))]
    details = load_details(url, front["id"].tolist())
    frame = details.merge(front, on="id").sort_values("number", ignore_index=True)
    return frame.astype(dict.fromkeys(names, float))
