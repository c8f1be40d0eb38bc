"""Loads the Pareto front of a stored sweep."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.choose.pareto import Direction, front_mask
from analysis.read.points import load_details, load_objectives


def load_front(
    url: str, sweep: str, objectives: Mapping[str, Direction], extra: Sequence[str] = ()
) -> pd.DataFrame:
    """Returns one row per complete trial of `sweep` on the Pareto front of the `objectives`, ordered by number.

    The columns are the columns of `load_details`, the `objectives` and the `extra` costs. psnr_y and ssim_y are
    measured on the validation split. Texts such as labels are read only for trials on the front, because reading the
    texts of all 100,000 trials of a large sweep would take most of the time. Raises UserError for an objective or an
    extra cost that is not the name of a stored measurement.
    """
    names = list(dict.fromkeys([*objectives, *extra]))
    points = load_objectives(url, sweep, names)
    values = points[list(objectives)].to_numpy(float)
    front = points[front_mask(values, list(objectives.values()))]
    details = load_details(url, front["id"].tolist())
    frame = details.merge(front, on="id").sort_values("number", ignore_index=True)
    return frame.astype(dict.fromkeys(names, float))
