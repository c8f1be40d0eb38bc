"""What the papers report, kept apart from what we measured.

`published.csv` holds every figure as printed, with paper, table and note. A printed PSNR belongs to
its paper's training set and test set and is never compared with one of a validation split.
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
"""In a network's name: 's-LWSR16+', but not 'MemNet + GGAS'."""
COUNTED_FILE = Path(__file__).with_name("counted.csv")
COUNTED_COSTS = ("params", "multadds")
TEST_SETS = ("Set5", "Set14", "B100", "Urban100", "Manga109")


@lru_cache
def _table() -> pd.DataFrame:
    text = ("paper", "network", "table", "dataset", "train_data", "note")
    frame = pd.read_csv(FILE, dtype=dict.fromkeys(text, str))
    return frame.fillna(dict.fromkeys(text, "")).astype({"scale": "Int64"})


def load_published(scale: int | None = None, dataset: str | None = None) -> pd.DataFrame:
    """The printed figures, one row a network and test set, as in published.csv.

    train_data is the training set where it is known, otherwise ''. PSNR in dB.
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

    Each with architecture (key) and our own count of params and multadds, which follow one rule where
    the papers follow several. The first of several networks of one name.
    """
    stored = stored_counts()
    found: dict[str, Mapping[str, object]] = {}
    for name, network, own_scale in built_networks():
        if own_scale == scale and name not in found:
            known = stored.get((network.key, scale)) or count(network, scale)
            found[name] = {"architecture": network.key, **known}
    return found


def built_networks() -> list[tuple[str, Architecture, int]]:
    """Name in its paper, architecture and scale of every published network that a family builds."""
    return [
        (variant.name, Architecture(family=family, spec=variant.spec), variant.scale)
        for family in FAMILIES.values()
        for variant in family.published
    ]


def count(network: Architecture, scale: int) -> dict[str, int]:
    """Our own params and multadds of a network, counted now."""
    known = costs(network, scale)
    return {name: known[name] for name in COUNTED_COSTS}


@lru_cache
def stored_counts() -> Mapping[tuple[str, int], Mapping[str, int]]:
    """What `count` gave for (architecture, scale) when counted.csv was written: counting takes seconds.

    A network that is not in it is counted when it is needed; `python -m analysis.published.published` writes it anew.
    """
    rows = pd.read_csv(COUNTED_FILE, dtype={"architecture": str}).to_dict("records")
    return {
        (str(row["architecture"]), int(row["scale"])): {n: int(row[n]) for n in COUNTED_COSTS}
        for row in rows
    }


def published_networks(scale: int, cost: str) -> pd.DataFrame:
    """Published networks by what they cost: network, cost, counted, own; one row a network and cost.

    The cost is counted by us where a family of ours builds the network (counted is true), otherwise as
    printed; own are those that the papers behind published.csv propose themselves. A self-ensemble ('+') is the same network and left out.
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
    """Published figures on a test set that have a cost: load_published's columns, cost and counted.

    Where a family of ours builds the network its cost is our own count. Self-ensembles are left out: they cost
    eight passes, and the papers print the cost of one.
    """
    frame = load_published(scale, dataset).dropna(subset=["psnr_db"])
    frame = frame[~frame["network"].str.contains(SELF_ENSEMBLE)]
    ours = counted(scale)
    own = frame["network"].map(lambda name: ours.get(name, {}).get(cost))
    frame["counted"] = own.notna()
    frame["cost"] = pd.to_numeric(own).fillna(frame[cost] if cost in frame else float("nan"))
    return frame.dropna(subset=["cost"]).reset_index(drop=True)


def same_networks(scale: int) -> dict[str, str]:
    """Architecture key -> the name under which a paper published this very network at `scale`."""
    return {str(known["architecture"]): name for name, known in counted(scale).items()}


def main() -> None:
    """Write counted.csv anew."""
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
