"""Loads the Pareto front of a stored sweep."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.choose.gates import Gates, passing
from analysis.choose.means import averaged
from analysis.choose.pareto import Direction, front_mask
from analysis.read.database import QUALITIES
from analysis.read.points import load_details, load_has_seeds, load_objectives


def load_front(
    url: str,
    sweep: str,
    objectives: Mapping[str, Direction],
    extra: Sequence[str] = (),
    gates: Gates = (),
) -> pd.DataFrame:
    """Returns one row per complete trial of `sweep` on the Pareto front of the `objectives`, ordered by number.

    The columns are the columns of `load_details`, the `objectives` and the `extra` costs. psnr_y and ssim_y are
    measured on the validation split. Texts such as labels are read only for trials on the front, because reading the
    texts of 100,000 trials would take most of the time. If architectures were trained with several seeds, each
    architecture has one row, as `averaged` returns it. The columns num_seeds and, if known, psnr_spread and ssim_spread
    are then added. Trials that miss one of the `gates` are left out. Raises UserError if an objective or an extra cost
    is not the name of a stored measurement.
    """
    names = list(dict.fromkeys([*objectives, *extra, *(gate.name for gate in gates)]))
    points = load_objectives(url, sweep, names)
    if load_has_seeds(url, sweep):
        known = load_details(url, points["id"].tolist()).merge(points, on="id")
        known = known.astype(dict.fromkeys(names, float))
        quality = next((name for name in objectives if name in QUALITIES), "psnr_y")
        means = averaged(known, quality)
        means = means[passing(means, gates)]
        front = means[
            front_mask(means[list(objectives)].to_numpy(float), list(objectives.values()))
        ]
        return front.sort_values("number", ignore_index=True)
    points = points[passing(points, gates)]
    values = points[list(objectives)].to_numpy(float)
    front = points[front_mask(values, list(objectives.values()))]
    details = load_details(url, front["id"].tolist())
    frame = details.merge(front, on="id").sort_values("number", ignore_index=True)
    return frame.astype(dict.fromkeys(names, float))
