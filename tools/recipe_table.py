"""Prints the table of the training recipes in configs/recipe/README.md, from the rows in configs/recipe/recorded.db.

Run `python -m tools.recipe_table` after new rows were merged into recorded.db. A test compares the page with the
printed table. The time of a training step with a block comes from the newest adopted run of benchmarks/blocks.py,
because the training runs of the rows shared their machines with other work.
"""

from collections.abc import Iterator
from statistics import fmean, stdev

import pandas as pd

from analysis.published.claims import interval
from analysis.read.frames import load_knobs, load_trials
from benchmarks.folders import RESULTS
from benchmarks.spread import ratios
from benchmarks.table import age, of_blocks, read
from tools.recipe_configs import FOLDER

URL = f"sqlite:///{FOLDER / 'recorded.db'}"
HEAD = """| setting | PSNR-Y dB | difference from the default | 95 % interval | time of a step |
| --- | ---: | ---: | ---: | ---: |"""


def rows(url: str = URL) -> Iterator[str]:
    """Yields one line of Markdown for each recipe, then for each block, then for each loss of the longer training runs.

    The difference is the mean over the seeds. The time of a step is relative to that with plain convolutions.
    """
    slower = times_of_blocks()
    trials = load_trials(url)
    trials = trials[trials["state"] == "complete"]
    knobs = (
        load_knobs(url).reindex(index=trials["id"], columns=["block", "train.loss"]).astype(object)
    )
    trials = trials.assign(
        block=knobs["block"].fillna("plain").to_numpy(),
        loss=[_in_words(loss) for loss in knobs["train.loss"]],
    )
    of_recipes = trials[trials["sweep"].str.startswith("recipe-")]
    default = _scores(of_recipes[of_recipes["sweep"] == "recipe-default"])
    for sweep, own in of_recipes.groupby("sweep", sort=False):
        yield _line(str(sweep).removeprefix("recipe-"), own, default)
    for start, column, base in (("reparam-", "block", "plain"), ("longer-", "loss", "l1")):
        compared = trials[trials["sweep"].str.startswith(start)]
        for (_, family), own in compared.groupby(["sweep", "family"], sort=False):
            of_base = _scores(own[own[column] == base])
            for value, each in own.groupby(column, sort=False):
                steps = f", {each['step'].iloc[0]:,} steps" if column == "loss" else ""
                time = slower.get((str(family), str(value)), "") if column == "block" else ""
                yield _line(f"{family}{steps}, {column}: {value}", each, of_base, time)


def times_of_blocks() -> dict[tuple[str, str], str]:
    """Returns, by family and block, the time of a training step relative to that with plain convolutions.

    Each text holds the median and the quartiles over the rounds of the newest adopted run of benchmarks/blocks.py.
    """
    path = max(RESULTS.glob("blocks_*.csv"), key=age)
    return {
        (family, block): ratios(times["plain"], own)
        for family, times in of_blocks(read(path)).items()
        for block, own in times.items()
        if block != "plain"
    }


def _in_words(loss: object) -> str:
    """Returns a loss as text, such as 'l1 + 0.05 fft'. A missing loss means the default."""
    if not isinstance(loss, dict):
        return loss if isinstance(loss, str) else "l1"
    parts = sorted(loss.items(), key=lambda part: -part[1])
    return " + ".join(name if weight == 1 else f"{weight:g} {name}" for name, weight in parts)


def _scores(trials: pd.DataFrame) -> "pd.Series[float]":
    return trials.set_index("seed")["psnr_y"]


def _line(name: str, trials: pd.DataFrame, base: "pd.Series[float]", time: str = "") -> str:
    own = _scores(trials)
    found = interval([float(own[seed] - base[seed]) for seed in own.index])
    text = f"| {name} | {fmean(own):.3f} ± {stdev(own):.3f} |"
    if own.equals(base):
        return f"{text} - | - | - |"
    return f"{text} {found.mean:+.3f} | {found.low:+.3f} to {found.high:+.3f} | {time or '-'} |"


if __name__ == "__main__":
    print("\n".join([HEAD, *rows()]))
