"""Loads the results that papers report. They are kept apart from our own measurements.

`published.csv` holds every number as its paper prints it, with the paper, the table and a note. A printed PSNR depends
on the training set and the test set of its paper. It is never compared with the PSNR on a validation split.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from pathlib import Path

import pandas as pd

from searchspace.architecture import Architecture
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from sweeps.files import write_text

FILE = Path(__file__).with_name("published.csv")
"""Path of the file with the printed results."""
SELF_ENSEMBLE = re.compile(r"\S\+")
"""Pattern of a '+' that marks a self-ensemble in the name of a network: 's-LWSR16+', but not 'MemNet + GGAS'."""
COUNTED_FILE = Path(__file__).with_name("counted.csv")
"""Path of the file with our own counts for published networks. `main` writes the file."""
COUNTED_COSTS = ("params", "multadds")
"""Costs that we count for published networks."""
TEST_SETS = ("Set5", "Set14", "B100", "Urban100", "Manga109")
"""Test sets on which papers report PSNR and SSIM."""


@lru_cache
def _table() -> pd.DataFrame:
    text = ("paper", "network", "table", "dataset", "train_data", "note")
    frame = pd.read_csv(FILE, dtype=dict.fromkeys(text, str))
    return frame.fillna(dict.fromkeys(text, "")).astype({"scale": "Int64"})


def load_published(scale: int | None = None, dataset: str | None = None) -> pd.DataFrame:
    """Returns the printed results, one row per row of published.csv and with the same columns.

    If `scale` or `dataset` is given, only rows with this scale or this test set are returned. params and multadds are
    the printed costs. psnr_db is in dB. train_data is '' if published.csv does not name the training set.
    """
    frame = _table()
    if scale is not None:
        frame = frame[(frame["scale"] == scale).fillna(False)]
    if dataset is not None:
        frame = frame[frame["dataset"] == dataset]
    return frame.reset_index(drop=True).copy()


@lru_cache
def counted(scale: int) -> Mapping[str, Mapping[str, object]]:
    """Returns the published networks that our families can build at `scale`, by their names in the papers.

    Each entry holds architecture (the architecture's key) and our own counts of params and multadds. We count all
    networks by the same rule; papers use different rules. If several networks share a name, the first is returned.
    """
    stored = stored_counts()
    found: dict[str, Mapping[str, object]] = {}
    for name, network, own_scale in built_networks():
        if own_scale == scale and name not in found:
            known = stored.get((network.key, scale)) or count(network, scale)
            found[name] = {"architecture": network.key, **known}
    return found


def built_networks() -> list[tuple[str, Architecture, int]]:
    """Returns (name in its paper, architecture, scale) for every published network that one of our families builds."""
    return [
        (variant.name, Architecture(family=family, spec=variant.spec), variant.scale)
        for family in FAMILIES.values()
        for variant in family.published
    ]


def count(network: Architecture, scale: int) -> dict[str, int]:
    """Counts the params and multadds of a network."""
    known = costs(network, scale)
    return {name: known[name] for name in COUNTED_COSTS}


@lru_cache
def stored_counts() -> Mapping[tuple[str, int], Mapping[str, int]]:
    """Returns the results of `count` that counted.csv stores, by (architecture key, scale).

    The counts are stored because counting takes seconds. If a network is missing from the file, it is counted on
    demand. `python -m analysis.published.published` writes the file again.
    """
    rows = pd.read_csv(COUNTED_FILE, dtype={"architecture": str}).to_dict("records")
    return {
        (str(row["architecture"]), int(row["scale"])): {n: int(row[n]) for n in COUNTED_COSTS}
        for row in rows
    }


def published_networks(scale: int, cost: str) -> pd.DataFrame:
    """Returns published networks at `scale`, cheapest first, with the columns network, cost, counted and own.

    If one of our families builds the network, the cost is our own count and counted is True. Otherwise the cost is the
    printed cost, and a network has one row for each different cost that papers print. own is True if published.csv
    names the training set of the network. It does so only if the authors of a paper trained the network themselves.
    Self-ensembles ('+') are left out, because they run a network that is already listed.
    """
    frame = load_published(scale)
    ours = counted(scale)
    rows: set[tuple[str, float]] = {
        (name, float(str(known[cost]))) for name, known in ours.items() if cost in known
    }
    if cost not in frame:
        frame[cost] = float("nan")
    printed = frame.dropna(subset=[cost])
    rows |= {
        (name, float(value))
        for name, value in zip(printed["network"], printed[cost], strict=True)
        if name not in ours and not SELF_ENSEMBLE.search(name)
    }
    result = pd.DataFrame(sorted(rows, key=itemgetter(1)), columns=["network", "cost"])
    result["counted"] = result["network"].isin(list(ours))
    result["own"] = result["network"].isin(frame.loc[frame["train_data"] != "", "network"])
    return result


def published_points(scale: int, dataset: str, cost: str) -> pd.DataFrame:
    """Returns the published results on the test set `dataset` whose cost is known.

    The columns are cost, counted and the columns of `load_published`. If one of our families builds the network, cost
    is our own count and counted is True. Otherwise cost is the printed cost. Self-ensembles are left out, because they
    run the network eight times and papers print the cost of one run.
    """
    frame = load_published(scale, dataset).dropna(subset=["psnr_db"])
    frame = frame[~frame["network"].str.contains(SELF_ENSEMBLE)]
    ours = counted(scale)
    own = frame["network"].map(lambda name: ours.get(name, {}).get(cost))
    frame["counted"] = own.notna()
    frame["cost"] = pd.to_numeric(own).fillna(frame[cost] if cost in frame else float("nan"))
    return frame.dropna(subset=["cost"]).reset_index(drop=True)


def same_networks(scale: int) -> dict[str, str]:
    """Returns the names that papers give to the networks that our families build at `scale`, by architecture key."""
    return {str(known["architecture"]): name for name, known in counted(scale).items()}


def main() -> None:
    """Counts all published networks that our families build, and writes counted.csv again."""
    rows = {
        (network.key, scale): {
            "network": name,
            "family": network.family.name,
            "scale": scale,
            "architecture": network.key,
            **count(network, scale),
        }
        for name, network, scale in built_networks()
    }
    write_text(COUNTED_FILE, pd.DataFrame(rows.values()).to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    main()
