"""Averages the trials of one architecture in one sweep. A sweep with `seeds: 3` trains an architecture with three seeds."""

import pandas as pd

from analysis.read.database import QUALITIES

OF_QUALITY = QUALITIES
"""Endings of the columns that are averaged: the qualities on the validation split and on test sets."""
SUMMED = ("seconds", "spent")
"""Columns whose values are added up over the trials of an architecture."""
SPREADS = {"psnr_y": "psnr_spread", "ssim_y": "ssim_spread"}
"""Maps a quality on the validation split to the added column that holds its standard deviation over seeds."""


def averaged(trials: pd.DataFrame, quality: str = "psnr_y") -> pd.DataFrame:
    """Returns `trials` with one row for the complete trials of each architecture in each sweep.

    `trials` are rows of `load_trials` or `load_points`. If no architecture has several complete trials, `trials` is
    returned unchanged. Otherwise, in the rows of complete trials:

    - all qualities are means over the trials that have a value,
    - psnr_spread, ssim_spread: the sample standard deviations (divided by n - 1); NaN for a single trial,
    - num_seeds: the number of complete trials with a value of `quality`,
    - seconds and spent are sums,
    - all other columns come from the trial with the best `quality`, because `srsweep select` and `export` use its
      weights. A cost or latency that this trial lacks is taken from another trial of the architecture.

    Rows of other states stay as they are. The order of the rows is kept.
    """
    keys = [name for name in ("sweep", "architecture") if name in trials]
    done = trials[trials["state"] == "complete"] if "state" in trials else trials
    if "architecture" not in keys or not done.duplicated(keys).any():
        return trials
    best_first = [quality] if quality in done else []
    ordered = done.sort_values([*best_first, "id"], ascending=[False] * len(best_first) + [True])
    groups = ordered.groupby(keys, sort=False)
    places = ordered.drop_duplicates(keys).index
    # groupby's `first` takes the first value of each column that is not missing.
    frame = groups[[name for name in ordered if name not in keys]].first().reset_index()
    frame.index = places
    found = [str(name) for name in done if str(name).endswith(OF_QUALITY)]
    for name in found:
        frame[name] = groups[name].mean().to_numpy()
    for name in (name for name in SUMMED if name in done):
        frame[name] = groups[name].sum().to_numpy()
    for name, spread in SPREADS.items():
        if name in found:
            frame[spread] = groups[name].std().to_numpy()
    counted = quality if quality in done else next((n for n in QUALITIES if n in done), "id")
    frame["num_seeds"] = groups[counted].count().to_numpy()
    rest = trials.drop(index=done.index)
    whole = pd.concat([frame, rest]) if len(rest) else frame
    columns = [*trials.columns, *(n for n in frame if n not in trials)]
    return whole.sort_index()[columns].reset_index(drop=True)
