"""Prints the table of the training recipes in configs/recipe/README.md, from the rows in configs/recipe/recorded.db.

Run `python -m tools.recipe_table` after new rows were merged into recorded.db. A test compares the page with it.
"""

from collections.abc import Iterator
from statistics import fmean, stdev

import pandas as pd

from analysis.published.claims import interval
from analysis.read.frames import load_knobs, load_trials
from tools.recipe_configs import FOLDER

URL = f"sqlite:///{FOLDER / 'recorded.db'}"
HEAD = """| setting | PSNR-Y dB | difference from the default | 95 % interval |
| --- | ---: | ---: | ---: |"""


def rows(url: str = URL) -> Iterator[str]:
    """Yields one line of Markdown for each recipe, and for each block of the comparison of re-parameterised blocks.

    The difference is the mean over the seeds.
    """
    trials = load_trials(url)
    trials = trials[trials["state"] == "complete"]
    blocks = load_knobs(url)["block"].reindex(trials["id"]).fillna("plain")
    trials = trials.assign(block=blocks.to_numpy())
    default = _scores(trials[trials["sweep"] == "recipe-default"])
    for sweep, own in trials.groupby("sweep", sort=False):
        name = str(sweep)
        if name.startswith("recipe-"):
            yield _line(name.removeprefix("recipe-"), own, default)
            continue
        plain = _scores(own[own["block"] == "plain"])
        for block, of_block in own.groupby("block", sort=False):
            yield _line(f"{name.removeprefix('reparam-')}, block: {block}", of_block, plain)


def _scores(trials: pd.DataFrame) -> "pd.Series[float]":
    return trials.set_index("seed")["psnr_y"]


def _line(name: str, trials: pd.DataFrame, base: "pd.Series[float]") -> str:
    own = _scores(trials)
    found = interval([float(own[seed] - base[seed]) for seed in own.index])
    text = f"| {name} | {fmean(own):.3f} ± {stdev(own):.3f} |"
    if own.equals(base):
        return f"{text} - | - |"
    return f"{text} {found.mean:+.3f} | {found.low:+.3f} to {found.high:+.3f} |"


if __name__ == "__main__":
    print("\n".join([HEAD, *rows()]))
