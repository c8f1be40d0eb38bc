"""Results that papers report, kept apart from our own measurements.

`published.csv` holds every number as printed, with its paper, table and a note. A printed PSNR belongs to the
training set and test set of its paper, and is never compared with the PSNR of a validation split.
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

FILE = Path(__file__).with_name("published.csv")
SELF_ENSEMBLE = re.compile(r"\S\+")
"""Matches the '+' that marks a self-ensemble in a network's name: 's-LWSR16+', but not 'MemNet + GGAS'."""
COUNTED_FILE = Path(__file__).with_name("counted.csv")
COUNTED_COSTS = ("params", "multadds")
TEST_SETS = ("Set5", "Set14", "B100", "Urban100", "Manga109")


@lru_cache
def _table() -> pd.DataFrame:
    text = ("paper", "network", "table", "dataset", "train_data", "note")
    frame = pd.read_csv(FILE, dtype=dict.fromkeys(text, str))
    return frame.fillna(dict.fromkeys(text, "")).astype({"scale": "Int64"})


def load_published(scale: int | None = None, dataset: str | None = None) -> pd.DataFrame:
    """The printed results with the columns of published.csv, one row per paper, network, scale and test set.

    If `scale` or `dataset` is given, only its rows are returned. train_data is '' if the training set is unknown.
    psnr_db is in dB.
    """
    frame = _table()
    if scale is not None:
        frame = frame[(frame["scale"] == scale).fillna(False)]
    if dataset is not None:
        frame = frame[frame["dataset"] == dataset]
    return frame.reset_index(drop=True).copy()


@lru_cache
def counted(scale: int) -> Mapping[str, Mapping[str, object]]:
    """Published networks that our families build at `scale`, by their name in the papers.

    Each entry has the key architecture and our own count of params and multadds. Our counts follow one rule, whereas
    papers follow several. If several networks share a name, the first one counts.
    """
    stored = stored_counts()
    found: dict[str, Mapping[str, object]] = {}
    for name, network, own_scale in built_networks():
        if own_scale == scale and name not in found:
            known = stored.get((network.key, scale)) or count(network, scale)
            found[name] = {"architecture": network.key, **known}
    return found


def built_networks() -> list[tuple[str, Architecture, int]]:
    """The (name in its paper, architecture, scale) of every published network that a family builds."""
    return [
        (variant.name, Architecture(family=family, spec=variant.spec), variant.scale)
        for family in FAMILIES.values()
        for variant in family.published
    ]


def count(network: Architecture, scale: int) -> dict[str, int]:
    """The params and multadds of a network, counted now."""
    known = costs(network, scale)
    return {name: known[name] for name in COUNTED_COSTS}


@lru_cache
def stored_counts() -> Mapping[tuple[str, int], Mapping[str, int]]:
    """The results of `count` by (architecture key, scale), as stored in counted.csv, because counting takes seconds.

    A network that the file lacks is counted when it is needed. `python -m analysis.published.published` rewrites the
    file.
    """
    rows = pd.read_csv(COUNTED_FILE, dtype={"architecture": str}).to_dict("records")
    return {
        (str(row["architecture"]), int(row["scale"])): {n: int(row[n]) for n in COUNTED_COSTS}
        for row in rows
    }


def published_networks(scale: int, cost: str) -> pd.DataFrame:
    """One row per published network and cost, cheapest first: network, cost, counted, own.

    If one of our families builds the network, the cost is our own count and counted is True. Otherwise the cost is
    the printed one. own is True for networks that the papers behind published.csv propose themselves. Self-ensembles
    ('+') are left out, because they use the same network.
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
    """Published results on a test set whose cost is known: the columns of load_published, cost and counted.

    If one of our families builds the network, the cost is our own count and counted is True. Self-ensembles are left
    out, because they cost eight passes and the papers print the cost of one.
    """
    frame = load_published(scale, dataset).dropna(subset=["psnr_db"])
    frame = frame[~frame["network"].str.contains(SELF_ENSEMBLE)]
    ours = counted(scale)
    own = frame["network"].map(lambda name: ours.get(name, {}).get(cost))
    frame["counted"] = own.notna()
    frame["cost"] = pd.to_numeric(own).fillna(frame[cost] if cost in frame else float("nan"))
    return frame.dropna(subset=["cost"]).reset_index(drop=True)


def same_networks(scale: int) -> dict[str, str]:
    """The name under which a paper published a network at `scale`, by the network's architecture key."""
    return {str(known["architecture"]): name for name, known in counted(scale).items()}


def main() -> None:
    """Rewrite counted.csv."""
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
    pd.DataFrame(rows.values()).to_csv(COUNTED_FILE, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
